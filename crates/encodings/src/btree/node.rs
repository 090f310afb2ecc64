//! The two kinds of nodes of the tree: arrays in one kilobyte, scores apart from pointers
//! so that a search touches few lines.
#![allow(unsafe_code)]

use super::member::{Key, Member};
use russet_base::memory::alloc::good_size;
use russet_base::memory::mover::Mover;
use std::alloc::Layout;
use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Elements of a leaf.
pub(super) const LEAF: usize = 63;
/// Children of an inner node.
pub(super) const FAN: usize = 31;

/// `N` scores and members in order, of which the first `len` exist.
#[repr(C)]
pub(super) struct Slots<const N: usize> {
    len: u32,
    scores: [MaybeUninit<f64>; N],
    members: [MaybeUninit<Member>; N],
}

pub(super) type Leaf = Slots<LEAF>;
/// First elements of an inner node's children.
pub(super) type FirstElements = Slots<FAN>;

/// Children with their first elements and their numbers of elements.
#[repr(C)]
pub(super) struct InnerNode {
    pub(super) firsts: FirstElements,
    pub(super) children: [BtreeNode; FAN],
    pub(super) counts: [u64; FAN],
}

/// Bytes of either kind in the allocator.
pub(super) const BYTES: usize = 1024;

const _: () = assert!(good_size(size_of::<Leaf>()) == BYTES);
const _: () = assert!(good_size(size_of::<InnerNode>()) == BYTES);

/// A leaf or an inner node, depending on its height in the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct BtreeNode(NonNull<u8>);

impl<const N: usize> Slots<N> {
    /// Where the members begin.
    pub(super) const MEMBERS: usize = std::mem::offset_of!(Self, members);

    fn new() -> Self {
        Slots {
            len: 0,
            scores: [MaybeUninit::uninit(); N],
            members: [MaybeUninit::uninit(); N],
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        let all: *const f64 = self.scores.as_ptr().cast();
        // SAFETY: the first `len` slots are initialised.
        unsafe { std::slice::from_raw_parts(all, self.len()) }
    }

    #[inline]
    pub(super) fn members(&self) -> &[Member] {
        let all: *const Member = self.members.as_ptr().cast();
        // SAFETY: the first `len` slots are initialised.
        unsafe { std::slice::from_raw_parts(all, self.len()) }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> (f64, Member) {
        (self.scores()[at], self.members()[at])
    }

    #[inline]
    pub(super) fn set(&mut self, at: usize, (score, member): (f64, Member)) {
        assert!(at < self.len());
        self.scores[at].write(score);
        self.members[at].write(member);
    }

    #[inline]
    pub(super) fn insert(&mut self, at: usize, slot: (f64, Member)) {
        let len = self.len();
        assert!(at <= len && len < N);
        self.scores.copy_within(at..len, at + 1);
        self.members.copy_within(at..len, at + 1);
        self.len += 1;
        self.set(at, slot);
    }

    #[inline]
    pub(super) fn remove(&mut self, at: usize, count: usize) {
        let len = self.len();
        assert!(at + count <= len);
        self.scores.copy_within(at + count..len, at);
        self.members.copy_within(at + count..len, at);
        self.len -= count as u32;
    }

    /// Moves the slots from `at` on to the front of `to`.
    pub(super) fn move_tail(&mut self, at: usize, to: &mut Self) {
        let (moved, old) = (self.len() - at, to.len());
        assert!(old + moved <= N);
        to.scores.copy_within(..old, moved);
        to.members.copy_within(..old, moved);
        to.scores[..moved].copy_from_slice(&self.scores[at..at + moved]);
        to.members[..moved].copy_from_slice(&self.members[at..at + moved]);
        to.len += moved as u32;
        self.len = at as u32;
    }

    /// Moves the first `moved` slots to the back of `to`.
    pub(super) fn move_head(&mut self, moved: usize, to: &mut Self) {
        let old = to.len();
        assert!(moved <= self.len() && old + moved <= N);
        to.scores[old..old + moved].copy_from_slice(&self.scores[..moved]);
        to.members[old..old + moved].copy_from_slice(&self.members[..moved]);
        to.len += moved as u32;
        self.remove(0, moved);
    }

    /// Number of slots before the first for which `before` is false.
    #[inline]
    pub(super) fn partition(&self, before: impl Fn(f64, Member) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            let (score, member) = self.get(middle);
            if before(score, member) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Number of slots less than the key, or equal to it with `or_equal`. Members are read only if
    /// scores are equal.
    ///
    /// # Safety
    /// All members of the node are alive.
    #[inline]
    pub(super) unsafe fn rank(&self, key: Key<'_>, or_equal: bool) -> usize {
        let scores = self.scores();
        let below = scores.partition_point(|&s| s < key.score);
        if below == scores.len() || scores[below] > key.score {
            return below;
        }
        let passes = |score, member| {
            // SAFETY: the caller guarantees that it is alive.
            match unsafe { key.cmp(score, member) } {
                Ordering::Greater => true,
                Ordering::Equal => or_equal,
                Ordering::Less => false,
            }
        };
        if scores.get(below + 1).is_none_or(|&next| next > key.score) {
            let (score, member) = self.get(below);
            return below + usize::from(passes(score, member));
        }
        self.partition(passes)
    }
}

impl InnerNode {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }

    pub(super) fn insert(&mut self, at: usize, first: (f64, Member), child: BtreeNode, count: u64) {
        let len = self.len();
        self.firsts.insert(at, first);
        self.children.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        self.children[at] = child;
        self.counts[at] = count;
    }

    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        self.firsts.remove(at, 1);
        self.children.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
    }

    /// Moves the children from `at` on to `to`, which is empty.
    pub(super) fn move_tail(&mut self, at: usize, to: &mut InnerNode) {
        let len = self.len();
        assert!(to.len() == 0);
        to.children[..len - at].copy_from_slice(&self.children[at..len]);
        to.counts[..len - at].copy_from_slice(&self.counts[at..len]);
        self.firsts.move_tail(at, &mut to.firsts);
    }

    /// Moves all children to the back of `to`.
    pub(super) fn move_all(&mut self, to: &mut InnerNode) {
        let (len, old) = (self.len(), to.len());
        to.children[old..old + len].copy_from_slice(&self.children[..len]);
        to.counts[old..old + len].copy_from_slice(&self.counts[..len]);
        self.firsts.move_head(len, &mut to.firsts);
    }

    pub(super) fn total(&self) -> u64 {
        self.counts[..self.len()].iter().sum()
    }
}

impl BtreeNode {
    pub(super) fn new_leaf() -> BtreeNode {
        BtreeNode(NonNull::from(Box::leak(Box::new(Leaf::new()))).cast())
    }

    pub(super) fn new_inner() -> BtreeNode {
        let inner = InnerNode {
            firsts: Slots::new(),
            children: [BtreeNode(NonNull::dangling()); FAN],
            counts: [0; FAN],
        };
        BtreeNode(NonNull::from(Box::leak(Box::new(inner))).cast())
    }

    pub(super) fn address(self) -> usize {
        self.0.addr().get()
    }

    /// # Safety
    /// A live leaf that is not changed during `'a`.
    #[inline]
    pub(super) unsafe fn leaf<'a>(self) -> &'a Leaf {
        // SAFETY: the caller guarantees it.
        unsafe { self.0.cast().as_ref() }
    }

    /// # Safety
    /// A live leaf to which this is the only access during `'a`.
    #[inline]
    pub(super) unsafe fn leaf_mut<'a>(self) -> &'a mut Leaf {
        // SAFETY: the caller guarantees it.
        unsafe { self.0.cast().as_mut() }
    }

    /// # Safety
    /// A live inner node that is not changed during `'a`.
    #[inline]
    pub(super) unsafe fn inner<'a>(self) -> &'a InnerNode {
        // SAFETY: the caller guarantees it.
        unsafe { self.0.cast().as_ref() }
    }

    /// # Safety
    /// A live inner node to which this is the only access during `'a`.
    #[inline]
    pub(super) unsafe fn inner_mut<'a>(self) -> &'a mut InnerNode {
        // SAFETY: the caller guarantees it.
        unsafe { self.0.cast().as_mut() }
    }

    /// Number of slots or children; both kinds begin alike.
    ///
    /// # Safety
    /// A live node that is not changed meanwhile.
    #[inline]
    pub(super) unsafe fn len(self) -> usize {
        // SAFETY: both kinds are `repr(C)` and begin with their length.
        (unsafe { self.0.cast::<u32>().read() }) as usize
    }

    /// The first element.
    ///
    /// # Safety
    /// A live node of this height, not empty, that is not changed meanwhile.
    pub(super) unsafe fn first(self, height: u32) -> (f64, Member) {
        if height == 0 {
            // SAFETY: height 0 is a leaf.
            unsafe { self.leaf() }.get(0)
        } else {
            // SAFETY: any other height is an inner node.
            unsafe { self.inner() }.firsts.get(0)
        }
    }

    /// Offers this node's block; returns its copy.
    ///
    /// # Safety
    /// A live node of this height; after `Some` the old node is not used again.
    pub(super) unsafe fn moved(self, height: u32, mover: &mut Mover) -> Option<BtreeNode> {
        let layout = match height {
            0 => Layout::new::<Leaf>(),
            _ => Layout::new::<InnerNode>(),
        };
        // SAFETY: a box's block has the layout of its content.
        unsafe { mover.layout(self.0, layout) }.map(BtreeNode)
    }

    /// Frees this node alone.
    ///
    /// # Safety
    /// A live node of this height, not used afterwards.
    pub(super) unsafe fn free(self, height: u32) {
        if height == 0 {
            // SAFETY: made by `new_leaf`.
            drop(unsafe { Box::from_raw(self.0.cast::<Leaf>().as_ptr()) });
        } else {
            // SAFETY: made by `new_inner`.
            drop(unsafe { Box::from_raw(self.0.cast::<InnerNode>().as_ptr()) });
        }
    }
}
