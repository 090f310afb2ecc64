//! Where nodes disagree: slots, epochs, open slots. Views that differ for a moment
//! only are no finding.
//!
//! Cost: O(nodes and slots).

use std::collections::BTreeMap;

use super::{count, span};
use crate::core::Cluster;
use crate::membership::nodes::{ME, NodeIndex};
use russet_base::finding::Finding;
use russet_base::numbers::ranges;

/// Views differ for a moment after each change.
const MOMENT_MS: i64 = 1000;

const WAIT: &str = "wait for two node timeouts; if it persists, redis-cli --cluster fix, and \
                    check whether \
                    the nodes reach each other on the bus";

pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let mut found = disputes(cluster);
    found.extend(unclaimed(cluster));
    found.extend(equal_epochs(cluster));
    found.extend(old_epochs(cluster));
    found.extend(open_slots(cluster));
    found
}

fn disputes(cluster: &Cluster) -> Vec<Finding> {
    let now = cluster.now.monotonic_ms;
    let others = cluster.nodes.iter().filter(|(at, _)| *at != ME);
    let lines = others.filter_map(|(at, node)| {
        let (slots, first, since) = node
            .noticed
            .disputed
            .filter(|(_, _, since)| now - since > MOMENT_MS)?;
        let owner = cluster
            .owners
            .owner(first)
            .map_or("nobody".into(), |at| cluster.called(at));
        let text = format!(
            "node {} claims {} that I see elsewhere, since {}; the first is {first}, of {owner}",
            cluster.called(at),
            count(slots, "slot"),
            span(now - since),
        );
        Some(Finding::warning("views", text, WAIT))
    });
    lines.collect()
}

fn unclaimed(cluster: &Cluster) -> Vec<Finding> {
    let mut by_owner: BTreeMap<NodeIndex, Vec<u16>> = BTreeMap::new();
    for slot in cluster.owners.unclaimed.iter() {
        if let Some(owner) = cluster.owners.owner(slot) {
            by_owner.entry(owner).or_default().push(slot);
        }
    }
    let line = |(owner, slots): (NodeIndex, Vec<u16>)| {
        let text = format!(
            "node {} does not claim {} any more, and no other node does: {}",
            cluster.called(owner),
            count(slots.len(), "slot"),
            shown(&slots)
        );
        Finding::warning("views", text, WAIT)
    };
    by_owner.into_iter().map(line).collect()
}

/// The first ranges.
fn shown(slots: &[u16]) -> String {
    let ranges = ranges(slots.iter().copied());
    let shown = ranges.iter().take(5).map(|(first, last)| {
        if first == last {
            format!("{first}")
        } else {
            format!("{first}-{last}")
        }
    });
    let more = if ranges.len() > 5 { " .." } else { "" };
    shown.collect::<Vec<_>>().join(" ") + more
}

fn equal_epochs(cluster: &Cluster) -> Vec<Finding> {
    let mut by_epoch: BTreeMap<u64, Vec<NodeIndex>> = BTreeMap::new();
    for (at, _) in cluster.nodes.iter().filter(|(_, node)| node.is_voter()) {
        by_epoch
            .entry(cluster.nodes[at].config_epoch)
            .or_default()
            .push(at);
    }
    let equal = by_epoch.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    let line = |(epoch, nodes): (u64, Vec<NodeIndex>)| {
        let names: Vec<String> = nodes.iter().map(|&at| cluster.called(at)).collect();
        let text = format!(
            "config epoch {epoch} is of nodes {}: which of them wins a slot is not decided",
            names.join(", ")
        );
        Finding::warning(
            "epochs",
            text,
            "the nodes resolve this once they reach each other; otherwise CLUSTER BUMPEPOCH at \
             one of them",
        )
    };
    equal.map(line).collect()
}

/// A node whose current epoch stays old receives few messages.
fn old_epochs(cluster: &Cluster) -> Vec<Finding> {
    let now = cluster.now.monotonic_ms;
    let old = cluster.nodes.iter().filter(|(at, node)| {
        let is_new = now - node.created < 2 * cluster.settings.node_timeout.get();
        *at != ME && !is_new && !node.is_failing() && !node.is_handshake()
    });
    let old = old.filter(|(_, node)| node.noticed.current_epoch < cluster.current_epoch);
    let lines = old.map(|(at, node)| {
        let (theirs, ours) = (node.noticed.current_epoch, cluster.current_epoch);
        let text = format!(
            "node {} is at current epoch {theirs}, I am at {ours}",
            cluster.called(at)
        );
        Finding::notice("epochs", text)
    });
    lines.collect()
}

fn open_slots(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for (way, open) in [
        ("to", &cluster.owners.migrating),
        ("from", &cluster.owners.importing),
    ] {
        let mut by_node: BTreeMap<NodeIndex, Vec<u16>> = BTreeMap::new();
        for (&slot, &other) in open {
            by_node.entry(other).or_default().push(slot);
        }
        for (other, slots) in by_node {
            let verb = if way == "to" {
                "migrating"
            } else {
                "importing"
            };
            let stale = slots
                .iter()
                .filter(|&&slot| way == "from" && cluster.owners.owner(slot) != Some(other));
            let stale = match stale.count() {
                0 => String::new(),
                number => format!("; of {number} of them it is not the owner"),
            };
            let down = if cluster.nodes[other].is_failing() {
                ", which does not answer"
            } else {
                ""
            };
            let text = format!(
                "{} {verb} {way} node {}{down}{stale}: {} (CLUSTER SETSLOT)",
                count(slots.len(), "slot"),
                cluster.called(other),
                shown(&slots)
            );
            let remedy = "wait for redis-cli --cluster reshard to finish; if none runs, \
                          redis-cli --cluster fix";
            found.push(Finding::warning("open slots", text, remedy));
        }
    }
    found
}
