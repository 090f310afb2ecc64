//! The base of every layer: formats that Redis defines to the last bit (numbers as text, glob), and
//! machine resources: time, memory.

pub mod alloc;
mod binary;
pub mod cgroup;
pub mod clock;
pub mod crc16;
pub mod crc64;
// Sanitizers see only the system allocator's blocks, none of jemalloc's.
#[cfg(not(feature = "system-allocator"))]
mod eights;
pub mod float;
pub mod given_file;
pub mod glob;
mod grisu;
pub mod hash;
#[cfg(not(feature = "system-allocator"))]
pub mod huge_pages;
pub mod large;
pub mod ledger;
pub mod long_double;
pub mod lzf;
pub mod memory_pressure;
mod millis;
pub mod mover;
pub mod number;
pub mod pin;
pub mod random;
pub mod registers;
pub mod slabs;
pub mod sys;
pub mod text;
pub mod threads;
pub mod usage;
pub mod xxh3;

pub use millis::Millis;
