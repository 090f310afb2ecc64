//! A counted B+tree: a sorted set's elements ordered by score, then by the member's bytes.
//!
//! Leaves hold (score, pointer to the member's entry), so that a search reads members only
//! among equal scores. Inner nodes hold, for each child, its first element and its number
//! of elements: rank and select walk one path.
//!
//! Invariants
//!   1. Elements ascend strictly; a child's first element and count in its parent are exact.
//!   2. All leaves are at depth `height`; no node but an empty tree's missing root is empty.
//!   3. Every member in the tree is alive: its owner frees it only after taking it out.
//!
//! A full leaf first shares with a neighbour, then splits in halves, or at the tree's ends
//! not at all: in ascending or descending order leaves stay full. Underfull nodes join.
//! Cost: insert, remove, rank, select O(log n), touching at most `height` + 3 kilobytes;
//! iteration O(1) an element. Which sets use it: `types::zset`.
#![allow(unsafe_code)]

mod member;
mod node;

pub use member::{Key, Member};

use node::{FAN, Inner, LEAF, Leaf, Node};

/// A neighbour with this many free slots shares a full leaf's load.
const SHARE_MIN: usize = 8;
/// A leaf below this joins a neighbour if together they fill no more than `JOIN_MAX`.
const LEAF_MIN: usize = LEAF / 4;
const LEAF_JOIN_MAX: usize = LEAF * 3 / 4;
const INNER_MIN: usize = FAN / 4;
const INNER_JOIN_MAX: usize = FAN * 3 / 4;
/// No tree is higher: 2^64 elements at a handful a node.
const HEIGHT_MAX: usize = 24;

/// See the module.
pub struct ZsetIndex {
    root: Option<Node>,
    /// Levels above the leaves.
    height: u32,
    len: usize,
}

// SAFETY: the tree owns its nodes; members are their owner's care, who moves with it.
unsafe impl Send for ZsetIndex {}
// SAFETY: shared access only reads.
unsafe impl Sync for ZsetIndex {}

#[inline]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The way from the root to a leaf: inner nodes and the child taken in each.
struct Path {
    steps: [Option<(Node, usize)>; HEIGHT_MAX],
    depth: usize,
    leaf: Node,
    at: usize,
}

impl ZsetIndex {
    pub fn new() -> Self {
        ZsetIndex {
            root: None,
            height: 0,
            len: 0,
        }
    }

    /// A tree of elements that ascend strictly, with full leaves.
    ///
    /// # Safety
    /// As for `insert`, for every element.
    pub unsafe fn from_sorted(elements: impl IntoIterator<Item = (f64, Member)>) -> Self {
        let mut tree = Self::new();
        let mut level: Vec<((f64, Member), Node, u64)> = Vec::new();
        for slot in elements {
            if level
                .last()
                .is_none_or(|&(_, _, count)| count == LEAF as u64)
            {
                level.push((slot, Node::new_leaf(), 0));
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
                    let node = Node::new_inner();
                    // SAFETY: an inner node made here.
                    let inner = unsafe { node.inner_mut() };
                    for &(first, child, count) in children {
                        inner.insert(inner.len(), first, child, count);
                    }
                    (children[0].0, node, inner.total())
                })
                .collect();
            tree.height += 1;
        }
        tree.root = level.first().map(|&(_, node, _)| node);
        tree
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an element.
    ///
    /// # Safety
    /// `member` is alive and stays so, its bytes unchanged, until it is out of the tree or
    /// the tree is gone. `score` is not NaN, and the element is not in the tree.
    pub unsafe fn insert(&mut self, score: f64, member: Member) {
        // SAFETY: alive, says the caller.
        let key = Key {
            score,
            bytes: unsafe { member.bytes() },
        };
        let slot = (score, member);
        let mut node = match self.root {
            Some(root) => self.grow_root(root),
            None => *self.root.insert(Node::new_leaf()),
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
                if height == 0 {
                    make_room_in_leaf(inner, at, slot, key, edges);
                } else {
                    split_inner(inner, at, key, edges);
                }
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

    /// Puts a new root above a full one, so that it can split like any child.
    fn grow_root(&mut self, root: Node) -> Node {
        let full = if self.height == 0 { LEAF } else { FAN };
        // SAFETY: the root is alive.
        if unsafe { root.len() } < full {
            return root;
        }
        let above = Node::new_inner();
        // SAFETY: the root is not empty.
        let first = unsafe { root.first(self.height) };
        // SAFETY: made above.
        unsafe { above.inner_mut() }.insert(0, first, root, self.len as u64);
        self.height += 1;
        *self.root.insert(above)
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

    fn path_to(&self, key: Key<'_>) -> Option<Path> {
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

    fn path_at(&self, rank: usize) -> Option<Path> {
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

    /// The number of elements before the key's.
    pub fn rank(&self, key: Key<'_>) -> Option<usize> {
        let path = self.path_to(key)?;
        Some(path.at + before_path(&path))
    }

    /// How many elements stand before the first for which `before` is false; it must be
    /// true up to some element and false from there on. Bounds of score and lex ranges.
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        // SAFETY: members in the tree are alive.
        let test = |score: f64, member: Member| before(score, unsafe { member.bytes() });
        let path = self.descend(
            |inner| inner.firsts.partition(test).saturating_sub(1),
            |leaf| leaf.partition(test),
        );
        path.map_or(0, |path| path.at + before_path(&path))
    }

    /// How many elements have a score below `score`, or at most `score` with `or_equal`.
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

    /// Takes the element out; its member is the caller's again.
    pub fn remove(&mut self, key: Key<'_>) -> Option<Member> {
        let path = self.path_to(key)?;
        // SAFETY: the path ends in a leaf.
        let member = unsafe { path.leaf.leaf() }.get(path.at).1;
        self.remove_slots(&path, 1);
        Some(member)
    }

    /// Takes out up to `count` elements from `rank` on, as far as one leaf goes, handing
    /// their members to `take`; returns how many. For a range, repeat.
    pub fn remove_chunk(
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
    pub fn update(&mut self, key: Key<'_>, score: f64) -> bool {
        let Some(path) = self.path_to(key) else {
            return false;
        };
        // SAFETY: the path ends in a leaf, and `self` is exclusive.
        let leaf = unsafe { path.leaf.leaf_mut() };
        let (_, member) = leaf.get(path.at);
        let moved = Key {
            score,
            bytes: key.bytes,
        };
        let inside = path.at > 0 && path.at + 1 < leaf.len();
        // SAFETY: members in the tree are alive.
        let stays = |at: usize| unsafe { moved.cmp(leaf.get(at).0, leaf.get(at).1) };
        if inside && stays(path.at - 1).is_gt() && stays(path.at + 1).is_lt() {
            leaf.set(path.at, (score, member));
            return true;
        }
        self.remove_slots(&path, 1);
        // SAFETY: it was in the tree, so it is alive and will be.
        unsafe { self.insert(score, member) };
        true
    }

    /// Removes `count` slots at the end of a path, and mends the way up.
    fn remove_slots(&mut self, path: &Path, count: usize) {
        // SAFETY: the path ends in a leaf, and `self` is exclusive.
        unsafe { path.leaf.leaf_mut() }.remove(path.at, count);
        self.len -= count;
        for (height, step) in path.steps[..path.depth].iter().rev().enumerate() {
            let &(node, at) = step.as_ref().expect("a step a level");
            // SAFETY: steps are inner nodes.
            let inner = unsafe { node.inner_mut() };
            inner.counts[at] -= count as u64;
            mend_child(inner, at, height as u32);
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
            self.height = self.height.saturating_sub(1);
        }
        self.height = 0;
    }

    /// Elements from `rank` on: up to `count` of them, towards the front if `backward`.
    pub fn range(&self, rank: usize, count: usize, backward: bool) -> Range<'_> {
        let reach = match (rank < self.len, backward) {
            (false, _) => 0,
            (true, true) => rank + 1,
            (true, false) => self.len - rank,
        };
        let left = count.min(reach);
        Range {
            tree: self,
            rank,
            left,
            backward,
            scores: &[],
            members: &[],
            at: 0,
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> Range<'_> {
        self.range(0, usize::MAX, false)
    }

    /// Asks for the lines that a search for this score will touch.
    #[inline]
    pub fn prefetch(&self, score: f64) {
        let test = |s: f64, _: Member| s <= score;
        let leaf = self.descend(
            |inner| inner.firsts.partition(test).saturating_sub(1),
            |_| 0,
        );
        if let Some(path) = leaf {
            for line in 0..size_of::<Leaf>().div_ceil(64) {
                prefetch(path.leaf.address().wrapping_add(line * 64));
            }
        }
    }

    /// Bytes of the nodes.
    pub fn memory_bytes(&self) -> usize {
        let mut nodes = 0;
        self.each_node(&mut |_, _| nodes += 1);
        nodes * 1024
    }

    fn each_node(&self, see: &mut impl FnMut(Node, u32)) {
        fn walk(node: Node, height: u32, see: &mut impl FnMut(Node, u32)) {
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

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let all: Vec<_> = self.iter().collect();
        assert_eq!(all.len(), self.len);
        assert!(
            all.windows(2)
                .all(|w| { w[0].0 < w[1].0 || w[0].0 == w[1].0 && w[0].1 < w[1].1 })
        );
        self.each_node(&mut |node, height| {
            // SAFETY: nodes of the tree are alive.
            assert!(unsafe { node.len() } > 0);
            if height > 0 {
                // SAFETY: above height 0 nodes are inner.
                let inner = unsafe { node.inner() };
                for at in 0..inner.len() {
                    let child = inner.children[at];
                    // SAFETY: children are alive.
                    let (score, member) = unsafe { child.first(height - 1) };
                    assert!(inner.firsts.get(at) == (score, member));
                    let count = if height == 1 {
                        // SAFETY: height 0 is a leaf.
                        (unsafe { child.len() }) as u64
                    } else {
                        // SAFETY: the child is inner.
                        unsafe { child.inner() }.total()
                    };
                    assert_eq!(inner.counts[at], count);
                }
            }
        });
    }
}

impl Default for ZsetIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ZsetIndex {
    /// Frees the nodes; members are their owner's.
    fn drop(&mut self) {
        // SAFETY: each node is visited once, after its children, and not used again.
        self.each_node(&mut |node, height| unsafe { node.free(height) });
    }
}

/// Elements in nodes left of a path.
fn before_path(path: &Path) -> usize {
    let mut before = 0;
    for step in &path.steps[..path.depth] {
        let &(node, at) = step.as_ref().expect("a step a level");
        // SAFETY: steps are inner nodes, which nothing changes while the path is in use.
        before += unsafe { node.inner() }.counts[..at].iter().sum::<u64>();
    }
    before as usize
}

/// Makes room where the key belongs, in or beside the full leaf `at` of a parent that has
/// room for a child.
fn make_room_in_leaf(
    parent: &mut Inner,
    at: usize,
    slot: (f64, Member),
    key: Key<'_>,
    (left_edge, right_edge): (bool, bool),
) {
    // SAFETY: a child of a parent of leaves, reachable only through it.
    let leaf = unsafe { parent.children[at].leaf_mut() };
    // SAFETY: members in the tree are alive.
    let place = unsafe { leaf.rank(key, false) };
    if right_edge && place == LEAF {
        return parent.insert(at + 1, slot, Node::new_leaf(), 0);
    }
    if left_edge && place == 0 {
        return parent.insert(0, slot, Node::new_leaf(), 0);
    }
    if at > 0 {
        // SAFETY: another child than `leaf`.
        let left = unsafe { parent.children[at - 1].leaf_mut() };
        if left.len() + SHARE_MIN <= LEAF {
            let moved = (LEAF - left.len()).div_ceil(2);
            leaf.move_head(moved, left);
            return note_shared(parent, at - 1, moved as i64);
        }
    }
    if at + 1 < parent.len() {
        // SAFETY: another child than `leaf`.
        let right = unsafe { parent.children[at + 1].leaf_mut() };
        if right.len() + SHARE_MIN <= LEAF {
            let moved = (LEAF - right.len()).div_ceil(2);
            leaf.move_tail(LEAF - moved, right);
            return note_shared(parent, at, -(moved as i64));
        }
    }
    let node = Node::new_leaf();
    // SAFETY: made above.
    let right = unsafe { node.leaf_mut() };
    leaf.move_tail(LEAF / 2, right);
    parent.counts[at] = leaf.len() as u64;
    parent.insert(at + 1, right.get(0), node, right.len() as u64);
}

/// `moved` elements went from child `at + 1` to `at`, or the other way if negative.
fn note_shared(parent: &mut Inner, at: usize, moved: i64) {
    parent.counts[at] = parent.counts[at].wrapping_add_signed(moved);
    parent.counts[at + 1] = parent.counts[at + 1].wrapping_sub(moved as u64);
    // SAFETY: both children keep elements.
    let first = unsafe { parent.children[at + 1].leaf() }.get(0);
    parent.firsts.set(at + 1, first);
}

/// Splits the full inner child `at` of a parent that has room.
fn split_inner(parent: &mut Inner, at: usize, key: Key<'_>, (left_edge, right_edge): (bool, bool)) {
    // SAFETY: a child above height 0, reachable only through its parent.
    let child = unsafe { parent.children[at].inner_mut() };
    // SAFETY: members in the tree are alive.
    let place = unsafe { child.firsts.rank(key, true) };
    let cut = if right_edge && place == FAN {
        FAN - 1
    } else if left_edge && place <= 1 {
        1
    } else {
        FAN / 2
    };
    let node = Node::new_inner();
    // SAFETY: made above.
    let right = unsafe { node.inner_mut() };
    child.move_tail(cut, right);
    parent.counts[at] = child.total();
    parent.insert(at + 1, right.firsts.get(0), node, right.total());
}

/// After a removal below child `at`: drops it if empty, else notes its first element and
/// joins it with a neighbour if both are small.
fn mend_child(parent: &mut Inner, at: usize, height: u32) {
    let child = parent.children[at];
    // SAFETY: children are alive.
    let len = unsafe { child.len() };
    if len == 0 {
        parent.remove(at);
        // SAFETY: no longer in the tree.
        return unsafe { child.free(height) };
    }
    // SAFETY: not empty.
    parent.firsts.set(at, unsafe { child.first(height) });
    let (min, join_max) = if height == 0 {
        (LEAF_MIN, LEAF_JOIN_MAX)
    } else {
        (INNER_MIN, INNER_JOIN_MAX)
    };
    if len >= min {
        return;
    }
    let left = [at.checked_sub(1), Some(at)]
        .into_iter()
        .flatten()
        .find(|&left| {
            // SAFETY: children are alive.
            left + 1 < parent.len()
                && unsafe { parent.children[left].len() + parent.children[left + 1].len() }
                    <= join_max
        });
    let Some(left) = left else { return };
    let (to, from) = (parent.children[left], parent.children[left + 1]);
    if height == 0 {
        // SAFETY: two different leaves, reachable only through their parent.
        let (to, from) = unsafe { (to.leaf_mut(), from.leaf_mut()) };
        from.move_head(from.len(), to);
    } else {
        // SAFETY: two different inner nodes, reachable only through their parent.
        let (to, from) = unsafe { (to.inner_mut(), from.inner_mut()) };
        from.move_all(to);
    }
    parent.counts[left] += parent.counts[left + 1];
    parent.remove(left + 1);
    // SAFETY: empty, and no longer in the tree.
    unsafe { from.free(height) };
}

/// A run of elements; see [`ZsetIndex::range`].
pub struct Range<'a> {
    tree: &'a ZsetIndex,
    rank: usize,
    left: usize,
    backward: bool,
    scores: &'a [f64],
    members: &'a [Member],
    /// Where in the slices; forward from it, or backward from before it.
    at: usize,
}

impl<'a> Range<'a> {
    /// Goes to the leaf that holds `rank`.
    fn enter_leaf(&mut self) {
        let path = self.tree.path_at(self.rank).expect("within the tree");
        // SAFETY: the path ends in a leaf, borrowed with the tree.
        let leaf = unsafe { path.leaf.leaf() };
        (self.scores, self.members) = (leaf.scores(), leaf.members());
        self.at = if self.backward { path.at + 1 } else { path.at };
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (f64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        const AHEAD: usize = 8;
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let at = if self.backward {
            if self.at == 0 {
                self.enter_leaf();
            }
            self.at -= 1;
            self.rank = self.rank.wrapping_sub(1);
            if let Some(member) = self.at.checked_sub(AHEAD).map(|ahead| self.members[ahead]) {
                member.prefetch();
            }
            self.at
        } else {
            if self.at == self.scores.len() {
                self.enter_leaf();
            }
            self.rank += 1;
            self.at += 1;
            if let Some(member) = self.members.get(self.at + AHEAD) {
                member.prefetch();
            }
            self.at - 1
        };
        // SAFETY: members in the tree are alive.
        Some((self.scores[at], unsafe { self.members[at].bytes() }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Range<'_> {}

#[cfg(test)]
mod tests;
