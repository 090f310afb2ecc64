//! The secret by which nodes of a Redis cluster log in at each other, to move slots (AUTH "internal
//! connection").
//!
//! Redis 8.4 has every node announce a secret on the bus and take the smallest that it receives,
//! from any node that has greeted it. Here only the secrets of nodes that serve slots count, and
//! only known nodes receive ours: a stranger that meets the bus neither chooses the secret nor
//! learns it. For all to agree all the same, our own secret begins with zeros: a random secret is
//! never smaller, and Redis's nodes take ours.
//!
//! Invariants
//!   1. `shared` is the smallest secret of the nodes that serve slots, this node among them; of all
//!      known nodes while none serves any.
//!   2. Valkey has no such secret: its dialect neither announces nor accepts a secret.
//!
//! Cost: O(nodes) a tick.

use super::super::core::Cluster;
use super::super::membership::nodes::{ClusterNode, NodeIndex};
use super::super::message::NodeId;
use russet_host::Random;

/// Digits of our own secret that are zero; 128 random bits follow.
const ZEROS: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Secrets {
    own: NodeId,
    pub shared: NodeId,
}

impl Secrets {
    pub fn new(random: &mut Random) -> Secrets {
        let own = NodeId::drawn(random).with_zeros(ZEROS);
        Secrets { own, shared: own }
    }
}

impl Cluster {
    /// The secret of internal clients, which all Redis nodes of a cluster share. `None` in Valkey's
    /// dialect.
    pub fn internal_secret(&self) -> Option<&[u8; NodeId::LEN]> {
        (!self.is_valkey()).then(|| self.secrets.shared.as_bytes())
    }

    /// Sets a secret of our own, as a node that chooses a secret would have.
    #[cfg(test)]
    pub(crate) fn announce_secret(&mut self, secret: NodeId) {
        self.secrets = Secrets {
            own: secret,
            shared: secret,
        };
    }

    /// Records the secret that a node announces; `choose_secret` decides whether it counts.
    pub(crate) fn receive_secret(&mut self, at: NodeIndex, secret: NodeId) {
        let node = &mut self.nodes[at];
        if !node.is_handshake() {
            node.secret = Some(secret);
        }
    }

    /// The secret that is announced to a node; `None`: it may not know it.
    pub(crate) fn secret_for(&self, at: NodeIndex) -> Option<NodeId> {
        let is_known = !self.nodes[at].is_handshake();
        (is_known && !self.is_valkey()).then_some(self.secrets.shared)
    }

    /// Chooses the shared secret anew. Each tick.
    pub(crate) fn choose_secret(&mut self) {
        // There is no data to guard as long as no node serves a slot: all agree on the smallest
        // then.
        let receives_all = self.voters() == 0;
        let is_received = |node: &ClusterNode| receives_all || node.is_voter();
        let own = is_received(self.me()).then_some(self.secrets.own);
        let others = self.nodes.others().into_iter().map(|at| &self.nodes[at]);
        let others = others.filter_map(|node| node.secret.filter(|_| is_received(node)));
        let smallest = others.chain(own).min();
        self.secrets.shared = smallest.unwrap_or(self.secrets.own);
    }
}
