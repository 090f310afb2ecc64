//! The words on the wire and to clients, as Redis 8.10 and Valkey 9.1 have them.
//!
//! Refusals in their order, SYNCSLOTS from strangers and out of turn, the fields of CLUSTER
//! MIGRATION STATUS and GETSLOTMIGRATIONS, and a primary's announcements to its replicas in both
//! dialects. Texts are compared whole.

use super::world::*;
use crate::migration::*;
use russet_config::{Config, Dialect};
use russet_resp::Reply;

fn world(dialect: Dialect) -> World {
    let settings = Settings {
        dialect,
        ..Settings::of(&Config::default())
    };
    World::new([settings.clone(), settings], 1)
}

fn split(line: &str) -> Vec<&[u8]> {
    line.split_whitespace().map(str::as_bytes).collect()
}

#[test]
fn import_is_refused_in_the_order_and_words_of_redis() {
    let mut world = world(Dialect::Redis);
    let asked = |world: &mut World, line: &str| {
        let answer = world.call(TARGET, |m, view| m.import(view, &split(line)));
        answer.map(|_| ()).map_err(|refusal| refusal.to_string())
    };
    for (line, receive_words) in [
        (
            "",
            "ERR wrong number of arguments for 'cluster|migration' command",
        ),
        (
            "1 2 3",
            "ERR wrong number of arguments for 'cluster|migration' command",
        ),
        (
            "5 1",
            "ERR start slot number 5 is greater than end slot number 1",
        ),
        ("0 99999", "ERR Invalid or out of range slot"),
        ("-1 2", "ERR Invalid or out of range slot"),
        ("0 5 3 3", "ERR Slot 3 specified multiple times"),
        ("5000 5000", "ERR slot has no owner: 5000"),
        (
            "200 210",
            "ERR this node is already the owner of the slot range",
        ),
        (
            "100 100 300 300",
            "ERR slots belong to different source nodes",
        ),
        (
            "300 310",
            &format!(
                "ERR the source node speaks Valkey's dialect: use CLUSTER MIGRATESLOTS there, on node {}",
                id(2)
            ),
        ),
    ] {
        assert_eq!(asked(&mut world, line), Err(receive_words.into()), "{line}");
    }
    world.nodes[TARGET].view.open.is_importing = true;
    let open = "ERR all slot states must be STABLE to start a slot migration task.";
    assert_eq!(asked(&mut world, "0 1"), Err(open.into()));
    world.nodes[TARGET].view.open.is_importing = false;
    world.nodes[TARGET].view.is_primary = false;
    let replica = "ERR slot migration not allowed on replica.";
    assert_eq!(asked(&mut world, "0 1"), Err(replica.into()));
    world.nodes[TARGET].view.is_primary = true;
    assert_eq!(asked(&mut world, "20 30 0 10"), Ok(()));
    let overlap = "ERR overlapping import exists for slot range: 5-5";
    assert_eq!(asked(&mut world, "5 5"), Err(overlap.into()));
    let busy = "ERR another ASM task is already in progress";
    assert_eq!(asked(&mut world, "50 50"), Err(busy.into()));
}

#[test]
fn migrateslots_is_refused_in_the_order_and_words_of_valkey() {
    let mut world = world(Dialect::Valkey);
    let target = id(TARGET);
    let asked = |world: &mut World, line: &str| {
        let line = line.replace("TARGET", target.as_str());
        let answer = world.call(SOURCE, |m, view| m.migrate_slots(view, &split(&line)));
        answer.map_err(|refusal| refusal.to_string())
    };
    for (line, receive_words) in [
        ("INVALID 0 1", "ERR syntax error"),
        ("SLOTSRANGE 0", "ERR No end slot for final slot range"),
        ("SLOTSRANGE 16385 16388", "ERR Invalid or out of range slot"),
        ("SLOTSRANGE a 0", "ERR No slot ranges specified"),
        ("SLOTSRANGE 0 a", "ERR Invalid or out of range slot"),
        (
            "SLOTSRANGE 1 0",
            "ERR Start slot number 1 is greater than end slot number 0.",
        ),
        (
            "SLOTSRANGE 0 250",
            "ERR Requested slots span multiple shards",
        ),
        (
            "SLOTSRANGE 3 6 0 5",
            "ERR Slot range 0-5 overlaps with previous range 3-6.",
        ),
        ("SLOTSRANGE 5000 5000", "ERR Slot 5000 has no node served."),
        ("SLOTSRANGE 0 0", "ERR syntax error"),
        ("SLOTSRANGE 0 0 NODE", "ERR syntax error"),
        ("SLOTSRANGE 0 0 NODE blah", "ERR Invalid node name: blah"),
        (
            "SLOTSRANGE 200 200 NODE TARGET",
            "ERR Slots are not served by this node.",
        ),
        (
            "SLOTSRANGE 1 1 NODE TARGET SLOTSRANGE 0 2 NODE TARGET",
            "ERR Slot ranges in migrations overlap",
        ),
    ] {
        assert_eq!(asked(&mut world, line), Err(receive_words.into()), "{line}");
    }
    let none = world.call(SOURCE, |m, view| m.cancel_exports(view));
    assert_eq!(none, Err(Refusal::NoMigrations));
    assert_eq!(asked(&mut world, "SLOTSRANGE 0 10 NODE TARGET"), Ok(()));
    let twice = "ERR I am already migrating slot 5.";
    assert_eq!(
        asked(&mut world, "SLOTSRANGE 5 6 NODE TARGET"),
        Err(twice.into())
    );
    world.nodes[SOURCE].view.open.is_migrating = true;
    let open = "ERR Slots are being manually migrated";
    assert_eq!(asked(&mut world, "SLOTSRANGE 0 0"), Err(open.into()));
}

#[test]
fn strangers_are_refused_by_syncslots() {
    let sender = Sender {
        link: MigrationLink::Client(99),
        is_internal: false,
        is_primary: false,
        node: None,
    };
    let mut redis = world(Dialect::Redis);
    let answer = redis.call(SOURCE, |m, view| {
        m.request(view, &sender, &split("SYNC x 0 1"))
    });
    assert_eq!(answer, Answer::RefusedAndClosed(Refusal::InternalOnly));
    let mut valkey = world(Dialect::Valkey);
    for (line, receive_words) in [
        ("UNKNOWN", "ERR syntax error"),
        (
            "PAUSED",
            "ERR CLUSTER SYNCSLOTS PAUSED should only be used by slot migration clients",
        ),
        ("ESTABLISH", "ERR syntax error"),
    ] {
        let answer = valkey.call(SOURCE, |m, view| m.request(view, &sender, &split(line)));
        let Answer::Refused(refusal) = answer else {
            panic!("{line}: {answer:?}");
        };
        assert_eq!(refusal.to_string(), receive_words);
    }
}

/// A peer that does not keep to the order loses its link, and its keys are dropped.
#[test]
fn a_source_out_of_turn_is_closed() {
    let mut world = world(Dialect::Valkey);
    let sender = Sender {
        link: MigrationLink::Client(7),
        is_internal: false,
        is_primary: false,
        node: None,
    };
    let name = "b".repeat(40);
    let line = format!(
        "ESTABLISH SOURCE {} NAME {name} SLOTSRANGE 0 10",
        id(SOURCE)
    );
    for wrong in ["PAUSED", "FAILOVER-GRANTED", "NONSENSE"] {
        let mut say =
            |line: &str| world.call(TARGET, |m, view| m.request(view, &sender, &split(line)));
        assert_eq!(say(&line), Answer::Status("OK"));
        assert_eq!(say("ACK"), Answer::Silent);
        assert_eq!(say(wrong), Answer::Closed);
        assert_eq!(world.nodes[TARGET].hidden, 0);
        assert_eq!(world.state(TARGET), ("failed", "failed"));
    }
}

#[test]
fn a_migration_shows_the_fields_of_both() {
    let mut world = world(Dialect::Redis);
    world
        .call(TARGET, |m, view| m.import(view, &split("20 30 0 10")))
        .expect("begun");
    let fields = |reply: &Reply| {
        let text = String::from_utf8(reply.text().to_vec()).expect("UTF-8");
        let lines = text.lines().filter(|line| !line.starts_with(['*', '$']));
        lines
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let machine = &world.nodes[TARGET].machine;
    let mut reply = Reply::new();
    machine.status(None, &mut reply);
    assert_eq!(
        fields(&reply),
        "id slots source dest operation state last_error retries create_time start_time end_time write_pause_ms \
         snapshot_bytes stream_bytes"
    );
    let mut reply = Reply::new();
    machine.slot_migrations(|_| 0, &mut reply);
    assert_eq!(
        fields(&reply),
        "name operation slot_ranges target_node source_node create_time last_update_time last_ack_time state \
         message cow_size remaining_repl_size"
    );
    let mut none = Reply::new();
    machine.status(Some(b""), &mut none);
    assert_eq!(none.text(), b"*0\r\n");
}

/// Replicas follow their primary's imports, and a promoted one drops their keys.
#[test]
fn a_replica_hides_what_its_primary_imports() {
    let name = "c".repeat(40);
    let source = id(SOURCE);
    let task = |state: &str| format!("CONF ASM-TASK {name}:{source}:{source}:import:{state}:0-10");
    let establish = format!("ESTABLISH SOURCE {source} NAME {name} SLOTSRANGE 0 10");
    let sender = Sender {
        link: MigrationLink::Client(1),
        is_internal: false,
        is_primary: true,
        node: None,
    };
    for (begin, end) in [
        (task("connecting"), task("completed")),
        (task("connecting"), task("failed")),
        (
            establish.clone(),
            format!("FINISH STATE SUCCESS NAME {name}"),
        ),
        (
            establish,
            format!("FINISH STATE FAILED NAME {name} MESSAGE why"),
        ),
    ] {
        let mut world = world(Dialect::Redis);
        world.nodes[TARGET].view.is_primary = false;
        let receive_words = |world: &mut World, line: &str| {
            world.call(TARGET, |m, view| m.request(view, &sender, &split(line)));
        };
        receive_words(&mut world, &begin);
        receive_words(&mut world, &begin);
        assert_eq!(world.nodes[TARGET].hidden, 1);
        world.nodes[TARGET].keys.insert("k".into(), 1);
        receive_words(&mut world, &end);
        assert_eq!(world.nodes[TARGET].hidden, 0);
        // The stream deletes the keys, not the replica.
        assert_eq!(world.nodes[TARGET].keys.len(), 1);

        receive_words(&mut world, &begin);
        world.nodes[TARGET].view.is_primary = true;
        world.call(TARGET, |m, view| m.routes_changed(view));
        assert_eq!(world.nodes[TARGET].hidden, 0);
        assert_eq!(world.nodes[TARGET].keys.len(), 0);
    }
}
