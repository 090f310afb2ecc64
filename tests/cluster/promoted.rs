//! Slots that have moved survive the death of the target: its replica has them and keeps them,
//! although it may remember earlier imports.

use rustix::process::Signal;

use crate::group::{Group, Kind, Way};
use crate::support::peers::Peer;
use crate::support::resp::Connection;

const KEYS: usize = 3000;
const RANGE: (u16, u16) = (0, 1500);

fn begin(group: &Group, way: Way, source: usize, target: usize) {
    let reply = group.move_slots(way, RANGE, source, target);
    assert!(!reply.contains("ERR"), "{reply}");
}

fn key_delay(group: &Group, node: usize, micros: i64) {
    let mut connection = Connection::open(group.nodes[node].port()).expect("a node");
    connection.ask(&format!("CONFIG SET key-load-delay {micros}"));
    connection.ask(&format!("CONFIG SET rdb-key-save-delay {micros}"));
}

fn has_moved(group: &Group, to: usize) -> bool {
    let id = group.nodes[to].id();
    group.living().all(|node| {
        let view = node.view();
        let owner = view.iter().find(|seen| seen.id == id);
        owner.is_some_and(|seen| seen.slots.iter().any(|slots| slots.starts_with("0-")))
    })
}

/// Three primaries with a replica each. The first primary is the source, the second the target.
fn group(what: &str, kind: Kind, source: Kind) -> Option<(Group, usize, usize)> {
    let kinds = [source, kind, kind, kind, kind, kind];
    let group = Group::create_with(what, &kinds, 1, &["--appendonly", "yes"])?;
    group.write("k", KEYS);
    group.wait_until_synced();
    let source = group.primary_at(0);
    let target = group.primary_at(1);
    Some((group, source, target))
}

fn lose(group: &mut Group, target: usize) {
    let id = group.nodes[target].id();
    group.kill(target);
    group.wait_for_failover(&id);
    group.assert_written("k", KEYS);
}

fn forgotten(what: &str, kind: Kind, peer: Kind, way: Way) {
    let Some((mut group, source, target)) = group(what, kind, peer) else {
        return;
    };
    let replica = group.replica_of(target);
    key_delay(&group, source, 20_000);
    begin(&group, way, source, target);
    group.wait("the replica to hear of the import", |group| {
        let log = group.nodes[replica].daemon.log();
        log.contains("(import of 0-1500")
    });
    group.kill(target);
    group.restart(target);
    key_delay(&group, source, 0);
    group.wait("the replica to hear that the import is over", |group| {
        let log = group.nodes[replica].daemon.log();
        log.contains("The primary has forgotten it") || log.contains("The data was replaced")
    });
    group.wait_until_synced();
    group.wait("the slots to move", |group| {
        if !has_moved(group, target) {
            group.move_slots(way, RANGE, source, target);
        }
        has_moved(group, target)
    });
    group.wait_until_synced();
    lose(&mut group, target);
}

#[test]
fn a_forgotten_pull_takes_no_slot_along() {
    let russet = Kind::Russet;
    forgotten("a forgotten pull", russet, russet, Way::Pull);
}

#[test]
fn a_forgotten_push_takes_no_slot_along() {
    let russet = Kind::RussetValkey;
    forgotten("a forgotten push", russet, russet, Way::Push);
}

#[test]
fn a_forgotten_push_of_valkey_takes_no_slot_along() {
    let valkey = Kind::Peer(Peer::Valkey9);
    forgotten(
        "a forgotten push by Valkey",
        Kind::RussetValkey,
        valkey,
        Way::Push,
    );
}

/// The target sends its claim before the replica has the end of the import, and dies as soon as the
/// source has seen the claim.
fn claimed(what: &str, kind: Kind, way: Way) {
    let Some((mut group, source, target)) = group(what, kind, kind) else {
        return;
    };
    let replica = group.replica_of(target);
    // The replica stands still while the target is about to claim the slots.
    group.nodes[replica].daemon.signal(Signal::STOP);
    begin(&group, way, source, target);
    group.wait("the target to have all keys", |group| {
        let mut target = Connection::open(group.nodes[target].port()).expect("the target");
        let tasks = match way {
            Way::Pull => target.ask("CLUSTER MIGRATION STATUS ALL"),
            Way::Push => target.ask("CLUSTER GETSLOTMIGRATIONS"),
        };
        tasks.contains("takeover") || tasks.contains("failover-granted")
    });
    assert!(
        !has_moved(&group, target),
        "no claim before the replica has the keys"
    );
    group.nodes[replica].daemon.signal(Signal::CONT);
    group.wait("the slots to move", |group| has_moved(group, target));
    lose(&mut group, target);
}

#[test]
fn a_pull_is_claimed_when_the_replica_has_it() {
    claimed("a pull with a slow replica", Kind::Russet, Way::Pull);
}

#[test]
fn a_push_is_claimed_when_the_replica_has_it() {
    claimed("a push with a slow replica", Kind::RussetValkey, Way::Push);
}
