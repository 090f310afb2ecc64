//! Counts, keys and deletion by slot; and hidden slots, whose keys clients do not see: this node is
//! receiving them, or keeps them until their move to another node is certain.
//!
//! In a keyspace without slots, no slot has keys.

use super::super::{Database, Db, DbIndex, Keyspace};
use super::hidden::{HIDDEN_MS, WhyHidden};
use super::slot_set::{SlotFilter, SlotSet};

impl Database {
    /// Keys of a slot, hidden ones too. O(1).
    pub fn slot_len(&self, slot: u16) -> usize {
        if self.table().hasher().has_slots() {
            self.table().len_among(SlotFilter::One(slot))
        } else {
            0
        }
    }

    /// The slots that have keys, in order, hidden ones too. At most 256 steps, and a step for each
    /// slot.
    pub fn slots_in_use(&self) -> impl Iterator<Item = u16> {
        self.table().slots(SlotFilter::All)
    }

    /// Keys of a slot in no particular order, expired ones too.
    fn keys_of(&self, slot: u16) -> impl Iterator<Item = &[u8]> {
        let has_slots = self.table().hasher().has_slots();
        let entries = has_slots.then(|| self.table().entries_among(SlotFilter::One(slot)));
        entries.into_iter().flatten().map(|entry| entry.key())
    }
}

impl Db<'_> {
    /// Keys of a slot, unless it is hidden. O(1).
    pub fn slot_len(&self, slot: u16) -> usize {
        if self.keyspace.is_hidden(slot) {
            0
        } else {
            self.database().slot_len(slot)
        }
    }

    /// Keys of a slot, hidden ones too. O(1).
    pub fn all_slot_len(&self, slot: u16) -> usize {
        self.database().slot_len(slot)
    }

    /// Keys of a slot, unless it is hidden, in an order that lasts while nothing changes; expired
    /// ones that are not deleted yet are among them. O(1) each.
    pub fn slot_keys(&self, slot: u16) -> impl Iterator<Item = &[u8]> {
        let is_shown = !self.keyspace.is_hidden(slot);
        let keys = is_shown.then(|| self.database().keys_of(slot));
        keys.into_iter().flatten()
    }
}

impl Keyspace {
    /// Keys of a slot in all databases, hidden ones too. O(databases).
    pub fn slot_len(&self, slot: u16) -> usize {
        self.dbs.iter().map(|db| db.slot_len(slot)).sum()
    }

    /// Bytes of a slot's entries in all databases, hidden ones too; 0 unless they are counted.
    /// O(databases).
    pub fn slot_bytes(&self, slot: u16) -> u64 {
        self.dbs.iter().map(|db| db.slot_bytes(slot)).sum()
    }

    /// Sets whether bytes are counted by slot. O(keys) if that begins while there are some.
    pub fn set_counts_slot_bytes(&mut self, on: bool) {
        let on = on && self.hasher.has_slots();
        if self.counts_slot_bytes != on {
            self.counts_slot_bytes = on;
            self.dbs.iter_mut().for_each(|db| db.count_slot_bytes(on));
        }
    }

    /// Whether bytes are counted by slot.
    pub fn counts_slot_bytes(&self) -> bool {
        self.counts_slot_bytes
    }

    // --- hidden slots ---

    /// Hides the keys of slots (ranges: first, last) that are being received, from counts, walks
    /// and random picks of clients, from the expire cycle and from eviction, because the sending
    /// node decides about the keys. Lookups, snapshots and the figures of a [`Database`] have them.
    pub fn hide_slots(&mut self, ranges: &[(u16, u16)]) {
        let slots = SlotSet::of_ranges(ranges);
        self.change_hiding(|why| why.received.add(&slots));
    }

    /// The opposite of [`Keyspace::hide_slots`]. Keys that have expired meanwhile are deleted
    /// within [`HIDDEN_MS`].
    pub fn show_slots(&mut self, ranges: &[(u16, u16)]) {
        let slots = SlotSet::of_ranges(ranges);
        self.change_hiding(|why| why.received.subtract(&slots));
    }

    /// Hides the keys of slots that another node has claimed, as [`Keyspace::hide_slots`] does;
    /// they are gone for watches, for clients that wait for them, and for clients that cache them.
    pub fn keep_slots(&mut self, ranges: &[(u16, u16)]) {
        let slots = SlotSet::of_ranges(ranges);
        for db in (0..self.databases() as u32).map(DbIndex) {
            if self.hasher.has_slots()
                && self.dbs[db].table().len_among(SlotFilter::Only(&slots)) > 0
            {
                self.record_drop(db, &slots);
            }
        }
        self.change_hiding(|why| why.kept.add(&slots));
    }

    /// Kept slots are shown, or have no keys any more.
    pub fn release_slots(&mut self, ranges: &[(u16, u16)]) {
        if self.has_kept() {
            let slots = SlotSet::of_ranges(ranges);
            self.change_hiding(|why| why.kept.subtract(&slots));
        }
    }

    /// Slots that are kept, in order.
    pub fn kept_slots(&self) -> impl Iterator<Item = u16> {
        self.why_hidden.iter().flat_map(|why| why.kept.iter())
    }

    /// Whether any slot is kept.
    pub fn has_kept(&self) -> bool {
        self.why_hidden
            .as_ref()
            .is_some_and(|why| !why.kept.is_empty())
    }

    /// Whether a slot is kept.
    pub fn is_kept(&self, slot: u16) -> bool {
        self.why_hidden
            .as_ref()
            .is_some_and(|why| why.kept.has(slot))
    }

    /// Whether all keys are in kept slots. O(databases); O(slots in use) for each while slots are
    /// kept.
    pub fn has_only_kept(&self) -> bool {
        let others = self.why_hidden.as_ref().filter(|why| !why.kept.is_empty());
        let among = others.map_or(SlotFilter::All, |why| SlotFilter::Without(&why.kept));
        self.len() == 0 || self.dbs.iter().all(|db| db.table().len_among(among) == 0)
    }

    fn change_hiding(&mut self, change: impl FnOnce(&mut WhyHidden)) {
        let why = self.why_hidden.get_or_insert_default();
        change(why);
        let mut all = why.received.clone();
        all.add(&why.kept);
        if !all.is_empty() {
            self.hidden = Some(all);
            self.late_until_ms = Some(i64::MAX);
            return;
        }
        self.why_hidden = None;
        if self.hidden.take().is_some() {
            self.late_until_ms = Some(self.now_ms.saturating_add(HIDDEN_MS));
        }
    }

    /// Whether a key is in a hidden slot.
    #[inline]
    pub fn hides(&self, key: &[u8]) -> bool {
        let hidden = self.hidden.as_ref();
        hidden.is_some_and(|hidden| hidden.has(self.hasher.hash(key).slot()))
    }

    /// Whether any slot's keys are hidden.
    pub fn has_hidden(&self) -> bool {
        self.hidden.is_some()
    }

    /// Whether a slot's keys are hidden.
    pub fn is_hidden(&self, slot: u16) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden.has(slot))
    }
}
