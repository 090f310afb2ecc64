//! SHARDS: primaries with their replicas and slots.

use std::collections::BTreeMap;

use super::CommandOutcome;
use crate::core::Cluster;
use crate::membership::nodes::ClusterNode;
use crate::message::NodeId;
use crate::ownership::viewer::Viewer;
use russet_base::numbers::ranges;
use russet_resp::Reply;

impl Cluster {
    /// An array of maps: slots as a flat array of ranges, nodes as maps, nodes with slots first;
    /// for Valkey also the shard's id. A failed primary stays in the shard beside the new primary.
    /// O(nodes * log(nodes)).
    pub(super) fn show_shards(&self, viewer: Viewer, reply: &mut Reply) -> CommandOutcome {
        let mut shards: BTreeMap<&NodeId, Vec<&ClusterNode>> = BTreeMap::new();
        for (_, node) in self.nodes.iter().filter(|(_, node)| !node.is_handshake()) {
            shards.entry(&node.shard).or_default().push(node);
        }
        reply.array(shards.len());
        for (shard, mut nodes) in shards {
            nodes.sort_by_key(|node| (node.slots.is_empty(), node.is_replica()));
            reply.map(if self.is_valkey() { 3 } else { 2 });
            let slots = nodes.iter().flat_map(|node| node.slots.iter());
            let ranges = ranges(slots);
            reply.bulk(b"slots");
            reply.array(2 * ranges.len());
            for (first, last) in ranges {
                reply.int(first.into());
                reply.int(last.into());
            }
            reply.bulk(b"nodes");
            reply.array(nodes.len());
            for node in nodes {
                self.write_shard_node(node, viewer, reply);
            }
            if self.is_valkey() {
                reply.bulk(b"id");
                reply.bulk(shard.as_bytes());
            }
        }
        CommandOutcome::Replied
    }

    fn write_shard_node(&self, node: &ClusterNode, viewer: Viewer, reply: &mut Reply) {
        let place = reply.defer();
        let mut fields = 0;
        let mut name = |reply: &mut Reply, name: &[u8]| {
            fields += 1;
            reply.bulk(name);
        };
        name(reply, b"id");
        reply.bulk(node.id.as_bytes());
        let ports: [(&[u8], u16, u16); 2] = [
            (b"port", node.names.client_port, node.address.port),
            (
                b"tls-port",
                node.names.client_tls_port,
                node.address.tls_port,
            ),
        ];
        for (word, special, port) in ports {
            if port != 0 {
                name(reply, word);
                reply.int(if special == 0 { port } else { special }.into());
            }
        }
        name(reply, b"ip");
        reply.bulk(node.client_ip(viewer));
        name(reply, b"endpoint");
        // Here, unlike in SLOTS, an endpoint that is not to be known is an empty text.
        reply.bulk(self.endpoint(node, viewer).unwrap_or_default());
        if !node.names.hostname.is_empty() {
            name(reply, b"hostname");
            reply.bulk(&node.names.hostname);
        }
        name(reply, b"role");
        reply.bulk(if node.is_replica() {
            b"replica"
        } else {
            b"master"
        });
        name(reply, b"replication-offset");
        reply.int(i64::try_from(node.offset).unwrap_or(i64::MAX));
        name(reply, b"health");
        reply.bulk(match node.has_failed() {
            true => b"fail",
            false if node.is_replica() && node.offset == 0 => b"loading",
            false => b"online",
        });
        if self.is_valkey() && !node.names.zone.is_empty() {
            name(reply, b"availability-zone");
            reply.bulk(&node.names.zone);
        }
        reply.finish_map(place, fields);
    }
}
