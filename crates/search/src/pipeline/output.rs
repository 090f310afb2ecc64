//! Rows as a pipeline gives them to the command that writes the reply.

use crate::error::SearchError;
use crate::expression::Value;
use crate::hit::{DocumentId, Explanation};

/// Rows of a call.
#[derive(Debug)]
pub struct Batch {
    pub rows: Vec<OutputRow>,
    pub ending: Ending,
    /// Why the row after the last one has no value: then there are no more.
    pub failure: Option<SearchError>,
}

/// Why a batch has no more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has as many as were asked for.
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
    /// Its texts are still to be marked, which takes long: see [`Pipeline::mark_row`].
    ///
    /// [`Pipeline::mark_row`]: super::Pipeline::mark_row
    pub is_unmarked: bool,
    /// Whether FT.SEARCH found the document gone when it was to be loaded.
    pub is_gone: bool,
    /// In order; see [`Pipeline::name`].
    ///
    /// [`Pipeline::name`]: super::Pipeline::name
    pub fields: Vec<(FieldName, Value)>,
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
    /// The name; `of_place` has those of places.
    pub fn bytes<'n>(&'n self, of_place: impl Fn(usize) -> &'n [u8]) -> &'n [u8] {
        match self {
            FieldName::Place(place) => of_place(*place),
            FieldName::Own(name) => name,
        }
    }
}
