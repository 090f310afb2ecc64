//! The value types: which encoding a value has, and when it changes.
//!
//! Each type is an enum over its encodings whose every variant holds one thin pointer, so that a
//! keyspace entry stores it as an encoding byte and one word ([`Container`]). Thresholds are passed
//! as [`Limits`]; when they change, a value changes its encoding at the next write to it, as in
//! Redis.
//!
//! # Adding a type
//!
//! A container type is a folder in `types/`, a folder in `commands/`, a file in
//! `persistence/values/`, and its row in the list of types. Types know no files (the layers), so
//! their file formats are not in `types/`.
//!
//! - `types/<type>/`: the value and its encodings, with one impl of `Container` (and of its parts
//!   `Measured` and `Relocate`): name and number, length, signature for DEBUG DIGEST, freeing in
//!   steps, invariants, and whether a key may be empty. A copy is its `Clone`.
//! - `types/kinds.rs`: the row, which is the variant of `Type` and the new encodings with their
//!   names. TYPE, OBJECT, COPY, MEMORY USAGE, lazy free, active defragmentation, snapshots,
//!   keysizes and `check_invariants` find the type by it.
//! - `persistence/values/<type>.rs`: one impl of `Saved`: the RDB numbers with `redis-check-rdb`'s
//!   names (two types with one number do not compile), loading with its checks, the form for each
//!   RDB version, saving in parts, and the commands that recreate the value. A damaged value is a
//!   `Fault::damaged` with its text there. A type that not every version can hold is refused or
//!   raises the file's version by `Saved::form` and `Saved::version_for`. DUMP, RESTORE, MIGRATE,
//!   SAVE, both forms of a rewrite's base, the loader and `check-rdb` use these.
//! - `commands/<group>/`: rows, handlers, documentation; and the group's row in `commands/mod.rs`.
//!
//! In addition there are the `mod` lines, and, if Redis has them for the type, one line each: the
//! command group (`command/docs.rs`), the ACL category (`command/spec.rs` and
//! `commands/command/info.rs`), the class of events (`config/special/keyspace_events.rs`), a limit
//! (`types/limits.rs` and its directive in `config/table.rs`). Redis's INFO keysizes has fixed
//! lines (`server/observe/info/keyspace.rs`). `types/inner.rs` prefetches into large tables and is
//! optional. Of the tests, `commands/conformance/growth/world.rs` needs a form of the group's keys,
//! and the fuzzers a seed (`fuzzing/seeds.rs`).

#![allow(unsafe_code)]

pub mod array;
mod boxed;
mod hash;
pub mod import;
mod inner;
mod kinds;
mod limits;
mod list;
mod memory;
pub mod path_hash;
mod relocate;
mod set;
mod set_algebra;
mod signature;
pub mod stream;
pub mod vector_set;
mod zset;

pub use array::Array;
pub use hash::{Expiry, ExpiryChange, Hash, HashField, shared_figures};
pub use inner::Inner;
pub use kinds::{AnyContainer, Encoding, Type};
pub(crate) use kinds::{for_container, match_container, with_types};
pub use limits::Limits;
pub use list::List;
pub use memory::Measured;
pub use path_hash::PathHash;
pub use relocate::Relocate;
pub use set::Set;
pub use set_algebra::{
    Collected, difference, difference_len, intersect, intersection_len, union, union_len,
};
pub use signature::Signature;
pub use stream::Stream;
pub use vector_set::VectorSet;
pub use zset::{Seen, Zset};

pub use crate::encodings::elements::Elements;
pub use crate::encodings::listpack::Entry;
pub use crate::encodings::quicklist::{End, Fill};

use std::borrow::Cow;
use std::mem::ManuallyDrop;

use rand::Rng;

use crate::base::memory::mover::Mover;
use crate::encodings::hashtable::Shape;
use crate::encodings::listpack::Listpack;

/// A value that a keyspace entry holds as an encoding and one word.
///
/// Operations on values of any type are methods of this trait; [`for_container!`] finds the type of
/// a key's value.
pub trait Container: Sized + Clone + Measured + Relocate {
    const TYPE: Type;
    /// As TYPE replies it.
    const NAME: &'static str;
    /// Redis's number of the type, which is in signatures ([`Container::sign`]).
    const NUMBER: u32;
    /// Whether a key may have a value without elements.
    const MAY_BE_EMPTY: bool = false;

    /// Converts the value into a word, which owns it.
    fn into_word(self) -> (Encoding, u64);

    /// Converts a word back into the value.
    ///
    /// # Safety
    /// The pair came from `into_word` of the same type, and only one value at a time is made from
    /// it.
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self;

    fn encoding(&self) -> Encoding;

    /// Number of elements (fields, members).
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Panics if an invariant is broken, the encoding's included; for tests and fuzzers.
    fn check_invariants(&self);

    /// Adds the content to a signature, identical to Redis's. O(n).
    fn sign(&self, signature: &mut Signature);

    /// Whether it is one block, whatever its length.
    fn is_one_block(&self) -> bool {
        matches!(
            self.encoding(),
            Encoding::Listpack | Encoding::ListpackEx | Encoding::Record | Encoding::Intset
        )
    }

    /// The packed form, if it is one: DEBUG LISTPACK.
    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        None
    }

    /// How the table is filled, if there is one: DEBUG HTSTATS-KEY.
    fn shape(&self) -> Option<Shape> {
        None
    }

    /// Approximate number of allocations to free: lazy free decides by it.
    fn free_effort(&self) -> usize;

    /// Frees up to about `n` elements; true when none is left. After the first call the value may
    /// only be freed further (also as a word in between) or dropped.
    fn free_step(&mut self, n: usize) -> bool;
}

/// A uniformly random number below `bound`, which is not 0.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

/// Borrows a container in place, for reading.
///
/// # Safety
/// The pair is in an entry that holds a `T`, or came from `into_word` of one; it is not changed
/// while the result lives.
unsafe fn look<T: Container>(encoding: Encoding, word: u64) -> ManuallyDrop<T> {
    // SAFETY: the caller's promise; the value made from the pair is not dropped.
    ManuallyDrop::new(unsafe { T::from_word(encoding, word) })
}

/// Allocations of a container to free, from its entry's pair.
///
/// # Safety
/// The pair is in an entry that holds a container of this type.
pub unsafe fn free_effort(kind: Type, encoding: Encoding, word: u64) -> usize {
    for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => unsafe { look::<T>(encoding, word) }.free_effort(),
        _ => 1,
    )
}

/// Bytes of a container, from its entry's pair; see [`Measured`].
///
/// # Safety
/// As [`free_effort`].
pub unsafe fn memory_bytes(kind: Type, encoding: Encoding, word: u64) -> usize {
    for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => unsafe { look::<T>(encoding, word) }.memory_bytes(),
        _ => 0,
    )
}

/// Frees a container, from its entry's pair.
///
/// # Safety
/// The pair came from `into_word` of a container of this type and is not used again.
pub unsafe fn free(kind: Type, encoding: Encoding, word: u64) {
    for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => drop(unsafe { T::from_word(encoding, word) }),
        _ => {}
    );
}

/// Frees about `n` elements of a container; returns the pair of the rest, which must be freed, too.
///
/// # Safety
/// As [`free`].
pub unsafe fn free_step(
    kind: Type,
    encoding: Encoding,
    word: u64,
    n: usize,
) -> Option<(Encoding, u64)> {
    for_container!(
        kind,
        T => {
            // SAFETY: the caller's promise.
            let mut value = unsafe { T::from_word(encoding, word) };
            if value.free_step(n) { None } else { Some(value.into_word()) }
        },
        _ => None,
    )
}

/// Offers about `n` elements' blocks of a container from a position on, from its entry's pair; see
/// [`Relocate`]. Returns the word that replaces the pair's, and the next position.
///
/// # Safety
/// The pair is in an entry that holds a container of this type, with exclusive access, and the
/// caller stores the new word there.
pub unsafe fn relocate(
    (kind, encoding, word): (Type, Encoding, u64),
    mover: &mut Mover,
    at: u64,
    n: usize,
) -> (u64, Option<u64>) {
    for_container!(
        kind,
        T => {
            // SAFETY: the caller's promise.
            let mut value = unsafe { T::from_word(encoding, word) };
            let next = value.relocate(mover, at, n);
            (value.into_word().1, next)
        },
        _ => (word, None),
    )
}

/// Copies a container, given its entry's pair; the copy's pair owns it.
///
/// # Safety
/// As [`free_effort`].
pub unsafe fn copy(kind: Type, encoding: Encoding, word: u64) -> (Encoding, u64) {
    for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => T::clone(&*unsafe { look::<T>(encoding, word) }).into_word(),
        _ => unreachable!("no container of this type is kept"),
    )
}
