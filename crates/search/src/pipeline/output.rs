//! The rows that a pipeline returns to the command that writes the reply.

use crate::error::SearchError;
use crate::expression::Value;
use crate::hit::{DocumentId, Explanation};

/// Rows of a call.
#[derive(Debug)]
pub struct Batch {
    pub rows: Vec<OutputRow>,
    pub ending: BatchEnd,
    /// Why the row after the last has no value: then there are no more rows.
    pub failure: Option<SearchError>,
}

/// Why a batch has no more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// The batch has as many rows as were asked for.
    Full,
    /// The budget is used up.
    Paused,
    /// There are no more.
    Done,
}

/// A row of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRow {
    /// Of FT.SEARCH, and of FT.AGGREGATE before a GROUPBY.
    pub document: Option<DocumentId>,
    pub score: f64,
    /// Of the first vector part of the query; NaN: it has none.
    pub distance: f64,
    pub explanation: Option<Explanation>,
    /// The value of the first SORTBY property.
    pub sort_key: Option<Value>,
    /// The row's texts are still to be marked, which takes long: see [`Pipeline::mark_row`].
    ///
    /// [`Pipeline::mark_row`]: super::Pipeline::mark_row
    pub is_unmarked: bool,
    /// Whether FT.SEARCH found the document gone when it was to be loaded.
    pub is_gone: bool,
    /// In order; see [`Pipeline::name`].
    ///
    /// [`Pipeline::name`]: super::Pipeline::name
    pub fields: Vec<(FieldName, Value)>,
    /// The fields as a reply has them, if they were written before; `fields` is empty then.
    pub written: Option<Box<[u8]>>,
}

/// Values of a row from which on it takes long to write it.
const HUGE: usize = 4096;

impl OutputRow {
    /// Whether it has so many values that writing it takes long.
    pub fn is_huge(&self) -> bool {
        let values = self.fields.iter().map(|(_, value)| match value {
            Value::List(items) => items.iter().map(values_of).sum(),
            value => values_of(value),
        });
        values.sum::<usize>() > HUGE
    }
}

/// The values that a value is written as, about.
fn values_of(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.len(),
        Value::Map(entries) => 1 + 2 * entries.len(),
        _ => 1,
    }
}

/// The name of a field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldName {
    /// Of a place that all rows have.
    Place(usize),
    /// Of the row alone.
    Own(Box<[u8]>),
}

impl FieldName {
    /// The name; `of_place` has the names of places.
    pub fn bytes<'n>(&'n self, of_place: impl Fn(usize) -> &'n [u8]) -> &'n [u8] {
        match self {
            FieldName::Place(place) => of_place(*place),
            FieldName::Own(name) => name,
        }
    }
}
