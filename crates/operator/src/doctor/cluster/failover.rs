//! Which primaries can be replaced when they fail.
//!
//!     majority   how many primaries with slots work, and how many must agree
//!     machines   a machine whose loss takes the majority, or a primary with all of its replicas
//!     failover   for each primary, the replicas that would not be elected, and why
//!
//! The topology is the first node's view; a replica's own INFO and settings decide about its link.
//! A replica that did not answer counts as fit. The rules of an election are in `cluster`; here
//! they are read from figures that Redis's nodes report as well.

use std::collections::BTreeMap;

use super::facts::{Cluster, Said, some};
use super::view::NodeLine;
use crate::doctor::finding::Finding;
use crate::doctor::group::facts::{number, text};

pub(super) fn look(cluster: &Cluster, found: &mut Vec<Finding>) {
    majority(cluster, found);
    hosts(cluster, found);
    replicas(cluster, found);
}

/// Primaries with slots decide: fewer than three cannot, once one has failed.
fn majority(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(view) = cluster.first() else {
        return;
    };
    let voters: Vec<&NodeLine> = view.nodes.values().filter(|node| node.is_voter()).collect();
    let working = voters.iter().filter(|node| !node.is_failing()).count();
    let needed = voters.len() / 2 + 1;
    if working < needed {
        let text = format!(
            "{working} of {} primaries with slots work, {needed} must agree",
            voters.len()
        );
        let mend =
            "start the others, or CLUSTER FAILOVER TAKEOVER at replicas of those that are gone";
        found.push(Finding::fail("majority", text, mend));
    } else if voters.len() < 3 {
        let text = format!(
            "{} primaries have slots: when one fails the rest is no majority, and no replica is elected",
            voters.len()
        );
        found.push(Finding::warn(
            "majority",
            text,
            "spread the slots over three primaries or more",
        ));
    } else if working == needed {
        let text = format!(
            "{working} of {} work: with one more gone nothing is elected",
            voters.len()
        );
        found.push(Finding::warn("majority", text, "start those that are gone"));
    } else {
        let text = format!("{working} of {} work, {needed} must agree", voters.len());
        found.push(Finding::fine("majority", text));
    }
}

/// Machines whose loss takes the majority, or a primary with all its replicas.
fn hosts(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(view) = cluster.first() else {
        return;
    };
    let host = |node: &NodeLine| node.at.as_ref().map(|at| at.host.clone());
    let mut voters: BTreeMap<String, usize> = BTreeMap::new();
    for node in view.nodes.values().filter(|node| node.is_voter()) {
        if let Some(host) = host(node) {
            *voters.entry(host).or_default() += 1;
        }
    }
    let all: usize = voters.values().sum();
    if voters.len() == 1 {
        let text = "all primaries are on one machine: its loss is the cluster's";
        found.push(Finding::note("machines", text));
        return;
    }
    for (host, count) in voters.iter().filter(|(_, count)| **count * 2 >= all) {
        let text = format!(
            "{count} of {all} primaries are on {host}: without it there is no majority to elect others"
        );
        found.push(Finding::warn(
            "machines",
            text,
            "CLUSTER FAILOVER at replicas on other machines",
        ));
    }
    for primary in view.nodes.values().filter(|node| node.is_voter()) {
        let mut replicas = replicas_of(view, primary).peekable();
        if replicas.peek().is_some() && replicas.all(|replica| host(replica) == host(primary)) {
            let text = format!(
                "{} and all its replicas are on one machine",
                primary.called()
            );
            found.push(Finding::warn(
                "machines",
                text,
                "CLUSTER REPLICATE at a replica elsewhere",
            ));
        }
    }
}

fn replicas_of<'v>(
    view: &'v super::view::View,
    primary: &'v NodeLine,
) -> impl Iterator<Item = &'v NodeLine> {
    let nodes = view.nodes.values();
    nodes.filter(|node| node.primary.as_deref() == Some(primary.id.as_str()))
}

/// Primaries that no replica can take over from, and why each replica cannot.
fn replicas(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(view) = cluster.first() else {
        return;
    };
    let answers: BTreeMap<&str, &Said> = cluster
        .said()
        .map(|(_, said)| (said.view.me.as_str(), said))
        .collect();
    let mut are_fine = true;
    for primary in view.nodes.values().filter(|node| node.is_voter()) {
        let (mut reasons, mut can) = (Vec::new(), 0);
        for replica in replicas_of(view, primary) {
            match obstacle(replica, answers.get(replica.id.as_str()).copied()) {
                Some(why) => reasons.push(format!("{} {why}", replica.called())),
                None => can += 1,
            }
        }
        are_fine &= reasons.is_empty() && can > 0;
        let called = primary.called();
        if can == 0 && reasons.is_empty() {
            let text = format!("{called} has no replica: its slots are lost with it");
            found.push(Finding::warn(
                "failover",
                text,
                "add a replica, CLUSTER REPLICATE at it",
            ));
        } else if can == 0 {
            let text = format!("nobody would replace {called}: {}", some(&reasons));
            found.push(Finding::fail(
                "failover",
                text,
                "what is said of each replica",
            ));
        } else if !reasons.is_empty() {
            let text = format!(
                "{called} has {can} replicas that may replace it; but {}",
                some(&reasons)
            );
            found.push(Finding::warn(
                "failover",
                text,
                "what is said of each replica",
            ));
        }
    }
    if are_fine && view.nodes.values().any(NodeLine::is_voter) {
        found.push(Finding::fine(
            "failover",
            "every primary has a replica that may replace it",
        ));
    }
}

/// Why a replica would not be elected.
fn obstacle(replica: &NodeLine, said: Option<&Said>) -> Option<String> {
    if replica.is_failing() {
        return Some("is failing".to_owned());
    }
    if replica.has("nofailover") {
        return Some("may not (cluster-replica-no-failover)".to_owned());
    }
    let said = said?;
    if text(&said.info, "master_link_status") != "down" {
        return None;
    }
    let down = number(&said.info, "master_link_down_since_seconds").unwrap_or(-1);
    let factor = number(&said.config, "cluster-replica-validity-factor").unwrap_or(10);
    let timeout_ms = number(&said.config, "cluster-node-timeout").unwrap_or(15_000);
    if down < 0 {
        return Some("has never had the primary's data".to_owned());
    }
    let most = factor.saturating_mul(timeout_ms) / 1000 + 10;
    if factor > 0 && down > most {
        Some(format!(
            "has lost the primary {down} s ago, longer than the {most} s that \
             cluster-replica-validity-factor allows"
        ))
    } else {
        Some(format!("has lost its link to the primary {down} s ago"))
    }
}
