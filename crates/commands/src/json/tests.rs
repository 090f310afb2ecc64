//! Lines whose replies are a real server's (answers.txt), and beyond replies: documents after
//! changes, events, effects, WATCH, copies, payloads, times, integers that do not fit.

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;

const ANSWERS: &str = include_str!("answers.txt");
const DOCUMENT: &str = concat!(
    r#"{"n":1,"f":1.5,"s":"foo","t":true,"z":null,"a":[1,2,3],"#,
    r#""e":[],"o":{"x":1,"y":{"x":2}},"eo":{}}"#
);

/// The words of a line: split at spaces, with quotes of both kinds around words that have spaces.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        while let Some(first) = rest.chars().next().filter(|first| *first != ' ') {
            let length = if first == '\'' || first == '"' {
                let end = rest[1..].find(first).expect("a closing quote");
                word.extend_from_slice(&rest.as_bytes()[1..=end]);
                end + 2
            } else {
                word.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        found.push(word);
        rest = rest.trim_start();
    }
    found
}

/// A line's reply, with spaces for line ends.
fn reply_to(t: &mut Testbed, line: &str) -> String {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let reply = String::from_utf8(t.run_args(&words)).expect("text");
    let reply = reply.strip_suffix("\r\n").unwrap_or(&reply);
    reply.replace("\r\n", " ")
}

/// Runs commands, and checks the reply of each.
fn converse(t: &mut Testbed, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(reply_to(t, line), *expected, "{line}");
    }
}

/// A bed with the document of answers.txt as `d`.
fn with_document() -> Testbed {
    let mut t = Testbed::new();
    t.run_args(&[b"JSON.SET", b"d", b"$", DOCUMENT.as_bytes()]);
    t.take_effects();
    t
}

fn document(t: &mut Testbed, key: &str) -> String {
    let reply = reply_to(t, &format!("JSON.GET {key}"));
    let (_, text) = reply.split_once(' ').unwrap_or(("", &reply));
    text.to_owned()
}

#[test]
fn commands_answer_as_the_module_does() {
    let mut t = Testbed::new();
    let mut wrong = Vec::new();
    for resp3 in [false, true] {
        t.run(if resp3 { "HELLO 3" } else { "HELLO 2" });
        for row in ANSWERS.lines() {
            let Some((line, answers)) = row.split_once("  =>  ") else {
                assert!(row.is_empty() || row.starts_with('#'), "{row}");
                continue;
            };
            let (of_resp2, of_resp3) = answers
                .split_once("  RESP3  ")
                .unwrap_or((answers, answers));
            let expected = if resp3 { of_resp3 } else { of_resp2 };
            t.run("FLUSHALL");
            t.run_args(&[b"JSON.SET", b"d", b"$", DOCUMENT.as_bytes()]);
            t.run("SET str v");
            let got = reply_to(&mut t, line);
            if got != expected {
                wrong.push(format!("{line}\n  expected {expected}\n  got      {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// If 8.10 answers otherwise than 7.4, the answer of 8.10 counts.
#[test]
fn what_the_newer_module_changed_is_as_there() {
    let arity = |name| format!("-ERR wrong number of arguments for '{name}' command");
    for (line, expected) in [
        // 7.4 leaves some of the matches that are within others.
        ("JSON.DEL d $.*", ":9".to_owned()),
        ("JSON.DEL d $..*", ":9".to_owned()),
        // 7.4 ignores further words.
        ("JSON.CLEAR d $.n $.a", arity("json.clear")),
        ("JSON.TOGGLE d $.t x", arity("json.toggle")),
        ("JSON.NUMINCRBY d $.n 1 x", arity("json.numincrby")),
        ("JSON.ARRTRIM d $.a 0 1 x", arity("json.arrtrim")),
        // A comparison with several nodes holds if it holds for any of them.
        ("JSON.GET d $.o[?(@.*==2)]", "$9 [{\"x\":2}]".to_owned()),
        ("JSON.GET d '$[?(@[*]==3)]'", "$9 [[1,2,3]]".to_owned()),
        ("JSON.GET d '$.a[?(!(@==2))]'", "$5 [1,3]".to_owned()),
        ("JSON.GET d $.o~", "$9 [\"x\",\"y\"]".to_owned()),
    ] {
        let mut t = with_document();
        assert_eq!(reply_to(&mut t, line), expected, "{line}");
    }
}

/// How documents are after changes, the first three columns: before, line, after.
#[test]
fn changes_leave_the_document_that_the_module_leaves() {
    let mut t = Testbed::new();
    for (before, line, after) in [
        // The last member takes the place of a deleted member.
        (
            r#"{"a":1,"b":2,"c":3,"d":4}"#,
            "JSON.DEL d $.b",
            r#"{"a":1,"d":4,"c":3}"#,
        ),
        (
            r#"{"a":[1,2,3,4]}"#,
            "JSON.DEL d $.a[0,2]",
            r#"{"a":[2,4]}"#,
        ),
        // All matches go, also matches within other matches.
        (
            r#"{"a":{"a":1},"b":{"a":{"a":2}},"c":3}"#,
            "JSON.DEL d $..a",
            r#"{"c":3,"b":{}}"#,
        ),
        (r#"{"a":1}"#, "JSON.SET d $.b 2", r#"{"a":1,"b":2}"#),
        (
            r#"{"a":1,"b":{"a":2}}"#,
            "JSON.SET d $..a 5",
            r#"{"a":5,"b":{"a":5}}"#,
        ),
        (r#"{"a":[1,2]}"#, "JSON.SET d $.a[-9] 5", r#"{"a":[5,2]}"#),
        (
            r#"{"a":1,"b":2}"#,
            r#"JSON.SET d $.c '{"x":1,"y":2,"x":3}'"#,
            r#"{"a":1,"b":2,"c":{"x":3,"y":2}}"#,
        ),
        ("1", "JSON.SET d $ 1e16", "1e16"),
        (
            "1",
            "JSON.SET d $ [1.0,1e3,1e-6,0.00001,-0,18446744073709551616]",
            "[1.0,1000.0,1e-6,0.00001,-0.0,1.8446744073709552e19]",
        ),
        (
            "1",
            "JSON.SET d $ 18446744073709551615",
            "18446744073709551615",
        ),
        // RFC 7396; a match becomes null, a member that is null goes.
        (
            r#"{"a":1,"b":{"c":2,"d":3}}"#,
            r#"JSON.MERGE d $ '{"a":null,"b":{"c":4,"e":{"f":null,"g":1}}}'"#,
            r#"{"b":{"c":4,"d":3,"e":{"g":1}}}"#,
        ),
        (
            r#"{"a":1}"#,
            r#"JSON.MERGE d $.b '{"c":null}'"#,
            r#"{"a":1,"b":{"c":null}}"#,
        ),
        (
            r#"{"a":{"v":1}}"#,
            "JSON.MERGE d $..v null",
            r#"{"a":{"v":null}}"#,
        ),
        ("[[1],2,[3]]", "JSON.ARRAPPEND d $[*] 9", "[[1,9],2,[3,9]]"),
        (
            "[[1],2,[3]]",
            "JSON.ARRINSERT d $[*] -1 9 8",
            "[[9,8,1],2,[9,8,3]]",
        ),
        ("[[1,2,3],[]]", "JSON.ARRPOP d $[*] 1", "[[1,3],[]]"),
        ("[[1,2,3],[4]]", "JSON.ARRTRIM d $[*] -2 -1", "[[2,3],[4]]"),
        ("[1,[2,[3]]]", "JSON.ARRAPPEND d $..* 0", "[1,[2,[3,0],0]]"),
        (
            r#"["a",1]"#,
            r#"JSON.STRAPPEND d $[*] '"é"'"#,
            r#"["aé",1]"#,
        ),
        (
            r#"[true,1,[false]]"#,
            "JSON.TOGGLE d $..*",
            "[false,1,[true]]",
        ),
        (
            r#"[1,2.5,"x",[3],{"a":1},true]"#,
            "JSON.CLEAR d $[*]",
            r#"[0,0,"x",[],{},true]"#,
        ),
        (
            r#"{"a":1,"b":[2.5,"x"]}"#,
            "JSON.NUMINCRBY d $..* 2",
            r#"{"a":3,"b":[4.5,"x"]}"#,
        ),
        ("[2,3.0]", "JSON.NUMMULTBY d $[*] 4", "[8,12.0]"),
        (
            "[9223372036854775807]",
            "JSON.NUMINCRBY d $[0] 1",
            "[9223372036854775807]",
        ),
        // Nothing changes if any of the results is impossible.
        ("[1,1e308]", "JSON.NUMMULTBY d $[*] 1e308", "[1,1e308]"),
        ("[[1],[]]", "JSON.ARRINSERT d $[*] 1 0", "[[1],[]]"),
    ] {
        t.run_args(&[b"JSON.SET", b"d", b"$", before.as_bytes()]);
        reply_to(&mut t, line);
        assert_eq!(document(&mut t, "d"), after, "{line} on {before}");
    }
}

#[test]
fn the_root_goes_with_its_key() {
    for line in ["JSON.DEL d", "JSON.FORGET d $", "JSON.DEL d ."] {
        let mut t = with_document();
        converse(&mut t, &[(line, ":1"), ("EXISTS d", ":0"), (line, ":0")]);
        assert_eq!(t.take_effects(), [line]);
    }
}

#[test]
fn a_changed_document_has_one_event_and_one_effect_as_it_was_sent() {
    let mut t = with_document();
    t.run("CONFIG SET notify-keyspace-events KEAn");
    t.take_events();
    for (line, event) in [
        ("JSON.SET d $.n 2", "json.set"),
        ("JSON.MERGE d $.o {\"x\":2}", "json.merge"),
        ("JSON.NUMINCRBY d $.n 2", "json.numincrby"),
        ("JSON.NUMMULTBY d $.n 2", "json.nummultby"),
        ("JSON.NUMPOWBY d $.n 2", "json.numpowby"),
        ("JSON.STRAPPEND d $.s \"x\"", "json.strappend"),
        ("JSON.ARRAPPEND d $.a 1 2", "json.arrappend"),
        ("JSON.ARRINSERT d $.a 0 1", "json.arrinsert"),
        ("JSON.ARRTRIM d $.a 0 1", "json.arrtrim"),
        ("JSON.ARRPOP d $.a", "json.arrpop"),
        ("JSON.TOGGLE d $.t", "json.toggle"),
        ("JSON.CLEAR d $.a", "json.clear"),
        ("JSON.DEL d $.a", "json.del"),
        ("JSON.MSET d $.n 1", "json.mset"),
        ("JSON.FORGET d", "json.del"),
    ] {
        let dirty = t.engine.keyspace.dirty;
        t.run(line);
        let events: Vec<&str> = t.take_events().iter().map(|event| event.event).collect();
        assert_eq!(events, [event], "{line}");
        assert_eq!(t.engine.keyspace.dirty - dirty, 1, "{line}");
        assert_eq!(t.take_effects(), [line]);
    }
}

#[test]
fn what_changes_nothing_has_no_event_and_no_effect() {
    let mut t = with_document();
    t.run("CONFIG SET notify-keyspace-events KEAn");
    t.take_events();
    for line in [
        "JSON.SET d $.n 2 NX",
        "JSON.SET d $.new.member 2",
        "JSON.SET none $ 2 XX",
        "JSON.MERGE d $.new.member 2",
        "JSON.NUMINCRBY d $.s 2",
        "JSON.STRAPPEND d $.n \"x\"",
        "JSON.ARRAPPEND d $.n 1",
        "JSON.ARRINSERT d $.a 9 1",
        "JSON.ARRPOP d $.e",
        "JSON.TOGGLE d $.n",
        "JSON.CLEAR d $.s",
        "JSON.DEL d $.none",
        "JSON.DEL none",
        "JSON.MSET d $.new.member 1",
        "JSON.GET d $",
    ] {
        t.run(line);
        assert!(t.take_events().is_empty(), "{line}");
        assert!(t.take_effects().is_empty(), "{line}");
    }
}

#[test]
fn mset_sets_all_or_nothing_and_later_triplets_see_earlier_ones() {
    let mut t = with_document();
    t.run("SET str v");
    converse(
        &mut t,
        &[
            (
                "JSON.MSET d $.n 5 str $ 1",
                "-Existing key has wrong Redis type",
            ),
            (
                "JSON.MSET d $.n 5 new $ {",
                "-EOF while parsing an object at line 1 column 1",
            ),
            // A member of a document that is not there yet.
            (
                "JSON.MSET d $.n 5 new $ {} new $.a 1",
                "-ERR new objects must be created at the root",
            ),
            (
                "JSON.MSET d $.n 5 d $.a[9] 1",
                "-ERR array index out of range",
            ),
            ("JSON.MSET d $.n 5 d $..q 1", "-Err wrong static path"),
            ("JSON.GET d $.n", "$3 [1]"),
            ("JSON.MSET new $ {} d $.q.r 1 d $.n 7 d $.n 8", "$-1"),
            ("JSON.GET new", "$2 {}"),
            ("JSON.MGET d new none $.n", "*3 $3 [8] $2 [] $-1"),
        ],
    );
}

#[test]
fn a_watched_document_that_changes_ends_the_transaction() {
    let mut t = with_document();
    let other = t.connect();
    for (line, is_changed) in [
        ("JSON.SET d $.n 2", true),
        ("JSON.DEL d $.none", false),
        ("JSON.GET d", false),
        ("JSON.ARRPOP d $.a", true),
        ("JSON.DEL d", true),
    ] {
        t.run("WATCH d");
        t.run_as(other, line);
        t.run("MULTI");
        t.run("PING");
        let wanted = if is_changed { "*-1" } else { "*1 +PONG" };
        assert_eq!(reply_to(&mut t, "EXEC"), wanted, "{line}");
    }
}

#[test]
fn a_document_is_a_value_as_any_other() {
    let mut t = with_document();
    let whole = document(&mut t, "d");
    converse(
        &mut t,
        &[
            ("TYPE d", "+ReJSON-RL"),
            ("OBJECT ENCODING d", "$3 raw"),
            ("SCAN 0 TYPE rejson-rl", "*2 $1 0 *1 $1 d"),
            ("COPY d e", ":1"),
            ("JSON.SET e $.n 2", "+OK"),
            ("JSON.GET d $.n", "$3 [1]"),
            (
                "GET d",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("RENAME d f", "+OK"),
            ("JSON.TYPE f $.n", "*1 $7 integer"),
            ("SET f x", "+OK"),
            ("JSON.GET f", "-Existing key has wrong Redis type"),
        ],
    );
    t.run_args(&[b"JSON.SET", b"f2", b"$", whole.as_bytes()]);
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    let digest = |t: &mut Testbed, key: &str| t.run(&format!("DEBUG DIGEST-VALUE {key}"));
    t.run_args(&[b"JSON.SET", b"f3", b"$", whole.as_bytes()]);
    assert_eq!(digest(&mut t, "f2"), digest(&mut t, "f3"));
    t.run("JSON.SET f3 $.n 2");
    assert_ne!(digest(&mut t, "f2"), digest(&mut t, "f3"));
}

#[test]
fn memory_is_that_of_the_document() {
    let mut t = with_document();
    let number = |t: &mut Testbed, line: &str| -> u64 {
        let reply = reply_to(t, line);
        reply.trim_start_matches(':').parse().expect("a number")
    };
    let of_document = number(&mut t, "JSON.DEBUG MEMORY d");
    assert!((40..200).contains(&of_document), "{of_document}");
    assert!(number(&mut t, "MEMORY USAGE d") >= of_document);
    let long = format!("\"{}\"", "x".repeat(10_000));
    t.run_args(&[b"JSON.SET", b"d", b"$.s", long.as_bytes()]);
    assert!(number(&mut t, "JSON.DEBUG MEMORY d") >= 10_000);
    assert!(number(&mut t, "MEMORY USAGE d") >= 10_000);
    converse(
        &mut t,
        &[
            ("JSON.DEBUG MEMORY none", ":0"),
            ("JSON.DEBUG MEMORY none $", "*0"),
            ("JSON.DEBUG MEMORY d $.nope", "*0"),
            (
                "JSON.DEBUG MEMORY d .nope",
                "-ERR Path '$.nope' does not exist",
            ),
        ],
    );
}

#[test]
fn a_payload_is_that_of_redis_stack() {
    let mut t = Testbed::new();
    t.run("CONFIG SET rdbcompression no");
    t.run_args(&[
        b"JSON.SET",
        b"j1",
        b"$",
        br#"{"a":1,"b":[true,null,"x"],"c":1.5}"#,
    ]);
    // The type's number, the module with version 3, a string, the end.
    let mut of_stack = b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x23".to_vec();
    of_stack.extend_from_slice(br#"{"a":1,"b":[true,null,"x"],"c":1.5}"#);
    of_stack.push(0);
    let reply = t.run_args(&[b"DUMP", b"j1"]);
    let start = reply.iter().position(|byte| *byte == b'\n').expect("bulk") + 1;
    let payload = reply[start..reply.len() - 2].to_vec();
    assert_eq!(payload[..payload.len() - 10], of_stack[..]);
    assert_eq!(t.run_args(&[b"RESTORE", b"j2", b"0", &payload]), b"+OK\r\n");
    assert_eq!(
        document(&mut t, "j2"),
        r#"{"a":1,"b":[true,null,"x"],"c":1.5}"#
    );
    // A bare server's own version of the format.
    let mut older = of_stack.clone();
    russet_persistence::rdb::seal(&mut older, 12);
    assert_eq!(t.run_args(&[b"RESTORE", b"j3", b"0", &older]), b"+OK\r\n");
    for damaged in [
        // A text that is no JSON, a text that ends early, no end of the module, a newer version.
        &b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x02{a\x00"[..],
        b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x09{\x00",
        b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x01\x31",
        b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x3f\x05\x01\x31\x00",
        b"\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x02\xff\xfe\x00",
    ] {
        let mut payload = damaged.to_vec();
        russet_persistence::rdb::seal(&mut payload, 12);
        assert_eq!(
            t.run_args(&[b"RESTORE", b"bad", b"0", &payload]),
            b"-ERR Bad data format\r\n",
            "{damaged:?}"
        );
    }
}

#[test]
fn a_time_of_set_becomes_an_effect_of_its_own() {
    let mut t = Testbed::new();
    t.set_time_ms(1_000_000);
    converse(
        &mut t,
        &[
            ("JSON.SET d $ {} EX 100", "+OK"),
            ("PTTL d", ":100000"),
            // A time stays, also at the root; KEEPTTL says so.
            ("JSON.SET d $ '{\"a\":1}'", "+OK"),
            ("JSON.SET d $.a 2 XX KEEPTTL", "+OK"),
            ("PTTL d", ":100000"),
            ("JSON.SET d $.a 3 PX 5000 XX", "+OK"),
            ("PTTL d", ":5000"),
            ("JSON.SET d $.a 3 NX EX 9", "$-1"),
            ("PTTL d", ":5000"),
            ("JSON.SET d $.a 3 EXAT 2000", "+OK"),
            ("PTTL d", ":1000000"),
            ("JSON.SET d $.a 3 PXAT 2000001", "+OK"),
            ("PTTL d", ":1000001"),
            (
                "JSON.SET d $.a 3 EX 0",
                "-ERR invalid expire time in 'json.set' command",
            ),
            (
                "JSON.SET d $.a 3 EX x",
                "-ERR value is not an integer or out of range",
            ),
            ("JSON.SET d $.a 3 EX", "-ERR syntax error"),
            ("JSON.SET d $.a 3 EX 1 PX 1", "-ERR syntax error"),
            ("JSON.SET d $.a 3 EX 1 KEEPTTL", "-ERR syntax error"),
            ("JSON.SET d $.a 3 PXAT 1", "+OK"),
            ("EXISTS d", ":0"),
        ],
    );
    assert_eq!(
        t.take_effects(),
        [
            "JSON.SET d $ {}",
            "PEXPIREAT d 1100000",
            "JSON.SET d $ {\"a\":1}",
            "JSON.SET d $.a 2 XX",
            "JSON.SET d $.a 3 XX",
            "PEXPIREAT d 1005000",
            "JSON.SET d $.a 3",
            "PEXPIREAT d 2000000",
            "JSON.SET d $.a 3",
            "PEXPIREAT d 2000001",
            "DEL d",
        ]
    );
}

#[test]
fn integers_that_do_not_fit_are_refused_unless_told_otherwise() {
    let mut t = Testbed::new();
    t.run("JSON.SET d $ [9223372036854775807,1]");
    converse(
        &mut t,
        &[
            ("JSON.NUMINCRBY d $[*] 1", "-ERR numeric overflow"),
            ("JSON.NUMMULTBY d $[*] 2", "-ERR numeric overflow"),
            ("JSON.NUMPOWBY d $[*] 2", "-ERR numeric overflow"),
            ("JSON.NUMPOWBY d $[1] -1", "$3 [1]"),
            ("JSON.GET d", "$23 [9223372036854775807,1]"),
            ("JSON.NUMINCRBY d $[1] 1", "$3 [2]"),
            ("CONFIG SET json-integers-wrap yes", "+OK"),
            ("JSON.NUMINCRBY d $[0] 1", "$22 [-9223372036854775808]"),
        ],
    );
}

const BEYOND: &str = "-ERR an index in the path is out of range";

#[test]
fn bad_texts_are_refused_and_nothing_is_lost() {
    let mut t = with_document();
    let whole = document(&mut t, "d");
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        t.run(&format!("JSON.SET deep $ {}", nested(127))),
        "+OK\r\n"
    );
    assert_eq!(
        t.run(&format!("JSON.SET d $ {}", nested(128))),
        "-recursion limit exceeded at line 1 column 128\r\n"
    );
    for (value, error) in [
        (&b"\xff"[..], "-Couldn't parse as UTF-8 string\r\n"),
        (b"1e999", "-number out of range at line 1 column 5\r\n"),
        // 8.8 refuses text after a value; 7.4 ignores it.
        (b"1 2", "-trailing characters at line 1 column 3\r\n"),
        (b"nul", "-EOF while parsing a value at line 1 column 3\r\n"),
        (b"[1,]", "-trailing comma at line 1 column 4\r\n"),
        (b"{a:1}", "-key must be a string at line 1 column 2\r\n"),
    ] {
        for line in [
            &[&b"JSON.SET"[..], b"d", b"$"][..],
            &[b"JSON.MERGE", b"d", b"$.o"],
            &[b"JSON.ARRAPPEND", b"d", b"$.a"],
        ] {
            let mut line = line.to_vec();
            line.push(value);
            assert_eq!(String::from_utf8(t.run_args(&line)).expect("text"), error);
        }
    }
    converse(
        &mut t,
        &[
            // An index beyond 64 bits, which ends the process of 7.4.
            ("JSON.GET d $.a[99999999999999999999]", BEYOND),
            ("JSON.GET d $.a[-99999999999999999999]", BEYOND),
            ("JSON.GET d $.a[1:99999999999999999999]", BEYOND),
        ],
    );
    assert_eq!(
        t.run_args(&[b"JSON.GET", b"d", b"\xff"]),
        b"-Couldn't parse as UTF-8 string\r\n"
    );
    assert_eq!(document(&mut t, "d"), whole);
}

/// Each command with a path, as a line with the path in place of `P`. A command that is not here
/// has no path, or is forgotten.
const WITH_A_PATH: &[&str] = &[
    "JSON.ARRAPPEND d P 1",
    "JSON.ARRINSERT d P 0 1",
    "JSON.ARRPOP d P",
    "JSON.ARRTRIM d P 0 5",
    "JSON.DEBUG MEMORY d P",
    "JSON.GET d P",
    "JSON.MGET d d d P",
    "JSON.MERGE d P 1",
    "JSON.MSET d P 1",
    "JSON.NUMINCRBY d P 1",
    "JSON.NUMMULTBY d P 1",
    "JSON.NUMPOWBY d P 1",
    "JSON.CLEAR d P",
    "JSON.DEL d P",
    "JSON.FORGET d P",
    "JSON.SET d P 1",
    "JSON.ARRINDEX d P 1",
    "JSON.ARRLEN d P",
    "JSON.OBJKEYS d P",
    "JSON.OBJLEN d P",
    "JSON.RESP d P",
    "JSON.STRLEN d P",
    "JSON.TYPE d P",
    "JSON.STRAPPEND d P \"x\"",
    "JSON.TOGGLE d P",
];

/// Products of indexes, descents in descents, filters over everything, patterns of the document:
/// each held the loop for seconds, in some command, and some filled the memory.
#[test]
fn no_command_goes_on_for_longer_than_its_budget() {
    let named = |line: &&str| line.split(' ').next().unwrap_or_default().to_lowercase();
    let tested: Vec<String> = WITH_A_PATH.iter().map(named).collect();
    for spec in super::SPECS {
        assert!(tested.iter().any(|name| name == spec.name), "{}", spec.name);
    }
    let mut t = Testbed::new();
    let nested = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let many: Vec<String> = (0..600)
        .map(|n| format!("{{\"t\":\"{n}\",\"p\":\"^a{n}\"}}"))
        .collect();
    let many = format!("[{}]", many.join(","));
    let indexes = format!("${}", "[0,0,0,0]".repeat(40));
    let paths = [
        (&nested, indexes.as_str()),
        (&nested, "$..[0,0]..[0,0]..[0,0]..[0,0]..[0,0]"),
        (&many, "$[?(@.p=~@.t||@.t=~@.p)]"),
        (&many, "$[?($[*].t==@.p)]"),
        (&many, "$[?(@.append($[*],$[*]).length()>0)]"),
    ];
    for (document, path) in paths {
        for line in WITH_A_PATH {
            t.run("FLUSHALL");
            t.run(&format!("JSON.SET d $ {document}"));
            let before = t.run("JSON.GET d");
            let reply = t.run(&line.replace(" P", &format!(" {path}")));
            assert!(
                reply.contains("too many values"),
                "{line} {path}: {}",
                &reply[..reply.len().min(99)]
            );
            assert_eq!(t.run("JSON.GET d"), before, "{line} {path}");
        }
    }
}

/// One reply has an indentation of a kilobyte, and the whole document once for each path.
#[test]
fn a_reply_has_a_bound_that_follows_from_the_document() {
    let mut t = Testbed::new();
    let many = format!("[{}0]", "[1,2,3],".repeat(30_000));
    t.run(&format!("JSON.SET d $ {many}"));
    let indent = "x".repeat(900);
    let refused = "-ERR path visits too many values\r\n";
    assert_eq!(
        t.run(&format!("JSON.GET d INDENT {indent} NEWLINE y $")),
        refused
    );
    assert_eq!(
        t.run(&format!("JSON.GET d SPACE {indent} INDENT {indent} $..*")),
        refused
    );
    let all: Vec<String> = (0..300).map(|n| format!("$[{n}:]")).collect();
    assert_eq!(t.run(&format!("JSON.GET d {}", all.join(" "))), refused);
    assert!(t.run("JSON.GET d INDENT x $").len() > many.len());
    t.run(&format!(
        "JSON.SET e $ [{}0]",
        "\"0123456789\",".repeat(1000)
    ));
    let keys = "e ".repeat(200);
    assert!(t.run(&format!("JSON.MGET {keys} $[*]")).len() > 200 * 10_000);
}

#[test]
fn a_document_that_loses_all_goes_with_its_key() {
    let mut t = Testbed::new();
    for (document, path) in [
        ("{\"a\":1}", "$.a"),
        ("[1,[2]]", "$[*]"),
        ("{\"a\":{}}", "$..a"),
    ] {
        t.run(&format!("JSON.SET d $ {document}"));
        t.take_effects();
        assert_ne!(t.run(&format!("JSON.DEL d {path}")), ":0\r\n");
        assert_eq!(t.take_effects(), ["JSON.DEL d"]);
        assert_eq!(t.run("EXISTS d"), ":0\r\n");
    }
    t.run("JSON.SET d $ {}");
    assert_eq!(t.run("JSON.DEL d $.a"), ":0\r\n");
    assert_eq!(t.run("EXISTS d"), ":1\r\n");
}

#[test]
fn a_triplet_that_cannot_be_made_makes_the_reply_null() {
    let mut t = Testbed::new();
    t.run("JSON.SET d $ {\"a\":1}");
    converse(
        &mut t,
        &[
            ("JSON.MSET d $.a 2 d $.b 3", "+OK"),
            ("JSON.MSET d $.a 4 d $.x.y 3", "$-1"),
            ("JSON.MSET d $.x.y 3", "$-1"),
            ("JSON.GET d", "$13 {\"a\":4,\"b\":3}"),
        ],
    );
}
