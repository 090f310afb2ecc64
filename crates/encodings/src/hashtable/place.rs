//! Placing a new element in its segment, and moving others to make room.
//!
//! If the home bucket and its neighbour are full, an element in its home bucket may move on to its
//! neighbour, one in the neighbour bucket may move back home, and so on along the buckets until one
//! has a free cell.

use super::line::{CELLS, MARK, tag_of_cell};
use super::segment::{HEADER_CELLS, LINES_MAX, STASH_CELLS, SegmentRef};
use crate::prefetch::prefetch;

/// Maximum moves to make room for a new element.
const CHAIN_MAX: usize = 4;

/// With this many in its stash a table's only segment grows: a full stash would have a tenth of its
/// elements, whose lookups read one line more, and which no prefetch finds.
const YOUNG_STASH_MAX: usize = 2;

/// The place that an element got.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Placed {
    Bucket,
    Stash,
    Full,
}

impl SegmentRef {
    /// Finds a place for an unmarked cell: home if it has two free, then the emptier of home and
    /// neighbour, then a chain of moves, then the stash. Does not change `count`.
    pub fn place(self, cell: u64) -> Placed {
        let home = self.home(tag_of_cell(cell));
        let free = self.free_in(home);
        let two = |mask: u32| mask & mask.wrapping_sub(1) != 0;
        if two(free) {
            self.put(home, free, cell);
            return Placed::Bucket;
        }
        let next = self.next(home);
        let free_next = self.free_in(next);
        if two(free_next) || (free == 0 && free_next != 0) {
            self.put(next, free_next, cell | MARK);
            return Placed::Bucket;
        }
        if free != 0 {
            self.put(home, free, cell);
            return Placed::Bucket;
        }
        self.place_by_moving(home, next, cell)
    }

    #[cold]
    fn place_by_moving(self, home: usize, next: usize, cell: u64) -> Placed {
        let (mut left, mut right) = (Some(home), Some(next));
        for moves in 1..=CHAIN_MAX {
            left = left.and_then(|bucket| self.advance(bucket, false));
            if left.is_some_and(|bucket| self.free_in(bucket) != 0) {
                self.shift(home, moves, false);
                self.put(home, self.free_in(home), cell);
                return Placed::Bucket;
            }
            right = right.and_then(|bucket| self.advance(bucket, true));
            if right.is_some_and(|bucket| self.free_in(bucket) != 0) {
                self.shift(next, moves, true);
                self.put(next, self.free_in(next), cell | MARK);
                return Placed::Bucket;
            }
        }
        let free = self.free_in_stash();
        let kept = if self.depth() == 0 && self.lines() < LINES_MAX {
            STASH_CELLS - YOUNG_STASH_MAX
        } else {
            0
        };
        if free.count_ones() as usize <= kept {
            return Placed::Full;
        }
        self.set_cell(free.trailing_zeros() as usize, cell);
        Placed::Stash
    }

    /// Prefetches the lines that a new element with this tag may need beside its own two: the
    /// header, and if both are full the lines where most chains end.
    #[inline]
    pub(crate) fn prefetch_way(self, tag: u64) {
        prefetch(self.segment().0.addr());
        let home = self.home(tag);
        let next = self.next(home);
        if self.free_in(home) | self.free_in(next) == 0 {
            let (left, right) = (self.previous(home), self.next(next));
            for bucket in [left, right, self.previous(left), self.next(right)] {
                prefetch(self.bucket(bucket).addr());
            }
        }
    }

    /// The bucket to which an element of this full one may move: `right`: one at home, to the next
    /// bucket; else one from the bucket before, back to it. `None`: there is no such element.
    fn advance(self, bucket: usize, right: bool) -> Option<usize> {
        (self.movable_in(bucket, right) != 0).then(|| self.beside(bucket, right))
    }

    fn beside(self, bucket: usize, right: bool) -> usize {
        if right {
            self.next(bucket)
        } else {
            self.previous(bucket)
        }
    }

    /// The cells of a full bucket whose elements may move to the next one, or to the one before.
    fn movable_in(self, bucket: usize, right: bool) -> u32 {
        let marked = self.marked_in(bucket);
        if right { !marked & 0xff } else { marked }
    }

    /// Performs the `moves` moves of a chain, the farthest first.
    fn shift(self, start: usize, moves: usize, right: bool) {
        for left in (0..moves).rev() {
            let from = (0..left).fold(start, |bucket, _| self.beside(bucket, right));
            let to = self.beside(from, right);
            // A bucket on the chain is full: its unmarked elements are at home.
            let movable = self.movable_in(from, right);
            let at = Self::bucket_start(from) + movable.trailing_zeros() as usize;
            let cell = self.cell(at);
            self.put(to, self.free_in(to), cell ^ MARK);
            self.set_cell(at, 0);
        }
    }

    /// Writes into the lowest cell of `mask`, which is not 0.
    fn put(self, bucket: usize, mask: u32, cell: u64) {
        self.set_cell(
            Self::bucket_start(bucket) + mask.trailing_zeros() as usize,
            cell,
        );
    }

    /// After the cell `at` became empty: moves a stash element there that belongs there. Returns
    /// whether the stash is now empty.
    pub(crate) fn refill_from_stash(self, at: usize) -> bool {
        if at >= CELLS {
            let bucket = at / CELLS - 1;
            for stash in HEADER_CELLS..CELLS {
                let cell = self.cell(stash);
                if cell == 0 {
                    continue;
                }
                let home = self.home(tag_of_cell(cell));
                if home == bucket || self.next(home) == bucket {
                    self.set_cell(at, if home == bucket { cell } else { cell | MARK });
                    self.set_cell(stash, 0);
                    break;
                }
            }
        }
        (HEADER_CELLS..CELLS).all(|at| self.cell(at) == 0)
    }
}
