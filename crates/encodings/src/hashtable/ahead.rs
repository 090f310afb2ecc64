//! Prefetching for a batch of lookups: the directory's word, then the lines of the table, then the
//! entries, each stage for the whole batch before the next.
//!
//! All stages are hints: they change nothing, and the element need not be in the table.

use super::line::{CELLS, match_tag, tag_of_hash, word_of_cell};
use super::{HashTable, SegmentRef, Word};
use crate::prefetch::prefetch;
use std::marker::PhantomData;

/// Prefetch reach for short entries: two lines if they cross into a second line, else a single
/// line.
pub const SHORT_REACH: usize = 40;

/// Where the element with some hash would be in a table, which is borrowed.
#[derive(Copy, Clone)]
pub struct ElementPlace<'t> {
    segment: SegmentRef,
    tag: u64,
    table: PhantomData<&'t HashTable>,
}

impl ElementPlace<'_> {
    /// A place without an element.
    pub const NONE: Self = ElementPlace {
        segment: SegmentRef::NONE,
        tag: 1,
        table: PhantomData,
    };
}

/// The word that a lookup is likely to find, or none. A single number, so that there is no branch
/// between the two cases until a caller asks.
#[derive(Copy, Clone)]
pub struct LikelyWord(u64);

impl LikelyWord {
    pub const NONE: LikelyWord = LikelyWord(0);

    #[inline(always)]
    pub fn word(self) -> Option<Word> {
        (self.0 != 0).then_some(Word(self.0))
    }

    /// Prefetches the line at the word if the word is a pointer without flags, else a line that is
    /// cached anyway.
    #[inline(always)]
    pub fn prefetch(&self) {
        let own = std::ptr::from_ref(self).addr();
        let is_pointer = (self.0 != 0) & (self.0 & 0b111 == 0);
        prefetch(if is_pointer { self.0 as usize } else { own });
    }
}

impl HashTable {
    /// First stage of a batch that only reads: where the element with this hash would be, its lines
    /// prefetched.
    #[inline(always)]
    pub fn seek(&self, hash: u64) -> ElementPlace<'_> {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        let tag = tag_of_hash(hash);
        if !segment.is_none() {
            segment.prefetch_lines(hash, false);
            // The stash's line, if it is used, else either bucket's line again, because a choice of
            // addresses needs no branch, which would be a guess.
            prefetch(if segment.has_stash() {
                segment.segment().0.addr()
            } else {
                segment.lines_of(tag)[0].addr()
            });
        }
        ElementPlace {
            segment,
            tag,
            table: PhantomData,
        }
    }

    /// Second stage: a word there with the tag of the hash, of which there is hardly ever a second.
    /// None: no element has the hash. `place` must be of this table.
    #[inline(always)]
    pub fn likely(&self, place: ElementPlace<'_>) -> LikelyWord {
        let ElementPlace { segment, tag, .. } = place;
        if segment.is_none() {
            return LikelyWord::NONE;
        }
        let lines = segment.lines_of(tag);
        // SAFETY: both are lines of a segment, aligned.
        let [home, next] = lines.map(|line| unsafe { match_tag(line, tag) });
        // Both lines at once, whatever they contain, because a branch between them would be a
        // guess.
        let found = home | next << CELLS;
        let at = found.trailing_zeros() as usize % (2 * CELLS);
        // SAFETY: a cell of one of the two lines.
        let cell = unsafe { *lines[at / CELLS].add(at % CELLS) };
        if (found == 0) & segment.has_more() {
            let beside = self.find_beside(segment, tag);
            return LikelyWord(beside.map_or(0, Word::raw));
        }
        LikelyWord(if found == 0 {
            0
        } else {
            word_of_cell(cell).raw()
        })
    }

    /// A word with this tag in the stash or the overflow of a segment.
    #[inline]
    fn find_beside(&self, segment: SegmentRef, tag: u64) -> Option<Word> {
        if segment.has_stash()
            && let found @ Some(_) = segment.find_in_stash(tag)
        {
            return found;
        }
        let mut found = None;
        if segment.has_overflow() {
            self.locate_in_overflow(segment, tag, |word| {
                found = Some(word);
                true
            });
        }
        found
    }

    /// Prefetches the directory word of a hash.
    #[inline]
    pub fn prefetch_directory(&self, hash: u64) {
        self.directory.prefetch(self.own(hash));
    }

    /// First stage of a batch: prefetches the lines where this hash's element would be. Reads the
    /// directory word, so very large tables benefit from `prefetch_directory` before it.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.prefetch_lines(hash, self.has_expiries());
    }

    /// Whether expiries are recorded.
    #[inline(always)]
    pub fn has_expiries(&self) -> bool {
        self.expiry.is_some()
    }

    /// As [`HashTable::prefetch`]; `has_expiries`: expiries are recorded, perhaps in shared
    /// records.
    #[inline]
    pub fn prefetch_lines(&self, hash: u64, has_expiries: bool) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if !segment.is_none() {
            segment.prefetch_lines(hash, has_expiries);
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
    pub(super) fn prefetch_lines(self, hash: u64, has_expiries: bool) {
        for line in self.lines_of(tag_of_hash(hash)) {
            prefetch(line.addr());
        }
        if has_expiries {
            // The segment's header says which expiries need a record.
            prefetch(self.segment().0.addr());
        }
    }

    /// See [`HashTable::prefetch_entries`]; `hash` is the table's own. There is a segment. Returns
    /// whether the tag is there.
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
        // An insert of the element may follow.
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
