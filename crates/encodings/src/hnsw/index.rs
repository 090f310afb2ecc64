//! The index itself: the fields, and the methods that read nodes without a search.
//!
//! `insert`, `remove`, `load` and `search` have the other methods. Cost: O(1) unless a method says
//! otherwise.

use rand::Rng;

use super::insert::RecentNodes;
use super::parameters::{DIM_MAX, LEVEL_MAX, NodeId, Parameters};
use super::query::{BATCH, Metric, Query, StoredVector};
use super::remove::Moves;
use super::store::{NONE, Store};
use russet_base::memory::mover::Mover;

/// An index of vectors; see the folder.
#[derive(Clone, Debug)]
pub struct Index {
    pub(super) store: Store,
    pub(super) metric: Metric,
    /// The node where searches start, or [`NONE`].
    pub(super) entry: u32,
    pub(super) max_level: usize,
    /// Nodes by level.
    pub(super) level_counts: [u32; LEVEL_MAX + 1],
    pub(super) max_uid: u64,
    /// Counts changes, that a search notices them.
    pub(super) version: u32,
    /// The nodes added last, that a [`super::Placement`] planned before them can see them.
    pub(super) recent: RecentNodes,
    /// The nodes moved last, that a [`super::Scan`] finds them.
    pub(super) moves: Moves,
}

impl Index {
    /// An empty index. Panics if a parameter is out of range.
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
            recent: RecentNodes::default(),
            moves: Moves::default(),
        }
    }

    /// The parameters it was made with.
    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Returns whether there is no node.
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

    /// Returns the node where searches start: a node of the highest level.
    pub(crate) fn entry_point(&self) -> Option<NodeId> {
        (self.entry != NONE).then_some(NodeId(self.entry))
    }

    /// Returns whether a node has this number.
    pub fn contains(&self, id: NodeId) -> bool {
        self.store.is_live(id.0)
    }

    /// Returns a number that differs from the numbers of earlier nodes with the same id, and of the
    /// node's earlier vectors; `None` if there is no such node.
    pub fn generation(&self, id: NodeId) -> Option<u32> {
        self.contains(id).then(|| self.store.generation(id.0))
    }

    /// Returns the owner's word of a node.
    pub fn payload(&self, id: NodeId) -> u64 {
        self.store.payload(id.0)
    }

    /// Replaces the owner's word of a node.
    pub fn set_payload(&mut self, id: NodeId, payload: u64) {
        self.store.set_payload(id.0, payload);
    }

    /// Returns the number that names a node in files.
    pub fn uid(&self, id: NodeId) -> u64 {
        self.store.uid(id.0)
    }

    /// Returns a node's level: it has links at each level from 0 to the returned level.
    pub fn level(&self, id: NodeId) -> usize {
        self.store.level(id.0)
    }

    /// Returns a node's vector as it is stored.
    pub fn vector(&self, id: NodeId) -> StoredVector<'_> {
        self.store.stored(id.0)
    }

    /// Returns a node's vector as it was given, as near as the quantization allows.
    pub fn restore_vector(&self, id: NodeId) -> Vec<f32> {
        self.vector(id).restore(self.parameters())
    }

    /// Returns a query for a node's own vector.
    pub(crate) fn query_of(&self, id: NodeId) -> Query {
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
    pub(super) fn distance_between(&self, a: u32, b: u32) -> f32 {
        self.metric
            .distance(self.store.record(a), self.store.record(b))
    }

    /// Writes the distances of nodes, at most [`BATCH`], from a vector, and returns them.
    #[inline]
    pub(super) fn distances<'d>(
        &self,
        from: &[u8],
        ids: &[u32],
        distances: &'d mut [f32; BATCH],
    ) -> &'d [f32] {
        let mut records: [&[u8]; BATCH] = [&[]; BATCH];
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

    /// Offers the blocks of a chunk of nodes to active defragmentation; returns the next chunk,
    /// `None` at the end. It moves none of the blocks of a full chunk, which are too large.
    pub fn relocate(&mut self, mover: &mut Mover, chunk: usize) -> Option<usize> {
        self.store.relocate(mover, chunk)
    }

    /// Frees about 64 KB of the index, and returns whether there is more; it is no index any more
    /// then. Dropping a large index at once takes milliseconds.
    pub fn free_step(&mut self) -> bool {
        self.entry = NONE;
        self.store.free_chunk()
    }

    /// Counts a change, and returns the new version.
    pub(super) fn changed(&mut self) -> u32 {
        self.version = self.version.wrapping_add(1);
        self.version
    }

    /// Returns whether a node came to be, or got another vector, after `version`.
    pub(super) fn is_newer(&self, id: u32, version: u32) -> bool {
        self.store
            .generation(id)
            .wrapping_sub(version)
            .cast_signed()
            > 0
    }
}
