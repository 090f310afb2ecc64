//! A walk over a run of elements, in either direction.
//!
//! The walk goes from leaf to leaf by rank, because leaves have no links to neighbours, and a
//! descent per leaf is cheap compared to the 60 members of the leaf, which are prefetched some
//! steps ahead.
#![allow(unsafe_code)]

use super::ZsetIndex;
use super::member::Member;
use std::marker::PhantomData;

impl ZsetIndex {
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
}

impl ZsetIndex {
    /// Calls `see` with the elements from `rank` on until it returns false. Members are not read:
    /// their bytes are in other blocks, and most may not be needed.
    pub fn visit_unread<'a>(
        &'a self,
        rank: usize,
        mut see: impl FnMut(f64, UnreadMember<'a>) -> bool,
    ) {
        let mut range = self.range(rank, usize::MAX, false);
        while range.left > 0 {
            range.enter_leaf();
            let (scores, members) = (&range.scores[range.at..], &range.members[range.at..]);
            for (&score, &member) in scores.iter().zip(members) {
                if !see(score, UnreadMember(member, PhantomData)) {
                    return;
                }
            }
            range.rank += scores.len();
            range.left -= scores.len();
        }
    }
}

/// A member visited by a walk, not read yet.
#[derive(Clone, Copy)]
pub struct UnreadMember<'a>(Member, PhantomData<&'a ZsetIndex>);

impl<'a> UnreadMember<'a> {
    /// Prefetches the line in which the bytes begin.
    #[inline]
    pub fn prefetch(self) {
        self.0.prefetch();
    }

    /// The member's bytes; reads its entry.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: the tree is borrowed, and members in it are alive.
        unsafe { self.0.bytes() }
    }
}

/// A run of elements; see [`ZsetIndex::range`].
pub struct Range<'a> {
    tree: &'a ZsetIndex,
    rank: usize,
    left: usize,
    backward: bool,
    scores: &'a [f64],
    members: &'a [Member],
    /// Position in the slices: forward from it, or backward from before it.
    at: usize,
}

impl<'a> Range<'a> {
    /// Enters the leaf that holds `rank`.
    fn enter_leaf(&mut self) {
        let (leaf, at) = self.tree.leaf_at(self.rank).expect("within the tree");
        (self.scores, self.members) = (leaf.scores(), leaf.members());
        self.at = if self.backward { at + 1 } else { at };
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
