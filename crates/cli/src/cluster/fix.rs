//! `fix`: slots left open by a broken move get one owner, and slots without an owner get one.
//!
//! Nothing is mended while a primary with slots is silent: its slots would seem free, and its keys
//! would be lost when it comes back. `--cluster-fix-with-unreachable-masters` overrides that.

use super::members::{Members, ask};
use super::moving::{ByKeys, by_keys};
use super::options::ClusterOptions;
use super::screen::{CommandFailure, Outcome, fail, info, is_confirmed, print, warn};
use crate::options::Options;
use russet_base::numbers::ranges;

const SILENT: &str = "unreachable masters is dangerous: redis-cli will assume that slots about \
    masters that are not reachable are not covered, and will try to reassign them to the reachable \
    nodes. This can cause data loss and is rarely what you want to do. If you really want to \
    proceed use the --cluster-fix-with-unreachable-masters option.\n";

/// The login, and the options of the command.
type Settings<'s> = (&'s Options, &'s ClusterOptions);

fn refuse_if_silent(members: &Members, options: &ClusterOptions, what: &str) -> Outcome {
    if members.unreachable == 0 || options.fixes_unreachable {
        return Ok(());
    }
    warn(&format!("*** {what} with {} {SILENT}", members.unreachable));
    Err(CommandFailure)
}

/// The keys that a node has of a slot.
fn keys_in(members: &mut Members, at: usize, slot: u16) -> Outcome<u64> {
    members.list[at].number(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])
}

/// The place with the most keys of a slot; the first of equals.
fn most_keys(members: &mut Members, places: &[usize], slot: u16) -> Outcome<Option<usize>> {
    let mut most: Option<(usize, u64)> = None;
    for &at in places {
        let keys = keys_in(members, at, slot)?;
        if most.is_none_or(|(_, best)| keys > best) {
            most = Some((at, keys));
        }
    }
    Ok(most.map(|(at, _)| at))
}

fn set_slot(members: &mut Members, at: usize, slot: u16, how: &[&str]) -> Outcome {
    let number = slot.to_string();
    let words = [&["CLUSTER", "SETSLOT", &number], how].concat();
    members.list[at].demand(&words).map(drop)
}

/// Makes a node the owner of a slot, with an epoch that wins.
fn own(members: &mut Members, at: usize, slot: u16) -> Outcome {
    let number = slot.to_string();
    let link = &mut members.list[at].link;
    // The node may have the slot already, or not.
    let _ = ask(link, &["CLUSTER", "DELSLOTS", &number]);
    members.list[at].demand(&["CLUSTER", "ADDSLOTS", &number])?;
    set_slot(members, at, slot, &["STABLE"])?;
    members.list[at].demand(&["CLUSTER", "BUMPEPOCH"])?;
    members.list[at].node.slots.insert(slot);
    Ok(())
}

fn addresses(members: &Members, places: &[usize]) -> String {
    let texts: Vec<String> = places
        .iter()
        .map(|&at| members.list[at].node.address())
        .collect();
    texts.join(",")
}

/// Ends the move of a slot.
pub(super) fn open_slot(members: &mut Members, settings: Settings<'_>, slot: u16) -> Outcome {
    refuse_if_silent(members, settings.1, "Fixing open slots")?;
    info(&format!(">>> Fixing open slot {slot}\n"));
    let primaries: Vec<usize> = members.primaries().collect();
    let has = |open: &[(u16, String)]| open.iter().any(|(number, _)| *number == slot);
    let (mut migrating, mut importing, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for &at in &primaries {
        let node = &members.list[at].node;
        let (is_owner, leaves, arrives) = (
            node.slots.contains(&slot),
            has(&node.migrating),
            has(&node.importing),
        );
        if is_owner {
            owners.push(at);
        }
        if leaves {
            migrating.push(at);
        } else if arrives {
            importing.push(at);
        } else if !is_owner && keys_in(members, at, slot)? > 0 {
            let address = members.list[at].node.address();
            warn(&format!(
                "*** Found keys about slot {slot} in node {address}!\n"
            ));
            importing.push(at);
        }
    }
    if !migrating.is_empty() {
        let list = addresses(members, &migrating);
        print(&format!("Set as migrating in: {list}\n"));
    }
    if !importing.is_empty() {
        let list = addresses(members, &importing);
        print(&format!("Set as importing in: {list}\n"));
    }
    let owner = match owners.as_slice() {
        [owner] => *owner,
        _ => {
            info(">>> No single clear owner for the slot, selecting an owner by # of keys...\n");
            let among = if owners.is_empty() {
                &primaries
            } else {
                &owners
            };
            let Some(owner) = most_keys(members, among, slot)? else {
                return fail("[ERR] Can't select a slot owner. Impossible to fix.\n");
            };
            let address = members.list[owner].node.address();
            warn(&format!("*** Configuring {address} as the slot owner\n"));
            own(members, owner, slot)?;
            for &other in owners.iter().filter(|&&other| other != owner) {
                let id = members.list[owner].node.id.clone();
                let number = slot.to_string();
                members.list[other].demand(&["CLUSTER", "DELSLOTS", &number])?;
                set_slot(members, other, slot, &["IMPORTING", &id])?;
                members.list[other].node.slots.remove(&slot);
                importing.push(other);
            }
            migrating.retain(|&at| at != owner);
            importing.retain(|&at| at != owner);
            owner
        }
    };
    close(members, settings, slot, (owner, &migrating, &importing))
}

/// The cases of a slot with one owner.
fn close(
    members: &mut Members,
    settings: Settings<'_>,
    slot: u16,
    (owner, migrating, importing): (usize, &[usize], &[usize]),
) -> Outcome {
    let mend = ByKeys {
        is_fix: true,
        is_shown: true,
        is_cold: false,
    };
    let cold = ByKeys {
        is_cold: true,
        ..mend
    };
    match (migrating, importing) {
        (&[from], &[to]) => {
            let (source, target) = (addresses(members, &[from]), addresses(members, &[to]));
            info(&format!(
                ">>> Case 1: Moving slot {slot} from {source} to {target}\n"
            ));
            by_keys(members, settings, (from, to), slot, mend)
        }
        (&[], [_, ..]) => {
            let address = addresses(members, &[owner]);
            info(&format!(
                ">>> Case 2: Moving all the {slot} slot keys to its owner {address}\n"
            ));
            for &at in importing.iter().filter(|&&at| at != owner) {
                by_keys(members, settings, (at, owner), slot, cold)?;
                let address = addresses(members, &[at]);
                info(&format!(">>> Setting {slot} as STABLE in {address}\n"));
                set_slot(members, at, slot, &["STABLE"])?;
            }
            // The owner itself may import, from a node that is no longer there.
            set_slot(members, owner, slot, &["STABLE"])
        }
        (&[from], [_, _, ..]) => {
            let target = most_keys(members, importing, slot)?.ok_or(CommandFailure)?;
            if keys_in(members, target, slot)? == 0 {
                info(&format!(
                    ">>> Case 3: Closing slot {slot} on both migrating and importing nodes.\n"
                ));
                set_slot(members, from, slot, &["STABLE"])?;
            } else {
                let (source, to) = (addresses(members, &[from]), addresses(members, &[target]));
                info(&format!(
                    ">>> Case 3: Moving slot {slot} from {source} to {to} and closing it on all \
                     the other importing nodes.\n"
                ));
                by_keys(members, settings, (from, target), slot, mend)?;
            }
            for &at in importing {
                if at != target && keys_in(members, at, slot)? > 0 {
                    by_keys(members, settings, (at, target), slot, cold)?;
                }
                set_slot(members, at, slot, &["STABLE"])?;
            }
            Ok(())
        }
        (&[at], &[]) if at == owner || keys_in(members, at, slot)? == 0 => {
            let address = addresses(members, &[at]);
            info(&format!(">>> Case 4: Closing slot {slot} on {address}\n"));
            set_slot(members, at, slot, &["STABLE"])
        }
        // The owner was among them, and has been made stable.
        (&[], &[]) => Ok(()),
        _ => fail(&format!(
            "[ERR] Sorry, redis-cli can't fix this slot yet (work in progress). Slot is set as \
             migrating in {}, as importing in {}, owner is {}\n",
            addresses(members, migrating),
            addresses(members, importing),
            addresses(members, &[owner])
        )),
    }
}

/// Gives owners to slots without an owner.
pub(super) fn coverage(members: &mut Members, settings: Settings<'_>, open: &[u16]) -> Outcome {
    let options = settings.1;
    refuse_if_silent(members, options, "Fixing slots coverage")?;
    info(">>> Fixing slots coverage...\n");
    let primaries: Vec<usize> = members.primaries().collect();
    let (mut without, mut single, mut several) = (Vec::new(), Vec::new(), Vec::new());
    for &slot in open {
        let mut having = Vec::new();
        for &at in &primaries {
            if keys_in(members, at, slot)? > 0 {
                having.push(at);
            }
        }
        match having.as_slice() {
            [] => without.push((slot, having)),
            [_] => single.push((slot, having)),
            _ => several.push((slot, having)),
        }
    }
    let groups = [
        (
            "The following uncovered slots have no keys across the cluster:",
            "Fix these slots by covering with a random node?",
            without,
        ),
        (
            "The following uncovered slots have keys in just one node:",
            "Fix these slots by covering with those nodes?",
            single,
        ),
        (
            "The following uncovered slots have keys in multiple nodes:",
            "Fix these slots by moving keys into a single node?",
            several,
        ),
    ];
    for (what, question, slots) in groups {
        if slots.is_empty() {
            continue;
        }
        print(&format!("{what}\n{}\n", listed(&slots)));
        if !is_confirmed(question, options.is_yes) {
            return Err(CommandFailure);
        }
        for (slot, having) in slots {
            cover(members, settings, slot, &having)?;
        }
    }
    Ok(())
}

fn listed(slots: &[(u16, Vec<usize>)]) -> String {
    let texts: Vec<String> = ranges(slots.iter().map(|(slot, _)| *slot))
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                format!("[{first}]")
            } else {
                format!("[{first}-{last}]")
            }
        })
        .collect();
    texts.join(",")
}

/// Gives a slot to the node with the most of its keys, and that node all of them. A slot without
/// keys goes to the primary with the fewest slots.
fn cover(members: &mut Members, settings: Settings<'_>, slot: u16, having: &[usize]) -> Outcome {
    let target = match most_keys(members, having, slot)? {
        Some(target) => target,
        None => {
            let smallest = members
                .primaries()
                .min_by_key(|&at| members.list[at].node.slots.len());
            smallest.ok_or(CommandFailure)?
        }
    };
    let address = addresses(members, &[target]);
    let how = if having.len() > 1 {
        "moving keys to"
    } else {
        "with"
    };
    info(&format!(">>> Covering slot {slot} {how} {address}\n"));
    own(members, target, slot)?;
    let id = members.list[target].node.id.clone();
    let cold = ByKeys {
        is_cold: true,
        is_fix: true,
        is_shown: true,
    };
    for &at in having.iter().filter(|&&at| at != target) {
        // A node gives keys away only of a slot that it knows to be open.
        set_slot(members, at, slot, &["NODE", &id])?;
        set_slot(members, at, slot, &["IMPORTING", &id])?;
        by_keys(members, settings, (at, target), slot, cold)?;
        set_slot(members, at, slot, &["STABLE"])?;
    }
    Ok(())
}

/// Leaves a slot that several nodes claim to the node with the most of its keys.
pub(super) fn owners(
    members: &mut Members,
    settings: Settings<'_>,
    slot: u16,
    owners: &[usize],
) -> Outcome {
    info(&format!(">>> Fixing multiple owners for slot {slot}...\n"));
    let Some(owner) = most_keys(members, owners, slot)? else {
        return Err(CommandFailure);
    };
    let address = addresses(members, &[owner]);
    info(&format!(">>> Setting slot {slot} owner: {address}\n"));
    own(members, owner, slot)?;
    let id = members.list[owner].node.id.clone();
    let cold = ByKeys {
        is_cold: true,
        is_fix: true,
        is_shown: true,
    };
    for &at in owners.iter().filter(|&&at| at != owner) {
        members.list[at].demand(&["CLUSTER", "DELSLOTS", &slot.to_string()])?;
        if keys_in(members, at, slot)? > 0 {
            set_slot(members, at, slot, &["IMPORTING", &id])?;
            by_keys(members, settings, (at, owner), slot, cold)?;
            set_slot(members, at, slot, &["STABLE"])?;
        }
        members.list[at].node.slots.remove(&slot);
    }
    Ok(())
}
