//! PREFIXSTATS: figures that commands count equal the figures of a walk.
//!
//! Commands count keys, bytes, reads, writes, misses and expired keys by prefix. A walk counts keys
//! that were there before the setting was turned on, in slices, while they change; random commands
//! of all types check that both ways give the same figures.

use std::collections::BTreeMap;

use crate::server::some_commands::{next, some_command};
use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;
use russet_keyspace::DbIndex;

/// The lines of a database: name, then keys, bytes, reads, writes, misses, expired.
fn lines(t: &mut Testbed, line: &str) -> Vec<(String, Vec<u64>)> {
    let reply = t.run(line);
    let words: Vec<&str> = reply.lines().collect();
    let mut found = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, w)| **w == "prefix") {
        let name = words[at + 2].to_owned();
        // `$4`, `keys`, `:1`, ...
        let figures = (0..6).map(|n| words[at + 5 + 3 * n][1..].parse().expect("a number"));
        found.push((name, figures.collect()));
    }
    found
}

fn figures(t: &mut Testbed, prefix: &str) -> Option<Vec<u64>> {
    let all = lines(t, "PREFIXSTATS COUNT 0");
    all.into_iter()
        .find(|(name, _)| name == prefix)
        .map(|(_, figures)| figures)
}

fn on() -> Testbed {
    let mut t = Testbed::new();
    assert_eq!(t.run("CONFIG SET prefix-stats yes"), "+OK\r\n");
    t
}

#[test]
fn off_it_is_refused_and_forms_are_checked() {
    let mut t = Testbed::new();
    let refused = t.run("PREFIXSTATS");
    assert!(
        refused.starts_with("-ERR Keys are not counted by prefix"),
        "{refused}"
    );
    let mut t = on();
    assert_eq!(t.run("PREFIXSTATS"), "*0\r\n");
    for line in [
        "PREFIXSTATS BY size",
        "PREFIXSTATS COUNT",
        "PREFIXSTATS ALL 1",
    ] {
        assert_eq!(t.run(line), "-ERR syntax error\r\n", "{line}");
    }
}

#[test]
fn packed_values_are_counted_with_what_they_save() {
    let mut t = on();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    let of = |t: &mut Testbed| {
        let reply = t.run("PREFIXSTATS");
        let words: Vec<&str> = reply.lines().collect();
        let figure = |name: &str| {
            let at = words
                .iter()
                .position(|word| *word == name)
                .expect("the name");
            words[at + 1][1..].parse::<u64>().expect("a number")
        };
        (figure("packed"), figure("saved"), figure("bytes"))
    };
    let text = "a.text.that.repeats.".repeat(40);
    t.run(&format!("SET a:1 {text}"));
    t.run(&format!("SET a:2 {text}"));
    t.run("HSET a:3 f v");
    let (packed, saved, plain) = of(&mut t);
    assert_eq!((packed, saved), (0, 0));
    assert_eq!(t.run("DEBUG PACK a:1"), ":1\r\n");
    assert_eq!(t.run("DEBUG PACK a:2"), ":1\r\n");
    let (packed, saved, bytes) = of(&mut t);
    assert_eq!(packed, 2);
    assert!(saved > 1200 && bytes < plain - 1000, "{saved} {bytes}");
    t.engine.keyspace.check_invariants();
    t.run("APPEND a:1 more");
    let (packed, half, _) = of(&mut t);
    assert_eq!((packed, half), (1, saved / 2));
    t.run("DEL a:2");
    assert_eq!(of(&mut t).0, 0);
    t.engine.keyspace.check_invariants();
    assert!(t.run("PREFIXSTATS BY saved").contains("packed"));
}

#[test]
fn what_is_done_under_a_prefix_is_counted_there() {
    let mut t = on();
    t.run("SET user:1 a");
    t.run("SET user:2 b");
    t.run("SET plain x");
    t.run("GET user:1");
    t.run("GET user:9");
    t.run("PEXPIRE user:2 5");
    t.advance_ms(10);
    t.run("GET user:2");
    let user = figures(&mut t, "user:").expect("a line");
    // Keys, then reads, writes, misses, expired.
    assert_eq!((user[0], &user[2..]), (1, &[1, 3, 2, 1][..]));
    let bytes: u64 = t.run("MEMORY USAGE user:1").trim()[1..]
        .parse()
        .expect("a number");
    // MEMORY USAGE also counts the slot in the database's table.
    assert_eq!(user[1] + 10, bytes);
    assert_eq!(figures(&mut t, "(none)").expect("a line")[0], 1);
    let first = lines(&mut t, "PREFIXSTATS COUNT 1 BY writes");
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, "user:");
}

#[test]
fn lines_beyond_the_table_are_one() {
    let mut t = on();
    assert_eq!(t.run("CONFIG SET prefix-stats-max-prefixes 2"), "+OK\r\n");
    for prefix in ["a", "b", "c", "d"] {
        t.run(&format!("SET {prefix}:1 x"));
    }
    assert_eq!(figures(&mut t, "(other)").expect("a line")[0], 2);
    assert_eq!(figures(&mut t, "c:"), None);
}

#[test]
fn what_was_there_before_is_walked_in_slices_while_it_changes() {
    let mut t = Testbed::new();
    for n in 0..5000 {
        t.run(&format!("SET p{}:{n} {n}", n % 3));
    }
    t.run("CONFIG SET prefix-stats yes");
    assert!(t.engine.keyspace.walks_prefixes());
    let mut n = 0;
    while t.engine.keyspace.walk_prefixes(0) {
        t.run(&format!("DEL p0:{}", n * 3));
        t.run(&format!("SET p{}:new{n} {}", n % 3, "y".repeat(n % 200)));
        t.run(&format!("APPEND p1:{} more", n * 3 + 1));
        t.engine.keyspace.check_invariants();
        n += 1;
    }
    assert!(n > 3);
    t.engine.keyspace.check_invariants();
    let keys: u64 = lines(&mut t, "PREFIXSTATS").iter().map(|(_, f)| f[0]).sum();
    assert_eq!(keys, t.engine.keyspace.len() as u64);
}

#[test]
fn whole_databases_take_their_figures_along() {
    let mut t = on();
    t.run("SET a:1 x");
    t.run("SWAPDB 0 1");
    assert_eq!(figures(&mut t, "a:"), None);
    t.run("SWAPDB 0 1");
    t.run("MOVE a:1 1");
    assert_eq!(figures(&mut t, "a:").expect("its writes")[0], 0);
    t.run("SELECT 1");
    assert_eq!(figures(&mut t, "a:").expect("a line")[0], 1);
    t.run("RENAME a:1 b:1");
    assert_eq!(figures(&mut t, "b:").expect("a line")[0], 1);
    t.run("FLUSHALL");
    let left = figures(&mut t, "b:").expect("its writes");
    assert_eq!((left[0], left[1], left[3]), (0, 0, 1));
    t.engine.keyspace.check_invariants();
}

#[test]
fn random_commands_leave_the_figures_of_a_walk() {
    let mut t = on();
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut kinds: BTreeMap<u64, u64> = BTreeMap::new();
    for n in 0..6000u64 {
        seed = next(seed);
        let reply = t.run(&some_command(seed >> 8));
        *kinds.entry((seed >> 8) / 6 % 24).or_default() += u64::from(!reply.starts_with('-'));
        if n % 7 == 0 {
            t.advance_ms(1);
        }
        match n % 997 {
            5 => _ = t.run("SWAPDB 0 3"),
            6 => _ = t.run("SWAPDB 0 3"),
            7 => _ = t.run("DEL s:1 l:2 h:3 z:4"),
            8 => _ = t.run("UNLINK s:2 l:3 h:4 z:5 t:1 x:1"),
            9 if n > 4000 => _ = t.run("FLUSHALL"),
            _ => {}
        }
        if n % 50 == 0 {
            t.engine.keyspace.check_invariants();
        }
    }
    t.engine.keyspace.check_invariants();
    assert!(
        kinds.len() == 24 && kinds.values().all(|done| *done > 0),
        "{kinds:?}"
    );
    assert!(t.engine.keyspace.prefix_lines(DbIndex(0)).is_some());
}
