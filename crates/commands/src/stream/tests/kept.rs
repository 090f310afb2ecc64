//! Idempotent IDs and entries without an owner, kept through copies, payloads, files and logs.
//!
//! One stream has both kinds of data. The test compares its figures and pending entries after COPY
//! and RENAME, after DUMP and RESTORE, and on a server that runs the rewritten commands; lines of
//! producers expire by the clock, and a lookup alone removes none.

use crate::testbed::{AllCommands as _, Testbed};

/// The figures of XINFO STREAM about producers.
fn figures(t: &mut Testbed, key: &str) -> Vec<String> {
    let info = t.run(&format!("XINFO STREAM {key}"));
    let at = info.find("idmp-duration").expect("it is shown");
    let lines = info[at..]
        .split("\r\n")
        .filter(|line| line.starts_with(':'));
    lines.take(6).map(|line| line[1..].to_owned()).collect()
}

/// A stream with two producers, a group and entries without an owner.
fn filled() -> Testbed {
    let mut t = Testbed::new();
    for line in [
        "XADD s IDMP p x * f 1",
        "XADD s IDMP p y * f 2",
        "XADD s IDMPAUTO q * f 3",
        "XADD s 3000000000-0 f 4",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "XNACK s g FAIL IDS 2 3000000000-0 1000000000-0",
        "XNACK s g SILENT IDS 1 1000000000-1",
        "XADD s IDMP p x * f 1",
    ] {
        let reply = t.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    t.take_effects();
    t
}

#[test]
fn an_entry_sent_twice_is_added_once() {
    let mut t = Testbed::new();
    let id = t.run("XADD s IDMP p x * f v");
    assert_eq!(t.run("XADD s MAXLEN 0 IDMP p x * f w"), id);
    let auto = t.run("XADD s IDMPAUTO p * a 1 b 2");
    assert_eq!(t.run("XADD s IDMPAUTO p * b 2 a 1"), auto);
    assert_ne!(t.run("XADD s IDMP q x * f v"), id);
    assert_eq!(t.run("XADD none NOMKSTREAM IDMP p x * f v"), "$-1\r\n");
    assert_eq!(t.run("XLEN s"), ":3\r\n");
    assert_eq!(figures(&mut t, "s"), ["100", "100", "2", "3", "3", "2"]);
    assert_eq!(
        t.take_effects(),
        [
            "XADD s IDMP p x 1000000000-0 f v",
            "XADD s MAXLEN 0 IDMP p x * f w",
            "XADD s IDMPAUTO p 1000000000-1 a 1 b 2",
            "XADD s IDMPAUTO p * b 2 a 1",
            "XADD s IDMP q x 1000000000-2 f v",
        ]
    );
    // The same value is no change; another value drops everything.
    t.run("XCFGSET s IDMP-DURATION 100");
    assert!(t.take_effects().is_empty());
    t.run("XCFGSET s IDMP-MAXSIZE 1");
    assert_eq!(figures(&mut t, "s"), ["100", "1", "0", "0", "3", "2"]);
    t.run("XADD s IDMP p x * f v");
    t.run("XADD s IDMP p y * f v");
    t.run("XADD s IDMP p x * f v");
    assert_eq!(figures(&mut t, "s"), ["100", "1", "1", "1", "6", "2"]);
    t.run("XIDMPRECORD s r a 1000000000-1");
    t.run("XIDMPRECORD s r a 1000000000-1");
    assert_eq!(figures(&mut t, "s"), ["100", "1", "2", "2", "7", "2"]);
    t.engine.keyspace.check_invariants();
}

#[test]
fn lines_expire_by_the_clock_and_not_by_lookup() {
    let mut t = Testbed::new();
    t.run("CONFIG SET stream-idmp-duration 2");
    let id = t.run("XADD s IDMP p x * f v");
    t.advance_ms(1000);
    t.run("XADD s IDMP q y * f v");
    assert_eq!(figures(&mut t, "s")[..4], ["2", "100", "2", "2"]);
    t.advance_ms(1001);
    assert_eq!(t.run("XADD s IDMP p x * f v"), id, "the cycle has not run");
    assert_eq!(t.engine.keyspace.next_expiry(), Some(1_000_002_001));
    t.engine.keyspace.expire_cycle(std::time::Duration::MAX);
    assert_eq!(figures(&mut t, "s")[2..], ["1", "1", "2", "1"]);
    assert_eq!(t.engine.keyspace.next_expiry(), Some(1_000_003_001));
    t.run("RENAME s t");
    t.run("COPY t s");
    t.run("MOVE t 3");
    t.run("SWAPDB 0 3");
    t.engine.keyspace.check_invariants();
    t.advance_ms(1000);
    t.engine.keyspace.expire_cycle(std::time::Duration::MAX);
    assert_eq!(figures(&mut t, "t")[2..4], ["0", "0"]);
    assert_ne!(t.run("XADD t IDMP p x * f v"), id);
    t.run("FLUSHALL");
    t.engine.keyspace.check_invariants();
}

#[test]
fn copies_and_payloads_keep_everything() {
    let mut t = filled();
    let info = t.run("XINFO STREAM s FULL");
    assert_eq!(figures(&mut t, "s"), ["100", "100", "2", "3", "3", "1"]);
    t.run("COPY s copy");
    t.run("RENAME copy other");
    assert_eq!(t.run("XINFO STREAM other FULL"), info);
    let dump = t.run_args(&[b"DUMP", b"s"]);
    let head = dump
        .iter()
        .position(|b| *b == b'\n')
        .expect("a bulk string")
        + 1;
    let payload = &dump[head..dump.len() - 2];
    assert_eq!((payload[0], payload[payload.len() - 10]), (27, 14));
    assert_eq!(t.run_args(&[b"RESTORE", b"r", b"0", payload]), b"+OK\r\n");
    assert_eq!(t.run("XINFO STREAM r FULL"), info);
    assert_eq!(t.run_args(&[b"DUMP", b"r"]), dump);
    // In the order in which they were given back.
    let claimed = t.run("XREADGROUP GROUP g d CLAIM 0 STREAMS r >");
    let at = |id: &str| claimed.find(id).unwrap_or_else(|| panic!("{claimed}"));
    assert!(at("3000000000-0") < at("1000000000-0\r") && at("1000000000-0\r") < at("1000000000-1"));
    // Without ownerless entries, and without both, the payload has an older form.
    t.run("XACK s g 3000000000-0 1000000000-0 1000000000-1");
    let kind = |t: &mut Testbed| {
        let dump = t.run_args(&[b"DUMP", b"s"]);
        let head = dump
            .iter()
            .position(|b| *b == b'\n')
            .expect("a bulk string")
            + 1;
        (dump[head], dump[dump.len() - 12])
    };
    assert_eq!(kind(&mut t), (26, 13));
    t.run("DEL s");
    t.run("XADD s 1-1 f v");
    assert_eq!(kind(&mut t), (21, 12));
    t.engine.keyspace.check_invariants();
}

#[test]
fn what_is_rewritten_rebuilds_the_stream() {
    use russet_keyspace::{DbIndex, Saver};
    use russet_persistence::aof::CommandWriter;
    let mut t = filled();
    t.run("XCFGSET s IDMP-MAXSIZE 50");
    t.run("XIDMPRECORD s p x 1000000000-1");
    let mut log = CommandWriter::default();
    let mut db = t.engine.keyspace.db(DbIndex(0));
    log.key(DbIndex(0), &db.peek_view(b"s").expect("it is there"));
    let lines = String::from_utf8_lossy(&log.out).into_owned();
    let requests = lines.split('*').filter(|request| !request.is_empty());
    let mut fresh = Testbed::new();
    let mut seen = Vec::new();
    for request in requests {
        let words: Vec<&str> = request.split("\r\n").collect();
        let words: Vec<&[u8]> = words[2..].iter().step_by(2).map(|w| w.as_bytes()).collect();
        let reply = fresh.run_args(&words);
        assert!(
            !reply.starts_with(b"-"),
            "{request}: {}",
            String::from_utf8_lossy(&reply)
        );
        seen.push(String::from_utf8_lossy(&words.join(&b' ')).into_owned());
    }
    assert_eq!(
        seen[seen.len() - 4..],
        [
            "XNACK s g FAIL IDS 2 3000000000-0 1000000000-0 RETRYCOUNT 1 FORCE",
            "XNACK s g FAIL IDS 1 1000000000-1 RETRYCOUNT 0 FORCE",
            "XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 50",
            "XIDMPRECORD s p x 1000000000-1",
        ]
    );
    assert_eq!(figures(&mut fresh, "s"), ["100", "50", "1", "1", "1", "0"]);
    assert_eq!(fresh.run("XPENDING s g - + 9"), t.run("XPENDING s g - + 9"));
    fresh.engine.keyspace.check_invariants();
}
