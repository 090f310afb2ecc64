//! Memory of containers: for MEMORY USAGE and for accounting.
//!
//! Every container tracks the bytes it owns, in the allocator's size classes: tables, elements and
//! nodes are counted when they are added and removed. Nothing is estimated or walked.

use super::container::MemoryUsage;
use super::{Hash, List, Set, Zset};
use russet_base::memory::alloc::{boxed_bytes, good_size};
use russet_encodings::elements::Elements;
use russet_encodings::fields::FieldTable;
use russet_encodings::members::MemberTable;
use russet_encodings::quicklist::Quicklist;
use russet_encodings::scored::ScoredTable;

impl MemoryUsage for List {
    fn memory_bytes(&self) -> usize {
        match self {
            List::Listpack(pack) => pack.memory_bytes(),
            List::Quicklist(list) => boxed_bytes::<Quicklist>() + list.memory_bytes(),
        }
    }
}

impl MemoryUsage for Set {
    fn memory_bytes(&self) -> usize {
        match self {
            Set::Intset(set) => good_size(set.as_bytes().len()),
            Set::Listpack(pack) | Set::ListpackEx(pack) => pack.memory_bytes(),
            Set::Table(table) => boxed_bytes::<MemberTable>() + table.memory_bytes(),
        }
    }
}

impl MemoryUsage for Hash {
    fn memory_bytes(&self) -> usize {
        match self {
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => pack.memory_bytes(),
            Hash::Record(record) => record.memory_bytes(),
            Hash::Table(table) => boxed_bytes::<FieldTable>() + table.memory_bytes(),
        }
    }
}

impl MemoryUsage for Zset {
    fn memory_bytes(&self) -> usize {
        match self {
            Zset::Listpack(pack) => pack.memory_bytes(),
            Zset::Table(table) => boxed_bytes::<ScoredTable>() + table.memory_bytes(),
        }
    }
}
