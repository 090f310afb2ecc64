//! The base of every layer: formats that Redis defines to the last bit (numbers as text, glob), and
//! machine resources: time, memory.

pub(super) mod backoff;
pub mod clock;
pub mod given_file;
pub mod glob;
pub(crate) mod hashing;
pub mod lzf;
pub(crate) mod memory;
mod millis;
pub(crate) mod numbers;
pub mod random;
pub mod registers;
pub mod sys;
pub mod text;
pub mod threads;
pub mod usage;
pub mod wake;

pub use millis::Millis;
