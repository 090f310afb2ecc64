//! Copying a table: the same elements in the same cells, without a search or a split.

use std::ptr;

use super::ahead::{SHORT_REACH, prefetch_entry};
use super::arena::allocate;
use super::line::{CELLS, with_word, word_of_cell};
use super::segment::HEADER_CELLS;
use super::{HashTable, NO_HORIZON, NO_RECORD, SegmentRef, Word};

/// Distance, in cells, at which entries are prefetched.
const AHEAD: usize = 16;

impl HashTable {
    /// A table with a copy of each element: `copy` returns the word of the copy, which must have
    /// the same hash. Expiries are not recorded: the caller must record them. O(elements).
    pub fn copy_with(&self, mut copy: impl FnMut(Word) -> Word) -> HashTable {
        let mut table = HashTable::salted(self.salt);
        for _ in 0..self.directory.depth() {
            table.directory.double();
        }
        if let Some(own) = &self.many {
            assert!(!own.draining, "a copy of a table that is being drained");
            let many = table.many.get_or_insert_default();
            (many.segments, many.deepest) = (own.segments, own.deepest);
            for (&prefix, cells) in &own.overflow {
                let cells = cells.iter();
                let twins = cells.map(|&cell| with_word(cell, copy(word_of_cell(cell))));
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
        let cells = lines * CELLS;
        // SAFETY: both segments have this many cells, and the new segment is not shared yet.
        unsafe { ptr::copy_nonoverlapping(segment.segment().0, memory.0, cells) };
        memory.update(|header| (header.record, header.horizon) = (NO_RECORD, NO_HORIZON));
        let twin = segment.at_address(memory);
        for at in HEADER_CELLS..cells {
            if at + AHEAD < cells {
                prefetch_entry(word_of_cell(segment.cell(at + AHEAD)), SHORT_REACH);
            }
            let cell = segment.cell(at);
            if cell != 0 {
                twin.set_cell(at, with_word(cell, copy(word_of_cell(cell))));
            }
        }
        twin
    }
}
