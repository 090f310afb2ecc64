//! `russet doctor --cluster HOST:PORT`: the faults of a cluster, and the failovers that would not
//! happen.
//!
//! `asking` collects the replies of all nodes that the given node knows (`facts`): it only reads,
//! and ends in bounded time. `verdicts` joins the findings of the nodes themselves. The other
//! checks look for problems that no single node sees: `slots` (nodes that name different owners),
//! `members` (which nodes know each other, at which address, with which settings). `view` is a
//! node's table of nodes.

mod asking;
mod facts;
mod members;
mod slots;
#[cfg(test)]
mod testing;
mod verdicts;
mod view;

use super::report::Report;
use crate::{Target, ping};
use facts::Cluster;
use russet_base::finding::Finding;

/// The text to print and the exit status: 0 if nothing needs fixing, 1 if something does, 2 if the
/// node does not answer, or is none.
pub(super) fn run(target: &Target) -> (String, i32) {
    match asking::ask(target) {
        Ok(cluster) => report(&cluster),
        Err(why) => (format!("{}: {why}\n", ping::place(target)), 2),
    }
}

fn report(cluster: &Cluster) -> (String, i32) {
    let mut report = Report::headed(headline(cluster));
    if let Some(why) = &cluster.left_out {
        report.add(vec![Finding::notice("size", why.as_str())]);
    }
    report.add(look(cluster));
    report.end("cost service, now or at the next failure")
}

/// `HOST:PORT: a cluster of 6 nodes, 3 primaries with slots; it says that its state is ok`.
fn headline(cluster: &Cluster) -> String {
    let Some(view) = cluster.first() else {
        return String::new();
    };
    let primaries = view.nodes.values().filter(|node| node.is_voter()).count();
    let state = cluster.nodes.get(&cluster.first);
    let state = state.and_then(|said| said.as_ref().ok());
    let state = state.map(|said| said.state.as_str());
    format!(
        "{}: a cluster of {} nodes, {primaries} primaries with slots; it says that the state is {}\n",
        cluster.first,
        view.nodes.len(),
        state.filter(|state| !state.is_empty()).unwrap_or("unknown")
    )
}

/// All findings.
fn look(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    verdicts::look(cluster, &mut found);
    members::look(cluster, &mut found);
    slots::look(cluster, &mut found);
    found
}
