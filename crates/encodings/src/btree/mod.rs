//! A counted B+tree: a sorted set's elements ordered by score, then by the member's bytes.
//!
//! Leaves hold (score, pointer to the member's entry), so that a search reads members only among
//! equal scores. Inner nodes hold, for each child, its first element and its number of elements:
//! rank and select walk a single path.
//!
//! Invariants
//!   1. Elements ascend strictly; a child's first element and count in its parent are exact.
//!   2. All leaves are at depth `height`; no node is empty (an empty tree has no root).
//!   3. Every member in the tree is alive: its owner frees it only after taking it out.
//!
//! A full leaf first shares with a neighbour, then splits in halves; at the tree's ends it does not
//! split: with ascending or descending inserts leaves stay full. Underfull nodes join. Cost:
//! insert, remove, rank, select O(log n), touching at most `height` + 3 kilobytes; iteration O(1)
//! per element. Used by: `types::zset`.
#![allow(unsafe_code)]

mod ahead;
mod balance;
mod check;
mod member;
mod node;
mod range;
mod relocate;
mod search;

pub use ahead::Descent;
pub(crate) use member::Key;
pub use member::Member;
pub use range::UnreadMember;

use balance::{make_room_in_leaf, mend_child, split_inner};
use node::{BtreeNode, FAN, LEAF};
use search::Path;

/// See the module.
pub struct ZsetIndex {
    root: Option<BtreeNode>,
    /// Levels above the leaves.
    height: u32,
    len: usize,
    /// Leaves and inner nodes.
    nodes: usize,
}

// SAFETY: the tree owns its nodes; members belong to the owner of the tree, which moves with the
// tree.
unsafe impl Send for ZsetIndex {}
// SAFETY: shared access only reads.
unsafe impl Sync for ZsetIndex {}

impl ZsetIndex {
    pub(crate) fn new() -> Self {
        ZsetIndex {
            root: None,
            height: 0,
            len: 0,
            nodes: 0,
        }
    }

    /// A tree of strictly ascending elements, with full leaves.
    ///
    /// # Safety
    /// As for `insert`, for every element.
    pub unsafe fn from_sorted(elements: impl IntoIterator<Item = (f64, Member)>) -> Self {
        let mut tree = Self::new();
        let mut level: Vec<((f64, Member), BtreeNode, u64)> = Vec::new();
        for slot in elements {
            if level
                .last()
                .is_none_or(|&(_, _, count)| count == LEAF as u64)
            {
                level.push((slot, BtreeNode::new_leaf(), 0));
                tree.nodes += 1;
            }
            let (_, leaf, count) = level.last_mut().expect("pushed above");
            // SAFETY: a leaf made here.
            unsafe { leaf.leaf_mut() }.insert(*count as usize, slot);
            *count += 1;
            tree.len += 1;
        }
        while level.len() > 1 {
            level = level
                .chunks(FAN)
                .map(|children| {
                    let node = BtreeNode::new_inner();
                    // SAFETY: an inner node made here.
                    let inner = unsafe { node.inner_mut() };
                    for &(first, child, count) in children {
                        inner.insert(inner.len(), first, child, count);
                    }
                    (children[0].0, node, inner.total())
                })
                .collect();
            tree.height += 1;
            tree.nodes += level.len();
        }
        tree.root = level.first().map(|&(_, node, _)| node);
        tree
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an element.
    ///
    /// # Safety
    /// `member` is alive, and stays alive and unchanged until it is out of the tree or the tree is
    /// gone. `score` is not NaN, and the element is not in the tree.
    pub unsafe fn insert(&mut self, score: f64, member: Member) {
        // SAFETY: the caller guarantees that it is alive.
        let key = Key {
            score,
            bytes: unsafe { member.bytes() },
            entry: None,
        };
        let slot = (score, member);
        let mut node = match self.root {
            Some(root) => self.grow_root(root),
            None => {
                self.nodes += 1;
                *self.root.insert(BtreeNode::new_leaf())
            }
        };
        self.len += 1;
        let (mut left_edge, mut right_edge) = (true, true);
        for height in (0..self.height).rev() {
            // SAFETY: nodes above height 0 on the path are inner, and `self` is exclusive.
            let inner = unsafe { node.inner_mut() };
            // SAFETY: members in the tree are alive (invariant 3).
            let mut at = unsafe { inner.firsts.rank(key, true) }.saturating_sub(1);
            let full = if height == 0 { LEAF } else { FAN };
            // SAFETY: a child is alive.
            if unsafe { inner.children[at].len() } == full {
                let edges = (left_edge && at == 0, right_edge && at + 1 == inner.len());
                let children = inner.len();
                if height == 0 {
                    make_room_in_leaf(inner, at, slot, key, edges);
                } else {
                    split_inner(inner, at, key, edges);
                }
                self.nodes += inner.len() - children;
                // SAFETY: as above.
                at = unsafe { inner.firsts.rank(key, true) }.saturating_sub(1);
            }
            left_edge &= at == 0;
            right_edge &= at + 1 == inner.len();
            inner.counts[at] += 1;
            // SAFETY: members in the tree are alive.
            if at == 0 && unsafe { key.cmp(inner.firsts.get(0).0, inner.firsts.get(0).1) }.is_lt() {
                inner.firsts.set(0, slot);
            }
            node = inner.children[at];
        }
        // SAFETY: the path ends in a leaf, which has room by now.
        let leaf = unsafe { node.leaf_mut() };
        // SAFETY: members in the tree are alive.
        let at = unsafe { leaf.rank(key, false) };
        leaf.insert(at, slot);
    }

    /// Puts a new root above a full root, so that it can split like any child.
    fn grow_root(&mut self, root: BtreeNode) -> BtreeNode {
        let full = if self.height == 0 { LEAF } else { FAN };
        // SAFETY: the root is alive.
        if unsafe { root.len() } < full {
            return root;
        }
        let above = BtreeNode::new_inner();
        // SAFETY: the root is not empty.
        let first = unsafe { root.first(self.height) };
        // SAFETY: made above.
        unsafe { above.inner_mut() }.insert(0, first, root, self.len as u64);
        self.height += 1;
        self.nodes += 1;
        *self.root.insert(above)
    }

    /// Takes the element out; returns its member to the caller.
    pub(crate) fn remove(&mut self, key: Key<'_>) -> Option<Member> {
        let path = self.path_to(key)?;
        // SAFETY: the path ends in a leaf.
        let member = unsafe { path.leaf.leaf() }.get(path.at).1;
        self.remove_slots(&path, 1);
        Some(member)
    }

    /// Takes out up to `count` elements from `rank` on, at most to the end of a leaf, passing their
    /// members to `take`; returns how many. For a range, repeat.
    pub(crate) fn remove_chunk(
        &mut self,
        rank: usize,
        count: usize,
        mut take: impl FnMut(Member),
    ) -> usize {
        let Some(path) = self.path_at(rank) else {
            return 0;
        };
        // SAFETY: the path ends in a leaf.
        let leaf = unsafe { path.leaf.leaf() };
        let count = count.min(leaf.len() - path.at);
        if count > 0 {
            let gone: smallvec::SmallVec<[Member; LEAF + 1]> =
                leaf.members()[path.at..path.at + count].into();
            self.remove_slots(&path, count);
            gone.into_iter().for_each(&mut take);
        }
        count
    }

    /// Moves an element to another score. False if it is not there.
    pub(crate) fn update(&mut self, key: Key<'_>, score: f64) -> bool {
        let Some(path) = self.path_to(key) else {
            return false;
        };
        // SAFETY: the path ends in a leaf, and `self` is exclusive.
        let leaf = unsafe { path.leaf.leaf_mut() };
        let (_, member) = leaf.get(path.at);
        let moved = Key { score, ..key };
        let inside = path.at > 0 && path.at + 1 < leaf.len();
        // SAFETY: members in the tree are alive.
        let stays = |at: usize| unsafe { moved.cmp(leaf.get(at).0, leaf.get(at).1) };
        if inside && stays(path.at - 1).is_gt() && stays(path.at + 1).is_lt() {
            leaf.set(path.at, (score, member));
            return true;
        }
        self.remove_slots(&path, 1);
        // SAFETY: the member was in the tree, so it is alive and will be.
        unsafe { self.insert(score, member) };
        true
    }

    /// Removes `count` slots at the end of a path, and repairs the nodes above.
    fn remove_slots(&mut self, path: &Path, count: usize) {
        // SAFETY: the path ends in a leaf, and `self` is exclusive.
        unsafe { path.leaf.leaf_mut() }.remove(path.at, count);
        self.len -= count;
        for (height, step) in path.steps[..path.depth].iter().rev().enumerate() {
            let &(node, at) = step.as_ref().expect("a step a level");
            // SAFETY: steps are inner nodes.
            let inner = unsafe { node.inner_mut() };
            inner.counts[at] -= count as u64;
            let children = inner.len();
            mend_child(inner, at, height as u32);
            self.nodes -= children - inner.len();
        }
        self.shrink_root();
    }

    fn shrink_root(&mut self) {
        while let Some(root) = self.root {
            // SAFETY: the root is alive.
            let len = unsafe { root.len() };
            if len == 0 {
                self.root = None;
            } else if self.height > 0 && len == 1 {
                // SAFETY: a root above height 0 is inner.
                self.root = Some(unsafe { root.inner() }.children[0]);
            } else {
                return;
            }
            // SAFETY: replaced above.
            unsafe { root.free(self.height) };
            self.nodes -= 1;
            self.height = self.height.saturating_sub(1);
        }
        self.height = 0;
    }

    /// Bytes of the nodes, members excluded. O(1).
    pub fn memory_bytes(&self) -> usize {
        self.nodes * node::BYTES
    }

    /// Number of nodes. O(nodes).
    fn count_nodes(&self) -> usize {
        let mut nodes = 0;
        self.each_node(&mut |_, _| nodes += 1);
        nodes
    }

    fn each_node(&self, see: &mut impl FnMut(BtreeNode, u32)) {
        fn walk(node: BtreeNode, height: u32, see: &mut impl FnMut(BtreeNode, u32)) {
            if height > 0 {
                // SAFETY: above height 0 nodes are inner; `see` has not freed it yet.
                let inner = unsafe { node.inner() };
                for &child in &inner.children[..inner.len()] {
                    walk(child, height - 1, see);
                }
            }
            see(node, height);
        }
        if let Some(root) = self.root {
            walk(root, self.height, see);
        }
    }
}

impl Default for ZsetIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ZsetIndex {
    /// Frees the nodes; members belong to their owner.
    fn drop(&mut self) {
        // SAFETY: each node is visited once, after its children, and not used again.
        self.each_node(&mut |node, height| unsafe { node.free(height) });
    }
}

#[cfg(test)]
mod tests;
