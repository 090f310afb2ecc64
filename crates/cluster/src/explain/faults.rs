//! Faults of nodes, links, addresses, clocks and the disk.
//!
//! A node has at most one finding, for the first fault, the worst kinds first, and a finding for
//! its clock. A fast clock is a finding from `CLOCK_MS` on; a slow clock only from a node timeout
//! more, since gossip may be that old.
//!
//! Cost: O(nodes log nodes) and the reports on suspects; nothing is kept.
//!
//! Elsewhere: how many are shown (`explain`), where views differ (`explain::views`),
//! failovers that would not happen (`explain::failovers`).

use std::collections::BTreeMap;

use super::{count, span};
use crate::core::Cluster;
use crate::membership::nodes::{ClusterNode, ME, NodeIndex};
use crate::message::NodeFlags;
use crate::settings::Endpoint;
use russet_base::finding::Finding;

/// A clock may be ahead by this, as seen by gossip that has whole seconds.
const CLOCK_MS: i64 = 2000;

pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    if cluster.out.has_failed() {
        let text = "nodes.conf cannot be saved: this node is silent, and gives no votes";
        found.push(Finding::critical("disk", text, super::DISK));
    }
    if cluster.switches.drop_kind != -1 {
        found.push(Finding::warning(
            "debug",
            "DEBUG DROP-CLUSTER-PACKET-FILTER is on",
            "DEBUG DROP-CLUSTER-PACKET-FILTER -1",
        ));
    }
    if cluster.me().address.ip.is_empty() && cluster.nodes.len() > 1 {
        found.push(Finding::warning(
            "addresses",
            "my own address is not known yet (cluster-announce-ip)",
            super::ANNOUNCE,
        ));
    }
    for (at, node) in cluster.nodes.iter().filter(|(at, _)| *at != ME) {
        found.extend(node_fault(cluster, at, node));
        found.extend(clock(cluster, at, node));
    }
    found.extend(shared_addresses(cluster));
    found.extend(endpoints(cluster));
    found
}

fn node_fault(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<Finding> {
    const START: &str = "start it, or open the network path; if it is gone for good, CLUSTER FORGET at \
        all other nodes";
    const OPEN: &str = "open the bus port (10000 above the port) both ways";
    let now = cluster.now.monotonic_ms;
    let called = cluster.called(at);
    let place = format!("{}:{}", node.address.ip, node.address.bus_port);
    let warning = |code, text, remedy| Some(Finding::warning(code, text, remedy));
    if node.is_handshake() {
        let age = span(now - node.created);
        let text = format!("the node at {place} is being met, since {age}");
        return Some(Finding::notice("members", text));
    }
    if !node.has_address() {
        let text = format!(
            "node {called} has no address: another node answers at its last \
                            address"
        );
        return warning("addresses", text, super::ANNOUNCE);
    }
    if node.has_failed() {
        let since = span(now - node.failed);
        let text = format!("node {called} at {place} has failed (FAIL), since {since}");
        return warning("nodes", text, START);
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
        let text = format!(
            "node {called} at {place} does not answer, since {silent} (PFAIL): {votes} of {needed} primaries \
             needed for FAIL say so"
        );
        return warning("nodes", text, START);
    }
    let is_linked = |link| cluster.links.get(link).is_some_and(|link| link.is_open);
    if !node.out.is_some_and(is_linked) {
        let text = format!("no link to node {called} at {place}, which was silent for {silent}");
        return warning("bus", text, OPEN);
    }
    let unlinked = now - node.unlinked;
    if node.inbound.is_none() && unlinked > cluster.settings.node_timeout.get() {
        let since = span(unlinked);
        let text = format!(
            "node {called} has no link to me since {since}: it does not know me, or cannot reach my bus port"
        );
        return warning("bus", text, OPEN);
    }
    if node.is_replica() && node.primary.is_none() {
        let text = format!("node {called} is a replica of a node that I do not know");
        return warning("members", text, "CLUSTER MEET with that node");
    }
    if node.noticed.state_is_fail && cluster.health.is_ok {
        let text = format!("node {called} says that the cluster is not ok, I see it well");
        return Some(Finding::notice("state", text));
    }
    None
}

fn clock(cluster: &Cluster, at: NodeIndex, node: &ClusterNode) -> Option<Finding> {
    let finding = |text| Finding::warning("clocks", text, "an NTP client on each machine");
    let ahead = node.noticed.clock_ahead_ms?;
    let called = cluster.called(at);
    // Gossip is as old as the last greetings of the sender, but never from the future.
    if ahead > CLOCK_MS {
        return Some(finding(format!(
            "the clock of node {called} is {} ahead of mine",
            span(ahead)
        )));
    }
    let behind = -ahead - cluster.settings.node_timeout.get();
    let is_behind = behind > CLOCK_MS && !node.is_failing();
    is_behind.then(|| {
        finding(format!(
            "the clock of node {called} is at least {} behind mine",
            span(behind)
        ))
    })
}

/// Nodes that announce the same address: only one of them can be reached.
fn shared_addresses(cluster: &Cluster) -> Vec<Finding> {
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
        let text = format!("nodes share the address {ip}:{port}: {}", names.join(", "));
        Finding::warning("addresses", text, super::ANNOUNCE)
    };
    shared.map(line).collect()
}

/// Hosts in redirects and replies that clients cannot use.
fn endpoints(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    if cluster.settings.endpoint == Endpoint::Hostname {
        let nameless = cluster
            .nodes
            .iter()
            .filter(|(_, node)| node.names.hostname.is_empty());
        let nameless = nameless.count();
        if nameless > 0 {
            let text = format!(
                "clients are told hostnames, but {} announced none (`?`)",
                count(nameless, "node")
            );
            let remedy = "cluster-announce-hostname at them";
            found.push(Finding::warning("addresses", text, remedy));
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
        let text = format!(
            "{} at a loopback address, which other machines cannot reach: meet nodes by their outer one",
            count(local, "node is").replace("node iss", "nodes are")
        );
        let remedy = "cluster-announce-ip at them, or MEET by the outer address";
        found.push(Finding::critical("addresses", text, remedy));
    }
    found
}
