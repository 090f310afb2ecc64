//! Streams: replies, effects, wakeups.
//!
//! The tests compare effects as commands. If the resulting data matters they also run the effects
//! on a second server, whose data must equal the first server's. They compare errors as text.
//! Others: each entry of a group once, readers that wait, groups that go, copies and payloads.
//!
//! Claims are in `claim_tests`, data that must survive files in `kept_tests`.

#[cfg(test)]
pub(super) mod claim;
#[cfg(test)]
pub(super) mod kept;

use crate::testbed::{AllCommands as _, Testbed};

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Entries `1-0`, `2-0` ... with a field `f`.
fn filled(count: u32) -> Testbed {
    let mut t = Testbed::new();
    for n in 1..=count {
        t.run(&format!("XADD s {n}-0 f {n}"));
    }
    t.take_effects();
    t
}

/// Redis propagates the first ID of the node, so Redis's replicas keep entries that the primary has
/// removed.
#[test]
fn a_trim_that_looks_at_references_is_stated_as_far_as_it_came() {
    let mut primary = filled(9);
    let mut replica = filled(9);
    for t in [&mut primary, &mut replica] {
        for line in [
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g c COUNT 7 STREAMS s >",
            "XACK s g 1-0 3-0 4-0 7-0",
        ] {
            t.run(line);
        }
        t.take_effects();
    }
    for line in [
        "XTRIM s ACKED MINID ~ 4",
        "XADD s DELREF MINID ~ 3 10-0 f v",
        "XTRIM s MAXLEN ~ 4 ACKED",
        "XTRIM s MINID ~ 9 ACKED",
    ] {
        primary.run(line);
    }
    let effects = primary.take_effects();
    assert_eq!(
        effects,
        [
            "XTRIM s ACKED MINID = 4-0",
            "XADD s DELREF MINID = 3-0 10-0 f v",
            "XTRIM s MAXLEN = 5 ACKED",
        ]
    );
    for line in effects {
        replica.run(&line);
    }
    for line in ["XRANGE s - +", "XPENDING s g - + 10"] {
        assert_eq!(replica.run(line), primary.run(line), "{line}");
    }
}

/// Regression: a replica on which the ID of the producer's line had ended before added the entry
/// again.
#[test]
fn a_duplicate_of_a_primary_adds_nothing() {
    let mut t = Testbed::new();
    t.run("XADD s IDMP p a * f v");
    t.take_effects();
    t.run("XADD s IDMP p a * f v");
    let effects = t.take_effects();
    assert_eq!(effects, ["XADD s IDMP p a * f v"]);
    let words: Vec<&[u8]> = effects[0].split(' ').map(str::as_bytes).collect();
    let mut replica = Testbed::new();
    let client = replica.connect();
    for _ in 0..2 {
        assert_eq!(replica.repeat_args_as(client, &words), b"$-1\r\n");
        replica.run("XADD s 1-1 f v");
    }
    assert_eq!(replica.run("XLEN s"), ":1\r\n");
}

#[test]
fn entries_are_stated_with_the_id_that_they_got() {
    let mut t = Testbed::new();
    assert_eq!(t.run("XADD s NOMKSTREAM * f v"), "$-1\r\n");
    assert_eq!(t.run("XADD s * f v"), bulk("1000000000-0"));
    assert_eq!(t.run("XADD s 1000000000-* f v"), bulk("1000000000-1"));
    assert_eq!(t.run("XADD s 1000000001 f v"), bulk("1000000001-0"));
    assert_eq!(t.run("XADD s MAXLEN ~ 2 * g w"), bulk("1000000001-1"));
    assert_eq!(
        t.run("XADD s MINID ~ 1000000001 LIMIT 7 1000000002-0 g w"),
        bulk("1000000002-0")
    );
    assert_eq!(
        t.take_effects(),
        [
            "XADD s 1000000000-0 f v",
            "XADD s 1000000000-1 f v",
            "XADD s 1000000001 f v",
            "XADD s MAXLEN = 4 1000000001-1 g w",
            "XADD s MINID = 1000000000-0 LIMIT 7 1000000002-0 g w",
        ]
    );
    t.run("CONFIG SET stream-node-max-entries 1");
    t.run("XADD s 1000000003-0 g w");
    t.run("XADD s 1000000004-0 g w");
    t.take_effects();
    assert_eq!(t.run("XTRIM s MAXLEN ~ 1"), ":6\r\n");
    assert_eq!(t.run("XTRIM s MAXLEN ~ 1"), ":0\r\n");
    assert_eq!(t.take_effects(), ["XTRIM s MAXLEN = 1"]);
}

#[test]
fn refusals_are_those_of_redis() {
    let mut t = filled(3);
    for (line, error) in [
        (
            "XADD s 0-0 f v",
            "The ID specified in XADD must be greater than 0-0",
        ),
        (
            "XADD s 3-0 f v",
            "The ID specified in XADD is equal or smaller than the target stream top item",
        ),
        ("XADD s * f", "wrong number of arguments for 'xadd' command"),
        (
            "XADD s * f v g",
            "wrong number of arguments for 'xadd' command",
        ),
        (
            "XADD s x f v",
            "Invalid stream ID specified as stream command argument",
        ),
        (
            "XADD s MAXLEN -1 * f v",
            "The MAXLEN argument must be >= 0.",
        ),
        (
            "XADD s MAXLEN 1 MINID 1 * f v",
            "syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            "XADD s LIMIT 1 * f v",
            "syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            "XTRIM s MAXLEN 1 LIMIT 1",
            "syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XTRIM s LIMIT 0",
            "syntax error, XTRIM must be called with a trimming strategy",
        ),
        (
            "XTRIM s MAXLEN ~ 1 LIMIT -1",
            "The LIMIT argument must be >= 0.",
        ),
        (
            "XRANGE s (+ +",
            "Invalid stream ID specified as stream command argument",
        ),
        (
            "XRANGE s (18446744073709551615-18446744073709551615 +",
            "invalid start ID for the interval",
        ),
        ("XRANGE s - (0-0", "invalid end ID for the interval"),
        (
            "XREAD COUNT 1 STREAMS s",
            "Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
        (
            "XREAD COUNT 1 STREAMS s >",
            "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        (
            "XREAD COUNT 1 GROUP g c STREAMS s 0",
            "The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "XSETID s 2-0",
            "The ID specified in XSETID is smaller than the target stream top item",
        ),
        (
            "XSETID s 9-0 ENTRIESADDED 2",
            "The entries_added specified in XSETID is smaller than the target stream length",
        ),
        ("XSETID none 9-0", "no such key"),
        (
            "XGROUP CREATE none g 0",
            "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        (
            "XGROUP CREATE s g 0 ENTRIESREAD -2",
            "value for ENTRIESREAD must be positive or -1",
        ),
    ] {
        assert_eq!(t.run(line), format!("-ERR {error}\r\n"), "{line}");
    }
    let none = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    assert_eq!(t.run("XREADGROUP GROUP g c STREAMS s >"), none);
    assert_eq!(t.take_effects(), [""; 0]);
    assert_eq!(t.run("XLEN s"), ":3\r\n");
}

#[test]
fn a_group_gets_each_entry_once_and_its_effects_name_it() {
    let mut t = filled(3);
    assert_eq!(t.run("XGROUP CREATE s g 0"), "+OK\r\n");
    assert!(t.run("XGROUP CREATE s g 0").starts_with("-BUSYGROUP"));
    t.take_effects();
    let entry = |n: u32| {
        format!(
            "*2\r\n{}*2\r\n{}{}",
            bulk(&format!("{n}-0")),
            bulk("f"),
            bulk(&n.to_string())
        )
    };
    let head = format!("*1\r\n*2\r\n{}", bulk("s"));
    assert_eq!(
        t.run("XREADGROUP GROUP g a COUNT 2 STREAMS s >"),
        format!("{head}*2\r\n{}{}", entry(1), entry(2))
    );
    assert_eq!(
        t.take_effects(),
        [
            "XCLAIM s g a 0 1-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
            "XCLAIM s g a 0 2-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
            "XGROUP SETID s g 2-0 ENTRIESREAD 2",
        ]
    );
    t.advance_ms(50);
    assert_eq!(
        t.run("XREADGROUP GROUP g b NOACK STREAMS s >"),
        format!("{head}*1\r\n{}", entry(3))
    );
    assert_eq!(
        t.take_effects(),
        [
            "XGROUP SETID s g 3-0 ENTRIESREAD 3",
            "XGROUP CREATECONSUMER s g b"
        ]
    );
    assert_eq!(t.run("XREADGROUP GROUP g b STREAMS s >"), "*-1\r\n");
    t.run("XDEL s 1-0");
    assert_eq!(
        t.run("XREADGROUP GROUP g a STREAMS s 0"),
        format!("{head}*2\r\n*2\r\n{}*-1\r\n{}", bulk("1-0"), entry(2))
    );
    assert_eq!(
        t.run("XPENDING s g - + 9"),
        format!(
            "*2\r\n*4\r\n{}{}:50\r\n:1\r\n*4\r\n{}{}:0\r\n:2\r\n",
            bulk("1-0"),
            bulk("a"),
            bulk("2-0"),
            bulk("a")
        )
    );
    t.take_effects();
    assert_eq!(
        t.run("XAUTOCLAIM s g b 0 0 JUSTID"),
        format!(
            "*3\r\n{}*1\r\n{}*1\r\n{}",
            bulk("0-0"),
            bulk("2-0"),
            bulk("1-0")
        )
    );
    assert_eq!(
        t.take_effects(),
        [
            "XCLAIM s g a 0 1-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 3-0",
            "XCLAIM s g b 0 2-0 TIME 1000000050 RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
        ]
    );
    assert_eq!(t.run("XACK s g 1-0 2-0 2-0"), ":1\r\n");
    assert_eq!(t.take_effects(), ["XACK s g 1-0 2-0 2-0"]);
    t.engine.keyspace.check_invariants();
}

#[test]
fn readers_wait_for_what_comes_after_them() {
    let mut t = filled(1);
    let (first, second) = (t.connect(), t.connect());
    let writer = t.connect();
    assert_eq!(t.run_as(first, "XREAD BLOCK 0 STREAMS s $"), "");
    assert_eq!(t.run_as(second, "XREAD BLOCK 100 STREAMS s none 1-0 0"), "");
    t.run_as(writer, "XADD s 2-0 f v");
    let reply = format!(
        "*1\r\n*2\r\n{}*1\r\n*2\r\n{}*2\r\n{}{}",
        bulk("s"),
        bulk("2-0"),
        bulk("f"),
        bulk("v")
    );
    for client in [first, second] {
        assert_eq!(String::from_utf8_lossy(&t.take_reply(client)), reply);
    }
    assert_eq!(t.run_as(first, "XREAD BLOCK 100 STREAMS s $"), "");
    t.advance_ms(101);
    t.time_out_blocked();
    assert_eq!(t.take_reply(first), b"*-1\r\n");
}

#[test]
fn readers_of_a_group_are_notified_when_it_goes() {
    for (line, reply) in [
        (
            "DEL s",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
        ),
        (
            "XGROUP DESTROY s g",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
        ),
        (
            "SET s x",
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
        (
            "FLUSHALL",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
        ),
        (
            "RENAME s t",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
        ),
        ("XSETID s 9-0", ""),
        ("XTRIM s MAXLEN 0", ""),
    ] {
        let mut t = filled(1);
        t.run("XGROUP CREATE s g $");
        let (reader, plain, writer) = (t.connect(), t.connect(), t.connect());
        t.run_as(reader, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        t.run_as(plain, "XREAD BLOCK 0 STREAMS s $");
        t.run_as(writer, line);
        assert_eq!(
            String::from_utf8_lossy(&t.take_reply(reader)),
            reply,
            "{line}"
        );
        assert_eq!(t.take_reply(plain), b"", "{line}");
    }
}

#[test]
fn a_copy_and_a_restored_payload_are_the_same() {
    let mut t = filled(250);
    t.run("XDEL s 7-0 100-0");
    t.run("XGROUP CREATE s g 0");
    t.run("XREADGROUP GROUP g a COUNT 120 STREAMS s >");
    t.run("XGROUP CREATE s empty $");
    t.run("XGROUP CREATECONSUMER s g lazy");
    t.run("COPY s copy");
    let info = t.run("XINFO STREAM s FULL COUNT 0");
    assert_eq!(t.run("XINFO STREAM copy FULL COUNT 0"), info);
    let dump = t.run_args(&[b"DUMP", b"s"]);
    let head = dump
        .iter()
        .position(|b| *b == b'\n')
        .expect("a bulk string")
        + 1;
    let payload = &dump[head..dump.len() - 2];
    assert_eq!(t.run_args(&[b"RESTORE", b"r", b"0", payload]), b"+OK\r\n");
    assert_eq!(t.run("XINFO STREAM r FULL COUNT 0"), info);
    assert_eq!(t.run_args(&[b"DUMP", b"r"]), dump);
    assert_eq!(t.run("OBJECT ENCODING r"), bulk("stream"));
    t.engine.keyspace.check_invariants();
}

#[test]
fn entries_read_of_a_group_is_reported_where_it_is_known() {
    let mut t = filled(5);
    t.run("XGROUP CREATE s g 0");
    let progress = |t: &mut Testbed| {
        let info = t.run("XINFO GROUPS s");
        let at = info.find("entries-read").expect("it is reported");
        let words: Vec<&str> = info[at..].split("\r\n").collect();
        (words[1].to_owned(), words[4].to_owned())
    };
    assert_eq!(progress(&mut t), ("$-1".into(), ":5".into()));
    t.run("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    assert_eq!(progress(&mut t), (":2".into(), ":3".into()));
    t.run("XDEL s 4-0");
    assert_eq!(progress(&mut t), (":2".into(), "$-1".into()));
    t.run("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(progress(&mut t), (":5".into(), ":0".into()));
}
