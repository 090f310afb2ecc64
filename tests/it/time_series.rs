//! Time series of a daemon: files, payloads, the log and replication, to and from Redis Stack.
//!
//! The keys have late samples, splits, retention, every type of chunk, and rules. From the same
//! lines both servers make equal series, to the last bit.

use std::fs;

use crate::stack::stack;
use crate::support::daemon::russet;
use crate::support::{Connection, Daemon, wait_until};
use tempfile::TempDir;

/// Without standard deviations, whose last digits sometimes differ.
const AGGREGATORS: [&str; 9] = [
    "min", "max", "sum", "avg", "count", "first", "last", "range", "twa",
];

fn keys() -> Vec<String> {
    let rules = AGGREGATORS.iter().map(|name| format!("by:{name}"));
    let plain = ["walk", "late", "plain", "short", "none", "source"];
    plain
        .iter()
        .map(|key| (*key).to_owned())
        .chain(rules)
        .collect()
}

/// A fixed sequence of numbers.
fn numbers(n: u64, below: u64) -> impl Iterator<Item = u64> {
    let mut state = 7_u64;
    (0..n).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    })
}

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// Makes the same keys on every server.
fn fill(c: &mut Connection) {
    c.ask("CONFIG SET rdbcompression no");
    for line in [
        "TS.CREATE walk CHUNK_SIZE 128 LABELS kind walk dc eu n 1",
        "TS.CREATE late CHUNK_SIZE 48 DUPLICATE_POLICY SUM LABELS kind late dc eu",
        "TS.CREATE plain UNCOMPRESSED CHUNK_SIZE 64 LABELS kind plain dc us",
        "TS.CREATE short RETENTION 5000 CHUNK_SIZE 64 IGNORE 5 0.5 DUPLICATE_POLICY LAST",
        "TS.CREATE none LABELS kind none",
        "TS.CREATE source CHUNK_SIZE 64",
    ] {
        run(c, line);
    }
    for name in AGGREGATORS {
        run(
            c,
            &format!("TS.CREATE by:{name} CHUNK_SIZE 48 LABELS by {name}"),
        );
        let align = if name == "sum" { "30" } else { "0" };
        run(
            c,
            &format!("TS.CREATERULE source by:{name} AGGREGATION {name} 1000 {align}"),
        );
    }
    change(c, 0, 400);
    run(c, "PEXPIREAT walk 33177117420000");
}

fn change(c: &mut Connection, from: u64, n: u64) {
    for (at, random) in (from..from + n).zip(numbers(n, 1000)) {
        let time = at * 100;
        let value = random as f64 / 8.0;
        run(c, &format!("TS.ADD walk {time} {value}"));
        let late = time.saturating_sub(random * 7);
        run(c, &format!("TS.ADD late {late} {value}"));
        run(c, &format!("TS.ADD plain {late} {value} ON_DUPLICATE MAX"));
        run(c, &format!("TS.ADD short {time} {}", random % 3));
        run(c, &format!("TS.ADD source {time} {value}"));
        if random % 9 == 0 {
            let late = time.saturating_sub(random * 3 + 7);
            run(
                c,
                &format!("TS.ADD source {late} {value} ON_DUPLICATE LAST"),
            );
        }
        if random % 10 == 0 && random > 300 {
            run(c, &format!("TS.DEL late {} {}", late / 2, late / 2 + 300));
        }
        if random % 20 == 0 {
            run(c, &format!("TS.INCRBY walk 1.5 TIMESTAMP {time}"));
        }
    }
}

/// The payloads of all keys, without version and checksum, which differ with the release.
fn payloads(c: &mut Connection) -> Vec<Vec<u8>> {
    let payload = |key: &String| {
        // Redis leaves old memory in the free room of uncompressed chunks, splits some chunks
        // elsewhere after late samples, and has an older newest sample in some destinations.
        if !["walk", "short", "none"].contains(&key.as_str()) {
            return c.ask(&format!("TS.RANGE {key} - +")).into_bytes();
        }
        let reply = c.call(&["DUMP", key]);
        assert!(reply.len() > 12, "{key}");
        reply[..reply.len() - 12].to_vec()
    };
    keys().iter().map(payload).collect()
}

/// The facts of all keys from the duplicate policy on, with labels, rules and sources.
fn facts(c: &mut Connection) -> Vec<String> {
    let info = |key: &String| {
        // A series without a policy shows the server's policy; Redis Stack 7.4 shows nothing.
        let all = c.ask(&format!("TS.INFO {key}"));
        let all = all.replace("duplicatePolicy\r\n$-1", "duplicatePolicy\r\n+block");
        let at = all.find("duplicatePolicy").expect("a fact");
        all[at..].to_owned()
    };
    keys().iter().map(info).collect()
}

fn assert_same<T: PartialEq + std::fmt::Debug>(got: &[T], expected: &[T], what: &str) {
    for ((key, got), expected) in keys().iter().zip(got).zip(expected) {
        assert!(got == expected, "{what}, {key}: {got:?} {expected:?}");
    }
}

/// A new folder with a server's file.
fn moved(from: &Daemon) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let file = "dump.rdb";
    fs::copy(from.folder().join(file), folder.path().join(file)).expect("a file");
    folder
}

fn follow(replica: &Daemon, primary: &Daemon) {
    let mut c = replica.connect();
    c.ask("CONFIG SET rdbcompression no");
    c.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_until("the full sync", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
}

#[test]
fn files_and_payloads_go_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let (mut c, mut d) = (ours.connect(), redis.connect());
    fill(&mut c);
    fill(&mut d);
    let (expected, known) = (payloads(&mut c), facts(&mut c));
    assert_same(&facts(&mut d), &known, "facts");
    assert_same(&payloads(&mut d), &expected, "payloads");
    change(&mut c, 400, 50);
    change(&mut d, 400, 50);
    let later = payloads(&mut c);
    assert_same(&payloads(&mut d), &later, "later payloads");
    for (from, to_redis) in [(&ours, true), (&redis, false)] {
        assert_eq!(from.connect().ask("SAVE"), "+OK\r\n");
        let folder = moved(from);
        let to = if to_redis {
            stack(Some(folder)).expect("it is installed")
        } else {
            Daemon::start_in(&russet(), &[], folder)
        };
        let mut other = to.connect();
        other.ask("CONFIG SET rdbcompression no");
        assert_same(&payloads(&mut other), &later, "loaded");
        assert_same(
            &facts(&mut other),
            &facts(&mut from.connect()),
            "loaded facts",
        );
        assert_eq!(other.ask("PEXPIRETIME walk"), ":33177117420000\r\n");
        for line in [
            "TS.QUERYINDEX dc=eu",
            "TS.MGET LATEST FILTER by=(twa,sum,avg,first)",
        ] {
            assert_eq!(other.ask(line), from.connect().ask(line), "{line}");
        }
        // Open buckets continue with their states.
        change(&mut other, 450, 30);
        let mut own = from.connect();
        if to_redis {
            change(&mut own, 450, 30);
            assert_same(&payloads(&mut other), &payloads(&mut own), "after loading");
        }
    }
}

#[test]
fn replication_goes_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (primary, replica) in [(&ours, &redis), (&redis, &ours)] {
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        fill(&mut c);
        follow(replica, primary);
        change(&mut c, 400, 200);
        run(
            &mut c,
            "TS.MADD walk 999999 1 none 5 5 none 5 6 walk 999999 7",
        );
        let (expected, rules) = (payloads(&mut c), facts(&mut c));
        let mut other = replica.connect();
        wait_until("the replica to follow", || payloads(&mut other) == expected);
        assert_same(&facts(&mut other), &rules, "facts");
        assert_eq!(
            other.ask("TS.QUERYINDEX dc=eu"),
            c.ask("TS.QUERYINDEX dc=eu")
        );
        other.ask("REPLICAOF NO ONE");
    }
}

#[test]
fn the_log_has_series_in_both_forms() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        fill(&mut c);
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        change(&mut c, 400, 60);
        run(&mut c, "TS.INCRBY counted 1");
        run(&mut c, "TS.ADD counted * 5 ON_DUPLICATE SUM");
        let counted = c.ask("TS.RANGE counted - +");
        let (expected, rules) = (payloads(&mut c), facts(&mut c));
        server.kill();
        server.restart();
        let mut c = server.connect();
        c.ask("CONFIG SET rdbcompression no");
        assert_same(&payloads(&mut c), &expected, preamble);
        assert_same(&facts(&mut c), &rules, preamble);
        assert_eq!(c.ask("TS.RANGE counted - +"), counted);
    }
}

/// A query by labels does not show keys that the user may not read.
#[test]
fn labels_show_no_more_than_a_user_may_read() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for key in ["a:1", "a:2", "b:1"] {
        run(
            &mut c,
            &format!("TS.CREATE {key} LABELS kind all of {}", &key[..1]),
        );
        run(&mut c, &format!("TS.ADD {key} 1 1"));
    }
    run(&mut c, "ACL SETUSER some on nopass %R~a:* +@all");
    let mut some = server.connect();
    run(&mut some, "AUTH some x");
    assert!(some.ask("TS.MGET FILTER of=a").starts_with("*2\r\n"));
    for line in [
        "TS.MGET FILTER kind=all",
        "TS.MRANGE - + FILTER kind=all",
        "TS.MREVRANGE - + FILTER kind=all GROUPBY of REDUCE sum",
    ] {
        assert!(some.ask(line).starts_with("-NOPERM"), "{line}");
    }
    assert!(c.ask("MODULE LIST").contains("timeseries"));
}
