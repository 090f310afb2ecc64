//! The table inside a large container, for prefetching before commands search in it.
//!
//! The stages are those of the keyspace: the lines of the buckets, then the entries whose tags
//! match, then a member's place in a sorted set's tree, level by level. An array has a single
//! stage: the slot of an index; and so has a filter: the lines of an item. Each stage is a hint and
//! changes nothing.
#![allow(unsafe_code)]

use super::array::Slots;
use super::{Encoding, Type, boxed};
use russet_base::numbers::number::parse_u64_lenient;
use russet_encodings::btree::Descent;
use russet_encodings::elements::Elements;
use russet_encodings::fields::FieldTable;
use russet_encodings::members::MemberTable;
use russet_encodings::scored::ScoredTable;

/// Tables with fewer elements are in the cache anyway.
const ELEMENTS_MIN: usize = 2048;

/// See the module.
#[derive(Clone, Copy)]
pub enum InnerTable<'a> {
    /// A set's members.
    Set(&'a MemberTable),
    /// A hash's fields.
    Hash(&'a FieldTable),
    /// A sorted set's members, with their scores.
    Zset(&'a ScoredTable),
    /// An array's slots.
    Array(Slots<'a>),
    /// A Bloom filter's bits.
    Bloom(&'a russet_sketches::Bloom),
    /// A cuckoo filter's slots.
    Cuckoo(&'a russet_sketches::Cuckoo),
}

impl<'a> InnerTable<'a> {
    /// The table of a large container, from its entry's pair; `None` when there is none.
    ///
    /// # Safety
    /// As [`InnerTable::of_any`].
    #[inline]
    pub unsafe fn of(kind: Type, encoding: Encoding, word: u64) -> Option<InnerTable<'a>> {
        // SAFETY: by the caller's contract.
        let (inner, len) = unsafe { InnerTable::with_len(kind, encoding, word) }?;
        (len >= ELEMENTS_MIN).then_some(inner)
    }

    /// The table of a container of any size, from its entry's pair; `None` when there is none.
    ///
    /// # Safety
    /// The pair is in an entry that holds a container of this type, and is not changed during
    /// `'a`.
    pub unsafe fn of_any(kind: Type, encoding: Encoding, word: u64) -> Option<InnerTable<'a>> {
        // SAFETY: by the caller's contract.
        unsafe { InnerTable::with_len(kind, encoding, word) }.map(|(inner, _)| inner)
    }

    /// The table with the number of its elements. Safety: as [`InnerTable::of_any`].
    #[inline]
    unsafe fn with_len(
        kind: Type,
        encoding: Encoding,
        word: u64,
    ) -> Option<(InnerTable<'a>, usize)> {
        // SAFETY (all six): by the caller's contract and the encoding, a box of this type.
        let found = match (kind, encoding) {
            (Type::Set, Encoding::Hashtable) => {
                let table: &MemberTable = unsafe { boxed::borrow(word) };
                (InnerTable::Set(table), table.len())
            }
            (Type::Hash, Encoding::Hashtable) => {
                let table: &FieldTable = unsafe { boxed::borrow(word) };
                (InnerTable::Hash(table), table.len())
            }
            (Type::Zset, Encoding::Skiplist) => {
                let table: &ScoredTable = unsafe { boxed::borrow(word) };
                (InnerTable::Zset(table), table.len())
            }
            (Type::Array, _) => {
                let slots = unsafe { Slots::of(word) };
                (InnerTable::Array(slots), slots.len())
            }
            (Type::Bloom, _) => {
                let filter: &russet_sketches::Bloom = unsafe { boxed::borrow(word) };
                (InnerTable::Bloom(filter), filter.items() as usize)
            }
            (Type::Cuckoo, _) => {
                let filter: &russet_sketches::Cuckoo = unsafe { boxed::borrow(word) };
                (InnerTable::Cuckoo(filter), filter.items() as usize)
            }
            _ => return None,
        };
        Some(found)
    }

    /// The hash for the prefetch stages; of an array the index, of a filter nothing.
    #[inline]
    pub fn hash(self, name: &[u8]) -> u64 {
        match self {
            InnerTable::Set(table) => table.hash(name),
            InnerTable::Hash(table) => table.hash(name),
            InnerTable::Zset(table) => table.hash(name),
            // A name that is no index has no slot.
            InnerTable::Array(_) => parse_u64_lenient(name).unwrap_or(u64::MAX),
            // The name's hash alone is not enough for all the lines.
            InnerTable::Bloom(_) | InnerTable::Cuckoo(_) => 0,
        }
    }

    /// Prefetches the lines of the buckets, an array's slot, or an item's lines of a filter.
    #[inline]
    pub fn prefetch(self, name: &[u8], hash: u64) {
        match self {
            InnerTable::Set(table) => table.prefetch(hash),
            InnerTable::Hash(table) => table.prefetch(hash),
            InnerTable::Zset(table) => table.prefetch(hash),
            InnerTable::Array(slots) => slots.prefetch(hash),
            InnerTable::Bloom(filter) => filter.prefetch(name),
            InnerTable::Cuckoo(filter) => filter.prefetch(name),
        }
    }

    /// Prefetches the entries, once the lines are loaded.
    #[inline]
    pub fn prefetch_entries(self, hash: u64) {
        match self {
            InnerTable::Set(table) => table.prefetch_entries(hash),
            InnerTable::Hash(table) => table.prefetch_entries(hash),
            InnerTable::Zset(table) => table.prefetch_entries(hash),
            InnerTable::Array(_) | InnerTable::Bloom(_) | InnerTable::Cuckoo(_) => {}
        }
    }

    /// The search for a member's place in its sorted set's order, once the entries are loaded.
    /// `changes`: elements there will be moved.
    #[inline]
    pub fn descent(self, hash: u64, changes: bool) -> Option<Descent<'a>> {
        match self {
            InnerTable::Zset(table) => table.descent(hash, changes),
            _ => None,
        }
    }

    /// The search for the place that a member with this score will get.
    #[inline]
    pub fn descent_to(self, score: f64) -> Option<Descent<'a>> {
        match self {
            InnerTable::Zset(table) => table.index().descent(score, true),
            _ => None,
        }
    }
}
