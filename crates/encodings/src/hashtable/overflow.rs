//! Overflow: elements of a full segment whose hashes are equal as far as the directory may grow,
//! which splitting cannot separate. They are in a list beside the segment.
//!
//! The list has no order; its key is the segment's prefix. When a list becomes empty, the table
//! removes it and clears the overflow flag in the directory word.

use super::line::{Accepts, CELLS, tag_of_cell, word_of_cell};
use super::place::InsertOutcome;
use super::segment::SegmentRef;
use super::{HashTable, Word};

impl HashTable {
    pub(super) fn overflow_of(&self, segment: SegmentRef) -> &[u64] {
        if !segment.has_overflow() {
            return &[];
        }
        let many = self
            .many
            .as_ref()
            .expect("overflow exists beside a directory");
        &many.overflow[&segment.segment().header().prefix]
    }

    #[cold]
    pub(super) fn locate_in_overflow(
        &self,
        segment: SegmentRef,
        tag: u64,
        mut eq: impl Accepts,
    ) -> Option<(usize, Word)> {
        let cells = self.overflow_of(segment);
        let index = cells
            .iter()
            .position(|&cell| tag_of_cell(cell) == tag && eq.accepts(word_of_cell(cell)))?;
        Some((segment.lines() * CELLS + index, word_of_cell(cells[index])))
    }

    /// Drops the list of a segment that is rebuilt: the list's elements are in the plan.
    pub(super) fn forget_overflow(&mut self, segment: SegmentRef) {
        if segment.has_overflow() {
            let many = self
                .many
                .as_mut()
                .expect("overflow exists beside a directory");
            many.overflow.remove(&segment.segment().header().prefix);
        }
    }

    #[cold]
    pub(super) fn push_overflow(&mut self, hash: u64, cell: u64) {
        let segment = self.directory.get(hash);
        self.overflow_entry(segment).push(cell);
        self.set_flag(segment, SegmentRef::OVERFLOW, true);
    }

    pub(super) fn overflow_entry(&mut self, segment: SegmentRef) -> &mut Vec<u64> {
        let many = self
            .many
            .as_mut()
            .expect("overflow exists beside a directory");
        many.overflow
            .entry(segment.segment().header().prefix)
            .or_default()
    }

    pub(super) fn drop_empty_overflow(&mut self, segment: SegmentRef) {
        if self.overflow_entry(segment).is_empty() {
            let prefix = segment.segment().header().prefix;
            self.many
                .as_mut()
                .expect("overflow was there")
                .overflow
                .remove(&prefix);
            self.set_flag(
                self.directory.get(u64::from(prefix) << 32),
                SegmentRef::OVERFLOW,
                false,
            );
        }
    }

    /// After a cell of the segment became free: an overflow element may fit now.
    #[cold]
    pub(super) fn refill_from_overflow(&mut self, hash: u64) {
        let segment = self.directory.get(hash);
        let cell = self
            .overflow_entry(segment)
            .pop()
            .expect("the flag says there is overflow");
        match segment.place(cell) {
            InsertOutcome::Full => self.overflow_entry(segment).push(cell),
            placed => {
                segment.segment().update(|header| header.count += 1);
                if placed == InsertOutcome::Stash {
                    self.set_flag(segment, SegmentRef::STASH, true);
                }
                self.drop_empty_overflow(segment);
            }
        }
    }
}
