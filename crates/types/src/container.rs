//! Containers: the values that an entry holds as an encoding and a word.
#![allow(unsafe_code)]

use std::borrow::Cow;

use super::block::BlockForm;
use super::kinds::{Encoding, Type};
use super::signature::Signature;
use russet_base::memory::mover::Mover;
use russet_encodings::hashtable::Shape;
use russet_encodings::listpack::Listpack;
use russet_encodings::record::SchemaRef;

/// A value that a keyspace entry holds as an encoding and a word.
///
/// Operations on values of any type are methods of this trait; `for_container!` finds the type of a
/// key's value.
pub trait Container: Sized + Clone + MemoryUsage + Relocate + 'static {
    /// The type of keys with such a value.
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
    /// The pair came from `into_word` of the same type, and only a single value at a time is made
    /// from it.
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self;

    /// As OBJECT ENCODING reports it.
    fn encoding(&self) -> Encoding;

    /// Number of elements (fields, members).
    fn len(&self) -> usize;

    /// Whether there is no element.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Panics if an invariant is broken, the encoding's included; for tests and fuzzers.
    fn check_invariants(&self);

    /// Adds the content to a signature, identical to Redis's. O(n).
    fn sign(&self, signature: &mut Signature);

    /// A number that no other value has, nor this one before or after its next change. `None`:
    /// values of the type have no such number.
    fn stamp(&self) -> Option<u64> {
        None
    }

    /// A copy to which [`Container::copy_piece`] copies the large blocks.
    fn begin_copy(&self) -> Self {
        self.clone()
    }

    /// Copies a piece of the large blocks to a copy that was begun of the same state, from a
    /// position on, 0 at first; returns where to continue, or `None` if the copy is complete.
    fn copy_piece(&self, _to: &mut Self, _at: u64) -> Option<u64> {
        None
    }

    /// Whether it is one block, whatever its length.
    fn is_one_block(&self) -> bool {
        matches!(
            self.encoding(),
            Encoding::Listpack | Encoding::ListpackEx | Encoding::Record | Encoding::Intset
        )
    }

    /// The form and the bytes of the block, if the value is a single block that may be compressed.
    fn block(&self) -> Option<(BlockForm, &[u8])> {
        None
    }

    /// The value of a form and bytes that [`Container::block`] gave, which are checked as far as
    /// reading them needs; `schema` is that of the form's number. `None`: they are no such value.
    fn from_block(_form: &BlockForm, _bytes: &[u8], _schema: Option<SchemaRef>) -> Option<Self> {
        None
    }

    /// The packed form, if the value is packed: DEBUG LISTPACK.
    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        None
    }

    /// How the table is filled, if there is a table: DEBUG HTSTATS-KEY.
    fn shape(&self) -> Option<Shape> {
        None
    }

    /// Approximate number of allocations to free: lazy free decides by it.
    fn free_effort(&self) -> usize;

    /// Frees up to about `n` elements; true when none is left. After the first call the value may
    /// only be freed further (also as a word in between) or dropped.
    fn free_step(&mut self, n: usize) -> bool;
}

/// A container that knows its memory.
pub trait MemoryUsage {
    /// Bytes of the value in the allocator. O(1), of a stream O(groups).
    fn memory_bytes(&self) -> usize;
}

/// A container that offers its blocks.
pub trait Relocate {
    /// Offers the blocks of about `n` elements (or nodes of them) from a position on, and with the
    /// first elements the blocks of the container itself; returns the next position, `None` at the
    /// end.
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64>;
}
