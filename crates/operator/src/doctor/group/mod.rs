//! `russet doctor --sentinel HOST:PORT`: what will prevent a failover in the groups of a Sentinel.
//!
//! `asking` collects the replies of Sentinels and data nodes (`caller`, `facts`): it only reads,
//! and ends in bounded time. The checks are functions from these to findings: `quorum` and
//! `agreement` look at the Sentinels of a primary, `candidates`, `nodes`, `versions` and `access`
//! at its data nodes. `watch` joins the replies of all Sentinels about one primary.

mod access;
mod agreement;
pub(super) mod asking;
pub(super) mod caller;
mod candidates;
pub(super) mod facts;
mod nodes;
mod quorum;
#[cfg(test)]
mod testing;
mod versions;
mod watch;

use std::collections::BTreeSet;

use super::finding::{Finding, Weight, ending};
use crate::{Target, ping};
use facts::{Group, Said, Sentinel, text};
use watch::Watch;

/// Findings of one group that are printed.
const FINDINGS_MAX: usize = 200;

/// The text to print and the exit status: 0 if nothing needs fixing, 1 if something does, 2 if the
/// Sentinel does not answer.
pub(super) fn run(target: &Target) -> (String, i32) {
    match asking::ask(target) {
        Ok(group) => report(&group),
        Err(why) => (format!("{}: {why}\n", ping::place(target)), 2),
    }
}

fn report(group: &Group) -> (String, i32) {
    let mut text = String::new();
    if let Some(Sentinel {
        at, said: Ok(said), ..
    }) = group.sentinels.first()
    {
        text = format!("{at}: Sentinel of {}\n", product(said));
    }
    if let Some(why) = &group.left_out {
        text += &Finding::note("size", why.as_str()).to_string();
    }
    let mut to_mend = Vec::new();
    let names = names(group);
    for name in &names {
        let Some(watch) = Watch::new(group, name) else {
            continue;
        };
        text += &format!("\n{watch}\n");
        let mut findings = look(&watch);
        let all = findings.len();
        findings.truncate(FINDINGS_MAX);
        for finding in &findings {
            text += &finding.to_string();
        }
        if all > findings.len() {
            text += &format!("and {} more\n", all - findings.len());
        }
        to_mend.extend(findings.iter().map(|finding| finding.weight));
    }
    if names.is_empty() {
        let finding = Finding::fail(
            "monitor",
            "this Sentinel watches no primary",
            "SENTINEL MONITOR <name> <ip> <port> <quorum>",
        );
        text += &finding.to_string();
        to_mend.push(finding.weight);
    }
    to_mend.retain(|weight| *weight >= Weight::Warn);
    let fatal = to_mend
        .iter()
        .filter(|weight| **weight == Weight::Fail)
        .count();
    text += "\n";
    text += &ending(to_mend.len());
    if fatal > 0 {
        text += &format!("FAIL: {fatal} of them may prevent a failover\n");
    }
    (text, i32::from(!to_mend.is_empty()))
}

fn product(said: &Said) -> String {
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

/// All findings about one primary, the gravest first.
fn look(watch: &Watch<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    quorum::look(watch, &mut found);
    agreement::look(watch, &mut found);
    candidates::look(watch, &mut found);
    nodes::look(watch, &mut found);
    versions::look(watch, &mut found);
    access::look(watch, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    found
}
