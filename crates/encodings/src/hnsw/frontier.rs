//! The state of a walk through the graph: the nearest nodes so far, and the nodes that it has met.
//!
//!     Near          a node with its distance in 8 bytes, ordered as numbers
//!     Pool          candidates and results in a sorted array, for small `ef`: an offer O(ef) moves
//!     Queues        candidates and results in two heaps, for filters, scans, large `ef`: O(log n)
//!     VisitedNodes  a bit for each node's number, and a list of the nodes whose bit is set
//!
//! Nothing here reads the index: a walk gives numbers and distances, and revises them after a
//! change of the index (`search`). The thread keeps the memory for its next search (`walk::Walk`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A node with its distance, ordered by distance, then number; the last bit is a flag.
///
///     distance: 32 bits, in an order that compares as unsigned | id: 31 bits | expanded: 1 bit
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Near(u64);

impl Near {
    /// A node at a distance, still to be expanded.
    #[inline]
    pub fn new(distance: f32, id: u32) -> Near {
        let bits = distance.to_bits();
        // Negative numbers: all bits flipped; others: the sign bit set.
        let ordered = bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31);
        Near(u64::from(ordered) << 32 | u64::from(id) << 1)
    }

    /// The node's number, below 2^31.
    #[inline]
    pub fn id(self) -> u32 {
        (self.0 as u32) >> 1
    }

    /// The node's distance.
    #[inline]
    pub fn distance(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        let flip = if ordered >> 31 == 1 { 1 << 31 } else { !0 };
        f32::from_bits(ordered ^ flip)
    }

    #[inline]
    fn is_expanded(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The best nodes seen, at most `limit`, sorted; each still to be expanded or not.
///
/// A single array is both the candidates and the results of the paper: a candidate that is not
/// among the results any more would end the walk.
#[derive(Debug, Default)]
pub(super) struct Pool {
    sorted: Vec<Near>,
    limit: usize,
    /// Everything before is expanded.
    next: usize,
}

impl Pool {
    /// Empties the pool, which then keeps the best `limit`.
    pub(super) fn reset(&mut self, limit: usize) {
        self.sorted.clear();
        self.limit = limit;
        self.next = 0;
    }

    /// Keeps the best of the pool's nodes, which are all to be expanded again.
    pub(super) fn restart(&mut self, limit: usize) {
        self.sorted.truncate(limit);
        for near in &mut self.sorted {
            near.0 &= !1;
        }
        self.limit = limit;
        self.next = 0;
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn sorted(&self) -> &[Near] {
        &self.sorted
    }

    pub(super) fn bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<Near>()
    }

    /// Adds a node unless `limit` better ones are there. Returns whether it is about to be
    /// expanded, among the next `beam`.
    #[inline]
    pub(super) fn offer(&mut self, near: Near, beam: usize) -> bool {
        if self.sorted.len() >= self.limit {
            match self.sorted.last() {
                Some(&worst) if near < worst => self.sorted.pop(),
                _ => return false,
            };
        }
        let at = self.sorted.partition_point(|&other| other < near);
        self.sorted.insert(at, near);
        self.next = self.next.min(at);
        at < self.next + beam
    }

    /// Returns the nodes not yet expanded, as it looks now, the best first.
    #[inline]
    pub(super) fn waiting(&self) -> impl Iterator<Item = u32> {
        let rest = self.sorted.get(self.next..).unwrap_or_default().iter();
        rest.filter(|near| !near.is_expanded())
            .map(|near| near.id())
    }

    /// Returns the best node not yet expanded, and counts it as expanded; `None` if it is not among
    /// the best `reach`.
    #[inline]
    pub(super) fn expand(&mut self, reach: usize) -> Option<u32> {
        if self.next >= reach {
            return None;
        }
        let near = self.sorted.get_mut(self.next)?;
        near.0 |= 1;
        let id = near.id();
        self.next += 1;
        while self
            .sorted
            .get(self.next)
            .is_some_and(|near| near.is_expanded())
        {
            self.next += 1;
        }
        Some(id)
    }

    /// Keeps, moves or drops each node, as `judge` decides.
    pub(super) fn revise(&mut self, mut judge: impl FnMut(Near) -> Option<Near>) {
        let nodes = std::mem::take(&mut self.sorted);
        self.next = 0;
        for near in &nodes {
            if let Some(kept) = judge(*near) {
                // A node with another distance or number is to be expanded again.
                self.sorted.push(if kept.0 | 1 == near.0 | 1 {
                    *near
                } else {
                    kept
                });
            }
        }
        self.sorted.sort_unstable();
        while self
            .sorted
            .get(self.next)
            .is_some_and(|near| near.is_expanded())
        {
            self.next += 1;
        }
    }
}

/// The best nodes that pass a filter, at most `limit`, and all that are still to be expanded.
#[derive(Debug, Default)]
pub(super) struct Queues {
    candidates: BinaryHeap<Reverse<Near>>,
    results: BinaryHeap<Near>,
    limit: usize,
}

impl Queues {
    pub(super) fn reset(&mut self, limit: usize) {
        self.clear();
        self.limit = limit;
    }

    /// Empties the queues; the limit stays.
    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.results.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        (self.candidates.capacity() + self.results.capacity()) * size_of::<Near>()
    }

    /// Returns whether `near` would be among the results.
    #[inline]
    pub(super) fn admits(&self, near: Near) -> bool {
        self.results.len() < self.limit || self.results.peek().is_some_and(|worst| near < *worst)
    }

    pub(super) fn add_candidate(&mut self, near: Near) {
        self.candidates.push(Reverse(near));
    }

    pub(super) fn add_result(&mut self, near: Near) {
        if self.results.len() < self.limit {
            self.results.push(near);
        } else if let Some(mut worst) = self.results.peek_mut()
            && near < *worst
        {
            *worst = near;
        }
    }

    /// Returns the best candidate, unless all results are better.
    pub(super) fn expand(&mut self) -> Option<u32> {
        let Reverse(near) = self.candidates.pop()?;
        self.admits(near).then(|| near.id())
    }

    pub(super) fn sorted(&self) -> Vec<Near> {
        let mut sorted: Vec<Near> = self.results.iter().copied().collect();
        sorted.sort_unstable();
        sorted
    }

    /// Keeps, moves or drops each node, as the two closures decide.
    pub(super) fn revise(
        &mut self,
        mut candidate: impl FnMut(Near) -> Option<Near>,
        mut result: impl FnMut(Near) -> Option<Near>,
    ) {
        let candidates = std::mem::take(&mut self.candidates);
        let kept = candidates
            .into_iter()
            .filter_map(|Reverse(near)| candidate(near));
        self.candidates = kept.map(Reverse).collect();
        let results = std::mem::take(&mut self.results);
        self.results = results.into_iter().filter_map(&mut result).collect();
    }
}

/// The nodes a walk has met: a bit each, and a list of them, in that order.
#[derive(Debug, Default)]
pub(super) struct VisitedNodes {
    words: Vec<u64>,
    met: Vec<u32>,
}

impl VisitedNodes {
    /// Forgets all, and makes room for the numbers below `slots`. O(nodes met).
    pub(super) fn reset(&mut self, slots: u32) {
        for id in self.met.drain(..) {
            self.words[(id / 64) as usize] = 0;
        }
        self.make_room(slots);
    }

    /// Nodes that were met since the last reset.
    pub(super) fn len(&self) -> usize {
        self.met.len()
    }

    /// Returns the nodes that were met after the first `before`.
    pub(super) fn since(&self, before: usize) -> &[u32] {
        &self.met[before..]
    }

    /// Adds nodes, whose numbers are below the `slots` of the last reset or of the last
    /// [`VisitedNodes::make_room`].
    ///
    /// No branch depends on whether a node is new: about half of them are, in no order that a
    /// processor could learn.
    #[inline]
    pub(super) fn meet(&mut self, ids: &[u32]) {
        let start = self.met.len();
        self.met.resize(start + ids.len(), 0);
        let mut end = start;
        for &id in ids {
            let (word, bit) = (&mut self.words[(id / 64) as usize], id % 64);
            self.met[end] = id;
            end += (!*word >> bit & 1) as usize;
            *word |= 1 << bit;
        }
        self.met.truncate(end);
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * 8 + self.met.capacity() * 4
    }

    /// Makes room for the numbers below `slots`.
    pub(super) fn make_room(&mut self, slots: u32) {
        let words = (slots as usize).div_ceil(64);
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }
}
