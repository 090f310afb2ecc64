//! This node's role and epochs, and why its cluster is well or not.

use super::{count, span};
use crate::core::Cluster;
use crate::failover::state::Ill;
use crate::membership::nodes::ME;

pub(super) fn lines(cluster: &Cluster) -> Vec<String> {
    let mut lines = vec![myself(cluster), state(cluster)];
    // Without full coverage a cluster can be well and yet not serve some slots.
    if !cluster.settings.require_full_coverage {
        let all = usize::from(crate::message::SLOTS);
        let unbound = all - cluster.owners.bound;
        if unbound > 0 {
            lines.push(format!("nobody serves {}", count(unbound, "slot")));
        }
        let failed = cluster
            .nodes
            .iter()
            .filter(|(_, node)| node.has_failed() && node.is_voter());
        for (at, node) in failed {
            let slots = count(node.slots.len(), "slot");
            lines.push(format!(
                "{slots} of failed node {} cannot be reached",
                cluster.called(at)
            ));
        }
    }
    lines
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

fn state(cluster: &Cluster) -> String {
    let now = cluster.now.monotonic_ms;
    let since = span(now - cluster.health.since);
    if cluster.health.is_ok {
        return format!("the cluster is ok, since {since}");
    }
    let why = match cluster.illness() {
        None => "it will be ok at the next tick".into(),
        Some(Ill::Unsaved) => "nodes.conf cannot be saved".into(),
        Some(Ill::Unbound(first, number)) => format!(
            "nobody serves {}, the first is {first}; cluster-require-full-coverage asks for all",
            count(number, "slot")
        ),
        Some(Ill::Failed(slot, at)) => format!(
            "slot {slot} and others are of node {}, which has failed and was not replaced; \
             cluster-require-full-coverage asks for all",
            cluster.called(at)
        ),
        Some(Ill::Minority(_, 0)) => "no primary has slots yet".into(),
        Some(Ill::Minority(reached, voters)) => format!(
            "I reach {reached} of {voters} primaries with slots, {} are needed",
            voters / 2 + 1
        ),
        Some(Ill::Waiting(ms)) => format!(
            "nothing is wrong any more, but a primary that was away waits for {} yet, because it may have \
             been replaced",
            span(ms)
        ),
    };
    format!("the cluster is not ok, since {since}: {why}")
}
