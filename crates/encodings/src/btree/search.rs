//! Ways from the root to a leaf: by element, by rank, by a predicate that partitions the elements.
//! Readers keep no path.
#![allow(unsafe_code)]

use super::ZsetIndex;
use super::member::{Key, Member};
use super::node::{BtreeNode, InnerNode, Leaf};

/// No tree is higher: leaves of a kilobyte in 2^47 bytes, and seven or more children a node.
const HEIGHT_MAX: usize = 14;

/// The path from the root to a leaf: inner nodes and the child taken in each.
pub(super) struct Path {
    pub(super) steps: [Option<(BtreeNode, usize)>; HEIGHT_MAX],
    pub(super) depth: usize,
    pub(super) leaf: BtreeNode,
    pub(super) at: usize,
}

impl ZsetIndex {
    /// The number of elements before the key's.
    pub(crate) fn rank(&self, key: Key<'_>) -> Option<usize> {
        // SAFETY: members in the tree are alive.
        let choose = |inner: &InnerNode| unsafe { inner.firsts.rank(key, true) }.saturating_sub(1);
        let (leaf, before) = self.leaf_by(choose)?;
        Some(before + place_of(leaf, key)?)
    }

    /// Number of elements before the first for which `before` is false; `before` must be true up to
    /// some element and false from there on. For bounds of score and lex ranges.
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        // SAFETY: members in the tree are alive.
        self.partition(|score, member| before(score, unsafe { member.bytes() }))
    }

    /// Number of elements with a score below `score`, or at most `score` with `or_equal`.
    pub fn count_below(&self, score: f64, or_equal: bool) -> usize {
        self.partition(|s, _| if or_equal { s <= score } else { s < score })
    }

    #[inline]
    fn partition(&self, test: impl Fn(f64, Member) -> bool) -> usize {
        let choose = |inner: &InnerNode| inner.firsts.partition(&test).saturating_sub(1);
        let found = self.leaf_by(choose);
        found.map_or(0, |(leaf, before)| before + leaf.partition(&test))
    }

    /// The element with this rank.
    pub fn select(&self, rank: usize) -> Option<(f64, &[u8])> {
        let (leaf, at) = self.leaf_at(rank)?;
        let (score, member) = leaf.get(at);
        // SAFETY: members in the tree are alive.
        Some((score, unsafe { member.bytes() }))
    }

    /// The leaf of this rank, and the position there.
    #[inline]
    pub(super) fn leaf_at(&self, rank: usize) -> Option<(&Leaf, usize)> {
        if rank >= self.len {
            return None;
        }
        let mut left = rank as u64;
        let (leaf, _) = self.leaf_by(|inner| inner.child_at(&mut left))?;
        Some((leaf, left as usize))
    }

    /// The leaf that `choose` leads to, child by child, and the number of elements left of it.
    #[inline(always)]
    fn leaf_by(&self, mut choose: impl FnMut(&InnerNode) -> usize) -> Option<(&Leaf, usize)> {
        let mut node = self.root?;
        let mut before = 0;
        for _ in 0..self.height {
            // SAFETY: nodes above the leaves are inner, and nothing changes during the borrow.
            let inner = unsafe { node.inner() };
            let child = choose(inner);
            before += inner.counts[..child].iter().sum::<u64>();
            node = inner.children[child];
        }
        // SAFETY: `height` steps down is a leaf, borrowed with `self`.
        Some((unsafe { node.leaf() }, before as usize))
    }

    /// The path chosen by `choose` in inner nodes, ending at slot `at` of a leaf.
    fn descend(
        &self,
        mut choose: impl FnMut(&InnerNode) -> usize,
        at: impl FnOnce(&Leaf) -> Option<usize>,
    ) -> Option<Path> {
        let mut node = self.root?;
        let mut steps = [None; HEIGHT_MAX];
        for step in &mut steps[..self.height as usize] {
            // SAFETY: nodes above the leaves are inner, and nothing changes meanwhile.
            let inner = unsafe { node.inner() };
            let child = choose(inner);
            *step = Some((node, child));
            node = inner.children[child];
        }
        // SAFETY: `height` steps down is a leaf.
        let at = at(unsafe { node.leaf() })?;
        Some(Path {
            steps,
            depth: self.height as usize,
            leaf: node,
            at,
        })
    }

    pub(super) fn path_to(&self, key: Key<'_>) -> Option<Path> {
        // SAFETY: members in the tree are alive.
        let choose = |inner: &InnerNode| unsafe { inner.firsts.rank(key, true) }.saturating_sub(1);
        self.descend(choose, |leaf| place_of(leaf, key))
    }

    pub(super) fn path_at(&self, rank: usize) -> Option<Path> {
        if rank >= self.len {
            return None;
        }
        let left = std::cell::Cell::new(rank as u64);
        let choose = |inner: &InnerNode| {
            let mut within = left.get();
            let child = inner.child_at(&mut within);
            left.set(within);
            child
        };
        self.descend(choose, |_| Some(left.get() as usize))
    }
}

impl InnerNode {
    /// The child that has the element `rank` of all below; `rank` becomes that in the child.
    #[inline]
    fn child_at(&self, rank: &mut u64) -> usize {
        let mut child = 0;
        while self.counts[child] <= *rank {
            *rank -= self.counts[child];
            child += 1;
        }
        child
    }
}

/// The key's element in the leaf where it is, if it is in the tree.
#[inline]
fn place_of(leaf: &Leaf, key: Key<'_>) -> Option<usize> {
    if let Some(entry) = key.entry {
        let scores = leaf.scores();
        let first = scores.partition_point(|&score| score < key.score);
        let is_it = |&at: &usize| leaf.members()[at] == entry;
        return (first..scores.len()).find(is_it);
    }
    // SAFETY: members in the tree are alive.
    let at = unsafe { leaf.rank(key, false) };
    // SAFETY: as above.
    let is_at = |(score, member)| unsafe { key.cmp(score, member) }.is_eq();
    (at < leaf.len() && is_at(leaf.get(at))).then_some(at)
}
