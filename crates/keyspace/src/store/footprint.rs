//! Counts that need the bytes of entries: keys by prefix (PREFIXSTATS), by type and bytes (the
//! `_sizes` lines of INFO keysizes), and bytes by slot (CLUSTER SLOT-STATS). All are off by
//! default.
//!
//! `Database` reports insertions, removals and changes of size; `RefMut` reports a container's
//! bytes before and after a write.
//!
//! Cost: when all are off, a test of a null pointer. When any count is on, the bytes of the entry
//! before and after each change, which every value knows.

use super::super::slots::slot::{SLOTS, slot_of};
use super::container::bytes_of;
use super::entry::Entry;
use super::prefixes::{EntryShare, Prefixes};
use super::sizes::{KeySizes, Size};

/// The counts of a database; at least one of them is on.
#[derive(Default)]
pub struct Footprints {
    /// Keys by prefix.
    pub prefixes: Option<Prefixes>,
    /// Keys by type and bytes, of all types.
    pub by_bytes: Option<KeySizes>,
    /// Bytes by slot.
    pub(crate) by_slot: Option<Box<[u64; SLOTS]>>,
}

/// An entry's contribution to the counts at a moment.
#[derive(Clone, Copy)]
pub struct Footprint {
    /// The entry's type and bytes.
    size: Size,
    /// The entry's share of the figures of its prefix, if it is counted there.
    share: Option<EntryShare>,
}

/// An entry's share of the figures of its prefix.
pub fn share_of(entry: Entry, bytes: usize) -> EntryShare {
    let saved = entry.packed_saving();
    EntryShare {
        bytes,
        is_packed: saved.is_some(),
        saved: saved.unwrap_or(0),
    }
}

impl Footprints {
    /// An entry's contribution to the counts; `place` is the entry's place in the table.
    pub fn of(&self, entry: Entry, bytes: usize, place: impl FnOnce() -> u64) -> Footprint {
        let covers =
            |prefixes: &Prefixes| prefixes.walks_at().is_none() || prefixes.covers(place());
        Footprint {
            size: Size::new(entry.kind(), bytes),
            share: (self.prefixes.as_ref())
                .is_some_and(covers)
                .then(|| share_of(entry, bytes)),
        }
    }

    fn slot(&mut self, entry: Entry) -> Option<&mut u64> {
        let bytes = self.by_slot.as_mut()?;
        Some(&mut bytes[usize::from(slot_of(entry.key()))])
    }

    /// An entry was inserted.
    pub fn add(&mut self, entry: Entry, place: u64) {
        let bytes = bytes_of(entry);
        if let Some(prefixes) = &mut self.prefixes
            && prefixes.covers(place)
        {
            prefixes.add(entry.key(), share_of(entry, bytes));
        }
        if let Some(by_bytes) = &mut self.by_bytes {
            by_bytes.add(Size::new(entry.kind(), bytes));
        }
        if let Some(slot) = self.slot(entry) {
            *slot += bytes as u64;
        }
    }

    /// An entry is about to be removed.
    pub fn remove(&mut self, entry: Entry, place: u64) {
        let bytes = bytes_of(entry);
        if let Some(prefixes) = &mut self.prefixes
            && prefixes.covers(place)
        {
            prefixes.remove(entry.key(), share_of(entry, bytes));
        }
        if let Some(by_bytes) = &mut self.by_bytes {
            by_bytes.remove(Size::new(entry.kind(), bytes));
        }
        if let Some(slot) = self.slot(entry) {
            *slot -= bytes as u64;
        }
    }

    /// The value or the expiry of an entry changed; `bytes` are those of the entry now.
    pub fn change(&mut self, before: Footprint, entry: Entry, bytes: usize) {
        if let Some(share) = before.share
            && let Some(prefixes) = &mut self.prefixes
        {
            prefixes.change(entry.key(), share, share_of(entry, bytes));
        }
        if let Some(by_bytes) = &mut self.by_bytes {
            by_bytes.change(before.size, Size::new(entry.kind(), bytes));
        }
        if let Some(slot) = self.slot(entry) {
            *slot += bytes as u64;
            *slot -= before.size.elements() as u64;
        }
    }
}
