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
    let slot = group.slots_of(primary).0;
    let key = (0..)
        .map(|n| format!("k{n}"))
        .find(|key| {
            let found = group.nodes[primary].text(&format!("CLUSTER KEYSLOT {key}"));
            let (first, last) = group.slots_of(primary);
            found
                .parse()
                .is_ok_and(|found| (first..=last).contains(&found))
        })
        .unwrap_or_else(|| panic!("a key of {slot}"));
    let mut waiting = Connection::open(group.nodes[primary].port()).expect("a connection");
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
