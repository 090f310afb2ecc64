//! Nodes that are known from gossip alone: bounded in number and rate, until they answer.
//!
//! One MEET makes a node believed, so that a stranger can announce any number of nodes. Each of
//! them costs a link to be tried, a place in every walk, a line of the file. So a node that has not
//! answered yet is left out of our gossip and of the file, makes room for newer nodes after a
//! second, and is forgotten when no gossip names it any more. A real node answers at once.

use super::super::core::Cluster;
use super::super::membership::nodes::NodeIndex;

/// At most this many at a time have not answered.
const NODES_MAX: usize = 256;
/// At most this many become known within a second.
const RATE_MAX: usize = 256;
/// The time for an answer. A node that has not answered by then makes room.
const ANSWER_MS: i64 = 1000;
/// A node that does not answer, and that no gossip has named for this long, is forgotten.
const KEPT_MS: i64 = 60_000;

impl Cluster {
    /// Whether a further node may become known from others now. O(nodes) if another must make room.
    pub(crate) fn make_room_for_report(&mut self) -> bool {
        let now = self.ms();
        if now - self.gossiped.since >= 1000 {
            (self.gossiped.since, self.gossiped.count) = (now, 0);
        }
        if self.gossiped.count >= RATE_MAX {
            return false;
        }
        if self.gossiped.nodes.len() < NODES_MAX {
            return true;
        }
        let has_had_time = |at: &NodeIndex| {
            let node = &self.nodes[*at];
            node.is_rumour() && now - node.created > ANSWER_MS
        };
        let first = self.gossiped.nodes.iter().copied().find(has_had_time);
        if let Some(first) = first {
            self.forget(first);
        }
        first.is_some()
    }

    /// A node has answered at its address.
    pub(crate) fn confirm(&mut self, at: NodeIndex) {
        if std::mem::take(&mut self.nodes[at].is_gossiped) {
            self.gossiped.remove(at);
            self.changed.routes = true;
            self.save_soon();
        }
    }

    /// Forgets nodes that have not answered, and that no gossip names any more.
    pub(crate) fn tend_reports(&mut self) {
        let oldest = self.ms() - KEPT_MS.max(4 * self.settings.node_timeout.get());
        let is_over = |at: &NodeIndex| {
            let node = &self.nodes[*at];
            node.is_rumour() && node.inbound.is_none() && node.mentioned < oldest
        };
        let over: Vec<NodeIndex> = self
            .gossiped
            .nodes
            .iter()
            .copied()
            .filter(is_over)
            .collect();
        for at in over {
            self.forget(at);
        }
    }
}
