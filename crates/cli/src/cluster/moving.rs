//! Slots on their way from one primary to another.
//!
//!     whole     CLUSTER MIGRATION IMPORT at the target, which moves keys and slots by itself
//!     by keys   SETSLOT IMPORTING, MIGRATING -> GETKEYSINSLOT, MIGRATE ... -> SETSLOT NODE
//!
//! A server without CLUSTER MIGRATION (Redis before 8.4, Valkey) gets the second. Both may be
//! interrupted: `fix` completes what is left.

use std::thread;
use std::time::Duration;

use russet_resp::ReplyValue;

use super::members::{Member, Members, ask, text};
use super::options::ClusterOptions;
use super::screen::{Outcome, fail, print, warn};
use crate::options::Options;
use russet_base::numbers::ranges;

/// Between two looks at a migration.
const LOOK: Duration = Duration::from_millis(100);

/// Looks for a dot.
const LOOKS_PER_DOT: usize = 10;

/// How a slot moves by its keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByKeys {
    /// Only the keys: both nodes keep the slot's state.
    pub(super) is_cold: bool,
    /// Equal keys at the target are overwritten, and other faults of a broken move are mended.
    pub(super) is_fix: bool,
    /// Prints a line, with a dot for each key.
    pub(super) is_shown: bool,
}

/// Moves slots between two primaries. `is_shown`: with the lines of a reshard.
pub(super) fn slots(
    members: &mut Members,
    settings: (&Options, &ClusterOptions),
    (from, to): (usize, usize),
    slots: &[u16],
    is_shown: bool,
) -> Outcome {
    let mut words = vec!["CLUSTER".to_owned(), "MIGRATION".into(), "IMPORT".into()];
    for (first, last) in ranges(slots.iter().copied()) {
        words.extend([first.to_string(), last.to_string()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match ask(&mut members.list[to].link, &words).and_then(text) {
        Ok(task) => wait_for(&mut members.list[to], &task, is_shown)?,
        Err(why) if is_unknown(&why) => {
            let how = ByKeys {
                is_shown,
                ..ByKeys::default()
            };
            for &slot in slots {
                by_keys(members, settings, (from, to), slot, how)?;
            }
        }
        Err(why) => {
            return fail(&format!("clusterManagerAtomicMoveSlots: {why}\n"));
        }
    }
    for slot in slots {
        members.list[from].node.slots.remove(slot);
        members.list[to].node.slots.insert(*slot);
    }
    Ok(())
}

/// Whether a refusal means that the server has no CLUSTER MIGRATION.
fn is_unknown(refusal: &str) -> bool {
    refusal.to_lowercase().contains("unknown subcommand")
}

/// Waits for the end of a migration.
fn wait_for(target: &mut Member, task: &str, is_shown: bool) -> Outcome {
    if is_shown {
        print(&format!("Waiting for migration task {task} to complete."));
    }
    let words = ["CLUSTER", "MIGRATION", "STATUS", "ID", task];
    for look in 1_usize.. {
        let reply = match ask(&mut target.link, &words) {
            Ok(reply) => reply,
            Err(why) => return fail(&format!("\nclusterManagerAtomicMoveSlots: {why}\n")),
        };
        match task_field(&reply, "state").as_deref() {
            Some("completed") => break,
            Some(state @ ("failed" | "canceled")) => {
                let why = task_field(&reply, "last_error").unwrap_or_default();
                return fail(&format!(
                    "\nclusterManagerAtomicMoveSlots: the migration {task} is {state}: {why}\n"
                ));
            }
            _ => {}
        }
        if is_shown && look.is_multiple_of(LOOKS_PER_DOT) {
            print(".");
        }
        thread::sleep(LOOK);
    }
    if is_shown {
        print("\n");
    }
    Ok(())
}

/// A field of the task in a reply of CLUSTER MIGRATION STATUS.
fn task_field(reply: &ReplyValue, name: &str) -> Option<String> {
    let ReplyValue::Array(tasks) = reply else {
        return None;
    };
    let (ReplyValue::Array(fields) | ReplyValue::Map(fields)) = tasks.first()? else {
        return None;
    };
    let pair = fields.chunks(2).find(|pair| match &pair[0] {
        ReplyValue::Bulk(field) | ReplyValue::Simple(field) => field == name.as_bytes(),
        _ => false,
    })?;
    text(pair.get(1)?.clone()).ok()
}

/// Moves a slot by its keys.
pub(super) fn by_keys(
    members: &mut Members,
    settings: (&Options, &ClusterOptions),
    (from, to): (usize, usize),
    slot: u16,
    how: ByKeys,
) -> Outcome {
    let number = slot.to_string();
    let (source, target) = members.pair(from, to);
    let (source_id, target_id) = (source.node.id.clone(), target.node.id.clone());
    if how.is_shown {
        print(&format!(
            "Moving slot {slot} from {} to {}: ",
            source.node.address(),
            target.node.address()
        ));
    }
    if !how.is_cold {
        let set = ["CLUSTER", "SETSLOT", &number];
        let importing = [&set[..], &["IMPORTING", &source_id]].concat();
        if let Err(why) = ask(&mut target.link, &importing)
            && !how.is_fix
        {
            return target.refuse(&why);
        }
        let migrating = [&set[..], &["MIGRATING", &target_id]].concat();
        if let Err(why) = ask(&mut source.link, &migrating)
            && !how.is_fix
        {
            return source.refuse(&why);
        }
    }
    move_keys((source, target), settings, &number, how)?;
    if how.is_shown {
        print("\n");
    }
    if how.is_cold {
        return Ok(());
    }
    let own = ["CLUSTER", "SETSLOT", &number, "NODE", &target_id];
    // The target first: a slot has an owner at any time.
    members.list[to].demand(&own)?;
    if let Err(why) = ask(&mut members.list[from].link, &own)
        // The source may have become a replica of the target by the loss of its last slot.
        && !why.contains("Please use SETSLOT only with masters")
    {
        return members.list[from].refuse(&why);
    }
    let others: Vec<usize> = members
        .primaries()
        .filter(|at| ![from, to].contains(at))
        .collect();
    for at in others {
        if let Err(why) = ask(&mut members.list[at].link, &own)
            && !why.contains("Please use SETSLOT only with masters")
        {
            return members.list[at].refuse(&why);
        }
    }
    members.list[from].node.slots.remove(&slot);
    members.list[to].node.slots.insert(slot);
    Ok(())
}

/// Moves the keys of a slot, some at a time.
fn move_keys(
    (source, target): (&mut Member, &mut Member),
    (login, options): (&Options, &ClusterOptions),
    slot: &str,
    how: ByKeys,
) -> Outcome {
    let pipeline = options.pipeline.to_string();
    loop {
        let some = ["CLUSTER", "GETKEYSINSLOT", slot, &pipeline];
        let ReplyValue::Array(values) = source.demand(&some)? else {
            return source.refuse("unexpected reply");
        };
        let keys: Vec<Vec<u8>> = values
            .into_iter()
            .filter_map(|value| match value {
                ReplyValue::Bulk(key) => Some(key),
                _ => None,
            })
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let dots = ".".repeat(keys.len());
        let tried = migrate(
            source,
            &target.node,
            (login, options),
            &keys,
            options.replaces,
        );
        if let Err(why) = tried {
            if !why.contains("BUSYKEY") {
                print("\n");
                return source.refuse(&why);
            }
            take_over((&mut *source, &mut *target), (login, options), &keys, how)?;
        }
        if how.is_shown {
            print(&dots);
        }
    }
}

/// Overwrites keys that the target has as well, if they have equal values or if the user has asked
/// for it.
fn take_over(
    (source, target): (&mut Member, &mut Member),
    (login, options): (&Options, &ClusterOptions),
    keys: &[Vec<u8>],
    how: ByKeys,
) -> Outcome {
    warn("\n*** Target key exists\n");
    if !options.replaces {
        if !how.is_fix {
            return source.refuse("BUSYKEY Target key name already exists.");
        }
        warn("*** Checking key values on both nodes...\n");
        let differing = differing(source, target, keys)?;
        if !differing.is_empty() {
            let count = differing.len();
            let mut text = format!(
                "*** Found {count} key(s) in both source node and target node having different \
                 values.\n    Source node: {}\n    Target node: {}\n    Keys(s):\n",
                source.node.address(),
                target.node.address()
            );
            for key in differing {
                text += &format!("    - {}\n", String::from_utf8_lossy(&key));
            }
            text += "Please fix the above key(s) manually and try again or relaunch the command \n\
                with --cluster-replace option to force key overriding.\n";
            return fail(&text);
        }
    }
    warn("*** Replacing target keys...\n");
    match migrate(source, &target.node, (login, options), keys, true) {
        Ok(()) => Ok(()),
        Err(why) => source.refuse(&why),
    }
}

/// The keys whose values differ between two nodes.
fn differing(source: &mut Member, target: &mut Member, keys: &[Vec<u8>]) -> Outcome<Vec<Vec<u8>>> {
    let mut digests = Vec::new();
    for member in [source, target] {
        let mut words: Vec<&[u8]> = vec![b"DEBUG", b"DIGEST-VALUE"];
        words.extend(keys.iter().map(Vec::as_slice));
        match member.link.ask(&words) {
            Ok(ReplyValue::Array(values)) if values.len() == keys.len() => digests.push(values),
            Ok(ReplyValue::Error(why)) => {
                warn("*** Value check failed!\n");
                return member.refuse(&String::from_utf8_lossy(&why));
            }
            _ => {
                warn("*** Value check failed!\n");
                return member.refuse("unexpected reply");
            }
        }
    }
    let differs = |at: &usize| digests[0][*at] != digests[1][*at];
    let differing = (0..keys.len()).filter(differs);
    Ok(differing.map(|at| keys[at].clone()).collect())
}

/// MIGRATE of keys to another node, with the login of this client.
fn migrate(
    source: &mut Member,
    target: &super::node::Node,
    (login, options): (&Options, &ClusterOptions),
    keys: &[Vec<u8>],
    replaces: bool,
) -> Result<(), String> {
    let (port, timeout) = (target.port.to_string(), options.timeout_ms.to_string());
    let mut words: Vec<&[u8]> = vec![b"MIGRATE", target.host.as_bytes(), port.as_bytes()];
    words.extend([&b""[..], b"0", timeout.as_bytes()]);
    if replaces {
        words.push(b"REPLACE");
    }
    match (&login.user, &login.password) {
        (Some(user), Some(password)) => words.extend([&b"AUTH2"[..], user, password]),
        (None, Some(password)) => words.extend([&b"AUTH"[..], password]),
        _ => {}
    }
    words.push(b"KEYS");
    words.extend(keys.iter().map(Vec::as_slice));
    match source.link.ask(&words) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(_) => Ok(()),
        Err(why) => Err(crate::link::reason_of(&why)),
    }
}
