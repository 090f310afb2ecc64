//! Reading ahead of a batch of lookups: the directory's word, then the lines of the table, then
//! the entries, each stage for all of them before the next.
//!
//! All are hints: nothing is changed, and what is asked for need not be there.

use super::line::{match_tag, tag_of_hash, word_of_slot};
use super::{HashTable, Word};
use crate::encodings::prefetch::prefetch;

/// How far short entries reach: two lines if they cross into one, one line otherwise.
pub(crate) const SHORT_REACH: usize = 40;

impl HashTable {
    /// Asks for the directory word of a hash.
    #[inline]
    pub fn prefetch_directory(&self, hash: u64) {
        self.directory.prefetch(self.own(hash));
    }

    /// First stage of a batch: asks for the lines where this hash's element would be. Reads
    /// the directory word, so `prefetch_directory` may go before it in very large tables.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if !segment.is_none() {
            for line in segment.lines_of(tag_of_hash(hash)) {
                prefetch(line.addr());
            }
            if self.expiry.is_some() {
                // Its header says which expiries need a note.
                prefetch(segment.segment().0.addr());
            }
        }
    }

    /// Second stage: asks for the entries with this hash's tag, or where there is none for what
    /// an insert needs. `reach` says up to
    /// which byte an entry is wanted, below 128, or that the word points to none (a
    /// pointer's low three bits are ignored).
    #[inline]
    pub fn prefetch_entries(&self, hash: u64, reach: impl Fn(Word) -> Option<usize>) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if segment.is_none() {
            return;
        }
        let tag = tag_of_hash(hash);
        for line in segment.lines_of(tag) {
            // SAFETY: a bucket's line.
            let mut mask = unsafe { match_tag(line, tag) };
            let found = mask != 0;
            while mask != 0 {
                // SAFETY: the bit is below 8.
                let word = word_of_slot(unsafe { *line.add(mask.trailing_zeros() as usize) });
                if let Some(reach) = reach(word) {
                    prefetch_entry(word, reach);
                }
                mask &= mask - 1;
            }
            if found {
                // Most likely it is the one: the other line is not waited for.
                return;
            }
        }
        // It may be on its way in.
        segment.prefetch_way(tag);
    }
}

/// Asks for the lines of an entry from its first byte to byte `reach`, below 128.
#[inline(always)]
pub(super) fn prefetch_entry(word: Word, reach: usize) {
    let entry = (word.raw() & !7) as usize;
    prefetch(entry);
    if reach >= 64 {
        prefetch(entry + 64);
    }
    prefetch(entry + reach);
}
