//! RDB: a snapshot as a file, and a value as DUMP has it.

pub mod format;
mod writer;

pub use writer::{Use, VERSION_FIELD_TTLS, VERSION_USUAL, Writer};
