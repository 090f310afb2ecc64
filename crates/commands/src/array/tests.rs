//! Conversations whose replies are Redis 8.10's.
//!
//! A line is a command with the whole reply, so that the test compares errors, nulls and the order
//! of checks byte for byte. Beyond that: effects and events, DUMP payloads, and the bound on the
//! time of ARGREP in a transaction and in a script.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;

/// Runs commands; each line has a command and the reply, with spaces for line ends.
fn converse(t: &mut Testbed, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        let reply = t.run(line).replace("\r\n", " ");
        assert_eq!(reply.trim_end(), *expected, "{line}");
    }
}

#[test]
fn values_are_set_and_read_by_index() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("ARSET a 0 x 7 007", ":3"),
            ("ARSET a 2 y z", ":1"),
            ("ARMSET a 9 i 0 j 9 k", ":1"),
            ("ARGET a 0", "$1 j"),
            ("ARGET a 1", "$1 7"),
            ("ARGET a 4", "$-1"),
            ("ARMGET a 9 2 100", "*3 $1 k $1 y $-1"),
            ("ARGETRANGE a 3 5", "*3 $1 z $-1 $-1"),
            ("ARGETRANGE a 10 8", "*3 $-1 $1 k $-1"),
            (
                "ARSCAN a 100 1",
                "*4 *2 :9 $1 k *2 :3 $1 z *2 :2 $1 y *2 :1 $1 7",
            ),
            ("ARSCAN a 0 100 LIMIT 1", "*1 *2 :0 $1 j"),
            ("ARLEN a", ":10"),
            ("ARCOUNT a", ":5"),
            ("TYPE a", "+array"),
            ("OBJECT ENCODING a", "$12 sliced-array"),
            ("ARDEL a 9 9 4", ":1"),
            ("ARLEN a", ":4"),
            ("ARDELRANGE a 1 0 3 3", ":3"),
            ("ARDEL a 2", ":1"),
            ("EXISTS a", ":0"),
        ],
    );
    assert_eq!(
        t.take_effects(),
        [
            "ARSET a 0 x 7 007",
            "ARSET a 2 y z",
            "ARMSET a 9 i 0 j 9 k",
            "ARDEL a 9 9 4",
            "ARDELRANGE a 1 0 3 3",
            "ARDEL a 2",
        ]
    );
}

#[test]
fn bad_arguments_are_refused_in_redis_s_order() {
    let mut t = Testbed::new();
    t.run("SET s x");
    let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    converse(
        &mut t,
        &[
            ("ARSET s x a", "-ERR invalid array index"),
            (
                "ARSET s 18446744073709551614 a b",
                "-ERR array index overflow",
            ),
            ("ARSET s 1 a", wrong_type),
            (
                "ARMSET a 0 x 1",
                "-ERR wrong number of arguments for 'armset' command",
            ),
            ("ARMSET a 0 x y z", "-ERR invalid array index"),
            ("ARMGET s x", wrong_type),
            ("ARGET a 18446744073709551615", "-ERR invalid array index"),
            ("ARGETRANGE s 0 2000000", wrong_type),
            (
                "ARGETRANGE a 0 1000000",
                "-ERR range exceeds maximum of 1000000 items",
            ),
            (
                "ARSCAN a 0 1 LIMIT",
                "-ERR wrong number of arguments for 'arscan' command",
            ),
            ("ARSCAN s 0 1 LIMIT 0", "-ERR LIMIT must be positive"),
            ("ARSCAN a 0 1 FOO 1", "-ERR syntax error"),
            ("AROP s 0 1 FOO", "-ERR unknown operation"),
            ("AROP s 0 1 MATCH", "-ERR MATCH requires a value argument"),
            (
                "AROP s 0 1 SUM 1",
                "-ERR wrong number of arguments for 'arop' command",
            ),
            ("ARRING s 0 a", "-ERR size must be positive"),
            ("ARRING s x a", "-ERR invalid size"),
            ("ARLASTITEMS s x", "-ERR invalid COUNT"),
            ("ARLASTITEMS a 1 FOO", "-ERR syntax error"),
            ("ARINFO a", "-ERR no such key"),
            ("ARINFO s FOO", "-ERR syntax error"),
            ("ARSEEK a 5", ":0"),
            ("ARGREP s 0 1 LIMIT 2", "-ERR syntax error"),
            (
                "ARGREP s 0 1 RE (a",
                "-ERR invalid regular expression: Missing ')'",
            ),
            ("EXISTS a", ":0"),
        ],
    );
}

#[test]
fn the_cursor_is_where_values_are_inserted() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("ARNEXT a", ":0"),
            ("ARINSERT a x y", ":1"),
            ("ARSET a 9 z", ":1"),
            ("ARNEXT a", ":2"),
            ("ARSEEK a 18446744073709551614", ":1"),
            ("ARINSERT a p q", "-ERR insert index overflow"),
            ("ARINSERT a last", "$20 18446744073709551614"),
            ("ARNEXT a", "$-1"),
            ("ARLEN a", "$20 18446744073709551615"),
            ("ARSEEK a 0", ":1"),
            ("ARINSERT a again", ":0"),
            ("HELLO 3", ""),
        ][..11],
    );
    t.run("HELLO 3");
    assert_eq!(t.run("ARLEN a"), "(18446744073709551615\r\n");
}

#[test]
fn a_ring_has_the_newest_values() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("ARRING r 3 1 2 3 4 5", ":1"),
            ("ARGETRANGE r 0 2", "*3 $1 4 $1 5 $1 3"),
            ("ARLASTITEMS r 10", "*3 $1 3 $1 4 $1 5"),
            ("ARLASTITEMS r 2 REV", "*2 $1 5 $1 4"),
            ("ARRING r 5 6", ":3"),
            ("ARGETRANGE r 0 4", "*5 $1 3 $1 4 $1 5 $1 6 $-1"),
            ("ARRING r 2 7", ":0"),
            ("ARGETRANGE r 0 4", "*5 $1 7 $1 6 $-1 $-1 $-1"),
        ],
    );
}

#[test]
fn numbers_of_a_range_are_combined() {
    let mut t = Testbed::new();
    t.run("ARSET a 0 1 2 3.7 -2 abc");
    converse(
        &mut t,
        &[
            ("AROP a 0 100 SUM", "$3 4.7"),
            ("AROP a 0 100 MIN", "$2 -2"),
            ("AROP a 0 100 MAX", "$3 3.7"),
            ("AROP a 0 100 AND", ":0"),
            ("AROP a 0 100 OR", ":-1"),
            ("AROP a 0 100 XOR", ":-2"),
            ("AROP a 0 100 USED", ":5"),
            ("AROP a 0 100 MATCH abc", ":1"),
            ("AROP a 4 9 SUM", "$-1"),
            ("AROP none 4 9 SUM", "$-1"),
            ("AROP none 4 9 USED", ":0"),
            ("ARSET b 0 inf -inf", ":2"),
            ("AROP b 0 1 SUM", "$3 nan"),
        ],
    );
}

#[test]
fn predicates_select_values() {
    let mut t = Testbed::new();
    t.run("ARSET a 0 apple Banana 17 cherry 170");
    converse(
        &mut t,
        &[
            ("ARGREP a - + MATCH an", "*1 :1"),
            ("ARGREP a - + EXACT 17", "*1 :2"),
            ("ARGREP a + - GLOB 17*", "*2 :4 :2"),
            (
                "ARGREP a - + RE ^[a-c] WITHVALUES LIMIT 1",
                "*1 *2 :0 $5 apple",
            ),
            ("ARGREP a - + RE ^[a-c] NOCASE", "*3 :0 :1 :3"),
            ("ARGREP a 1 3 MATCH a MATCH r", "*2 :1 :3"),
            ("ARGREP a - + AND MATCH a MATCH p", "*1 :0"),
            ("ARGREP none - + MATCH a", "*0"),
        ],
    );
}

#[test]
fn events_bear_the_command_s_name() {
    let mut t = Testbed::new();
    t.run("CONFIG SET notify-keyspace-events KEA");
    assert_eq!(
        t.run("CONFIG GET notify-keyspace-events"),
        "*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n"
    );
    t.run("CONFIG SET notify-keyspace-events Ka");
    assert!(
        t.run("CONFIG GET notify-keyspace-events")
            .contains("\r\naK\r\n")
    );
}

#[test]
fn arrays_survive_a_reload_and_a_copy() {
    let mut t = Testbed::new();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    t.run("ARSET a 0 hello 7 12345678");
    t.run("ARSET a 5 3.5 -7 longer-than-seven");
    t.run("ARSET a 100000 x");
    t.run("ARSEEK a 1");
    t.run("COPY a b");
    let before = t.run("DEBUG DIGEST");
    let payload = t.run_args(&[b"DUMP", b"a"]);
    let start = payload
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header")
        + 1;
    assert_eq!(
        t.run_args(&[b"RESTORE", b"c", b"0", &payload[start..payload.len() - 2]]),
        b"+OK\r\n"
    );
    assert_eq!(t.run("ARNEXT c"), ":1\r\n");
    assert_eq!(t.run("DEBUG DIGEST-VALUE c"), t.run("DEBUG DIGEST-VALUE b"));
    t.run("DEL c");
    assert_eq!(t.run("DEBUG DIGEST"), before);
    // Redis's digests.
    t.run("DEL a b");
    t.run("ARSET a 0 x");
    t.run("ARSET b 1 x");
    assert!(
        t.run("DEBUG DIGEST-VALUE a")
            .contains("e6682e48719eadf59e05d216ec16cc3741808969")
    );
    assert!(
        t.run("DEBUG DIGEST-VALUE b")
            .contains("1c1ba05df70dad3a30486add2d0b1b9c152c8e62")
    );
}

/// Payloads that Redis refuses, with bodies that a checksum does not protect.
#[test]
fn damaged_payloads_are_refused() {
    use russet_persistence::rdb::seal;
    let mut t = Testbed::new();
    let mut restore = |body: &[u8]| {
        let mut payload = body.to_vec();
        seal(&mut payload, 14);
        t.run_args(&[b"RESTORE", b"k", b"0", &payload, b"REPLACE"])
    };
    let good = [28, 2, 0, 0, 3, 1, b'x', 5, 1, 7, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(restore(&good), b"+OK\r\n");
    for bad in [
        // No values; fewer than announced; an unknown tag.
        &[28, 0, 0][..],
        &[28, 3, 0, 0, 3, 1, b'x'],
        &[28, 1, 0, 0, 4, 1, b'x'],
        // A long text as a short text; an index beyond the last; a cursor without a next index.
        &[
            28, 1, 0, 0, 3, 8, b'x', b'x', b'x', b'x', b'x', b'x', b'x', b'x',
        ],
        &[
            28, 1, 0, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 3, 1, b'x',
        ],
        &[
            28, 1, 1, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 0, 3, 1, b'x',
        ],
        &[28, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 0],
    ] {
        assert_eq!(restore(bad), b"-ERR Bad data format\r\n", "{bad:?}");
    }
}

/// An array with one long text, and a search whose expression takes longer than any threshold.
fn long_search(t: &mut Testbed) -> Vec<Vec<u8>> {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut text: Vec<u8> = (0..20_000).map(|_| rng.random_range(b'a'..=b'b')).collect();
    text[100] = b'c';
    t.run_args(&[b"ARSET", b"a", b"0", b"before"]);
    t.run_args(&[b"ARSET", b"a", b"1", &text]);
    t.engine.server.config.busy_reply_threshold = 1;
    let line = "ARGREP a - + RE ((a|b)*a(a|b){60}){10}c MATCH before WITHVALUES";
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

#[test]
fn a_search_in_a_transaction_ends_when_it_takes_too_long() {
    let mut t = Testbed::new();
    let search = long_search(&mut t);
    let search: Vec<&[u8]> = search.iter().map(Vec::as_slice).collect();
    t.run("MULTI");
    t.run_args(&search);
    t.run("PING");
    let reply = t.run("EXEC");
    assert_eq!(
        reply,
        "*2\r\n-ERR It takes longer than busy-reply-threshold, and others cannot be served \
         meanwhile\r\n+PONG\r\n"
    );
    t.engine.server.config.busy_reply_threshold = 0;
    let whole = "*1\r\n*2\r\n:0\r\n$6\r\nbefore\r\n";
    assert_eq!(String::from_utf8_lossy(&t.run_args(&search)), whole);
}

#[test]
fn a_search_asks_whether_its_script_must_end() {
    let mut t = Testbed::new();
    let search = long_search(&mut t);
    let script: &[u8] = b"local r = redis.pcall(unpack(ARGV)); return r.err or 'whole'";
    let mut words: Vec<&[u8]> = vec![b"EVAL", script, b"0"];
    words.extend(search.iter().map(Vec::as_slice));
    t.engine
        .server
        .shutdown
        .signals
        .stop
        .store(1, std::sync::atomic::Ordering::Release);
    let reply = String::from_utf8_lossy(&t.run_args(&words)).into_owned();
    assert!(
        reply.contains("has been ended") || reply.contains("Script killed"),
        "{reply}"
    );
}

#[test]
fn letters_of_either_case_are_found_in_a_time_linear_in_the_text() {
    let mut t = Testbed::new();
    t.run_args(&[b"ARSET", b"a", b"0", "aB".repeat(200_000).as_bytes()]);
    let wanted = "Ab".repeat(50_000);
    let search = |t: &mut Testbed, wanted: &str| {
        t.run_args(&[
            b"ARGREP",
            b"a",
            b"-",
            b"+",
            b"MATCH",
            wanted.as_bytes(),
            b"NOCASE",
        ])
    };
    assert_eq!(search(&mut t, &(wanted.clone() + "c")), b"*0\r\n");
    assert_eq!(search(&mut t, &wanted), b"*1\r\n:0\r\n");
}
