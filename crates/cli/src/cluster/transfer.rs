//! `import` and `backup`: data comes from a single server, or goes into files.
//!
//!     import   check -> SCAN at the source -> MIGRATE of each key to the owner of its slot
//!     backup   check -> a snapshot of each primary -> nodes.json
//!
//! A key that cannot be moved ends the import; keys that have moved stay moved.

use std::path::{Path, PathBuf};

use russet_resp::ReplyValue;

use super::check::{self, Kind};
use super::members::{Members, ask, connect, info_field};
use super::node::{Node, SLOTS};
use super::options::{ClusterOptions, place_of};
use super::screen::{
    CommandFailure, Outcome, error, fail, fail_plainly, info, print, success, warn,
};
use crate::link::{Link, reason_of};
use crate::options::Options;
use crate::prompt::ask_password;
use russet_base::numbers::ranges;

/// Keys of a page of SCAN.
const PAGE: &str = "1000";

/// Moves (or, with `--cluster-copy`, copies) the keys of database 0 of a server into the cluster.
pub(super) fn import(login: &Options, options: &ClusterOptions) -> Outcome {
    let Some(place) = options.place() else {
        return super::wrong_place();
    };
    let Some(from) = &options.from else {
        return fail_plainly("[ERR] Option '--cluster-from' is required for subcommand 'import'.");
    };
    let Some(source) = place_of(from) else {
        return fail_plainly(
            "[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. \
             120.0.0.1:7000).",
        );
    };
    info(&format!(
        ">>> Importing data from {}:{} to cluster {}:{}\n",
        source.0, source.1, place.0, place.1
    ));
    let mut members = Members::load(login, &place)?;
    check::check(&mut members, (login, options), Kind::Full)?;
    let mut link = connect(&source_login(login, options)?, &source.0, source.1)?;
    let refuse = |why: &str| {
        error(&format!(
            "Source {}:{} replied with error:\n{why}\n",
            source.0, source.1
        ));
        Err(CommandFailure)
    };
    match info_field(&mut link, "cluster_enabled") {
        Ok(Some(on)) if on == "1" => {
            return fail("[ERR] The source node should not be a cluster node.\n");
        }
        Ok(_) => {}
        Err(why) => return refuse(&why),
    }
    let count = match ask(&mut link, &["DBSIZE"]) {
        Ok(ReplyValue::Integer(count)) => count,
        Ok(_) => return refuse("DBSIZE without a number"),
        Err(why) => return refuse(&why),
    };
    warn(&format!("*** Importing {count} keys from DB 0\n"));
    let owners = owners(&members);
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys) = match page(&mut link, &cursor) {
            Ok(page) => page,
            Err(why) => return refuse(&why),
        };
        for key in keys {
            let (slot, _) = slot_of(&key);
            let Some(target) = owners[usize::from(slot)].map(|at| &members.list[at].node) else {
                return fail(&format!("[ERR] Slot {slot} has no owner\n"));
            };
            let name = String::from_utf8_lossy(&key);
            print(&format!("Migrating {name} to {}: ", target.address()));
            if let Err(why) = migrate(&mut link, target, (login, options), &key) {
                return refuse(&why);
            }
            print("OK\n");
        }
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}

/// The login at the source, which is not the cluster's.
fn source_login(login: &Options, options: &ClusterOptions) -> Outcome<Options> {
    let mut password = options.from_password.clone().map(String::into_bytes);
    if options.asks_from_password {
        eprint!("Please input import source node password: ");
        password = Some(ask_password().map_err(|_| CommandFailure)?);
    }
    Ok(Options {
        user: options.from_user.clone().map(String::into_bytes),
        password,
        ..login.clone()
    })
}

/// The place of each slot's owner.
fn owners(members: &Members) -> Vec<Option<usize>> {
    let mut owners = vec![None; usize::from(SLOTS)];
    for at in members.primaries() {
        for &slot in &members.list[at].node.slots {
            owners[usize::from(slot)] = Some(at);
        }
    }
    owners
}

/// The slot of a key, by its part between braces if it has any, and whether it has.
fn slot_of(key: &[u8]) -> (u16, bool) {
    let checksum = |part: &[u8]| russet_base::hashing::crc16::checksum(part, b'{').0 % SLOTS;
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}')?;
        Some(&rest[..close]).filter(|tag| !tag.is_empty())
    });
    (checksum(tag.unwrap_or(key)), tag.is_some())
}

/// A page of keys, and the cursor of the next.
fn page(link: &mut Link, cursor: &str) -> Result<(String, Vec<Vec<u8>>), String> {
    let ReplyValue::Array(parts) = ask(link, &["SCAN", cursor, "COUNT", PAGE])? else {
        return Err("Non ARRAY response from SCAN!".to_owned());
    };
    let [ReplyValue::Bulk(next), ReplyValue::Array(values)] = parts.as_slice() else {
        return Err("Invalid element count from SCAN!".to_owned());
    };
    let keys = values.iter().filter_map(|value| match value {
        ReplyValue::Bulk(key) => Some(key.clone()),
        _ => None,
    });
    Ok((String::from_utf8_lossy(next).into_owned(), keys.collect()))
}

fn migrate(
    link: &mut Link,
    target: &Node,
    (login, options): (&Options, &ClusterOptions),
    key: &[u8],
) -> Result<(), String> {
    let (port, timeout) = (target.port.to_string(), options.timeout_ms.to_string());
    let mut words: Vec<&[u8]> = vec![b"MIGRATE", target.host.as_bytes(), port.as_bytes(), key];
    words.extend([&b"0"[..], timeout.as_bytes()]);
    match (&login.user, &login.password) {
        (Some(user), Some(password)) => words.extend([&b"AUTH2"[..], user, password]),
        (None, Some(password)) => words.extend([&b"AUTH"[..], password]),
        _ => {}
    }
    if options.copies {
        words.push(b"COPY");
    }
    if options.replaces {
        words.push(b"REPLACE");
    }
    match link.ask(&words) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(_) => Ok(()),
        Err(why) => Err(reason_of(&why)),
    }
}

/// A snapshot of each primary, and `nodes.json`, into a folder that exists.
pub(super) fn backup(members: &mut Members, login: &Options, options: &ClusterOptions) -> Outcome {
    let is_well = check::check(members, (login, options), Kind::Full).is_ok();
    let folder = Path::new(&options.arguments[1]);
    let shown = folder.display();
    let problem = match folder.metadata() {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some(format!(
            "[ERR] The specified backup path '{shown}' exists but is not a directory.\n"
        )),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Some(format!(
            "[ERR] The specified backup directory '{shown}' does not exist.\n"
        )),
        Err(why) => Some(format!(
            "[ERR] Cannot stat backup directory {shown}: {}\n",
            reason_of(&why)
        )),
    };
    if let Some(problem) = problem {
        error(&problem);
        return fail("[ERR] Failed to back cluster!\n");
    }
    let places: Vec<usize> = members.primaries().collect();
    for at in places {
        let member = &mut members.list[at];
        let node = &member.node;
        info(&format!(">>> Node {} -> Saving RDB...\n", node.address()));
        let name = format!("redis-node-{}-{}-{}.rdb", node.host, node.port, node.id);
        if let Err(why) = crate::modes::snapshot(&mut member.link, &folder.join(name)) {
            eprintln!("{why}");
            return fail("[ERR] Failed to back cluster!\n");
        }
    }
    let file: PathBuf = folder.join("nodes.json");
    print(&format!(
        "Saving cluster configuration to: {}\n",
        file.display()
    ));
    if let Err(why) = std::fs::write(&file, nodes_json(members)) {
        let why = reason_of(&why);
        error(&format!(
            "Could not save nodes to: {}: {why}\n",
            file.display()
        ));
        return fail("[ERR] Failed to back cluster!\n");
    }
    if !is_well {
        warn(
            "*** Cluster seems to have some problems, please be aware of it if you're going to \
             restore this backup.\n",
        );
    }
    success(&format!("[OK] Backup created into: {shown}\n"));
    Ok(())
}

fn nodes_json(members: &Members) -> String {
    let nodes: Vec<String> = members
        .list
        .iter()
        .map(|member| node_json(&member.node))
        .collect();
    format!("[\n{}\n]", nodes.join(",\n"))
}

/// A node as an object of `nodes.json`. Names of nodes and hosts have no quotes.
fn node_json(node: &Node) -> String {
    let primary = match &node.replicates {
        Some(primary) => format!("\"{primary}\""),
        None => "null".to_owned(),
    };
    let slots: Vec<String> = ranges(node.slots.iter().copied())
        .into_iter()
        .map(|(first, last)| format!("[{first},{last}]"))
        .collect();
    let mut text = format!(
        "  {{\n    \"name\": \"{}\",\n    \"host\": \"{}\",\n    \"port\": {},\n    \
         \"replicate\": {primary},\n    \"slots\": [{}],\n    \"slots_count\": {},\n    \
         \"flags\": \"{}\",\n    \"current_epoch\": {}",
        node.id,
        node.host,
        node.port,
        slots.join(","),
        node.slots.len(),
        node.flags.join(","),
        node.epoch
    );
    for (name, open) in [
        ("migrating", &node.migrating),
        ("importing", &node.importing),
    ] {
        if !open.is_empty() {
            let pairs: Vec<String> = open
                .iter()
                .map(|(slot, id)| format!("\"{slot}\": \"{id}\""))
                .collect();
            text += &format!(",\n    \"{name}\": {{{}}}", pairs.join(","));
        }
    }
    text + "\n  }"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_of_its_tag() {
        assert_eq!(slot_of(b"foo").0, 12182);
        assert_eq!(slot_of(b"{foo}.bar"), (12182, true));
        assert!(!slot_of(b"{}foo").1);
        assert!(!slot_of(b"a{foo").1);
    }

    #[test]
    fn a_node_is_an_object() {
        let node = Node::parse("aa h:7@1 slave bb 0 0 3 connected", "").expect("a node");
        let wanted = "  {\n    \"name\": \"aa\",\n    \"host\": \"h\",\n    \"port\": 7,\n    \
            \"replicate\": \"bb\",\n    \"slots\": [],\n    \"slots_count\": 0,\n    \
            \"flags\": \"slave\",\n    \"current_epoch\": 3\n  }";
        assert_eq!(node_json(&node), wanted);
        let open = Node::parse("aa h:7@1 master - 0 0 3 connected 1-2 [2->-cc]", "").expect("one");
        let text = node_json(&open);
        assert!(text.contains("\"slots\": [[1,2]],"), "{text}");
        assert!(text.contains("\"migrating\": {\"2\": \"cc\"}"), "{text}");
    }
}
