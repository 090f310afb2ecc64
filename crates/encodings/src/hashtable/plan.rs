//! The layout of a set of elements in a segment being rebuilt.

use super::line::{CELLS, MARK, tag_of_cell};
use super::segment::{HEADER_CELLS, Header, LINES_MAX, STASH_CELLS, Segment, SegmentRef, home};

/// The layout of a set of elements in a segment of a given size.
///
/// Buckets are filled in order; excess elements of a bucket go to the next bucket, before the own
/// elements of that: a chain of any length, found by counting alone. A bucket with excess is full
/// up to its end, so the elements of a home are in a single run of cells:
///
///     bucket      | excess of the one before | own elements | next one: excess of this | own ..
///     run of home                            ^ next                                   ^ limit
///
/// The run of the last bucket continues in bucket 0.
pub(super) struct Plan {
    buckets: usize,
    /// By home bucket: the cells of its run, which is not written yet.
    next: [u16; LINES_MAX],
    limit: [u16; LINES_MAX],
    /// Elements without a bucket.
    pub spilled: usize,
}

impl Plan {
    pub fn new(cells: &[u64], lines: usize) -> Plan {
        let buckets = lines - 1;
        // Neighbours mostly have the same home: two counts, so that none waits for the other.
        let (mut own, mut odd) = ([0u32; LINES_MAX], [0u32; LINES_MAX]);
        let (pairs, last) = cells.as_chunks::<2>();
        for &[first, second] in pairs {
            own[home(tag_of_cell(first), buckets)] += 1;
            odd[home(tag_of_cell(second), buckets)] += 1;
        }
        for &cell in last {
            own[home(tag_of_cell(cell), buckets)] += 1;
        }
        for (own, odd) in own.iter_mut().zip(odd) {
            *own += odd;
        }
        let mut plan = Plan {
            buckets,
            next: [0; LINES_MAX],
            limit: [0; LINES_MAX],
            spilled: 0,
        };
        // The number that wraps around is known after the first pass.
        let wrapping = plan.cascade(&own, 0, if buckets == 1 { 0 } else { CELLS as u32 });
        if wrapping > 0 {
            plan.cascade(&own, wrapping, wrapping);
        }
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
            let start = SegmentRef::bucket_start(bucket) as u32 + carried;
            self.next[bucket] = start as u16;
            self.limit[bucket] = (start + stay + onward) as u16;
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
        let end = lines * CELLS;
        let mut stashed = 0;
        let mut lost = 0;
        for &cell in cells {
            let cell = cell & !MARK;
            let home = target.home(tag_of_cell(cell));
            let at = self.next[home];
            if at < self.limit[home] {
                self.next[home] = at + 1;
                let at = usize::from(at);
                let is_onward = at >= SegmentRef::bucket_start(home + 1);
                let at = if at >= end { at - end + CELLS } else { at };
                target.set_cell(at, cell | if is_onward { MARK } else { 0 });
            } else if stashed < STASH_CELLS {
                target.set_cell(HEADER_CELLS + stashed, cell);
                stashed += 1;
            } else {
                overflow.push(cell);
                lost += 1;
            }
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
