//! A database's mark in a running pass: which entries are saved, and which of the database's
//! entries the pass owns.

use super::super::access::view::KeyView;
use super::super::ids::DbIndex;
use super::super::slots::slot::slot_of;
use super::super::slots::slot_set::SlotSet;
use super::super::store::container::take_container;
use super::super::store::entry::Entry;
use russet_base::memory::pin::PinnedBytes;

/// An entry that belongs to the pass: freed when it is dropped.
#[derive(Debug)]
pub struct OwnedEntry {
    pub(super) origin: DbIndex,
    pub(super) entry: Entry,
    /// Holds the string's block, which the entry does not own.
    pub(super) pinned: Option<PinnedBytes>,
}

impl OwnedEntry {
    pub(super) fn view(&self) -> KeyView<'_> {
        KeyView::of(self.entry)
    }
}

impl Drop for OwnedEntry {
    fn drop(&mut self) {
        if self.pinned.is_some() {
            return self.entry.free_head();
        }
        if let Some(value) = take_container(self.entry) {
            value.free();
        }
        self.entry.free();
    }
}

/// A database's state in the running pass.
#[derive(Debug, Default)]
pub struct PassMark {
    pub(super) running: bool,
    /// The bit of entries that are saved,
    pub(super) bit: bool,
    /// and the slots in which it is the other bit.
    pub(super) toggled: Option<SlotSet>,
    /// The number that the database had when the pass began.
    pub(super) origin: DbIndex,
    /// Values changed or removed before they were saved, in that order.
    pub(super) early: Vec<OwnedEntry>,
    pub(super) early_bytes: usize,
    /// The entry that is being saved in slices.
    pub(super) open: Option<Entry>,
    /// That entry, or a copy, if it was changed or removed meanwhile.
    pub(super) open_owned: Option<OwnedEntry>,
}

impl PassMark {
    /// The bit of this entry when it is saved.
    #[inline]
    pub(super) fn bit_of(&self, entry: Entry) -> bool {
        self.bit ^ (self.toggled.is_some() && self.is_toggled(entry))
    }

    #[cold]
    fn is_toggled(&self, entry: Entry) -> bool {
        let toggled = self.toggled.as_ref();
        toggled.is_some_and(|toggled| toggled.has(slot_of(entry.key())))
    }

    /// The entries of these slots, or all, count as unsaved from now on.
    pub(super) fn toggle(&mut self, slots: Option<&SlotSet>) {
        let Some(slots) = slots else {
            self.bit = !self.bit;
            return;
        };
        self.toggled.get_or_insert_default().toggle(slots);
        self.toggled.take_if(|toggled| toggled.is_empty());
    }

    /// Whether the database had this number when the pass began.
    pub fn is_of(&self, origin: DbIndex) -> bool {
        self.origin == origin
    }

    /// The pass saves nothing of the database any more.
    pub fn forget(&mut self) {
        self.running = false;
        (self.open, self.open_owned) = (None, None);
    }

    /// The mark of slots that are taken out as a database of their own.
    pub fn take_slots(&mut self, slots: &SlotSet) -> PassMark {
        PassMark {
            running: self.running,
            bit: self.bit,
            toggled: self.toggled.clone(),
            origin: self.origin,
            open: self.open.take_if(|open| slots.has(slot_of(open.key()))),
            ..PassMark::default()
        }
    }
}
