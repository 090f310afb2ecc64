//! Suggestion dictionaries of a daemon, beside Redis Stack: replies, files, payloads, the log,
//! replication.

use crate::stack::{follow, moved, stack, survives_in_the_log};
use crate::support::{Connection, Daemon, wait_until};

/// Lines whose replies the test compares. No answer has equal scores, because Redis orders them
/// like its heap. TRIM is absent, because Redis Stack 7.4 crashes after it.
const LINES: [&str; 45] = [
    "FT.SUGADD s hello 1",
    "FT.SUGADD s hello-world 2",
    "FT.SUGADD s help 3 PAYLOAD pp",
    "FT.SUGADD s Helium 4",
    "FT.SUGADD s hero 1",
    "FT.SUGADD s hero 5 INCR",
    "FT.SUGADD s hero 5 incr payload x",
    "FT.SUGADD s neg -3",
    "FT.SUGADD s nan nan",
    "FT.SUGADD s x y",
    "FT.SUGADD s x",
    "FT.SUGADD s x 1 FOO",
    "FT.SUGADD s x 1 PAYLOAD",
    "FT.SUGADD s third 0.3333333333333",
    "FT.SUGADD s large 1e300",
    "FT.SUGADD s larger 0x10 INCR",
    "FT.SUGLEN s",
    "FT.SUGLEN none",
    "FT.SUGGET s he",
    "FT.SUGGET s he WITHSCORES",
    "FT.SUGGET s he WITHPAYLOADS",
    "FT.SUGGET s he WITHSCORES WITHPAYLOADS MAX 2",
    "FT.SUGGET s he OPTIMIZE",
    "FT.SUGGET s hel FUZZY WITHSCORES",
    "FT.SUGGET s hello FUZZY WITHSCORES",
    "FT.SUGGET s xhello FUZZY WITHSCORES",
    "FT.SUGGET s HELLO WITHSCORES",
    "FT.SUGGET s Helium WITHSCORES",
    "FT.SUGGET s l WITHSCORES",
    "FT.SUGGET s n WITHSCORES",
    "FT.SUGGET s t WITHSCORES",
    "FT.SUGGET s z",
    "FT.SUGGET s he MAX 0",
    "FT.SUGGET s he MAX x",
    "FT.SUGGET s he MAX",
    "FT.SUGGET none he FOO",
    "FT.SUGGET s",
    "SET text 1",
    "FT.SUGADD text a b",
    "FT.SUGGET text a",
    "FT.SUGLEN text",
    "FT.SUGDEL s hero",
    "FT.SUGDEL s hero",
    "FT.SUGDEL none hero",
    "TYPE s",
];

/// Keys without emptied dictionaries and scores of 0: there Redis Stack 7.4 keeps the key and loses
/// the text, and Redis 8 does the opposite.
const SEEN: [&str; 4] = [
    "FT.SUGGET s he WITHSCORES WITHPAYLOADS MAX 20",
    "FT.SUGGET s hel FUZZY WITHSCORES WITHPAYLOADS MAX 20",
    "FT.SUGLEN s",
    "PEXPIRETIME s",
];

fn fill(c: &mut Connection) {
    for line in LINES {
        c.ask(line);
    }
    assert_eq!(c.ask("PEXPIREAT s 33177117420000"), ":1\r\n");
}

fn change(c: &mut Connection) {
    for line in [
        "FT.SUGADD s hero 2 INCR",
        "FT.SUGADD s hello 2.5 INCR PAYLOAD new",
        "FT.SUGDEL s help",
        "FT.SUGADD s hedge 7",
    ] {
        assert!(c.ask(line).starts_with(':'), "{line}");
    }
}

fn seen(c: &mut Connection) -> Vec<String> {
    SEEN.iter().map(|line| c.ask(line)).collect()
}

#[test]
fn empty_dictionaries_are_no_keys_as_in_redis_8() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    assert_eq!(c.call(&["FT.SUGADD", "s", "", "1"]), b":0\r\n");
    assert_eq!(c.ask("EXISTS s"), ":0\r\n");
    for (line, reply) in [
        ("FT.SUGGET none he", "*0\r\n"),
        ("FT.SUGADD s zero 0", ":1\r\n"),
        (
            "FT.SUGGET s ze WITHSCORES",
            "*2\r\n$4\r\nzero\r\n$1\r\n0\r\n",
        ),
        ("FT.SUGADD s zero 0 INCR", ":1\r\n"),
        ("FT.SUGDEL s zero", ":1\r\n"),
        ("EXISTS s", ":0\r\n"),
        ("FT.SUGADD s \u{1e9e}tar 1", ":1\r\n"),
        ("FT.SUGGET s \u{df}t", "*1\r\n$6\r\n\\xe1\\xba\\x9etar\r\n"),
        ("FT.SUGGET s st", "*1\r\n$6\r\n\\xe1\\xba\\x9etar\r\n"),
    ] {
        assert_eq!(c.ask(line), reply, "{line}");
    }
}

#[test]
fn replies_are_those_of_redis_stack() {
    let Some(stacked) = stack(None) else { return };
    let server = Daemon::start(&[]);
    for protocol in ["2", "3"] {
        let (mut ours, mut theirs) = (server.connect(), stacked.connect());
        for c in [&mut ours, &mut theirs] {
            c.ask(&format!("HELLO {protocol}"));
            c.ask("FLUSHALL");
        }
        for line in LINES {
            // Redis 8.8 and later begin an error with its type.
            let reply = ours.ask(line).replace("-SEARCH_PARSE_ARGS ", "-");
            assert_eq!(reply, theirs.ask(line), "{line}");
        }
    }
}

#[test]
fn files_and_payloads_go_both_ways() {
    let Some(stacked) = stack(None) else { return };
    let server = Daemon::start(&[]);
    let (mut ours, mut theirs) = (server.connect(), stacked.connect());
    fill(&mut ours);
    let expected = seen(&mut ours);
    fill(&mut theirs);
    assert_eq!(seen(&mut theirs), expected);
    for (from, to_stack) in [(&server, true), (&stacked, false)] {
        let (_to, mut other) = moved(from, to_stack);
        assert_eq!(seen(&mut other), expected);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        let mut both = [server.connect(), stacked.connect()];
        let dump = both[from].call(&["DUMP", "s"]);
        let start = dump
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a length")
            + 2;
        let payload = dump[start..dump.len() - 2].to_vec();
        both[to].ask("DEL s");
        let args: [&[u8]; 5] = [b"RESTORE", b"s", b"33177117420000", &payload, b"ABSTTL"];
        assert_eq!(both[to].call(&args), b"+OK\r\n");
        assert_eq!(seen(&mut both[to]), expected);
    }
}

/// Redis Stack 7.4 keeps an empty dictionary; russet loads it and can add texts to it.
#[test]
fn an_emptied_dictionary_of_redis_stack_is_loaded() {
    let Some(stacked) = stack(None) else { return };
    let mut theirs = stacked.connect();
    theirs.ask("FLUSHALL");
    fill(&mut theirs);
    for line in ["FT.SUGADD emptied a 1", "FT.SUGDEL emptied a"] {
        assert_eq!(theirs.ask(line), ":1\r\n", "{line}");
    }
    assert_eq!(theirs.ask("EXISTS emptied"), ":1\r\n");
    let expected = seen(&mut theirs);
    let (_server, mut ours) = moved(&stacked, false);
    assert_eq!(ours.ask("FT.SUGLEN emptied"), ":0\r\n");
    assert_eq!(seen(&mut ours), expected);
    assert_eq!(ours.ask("FT.SUGADD emptied a 1"), ":1\r\n");
    assert_eq!(ours.ask("FT.SUGGET emptied a"), "*1\r\n$1\r\na\r\n");
}

#[test]
fn replication_goes_both_ways() {
    let Some(stacked) = stack(None) else { return };
    let server = Daemon::start(&[]);
    for (primary, replica) in [(&server, &stacked), (&stacked, &server)] {
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        fill(&mut c);
        let mut other = follow(replica, primary);
        assert_eq!(seen(&mut other), seen(&mut c));
        change(&mut c);
        let expected = seen(&mut c);
        wait_until("the replica to follow", || seen(&mut other) == expected);
        other.ask("REPLICAOF NO ONE");
    }
}

#[test]
fn dictionaries_outlive_a_crash_in_the_log() {
    survives_in_the_log(fill, change, seen);
}

/// A copy is independent, and every way of deleting a key frees the whole dictionary.
#[test]
fn dictionaries_are_keys_like_others() {
    let server = Daemon::start(&["--enable-debug-command", "yes"]);
    let mut c = server.connect();
    fill(&mut c);
    let digest = |c: &mut Connection, key: &str| c.ask(&format!("DEBUG DIGEST-VALUE {key}"));
    let before = digest(&mut c, "s");
    assert_eq!(c.ask("COPY s copied"), ":1\r\n");
    assert_eq!(digest(&mut c, "copied"), before);
    c.ask("FT.SUGADD copied more 1");
    assert_ne!(digest(&mut c, "copied"), before);
    assert_eq!(digest(&mut c, "s"), before);
    assert_eq!(c.ask("RENAME copied moved"), "+OK\r\n");
    assert_eq!(c.ask("OBJECT ENCODING moved"), "$3\r\nraw\r\n");
    for at in 0..5000 {
        c.ask(&format!(
            "FT.SUGADD moved text{at} {} PAYLOAD p{at}",
            at + 1
        ));
    }
    let usage = c.ask("MEMORY USAGE moved");
    let bytes: usize = usage[1..].trim_end().parse().expect("a number");
    assert!((5000 * 40..5000 * 120).contains(&bytes), "{bytes}");
    assert_eq!(c.ask("UNLINK moved"), ":1\r\n");
    assert_eq!(c.ask("PEXPIRE s 1"), ":1\r\n");
    wait_until("the key to expire", || c.ask("EXISTS s") == ":0\r\n");
    assert_eq!(c.ask("FT.SUGGET s he"), "*0\r\n");
}
