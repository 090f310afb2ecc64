//! The owner of each slot, and the nodes that see another one.
//!
//!     coverage       slots without an owner, or whose owner has failed    in the first node's view
//!     disagreement   nodes that name another owner than the first node does
//!     epochs         two primaries with one config epoch
//!     open slots     moves by SETSLOT and MIGRATE that have not ended
//!     states         nodes that report that the cluster is down
//!
//! Nothing is repaired: a finding names the command that does it. A view's owners are worked out in
//! `view`, the nodes are asked in `asking`.

use std::collections::BTreeMap;

use super::facts::{Cluster, some};
use super::view::{NodeLine, View};
use crate::doctor::finding::Finding;
use crate::doctor::group::facts::{number, text};

const FIX: &str = "redis-cli --cluster fix with this node";

pub(super) fn look(cluster: &Cluster, found: &mut Vec<Finding>) {
    coverage(cluster, found);
    disagreement(cluster, found);
    epochs(cluster, found);
    open_slots(cluster, found);
    states(cluster, found);
}

/// Slots without an owner, or whose owner has failed.
fn coverage(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(view) = cluster.first() else {
        return;
    };
    let (owners, of) = view.owners();
    let unbound = ranges(
        (0u16..)
            .zip(&of)
            .filter(|(_, owner)| **owner == 0)
            .map(|(s, _)| s),
    );
    if !unbound.is_empty() {
        let text = format!("nobody serves the slots {}", some(&unbound));
        found.push(Finding::fail("slots", text, FIX));
    }
    for owner in owners.iter().filter(|owner| owner.has("fail")) {
        let text = format!(
            "{} has failed, and no replica has taken its slots: their commands are refused",
            owner.called()
        );
        let mend = "start it, or CLUSTER FAILOVER TAKEOVER at one of its replicas";
        found.push(Finding::fail("slots", text, mend));
    }
    if unbound.is_empty() && !owners.iter().any(|owner| owner.has("fail")) {
        let text = format!("all 16384 are served, by {} primaries", owners.len());
        found.push(Finding::fine("slots", text));
    }
}

/// Runs of numbers as `7` and `0-99`.
fn ranges(slots: impl Iterator<Item = u16>) -> Vec<String> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for slot in slots {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => runs.push((slot, slot)),
        }
    }
    let word = |(first, last)| {
        if first == last {
            format!("{first}")
        } else {
            format!("{first}-{last}")
        }
    };
    runs.into_iter().map(word).collect()
}

/// Nodes that name another owner of a slot than the first node does.
fn disagreement(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(first) = cluster.first() else {
        return;
    };
    let (owners, of) = first.owners();
    for (at, said) in cluster.said() {
        if said.view.me == first.me {
            continue;
        }
        let (its_owners, its) = said.view.owners();
        let id = |owners: &[&NodeLine], n: u16| {
            let owner = usize::from(n).checked_sub(1).map(|n| owners[n]);
            owner.map(|node| node.id.clone())
        };
        let mut differing: BTreeMap<(Option<String>, Option<String>), Vec<u16>> = BTreeMap::new();
        for (slot, (a, b)) in (0u16..).zip(of.iter().zip(&its)) {
            let (a, b) = (id(&owners, *a), id(&its_owners, *b));
            if a != b {
                differing.entry((a, b)).or_default().push(slot);
            }
        }
        for ((a, b), slots) in differing {
            let text = format!(
                "{at} says that the slots {} belong to {}; {} says {}",
                some(&ranges(slots.into_iter())),
                owner(&said.view, b.as_deref()),
                cluster.first,
                owner(first, a.as_deref()),
            );
            let mend = "wait for two node timeouts; if it stays, redis-cli --cluster fix, and look whether \
                        the two reach each other on the bus";
            found.push(Finding::warn("views", text, mend));
        }
    }
}

/// `10.0.0.1:7001 (29273d88) with epoch 5`.
fn owner(view: &View, id: Option<&str>) -> String {
    match id.and_then(|id| view.nodes.get(id)) {
        Some(node) => format!("{} with epoch {}", node.called(), node.epoch),
        None => "nobody".to_owned(),
    }
}

/// Two primaries with one config epoch: a claim of either would win against the other's.
fn epochs(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(view) = cluster.first() else {
        return;
    };
    let mut by_epoch: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for node in view.nodes.values().filter(|node| node.is_voter()) {
        by_epoch.entry(node.epoch).or_default().push(node.called());
    }
    for (epoch, nodes) in by_epoch.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        let text = format!("{} have the same config epoch {epoch}", nodes.join(", "));
        let mend =
            "they end this by themselves once they reach each other; else CLUSTER BUMPEPOCH at one";
        found.push(Finding::warn("epochs", text, mend));
    }
    let epochs = cluster.said().filter_map(|(at, said)| {
        let epoch = number(&said.state, "cluster_current_epoch")?;
        Some((epoch, at.to_string()))
    });
    let epochs: Vec<(i64, String)> = epochs.collect();
    if let (Some(low), Some(high)) = (epochs.iter().min(), epochs.iter().max())
        && low.0 < high.0
    {
        let text = format!(
            "{} is at epoch {}, {} at {}: the first has not heard from the second since an election",
            low.1, low.0, high.1, high.0
        );
        found.push(Finding::note("epochs", text));
    }
}

/// Slots that SETSLOT and MIGRATE are moving: the program that moves them may have ended.
fn open_slots(cluster: &Cluster, found: &mut Vec<Finding>) {
    let open = cluster.said().filter_map(|(_, said)| said.view.me());
    for node in open {
        let ways = [("gives away", &node.migrating), ("takes", &node.importing)];
        for (way, slots) in ways.into_iter().filter(|(_, slots)| !slots.is_empty()) {
            let slots: Vec<String> = slots.iter().map(|(slot, _)| slot.to_string()).collect();
            let text = format!("{} {way} the slots {}", node.called(), some(&slots));
            let mend = "let redis-cli --cluster reshard end; if none runs, redis-cli --cluster fix";
            found.push(Finding::warn("open slots", text, mend));
        }
    }
}

/// Nodes that report that the cluster is down.
fn states(cluster: &Cluster, found: &mut Vec<Finding>) {
    let down = cluster
        .said()
        .filter(|(_, said)| text(&said.state, "cluster_state") == "fail");
    for (at, said) in down {
        let why = if said.view.nodes.values().any(NodeLine::is_failing) {
            "it does not reach all others"
        } else {
            "slots without a working owner, a minority, or a start within the last seconds"
        };
        let text = format!("{at} refuses commands: its cluster_state is fail ({why})");
        let mend = "CLUSTER EXPLAIN at a russet node names the reason";
        found.push(Finding::fail("state", text, mend));
    }
}
