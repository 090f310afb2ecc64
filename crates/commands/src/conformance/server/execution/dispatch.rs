//! The way of a command: its record, and replies that are suppressed.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn the_last_command_is_the_last_one_asked_for() {
    let mut t = Testbed::new();
    let client = t.connect();
    for (line, name) in [
        ("PING", Some("ping")),
        ("GET", Some("get")),
        ("CLIENT ID x", Some("client|id")),
        ("NOSUCH", None),
    ] {
        t.run_as(client, line);
        let server = &t.engine.server;
        let session = server.clients.get(client).expect("connected");
        let last = session.client.traffic.last_command;
        let last = last.map(|id| server.table.row(id).full_name);
        assert_eq!(last, name, "{line}");
    }
}

#[test]
fn a_reply_after_a_wait_is_suppressed_as_any_other() {
    type End = fn(&mut Testbed, russet_keyspace::ClientId);
    let ends: [(&str, End); 6] = [
        ("BLPOP q 0.1", |t, _| {
            t.advance_ms(200);
            t.time_out_blocked();
        }),
        ("BLMOVE q w LEFT LEFT 0.1", |t, _| {
            t.advance_ms(200);
            t.time_out_blocked();
        }),
        ("WAIT 1 100", |t, _| {
            t.advance_ms(200);
            t.time_out_blocked();
        }),
        ("BLPOP q 0", |t, _| _ = t.run("RPUSH q a")),
        ("BLPOP q 0", |t, id| {
            _ = t.run(&format!("CLIENT UNBLOCK {}", id.0))
        }),
        ("BZPOPMIN q 0", |t, id| {
            _ = t.run(&format!("CLIENT UNBLOCK {} ERROR", id.0));
        }),
    ];
    for (command, end) in ends {
        for mode in ["OFF", "SKIP", "ON"] {
            let mut t = Testbed::new();
            let client = t.connect();
            t.run_as(client, &format!("CLIENT REPLY {mode}"));
            assert_eq!(t.run_as(client, command), "");
            end(&mut t, client);
            let received = !t.take_reply(client).is_empty();
            assert_eq!(received, mode == "ON", "{command} {mode}");
            let next = if mode == "OFF" { "" } else { "+PONG\r\n" };
            assert_eq!(t.run_as(client, "PING"), next, "{command} {mode}");
            assert_eq!(t.run_as(client, "CLIENT REPLY ON"), "+OK\r\n");
        }
    }
}

#[test]
fn a_skipped_reset_is_not_answered() {
    let mut t = Testbed::new();
    assert_eq!(t.run("CLIENT REPLY SKIP"), "");
    assert_eq!(t.run("RESET"), "");
    assert_eq!(t.run("PING"), "+PONG\r\n");
    assert_eq!(t.run("CLIENT REPLY OFF"), "");
    assert_eq!(t.run("RESET"), "+RESET\r\n");
}
