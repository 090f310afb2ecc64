//! Replication: the one stream of effects, counted in bytes, and its history.
//!
//! The append only file and replicas receive the same bytes. State machines without I/O.

mod history;
mod marks;
mod stream;

pub use history::ReplId;
pub use marks::Mark;
pub use stream::{Position, ReplOffset, Stream, write_select};
