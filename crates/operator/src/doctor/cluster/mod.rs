//! `russet doctor --cluster HOST:PORT`: why a cluster is not well, and which failovers would not
//! happen.
//!
//! `asking` collects the replies of all nodes that the given one knows (`facts`): it only reads,
//! and ends in bounded time. `view` is one node's table of nodes. The checks are functions from
//! these to findings: `slots` (the owner of each slot in each view), `members` (which nodes know
//! each other, at which address, with which settings), `failover` (which primaries can be
//! replaced).

mod asking;
mod facts;
mod failover;
mod members;
mod slots;
#[cfg(test)]
mod testing;
mod view;

use super::finding::{Finding, Weight, ending};
use crate::{Target, ping};
use facts::Cluster;

/// Findings that are printed.
const FINDINGS_MAX: usize = 200;

/// The text to print and the exit status: 0 if nothing needs fixing, 1 if something does, 2 if the
/// node does not answer, or is none.
pub(super) fn run(target: &Target) -> (String, i32) {
    match asking::ask(target) {
        Ok(cluster) => report(&cluster),
        Err(why) => (format!("{}: {why}\n", ping::place(target)), 2),
    }
}

fn report(cluster: &Cluster) -> (String, i32) {
    let mut text = headline(cluster);
    if let Some(why) = &cluster.left_out {
        text += &Finding::note("size", why.as_str()).to_string();
    }
    let mut findings = look(cluster);
    let all = findings.len();
    let to_mend = findings.iter().filter(|f| f.weight >= Weight::Warn).count();
    let fatal = findings.iter().filter(|f| f.weight == Weight::Fail).count();
    findings.truncate(FINDINGS_MAX);
    for finding in &findings {
        text += &finding.to_string();
    }
    if all > findings.len() {
        text += &format!("and {} more\n", all - findings.len());
    }
    text += &ending(to_mend);
    if fatal > 0 {
        text += &format!("FAIL: {fatal} of them cost service, now or at the next failure\n");
    }
    (text, i32::from(to_mend > 0))
}

/// `HOST:PORT: a cluster of 6 nodes, 3 primaries with slots; it says that its state is ok`.
fn headline(cluster: &Cluster) -> String {
    let Some(view) = cluster.first() else {
        return String::new();
    };
    let primaries = view.nodes.values().filter(|node| node.is_voter()).count();
    let state = cluster.nodes.get(&cluster.first);
    let state = state.and_then(|said| said.as_ref().ok());
    let state = state.and_then(|said| said.state.get("cluster_state"));
    format!(
        "{}: a cluster of {} nodes, {primaries} primaries with slots; it says that the state is {}\n",
        cluster.first,
        view.nodes.len(),
        state.map_or("unknown", String::as_str)
    )
}

/// All findings, the gravest first.
fn look(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    members::look(cluster, &mut found);
    slots::look(cluster, &mut found);
    failover::look(cluster, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    found
}
