//! From the documents that match to the rows of a reply: a pull pipeline.
//!
//!     hits -> LOAD -> GROUPBY -> APPLY -> SORTBY, LIMIT -> rows
//!
//! | module | what |
//! |---|---|
//! | `row` | a row while it goes through, and the values that documents have for it |
//! | `names` | names of properties as places in rows |
//! | `output` | rows as the command is given them |
//! | `build` | the stages of FT.AGGREGATE as steps, names looked up |
//! | `search` | FT.SEARCH as steps |
//! | `hybrid` | FT.HYBRID: two lists of documents merged, and the steps after that |
//! | `mark` | texts of rows marked and cut, for FT.SEARCH |
//! | `step` | steps, and the pipeline that they are |
//! | `pull` | how a row is pulled through steps |
//! | `arrange` | rows in order, of which only the first are kept |
//! | `chunks`, `heap` | rows and groups kept so that no growth is a long step |
//! | `group` | rows of equal properties merged |
//! | `reduce` | the reducers of GROUPBY |
//! | `shards` | answers of a cluster's shards, and how they are merged |
//! | `split` | the steps of a cluster's shards, and the steps of the node that was asked |
//!
//! Invariants
//!   1. A place in a row belongs to a single name; only GROUPBY begins anew with other places.
//!   2. Nothing is borrowed between two calls of [`Pipeline::next_rows`]: documents may come and
//!      go.
//!   3. SORTABLE values are read from the index when they are needed, and are not copied before.
//!
//! Cost: a row of a GROUPBY by a SORTABLE field is a hash of the value and an update of each
//! reducer; documents are loaded only if a stage needs a field that is not SORTABLE. SORTBY with a
//! limit of n keeps n rows.

mod arrange;
mod build;
mod chunks;
mod group;
mod heap;
mod hybrid;
mod mark;
mod names;
mod output;
mod pull;
mod reduce;
mod row;
mod search;
pub mod shards;
mod split;
mod step;

#[cfg(test)]
mod any_words;
#[cfg(test)]
mod slices;
#[cfg(test)]
mod tests;

pub use hybrid::{both_sides, combine, keep_any_best, keep_best, metric_of};
pub use output::{Batch, BatchEnd, FieldName, OutputRow};
pub use row::{Hits, Loader, order_of};
pub use split::distance_names;
pub use step::{Context, Pipeline, StepProfile};
