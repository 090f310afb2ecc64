//! A row while it goes through the pipeline, and where the values come from.
//!
//! Invariant: the value of a SORTABLE field that a row lacks is read from the row's document. Cost:
//! O(1) to see a value; several values of JSON are compared by the first.

use smallvec::SmallVec;
use std::cmp::Ordering;

use crate::expression::{Value, number_of, number_text};
use crate::hit::{DocumentId, Explanation, Hit, Scored};
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
    fn next_scored(&mut self, most: usize, out: &mut Vec<Scored>) {
        let hits = std::iter::from_fn(|| self.next_hit());
        out.extend(hits.take(most).map(|hit| Scored {
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

    fn next_scored(&mut self, most: usize, out: &mut Vec<Scored>) {
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
pub(super) enum Seen<'r> {
    Number(f64),
    Text(&'r [u8]),
    Other(&'r Value),
}

impl<'r> Seen<'r> {
    pub(super) fn of(value: &'r Value) -> Seen<'r> {
        match value {
            Value::Number(n) => Seen::Number(*n),
            Value::Text(text) => Seen::Text(text),
            other => Seen::Other(other),
        }
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            Seen::Number(n) => Value::Number(n),
            Seen::Text(text) => Value::Text(text.to_vec()),
            Seen::Other(value) => value.clone(),
        }
    }

    /// The value as a number, also if it is a text that is a number.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Seen::Number(n) => Some(n),
            Seen::Text(text) => number_of(text),
            Seen::Other(Value::Several(of)) => Seen::of(&of.first).number(),
            Seen::Other(_) => None,
        }
    }

    /// The first of several values, by which they are sorted and grouped, or the value itself.
    pub(super) fn first(self) -> Seen<'r> {
        match self {
            Seen::Other(Value::Several(of)) => Seen::of(&of.first),
            seen => seen,
        }
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self, Seen::Other(Value::Null))
    }

    pub(super) fn equals(self, value: &Value) -> bool {
        match (self, value) {
            (Seen::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits(),
            (Seen::Text(a), Value::Text(b)) => a == b,
            (Seen::Other(Value::Several(a)), Value::Several(b)) => {
                Seen::of(&a.first).equals(&b.first)
            }
            (Seen::Other(a), b) => a == b,
            _ => false,
        }
    }
}

/// The order of two values: null, then numbers and texts; lists have no order.
pub fn order_of(a: &Value, b: &Value) -> Ordering {
    order(Seen::of(a), Seen::of(b))
}

/// The order of two values: null, then numbers and texts; lists have no order.
pub(super) fn order(a: Seen<'_>, b: Seen<'_>) -> Ordering {
    let mixed = |n: f64, text: &[u8]| match number_of(text) {
        Some(other) => n.total_cmp(&other),
        None => number_text(n).as_bytes().cmp(text),
    };
    match (a.first(), b.first()) {
        (Seen::Number(a), Seen::Number(b)) => a.partial_cmp(&b).unwrap_or_else(|| a.total_cmp(&b)),
        (Seen::Text(a), Seen::Text(b)) => a.cmp(b),
        (Seen::Number(n), Seen::Text(text)) => mixed(n, text),
        (Seen::Text(text), Seen::Number(n)) => mixed(n, text).reverse(),
        (a, b) => b.is_null().cmp(&a.is_null()),
    }
}
