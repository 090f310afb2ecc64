//! `russet doctor --sentinel HOST:PORT`: what will prevent a failover in the groups of a Sentinel.
//!
//! `asking` collects the replies of Sentinels and data nodes (`caller`, `facts`): it only reads,
//! and ends in bounded time. `verdicts` joins the findings of the Sentinels themselves, such as the
//! reason why a failover that is due does not happen. The other checks look for problems that no
//! single Sentinel sees: `quorum` and `agreement` look at the Sentinels of a primary, `replicas` at
//! which primary they follow, `versions` at whether each can load another's snapshot, `access` at
//! whether all of them reach each other. `watch` joins the replies of all Sentinels about a
//! primary.

mod access;
mod agreement;
pub(super) mod asking;
pub(super) mod caller;
pub(super) mod facts;
mod quorum;
mod replicas;
#[cfg(test)]
mod testing;
mod verdicts;
mod versions;
mod watch;

use std::collections::BTreeSet;

use super::report::Report;
use crate::{Target, ping};
use facts::{Group, Sentinel, SentinelReplies, text};
use russet_base::finding::Finding;
use watch::Watch;

/// The text to print and the exit status: 0 if nothing needs fixing, 1 if something does, 2 if the
/// Sentinel does not answer.
pub(super) fn run(target: &Target) -> (String, i32) {
    match asking::ask(target) {
        Ok(group) => report(&group),
        Err(why) => (format!("{}: {why}\n", ping::place(target)), 2),
    }
}

fn report(group: &Group) -> (String, i32) {
    let mut report = Report::default();
    if let Some(Sentinel {
        at, said: Ok(said), ..
    }) = group.sentinels.first()
    {
        report.text = format!("{at}: Sentinel of {}\n", product(said));
    }
    if let Some(why) = &group.left_out {
        report.add(vec![Finding::notice("size", why.as_str())]);
    }
    let names = names(group);
    for watch in names.iter().filter_map(|name| Watch::new(group, name)) {
        report.text += &format!("\n{watch}\n");
        report.add(look(&watch));
    }
    if names.is_empty() {
        report.add(vec![Finding::critical(
            "monitor",
            "this Sentinel watches no primary",
            "SENTINEL MONITOR <name> <ip> <port> <quorum>",
        )]);
    }
    report.text += "\n";
    report.end("may prevent a failover")
}

fn product(said: &SentinelReplies) -> String {
    let name = [
        ("russet_version", "russet"),
        ("valkey_version", "Valkey"),
        ("redis_version", "Redis"),
    ];
    let found = name.iter().find_map(|(field, name)| {
        let version = text(&said.info, field);
        (!version.is_empty()).then(|| format!("{name} {version}"))
    });
    found.unwrap_or_else(|| "an unknown kind".to_owned())
}

/// The names of all primaries that any Sentinel watches.
fn names(group: &Group) -> BTreeSet<String> {
    let said = group.sentinels.iter().flat_map(|sentinel| &sentinel.said);
    said.flat_map(|said| said.views.keys().cloned()).collect()
}

/// All findings about a primary.
fn look(watch: &Watch<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    verdicts::look(watch, &mut found);
    quorum::look(watch, &mut found);
    agreement::look(watch, &mut found);
    replicas::look(watch, &mut found);
    versions::look(watch, &mut found);
    access::look(watch, &mut found);
    found
}
