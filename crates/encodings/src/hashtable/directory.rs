//! The directory: a word for each value of the hash's top `depth` bits.
//!
//! A segment of local depth d fills 2^(depth - d) neighbouring words, the first of which is its
//! canonical word. A table of a single segment keeps the only word inline.
//!
//! Cost: get O(1); doubling and halving O(words), about 1 ns a word: 50 us for the 64 Ki
//! words of a table of 20 M elements. (A table of a billion would pause for some
//! milliseconds about once each time it doubles.)

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::segment::{Segment, SegmentRef};
use crate::prefetch::prefetch;
use russet_base::memory::alloc::good_size;
use russet_base::memory::mover::Mover;

/// Deepest directory: 2^27 words would hold some 60 G elements.
pub(super) const DEPTH_MAX: u32 = 27;

pub(super) struct Directory {
    /// The only word while `depth` is 0.
    root: SegmentRef,
    /// 2^depth words; null while `depth` is 0.
    words: *mut SegmentRef,
    depth: u32,
}

impl Directory {
    pub fn new() -> Directory {
        Directory {
            root: SegmentRef::NONE,
            words: ptr::null_mut(),
            depth: 0,
        }
    }

    #[inline(always)]
    pub fn get(&self, hash: u64) -> SegmentRef {
        if self.depth == 0 {
            return self.root;
        }
        // SAFETY: the top `depth` bits are below 2^depth, the number of words.
        unsafe { *self.words.add((hash >> (64 - self.depth)) as usize) }
    }

    /// Prefetches the cache line of the directory word.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if self.depth != 0 {
            let index = (hash >> (64 - self.depth)) as usize;
            prefetch(self.words.addr() + index * size_of::<SegmentRef>());
        }
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        1 << self.depth
    }

    pub fn at(&self, index: usize) -> SegmentRef {
        assert!(index < self.len());
        // SAFETY: index checked.
        if self.depth == 0 {
            self.root
        } else {
            unsafe { *self.words.add(index) }
        }
    }

    fn words_mut(&mut self) -> &mut [SegmentRef] {
        if self.depth == 0 {
            std::slice::from_mut(&mut self.root)
        } else {
            // SAFETY: `words` holds 2^depth initialised words, owned by us.
            unsafe { std::slice::from_raw_parts_mut(self.words, 1 << self.depth) }
        }
    }

    /// Sets all words of the segment at `prefix`, whose depth is `to`'s, to `to`.
    pub fn set(&mut self, prefix: u32, to: SegmentRef) {
        let first = (u64::from(prefix) << self.depth >> 32) as usize;
        let count = 1usize << (self.depth - to.depth());
        self.words_mut()[first..first + count].fill(to);
    }

    /// Empties the directory of an empty table.
    pub(crate) fn set_empty(&mut self) {
        assert!(self.depth == 0);
        self.root = SegmentRef::NONE;
    }

    /// Updates the words of a segment that was moved in memory.
    pub fn moved(&mut self, segment: Segment) {
        let header = segment.header();
        let old = self.get(u64::from(header.prefix) << 32);
        debug_assert_eq!(old.depth(), u32::from(header.depth));
        self.set(header.prefix, old.at_address(segment));
    }

    /// Offers the block of the words.
    pub fn relocate(&mut self, mover: &mut Mover) {
        if self.depth == 0 {
            return;
        }
        let words = NonNull::new(self.words).expect("a directory has words");
        // SAFETY: allocated with this layout; no other reference to the words exists.
        if let Some(moved) = unsafe { mover.layout(words.cast(), Self::layout(self.depth)) } {
            self.words = moved.cast().as_ptr();
        }
    }

    /// Canonical words with their index, in order of the hash.
    pub fn segments(&self) -> impl Iterator<Item = (usize, SegmentRef)> + '_ {
        let mut index = 0;
        std::iter::from_fn(move || {
            if index >= self.len() {
                return None;
            }
            let found = (index, self.at(index));
            index += 1usize << (self.depth - found.1.depth());
            Some(found)
        })
        .filter(|(_, segment)| !segment.is_none())
    }

    /// Doubles the words, each of the old ones twice.
    pub fn double(&mut self) {
        assert!(self.depth < DEPTH_MAX);
        let words = Self::allocate(self.depth + 1);
        for (i, &word) in self.words_mut().iter().enumerate() {
            // SAFETY: twice as many words were allocated.
            unsafe { words.add(2 * i).write(word) };
            // SAFETY: as above.
            unsafe { words.add(2 * i + 1).write(word) };
        }
        self.replace(words, self.depth + 1);
    }

    /// Drops the last bit; no segment may need it.
    pub(crate) fn halve(&mut self) {
        assert!(self.depth > 0);
        debug_assert!(
            self.segments()
                .all(|(_, segment)| segment.depth() < self.depth)
        );
        if self.depth == 1 {
            self.root = self.at(0);
            self.replace(ptr::null_mut(), 0);
            return;
        }
        let words = Self::allocate(self.depth - 1);
        for (i, pair) in self.words_mut().chunks_exact(2).enumerate() {
            // SAFETY: half as many words were allocated.
            unsafe { words.add(i).write(pair[0]) };
        }
        self.replace(words, self.depth - 1);
    }

    /// Resets the directory to empty, whatever its words.
    pub fn forget(&mut self) {
        self.replace(ptr::null_mut(), 0);
        self.root = SegmentRef::NONE;
    }

    pub fn memory_bytes(&self) -> usize {
        if self.depth == 0 {
            0
        } else {
            good_size(Self::layout(self.depth).size())
        }
    }

    fn layout(depth: u32) -> Layout {
        Layout::array::<SegmentRef>(1 << depth).expect("depth is at most DEPTH_MAX")
    }

    fn allocate(depth: u32) -> *mut SegmentRef {
        let layout = Self::layout(depth);
        // SAFETY: the layout is not empty.
        let words = unsafe { alloc(layout) }.cast::<SegmentRef>();
        if words.is_null() {
            handle_alloc_error(layout);
        }
        words
    }

    fn replace(&mut self, words: *mut SegmentRef, depth: u32) {
        if self.depth > 0 {
            // SAFETY: allocated with this very layout, and not used after.
            unsafe { dealloc(self.words.cast(), Self::layout(self.depth)) };
        }
        self.words = words;
        self.depth = depth;
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.replace(ptr::null_mut(), 0);
    }
}
