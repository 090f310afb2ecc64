//! Numbers as text, to the last digit as Redis prints and parses them.

pub(super) mod binary;
pub mod float;
pub(super) mod grisu;
pub mod long_double;
pub mod number;
