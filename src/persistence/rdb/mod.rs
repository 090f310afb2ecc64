//! RDB: a snapshot as a file, and a value in DUMP format.
//!
//!     format     the numbers
//!     writer     writing keys and values
//!     input      input bytes: strings, lengths, a checksum
//!     parse      reading values of every type, old and new
//!     stream     reading and writing streams
//!     reader     files, key by key                 payload     RESTORE's payloads
//!
//! Input is never trusted: every length is compared with the bytes that are left, every packed form
//! is checked before it is used. A fault has an offset and a key. `module` names the module of
//! unsupported data.

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
