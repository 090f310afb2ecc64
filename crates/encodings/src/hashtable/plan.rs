//! The layout of a set of elements in a segment being rebuilt.

use super::line::{CELLS, MARK, tag_of_cell};
use super::segment::{HEADER_CELLS, Header, LINES_MAX, STASH_CELLS, Segment, SegmentRef, home};

/// The layout of a set of elements in a segment of a given size.
///
/// Buckets are filled in order; excess elements of one go to the next, before the next one's own
/// elements: a chain of any length, found by counting alone.
pub(super) struct Plan {
    buckets: usize,
    /// Elements of each bucket that stay at home, and that move to the next one.
    stay: [u8; LINES_MAX],
    onward: [u8; LINES_MAX],
    /// Elements without a bucket.
    pub spilled: usize,
}

impl Plan {
    pub fn new(cells: &[u64], lines: usize) -> Plan {
        let buckets = lines - 1;
        let mut own = [0u32; LINES_MAX];
        for &cell in cells {
            own[home(tag_of_cell(cell), buckets)] += 1;
        }
        let mut plan = Plan {
            buckets,
            stay: [0; LINES_MAX],
            onward: [0; LINES_MAX],
            spilled: 0,
        };
        // The number that wraps around is known after the first pass.
        let wrapping = plan.cascade(&own, 0, if buckets == 1 { 0 } else { CELLS as u32 });
        plan.cascade(&own, wrapping, wrapping);
        plan
    }

    pub fn lines(&self) -> usize {
        self.buckets + 1
    }

    fn cascade(&mut self, own: &[u32; LINES_MAX], first: u32, last_max: u32) -> u32 {
        let cells = CELLS as u32;
        let mut carried = first;
        self.spilled = 0;
        for (bucket, &own) in own[..self.buckets].iter().enumerate() {
            let stay = own.min(cells - carried);
            let onward_max = if bucket + 1 == self.buckets {
                last_max
            } else {
                cells
            };
            let onward = (own - stay).min(onward_max);
            self.stay[bucket] = stay as u8;
            self.onward[bucket] = onward as u8;
            self.spilled += (own - stay - onward) as usize;
            carried = onward;
        }
        carried
    }

    /// Writes the segment: `header` (with lines and count corrected), then the cells. Elements that
    /// do not fit, even in the stash, are appended to `overflow`.
    /// Returns the segment's reference without the overflow flag.
    ///
    /// # Safety
    /// `segment` is unused memory of this plan's number of lines, 64-byte aligned.
    pub unsafe fn write(
        mut self,
        cells: &[u64],
        segment: Segment,
        header: Header,
        overflow: &mut Vec<u64>,
    ) -> SegmentRef {
        let lines = self.lines();
        // SAFETY: the caller's promise; all-zero cells are empty.
        unsafe { segment.0.write_bytes(0, lines * CELLS) };
        let target = SegmentRef::new(segment, lines, u32::from(header.depth));
        let mut used = [0u8; LINES_MAX];
        let mut stashed = 0;
        let mut lost = 0;
        for &cell in cells {
            let cell = cell & !MARK;
            let home = target.home(tag_of_cell(cell));
            let (bucket, cell) = if self.stay[home] > 0 {
                self.stay[home] -= 1;
                (home, cell)
            } else if self.onward[home] > 0 {
                self.onward[home] -= 1;
                (target.next(home), cell | MARK)
            } else if stashed < STASH_CELLS {
                target.set_cell(HEADER_CELLS + stashed, cell);
                stashed += 1;
                continue;
            } else {
                overflow.push(cell);
                lost += 1;
                continue;
            };
            let place = usize::from(used[bucket]);
            assert!(place < CELLS);
            target.set_cell(SegmentRef::bucket_start(bucket) + place, cell);
            used[bucket] += 1;
        }
        let count = (cells.len() - lost) as u16;
        // SAFETY: the header is the segment's first 16 bytes.
        unsafe {
            segment.0.cast::<Header>().write(Header {
                count,
                lines: lines as u8,
                ..header
            })
        };
        target.with(SegmentRef::STASH, stashed > 0)
    }
}
