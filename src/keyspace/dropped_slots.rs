//! Slots dropped as a whole: their keys are gone from the database at once; that they are counted there by
//! type and size, and their memory, goes later, in slices between turns.
//!
//!     drop_slot      the slot's table leaves its database
//!     discounting    a scan of it subtracts its keys from the database's sizes
//!     then           the helper thread frees it, or a running snapshot takes it over first
//!
//! Watches, waiting clients and caching clients are told at once. There is no event and no effect: the
//! caller tells replicas and the log in its own words. `Keyspace::delete_in_slot` deletes keys one by one
//! instead, each with its effect.
//!
//! Cost of a drop: O(1) for a large slot; O(the slot's keys) if the slot is small, a snapshot runs, or there
//! are listeners to all changes, prefix figures or expiring fields.

use std::collections::VecDeque;

use super::entry::Entry;
use super::lazyfree::FEW;
use super::slot_set::{Among, SlotSet};
use super::{Database, DbIndex, Keyspace};
use crate::base::clock;

/// The keys of a dropped slot.
struct Dropped {
    db: DbIndex,
    keys: Box<Database>,
    cursor: u64,
    /// The rest of them is still counted in the database.
    is_counted: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct DroppedSlots {
    queue: VecDeque<Dropped>,
    /// Entries of a step.
    scratch: Vec<Entry>,
}

impl DroppedSlots {
    /// The dropped slots that are counted in a database, in part.
    pub fn counted_in(&self, db: DbIndex) -> impl Iterator<Item = &Database> {
        let of_db = move |its: &&Dropped| its.db == db && its.is_counted;
        self.queue.iter().filter(of_db).map(|its| &*its.keys)
    }

    /// The counts of a database begin anew.
    pub fn forget_counts(&mut self, db: DbIndex) {
        let of_db = self.queue.iter_mut().filter(|its| its.db == db);
        of_db.for_each(|its| its.is_counted = false);
    }

    /// Two databases were swapped.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        for its in &mut self.queue {
            its.db = match its.db {
                db if db == a => b,
                db if db == b => a,
                db => db,
            };
        }
    }
}

impl Keyspace {
    /// Removes all keys of slots (ranges: first, last) from all databases; see the module. Returns their
    /// number.
    pub fn drop_slots(&mut self, ranges: &[(u16, u16)]) -> usize {
        let slots = SlotSet::of_ranges(ranges);
        slots.iter().map(|slot| self.drop_slot(slot)).sum()
    }

    /// Removes all keys of a slot from all databases; see the module. Returns their number.
    pub fn drop_slot(&mut self, slot: u16) -> usize {
        let dbs = (0..self.databases() as u32).map(DbIndex);
        dbs.map(|db| self.drop_slot_in(db, slot)).sum()
    }

    fn drop_slot_in(&mut self, db: DbIndex, slot: u16) -> usize {
        if self.database(db).slot_len(slot) == 0 {
            return 0;
        }
        self.state_drop_slot(db, slot);
        let Some(keys) = self.dbs[db].take_slot(slot) else {
            return 0;
        };
        let count = keys.len();
        let dropped = Dropped {
            db,
            keys: Box::new(keys),
            cursor: 0,
            is_counted: true,
        };
        // A pass that has to save the keys looks for them in its own list.
        match count <= FEW || self.in_pass() {
            true => self.finish_dropped(dropped),
            false => self.dropped.queue.push_back(dropped),
        }
        count
    }

    /// Whether dropped slots are left to be freed.
    pub fn has_dropped(&self) -> bool {
        !self.dropped.queue.is_empty()
    }

    /// Continues to free dropped slots for `ticks` of the cycle counter; at least one step of a scan.
    pub fn free_dropped(&mut self, ticks: u64) {
        let began = clock::cycles();
        while let Some(mut dropped) = self.dropped.queue.pop_front() {
            if dropped.is_counted {
                self.discount_some(&mut dropped);
                self.dropped.queue.push_front(dropped);
            } else {
                self.finish_dropped(dropped);
            }
            if clock::cycles().wrapping_sub(began) >= ticks {
                return;
            }
        }
    }

    /// Discounts the entries of one step of a scan.
    fn discount_some(&mut self, dropped: &mut Dropped) {
        let mut found = std::mem::take(&mut self.dropped.scratch);
        let table = dropped.keys.table();
        dropped.cursor = table.scan_ahead(dropped.cursor, Among::All, |entry| found.push(entry));
        let database = &mut self.dbs[dropped.db];
        for entry in found.drain(..) {
            database.move_size(entry, &mut dropped.keys);
        }
        self.dropped.scratch = found;
        dropped.is_counted = dropped.cursor != 0;
    }

    /// Discounts the rest, and passes the keys on.
    fn finish_dropped(&mut self, mut dropped: Dropped) {
        while dropped.is_counted {
            self.discount_some(&mut dropped);
        }
        if let Some(keys) = self.unless_slot_unsaved(*dropped.keys) {
            self.lazyfree.free_database(keys, true);
        }
    }
}
