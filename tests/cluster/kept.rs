//! A source keeps the data of slots that have moved: no client sees the data, and the source serves
//! it again if the target is lost.

use crate::client::slot_of;
use crate::group::{Group, Kind, Way};
use crate::support::resp::Connection;

const KEYS: usize = 3000;
const RANGE: (u16, u16) = (0, 1500);
/// Timeouts so long that the source deletes nothing before the test has seen it.
const LONG: [&str; 4] = ["--appendonly", "yes", "--cluster-node-timeout", "20000"];

fn ask(group: &Group, node: usize, line: &str) -> String {
    let mut connection = Connection::open(group.nodes[node].port()).expect("a node");
    connection.ask(line).trim_end().to_owned()
}

fn has(group: &Group, node: usize, line: &str) -> bool {
    group.nodes[node].daemon.log().contains(line)
}

/// A slot of the range that has keys, and the number of its keys.
fn slot_with_keys(group: &Group, node: usize) -> (u16, String) {
    let mut slots = (RANGE.0..=RANGE.1).map(|slot| (slot, count(group, node, slot)));
    slots
        .find(|(_, keys)| keys != ":0")
        .expect("keys in the range")
}

fn count(group: &Group, node: usize, slot: u16) -> String {
    ask(group, node, &format!("CLUSTER COUNTKEYSINSLOT {slot}"))
}

fn field(group: &Group, node: usize, section: &str, name: &str) -> u64 {
    let text = group.nodes[node].text(&format!("INFO {section}"));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.and_then(|value| value.trim().parse().ok())
        .expect("a number")
}

/// A source and a target, both without replicas, and a third primary.
fn pair(what: &str, more: &[&str]) -> Option<(Group, usize, usize)> {
    let group = Group::create_with(what, &[Kind::Russet; 3], 0, more)?;
    let (source, target) = (group.primary_at(0), group.primary_at(1));
    Some((group, source, target))
}

fn begin(group: &Group, source: usize, target: usize) {
    let reply = group.move_slots(Way::Pull, RANGE, source, target);
    assert!(!reply.contains("ERR"), "{reply}");
    group.wait("the source to keep its copy", |group| {
        has(group, source, "are kept until")
    });
}

/// The slots have moved, and the source keeps their data, because the target has no replica that
/// could acknowledge them.
fn moved(what: &str, more: &[&str]) -> Option<(Group, usize, usize, (u16, String))> {
    let (group, source, target) = pair(what, more)?;
    group.write("k", KEYS);
    let slot = slot_with_keys(&group, source);
    let before = ask(&group, source, "DBSIZE");
    begin(&group, source, target);
    group.wait_until_well();
    assert_ne!(ask(&group, source, "DBSIZE"), before, "the copy is hidden");
    assert_eq!(count(&group, source, slot.0), ":0");
    Some((group, source, target, slot))
}

fn deletes(group: &Group, source: usize) -> bool {
    has(group, source, "The kept keys of slots")
}

#[test]
fn a_copy_of_moved_slots_does_not_outlive_a_restart() {
    let Some((mut group, source, _, slot)) = moved("a copy and a restart", &LONG) else {
        return;
    };
    assert!(!deletes(&group, source));
    let size = ask(&group, source, "DBSIZE");
    group.kill(source);
    group.restart(source);
    group.wait_until_well();
    assert_eq!(ask(&group, source, "DBSIZE"), size);
    assert_eq!(count(&group, source, slot.0), ":0");
    group.assert_written("k", KEYS);
}

#[test]
fn a_copy_of_moved_slots_serves_again_when_the_target_is_lost() {
    let Some((mut group, source, target, (slot, keys))) =
        moved("a copy that returns", &["--cluster-node-timeout", "5000"])
    else {
        return;
    };
    let id = group.nodes[target].id();
    group.kill(target);
    group.wait("the target to be seen as failed", |group| {
        let view = group.nodes[source].view();
        view.iter()
            .any(|seen| seen.id == id && (seen.is("fail") || seen.is("fail?")))
    });
    let me = group.nodes[source].id();
    assert_eq!(
        ask(&group, source, &format!("CLUSTER SETSLOT {slot} NODE {me}")),
        "+OK"
    );
    assert_eq!(count(&group, source, slot), keys);
}

#[test]
fn a_copy_of_moved_slots_goes_before_a_key_is_evicted() {
    let Some((group, source, target)) = pair("a copy and the limit", &LONG) else {
        return;
    };
    let (mut client, value) = (group.client(), "v".repeat(4000));
    for n in 0..KEYS {
        let key = format!("large:{n}");
        client.run(slot_of(&key), &["SET", &key, &value]);
    }
    begin(&group, source, target);
    ask(&group, source, "CONFIG SET maxmemory-policy allkeys-random");
    // The limit follows the used memory, because the server frees memory that does not count.
    group.wait("the copy to go", |group| {
        let used = field(group, source, "memory", "used_memory");
        let besides = field(group, source, "memory", "mem_not_counted_for_evict");
        let limit = used - besides - 200_000;
        ask(group, source, &format!("CONFIG SET maxmemory {limit}"));
        // The server frees the memory at the beginning of its next turn.
        ask(group, source, "PING");
        deletes(group, source)
    });
    assert!(has(&group, source, "memory is short"));
    assert_eq!(field(&group, source, "stats", "evicted_keys"), 0);
}

#[test]
fn a_copy_of_moved_slots_goes_once_the_targets_replica_shows_the_claim() {
    let russet = [Kind::Russet; 6];
    let Some(group) = Group::create_with("a copy that is acknowledged", &russet, 1, &LONG) else {
        return;
    };
    group.write("k", KEYS);
    group.wait_until_synced();
    let (source, target) = (group.primary_at(0), group.primary_at(1));
    let replica = group.replica_of(source);
    let reply = group.move_slots(Way::Push, RANGE, source, target);
    assert!(!reply.contains("ERR"), "{reply}");
    group.wait("the claim to be acknowledged", |group| {
        has(group, source, "the claim has been acknowledged")
    });
    group.wait("the replica to have what its primary has", |group| {
        ask(group, replica, "DBSIZE") == ask(group, source, "DBSIZE")
    });
    group.assert_written("k", KEYS);
}
