//! Faults of nodes, links, addresses, clocks and the disk.
//!
//! A node has at most one line for the first fault that is found, the worst kinds first, and one
//! for its clock. A fast clock has a line from `CLOCK_MS`; a slow one only from a node timeout
//! more, since gossip may be that old.
//!
//! Cost: O(nodes log nodes) and the reports on suspects; nothing is kept.
//!
//! Elsewhere: how many lines are shown (`explain`), where views differ (`explain::views`),
//! failovers that would not happen (`explain::failovers`).

use std::collections::BTreeMap;

use super::{count, span};
use crate::core::Cluster;
use crate::membership::nodes::{ClusterNode, ME, NodeIndex};
use crate::message::NodeFlags;
use crate::settings::Endpoint;

/// A clock may be ahead by this, as seen by gossip that has whole seconds.
const CLOCK_MS: i64 = 2000;

pub(super) fn lines(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    if cluster.out.has_failed() {
        lines.push("nodes.conf cannot be saved: this node is silent, and gives no votes".into());
    }
    if cluster.switches.drop_kind != -1 {
        lines.push("DEBUG DROP-CLUSTER-PACKET-FILTER is on".into());
    }
    if cluster.me().address.ip.is_empty() && cluster.nodes.len() > 1 {
        lines.push("my own address is not known yet (cluster-announce-ip)".into());
    }
    for (at, node) in cluster.nodes.iter().filter(|(at, _)| *at != ME) {
        lines.extend(node_fault(cluster, at, node));
        lines.extend(clock(cluster, at, node));
    }
    lines.extend(shared_addresses(cluster));
    lines.extend(endpoints(cluster));
    lines
}

fn node_fault(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<String> {
    let now = cluster.now.monotonic_ms;
    let called = cluster.called(at);
    let place = format!("{}:{}", node.address.ip, node.address.bus_port);
    if node.is_handshake() {
        let age = span(now - node.created);
        return Some(format!("the node at {place} is being met, since {age}"));
    }
    if !node.has_address() {
        return Some(format!(
            "node {called} has no address: another node answers at its last one"
        ));
    }
    if node.has_failed() {
        let since = span(now - node.failed);
        return Some(format!(
            "node {called} at {place} has failed (FAIL), since {since}"
        ));
    }
    let silent = span(now - node.pinged.unwrap_or(now).max(node.received_at));
    if node.flags.contains(NodeFlags::PFAIL) {
        let oldest = now - 2 * cluster.settings.node_timeout.get();
        let reports = node
            .reports
            .iter()
            .filter(|(_, reported)| *reported >= oldest)
            .count();
        let votes = reports + usize::from(cluster.me().is_voter());
        let needed = cluster.voters() / 2 + 1;
        return Some(format!(
            "node {called} at {place} does not answer, since {silent} (PFAIL): {votes} of {needed} primaries \
             needed for FAIL say so"
        ));
    }
    let is_linked = |link| cluster.links.get(link).is_some_and(|link| link.is_open);
    if !node.out.is_some_and(is_linked) {
        return Some(format!(
            "no link to node {called} at {place}, which was silent for {silent}"
        ));
    }
    let unlinked = now - node.unlinked;
    if node.inbound.is_none() && unlinked > cluster.settings.node_timeout.get() {
        let since = span(unlinked);
        return Some(format!(
            "node {called} has no link to me since {since}: it does not know me, or cannot reach my bus port"
        ));
    }
    if node.is_replica() && node.primary.is_none() {
        return Some(format!(
            "node {called} is a replica of a node that I do not know"
        ));
    }
    if node.noticed.state_is_fail && cluster.health.is_ok {
        return Some(format!(
            "node {called} says that the cluster is not ok, I see it well"
        ));
    }
    None
}

fn clock(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<String> {
    let ahead = node.noticed.clock_ahead_ms?;
    let called = cluster.called(at);
    // Gossip is as old as the last greetings of the sender, but never from the future.
    if ahead > CLOCK_MS {
        return Some(format!(
            "the clock of node {called} is {} ahead of mine",
            span(ahead)
        ));
    }
    let behind = -ahead - cluster.settings.node_timeout.get();
    let is_behind = behind > CLOCK_MS && !node.is_failing();
    is_behind.then(|| {
        format!(
            "the clock of node {called} is at least {} behind mine",
            span(behind)
        )
    })
}

/// Nodes that announce one address: only one of them can be reached.
fn shared_addresses(cluster: &Cluster) -> Vec<String> {
    let mut places: BTreeMap<(Vec<u8>, u16), Vec<NodeIndex>> = BTreeMap::new();
    let known = cluster
        .nodes
        .iter()
        .filter(|(_, node)| !node.is_handshake());
    for (at, node) in known.filter(|(_, node)| !node.address.ip.is_empty()) {
        let place = (node.address.ip.to_vec(), node.address.bus_port);
        places.entry(place).or_default().push(at);
    }
    let shared = places.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    let line = |((ip, port), nodes): ((Vec<u8>, u16), Vec<NodeIndex>)| {
        let names: Vec<String> = nodes.iter().map(|&at| cluster.called(at)).collect();
        let ip = String::from_utf8_lossy(&ip);
        format!(
            "one address, {ip}:{port}, is said to be of nodes {}",
            names.join(", ")
        )
    };
    shared.map(line).collect()
}

/// Hosts in redirects and replies that clients cannot use.
fn endpoints(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    if cluster.settings.endpoint == Endpoint::Hostname {
        let nameless = cluster
            .nodes
            .iter()
            .filter(|(_, node)| node.names.hostname.is_empty());
        let nameless = nameless.count();
        if nameless > 0 {
            lines.push(format!(
                "clients are told hostnames, but {} announced none (`?`)",
                count(nameless, "node")
            ));
        }
    }
    let is_loopback =
        |node: &ClusterNode| node.address.ip.address().is_some_and(|ip| ip.is_loopback());
    let local = cluster
        .nodes
        .iter()
        .filter(|(_, node)| is_loopback(node))
        .count();
    let known = cluster
        .nodes
        .iter()
        .filter(|(_, node)| !node.address.ip.is_empty())
        .count();
    if local > 0 && local < known {
        lines.push(format!(
            "{} at a loopback address, which other machines cannot reach: meet nodes by their outer one",
            count(local, "node is").replace("node iss", "nodes are")
        ));
    }
    lines
}
