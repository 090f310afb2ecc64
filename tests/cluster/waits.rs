//! Clients that wait for keys at a node that becomes a replica.

use crate::group::{Group, Kind};
use crate::support::resp::Connection;

#[test]
fn in_valkeys_dialect_they_are_sent_to_the_new_primary() {
    let what = "clients that wait at a node that becomes a replica";
    let Some(group) = Group::create(what, &[Kind::RussetValkey; 6], 1) else {
        return;
    };
    let primary = group.primary_at(0);
    let replica = group.replica_of(primary);
    let mut waiting = Connection::open(group.nodes[primary].port()).expect("a connection");
    let mut keys = (0..1000).map(|n| format!("k{n}"));
    let key = keys
        .find(|key| waiting.ask(&format!("GET {key}")) == "$-1\r\n")
        .expect("a key of the node");
    waiting.send(format!("BLPOP {key} 0\r\n").as_bytes());
    group.wait("the client to wait", |group| {
        group.nodes[primary]
            .text("INFO clients")
            .contains("blocked_clients:1")
    });
    assert_eq!(group.nodes[replica].text("CLUSTER FAILOVER"), "OK");
    let reply = waiting.reply();
    let to = format!(" 127.0.0.1:{}\r\n", group.nodes[replica].port());
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(
        reply.starts_with("-MOVED ") && reply.ends_with(&to),
        "{reply}"
    );
    assert_eq!(waiting.ask("PING"), "+PONG\r\n", "it stays connected");
}
