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
mod rows;
pub mod t_digest;
pub mod top_k;

pub use block::Block;
pub use bloom::Bloom;
pub use chunks::ChunkError;
pub use count_min::CountMin;
pub use cuckoo::Cuckoo;
use russet_base::memory::mover::Mover;
pub use t_digest::TDigest;
pub use top_k::TopK;

/// Bytes from outside are no sketch, or no part of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data is damaged")]
pub struct Damaged;

/// A sketch, as the keyspace needs it, whatever it is.
pub trait Sketch: Clone {
    /// Bytes of its blocks in the allocator, without those of the value itself.
    fn memory_bytes(&self) -> usize;

    /// Approximate number of allocations to free; a large block counts as many ([`block_effort`]).
    fn free_effort(&self) -> usize {
        1
    }

    /// Frees a block; true when few are left, which drop at once. After the first call the sketch
    /// may only be freed further or dropped.
    fn free_step(&mut self) -> bool {
        true
    }

    /// Offers its blocks to be moved, those of about `n` items from a position on, 0 at first;
    /// returns where to continue, or `None` at the end. Most have few blocks, and offer them all.
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64>;

    /// Panics if an invariant is broken.
    fn check_invariants(&self);

    /// Calls `take` with bytes that are equal exactly if the content is: for signatures.
    fn sign(&self, take: &mut dyn FnMut(&[u8]));
}

/// The number of small allocations that take about as long to free as a block of so many bytes.
pub fn block_effort(bytes: usize) -> usize {
    1 + bytes / (64 << 10)
}
