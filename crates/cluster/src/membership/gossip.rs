//! Gossip: the entries on other nodes in each greeting.
//!
//! A greeting has entries of a tenth of the nodes (`cluster-message-gossip-perc`), so that within
//! two node timeouts, in which each pair exchanges about four greetings each way, most primaries
//! have reported any node as they see it. Nodes that do not answer are in every greeting: FAIL must
//! not wait for chance.

use super::super::bus::links;
use super::super::core::Cluster;
use super::super::message::{Gossip, NodeFlags, NodeId};
use super::nodes::{Address, ClusterNode, ME, NodeIndex};
use russet_host::Level;

const ENTRIES_MIN: usize = 3;
/// Enough for that among 1,000 nodes; more nodes do not make greetings longer.
const ENTRIES_MAX: usize = 128;
/// A pong may be this far in the future, as clocks differ.
const CLOCK_SKEW_MS: i64 = 500;

impl Cluster {
    /// The entries of a greeting to this node. O(entries), and a list of nodes that do not answer.
    pub(crate) fn choose_gossip(&mut self, to: Option<NodeIndex>) -> Vec<Gossip> {
        let known = self.nodes.len();
        let wanted = (known * self.settings.gossip_percent / 100)
            .clamp(ENTRIES_MIN, ENTRIES_MAX)
            .min(known.saturating_sub(2));
        let mut chosen: Vec<NodeIndex> = Vec::with_capacity(wanted);
        for _ in 0..wanted * 3 {
            if chosen.len() == wanted {
                break;
            }
            let Some(at) = self.nodes.at_random(self.random.next_u64()) else {
                continue;
            };
            let node = &self.nodes[at];
            let hidden = NodeFlags::HANDSHAKE | NodeFlags::NO_ADDRESS | NodeFlags::PFAIL;
            let is_useless = node.is_rumour() || (node.out.is_none() && node.slots.is_empty());
            if at == ME || Some(at) == to || node.flags.intersects(hidden) || is_useless {
                continue;
            }
            if !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        let suspects = self.nodes.suspects.iter();
        let is_reported = |at: &&NodeIndex| {
            let node = &self.nodes[**at];
            node.has_address() && !node.is_rumour()
        };
        chosen.extend(suspects.filter(is_reported));
        chosen
            .iter()
            .map(|&at| self.entry(&self.nodes[at]))
            .collect()
    }

    fn entry(&self, node: &ClusterNode) -> Gossip {
        let seconds = |moment: Option<i64>| {
            let wall_ms = moment.map_or(0, |moment| self.wall_of(moment));
            u32::try_from(wall_ms / 1000).unwrap_or(0)
        };
        let Address {
            ip,
            port,
            tls_port,
            bus_port,
        } = node.address;
        let (port, other_port) = if self.settings.tls_cluster {
            (tls_port, port)
        } else {
            (port, tls_port)
        };
        Gossip {
            node: node.id,
            ping_sent_s: seconds(node.pinged),
            pong_received_s: seconds(node.ponged),
            ip,
            port,
            other_port,
            bus_port,
            flags: node.flags,
        }
    }

    /// Takes a known node's entries on others.
    pub(crate) fn receive_gossip(&mut self, sender: NodeIndex, gossip: &[Gossip]) {
        let newest = gossip.iter().map(|entry| entry.pong_received_s).max();
        if let Some(newest) = newest.filter(|&newest| newest > 0) {
            let ahead_ms = i64::from(newest) * 1000 - self.now.wall_ms;
            self.nodes[sender].noticed.clock_ahead_ms = Some(ahead_ms);
        }
        for entry in gossip {
            match self.nodes.find(&entry.node) {
                Some(at) => self.receive_gossip_of_known(sender, at, entry),
                None => self.receive_gossip_of_unknown(sender, entry),
            }
        }
    }

    fn receive_gossip_of_known(&mut self, sender: NodeIndex, at: NodeIndex, entry: &Gossip) {
        if at == ME || at == sender {
            return;
        }
        let says_failing = entry.flags.intersects(NodeFlags::FAIL | NodeFlags::PFAIL);
        if self.nodes[sender].is_primary() {
            self.report(sender, at, says_failing);
        }
        let wall_ms = self.now.wall_ms;
        let now = self.ms();
        let node = &mut self.nodes[at];
        node.mentioned = now;
        // If another node had an answer later than this node, a PING less is needed.
        let pong_wall_ms = i64::from(entry.pong_received_s) * 1000;
        if !says_failing
            && node.pinged.is_none()
            && node.reports.is_empty()
            && !node.is_failing()
            && pong_wall_ms <= wall_ms + CLOCK_SKEW_MS
        {
            let pong = pong_wall_ms - wall_ms + now;
            if node.ponged.is_some_and(|known| pong > known) {
                node.ponged = Some(pong);
            }
        }
        // A failing node may have moved.
        let noticed = self.address_of(entry);
        let node = &self.nodes[at];
        let is_usable = entry.flags.contains(NodeFlags::NO_ADDRESS) || entry.ip.is_empty();
        if node.is_failing() && !says_failing && !is_usable && node.address != noticed {
            if let Some(link) = node.out {
                self.close(link);
            }
            let called = self.called(at);
            self.log_limited(format!(
                "Address of {called} is now {}:{}",
                noticed.ip, noticed.port
            ));
            self.doubt(at);
            let node = &mut self.nodes[at];
            node.address = noticed;
            node.flags.remove(NodeFlags::NO_ADDRESS);
            self.changed.routes = true;
            self.save_soon();
        }
    }

    /// A node that we do not know belongs to the cluster, if a node of the cluster has it in its
    /// gossip.
    fn receive_gossip_of_unknown(&mut self, sender: NodeIndex, entry: &Gossip) {
        let hidden = NodeFlags::NO_ADDRESS | NodeFlags::HANDSHAKE;
        if entry.flags.intersects(hidden)
            || entry.ip.is_empty()
            || entry.bus_port == 0
            || self.blacklist.contains(&entry.node)
            || !self.make_room_for_report()
        {
            return;
        }
        // The role is a guess until its own header comes, and PFAIL is only the sender's view.
        let copied =
            NodeFlags::PRIMARY | NodeFlags::REPLICA | NodeFlags::FAIL | NodeFlags::NO_FAILOVER;
        let mut flags = entry.flags & copied;
        if flags.contains(NodeFlags::REPLICA) {
            flags.remove(NodeFlags::PRIMARY);
        }
        let shard = NodeId::drawn(&mut self.random);
        let mut node = ClusterNode::new(entry.node, shard, flags, self.ms());
        node.address = self.address_of(entry);
        node.failed = self.ms();
        node.is_gossiped = true;
        if let Some(at) = self.nodes.add(node) {
            self.gossiped.add(at);
            let text = format!("Node {} is known from {}", entry.node, self.called(sender));
            self.log(Level::Verbose, text);
            self.changed.routes = true;
            self.dial(at);
        }
    }

    fn address_of(&self, entry: &Gossip) -> Address {
        links::address(
            self.settings.tls_cluster,
            entry.ip,
            (entry.port, entry.other_port, entry.bus_port),
        )
    }
}
