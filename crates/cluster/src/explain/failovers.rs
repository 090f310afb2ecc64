//! Which failovers would not happen, and why: this node's own election, a majority of voters, and
//! the replicas of each primary.
//!
//! Cost: O(nodes).

use std::collections::BTreeMap;

use super::{count, span};
use crate::core::Cluster;
use crate::failover::state::Obstacle;
use crate::membership::nodes::{ClusterNode, ME, NodeIndex};
use crate::message::NodeFlags;
use russet_base::finding::{Finding, Weight};

pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let mut found = my_election(cluster);
    found.extend(majority(cluster));
    let primaries = cluster.nodes.iter().filter(|(_, node)| node.is_voter());
    for (at, node) in primaries {
        found.extend(replicas(cluster, at, node));
    }
    found.extend(crowded_addresses(cluster));
    found
}

const LINK: &str = "see its log: why the link to the primary is down";

/// Where our own attempt to replace our primary stands.
fn my_election(cluster: &Cluster) -> Vec<Finding> {
    let election = &cluster.election;
    let now = cluster.now.monotonic_ms;
    let mut found = Vec::new();
    if cluster.manual.is_running() {
        found.push(Finding::notice(
            "failover",
            "a manual failover is under way",
        ));
    }
    match (cluster.me().is_replica(), cluster.obstacle(), election.due) {
        (false, ..) => {}
        (true, ..) if election.awaits_group() => {
            let text = "I have won the election, and ask the members of my group (sync-quorum)";
            found.push(Finding::notice("failover", text));
        }
        (true, Some(obstacle @ Obstacle::NotMember), _) => {
            let why = cluster.describe_obstacle(obstacle);
            let text = format!("I do not replace my failed primary: {why}");
            found.push(Finding::critical("failover", text, "QUORUM EXPLAIN at it"));
        }
        (true, Some(Obstacle::NotNeeded), _) => found.extend(my_link(cluster)),
        (true, Some(obstacle), _) => {
            let why = cluster.describe_obstacle(obstacle);
            let text = format!("I do not replace my failed primary: {why}");
            let remedy = "CLUSTER FAILOVER TAKEOVER at the replica with the best data";
            found.push(Finding::critical("failover", text, remedy));
        }
        (true, None, Some(due)) if due > now => {
            let (wait, rank) = (span(due - now), election.rank);
            let text = format!("I ask for votes in {wait} (rank {rank})");
            found.push(Finding::notice("failover", text));
        }
        (true, None, _) if election.is_asked => {
            let text = format!(
                "I have {} of {} votes needed in epoch {}",
                election.votes(),
                cluster.voters() / 2 + 1,
                election.epoch
            );
            found.push(Finding::notice("failover", text));
        }
        (true, None, _) => {}
    }
    found
}

/// Why this replica would not replace its primary if it failed now, or would lose data.
fn my_link(cluster: &Cluster) -> Option<Finding> {
    let obstacle = if !cluster.is_synced() {
        Obstacle::NeverSynced
    } else if cluster.data_age() > cluster.data_age_max() {
        Obstacle::DataAge
    } else if cluster.own.primary.is_some_and(|primary| !primary.is_up) {
        let since = span(cluster.data_age());
        let text = format!("my link to my primary is down, my data is {since} old");
        return Some(Finding::warning("failover", text, LINK));
    } else {
        return None;
    };
    let why = cluster.describe_obstacle(obstacle);
    let text = format!("I would not replace my primary: {why}");
    let mut finding = Finding::warning("failover", text, LINK);
    if others_are_unfit(cluster) {
        finding.weight = Weight::Critical;
    }
    Some(finding)
}

/// No other replica of our primary would replace it.
fn others_are_unfit(cluster: &Cluster) -> bool {
    let primary = cluster.me().primary.map(|at| &cluster.nodes[at]);
    let replicas = primary.map_or(&[][..], |primary| &primary.replicas[..]);
    let is_unfit = |&&at: &&NodeIndex| at == ME || unfit(&cluster.nodes[at]).is_some();
    replicas.iter().filter(is_unfit).count() == replicas.len()
}

fn majority(cluster: &Cluster) -> Option<Finding> {
    let voters = cluster.voters();
    let needed = voters / 2 + 1;
    let working = cluster
        .nodes
        .iter()
        .filter(|(_, node)| node.is_voter() && !node.is_failing());
    let working = working.count();
    if voters > 0 && working < needed {
        let text = format!(
            "no failover at all: {working} of {voters} primaries with slots answer, {needed} votes are needed"
        );
        return Some(Finding::critical("majority", text, super::START_OTHERS));
    }
    let is_tight = voters > 0 && working - 1 < needed;
    is_tight.then(|| {
        let text = format!(
            "no failover if another primary fails: {} would be left, {needed} are needed",
            count(working - 1, "vote")
        );
        let remedy = match voters {
            ..3 => "spread the slots over three primaries or more",
            _ => "start those that are gone",
        };
        Finding::warning("majority", text, remedy)
    })
}

/// Why no replica would replace this primary; `None`: a replica would.
fn replicas(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<Finding> {
    let called = cluster.called(at);
    if node.replicas.is_empty() {
        let text = format!("no failover of node {called}: it has no replica");
        let remedy = "add a replica, CLUSTER REPLICATE at it";
        return Some(Finding::warning("failover", text, remedy));
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
    (reasons.len() == node.replicas.len()).then(|| {
        let text = format!("no failover of node {called}: {}", reasons.join("; "));
        Finding::critical("failover", text, "what is said of each replica")
    })
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

/// Machines of which one failure would take the majority along, or a primary with all replicas.
fn crowded_addresses(cluster: &Cluster) -> Vec<Finding> {
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
    let finding = |(ip, here): (Vec<u8>, usize)| {
        let ip = String::from_utf8_lossy(&ip);
        let text =
            format!("no failover if {ip} fails: {here} of {voters} primaries with slots are there");
        Finding::warning(
            "machines",
            text,
            "CLUSTER FAILOVER at replicas on other machines",
        )
    };
    let mut found: Vec<Finding> = crowded.map(finding).collect();
    let primaries = cluster.nodes.iter().filter(|(_, node)| node.is_voter());
    for (at, node) in primaries.filter(|(_, node)| is_spread && !node.replicas.is_empty()) {
        let ip = node.address.ip;
        let mut replicas = node.replicas.iter();
        if replicas.all(|&replica| cluster.nodes[replica].address.ip == ip) {
            let called = cluster.called(at);
            let text =
                format!("no failover of node {called} if {ip} fails: its replicas are there");
            let remedy = "CLUSTER REPLICATE at a replica elsewhere";
            found.push(Finding::warning("machines", text, remedy));
        }
    }
    found
}
