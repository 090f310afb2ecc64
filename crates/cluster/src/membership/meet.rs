//! Meeting nodes and forgetting them.
//!
//!     we: CLUSTER MEET -> node with a random id, MEET  ->  they: node with a random id, PONG
//!         their id from the PONG  <-  PING  <-  they dial us, and have our id from our PONG
//!
//! A MEET is repeated until it is answered, or the handshake's time is over. Redis sends it once:
//! if it is lost, one side knows the other and the other does not.

use super::super::core::Cluster;
use super::super::message::{Header, Ip, Kind, NodeFlags, NodeId};
use super::nodes::{Address, ClusterNode, HANDSHAKES_MAX, ME, NodeIndex};
use russet_host::LinkId;

/// An unanswered MEET is sent again after this time, or a quarter of the handshake's.
const MEET_AGAIN_MS: i64 = 1000;
/// At most this many of the nodes that have met us are being met back.
const MET_MAX: usize = 128;
/// A node that is forgotten stays so for at most this long, whatever other nodes ask for.
const FORGOTTEN_MAX_S: u64 = 7 * 24 * 3600;

impl Cluster {
    /// How long a handshake may take.
    pub(crate) fn handshake_ms(&self) -> i64 {
        self.settings.node_timeout.get().max(1000)
    }

    /// Begins a handshake, unless a handshake with this address is under way. False: there are too
    /// many.
    pub fn meet(&mut self, address: Address, flags: NodeFlags) -> bool {
        let handshakes = self.nodes.iter().filter(|(_, node)| node.is_handshake());
        let mut count = 0;
        for (_, node) in handshakes {
            count += 1;
            if (node.address.ip, node.address.bus_port) == (address.ip, address.bus_port) {
                return true;
            }
        }
        let (id, shard) = (
            NodeId::drawn(&mut self.random),
            NodeId::drawn(&mut self.random),
        );
        let flags = flags | NodeFlags::HANDSHAKE;
        let mut node = ClusterNode::new(id, shard, flags, self.ms());
        node.address = address;
        if count >= HANDSHAKES_MAX {
            return false;
        }
        match self.nodes.add(node) {
            Some(at) => {
                self.dial(at);
                true
            }
            None => false,
        }
    }

    /// An unknown node meets us: we dial it, and learn its name from its answer.
    pub(crate) fn meet_back(&mut self, link: LinkId, header: &Header<'_>) {
        let address = self.address_in(link, header);
        if !address.ip.is_empty() && address.bus_port != 0 && self.make_room_for_met() {
            self.meet(address, NodeFlags::empty());
        }
    }

    /// Whether a further node that meets us may be met back; a node that has not answered in time
    /// makes room.
    fn make_room_for_met(&mut self) -> bool {
        let now = self.ms();
        let is_met =
            |node: &ClusterNode| node.is_handshake() && !node.flags.contains(NodeFlags::MEET);
        let met = self.nodes.iter().filter(|(_, node)| is_met(node));
        let met: Vec<(i64, NodeIndex)> = met.map(|(at, node)| (node.created, at)).collect();
        if met.len() < MET_MAX {
            return true;
        }
        let oldest = met.into_iter().min();
        let late = oldest.filter(|(created, _)| now - created > MEET_AGAIN_MS);
        if let Some((_, at)) = late {
            self.forget(at);
        }
        late.is_some()
    }

    /// A node that we know meets us again: to it our link may be lost, so we open another link,
    /// whose PING shows it who we are.
    pub(crate) fn receive_meet_again(&mut self, at: NodeIndex) {
        let called = self.called(at);
        self.log_limited(format!("Node {called} meets us again"));
        if let Some(link) = self.nodes[at].out {
            self.close(link);
        }
    }

    /// Sends a MEET that was not answered again, by the open link.
    pub(crate) fn meet_again(&mut self, at: NodeIndex) {
        let now = self.ms();
        let node = &self.nodes[at];
        let is_due = |since: Option<i64>, after: i64| since.is_none_or(|since| now - since > after);
        let Some(link) = node.out else {
            return;
        };
        if node.flags.contains(NodeFlags::MEET) && node.met.is_some() {
            let again = MEET_AGAIN_MS.min(self.handshake_ms() / 4);
            if is_due(node.met, again) {
                self.greet(link, Kind::Meet);
            }
            return;
        }
        // A node that knows us dials us. A node that does not has lost us; only Valkey's nodes, and
        // ours, take a MEET from a node that they know.
        let waited = self.handshake_ms();
        if !node.is_handshake()
            && node.inbound.is_none()
            && node.header_flags.contains(NodeFlags::LIGHT_MODULE)
            && now - node.unlinked > waited
            && is_due(node.met, waited)
        {
            let called = self.called(at);
            self.note(format!(
                "Sending MEET to node {called}, because it has no link to us"
            ));
            self.greet(link, Kind::Meet);
        }
    }

    /// Another node has forgotten this node.
    pub(crate) fn receive_forgotten(&mut self, by: NodeIndex, id: &NodeId, seconds: u64) {
        if self.blacklist.contains(id) || seconds == 0 {
            return;
        }
        let found = self.nodes.find(id);
        // Neither our own primary nor ourselves can be forgotten by another's order.
        if found.is_none_or(|at| at == ME || at == by || self.me().primary == Some(at)) {
            return;
        }
        let ttl_ms = seconds.min(FORGOTTEN_MAX_S) as i64 * 1000;
        self.blacklist.add(*id, self.ms() + ttl_ms);
        if let Some(at) = found {
            let text = format!("Node {} was forgotten by {}", id, self.called(by));
            self.note(text);
            self.forget(at);
            self.save_soon();
        }
    }

    /// Removes a node and all references to it. Its slots are left without an owner.
    pub fn forget(&mut self, at: NodeIndex) {
        assert!(at != ME, "a node does not forget itself");
        let node = &self.nodes[at];
        let links = [node.out, node.inbound];
        for link in links.into_iter().flatten() {
            self.close(link);
        }
        let slots: Vec<u16> = self.nodes[at].slots.iter().collect();
        for slot in slots {
            self.unbind(slot);
        }
        self.owners.migrating.retain(|_, to| *to != at);
        self.owners.importing.retain(|_, from| *from != at);
        self.nodes.set_primary(at, None);
        for replica in self.nodes[at].replicas.clone() {
            self.nodes.set_primary(replica, None);
        }
        for (_, other) in self.nodes.iter_mut() {
            other.reports.retain(|(by, _)| *by != at);
        }
        self.gossiped.remove(at);
        self.election.forget(at);
        if self.manual.forget(at) {
            self.end_manual();
        }
        self.nodes.remove(at);
        (self.changed.health, self.changed.routes) = (true, true);
    }

    /// The node with the id in this text.
    pub(crate) fn find_text(&self, id: &[u8]) -> Option<NodeIndex> {
        let at = self.nodes.find(&NodeId::parse(id)?)?;
        (!self.nodes[at].is_handshake()).then_some(at)
    }

    /// The address in the arguments of CLUSTER MEET.
    pub fn literal(ip: &[u8]) -> Option<Ip> {
        let text = std::str::from_utf8(ip).ok()?;
        let address: std::net::IpAddr = text.parse().ok()?;
        Ip::parse(address.to_string().as_bytes())
    }
}
