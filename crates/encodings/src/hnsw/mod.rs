//! An index of vectors by direction: a hierarchical navigable small world graph.
//!
//! After Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs" (2016). Each node has a level, 0 for three quarters
//! of them, and links to near nodes at each level up to its own. A search enters at a node of the
//! highest level, goes greedily down to level 1, and there walks best first, keeping the `ef`
//! nearest nodes seen.
//!
//! Invariants ([`Index::check_invariants`])
//!   1. Links are mutual at each level, never doubled, never to the node itself, and end at nodes
//!      that reach the level.
//!   2. A node has at most 2M links at level 0 and M above; more only if a file had more.
//!   3. The entry is a node of the highest level.
//!   4. Uids are unique, above 0, and at most [`Index::max_uid`].
//!
//! Every operation is also available in steps ([`Search`], [`Scan`], [`Placement`], [`Loader`]),
//! between which the index may change: each step checks the nodes that it kept from the step
//! before.
//!
//! Cost: a search, O(ef * M) distances in practice and O(log n) hops; an insert, a search and
//! some M^2 distances; a removal, M^2 distances per level. Memory: [`store`].

mod check;
mod frontier;
mod index;
mod insert;
mod kernels;
mod load;
mod parameters;
mod query;
mod remove;
mod search;
mod select;
mod store;
#[cfg(test)]
mod tests;
mod walk;

pub use frontier::Near;
pub use index::Index;
pub use insert::Placement;
pub use load::{LoadError, LoadedNode, Loader};
pub(crate) use parameters::LEVEL_MAX;
pub use parameters::{
    DIM_MAX, EF_CONSTRUCTION, LINKS_MAX, M_DEFAULT, NodeId, Parameters, Quantization, random_level,
};
pub use query::{BATCH, Query, StoredVector, quantize};
pub use search::{FoundNode, Progress, Scan, Search};
pub use walk::{Nodes, POOL_MAX, UPPER_EF, Walk};

/// The sum of products of two vectors of f32, little-endian, of the same length. The last bits of
/// the distance depend on the processor. O(dimensions).
pub fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
    kernels::Kernels::get().dot_f32(a, b)
}

/// The square of the Euclidean distance of two vectors of f32, as [`dot_f32`].
pub fn squared_distance_f32(a: &[u8], b: &[u8]) -> f32 {
    kernels::Kernels::get().squares_f32(a, b)
}

/// The sums of products of a vector of i8 and each of others, at most [`BATCH`], which are no
/// shorter: exact. O(dimensions) each.
#[inline]
pub fn dots_i8(a: &[u8], others: &[&[u8]], sums: &mut [i32; BATCH]) {
    kernels::Kernels::get().dots_i8(a, others, sums);
}

/// The sum of products of two vectors of i8. O(dimensions).
#[inline]
pub fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
    kernels::Kernels::get().dot_i8(a, b)
}
