//! Searches that a batch makes ahead of its commands, a level at a time, so that all searches of
//! the batch wait for memory at the same time.
#![allow(unsafe_code)]

use super::ZsetIndex;
use super::node::{BtreeNode, FirstElements, InnerNode, Leaf};
use crate::prefetch::prefetch;
use std::marker::PhantomData;
use std::mem::offset_of;

const LINE: usize = 64;

/// A search for the place of a score, which only prefetches: equal scores may be in other leaves.
#[derive(Clone, Copy)]
pub struct Descent<'t> {
    node: BtreeNode,
    height: u32,
    score: f64,
    changes: bool,
    tree: PhantomData<&'t ZsetIndex>,
}

impl ZsetIndex {
    /// Begins at the root. `changes`: elements of the leaf will be moved.
    #[inline]
    pub fn descent(&self, score: f64, changes: bool) -> Option<Descent<'_>> {
        Some(Descent {
            node: self.root?,
            height: self.height,
            score,
            changes,
            tree: PhantomData,
        })
    }
}

impl Descent<'_> {
    /// Goes a level down, and prefetches what the next step will read, in the leaf what the command
    /// will. `false`: it had reached the leaf.
    #[inline]
    pub fn step(&mut self) -> bool {
        if self.height == 0 {
            self.prefetch_member();
            return false;
        }
        // SAFETY: nodes above the leaves are inner, and nothing changes during the borrow.
        let inner = unsafe { self.node.inner() };
        let scores = inner.firsts.scores();
        let after = scores.partition_point(|&score| score <= self.score);
        self.node = inner.children[after.saturating_sub(1)];
        self.height -= 1;
        match (self.height, self.changes) {
            (0, true) => self.prefetch_bytes(0..size_of::<Leaf>()),
            (0, false) => self.prefetch_bytes(0..Leaf::MEMBERS),
            _ => {
                self.prefetch_bytes(0..FirstElements::MEMBERS);
                self.prefetch_bytes(offset_of!(InnerNode, children)..offset_of!(InnerNode, counts));
            }
        }
        true
    }

    /// Prefetches the pointer to the member with the score, whose leaf is loaded.
    #[inline]
    fn prefetch_member(&self) {
        if self.changes {
            return;
        }
        // SAFETY: no level is left: it is a leaf, and nothing changes during the borrow.
        let leaf = unsafe { self.node.leaf() };
        let at = leaf.scores().partition_point(|&score| score < self.score);
        if let Some(member) = leaf.members().get(at) {
            prefetch(std::ptr::from_ref(member).addr());
        }
    }

    #[inline]
    fn prefetch_bytes(&self, range: std::ops::Range<usize>) {
        let begin = self.node.address();
        for line in range.start / LINE..range.end.div_ceil(LINE) {
            prefetch(begin + line * LINE);
        }
    }
}
