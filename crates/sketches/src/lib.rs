//! Sketches: small structures that answer about many items with a bounded error.
//!
//!     hash         the hashes of Redis's modules, bit for bit
//!     bloom        Bloom filters: was this item added?
//!     cuckoo       cuckoo filters: the same, and items can be deleted
//!     count_min    count-min sketches: how often was this item added?
//!     top_k        top-k lists: which items were added most often?
//!     t_digest     t-digests: quantiles of values
//!     rows         where an item's counters are, of count_min and top_k
//!     chunks       the parts into which SCANDUMP cuts filters
//!     block        the bytes of filters
//!     room         how large a sketch may become
//!
//! The crate knows no server: commands, files and replies are above it.
//!
//! Invariants
//!   1. The layouts, hashes and the order of changes are those of Redis's module `bf`, so that
//!      payloads, chunks and replies are equal.
//!   2. Lengths and counts from outside are checked against each other and against their bounds
//!      before anything is allocated for them.
#![warn(missing_docs)]

mod block;
pub mod bloom;
mod chunks;
pub mod count_min;
pub mod cuckoo;
pub mod hash;
mod room;
mod rows;
pub mod t_digest;
pub mod top_k;

pub use block::Block;
pub use bloom::Bloom;
pub use chunks::ChunkError;
pub use count_min::CountMin;
pub use cuckoo::Cuckoo;
pub use room::Room;
pub use t_digest::TDigest;
pub use top_k::TopK;

/// Rows of a new count-min sketch or top-k list: each item is counted in each of them. No sketch
/// by an error and a probability has more.
pub const DEPTH_MAX: u64 = 1 << 10;

/// Bytes from outside are no sketch, or no part of this sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data is damaged")]
pub struct Damage;

/// The number of small allocations that take about as long to free as a block of so many bytes.
pub fn block_effort(bytes: usize) -> usize {
    1 + bytes / (64 << 10)
}
