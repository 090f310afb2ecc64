//! A segment: a header line, then buckets of eight slots, all in whole cache lines.
//!
//!     line 0: count u16 | lines u8 | depth u8 | prefix u32 | record u32 | horizon u32 | 6 stash slots
//!     line 1..lines: a bucket each
//!
//! Invariants
//!   1. An element sits in its home bucket, or marked in the next one (the last wraps to
//!      the first), or unmarked in the stash.
//!   2. `count` is the number of occupied slots, stash included, overflow excluded.
//!   3. The `SegmentRef` in the directory agrees with the header on lines and depth, and
//!      says whether the stash is in use.
//!
//! Who allocates segments: `arena`. When they grow, split, shrink, merge: `resize`.

use std::ptr;

use super::Word;
use super::line::{MARK, SLOTS, match_mark, match_tag, tag_of_slot, word_of_slot};

/// Lines of a full-grown segment.
pub(super) const LINES_MAX: usize = 64;
/// Slots of the header line taken by the header's own fields.
pub(super) const HEADER_SLOTS: usize = 2;
/// Stash slots in the header line.
pub(super) const STASH_SLOTS: usize = SLOTS - HEADER_SLOTS;
/// How many elements may move to make way for a new one.
const CHAIN_MAX: usize = 4;
/// `Header::record` of a segment without volatile elements.
pub(super) const NO_RECORD: u32 = u32::MAX;
/// `Header::horizon`: every expiry has to be noted in the record.
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
    /// Expiries at or after this Unix second need no note: the record's `far` covers them.
    pub horizon: u32,
}

const _: () = assert!(size_of::<Header>() == HEADER_SLOTS * size_of::<u64>());

/// A directory word: where a segment is and what its shape is, so that a lookup never
/// reads the header for geometry.
///
///     48-bit address | 6 bits buckets | 6 bits depth | 1 bit stash | 1 bit overflow
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct SegmentRef(pub u64);

impl SegmentRef {
    /// No segment: an empty table's only word.
    pub const NONE: SegmentRef = SegmentRef(0);
    pub const STASH: u64 = 1 << 60;
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
    pub fn has_stash(self) -> bool {
        self.0 & Self::STASH != 0
    }

    #[inline(always)]
    pub fn has_overflow(self) -> bool {
        self.0 & Self::OVERFLOW != 0
    }

    pub fn with(self, flag: u64, on: bool) -> SegmentRef {
        SegmentRef(if on { self.0 | flag } else { self.0 & !flag })
    }

    pub fn at_address(self, segment: Segment) -> SegmentRef {
        let address = segment.0.expose_provenance() as u64;
        assert!(address & !Self::ADDRESS == 0, "segment beyond 48 bits");
        SegmentRef(self.0 & !Self::ADDRESS | address)
    }

    /// First slot index (in the segment, header included) of a bucket's line.
    #[inline(always)]
    fn bucket_start(bucket: usize) -> usize {
        (1 + bucket) * SLOTS
    }

    #[inline(always)]
    fn bucket(self, bucket: usize) -> *mut u64 {
        debug_assert!(bucket < self.buckets());
        // SAFETY: a segment has `buckets` lines after its header line.
        unsafe { self.segment().0.add(Self::bucket_start(bucket)) }
    }

    #[inline(always)]
    pub fn home(self, tag: u64) -> usize {
        home(tag, self.buckets())
    }

    #[inline(always)]
    fn next(self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets() {
            0
        } else {
            bucket + 1
        }
    }

    fn previous(self, bucket: usize) -> usize {
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

    /// Slot index of the first element with this tag that `eq` accepts, in buckets or stash.
    #[inline(always)]
    pub fn find(self, tag: u64, mut eq: impl FnMut(Word) -> bool) -> Option<usize> {
        let mut probe = |start: usize, among: u32| {
            // SAFETY: `start` begins a line of this segment; segments are 64-byte aligned.
            let line = unsafe { self.segment().0.add(start) };
            // SAFETY: as above.
            let mut mask = unsafe { match_tag(line, tag) } & among;
            while mask != 0 {
                let i = mask.trailing_zeros() as usize;
                // SAFETY: i < 8, inside the line.
                if eq(word_of_slot(unsafe { *line.add(i) })) {
                    return Some(start + i);
                }
                mask &= mask - 1;
            }
            None
        };
        let home = self.home(tag);
        if let found @ Some(_) = probe(Self::bucket_start(home), 0xff) {
            return found;
        }
        if let found @ Some(_) = probe(Self::bucket_start(self.next(home)), 0xff) {
            return found;
        }
        if self.has_stash() {
            probe(0, 0xff & !0b11)
        } else {
            None
        }
    }

    #[inline(always)]
    pub fn slot(self, at: usize) -> u64 {
        assert!(
            (HEADER_SLOTS..self.lines() * SLOTS).contains(&at),
            "slot index out of segment"
        );
        // SAFETY: just checked to be a slot of this segment.
        unsafe { *self.segment().0.add(at) }
    }

    #[inline(always)]
    pub fn set_slot(self, at: usize, slot: u64) {
        assert!(
            (HEADER_SLOTS..self.lines() * SLOTS).contains(&at),
            "slot index out of segment"
        );
        // SAFETY: just checked to be a slot of this segment.
        unsafe { *self.segment().0.add(at) = slot }
    }

    /// Occupied slots, stash first.
    pub fn slots(self) -> impl Iterator<Item = u64> {
        let end = if self.is_none() {
            HEADER_SLOTS
        } else {
            self.lines() * SLOTS
        };
        (HEADER_SLOTS..end)
            .map(move |at| self.slot(at))
            .filter(|&slot| slot != 0)
    }

    /// Visits the elements with `first <= tag < end`, overflow excluded.
    pub fn visit_tags(self, first: u64, end: u64, mut visit: impl FnMut(Word)) {
        let mut line = |start: usize, skip: usize| {
            for at in start + skip..start + SLOTS {
                let slot = self.slot(at);
                if slot != 0 && (first..end).contains(&tag_of_slot(slot)) {
                    visit(word_of_slot(slot));
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
            line(0, HEADER_SLOTS);
        }
    }

    fn free_in(self, bucket: usize) -> u32 {
        // SAFETY: `bucket` is a line of this aligned segment.
        unsafe { match_tag(self.bucket(bucket), 0) }
    }

    fn marked_in(self, bucket: usize) -> u32 {
        // SAFETY: `bucket` is a line of this aligned segment.
        unsafe { match_mark(self.bucket(bucket)) }
    }

    /// Writes into the lowest slot of `mask`, which is not 0.
    fn put(self, bucket: usize, mask: u32, slot: u64) {
        self.set_slot(
            Self::bucket_start(bucket) + mask.trailing_zeros() as usize,
            slot,
        );
    }

    /// Finds a place for an unmarked slot: home while it has two free, then the emptier of
    /// home and neighbour, then a chain of moves, then the stash. Leaves `count` alone.
    pub fn place(self, slot: u64) -> Placed {
        let home = self.home(tag_of_slot(slot));
        let free = self.free_in(home);
        let two = |mask: u32| mask & mask.wrapping_sub(1) != 0;
        if two(free) {
            self.put(home, free, slot);
            return Placed::Bucket;
        }
        let next = self.next(home);
        let free_next = self.free_in(next);
        if two(free_next) || (free == 0 && free_next != 0) {
            self.put(next, free_next, slot | MARK);
            return Placed::Bucket;
        }
        if free != 0 {
            self.put(home, free, slot);
            return Placed::Bucket;
        }
        self.place_by_moving(home, next, slot)
    }

    #[cold]
    fn place_by_moving(self, home: usize, next: usize, slot: u64) -> Placed {
        let right = self.chain(next, |line| !line & 0xff, |bucket| self.next(bucket));
        let left = self.chain(home, |line| line, |bucket| self.previous(bucket));
        match (left, right) {
            (Some(left), right) if right.is_none_or(|right| left <= right) => {
                self.shift(home, left, false);
                self.put(home, self.free_in(home), slot);
                Placed::Bucket
            }
            (_, Some(right)) => {
                self.shift(next, right, true);
                self.put(next, self.free_in(next), slot | MARK);
                Placed::Bucket
            }
            _ => match self.free_in_stash() {
                0 => Placed::Full,
                free => {
                    self.set_slot(free.trailing_zeros() as usize, slot);
                    Placed::Stash
                }
            },
        }
    }

    /// Number of moves until a bucket with a free slot, going from full bucket to full
    /// bucket; `movable` picks the slots that may go that way from a line's marks.
    fn chain(
        self,
        mut bucket: usize,
        movable: impl Fn(u32) -> u32,
        step: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        for moves in 1..=CHAIN_MAX {
            if movable(self.marked_in(bucket)) == 0 {
                return None;
            }
            bucket = step(bucket);
            if self.free_in(bucket) != 0 {
                return Some(moves);
            }
        }
        None
    }

    /// Makes the `moves` moves of a chain, the farthest first.
    fn shift(self, start: usize, moves: usize, right: bool) {
        let step = |bucket| {
            if right {
                self.next(bucket)
            } else {
                self.previous(bucket)
            }
        };
        for left in (0..moves).rev() {
            let from = (0..left).fold(start, |bucket, _| step(bucket));
            let to = step(from);
            let marked = self.marked_in(from);
            // A bucket on the chain is full: whatever is unmarked there is at home.
            let movable = if right { !marked & 0xff } else { marked };
            let at = Self::bucket_start(from) + movable.trailing_zeros() as usize;
            let slot = self.slot(at);
            self.put(to, self.free_in(to), slot ^ MARK);
            self.set_slot(at, 0);
        }
    }

    pub fn free_in_stash(self) -> u32 {
        // SAFETY: line 0 of an aligned segment.
        unsafe { match_tag(self.segment().0, 0) & !0b11 }
    }

    /// After the slot `at` became empty: moves a stash element there that may live there.
    /// Returns whether the stash is now empty.
    pub fn refill_from_stash(self, at: usize) -> bool {
        if at >= SLOTS {
            let bucket = at / SLOTS - 1;
            for stash in HEADER_SLOTS..SLOTS {
                let slot = self.slot(stash);
                if slot == 0 {
                    continue;
                }
                let home = self.home(tag_of_slot(slot));
                if home == bucket || self.next(home) == bucket {
                    self.set_slot(at, if home == bucket { slot } else { slot | MARK });
                    self.set_slot(stash, 0);
                    break;
                }
            }
        }
        (HEADER_SLOTS..SLOTS).all(|at| self.slot(at) == 0)
    }
}

/// What became of an element that wanted a place.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Placed {
    Bucket,
    Stash,
    Full,
}

/// Home bucket of a tag among `buckets`.
#[inline(always)]
pub(super) fn home(tag: u64, buckets: usize) -> usize {
    (tag as usize * buckets) >> 15
}

/// Address of a segment; its lines are initialised before it gets into the directory.
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

/// How a set of elements would lie in a segment of a given size.
///
/// Buckets are filled in order; what is too much for one goes to the next, before the
/// next one's own elements: a chain without limit, found by counting alone.
pub(super) struct Plan {
    buckets: usize,
    /// Elements of each bucket that stay at home, and that go to the next one.
    stay: [u8; LINES_MAX],
    onward: [u8; LINES_MAX],
    /// Elements for which there is no bucket.
    pub spilled: usize,
}

impl Plan {
    pub fn new(slots: &[u64], lines: usize) -> Plan {
        let buckets = lines - 1;
        let mut own = [0u32; LINES_MAX];
        for &slot in slots {
            own[home(tag_of_slot(slot), buckets)] += 1;
        }
        let mut plan = Plan {
            buckets,
            stay: [0; LINES_MAX],
            onward: [0; LINES_MAX],
            spilled: 0,
        };
        // What wraps around is known after the first pass.
        let wrapping = plan.cascade(&own, 0, if buckets == 1 { 0 } else { SLOTS as u32 });
        plan.cascade(&own, wrapping, wrapping);
        plan
    }

    pub fn lines(&self) -> usize {
        self.buckets + 1
    }

    fn cascade(&mut self, own: &[u32; LINES_MAX], first: u32, last_max: u32) -> u32 {
        let slots = SLOTS as u32;
        let mut carried = first;
        self.spilled = 0;
        for (bucket, &own) in own[..self.buckets].iter().enumerate() {
            let stay = own.min(slots - carried);
            let onward_max = if bucket + 1 == self.buckets {
                last_max
            } else {
                slots
            };
            let onward = (own - stay).min(onward_max);
            self.stay[bucket] = stay as u8;
            self.onward[bucket] = onward as u8;
            self.spilled += (own - stay - onward) as usize;
            carried = onward;
        }
        carried
    }

    /// Writes the segment: `header` (with lines and count made right), then the slots.
    /// What finds no room, not even in the stash, is appended to `overflow`.
    /// Returns the segment's reference without the overflow flag.
    ///
    /// # Safety
    /// `segment` is memory of this plan's number of lines, 64-byte aligned, in nobody's use.
    pub unsafe fn write(
        mut self,
        slots: &[u64],
        segment: Segment,
        header: Header,
        overflow: &mut Vec<u64>,
    ) -> SegmentRef {
        let lines = self.lines();
        // SAFETY: the caller's promise; all-zero slots are empty.
        unsafe { segment.0.write_bytes(0, lines * SLOTS) };
        let target = SegmentRef::new(segment, lines, u32::from(header.depth));
        let mut used = [0u8; LINES_MAX];
        let mut stashed = 0;
        let mut lost = 0;
        for &slot in slots {
            let slot = slot & !MARK;
            let home = target.home(tag_of_slot(slot));
            let (bucket, slot) = if self.stay[home] > 0 {
                self.stay[home] -= 1;
                (home, slot)
            } else if self.onward[home] > 0 {
                self.onward[home] -= 1;
                (target.next(home), slot | MARK)
            } else if stashed < STASH_SLOTS {
                target.set_slot(HEADER_SLOTS + stashed, slot);
                stashed += 1;
                continue;
            } else {
                overflow.push(slot);
                lost += 1;
                continue;
            };
            let place = usize::from(used[bucket]);
            assert!(place < SLOTS);
            target.set_slot(SegmentRef::bucket_start(bucket) + place, slot);
            used[bucket] += 1;
        }
        let count = (slots.len() - lost) as u16;
        // SAFETY: the header's place is the segment's first 16 bytes.
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
