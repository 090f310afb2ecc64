//! A Redis Stack beside russet: its process, files in both directions, replicas.

use std::fs;

use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::{Connection, Daemon, wait_until};
use tempfile::TempDir;

/// A Redis Stack, with `folder` and the file in it if given; `None` if it is not installed.
pub fn stack(folder: Option<TempDir>) -> Option<Daemon> {
    let program = Peer::Stack7.program_for("russet beside a Redis Stack")?;
    Some(match folder {
        Some(folder) => Daemon::start_in(&program, &[], folder),
        None => Daemon::start_program(&program, &[]),
    })
}

/// Saves a server's keys, and starts another server with the file: a Redis Stack, or russet.
pub fn moved(from: &Daemon, to_stack: bool) -> (Daemon, Connection) {
    assert_eq!(from.connect().ask("SAVE"), "+OK\r\n");
    let folder = TempDir::new().expect("a folder");
    let file = "dump.rdb";
    fs::copy(from.folder().join(file), folder.path().join(file)).expect("a file");
    let to = if to_stack {
        stack(Some(folder)).expect("it is installed")
    } else {
        Daemon::start_in(&russet(), &[], folder)
    };
    let mut c = to.connect();
    c.ask("CONFIG SET rdbcompression no");
    (to, c)
}

/// Makes a server the replica of another and waits for the full sync; the payloads are not
/// compressed.
pub fn follow(replica: &Daemon, primary: &Daemon) -> Connection {
    let mut c = replica.connect();
    c.ask("CONFIG SET rdbcompression no");
    c.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_until("the full sync", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
    c
}

/// A server with a log of either form: `fill` writes keys, a rewrite stores them, `change` changes
/// them. After a crash `seen` must return the same as before.
pub fn survives_in_the_log<T: PartialEq>(
    fill: impl Fn(&mut Connection),
    change: impl Fn(&mut Connection),
    seen: impl Fn(&mut Connection) -> T,
) {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        c.ask("CONFIG SET rdbcompression no");
        fill(&mut c);
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        change(&mut c);
        let expected = seen(&mut c);
        server.kill();
        server.restart();
        let mut c = server.connect();
        c.ask("CONFIG SET rdbcompression no");
        assert!(seen(&mut c) == expected, "preamble {preamble}");
    }
}
