//! Conversations whose replies are Valkey 9.2's.
//!
//! A line is a command with the whole reply, so that the test compares errors, nulls and the order
//! of checks byte for byte. Beyond that: events and dirty counts, ACL categories, the counted work,
//! payloads of each dialect, and damaged payloads.

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Dialect;

/// Runs commands; each line has a command and the reply, with spaces for line ends. A word `""` is
/// an empty word.
fn converse(t: &mut Testbed, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(reply_to(t, line), *expected, "{line}");
    }
}

fn reply_to(t: &mut Testbed, line: &str) -> String {
    let words: Vec<&[u8]> = line
        .split(' ')
        .map(|word| if word == "\"\"" { "" } else { word }.as_bytes())
        .collect();
    let reply = String::from_utf8(t.run_args(&words)).expect("text");
    reply.replace("\r\n", " ").trim_end().to_owned()
}

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const NOT_POSITIVE: &str =
    "-ERR value is out of range, value must between 1 and 9223372036854775807";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";

#[test]
fn fields_are_set_and_read_by_their_path() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("PHSET p a/b FIELDS 2 f 1 g 2", "+OK"),
            ("PHSET p a/b FIELDS 3 f 3 h 4 h 5", "+OK"),
            (
                "PHMSET p a FIELDS 1 f x a/b/c FIELDS 1 f y \"\" FIELDS 1 f z",
                "+OK",
            ),
            ("PHGET p a/b f none h", "*3 $1 3 $-1 $1 5"),
            ("PHGET p a/b g", "*1 $1 2"),
            ("PHGET p a/ f", "*1 $-1"),
            ("PHGET none a f g", "*2 $-1 $-1"),
            (
                "PHMGET p a FIELDS 2 f f none FIELDS 1 f \"\" FIELDS 1 f",
                "*4 $1 x $1 x $-1 $1 z",
            ),
            ("PHMGET none a FIELDS 1 f", "*1 $-1"),
            ("PHGETALL p a/b", "*6 $1 f $1 3 $1 g $1 2 $1 h $1 5"),
            ("PHGETALL p a/", "*0"),
            ("PHGETALL none a", "*0"),
            ("PHEXISTS p a/b", ":1"),
            ("PHEXISTS p a/", ":0"),
            ("PHEXISTS p \"\"", ":1"),
            ("PHCARD p", ":4"),
            ("PHCARD none", ":0"),
            ("TYPE p", "+pathhash"),
            ("OBJECT ENCODING p", "$8 pathhash"),
            ("SCAN 0 TYPE PATHHASH", "*2 $1 0 *1 $1 p"),
        ],
    );
    assert_eq!(
        t.take_effects(),
        [
            "PHSET p a/b FIELDS 2 f 1 g 2",
            "PHSET p a/b FIELDS 3 f 3 h 4 h 5",
            "PHMSET p a FIELDS 1 f x a/b/c FIELDS 1 f y  FIELDS 1 f z",
        ]
    );
}

#[test]
fn conditions_are_of_all_fields_before_any_is_set() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("PHSET p a FXX FIELDS 1 f 1", "$-1"),
            ("EXISTS p", ":0"),
            ("PHSET p a fnx fields 2 f 1 g 2", "+OK"),
            ("PHSET p a FNX FIELDS 2 h 1 f 2", "$-1"),
            ("PHSET p a FXX FIELDS 2 f 3 h 2", "$-1"),
            ("PHGET p a f h", "*2 $1 1 $-1"),
            ("PHSET p a FXX FIELDS 2 f 3 g 4", "+OK"),
            ("PHSET p b FNX FIELDS 1 f 9", "+OK"),
            ("PHSET p c FXX FIELDS 1 f 9", "$-1"),
            ("PHCARD p", ":2"),
        ],
    );
    assert_eq!(t.take_effects().len(), 3);
    t.run("HELLO 3");
    assert_eq!(reply_to(&mut t, "PHSET p c FXX FIELDS 1 f 9"), "_");
}

#[test]
fn prefixes_of_a_query_are_found_shortest_first() {
    let mut t = Testbed::new();
    for path in ["\"\"", "a", "ab", "abcd", "abx", "b"] {
        reply_to(&mut t, &format!("PHSET p {path} FIELDS 1 f {path}-v"));
    }
    converse(
        &mut t,
        &[
            ("PHLONGEST p abcde", "$4 abcd"),
            ("PHLONGEST p abc", "$2 ab"),
            ("PHLONGEST p abc LENGTH", ":2"),
            ("PHLONGEST p zz LENGTH", ":0"),
            ("PHLONGEST p zz", "$0"),
            ("PHLONGEST p abc WITHVALUES", "*2 $2 ab *2 $1 f $4 ab-v"),
            (
                "PHLONGEST p abc FIELDS 2 g f LENGTH",
                "*2 :2 *2 $-1 $4 ab-v",
            ),
            ("PHLONGEST none abc LENGTH", "$-1"),
            ("PHPREFIXES p abcde", "*4 $0  $1 a $2 ab $4 abcd"),
            ("PHPREFIXES p abcde LENGTHS", "*4 :0 :1 :2 :4"),
            (
                "PHPREFIXES p abcde LENGTHS COUNT 2 MAXPATHLEN 3",
                "*2 :1 :2",
            ),
            ("PHPREFIXES p abcde MAXPATHLEN 0", "*1 $0"),
            (
                "PHPREFIXES p abcde COUNT 9223372036854775807 LENGTHS",
                "*4 :0 :1 :2 :4",
            ),
            (
                "PHPREFIXES p abc COUNT 1 WITHVALUES",
                "*1 *2 $2 ab *2 $1 f $4 ab-v",
            ),
            (
                "PHPREFIXES p ab COUNT 1 FIELDS 1 none",
                "*1 *2 $2 ab *1 $-1",
            ),
            ("PHPREFIXES none abc", "*0"),
            ("PHDEL p \"\"", ":1"),
            ("PHLONGEST p zz LENGTH", "$-1"),
            ("PHPREFIXES p zz", "*0"),
        ],
    );
    t.run("HELLO 3");
    converse(
        &mut t,
        &[
            ("PHLONGEST p ab WITHVALUES", "*2 $2 ab %1 $1 f $4 ab-v"),
            ("PHLONGEST p ab FIELDS 2 f none", "*2 $2 ab *2 $4 ab-v _"),
            ("PHLONGEST p zz", "_"),
            ("PHGETALL p none", "%0"),
            ("PHGET p ab none", "*1 _"),
        ],
    );
}

#[test]
fn paths_are_removed_with_their_last_field_and_the_key_with_its_last_path() {
    let mut t = Testbed::new();
    for path in ["a", "ab", "abc", "b", "c"] {
        t.run(&format!("PHSET p {path} FIELDS 2 f 1 g 2"));
    }
    t.take_effects();
    converse(
        &mut t,
        &[
            ("PHDEL p a none", ":0"),
            ("PHDEL p none", ":0"),
            ("PHDEL none a", ":0"),
            ("PHDEL p a f f none", ":1"),
            ("PHDEL p a g", ":1"),
            ("PHEXISTS p a", ":0"),
            ("PHDELPREFIX p none", ":0"),
            ("PHDELPREFIX none \"\"", ":0"),
            ("PHDELPREFIX p a", ":2"),
            ("PHCARD p", ":2"),
            ("PHDEL p b f g", ":2"),
            ("PHDEL p c", ":1"),
            ("EXISTS p", ":0"),
            ("PHSET p a FIELDS 1 f 1", "+OK"),
            ("PHDELPREFIX p \"\"", ":1"),
            ("EXISTS p", ":0"),
        ],
    );
    assert_eq!(
        t.take_effects(),
        [
            "PHDEL p a f f none",
            "PHDEL p a g",
            "PHDELPREFIX p a",
            "PHDEL p b f g",
            "PHDEL p c",
            "PHSET p a FIELDS 1 f 1",
            "PHDELPREFIX p ",
        ]
    );
}

#[test]
fn fields_set_and_removed_count_as_changes_with_events_of_their_own() {
    let mut t = Testbed::new();
    t.run("CONFIG SET notify-keyspace-events Epg");
    assert!(
        t.run("CONFIG GET notify-keyspace-events")
            .contains("\r\ngpE\r\n")
    );
    let mut changes = |line: &str| {
        let before = t.engine.keyspace.dirty;
        t.run(line);
        let events: Vec<&str> = t.take_events().iter().map(|event| event.event).collect();
        (t.engine.keyspace.dirty - before, events)
    };
    assert_eq!(
        changes("PHSET p a FIELDS 2 f 1 g 2"),
        (2, vec!["new", "phset"])
    );
    assert_eq!(changes("PHSET p a FNX FIELDS 1 f 1"), (0, vec![]));
    assert_eq!(
        changes("PHMSET p a FIELDS 1 f 1 ab FIELDS 2 f 1 g 1"),
        (3, vec!["phmset"])
    );
    assert_eq!(changes("PHDEL p a f none"), (1, vec!["phdel"]));
    assert_eq!(changes("PHDEL p none"), (0, vec![]));
    assert_eq!(changes("PHDELPREFIX p a"), (2, vec!["phdelprefix", "del"]));
}

#[test]
fn pages_follow_the_order_of_bytes_and_end_exactly() {
    let mut t = Testbed::new();
    for path in ["\"\"", "b", "aa", "a", "ab", "c"] {
        reply_to(&mut t, &format!("PHSET p {path} FIELDS 1 f 1"));
    }
    converse(
        &mut t,
        &[
            ("PHSCAN p 0 COUNT 2", "*2 $4 1:61 *2 $0  $1 a"),
            ("PHSCAN p 1:61 COUNT 3", "*2 $4 1:62 *3 $2 aa $2 ab $1 b"),
            ("PHSCAN p 1:62 COUNT 1", "*2 $1 0 *1 $1 c"),
            ("PHSCAN p 1:62", "*2 $1 0 *1 $1 c"),
            ("PHSCAN p 1:7A", "*2 $1 0 *0"),
            ("PHSCAN p 1: COUNT 1", "*2 $4 1:61 *1 $1 a"),
            ("PHSCAN p 0 PREFIX a COUNT 3", "*2 $1 0 *3 $1 a $2 aa $2 ab"),
            (
                "PHSCAN p 0 PREFIX a COUNT 1 WITHVALUES",
                "*2 $4 1:61 *1 *2 $1 a *2 $1 f $1 1",
            ),
            ("PHSCAN p 1:61 PREFIX a COUNT 2", "*2 $1 0 *2 $2 aa $2 ab"),
            ("PHSCAN p 0 PREFIX x", "*2 $1 0 *0"),
            ("PHSCAN none 0", "*2 $1 0 *0"),
            // A path that has gone is still a position.
            ("PHDEL p aa", ":1"),
            ("PHSCAN p 1:6161 COUNT 1", "*2 $6 1:6162 *1 $2 ab"),
        ],
    );
}

#[test]
fn bad_arguments_are_refused_before_the_key_is_looked_up() {
    let mut t = Testbed::new();
    t.run("SET s x");
    let arity = |name| format!("-ERR wrong number of arguments for '{name}' command");
    for (line, wanted) in [
        ("PHSET s a FIELDS 1 f 1", WRONG_TYPE),
        ("PHSET s a FNX FXX FIELDS 1 f 1", SYNTAX),
        ("PHSET s a FNX FNX FIELDS 1 f 1", SYNTAX),
        ("PHSET s a FNX FIELDS 1 f", SYNTAX),
        ("PHSET s a FIELDS 2 f 1", SYNTAX),
        ("PHSET s a FIELDS 1 f 1 more", SYNTAX),
        ("PHSET s a FIELDS 0 f 1", NOT_POSITIVE),
        ("PHSET s a FIELDS -1 f 1", NOT_POSITIVE),
        ("PHSET s a FIELDS x f 1", NO_INTEGER),
        ("PHSET s a FIELDS 9223372036854775807 f 1", SYNTAX),
        ("PHSET s a FIELDS 9223372036854775808 f 1", NO_INTEGER),
        ("PHMSET s a FIELDS 1 f 1", WRONG_TYPE),
        ("PHMSET s a FIELDS 0 f 1", NOT_POSITIVE),
        ("PHMSET s a FIELDS 2 f 1", SYNTAX),
        ("PHMSET s a FIELDS 4611686018427387905 f 1", SYNTAX),
        ("PHMSET s a FIELDS 1 f 1 b", SYNTAX),
        ("PHMSET s a FIELDS 1 f 1 b FIELDS 1", SYNTAX),
        ("PHGET s a f", WRONG_TYPE),
        ("PHMGET s a FIELDS 1 f", WRONG_TYPE),
        ("PHMGET s a FIELDS 2 f", SYNTAX),
        ("PHMGET s a FIELDS 1 f b", SYNTAX),
        ("PHMGET s a FIELDS 0 f", NOT_POSITIVE),
        ("PHGETALL s a", WRONG_TYPE),
        ("PHEXISTS s a", WRONG_TYPE),
        ("PHCARD s", WRONG_TYPE),
        ("PHDEL s a", WRONG_TYPE),
        ("PHDELPREFIX s a", WRONG_TYPE),
        ("PHLONGEST s a", WRONG_TYPE),
        ("PHLONGEST s a LENGTHS", SYNTAX),
        ("PHLONGEST s a LENGTH LENGTH", SYNTAX),
        ("PHLONGEST s a COUNT 1", SYNTAX),
        ("PHLONGEST s a WITHVALUES FIELDS 1 f", SYNTAX),
        ("PHLONGEST s a FIELDS", SYNTAX),
        ("PHLONGEST s a FIELDS 0", NOT_POSITIVE),
        ("PHLONGEST s a FIELDS 2 f", SYNTAX),
        ("PHLONGEST s a FIELDS 9223372036854775807 f", SYNTAX),
        ("PHPREFIXES s a", WRONG_TYPE),
        ("PHPREFIXES s a LENGTH", SYNTAX),
        ("PHPREFIXES s a MAXLEN 1", SYNTAX),
        ("PHPREFIXES s a COUNT", SYNTAX),
        ("PHPREFIXES s a COUNT 1 COUNT 1", SYNTAX),
        ("PHPREFIXES s a COUNT 0", NOT_POSITIVE),
        ("PHPREFIXES s a COUNT 1.5", NO_INTEGER),
        (
            "PHPREFIXES s a MAXPATHLEN -1",
            "-ERR value is out of range, value must between 0 and 9223372036854775807",
        ),
        ("PHSCAN s 0", WRONG_TYPE),
        ("PHSCAN s x COUNT 0", NOT_POSITIVE),
        ("PHSCAN s x COUNT 1 COUNT 1", SYNTAX),
        ("PHSCAN s x PREFIX", SYNTAX),
        ("PHSCAN s x", "-ERR invalid cursor"),
        ("PHSCAN s 1:6", "-ERR invalid cursor"),
        ("PHSCAN s 1:6g", "-ERR invalid cursor"),
        ("PHSCAN s 00", "-ERR invalid cursor"),
        (
            "PHSCAN s 1:62 PREFIX a",
            "-ERR cursor does not belong to the requested prefix",
        ),
    ] {
        assert_eq!(reply_to(&mut t, line), wanted, "{line}");
    }
    for (line, name) in [
        ("PHSET s a f 1", "phset"),
        ("PHMSET s a f 1", "phmset"),
        ("PHMGET s a f", "phmget"),
        ("PHGETALL s", "phgetall"),
    ] {
        assert_eq!(reply_to(&mut t, line), arity(name), "{line}");
    }
    assert!(t.take_effects().iter().all(|effect| effect == "SET s x"));
}

#[test]
fn users_have_the_commands_by_their_category() {
    let mut t = Testbed::new();
    t.run("ACL SETUSER u reset on nopass ~* +@pathhash");
    assert_eq!(t.run("ACL DRYRUN u phset p a FIELDS 1 f 1"), "+OK\r\n");
    assert_eq!(t.run("ACL DRYRUN u phscan p 0"), "+OK\r\n");
    assert!(t.run("ACL DRYRUN u set p x").contains("no permissions"));
    assert!(t.run("ACL CAT pathhash").starts_with("*12\r\n"));
}

#[test]
fn work_is_the_paths_and_fields_that_are_touched() {
    let mut t = Testbed::new();
    for path in ["a", "ab", "abc", "b"] {
        t.run(&format!("PHSET p {path} FIELDS 3 f 1 g 2 h 3"));
    }
    for (line, work) in [
        ("PHSET p a FNX FIELDS 2 f 1 g 2", 2),
        ("PHMSET p a FIELDS 1 f 1 b FIELDS 2 f 1 g 2", 3),
        ("PHGET p a f g", 2),
        ("PHMGET p a FIELDS 2 f g b FIELDS 1 f", 3),
        ("PHGETALL p a", 3),
        ("PHGETALL p none", 0),
        ("PHDEL p a", 3),
        ("PHDEL p a f", 1),
        ("PHDELPREFIX p a", 3),
        ("PHDELPREFIX p none", 0),
        ("PHLONGEST p abcd", 1),
        ("PHLONGEST p abcd WITHVALUES", 3),
        ("PHPREFIXES p abcd", 3),
        ("PHPREFIXES p abcd WITHVALUES COUNT 2", 6),
        ("PHPREFIXES p abcd FIELDS 2 f none", 6),
        ("PHSCAN p 0", 4),
        ("PHSCAN p 0 PREFIX ab", 2),
        ("PHSCAN p 0 COUNT 2 WITHVALUES", 6),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}

/// The value after DUMP in a dialect, and the payload's version.
fn dump(t: &mut Testbed, key: &str) -> (Vec<u8>, u16) {
    let reply = t.run_args(&[b"DUMP", key.as_bytes()]);
    let start = reply.iter().position(|&b| b == b'\n').expect("a header") + 1;
    let payload = &reply[start..reply.len() - 2];
    let (value, foot) = payload.split_at(payload.len() - 10);
    (value.to_vec(), u16::from_le_bytes([foot[0], foot[1]]))
}

#[test]
fn a_payload_has_the_form_of_its_dialect() {
    let mut t = Testbed::new();
    reply_to(&mut t, "PHMSET p ab FIELDS 2 f x g 7 \"\" FIELDS 1 h y");
    t.engine.server.config.dialect = Dialect::Valkey;
    let valkey = b"\x17\x02\x00\x01\x01h\x01y\x02ab\x02\x01f\x01x\x01g\xc0\x07";
    assert_eq!(dump(&mut t, "p"), (valkey.to_vec(), 81));
    t.engine.server.config.dialect = Dialect::Redis;
    let (redis, version) = dump(&mut t, "p");
    assert_eq!(version, 12);
    let fields = b"\x02\x02\x05\x00\x02\x01\x05\x01h\x05\x01y\x05\x02ab\x02\x02\x05\x01f\x05\x01x\
                   \x05\x01g\x05\xc0\x07\x00";
    // The number of the module "path-hash", version 0.
    assert_eq!(redis[..2], [7, 0x81]);
    assert_eq!(redis[10..], fields[..]);
}

#[test]
fn what_is_restored_is_checked() {
    let mut t = Testbed::new();
    let mut restore = |kind: u8, value: &[u8], version: u32| {
        let mut payload = [&[kind], value].concat();
        russet_persistence::rdb::seal(&mut payload, version);
        let reply = t.run_args(&[b"RESTORE", b"r", b"0", &payload, b"REPLACE"]);
        String::from_utf8(reply).expect("text")
    };
    let bad = "-ERR Bad data format\r\n";
    assert_eq!(
        restore(23, b"\x02\x01b\x01\x01f\x01x\x01a\x01\x01f\x01x", 81),
        "+OK\r\n"
    );
    for value in [
        // No fields; the same path, the same field twice; no paths; more than there are bytes.
        &b"\x01\x01a\x00"[..],
        b"\x02\x01a\x01\x01f\x01x\x01a\x01\x01f\x01x",
        b"\x01\x01a\x02\x01f\x01x\x01f\x01y",
        b"\x00",
        b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a\x01\x01f\x01x",
        b"\x01\x01a\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01f\x01x",
        b"\x01\x01a\x01\x01f",
    ] {
        assert_eq!(restore(23, value, 81), bad, "{value:?}");
    }
    // In Redis's dialect the number is that of a hash from a release candidate.
    let other = restore(23, b"\x01\x01b\x01\x01f\x01x", 12);
    assert_eq!(other, bad);
}

#[test]
fn copies_dumps_and_digests_are_the_same() {
    let mut t = Testbed::new();
    t.run("CONFIG SET enable-debug-command yes");
    t.engine.server.config.enable_debug_command = russet_config::Allowed::Yes;
    for i in 0..300 {
        t.run(&format!(
            "PHSET p a/{}/{i} FIELDS 2 f {i} g {}",
            i % 7,
            "v".repeat(i)
        ));
    }
    for i in 0..700 {
        t.run(&format!("PHSET p a/many FIELDS 1 field:{i} {i}"));
    }
    let digest = t.run("DEBUG DIGEST-VALUE p");
    assert_eq!(t.run("COPY p q"), ":1\r\n");
    assert_eq!(t.run("DEBUG DIGEST-VALUE q"), digest);
    for dialect in [Dialect::Redis, Dialect::Valkey] {
        t.engine.server.config.dialect = dialect;
        let reply = t.run_args(&[b"DUMP", b"p"]);
        let start = reply.iter().position(|&b| b == b'\n').expect("a header") + 1;
        let restored = t.run_args(&[
            b"RESTORE",
            b"r",
            b"0",
            &reply[start..reply.len() - 2],
            b"REPLACE",
        ]);
        assert_eq!(restored, b"+OK\r\n");
        assert_eq!(t.run("DEBUG DIGEST-VALUE r"), digest);
    }
    t.run("PHSET r a/many FIELDS 1 field:5 other");
    assert_ne!(t.run("DEBUG DIGEST-VALUE r"), digest);
    t.engine.keyspace.check_invariants();
}
