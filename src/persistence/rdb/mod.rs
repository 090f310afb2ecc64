//! RDB: a snapshot as a file, and a value as DUMP has it.
//!
//!     format     the numbers
//!     writer     keys and values on their way out
//!     input      bytes on their way in: strings, lengths, a checksum
//!     parse      values on their way in, of every type, old and new
//!     stream     streams, in and out
//!     reader     files, key by key                 payload     what RESTORE takes
//!
//! What is read is never trusted: every length is held against the bytes that are left, every
//! packed form checked before it is taken over. What is wrong has an offset and a key.
//! `module` reads past what has no type here.

mod fault;
pub mod format;
mod input;
mod module;
mod parse;
mod payload;
mod reader;
mod stream;
mod writer;

pub use fault::{Fault, RdbError};
pub use input::Input;
pub use payload::{Payload, seal};
pub use reader::{End, KeyFacts, Loader, ReadOptions, Reader, Sum};
pub use writer::{Use, VERSION_FIELD_TTLS, VERSION_MIGRATE, VERSION_USUAL, Writer};
