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
//!   2. A node has at most 2M links at level 0 and M above; more only where a file had more.
//!   3. The entry is a node of the highest level.
//!   4. Uids are unique, above 0, and at most [`Index::max_uid`].
//!
//! Every operation is also available in steps ([`Search`], [`Scan`], [`Placement`], [`Loader`]),
//! between which the index may change: each step checks the nodes that it kept from the one before.
//!
//! Cost: a search, O(ef * M) distances in practice and O(log n) hops; an insert, a search and
//! some M^2 distances; a removal, M^2 distances per level. Memory: [`store`].

mod check;
mod frontier;
mod insert;
mod kernels;
mod load;
mod query;
mod remove;
mod search;
mod select;
mod store;
#[cfg(test)]
mod tests;

use rand::Rng;

pub use insert::Placement;
pub use load::{LoadError, LoadedNode, Loader};
pub use query::{Query, Stored};
pub use search::{Found, Progress, Scan, Search};

use crate::base::memory::mover::Mover;
use query::Metric;
use store::{NONE, Store};

/// The highest level a node may have.
pub const LEVEL_MAX: usize = 16;
/// The most links a list of a file may have.
pub const LINKS_MAX: usize = 16384;
/// The most dimensions.
pub const DIM_MAX: u32 = 65536;
/// Links of a node if an insert does not give their number: twice as many at level 0.
pub const M_DEFAULT: u16 = 16;
/// Candidates kept if an insert does not give their number.
pub const EF_CONSTRUCTION: usize = 200;

/// How numbers are stored; the values are Redis's in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Quantization {
    /// As they are: 4 bytes each.
    F32 = 0,
    /// One signed byte each, and a range for all.
    Q8 = 1,
    /// One bit each: the sign.
    Binary = 2,
}

impl Quantization {
    /// As VINFO and VEMB name it.
    pub fn name(self) -> &'static str {
        match self {
            Quantization::F32 => "f32",
            Quantization::Q8 => "int8",
            Quantization::Binary => "bin",
        }
    }

    /// Returns the quantization with a number in files.
    pub fn from_number(number: u64) -> Option<Quantization> {
        match number {
            0 => Some(Quantization::F32),
            1 => Some(Quantization::Q8),
            2 => Some(Quantization::Binary),
            _ => None,
        }
    }
}

/// The fixed parameters of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Numbers in a vector: 1 to [`DIM_MAX`].
    pub dim: u32,
    pub quantization: Quantization,
    /// Links per level, twice as many at level 0: 1 to 4096 (`VADD` takes 4 and more).
    pub m: u16,
}

impl Parameters {
    /// Returns the most links of a node at `level`.
    #[inline]
    pub fn links_max(&self, level: usize) -> usize {
        usize::from(self.m) * if level == 0 { 2 } else { 1 }
    }

    /// Returns the size of a stored vector, without its range.
    pub fn vector_bytes(&self) -> usize {
        let dim = self.dim as usize;
        match self.quantization {
            Quantization::F32 => dim * 4,
            Quantization::Q8 => dim,
            Quantization::Binary => dim.div_ceil(64) * 8,
        }
    }

    /// Returns the size of a vector in the store: with a range for Q8, a multiple of 4.
    fn record_bytes(&self) -> usize {
        match self.quantization {
            Quantization::Q8 => (self.vector_bytes() + 4).next_multiple_of(4),
            Quantization::F32 | Quantization::Binary => self.vector_bytes(),
        }
    }
}

/// A node's number in its index. Numbers of removed nodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// An index of vectors; see the module.
#[derive(Clone, Debug)]
pub struct Index {
    store: Store,
    metric: Metric,
    /// The node where searches start, or [`NONE`].
    entry: u32,
    max_level: usize,
    /// Nodes by level.
    level_counts: [u32; LEVEL_MAX + 1],
    max_uid: u64,
    /// Counts changes, that a search notices them.
    version: u32,
    /// The nodes added last, that a [`Placement`] planned before them can see them.
    recent: insert::Recent,
    /// The nodes moved last, that a [`Scan`] finds them.
    moves: remove::Moves,
}

impl Index {
    pub fn new(parameters: Parameters) -> Index {
        assert!(
            (1..=DIM_MAX).contains(&parameters.dim),
            "a dimension out of range"
        );
        assert!((1..=4096).contains(&parameters.m), "M out of range");
        Index {
            store: Store::new(parameters),
            metric: Metric::new(&parameters),
            entry: NONE,
            max_level: 0,
            level_counts: [0; LEVEL_MAX + 1],
            max_uid: 0,
            version: 0,
            recent: insert::Recent::default(),
            moves: remove::Moves::default(),
        }
    }

    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the highest level of a node; 0 if there is none.
    pub fn max_level(&self) -> usize {
        self.max_level
    }

    /// Returns the greatest uid given so far, by an insert or a file.
    pub fn max_uid(&self) -> u64 {
        self.max_uid
    }

    /// Returns the node where searches start: one of the highest level.
    pub fn entry_point(&self) -> Option<NodeId> {
        (self.entry != NONE).then_some(NodeId(self.entry))
    }

    /// Returns whether a node has this number.
    pub fn contains(&self, id: NodeId) -> bool {
        self.store.is_live(id.0)
    }

    /// Returns a number that differs from those of earlier nodes with the same id, and from those
    /// of the node's earlier vectors; `None` if there is no such node.
    pub fn generation(&self, id: NodeId) -> Option<u32> {
        self.contains(id).then(|| self.store.generation(id.0))
    }

    /// Returns the owner's word of a node.
    pub fn payload(&self, id: NodeId) -> u64 {
        self.store.payload(id.0)
    }

    pub fn set_payload(&mut self, id: NodeId, payload: u64) {
        self.store.set_payload(id.0, payload);
    }

    /// Returns the number that names a node in files.
    pub fn uid(&self, id: NodeId) -> u64 {
        self.store.uid(id.0)
    }

    pub fn level(&self, id: NodeId) -> usize {
        self.store.level(id.0)
    }

    /// Returns a node's vector as it is stored.
    pub fn vector(&self, id: NodeId) -> Stored<'_> {
        self.store.stored(id.0)
    }

    /// Returns a node's vector as it was given, as near as the quantization allows.
    pub fn restore_vector(&self, id: NodeId) -> Vec<f32> {
        self.vector(id).restore(self.parameters())
    }

    /// Returns a query for a node's own vector.
    pub fn query_of(&self, id: NodeId) -> Query {
        let stored = self.vector(id);
        Query::from_stored(self.parameters(), stored.bytes, stored.l2, stored.range)
    }

    /// Returns the links of a node at a level; none above its own level.
    pub fn links(&self, id: NodeId, level: usize) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        let links = if level <= self.level(id) {
            self.store.links(id.0, level)
        } else {
            &[]
        };
        links.iter().map(|&link| NodeId(link))
    }

    /// Returns how many links a node may have at a level that it reaches.
    pub fn links_max(&self, id: NodeId, level: usize) -> usize {
        self.store.links_max(id.0, level)
    }

    /// Returns the place in [`Index::links`] of the farthest link at a level, with its distance;
    /// 0 and 0 without links. Redis's files hold it.
    pub fn worst_link(&self, id: NodeId, level: usize) -> (u32, f32) {
        let mut worst = (0, 0.0);
        for (at, link) in self.links(id, level).enumerate() {
            let distance = self.distance_between(id.0, link.0);
            if distance > worst.1 {
                worst = (at as u32, distance);
            }
        }
        worst
    }

    /// Returns the distance of a node from a query: 1 - cosine, 0 to 2.
    pub fn distance(&self, id: NodeId, query: &Query) -> f32 {
        self.metric
            .distance(self.store.record(id.0), query.record())
    }

    /// Returns the distance of two nodes.
    pub fn distance_of(&self, a: NodeId, b: NodeId) -> f32 {
        self.distance_between(a.0, b.0)
    }

    #[inline]
    fn distance_between(&self, a: u32, b: u32) -> f32 {
        self.metric
            .distance(self.store.record(a), self.store.record(b))
    }

    /// Writes the distances of nodes, at most [`query::BATCH`], from a vector, and returns them.
    #[inline]
    fn distances<'d>(
        &self,
        from: &[u8],
        ids: &[u32],
        distances: &'d mut [f32; query::BATCH],
    ) -> &'d [f32] {
        let mut records: [&[u8]; query::BATCH] = [&[]; query::BATCH];
        for (record, &id) in records.iter_mut().zip(ids) {
            *record = self.store.record(id);
        }
        self.metric
            .distances(from, &records[..ids.len()], distances)
    }

    /// Returns a node drawn with equal chances; `None` if there is none.
    ///
    /// O(1) unless most numbers are free: then O(chunks).
    pub fn random(&self, rng: &mut impl Rng) -> Option<NodeId> {
        const TRIES: usize = 16;
        let slots = u64::from(self.store.slots());
        for _ in 0..TRIES {
            let id = ((u64::from(rng.next_u32()) * slots) >> 32) as u32;
            if self.store.is_live(id) {
                return Some(NodeId(id));
            }
        }
        let rank = (u64::from(rng.next_u32()) * self.len() as u64) >> 32;
        self.store.nth(rank as usize).map(NodeId)
    }

    /// Returns the nodes by their numbers, downwards: the newest first as long as none was
    /// removed. [`Index::before`] does it in steps.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.before(None), |&id| self.before(Some(id)))
    }

    /// Returns the node with the next lower number than `id`, or with the highest.
    ///
    /// A cursor over an index that changes: nodes that stay are met once each.
    pub fn before(&self, id: Option<NodeId>) -> Option<NodeId> {
        let slots = self.store.slots();
        let end = id.map_or(slots, |id| id.0.min(slots));
        self.store.last_below(end).map(NodeId)
    }

    /// Returns the memory held outside the struct itself, in bytes, by capacity.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Offers the blocks of one chunk of nodes to active defragmentation; returns the next chunk,
    /// `None` at the end. It moves none of the blocks of a full chunk, which are too large.
    pub fn relocate(&mut self, mover: &mut Mover, chunk: usize) -> Option<usize> {
        self.store.relocate(mover, chunk)
    }

    /// Frees about 64 KB of the index, and returns whether there is more; it is no index any
    /// more then. Dropping a large one at once takes milliseconds.
    pub fn free_step(&mut self) -> bool {
        self.entry = NONE;
        self.store.free_chunk()
    }

    /// Counts a change, and returns the new version.
    fn changed(&mut self) -> u32 {
        self.version = self.version.wrapping_add(1);
        self.version
    }

    /// Returns whether a node came to be, or got another vector, after `version`.
    fn is_newer(&self, id: u32, version: u32) -> bool {
        self.store
            .generation(id)
            .wrapping_sub(version)
            .cast_signed()
            > 0
    }
}

/// Returns a level for a new node: each further one with a chance of 1/4.
pub fn random_level(rng: &mut impl Rng) -> u8 {
    (rng.next_u64().trailing_zeros() / 2).min(LEVEL_MAX as u32) as u8
}
