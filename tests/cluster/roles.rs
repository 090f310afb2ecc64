//! The rights of a connection that takes part in a migration of slots: a node's link is no way
//! around a user's rights.

use crate::group::{Group, Kind};
use crate::support::resp::{Connection, Reply};

const NAME: &str = "0123456789012345678901234567890123456789";

/// Commands that change rights, or the server itself.
const POWERS: [&str; 6] = [
    "ACL SETUSER thief on nopass +@all ~*",
    "CONFIG SET maxmemory 1",
    "CONFIG GET requirepass",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "FLUSHALL",
];

fn group(what: &str) -> Option<Group> {
    Group::create(what, &[Kind::Russet, Kind::Russet, Kind::Russet], 0)
}

/// Sends a command to the second node.
#[track_caller]
fn ask(group: &Group, line: &str) -> String {
    let mut connection = Connection::open(group.nodes[1].port()).expect("a connection");
    connection.ask(line)
}

/// ESTABLISH at the second node, for a slot of the first node.
fn establish(group: &Group) -> String {
    let id = group.nodes[0].id();
    format!("CLUSTER SYNCSLOTS ESTABLISH SOURCE {id} NAME {NAME} SLOTSRANGE 0 0")
}

#[track_caller]
fn assert_untouched(group: &Group) {
    let users = ask(group, "ACL LIST");
    assert!(!users.contains("thief"), "{users}");
    let limit = ask(group, "CONFIG GET maxmemory");
    assert!(limit.ends_with("\r\n0\r\n"), "{limit}");
    assert_eq!(group.slots_of(0).0, 0, "the slot stays where it is");
}

#[test]
fn a_user_with_syncslots_alone_gains_nothing() {
    let Some(group) = group("rights of a user with SYNCSLOTS") else {
        return;
    };
    let node = &group.nodes[1];
    let user = "ACL SETUSER mover on >secret -@all +cluster|syncslots";
    assert_eq!(node.text(user), "OK");
    let mut mover = Connection::open(node.port()).expect("a connection");
    assert_eq!(mover.ask("AUTH mover secret"), "+OK\r\n");
    let reply = mover.ask(&establish(&group));
    assert!(reply.starts_with("-NOPERM"), "{reply}");
    for power in POWERS {
        let reply = mover.ask(power);
        assert!(reply.starts_with("-NOPERM"), "{power}: {reply}");
    }
    assert_untouched(&group);
}

#[test]
fn the_source_of_slots_sends_writes_to_them_and_nothing_else() {
    let Some(group) = group("commands of a source") else {
        return;
    };
    for power in POWERS {
        let mut source = Connection::open(group.nodes[1].port()).expect("a connection");
        assert_eq!(source.ask(&establish(&group)), "+OK\r\n");
        source.send(format!("{power}\r\n").as_bytes());
        source.rest();
        assert_untouched(&group);
        group.wait("the migration to fail", |group| {
            let migrations = ask(group, "CLUSTER MIGRATION STATUS ALL");
            !migrations.contains("waiting-for-ack") && !migrations.contains("receiving")
        });
    }
    // The server refuses the commands in a transaction, too.
    let mut source = Connection::open(group.nodes[1].port()).expect("a connection");
    assert_eq!(source.ask(&establish(&group)), "+OK\r\n");
    source.send(b"MULTI\r\nACL SETUSER thief on nopass +@all ~*\r\nEXEC\r\n");
    source.rest();
    assert_untouched(&group);
}

#[test]
fn a_source_has_the_rights_of_its_user() {
    let Some(group) = group("the user of a source") else {
        return;
    };
    let node = &group.nodes[1];
    let user = "ACL SETUSER mover on >secret ~* -@all +cluster|syncslots +restore +set";
    assert_eq!(node.text(user), "OK");
    let login = |line: &str| {
        let mut mover = Connection::open(node.port()).expect("a connection");
        assert_eq!(mover.ask("AUTH mover secret"), "+OK\r\n");
        assert_eq!(mover.ask(&establish(&group)), "+OK\r\n");
        mover.send(format!("{line}\r\n").as_bytes());
        mover
    };
    // A key of slot 0.
    login("DEL {06S}k").rest();
    let log = ask(&group, "ACL LOG");
    assert!(log.contains("\r\ndel\r\n"), "{log}");
}

#[test]
fn no_transaction_script_or_queue_makes_a_link() {
    let Some(group) = group("SYNCSLOTS in transactions and scripts") else {
        return;
    };
    let mut client = Connection::open(group.nodes[1].port()).expect("a connection");
    let establish = establish(&group);
    client.ask("MULTI");
    client.ask(&establish);
    let Reply::Array(replies) = client.value("EXEC") else {
        panic!("an array");
    };
    assert!(matches!(&replies[0], Reply::Error(_)), "{replies:?}");
    let words: Vec<String> = establish
        .split(' ')
        .map(|word| format!("'{word}'"))
        .collect();
    let script = format!("return redis.call({})", words.join(","));
    let reply = client.call(&["EVAL", &script, "0"]);
    assert!(
        reply.starts_with(b"-"),
        "{}",
        String::from_utf8_lossy(&reply)
    );
    for power in POWERS.into_iter().take(2) {
        // The connection is still an ordinary client, so it gets an answer.
        let reply = client.ask(power);
        assert_eq!(reply, "+OK\r\n", "{power}");
    }
    let status = ask(&group, "CLUSTER MIGRATION STATUS ALL");
    assert!(!status.contains(NAME), "{status}");
}
