//! FLUSH UNDO after slots have moved away: only keys of slots that the node still serves come back,
//! at the node, at its replica, and after a restart.

use crate::client::slot_of;
use crate::group::{Group, Kind};
use crate::support::resp::{Connection, Reply};

const KEYS: usize = 6000;
/// The number of moving slots, from the slots of the first primary.
const MOVED: u16 = 1500;
const ARGUMENTS: [&str; 4] = ["--flush-grace", "600", "--appendonly", "yes"];

#[track_caller]
fn ask(group: &Group, at: usize, line: &str) -> String {
    let connection = Connection::open(group.nodes[at].port());
    connection.expect("a node").ask(line)
}

/// The names of a node's keys.
#[track_caller]
fn keys(group: &Group, at: usize) -> Vec<String> {
    let connection = Connection::open(group.nodes[at].port());
    let Reply::Array(names) = connection.expect("a node").value("KEYS *") else {
        panic!("an array");
    };
    let text = |name: Reply| String::from_utf8_lossy(name.text().unwrap_or_default()).into_owned();
    names.into_iter().map(text).collect()
}

/// Moves the first slots of a node in a single migration, and waits until all nodes know of it.
#[track_caller]
fn move_slots(group: &Group, source: usize, target: usize) -> (u16, u16) {
    let first = group.slots_of(source).0;
    let moved = (first, first + MOVED - 1);
    let id = group.nodes[target].id();
    let order = format!(
        "CLUSTER MIGRATESLOTS SLOTSRANGE {} {} NODE {id}",
        moved.0, moved.1
    );
    assert_eq!(group.nodes[source].text(&order), "OK", "{order}");
    group.wait("the slots to move", |group| {
        group.slots_of(source).0 > moved.1
    });
    group.wait_until_well();
    moved
}

/// The keys of moved slots, and the other keys.
#[track_caller]
fn part(keys: Vec<String>, moved: (u16, u16)) -> (Vec<String>, Vec<String>) {
    let has_moved = |key: &String| (moved.0..=moved.1).contains(&slot_of(key));
    let (lost, kept): (Vec<_>, Vec<_>) = keys.into_iter().partition(has_moved);
    assert!(lost.len() > 300 && kept.len() > 300);
    (lost, kept)
}

/// Clients write keys of the moved slots, on whichever node they are.
#[track_caller]
fn write_anew(group: &Group, names: &[String]) {
    let mut client = group.client();
    for name in names {
        let reply = client.run(slot_of(name), &["SET", name, "newer"]);
        assert_eq!(reply, Reply::Simple(b"OK".to_vec()), "SET {name}");
    }
}

#[track_caller]
fn assert_newer(group: &Group, names: &[String]) {
    let mut client = group.client();
    for name in names {
        let reply = client.run(slot_of(name), &["GET", name]);
        assert_eq!(reply, Reply::Bulk(b"newer".to_vec()), "GET {name}");
    }
}

/// Whether a node has exactly these keys.
fn has(group: &Group, at: usize, wanted: &[String]) -> bool {
    let (mut there, mut wanted) = (keys(group, at), wanted.to_vec());
    there.sort_unstable();
    wanted.sort_unstable();
    there == wanted
}

#[test]
fn keys_of_slots_that_have_moved_do_not_come_back() {
    let what = "an undo after slots have moved";
    let Some(mut group) = Group::create_with(what, &[Kind::Russet; 6], 1, &ARGUMENTS) else {
        return;
    };
    let (source, target) = (group.primary_at(0), group.primary_at(1));
    let replica = group.replica_of(source);
    group.write("k", KEYS);
    let before = keys(&group, source);
    assert_eq!(ask(&group, source, "FLUSHALL"), "+OK\r\n");
    let moved = move_slots(&group, source, target);
    let (lost, kept) = part(before, moved);
    write_anew(&group, &lost);
    assert_eq!(
        ask(&group, source, "FLUSH UNDO"),
        format!(":{}\r\n", kept.len())
    );
    assert!(has(&group, source, &kept), "at once");
    group.wait("the replica to have the same", |group| {
        has(group, replica, &kept)
    });
    assert_newer(&group, &lost);
    // The log has the undo, too.
    for at in [source, replica] {
        if at == source {
            let synced = ask(&group, at, "WAITAOF 1 0 10000");
            assert!(synced.starts_with("*2\r\n:1\r\n"), "{synced}");
        }
        group.kill(at);
        group.restart(at);
        group.wait_until_well();
        group.wait_until_synced();
        assert!(has(&group, at, &kept), "after a restart");
    }
    assert_newer(&group, &lost);
    group.check();
}

#[test]
fn a_new_primary_brings_back_what_it_still_serves() {
    let what = "an undo after a failover";
    let Some(group) = Group::create_with(what, &[Kind::Russet; 6], 1, &ARGUMENTS) else {
        return;
    };
    let (former, target) = (group.primary_at(0), group.primary_at(1));
    let primary = group.replica_of(former);
    group.write("k", KEYS);
    let before = keys(&group, former);
    assert_eq!(ask(&group, former, "FLUSHALL"), "+OK\r\n");
    group.wait_until_synced();
    assert_eq!(ask(&group, primary, "CLUSTER FAILOVER"), "+OK\r\n");
    group.wait("the replica to take over", |group| {
        let text = group.nodes[primary].text("INFO replication");
        text.contains("role:master")
    });
    group.wait_until_well();
    let moved = move_slots(&group, primary, target);
    let (lost, kept) = part(before, moved);
    write_anew(&group, &lost);
    let refused = ask(&group, former, "FLUSH UNDO");
    assert!(refused.starts_with("-READONLY "), "{refused}");
    assert_eq!(
        ask(&group, primary, "FLUSH UNDO"),
        format!(":{}\r\n", kept.len())
    );
    assert!(has(&group, primary, &kept));
    group.wait("the former primary to have the same", |group| {
        has(group, former, &kept)
    });
    assert_newer(&group, &lost);
    group.check();
}

/// Slots that move one by one (CLUSTER SETSLOT): a key that came back in an open slot could hide a
/// newer key on the other node.
#[test]
fn nothing_comes_back_while_a_slot_is_open() {
    let what = "an undo while a slot is open";
    let Some(group) = Group::create_with(what, &[Kind::Russet; 3], 0, &ARGUMENTS) else {
        return;
    };
    let (source, target) = (0, 1);
    group.write("k", KEYS);
    let (before, at_target) = (keys(&group, source), keys(&group, target));
    let slot = slot_of(&before[0]);
    let (lost, kept): (Vec<_>, Vec<_>) = before.into_iter().partition(|key| slot_of(key) == slot);
    for at in [source, target] {
        assert_eq!(ask(&group, at, "FLUSHALL"), "+OK\r\n");
    }
    let ids = [source, target].map(|at| group.nodes[at].id());
    let (imports, migrates) = (
        format!("CLUSTER SETSLOT {slot} IMPORTING {}", ids[0]),
        format!("CLUSTER SETSLOT {slot} MIGRATING {}", ids[1]),
    );
    assert_eq!(ask(&group, target, &imports), "+OK\r\n");
    assert_eq!(ask(&group, source, &migrates), "+OK\r\n");
    // The old node redirects the client to the new node, because it does not have the key.
    write_anew(&group, &lost[..1]);
    for at in [source, target] {
        let refused = ask(&group, at, "FLUSH UNDO");
        assert!(
            refused.starts_with("-ERR a flush cannot be undone while slots"),
            "{refused}"
        );
        let refused = ask(&group, at, "FLUSH UNDO REPLACE");
        assert!(
            refused.starts_with("-ERR a flush cannot be undone while slots"),
            "{refused}"
        );
    }
    for at in [target, source, 2] {
        let moves = format!("CLUSTER SETSLOT {slot} NODE {}", ids[1]);
        assert_eq!(ask(&group, at, &moves), "+OK\r\n");
    }
    group.wait_until_well();
    assert_eq!(
        ask(&group, source, "FLUSH UNDO"),
        format!(":{}\r\n", kept.len())
    );
    assert!(has(&group, source, &kept));
    assert_newer(&group, &lost[..1]);
    // The undo does not mix old keys with keys that clients have written since.
    let refused = ask(&group, target, "FLUSH UNDO");
    assert!(
        refused.starts_with("-ERR the database is not empty"),
        "{refused}"
    );
    let back = format!(":{}\r\n", at_target.len());
    assert_eq!(ask(&group, target, "FLUSH UNDO REPLACE"), back);
    assert!(has(&group, target, &at_target));
}
