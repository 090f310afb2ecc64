//! Path hashes of a daemon: files of both dialects, the log, replicas.

use std::fs;

use crate::support::peers::Peer;
use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

fn fill(c: &mut Connection) {
    let mut all = Vec::new();
    for at in 0..500 {
        let path = format!("p/{}/{}", at % 7, "deep/".repeat(at % 11));
        let at = at.to_string();
        all.extend(command(&[
            "PHSET", "k", &path, "FIELDS", "2", &at, "v", "g", "7",
        ]));
        all.extend(command(&["PHSET", "k", "many", "FIELDS", "1", &at, "v"]));
    }
    all.extend(command(&[
        "PHSET", "k", "", "FIELDS", "1", "root", "\0\u{ff}",
    ]));
    c.send(&all);
    for _ in 0..1001 {
        assert_eq!(c.reply(), b"+OK\r\n");
    }
    c.ask("PEXPIREAT k 33177117420000");
}

#[test]
fn files_of_both_dialects_hold_them() {
    for (dialect, magic) in [("redis", b"REDIS0012"), ("valkey", b"VALKEY081")] {
        let mut server = Daemon::start(&["--dialect", dialect]);
        let mut c = server.connect();
        fill(&mut c);
        let before = c.ask("DEBUG DIGEST");
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        let file = fs::read(server.folder().join("dump.rdb")).expect("a file");
        assert_eq!(&file[..9], magic);
        server.kill();
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.ask("DEBUG DIGEST"), before);
        assert_eq!(c.ask("PEXPIRETIME k"), ":33177117420000\r\n");
        // The loop saves the hash in parts, between other work.
        c.ask("CONFIG SET snapshot-method loop");
        assert!(c.ask("BGSAVE").starts_with('+'));
        assert_eq!(c.ask("PHDELPREFIX k p/3"), ":11\r\n");
        wait_until("the snapshot to end", || {
            server.info("rdb_bgsave_in_progress").as_deref() == Some("0")
        });
        server.kill();
        server.restart();
        assert_eq!(server.connect().ask("DEBUG DIGEST"), before);
    }
}

/// Redis may give the next type number to another type in its next release.
#[test]
fn redis_refuses_them_by_name() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    here.ask("PHSET k a FIELDS 1 f v");
    let payload = here.call(&["DUMP", "k"]);
    let start = payload
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a line")
        + 1;
    let payload = &payload[start..payload.len() - 2];
    let Some(program) = Peer::Redis810.program_for("path hashes") else {
        return;
    };
    // At this level the server logs why it refuses a payload.
    let theirs = Daemon::start_program(&program, &["--loglevel", "verbose"]);
    let reply = theirs
        .connect()
        .call(&[&b"RESTORE"[..], b"k", b"0", payload]);
    assert_eq!(reply, b"-ERR Bad data format\r\n");
    theirs.wait_for_log("no matching module type 'path-hash'");
}

#[test]
fn the_log_and_replicas_have_them() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let of = format!("127.0.0.1 {}", server.port());
        let mut c = server.connect();
        fill(&mut c);
        let replica = Daemon::start(&["--replicaof", &of, "--dialect", "valkey"]);
        wait_until("the replica to be in step", || {
            replica.info("master_link_status").as_deref() == Some("up")
        });
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        assert_eq!(c.ask("PHDELPREFIX k p/5"), ":11\r\n");
        assert_eq!(c.ask("PHDEL k many 7 8 9"), ":3\r\n");
        assert_eq!(c.ask("PHSET k many FNX FIELDS 1 f v"), "+OK\r\n");
        assert_eq!(c.ask("PHSET k many FNX FIELDS 1 f w"), "$-1\r\n");
        let before = c.ask("DEBUG DIGEST");
        wait_until("the replica to follow", || {
            replica.connect().ask("DEBUG DIGEST") == before
        });
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        assert_eq!(
            server.info("aof_last_bgrewrite_status").as_deref(),
            Some("ok")
        );
        server.kill();
        server.restart();
        assert_eq!(server.connect().ask("DEBUG DIGEST"), before, "{preamble}");
    }
}
