//! Moving a container's blocks to fuller slabs, in slices.
//!
//! A slice ends at a position, a number whose meaning depends on the type (cursor, rank, node
//! number); 0 is the beginning. If the value changes between slices, some blocks are offered twice,
//! or missed.

use super::container::Relocate;
use super::{Hash, List, Set, Zset};
use russet_base::memory::mover::Mover;
use russet_encodings::thin::ThinPointer;

/// Maps a table's cursor to a position: as input 0 is the beginning, as output the end.
fn next(cursor: u64) -> Option<u64> {
    (cursor != 0).then_some(cursor)
}

impl Relocate for List {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        match self {
            List::Listpack(pack) => {
                pack.relocate(mover);
                None
            }
            List::Quicklist(list) => {
                if at == 0 {
                    mover.boxed(list);
                }
                list.relocate(mover, at as usize, n).map(|at| at as u64)
            }
        }
    }
}

impl Relocate for Set {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        match self {
            Set::Intset(set) => set.relocate(mover),
            Set::Listpack(pack) | Set::ListpackEx(pack) => pack.relocate(mover),
            Set::Table(table) => {
                if at == 0 {
                    mover.boxed(table);
                }
                return next(table.relocate(mover, at, n));
            }
        }
        None
    }
}

impl Relocate for Hash {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        match self {
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => {
                pack.relocate(mover);
                None
            }
            Hash::Record(record) => {
                record.relocate(mover);
                None
            }
            Hash::Table(table) => {
                if at == 0 {
                    mover.boxed(table);
                }
                next(table.relocate(mover, at, n))
            }
        }
    }
}

impl Relocate for Zset {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        match self {
            Zset::Listpack(pack) => {
                pack.relocate(mover);
                None
            }
            Zset::Table(table) => {
                if at == 0 {
                    mover.boxed(table);
                }
                table.relocate(mover, at as usize, n).map(|at| at as u64)
            }
        }
    }
}
