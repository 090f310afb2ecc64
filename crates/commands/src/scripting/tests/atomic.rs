//! A failed atomic script leaves no trace.
//!
//! The tests compare the state before and after: every key of three databases with type, expiry and
//! digest. Random scripts fail at random points; the server refuses commands that it cannot undo.
//!
//! No trace also means: no event, no message, no invalidation, no effect, no woken client, and no
//! use of a key.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::eval;
use crate::testbed::{AllCommands as _, Testbed};

/// The first line of an atomic script.
const ATOMIC: &str = "#!lua flags=atomic\n";

/// Runs the body as an atomic script that then fails; returns the error.
fn fail(t: &mut Testbed, body: &str, keys: &[&str]) -> String {
    eval(
        t,
        &format!("{ATOMIC}{body}\nerror('on purpose')"),
        keys,
        &[],
    )
}

/// All keys with values and expiry times.
fn state(t: &mut Testbed) -> String {
    let mut all = String::new();
    for db in 0..3 {
        t.run(&format!("SELECT {db}"));
        let keys = t.run("KEYS *");
        let mut keys: Vec<&str> = keys
            .lines()
            .skip(1)
            .filter(|l| !l.starts_with('$'))
            .collect();
        keys.sort_unstable();
        for key in keys {
            all += &format!(
                "{db} {key} {} {} {}",
                t.run(&format!("PEXPIRETIME {key}")),
                t.run(&format!("TYPE {key}")),
                t.run(&format!("DEBUG DIGEST-VALUE {key}")),
            );
        }
    }
    t.run("SELECT 0");
    all
}

fn some_of_each(t: &mut Testbed) {
    for line in [
        "SET s 12",
        "SET later 1 PX 5000",
        "SETRANGE long 20000 x",
        "RPUSH l a b c",
        "SADD i 1 2 3",
        "SADD t a b c",
        "ZADD z 1 a 2 b 3 c",
        "HSET h f v g w",
        "HSET times f v g w",
        "HPEXPIRE times 4000 FIELDS 1 f",
        "XADD x 1-1 f v",
        "XGROUP CREATE x g 0",
        "PFADD p a b c",
        "SETBIT b 100 1",
        "GEOADD places 13.361389 38.115556 Palermo",
    ] {
        assert!(!t.run(line).starts_with('-'), "{line}");
    }
    t.run("SELECT 1");
    t.run("SET s other");
    t.run("SELECT 0");
    t.take_effects();
    t.take_events();
}

#[test]
fn a_script_that_fails_leaves_no_trace() {
    let mut t = Testbed::new();
    some_of_each(&mut t);
    let before = state(&mut t);
    let calls = [
        "'set', 's', 'new'",
        "'incr', 's'",
        "'append', 'long', 'more'",
        "'del', 's', 'l', 'h'",
        "'unlink', 't', 'z', 'x'",
        "'set', 'made', '1', 'px', '100'",
        "'expire', 's', '100'",
        "'persist', 'later'",
        "'pexpireat', 'l', '1'",
        "'rpush', 'l', 'd', 'e'",
        "'lpop', 'l', '3'",
        "'lmove', 'l', 'made', 'LEFT', 'RIGHT'",
        "'sadd', 'i', 'text'",
        "'spop', 't', '2'",
        "'sunionstore', 'i', 'i', 't'",
        "'smove', 't', 'made', 'a'",
        "'zadd', 'z', '5', 'a', '9', 'new'",
        "'zpopmin', 'z', '3'",
        "'zrangestore', 'made', 'z', '0', '-1'",
        "'hset', 'h', 'f', 'x', 'new', 'y'",
        "'hdel', 'times', 'f', 'g'",
        "'hpexpire', 'h', '100', 'FIELDS', '1', 'f'",
        "'hpersist', 'times', 'FIELDS', '1', 'f'",
        "'xadd', 'x', '*', 'f', 'v'",
        "'xreadgroup', 'GROUP', 'g', 'me', 'STREAMS', 'x', '>'",
        "'xgroup', 'DESTROY', 'x', 'g'",
        "'xtrim', 'x', 'MAXLEN', '0'",
        "'pfadd', 'p', 'd', 'e'",
        "'pfmerge', 'made', 'p'",
        "'setbit', 'b', '7', '1'",
        "'bitop', 'NOT', 'b', 'b'",
        "'geoadd', 'places', '15', '37', 'Catania'",
        "'georadius', 'places', '15', '37', '500', 'km', 'STORE', 'made'",
        "'rename', 's', 'l'",
        "'renamenx', 's', 'made'",
        "'copy', 's', 'made'",
        "'copy', 's', 's', 'DB', '1', 'REPLACE'",
        "'move', 'l', '1'",
        "'sort', 'i', 'STORE', 'made'",
        "'getdel', 's'",
        "'getex', 's', 'PX', '100'",
        "'mset', 's', '1', 'made', '2', 'long', '3'",
        "'restore', 'made', '0', redis.call('dump', 'l')",
        "'restore', 's', '0', redis.call('dump', 'l'), 'REPLACE'",
    ];
    for call in calls {
        let reported = fail(&mut t, &format!("redis.call({call})"), &[]);
        assert!(reported.contains("on purpose"), "{call}: {reported}");
        assert_eq!(state(&mut t), before, "{call}");
        assert_eq!(t.take_effects(), [""; 0], "{call}");
        let events = t.take_events();
        assert!(events.is_empty(), "{call}: {events:?}");
    }
    let all: String = calls.map(|call| format!("redis.pcall({call})\n")).concat();
    fail(&mut t, &all, &[]);
    assert_eq!(state(&mut t), before);
    assert_eq!(t.take_effects(), [""; 0]);
    // The same script without the failure has all effects.
    let reported = eval(&mut t, &format!("{ATOMIC}{all} return 'done'"), &[], &[]);
    assert_eq!(reported, "$4\r\ndone\r\n");
    assert_ne!(state(&mut t), before);
    assert_eq!(t.take_units().len(), 1);
    assert!(!t.take_events().is_empty());
}

#[test]
fn random_scripts_that_fail_leave_no_trace() {
    let mut rng = SmallRng::seed_from_u64(12);
    let mut t = Testbed::new();
    some_of_each(&mut t);
    let key = |rng: &mut SmallRng| {
        let keys = [
            "s", "later", "l", "i", "t", "z", "h", "times", "x", "k1", "k2",
        ];
        keys[rng.random_range(0..keys.len())]
    };
    for round in 0..300 {
        let mut body = String::new();
        for _ in 0..rng.random_range(1..12) {
            let (a, b, n) = (key(&mut rng), key(&mut rng), rng.random_range(0..300));
            body += &match rng.random_range(0..16) {
                0 => format!("redis.pcall('set', '{a}', '{n}')\n"),
                1 => format!(
                    "redis.pcall('set', '{a}', ('x'):rep({n}), 'PX', '{}')\n",
                    n + 1
                ),
                2 => format!("redis.pcall('del', '{a}', '{b}')\n"),
                3 => format!("redis.pcall('rename', '{a}', '{b}')\n"),
                4 => format!("redis.pcall('copy', '{a}', '{b}', 'REPLACE')\n"),
                5 => format!("for i=1,{n} do redis.pcall('rpush', '{a}', i) end\n"),
                6 => format!("for i=1,{n} do redis.pcall('sadd', '{a}', i * 7) end\n"),
                7 => format!("for i=1,{n} do redis.pcall('hset', '{a}', i, i) end\n"),
                8 => format!("for i=1,{n} do redis.pcall('zadd', '{a}', i, i) end\n"),
                9 => format!(
                    "redis.pcall('hpexpire', '{a}', {}, 'FIELDS', 2, 1, 'f')\n",
                    n + 1
                ),
                10 => format!("redis.pcall('select', {})\n", n % 3),
                11 => format!("redis.pcall('move', '{a}', {})\n", n % 3),
                12 => format!("redis.pcall('spop', '{a}', {n})\n"),
                13 => format!("redis.pcall('lpop', '{a}', {n})\n"),
                14 => format!("redis.pcall('xadd', '{a}', '*', 'f', '{n}')\n"),
                _ => format!("redis.pcall('pexpire', '{a}', {})\n", n + 1),
            };
        }
        let before = state(&mut t);
        t.take_effects();
        t.take_events();
        let reported = fail(&mut t, &body, &[]);
        assert!(
            reported.contains("on purpose"),
            "{round}: {reported}\n{body}"
        );
        // Expiry is still propagated.
        let effects = t.take_effects();
        let removals = |line: &&String| line.starts_with("DEL ") || line.starts_with("HDEL ");
        assert!(
            effects.iter().all(|line| removals(&line)),
            "{round}: {effects:?}\n{body}"
        );
        let events = t.take_events();
        let expired = ["expired", "hexpired"];
        assert!(
            events.iter().all(|e| expired.contains(&e.event)),
            "{round}: {events:?}\n{body}"
        );
        assert_eq!(state(&mut t), before, "{round}:\n{body}");
        // Some rounds complete, so that the next rounds start from another state.
        if round % 3 == 0 {
            eval(&mut t, &format!("{ATOMIC}{body}"), &[], &[]);
        }
        if round % 10 == 0 {
            t.advance_ms(200);
        }
    }
}

#[test]
fn what_cannot_be_undone_is_not_run() {
    let mut t = Testbed::new();
    some_of_each(&mut t);
    let before = state(&mut t);
    for call in ["'flushall'", "'flushdb'", "'swapdb', '0', '1'"] {
        let reported = eval(
            &mut t,
            &format!("{ATOMIC}return redis.call({call})"),
            &[],
            &[],
        );
        assert!(reported.contains("cannot be undone"), "{call}: {reported}");
        assert_eq!(state(&mut t), before, "{call}");
    }
    t.run("CONFIG SET script-undo-max-bytes 1000");
    let script =
        format!("{ATOMIC}redis.call('set', 's', 'x') return redis.call('append', 'long', 'x')");
    let reported = eval(&mut t, &script, &[], &[]);
    assert!(reported.contains("script-undo-max-bytes"), "{reported}");
    assert_eq!(state(&mut t), before);
    // If the script catches the error, it continues and keeps the other effects.
    let script = format!("{ATOMIC}redis.call('set', 's', 'x') redis.pcall('append', 'long', 'x')");
    assert_eq!(eval(&mut t, &script, &[], &[]), "$-1\r\n");
    assert_eq!(t.run("GET s"), "$1\r\nx\r\n");
    assert_eq!(t.run("STRLEN long"), ":20001\r\n");
    // The undo log records a key once, however often it is written.
    let script = format!("{ATOMIC}for i = 1, 10000 do redis.call('incr', 'n') end");
    assert_eq!(eval(&mut t, &script, &[], &[]), "$-1\r\n");
    assert_eq!(t.run("GET n"), "$5\r\n10000\r\n");
}

#[test]
fn a_script_that_fails_notifies_no_client() {
    let mut t = Testbed::new();
    let (me, other) = (t.connect(), t.connect());
    t.run("CONFIG SET notify-keyspace-events KEA");
    t.run_as(other, "PSUBSCRIBE *");
    t.take_reply(other);
    let run = |t: &mut Testbed, script: &str| {
        let script = format!("{ATOMIC}{script}");
        let words: [&[u8]; 3] = [b"EVAL", script.as_bytes(), b"0"];
        String::from_utf8_lossy(&t.run_args_as(me, &words)).into_owned()
    };
    let script = "redis.call('set', 'a', 1) local n = redis.call('publish', 'c', 'text')";
    let reported = run(&mut t, &format!("{script} error(n)"));
    assert!(
        reported.starts_with("-ERR 1") || reported.contains(" 1 script"),
        "{reported}"
    );
    assert_eq!(t.take_reply(other), b"");
    assert_eq!(run(&mut t, &format!("{script} return n")), ":1\r\n");
    let received = String::from_utf8_lossy(&t.take_reply(other)).into_owned();
    let at = |text: &str| {
        received
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {received}"))
    };
    at("text");
    at("__keyevent@0__:set");
}

#[test]
fn waiting_clients_are_served_when_it_has_ended_and_only_then() {
    let mut t = Testbed::new();
    let waiting = t.connect();
    assert_eq!(t.run_as(waiting, "BLPOP l 0"), "");
    let me = t.connect();
    let run = |t: &mut Testbed, script: &str| {
        let script = format!("{ATOMIC}{script}");
        t.run_args_as(me, &[b"EVAL", script.as_bytes(), b"0"])
    };
    run(&mut t, "redis.call('rpush', 'l', 'x') error('no')");
    assert_eq!(t.take_reply(waiting), b"");
    assert_eq!(t.run_as(me, "EXISTS l"), ":0\r\n");
    run(&mut t, "redis.call('rpush', 'l', 'y')");
    assert_eq!(t.take_reply(waiting), b"*2\r\n$1\r\nl\r\n$1\r\ny\r\n");
}

#[test]
fn clients_that_keep_what_they_read_are_not_notified() {
    let mut t = Testbed::new();
    let reader = t.connect();
    t.run("SET a 1");
    t.run_as(reader, "HELLO 3");
    t.run_as(reader, "CLIENT TRACKING ON");
    t.run_as(reader, "GET a");
    let me = t.connect();
    let run = |t: &mut Testbed, script: &str| {
        let script = format!("{ATOMIC}{script}");
        t.run_args_as(me, &[b"EVAL", script.as_bytes(), b"0"])
    };
    run(&mut t, "redis.call('set', 'a', 2) error('no')");
    assert_eq!(t.take_reply(reader), b"");
    run(&mut t, "redis.call('set', 'a', 2)");
    assert_eq!(
        t.take_reply(reader),
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"
    );
}

#[test]
fn in_a_transaction_the_rest_stays() {
    let mut t = Testbed::new();
    t.run("MULTI");
    t.run("SET a 1");
    let script = format!("{ATOMIC}redis.call('set', 'a', 2) redis.call('set', 'b', 2) error('no')");
    t.run_args(&[b"EVAL", script.as_bytes(), b"0"]);
    t.run("INCR a");
    assert!(t.run("EXEC").ends_with(":2\r\n"));
    assert_eq!(t.take_effects(), ["SET a 1", "INCR a"]);
    assert_eq!(t.run("EXISTS b"), ":0\r\n");
}

#[test]
fn the_directive_makes_every_script_atomic() {
    let mut t = Testbed::new();
    let script = "redis.call('set', 'a', 1) error('no')";
    eval(&mut t, script, &[], &[]);
    assert_eq!(t.run("GET a"), "$1\r\n1\r\n");
    t.run("DEL a");
    t.run("CONFIG SET script-rollback yes");
    eval(&mut t, script, &[], &[]);
    assert_eq!(t.run("GET a"), "$-1\r\n");
    let library: &[u8] = b"#!lua name=l\nredis.register_function('f', \
        function() redis.call('set', 'a', 1) redis.call('incr', 'a', 'x') end)";
    t.run_args(&[b"FUNCTION", b"LOAD", library]);
    assert!(t.run("FCALL f 0").starts_with("-ERR "));
    assert_eq!(t.run("GET a"), "$-1\r\n");
}

#[test]
fn a_key_whose_time_came_stays_gone() {
    let mut t = Testbed::new();
    t.run("SET a 1 PX 100");
    t.advance_ms(101);
    t.take_events();
    fail(
        &mut t,
        "redis.call('get', 'a') redis.call('set', 'a', 2)",
        &[],
    );
    assert_eq!(t.run("GET a"), "$-1\r\n");
    assert_eq!(t.take_effects(), ["SET a 1 PXAT 1000000100", "DEL a"]);
    let events: Vec<&str> = t.take_events().iter().map(|e| e.event).collect();
    assert_eq!(
        events.iter().filter(|e| **e == "expired").count(),
        1,
        "{events:?}"
    );
}

#[test]
fn a_script_that_runs_over_memory_is_undone() {
    let mut t = Testbed::new();
    t.run("CONFIG SET script-memory-limit 8mb");
    let script = "redis.call('set', 'a', 1) local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end";
    let reported = eval(&mut t, &format!("{ATOMIC}{script}"), &[], &[]);
    assert!(reported.contains("not enough memory"), "{reported}");
    assert_eq!(t.run("GET a"), "$-1\r\n");
    assert_eq!(t.take_effects(), [""; 0]);
}

#[test]
fn reading_for_the_log_is_no_use_of_a_key() {
    let mut t = Testbed::new();
    t.run("SET a 1");
    t.run("CONFIG RESETSTAT");
    let script = format!("{ATOMIC}redis.call('set', 'a', 2) redis.call('set', 'b', 2)");
    eval(&mut t, &script, &[], &[]);
    let stats = t.run("INFO stats");
    assert!(stats.contains("keyspace_hits:0\r\n") && stats.contains("keyspace_misses:0\r\n"));
}
