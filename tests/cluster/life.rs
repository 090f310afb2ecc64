//! The life of a cluster of russets: nodes join, fail, come back, and are added and deleted.

use std::time::{Duration, Instant};

use crate::client::slot_of;
use crate::group::{Group, Kind, start_node};
use crate::support::daemon::{free_port_of, russet};
use crate::support::resp::{Connection, Reply};
use crate::support::wait::wait_until;

const SIX: [Kind; 6] = [Kind::Russet; 6];

/// Two nodes meet, and each sees the other.
#[test]
fn nodes_that_meet_know_each_other() {
    let nodes = [start_node(Kind::Russet, &[]), start_node(Kind::Russet, &[])];
    let bus = nodes[1].view()[0].clone();
    assert!(bus.is("myself") && bus.is("master"), "{bus:?}");
    let bus_port = nodes[1].text("CLUSTER NODES");
    let bus_port = bus_port
        .split('@')
        .nth(1)
        .and_then(|rest| rest.split([' ', ',']).next());
    let meet = format!(
        "CLUSTER MEET 127.0.0.1 {} {}",
        nodes[1].port(),
        bus_port.expect("a port")
    );
    let mut connection = Connection::open(nodes[0].port()).expect("a node");
    assert_eq!(connection.ask(&meet), "+OK\r\n");
    let ids = nodes.each_ref().map(|node| node.id());
    wait_until("both to know both", || {
        nodes.iter().all(|node| {
            let view = node.view();
            view.len() == 2
                && ids.iter().all(|id| view.iter().any(|seen| seen.id == *id))
                && view
                    .iter()
                    .all(|seen| seen.is_connected && !seen.is("handshake"))
        })
    });
    let links = Connection::open(nodes[0].port())
        .expect("a node")
        .value("CLUSTER LINKS");
    assert_eq!(links.items().map(<[Reply]>::len), Some(2), "{links:?}");
}

#[test]
fn a_cluster_is_created_checked_and_survives_a_primary() {
    let Some(mut group) = Group::create("a failover", &SIX, 1) else {
        return;
    };
    group.check();
    group.write("before", 300);
    group.wait_until_synced();
    let lost = group.primary(|_| true);
    let id = group.nodes[lost].id();
    group.kill(lost);
    group.wait_for_failover(&id);
    group.assert_written("before", 300);
    group.write("after", 300);
    group.restart(lost);
    group.wait("the old primary to be a replica", |group| {
        group.nodes[lost]
            .text("INFO replication")
            .contains("role:slave")
    });
    group.wait_until_well();
    group.check();
    assert_eq!(group.nodes[lost].id(), id, "a node keeps its id");
    group.assert_written("after", 300);
}

#[test]
fn nodes_are_added_and_deleted() {
    let Some(mut group) = Group::create("adding nodes", &[Kind::Russet; 3], 0) else {
        return;
    };
    group.write("k", 300);
    let any = group.nodes[0].address();
    group.nodes.push(start_node(Kind::Russet, &[]));
    let new = group.nodes[3].address();
    group.order(&["add-node", &new, &any]);
    group.wait_until_well();
    let (donor, id) = (group.nodes[0].id(), group.nodes[3].id());
    group.order(&[
        "reshard",
        &any,
        "--cluster-from",
        &donor,
        "--cluster-to",
        &id,
        "--cluster-slots",
        "100",
    ]);
    group.wait_until_well();
    group.check();
    group.assert_written("k", 300);

    group.nodes.push(start_node(Kind::Russet, &[]));
    let replica = group.nodes[4].address();
    let primary = group.nodes[3].id();
    group.order(&[
        "add-node",
        &replica,
        &any,
        "--cluster-slave",
        "--cluster-master-id",
        &primary,
    ]);
    group.wait_until_well();
    group.wait("the replica to follow", |group| {
        group.nodes[4]
            .text("INFO replication")
            .contains("master_link_status:up")
    });

    let replica = group.nodes[4].id();
    group.order(&["del-node", &any, &replica]);
    group.nodes.truncate(4);
    let weight = format!("{primary}=0");
    group.order(&["rebalance", &any, "--cluster-weight", &weight]);
    group.order(&["del-node", &any, &primary]);
    group.nodes.truncate(3);
    group.wait("the deleted nodes to be forgotten", |group| {
        group.living().all(|node| node.view().len() == 3)
    });
    group.wait_until_well();
    group.check();
    group.assert_written("k", 300);
}

/// A replica takes over on an operator's order without losing a write of a busy client.
#[test]
fn a_failover_by_hand_loses_nothing() {
    let Some(group) = Group::create("a failover by hand", &SIX, 1) else {
        return;
    };
    let primary = group.nodes[group.primary(|_| true)].id();
    let replica = group.nodes[0]
        .view()
        .into_iter()
        .find(|seen| seen.primary.as_ref() == Some(&primary));
    let replica = group.at(&replica.expect("a replica").id);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| group.write("k", 3000));
        let mut connection = Connection::open(group.nodes[replica].port()).expect("a node");
        assert_eq!(connection.ask("CLUSTER FAILOVER"), "+OK\r\n");
        group.wait("the replica to be the primary", |group| {
            group.nodes[replica]
                .text("INFO replication")
                .contains("role:master")
        });
        writer.join().expect("all writes");
    });
    group.wait_until_well();
    group.check();
    group.assert_written("k", 3000);
}

/// A primary in the middle of a long script answers the bus: no node marks it as failing, and its
/// links stay.
#[test]
fn a_busy_script_does_not_cost_the_node_its_role() {
    let Some(group) = Group::create("a busy script", &SIX, 1) else {
        return;
    };
    let busy = group.primary(|_| true);
    let id = group.nodes[busy].id();
    let port = group.nodes[busy].port();
    let epoch = |group: &Group| {
        let view = group.nodes[busy].view();
        view.iter().map(|seen| seen.epoch).max()
    };
    let before = epoch(&group);
    Connection::open(port)
        .expect("a node")
        .ask("CONFIG SET busy-reply-threshold 100");
    let mut script = Connection::open(port).expect("a node");
    script.send(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n");
    // Two node timeouts, after which the other nodes would mark it as failing.
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        for node in group.living().filter(|node| node.port() != port) {
            let view = node.view();
            let seen = view.iter().find(|seen| seen.id == id).expect("it is known");
            assert!(!seen.is("fail?") && !seen.is("fail"), "{seen:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let killed = Connection::open(port).expect("a node").ask("SCRIPT KILL");
    assert_eq!(killed, "+OK\r\n");
    let (_, reply) = script.read().expect("the script's end");
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
    assert_eq!(epoch(&group), before, "no election");
    group.check();
}

/// The state file belongs to a single node, and a second node refuses it.
#[test]
fn a_second_node_does_not_take_the_file_of_the_first() {
    let node = start_node(Kind::Russet, &[]);
    let file = node.daemon.folder().join("nodes.conf");
    let output = std::process::Command::new(russet())
        .args(["--port", &free_port_of(22_000, 1_000).to_string()])
        .args(["--cluster-port", &free_port_of(23_000, 1_000).to_string()])
        .args(["--cluster-enabled", "yes", "--cluster-config-file"])
        .arg(&file)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("is already used by a different node"),
        "{text}"
    );
    let id = node.id();
    let mut node = node;
    node.daemon.kill();
    node.daemon.restart();
    assert_eq!(node.id(), id);
}

/// SHUTDOWN FAILOVER of Valkey: the replica becomes primary before other nodes miss the old
/// primary.
#[test]
fn a_primary_that_shuts_down_hands_over_first() {
    let kinds = [Kind::RussetValkey; 6];
    let Some(mut group) = Group::create("a shutdown with a failover", &kinds, 1) else {
        return;
    };
    group.write("k", 200);
    let lost = group.primary(|_| true);
    let id = group.nodes[lost].id();
    let mut connection = Connection::open(group.nodes[lost].port()).expect("a node");
    let refused = connection.ask("SHUTDOWN SAFE");
    assert_eq!(refused, "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    connection.send(b"SHUTDOWN NOSAVE FAILOVER\r\n");
    group.nodes[lost].daemon.wait_end();
    group.nodes[lost].is_killed = true;
    let began = Instant::now();
    group.wait("the replica to be the primary", |group| {
        group.living().any(|node| {
            let view = node.view();
            let mine = view.iter().find(|seen| seen.is("myself"));
            mine.is_some_and(|seen| seen.is("master")) && {
                let old = view.iter().find(|seen| seen.id == id);
                old.is_some_and(|old| old.slots.is_empty())
            }
        })
    });
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    group.wait_for_failover(&id);
    group.assert_written("k", 200);
}

/// PUBLISH reaches the subscribers of all nodes, SPUBLISH the subscribers of the slot's shard.
#[test]
fn messages_cross_the_bus() {
    let Some(group) = Group::create("messages", &SIX, 1) else {
        return;
    };
    let mut subscribers: Vec<Connection> = group
        .nodes
        .iter()
        .map(|node| Connection::open(node.port()).expect("a node"))
        .collect();
    for subscriber in &mut subscribers {
        subscriber.ask("SUBSCRIBE news");
    }
    let mut publisher = Connection::open(group.nodes[5].port()).expect("a node");
    assert_eq!(publisher.ask("PUBLISH news hello"), ":1\r\n");
    for subscriber in &mut subscribers {
        let text = String::from_utf8_lossy(&subscriber.reply()).into_owned();
        assert_eq!(text, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    }
    let view = group.nodes[0].view();
    let primary = view
        .iter()
        .find(|seen| seen.slots.iter().any(|range| range.starts_with("0-")));
    let primary = primary.expect("the owner of slot 0");
    let replica = view
        .iter()
        .find(|seen| seen.primary.as_ref() == Some(&primary.id));
    let replica = replica.expect("its replica");
    // The slot of this channel is 0.
    let channel = "{3560}";
    assert_eq!(slot_of("3560"), 0);
    let mut subscriber = Connection::open(replica.port).expect("a node");
    let subscribed = subscriber.ask(&format!("SSUBSCRIBE {channel}"));
    assert!(subscribed.contains("ssubscribe"), "{subscribed}");
    let mut publisher = Connection::open(primary.port).expect("a node");
    assert_eq!(publisher.ask(&format!("SPUBLISH {channel} hi")), ":0\r\n");
    let text = String::from_utf8_lossy(&subscriber.reply()).into_owned();
    assert!(text.contains("smessage") && text.contains("hi"), "{text}");
}

/// SUNSUBSCRIBE needs no slot: otherwise a client could not leave a channel whose slot has moved,
/// or several channels at once.
#[test]
fn a_shard_channel_is_left_wherever_its_slot_is() {
    let node = start_node(Kind::Russet, &[]);
    let mut client = Connection::open(node.port()).expect("a node");
    assert_eq!(client.ask("CLUSTER ADDSLOTSRANGE 0 100"), "+OK\r\n");
    wait_until("slots that are served", || {
        client.ask("SSUBSCRIBE {3560}").contains("ssubscribe")
    });
    let slots = ["3560", "foo", "bar"].map(slot_of);
    assert!(slots[0] == 0 && slots[1] > 100 && slots[2] > 100 && slots[1] != slots[2]);
    let left = client.ask("SUNSUBSCRIBE foo");
    assert!(
        left.contains("sunsubscribe") && left.ends_with(":1\r\n"),
        "{left}"
    );
    let left = client.ask("SUNSUBSCRIBE bar {3560}") + &String::from_utf8_lossy(&client.reply());
    assert!(left.contains("bar") && left.ends_with(":0\r\n"), "{left}");
    assert!(client.ask("SSUBSCRIBE foo").starts_with("-CLUSTERDOWN"));
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    assert_eq!(client.ask("SSUBSCRIBE {3560}"), "+QUEUED\r\n");
    assert_eq!(
        client.ask("EXEC"),
        "*1\r\n-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"
    );
}
