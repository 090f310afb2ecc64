//! The choice of links: near nodes, in different directions.
//!
//! A candidate that is nearer to a chosen node than to the new node is passed over at first,
//! because the chosen node leads to it; the candidates passed over fill the rest of the list. A
//! full node gives up a link for a better link, but not that of a node that would be left with few.
//! If no near node takes the new node, it is put between two linked nodes. Links stay mutual
//! throughout (invariant 1 of the index).
//!
//! Cost: some M^2 distances per level, at most [`EFFORT`] for each of the two choices. Candidates
//! come from `insert` and `remove`.

use super::Index;
use super::frontier::Near;
use super::query::BATCH;

/// Distances that the choice of a node's links at a level may cost. The usual M needs a tenth;
/// M of hundreds would keep the caller for seconds: then some links are chosen less well.
const EFFORT: usize = 1 << 16;

/// How many of a full node's farthest links are looked at for a link to give up.
const FARTHEST: usize = 8;
/// A node gets at least this many links, or a quarter of M, even if no near node gains by them.
const LINKS_AT_LEAST: usize = 16;

impl Index {
    /// Links a node, which has no links at `level`, with some of `candidates`, the nearest first.
    ///
    /// At level 0 a node starts with up to 3M/2 links, of the 2M it may have: for the same `ef`
    /// more of the nearest are found than with M, at hardly more distances a search. An M below the
    /// default is also the most at the start, because clients' tests count these links.
    pub(super) fn link(&mut self, id: u32, level: usize, candidates: &[Near]) {
        let m = usize::from(self.parameters().m);
        let wanted = match level {
            0 if m >= usize::from(super::M_DEFAULT) => m + m / 2,
            _ => m,
        };
        let (chosen, passed_over) = self.diverse(candidates, wanted);
        let mut effort = EFFORT;
        // Links in a single direction are better than few.
        for near in chosen.into_iter().chain(passed_over) {
            if self.degree(id, level) >= wanted {
                break;
            }
            self.offer_link(id, near, level, &mut effort);
        }
        // None of the nearest takes the new node, as among many equal vectors, so it goes between
        // two of them.
        for near in candidates {
            if self.degree(id, level) >= m.div_ceil(4).min(LINKS_AT_LEAST) {
                break;
            }
            self.put_between(id, near.id(), level);
        }
    }

    /// Splits candidates into at most `most` of which none is nearer to another of them than to the
    /// node itself, and the others (as many as may be needed); both the nearest first.
    fn diverse(&self, candidates: &[Near], most: usize) -> (Vec<Near>, Vec<Near>) {
        if candidates.len() <= most {
            // The node is linked with all of them.
            return (candidates.to_vec(), Vec::new());
        }
        let (mut chosen, mut passed_over) = (Vec::<Near>::new(), Vec::new());
        let mut effort = EFFORT;
        for &near in candidates {
            if chosen.len() >= most || effort == 0 && passed_over.len() >= most {
                break;
            }
            let compared = chosen.len().min(effort);
            effort -= compared;
            let covered = self.is_covered(near, &chosen[..compared]);
            let list = if covered || effort == 0 {
                &mut passed_over
            } else {
                &mut chosen
            };
            list.push(near);
        }
        (chosen, passed_over)
    }

    /// Returns whether one of `others` is nearer to a node than the node it was met from.
    fn is_covered(&self, near: Near, others: &[Near]) -> bool {
        // The nodes are compared singly, because in most cases the first node covers `near`.
        others
            .iter()
            .any(|other| self.distance_between(near.id(), other.id()) < near.distance())
    }

    pub(super) fn degree(&self, id: u32, level: usize) -> usize {
        self.store.links(id, level).len()
    }

    pub(super) fn has_room(&self, id: u32, level: usize) -> bool {
        self.degree(id, level) < self.store.links_max(id, level)
    }

    pub(super) fn is_linked(&self, id: u32, other: u32, level: usize) -> bool {
        self.store.links(id, level).contains(&other)
    }

    /// Links two nodes that both have room.
    pub(super) fn link_both(&mut self, a: u32, b: u32, level: usize) {
        debug_assert!(a != b && !self.is_linked(a, b, level));
        self.store.push_link(a, level, b);
        self.store.push_link(b, level, a);
    }

    fn unlink_both(&mut self, a: u32, b: u32, level: usize) {
        self.store.take_link(a, level, b);
        self.store.take_link(b, level, a);
    }

    /// Links `id` with a node, which may give up a worse link for it.
    fn offer_link(&mut self, id: u32, near: Near, level: usize, effort: &mut usize) {
        let other = near.id();
        if !self.has_room(id, level) {
            return;
        }
        if !self.has_room(other, level) {
            let Some(left) = effort.checked_sub(self.degree(other, level) * FARTHEST) else {
                return;
            };
            *effort = left;
            let Some(victim) = self.worst_of(other, Near::new(near.distance(), id), level) else {
                return;
            };
            self.unlink_both(other, victim, level);
        }
        self.link_both(id, other, level);
    }

    /// Returns which link a full node gives up for `newcomer`: among the farthest, a link that a
    /// nearer node covers, so that the links into other directions stay (they lead out of
    /// clusters); else the farthest. None of a node that would be left with few; `None` if that
    /// would be the link to the newcomer itself.
    fn worst_of(&self, id: u32, newcomer: Near, level: usize) -> Option<u32> {
        let mut nodes = self.near_links(id, level);
        nodes.push(newcomer);
        nodes.sort_unstable();
        let few = usize::from(self.parameters().m) / 2;
        let can_go = |near: Near| near.id() == newcomer.id() || self.degree(near.id(), level) > few;
        let is_covered = |at: &usize| self.is_covered(nodes[*at], &nodes[..*at]);
        let covered = (0..nodes.len())
            .rev()
            .take(FARTHEST)
            .find(|at| is_covered(at) && can_go(nodes[*at]));
        let worst = match covered {
            Some(at) => nodes[at],
            None => nodes.iter().rev().copied().find(|near| can_go(*near))?,
        };
        (worst.id() != newcomer.id()).then(|| worst.id())
    }

    /// Returns the links of a node with their distances, with room for a further link.
    fn near_links(&self, id: u32, level: usize) -> Vec<Near> {
        let links = self.store.links(id, level);
        let mut near = Vec::with_capacity(links.len() + 1);
        for links in links.chunks(BATCH) {
            let mut distances = [0.0; BATCH];
            let distances = self.distances(self.store.record(id), links, &mut distances);
            near.extend(
                distances
                    .iter()
                    .zip(links)
                    .map(|(&distance, &link)| Near::new(distance, link)),
            );
        }
        near
    }

    /// Returns `other` with its distance from `id`.
    fn near(&self, id: u32, other: u32) -> Near {
        Near::new(self.distance_between(id, other), other)
    }

    /// Links a node with `other`; if `other` is full, in place of the farthest link of `other`,
    /// whose end is then linked with the node, so that connected nodes stay connected.
    fn put_between(&mut self, id: u32, other: u32, level: usize) {
        if self.is_linked(id, other, level) || !self.has_room(id, level) {
            return;
        }
        if self.has_room(other, level) {
            self.link_both(id, other, level);
            return;
        }
        let links = self.store.links(other, level).iter();
        let farthest = links
            .filter(|&&link| !self.is_linked(id, link, level))
            .map(|&link| self.near(other, link))
            .max();
        if let Some(farthest) = farthest {
            self.unlink_both(other, farthest.id(), level);
            self.link_both(id, other, level);
            if self.has_room(id, level) {
                self.link_both(id, farthest.id(), level);
            }
        }
    }
}
