//! Slots move in a migration while clients write, in Redis's way (the target pulls) and in Valkey's
//! (the source pushes): between russets, and between russet and real servers. Each key is on
//! exactly one node, also after a cancelled migration and after a node was killed in the middle.

use crate::client::slot_of;
use crate::group::{Group, Kind, Way, start_node};
use crate::support::peers::Peer;
use crate::support::resp::{Connection, Reply};

const SOURCE: usize = 0;
const TARGET: usize = 1;
/// The slots that move, all of them slots of the first node.
const FIRST: u16 = 0;
const LAST: u16 = 2000;

fn begin(group: &Group, way: Way) {
    let reply = group.move_slots(way, (FIRST, LAST), SOURCE, TARGET);
    assert!(!reply.contains("ERR"), "{reply}");
}

/// Whether this node serves the slots in the view of all nodes.
fn has_moved(group: &Group, to: usize) -> bool {
    let id = group.nodes[to].id();
    group.living().all(|node| {
        let view = node.view();
        let owner = view.iter().find(|seen| seen.id == id);
        let has = |range: &String| {
            let mut ends = range
                .split('-')
                .map(|end| end.parse::<u16>().unwrap_or(u16::MAX));
            let first = ends.next().unwrap_or(u16::MAX);
            first == FIRST && ends.next().unwrap_or(first) >= LAST
        };
        owner.is_some_and(|seen| seen.slots.iter().any(has))
    })
}

/// The number of a node's keys in the moved slots.
fn keys_of_moved(group: &Group, node: usize) -> usize {
    let mut connection = Connection::open(group.nodes[node].port()).expect("a connection");
    let count = |slot: u16| match connection.value(&format!("CLUSTER COUNTKEYSINSLOT {slot}")) {
        Reply::Integer(count) => count as usize,
        other => panic!("{other:?}"),
    };
    (FIRST..=LAST).step_by(10).map(count).sum()
}

fn moves(what: &str, kinds: [Kind; 3], way: Way) {
    let Some(group) = Group::create(what, &kinds, 0) else {
        return;
    };
    group.write("old", 3000);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| group.write("new", 6000));
        begin(&group, way);
        group.wait("the slots to move", |group| has_moved(group, TARGET));
        writer.join().expect("all writes");
    });
    group.wait_until_well();
    group.check();
    group.assert_written("old", 3000);
    group.assert_written("new", 6000);
    group.wait("the source to drop the keys", |group| {
        keys_of_moved(group, SOURCE) == 0
    });
}

/// The source of a migration cannot wait, as a client can, until a long text is parsed.
#[test]
fn documents_move_short_and_long() {
    let long = format!("[{}0]", "1234567,".repeat(200_000));
    let documents = ["{\"a\":[1.0,2.5]}", "[1.0,2.5]", &long];
    for way in [Way::Pull, Way::Push] {
        let Some(group) = Group::create("moves of documents", &[Kind::Russet; 3], 0) else {
            return;
        };
        let moves = |key: &String| (FIRST..=LAST).contains(&slot_of(key));
        let keys: Vec<String> = (0..)
            .map(|at| format!("document:{at}"))
            .filter(moves)
            .take(3)
            .collect();
        let at = |node: usize| Connection::open(group.nodes[node].port()).expect("a connection");
        for (key, text) in keys.iter().zip(documents) {
            let words = ["JSON.SET", key, "$", text, "FPHA", "FP64"];
            assert_eq!(at(SOURCE).call(&words), b"+OK\r\n");
        }
        begin(&group, way);
        group.wait("the slots to move", |group| has_moved(group, TARGET));
        for (key, text) in keys.iter().zip(documents) {
            let expected = format!("${}\r\n{text}\r\n", text.len());
            let got = at(TARGET).call(&["JSON.GET", key]);
            assert!(got == expected.as_bytes(), "{key}: {} bytes", got.len());
        }
    }
}

#[test]
fn russet_pulls_from_russet() {
    moves("a pull", [Kind::Russet; 3], Way::Pull);
}

#[test]
fn russet_pushes_to_russet() {
    moves("a push", [Kind::RussetValkey; 3], Way::Push);
}

/// Between the dialects: a source with Valkey's way, a target in Redis's dialect.
#[test]
fn valkey_pushes_to_russet_in_the_dialect_of_redis() {
    let peer = Kind::Peer(Peer::Valkey9);
    let kinds = [peer, Kind::Russet, Kind::RussetValkey];
    moves("a push between dialects", kinds, Way::Push);
}

#[test]
fn russet_pushes_in_the_dialect_of_redis() {
    moves("a push of Redis's dialect", [Kind::Russet; 3], Way::Push);
}

#[test]
fn russet_pulls_from_redis() {
    let peer = Kind::Peer(Peer::Redis810);
    moves(
        "a pull from Redis",
        [peer, Kind::Russet, Kind::Russet],
        Way::Pull,
    );
}

#[test]
fn redis_pulls_from_russet() {
    let peer = Kind::Peer(Peer::Redis810);
    moves(
        "a pull by Redis",
        [Kind::Russet, peer, Kind::Russet],
        Way::Pull,
    );
}

#[test]
fn valkey_pushes_to_russet() {
    let (peer, russet) = (Kind::Peer(Peer::Valkey9), Kind::RussetValkey);
    moves("a push by Valkey", [peer, russet, russet], Way::Push);
}

#[test]
fn russet_pushes_to_valkey() {
    let (peer, russet) = (Kind::Peer(Peer::Valkey9), Kind::RussetValkey);
    moves("a push to Valkey", [russet, peer, russet], Way::Push);
}

/// Regression: the server ended. The migration began its snapshot while an earlier rewrite of the
/// log waited for the disk to begin its own snapshot.
#[test]
fn a_migration_waits_for_the_snapshot_of_a_rewrite_that_has_begun() {
    for (kind, way) in [(Kind::Russet, Way::Pull), (Kind::RussetValkey, Way::Push)] {
        let what = "a migration and a rewrite";
        let Some(group) = Group::create_with(what, &[kind; 3], 0, &["--appendonly", "yes"]) else {
            return;
        };
        group.write("old", 300);
        let mut source = Connection::open(group.nodes[SOURCE].port()).expect("the source");
        assert_eq!(source.ask("DEBUG AOF-FLUSH-SLEEP 300000"), "+OK\r\n");
        // A write that the slow disk takes its time for.
        let keys = (0..300).map(|n| format!("old:{n}"));
        let mut mine = keys.filter(|key| (FIRST..=LAST).contains(&slot_of(key)));
        let key = mine.next().expect("a key of the source");
        assert_eq!(source.ask(&format!("SET {key} newer")), "+OK\r\n");
        source.ask("BGREWRITEAOF");
        begin(&group, way);
        group.wait("the slots to move", |group| has_moved(group, TARGET));
        assert_eq!(source.ask("DEBUG AOF-FLUSH-SLEEP 0"), "+OK\r\n");
        group.wait("the rewrite to end", |group| {
            let text = group.nodes[SOURCE].text("INFO persistence");
            text.contains("aof_rewrite_in_progress:0")
                && text.contains("aof_last_bgrewrite_status:ok")
        });
        group.check();
    }
}

/// A migration with a snapshot that takes a while.
fn slow(what: &str, kind: Kind, way: Way, replicas: usize) -> Option<Group> {
    let kinds = vec![kind; 3 * (1 + replicas)];
    let group = Group::create_with(what, &kinds, replicas, &["--appendonly", "yes"])?;
    group.write("old", 3000);
    group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 20000");
    begin(&group, way);
    group.wait("keys to arrive", |group| match way {
        Way::Pull => group.nodes[SOURCE].state("cluster_slot_migration_active_tasks") == "1",
        Way::Push => keys_of_moved(group, TARGET) > 0,
    });
    Some(group)
}

#[test]
fn a_canceled_migration_leaves_all_keys_with_the_source() {
    for (kind, way) in [(Kind::Russet, Way::Pull), (Kind::RussetValkey, Way::Push)] {
        let Some(group) = slow("a canceled migration", kind, way, 0) else {
            return;
        };
        let canceled = match way {
            Way::Pull => group.nodes[TARGET].text("CLUSTER MIGRATION CANCEL ALL"),
            Way::Push => group.nodes[SOURCE].text("CLUSTER CANCELSLOTMIGRATIONS"),
        };
        assert!(!canceled.contains("ERR"), "{canceled}");
        group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 0");
        group.wait("the target to drop the keys", |group| {
            keys_of_moved(group, TARGET) == 0
        });
        group.write("new", 1000);
        group.check();
        assert!(has_moved(&group, SOURCE));
        group.assert_written("old", 3000);
        group.assert_written("new", 1000);
    }
}

#[test]
fn a_target_that_is_killed_leaves_all_keys_with_the_source() {
    for (kind, way) in [(Kind::Russet, Way::Pull), (Kind::RussetValkey, Way::Push)] {
        let Some(mut group) = slow("a killed target", kind, way, 0) else {
            return;
        };
        group.kill(TARGET);
        group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 0");
        group.restart(TARGET);
        group.wait_until_well();
        assert!(has_moved(&group, SOURCE));
        assert_eq!(keys_of_moved(&group, TARGET), 0);
        let source = keys_of_moved(&group, SOURCE);
        assert!(source > 0);
    }
}

#[test]
fn replicas_and_the_log_receive_keys_that_have_moved() {
    let (kinds, more) = ([Kind::Russet; 6], ["--appendonly", "yes"]);
    let Some(mut group) = Group::create_with("keys that have moved", &kinds, 1, &more) else {
        return;
    };
    let source = group.primary_at(SOURCE);
    let replica = group.replica_of(source);
    group.write("old", 20_000);
    group.wait_until_synced();
    let keys = |group: &Group, node: usize| match Connection::open(group.nodes[node].port())
        .expect("a connection")
        .value("DBSIZE")
    {
        Reply::Integer(keys) => keys,
        other => panic!("{other:?}"),
    };
    let before = keys(&group, source);
    assert_eq!(keys(&group, replica), before);
    let target = group.nodes[group.primary_at(TARGET)].id();
    let (first, last) = group.slots_of(source);
    let last = last.min(first + LAST);
    let order = format!("CLUSTER MIGRATESLOTS SLOTSRANGE {first} {last} NODE {target}");
    assert_eq!(group.nodes[source].text(&order), "OK");
    group.wait("the replica to drop the keys", |group| {
        let left = keys(group, source);
        left < before - 1000 && keys(group, replica) == left
    });
    let left = keys(&group, source);
    group.wait("the source to delete what it has kept", |group| {
        let trims = "cluster_slot_migration_stats_active_trim_completed";
        group.nodes[source].state(trims) == "1"
    });
    group.wait_until_well();
    group.kill(replica);
    group.restart(replica);
    group.wait_until_well();
    assert_eq!(keys(&group, replica), left);
    group.check();
    group.assert_written("old", 20_000);
}

/// A replica that gets its full copy during an import learns of the import from the copy.
/// Regression: Valkey's replica ended ("hashtableSize(ht) == 0"), because the copy had the keys and
/// the import was announced after the copy.
fn an_import_goes_with_a_copy(target: Kind, replica: Kind) {
    let russet = Kind::RussetValkey;
    let what = format!("an import that goes from {target:?} to {replica:?}");
    if let Kind::Peer(peer) = replica
        && peer.program_for(&what).is_none()
    {
        return;
    }
    let Some(mut group) = Group::create(&what, &[russet, target, russet], 0) else {
        return;
    };
    group.nodes.push(start_node(replica, &[]));
    let (any, new) = (group.nodes[SOURCE].address(), group.nodes[3].address());
    group.order(&["add-node", &new, &any]);
    group.wait_until_well();
    group.write("old", 3000);
    group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 20000");
    begin(&group, Way::Push);
    group.wait("keys to arrive", |group| keys_of_moved(group, TARGET) > 0);
    let id = group.nodes[TARGET].id();
    let order = format!("CLUSTER REPLICATE {id}");
    assert_eq!(group.nodes[3].text(&order), "OK");
    group.wait("the replica to have its copy", |group| {
        let text = group.nodes[3].text("INFO replication");
        text.contains("role:slave") && text.contains("master_link_status:up")
    });
    let log = group.nodes[SOURCE].daemon.log();
    assert!(!log.contains("has completed"), "the copy was too late");
    group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 0");
    group.wait("the slots to move", |group| has_moved(group, TARGET));
    group.wait_until_synced();
    group.kill(TARGET);
    group.wait_for_failover(&id);
    assert!(has_moved(&group, 3));
    group.assert_written("old", 3000);
}

#[test]
fn russets_replica_learns_of_an_import_by_a_copy() {
    an_import_goes_with_a_copy(Kind::RussetValkey, Kind::RussetValkey);
}

#[test]
fn valkeys_replica_learns_of_an_import_by_a_copy() {
    an_import_goes_with_a_copy(Kind::RussetValkey, Kind::Peer(Peer::Valkey9));
}

#[test]
fn russet_learns_of_an_import_by_a_copy_of_valkeys() {
    an_import_goes_with_a_copy(Kind::Peer(Peer::Valkey9), Kind::RussetValkey);
}

const BOTH_WAYS: [(Kind, Way); 2] = [(Kind::Russet, Way::Pull), (Kind::RussetValkey, Way::Push)];

/// Asserts that in the end each key is at exactly one primary.
#[track_caller]
fn settles(group: &Group, keys: i64) {
    group.wait("each key to be at one primary", |group| {
        let primaries = group.living().filter(|node| {
            let text = node.text("INFO replication");
            text.contains("role:master")
        });
        let sizes = primaries.map(|node| {
            let mut connection = Connection::open(node.port()).ok()?;
            match connection.value("DBSIZE") {
                Reply::Integer(keys) => Some(keys),
                _ => None,
            }
        });
        sizes.sum::<Option<i64>>() == Some(keys)
    });
    group.check();
    group.assert_written("old", 3000);
}

#[test]
fn a_source_that_is_killed_has_its_keys_again() {
    for (kind, way) in BOTH_WAYS {
        let Some(mut group) = slow("a killed source", kind, way, 0) else {
            return;
        };
        group.kill(SOURCE);
        group.restart(SOURCE);
        group.wait_until_well();
        // With Redis's way the target asks again and again. With Valkey's way the source has
        // forgotten the migration.
        let end = match way {
            Way::Pull => TARGET,
            Way::Push => SOURCE,
        };
        group.wait("the slots to settle", |group| has_moved(group, end));
        settles(&group, 3000);
        assert_eq!(keys_of_moved(&group, SOURCE + TARGET - end), 0);
    }
}

#[test]
fn a_failover_of_the_target_ends_the_migration() {
    for (kind, way) in BOTH_WAYS {
        for is_killed in [false, true] {
            let Some(mut group) = slow("a failover of the target", kind, way, 1) else {
                return;
            };
            let replica = group.replica_of(TARGET);
            let target = group.nodes[TARGET].id();
            if is_killed {
                group.kill(TARGET);
                group.wait_for_failover(&target);
            } else {
                assert_eq!(group.nodes[replica].text("CLUSTER FAILOVER"), "OK");
                group.wait("the replica to take over", |group| {
                    group.nodes[replica]
                        .text("INFO replication")
                        .contains("role:master")
                });
                group.wait_until_well();
            }
            settles(&group, 3000);
            assert!(has_moved(&group, SOURCE));
            assert_eq!(keys_of_moved(&group, replica), 0);
        }
    }
}

#[test]
fn a_replica_of_the_target_follows() {
    for (kind, way) in BOTH_WAYS {
        let Some(mut group) = slow("a replica of the target", kind, way, 1) else {
            return;
        };
        group.nodes[SOURCE].text("CONFIG SET rdb-key-save-delay 0");
        group.wait("the slots to move", |group| has_moved(group, TARGET));
        group.wait_until_synced();
        let (replica, target) = (group.replica_of(TARGET), group.nodes[TARGET].id());
        group.kill(TARGET);
        group.wait_for_failover(&target);
        assert!(has_moved(&group, replica));
        settles(&group, 3000);
    }
}

/// The same answers as Redis 8.10 and Valkey 9.1 give.
#[test]
fn orders_about_slots_meet_a_migration() {
    for (kind, way) in BOTH_WAYS {
        let Some(group) = slow("orders during a migration", kind, way, 0) else {
            return;
        };
        let [source, target, other] = [0, 1, 2].map(|at| group.nodes[at].id());
        let says = |at: usize, order: &str, begin: &str| {
            let reply = group.nodes[at].text(order);
            assert!(reply.starts_with(begin), "{order}: {reply}");
        };
        let continues = || {
            let text = match way {
                Way::Pull => {
                    group.nodes[TARGET].state("cluster_slot_migration_active_tasks") == "1"
                }
                Way::Push => keys_of_moved(&group, TARGET) > 0,
            };
            assert!(text, "the migration goes on");
        };
        says(SOURCE, "CLUSTER ADDSLOTS 20", "ERR Slot 20 is already busy");
        says(TARGET, "CLUSTER ADDSLOTS 50", "ERR Slot 50 is already busy");
        says(
            SOURCE,
            "CLUSTER RESET",
            "ERR CLUSTER RESET can't be called with",
        );
        says(TARGET, "CLUSTER FLUSHSLOTS", "ERR DB must be empty");
        let (at_source, at_target, elsewhere) = match way {
            Way::Pull => (
                "ERR Slot 50 is currently in an active atomic slot migration",
                "ERR Slot 50 is currently in an active atomic slot migration",
                "OK",
            ),
            Way::Push => (
                "ERR Slot export in progress.",
                "ERR Slot import in progress.",
                "ERR Slot export in progress.",
            ),
        };
        says(
            SOURCE,
            &format!("CLUSTER SETSLOT 50 MIGRATING {target}"),
            at_source,
        );
        says(
            TARGET,
            &format!("CLUSTER SETSLOT 50 NODE {target}"),
            at_target,
        );
        says(
            SOURCE,
            &format!("CLUSTER SETSLOT 3000 MIGRATING {target}"),
            elsewhere,
        );
        if way == Way::Pull {
            says(SOURCE, "CLUSTER SETSLOT 3000 STABLE", "OK");
        }
        continues();
        // The target forgets the node that has the slots.
        says(TARGET, &format!("CLUSTER FORGET {source}"), "OK");
        group.wait("the import to end", |_| match way {
            Way::Pull => group.nodes[TARGET].state("cluster_slot_migration_active_tasks") == "0",
            Way::Push => keys_of_moved(&group, TARGET) == 0,
        });
        let source_keys = keys_of_moved(&group, SOURCE);
        assert!(source_keys > 0 && !other.is_empty());
    }
}

#[test]
fn a_node_of_the_dialect_of_valkey_is_not_pulled_from() {
    let kinds = [Kind::RussetValkey, Kind::Russet, Kind::RussetValkey];
    let Some(group) = Group::create("a pull between dialects", &kinds, 0) else {
        return;
    };
    let source = group.nodes[SOURCE].id();
    let reply = group.nodes[TARGET].text("CLUSTER MIGRATION IMPORT 0 10");
    let words = "use CLUSTER MIGRATESLOTS there, on node ";
    assert!(reply.contains(&format!("{words}{source}")), "{reply}");
}
