//! The hash table under the keyspace and under large sets, hashes and sorted sets.
//!
//! Extendible hashing in cache lines. The table stores opaque 48-bit words (a caller's pointers);
//! closures of the caller compare and hash them.
//!
//!     directory   a word for each value of the top bits of the hash (`directory`)
//!     segment     a header line and up to 63 buckets of 8 cells (`segment`, `line`, `place`)
//!     cell        15-bit tag | 1 bit "sits in the neighbour bucket" | 48-bit word
//!     overflow    per segment, hundreds of equal hashes that no split separates (`overflow`)
//!
//! Growth is local: a segment grows step by step to 64 lines, then splits in two; deletes shrink
//! and merge (`resize`). So no operation ever waits for a rehash of the table, and memory is 9-10
//! bytes an element at every size. Segments are in dense arenas (`arena`); a table of a single
//! segment is a small allocation, an empty table none.
//!
//! Each table multiplies the caller's hashes by its own odd number. Elements inserted in the order
//! of their hashes would fill segment after segment, which splitting cannot help; and iterating
//! another table gives that order (SUNIONSTORE, COPY, SSCAN and SADD).
//!
//! Invariants, in addition to those of `segment`
//!   1. Every element is in the segment that its own hash's top bits select, under that hash's tag.
//!   2. `len` counts buckets, stashes and overflow.
//!   3. A segment with overflow has `LINES_MAX` lines, and its directory word says so.
//!   4. No caller's closure runs while the table is in an intermediate state.
//!
//! Cost: find a directory word, one or two lines, and the entries with an equal 15-bit tag (1.005
//! of them for a hit, 0.01 for a miss). Insert and remove O(1), at worst a split: some 10 us and
//! 500 reads of entries. Doubling the directory: see `directory`. Cursors: `scan`. Walks with a
//! known frontier: `frontier`. Random picks: `random`. Active expiry: `expiry`. Lazy free: `drain`.
//! Defragmentation: `relocate`. Prefetching for a batch: `ahead`. Thousands of small tables:
//! `tables`.
#![allow(unsafe_code)]

mod ahead;
mod arena;
mod check;
mod copy;
mod directory;
mod drain;
mod expiry;
mod frontier;
mod line;
mod near;
mod overflow;
mod place;
mod plan;
mod random;
mod relocate;
mod resize;
mod scan;
mod segment;
mod shape;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

pub use ahead::SHORT_REACH;

pub(crate) use ahead::{ElementPlace, LikelyWord};
use arena::Arenas;
use directory::Directory;
use expiry::Expiry;
use expiry::SharedExpiry;
pub use line::{Accepts, Word};
use line::{CELLS, cell_of, tag_of_hash, with_word, word_of_cell};
pub use near::TIME_MAX;
use place::InsertOutcome;
use russet_base::hashing::hash;
use segment::{Header, NO_HORIZON, NO_RECORD, SegmentRef};
pub use shape::Shape;
pub use tables::Tables;

/// The position of an element, valid until the next change of the table. A stale position leads to
/// a wrong element or a panic, never undefined behaviour.
///
/// A single word, so that a lookup's result travels in registers:
///
///     top half of the table's own hash 32 | index 32
///
/// The directory uses only the hash's top bits. The index is that of the cell in its segment, or,
/// past the segment's end, an index into the overflow.
#[derive(Copy, Clone, Debug)]
pub struct Handle(u64);

const _: () = assert!(directory::DEPTH_MAX <= 32);

impl Handle {
    #[inline(always)]
    fn new(hash: u64, at: usize) -> Handle {
        Handle(hash & !u64::from(u32::MAX) | u64::from(at as u32))
    }

    /// A hash that selects the segment.
    #[inline(always)]
    fn hash(self) -> u64 {
        self.0
    }

    #[inline(always)]
    fn at(self) -> usize {
        self.0 as u32 as usize
    }
}

/// See the module's description.
pub struct HashTable {
    directory: Directory,
    len: usize,
    /// Odd; see the module.
    salt: u64,
    /// Present only in a table of several segments.
    many: Option<Box<SegmentArenas>>,
    /// Created when the first expiry is recorded.
    expiry: Option<Box<Expiry>>,
}

const _: () = assert!(size_of::<HashTable>() <= 64);

#[derive(Default)]
struct SegmentArenas {
    arenas: Arenas,
    /// Number of segments, and of those whose depth is the directory's.
    segments: usize,
    deepest: usize,
    /// Unmarked cells of segments that cannot hold them, by the segment's prefix.
    overflow: BTreeMap<u32, Vec<u64>>,
    /// `drain_step` is removing segments; the directory is gone.
    draining: bool,
}

// SAFETY: the table owns its segments and directory; words are plain numbers to it.
unsafe impl Send for HashTable {}

impl Default for HashTable {
    fn default() -> HashTable {
        HashTable::new()
    }
}

impl HashTable {
    /// An empty table; it allocates nothing.
    pub fn new() -> HashTable {
        static TABLES: AtomicU64 = AtomicU64::new(0);
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        HashTable::salted(hash::keys().hash(&number.to_le_bytes()))
    }

    fn salted(salt: u64) -> HashTable {
        HashTable {
            directory: Directory::new(),
            len: 0,
            salt: salt | 1,
            many: None,
            expiry: None,
        }
    }

    /// The table's own hash for a caller's `hash`.
    #[inline(always)]
    fn own(&self, hash: u64) -> u64 {
        hash.wrapping_mul(self.salt)
    }

    /// Number of elements. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first word with this hash's tag that `eq` accepts.
    #[inline]
    pub fn find(&self, hash: u64, eq: impl FnMut(Word) -> bool) -> Option<Word> {
        self.locate(self.own(hash), eq).map(|(_, word)| word)
    }

    /// As `find`, but returns the element's position: to read, replace or remove the element
    /// without a second search.
    #[inline]
    pub fn find_handle(&self, hash: u64, eq: impl FnMut(Word) -> bool) -> Option<Handle> {
        self.find_at(hash, eq).map(|(handle, _)| handle)
    }

    /// As `find`, with its position.
    #[inline(always)]
    pub fn find_at(&self, hash: u64, eq: impl Accepts) -> Option<(Handle, Word)> {
        let hash = self.own(hash);
        let (at, word) = self.locate(hash, eq)?;
        Some((Handle::new(hash, at), word))
    }

    #[inline(always)]
    fn locate(&self, hash: u64, mut eq: impl Accepts) -> Option<(usize, Word)> {
        let segment = self.directory.get(hash);
        if segment.is_none() {
            return None;
        }
        let tag = tag_of_hash(hash);
        if let found @ Some(_) = segment.find(tag, &mut eq) {
            return found;
        }
        if segment.has_overflow() {
            return self.locate_in_overflow(segment, tag, eq);
        }
        None
    }

    /// The word in a cell.
    #[inline]
    pub fn word_at(&self, handle: Handle) -> Word {
        word_of_cell(self.raw_at(handle))
    }

    #[inline]
    fn raw_at(&self, handle: Handle) -> u64 {
        let segment = self.directory.get(handle.hash());
        let at = handle.at();
        let end = segment.lines() * CELLS;
        let raw = if at < end {
            segment.cell(at)
        } else {
            self.overflow_of(segment)[at - end]
        };
        assert!(raw != 0, "stale handle");
        raw
    }

    /// Replaces the word in a cell by a word with the same hash.
    #[inline]
    pub fn replace_at(&mut self, handle: Handle, word: Word) {
        let raw = with_word(self.raw_at(handle), word);
        let segment = self.directory.get(handle.hash());
        let at = handle.at();
        let end = segment.lines() * CELLS;
        if at < end {
            segment.set_cell(at, raw);
        } else {
            self.overflow_entry(segment)[at - end] = raw;
        }
    }

    /// Takes an element out.
    pub fn remove_at(&mut self, handle: Handle) -> Word {
        let raw = self.raw_at(handle);
        let segment = self.directory.get(handle.hash());
        let at = handle.at();
        let end = segment.lines() * CELLS;
        self.len -= 1;
        if at < end {
            segment.set_cell(at, 0);
            segment.segment().update(|header| header.count -= 1);
            if segment.has_stash() && segment.refill_from_stash(at) {
                self.set_flag(segment, SegmentRef::STASH, false);
            }
            if segment.has_overflow() {
                self.refill_from_overflow(handle.hash());
            }
        } else {
            self.overflow_entry(segment).swap_remove(at - end);
            self.drop_empty_overflow(segment);
        }
        self.maybe_shrink(handle.hash());
        word_of_cell(raw)
    }

    /// Takes out the first word with this hash's tag that `eq` accepts.
    pub fn remove(&mut self, hash: u64, eq: impl FnMut(Word) -> bool) -> Option<Word> {
        let handle = self.find_handle(hash, eq)?;
        Some(self.remove_at(handle))
    }

    /// Adds an element that is not in the table. `rehash` returns the hash of any word in the
    /// table, including the new word: a split needs it.
    pub fn insert(&mut self, hash: u64, word: Word, rehash: impl Fn(Word) -> u64) {
        debug_assert_eq!(rehash(word), hash);
        let (hash, salt) = (self.own(hash), self.salt);
        let rehash = |word| rehash(word).wrapping_mul(salt);
        let cell = cell_of(tag_of_hash(hash), word);
        loop {
            let segment = self.directory.get(hash);
            if segment.is_none() {
                self.open();
                continue;
            }
            match segment.place(cell) {
                InsertOutcome::Bucket => {}
                InsertOutcome::Stash if segment.has_stash() => {}
                InsertOutcome::Stash => self.set_flag(segment, SegmentRef::STASH, true),
                InsertOutcome::Full => {
                    if self.make_room(hash, &rehash) {
                        continue;
                    }
                    self.push_overflow(hash, cell);
                    break;
                }
            }
            segment.segment().update(|header| header.count += 1);
            break;
        }
        self.len += 1;
    }

    /// Sets or clears a flag in the directory words of a segment.
    fn set_flag(&mut self, segment: SegmentRef, flag: u64, on: bool) {
        self.directory
            .set(segment.segment().header().prefix, segment.with(flag, on));
    }

    /// All words, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Word> + '_ {
        let overflow = self
            .many
            .iter()
            .flat_map(|many| many.overflow.values().flatten().copied());
        let segments = self.directory.segments();
        segments
            .flat_map(|(_, segment)| segment.cells())
            .chain(overflow)
            .map(word_of_cell)
    }

    /// Calls `see` with all words, in the order of [`HashTable::iter`], until it returns false;
    /// `soon` with each, most of them some steps before.
    #[inline]
    pub fn visit(&self, soon: impl Fn(Word), mut see: impl FnMut(Word) -> bool) {
        /// Distance in cells.
        const AHEAD: usize = 24;
        let soon = |cell: u64| {
            if cell != 0 {
                soon(word_of_cell(cell));
            }
        };
        for (_, segment) in self.directory.segments() {
            let mut ahead = segment.all_cells();
            ahead.by_ref().take(AHEAD).for_each(soon);
            for cell in segment.all_cells() {
                ahead.next().into_iter().for_each(soon);
                if cell != 0 && !see(word_of_cell(cell)) {
                    return;
                }
            }
        }
        let overflow = self.many.iter().flat_map(|many| many.overflow.values());
        let _ = overflow.flatten().all(|&cell| see(word_of_cell(cell)));
    }
}
