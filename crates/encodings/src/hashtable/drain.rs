//! Emptying a table: in slices, so that freeing millions of elements can be spread over
//! time, or at once.
//!
//! The first slice drops the directory; from then on the table is only a heap of segments, and only
//! `drain_step`, `clear_with`, `len` and `drop` may be used.

use super::arena;
use super::line::{CELLS, word_of_cell};
use super::segment::{HEADER_CELLS, Segment};
use super::{HashTable, Word};

impl HashTable {
    /// Passes up to `budget` words to `f` and removes them; true when the table is empty, which is
    /// then as new. In between searches find nothing, and inserts panic.
    pub fn drain_step(&mut self, budget: usize, mut f: impl FnMut(Word)) -> bool {
        self.begin_drain();
        let mut budget = budget;
        while self.len > 0 && budget > 0 {
            let before = self.len;
            self.drain_some(budget, &mut f);
            budget -= before - self.len;
        }
        if self.len > 0 {
            return false;
        }
        *self = HashTable::new();
        true
    }

    /// Passes every word to `f`; the table is as new afterwards.
    pub fn clear_with(&mut self, f: impl FnMut(Word)) {
        let empty = self.drain_step(usize::MAX, f);
        assert!(empty);
    }

    fn begin_drain(&mut self) {
        self.expiry = None;
        if let Some(many) = &mut self.many
            && !many.draining
        {
            many.draining = true;
            self.directory.forget();
        }
    }

    fn drain_some(&mut self, budget: usize, f: &mut impl FnMut(Word)) {
        let Some(many) = &mut self.many else {
            let root = self.directory.at(0);
            self.len -= empty_cells(root.segment(), root.lines(), budget, f);
            return;
        };
        if let Some((segment, lines)) = many.arenas.any_last() {
            self.len -= empty_cells(segment, lines, budget, f);
            if segment.header().count == 0 {
                many.arenas.drop_any_last();
            }
        } else if let Some(mut entry) = many.overflow.last_entry() {
            let cells = entry.get_mut();
            let taken = cells.len().min(budget);
            for cell in cells.drain(cells.len() - taken..) {
                f(word_of_cell(cell));
            }
            self.len -= taken;
            if cells.is_empty() {
                entry.remove();
            }
        }
    }
}

/// Empties up to `budget` cells of a segment, the last ones first; returns how many.
fn empty_cells(segment: Segment, lines: usize, budget: usize, f: &mut impl FnMut(Word)) -> usize {
    let mut taken = 0;
    for at in (HEADER_CELLS..lines * CELLS).rev() {
        if taken == budget {
            break;
        }
        // SAFETY: `at` is a cell of the segment.
        let cell = unsafe { segment.0.add(at) };
        // SAFETY: cells are always initialised, and the table is ours to change.
        let raw = unsafe { cell.replace(0) };
        if raw != 0 {
            segment.update(|header| header.count -= 1);
            f(word_of_cell(raw));
            taken += 1;
        }
    }
    taken
}

impl Drop for HashTable {
    fn drop(&mut self) {
        let root = self.directory.at(0);
        if self.directory.depth() == 0 && !root.is_none() {
            self.directory.set_empty();
            // SAFETY: a table's only segment is an allocation of its own.
            unsafe { arena::free(root.segment(), root.lines(), 1) };
        }
    }
}
