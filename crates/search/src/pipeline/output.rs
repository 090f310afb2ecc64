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
    /// Whether FT.SEARCH found the document gone when it was to be loaded.
    pub is_gone: bool,
    /// By the numbers of [`Pipeline::name`], in order.
    pub fields: Vec<(usize, Value)>,
}
