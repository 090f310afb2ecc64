//! Sorts rows, and keeps only the first of them.
//!
//! Rows without a value come last whichever the direction. Equal rows come in the order of the
//! index, reversed if the last key descends; equal groups in the order of their properties, because
//! that is the same on a single node and over the shards of a cluster.
//!
//! Rows stay where they are put; only their places are sorted, by their keys. Once all rows are in,
//! the places leave the heap, the last row's first, each for a unit of the budget.
//!
//! Cost: n rows of which k are kept take n comparisons with the last row kept, and O(k log k); a
//! row that is not kept copies nothing.

use smallvec::SmallVec;
use std::cmp::Ordering;

use super::chunks::Chunks;
use super::heap::PlaceHeap;
use super::names::Names;
use super::row::{Row, ValueRef, order};
use crate::expression::Value;
use crate::hit::ScoredDocument;
use crate::index::Index;

/// Rows while they come in, and then in order.
#[derive(Debug)]
pub(super) struct RowSorter {
    keys: Vec<Key>,
    by: SortOrder,
    /// Rows are groups, by so many properties, which have the first places. 0: they are none.
    properties: usize,
    /// The most rows that are kept, skipped rows included.
    kept_max: usize,
    skipped: usize,
    /// The rows that are kept, with their keys, and the places of both, with the last row's on top.
    rows: Chunks<Row>,
    entries: Chunks<Entry>,
    heap: PlaceHeap,
    /// All rows are in.
    is_full: bool,
    /// Places that have left the heap: once rows are in order, the places of all rows but the
    /// skipped. The first row's place is on top.
    ordered: Vec<u32>,
    is_ready: bool,
    /// Rows that came in.
    count: u64,
}

/// A place that is sorted by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) is_descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortOrder {
    /// The best score first.
    Score,
    /// A bit for each key that descends.
    Keys(u8),
}

/// A row as it is sorted.
#[derive(Debug)]
struct Entry {
    by: SortOrder,
    keys: SmallVec<[Option<Value>; 1]>,
    /// The properties of a group.
    group: SmallVec<[Value; 1]>,
    score: f64,
    at: u64,
}

impl RowSorter {
    /// Rows by some keys, at most eight; `kept_max` of them, without the first `skipped`.
    pub(super) fn by_keys(keys: Vec<Key>, skipped: usize, kept_max: usize) -> RowSorter {
        let directions = keys.iter().enumerate();
        let mask = directions.fold(0, |mask, (at, key)| {
            mask | u8::from(key.is_descending) << at
        });
        RowSorter::new(keys, SortOrder::Keys(mask), skipped, kept_max)
    }

    /// Rows by their scores.
    pub(super) fn by_score(skipped: usize, kept_max: usize) -> RowSorter {
        RowSorter::new(Vec::new(), SortOrder::Score, skipped, kept_max)
    }

    fn new(keys: Vec<Key>, by: SortOrder, skipped: usize, kept_max: usize) -> RowSorter {
        RowSorter {
            keys,
            by,
            properties: 0,
            kept_max,
            skipped,
            rows: Chunks::default(),
            entries: Chunks::default(),
            heap: PlaceHeap::default(),
            is_full: false,
            ordered: Vec::new(),
            is_ready: false,
            count: 0,
        }
    }

    /// Rows are groups, by so many properties, which have the first places.
    pub(super) fn of_groups(mut self, properties: usize) -> RowSorter {
        self.properties = properties;
        self
    }

    /// Skips no rows, which are still to be sorted among others.
    pub(super) fn keep_skipped(&mut self) {
        self.skipped = 0;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether all rows are in.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Takes a row in; afterwards `row` is any row.
    pub(super) fn add(&mut self, row: &mut Row, names: &Names, index: &Index) {
        row.terms = Vec::new();
        let at = row
            .document
            .map_or(self.count, |document| u64::from(document.0));
        self.count += 1;
        if self.kept_max == 0 {
            return;
        }
        let full = self.heap.top().filter(|_| self.heap.len() == self.kept_max);
        if let Some(last) = full {
            let last = &self.entries[last];
            let keys = self.keys.iter();
            let keys = keys.map(|key| names.value(row, key.place, index));
            let others = last.keys.iter().map(|key| key.as_ref().map(ValueRef::of));
            let group = self.group_of(row, names, index);
            let others = (
                keys.zip(others),
                group.zip(last.group.iter().map(ValueRef::of)),
            );
            let order = compare(self.by, others, (row.score, at), last.rank());
            if order != Ordering::Less {
                return;
            }
        }
        let keys = self.keys.iter();
        let keys = keys.map(|key| names.value(row, key.place, index).map(ValueRef::to_value));
        let keys = keys.collect();
        let group = self.group_of(row, names, index);
        let group = group.map(ValueRef::to_value).collect();
        let entry = Entry {
            by: self.by,
            keys,
            group,
            score: row.score,
            at,
        };
        if let Some(last) = full {
            self.entries[last] = entry;
            std::mem::swap(&mut self.rows[last], row);
            let entries = &self.entries;
            self.heap.sink_top(|a, b| entries[a].cmp(&entries[b]));
            return;
        }
        let place = self.entries.len();
        self.entries.push(entry);
        self.rows.push(std::mem::take(row));
        let entries = &self.entries;
        self.heap.push(place, |a, b| entries[a].cmp(&entries[b]));
    }

    /// The properties of a group; a document has none.
    fn group_of<'r>(
        &self,
        row: &'r Row,
        names: &'r Names,
        index: &'r Index,
    ) -> impl Iterator<Item = ValueRef<'r>> + use<'r> {
        (0..self.properties).map(move |place| {
            let value = names.value(row, place, index);
            value.unwrap_or(ValueRef::Other(&Value::Null))
        })
    }

    /// Takes documents in that have nothing but scores, by a row that is used again and again.
    pub(super) fn add_all(
        &mut self,
        scored: &[ScoredDocument],
        row: &mut Row,
        names: &Names,
        index: &Index,
    ) {
        if self.kept_max == 0 {
            self.count += scored.len() as u64;
            return;
        }
        *row = Row::default();
        for ScoredDocument { document, score } in scored {
            // Of many documents, most score less than the documents that are kept.
            if self.by == SortOrder::Score
                && self.heap.len() == self.kept_max
                && let Some(last) = self.heap.top()
                && by_score((*score, u64::from(document.0)), self.entries[last].rank()).is_ge()
            {
                self.count += 1;
                continue;
            }
            row.document = Some(*document);
            row.score = *score;
            self.add(row, names, index);
        }
    }

    /// Ends the coming in.
    pub(super) fn finish(&mut self) {
        self.is_full = true;
    }

    /// Puts the rows that are in into order, each for a unit of the budget; `false`: the budget is
    /// used up before the last row.
    pub(super) fn order(&mut self, budget: &mut u64) -> bool {
        while !self.is_ready && self.heap.len() > self.skipped {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            let entries = &self.entries;
            let last = self.heap.pop(|a, b| entries[a].cmp(&entries[b]));
            self.ordered.extend(last.map(|place| place as u32));
        }
        self.is_ready = true;
        true
    }

    /// Puts the next row in order into `row`; `false`: there are no more rows.
    pub(super) fn next(&mut self, row: &mut Row) -> bool {
        let Some(place) = self.ordered.pop() else {
            return false;
        };
        *row = std::mem::take(&mut self.rows[place as usize]);
        let keys = std::mem::take(&mut self.entries[place as usize].keys);
        row.sort_key = keys.first().cloned().flatten();
        for (key, value) in self.keys.iter().zip(keys) {
            if let Some(value) = value {
                row.set(key.place, value);
            }
        }
        true
    }
}

impl Entry {
    fn rank(&self) -> (f64, u64) {
        (self.score, self.at)
    }
}

/// The order of two rows by their scores, then by their numbers.
#[inline]
fn by_score(a: (f64, u64), b: (f64, u64)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The order of two rows, with pairs of their keys and of their properties as groups, and with
/// their scores and numbers.
fn compare<'a>(
    by: SortOrder,
    (keys, groups): (
        impl Iterator<Item = (Option<ValueRef<'a>>, Option<ValueRef<'a>>)>,
        impl Iterator<Item = (ValueRef<'a>, ValueRef<'a>)>,
    ),
    a: (f64, u64),
    b: (f64, u64),
) -> Ordering {
    let SortOrder::Keys(mask) = by else {
        return by_score(a, b);
    };
    let mut is_descending = false;
    for (at, pair) in keys.enumerate() {
        is_descending = mask >> at & 1 == 1;
        let found = match pair {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(a), Some(b)) if is_descending => order(b, a),
            (Some(a), Some(b)) => order(a, b),
        };
        if found != Ordering::Equal {
            return found;
        }
    }
    let mut by_groups = groups.map(|(a, b)| order(a, b));
    if let Some(found) = by_groups.find(|found| found.is_ne()) {
        return found;
    }
    let found = a.1.cmp(&b.1);
    if is_descending {
        found.reverse()
    } else {
        found
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        let keys = self.keys.iter().zip(&other.keys);
        let keys = keys.map(|(a, b)| (a.as_ref().map(ValueRef::of), b.as_ref().map(ValueRef::of)));
        let groups = self.group.iter().zip(&other.group);
        let groups = groups.map(|(a, b)| (ValueRef::of(a), ValueRef::of(b)));
        compare(self.by, (keys, groups), self.rank(), other.rank())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
