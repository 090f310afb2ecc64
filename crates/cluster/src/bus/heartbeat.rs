//! A tick's work for each other node: links, greetings, silence.
//!
//! Cost: O(nodes) per tick, a few words of each; at most `DIALS_MAX` links are opened; greetings
//! themselves at most as many as the node timeout asks for (each node twice in it) and another each
//! second.

use super::super::core::{Cluster, TICK_MS};
use super::super::membership::nodes::NodeIndex;
use super::super::message::{Kind, NodeFlags};

/// Once in this many ticks a random greeting goes out: of this many nodes, to the node with the
/// oldest PONG.
const RANDOM_TICKS: u64 = 1000 / TICK_MS;
const RANDOM_NODES: usize = 5;
/// Links that a tick opens: enough for 1,000 nodes within a second.
const DIALS_MAX: usize = 128;

impl Cluster {
    pub(crate) fn tend_nodes(&mut self) {
        self.choose_secret();
        if self.ticks.is_multiple_of(RANDOM_TICKS) && !self.switches.no_random_ping {
            self.greet_at_random();
        }
        let orphans_count = self.me().is_replica();
        let mut others = self.nodes.others();
        let first = self.walk_from % others.len().max(1);
        others.rotate_left(first);
        let mut dials = DIALS_MAX;
        for (nth, at) in others.into_iter().enumerate() {
            self.tend_handshake(at);
            let is_gone = |at| self.nodes.get(at).is_none_or(|node| !node.has_address());
            if is_gone(at) {
                continue;
            }
            if self.tend_link(at, dials > 0) {
                dials -= 1;
                if dials == 0 {
                    self.walk_from = first + nth + 1;
                }
            }
            self.tend_pings(at);
            if orphans_count {
                self.tend_orphan(at);
            }
        }
        // The server follows no primary, though this node is a replica: its primary's address was
        // not known.
        if self.own.primary.is_none() && self.me().primary.is_some() {
            self.follow_primary();
        }
    }

    fn greet_at_random(&mut self) {
        let mut oldest: Option<(Option<i64>, NodeIndex)> = None;
        for _ in 0..RANDOM_NODES {
            let Some(at) = self.nodes.at_random(self.random.next_u64()) else {
                continue;
            };
            let node = &self.nodes[at];
            let hidden = NodeFlags::MYSELF | NodeFlags::HANDSHAKE;
            let can_be = node.out.is_some() && node.pinged.is_none();
            if can_be && !node.flags.intersects(hidden) {
                let candidate = (node.ponged, at);
                oldest = Some(oldest.map_or(candidate, |known| known.min(candidate)));
            }
        }
        if let Some(link) = oldest.and_then(|(_, at)| self.nodes[at].out) {
            self.greet(link, Kind::Ping);
        }
    }

    fn tend_handshake(&mut self, at: NodeIndex) {
        let node = &self.nodes[at];
        if node.is_handshake() && self.ms() - node.created > self.handshake_ms() {
            self.forget(at);
        }
    }

    /// Returns whether it has dialled, which it only does if it `may_dial`.
    fn tend_link(&mut self, at: NodeIndex, may_dial: bool) -> bool {
        let (now, timeout) = (self.ms(), self.settings.node_timeout.get());
        let node = &self.nodes[at];
        let Some(link) = node.out else {
            let again = (timeout / 20).min(1000);
            let is_due = node.dialled.is_none_or(|dialled| now - dialled >= again);
            let dials =
                may_dial && is_due && !self.switches.no_reconnection && node.address.bus_port != 0;
            if dials {
                self.dial(at);
            }
            return dials;
        };
        let Some(open) = self.links.get(link) else {
            return false;
        };
        let age = now - open.since;
        // A link that does not open is stuck. A link that is silent, though it was not opened just
        // now, is dead: perhaps only the connection is, and not the node.
        let is_stuck = !open.is_open && age > timeout / 2;
        let silent = |since: i64| now - since > timeout / 2;
        // The node's own link may bring messages while ours is dead: a PONG must come by ours.
        let is_unanswered =
            |since: i64| silent(since) && (silent(node.received_at) || now - since > timeout);
        let is_dead = age > timeout && node.pinged.is_some_and(is_unanswered);
        if is_stuck || is_dead {
            self.close(link);
        } else if open.is_open {
            self.meet_again(at);
        }
        false
    }

    fn tend_pings(&mut self, at: NodeIndex) {
        let (now, timeout) = (self.ms(), self.settings.node_timeout.get());
        let interval = match self.settings.ping_interval.get() {
            0 => timeout / 2,
            interval => interval.min(timeout / 2),
        };
        let node = &self.nodes[at];
        if node.is_handshake() {
            return;
        }
        if let Some(link) = node.out {
            let is_due = node.ponged.is_none_or(|ponged| now - ponged > interval);
            if (node.pinged.is_none() && is_due) || self.manual.replica() == Some(at) {
                self.greet(link, Kind::Ping);
            }
        }
        let node = &self.nodes[at];
        if let Some(pinged) = node.pinged
            && (now - pinged).min(now - node.received_at) > timeout
            && !node.is_failing()
        {
            self.suspect(at);
        }
    }

    fn tend_orphan(&mut self, at: NodeIndex) {
        let node = &self.nodes[at];
        let is_orphan = node.is_voter()
            && !node.has_failed()
            && node.flags.contains(NodeFlags::MIGRATE_TO)
            && self.nodes.working_replicas(at) == 0;
        let now = self.ms();
        let node = &mut self.nodes[at];
        if is_orphan {
            _ = node.orphaned.get_or_insert(now)
        } else {
            node.orphaned = None
        }
    }
}
