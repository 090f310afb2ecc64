//! A segment: a header line, then buckets of eight cells, all in whole cache lines.
//!
//!     line 0: count u16 | lines u8 | depth u8 | prefix, record, horizon u32 each | 6 stash cells
//!     line 1..lines: a bucket each
//!
//! Invariants
//!   1. An element sits in its home bucket, or marked in the next bucket (the last wraps to the
//!      first), or unmarked in the stash.
//!   2. `count` is the number of occupied cells, stash included, overflow excluded.
//!   3. The `SegmentRef` in the directory agrees with the header on lines and depth, and
//!      says whether the stash is in use.
//!
//! Placing a new element: `place`. Rebuilding a segment: `plan`. Allocating segments: `arena`.
//! Growing, splitting, shrinking, merging: `resize`.

use std::ptr;

use super::Word;
use super::line::{Accepts, CELLS, match_mark, match_tag, tag_of_cell, with_word, word_of_cell};

/// Lines of a full-grown segment.
pub(super) const LINES_MAX: usize = 64;
/// Cells of the header line taken by the header's own fields.
pub(super) const HEADER_CELLS: usize = 2;
/// Stash cells in the header line.
pub(super) const STASH_CELLS: usize = CELLS - HEADER_CELLS;
/// `Header::record` of a segment without volatile elements.
pub(super) const NO_RECORD: u32 = u32::MAX;
/// `Header::horizon`: every expiry must be in the record.
pub(super) const NO_HORIZON: u32 = u32::MAX;

#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub(super) struct Header {
    pub count: u16,
    pub lines: u8,
    pub depth: u8,
    /// Top 32 bits of the lowest hash that belongs here.
    pub prefix: u32,
    /// Number of the segment's record in `expiry`, or `NO_RECORD`.
    pub record: u32,
    /// Expiries at or after this Unix second need no record: the record's `far` covers them.
    pub(crate) horizon: u32,
}

const _: () = assert!(size_of::<Header>() == HEADER_CELLS * size_of::<u64>());

/// A directory word: a segment's address and geometry, so that a lookup never reads the header for
/// them.
///
///     48-bit address | 6 bits buckets | 6 bits depth | 1 bit stash | 1 bit overflow
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct SegmentRef(pub u64);

impl SegmentRef {
    /// No segment: an empty table's only word.
    pub const NONE: SegmentRef = SegmentRef(0);
    pub(crate) const STASH: u64 = 1 << 60;
    pub const OVERFLOW: u64 = 1 << 61;
    const ADDRESS: u64 = (1 << 48) - 1;

    pub fn new(segment: Segment, lines: usize, depth: u32) -> SegmentRef {
        let address = segment.0.expose_provenance() as u64;
        assert!(address & !Self::ADDRESS == 0, "segment beyond 48 bits");
        debug_assert!((2..=LINES_MAX).contains(&lines));
        SegmentRef(address | (lines as u64 - 1) << 48 | u64::from(depth) << 54)
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    pub fn segment(self) -> Segment {
        Segment(ptr::with_exposed_provenance_mut(
            (self.0 & Self::ADDRESS) as usize,
        ))
    }

    #[inline(always)]
    pub fn buckets(self) -> usize {
        (self.0 >> 48 & 63) as usize
    }

    pub fn lines(self) -> usize {
        self.buckets() + 1
    }

    pub fn depth(self) -> u32 {
        (self.0 >> 54 & 63) as u32
    }

    #[inline(always)]
    pub(crate) fn has_stash(self) -> bool {
        self.0 & Self::STASH != 0
    }

    #[inline(always)]
    pub(crate) fn has_overflow(self) -> bool {
        self.0 & Self::OVERFLOW != 0
    }

    /// Whether elements are elsewhere than in the buckets.
    #[inline(always)]
    pub fn has_more(self) -> bool {
        self.0 & (Self::STASH | Self::OVERFLOW) != 0
    }

    pub fn with(self, flag: u64, on: bool) -> SegmentRef {
        SegmentRef(if on { self.0 | flag } else { self.0 & !flag })
    }

    pub(crate) fn at_address(self, segment: Segment) -> SegmentRef {
        let address = segment.0.expose_provenance() as u64;
        assert!(address & !Self::ADDRESS == 0, "segment beyond 48 bits");
        SegmentRef(self.0 & !Self::ADDRESS | address)
    }

    /// First cell index (in the segment, header included) of a bucket's line.
    #[inline(always)]
    pub(super) fn bucket_start(bucket: usize) -> usize {
        (1 + bucket) * CELLS
    }

    #[inline(always)]
    pub(super) fn bucket(self, bucket: usize) -> *mut u64 {
        debug_assert!(bucket < self.buckets());
        // SAFETY: a segment has `buckets` lines after its header line.
        unsafe { self.segment().0.add(Self::bucket_start(bucket)) }
    }

    #[inline(always)]
    pub fn home(self, tag: u64) -> usize {
        home(tag, self.buckets())
    }

    #[inline(always)]
    pub(super) fn next(self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets() {
            0
        } else {
            bucket + 1
        }
    }

    pub(super) fn previous(self, bucket: usize) -> usize {
        if bucket == 0 {
            self.buckets() - 1
        } else {
            bucket - 1
        }
    }

    /// Addresses of the two lines where an element with this tag would be.
    #[inline(always)]
    pub fn lines_of(self, tag: u64) -> [*const u64; 2] {
        let home = self.home(tag);
        [self.bucket(home), self.bucket(self.next(home))]
    }

    /// Cell index and word of the first element with this tag that `eq` accepts, in buckets or
    /// stash.
    #[inline(always)]
    pub fn find(self, tag: u64, eq: &mut impl Accepts) -> Option<(usize, Word)> {
        let home = self.home(tag);
        let start = Self::bucket_start(home);
        // SAFETY: `start` begins a line of this segment; segments are 64-byte aligned.
        let line = unsafe { self.segment().0.add(start) };
        // SAFETY: as above.
        let mask = unsafe { match_tag(line, tag) };
        if mask != 0 {
            let i = mask.trailing_zeros() as usize;
            // SAFETY: i < 8, inside the line.
            let word = word_of_cell(unsafe { *line.add(i) });
            if eq.accepts(word) {
                return Some((start + i, word));
            }
        }
        // Apart, because it is mostly the first at home: a loop would take the registers of that.
        self.find_beyond(home, tag, mask & mask.wrapping_sub(1), eq)
    }

    /// As [`SegmentRef::find`], among these cells of the home bucket, and elsewhere.
    #[inline(never)]
    fn find_beyond(
        self,
        home: usize,
        tag: u64,
        at_home: u32,
        eq: &mut impl Accepts,
    ) -> Option<(usize, Word)> {
        let (mut start, mut mask) = (Self::bucket_start(home), at_home);
        for next in 1.. {
            while mask != 0 {
                let at = start + mask.trailing_zeros() as usize;
                // SAFETY: a cell of a line of this segment.
                let word = word_of_cell(unsafe { *self.segment().0.add(at) });
                if eq.accepts(word) {
                    return Some((at, word));
                }
                mask &= mask - 1;
            }
            let among;
            (start, among) = match next {
                1 => (Self::bucket_start(self.next(home)), 0xff),
                2 if self.has_stash() => (0, 0xff & !0b11),
                _ => break,
            };
            // SAFETY: `start` begins a line of this segment; segments are 64-byte aligned.
            mask = unsafe { match_tag(self.segment().0.add(start), tag) } & among;
        }
        None
    }

    /// An element of the stash with this tag.
    #[inline]
    pub(crate) fn find_in_stash(self, tag: u64) -> Option<Word> {
        // SAFETY: line 0 of an aligned segment.
        let found = unsafe { match_tag(self.segment().0, tag) } & (0xff & !0b11);
        (found != 0).then(|| word_of_cell(self.cell(found.trailing_zeros() as usize)))
    }

    #[inline(always)]
    pub fn cell(self, at: usize) -> u64 {
        assert!(
            (HEADER_CELLS..self.lines() * CELLS).contains(&at),
            "cell index out of segment"
        );
        // SAFETY: just checked to be a cell of this segment.
        unsafe { *self.segment().0.add(at) }
    }

    #[inline(always)]
    pub(crate) fn set_cell(self, at: usize, cell: u64) {
        assert!(
            (HEADER_CELLS..self.lines() * CELLS).contains(&at),
            "cell index out of segment"
        );
        // SAFETY: just checked to be a cell of this segment.
        unsafe { *self.segment().0.add(at) = cell }
    }

    /// Occupied cells, stash first.
    pub fn cells(self) -> impl Iterator<Item = u64> {
        self.all_cells().filter(|&cell| cell != 0)
    }

    /// All cells, empty ones (0) too, stash first; empty without a segment.
    pub(crate) fn all_cells(self) -> impl Iterator<Item = u64> {
        let end = if self.is_none() {
            HEADER_CELLS
        } else {
            self.lines() * CELLS
        };
        // SAFETY: a segment has this many lines of cells.
        (HEADER_CELLS..end).map(move |at| unsafe { *self.segment().0.add(at) })
    }

    /// Visits the elements with `first <= tag < end`, overflow excluded.
    pub(crate) fn visit_tags(self, first: u64, end: u64, mut visit: impl FnMut(Word)) {
        self.each_tagged(first, end, |_, cell| visit(word_of_cell(cell)));
    }

    /// Replaces words of the elements with `first <= tag < end`, overflow excluded, by those that
    /// `change` returns; hashes stay the same.
    pub(crate) fn change_tags(
        self,
        first: u64,
        end: u64,
        mut change: impl FnMut(Word) -> Option<Word>,
    ) {
        self.each_tagged(first, end, |at, cell| {
            if let Some(word) = change(word_of_cell(cell)) {
                self.set_cell(at, with_word(cell, word));
            }
        });
    }

    /// Cells of the elements with `first <= tag < end`, each with its index.
    #[inline]
    fn each_tagged(self, first: u64, end: u64, mut see: impl FnMut(usize, u64)) {
        let mut line = |start: usize, skip: usize| {
            for at in start + skip..start + CELLS {
                let cell = self.cell(at);
                if cell != 0 && (first..end).contains(&tag_of_cell(cell)) {
                    see(at, cell);
                }
            }
        };
        let from = self.home(first);
        let count = (self.home(end - 1) - from + 2).min(self.buckets());
        let mut bucket = from;
        for _ in 0..count {
            line(Self::bucket_start(bucket), 0);
            bucket = self.next(bucket);
        }
        if self.has_stash() {
            line(0, HEADER_CELLS);
        }
    }

    pub(super) fn free_in(self, bucket: usize) -> u32 {
        // SAFETY: `bucket` is a line of this aligned segment.
        unsafe { match_tag(self.bucket(bucket), 0) }
    }

    pub(super) fn marked_in(self, bucket: usize) -> u32 {
        // SAFETY: `bucket` is a line of this aligned segment.
        unsafe { match_mark(self.bucket(bucket)) }
    }

    pub(crate) fn free_in_stash(self) -> u32 {
        // SAFETY: line 0 of an aligned segment.
        unsafe { match_tag(self.segment().0, 0) & !0b11 }
    }
}

/// Home bucket of a tag among `buckets`.
#[inline(always)]
pub(super) fn home(tag: u64, buckets: usize) -> usize {
    (tag as usize * buckets) >> 15
}

/// Address of a segment; its lines are initialised before it is stored in the directory.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment(pub *mut u64);

impl Segment {
    #[inline(always)]
    pub fn header(self) -> Header {
        // SAFETY: every segment begins with an initialised header.
        unsafe { *self.0.cast::<Header>() }
    }

    #[inline(always)]
    pub fn update(self, change: impl FnOnce(&mut Header)) {
        // SAFETY: every segment begins with an initialised header, and nothing else
        // refers to it during `change`.
        change(unsafe { &mut *self.0.cast::<Header>() });
    }
}
