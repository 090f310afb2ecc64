//! The table inside a big container, to be brought near before commands seek in it.
//!
//! Stages as in the keyspace's own: the lines of the buckets, then the entries whose tags
//! match, then a sorted set's place in its tree. Each is a hint and changes nothing.
#![allow(unsafe_code)]

use super::{Encoding, Type, boxed};
use crate::encodings::elements::Elements;
use crate::encodings::fields::FieldTable;
use crate::encodings::members::MemberTable;
use crate::encodings::scored::ScoredTable;

/// Tables of fewer elements are near anyway.
const ELEMENTS_MIN: usize = 2048;

/// See the module.
#[derive(Clone, Copy)]
pub enum Inner<'a> {
    Set(&'a MemberTable),
    Hash(&'a FieldTable),
    Zset(&'a ScoredTable),
}

impl<'a> Inner<'a> {
    /// The table of a container, from its entry's pair; `None` when there is none, or a
    /// small one.
    ///
    /// # Safety
    /// The pair is in an entry that holds a container of this type, and for `'a` nothing
    /// changes it.
    #[inline]
    pub unsafe fn of(kind: Type, encoding: Encoding, word: u64) -> Option<Inner<'a>> {
        // SAFETY (all three): a box of this type, says the caller with the encoding.
        let (inner, len) = match (kind, encoding) {
            (Type::Set, Encoding::Hashtable) => {
                let table: &MemberTable = unsafe { boxed::borrow(word) };
                (Inner::Set(table), table.len())
            }
            (Type::Hash, Encoding::Hashtable) => {
                let table: &FieldTable = unsafe { boxed::borrow(word) };
                (Inner::Hash(table), table.len())
            }
            (Type::Zset, Encoding::Skiplist) => {
                let table: &ScoredTable = unsafe { boxed::borrow(word) };
                (Inner::Zset(table), table.len())
            }
            _ => return None,
        };
        (len >= ELEMENTS_MIN).then_some(inner)
    }

    /// The hash that the stages take.
    #[inline]
    pub fn hash(self, name: &[u8]) -> u64 {
        match self {
            Inner::Set(table) => table.hash(name),
            Inner::Hash(table) => table.hash(name),
            Inner::Zset(table) => table.hash(name),
        }
    }

    /// Asks for the lines of the buckets.
    #[inline]
    pub fn prefetch(self, hash: u64) {
        match self {
            Inner::Set(table) => table.prefetch(hash),
            Inner::Hash(table) => table.prefetch(hash),
            Inner::Zset(table) => table.prefetch(hash),
        }
    }

    /// Asks for the entries, once the lines are there.
    #[inline]
    pub fn prefetch_entries(self, hash: u64) {
        match self {
            Inner::Set(table) => table.prefetch_entries(hash),
            Inner::Hash(table) => table.prefetch_entries(hash),
            Inner::Zset(table) => table.prefetch_entries(hash),
        }
    }

    /// Asks for a member's place in the order of its sorted set, once the entries are there.
    #[inline]
    pub fn prefetch_order(self, name: &[u8]) {
        if let Inner::Zset(table) = self {
            table.prefetch_index(name);
        }
    }

    /// Asks for the place that a member with this score will take.
    #[inline]
    pub fn prefetch_score(self, score: f64) {
        if let Inner::Zset(table) = self {
            table.index().prefetch(score);
        }
    }
}
