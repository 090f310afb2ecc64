//! Searches, in steps between which the index may change.
//!
//! A step ends after its budget of distances. The next step checks the nodes that the search kept,
//! if the index has another version by then: removed nodes are dropped, changed nodes compared
//! again, and if none is left the search starts at the entry.
//!
//!     Search   the nearest nodes, perhaps among those that pass a filter
//!     Scan     all nodes, each compared: exact
//!
//! Cost: about `ef` * M distances for a search; vectors are fetched ahead of their comparison.
//! Memory: a bit for each node and some words for each result, which the thread keeps for the next
//! search. The caller chooses the budget.

use super::frontier::{Near, Queues};
use super::query::BATCH;
use super::store::NONE;
use super::walk::{Nodes, POOL_MAX, UPPER_EF, Walk, compare_all};
use super::{Index, NodeId, Query};

/// Whether a step has come to the end of its search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The search has ended; its result is complete.
    Done,
    /// Another step is needed.
    More,
}

/// A node that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundNode {
    pub(crate) id: NodeId,
    /// 0 to 2; see [`Index::distance`].
    pub distance: f32,
    /// The owner's word of the node.
    pub payload: u64,
}

/// The memory of a search, and the index's version when the walk of this level began.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) walk: Walk,
    version: u32,
}

impl Scratch {
    /// Returns empty memory, of an earlier search if there is some.
    pub(super) fn get() -> Scratch {
        Scratch {
            walk: Walk::get(),
            version: 0,
        }
    }

    /// Starts a walk at a level from the nodes in the pool.
    fn revisit(&mut self, index: &Index) {
        self.version = index.version;
        self.walk.revisit(index.store.slots());
    }

    /// Nodes of a level: after as many there is nothing more to find, as in sets with fewer nodes
    /// than the search's count, or with an M of thousands. Not known after a change of the index.
    fn nodes_of(&self, index: &Index, level: usize) -> usize {
        let nodes = |counts: &[u32]| counts.iter().map(|&count| count as usize).sum::<usize>();
        if self.version == index.version {
            nodes(&index.level_counts[level..])
        } else {
            usize::MAX
        }
    }

    /// Walks a level until the best `reach` of the pool are expanded, or `budget` distances are
    /// used up.
    pub(super) fn walk(
        &mut self,
        index: &Index,
        query: &[u8],
        level: usize,
        reach: usize,
        budget: &mut usize,
    ) -> Progress {
        let most = self.nodes_of(index, level);
        let nodes = &QueryDistances { index, query };
        if self.walk.run(nodes, level, reach, most, budget) {
            Progress::Done
        } else {
            Progress::More
        }
    }
}

/// The nodes of an index, compared with a query.
struct QueryDistances<'i> {
    index: &'i Index,
    query: &'i [u8],
}

impl Nodes for QueryDistances<'_> {
    #[inline]
    fn links(&self, id: u32, level: usize) -> &[u32] {
        self.index.store.links(id, level)
    }

    #[inline]
    fn prefetch_links(&self, id: u32, level: usize) {
        self.index.store.prefetch_links(id, level);
    }

    #[inline]
    fn record(&self, id: u32) -> &[u8] {
        self.index.store.record(id)
    }

    #[inline]
    fn record_bytes(&self) -> usize {
        self.query.len()
    }

    #[inline]
    fn distance(&self, id: u32) -> f32 {
        let record = self.index.store.record(id);
        self.index.metric.distance(self.query, record)
    }

    #[inline]
    fn distances<'d>(&self, ids: &[u32], distances: &'d mut [f32; BATCH]) -> &'d [f32] {
        self.index.distances(self.query, ids, distances)
    }
}

/// The way down from the entry to a level, where a walk with its own `ef` begins.
///
/// Used by [`Search`] and [`super::Placement`]: the level that is walked, and the state of the
/// index from which the pool's nodes are.
#[derive(Debug)]
pub(super) struct Descent {
    pub(super) level: usize,
    version: u32,
    started: bool,
}

impl Descent {
    pub(super) fn new() -> Descent {
        Descent {
            level: 0,
            version: 0,
            started: false,
        }
    }

    /// Brings the pool up to date with the index, and starts at its entry if no node is left in the
    /// pool. Returns `false` if the index is empty.
    ///
    /// `ef` gives the number of nodes kept at a level.
    pub(super) fn resume(
        &mut self,
        index: &Index,
        query: &[u8],
        scratch: &mut Scratch,
        ef: impl Fn(usize) -> usize,
    ) -> bool {
        if self.started && self.version != index.version {
            let (level, version) = (self.level, self.version);
            scratch
                .walk
                .pool
                .revise(|near| revised(index, query, level, version, near));
        }
        self.version = index.version;
        scratch.walk.visited.make_room(index.store.slots());
        if self.started && !scratch.walk.pool.sorted().is_empty() {
            return true;
        }
        if index.entry == NONE {
            return false;
        }
        self.started = true;
        self.level = index.max_level;
        scratch.walk.pool.reset(ef(self.level));
        let distance = index
            .metric
            .distance(query, index.store.record(index.entry));
        scratch.walk.pool.offer(Near::new(distance, index.entry), 1);
        scratch.revisit(index);
        true
    }

    /// Goes a level down, from the nodes found so far.
    pub(super) fn down(&mut self, index: &Index, scratch: &mut Scratch, ef: usize) {
        self.level -= 1;
        scratch.walk.pool.restart(ef);
        scratch.revisit(index);
    }
}

/// Returns a node as it is now, if there still is such a node at `level`; `version` is the index's
/// when it was seen.
fn revised(index: &Index, query: &[u8], level: usize, version: u32, near: Near) -> Option<Near> {
    let id = near.id();
    if !index.store.is_live(id) || index.store.level(id) < level {
        return None;
    }
    if !index.is_newer(id, version) {
        return Some(near);
    }
    let distance = index.metric.distance(query, index.store.record(id));
    Some(Near::new(distance, id))
}

/// Whether a payload passes a filter; adds the cost to the second, in distances.
pub(crate) type Passes<'f> = dyn FnMut(u64, &mut usize) -> bool + 'f;

/// The least cost of a call of a filter, in distances.
const FILTER_COST: usize = 8;

/// A search for the nodes nearest to a query.
#[derive(Debug)]
pub struct Search {
    query: Query,
    ef: usize,
    /// The most nodes that are expanded at level 0. `None`: no filter.
    filter_ef: Option<usize>,
    descent: Descent,
    /// Level 0 is walked by heaps, not by the pool; and whether this has begun.
    heaps: bool,
    heaps_begun: bool,
    expanded: usize,
    /// With a filter: nodes met by the last expansion that are still to be looked at, the last
    /// first.
    pending: Vec<Near>,
    scratch: Scratch,
}

impl Search {
    /// Returns a search for the `ef` nearest nodes, which is also its effort.
    pub fn new(query: Query, ef: usize) -> Search {
        Search::of(query, ef, None)
    }

    /// Returns a search for the `ef` nearest nodes that pass a filter, which visits the links of
    /// at most `filter_ef` nodes.
    pub fn filtered(query: Query, ef: usize, filter_ef: usize) -> Search {
        Search::of(query, ef, Some(filter_ef))
    }

    fn of(query: Query, ef: usize, filter_ef: Option<usize>) -> Search {
        Search {
            query,
            ef: ef.max(1),
            filter_ef,
            descent: Descent::new(),
            heaps: filter_ef.is_some() || ef > POOL_MAX,
            heaps_begun: false,
            expanded: 0,
            pending: Vec::new(),
            scratch: Scratch::get(),
        }
    }

    /// Continues until the end, or until about `budget` distances were computed.
    ///
    /// `filter` gets payloads, and is called only for nodes that would be results, in a search made
    /// by [`Search::filtered`].
    pub fn step(&mut self, index: &Index, budget: usize, filter: &mut Passes<'_>) -> Progress {
        let mut budget = budget.max(1);
        if self.heaps_begun {
            self.refresh_heaps(index, filter);
            return self.walk_heaps(index, &mut budget, filter);
        }
        let (ef, heaps) = (self.ef, self.heaps);
        let ef_at = |level| if level == 0 && !heaps { ef } else { UPPER_EF };
        let query = self.query.record();
        if !self.descent.resume(index, query, &mut self.scratch, ef_at) {
            return Progress::Done;
        }
        loop {
            if self.descent.level == 0 && self.heaps {
                self.begin_heaps(index, filter);
                return self.walk_heaps(index, &mut budget, filter);
            }
            let level = self.descent.level;
            let query = self.query.record();
            match self
                .scratch
                .walk(index, query, level, usize::MAX, &mut budget)
            {
                Progress::More => return Progress::More,
                Progress::Done if level == 0 => return Progress::Done,
                Progress::Done => self
                    .descent
                    .down(index, &mut self.scratch, ef_at(level - 1)),
            }
        }
    }

    fn begin_heaps(&mut self, index: &Index, filter: &mut Passes<'_>) {
        self.heaps_begun = true;
        self.scratch.walk.queues.reset(self.ef);
        for &near in self.scratch.walk.pool.sorted() {
            self.scratch.walk.queues.add_candidate(near);
            let payload = index.store.payload(near.id());
            if self.filter_ef.is_none() || filter(payload, &mut 0) {
                self.scratch.walk.queues.add_result(near);
            }
        }
    }

    fn refresh_heaps(&mut self, index: &Index, filter: &mut Passes<'_>) {
        let version = self.descent.version;
        if version == index.version {
            return;
        }
        self.descent.version = index.version;
        self.scratch.walk.visited.make_room(index.store.slots());
        let (query, filtered) = (self.query.record(), self.filter_ef.is_some());
        let now = |near| revised(index, query, 0, version, near);
        self.scratch.walk.queues.revise(now, |near| {
            // A number may have passed to another element.
            let again = filtered && index.store.is_live(near.id());
            let asked = again && index.is_newer(near.id(), version);
            if asked && !filter(index.store.payload(near.id()), &mut 0) {
                return None;
            }
            now(near)
        });
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending.into_iter().filter_map(now).collect();
    }

    fn walk_heaps(
        &mut self,
        index: &Index,
        budget: &mut usize,
        filter: &mut Passes<'_>,
    ) -> Progress {
        let query = self.query.record();
        while *budget > 0 {
            let queues = &mut self.scratch.walk.queues;
            if let Some(near) = self.pending.pop() {
                if queues.admits(near) {
                    queues.add_candidate(near);
                    let mut cost = FILTER_COST;
                    if filter(index.store.payload(near.id()), &mut cost) {
                        queues.add_result(near);
                    }
                    *budget = budget.saturating_sub(cost);
                }
                continue;
            }
            let met = self.scratch.walk.visited.len();
            if self.expanded > 0 && met >= self.scratch.nodes_of(index, 0) {
                return Progress::Done;
            }
            if self.filter_ef.is_some_and(|most| self.expanded >= most) {
                return Progress::Done;
            }
            let Walk {
                visited, queues, ..
            } = &mut self.scratch.walk;
            let Some(id) = queues.expand() else {
                return Progress::Done;
            };
            self.expanded += 1;
            let before = visited.len();
            visited.meet(index.store.links(id, 0));
            let fresh = visited.since(before);
            *budget = budget.saturating_sub(fresh.len().max(1));
            let pending = &mut self.pending;
            let is_filtered = self.filter_ef.is_some();
            compare_all(&QueryDistances { index, query }, fresh, |near| {
                if is_filtered {
                    pending.push(near);
                } else if queues.admits(near) {
                    queues.add_candidate(near);
                    queues.add_result(near);
                }
            });
            pending.reverse();
        }
        Progress::More
    }

    /// Returns the nodes found so far, the nearest first, without those removed since the last
    /// step.
    pub fn results(&self, index: &Index) -> Vec<FoundNode> {
        let near = match (self.heaps, self.heaps_begun) {
            (true, true) => self.scratch.walk.queues.sorted(),
            (true, false) => Vec::new(),
            (false, _) if self.descent.level == 0 => self.scratch.walk.pool.sorted().to_vec(),
            (false, _) => Vec::new(),
        };
        found(index, self.descent.version, &near)
    }
}

/// Returns those nodes that have not changed since `version`.
fn found(index: &Index, version: u32, near: &[Near]) -> Vec<FoundNode> {
    let same =
        |id| index.version == version || index.store.is_live(id) && !index.is_newer(id, version);
    let same = near.iter().filter(|near| same(near.id()));
    same.map(|near| FoundNode {
        id: NodeId(near.id()),
        distance: near.distance(),
        payload: index.store.payload(near.id()),
    })
    .collect()
}

/// A comparison with all nodes in turn: the exact answer.
#[derive(Debug)]
pub struct Scan {
    query: Query,
    best: Queues,
    /// The numbers below are still to be looked at: downwards, as [`Index::compact`] moves nodes.
    end: u32,
    version: u32,
}

impl Scan {
    /// Returns a scan for the `count` nearest nodes.
    pub fn new(index: &Index, query: Query, count: usize) -> Scan {
        let mut best = Queues::default();
        best.reset(count);
        Scan {
            query,
            best,
            end: index.store.slots(),
            version: index.version,
        }
    }

    /// Results that were given other numbers get them. Numbers still to be looked at are met again.
    /// After many moves the scan begins again: there are fewer nodes each time.
    fn follow_moves(&mut self, index: &Index) {
        let Some(moves) = index.moves.since(self.version) else {
            self.best.clear();
            self.end = index.store.slots();
            return;
        };
        let moves: Vec<(u32, u32)> = moves.collect();
        if moves.is_empty() {
            return;
        }
        let end = self.end;
        let moved = |near: Near| {
            let mut id = near.id();
            for &(old, new) in &moves {
                if id == new {
                    // The node was removed, and another node has its number.
                    return None;
                }
                if id == old {
                    id = new;
                }
            }
            if id == near.id() {
                Some(near)
            } else {
                (id >= end).then(|| Near::new(near.distance(), id))
            }
        };
        self.best.revise(moved, moved);
    }

    /// Continues for about `budget` distances. `filter` receives payloads, only of nodes that would
    /// be results; `None`: all pass.
    pub fn step(
        &mut self,
        index: &Index,
        budget: usize,
        mut filter: Option<&mut Passes<'_>>,
    ) -> Progress {
        if self.version != index.version {
            self.follow_moves(index);
            let (query, version) = (self.query.record(), self.version);
            let now = |near| revised(index, query, 0, version, near);
            self.best.revise(now, |near| {
                let newer = index.store.is_live(near.id()) && index.is_newer(near.id(), version);
                if newer
                    && let Some(filter) = &mut filter
                    && !filter(index.store.payload(near.id()), &mut 0)
                {
                    return None;
                }
                now(near)
            });
            self.version = index.version;
        }
        let mut left = budget.max(1);
        while self.end > 0 && left > 0 {
            self.end -= 1;
            let id = self.end;
            left -= 1;
            if !index.store.is_live(id) {
                continue;
            }
            let distance = index
                .metric
                .distance(self.query.record(), index.store.record(id));
            let near = Near::new(distance, id);
            if !self.best.admits(near) {
                continue;
            }
            if let Some(filter) = &mut filter {
                let mut cost = FILTER_COST;
                let passes = filter(index.store.payload(id), &mut cost);
                left = left.saturating_sub(cost);
                if !passes {
                    continue;
                }
            }
            self.best.add_result(near);
        }
        match self.end {
            0 => Progress::Done,
            _ => Progress::More,
        }
    }

    /// Returns the nodes found so far, the nearest first.
    pub fn results(&self, index: &Index) -> Vec<FoundNode> {
        found(index, self.version, &self.best.sorted())
    }
}
