//! Paths from the root to a leaf: by element, by rank, by a predicate that partitions the elements.
#![allow(unsafe_code)]

use super::ZsetIndex;
use super::member::{Key, Member};
use super::node::{BtreeNode, Inner, Leaf};
use crate::prefetch::prefetch;

/// No tree is higher: 2^64 elements at a handful per node.
const HEIGHT_MAX: usize = 24;

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
        let path = self.path_to(key)?;
        Some(path.at + before_path(&path))
    }

    /// Number of elements before the first for which `before` is false; `before` must be true up to
    /// some element and false from there on. For bounds of score and lex ranges.
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        // SAFETY: members in the tree are alive.
        let test = |score: f64, member: Member| before(score, unsafe { member.bytes() });
        let path = self.descend(
            |inner| inner.firsts.partition(test).saturating_sub(1),
            |leaf| leaf.partition(test),
        );
        path.map_or(0, |path| path.at + before_path(&path))
    }

    /// Number of elements with a score below `score`, or at most `score` with `or_equal`.
    pub fn count_below(&self, score: f64, or_equal: bool) -> usize {
        let test = |s: f64, _: Member| if or_equal { s <= score } else { s < score };
        let path = self.descend(
            |inner| inner.firsts.partition(test).saturating_sub(1),
            |leaf| leaf.partition(test),
        );
        path.map_or(0, |path| path.at + before_path(&path))
    }

    /// The element with this rank.
    pub fn select(&self, rank: usize) -> Option<(f64, &[u8])> {
        let path = self.path_at(rank)?;
        // SAFETY: the path ends in a leaf, borrowed with `self`.
        let (score, member) = unsafe { path.leaf.leaf() }.get(path.at);
        // SAFETY: members in the tree are alive.
        Some((score, unsafe { member.bytes() }))
    }

    /// Prefetches the lines that a search for this score will touch.
    #[inline]
    pub fn prefetch(&self, score: f64) {
        let Some(mut node) = self.root else {
            return;
        };
        let test = |s: f64, _: Member| s <= score;
        // Without the path that `descend` keeps.
        for _ in 0..self.height {
            // SAFETY: nodes above the leaves are inner, and nothing changes meanwhile.
            let inner = unsafe { node.inner() };
            node = inner.children[inner.firsts.partition(test).saturating_sub(1)];
        }
        for line in 0..size_of::<Leaf>().div_ceil(64) {
            prefetch(node.address() + line * 64);
        }
    }

    /// The path chosen by `choose` in inner nodes, ending at slot `at` of a leaf.
    fn descend(
        &self,
        mut choose: impl FnMut(&Inner) -> usize,
        at: impl FnOnce(&Leaf) -> usize,
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
        let at = at(unsafe { node.leaf() });
        Some(Path {
            steps,
            depth: self.height as usize,
            leaf: node,
            at,
        })
    }

    pub(super) fn path_to(&self, key: Key<'_>) -> Option<Path> {
        let path = self.descend(
            // SAFETY: members in the tree are alive.
            |inner| unsafe { inner.firsts.rank(key, true) }.saturating_sub(1),
            // SAFETY: as above.
            |leaf| unsafe { leaf.rank(key, false) },
        )?;
        // SAFETY: the path ends in a leaf.
        let leaf = unsafe { path.leaf.leaf() };
        if path.at == leaf.len() {
            return None;
        }
        let (score, member) = leaf.get(path.at);
        // SAFETY: members in the tree are alive.
        unsafe { key.cmp(score, member) }.is_eq().then_some(path)
    }

    pub(super) fn path_at(&self, rank: usize) -> Option<Path> {
        if rank >= self.len {
            return None;
        }
        let left = std::cell::Cell::new(rank as u64);
        self.descend(
            |inner| {
                let mut child = 0;
                while inner.counts[child] <= left.get() {
                    left.set(left.get() - inner.counts[child]);
                    child += 1;
                }
                child
            },
            |_| left.get() as usize,
        )
    }
}

/// Elements in nodes left of a path.
fn before_path(path: &Path) -> usize {
    let mut before = 0;
    for step in &path.steps[..path.depth] {
        let &(node, at) = step.as_ref().expect("a step a level");
        // SAFETY: steps are inner nodes, which do not change while the path is in use.
        before += unsafe { node.inner() }.counts[..at].iter().sum::<u64>();
    }
    before as usize
}
