//! Removals: the neighbours of a removed node are linked with each other in its place.
//!
//! The neighbours are linked by their shortest edges until each can reach the others, then nodes
//! that gained no link get a link, as far as lists have room. A node that is left alone searches
//! for new links. The entry passes to a node of the highest level that is left.
//!
//! Cost: M^2 distances per level; more than 64 neighbours are linked in groups. [`Index::compact`]
//! gives numbers back, O(M^2) each: it renames nodes, and a search under way may miss a node that
//! was renamed.

use std::collections::VecDeque;

use super::frontier::Near;
use super::search::{Descent, Progress, Scratch};
use super::store::NONE;
use super::{EF_CONSTRUCTION, Index, NodeId};

/// Neighbours that are linked together, because the number of distances grows with the square.
const GROUP: usize = 64;

/// The nodes that [`Index::compact`] moved last.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// The version after the move, the old number and the new number; oldest first.
    last: VecDeque<(u32, u32, u32)>,
    /// The version of the newest move that is forgotten.
    forgotten: Option<u32>,
}

impl Moves {
    const KEPT: usize = 256;

    fn note(&mut self, version: u32, old: u32, new: u32) {
        if self.last.len() == Self::KEPT {
            self.forgotten = self.last.pop_front().map(|(version, ..)| version);
        }
        self.last.push_back((version, old, new));
    }

    /// The moves after `version` as (old, new), oldest first; `None`: some of them are forgotten.
    pub(super) fn since(&self, version: u32) -> Option<impl Iterator<Item = (u32, u32)>> {
        let is_later = move |at: u32| at.wrapping_sub(version).cast_signed() > 0;
        if self.forgotten.is_some_and(is_later) {
            return None;
        }
        let later = self.last.iter().filter(move |(at, ..)| is_later(*at));
        Some(later.map(|&(_, old, new)| (old, new)))
    }
}

impl Index {
    /// Removes a node; its number may be given to another node. Returns the node's payload.
    pub fn remove(&mut self, id: NodeId) -> u64 {
        assert!(self.contains(id), "no such node");
        self.detach(id.0);
        self.changed();
        let payload = self.store.payload(id.0);
        self.store.release(id.0);
        payload
    }

    /// Gives up to `most` numbers back if most are free, with the memory of whole chunks. `moved`
    /// gets the new number and the payload of each node that has another number now; a
    /// [`super::Search`] under way may miss such a node, a [`super::Scan`] does not.
    ///
    /// O(M^2) for each number. Four of them after each removal keep pace with removals.
    pub fn compact(&mut self, most: usize, mut moved: impl FnMut(NodeId, u64)) {
        for _ in 0..most {
            if !self.store.is_thin() {
                return;
            }
            let generation = self.changed();
            let Some((old, new)) = self.store.drop_last(generation) else {
                continue;
            };
            for level in 0..=self.store.level(new) {
                for link in self.store.links(new, level).to_vec() {
                    self.store.rename_link(link, level, old, new);
                }
            }
            if self.entry == old {
                self.entry = new;
            }
            self.recent.rename(old, new);
            self.moves.note(generation, old, new);
            moved(NodeId(new), self.store.payload(new));
        }
    }

    /// Takes a node out of the graph, and links its neighbours with each other.
    pub(super) fn detach(&mut self, id: u32) {
        let level = self.store.level(id);
        self.changed();
        let mut orphans = Vec::with_capacity(level + 1);
        for at in 0..=level {
            let links = self.store.links(id, at).to_vec();
            for &link in &links {
                self.store.take_link(link, at, id);
            }
            self.store.set_links(id, at, &[], 0);
            orphans.push(links);
        }
        self.level_counts[level] -= 1;
        if self.entry == id {
            self.choose_entry(id, &orphans);
        }
        for (at, orphans) in orphans.iter().enumerate() {
            self.mend_all(orphans, at);
        }
    }

    /// Finds another entry for `removed`: a neighbour of the highest level left.
    fn choose_entry(&mut self, removed: u32, neighbours: &[Vec<u32>]) {
        let Some(top) = self.level_counts.iter().rposition(|&count| count > 0) else {
            self.entry = NONE;
            self.max_level = 0;
            return;
        };
        let reaches = |id: &u32| self.store.level(*id) == top;
        let near = neighbours
            .get(top)
            .and_then(|links| links.iter().copied().find(reaches));
        // Nodes of the highest level are linked with each other unless a file had it otherwise.
        let all = || {
            self.iter()
                .map(|id| id.0)
                .filter(|&id| id != removed)
                .find(reaches)
        };
        self.entry = near.or_else(all).unwrap_or(NONE);
        self.max_level = top;
    }

    /// Links the neighbours in groups; if they are many, only the neighbours that are left with few
    /// links.
    fn mend_all(&mut self, orphans: &[u32], level: usize) {
        if orphans.len() <= GROUP {
            return self.mend(orphans, level);
        }
        let few = usize::from(self.parameters().m) / 2;
        let mut poor = orphans.to_vec();
        poor.retain(|&id| self.degree(id, level) < few.max(1));
        for group in poor.chunks(GROUP) {
            self.mend(group, level);
        }
    }

    /// Links nodes that have lost a common neighbour, so that each can reach the others as
    /// before, by short links, and few are left with fewer links than they had.
    fn mend(&mut self, orphans: &[u32], level: usize) {
        let mut edges = Vec::with_capacity(orphans.len() * orphans.len().saturating_sub(1) / 2);
        let mut parts = Parts::new(orphans.len());
        for a in 0..orphans.len() {
            for b in a + 1..orphans.len() {
                if self.is_linked(orphans[a], orphans[b], level) {
                    parts.join(a, b);
                } else {
                    let distance = self.distance_between(orphans[a], orphans[b]);
                    edges.push(Near::new(distance, (a * GROUP + b) as u32));
                }
            }
        }
        edges.sort_unstable();
        let ends = |edge: Near| (edge.id() as usize / GROUP, edge.id() as usize % GROUP);
        let mut gained = vec![0; orphans.len()];
        // The shortest links that hold all together; then a further link for each node that got
        // none.
        for holds_together in [true, false] {
            edges.retain(|&edge| {
                let (a, b) = ends(edge);
                let (x, y) = (orphans[a], orphans[b]);
                let wanted = if holds_together {
                    !parts.are_joined(a, b)
                } else {
                    gained[a] == 0 && gained[b] == 0
                };
                if !wanted || !self.has_room(x, level) || !self.has_room(y, level) {
                    return true;
                }
                self.link_both(x, y, level);
                parts.join(a, b);
                gained[a] += 1;
                gained[b] += 1;
                false
            });
        }
        let few = usize::from(self.parameters().m) / 2;
        for &edge in &edges {
            let (a, b) = ends(edge);
            let (x, y) = (orphans[a], orphans[b]);
            let lacks = |at: usize, id| gained[at] == 0 && self.degree(id, level) < few;
            if (lacks(a, x) || lacks(b, y)) && self.has_room(x, level) && self.has_room(y, level) {
                self.link_both(x, y, level);
                gained[a] += 1;
                gained[b] += 1;
            }
        }
        for &orphan in orphans {
            if self.degree(orphan, level) == 0 {
                self.link_anew(orphan, level);
            }
        }
    }

    /// Links a node that has no links left at a level with nodes that a search finds.
    fn link_anew(&mut self, id: u32, level: usize) {
        let query = self.query_of(NodeId(id));
        let mut scratch = Scratch::get();
        let mut descent = Descent::new();
        let ef_at = |at| if at == level { EF_CONSTRUCTION } else { 1 };
        if !descent.resume(self, query.record(), &mut scratch, ef_at) {
            return;
        }
        loop {
            let mut budget = usize::MAX;
            let done = scratch.walk(self, query.record(), descent.level, usize::MAX, &mut budget);
            debug_assert_eq!(done, Progress::Done);
            if descent.level <= level {
                break;
            }
            let next = ef_at(descent.level - 1);
            descent.down(self, &mut scratch, next);
        }
        let found: Vec<Near> = (scratch.walk.pool.sorted().iter())
            .map(|near| Near::new(near.distance(), near.id()))
            .filter(|near| near.id() != id && self.store.level(near.id()) >= level)
            .collect();
        self.link(id, level, &found);
    }
}

/// Disjoint sets of a few dozen things.
struct Parts(Vec<usize>);

impl Parts {
    fn new(things: usize) -> Parts {
        Parts((0..things).collect())
    }

    fn root(&self, mut thing: usize) -> usize {
        while self.0[thing] != thing {
            thing = self.0[thing];
        }
        thing
    }

    fn are_joined(&self, a: usize, b: usize) -> bool {
        self.root(a) == self.root(b)
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a] = b;
    }
}
