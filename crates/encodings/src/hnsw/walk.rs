//! The walk of a level of a graph, best first, of any graph whose nodes have numbers, links and
//! records of equal size.
//!
//! `walk` reads nodes through [`Nodes`], so that the graph of a vector set and that of a search
//! index share it. The graph keeps nothing of a walk: a [`Walk`] is the memory of a search, which
//! the thread keeps for its next search.
//!
//!     Nodes    links, records and distances, by numbers
//!     Walk     the nodes met, the nearest of them, and which of these are still to be expanded
//!
//! Cost: of each expanded node its links are read and those not met before compared: O(M)
//! distances. Links and records are fetched ahead. Memory: a bit for each node and 8 bytes for each
//! result.

use std::cell::RefCell;

use super::frontier::{Near, Pool, Queues, VisitedNodes};
use super::query::BATCH;
use crate::prefetch::prefetch_lines;

/// With more results than this, heaps are faster than a sorted array.
pub const POOL_MAX: usize = 1024;
/// Nodes kept on the way down to level 0, so that a search enters near the right cluster: worth 2 %
/// of recall at an `ef` of 10, for some distances more.
pub const UPPER_EF: usize = 4;
/// Bytes of vectors that are compared in groups: others take longer to fetch than to compare.
const SHORT_BYTES: usize = 256;
/// Vectors that are fetched ahead of those being compared, long ones and short ones.
const AHEAD: usize = 4;
const AHEAD_SHORT: usize = BATCH * 2;
/// Nodes that a walk expands together if vectors are short, so that the links and vectors of a node
/// are fetched while those of another are compared: the most, and the nodes kept by the walk for
/// each of them.
const BEAM_MAX: usize = 4;
const LIMIT_PER_BEAM: usize = 16;

/// A graph whose nodes are compared with a single target.
pub trait Nodes {
    /// The links of a node at a level that it reaches.
    fn links(&self, id: u32, level: usize) -> &[u32];
    /// Brings the links of a node into the processor's caches.
    fn prefetch_links(&self, id: u32, level: usize);
    /// The bytes that a comparison reads.
    fn record(&self, id: u32) -> &[u8];
    /// How many these are.
    fn record_bytes(&self) -> usize;
    /// The distance of a node from the target.
    fn distance(&self, id: u32) -> f32;
    /// The same of at most [`BATCH`] nodes, for less.
    fn distances<'d>(&self, ids: &[u32], distances: &'d mut [f32; BATCH]) -> &'d [f32];

    /// Brings what a comparison reads into the processor's caches.
    #[inline]
    fn prefetch(&self, id: u32) {
        const LINES_MAX: usize = 16;
        prefetch_lines(self.record(id), LINES_MAX);
    }
}

/// The memory of a search: a bit per node of the index, and some words per result and per node
/// visited. The thread's next search uses it again, because clean pages may cost more than a short
/// search.
#[derive(Debug, Default)]
pub struct Walk {
    pub(super) visited: VisitedNodes,
    pub(super) pool: Pool,
    pub(super) queues: Queues,
}

thread_local! {
    static SPARE: RefCell<Vec<Walk>> = const { RefCell::new(Vec::new()) };
}

/// Memory that a thread keeps for later searches: number and bytes. The bytes suffice for indexes
/// of some millions of nodes.
const SPARE_MAX: usize = 2;
const SPARE_BYTES_MAX: usize = 1 << 20;

impl Drop for Walk {
    fn drop(&mut self) {
        let bytes = self.visited.bytes() + self.pool.bytes() + self.queues.bytes();
        if bytes == 0 || bytes > SPARE_BYTES_MAX {
            return;
        }
        // The thread may be ending: then there is nowhere to keep it.
        let _ = SPARE.try_with(|spare| {
            if let Ok(mut spare) = spare.try_borrow_mut()
                && spare.len() < SPARE_MAX
            {
                spare.push(Walk {
                    visited: std::mem::take(&mut self.visited),
                    pool: std::mem::take(&mut self.pool),
                    queues: std::mem::take(&mut self.queues),
                });
            }
        });
    }
}

impl Walk {
    /// Returns empty memory, of an earlier search if there is some.
    pub fn get() -> Walk {
        let mut walk = (SPARE.with_borrow_mut(Vec::pop)).unwrap_or_default();
        walk.pool.reset(0);
        walk.queues.reset(0);
        walk
    }

    /// Starts at a node, of numbers below `slots`, to find the nearest `limit`.
    pub fn start(&mut self, start: Near, limit: usize, slots: u32) {
        self.pool.reset(limit);
        self.pool.offer(start, 1);
        self.revisit(slots);
    }

    /// Goes to another level from the nodes found so far, to find the nearest `limit` there.
    pub fn descend(&mut self, limit: usize, slots: u32) {
        self.pool.restart(limit);
        self.revisit(slots);
    }

    /// Starts again from the nodes in the pool, which alone are met then.
    pub(super) fn revisit(&mut self, slots: u32) {
        self.visited.reset(slots);
        for near in self.pool.sorted() {
            self.visited.meet(&[near.id()]);
        }
    }

    /// Nodes found, the nearest first.
    pub fn found(&self) -> &[Near] {
        self.pool.sorted()
    }

    /// Walks a level until the best `reach` of the pool are expanded, or all `most` nodes of the
    /// level are met: then true. Or until `budget` distances are used up: false.
    pub fn run(
        &mut self,
        nodes: &impl Nodes,
        level: usize,
        reach: usize,
        most: usize,
        budget: &mut usize,
    ) -> bool {
        let beam = if nodes.record_bytes() <= SHORT_BYTES {
            (self.pool.limit() / LIMIT_PER_BEAM).clamp(1, BEAM_MAX)
        } else {
            1
        };
        while *budget > 0 {
            let before = self.visited.len();
            let mut expanded = 0;
            while expanded < beam
                && let Some(id) = self.pool.expand(reach)
            {
                self.visited.meet(nodes.links(id, level));
                expanded += 1;
            }
            if expanded == 0 {
                return true;
            }
            let has_met_all = self.visited.len() >= most;
            for id in self.pool.waiting().take(beam) {
                nodes.prefetch_links(id, level);
            }
            let fresh = self.visited.since(before);
            *budget = budget.saturating_sub(fresh.len().max(expanded));
            compare_all(nodes, fresh, |near| {
                if self.pool.offer(near, beam) {
                    nodes.prefetch_links(near.id(), level);
                }
            });
            if has_met_all {
                return true;
            }
        }
        false
    }
}

/// Computes the distances of nodes, each fetched while those before are compared: short vectors in
/// groups.
#[inline]
pub(super) fn compare_all(nodes: &impl Nodes, ids: &[u32], mut found: impl FnMut(Near)) {
    let mut to_fetch = ids.iter();
    let mut fetch = |most| {
        for &id in to_fetch.by_ref().take(most) {
            nodes.prefetch(id);
        }
    };
    if nodes.record_bytes() > SHORT_BYTES {
        fetch(AHEAD);
        for &id in ids {
            fetch(1);
            found(Near::new(nodes.distance(id), id));
        }
        return;
    }
    fetch(AHEAD_SHORT);
    let mut distances = [0.0; BATCH];
    for ids in ids.chunks(BATCH) {
        for (distance, &id) in nodes.distances(ids, &mut distances).iter().zip(ids) {
            found(Near::new(*distance, id));
        }
        fetch(ids.len());
    }
}
