//! Claims, epochs, orders on slots.
//!
//! Claims: equal epochs of two primaries vanish; a claim with a newer epoch wins, and the loser
//! deletes the keys; a slot stays bound until another node claims it; an invented epoch changes
//! nothing. ADDSLOTS and its like do all or nothing; SETSLOT moves a slot, and the last slot takes
//! its node and the replicas along. Changes reach all nodes at once.
//!
//! Elsewhere: moves under load (`simulation`), atomic migrations (`migration`, beside
//! `cluster`).

use super::net::Net;
use crate::Order;
use crate::message::{Body, Header, Kind, Marks, Message, Vendor};
use russet_config::Dialect::{Redis, Valkey};

fn info(net: &mut Net, at: usize, field: &str) -> String {
    let text = net.command(at, "INFO");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect(field).to_owned()
}

#[test]
fn equal_epochs_of_primaries_vanish() {
    let mut net = Net::new(&[Redis, Valkey, Redis]);
    for at in 0..3 {
        net.ok(at, &format!("ADDSLOTS {at}"));
    }
    net.ok(0, "MEET 10.0.0.1 7001");
    net.ok(0, "MEET 10.0.0.2 7002");
    net.run(5000);
    let mut epochs: Vec<String> = (0..3)
        .map(|at| info(&mut net, at, "cluster_my_epoch"))
        .collect();
    epochs.sort();
    epochs.dedup();
    assert_eq!(epochs.len(), 3, "{epochs:?}");
}

#[test]
fn orders_on_slots_are_all_or_nothing() {
    let mut net = Net::new(&[Redis]);
    net.ok(0, "ADDSLOTS 1 2");
    let cases = [
        ("ADDSLOTS 3 2", "ERR Slot 2 is already busy"),
        ("ADDSLOTS 3 3", "ERR Slot 3 specified multiple times"),
        ("DELSLOTS 1 5", "ERR Slot 5 is already unassigned"),
        ("ADDSLOTS 16384", "ERR Invalid or out of range slot"),
        (
            "ADDSLOTSRANGE 9 8",
            "ERR start slot number 9 is greater than end slot number 8",
        ),
        (
            "ADDSLOTSRANGE 9",
            "ERR wrong number of arguments for 'cluster|addslotsrange' command",
        ),
        (
            "SETSLOT 9 STABLE now",
            "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
        ),
        (
            "SETSLOT 9 MIGRATING x",
            "ERR I'm not the owner of hash slot 9",
        ),
        (
            "SETSLOT 1 IMPORTING x",
            "ERR I'm already the owner of hash slot 1",
        ),
        ("SETSLOT 1 MIGRATING x", "ERR I don't know about node x"),
        ("SETSLOT 1 NODE x", "ERR Unknown node x"),
    ];
    for (command, error) in cases {
        assert_eq!(
            net.command(0, command),
            format!("-{error}\r\n"),
            "{command}"
        );
    }
    assert_eq!(info(&mut net, 0, "cluster_slots_assigned"), "2");
    net.ok(0, "DELSLOTSRANGE 1 2");
    assert_eq!(info(&mut net, 0, "cluster_slots_assigned"), "0");
    net.ok(0, "ADDSLOTSRANGE 0 16383");
    net.run(3000 + 5000);
    assert!(net.nodes[0].core.is_ok(), "alone it is a majority");
    net.ok(0, "FLUSHSLOTS");
    assert!(!net.nodes[0].core.is_ok());
}

#[test]
fn valkeys_setslot_waits_for_a_replica() {
    let mut net = Net::cluster(Valkey, 3, 0);
    let target = net.id(1);
    let order = format!("SETSLOT 7 MIGRATING {target}");
    net.nodes[0].own.replicas_online = 1;
    assert_eq!(net.command(0, &order), "waits 2000");
    assert!(net.nodes[0].core.serves(7), "nothing has changed yet");
    assert_eq!(net.command(0, &format!("{order} TIMEOUT 50")), "waits 50");
    // The replica itself, and an order without a wait.
    net.ok(0, &format!("{order} TIMEOUT 0"));
    assert!(!net.nodes[0].core.serves(7));
    for (order, error) in [
        ("TIMEOUT", "ERR Missing timeout value"),
        ("TIMEOUT x", "ERR timeout is not an integer or out of range"),
        ("TIMEOUT -1", "ERR timeout is negative"),
    ] {
        let noticed = net.command(0, &format!("SETSLOT 7 STABLE {order}"));
        assert_eq!(noticed, format!("-{error}\r\n"), "{order}");
    }
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes[0].own.replicas_online = 1;
    let order = format!("SETSLOT 7 MIGRATING {}", net.id(1));
    net.ok(0, &order);
}

#[test]
fn a_slot_moves_by_setslot() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 0);
        let [source, target] = [0, 1].map(|at| net.id(at));
        net.nodes[0].keys.insert(7, 1);
        net.ok(1, &format!("SETSLOT 7 IMPORTING {source}"));
        net.ok(0, &format!("SETSLOT 7 MIGRATING {target}"));
        assert!(!net.nodes[0].core.serves(7));
        assert!(net.command(0, "NODES").contains(&format!("[7->-{target}]")));
        assert!(net.command(1, "NODES").contains(&format!("[7-<-{source}]")));
        let kept = net.command(0, &format!("SETSLOT 7 NODE {target}"));
        assert!(kept.contains("while I still hold keys"), "{kept}");
        net.nodes[0].keys.clear();
        net.ok(1, &format!("SETSLOT 7 NODE {target}"));
        net.ok(0, &format!("SETSLOT 7 NODE {target}"));
        net.run(2000);
        for at in 0..3 {
            assert_eq!(
                net.nodes[at].core.slot_owner(7).map(|id| id.to_string()),
                Some(target.clone())
            );
            assert!(!net.command(at, "NODES").contains('['));
        }
        assert!(net.nodes[1].core.serves(7));
    }
}

#[test]
fn the_last_slot_takes_its_node_along() {
    let mut net = Net::new(&[Redis; 2]);
    net.ok(0, "ADDSLOTSRANGE 0 16382");
    net.ok(1, "ADDSLOTS 16383");
    net.ok(0, "MEET 10.0.0.1 7001");
    net.run(3000);
    let [taker, source] = [0, 1].map(|at| net.id(at));
    net.ok(0, &format!("SETSLOT 16383 IMPORTING {source}"));
    net.ok(0, &format!("SETSLOT 16383 NODE {taker}"));
    net.run(1000);
    assert!(net.nodes[1].core.is_replica());
    let follows = |order: &Order| matches!(order, Order::Follow { port: 7000, .. });
    assert!(net.nodes[1].done.iter().any(follows));
}

#[test]
fn a_claim_with_a_newer_epoch_wins_and_the_loser_deletes() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes[0].done.clear();
    // An operator gives it to another node; the owner was not asked.
    let [owner, taker] = [0, 1].map(|at| net.id(at));
    net.ok(1, &format!("SETSLOT 5 IMPORTING {owner}"));
    net.ok(1, &format!("SETSLOT 5 NODE {taker}"));
    net.run(2000);
    assert!(net.nodes[0].done.contains(&Order::LoseSlots(vec![(5, 5)])));
    assert!(
        net.nodes[0]
            .done
            .contains(&Order::DropShardChannels(vec![(5, 5)]))
    );
    for at in 0..3 {
        assert_eq!(
            net.nodes[at].core.slot_owner(5).map(|id| id.to_string()),
            Some(taker.clone())
        );
    }
}

#[test]
fn a_slot_that_its_owner_drops_stays_bound_until_it_is_taken() {
    let mut net = Net::cluster(Redis, 3, 0);
    let owner = net.id(0);
    net.ok(0, "DELSLOTS 5");
    net.run(1000);
    assert_eq!(
        net.nodes[1].core.slot_owner(5).map(|id| id.to_string()),
        Some(owner)
    );
    // The epoch is older than the first owner's, but that does not claim it any more.
    assert_eq!(net.command(0, "BUMPEPOCH"), "+BUMPED 4\r\n");
    assert_eq!(net.command(0, "BUMPEPOCH"), "+STILL 4\r\n");
    net.run(1000);
    net.ok(1, "DELSLOTS 5");
    net.ok(1, "ADDSLOTS 5");
    net.run(1000);
    let taker = net.id(1);
    assert_eq!(
        net.nodes[2].core.slot_owner(5).map(|id| id.to_string()),
        Some(taker)
    );
}

#[test]
fn a_returning_primary_with_an_old_epoch_is_notified() {
    let mut net = Net::cluster(Redis, 3, 0);
    let (taker, owner) = (net.id(1), net.id(0));
    net.cut = vec![(0, 1), (0, 2)];
    net.run(TIMEOUT);
    net.ok(1, &format!("SETSLOT 5 IMPORTING {owner}"));
    net.ok(1, &format!("SETSLOT 5 NODE {taker}"));
    net.run(1000);
    net.cut.clear();
    net.run(4000);
    assert_eq!(
        net.nodes[0].core.slot_owner(5).map(|id| id.to_string()),
        Some(taker)
    );
}

const TIMEOUT: i64 = super::net::TIMEOUT_MS;

/// A single such message would leave no epoch for later elections.
#[test]
fn an_invented_epoch_is_not_believed() {
    let mut net = Net::cluster(Redis, 3, 0);
    let now = net.clocks();
    for (current_epoch, config_epoch) in [(u64::MAX, 1), (7, u64::MAX)] {
        let header = Header {
            current_epoch,
            config_epoch,
            ..net.nodes[1].core.header(Marks::empty())
        };
        let message = Message {
            kind: Kind::MfStart,
            header: Some(header),
            body: Body::Nothing,
        };
        let bytes = message.encode(Vendor::Unknown);
        let core = &mut net.nodes[0].core;
        let sender = core
            .nodes
            .iter()
            .find(|(_, node)| node.address.port == 7001);
        let link = sender.and_then(|(_, node)| node.inbound).expect("a link");
        core.received(now, link, &bytes);
        assert_eq!(core.current_epoch, 3);
    }
}

#[test]
fn keys_of_others_slots_after_a_restart() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 2, 0);
        net.ok(0, "DELSLOTS 3");
        net.kill(0);
        net.nodes[0].keys = [(3, 1), (16000, 1)].into();
        net.nodes[0].done.clear();
        net.restart(0);
        let id = net.id(0);
        assert_eq!(
            net.nodes[0].core.slot_owner(3).map(|id| id.to_string()),
            Some(id)
        );
        let deletes = net.nodes[0]
            .done
            .contains(&Order::DropSlots(vec![(16000, 16000)]));
        assert!(deletes);
    }
}

#[test]
fn a_replica_takes_its_primarys_marks_and_leaves_out_unknown_nodes() {
    let mut net = Net::new(&[Valkey, Valkey, Valkey]);
    net.ok(0, "ADDSLOTSRANGE 0 99");
    net.ok(1, "ADDSLOTSRANGE 100 16383");
    net.ok(0, "MEET 10.0.0.1 7001");
    net.ok(0, "MEET 10.0.0.2 7002");
    net.run(5000);
    let id = |at: usize| net.nodes[at].core.my_id();
    let ids = [0, 1].map(|at| String::from_utf8_lossy(id(at).as_bytes()).into_owned());
    net.ok(2, &format!("REPLICATE {}", ids[0]));
    net.run(2000);
    for line in ["151 IMPORTING", "150 IMPORTING", "5 MIGRATING"] {
        net.ok(0, &format!("SETSLOT {line} {}", ids[1]));
    }
    let text = net.nodes[0].core.open_slots_text().expect("open slots");
    let other = &ids[1];
    let expected = format!("150<{other},151<{other},5>{other},");
    assert_eq!(String::from_utf8_lossy(&text), expected);
    assert_eq!(net.nodes[2].core.open_slots_text(), Some(Vec::new()));
    let now = net.clocks();
    let replica = &mut net.nodes[2].core;
    replica.take_open_slots(now, &text);
    assert_eq!(replica.open_slots_text(), Some(text.clone()));
    let unknown = format!("5>{}a,7>{other},", &other[1..]);
    replica.take_open_slots(now, unknown.as_bytes());
    let kept = format!("7>{other},").into_bytes();
    assert_eq!(replica.open_slots_text(), Some(kept.clone()));
    replica.take_open_slots(now, b"5>");
    assert_eq!(replica.open_slots_text(), Some(kept));
    // The primary has closed them all.
    replica.take_open_slots(now, b"");
    assert_eq!(replica.open_slots_text(), Some(Vec::new()));
    // A primary has its own open slots, and takes none.
    net.nodes[1].core.take_open_slots(now, &text);
    assert_eq!(net.nodes[1].core.open_slots_text(), Some(Vec::new()));
}

#[test]
fn a_node_of_rediss_kind_writes_no_marks() {
    let mut net = Net::new(&[Redis, Redis]);
    net.ok(0, "ADDSLOTSRANGE 0 99");
    net.ok(0, "MEET 10.0.0.1 7001");
    net.run(3000);
    let other = net.nodes[1].core.my_id();
    let other = String::from_utf8_lossy(other.as_bytes()).into_owned();
    net.ok(0, &format!("SETSLOT 5 MIGRATING {other}"));
    assert_eq!(net.nodes[0].core.open_slots(), (true, false));
    assert_eq!(net.nodes[0].core.open_slots_text(), None);
}

/// The replicas of a primary that follows the taker of its last slot follow the taker, too, so that
/// no replica stays without a primary.
#[test]
fn replicas_go_along_with_the_last_slot() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::new(&[dialect; 4]);
        net.ok(0, "ADDSLOTSRANGE 0 16382");
        net.ok(1, "ADDSLOTS 16383");
        net.ok(1, "SET-CONFIG-EPOCH 1");
        for at in 1..4 {
            net.ok(0, &format!("MEET 10.0.0.{at} {}", 7000 + at));
        }
        net.run(3000);
        let [taker, source] = [0, 1].map(|at| net.id(at));
        net.ok(2, &format!("REPLICATE {source}"));
        net.ok(3, &format!("REPLICATE {taker}"));
        net.run(3000);
        net.ok(0, &format!("SETSLOT 16383 IMPORTING {source}"));
        net.ok(1, &format!("SETSLOT 16383 MIGRATING {taker}"));
        net.ok(0, &format!("SETSLOT 16383 NODE {taker}"));
        net.run(3000);
        for at in 1..4 {
            let primary = net.nodes[at].core.primary_of_mine();
            let primary = primary.map(|id| id.to_string());
            assert_eq!(primary.as_ref(), Some(&taker), "{dialect:?} {at}");
        }
    }
}

#[test]
fn a_slot_that_is_given_up_takes_its_channels_along() {
    let mut net = Net::new(&[Redis]);
    for (order, slots) in [
        ("DELSLOTS 5", (5, 5)),
        ("DELSLOTSRANGE 5 7", (5, 7)),
        ("FLUSHSLOTS", (0, 9)),
        ("RESET", (0, 9)),
    ] {
        for slot in 0..10 {
            net.command(0, &format!("ADDSLOTS {slot}"));
        }
        net.nodes[0].done.clear();
        net.ok(0, order);
        let lost = Order::DropShardChannels(vec![slots]);
        assert!(
            net.nodes[0].done.contains(&lost),
            "{order}: {:?}",
            net.nodes[0].done
        );
    }
}

/// Regression: the changes reached the other nodes with the next heartbeat, as a rule 0.8 s later.
#[test]
fn changes_of_slots_and_epochs_reach_all_at_once() {
    let mut net = Net::cluster(Redis, 3, 0);
    let id = net.id(2);
    let line = |net: &mut Net, at: usize| {
        let nodes = net.command(at, "NODES");
        let line = nodes.lines().find(|line| line.starts_with(&id));
        line.expect("a node").to_owned()
    };
    net.ok(2, "DELSLOTS 16383");
    net.ok(2, "ADDSLOTS 16383");
    net.run(100);
    let before = line(&mut net, 0);
    assert!(before.ends_with("-16383"), "{before}");
    let id = net.id(0);
    let bumped = net.command(0, "BUMPEPOCH");
    let epoch = bumped.trim_start_matches("+BUMPED ").trim();
    net.run(100);
    for at in 1..3 {
        let nodes = net.command(at, "NODES");
        let seen = nodes.lines().find(|line| line.starts_with(&id));
        let seen = seen.expect("a node").split(' ').nth(6);
        assert_eq!(seen, Some(epoch), "{bumped} {nodes}");
    }
}

/// Regression: a node saved a claim of slots and died before another node received the claim. The
/// node came back after the source served the slots again, and its claim won, so all writes of
/// clients at the source were lost.
#[test]
fn slots_that_stay_are_not_lost_to_a_claim_that_comes_late() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 3);
        let others = (0..6).filter(|&at| at != 1);
        net.cut = others.map(|at| (1, at)).collect();
        let now = net.clocks();
        assert!(net.nodes[1].core.take_slots_without_vote(now, &[(0, 99)]));
        net.settle();
        net.kill(1);
        net.cut.clear();
        net.run(600);
        let now = net.clocks();
        assert!(net.nodes[0].core.keep_slots(now, &[(0, 99)], 600));
        net.settle();
        net.run(10_000);
        assert!(net.nodes[4].core.is_mine(8000), "its replica took over");
        net.restart(1);
        net.run(5000);
        let source = net.nodes[0].core.my_id();
        for node in &net.nodes {
            assert_eq!(node.core.slot_owner(50), Some(source), "{:#?}", node.log);
        }
        assert!(net.nodes[1].core.is_replica());
    }
}

/// A node that may have missed a claim does not take the newest epoch.
#[test]
fn slots_are_not_kept_without_a_majority() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.cut = vec![(0, 1), (0, 2)];
    net.run(700);
    let now = net.clocks();
    assert!(!net.nodes[0].core.keep_slots(now, &[(0, 99)], 600));
    assert!(
        !net.nodes[1].core.keep_slots(now, &[(0, 99)], 600),
        "another's"
    );
}
