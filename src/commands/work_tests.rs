//! Every command on data whose cost is not constant counts its work, or is in a list with the reason.

use super::{docs_for, table};
use crate::command::Flags;
use crate::server::{Spec, Testbed};

/// Commands that touch one element, or none, at a cost that grows with something else.
const ELSEWHERE: [&str; 22] = [
    // Bytes of strings, which are no elements.
    "bitcount",
    "bitop",
    "bitpos",
    "delex",
    "digest",
    "getrange",
    "lcs",
    "setrange",
    "substr",
    // One element, wherever it is.
    "arinfo",
    "blpop",
    "brpop",
    "lindex",
    "lset",
    "memory|usage",
    // As long as their own arguments.
    "himport|set",
    "restore",
    "restore-asking",
    // What is removed is freed beside the loop or in slices.
    "cluster|flushslot",
    "flushall",
    "flushdb",
    "xgroup|destroy",
];

/// Commands whose work shows only as they run: `reply=` bounds what they answer.
const UNKNOWN_BEFORE: [&str; 6] = [
    "georadius",
    "georadius_ro",
    "georadiusbymember",
    "georadiusbymember_ro",
    "geosearch",
    "geosearchstore",
];

/// Commands on what is no data of clients.
const NO_DATA: [&str; 5] = [
    "function|flush",
    "function|restore",
    "prefixstats",
    "swapdb",
    "trimslots",
];

/// Every row with its full name.
fn rows() -> Vec<(String, &'static Spec)> {
    let mut rows = Vec::new();
    for spec in table().into_iter().flatten() {
        rows.push((spec.name.to_owned(), spec));
        let subs = spec.subcommands.iter();
        rows.extend(subs.map(|sub| (format!("{}|{}", spec.name, sub.name), sub)));
    }
    rows
}

/// Whether the documented cost has a term that grows by more than a logarithm.
fn grows(full_name: &str) -> bool {
    let (name, sub) = match full_name.split_once('|') {
        Some((name, sub)) => (name, Some(sub)),
        None => (full_name, None),
    };
    let cost = docs_for(name, sub).map_or("", |doc| doc.complexity);
    let terms = cost.split("O(").skip(1);
    let is_small = |term: &str| {
        ["1)", "log(N))", "log N)"]
            .iter()
            .any(|t| term.starts_with(t))
    };
    terms.into_iter().any(|term| !is_small(term))
}

#[test]
fn every_command_that_may_touch_many_elements_counts_them() {
    let on_data = Flags::READONLY | Flags::WRITE;
    let excused = |name: &str| {
        let lists = [&ELSEWHERE[..], &UNKNOWN_BEFORE, &NO_DATA];
        lists.iter().any(|list| list.contains(&name))
    };
    let mut wrong = Vec::new();
    for (name, spec) in rows() {
        if !spec.flags.intersects(on_data) || !grows(&name) {
            assert!(!excused(&name), "{name} needs no excuse");
            continue;
        }
        if spec.work.is_some() == excused(&name) {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn work_is_what_the_arguments_and_the_lengths_say() {
    let mut t = Testbed::new();
    t.run("RPUSH l a b c d e f g h i j");
    t.run("SADD s a b c d e f");
    t.run("SADD s2 a b");
    t.run("HSET h a 1 b 2 c 3 d 4");
    t.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    t.run("ZADD same 0 a 0 b 0 c");
    for id in 1..=7 {
        t.run(&format!("XADD x {id}-0 f v"));
    }
    t.run("SET k v");
    for (line, work) in [
        ("KEYS *", 8),
        ("SCAN 0", 8),
        ("SCAN 0 COUNT 3", 3),
        ("HGETALL h", 4),
        ("HGETALL nosuch", 0),
        ("HGETALL l", 10),
        ("HKEYS h", 4),
        ("HSCAN h 0 COUNT 1000", 4),
        ("HSCAN h 0 COUNT 2", 2),
        ("HRANDFIELD h", 1),
        ("HRANDFIELD h 3", 3),
        ("HRANDFIELD h 30", 4),
        ("HRANDFIELD h -30", 30),
        ("HMGET h a b c", 3),
        ("HSET h a 1 b 2", 2),
        ("SMEMBERS s", 6),
        ("SUNION s s2 nosuch", 8),
        ("SUNIONSTORE l s s2", 8),
        ("SINTER s s2", 4),
        ("SINTERSTORE l s s2", 4),
        ("SINTERCARD 2 s s2", 4),
        ("SDIFF s s2", 8),
        ("SPOP s 4", 4),
        ("SRANDMEMBER s -7", 7),
        ("LRANGE l 0 -1", 10),
        ("LRANGE l 2 4", 3),
        ("LRANGE l -2 100", 2),
        ("LRANGE l 5 1", 0),
        ("LRANGE l 9223372036854775807 -9223372036854775808", 0),
        ("LRANGE l x y", 0),
        ("LTRIM l 0 6", 3),
        ("LREM l 0 a", 10),
        ("LPOS l a", 10),
        ("LPOS l a MAXLEN 4", 4),
        ("LPOP l 3", 3),
        ("LPOP l", 1),
        ("LMPOP 2 nosuch l LEFT COUNT 4", 4),
        ("ZRANGE z 0 -1", 5),
        ("ZRANGE z 1 2 REV", 2),
        ("ZRANGE z 2 4 BYSCORE", 3),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", 2),
        ("ZRANGEBYSCORE z (2 5", 3),
        ("ZREVRANGEBYSCORE z 4 2", 3),
        ("ZREVRANGE z 0 1", 2),
        ("ZRANGEBYLEX same - [b", 2),
        ("ZREVRANGEBYLEX same + -", 3),
        ("ZRANGESTORE l z 0 -1", 5),
        ("ZREMRANGEBYRANK z 0 2", 3),
        ("ZREMRANGEBYSCORE z 2 3", 2),
        ("ZREMRANGEBYLEX same - (b", 1),
        ("ZUNION 2 z same", 8),
        ("ZINTERSTORE l 2 z same", 6),
        ("ZDIFF 2 z same", 8),
        ("ZPOPMIN z 100", 5),
        ("SORT l BY nosort", 10),
        ("COPY l k", 10),
        ("DUMP z", 5),
        ("XRANGE x - +", 7),
        ("XRANGE x - + COUNT 2", 2),
        ("XREVRANGE x + - COUNT 3", 3),
        ("XREAD COUNT 5 STREAMS x 0", 5),
        ("XREAD STREAMS x $", 0),
        ("XTRIM x MAXLEN 4", 3),
        ("XTRIM x MAXLEN ~ 0 LIMIT 5", 5),
        ("MGET k k k", 3),
        ("DEL l s", 2),
        ("MSET a 1 b 2", 2),
        ("GET k", 0),
        ("ZSCORE z a", 0),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}
