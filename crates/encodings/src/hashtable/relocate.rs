//! Moving a table's blocks, and those of its elements, to fuller slabs.
//!
//! No element changes its position in the table: its cell gets the new word, a segment's directory
//! words the new address. So cursors, cells and random picks stay valid.

use super::arena;
use super::line::{tag_of_cell, with_word, word_of_cell};
use super::{HashTable, Word};
use russet_base::memory::mover::Mover;

impl HashTable {
    /// As [`HashTable::scan`]; `change` may return an element's new word, with the same hash, after
    /// moving its block. The table's own blocks are not moved.
    pub fn relocate_words(
        &mut self,
        cursor: u64,
        mut change: impl FnMut(Word) -> Option<Word>,
    ) -> u64 {
        let Some(stretch) = self.stretch(cursor) else {
            return 0;
        };
        let (segment, tags) = (stretch.segment, &stretch.tags);
        segment.change_tags(tags.start, tags.end, &mut change);
        if segment.has_overflow() {
            for cell in self.overflow_entry(segment) {
                if tags.contains(&tag_of_cell(*cell))
                    && let Some(word) = change(word_of_cell(*cell))
                {
                    *cell = with_word(*cell, word);
                }
            }
        }
        self.behind(&stretch)
    }

    /// As [`HashTable::relocate_words`], for about `n` elements; the first call also offers the
    /// table's own blocks.
    pub fn relocate_about(
        &mut self,
        mover: &mut Mover,
        mut cursor: u64,
        n: usize,
        change: impl Fn(Word, &mut Mover) -> Option<Word>,
    ) -> u64 {
        if cursor == 0 {
            self.relocate_lines(mover);
        }
        let mut left = n;
        loop {
            cursor = self.relocate_words(cursor, |word| {
                left = left.saturating_sub(1);
                change(word, mover)
            });
            if cursor == 0 || left == 0 {
                return cursor;
            }
        }
    }

    /// Offers the table's own blocks: lines, directory, expiry records. Large ones have their own
    /// pages and need no moving. O(chunks of segments).
    pub fn relocate_lines(&mut self, mover: &mut Mover) {
        let root = self.directory.at(0);
        if self.directory.depth() == 0 && !root.is_none() {
            let mut segment = root.segment();
            // SAFETY: a table's only segment is an allocation of its own, of a single place.
            if unsafe { arena::relocate(&mut segment, root.lines(), 1, mover) } {
                self.directory.moved(segment);
            }
        }
        if let Some(many) = &mut self.many {
            assert!(!many.draining, "a table that is being drained is nobody's");
            mover.boxed(many);
            for cells in many.overflow.values_mut() {
                mover.vec(cells);
            }
            many.arenas.relocate(mover, &mut self.directory);
        }
        self.directory.relocate(mover);
        if let Some(expiry) = &mut self.expiry {
            mover.boxed(expiry);
            expiry.relocate(mover);
        }
    }
}
