//! Node compression: all nodes but `compress` of them at either end are compressed (invariant 3).
//!
//! A node decompressed for a change stays so until it is settled; code that changes or moves nodes
//! must settle those that may be in the wrong form.

use super::Quicklist;
use super::node::ListNode;

impl Quicklist {
    /// Compresses or decompresses a node according to its position.
    pub(super) fn settle(&mut self, at: usize) {
        let depth = usize::from(self.compress);
        if depth == 0 {
            return;
        }
        let nodes = self.nodes.len();
        if at < depth || at + depth >= nodes {
            self.edit(at, ListNode::decompress);
        } else {
            self.edit(at, ListNode::compress);
        }
    }

    /// Settles nodes near a change, which may have been moved or created.
    pub(super) fn settle_around(&mut self, at: usize) {
        if self.compress > 0 {
            for at in at.saturating_sub(2)..(at + 3).min(self.nodes.len()) {
                self.settle(at);
            }
            self.settle_ends();
        }
    }

    /// Settles the nodes near the ends, where a step in position changes the form.
    #[inline]
    pub(super) fn settle_ends(&mut self) {
        if self.compress > 0 {
            let (depth, nodes) = (usize::from(self.compress), self.nodes.len());
            for at in (0..nodes.min(depth + 1)).chain(nodes.saturating_sub(depth + 1)..nodes) {
                self.settle(at);
            }
        }
    }
}
