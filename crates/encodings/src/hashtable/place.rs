//! Placing a new element in its segment, and moving others to make room.
//!
//! If the home bucket and its neighbour are full, an element in its home bucket may move on to its
//! neighbour, an element in the neighbour bucket may move back home, and so on along the buckets
//! until a bucket has a free cell.

use super::line::{CELLS, MARK, tag_of_cell};
use super::segment::{HEADER_CELLS, LINES_MAX, STASH_CELLS, SegmentRef};
use crate::prefetch::prefetch;

/// Maximum moves to make room for a new element.
const CHAIN_MAX: usize = 4;

/// With this many elements in the stash a table's only segment grows: a full stash would hold a
/// tenth of the elements, whose lookups read a further line, and which no prefetch finds.
const YOUNG_STASH_MAX: usize = 2;

/// The place that an element got.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum InsertOutcome {
    Bucket,
    Stash,
    Full,
}

/// A chain of moves that would make room in its first bucket: an element of each bucket on it moves
/// to the next bucket, or to the bucket before.
struct Chain {
    /// The last bucket.
    bucket: usize,
    /// Elements in their home bucket move on, to the next bucket; otherwise elements in the
    /// neighbour of their home move back, to the bucket before.
    onward: bool,
    /// The cells of the elements that move, and how many there are.
    cells: [usize; CHAIN_MAX],
    moves: usize,
}

impl Chain {
    fn new(bucket: usize, onward: bool) -> Chain {
        Chain {
            bucket,
            onward,
            cells: [0; CHAIN_MAX],
            moves: 0,
        }
    }

    /// Adds a move out of the last bucket, which is full, and returns a free cell of the bucket to
    /// which it leads. `None`: that bucket is full, too, and the chain may be extended again; or no
    /// element may move, and the chain ends.
    #[inline(always)]
    fn extend(&mut self, segment: SegmentRef) -> Option<usize> {
        let marked = segment.marked_in(self.bucket);
        let movable = if self.onward { !marked & 0xff } else { marked };
        if movable == 0 {
            return None;
        }
        self.cells[self.moves] = lowest(self.bucket, movable);
        self.moves += 1;
        self.bucket = if self.onward {
            segment.next(self.bucket)
        } else {
            segment.previous(self.bucket)
        };
        let free = segment.free_in(self.bucket);
        (free != 0).then(|| lowest(self.bucket, free))
    }

    /// Makes the moves, the last move to the cell `free`, and puts the new cell into the first
    /// place.
    #[inline(always)]
    fn fill(&self, segment: SegmentRef, mut free: usize, cell: u64) {
        for &from in self.cells[..self.moves].iter().rev() {
            segment.set_cell(free, segment.cell(from) ^ MARK);
            free = from;
        }
        segment.set_cell(free, cell);
    }
}

/// The lowest cell of a bucket's `mask`, which is not 0.
#[inline(always)]
fn lowest(bucket: usize, mask: u32) -> usize {
    SegmentRef::bucket_start(bucket) + mask.trailing_zeros() as usize
}

impl SegmentRef {
    /// Finds a place for an unmarked cell: home if it has two free, then the emptier of home and
    /// neighbour, then a chain of moves, then the stash. Does not change `count`.
    pub fn place(self, cell: u64) -> InsertOutcome {
        let home = self.home(tag_of_cell(cell));
        let free = self.free_in(home);
        let two = |mask: u32| mask & mask.wrapping_sub(1) != 0;
        if two(free) {
            self.put(home, free, cell);
            return InsertOutcome::Bucket;
        }
        let next = self.next(home);
        let free_next = self.free_in(next);
        if two(free_next) || (free == 0 && free_next != 0) {
            self.put(next, free_next, cell | MARK);
            return InsertOutcome::Bucket;
        }
        if free != 0 {
            self.put(home, free, cell);
            return InsertOutcome::Bucket;
        }
        self.place_by_moving(home, next, cell)
    }

    #[cold]
    fn place_by_moving(self, home: usize, next: usize, cell: u64) -> InsertOutcome {
        let (mut left, mut right) = (Chain::new(home, false), Chain::new(next, true));
        for _ in 0..CHAIN_MAX {
            if let Some(free) = left.extend(self) {
                left.fill(self, free, cell);
                return InsertOutcome::Bucket;
            }
            if let Some(free) = right.extend(self) {
                right.fill(self, free, cell | MARK);
                return InsertOutcome::Bucket;
            }
        }
        let free = self.free_in_stash();
        let kept = if self.depth() == 0 && self.lines() < LINES_MAX {
            STASH_CELLS - YOUNG_STASH_MAX
        } else {
            0
        };
        if free.count_ones() as usize <= kept {
            return InsertOutcome::Full;
        }
        self.set_cell(free.trailing_zeros() as usize, cell);
        InsertOutcome::Stash
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

    /// Writes into the lowest cell of `mask`, which is not 0.
    fn put(self, bucket: usize, mask: u32, cell: u64) {
        self.set_cell(lowest(bucket, mask), cell);
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
