//! Prefetching for a batch of lookups: the directory's word, then the lines of the table, then the
//! entries, each stage for the whole batch before the next.
//!
//! All are hints: nothing is changed, and the element need not be there.

use super::line::{match_tag, tag_of_hash, word_of_cell};
use super::{HashTable, SegmentRef, Word};
use crate::encodings::prefetch::prefetch;

/// Prefetch reach for short entries: two lines if they cross into a second one, else one line.
pub(crate) const SHORT_REACH: usize = 40;

impl HashTable {
    /// Prefetches the directory word of a hash.
    #[inline]
    pub fn prefetch_directory(&self, hash: u64) {
        self.directory.prefetch(self.own(hash));
    }

    /// First stage of a batch: prefetches the lines where this hash's element would be. Reads the
    /// directory word, so very large tables benefit from `prefetch_directory` before it.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.prefetch_lines(hash, self.expiry.is_some());
    }

    /// As [`HashTable::prefetch`]; `is_noted`: expiries are noted, perhaps in shared records.
    #[inline]
    pub fn prefetch_lines(&self, hash: u64, is_noted: bool) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if !segment.is_none() {
            segment.prefetch_lines(hash, is_noted);
        }
    }

    /// Second stage: prefetches the entries with this hash's tag, or, if there is none, the lines
    /// that an insert needs. `reach` returns the last byte of an entry to prefetch, below 128, or
    /// `None` if the word points to no entry (a pointer's low three bits are ignored).
    #[inline]
    pub fn prefetch_entries(&self, hash: u64, reach: impl Fn(Word) -> Option<usize>) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if !segment.is_none() {
            segment.prefetch_entries(hash, reach);
        }
    }
}

impl SegmentRef {
    /// See [`HashTable::prefetch_lines`]; `hash` is the table's own. There is a segment.
    #[inline(always)]
    pub(super) fn prefetch_lines(self, hash: u64, is_noted: bool) {
        for line in self.lines_of(tag_of_hash(hash)) {
            prefetch(line.addr());
        }
        if is_noted {
            // Its header says which expiries need a note.
            prefetch(self.segment().0.addr());
        }
    }

    /// See [`HashTable::prefetch_entries`]; `hash` is the table's own. There is a segment. Returns whether
    /// the tag is there.
    #[inline(always)]
    pub(super) fn prefetch_entries(self, hash: u64, reach: impl Fn(Word) -> Option<usize>) -> bool {
        let tag = tag_of_hash(hash);
        for line in self.lines_of(tag) {
            // SAFETY: a bucket's line.
            let mut mask = unsafe { match_tag(line, tag) };
            let found = mask != 0;
            while mask != 0 {
                // SAFETY: the bit is below 8.
                let word = word_of_cell(unsafe { *line.add(mask.trailing_zeros() as usize) });
                if let Some(reach) = reach(word) {
                    prefetch_entry(word, reach);
                }
                mask &= mask - 1;
            }
            if found {
                // Very likely this is the element: skip the other line.
                return true;
            }
        }
        // It may be about to be inserted.
        self.prefetch_way(tag);
        false
    }
}

/// Prefetches the lines of an entry from its first byte to byte `reach`, below 128.
#[inline(always)]
pub(super) fn prefetch_entry(word: Word, reach: usize) {
    let entry = (word.raw() & !7) as usize;
    prefetch(entry);
    if reach >= 64 {
        prefetch(entry + 64);
    }
    prefetch(entry + reach);
}
