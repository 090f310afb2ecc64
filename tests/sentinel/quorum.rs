//! Sentinels of three makes over a group with `sync-quorum`: they say when and whom, the group
//! decides, and no acknowledged write is lost.

use rustix::process::Signal;

use crate::group::{Group, SETTINGS, Server, has_peers, start_nodes};
use crate::process::{Kind, Sentinel};

const SENTINELS: [Kind; 3] = [Kind::Russet, Kind::Redis80, Kind::Valkey91];
const MODE: [&str; 8] = [
    "--sync-quorum",
    "yes",
    "--min-sync-replicas",
    "1",
    "--appendonly",
    "yes",
    "--save",
    "",
];

fn start() -> Group {
    let nodes = start_nodes(&[Server::Russet; 3], &MODE);
    let port = nodes[0].port();
    let sentinels = SENTINELS
        .iter()
        .map(|kind| Sentinel::start(*kind, port, 2, SETTINGS));
    let group = Group::of(sentinels.collect(), nodes);
    group.wait("all to be members", |group| {
        group.nodes.iter().all(|its| {
            its.info("sync_members").as_deref() == Some("3")
                && its.info("sync_members_changing").as_deref() == Some("0")
        })
    });
    group
}

fn ask(group: &Group, node: usize, line: &str) -> String {
    group.nodes[node].connect().ask(line)
}

#[test]
fn sentinels_fail_over_a_group_without_a_loss() {
    if !has_peers("a group with sync-quorum") {
        return;
    }
    let mut group = start();
    for i in 0..100 {
        assert_eq!(ask(&group, 0, &format!("SET key:{i} {i}")), "+OK\r\n");
    }
    let old = group.nodes[0].port();
    group.kill(0);
    let (new, _) = group.agree(&[old]);
    for i in 0..100 {
        let value = i.to_string();
        let reply = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(ask(&group, new, &format!("GET key:{i}")), reply);
    }
    assert_eq!(ask(&group, new, "SET after 1"), "+OK\r\n");
    // It is configured as a primary, asks its members, and follows.
    group.restart(0);
    let (primary, _) = group.agree(&[old]);
    assert_eq!(primary, new);
    assert_eq!(ask(&group, 0, "GET after"), "$1\r\n1\r\n");
}

#[test]
fn a_primary_that_stood_still_has_acknowledged_nothing_meanwhile() {
    if !has_peers("a group with sync-quorum") {
        return;
    }
    let group = start();
    assert_eq!(ask(&group, 0, "SET key 1"), "+OK\r\n");
    let old = group.nodes[0].port();
    let mut before = group.nodes[0].connect();
    group.nodes[0].signal(Signal::STOP);
    before.send(b"SET key 2\r\n");
    group.wait("another to lead", |group| {
        group
            .sentinels
            .iter()
            .all(|its| its.primary_port().is_some_and(|port| port != old))
    });
    let new = group.sentinels[0]
        .primary_port()
        .expect("it has been switched");
    let new = group.node_at(new);
    assert_eq!(ask(&group, new, "SET key 3"), "+OK\r\n");
    group.nodes[0].signal(Signal::CONT);
    let (reply, _) = before.read().expect("an error");
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(
        reply.starts_with("-INDOUBT") || reply.starts_with("-READONLY"),
        "{reply}"
    );
    let (primary, _) = group.agree(&[old]);
    assert_eq!(primary, new);
    assert_eq!(ask(&group, 0, "GET key"), "$1\r\n3\r\n");
}
