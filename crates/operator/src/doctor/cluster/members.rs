//! The members of a cluster: which nodes know each other, at which address, with which settings.
//!
//! Checks, in the order of the report: nodes that do not answer, nodes that not all others know,
//! one id at two places, different addresses of a node, settings that differ, clocks that differ,
//! and Redis beside Valkey. Each compares the views of all nodes that answered; a node that did not
//! is reported once, and left out of the others. Cost: O(nodes^2). How the views are collected:
//! `asking`; links and addresses that a node finds wrong: `verdicts`.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Cluster, NodeReplies};
use super::view::{NodeLine, short};
use crate::doctor::group::facts::{Address, text};
use crate::doctor::report::{differences, list};
use russet_base::finding::Finding;

/// Clocks that differ more make times in logs and in `CLUSTER NODES` misleading.
const CLOCK_US_MAX: i64 = 500_000;

/// Directives that all nodes should agree on.
const COMMON: [&str; 4] = [
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "cluster-allow-reads-when-down",
    "cluster-replica-validity-factor",
];

pub(super) fn look(cluster: &Cluster, found: &mut Vec<Finding>) {
    silence(cluster, found);
    membership(cluster, found);
    identities(cluster, found);
    addresses(cluster, found);
    settings(cluster, found);
    clocks(cluster, found);
    kinds(cluster, found);
}

fn silence(cluster: &Cluster, found: &mut Vec<Finding>) {
    for (at, said) in &cluster.nodes {
        let Err(why) = said else {
            continue;
        };
        let by = cluster.said().filter(|(_, said)| {
            let nodes = said.view.nodes.values();
            let mut its = nodes.filter(|node| node.at.as_ref() == Some(at));
            its.any(NodeLine::is_failing)
        });
        let (by, all) = (by.count(), cluster.said().count());
        let (text, mend) = if why.is_login() {
            (
                format!("{at} refuses the login: {why}"),
                "--user and --pass of the nodes",
            )
        } else {
            (
                format!("{at} does not answer: {why}; {by} of {all} nodes see it failing"),
                "start it, or open the network path; if it is gone for good, CLUSTER FORGET at \
                 all other nodes",
            )
        };
        found.push(Finding::warning("nodes", text, mend));
    }
}

/// Nodes that not all others know.
fn membership(cluster: &Cluster, found: &mut Vec<Finding>) {
    let all: BTreeMap<&String, &NodeLine> = cluster
        .said()
        .flat_map(|(_, said)| said.view.nodes.iter())
        .collect();
    for (id, node) in &all {
        let strangers = cluster
            .said()
            .filter(|(_, said)| !said.view.nodes.contains_key(*id));
        let strangers: Vec<String> = strangers.map(|(at, _)| at.to_string()).collect();
        if !strangers.is_empty() {
            let text = format!("{} is not known to {}", node.called(), list(&strangers));
            let mend = "wait for a minute (CLUSTER FORGET keeps a node out for so long); then CLUSTER MEET \
                        from either side, or FORGET it everywhere";
            found.push(Finding::warning("members", text, mend));
        }
    }
}

/// An id in two places means that nodes.conf was copied.
fn identities(cluster: &Cluster, found: &mut Vec<Finding>) {
    let mut places: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for (at, said) in cluster.said() {
        places.entry(&said.view.me).or_default().push(at);
    }
    for (id, places) in places {
        let mut processes = BTreeSet::new();
        for at in &places {
            if let Some(Ok(said)) = cluster.nodes.get(*at) {
                processes.insert(text(&said.info, "run_id"));
            }
        }
        if processes.len() > 1 {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            let text = format!("{} have the same id {}", places.join(" and "), short(id));
            let mend = "one node has a copy of the other's nodes.conf: stop that node, remove the \
                        file, add the node as new";
            found.push(Finding::critical("ids", text, mend));
        }
    }
}

/// Nodes that others know at different addresses.
fn addresses(cluster: &Cluster, found: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, BTreeSet<&Address>> = BTreeMap::new();
    for (_, said) in cluster.said() {
        for node in said
            .view
            .nodes
            .values()
            .filter(|node| node.id != said.view.me)
        {
            seen.entry(&node.id).or_default().extend(&node.at);
        }
    }
    for (id, at) in &seen {
        if at.len() > 1 {
            let text = format!(
                "{} is known at different addresses: {}",
                short(id),
                list(at)
            );
            let mend = "cluster-announce-ip and -port at that node";
            found.push(Finding::warning("addresses", text, mend));
        }
    }
}

fn settings(cluster: &Cluster, found: &mut Vec<Finding>) {
    for name in COMMON {
        let value = |said: &NodeReplies| text(&said.config, name).to_owned();
        let values = cluster.said().map(|(at, said)| (at, value(said)));
        let differences = differences(values.filter(|(_, value)| !value.is_empty()));
        if !differences.is_empty() {
            let text = format!("the nodes differ in {name}: {differences}");
            let mend = format!("CONFIG SET {name} at each of them");
            found.push(Finding::warning("settings", text, mend));
        }
    }
}

fn clocks(cluster: &Cluster, found: &mut Vec<Finding>) {
    for (at, said) in cluster.said() {
        let Some(clock) = said.clock else {
            continue;
        };
        let certain = clock.ahead_us.abs() - clock.within_us;
        if certain > CLOCK_US_MAX {
            let text = format!(
                "the clock of {at} is {} ms from this machine's",
                clock.ahead_us / 1000
            );
            found.push(Finding::warning(
                "clocks",
                text,
                "an NTP client on each machine",
            ));
        }
    }
}

/// The server that a node runs.
fn kind(said: &NodeReplies) -> &'static str {
    match &said.info {
        info if !text(info, "russet_version").is_empty() => "russet",
        info if !text(info, "valkey_version").is_empty() => "Valkey",
        _ => "Redis",
    }
}

/// Redis and Valkey trouble each other: extension 4 of the bus is a secret to Redis or Valkey and
/// an address to the other.
fn kinds(cluster: &Cluster, found: &mut Vec<Finding>) {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, said) in cluster.said() {
        kinds.entry(kind(said)).or_default().push(at.to_string());
    }
    if let (Some(redis), Some(valkey)) = (kinds.get("Redis"), kinds.get("Valkey")) {
        let text = format!(
            "nodes of Redis ({}) and of Valkey ({}) in one cluster: Valkey takes Redis's secret for an address \
             of clients, and may not start again with it in nodes.conf",
            list(redis),
            list(valkey)
        );
        let mend = "end the move to either soon; meanwhile cluster-preferred-endpoint-type hostname with \
                    cluster-announce-hostname at every node";
        found.push(Finding::warning("kinds", text, mend));
    }
}
