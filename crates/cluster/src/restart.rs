//! Restarts: the text of nodes.conf, the state that is restored from it, keys without an owner.
//!
//! Written are epochs, slots, our open slots, and each node's id, address, names and flags; not the
//! nodes in a handshake, nor nodes known from gossip alone, except our primary. Links, reports and
//! offsets are not restored, nor PFAIL: they are found anew.
//!
//! Invariants
//!   1. The current epoch is no smaller than any node's config epoch.
//!   2. References to nodes that the file does not name are left out.
//!
//! Cost: O(nodes + slots); `loaded` asks for the keys of each slot that is not ours.
//!
//! Elsewhere: the format (`conf`), when the file is written (`core`), marks in full copies
//! (`marks`).

use super::conf::{NodesConf, OtherPort, SavedNode};
use super::core::Cluster;
use super::membership::nodes::{Address, ClusterNode, ME, Names, NodeIndex};
use super::message::{NodeFlags, NodeId, SLOTS};
use russet_base::numbers::ranges;
use russet_host::Now;

impl Cluster {
    /// The text of nodes.conf as it is to be now. O(nodes).
    pub fn conf(&self) -> Vec<u8> {
        let known = self.nodes.iter().filter(|(_, node)| !node.is_handshake());
        let known = known.filter(|(_, node)| {
            !node.is_rumour() || self.me().primary == self.nodes.find(&node.id)
        });
        let saved = NodesConf {
            nodes: known.map(|(at, _)| self.saved(at)).collect(),
            current_epoch: self.current_epoch,
            last_vote_epoch: self.last_vote_epoch,
            token_key: self.members.key,
            tokens: self.received_tokens(),
            strangers: self.strange_owners(),
        };
        saved.text(self.settings.dialect)
    }

    /// A node as nodes.conf and CLUSTER NODES show it.
    pub(super) fn saved(&self, at: NodeIndex) -> SavedNode {
        let node = &self.nodes[at];
        let Address {
            ip,
            port,
            tls_port,
            bus_port,
        } = node.address;
        let (port, other) = if self.settings.tls_cluster {
            (tls_port, OtherPort::Tcp(port))
        } else {
            (port, OtherPort::Tls(tls_port))
        };
        let marks = |marks: &std::collections::BTreeMap<u16, NodeIndex>| {
            let marks = marks.iter().filter(|_| at == ME);
            marks
                .map(|(slot, other)| (*slot, self.nodes[*other].id))
                .collect()
        };
        // A replica's own epoch has no meaning: it shows its primary's.
        let speaker = node.primary.map_or(node, |primary| &self.nodes[primary]);
        let wall = |moment: Option<i64>| moment.map_or(0, |moment| self.wall_of(moment));
        SavedNode {
            ip,
            port,
            other,
            bus_port,
            hostname: node.names.hostname.clone(),
            human_nodename: node.names.human.clone(),
            shard: Some(node.shard),
            client_ipv4: node.names.client_ipv4.clone(),
            client_ipv6: node.names.client_ipv6.clone(),
            client_port: node.names.client_port,
            client_tls_port: node.names.client_tls_port,
            availability_zone: node.names.zone.clone(),
            flags: node.flags,
            primary: node.primary.map(|primary| self.nodes[primary].id),
            ping_sent_ms: wall(node.pinged.filter(|_| at != ME)),
            pong_received_ms: wall(node.ponged),
            config_epoch: speaker.config_epoch,
            is_connected: at == ME || self.is_connected(at),
            slots: node.slots.view().ranges(),
            migrating: marks(&self.owners.migrating),
            importing: marks(&self.owners.importing),
            ..SavedNode::new(node.id)
        }
    }

    /// Our link to the node is open.
    fn is_connected(&self, at: NodeIndex) -> bool {
        let link = self.nodes[at].out.and_then(|link| self.links.get(link));
        link.is_some_and(|link| link.is_open)
    }

    /// Takes the content of the file; references to nodes that it does not name are left out.
    pub(super) fn restore(&mut self, saved: NodesConf) {
        self.current_epoch = saved.current_epoch;
        self.last_vote_epoch = saved.last_vote_epoch;
        for line in &saved.nodes {
            self.restore_node(line);
        }
        for line in &saved.nodes {
            let Some(at) = self.nodes.find(&line.id) else {
                continue;
            };
            let primary = line.primary.and_then(|id| self.nodes.find(&id));
            if let Some(primary) = primary.filter(|&primary| primary != at) {
                self.nodes.set_primary(at, Some(primary));
                self.nodes[at].shard = self.nodes[primary].shard;
            }
            for &(first, last) in &line.slots {
                for slot in first..=last.min(SLOTS - 1) {
                    self.bind(slot, at);
                }
            }
            if at == ME {
                for (slot, id) in &line.migrating {
                    let to = self.nodes.find(id);
                    self.owners.migrating.extend(to.map(|to| (*slot, to)));
                }
                for (slot, id) in &line.importing {
                    let from = self.nodes.find(id);
                    self.owners.importing.extend(from.map(|from| (*slot, from)));
                }
            }
        }
        let newest = self.nodes.iter().map(|(_, node)| node.config_epoch).max();
        self.current_epoch = self.current_epoch.max(newest.unwrap_or(0));
        self.restore_members(&saved.tokens, &saved.strangers);
    }

    fn restore_node(&mut self, line: &SavedNode) {
        let now = self.ms();
        let shard = line
            .shard
            .unwrap_or_else(|| NodeId::drawn(&mut self.random));
        let kept = NodeFlags::PRIMARY
            | NodeFlags::REPLICA
            | NodeFlags::FAIL
            | NodeFlags::NO_ADDRESS
            | NodeFlags::NO_FAILOVER;
        let mut node = ClusterNode::new(line.id, shard, line.flags & kept, now);
        node.config_epoch = if node.is_replica() {
            0
        } else {
            line.config_epoch
        };
        let (port, other) = match line.other {
            OtherPort::NotSaid => (line.port, 0),
            OtherPort::Tls(other) | OtherPort::Tcp(other) => (line.port, other),
        };
        // In a line without a second port the first port is TCP's.
        let is_tls = match line.other {
            OtherPort::Tcp(_) => true,
            OtherPort::Tls(_) | OtherPort::NotSaid => false,
        };
        node.address = super::bus::links::address(is_tls, line.ip, (port, other, line.bus_port));
        node.names = Names {
            hostname: line.hostname.clone(),
            human: line.human_nodename.clone(),
            client_ipv4: line.client_ipv4.clone(),
            client_ipv6: line.client_ipv6.clone(),
            client_port: line.client_port,
            client_tls_port: line.client_tls_port,
            zone: line.availability_zone.clone(),
        };
        node.failed = now;
        if !line.flags.contains(NodeFlags::MYSELF) {
            self.nodes.add(node);
            return;
        }
        self.nodes.rename(ME, line.id);
        let me = &mut self.nodes[ME];
        node.flags = (node.flags & !(NodeFlags::FAIL | NodeFlags::NO_ADDRESS)) | NodeFlags::MYSELF;
        if !node.flags.contains(NodeFlags::REPLICA) {
            node.flags.insert(NodeFlags::PRIMARY);
        }
        node.id = me.id;
        *me = node;
    }

    /// The keys of a restarted node are loaded. A slot without an owner becomes ours, since we have
    /// its keys. Keys of another's slot are deleted, as Redis 8.10 and Valkey do (Redis 8.0 marked
    /// the slot as being imported), unless it is being imported.
    pub fn loaded(&mut self, now: Now, keys_in_slot: &dyn Fn(u16) -> usize) {
        self.begin(now);
        if !self.me().is_primary() {
            return;
        }
        let mut foreign = Vec::new();
        for slot in 0..SLOTS {
            let owner = self.owners.owner(slot);
            let is_known = owner == Some(ME) || self.owners.importing.contains_key(&slot);
            if is_known || keys_in_slot(slot) == 0 {
                continue;
            }
            match owner {
                None => {
                    self.note(format!(
                        "I have keys for slot {slot}, which no node serves: taking it"
                    ));
                    self.bind(slot, ME);
                    self.save();
                }
                Some(_) => foreign.push(slot),
            }
        }
        if !foreign.is_empty() {
            let ranges = ranges(foreign);
            self.note("Deleting keys of dirty slots, which are of other nodes".into());
            self.out.push(super::Order::DropSlots(ranges));
        }
        self.end();
    }
}
