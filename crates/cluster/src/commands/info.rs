//! INFO: the text of CLUSTER INFO.

use std::fmt::Write as _;

use crate::core::Cluster;
use crate::membership::nodes::{ClusterNode, ME};
use crate::message::{Kind, NodeFlags};
use crate::stats::Counts;

/// The kinds in Redis's order, with their names there.
const KINDS: [(Kind, &str); 11] = [
    (Kind::Ping, "ping"),
    (Kind::Pong, "pong"),
    (Kind::Meet, "meet"),
    (Kind::Fail, "fail"),
    (Kind::Publish, "publish"),
    (Kind::AuthRequest, "auth-req"),
    (Kind::AuthAck, "auth-ack"),
    (Kind::Update, "update"),
    (Kind::MfStart, "mfstart"),
    (Kind::Module, "module"),
    (Kind::PublishShard, "publishshard"),
];

impl Cluster {
    /// The fields, each with its line end; the fields of slot migrations follow. O(nodes).
    pub fn info(&self) -> String {
        let slots_of = |is: &dyn Fn(&ClusterNode) -> bool| -> usize {
            let nodes = self.nodes.iter().filter(|(_, node)| is(node));
            nodes.map(|(_, node)| node.slots.len()).sum()
        };
        let is_suspect = |node: &ClusterNode| node.flags.contains(NodeFlags::PFAIL);
        let count = |is: &dyn Fn(&ClusterNode) -> bool| {
            self.nodes.iter().filter(|(_, node)| is(node)).count()
        };
        let bound = self.owners.bound;
        let (pfail, fail) = (slots_of(&is_suspect), slots_of(&ClusterNode::has_failed));
        let state = if self.health.is_ok { "ok" } else { "fail" };
        let mut text = String::new();
        let mut field = |name: &str, value: &dyn std::fmt::Display| {
            _ = write!(text, "{name}:{value}\r\n");
        };
        field("cluster_state", &state);
        field("cluster_slots_assigned", &bound);
        field("cluster_slots_ok", &(bound - pfail - fail));
        field("cluster_slots_pfail", &pfail);
        field("cluster_slots_fail", &fail);
        if self.is_valkey() {
            field("cluster_nodes_pfail", &count(&is_suspect));
            field("cluster_nodes_fail", &count(&ClusterNode::has_failed));
            let votes_and =
                |is: &dyn Fn(&ClusterNode) -> bool| count(&|node| node.is_voter() && is(node));
            field("cluster_voting_nodes_pfail", &votes_and(&is_suspect));
            field(
                "cluster_voting_nodes_fail",
                &votes_and(&ClusterNode::has_failed),
            );
        }
        let speaker = &self.nodes[self.me().primary.unwrap_or(ME)];
        field("cluster_known_nodes", &self.nodes.len());
        field("cluster_size", &self.voters());
        field("cluster_current_epoch", &self.current_epoch);
        field("cluster_my_epoch", &speaker.config_epoch);
        self.count_messages(&mut field);
        let over_limit = self.stats.links_over_limit;
        field("total_cluster_links_buffer_limit_exceeded", &over_limit);
        text
    }

    fn count_messages(&self, field: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
        let stats = &self.stats;
        let mut one_way = |way: &str, counts: &Counts| {
            for (kind, name) in KINDS {
                if counts.of(kind) > 0 {
                    let name = format!("cluster_stats_messages_{name}_{way}");
                    field(&name, &counts.of(kind));
                }
            }
            field(&format!("cluster_stats_messages_{way}"), &counts.total());
        };
        one_way("sent", &stats.sent);
        one_way("received", &stats.received);
        if !self.is_valkey() {
            return;
        }
        let pubsub = [Kind::Publish, Kind::PublishShard];
        for (way, counts) in [("sent", &stats.sent), ("received", &stats.received)] {
            field(&format!("cluster_stats_bytes_{way}"), &counts.bytes_total());
        }
        for (name, kinds) in [("pubsub", &pubsub[..]), ("module", &[Kind::Module])] {
            for (way, counts) in [("sent", &stats.sent), ("received", &stats.received)] {
                let name = format!("cluster_stats_{name}_bytes_{way}");
                field(&name, &counts.bytes_of(kinds));
            }
        }
    }
}
