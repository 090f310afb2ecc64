//! Meeting, forgetting, the door.
//!
//! Claims: a MEET makes all nodes know all, also if a MEET is lost; a handshake ends without an
//! answer; a forgotten node stays out at all nodes, for the time of the directive; a restarted node
//! keeps its id, and a node that moves is found; without the secret of the cluster a MEET has no
//! effect. Refusals have Redis's lines, byte for byte.
//!
//! Elsewhere: what strangers may cost (`strangers`).

use std::collections::BTreeSet;

use super::net::{Net, TIMEOUT_MS, settings};
use crate::{Order, Settings};
use russet_config::Dialect::{self, Redis, Valkey};

fn lines(net: &mut Net, at: usize) -> usize {
    net.command(at, "NODES").matches(" connected").count()
}

#[test]
fn a_meet_makes_all_know_all() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::new(&[dialect; 5]);
        for at in 1..5 {
            net.ok(0, &format!("MEET 10.0.0.{at} {}", 7000 + at));
        }
        net.run(3000);
        for at in 0..5 {
            assert_eq!(lines(&mut net, at), 5, "{}", net.command(at, "NODES"));
            let nodes = net.command(at, "NODES");
            assert!(!nodes.contains("handshake"), "{nodes}");
        }
    }
}

#[test]
fn a_lost_meet_is_sent_again() {
    let mut net = Net::new(&[Redis, Valkey]);
    net.lost = vec![2];
    net.ok(0, "MEET 10.0.0.1 7001");
    net.run(500);
    net.lost.clear();
    // Within the time of one handshake.
    net.run(TIMEOUT_MS);
    assert_eq!(lines(&mut net, 0), 2);
    assert_eq!(lines(&mut net, 1), 2);
}

#[test]
fn a_handshake_with_nobody_ends() {
    let mut net = Net::new(&[Redis]);
    net.ok(0, "MEET 10.0.0.9 7009");
    net.ok(0, "MEET 10.0.0.9 7009");
    assert_eq!(net.command(0, "NODES").matches("handshake").count(), 1);
    net.run(TIMEOUT_MS + 200);
    assert!(!net.command(0, "NODES").contains("handshake"));
}

#[test]
fn a_node_that_meets_itself_stays_alone() {
    let mut net = Net::new(&[Redis]);
    net.ok(0, "MEET 10.0.0.0 7000");
    net.run(300);
    let nodes = net.command(0, "NODES");
    assert_eq!(nodes.matches(":70").count(), 1, "{nodes}");
}

#[test]
fn a_forgotten_node_is_forgotten_by_all_and_stays_out() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 1);
        let id = net.id(3);
        net.ok(0, &format!("FORGET {id}"));
        net.run(5000);
        for at in 0..3 {
            // Its own primary keeps it no more than others; but only a replica's primary is safe
            // there.
            assert!(!net.command(at, "NODES").contains(&id), "{at}");
        }
        net.ok(0, &format!("FORGET {id}"));
    }
}

#[test]
fn refusals_have_redis_s_words() {
    let mut net = Net::cluster(Redis, 2, 1);
    let [me, other, replica] = [0, 1, 2].map(|at| net.id(at));
    let cases = [
        (0, "FORGET x".into(), "ERR Unknown node x"),
        (
            0,
            format!("FORGET {me}"),
            "ERR I tried hard but I can't forget myself...",
        ),
        (2, format!("FORGET {me}"), "ERR Can't forget my master!"),
        (0, format!("REPLICATE {me}"), "ERR Can't replicate myself"),
        (
            0,
            format!("REPLICATE {replica}"),
            "ERR I can only replicate a master, not a replica.",
        ),
        (
            0,
            format!("REPLICATE {other}"),
            "ERR To set a master the node must be empty and without assigned slots.",
        ),
        (
            0,
            "FAILOVER".into(),
            "ERR You should send CLUSTER FAILOVER to a replica",
        ),
        (0, "FAILOVER now".into(), "ERR syntax error"),
        (
            0,
            "SET-CONFIG-EPOCH -1".into(),
            "ERR Invalid config epoch specified: -1",
        ),
        (
            0,
            "MEET 1.2.3.4 0".into(),
            "ERR Invalid node address specified: 1.2.3.4:0",
        ),
        (
            0,
            "MEET host 7000".into(),
            "ERR Invalid node address specified: host:7000",
        ),
        (
            0,
            format!("REPLICAS {replica}"),
            "ERR The specified node is not a master",
        ),
    ];
    for (at, command, error) in cases {
        assert_eq!(
            net.command(at, &command),
            format!("-{error}\r\n"),
            "{command}"
        );
    }
}

#[test]
fn a_reset_leaves_a_node_alone() {
    let mut net = Net::cluster(Redis, 2, 1);
    net.nodes[2].done.clear();
    let id = net.id(2);
    assert_eq!(
        net.command(2, "Reset HARD now"),
        "-ERR unknown subcommand or wrong number of arguments for 'Reset'. Try CLUSTER HELP.\r\n"
    );
    net.ok(2, "RESET SOFT");
    assert_eq!(net.id(2), id);
    let channels = Order::DropShardChannels(vec![(0, 8191)]);
    assert_eq!(net.nodes[2].done, [Order::Lead, Order::Flush, channels]);
    net.ok(0, "RESET HARD");
    assert!(net.command(0, "INFO").contains("cluster_known_nodes:1\r\n"));
    assert!(
        net.command(0, "INFO")
            .contains("cluster_current_epoch:0\r\n")
    );
}

#[test]
fn a_restarted_node_keeps_its_identity() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 3);
        let before = net.command(4, "MYID");
        net.kill(4);
        net.run(300);
        net.restart(4);
        assert_eq!(net.command(4, "MYID"), before);
        assert!(matches!(
            net.nodes[4].done.last(),
            Some(Order::Follow { port: 7001, .. })
        ));
        net.until(5000, |net| net.nodes[4].core.is_ok());
        assert!(net.nodes[4].core.is_replica());
    }
}

#[test]
fn a_node_that_moves_is_found() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.kill(2);
    let mut moved = settings(Redis, 2);
    moved.announce_ip = b"10.0.0.77".to_vec();
    net.restart(2);
    let now = net.clocks();
    net.nodes[2].core.set_settings(now, moved);
    net.run(3000);
    assert!(net.command(0, "NODES").contains("10.0.0.77:7002"));
    assert!(net.nodes[0].core.is_ok());
}

/// The node itself is asked: its own slots must not have an address that is no longer announced.
#[test]
fn an_address_that_is_announced_no_longer_is_forgotten() {
    let mut net = Net::cluster(Redis, 3, 0);
    let mut announced = settings(Redis, 2);
    announced.announce_ip = b"10.0.0.77".to_vec();
    let now = net.clocks();
    net.nodes[2].core.set_settings(now, announced);
    net.run(3000);
    for at in 0..3 {
        assert!(net.command(at, "NODES").contains("10.0.0.77:7002"));
    }
    let now = net.clocks();
    net.nodes[2].core.set_settings(now, settings(Redis, 2));
    net.run(3000);
    for at in 0..3 {
        let nodes = net.command(at, "NODES");
        assert!(nodes.contains("10.0.0.2:7002"), "{at}: {nodes}");
        assert!(!nodes.contains("10.0.0.77"), "{at}: {nodes}");
    }
    assert!(net.nodes[0].core.is_ok());
}

fn with_secret(dialects: &[Dialect], secrets: &[&[u8]]) -> Net {
    let mut net = Net::new(dialects);
    let now = net.clocks();
    for (at, secret) in secrets.iter().enumerate() {
        let mut settings = settings(dialects[at], at);
        settings.meet_secret = secret.to_vec();
        net.nodes[at].core.set_settings(now, settings);
    }
    net
}

#[test]
fn a_meet_without_the_secret_is_ignored() {
    let mut net = with_secret(&[Redis, Redis, Valkey], &[b"open", b"", b"open"]);
    net.ok(1, "MEET 10.0.0.0 7000");
    net.run(3000);
    assert_eq!(lines(&mut net, 0), 1);
    net.ok(2, "MEET 10.0.0.0 7000");
    net.run(3000);
    assert_eq!(lines(&mut net, 0), 2);
    assert_eq!(lines(&mut net, 2), 2);
}

#[test]
fn real_nodes_come_in_by_their_address() {
    let mut net = with_secret(&[Redis, Redis, Redis], &[b"open", b"", b""]);
    let mut allowed = settings(Redis, 0);
    allowed.meet_secret = b"open".to_vec();
    allowed.bus_allow = vec![("10.0.0.1".parse().expect("an address"), 32)];
    let now = net.clocks();
    net.nodes[0].core.set_settings(now, allowed);
    net.ok(1, "MEET 10.0.0.0 7000");
    net.ok(2, "MEET 10.0.0.0 7000");
    net.run(3000);
    let nodes = net.command(0, "NODES");
    assert!(
        nodes.contains(":7001") && !nodes.contains(":7002"),
        "{nodes}"
    );
}

/// `cluster-message-gossip-perc`: entries of a greeting, of twelve nodes.
#[test]
fn a_greeting_tells_of_a_share_of_the_nodes() {
    const NODES: usize = 12;
    let mut net = Net::new(&[Redis; NODES]);
    for at in 1..NODES {
        net.ok(0, &format!("MEET 10.0.0.{at} {}", 7000 + at));
    }
    net.run(5000);
    for (percent, entries) in [(1, 3), (10, 3), (50, 6), (75, 9)] {
        let now = net.clocks();
        let core = &mut net.nodes[0].core;
        let settings = Settings {
            gossip_percent: percent,
            ..settings(Redis, 0)
        };
        core.set_settings(now, settings);
        let gossip = core.choose_gossip(None);
        assert_eq!(gossip.len(), entries, "{percent}%");
        let distinct: BTreeSet<_> = gossip.iter().map(|entry| entry.node).collect();
        assert_eq!(distinct.len(), entries, "{percent}%");
        assert!(!distinct.contains(&core.my_id()), "{percent}%");
    }
}

/// A directive in seconds was taken for milliseconds, so that a forgotten node was back after one
/// second.
#[test]
fn a_forgotten_node_stays_out_for_the_time_of_the_directive() {
    let mut net = Net::cluster(Redis, 3, 0);
    let id = net.id(2);
    net.ok(0, &format!("FORGET {id}"));
    net.run(55_000);
    assert!(!net.command(0, "NODES").contains(&id));
}
