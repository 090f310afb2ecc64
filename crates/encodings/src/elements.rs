//! The common part of the tables inside large containers: members, fields, scored members.

use crate::hashtable::{HashTable, SHORT_REACH, Shape};
use russet_base::hashing::hash;

/// A table of elements, each found by its name.
#[allow(clippy::len_without_is_empty, reason = "an empty container is removed")]
pub trait Elements {
    /// The hash table that finds them.
    fn table(&self) -> &HashTable;

    /// Number of elements. O(1).
    #[inline]
    fn len(&self) -> usize {
        self.table().len()
    }

    /// The hash for the prefetch functions.
    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        hash::keys().hash(name)
    }

    /// Prefetches the table's lines.
    #[inline]
    fn prefetch(&self, hash: u64) {
        self.table().prefetch(hash);
    }

    /// Prefetches the entries, once the lines are loaded.
    #[inline]
    fn prefetch_entries(&self, hash: u64) {
        self.table().prefetch_entries(hash, |_| Some(SHORT_REACH));
    }

    /// The shape of the table, for DEBUG HTSTATS-KEY.
    fn shape(&self) -> Shape {
        self.table().shape()
    }

    /// Bytes of the table and of its elements, as the allocator counts them: exact except for the
    /// cost of equal hashes. O(1).
    fn memory_bytes(&self) -> usize;
}
