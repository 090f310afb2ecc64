//! RDB: a snapshot as a file, and a value in DUMP format.
//!
//!     format     the numbers
//!     writer     writing keys and values
//!     input      input bytes: strings, lengths, a checksum
//!     parse      reading values; the forms of each type: `persistence::values`
//!     reader     files, key by key                 payload     RESTORE's payloads
//!     file       opening a file, which may be compressed as a whole
//!     peer       the version for another server
//!     scan       where an item ends that arrives in pieces
//!     census     how many keys a file has
//!     verify     whether a file is whole
//!     templates  the field names that hashes of Redis 8.10 share
//!
//! Input is never trusted: every length is compared with the bytes that are left, every packed form
//! is checked before it is used. A fault has an offset and a key. `module` names the module of
//! unsupported data, and passes over what may be ignored.

mod census;
mod fault;
mod file;
pub mod format;
mod input;
pub(super) mod module;
mod parse;
mod payload;
mod peer;
mod reader;
mod scan;
mod templates;
mod verify;
mod writer;

pub use census::count_keys;
pub use fault::{Fault, RdbError};
pub use file::{FileProgress, is_snapshot, open, open_reader};
pub use format::Dialect;
pub use input::{Input, Text};
pub use module::ModuleData;
pub use parse::Rules;
pub use payload::Payload;
#[cfg(any(test, feature = "testing"))]
pub use payload::seal;
pub use peer::{Obstacle, Peer, PeerFormat, obstacle, sync_version, version_with_imports};
pub use reader::{KeyFacts, Loader, RdbEnd, ReadOptions, ReadStep, Reader, Sum};
pub use scan::{Layout, Part};
pub use templates::{Names, in_order, names};
pub use verify::verify;
pub use writer::{
    RdbWriter, Use, VERSION_FIELD_TTLS, VERSION_MIGRATE, VERSION_NEWEST, VERSION_USUAL,
    VERSION_VALKEY, VERSION_VALKEY_PATHS, is_valkey,
};
pub(super) use writer::{
    VERSION_ARRAYS, VERSION_LISTPACKS, VERSION_OWNERLESS, VERSION_PACKED_SETS, VERSION_PRODUCERS,
};

use crate::keyspace::Keyspace;
use crate::types::Type;

/// The lowest version of a file, from the usual one on, that can hold all keys. `of_valkey`: fields
/// that expire, and path hashes, have Valkey's. O(databases).
pub fn version_for(keyspace: &Keyspace, of_valkey: bool) -> u32 {
    match super::values::version_for(keyspace) {
        VERSION_FIELD_TTLS if of_valkey && !keyspace.any_of(Type::VectorSet) => {
            if keyspace.any_of(Type::PathHash) {
                VERSION_VALKEY_PATHS
            } else {
                VERSION_VALKEY
            }
        }
        version => version,
    }
}
