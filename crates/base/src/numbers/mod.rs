//! Numbers as text, to the last digit as Redis prints and parses them.
//!
//!     number        64-bit integers: strict parsing, plain decimal output
//!     float         doubles, by Redis's rules; their digits from `grisu`
//!     decimal       digits with a point among them
//!     general       doubles as C's `%g` prints them
//!     long_double   the x87's 80 bits, for INCRBYFLOAT; in integers, on any machine
//!     ranges        ascending numbers as ranges, as clusters print slots
//!     binary        rounding of exact binary values, hex floats; for the two above
//!
//! No locale, no C library. Callers decide which error a text that is no number gets.

pub(super) mod binary;
mod decimal;
pub mod float;
mod general;
pub(super) mod grisu;
pub mod long_double;
pub mod number;
mod ranges;

pub use decimal::Decimal;
pub use general::general;
pub use ranges::ranges;
