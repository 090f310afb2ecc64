//! This node's role and epochs, and why its cluster is well or not.

use super::{count, span};
use crate::core::Cluster;
use crate::failover::state::ClusterFault;
use crate::membership::nodes::ME;
use russet_base::finding::Finding;

/// The remedies of slots that no node serves, and of the slots of a failed node.
const FIX: &str = "redis-cli --cluster fix with this node";
const REPLACE: &str = "start it, or CLUSTER FAILOVER TAKEOVER at one of its replicas";

pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let mut found = vec![Finding::ok("node", myself(cluster)), state(cluster)];
    found.extend(partly(cluster));
    found
}

/// The slots that are not served although the cluster is well.
pub(super) fn partly(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    // Without full coverage a cluster can be well and yet not serve some slots.
    if !cluster.settings.require_full_coverage {
        let all = usize::from(crate::message::SLOTS);
        let unbound = all - cluster.owners.bound;
        if unbound > 0 {
            let text = format!("no node serves {}", count(unbound, "slot"));
            found.push(Finding::critical("slots", text, FIX));
        }
        let failed = cluster
            .nodes
            .iter()
            .filter(|(_, node)| node.has_failed() && node.is_voter());
        for (at, node) in failed {
            let slots = count(node.slots.len(), "slot");
            let text = format!(
                "{slots} of failed node {} cannot be reached",
                cluster.called(at)
            );
            found.push(Finding::critical("slots", text, REPLACE));
        }
    }
    found
}

fn myself(cluster: &Cluster) -> String {
    let me = cluster.me();
    let role = match me.primary {
        _ if me.is_primary() => format!("a primary with {}", count(me.slots.len(), "slot")),
        Some(primary) => format!("a replica of {}", cluster.called(primary)),
        None => "a replica of a node that is not known".into(),
    };
    format!(
        "I am {}, {role}; config epoch {}, current epoch {}, {} known, {} of them with votes",
        cluster.called(ME),
        me.config_epoch,
        cluster.current_epoch,
        count(cluster.nodes.len(), "node"),
        cluster.voters(),
    )
}

fn state(cluster: &Cluster) -> Finding {
    let since = span(cluster.now.monotonic_ms - cluster.health.since);
    if cluster.health.is_ok {
        return Finding::ok("state", format!("the cluster is ok, since {since}"));
    }
    let (why, remedy) = illness(cluster);
    let text = format!("the cluster is not ok, since {since}: {why}");
    Finding::critical("state", text, remedy)
}

/// Why the cluster is not ok, and the remedy.
pub(super) fn illness(cluster: &Cluster) -> (String, &'static str) {
    match cluster.illness() {
        None => ("it will be ok at the next tick".into(), "wait"),
        Some(ClusterFault::Unsaved) => ("nodes.conf cannot be saved".into(), super::DISK),
        Some(ClusterFault::Unbound(first, number)) => (
            format!(
                "no node serves {}, the first is {first}; cluster-require-full-coverage asks for all",
                count(number, "slot")
            ),
            FIX,
        ),
        Some(ClusterFault::Failed(slot, at)) => (
            format!(
                "slot {slot} and others are of node {}, which has failed and was not replaced; \
                 cluster-require-full-coverage asks for all",
                cluster.called(at)
            ),
            REPLACE,
        ),
        Some(ClusterFault::Minority(_, 0)) => {
            ("no primary has slots yet".into(), "CLUSTER ADDSLOTS")
        }
        Some(ClusterFault::Minority(reached, voters)) => (
            format!(
                "I reach {reached} of {voters} primaries with slots, {} are needed",
                voters / 2 + 1
            ),
            super::START_OTHERS,
        ),
        Some(ClusterFault::Waiting(ms)) => (
            format!(
                "nothing is wrong any more, but a primary that was away waits for {} yet, because it \
                 may have been replaced",
                span(ms)
            ),
            "wait",
        ),
    }
}
