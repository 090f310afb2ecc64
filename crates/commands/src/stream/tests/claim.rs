//! Claiming by idle time, entries without an owner, the limits of a read. The expected replies are
//! the replies of Redis 8.10.

use crate::testbed::{AllCommands as _, Testbed};

/// Entries `1-0` to `4-0`, and a group at their beginning.
fn with_group() -> Testbed {
    let mut t = Testbed::new();
    for n in 1..=4 {
        t.run(&format!("XADD s {n}-0 f {n}"));
    }
    t.run("XGROUP CREATE s g 0");
    t.take_effects();
    t
}

/// The words of a reply, without types and lengths.
fn words(reply: &str) -> String {
    let lines = reply.split("\r\n").filter(|line| !line.is_empty());
    let words = lines.filter(|line| !line.starts_with(['*', '$', '%']));
    words.collect::<Vec<_>>().join(" ")
}

fn run(t: &mut Testbed, line: &str) -> String {
    words(&t.run(line))
}

#[test]
fn the_longest_idle_entries_are_claimed_before_new_ones() {
    let mut t = with_group();
    t.run("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    t.advance_ms(40);
    t.run("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    t.advance_ms(60);
    t.take_effects();
    assert_eq!(
        run(&mut t, "XREADGROUP GROUP g b COUNT 2 CLAIM 60 STREAMS s >"),
        "s 1-0 f 1 :100 :1 2-0 f 2 :60 :1"
    );
    assert_eq!(
        t.take_effects(),
        [
            "XCLAIM s g b 0 1-0 TIME 1000000100 RETRYCOUNT 2 FORCE JUSTID LASTID 2-0",
            "XCLAIM s g b 0 2-0 TIME 1000000100 RETRYCOUNT 2 FORCE JUSTID LASTID 2-0",
        ]
    );
    assert_eq!(
        run(&mut t, "XREADGROUP GROUP g b COUNT 1 CLAIM 60 STREAMS s >"),
        "s 3-0 f 3 :0 :0"
    );
    // Entries that are gone are passed over, and stay pending; NOACK does not matter to others.
    t.run("XDEL s 1-0");
    t.advance_ms(60);
    t.take_effects();
    assert_eq!(
        run(&mut t, "XREADGROUP GROUP g c NOACK CLAIM 0 STREAMS s >"),
        "s 2-0 f 2 :60 :2 3-0 f 3 :60 :1 4-0 f 4 :0 :0"
    );
    assert_eq!(
        t.take_effects(),
        [
            "XCLAIM s g c 0 2-0 TIME 1000000160 RETRYCOUNT 3 FORCE JUSTID LASTID 3-0",
            "XCLAIM s g c 0 3-0 TIME 1000000160 RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
            "XGROUP SETID s g 4-0 ENTRIESREAD 4",
            "XGROUP CREATECONSUMER s g c",
        ]
    );
    assert_eq!(
        run(&mut t, "XPENDING s g - + 9"),
        "1-0 b :60 :2 2-0 c :0 :3 3-0 c :0 :2"
    );
    t.engine.keyspace.check_invariants();
}

#[test]
fn a_waiting_reader_runs_when_an_entry_can_be_claimed() {
    let mut t = with_group();
    let (first, second, other) = (t.connect(), t.connect(), t.connect());
    t.run("XGROUP SETID s g 3-0");
    let line = "XREADGROUP GROUP g NAME BLOCK 0 CLAIM 100 STREAMS s >";
    assert_eq!(
        words(&t.run_as(other, "XREADGROUP GROUP g o STREAMS s >")),
        "s 4-0 f 4"
    );
    for (client, name) in [(first, "one"), (second, "two")] {
        assert_eq!(t.run_as(client, &line.replace("NAME", name)), "");
    }
    let at = |t: &mut Testbed, ms: i64| {
        t.advance_ms(ms);
        t.wake_claimants();
        [first, second].map(|client| words(&String::from_utf8_lossy(&t.take_reply(client))))
    };
    let none = [String::new(), String::new()];
    assert_eq!(at(&mut t, 99), none);
    assert_eq!(t.claim_timers(), 2);
    // The first in line gets the entry; the second client waits from then on.
    assert_eq!(
        at(&mut t, 1),
        ["s 4-0 f 4 :100 :1".to_owned(), String::new()]
    );
    assert_eq!(at(&mut t, 99), none);
    assert_eq!(
        at(&mut t, 1),
        [String::new(), "s 4-0 f 4 :100 :2".to_owned()]
    );
    t.run("XACK s g 4-0");
    // Without a pending entry there is no timer; a pending entry sets the timer.
    for (client, name) in [(first, "one"), (second, "two")] {
        t.run_as(client, &line.replace("NAME", name));
    }
    assert_eq!(t.claim_timers(), 0);
    t.run_as(other, "XCLAIM s g o 0 1-0 FORCE JUSTID");
    assert_eq!(t.claim_timers(), 2);
    t.run("XACK s g 1-0");
    assert_eq!(at(&mut t, 100), none);
    assert_eq!(t.claim_timers(), 0);
    // A consumer can claim an entry at once that was given back, or whose delivery time was set
    // back.
    t.run("XNACK s g FAIL IDS 1 2-0 FORCE");
    t.run("XCLAIM s g o 0 1-0 IDLE 500 FORCE JUSTID");
    let [one, two] = at(&mut t, 0);
    assert!(
        one.starts_with("s 2-0 f 2 :") && one.ends_with(" :0"),
        "{one}"
    );
    assert_eq!(two, "s 1-0 f 1 :500 :1");
    t.engine.keyspace.check_invariants();
    assert_eq!(t.claim_timers(), 0);
}

#[test]
fn entries_given_back_have_no_owner_until_they_are_claimed() {
    let mut t = with_group();
    t.run("XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    t.take_effects();
    assert_eq!(t.run("XNACK s g FATAL IDS 3 3-0 9-9 1-0"), ":2\r\n");
    assert_eq!(t.run("XNACK s g SILENT IDS 1 2-0"), ":1\r\n");
    // Again: it goes to the end of the zone.
    assert_eq!(t.run("XNACK s g FAIL RETRYCOUNT 5 IDS 1 3-0"), ":1\r\n");
    assert_eq!(t.run("XNACK s g FAIL IDS 1 4-0"), ":0\r\n");
    assert_eq!(t.run("XNACK s g FAIL IDS 1 4-0 FORCE"), ":1\r\n");
    assert_eq!(
        t.take_effects(),
        [
            "XNACK s g FATAL IDS 3 3-0 9-9 1-0",
            "XNACK s g SILENT IDS 1 2-0",
            "XNACK s g FAIL RETRYCOUNT 5 IDS 1 3-0",
            "XNACK s g FAIL IDS 1 4-0 FORCE",
        ]
    );
    assert_eq!(run(&mut t, "XPENDING s g"), ":4 1-0 4-0");
    assert_eq!(
        run(&mut t, "XPENDING s g IDLE 99999 - + 9"),
        "1-0  :-1 :9223372036854775807 2-0  :-1 :0 3-0  :-1 :5 4-0  :-1 :0".replace("  ", " ")
    );
    assert_eq!(run(&mut t, "XREADGROUP GROUP g a STREAMS s 0"), "s");
    assert_eq!(t.run("XGROUP DELCONSUMER s g a"), ":0\r\n");
    t.run("XDEL s 2-0");
    t.take_effects();
    assert_eq!(
        run(&mut t, "XAUTOCLAIM s g b 99999999 2-0 COUNT 2 JUSTID"),
        "4-0 3-0 2-0"
    );
    assert_eq!(
        t.take_effects(),
        [
            "XACK s g 2-0",
            "XCLAIM s g b 0 3-0 TIME 1000000000 RETRYCOUNT 5 FORCE JUSTID LASTID 3-0",
        ]
    );
    assert_eq!(
        run(
            &mut t,
            "XREADGROUP GROUP g b COUNT 1 CLAIM 99999999 STREAMS s >"
        ),
        "s 1-0 f 1 :1000000000 :9223372036854775807"
    );
    assert_eq!(t.run("XACK s g 1-0 4-0"), ":2\r\n");
    assert_eq!(run(&mut t, "XPENDING s g"), ":1 3-0 3-0 b 1");
    t.engine.keyspace.check_invariants();
}

#[test]
fn refusals_of_the_new_commands_are_those_of_redis() {
    let mut t = with_group();
    t.run("SET str x");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let bad_id = "-ERR Invalid stream ID specified as stream command argument";
    for (line, reply) in [
        (
            "XNACK s g BAD IDS 1 1-0",
            "-ERR mode must be SILENT, FAIL, or FATAL",
        ),
        (
            "XNACK s no BAD IDS 1 1-0",
            "-NOGROUP No such key 's' or consumer group 'no'",
        ),
        ("XNACK str g BAD IDS 1 1-0", wrong),
        (
            "XNACK s g FAIL IDS 0 1-0",
            "-ERR numids must be a positive integer",
        ),
        (
            "XNACK s g FAIL IDS 2 1-0",
            "-ERR number of IDs doesn't match numids",
        ),
        (
            "XNACK s g FAIL IDS 1 1-0 2-0",
            "-ERR Unrecognized XNACK option '2-0'",
        ),
        ("XNACK s g FAIL IDS 1 x", bad_id),
        (
            "XNACK s g FAIL FORCE FORCE FORCE",
            "-ERR syntax error, expected IDS keyword",
        ),
        (
            "XNACK s g FAIL IDS 1 1-0 RETRYCOUNT -1",
            "-ERR Invalid RETRYCOUNT value, must be >= 0",
        ),
        (
            "XDELEX s IDS 0 1-0",
            "-ERR Number of IDs must be a positive integer",
        ),
        (
            "XDELEX s IDS 2 1-0",
            "-ERR The `numids` parameter must match the number of arguments",
        ),
        ("XDELEX s ACKED DELREF IDS 1 1-0", "-ERR syntax error"),
        ("XDELEX s IDS 2 1-0 x", bad_id),
        ("XDELEX str IDS 0 x", wrong),
        ("XDELEX none IDS 1 x", "*1\r\n:-1"),
        ("XACKDEL s no IDS 1 x", "*1\r\n:-1"),
        (
            "XREAD CLAIM x STREAMS s 0",
            "-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "XREADGROUP GROUP g c CLAIM -1 STREAMS s >",
            "-ERR min-idle-time must be a positive integer",
        ),
        (
            "XREAD MAXCOUNT 0 STREAMS s 0",
            "-ERR MAXCOUNT must be a positive integer",
        ),
        (
            "XREAD MAXSIZE x STREAMS s 0",
            "-ERR value is not an integer or out of range",
        ),
        (
            "XREAD MAXCOUNT 2 COUNT 3 STREAMS s 0",
            "-ERR MAXCOUNT must be greater than or equal to COUNT",
        ),
        ("XTRIM s MAXLEN 0 DELREF ACKED", "-ERR syntax error"),
        ("XADD s ACKED KEEPREF * a b", bad_id),
        (
            "XADD s IDMP p x 9-1 a b",
            "-ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        ),
        (
            "XADD s IDMP p x IDMPAUTO p * a b",
            "-ERR syntax error, IDMP/IDMPAUTO specified multiple times",
        ),
        ("XCFGSET s", "-ERR At least one parameter must be specified"),
        (
            "XCFGSET s IDMP-DURATION 86401",
            "-ERR IDMP-DURATION must be between 1 and 86400 seconds",
        ),
        (
            "XCFGSET s IDMP-MAXSIZE 5 IDMP-MAXSIZE 5",
            "-ERR IDMP-MAXSIZE specified multiple times",
        ),
        ("XCFGSET none FOO", "-ERR no such key"),
        ("XIDMPRECORD s p a 9-9", "-ERR No such message in stream"),
        ("XIDMPRECORD str p a x", bad_id),
    ] {
        assert_eq!(t.run(line), format!("{reply}\r\n"), "{line}");
    }
    assert_eq!(t.take_effects(), ["SET str x"]);
}

#[test]
fn references_decide_what_is_deleted() {
    let mut t = with_group();
    t.run("XGROUP CREATE s h 2-0");
    t.run("XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    t.take_effects();
    // In h: unread from 3-0 on. In g: pending up to 3-0.
    assert_eq!(run(&mut t, "XDELEX s ACKED IDS 3 1-0 4-0 9-0"), ":2 :2 :2");
    assert_eq!(
        run(&mut t, "XACKDEL s g ACKED IDS 3 1-0 3-0 4-0"),
        ":1 :2 :-1"
    );
    assert_eq!(run(&mut t, "XDELEX s DELREF IDS 2 2-0 1-0"), ":1 :-1");
    assert_eq!(run(&mut t, "XPENDING s g"), ":0");
    assert_eq!(
        t.take_effects(),
        [
            "XACKDEL s g ACKED IDS 3 1-0 3-0 4-0",
            "XDELEX s DELREF IDS 2 2-0 1-0",
        ]
    );
    t.run("XREADGROUP GROUP h a COUNT 1 STREAMS s >");
    t.run("XADD s 5-0 f 5");
    t.take_effects();
    assert_eq!(t.run("XTRIM s ACKED MAXLEN ~ 0 LIMIT 0"), ":0\r\n");
    t.run("XREADGROUP GROUP h a STREAMS s >");
    t.run("XREADGROUP GROUP g a STREAMS s >");
    t.run("XACK s h 4-0");
    t.run("XACK s g 4-0");
    t.take_effects();
    assert_eq!(t.run("XTRIM s ACKED MAXLEN ~ 0 LIMIT 0"), ":1\r\n");
    assert_eq!(t.take_effects(), ["XTRIM s ACKED MAXLEN = 2 LIMIT 0"]);
    assert_eq!(t.run("XTRIM s MAXLEN 0 DELREF"), ":2\r\n");
    assert_eq!(run(&mut t, "XPENDING s h"), ":0");
    t.engine.keyspace.check_invariants();
}

#[test]
fn limits_hold_for_all_streams_of_a_read() {
    let mut t = Testbed::new();
    for key in ["a", "b", "d"] {
        t.run(&format!("XADD {key} 1-1 f 1"));
        t.run(&format!("XADD {key} 2-1 f 1"));
        t.run(&format!("XGROUP CREATE {key} g 0"));
    }
    let both = "1-1 f 1 2-1 f 1";
    let read =
        |t: &mut Testbed, options: &str| run(t, &format!("XREAD {options} STREAMS a b d 0 0 0"));
    assert_eq!(read(&mut t, "MAXCOUNT 3"), format!("a {both} b 1-1 f 1"));
    assert_eq!(read(&mut t, "COUNT 1 MAXCOUNT 2"), "a 1-1 f 1 b 1-1 f 1");
    // The first entry's part has 42 bytes, both have 77, with the next name 88.
    for (most, expected) in [
        (1, "a 1-1 f 1".to_owned()),
        (42, "a 1-1 f 1".to_owned()),
        (43, format!("a {both}")),
        (88, format!("a {both}")),
        (89, format!("a {both} b 1-1 f 1")),
    ] {
        assert_eq!(read(&mut t, &format!("MAXSIZE {most}")), expected, "{most}");
    }
    t.take_effects();
    assert_eq!(
        run(
            &mut t,
            "XREADGROUP MAXCOUNT 3 GROUP g c STREAMS a b d > > >"
        ),
        format!("a {both} b 1-1 f 1")
    );
    let made = t
        .take_effects()
        .iter()
        .filter(|line| line.starts_with("XCLAIM"))
        .count();
    assert_eq!(made, 3, "entries not sent are not pending");
    assert_eq!(
        run(
            &mut t,
            "XREADGROUP GROUP g c MAXCOUNT 1 STREAMS b d a 0 0 0"
        ),
        "b 1-1 f 1"
    );
}
