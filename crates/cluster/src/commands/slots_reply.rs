//! SLOTS: which nodes serve which ranges of slots, as clients ask after each redirect.

use super::CommandOutcome;
use crate::core::Cluster;
use crate::membership::nodes::{ClusterNode, NodeIndex};
use crate::message::SLOTS;
use crate::ownership::viewer::Viewer;
use crate::settings::Endpoint;
use russet_resp::Reply;

impl Cluster {
    /// An array of `[first, last, node ..]`, the primary first; a node is
    /// `[endpoint or null, port, id, map of further names]`. O(16,384) after a change, else a copy.
    pub(super) fn show_slots(&mut self, viewer: Viewer, reply: &mut Reply) -> CommandOutcome {
        if self.slots_replies.place(viewer).is_none() {
            let mut text = Reply::new();
            text.set_resp3(viewer.is_resp3);
            self.write_slots(viewer, &mut text);
            *self.slots_replies.place(viewer) = Some(text.pending().into());
        }
        if let Some(text) = self.slots_replies.place(viewer) {
            reply.raw(text);
        }
        CommandOutcome::Replied
    }

    fn write_slots(&self, viewer: Viewer, reply: &mut Reply) {
        let ranges = self.owned_ranges();
        reply.array(ranges.len());
        for (first, last, owner) in ranges {
            let replicas = self.nodes[owner].replicas.iter().map(|&at| &self.nodes[at]);
            let replicas: Vec<&ClusterNode> = replicas.filter(|node| is_available(node)).collect();
            reply.array(3 + replicas.len());
            reply.int(first.into());
            reply.int(last.into());
            self.write_slot_node(&self.nodes[owner], viewer, reply);
            for replica in replicas {
                self.write_slot_node(replica, viewer, reply);
            }
        }
    }

    /// Runs of slots of one owner, ascending.
    fn owned_ranges(&self) -> Vec<(u16, u16, NodeIndex)> {
        let mut ranges: Vec<(u16, u16, NodeIndex)> = Vec::new();
        for slot in 0..SLOTS {
            let Some(owner) = self.owners.owner(slot) else {
                continue;
            };
            match ranges.last_mut() {
                Some((_, last, of)) if *last + 1 == slot && *of == owner => *last = slot,
                _ => ranges.push((slot, slot, owner)),
            }
        }
        ranges
    }

    fn write_slot_node(&self, node: &ClusterNode, viewer: Viewer, reply: &mut Reply) {
        reply.array(4);
        match self.endpoint(node, viewer) {
            Some(endpoint) => reply.bulk(endpoint),
            None => reply.null(),
        }
        reply.int(node.client_port(viewer).into());
        reply.bulk(node.id.as_bytes());
        let mut names: Vec<(&[u8], &[u8])> = Vec::new();
        if self.settings.endpoint != Endpoint::Ip {
            names.push((b"ip", node.client_ip(viewer)));
        }
        if self.settings.endpoint != Endpoint::Hostname && !node.names.hostname.is_empty() {
            names.push((b"hostname", &node.names.hostname));
        }
        if self.is_valkey() && !node.names.zone.is_empty() {
            names.push((b"availability-zone", &node.names.zone));
        }
        reply.map(names.len());
        for (name, value) in names {
            reply.bulk(name);
            reply.bulk(value);
        }
    }
}

/// A replica that clients can read from: it works and has had its primary's data.
fn is_available(node: &ClusterNode) -> bool {
    !node.has_failed() && node.offset != 0
}
