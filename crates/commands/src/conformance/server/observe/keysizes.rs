//! The histograms of INFO keysizes, after each kind of change.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::inside;

fn short(size: u64) -> String {
    let (many, unit) = inside::short(size);
    format!("{many}{unit}")
}

/// Every command updates the histogram: it drifts if one forgets to.
#[test]
fn keysizes_follow_every_kind_of_change() {
    let mut t = Testbed::new();
    let mut after = |commands: &[&str], want: &str| {
        for command in commands {
            t.run(command);
        }
        let text = t.run("INFO keysizes");
        let lines: Vec<_> = text.lines().filter(|l| l.contains('=')).collect();
        assert_eq!(
            lines.join(" ").replace("distrib_", ""),
            want,
            "{commands:?}"
        );
    };
    after(&["SET a 9", "SET e xy"], "db0_strings_sizes:1=1,2=1");
    after(&["INCR a", "SETRANGE e 99 x"], "db0_strings_sizes:2=1,64=1");
    after(
        &["INCRBY a 99999999", "APPEND e '*'"],
        "db0_strings_sizes:8=1,64=1",
    );
    after(&["DECRBY a 100000008", "GETDEL e"], "db0_strings_sizes:1=1");
    after(&["FLUSHALL", "RPUSH l 1 2 3 4"], "db0_lists_items:4=1");
    after(&["LMOVE l m LEFT LEFT", "RPOP l 9"], "db0_lists_items:1=1");
    after(
        &["COPY m l DB 1", "SWAPDB 0 1"],
        "db0_lists_items:1=1 db1_lists_items:1=1",
    );
    after(&["MOVE l 1", "FLUSHDB ASYNC"], "db1_lists_items:1=2");
    after(&["FLUSHALL ASYNC", "SADD s 1 2 3"], "db0_sets_items:2=1");
    after(&["SORT s STORE l", "SPOP s 3"], "db0_lists_items:2=1");
    after(
        &["RENAME l n", "ZADD z 1 a", "ZUNIONSTORE n 1 z"],
        "db0_zsets_items:1=2",
    );
    after(&["SET z x", "HSET n f v", "DEL n"], "db0_strings_sizes:1=1");
    after(
        &["HSET h a 1 b 2", "HEXPIRE h 0 FIELDS 1 a", "DEL z"],
        "db0_hashes_items:1=1",
    );
    after(&["HEXPIRE h 0 FIELDS 1 b"], "");
}

/// The bytes are those of MEMORY USAGE, which adds the table's own ten.
#[test]
fn keys_are_counted_by_their_bytes_on_request() {
    let mut t = Testbed::new();
    t.run("RPUSH early x");
    assert!(!t.run("INFO keysizes").contains("lists_sizes"));
    t.engine.server.config.key_memory_histograms = true;
    t.apply_config();
    t.run("DEL early");
    let sizes = |t: &mut Testbed| {
        let text = t.run("INFO keysizes").replace("distrib_", "");
        let is_one = |l: &&str| l.contains("s_sizes:") && !l.contains("strings");
        text.lines().filter(is_one).collect::<Vec<_>>().join(" ")
    };
    let bin = |t: &mut Testbed, key: &str| {
        let usage = t.run(&format!("MEMORY USAGE {key}"));
        let usage: u64 = usage
            .trim_matches([':', '\r', '\n'])
            .parse()
            .expect("a number");
        short(1 << (usage - 10).ilog2())
    };
    t.run("SET s x");
    t.run("XADD x * a b");
    t.run("ARSET a 1 x");
    t.run("RPUSH l 1");
    let small = bin(&mut t, "l");
    assert_eq!(sizes(&mut t), format!("db0_lists_sizes:{small}=1"));
    let long = "k".repeat(3000);
    t.run(&format!("RPUSH {long} 1"));
    let large = bin(&mut t, &long);
    assert_eq!(
        sizes(&mut t),
        format!("db0_lists_sizes:{small}=1,{large}=1")
    );
    t.run("PEXPIRE l 100000");
    t.run("RPUSH l 11111111111111111111111111111111");
    let lists = format!("lists_sizes:{}=1,{large}=1", bin(&mut t, "l"));
    assert_eq!(sizes(&mut t), format!("db0_{lists}"));
    t.run("SWAPDB 0 3");
    for n in 0..300 {
        t.run(&format!("HSET h f{n} v"));
    }
    let hash = bin(&mut t, "h");
    assert_eq!(
        sizes(&mut t),
        format!("db0_hashes_sizes:{hash}=1 db3_{lists}")
    );
    t.run("SET h x");
    t.run("FLUSHDB");
    t.run("ZADD h 1 a");
    t.run("SADD m 1");
    t.run("COPY h g DB 3");
    t.run("RENAME m n");
    let (zset, set) = (bin(&mut t, "h"), bin(&mut t, "n"));
    let here = format!("db0_sets_sizes:{set}=1 db0_zsets_sizes:{zset}=1");
    let there = lists.replace("lists", "db3_lists");
    assert_eq!(
        sizes(&mut t),
        format!("{here} {there} db3_zsets_sizes:{zset}=1")
    );
    t.engine.keyspace.check_invariants();
    t.run("FLUSHALL ASYNC");
    assert_eq!(sizes(&mut t), "");
    t.engine.keyspace.check_invariants();
}
