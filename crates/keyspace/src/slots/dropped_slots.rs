//! Slots dropped as a whole: their keys leave the database at once. Between turns, in slices, the
//! server records the deletions for replicas and the log, subtracts the keys from the database's
//! counts by type and size, and frees the memory.
//!
//!     drop_slots     the slots' tables leave their database
//!     a scan         records a deletion of each key, several in a request, and subtracts its size
//!                    from the database's; a running snapshot scans them, too, for itself
//!     then           the helper thread frees them; a snapshot that has not saved all takes them
//!                    over first
//!
//! Watches, waiting clients and caching clients are notified at once. There is no event: the keys
//! are still in the cluster.
//!
//! **A deletion that is recorded late must not meet a new key.** Code that lets a slot get keys
//! again calls [`Keyspace::record_dropped`] first; so does code that ends the stream to replicas.
//!
//! Cost of a drop: O(slots in use); O(their keys) if they are few, or there are listeners to all
//! changes, prefix figures or expiring fields.

use super::super::listeners::effects::Audience;
use super::super::passes::lazyfree::FEW;
use super::super::store::entry::Entry;
use super::super::{DbIndex, Keyspace};
use super::dropped::{DropProgress, DroppedKeys};
use super::slot_set::{SlotFilter, SlotSet};
use russet_base::clock;

/// A step records and discounts about this many keys: a request has no more of them,
const STEP: usize = 64;
/// nor, beside the last key, more bytes of keys.
const REQUEST_BYTES: usize = 16 * 1024;

impl Keyspace {
    /// Removes all keys of slots (ranges: first, last) from all databases; see the module. A
    /// deletion of each key is recorded for the given listeners. Returns the number of keys.
    pub fn drop_slots(&mut self, ranges: &[(u16, u16)], informed: Audience) -> usize {
        let slots = SlotSet::of_ranges(ranges);
        let dbs = (0..self.databases() as u32).map(DbIndex);
        let count = dbs.map(|db| self.drop_slots_in(db, &slots, informed)).sum();
        self.dirty += count as u64;
        count
    }

    fn drop_slots_in(&mut self, db: DbIndex, slots: &SlotSet, informed: Audience) -> usize {
        if !self.hasher.has_slots() || self.dbs[db].table().len_among(SlotFilter::Only(slots)) == 0
        {
            return 0;
        }
        self.record_drop(db, slots);
        let Some(keys) = self.dbs[db].take_slots(slots) else {
            return 0;
        };
        self.dropped.times += 1;
        let count = keys.len();
        let informed = informed & self.effects.informed();
        let mut dropped = DroppedKeys {
            db,
            unsaved: self.are_unsaved(&keys).then_some(0),
            keys: Box::new(keys),
            cursor: 0,
            is_counted: true,
            informed,
            reported_keys: 0,
        };
        self.dropped.progress.started += u64::from(!informed.is_empty());
        if count <= FEW {
            self.go_through(&mut dropped);
            self.hand_over(dropped);
        } else {
            self.dropped.queue.push_back(dropped)
        }
        count
    }

    /// Times that slots with keys were dropped so far: there are no events for their keys.
    pub fn slot_drops(&self) -> u64 {
        self.dropped.times
    }

    /// Whether dropped slots still have deletions to be recorded, or memory to be freed.
    pub fn has_dropped(&self) -> bool {
        !self.dropped.queue.is_empty()
    }

    /// Whether deletions of keys of dropped slots are not recorded yet.
    pub fn has_unrecorded(&self) -> bool {
        self.dropped
            .queue
            .iter()
            .any(|its| !its.informed.is_empty())
    }

    /// The slots of such keys, some several times.
    pub fn unrecorded_slots(&self) -> impl Iterator<Item = u16> {
        let unreported = self
            .dropped
            .queue
            .iter()
            .filter(|its| !its.informed.is_empty());
        unreported.flat_map(|its| its.keys.slots_in_use())
    }

    /// See [`DropProgress`].
    pub fn drop_progress(&self) -> DropProgress {
        let mut unreported = self
            .dropped
            .queue
            .iter()
            .filter(|its| !its.informed.is_empty());
        let mut progress = self.dropped.progress;
        progress.running = unreported.clone().count();
        if let Some(first) = unreported.next() {
            progress.keys = first.keys.len();
            progress.reported_keys = first.reported_keys;
        }
        progress
    }

    /// Records all deletions that are not recorded yet, immediately, for `audience` alone. O(keys).
    pub fn record_dropped(&mut self, audience: Audience) {
        let mut queue = std::mem::take(&mut self.dropped.queue);
        for dropped in queue.iter_mut().filter(|its| !its.informed.is_empty()) {
            dropped.informed &= audience;
            if !dropped.informed.is_empty() {
                self.go_through(dropped);
            }
        }
        self.dropped.queue = queue;
    }

    /// Continues with dropped slots for `ticks` of the cycle counter, at least a step of a scan.
    /// `may_log`: deletions may be recorded now. Returns whether more can be done.
    pub fn free_dropped(&mut self, ticks: u64, may_log: bool) -> bool {
        let began = clock::cycles();
        while let Some(mut dropped) = self.dropped.queue.pop_front() {
            if !may_log && !dropped.informed.is_empty() {
                self.dropped.queue.push_front(dropped);
                return false;
            }
            if dropped.is_done() {
                self.hand_over(dropped)
            } else {
                self.advance(&mut dropped);
                self.dropped.queue.push_front(dropped);
            }
            if clock::cycles().wrapping_sub(began) >= ticks {
                break;
            }
        }
        self.has_dropped()
    }

    /// All of a database's keys are about to be set aside, or to return: deletions and counts of
    /// its dropped slots are completed immediately. O(their keys).
    pub(crate) fn finish_dropped_in(&mut self, db: DbIndex) {
        let mut queue = std::mem::take(&mut self.dropped.queue);
        let of_db = queue.iter_mut().filter(|its| its.db == db);
        of_db.for_each(|dropped| self.go_through(dropped));
        self.dropped.queue = queue;
    }

    fn go_through(&mut self, dropped: &mut DroppedKeys) {
        while !dropped.is_done() {
            self.advance(dropped);
        }
    }

    /// Records the deletions of some steps of a scan, and discounts the keys.
    fn advance(&mut self, dropped: &mut DroppedKeys) {
        let mut found = std::mem::take(&mut self.dropped.scratch);
        let table = dropped.keys.table();
        loop {
            dropped.cursor =
                table.scan_ahead(dropped.cursor, SlotFilter::All, |entry| found.push(entry));
            if dropped.cursor == 0 || found.len() >= STEP {
                break;
            }
        }
        self.record_deletions(dropped.db, dropped.informed, &found);
        dropped.reported_keys += found.len();
        if dropped.is_counted {
            let database = &mut self.dbs[dropped.db];
            for &entry in &found {
                database.move_size(entry, &mut dropped.keys);
            }
        }
        found.clear();
        self.dropped.scratch = found;
        if dropped.cursor == 0 {
            self.dropped.progress.completed += u64::from(!dropped.informed.is_empty());
            dropped.is_counted = false;
            dropped.informed = Audience::empty();
        }
    }

    /// Records the deletion of these keys, some in each request.
    fn record_deletions(&mut self, db: DbIndex, informed: Audience, entries: &[Entry]) {
        if informed.is_empty() {
            return;
        }
        let word: &[u8] = if self.lazyfree.lazy.server_del {
            b"UNLINK"
        } else {
            b"DEL"
        };
        let mut words = vec![word];
        let mut bytes = 0;
        for (at, entry) in entries.iter().enumerate() {
            words.push(entry.key());
            bytes += entry.key().len();
            if bytes >= REQUEST_BYTES || words.len() > STEP || at + 1 == entries.len() {
                let request = words.drain(..);
                self.effects.record_removals_for(informed, db, request);
                words.push(word);
                bytes = 0;
            }
        }
    }

    /// Nothing is left to be done here: passes the keys on.
    fn hand_over(&mut self, dropped: DroppedKeys) {
        match dropped.unsaved {
            Some(cursor) => self.hand_to_pass(*dropped.keys, cursor),
            None => self.lazyfree.free_database(*dropped.keys, true),
        }
    }
}
