//! A primary that loses its last slot to another shard becomes a replica of that shard, and so do
//! its replicas (`cluster-allow-replica-migration yes`): with every way of moving slots, and with
//! russet and real nodes alike.

use crate::group::{Group, Kind, Way};
use crate::support::peers::Peer;
use crate::support::resp::{Connection, Reply};

const KEYS: usize = 600;
const SOURCE: usize = 0;
const TARGET: usize = 1;
const OTHER: usize = 2;
/// The number of slots that redis-cli moves.
const LAST_SLOTS: u16 = 50;

/// The way in which the slots move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MoveMethod {
    /// In a single migration.
    AtOnce(Way),
    /// Key by key, as redis-cli orders it (CLUSTER SETSLOT, MIGRATE).
    KeyByKey,
}

/// The kinds of the source, the target and the third primary, then of the replicas of each.
type Kinds = [Kind; 6];

fn keys(group: &Group, at: usize) -> Option<i64> {
    let mut connection = Connection::open(group.nodes[at].port()).ok()?;
    match connection.value("DBSIZE") {
        Reply::Integer(keys) => Some(keys),
        _ => None,
    }
}

/// A cluster in which each primary's replica is three places later in the list.
fn group(what: &str, kinds: &Kinds, follows: bool) -> Option<Group> {
    let allowed = if follows { "yes" } else { "no" };
    let arguments = [
        ["--appendonly", "yes"],
        ["--cluster-allow-replica-migration", allowed],
    ];
    let group = Group::create_with(what, kinds, 1, &arguments.concat())?;
    for at in 3..6 {
        let order = format!("CLUSTER REPLICATE {}", group.nodes[at - 3].id());
        assert_eq!(group.nodes[at].text(&order), "OK", "{order}");
    }
    group.wait("each primary to have its replica", |group| {
        (3..6).all(|at| follows_node(group, at, at - 3))
    });
    group.wait_until_well();
    group.write("k", KEYS);
    group.wait_until_synced();
    Some(group)
}

/// Whether all nodes see `at` as a replica of `primary`, and its link is up.
fn follows_node(group: &Group, at: usize, primary: usize) -> bool {
    let (id, primary) = (group.nodes[at].id(), group.nodes[primary].id());
    let is_seen = group.living().all(|node| {
        let view = node.view();
        let seen = view.iter().find(|seen| seen.id == id);
        seen.is_some_and(|seen| seen.primary.as_ref() == Some(&primary))
    });
    let text = group.nodes[at].text("INFO replication");
    is_seen && text.contains("master_link_status:up")
}

/// Orders a replica of a replica to follow the new primary. A Redis replica that learns of its
/// primary's demotion before the new primary's claim stays a replica of a replica. Always returns
/// false, because the order takes effect later.
fn leave_sub_replica(group: &Group, at: usize, former: usize) -> bool {
    let is_stuck = matches!(group.nodes[at].kind, Kind::Peer(Peer::Redis810))
        && group.nodes[at]
            .text("INFO replication")
            .contains("master_link_status:up")
        && follows_node(group, former, SOURCE)
        && follows_node(group, at, former);
    if is_stuck {
        group.nodes[at].text(&format!("CLUSTER REPLICATE {}", group.nodes[SOURCE].id()));
    }
    false
}

/// Moves all slots of the source; the last slots go to the target.
fn move_all(group: &Group, moved: MoveMethod) {
    match moved {
        MoveMethod::AtOnce(way) => {
            let slots = group.slots_of(SOURCE);
            let reply = group.move_slots(way, slots, SOURCE, TARGET);
            assert!(!reply.contains("ERR"), "{reply}");
        }
        MoveMethod::KeyByKey => {
            let (first, last) = group.slots_of(SOURCE);
            let most = (first, last - LAST_SLOTS);
            let reply = group.move_slots(Way::Pull, most, SOURCE, OTHER);
            assert!(!reply.contains("ERR"), "{reply}");
            group.wait("most of the slots to move", |group| {
                group.slots_of(SOURCE).0 > most.1
            });
            group.wait_until_well();
            let (from, to) = (group.nodes[SOURCE].id(), group.nodes[TARGET].id());
            let (any, count) = (group.nodes[OTHER].address(), LAST_SLOTS.to_string());
            let ends = ["--cluster-from", &from, "--cluster-to", &to];
            let order = [&["reshard", &any][..], &ends, &["--cluster-slots", &count]];
            group.order(&order.concat());
        }
    }
    let source = group.nodes[SOURCE].id();
    group.wait("the slots to move", |group| {
        group.living().all(|node| {
            let view = node.view();
            let seen = view.iter().find(|seen| seen.id == source);
            seen.is_some_and(|seen| seen.slots.is_empty())
        })
    });
}

/// The former source and its replica become replicas of the target and get its keys. Then the
/// former source takes the target's place.
fn follow(what: &str, kinds: &Kinds, moved: MoveMethod) {
    let Some(group) = group(what, kinds, true) else {
        return;
    };
    move_all(&group, moved);
    for at in [SOURCE, SOURCE + 3] {
        group.wait("the nodes without slots to follow the target", |group| {
            follows_node(group, at, TARGET)
        });
    }
    group.wait_until_well();
    group.assert_written("k", KEYS);
    group.wait("all of the shard to have the keys", |group| {
        let wanted = keys(group, TARGET);
        wanted.is_some()
            && [SOURCE, SOURCE + 3, TARGET + 3]
                .iter()
                .all(|&at| keys(group, at) == wanted)
    });
    // The former source takes over on an order, because two primaries with slots cannot elect a
    // replica when a primary of them is gone.
    assert_eq!(group.nodes[SOURCE].text("CLUSTER FAILOVER"), "OK");
    group.wait("the former source to serve all of the shard", |group| {
        let mut all = [TARGET, SOURCE + 3, TARGET + 3].into_iter();
        all.all(|at| follows_node(group, at, SOURCE) || leave_sub_replica(group, at, TARGET))
    });
    group.wait_until_well();
    group.assert_written("k", KEYS);
}

const RUSSET: Kind = Kind::Russet;
const VALKEYS: Kind = Kind::RussetValkey;
const REDIS: Kind = Kind::Peer(Peer::Redis810);
const VALKEY: Kind = Kind::Peer(Peer::Valkey9);
const PULL: MoveMethod = MoveMethod::AtOnce(Way::Pull);
const PUSH: MoveMethod = MoveMethod::AtOnce(Way::Push);

#[test]
fn russet_follows_after_a_pull() {
    follow("a last slot pulled", &[RUSSET; 6], PULL);
}

#[test]
fn russet_follows_after_a_push() {
    follow("a last slot pushed", &[VALKEYS; 6], PUSH);
}

#[test]
fn russet_follows_after_a_resharding() {
    follow(
        "a last slot that redis-cli moves",
        &[RUSSET; 6],
        MoveMethod::KeyByKey,
    );
}

/// The behaviour of Redis alone, as a reference for the mixed clusters.
#[test]
fn redis_follows() {
    for (what, moved) in [
        ("a last slot of Redis", PULL),
        ("Redis's resharding", MoveMethod::KeyByKey),
    ] {
        follow(what, &[REDIS; 6], moved);
    }
}

#[test]
fn russet_follows_redis() {
    let kinds = [RUSSET, REDIS, RUSSET, RUSSET, REDIS, REDIS];
    follow("a last slot that Redis pulls", &kinds, PULL);
}

#[test]
fn redis_follows_russet() {
    let kinds = [REDIS, RUSSET, RUSSET, REDIS, RUSSET, REDIS];
    follow("Redis's last slot, pulled", &kinds, PULL);
}

#[test]
fn valkey_follows() {
    follow("a last slot of Valkey", &[VALKEY; 6], PUSH);
}

#[test]
fn russet_follows_valkey() {
    let kinds = [VALKEYS, VALKEY, VALKEYS, VALKEYS, VALKEY, VALKEY];
    follow("a last slot pushed to Valkey", &kinds, PUSH);
}

#[test]
fn valkey_follows_russet() {
    let kinds = [VALKEY, VALKEYS, VALKEYS, VALKEY, VALKEYS, VALKEY];
    follow("Valkey's last slot, pushed", &kinds, PUSH);
}

/// With `cluster-allow-replica-migration no` the source stays an empty primary with its replica, if
/// the target had slots before.
fn stay(what: &str, kinds: &Kinds, moved: MoveMethod) {
    let Some(group) = group(what, kinds, false) else {
        return;
    };
    move_all(&group, moved);
    group.wait_until_well();
    group.assert_written("k", KEYS);
    group.wait("the source to be empty, and a primary", |group| {
        let text = group.nodes[SOURCE].text("INFO replication");
        text.contains("role:master")
            && [SOURCE, SOURCE + 3]
                .iter()
                .all(|&at| keys(group, at) == Some(0))
    });
    assert!(follows_node(&group, SOURCE + 3, SOURCE));
}

#[test]
fn it_stays_where_that_is_not_allowed() {
    stay("a last slot pulled, and no following", &[RUSSET; 6], PULL);
    stay("a last slot pushed, and no following", &[VALKEYS; 6], PUSH);
}

#[test]
fn real_nodes_stay_where_that_is_not_allowed() {
    stay("a last slot of Redis, and no following", &[REDIS; 6], PULL);
    stay(
        "a last slot of Valkey, and no following",
        &[VALKEY; 6],
        PUSH,
    );
}
