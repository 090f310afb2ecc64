//! Copying a table: the same elements in the same slots, without a search or a split.

use std::ptr;

use super::ahead::{SHORT_REACH, prefetch_entry};
use super::arena::allocate;
use super::line::{SLOTS, with_word, word_of_slot};
use super::segment::HEADER_SLOTS;
use super::{HashTable, NO_HORIZON, NO_RECORD, SegmentRef, Word};

/// Distance, in slots, at which entries are prefetched.
const AHEAD: usize = 16;

impl HashTable {
    /// A table with a copy of each element: `copy` returns the word of the copy, which must have
    /// the same hash. Expiries are not noted: the caller must note them. O(elements).
    pub fn copy_with(&self, mut copy: impl FnMut(Word) -> Word) -> HashTable {
        let mut table = HashTable::salted(self.salt);
        for _ in 0..self.directory.depth() {
            table.directory.double();
        }
        if let Some(own) = &self.many {
            assert!(!own.draining, "a copy of a table that is being drained");
            let many = table.many.get_or_insert_default();
            (many.segments, many.deepest) = (own.segments, own.deepest);
            for (&prefix, slots) in &own.overflow {
                let slots = slots.iter();
                let twins = slots.map(|&slot| with_word(slot, copy(word_of_slot(slot))));
                many.overflow.insert(prefix, twins.collect());
            }
        }
        for (_, segment) in self.directory.segments() {
            let twin = table.copy_segment(segment, &mut copy);
            table.directory.set(segment.segment().header().prefix, twin);
        }
        table.len = self.len;
        table
    }

    fn copy_segment(
        &mut self,
        segment: SegmentRef,
        copy: &mut impl FnMut(Word) -> Word,
    ) -> SegmentRef {
        let lines = segment.lines();
        let memory = if segment.depth() == 0 {
            allocate(lines, 1)
        } else {
            let many = self.many.as_mut().expect("made for the segments");
            many.arenas.allocate(lines, many.segments)
        };
        let slots = lines * SLOTS;
        // SAFETY: both segments have this many slots, and the new one is not shared yet.
        unsafe { ptr::copy_nonoverlapping(segment.segment().0, memory.0, slots) };
        memory.update(|header| (header.record, header.horizon) = (NO_RECORD, NO_HORIZON));
        let twin = segment.at_address(memory);
        for at in HEADER_SLOTS..slots {
            if at + AHEAD < slots {
                prefetch_entry(word_of_slot(segment.slot(at + AHEAD)), SHORT_REACH);
            }
            let slot = segment.slot(at);
            if slot != 0 {
                twin.set_slot(at, with_word(slot, copy(word_of_slot(slot))));
            }
        }
        twin
    }
}
