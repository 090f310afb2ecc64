//! Native bitmaps from outside: files, logs, replicas, older versions, events.

use crate::support::{Connection, Daemon, wait_until};

/// Fills native bitmaps: sparse, dense, of runs, empty, without set bits.
fn fill(c: &mut Connection) {
    assert_eq!(c.ask("CONFIG SET bitmap-default-roaring yes"), "+OK\r\n");
    for n in 0..300u64 {
        c.ask(&format!("SETBIT sparse {} 1", n * n * 409));
        c.ask(&format!(
            "BITFIELD dense SET i64 #{n} {}",
            n * 0x0102_0304_0506
        ));
    }
    c.ask("SETBIT zeros 70000 0");
    c.ask("BITOP NOT runs zeros");
    c.ask("SET text abc EX 100000");
    c.ask("SETBIT text 200 1");
}

const KEYS: [&str; 5] = ["sparse", "dense", "zeros", "runs", "text"];

fn kinds(c: &mut Connection) -> Vec<String> {
    KEYS.map(|key| c.ask(&format!("TYPE {key}"))).to_vec()
}

fn counts(c: &mut Connection) -> Vec<String> {
    KEYS.map(|key| c.ask(&format!("BITCOUNT {key}"))).to_vec()
}

#[test]
fn bitmaps_are_the_same_after_all_ways() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let of = format!("127.0.0.1 {}", server.port());
        let mut c = server.connect();
        fill(&mut c);
        let replica = Daemon::start(&["--replicaof", &of]);
        let is_same = |server: &Daemon, digest: &str| {
            let mut c = server.connect();
            c.ask("DEBUG DIGEST") == digest && kinds(&mut c).iter().all(|it| it == "+bitmap\r\n")
        };
        let digest = c.ask("DEBUG DIGEST");
        wait_until("the replica's data to be the same", || {
            is_same(&replica, &digest)
        });
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        // By the stream and the log.
        c.ask("SETBIT later 9 1");
        c.ask("BITOP OR both sparse later");
        c.ask("SET a x");
        c.ask("BITOP NOT b a");
        let digest = c.ask("DEBUG DIGEST");
        wait_until("the replica to follow", || is_same(&replica, &digest));
        assert_eq!(replica.connect().ask("TYPE b"), "+bitmap\r\n");
        server.kill();
        server.restart();
        assert!(is_same(&server, &digest), "{preamble}: the log");
        let mut c = server.connect();
        assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
        assert!(is_same(&server, &digest), "{preamble}: a file");
        let counted = counts(&mut c);
        c.ask("CONFIG SET rdb-version 12");
        assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
        assert!(kinds(&mut c).iter().all(|kind| kind == "+string\r\n"));
        assert_eq!(counts(&mut c), counted, "strings have the same bits");
        server.wait_for_log("RDB version 12 has bitmaps as strings");
    }
}

#[test]
fn bitmaps_have_events_of_their_own_class() {
    let server = Daemon::start(&["--notify-keyspace-events", "Ebnc"]);
    let (mut c, mut listener) = (server.connect(), server.connect());
    listener.ask("PSUBSCRIBE *");
    c.ask("SET s abc");
    c.ask("SETBIT string 1 1");
    let mut events = |c: &mut Connection, line: &str| {
        c.ask(line);
        c.ask("PUBLISH end x");
        let mut all = Vec::new();
        loop {
            let reply = String::from_utf8_lossy(&listener.reply()).into_owned();
            let words: Vec<&str> = reply.split("\r\n").collect();
            if words[6] == "end" {
                return all.join(" ");
            }
            let event = words[6].rsplit(':').next().expect("an event");
            all.push(format!("{event}|{}", words[8]));
        }
    };
    assert_eq!(
        events(&mut c, "CONFIG SET bitmap-default-roaring yes"),
        "new|s new|string"
    );
    for (line, expected) in [
        ("SETBIT b 5 1", "new|b setbit|b"),
        ("SETBIT b 5 1", ""),
        ("SETBIT b 5 0", "setbit|b"),
        ("SETBIT s 1 1", "type_changed|s"),
        ("BITFIELD s SET u8 0 7", "setbit|s"),
        ("BITOP OR to s b", "new|to set|to"),
        ("BITOP OR to s s", "set|to"),
    ] {
        assert_eq!(events(&mut c, line), expected, "{line}");
    }
    assert_eq!(
        c.ask("CONFIG GET notify-keyspace-events"),
        "*2\r\n$22\r\nnotify-keyspace-events\r\n$4\r\nbncE\r\n"
    );
}
