//! RDB: a snapshot as a file, and a value in DUMP format.
//!
//!     format     the numbers
//!     writer     writing keys and values
//!     input      input bytes: strings, lengths, a checksum
//!     parse      reading values; the forms of each type: `persistence::values`
//!     rules      how values are read: limits, dialect, templates
//!     reader     files, key by key                 payload     RESTORE's payloads
//!     file       opening a file, which may be compressed as a whole
//!     peer       the version for another server
//!     layout     the parts of an item
//!     scan       where an item ends that arrives in pieces
//!     census     how many keys a file has
//!     verify     whether a file is whole
//!     templates  the field names that hashes of Redis 8.10 share
//!
//! Input is never trusted: every length is compared with the bytes that are left, every packed form
//! is checked before it is used. An `error` is a fault with its offset and key. `module` names the
//! module of unsupported data, and passes over data that may be ignored.
//!
//! # Loading
//!
//! `reader` goes through a file key by key and passes the values to a `Loader`: the keyspace
//! (`server/parts/persist/loading/rdb.rs`), or `check-rdb`'s report (`persistence/check.rs`).
//! RESTORE reads the same values from a payload.
//!
//! A file is read from disk (`RdbFile`) or fed by a socket (`RdbStream`). A fed reader never waits:
//! at an item that has not arrived it returns to the item's beginning, scans for its end as bytes
//! arrive (`scan`, by the layout of the form), and reads it when it is whole. So whatever the
//! pieces, an item is read twice at most, the checksum covers each byte once, and a loader receives
//! the same as from a file.
//!
//! Hashes of Redis 8.10 that take their names from a template of the file (`templates`), or from
//! the payload, become plain hashes. Data of modules ends a load with the module's name; with
//! `rdb-unknown-modules skip` it is passed over (`module`: its fields have an end that is known
//! without the module), counted, and logged. Metadata of keys that is marked as ignorable is passed
//! over in any case.
//!
//! Data may also be loaded beside the current keyspace (`keyspace/passes/beside.rs`), whose
//! databases it then replaces at once.
//!
//! The forms of each type are in its file of `persistence/values`: the numbers that RDB files use
//! for them, their layout, how they are read and written, and the commands of a base file.
//!
//! No input is trusted. `input` checks every length against the bytes that are left and allocates
//! only for bytes that have been read; a packed form is validated from end to end before it becomes
//! a value (`values`, `types/import.rs`), and its elements are made distinct and put into order,
//! because all later readers rely on that. Redis and Valkey use the same numbers for different
//! things: the file's magic, or a payload's version, decides (`format::Dialect`), and only `reader`
//! and a type's `SavedContainer::load` see which it was.

mod census;
mod error;
mod fault;
mod file;
pub mod format;
mod input;
mod layout;
pub(super) mod module;
mod parse;
mod payload;
mod peer;
mod reader;
mod rules;
mod scan;
mod sparse;
mod templates;
mod verify;
mod writer;

pub use super::values::json::LongDocument;
pub use census::count_keys;
pub use error::RdbError;
pub use fault::Fault;
pub(crate) use file::open_reader;
pub use file::{FileProgress, is_snapshot, open};
pub use format::RdbOrigin;
pub use input::{Input, Text};
pub use layout::{Layout, Part};
pub use module::{DICTIONARIES, INDEXES, ModuleData, Settings, VALKEY_INDEXES};
pub use payload::Payload;
#[cfg(any(test, feature = "testing"))]
pub use payload::seal;
pub(crate) use peer::OTHER_MODULES;
pub use peer::{Obstacle, Peer, PeerFormat, obstacle, sync_version, version_with_imports};
pub use reader::{KeyFacts, Loader, RdbEnd, ReadOptions, ReadStep, Reader, Sum};
pub use rules::Rules;
pub(crate) use sparse::SEGMENT;
pub use templates::{Names, in_order, names};
pub use verify::verify;
pub(crate) use writer::DAMAGED;
pub use writer::{
    PackedChunk, RdbWriter, SlicedPayload, Use, VERSION_BLESSED, VERSION_FIELD_TTLS,
    VERSION_MEMBER_TTLS, VERSION_MIGRATE, VERSION_NEWEST, VERSION_USUAL, is_valkey, stamp_of_large,
};
pub(super) use writer::{
    VERSION_ARRAYS, VERSION_LISTPACKS, VERSION_OWNERLESS, VERSION_PACKED_SETS, VERSION_PRODUCERS,
};
pub(crate) use writer::{VERSION_VALKEY, VERSION_VALKEY_PATHS};

use russet_keyspace::Keyspace;
use russet_types::Type;

/// The lowest version of a file, from the usual version on, that can hold all keys. `of_valkey`:
/// fields that expire, and path hashes, have Valkey's. No version of Valkey's has the marks of
/// BLESS. O(databases).
pub fn version_for(keyspace: &Keyspace, of_valkey: bool) -> u32 {
    let of_values = super::values::version_for(keyspace);
    if keyspace.blessed_keys() > 0 {
        return of_values.max(VERSION_BLESSED);
    }
    match of_values {
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
