//! Vector sets of a daemon: searches off the loop, the log, replicas, and clients that leave.

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

const DIM: usize = 32;
const LEN: usize = 3000;

/// A vector made from a number.
fn blob(seed: usize) -> Vec<u8> {
    let number = |at: usize| (seed * 31 + at * at * 17) as f32 % 101.0 - 50.0;
    (0..DIM).flat_map(|at| number(at).to_le_bytes()).collect()
}

fn add(key: &str, name: &str, seed: usize) -> Vec<u8> {
    let attributes = format!("{{\"n\":{seed}}}");
    let words: [&[u8]; 7] = [
        b"VADD",
        key.as_bytes(),
        b"FP32",
        &blob(seed),
        name.as_bytes(),
        b"SETATTR",
        attributes.as_bytes(),
    ];
    command(&words)
}

/// A search longer than the loop's time in a turn.
fn search(key: &str, words: &[&[u8]]) -> Vec<u8> {
    let blob = blob(7);
    let own: [&[u8]; 6] = [b"VSIM", key.as_bytes(), b"FP32", &blob, b"EF", b"3000"];
    command(&[&own[..], words].concat())
}

fn fill(c: &mut Connection, key: &str) {
    let all: Vec<u8> = (0..LEN)
        .flat_map(|at| add(key, &format!("e{at}"), at))
        .collect();
    c.send(&all);
    for _ in 0..LEN {
        assert_eq!(c.reply(), b":1\r\n");
    }
}

#[test]
fn replies_keep_their_order_beside_searches_off_the_loop() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c, "k");
    for threads in ["1", "3", "0"] {
        assert_eq!(
            c.ask(&format!("CONFIG SET vset-threads {threads}")),
            "+OK\r\n"
        );
        let before = server.connect().ask("VCARD k");
        let before: usize = before.trim()[1..].parse().expect("a number");
        let mut all = Vec::new();
        for at in 0..20 {
            all.extend(search("k", &[b"COUNT", b"1"]));
            all.extend(add("k", &format!("{threads}:{at}"), at * 7919));
            all.extend(command(&["VCARD", "k"]));
            all.extend(command(&["VRANGE", "k", "[e1000", "+", "2"]));
            all.extend(command(&["ECHO", &at.to_string()]));
        }
        c.send(&all);
        for at in 0..20 {
            assert!(c.reply().starts_with(b"*1\r\n"));
            assert_eq!(c.reply(), b":1\r\n");
            assert_eq!(c.reply(), format!(":{}\r\n", before + at + 1).as_bytes());
            assert_eq!(c.reply(), b"*2\r\n$5\r\ne1000\r\n$5\r\ne1001\r\n");
            assert!(c.reply().ends_with(format!("\r\n{at}\r\n").as_bytes()));
        }
    }
}

#[test]
fn a_set_may_change_and_go_while_it_is_searched() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for end in [
        "DEL k",
        "UNLINK k",
        "FLUSHALL",
        "SET k text",
        "RENAME k other",
    ] {
        fill(&mut c, "k");
        let mut searchers: Vec<Connection> = (0..4).map(|_| server.connect()).collect();
        for (at, searcher) in searchers.iter_mut().enumerate() {
            let truth: &[&[u8]] = &[b"TRUTH"];
            let filter: &[&[u8]] = &[b"FILTER", b".n % 3 == 1"];
            let words = [truth, filter, &[]][at % 3];
            searcher.send(&search("k", words).repeat(5));
        }
        // A searching client leaves.
        drop(searchers.pop());
        for at in 0..50 {
            c.ask(&format!("VREM k e{at}"));
            c.ask(&format!("VSETATTR k e{} {{}}", at + 100));
        }
        assert!(!c.ask(end).starts_with('-'), "{end}");
        for searcher in &mut searchers {
            for _ in 0..5 {
                let reply = searcher.reply();
                assert!(
                    reply.starts_with(b"*") || reply.starts_with(b"-WRONGTYPE"),
                    "{end}"
                );
            }
        }
        c.ask("FLUSHALL");
        wait_until("no client to wait", || {
            server.info("blocked_clients").as_deref() == Some("0")
        });
    }
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn the_log_and_replicas_have_updates_too() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let of = format!("127.0.0.1 {}", server.port());
        let replica = Daemon::start(&["--replicaof", &of]);
        let mut c = server.connect();
        fill(&mut c, "k");
        for at in 0..100 {
            c.send(&add("k", &format!("e{at}"), at + 5000));
            assert_eq!(c.reply(), b":0\r\n");
        }
        c.ask("VREM k e200");
        c.ask("VADD r REDUCE 2 VALUES 3 1 2 3 a BIN");
        let same =
            |replica: &Daemon, as_this: &str| replica.connect().ask("DEBUG DIGEST") == as_this;
        let before = c.ask("DEBUG DIGEST");
        wait_until("the replica to follow", || same(&replica, &before));
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        c.send(&add("k", "later", 9));
        c.reply();
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        assert_eq!(
            server.info("aof_last_bgrewrite_status").as_deref(),
            Some("ok")
        );
        let before = c.ask("DEBUG DIGEST");
        server.kill();
        server.restart();
        assert!(same(&server, &before), "{preamble}");
        assert_eq!(server.connect().ask("DEBUG RELOAD"), "+OK\r\n");
        assert!(same(&server, &before), "{preamble}");
    }
}

/// Regression: a log without preamble wrote the set as a single RESTORE, which this start refuses.
#[test]
fn a_log_without_preamble_holds_a_set_longer_than_a_bulk_may_be() {
    const BULK_MAX: &str = "1mb";
    let log = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let sizes = ["--proto-max-bulk-len", BULK_MAX, "--rdbcompression", "no"];
    let mut server = Daemon::start(&[log, sizes].concat());
    let mut c = server.connect();
    fill(&mut c, "k");
    let long = "name".repeat(500);
    for at in 0..LEN / 3 {
        c.send(&add("k", &format!("{long}{at}"), at * 3));
        assert_eq!(c.reply(), b":1\r\n");
    }
    c.send(&command(&["DUMP", "k"]));
    assert!(c.reply().len() > 1 << 20);
    assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
    wait_until("the rewrite to end", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
    let seen = |c: &mut Connection| [c.ask("DEBUG DIGEST"), c.ask("VLINKS k e7 WITHSCORES")];
    let before = seen(&mut c);
    server.kill();
    server.restart();
    assert_eq!(seen(&mut server.connect()), before);
}
