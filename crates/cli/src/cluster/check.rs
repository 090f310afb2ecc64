//! `info` and `check`: what a cluster has, and whether its nodes agree, leave slots open or without
//! an owner.

use std::collections::{BTreeMap, BTreeSet};

use russet_resp::ReplyValue;

use super::fix;
use super::members::{Member, Members, ask, text};
use super::node::SLOTS;
use super::options::ClusterOptions;
use super::screen::{CommandFailure, Outcome, error, info, print, success, warn};
use crate::options::Options;

/// Keys, slots and replicas of each primary.
pub(super) fn show_info(members: &mut Members) -> Outcome {
    let (mut keys, mut primaries) = (0, 0);
    let places: Vec<usize> = members.primaries().collect();
    for at in places {
        let member = &mut members.list[at];
        let count = member.number(&["DBSIZE"])?;
        print(&format!(
            "{} ({:.8}...) -> {count} keys | {} slots | {} slaves.\n",
            member.node.address(),
            member.node.id,
            member.node.slots.len(),
            member.node.replicas
        ));
        keys += count;
        primaries += 1;
    }
    success(&format!("[OK] {keys} keys in {primaries} masters.\n"));
    let each = keys as f64 / f64::from(SLOTS);
    print(&format!("{each:.2} keys per slot on average.\n"));
    Ok(())
}

/// The nodes, each with its slots.
pub(super) fn show_nodes(members: &Members) {
    for member in &members.list {
        print(&member.node.description(0, false));
    }
}

/// The lines that a check prints, and whether it mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the list of nodes.
    Full,
    /// Without it.
    Short,
    /// As `Full`, and faults are mended.
    Fix,
}

/// Checks the cluster.
pub(super) fn check(
    members: &mut Members,
    settings: (&Options, &ClusterOptions),
    kind: Kind,
) -> Outcome {
    let asked = members.list[0].node.address();
    info(&format!(
        ">>> Performing Cluster Check (using node {asked})\n"
    ));
    if kind != Kind::Short {
        show_nodes(members);
    }
    let is_fix = kind == Kind::Fix;
    let agree = members.agree();
    if agree {
        success("[OK] All nodes agree about slots configuration.\n");
    } else {
        error("[ERR] Nodes don't agree about configuration!\n");
    }
    // A disagreement between nodes is mended with the slots.
    let mut is_well = agree || is_fix;
    is_well &= check_open(members, settings, is_fix);
    is_well &= check_coverage(members, settings, is_fix);
    if settings.1.searches_owners {
        is_well &= check_owners(members, settings, is_fix);
    }
    if is_well { Ok(()) } else { Err(CommandFailure) }
}

/// Slots that are on their way between nodes. Whether there are none, in the end.
fn check_open(members: &mut Members, settings: (&Options, &ClusterOptions), is_fix: bool) -> bool {
    info(">>> Check for open slots...\n");
    let mut open = BTreeSet::new();
    for member in &members.list {
        let node = &member.node;
        for (state, slots) in [
            ("migrating", &node.migrating),
            ("importing", &node.importing),
        ] {
            if slots.is_empty() {
                continue;
            }
            let numbers: Vec<u16> = slots.iter().map(|(slot, _)| *slot).collect();
            warn(&format!(
                "[WARNING] Node {} has slots in {state} state {}.\n",
                node.address(),
                joined(&numbers)
            ));
            open.extend(numbers);
        }
    }
    if open.is_empty() {
        return true;
    }
    let open: Vec<u16> = open.into_iter().collect();
    warn(&format!(
        "[WARNING] The following slots are open: {}.\n",
        joined(&open)
    ));
    is_fix
        && open
            .into_iter()
            .all(|slot| fix::open_slot(members, settings, slot).is_ok())
}

/// Slots without an owner. Whether there are none, in the end.
fn check_coverage(
    members: &mut Members,
    settings: (&Options, &ClusterOptions),
    is_fix: bool,
) -> bool {
    info(">>> Check slots coverage...\n");
    let covered: BTreeSet<u16> = members
        .list
        .iter()
        .flat_map(|member| member.node.slots.iter().copied())
        .collect();
    if covered.len() == usize::from(SLOTS) {
        success(&format!("[OK] All {SLOTS} slots covered.\n"));
        return true;
    }
    error(&format!(
        "[ERR] Not all {SLOTS} slots are covered by nodes.\n\n"
    ));
    let open: Vec<u16> = (0..SLOTS).filter(|slot| !covered.contains(slot)).collect();
    is_fix && fix::coverage(members, settings, &open).is_ok()
}

/// Slots that several nodes claim. Whether there are none, in the end.
fn check_owners(
    members: &mut Members,
    settings: (&Options, &ClusterOptions),
    is_fix: bool,
) -> bool {
    info(">>> Check for multiple slot owners...\n");
    let mut owners: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for at in members.primaries() {
        for &slot in &members.list[at].node.slots {
            owners.entry(slot).or_default().push(at);
        }
    }
    owners.retain(|_, owners| owners.len() > 1);
    if owners.is_empty() {
        success("[OK] No multiple owners found.\n");
        return true;
    }
    let mut is_well = true;
    for (slot, owners) in owners {
        let count = owners.len();
        warn(&format!("[WARNING] Slot {slot} has {count} owners:\n"));
        for &at in &owners {
            print(&format!("    {}\n", members.list[at].node.address()));
        }
        if !is_fix {
            is_well = false;
        } else if fix::owners(members, settings, slot, &owners).is_err() {
            error(&format!("Failed to fix multiple owners for slot {slot}\n"));
            is_well = false;
        }
    }
    is_well
}

/// Prints the findings of the node itself about its cluster. Only russet has any.
pub(super) fn explain(member: &mut Member) {
    let Ok(ReplyValue::Array(findings)) = ask(&mut member.link, &["CLUSTER", "EXPLAIN"]) else {
        return;
    };
    let address = member.node.address();
    info(&format!(">>> CLUSTER EXPLAIN of {address}\n"));
    for finding in findings
        .into_iter()
        .filter_map(|finding| text(finding).ok())
    {
        print(&format!("{finding}\n"));
    }
}

fn joined(slots: &[u16]) -> String {
    let texts: Vec<String> = slots.iter().map(u16::to_string).collect();
    texts.join(",")
}
