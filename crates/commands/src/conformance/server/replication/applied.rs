//! A link of a node that moves slots: what it may run.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::ClientFlags;

#[test]
fn a_node_that_has_logged_in_moves_slots_and_nothing_else() {
    let mut t = Testbed::new();
    let node = t.connect();
    let session = t.engine.server.clients.get_mut(node).expect("connected");
    session.client.flags |= ClientFlags::INTERNAL;
    let lines = [
        "GET k",
        "SET k v",
        "MULTI",
        "EVAL return'' 0",
        "ACL SETUSER thief on nopass +@all",
        "CONFIG GET *",
        "CLUSTER NODES",
        "SUBSCRIBE c",
        "REPLICAOF no one",
        "PSYNC ? -1",
        "MONITOR",
        "RESET",
    ];
    for line in lines {
        let reply = t.run_as(node, line);
        assert!(reply.starts_with("-NOPERM "), "{line}: {reply}");
    }
    assert_eq!(t.run_as(node, "PING"), "+PONG\r\n");
    assert!(t.run("ACL LOG").contains("psync"), "denials are logged");
    assert_eq!(t.run("EXISTS k"), ":0\r\n");
}
