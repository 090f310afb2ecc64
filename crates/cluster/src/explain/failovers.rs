//! Which failovers would not happen, and why.

use std::collections::BTreeMap;

use super::{count, span};
use crate::core::Cluster;
use crate::failover::state::Obstacle;
use crate::membership::nodes::{ClusterNode, ME, NodeIndex};
use crate::message::NodeFlags;

pub(super) fn lines(cluster: &Cluster) -> Vec<String> {
    let mut lines = my_election(cluster);
    lines.extend(majority(cluster));
    let primaries = cluster.nodes.iter().filter(|(_, node)| node.is_voter());
    for (at, node) in primaries {
        lines.extend(replicas(cluster, at, node));
    }
    lines.extend(crowded_addresses(cluster));
    lines
}

/// Where our own attempt to replace our primary stands.
fn my_election(cluster: &Cluster) -> Vec<String> {
    let election = &cluster.election;
    let now = cluster.now.monotonic_ms;
    let mut lines = Vec::new();
    if cluster.manual.is_running() {
        lines.push("a manual failover is under way".into());
    }
    match (cluster.me().is_replica(), cluster.obstacle(), election.due) {
        (false, ..) => {}
        (true, Some(Obstacle::NotNeeded), _) => {
            if cluster.data_age() > cluster.data_age_max() {
                let why = cluster.describe_obstacle(Obstacle::DataAge);
                lines.push(format!("I would not replace my primary: {why}"));
            }
        }
        (true, Some(obstacle), _) => {
            let why = cluster.describe_obstacle(obstacle);
            lines.push(format!("I do not replace my failed primary: {why}"));
        }
        (true, None, Some(due)) if due > now => lines.push(format!(
            "I ask for votes in {} (rank {})",
            span(due - now),
            election.rank
        )),
        (true, None, _) if election.is_asked => lines.push(format!(
            "I have {} of {} votes needed in epoch {}",
            election.votes(),
            cluster.voters() / 2 + 1,
            election.epoch
        )),
        (true, None, _) => {}
    }
    lines
}

fn majority(cluster: &Cluster) -> Option<String> {
    let voters = cluster.voters();
    let needed = voters / 2 + 1;
    let working = cluster
        .nodes
        .iter()
        .filter(|(_, node)| node.is_voter() && !node.is_failing());
    let working = working.count();
    if voters > 0 && working < needed {
        return Some(format!(
            "no failover at all: {working} of {voters} primaries with slots answer, {needed} votes are needed"
        ));
    }
    let is_tight = voters > 0 && working - 1 < needed;
    is_tight.then(|| {
        format!(
            "no failover if one more primary fails: {} would be left, {needed} are needed",
            count(working - 1, "vote")
        )
    })
}

/// Why no replica would replace this primary; `None`: one would.
fn replicas(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<String> {
    let called = cluster.called(at);
    if node.replicas.is_empty() {
        return Some(format!("no failover of node {called}: it has no replica"));
    }
    let reasons: Vec<String> = node
        .replicas
        .iter()
        .filter_map(|&replica| {
            let replica_node = &cluster.nodes[replica];
            let why = unfit(replica_node)?;
            Some(format!("{} {why}", cluster.called(replica)))
        })
        .collect();
    (reasons.len() == node.replicas.len())
        .then(|| format!("no failover of node {called}: {}", reasons.join("; ")))
}

fn unfit(node: &ClusterNode) -> Option<&'static str> {
    match () {
        () if node.is_failing() => Some("does not answer"),
        () if node.flags.contains(NodeFlags::NO_FAILOVER) => {
            Some("has cluster-replica-no-failover")
        }
        () => None,
    }
}

/// Machines of which one failure would take the majority along.
fn crowded_addresses(cluster: &Cluster) -> Vec<String> {
    let voters = cluster.voters();
    let mut by_ip: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for (at, node) in cluster.nodes.iter().filter(|(_, node)| node.is_voter()) {
        if at == ME || node.has_address() {
            *by_ip.entry(node.address.ip.to_vec()).or_default() += 1;
        }
    }
    let is_spread = by_ip.len() > 1;
    let needed = voters / 2 + 1;
    let crowded = by_ip
        .into_iter()
        .filter(|(_, here)| is_spread && voters - here < needed);
    let line = |(ip, here): (Vec<u8>, usize)| {
        let ip = String::from_utf8_lossy(&ip);
        format!("no failover if {ip} fails: {here} of {voters} primaries with slots are there")
    };
    crowded.map(line).collect()
}
