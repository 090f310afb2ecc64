//! The value types: which encoding a value has, and when it changes.
//!
//! Each type is an enum over its encodings whose every variant holds a thin pointer, so that a
//! keyspace entry stores it as an encoding byte and a word ([`Container`]). Thresholds are passed
//! as [`Limits`]; when they change, a value changes its encoding at the next write to it, as in
//! Redis.
//!
//! # Adding a type
//!
//! A container type is a folder in `types/`, a folder in `commands/`, a file in
//! `persistence/values/`, and its row in the list of types. Types know no files (the layers), so
//! their file formats are not in `types/`.
//!
//! - `types/<type>/`: the value and its encodings, with an impl of `Container` (and of its parts
//!   `MemoryUsage` and `Relocate`): name and number, length, signature for DEBUG DIGEST, freeing in
//!   steps, invariants, and whether a key may be empty. A copy is its `Clone`.
//! - `types/kinds.rs`: the row, which is the variant of `Type` and the new encodings with their
//!   names. TYPE, OBJECT, COPY, MEMORY USAGE, lazy free, active defragmentation, snapshots,
//!   keysizes and `check_invariants` find the type by it.
//! - `persistence/values/<type>.rs`: an impl of `Saved`: the RDB numbers with `redis-check-rdb`'s
//!   names (two types with the same number do not compile), loading with its checks, the form for
//!   each RDB version, saving in parts, and the commands that recreate the value. A damaged value
//!   is a `Fault::damaged` with its text there. A type that not every version can hold is refused
//!   or raises the file's version by `Saved::form` and `Saved::version_for`. DUMP, RESTORE,
//!   MIGRATE, SAVE, both forms of a rewrite's base, the loader and `check-rdb` use these.
//! - `commands/<group>/`: rows, handlers, documentation; and the group's row in `commands/mod.rs`.
//!
//! In addition there are the `mod` lines, and, if Redis has them for the type, a line each: the
//! command group (`command/docs/mod.rs`), the ACL category (`command/spec.rs` and
//! `commands/command/info.rs`), the class of events (`config/special/keyspace_events.rs`), a limit
//! (`types/limits.rs` and its directive in `config/table.rs`). Redis's INFO keysizes has fixed
//! lines (`server/observe/info/keyspace.rs`). `types/inner.rs` prefetches into large tables and is
//! optional. Of the tests, `commands/conformance/growth/world.rs` needs a form of the group's keys,
//! and the fuzzers a seed (`fuzzing/seeds.rs`).
#![warn(missing_docs)]

mod any;
pub mod array;
pub mod bitmap;
pub mod block;
mod boxed;
mod container;
mod expiry_order;
mod hash;
pub mod import;
mod inner;
mod json;
mod kept;
mod kinds;
mod limits;
mod list;
mod memory;
pub mod path_hash;
mod relocate;
mod set;
mod set_algebra;
mod signature;
mod stamp;
pub mod stream;
pub mod vector_set;
mod zset;

pub use any::{AnyContainer, copy, free, free_effort, free_step, memory_bytes, relocate};
pub use array::Array;
pub use bitmap::Bitmap;
pub(crate) use container::Relocate;
pub use container::{Container, MemoryUsage};
pub use expiry_order::{Expirable, ExpiryChange};
pub use hash::{Expiry, Hash, HashField, shared_figures};
pub use inner::InnerTable;
pub use json::Json;
pub use kept::{Bloom, BoxedValue, CountMin, Cuckoo, Kind, Suggestions, TDigest, TimeSeries, TopK};
pub use kinds::{Encoding, Type, tag};
pub use limits::Limits;
pub use list::List;
pub use path_hash::PathHash;
pub use russet_encodings::btree::Descent;
pub use set::{Set, is_expired};
pub use set_algebra::{
    SetBuilder, difference, difference_len, intersect, intersection_len, union, union_len,
};
pub use signature::Signature;
pub use stream::Stream;
pub use vector_set::VectorSet;
pub use zset::{VisitedMember, Zset};

pub use russet_encodings::listpack::Entry;
pub use russet_encodings::quicklist::{End, Fill};

use rand::Rng;

/// A uniformly random number below `bound`, which is not 0.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}
