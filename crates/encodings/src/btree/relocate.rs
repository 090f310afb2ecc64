//! Moving the tree's nodes and its members' entries to fuller slabs.
#![allow(unsafe_code)]

use super::ZsetIndex;
use super::member::Member;
use super::node::BtreeNode;
use russet_base::memory::mover::Mover;

impl ZsetIndex {
    /// Offers the leaf with this rank, the inner nodes above it of which it is the first leaf, and,
    /// by `each`, all of its members: `each` returns a member's new entry if it was moved. Returns
    /// the number of elements in the leaf from the rank on, 0 after the end.
    ///
    /// # Safety
    /// The entry that `each` returns has the member's bytes and score.
    pub(crate) unsafe fn relocate_leaf(
        &mut self,
        rank: usize,
        mover: &mut Mover,
        mut each: impl FnMut(Member, &mut Mover) -> Option<Member>,
    ) -> usize {
        let (Some(path), Some(mut node)) = (self.path_at(rank), self.root) else {
            return 0;
        };
        let mut steps = path.steps;
        let steps = &mut steps[..path.depth];
        for at in 0..steps.len() {
            let height = (steps.len() - at) as u32;
            let (above, here) = steps.split_at_mut(at);
            let (place, child) = here[0].as_mut().expect("a step a level");
            if *child == 0
                // SAFETY: a node of the path, of this height, whose new address is stored at once.
                && let Some(moved) = unsafe { node.moved(height, mover) }
            {
                self.name(above.last().copied().flatten(), moved);
                node = moved;
            }
            *place = node;
            // SAFETY: alive; above height 0 nodes are inner.
            node = unsafe { node.inner() }.children[*child];
        }
        // SAFETY: the path ends in a leaf, whose new address is stored at once.
        if let Some(moved) = unsafe { node.moved(0, mover) } {
            self.name(steps.last().copied().flatten(), moved);
            node = moved;
        }
        // SAFETY: the leaf, and `self` is exclusive.
        let leaf = unsafe { node.leaf_mut() };
        for at in 0..leaf.len() {
            let (score, member) = leaf.get(at);
            let Some(member) = each(member, mover) else {
                continue;
            };
            leaf.set(at, (score, member));
            if at > 0 {
                continue;
            }
            // The parent stores the child's first element, too, and so do the nodes above, as long
            // as each is a first child.
            for (inner, child) in steps.iter().rev().flatten() {
                // SAFETY: steps are inner nodes, and `self` is exclusive.
                let inner = unsafe { inner.inner_mut() };
                inner.firsts.set(*child, (score, member));
                if *child > 0 {
                    break;
                }
            }
        }
        leaf.len() - path.at
    }

    /// Stores a moved node's new address in its parent, or as the root.
    fn name(&mut self, above: Option<(BtreeNode, usize)>, node: BtreeNode) {
        match above {
            // SAFETY: a step of the path is an inner node, and `self` is exclusive.
            Some((inner, child)) => unsafe { inner.inner_mut() }.children[child] = node,
            None => self.root = Some(node),
        }
    }
}
