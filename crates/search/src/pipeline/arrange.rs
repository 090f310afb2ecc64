//! Rows in order, of which only the first ones are kept.
//!
//! Rows without a value come last whichever the direction. Equal rows come in the order of their
//! index, the other way round if the last key descends; equal groups in that of their properties,
//! which is the same on one node and over the shards of a cluster.
//!
//! Rows stay where they are put; only their keys are sorted. Once all rows are in, the keys leave
//! the heap one by one, the last one first, each a unit of the budget.
//!
//! Cost: n rows of which k are kept take n comparisons with the last one kept, and O(k log k); a
//! row that is not kept copies nothing.

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::names::Names;
use super::row::{Row, Seen, order};
use crate::expression::Value;
use crate::hit::Scored;
use crate::index::Index;

/// Room is made for so many rows at first: a page of them.
const USUAL_ROWS: usize = 10;

/// Rows while they come in, and then in order.
#[derive(Debug)]
pub(super) struct Arranged {
    keys: Vec<Key>,
    by: By,
    /// Rows are groups, by so many properties, which have the first places. 0: they are none.
    properties: usize,
    /// Rows that are kept, those that are skipped among them.
    kept_max: usize,
    skipped: usize,
    /// The keys of the rows that are kept, those of the last one on top.
    heap: BinaryHeap<Entry>,
    /// By [`Entry::slot`].
    rows: Vec<Row>,
    /// All rows are in.
    is_full: bool,
    /// Rows that have left the heap: all but the rows that are skipped, once they are in order.
    /// The first one is on top.
    ordered: Vec<Entry>,
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
enum By {
    /// The best score first.
    Score,
    /// A bit for each key that descends.
    Keys(u8),
}

/// A row as it is sorted.
#[derive(Debug)]
struct Entry {
    by: By,
    keys: SmallVec<[Option<Value>; 1]>,
    /// The properties of a group.
    group: SmallVec<[Value; 1]>,
    score: f64,
    at: u64,
    slot: usize,
}

impl Arranged {
    /// Rows by some keys, at most eight; `kept_max` of them, without the first `skipped`.
    pub(super) fn by_keys(keys: Vec<Key>, skipped: usize, kept_max: usize) -> Arranged {
        let directions = keys.iter().enumerate();
        let mask = directions.fold(0, |mask, (at, key)| {
            mask | u8::from(key.is_descending) << at
        });
        Arranged::new(keys, By::Keys(mask), skipped, kept_max)
    }

    /// Rows by their scores.
    pub(super) fn by_score(skipped: usize, kept_max: usize) -> Arranged {
        Arranged::new(Vec::new(), By::Score, skipped, kept_max)
    }

    fn new(keys: Vec<Key>, by: By, skipped: usize, kept_max: usize) -> Arranged {
        Arranged {
            keys,
            by,
            properties: 0,
            kept_max,
            skipped,
            heap: BinaryHeap::with_capacity(kept_max.min(USUAL_ROWS)),
            rows: Vec::with_capacity(kept_max.min(USUAL_ROWS)),
            is_full: false,
            ordered: Vec::new(),
            is_ready: false,
            count: 0,
        }
    }

    /// Rows are groups, by so many properties, which have the first places.
    pub(super) fn of_groups(mut self, properties: usize) -> Arranged {
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

    /// Takes a row in, and leaves any row in its place.
    pub(super) fn add(&mut self, row: &mut Row, names: &Names, index: &Index) {
        row.terms = Vec::new();
        let at = row
            .document
            .map_or(self.count, |document| u64::from(document.0));
        self.count += 1;
        if self.kept_max == 0 {
            return;
        }
        if self.heap.len() == self.kept_max {
            let last = self.heap.peek().expect("it is full");
            let keys = self.keys.iter();
            let keys = keys.map(|key| names.value(row, key.place, index));
            let others = last.keys.iter().map(|key| key.as_ref().map(Seen::of));
            let group = self.group_of(row, names, index);
            let others = (keys.zip(others), group.zip(last.group.iter().map(Seen::of)));
            let order = compare(self.by, others, (row.score, at), last.rank());
            if order != Ordering::Less {
                return;
            }
        }
        let keys = self.keys.iter();
        let keys = keys.map(|key| names.value(row, key.place, index).map(Seen::to_value));
        let keys = keys.collect();
        let group = self.group_of(row, names, index);
        let group = group.map(Seen::to_value).collect();
        if self.heap.len() == self.kept_max {
            let mut last = self.heap.peek_mut().expect("it is full");
            (last.keys, last.group) = (keys, group);
            (last.score, last.at) = (row.score, at);
            std::mem::swap(&mut self.rows[last.slot], row);
            return;
        }
        self.heap.push(Entry {
            by: self.by,
            keys,
            group,
            score: row.score,
            at,
            slot: self.rows.len(),
        });
        self.rows.push(std::mem::take(row));
    }

    /// The properties of a group; none of a document.
    fn group_of<'r>(
        &self,
        row: &'r Row,
        names: &'r Names,
        index: &'r Index,
    ) -> impl Iterator<Item = Seen<'r>> + use<'r> {
        (0..self.properties).map(move |place| {
            let value = names.value(row, place, index);
            value.unwrap_or(Seen::Other(&Value::Null))
        })
    }

    /// Takes documents in that have nothing but scores, by a row that is used again and again.
    pub(super) fn add_all(
        &mut self,
        scored: &[Scored],
        row: &mut Row,
        names: &Names,
        index: &Index,
    ) {
        if self.kept_max == 0 {
            self.count += scored.len() as u64;
            return;
        }
        *row = Row::default();
        for Scored { document, score } in scored {
            // Most documents of many are no match for those that are kept.
            if self.by == By::Score
                && self.heap.len() == self.kept_max
                && let Some(last) = self.heap.peek()
                && by_score((*score, u64::from(document.0)), last.rank()).is_ge()
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
    /// used up before the last one.
    pub(super) fn order(&mut self, budget: &mut u64) -> bool {
        while !self.is_ready && self.heap.len() > self.skipped {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            self.ordered.extend(self.heap.pop());
        }
        self.is_ready = true;
        true
    }

    /// Puts the next row in order in the place of one; `false`: there are no more.
    pub(super) fn next(&mut self, row: &mut Row) -> bool {
        let Some(Entry { keys, slot, .. }) = self.ordered.pop() else {
            return false;
        };
        *row = std::mem::take(&mut self.rows[slot]);
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
    by: By,
    (keys, groups): (
        impl Iterator<Item = (Option<Seen<'a>>, Option<Seen<'a>>)>,
        impl Iterator<Item = (Seen<'a>, Seen<'a>)>,
    ),
    a: (f64, u64),
    b: (f64, u64),
) -> Ordering {
    let By::Keys(mask) = by else {
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
        let keys = keys.map(|(a, b)| (a.as_ref().map(Seen::of), b.as_ref().map(Seen::of)));
        let groups = self.group.iter().zip(&other.group);
        let groups = groups.map(|(a, b)| (Seen::of(a), Seen::of(b)));
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
