//! Questions of the server to the core, beside CLUSTER's subcommands.
//!
//! All but `greet_replicas_of`, `take_slots_without_vote` and `switches` change nothing. A node is
//! named by the text of its id; a node that is not known, or in a handshake, is answered like none.
//!
//! Cost: O(1), where nothing else is noted.
//!
//! Elsewhere: where a command runs (`route`), CLUSTER's subcommands and the text of CLUSTER INFO
//! (`commands`), slots that stay after a failed move (`kept`).

use super::core::{Cluster, Switches};
use super::membership::nodes::{ClusterNode, ME, NodeIndex};
use super::message::{Kind, NodeFlags, NodeId, SLOTS};
use russet_host::Now;

impl Cluster {
    /// Whether this node knows no other.
    pub fn is_alone(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// This node's id.
    pub fn my_id(&self) -> NodeId {
        self.me().id
    }

    /// The primary that this replica follows.
    pub fn primary_of_mine(&self) -> Option<NodeId> {
        self.me().primary.map(|at| self.nodes[at].id)
    }

    /// Whether this node is a replica.
    pub fn is_replica(&self) -> bool {
        self.me().is_replica()
    }

    /// The cluster is well, as this node sees it.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_ok(&self) -> bool {
        self.health.is_ok
    }

    /// A primary with slots: it votes, and SHUTDOWN SAFE refuses.
    pub fn is_voter(&self) -> bool {
        self.me().is_voter()
    }

    /// Bytes held of messages that have not come completely, a part of INFO mem_cluster_links.
    /// O(1).
    pub fn links_bytes(&self) -> usize {
        self.links.input_bytes()
    }

    /// The node that serves the slot; `None`: no node does.
    pub fn slot_owner(&self, slot: u16) -> Option<NodeId> {
        self.owners.owner(slot).map(|at| self.nodes[at].id)
    }

    /// Whether this node serves the slot. False on its replicas.
    pub fn is_mine(&self, slot: u16) -> bool {
        self.owners.owner(slot) == Some(ME)
    }

    /// Clients may write to the slot here, or at our primary.
    pub fn takes_keys_of(&self, slot: u16) -> bool {
        self.is_of_my_primary(slot) || self.owners.importing.contains_key(&slot)
    }

    /// The slot is ours, or our primary's.
    pub fn is_of_my_primary(&self, slot: u16) -> bool {
        self.owners.owner(slot) == Some(self.me().primary.unwrap_or(ME))
    }

    /// Where a node takes replicas and slots: ip and port (TLS's where replication uses TLS).
    pub fn client_address(&self, id: &[u8]) -> Option<(Vec<u8>, u16)> {
        self.data_address(self.find_text(id)?)
    }

    pub(super) fn data_address(&self, at: NodeIndex) -> Option<(Vec<u8>, u16)> {
        let address = self.nodes[at].address;
        let port = if self.settings.tls_replication {
            address.tls_port
        } else {
            address.port
        };
        (!address.ip.is_empty() && port != 0).then(|| (address.ip.to_vec(), port))
    }

    /// `None`: the node is not known.
    pub fn is_primary_node(&self, id: &[u8]) -> Option<bool> {
        Some(self.nodes[self.find_text(id)?].is_primary())
    }

    /// Whether a node has shown on the bus that it speaks Valkey's dialect.
    pub fn is_valkey_node(&self, id: &[u8]) -> bool {
        let at = self.find_text(id);
        at.is_some_and(|at| self.nodes[at].is_valkey())
    }

    /// Whether slots are open by SETSLOT: (migrating, importing).
    pub fn open_slots(&self) -> (bool, bool) {
        let owners = &self.owners;
        (!owners.migrating.is_empty(), !owners.importing.is_empty())
    }

    /// The replicas of this node that may be elected in its place. O(replicas).
    pub fn electable_replicas(&self) -> usize {
        let replicas = self.me().replicas.iter().map(|&at| &self.nodes[at]);
        let may_be = |node: &&ClusterNode| {
            !node.has_failed() && !node.flags.contains(NodeFlags::NO_FAILOVER)
        };
        replicas.filter(may_be).count()
    }

    /// The offset that a node has last shown.
    pub fn offset_of(&self, id: &[u8]) -> u64 {
        self.find_text(id).map_or(0, |at| self.nodes[at].offset)
    }

    /// A primary that is not seen failing.
    pub fn is_working_primary(&self, id: &[u8]) -> bool {
        let node = self.find_text(id).map(|at| &self.nodes[at]);
        node.is_some_and(|node| node.is_primary() && !node.is_failing())
    }

    /// Whether a node that has failed, or follows another node, was replaced by a primary of its
    /// shard, with slots: a primary without slots is a former primary, whose data is older.
    /// O(nodes).
    pub fn is_replaced(&self, id: &[u8]) -> bool {
        let Some(at) = self.find_text(id) else {
            return false;
        };
        let node = &self.nodes[at];
        if node.is_primary() && !node.has_failed() {
            return false;
        }
        let takes_place = |(other, its): (NodeIndex, &ClusterNode)| {
            other != at && its.is_voter() && its.shard == node.shard && !its.is_failing()
        };
        self.nodes.iter().any(takes_place)
    }

    /// Whether a primary has replicas, and each that has not failed has agreed since that moment on
    /// what its primary serves, at this offset or a later offset. O(replicas).
    pub fn replicas_agree(&self, id: &[u8], since_ms: i64, offset: u64) -> bool {
        let Some(at) = self.find_text(id).filter(|&at| self.nodes[at].is_primary()) else {
            return false;
        };
        let mut working = (self.nodes[at].replicas.iter().map(|&at| &self.nodes[at]))
            .filter(|node| !node.has_failed())
            .peekable();
        let agrees = |node: &ClusterNode| {
            let agreed = node.noticed.agreed;
            agreed.is_some_and(|(when, its)| when > since_ms && its >= offset)
        };
        working.peek().is_some() && working.all(agrees)
    }

    /// Whether SETSLOT imports a slot.
    pub fn imports(&self, slot: u16) -> bool {
        self.owners.importing.contains_key(&slot)
    }

    /// Greets the replicas of a node, except replicas that owe a PONG: their PONGs show what they
    /// know. O(replicas).
    pub fn greet_replicas_of(&mut self, now: Now, id: &[u8]) {
        let Some(at) = self.find_text(id) else {
            return;
        };
        self.begin(now);
        for replica in self.nodes[at].replicas.clone() {
            let node = &self.nodes[replica];
            if let Some(link) = node.out.filter(|_| node.pinged.is_none()) {
                self.greet(link, Kind::Ping);
            }
        }
        self.end();
    }

    /// Takes slots as the target of an atomic migration: a new epoch without votes, saved before it
    /// is announced. False: this node is a replica, or nothing can be saved. O(slots + nodes).
    pub fn take_slots_without_vote(&mut self, now: Now, slots: &[(u16, u16)]) -> bool {
        if !self.me().is_primary() || self.out.has_failed() {
            return false;
        }
        self.begin(now);
        for &(first, last) in slots {
            for slot in first..=last.min(SLOTS - 1) {
                self.owners.importing.remove(&slot);
                self.bind(slot, ME);
            }
        }
        self.bump_epoch();
        self.save();
        self.announce(false);
        self.end();
        true
    }

    /// DEBUG's switches.
    pub fn switches(&mut self) -> &mut Switches {
        &mut self.switches
    }
}
