//! The nodes that this node knows, itself among them.
//!
//! A node keeps its number (`NodeIndex`) as long as it is known; this node's number is always
//! [`ME`]. A number is used again after its node is forgotten, because `Cluster::forget` removes
//! all references.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use super::super::message::{Ip, NodeFlags, NodeId};
use super::super::ownership::slots::SlotSet;
use super::tokens::{Token, Trust};
use russet_host::LinkId;

/// At most this many nodes are known. Redis recommends up to 1,000; without a bound, gossip could
/// fill the memory with invented nodes.
pub const NODES_MAX: usize = 4096;

/// Handshakes by CLUSTER MEET under way, at most.
pub(crate) const HANDSHAKES_MAX: usize = 1024;

/// A node's number in [`Nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

/// This node.
pub(crate) const ME: NodeIndex = NodeIndex(0);

/// Where a node is. A port of 0: the node does not have this port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub ip: Ip,
    pub port: u16,
    pub tls_port: u16,
    pub bus_port: u16,
}

/// The names that a node announces beside its address. Empty or 0: not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub hostname: Vec<u8>,
    pub human: Vec<u8>,
    pub(crate) client_ipv4: Vec<u8>,
    pub(crate) client_ipv6: Vec<u8>,
    pub(crate) client_port: u16,
    pub(crate) client_tls_port: u16,
    pub zone: Vec<u8>,
}

/// See the module. Times are monotonic milliseconds.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    pub id: NodeId,
    pub shard: NodeId,
    pub flags: NodeFlags,
    pub config_epoch: u64,
    pub slots: SlotSet,
    pub address: Address,
    pub names: Names,
    /// `None` of a replica: its primary is not known (yet).
    pub primary: Option<NodeIndex>,
    pub replicas: Vec<NodeIndex>,
    pub offset: u64,
    /// When the node became known, or its handshake began.
    pub created: i64,
    /// The node is known from gossip alone: it has never answered at its address. See `reports`.
    pub(crate) is_gossiped: bool,
    /// When gossip last named it.
    pub(crate) mentioned: i64,
    /// The PING that waits for its PONG.
    pub(crate) pinged: Option<i64>,
    /// The last PONG, to us or (by gossip) to another.
    pub(crate) ponged: Option<i64>,
    /// Where it last answered by the link that we have opened.
    pub answered: Ip,
    /// The last message of any kind.
    pub received_at: i64,
    /// When FAIL was set.
    pub failed: i64,
    /// Since when a primary with slots has had no working replica.
    pub(crate) orphaned: Option<i64>,
    /// When we last voted for a replica of this primary.
    pub voted: Option<i64>,
    /// When a link to it was last asked for.
    pub dialled: Option<i64>,
    /// When a MEET was last sent to it.
    pub met: Option<i64>,
    /// Since when it has had no link to us.
    pub(crate) unlinked: i64,
    /// The link that we have opened, and the link that the node has opened.
    pub out: Option<LinkId>,
    pub(crate) inbound: Option<LinkId>,
    /// The primaries that see it failing, and when each last reported it.
    pub reports: Vec<(NodeIndex, i64)>,
    /// The flags of its last header, and whether it reads extensions.
    pub(crate) header_flags: NodeFlags,
    pub(crate) takes_extensions: bool,
    /// The secret of internal clients that it announces (`secret`).
    pub secret: Option<NodeId>,
    /// Whether it may ask, and its token for us (`members`).
    pub(crate) trust: Trust,
    pub(crate) token: Token,
    /// The last header and gossip, for CLUSTER EXPLAIN and `replicas_agree`.
    pub(crate) noticed: NodeObservations,
}

/// Findings from a node's last header and gossip.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeObservations {
    pub current_epoch: u64,
    pub(crate) state_is_fail: bool,
    /// The newest time in the node's last gossip minus our wall clock, in milliseconds: a bound of
    /// how far the node's clock is ahead of ours.
    pub(crate) clock_ahead_ms: Option<i64>,
    /// The last time when the node's header had the slots that, as far as we know, this node or its
    /// primary serves; and the node's offset then.
    pub agreed: Option<(i64, u64)>,
    /// How many slots it claims otherwise than we see it, the first of them, and since when.
    pub(crate) disputed: Option<(usize, u16, i64)>,
}

impl ClusterNode {
    pub fn new(id: NodeId, shard: NodeId, flags: NodeFlags, now: i64) -> ClusterNode {
        ClusterNode {
            id,
            shard,
            flags,
            config_epoch: 0,
            slots: SlotSet::default(),
            address: Address::default(),
            names: Names::default(),
            primary: None,
            replicas: Vec::new(),
            offset: 0,
            created: now,
            is_gossiped: false,
            mentioned: now,
            pinged: None,
            ponged: None,
            answered: Ip::UNKNOWN,
            received_at: now,
            failed: 0,
            orphaned: None,
            voted: None,
            dialled: None,
            met: None,
            unlinked: now,
            out: None,
            inbound: None,
            reports: Vec::new(),
            header_flags: NodeFlags::empty(),
            takes_extensions: false,
            secret: None,
            trust: Trust::Stranger,
            token: Token::default(),
            noticed: NodeObservations::default(),
        }
    }

    pub fn is_primary(&self) -> bool {
        self.flags.contains(NodeFlags::PRIMARY)
    }

    pub fn is_replica(&self) -> bool {
        self.flags.contains(NodeFlags::REPLICA)
    }

    /// A primary with slots: it votes and counts for a majority.
    pub fn is_voter(&self) -> bool {
        self.is_primary() && !self.slots.is_empty()
    }

    pub(crate) fn is_handshake(&self) -> bool {
        self.flags.contains(NodeFlags::HANDSHAKE)
    }

    pub fn has_failed(&self) -> bool {
        self.flags.contains(NodeFlags::FAIL)
    }

    pub fn is_failing(&self) -> bool {
        self.flags.intersects(NodeFlags::FAIL | NodeFlags::PFAIL)
    }

    /// Nothing but its name and address is known, and that from others: it is not passed on.
    pub(crate) fn is_rumour(&self) -> bool {
        self.is_gossiped && self.slots.is_empty() && self.replicas.is_empty()
    }

    /// The address is not another node's by now (`NO_ADDRESS`).
    pub(crate) fn has_address(&self) -> bool {
        !self.flags.contains(NodeFlags::NO_ADDRESS)
    }

    /// The node's headers are a Valkey node's.
    pub fn is_valkey(&self) -> bool {
        self.header_flags.contains(NodeFlags::LIGHT_PUBLISH)
    }
}

/// See the module. Lookup by id is O(1), a walk O(nodes).
#[derive(Debug)]
pub struct Nodes {
    slab: Vec<Option<Box<ClusterNode>>>,
    free: Vec<NodeIndex>,
    by_id: HashMap<NodeId, NodeIndex>,
    /// The nodes with PFAIL.
    pub(crate) suspects: Vec<NodeIndex>,
}

impl Nodes {
    pub fn new(me: ClusterNode) -> Nodes {
        let by_id = HashMap::from([(me.id, ME)]);
        Nodes {
            slab: vec![Some(Box::new(me))],
            free: Vec::new(),
            by_id,
            suspects: Vec::new(),
        }
    }

    /// The number of nodes, this node and handshakes included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn find(&self, id: &NodeId) -> Option<NodeIndex> {
        self.by_id.get(id).copied()
    }

    pub fn get(&self, at: NodeIndex) -> Option<&ClusterNode> {
        self.slab.get(at.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, at: NodeIndex) -> Option<&mut ClusterNode> {
        self.slab.get_mut(at.0 as usize)?.as_deref_mut()
    }

    /// `None`: the id is known already, or there are too many nodes.
    pub fn add(&mut self, node: ClusterNode) -> Option<NodeIndex> {
        if self.by_id.contains_key(&node.id) || self.len() >= NODES_MAX {
            return None;
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            NodeIndex(self.slab.len() as u32 - 1)
        });
        self.by_id.insert(node.id, at);
        self.slab[at.0 as usize] = Some(Box::new(node));
        Some(at)
    }

    /// Takes a node out; the caller removes the references to it.
    pub fn remove(&mut self, at: NodeIndex) -> Option<Box<ClusterNode>> {
        let node = self.slab.get_mut(at.0 as usize)?.take()?;
        self.by_id.remove(&node.id);
        self.suspects.retain(|&suspect| suspect != at);
        self.free.push(at);
        Some(node)
    }

    /// Gives a node another id: at the end of its handshake, or ours at RESET HARD. Nothing happens
    /// if the id is taken.
    pub fn rename(&mut self, at: NodeIndex, id: NodeId) {
        if !self.by_id.contains_key(&id) {
            let former = std::mem::replace(&mut self[at].id, id);
            self.by_id.remove(&former);
            self.by_id.insert(id, at);
        }
    }

    /// All nodes, in the order of their numbers; ours is the first.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIndex, &ClusterNode)> {
        let numbered = (0u32..).map(NodeIndex).zip(&self.slab);
        numbered.filter_map(|(at, node)| Some((at, node.as_deref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeIndex, &mut ClusterNode)> {
        let numbered = (0u32..).map(NodeIndex).zip(&mut self.slab);
        numbered.filter_map(|(at, node)| Some((at, node.as_deref_mut()?)))
    }

    /// The numbers of all nodes but this node.
    pub fn others(&self) -> Vec<NodeIndex> {
        self.iter()
            .map(|(at, _)| at)
            .filter(|&at| at != ME)
            .collect()
    }

    /// The node at a random place; `None` if it is empty.
    pub(crate) fn at_random(&self, random: u64) -> Option<NodeIndex> {
        let at = NodeIndex((random % self.slab.len() as u64) as u32);
        self.get(at).map(|_| at)
    }

    /// Makes `replica` a replica of `primary` alone; `None`: of no node.
    pub fn set_primary(&mut self, replica: NodeIndex, primary: Option<NodeIndex>) {
        let former = std::mem::replace(&mut self[replica].primary, primary);
        if former == primary {
            return;
        }
        if let Some(former) = former {
            let node = &mut self[former];
            node.replicas.retain(|&at| at != replica);
            if node.replicas.is_empty() {
                node.flags.remove(NodeFlags::MIGRATE_TO);
            }
        }
        if let Some(primary) = primary {
            let node = &mut self[primary];
            node.replicas.push(replica);
            node.flags.insert(NodeFlags::MIGRATE_TO);
        }
    }

    /// Sets or clears PFAIL.
    pub(crate) fn set_suspect(&mut self, at: NodeIndex, is_suspect: bool) {
        self[at].flags.set(NodeFlags::PFAIL, is_suspect);
        self.suspects.retain(|&suspect| suspect != at);
        if is_suspect {
            self.suspects.push(at);
        }
    }

    /// How many of a primary's replicas have not failed.
    pub(crate) fn working_replicas(&self, primary: NodeIndex) -> usize {
        let replicas = self[primary].replicas.iter();
        replicas.filter(|&&at| !self[at].is_failing()).count()
    }
}

impl Index<NodeIndex> for Nodes {
    type Output = ClusterNode;

    fn index(&self, at: NodeIndex) -> &ClusterNode {
        self.get(at)
            .expect("numbers of forgotten nodes are removed")
    }
}

impl IndexMut<NodeIndex> for Nodes {
    fn index_mut(&mut self, at: NodeIndex) -> &mut ClusterNode {
        self.get_mut(at)
            .expect("numbers of forgotten nodes are removed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: u8) -> ClusterNode {
        let id = NodeId::parse(&[name; 40]).expect("an id");
        ClusterNode::new(id, id, NodeFlags::PRIMARY, 0)
    }

    #[test]
    fn a_number_is_used_again_and_an_id_is_not_taken_twice() {
        let mut nodes = Nodes::new(node(b'a'));
        let b = nodes.add(node(b'b')).expect("new");
        assert!(nodes.add(node(b'b')).is_none());
        assert!(nodes.remove(b).is_some() && nodes.find(&node(b'b').id).is_none());
        assert_eq!(nodes.add(node(b'c')), Some(b));
        nodes.rename(b, node(b'd').id);
        assert_eq!(nodes.find(&node(b'd').id), Some(b));
        nodes.rename(b, node(b'a').id);
        assert_eq!(nodes.find(&node(b'a').id), Some(ME));
        assert_eq!(nodes.len(), 2);
    }

    #[test]
    fn a_primary_is_a_target_of_migration_while_it_has_replicas() {
        let mut nodes = Nodes::new(node(b'a'));
        let b = nodes.add(node(b'b')).expect("new");
        let c = nodes.add(node(b'c')).expect("new");
        nodes.set_primary(b, Some(ME));
        nodes.set_primary(b, Some(ME));
        assert_eq!(nodes[ME].replicas, [b]);
        assert!(nodes[ME].flags.contains(NodeFlags::MIGRATE_TO));
        nodes.set_primary(b, Some(c));
        assert!(nodes[ME].replicas.is_empty() && nodes[c].replicas == [b]);
        assert!(!nodes[ME].flags.contains(NodeFlags::MIGRATE_TO));
    }
}
