//! The test tools, checked with a real Redis: a failure here is not a failure of russet.

use std::time::Duration;

use crate::support::{Connection, Daemon, peers::Peer, wait_until};

/// A real Redis, or `None` if it is not installed.
fn redis() -> Option<Daemon> {
    let program = Peer::Redis8.program_for("the harness's own tests")?;
    Some(Daemon::start_program(&program, &["--maxclients", "50"]))
}

#[test]
fn a_server_is_started_asked_and_ended() {
    let Some(mut server) = redis() else { return };
    let mut raw = server.connect();
    assert_eq!(
        raw.ask("CONFIG GET maxclients"),
        "*2\r\n$10\r\nmaxclients\r\n$2\r\n50\r\n"
    );
    assert_eq!(
        raw.call(&[&b"ECHO"[..], b"\x00\xff\r\n"]),
        b"$4\r\n\x00\xff\r\n\r\n"
    );
    let answer: String = redis::cmd("PING")
        .query(&mut server.client())
        .expect("PONG");
    assert_eq!(answer, "PONG");
    assert_eq!(server.info("redis_mode").as_deref(), Some("standalone"));
    let port = server.port();
    assert!(server.terminate().success());
    assert!(raw.rest().is_empty());
    wait_until("the port to be closed", || Connection::open(port).is_err());
}

#[test]
fn a_restart_keeps_port_and_folder() {
    let Some(mut server) = redis() else { return };
    let mut before = server.connect();
    assert_eq!(before.ask("SET k v"), "+OK\r\n");
    assert_eq!(before.ask("SAVE"), "+OK\r\n");
    assert_eq!(before.ask("SET k lost"), "+OK\r\n");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET k"), "$1\r\nv\r\n");
}

#[test]
fn silence_is_distinguished_from_an_answer() {
    let Some(server) = redis() else { return };
    let mut waiting = server.connect();
    waiting.send(b"BLPOP empty 0\r\n");
    assert!(waiting.is_silent_for(Duration::from_millis(50)));
    assert_eq!(server.connect().ask("RPUSH empty x"), ":1\r\n");
    assert_eq!(waiting.reply(), b"*2\r\n$5\r\nempty\r\n$1\r\nx\r\n");
}
