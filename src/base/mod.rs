//! What every layer needs and Redis defines to the last bit: numbers as text, glob.

mod binary;
pub mod float;
pub mod glob;
mod grisu;
pub mod hash;
pub mod long_double;
pub mod number;
