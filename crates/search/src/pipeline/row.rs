//! A row while it goes through the pipeline, and where the values come from.
//!
//! Invariant: the value of a SORTABLE field that a row lacks is read from the row's document. Cost:
//! O(1) to see a value; several values of JSON are compared by the first.

use smallvec::SmallVec;
use std::cmp::Ordering;

use crate::expression::{Value, number_of, number_text};
use crate::hit::{DocumentId, Explanation, Hit, ScoredDocument};
use crate::iterate::Matches;

/// A source of the documents that match a query.
pub trait Hits {
    /// The next document; `None`: there are no more for now, and none at all if [`Hits::are_over`].
    fn next_hit(&mut self) -> Option<Hit>;

    /// Whether there are no more documents at all, after none came.
    fn are_over(&self) -> bool {
        true
    }

    /// Whether nothing is known of documents but their scores.
    fn are_plain(&self) -> bool {
        false
    }

    /// Adds at most `most` of the next documents with their scores; none if [`Hits::next_hit`] has
    /// none.
    fn next_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        let hits = std::iter::from_fn(|| self.next_hit());
        out.extend(hits.take(most).map(|hit| ScoredDocument {
            document: hit.document,
            score: hit.score,
        }));
    }
}

impl Hits for Matches<'_> {
    fn next_hit(&mut self) -> Option<Hit> {
        self.next()
    }

    fn are_plain(&self) -> bool {
        Matches::are_plain(self)
    }

    fn next_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        Matches::next_scored(self, most, out);
    }
}

/// Hits that were gathered before.
impl Hits for std::vec::IntoIter<Hit> {
    fn next_hit(&mut self) -> Option<Hit> {
        self.next()
    }
}

/// Reads documents.
pub trait Loader {
    /// The value at a path of a document, a name or a JSON path.
    fn load(&self, key: &[u8], path: &[u8]) -> Option<Value>;
    /// The same, over the value of another document, whose memory may be used again.
    fn load_over(&self, key: &[u8], path: &[u8], value: &mut Option<Value>) {
        *value = self.load(key, path);
    }
    /// All fields with their values. `None`: there is no such document.
    fn load_all(&self, key: &[u8]) -> Option<Vec<(Vec<u8>, Value)>>;
}

/// A row. A missing value is `None`; a null value is shown as null.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// `None`: it is a group.
    pub(super) document: Option<DocumentId>,
    pub(super) score: f64,
    pub(super) explanation: Option<Explanation>,
    /// The words that the document matched, until rows are sorted.
    pub(super) terms: Vec<Box<[u8]>>,
    /// For FT.SEARCH: the value that the row was sorted by, and whether the document is gone.
    pub(super) sort_key: Option<Value>,
    pub(super) is_gone: bool,
    /// By place.
    pub(super) values: SmallVec<[Option<Value>; 4]>,
    /// Fields that `LOAD *` has found under names that have no places.
    pub(super) others: Vec<(Box<[u8]>, Value)>,
}

impl Row {
    /// Sets a value, whatever places there are yet.
    pub(super) fn set(&mut self, place: usize, value: Value) {
        *self.at(place) = Some(value);
    }

    /// A value, whatever places there are yet.
    pub(super) fn at(&mut self, place: usize) -> &mut Option<Value> {
        if self.values.len() <= place {
            self.values.resize(place + 1, None);
        }
        &mut self.values[place]
    }
}

/// A value that is read in place.
#[derive(Clone, Copy, Debug)]
pub(super) enum ValueRef<'r> {
    Number(f64),
    Text(&'r [u8]),
    Other(&'r Value),
}

impl<'r> ValueRef<'r> {
    pub(super) fn of(value: &'r Value) -> ValueRef<'r> {
        match value {
            Value::Number(n) => ValueRef::Number(*n),
            Value::Text(text) => ValueRef::Text(text),
            other => ValueRef::Other(other),
        }
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            ValueRef::Number(n) => Value::Number(n),
            ValueRef::Text(text) => Value::Text(text.to_vec()),
            ValueRef::Other(value) => value.clone(),
        }
    }

    /// The value as a number, also if it is a text that is a number.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            ValueRef::Number(n) => Some(n),
            ValueRef::Text(text) => number_of(text),
            ValueRef::Other(Value::Several(of)) => ValueRef::of(&of.first).number(),
            ValueRef::Other(_) => None,
        }
    }

    /// The first of several values, by which they are sorted and grouped, or the value itself.
    pub(super) fn first(self) -> ValueRef<'r> {
        match self {
            ValueRef::Other(Value::Several(of)) => ValueRef::of(&of.first),
            seen => seen,
        }
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self, ValueRef::Other(Value::Null))
    }

    pub(super) fn equals(self, value: &Value) -> bool {
        match (self, value) {
            (ValueRef::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits(),
            (ValueRef::Text(a), Value::Text(b)) => a == b,
            (ValueRef::Other(Value::Several(a)), Value::Several(b)) => {
                ValueRef::of(&a.first).equals(&b.first)
            }
            (ValueRef::Other(a), b) => a == b,
            _ => false,
        }
    }
}

/// The order of two values: null, then numbers and texts; lists have no order.
pub fn order_of(a: &Value, b: &Value) -> Ordering {
    order(ValueRef::of(a), ValueRef::of(b))
}

/// The order of two values: null, then numbers and texts; lists have no order.
pub(super) fn order(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    let mixed = |n: f64, text: &[u8]| match number_of(text) {
        Some(other) => n.total_cmp(&other),
        None => number_text(n).as_bytes().cmp(text),
    };
    match (a.first(), b.first()) {
        (ValueRef::Number(a), ValueRef::Number(b)) => {
            a.partial_cmp(&b).unwrap_or_else(|| a.total_cmp(&b))
        }
        (ValueRef::Text(a), ValueRef::Text(b)) => a.cmp(b),
        (ValueRef::Number(n), ValueRef::Text(text)) => mixed(n, text),
        (ValueRef::Text(text), ValueRef::Number(n)) => mixed(n, text).reverse(),
        (a, b) => b.is_null().cmp(&a.is_null()),
    }
}
