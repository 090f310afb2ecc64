//! Active defragmentation of the keyspace: a walk that offers every block to a [`Mover`].
//!
//!     database    the table's lines, then its entries, in steps of a scan
//!     entry       its block, a string's block, the container's blocks
//!     large       queued by key and processed in slices before the walk continues
//!
//! It runs between turns, when only these keep an address in the keyspace:
//!
//!     a reply that sends a large string        its block is pinned, and stays (`entry`)
//!     a snapshot's pass                        holds the entry that it saves in slices,
//!                                              which stays with all its blocks; other entries
//!                                              it has taken over are in no table any more
//!     a value being freed                      is in no table any more
//!
//! Keys that are watched, waited for, eviction candidates or expiring are held by name, and
//! cursors of SCAN by hash. A move changes no content, no place in a table and no bit of the
//! pass. So it may run during a snapshot, and between any two commands.
//!
//! The walk's position is a cursor; keys added, deleted or grown meanwhile may be missed.
use std::collections::VecDeque;

use super::super::store::container::{container_effort, relocate_container};
use super::super::store::database::Database;
use super::super::{DbIndex, Keyspace};
use russet_base::memory::mover::Mover;
use russet_types::Type;

/// Most elements of a container offered without a break, whatever is configured: some 100 us, and
/// twice as much if all of them move.
const ELEMENTS_MAX: usize = 500;

/// See the module.
#[derive(Default)]
pub struct Walk {
    /// Decides which blocks move, and moves them.
    pub mover: Mover,
    /// Keys of which a block was moved, and keys left unchanged.
    pub keys_moved: u64,
    /// Keys of which no block was moved.
    pub keys_left: u64,
    /// Containers with more elements are processed in slices.
    pub elements_max: usize,
    db: u32,
    /// 0 at the beginning; `None`: all of the database's entries have been visited.
    cursor: Option<u64>,
    /// Large containers of the step just made, and where the next slice of the first container
    /// begins.
    large: VecDeque<Box<[u8]>>,
    inside: u64,
}

impl Walk {
    /// A walk from the beginning.
    pub fn new(mover: Mover) -> Walk {
        Walk {
            mover,
            elements_max: ELEMENTS_MAX,
            cursor: Some(0),
            ..Walk::default()
        }
    }

    fn elements(&self) -> usize {
        self.elements_max.clamp(1, ELEMENTS_MAX)
    }
}

impl Keyspace {
    /// A step of a walk: that of a table's scan, or a slice of a container. `false`: the walk is
    /// complete. For use between turns only.
    pub fn relocate_step(&mut self, walk: &mut Walk) -> bool {
        if walk.db as usize == self.dbs.len() {
            return false;
        }
        let database = &mut self.dbs[DbIndex(walk.db)];
        if let Some(key) = walk.large.front() {
            let (key, at, n) = (key.clone(), walk.inside, walk.elements());
            match database.relocate_part(&key, &mut walk.mover, at, n) {
                Some(next) => walk.inside = next,
                None => {
                    walk.large.pop_front();
                    walk.inside = 0;
                }
            }
            return true;
        }
        match walk.cursor {
            Some(cursor) => {
                database.table_mut().relocate_lines(cursor, &mut walk.mover);
                let next = database.relocate_entries(walk, cursor);
                walk.cursor = (next != 0).then_some(next);
            }
            None => {
                walk.db += 1;
                walk.cursor = Some(0);
            }
        }
        true
    }

    /// Offers everything.
    #[cfg(any(test, feature = "testing"))]
    pub fn relocate_all(&mut self, walk: &mut Walk) {
        while self.relocate_step(walk) {}
    }
}

impl Database {
    /// Offers the entries of a step of a scan; returns the next cursor.
    fn relocate_entries(&mut self, walk: &mut Walk, cursor: u64) -> u64 {
        let stays = self.saved_in_slices();
        let lines = [self.fields(), self.members(), self.streams()];
        let has_lines = lines.map(|lines| !lines.is_empty());
        let n = walk.elements();
        self.table_mut().relocate_scan(cursor, |entry, lines| {
            if stays == Some(entry) {
                return None;
            }
            let before = walk.mover.moved;
            let moved = entry.moved(&mut walk.mover);
            let entry = moved.unwrap_or(entry);
            if !entry.has_word() {
                entry.move_text(&mut walk.mover);
            } else {
                let kinds = [Type::Hash, Type::Set, Type::Stream];
                for ((lines, kind), has_any) in lines.into_iter().zip(kinds).zip(has_lines) {
                    if has_any && entry.kind() == kind {
                        lines.relocate(entry.key(), &mut walk.mover);
                    }
                }
                // Effort does not count all of a stream group: an unfinished group is large,
                // too.
                let large = container_effort(entry) > n
                    || relocate_container(entry, &mut walk.mover, 0, 2 * n).is_some();
                if large {
                    walk.large.push_back(entry.key().into());
                }
            }
            let any = walk.mover.moved > before;
            walk.keys_moved += u64::from(any);
            walk.keys_left += u64::from(!any);
            moved
        })
    }

    /// Offers a part of the container at a key, if the key still has a container.
    fn relocate_part(&mut self, key: &[u8], mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        let found = self.find_key(key)?;
        let stays = self.saved_in_slices() == Some(found.entry);
        if stays || !found.entry.has_word() {
            return None;
        }
        relocate_container(found.entry, mover, at, n)
    }
}
