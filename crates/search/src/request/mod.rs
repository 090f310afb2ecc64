//! The words of FT.SEARCH and FT.AGGREGATE after the query.
//!
//! | module | what |
//! |---|---|
//! | `options` | what both commands have: parameters, limits, scores, restrictions |
//! | `search` | FT.SEARCH: filters, fields that are returned, marked words, the order |
//! | `aggregate` | FT.AGGREGATE: stages in their order |
//! | `hybrid` | FT.HYBRID: a query, nearest vectors, and how they are combined |
//! | `query` | the query with all that the options add to it |
//!
//! Words are read before the query and before names are looked up, so errors come in that order.
//! FT.EXPLAIN takes the words of FT.SEARCH.
//!
//! Source: Redis Stack 7.4; of 8.10 the error codes, texts where they differ, and later options.

mod aggregate;
mod hybrid;
mod options;
mod query;
mod search;

#[cfg(test)]
mod tests;

pub use aggregate::{
    AggregateRequest, Arrange, Group, LoadedField, ReducerCall, STAGES_MAX, Stage,
};
pub use hybrid::{Combine, HybridReach, HybridRequest};
pub use options::{CursorOptions, Defaults, Format, Limit, Options};
pub use search::{Highlight, Marks, ReturnedField, SearchRequest, SortKey, Summary};
