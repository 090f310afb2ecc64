//! Replies and effects; `tests/oracle` compares the rest with Redis.
//!
//! Four elements in two dimensions, whose order by similarity is known. Beyond order: attributes,
//! effects without CAS, payloads (RESTORE refuses a damaged payload), projections, and the bound on
//! the time of a search in a transaction and in a script.

use std::sync::atomic::Ordering;

use crate::testbed::{AllCommands as _, Testbed};

fn filled(options: &str) -> Testbed {
    let mut t = Testbed::new();
    for (name, vector) in [("a", "1 0"), ("b", "1 1"), ("c", "0 1"), ("d", "-1 0")] {
        let line =
            format!("VADD k VALUES 2 {vector} {name}{options} SETATTR {{\"name\":\"{name}\"}}");
        assert_eq!(t.run(&line), ":1\r\n");
    }
    t
}

#[test]
fn the_most_similar_come_first() {
    for options in ["", " NOQUANT", " M 5"] {
        let mut t = filled(options);
        let reply = t.run("VSIM k VALUES 2 9 2 COUNT 3");
        assert_eq!(reply, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
        let reply = t.run("VSIM k ELE a WITHSCORES COUNT 1");
        assert_eq!(reply, "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        let reply = t.run("VSIM k ELE a FILTER .name=='d' WITHATTRIBS");
        assert_eq!(reply, "*2\r\n$1\r\nd\r\n$12\r\n{\"name\":\"d\"}\r\n");
        t.run("HELLO 3");
        let reply = t.run("VSIM k ELE a WITHSCORES WITHATTRIBS COUNT 1 TRUTH");
        assert_eq!(
            reply,
            "%1\r\n$1\r\na\r\n*2\r\n,1\r\n$12\r\n{\"name\":\"a\"}\r\n"
        );
    }
}

#[test]
fn an_element_gets_another_vector_and_keeps_its_attributes() {
    let mut t = filled("");
    assert_eq!(t.run("VADD k VALUES 2 0 -1 a"), ":0\r\n");
    assert_eq!(t.run("VGETATTR k a"), "$12\r\n{\"name\":\"a\"}\r\n");
    assert_eq!(t.run("VSIM k VALUES 2 0 -1 COUNT 1"), "*1\r\n$1\r\na\r\n");
    assert_eq!(t.run("VADD k VALUES 2 0 -1 a SETATTR x"), ":0\r\n");
    assert_eq!(t.run("VGETATTR k a"), "$1\r\nx\r\n");
    assert_eq!(t.run_args(&[b"VSETATTR", b"k", b"a", b""]), b":1\r\n");
    assert_eq!(t.run("VGETATTR k a"), "$-1\r\n");
    assert_eq!(t.run("VCARD k"), ":4\r\n");
}

#[test]
fn cas_is_not_repeated() {
    let mut t = Testbed::new();
    t.run("VADD v VALUES 2 1 0 cas CAS SETATTR cas cas NOQUANT");
    t.run("VADD v VALUES 2 1 0 other NOQUANT");
    assert_eq!(
        t.take_effects(),
        [
            "VADD v VALUES 2 1 0 cas SETATTR cas NOQUANT",
            "VADD v VALUES 2 1 0 other NOQUANT",
        ]
    );
}

#[test]
fn an_emptied_set_is_removed() {
    let mut t = filled(" BIN");
    for name in ["a", "b", "c", "d"] {
        assert_eq!(t.run("EXISTS k"), ":1\r\n");
        assert_eq!(t.run(&format!("VREM k {name}")), ":1\r\n");
        assert_eq!(t.run(&format!("VREM k {name}")), ":0\r\n");
    }
    assert_eq!(t.run("EXISTS k"), ":0\r\n");
}

#[test]
fn a_payload_has_everything_and_a_damaged_one_is_refused() {
    for options in ["", " NOQUANT", " BIN", " M 4"] {
        let mut t = filled(options);
        t.run("VREM k b");
        let payload = t.run_args(&[b"DUMP", b"k"]);
        let start = payload.iter().position(|b| *b == b'\n').expect("a header") + 1;
        let payload = &payload[start..payload.len() - 2];
        assert_eq!(t.run_args(&[b"RESTORE", b"l", b"0", payload]), b"+OK\r\n");
        let digest = |t: &mut Testbed, key| t.run(&format!("DEBUG DIGEST-VALUE {key}"));
        assert_eq!(digest(&mut t, "k"), digest(&mut t, "l"));
        let links = |t: &mut Testbed, key| t.run(&format!("VLINKS {key} a"));
        assert_eq!(links(&mut t, "k"), links(&mut t, "l"));
        t.engine.keyspace.check_invariants();
        t.run("CONFIG SET sanitize-dump-payload no");
        for at in 10..payload.len() - 10 {
            let mut damaged = payload.to_vec();
            damaged[at] ^= 1 << (at % 8);
            // No checksum.
            let end = damaged.len() - 8;
            damaged[end..].fill(0);
            t.run_args(&[b"RESTORE", b"m", b"0", &damaged, b"REPLACE"]);
            t.engine.keyspace.check_invariants();
        }
    }
}

#[test]
fn a_projection_is_kept_and_wanted_again() {
    let mut t = Testbed::new();
    assert_eq!(t.run("VADD k REDUCE 2 VALUES 4 1 2 3 4 a"), ":1\r\n");
    assert_eq!(t.run("VDIM k"), ":2\r\n");
    let refused = t.run("VADD k VALUES 4 1 2 3 4 b");
    assert_eq!(
        refused,
        "-ERR Vector dimension mismatch - got 4 but set has 2\r\n"
    );
    assert_eq!(t.run("COPY k l"), ":1\r\n");
    assert_eq!(t.run("VADD l REDUCE 2 VALUES 4 1 2 3 4 b"), ":1\r\n");
    assert_eq!(
        t.run("VSIM l VALUES 4 1 2 3 4 COUNT 5")
            .matches("\r\n$1\r\n")
            .count(),
        2
    );
    let huge = "VADD h REDUCE 60000 FP32 ";
    let words: Vec<&[u8]> = huge.split_whitespace().map(str::as_bytes).collect();
    let blob = vec![0; 60_000 * 4];
    let reply = t.run_args(&[&words[..], &[&blob, b"x"]].concat());
    assert_eq!(reply, b"-ERR invalid vector specification\r\n");
}

/// A set and a search whose filter takes longer than any threshold.
fn long_search(t: &mut Testbed) -> String {
    for n in 0..200 {
        t.run(&format!("VADD v VALUES 2 1 {n} e{n} SETATTR {{\"a\":1}}"));
    }
    let filter = format!(".a{}", "+1**1".repeat(4000));
    t.engine.server.config.busy_reply_threshold = 1;
    format!("VSIM v VALUES 2 1 1 COUNT 200 TRUTH FILTER {filter}")
}

#[test]
fn a_search_in_a_transaction_ends_when_it_takes_too_long() {
    let mut t = Testbed::new();
    let search = long_search(&mut t);
    t.run("MULTI");
    t.run(&search);
    t.run("PING");
    let reply = t.run("EXEC");
    assert!(
        reply.starts_with("*2\r\n-ERR It takes longer than busy-reply-threshold"),
        "{}",
        &reply[..80]
    );
    t.engine.server.config.busy_reply_threshold = 0;
    t.run("MULTI");
    t.run(&search);
    let reply = t.run("EXEC");
    assert!(reply.starts_with("*1\r\n*200\r\n"), "{}", &reply[..80]);
}

#[test]
fn a_search_asks_whether_its_script_must_end() {
    let mut t = Testbed::new();
    let search = long_search(&mut t);
    let script: &[u8] =
        b"local r = redis.pcall(unpack(ARGV)); return type(r) == 'table' and r.err or 'whole'";
    let mut words: Vec<&[u8]> = vec![b"EVAL", script, b"0"];
    words.extend(search.split(' ').map(str::as_bytes));
    t.engine
        .server
        .shutdown
        .signals
        .stop
        .store(1, Ordering::Release);
    let reply = String::from_utf8_lossy(&t.run_args(&words)).into_owned();
    assert!(
        reply.contains("has been ended") || reply.contains("Script killed"),
        "{}",
        &reply[..reply.len().min(80)]
    );
}
