//! Exact active expiry without a second table: due elements are found from the segments.
//!
//! A segment with volatile elements has a *record*: the (time, tag) of up to 14 elements that
//! expire first, and `far`, a lower bound of all other expiries. A *tree of minima* over the
//! records' earliest times gives the next due segment. When a near time is reached, its tag leads
//! to the cell or two in question; only when `far` is reached (14 elements later) does the table
//! read the whole segment, and compute the near times and `far` anew.
//!
//!     record: 14 x (time 48 bits | tag 15 bits) | far | prefix | number of near ones    128 bytes
//!
//!   1. Every recorded expiry of an element still in the table has a near entry in its segment's
//!      record with its tag and no later time, or is not before the record's `far`.
//!   2. No near time is after `far`; the tree's leaf is the earliest near time, or `far`.
//!   3. `Header::horizon` is `far` in whole seconds, rounded up: most expiries are at or after the
//!      horizon, and recording them reads only the header.
//!
//! Near entries are hints: elements may be gone, or live longer, by the time they are read. Each
//! full read of a segment is amortized over at least 14 expiries recorded since the read before:
//! some 35 reads of entries, prefetched, for each element that expires.
//!
//! Tables may share their records ([`SharedExpiry`]): the tree then leads to the table that is due,
//! and a small table with volatile elements costs a record. A table borrows the shared records
//! while it changes; in between it has none, but the headers of its segments keep the numbers of
//! their records.
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
use crate::min_tree::{MinTree, NEVER};
use russet_base::memory::alloc::{boxed_bytes, vec_bytes};
use russet_base::memory::mover::Mover;

/// Records drawn before the earliest record is taken.
const RECORD_DRAWS: usize = 16;
/// Segments visited in a round of [`HashTable::remove_due`].
const COLLECT_SEGMENTS: usize = 16;
/// Records allocated at a time.
const PAGE: usize = 64;

/// Owners of tables and prefixes of their segments.
type SegmentDraws = SmallVec<[(u16, u32); RECORD_DRAWS + 1]>;

/// The records of a table and their tree.
pub(super) struct Expiry {
    pages: Vec<Box<[Record; PAGE]>>,
    tree: MinTree,
    unused: Vec<u32>,
    /// Several tables have records here.
    is_shared: bool,
    /// The table that has them now.
    owner: u16,
    /// Elements that expire, as the owner of a table counts them.
    elements: usize,
}

impl Expiry {
    fn new(is_shared: bool) -> Expiry {
        Expiry {
            pages: Vec::new(),
            tree: MinTree::new(),
            unused: Vec::new(),
            is_shared,
            owner: 0,
            elements: 0,
        }
    }

    /// An empty record of a segment of the present table.
    fn fresh(&self, prefix: u32) -> Record {
        Record {
            prefix,
            owner: self.owner,
            ..Record::EMPTY
        }
    }

    fn is_unused(&self) -> bool {
        self.unused.len() == self.tree.len()
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

    /// Owners and prefixes of some random segments with recorded elements, and at last of the
    /// segment whose first element expires first.
    fn draw(&self, rng: &mut impl Rng) -> SegmentDraws {
        let drawn = (0..RECORD_DRAWS).map(|_| below(rng, self.tree.len()));
        // An unused record is `NEVER`; the earliest record is in use.
        let used = drawn.filter(|&id| self.tree.get(id) != NEVER);
        used.chain(self.tree.first())
            .map(|id| {
                let record = self.record(id as u32);
                (record.owner, record.prefix)
            })
            .collect()
    }
}

/// The records of several tables that have numbers; see the module. Empty, it is a null pointer.
#[derive(Default)]
pub struct SharedExpiry(Option<Box<Expiry>>);

impl SharedExpiry {
    /// Whether no element is recorded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Must be called before [`HashTable::record_expiry`] of a table that they are lent to.
    #[inline]
    pub fn open(&mut self) {
        self.0.get_or_insert_with(|| Box::new(Expiry::new(true)));
    }

    /// As [`HashTable::next_due`], of all tables.
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        self.0.as_ref()?.next_due()
    }

    /// The table in which an element may expire at `until_ms` or before.
    pub fn first_due(&self, until_ms: i64) -> Option<u16> {
        let expiry = self.0.as_ref()?;
        let id = expiry.tree.first()?;
        (expiry.tree.get(id) <= until_ms).then(|| expiry.record(id as u32).owner)
    }

    /// Tables and segments of them with recorded elements, for [`HashTable::random_in`].
    pub fn draw(&self, rng: &mut impl Rng) -> SegmentDraws {
        let drawn = self.0.as_ref().map(|expiry| expiry.draw(rng));
        drawn.unwrap_or_default()
    }

    pub fn memory_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |expiry| expiry.memory_bytes())
    }

    /// Offers the records' blocks.
    pub fn relocate(&mut self, mover: &mut Mover) {
        if let Some(expiry) = &mut self.0 {
            mover.boxed(expiry);
            expiry.relocate(mover);
        }
    }

    /// Panics if a record in use is not that of the segment that it names; `record_of` returns the
    /// number of the record of a table's segment. O(records).
    pub fn check_invariants(&self, record_of: impl Fn(u16, u32) -> Option<u32>) {
        let Some(expiry) = &self.0 else { return };
        let mut used = 0;
        for id in (0..expiry.tree.len()).filter(|&id| expiry.tree.get(id) != NEVER) {
            let record = expiry.record(id as u32);
            assert_eq!(record_of(record.owner, record.prefix), Some(id as u32));
            used += 1;
        }
        assert_eq!(
            used + expiry.unused.len(),
            expiry.tree.len(),
            "no record is lost"
        );
    }
}

impl HashTable {
    /// Runs `change` while the table, number `owner`, has the records of `shared`. All that changes
    /// elements or reads expiries of such a table must run so.
    #[inline]
    pub(crate) fn with_shared<R>(
        &mut self,
        shared: &mut SharedExpiry,
        owner: u16,
        change: impl FnOnce(&mut HashTable) -> R,
    ) -> R {
        debug_assert!(self.expiry.is_none());
        self.expiry = shared.0.take();
        if let Some(expiry) = &mut self.expiry {
            expiry.owner = owner;
        }
        let result = change(self);
        shared.0 = self.expiry.take().filter(|expiry| !expiry.is_unused());
        result
    }

    /// Forgets all recorded expiries: for a table that leaves the others. O(segments).
    pub(crate) fn forget_expiries(&mut self) {
        let Some(expiry) = &mut self.expiry else {
            return;
        };
        if !expiry.is_shared {
            self.expiry = None;
        }
        for (_, segment) in self.directory.segments() {
            let record = segment.segment().header().record;
            if let (Some(expiry), true) = (&mut self.expiry, record != NO_RECORD) {
                expiry.drop_record(record);
            }
            segment.segment().update(|header| {
                header.record = NO_RECORD;
                header.horizon = NO_HORIZON;
            });
        }
    }

    /// The table's last segment is freed: its record is forgotten.
    pub(super) fn close_expiry(&mut self, last: SegmentRef) {
        match &mut self.expiry {
            Some(expiry) if expiry.is_shared => {
                let record = last.segment().header().record;
                if record != NO_RECORD {
                    expiry.drop_record(record);
                }
            }
            _ => self.expiry = None,
        }
    }

    /// The number of the record of the segment at `prefix`. `None`: it has none.
    pub(crate) fn record_at(&self, prefix: u32) -> Option<u32> {
        let segment = self.directory.get(u64::from(prefix) << 32);
        if segment.is_none() {
            return None;
        }
        let record = segment.segment().header().record;
        (record != NO_RECORD).then_some(record)
    }

    /// Records that an element with this hash now expires at `when_ms`. Must be called after the
    /// insertion of an element that expires and after each change to an earlier or later time; not
    /// when the element becomes persistent. A negative time counts as 0.
    #[inline]
    pub fn record_expiry(&mut self, hash: u64, when_ms: i64) {
        let hash = self.own(hash);
        let segment = self.directory.get(hash);
        if segment.is_none() {
            return;
        }
        let horizon = segment.segment().header().horizon;
        if horizon == NO_HORIZON || when_ms < i64::from(horizon) * 1000 {
            self.record_near(segment, tag_of_hash(hash), when_ms);
        }
    }

    #[cold]
    fn record_near(&mut self, segment: SegmentRef, tag: u64, when_ms: i64) {
        let header = segment.segment().header();
        let expiry = self
            .expiry
            .get_or_insert_with(|| Box::new(Expiry::new(false)));
        let id = if header.record == NO_RECORD {
            let id = expiry.add(expiry.fresh(header.prefix));
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

    /// A lower bound of all recorded expiries; it may be that of an element long gone. O(1).
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        self.expiry.as_ref()?.next_due()
    }

    /// Elements with an expiry, as [`HashTable::count_expiring`] has counted them. O(1).
    #[inline]
    pub fn expiring(&self) -> usize {
        self.expiry.as_ref().map_or(0, |expiry| expiry.elements)
    }

    /// Counts an element that had an expiry (`was`), or has an expiry now (`is`). For an owner that
    /// counts all of them; an element that leaves the table is counted after it has left.
    #[inline]
    pub fn count_expiring(&mut self, was: bool, is: bool) {
        if was == is {
            return;
        }
        if is {
            let fresh = || Box::new(Expiry::new(false));
            self.expiry.get_or_insert_with(fresh).elements += 1;
        } else if let Some(expiry) = &mut self.expiry {
            // An empty table has no records and no count.
            expiry.elements -= 1;
        }
    }

    /// Removes up to `limit` elements whose expiry is at or before `now_ms` according to
    /// `expiry_of`, and passes their words to `gone`, which frees them; returns how many. Counts
    /// them as [`HashTable::count_expiring`] does.
    pub fn remove_due(
        &mut self,
        now_ms: u64,
        limit: usize,
        rehash: impl Fn(Word) -> u64,
        expiry_of: impl Fn(Word) -> Option<u64>,
        mut gone: impl FnMut(Word),
    ) -> usize {
        let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        let look = |word| expiry_of(word).map(signed);
        let (mut removed, mut due) = (0, Vec::new());
        while removed < limit {
            let more = self.collect_due(now, COLLECT_SEGMENTS, look, |word| due.push(word));
            for word in due.drain(..) {
                let hash = rehash(word);
                if removed == limit {
                    if let Some(ms) = look(word) {
                        self.record_expiry(hash, ms);
                    }
                    continue;
                }
                self.remove(hash, |other| other == word);
                self.count_expiring(true, false);
                removed += 1;
                gone(word);
            }
            if !more {
                break;
            }
        }
        removed
    }

    /// Passes to `due` the words that expire at `now_ms` or before according to `look`, from at
    /// most `budget` segments, the earliest ones first. True if there is more to do.
    ///
    /// These words are no longer recorded: the caller removes them, or records them again.
    pub fn collect_due(
        &mut self,
        now_ms: i64,
        budget: usize,
        mut look: impl FnMut(Word) -> Option<i64>,
        mut due: impl FnMut(Word),
    ) -> bool {
        // Later times are recorded as `TIME_MAX`, some 8,900 years ahead, and are never reached.
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
            record = expiry.fresh(record.prefix);
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

    /// A random word for which `has_expiry` is true, if few are: draws a record, then a word of its
    /// segment. Nearly uniform over segments, uniform within a segment. `None` if there is none.
    /// O(segment); O(n) when no record leads to such a word.
    pub fn random_noted(
        &self,
        rng: &mut impl Rng,
        has_expiry: impl Fn(Word) -> bool,
    ) -> Option<Word> {
        let drawn = self.expiry.as_ref()?.draw(rng);
        drawn
            .into_iter()
            .find_map(|(_, prefix)| self.random_in(prefix, rng, &has_expiry))
            .or_else(|| self.iter().find(|&word| has_expiry(word)))
    }

    /// A random word for which `is_wanted` is true, of the segment at `prefix`. O(segment).
    pub fn random_in(
        &self,
        prefix: u32,
        rng: &mut impl Rng,
        is_wanted: impl Fn(Word) -> bool,
    ) -> Option<Word> {
        let segment = self.directory.get(u64::from(prefix) << 32);
        let overflow = self.overflow_of(segment).iter().copied();
        let words = segment.cells().chain(overflow).map(word_of_cell);
        words.filter(|&word| is_wanted(word)).choose(rng)
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

    /// Two segments merge into a single segment at `prefix`. Returns (record, horizon) for the
    /// merged segment's header.
    pub(super) fn merge_records(
        &mut self,
        one: SegmentRef,
        two: SegmentRef,
        prefix: u32,
    ) -> (u32, u32) {
        let ids = [one, two].map(|segment| segment.segment().header().record);
        let mut merged = match &self.expiry {
            Some(expiry) => expiry.fresh(prefix),
            None => Record::EMPTY,
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
