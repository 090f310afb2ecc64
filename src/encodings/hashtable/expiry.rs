//! Exact active expiry without a second table: due elements are found from the segments.
//!
//! A segment with volatile elements has a *record*: the (time, tag) of up to 14 elements that
//! expire first, and `far`, a lower bound of all other expiries. A *tree of minima* over the
//! records' earliest times gives the next due segment. When a near time is reached, its tag leads
//! to the one or two cells in question; only when `far` is reached (14 elements later) is the whole
//! segment read, and both are computed anew.
//!
//!     record: 14 x (time 48 bits | tag 15 bits) | far | prefix | number of near ones    128 bytes
//!
//!   1. Every noted expiry of an element still in the table has a near entry in its
//!      segment's record with its tag and no later time, or is not before the record's `far`.
//!   2. No near time is after `far`; the tree's leaf is the earliest near time, or `far`.
//!   3. `Header::horizon` is `far` in whole seconds, rounded up: most expiries are beyond it,
//!      and noting them reads only the header.
//!
//! Near entries are hints: elements may be gone, or live longer, by the time they are read. Each
//! full read of a segment is amortized over at least 14 expiries noted since the one before: some
//! 35 reads of entries, prefetched, for each element that expires.
//!
//! Memory: 0.3 bytes an element in tables with volatile elements. The tree grows by
//! doubling an array of 8 bytes a segment: 40 us at 10 M elements.

use rand::Rng;
use rand::seq::IteratorRandom;
use smallvec::SmallVec;

use super::ahead::{SHORT_REACH, prefetch_entry};
use super::line::{tag_of_cell, tag_of_hash, word_of_cell};
use super::near::{Record, TIME_MAX, near, tag_of};
use super::random::below;
use super::segment::{NO_HORIZON, NO_RECORD};
use super::{HashTable, SegmentRef, Word};
use crate::base::alloc::{boxed_bytes, vec_bytes};
use crate::base::mover::Mover;
use crate::encodings::min_tree::{MinTree, NEVER};

/// Records drawn before the earliest one is taken.
const RECORD_DRAWS: usize = 16;
/// Records allocated at a time.
const PAGE: usize = 64;

/// The records of a table and their tree.
pub(super) struct Expiry {
    pages: Vec<Box<[Record; PAGE]>>,
    tree: MinTree,
    unused: Vec<u32>,
}

impl Expiry {
    fn new() -> Expiry {
        Expiry {
            pages: Vec::new(),
            tree: MinTree::new(),
            unused: Vec::new(),
        }
    }

    fn record(&self, id: u32) -> &Record {
        &self.pages[id as usize / PAGE][id as usize % PAGE]
    }

    fn record_mut(&mut self, id: u32) -> &mut Record {
        &mut self.pages[id as usize / PAGE][id as usize % PAGE]
    }

    fn add(&mut self, record: Record) -> u32 {
        let id = self.unused.pop().unwrap_or_else(|| {
            let id = self.tree.len();
            if id == self.pages.len() * PAGE {
                self.pages.push(Box::new([Record::EMPTY; PAGE]));
            }
            self.tree.push();
            id as u32
        });
        *self.record_mut(id) = record;
        self.settle(id);
        id
    }

    fn drop_record(&mut self, id: u32) {
        *self.record_mut(id) = Record::EMPTY;
        self.tree.set(id as usize, NEVER);
        self.unused.push(id);
    }

    /// Updates the tree after a change of a record.
    fn settle(&mut self, id: u32) {
        let bound = self.record(id).bound();
        self.tree.set(id as usize, bound);
    }

    pub fn memory_bytes(&self) -> usize {
        boxed_bytes::<Expiry>()
            + vec_bytes(&self.pages)
            + self.pages.len() * boxed_bytes::<[Record; PAGE]>()
            + vec_bytes(&self.unused)
            + self.tree.memory_bytes()
    }

    /// Offers the records' pages and the tree.
    pub fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.pages);
        self.pages.iter_mut().for_each(|page| mover.boxed(page));
        mover.vec(&mut self.unused);
        self.tree.relocate(mover);
    }

    pub fn next_due(&self) -> Option<i64> {
        Some(self.tree.min()).filter(|&min| min != NEVER)
    }
}

impl HashTable {
    /// Notes that an element with this hash now expires at `when_ms`. Must be called after its
    /// insertion and after each change to an earlier or later time; not when it becomes persistent.
    /// A negative time counts as 0.
    #[inline]
    pub fn note_expiry(&mut self, hash: u64, when_ms: i64) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if segment.is_none() {
            return;
        }
        let horizon = segment.segment().header().horizon;
        if horizon == NO_HORIZON || when_ms < i64::from(horizon) * 1000 {
            self.note_near(segment, tag_of_hash(hash), when_ms);
        }
    }

    #[cold]
    fn note_near(&mut self, segment: SegmentRef, tag: u64, when_ms: i64) {
        let header = segment.segment().header();
        let expiry = self.expiry.get_or_insert_with(|| Box::new(Expiry::new()));
        let id = if header.record == NO_RECORD {
            let id = expiry.add(Record {
                prefix: header.prefix,
                ..Record::EMPTY
            });
            segment.segment().update(|header| header.record = id);
            id
        } else {
            header.record
        };
        let record = expiry.record_mut(id);
        record.note(near(when_ms, tag));
        let horizon = record.horizon();
        expiry.settle(id);
        if horizon != header.horizon {
            segment.segment().update(|header| header.horizon = horizon);
        }
    }

    /// A lower bound of all noted expiries; it may be that of an element long gone. O(1).
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        self.expiry.as_ref()?.next_due()
    }

    /// Passes to `due` the words that expire at `now_ms` or before according to `look`, from at
    /// most `budget` segments, the earliest ones first. True if there is more to do.
    ///
    /// These words are no longer noted: the caller removes them, or notes them again.
    pub fn collect_due(
        &mut self,
        now_ms: i64,
        budget: usize,
        mut look: impl FnMut(Word) -> Option<i64>,
        mut due: impl FnMut(Word),
    ) -> bool {
        // Later times are noted as `TIME_MAX`, some 8,900 years ahead, and are never reached.
        let now_ms = now_ms.min(TIME_MAX - 1);
        for _ in 0..budget {
            let Some(expiry) = self.expiry.as_mut() else {
                return false;
            };
            let Some(id) = expiry
                .tree
                .first()
                .filter(|&id| expiry.tree.get(id) <= now_ms)
            else {
                return false;
            };
            self.visit_record(id as u32, now_ms, &mut look, &mut due);
        }
        self.next_due().is_some_and(|next| next <= now_ms)
    }

    fn visit_record(
        &mut self,
        id: u32,
        now_ms: i64,
        look: &mut impl FnMut(Word) -> Option<i64>,
        due: &mut impl FnMut(Word),
    ) {
        // The record is out of the table while the caller's closure runs.
        let expiry = self.expiry.as_mut().expect("the record is somewhere");
        let mut record = expiry.record(id).clone();
        let segment = self.directory.get(u64::from(record.prefix) << 32);
        debug_assert_eq!(segment.segment().header().record, id);
        let mut inspect = |record: &mut Record, cell: u64| match look(word_of_cell(cell)) {
            Some(when_ms) if when_ms <= now_ms => due(word_of_cell(cell)),
            Some(when_ms) => record.note(near(when_ms, tag_of_cell(cell))),
            None => {}
        };
        if record.far <= now_ms {
            record = Record {
                prefix: record.prefix,
                ..Record::EMPTY
            };
            self.each_prefetched(segment, |cell| inspect(&mut record, cell));
        } else {
            for tag in record.take_due(now_ms) {
                self.each_with_tag(segment, tag, |cell| inspect(&mut record, cell));
            }
        }
        let expiry = self.expiry.as_mut().expect("the record is somewhere");
        let horizon = record.horizon();
        let unused = record.bound() == NEVER;
        *expiry.record_mut(id) = record;
        if unused {
            expiry.drop_record(id);
        } else {
            expiry.settle(id);
        }
        segment.segment().update(|header| {
            header.horizon = if unused { NO_HORIZON } else { horizon };
            header.record = if unused { NO_RECORD } else { id };
        });
    }

    /// A random word for which `has_expiry` is true, if few are: draws a record, then one of its
    /// segment's words. Nearly uniform over segments, uniform within one. `None` if there is none.
    /// O(segment); O(n) when no record leads to one.
    pub fn random_noted(
        &self,
        rng: &mut impl Rng,
        has_expiry: impl Fn(Word) -> bool,
    ) -> Option<Word> {
        let expiry = self.expiry.as_ref()?;
        let drawn = (0..RECORD_DRAWS).map(|_| below(rng, expiry.tree.len()));
        let drawn = drawn.collect::<SmallVec<[usize; RECORD_DRAWS]>>();
        // An unused record is `NEVER`; the earliest one is in use.
        drawn
            .into_iter()
            .filter(|&id| expiry.tree.get(id) != NEVER)
            .chain(expiry.tree.first())
            .find_map(|id| {
                let prefix = expiry.record(id as u32).prefix;
                let segment = self.directory.get(u64::from(prefix) << 32);
                segment
                    .cells()
                    .chain(self.overflow_of(segment).iter().copied())
                    .map(word_of_cell)
                    .filter(|&word| has_expiry(word))
                    .choose(rng)
            })
            .or_else(|| self.iter().find(|&word| has_expiry(word)))
    }

    /// Every cell of a segment and its overflow, entries prefetched some steps ahead.
    fn each_prefetched(&self, segment: SegmentRef, mut f: impl FnMut(u64)) {
        const AHEAD: usize = 12;
        let mut waiting = [0u64; AHEAD];
        let mut count = 0;
        for cell in segment
            .cells()
            .chain(self.overflow_of(segment).iter().copied())
        {
            prefetch_entry(word_of_cell(cell), SHORT_REACH);
            let earlier = std::mem::replace(&mut waiting[count % AHEAD], cell);
            if earlier != 0 {
                f(earlier);
            }
            count += 1;
        }
        for i in count..count + AHEAD {
            let cell = waiting[i % AHEAD];
            if cell != 0 {
                f(cell);
            }
        }
    }

    /// Every cell with this tag in a segment and its overflow.
    fn each_with_tag(&self, segment: SegmentRef, tag: u64, mut f: impl FnMut(u64)) {
        segment.visit_tags(tag, tag + 1, |word| f(super::line::cell_of(tag, word)));
        for &cell in self.overflow_of(segment) {
            if tag_of_cell(cell) == tag {
                f(cell);
            }
        }
    }

    /// Gives each half of a splitting segment a record like the whole's; the second half is at
    /// `second`. Returns (record, horizon) for both headers.
    pub(super) fn split_record(&mut self, segment: SegmentRef, second: u32) -> [(u32, u32); 2] {
        let header = segment.segment().header();
        let both = (header.record, header.horizon);
        if header.record == NO_RECORD {
            return [both; 2];
        }
        let expiry = self.expiry.as_mut().expect("the segment has a record");
        let record = Record {
            prefix: second,
            ..expiry.record(header.record).clone()
        };
        [both, (expiry.add(record), header.horizon)]
    }

    /// After a split: drops near entries that can only refer to the other half.
    pub(super) fn settle_record(&mut self, prefix: u32) {
        let segment = self.directory.get(u64::from(prefix) << 32);
        let header = segment.segment().header();
        if header.record == NO_RECORD {
            return;
        }
        let expiry = self.expiry.as_mut().expect("the segment has a record");
        let old = expiry.record(header.record).clone();
        let mut record = Record {
            len: 0,
            ..old.clone()
        };
        for &entry in old.near() {
            let mut present = segment.has_overflow();
            segment.visit_tags(tag_of(entry), tag_of(entry) + 1, |_| present = true);
            if present {
                record.near[record.len as usize] = entry;
                record.len += 1;
            }
        }
        if record.bound() == NEVER {
            expiry.drop_record(header.record);
            segment.segment().update(|header| {
                header.record = NO_RECORD;
                header.horizon = NO_HORIZON;
            });
        } else {
            *expiry.record_mut(header.record) = record;
            expiry.settle(header.record);
        }
    }

    /// Two segments merge into one at `prefix`. Returns (record, horizon) for its header.
    pub(super) fn merge_records(
        &mut self,
        one: SegmentRef,
        two: SegmentRef,
        prefix: u32,
    ) -> (u32, u32) {
        let ids = [one, two].map(|segment| segment.segment().header().record);
        let mut merged = Record {
            prefix,
            ..Record::EMPTY
        };
        let mut kept = NO_RECORD;
        for id in ids.into_iter().filter(|&id| id != NO_RECORD) {
            let expiry = self.expiry.as_mut().expect("the segment has a record");
            let record = expiry.record(id).clone();
            merged.lower_far(record.far);
            for &entry in record.near() {
                merged.note(entry);
            }
            if kept == NO_RECORD {
                kept = id;
            } else {
                expiry.drop_record(id);
            }
        }
        if kept != NO_RECORD {
            let expiry = self.expiry.as_mut().expect("the segment has a record");
            *expiry.record_mut(kept) = merged.clone();
            expiry.settle(kept);
        }
        (kept, merged.horizon())
    }
}
