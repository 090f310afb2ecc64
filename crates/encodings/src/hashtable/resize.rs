//! Growth, split, shrink and merge of single segments.
//!
//! A full segment is rebuilt with the next number of lines; if its elements do not fit there (a
//! single crowded bucket is enough) with still more; at 64 lines it splits by the next bit of the
//! hash. Only a split reads the elements' hashes. A sparse segment is rebuilt smaller, then merged
//! with its buddy.
//!
//! Cost: rebuild about 2 us, split about 10 us with 500 reads of entries.
//!
//! Splitting cannot separate equal hashes. It continues only while the directory has no more than 8
//! words per segment (random hashes need 2 to 4); after that elements overflow into a list.

use smallvec::SmallVec;

use super::arena::{LINES_MIN, LINES_STEP, allocate, free};
use super::directory::DEPTH_MAX;
use super::line::{CELLS, word_of_cell};
use super::plan::Plan;
use super::segment::{LINES_MAX, STASH_CELLS, Segment};
use super::{HashTable, Header, NO_HORIZON, NO_RECORD, SegmentRef, Word};
use crate::prefetch::prefetch;

/// Sizes of a table's only segment: the allocator's own size classes.
const YOUNG_LINES: [u8; 19] = [
    2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64,
];
/// A rebuild that puts more than this into the stash takes the next size instead.
const REBUILD_STASH_MAX: usize = 2;
/// Buddies merge when together they have at most this many elements: three quarters of 64 lines.
const MERGE_MAX: usize = 380;
/// Directory words that are always allowed, and allowed per segment.
const WORDS_FREE: usize = 64;
const WORDS_PER_SEGMENT: usize = 8;

/// The cells of a segment and its overflow, on the stack unless there is much overflow.
type Cells = SmallVec<[u64; LINES_MAX * CELLS]>;

fn lines_after(lines: usize, depth: u32) -> Option<usize> {
    if depth > 0 {
        return (lines < LINES_MAX).then(|| lines + LINES_STEP);
    }
    YOUNG_LINES
        .iter()
        .map(|&young| usize::from(young))
        .find(|&young| young > lines)
}

fn lines_before(lines: usize, depth: u32) -> Option<usize> {
    if depth > 0 {
        return (lines > LINES_MIN).then(|| lines - LINES_STEP);
    }
    YOUNG_LINES
        .iter()
        .rev()
        .map(|&young| usize::from(young))
        .find(|&young| young < lines)
}

/// The smallest size that `count` elements fill to at most 93 %.
fn lines_for(count: usize, depth: u32) -> usize {
    let wanted = 1 + (count * 100).div_ceil(93 * CELLS);
    if depth > 0 {
        return wanted
            .next_multiple_of(LINES_STEP)
            .clamp(LINES_MIN, LINES_MAX);
    }
    lines_after(wanted - 1, 0).unwrap_or(LINES_MAX)
}

/// The smallest plan of at least `lines` lines with few elements in the stash; if there is none,
/// the largest segment, with the rest spilled.
fn plan(cells: &[u64], lines: usize, depth: u32) -> Plan {
    let mut lines = lines;
    loop {
        let plan = Plan::new(cells, lines);
        match lines_after(lines, depth) {
            Some(larger) if plan.spilled > REBUILD_STASH_MAX => lines = larger,
            _ => return plan,
        }
    }
}

impl HashTable {
    /// Gives an empty table its first segment.
    pub(super) fn open(&mut self) {
        assert!(
            self.many.is_none(),
            "insert into a table that is being drained"
        );
        let lines = usize::from(YOUNG_LINES[0]);
        let header = Header {
            count: 0,
            lines: lines as u8,
            depth: 0,
            prefix: 0,
            record: NO_RECORD,
            horizon: NO_HORIZON,
        };
        let root = self.build(&[], Plan::new(&[], lines), header);
        self.directory.set(0, root);
    }

    /// Enlarges the segment of `hash`, or splits it. False: neither is possible, and the new
    /// element must overflow.
    #[cold]
    pub(super) fn make_room(&mut self, hash: u64, rehash: &impl Fn(Word) -> u64) -> bool {
        let segment = self.directory.get(hash);
        let depth = segment.depth();
        if let Some(larger) = lines_after(segment.lines(), depth) {
            let cells = self.cells_of(segment);
            let plan = plan(&cells, larger, depth);
            if plan.spilled <= REBUILD_STASH_MAX {
                self.rebuild(segment, &cells, plan);
                return true;
            }
        }
        if self.may_split(depth) {
            self.split(segment, rehash);
            return true;
        }
        if segment.lines() < LINES_MAX {
            let cells = self.cells_of(segment);
            self.rebuild(segment, &cells, Plan::new(&cells, LINES_MAX));
            return true;
        }
        false
    }

    fn may_split(&self, depth: u32) -> bool {
        if depth < self.directory.depth() {
            return true;
        }
        let segments = self.many.as_ref().map_or(1, |many| many.segments);
        let words = self.directory.len() * 2;
        depth < DEPTH_MAX && words <= WORDS_FREE.max(segments * WORDS_PER_SEGMENT)
    }

    /// All cells of a segment, overflow included.
    fn cells_of(&self, segment: SegmentRef) -> Cells {
        let mut cells = Cells::new();
        let (room, mut len) = (cells.as_mut_ptr(), 0);
        // Writes each cell and counts only occupied cells, without a branch to mispredict.
        for cell in segment.all_cells() {
            // SAFETY: it has room inline for the cells of the longest segment.
            unsafe { room.add(len).write(cell) };
            len += usize::from(cell != 0);
        }
        // SAFETY: just written.
        unsafe { cells.set_len(len) };
        cells.extend_from_slice(self.overflow_of(segment));
        cells
    }

    /// Allocates and writes a segment; the caller puts it into the directory.
    fn build(&mut self, cells: &[u64], plan: Plan, header: Header) -> SegmentRef {
        let lines = plan.lines();
        let memory = if header.depth == 0 {
            allocate(lines, 1)
        } else {
            let many = self.many.get_or_insert_default();
            many.arenas.allocate(lines, many.segments)
        };
        let mut overflow = Vec::new();
        // SAFETY: fresh memory of `lines` lines.
        let built = unsafe { plan.write(cells, memory, header, &mut overflow) };
        if overflow.is_empty() {
            return built;
        }
        let many = self.many.get_or_insert_default();
        many.overflow.insert(header.prefix, overflow);
        built.with(SegmentRef::OVERFLOW, true)
    }

    /// Frees a segment that is no longer in the directory. Others may move.
    fn release(&mut self, segment: SegmentRef) {
        let (memory, lines): (Segment, usize) = (segment.segment(), segment.lines());
        if segment.depth() == 0 {
            // SAFETY: `build` allocated it so.
            unsafe { free(memory, lines, 1) };
        } else {
            let many = self.many.as_mut().expect("a segment of an arena");
            // SAFETY: `build` allocated it so.
            unsafe { many.arenas.free(memory, lines, &mut self.directory) };
            many.arenas
                .tighten(lines, many.segments, &mut self.directory);
        }
    }

    /// Rebuilds a segment with the same elements and another number of lines.
    fn rebuild(&mut self, segment: SegmentRef, cells: &[u64], plan: Plan) {
        let header = segment.segment().header();
        self.forget_overflow(segment);
        let built = self.build(cells, plan, header);
        self.directory.set(header.prefix, built);
        self.release(segment);
    }

    fn split(&mut self, segment: SegmentRef, rehash: &impl Fn(Word) -> u64) {
        const AHEAD: usize = 16;
        let header = segment.segment().header();
        let depth = segment.depth() + 1;
        let bit = 1u64 << (64 - depth);
        let cells = self.cells_of(segment);
        let mut children = [Cells::new(), Cells::new()];
        // The only calls of the caller's closure, before anything is changed.
        for (i, &cell) in cells.iter().enumerate() {
            if let Some(&later) = cells.get(i + AHEAD) {
                prefetch((word_of_cell(later).raw() & !7) as usize);
            }
            let hash = rehash(word_of_cell(cell));
            debug_assert_eq!(
                (hash ^ u64::from(header.prefix) << 32) & !(bit | (bit - 1)),
                0
            );
            children[usize::from(hash & bit != 0)].push(cell);
        }
        if depth > self.directory.depth() {
            self.directory.double();
            self.many.get_or_insert_default().deepest = 0;
        }
        self.forget_overflow(segment);
        let records = self.split_record(segment, header.prefix | (bit >> 32) as u32);
        for (child, cells) in children.iter().enumerate() {
            let (record, horizon) = records[child];
            let prefix = header.prefix | if child == 1 { (bit >> 32) as u32 } else { 0 };
            let header = Header {
                depth: depth as u8,
                prefix,
                record,
                horizon,
                ..header
            };
            let plan = plan(cells, lines_for(cells.len(), depth), depth);
            let built = self.build(cells, plan, header);
            // The other half still points to the parent.
            self.directory.set(prefix, built);
        }
        let deepest = depth == self.directory.depth();
        let many = self.many.as_mut().expect("children are in arenas");
        many.segments = many.segments.max(1) + 1;
        many.deepest += if deepest { 2 } else { 0 };
        self.release(segment);
        // Releasing may have moved the children: the directory has their addresses.
        for second in [0, (bit >> 32) as u32] {
            self.settle_record(header.prefix | second);
        }
    }

    /// After a removal: shrinks the segment of `hash`, merges it, or frees it.
    pub(super) fn maybe_shrink(&mut self, hash: u64) {
        let segment = self.directory.get(hash);
        let depth = segment.depth();
        if segment.has_overflow() {
            return;
        }
        let count = usize::from(segment.segment().header().count);
        match lines_before(segment.lines(), depth) {
            Some(smaller) if count * 10 <= (smaller - 1) * CELLS * 8 => {
                self.shrink(segment, smaller);
            }
            None if depth > 0 && count * 2 <= MERGE_MAX && count.is_multiple_of(8) => {
                self.merge(hash);
            }
            _ => {}
        }
        if self.len == 0 && self.directory.depth() == 0 {
            self.close();
        }
    }

    #[cold]
    fn shrink(&mut self, segment: SegmentRef, lines: usize) {
        let cells = self.cells_of(segment);
        let plan = Plan::new(&cells, lines);
        // A bucket is crowded: wait until more elements are removed.
        if plan.spilled <= REBUILD_STASH_MAX {
            self.rebuild(segment, &cells, plan);
        }
    }

    /// Frees the last segment of an empty table.
    fn close(&mut self) {
        let root = self.directory.at(0);
        self.close_expiry(root);
        self.directory.set_empty();
        self.release(root);
        self.many = None;
    }

    /// Merges the segment of `hash` with its buddy, and the result with its own buddy, while they
    /// are sparse.
    #[cold]
    fn merge(&mut self, hash: u64) {
        loop {
            let segment = self.directory.get(hash);
            let depth = segment.depth();
            if depth == 0 {
                break;
            }
            let bit = 1u64 << (64 - depth);
            let buddy = self.directory.get(hash ^ bit);
            let flags = segment.0 | buddy.0;
            if buddy.depth() != depth || flags & SegmentRef::OVERFLOW != 0 {
                break;
            }
            let (ours, theirs) = (segment.segment().header(), buddy.segment().header());
            let count = usize::from(ours.count) + usize::from(theirs.count);
            if count > MERGE_MAX {
                break;
            }
            let mut cells = self.cells_of(segment);
            cells.extend(buddy.cells());
            let plan = plan(&cells, lines_for(count, depth - 1), depth - 1);
            if plan.spilled > STASH_CELLS {
                break;
            }
            self.join(segment, buddy, &cells, plan);
        }
    }

    fn join(&mut self, one: SegmentRef, two: SegmentRef, cells: &[u64], plan: Plan) {
        let depth = one.depth() - 1;
        let was_deepest = one.depth() == self.directory.depth();
        let prefix = one
            .segment()
            .header()
            .prefix
            .min(two.segment().header().prefix);
        let (record, horizon) = self.merge_records(one, two, prefix);
        let header = Header {
            count: 0,
            lines: 0,
            depth: depth as u8,
            prefix,
            record,
            horizon,
        };
        let built = self.build(cells, plan, header);
        self.directory.set(prefix, built);
        self.release_pair(one, two);
        let many = self.many.as_mut().expect("there were two segments");
        many.segments -= 1;
        if was_deepest {
            many.deepest -= 2;
        }
        self.maybe_halve();
    }

    /// Frees two segments that are no longer in the directory. Freeing the first must not
    /// move the second, so an arena's last goes first and nothing is tightened in between.
    fn release_pair(&mut self, one: SegmentRef, two: SegmentRef) {
        let many = self.many.as_mut().expect("both are segments of an arena");
        let two_is_last = many.arenas.is_last(two.segment(), two.lines());
        let order = if two_is_last { [two, one] } else { [one, two] };
        for segment in order {
            // SAFETY: `build` allocated it so, and the other segment has not moved.
            unsafe {
                many.arenas
                    .free(segment.segment(), segment.lines(), &mut self.directory)
            };
        }
        for segment in order {
            many.arenas
                .tighten(segment.lines(), many.segments, &mut self.directory);
        }
    }

    /// Halves the directory when no segment needs its last bit, and has at least four words per
    /// segment, because doubling it again soon would cost as much.
    fn maybe_halve(&mut self) {
        while let Some(many) = &mut self.many
            && many.deepest == 0
            && self.directory.depth() > 0
            && many.segments * 4 <= self.directory.len().max(4)
        {
            self.directory.halve();
            let depth = self.directory.depth();
            if depth == 0 {
                self.many = None;
                return;
            }
            let deepest = |&(_, segment): &(usize, SegmentRef)| segment.depth() == depth;
            many.deepest = self.directory.segments().filter(deepest).count();
        }
    }
}
