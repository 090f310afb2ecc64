//! The base of every layer: formats that Redis defines to the last bit (numbers as text, glob), and
//! machine resources: time, memory.
#![warn(missing_docs)]

pub mod backoff;
pub mod clock;
pub mod finding;
pub mod given_file;
pub mod glob;
pub mod hashing;
pub mod json;
pub mod lzf;
pub mod memory;
mod millis;
pub mod numbers;
pub mod processors;
pub mod random;
pub mod registers;
pub mod sys;
pub mod text;
pub mod threads;
pub mod usage;
pub mod wake;

pub use millis::Millis;
