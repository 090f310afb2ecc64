//! Compares MEMORY USAGE of a key with the bytes that the key's deletion frees.

use std::collections::BTreeSet;

use crate::server::some_commands::{next, some_command};
use crate::testbed::{AllCommands as _, Testbed};
use russet_base::memory::alloc;
use russet_keyspace::DbIndex;

const DB: DbIndex = DbIndex(0);
/// The share of the database's table that MEMORY USAGE counts for a key.
const CELL_BYTES: usize = 10;

/// Bytes in use by this thread, without the database's own tables.
fn balance(t: &Testbed) -> i64 {
    let db = t.engine.keyspace.database(DB);
    let tables = db.table_bytes() + db.line_bytes();
    alloc::thread_balance() - tables as i64
}

/// Deletes a key completely; returns the bytes freed.
fn freed_with(t: &mut Testbed, key: &str) -> i64 {
    let before = balance(t);
    let lazyfree = |t: &mut Testbed| {
        while t.engine.keyspace.lazyfree.has_slices() {
            t.engine.keyspace.lazyfree.free_slices(u64::MAX);
        }
    };
    assert_eq!(t.run(&format!("DEL {key}")), ":1\r\n");
    lazyfree(t);
    before - balance(t)
}

#[test]
#[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
fn usage_is_what_the_allocator_gets_back() {
    let mut t = Testbed::unheard();
    // A busy machine can make a DEL slow enough for the slow log, which takes memory.
    t.run("CONFIG SET slowlog-log-slower-than -1");
    // Warm-up: first commands make lasting allocations.
    for n in 0..300 {
        t.run(&format!("SET filler:{n} {n}"));
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    for _ in 0..5000 {
        seed = next(seed);
        t.run(&some_command(seed >> 8));
    }
    t.run("FLUSHALL");
    let big: String = (0..3000).map(|i| format!(" member-{i}")).collect();
    t.run(&format!("SADD warm{big}"));
    freed_with(&mut t, "warm");
    let mut seen = BTreeSet::new();
    for round in 0..60 {
        for _ in 0..60 {
            seed = next(seed);
            t.run(&some_command(seed >> 8));
        }
        t.run("SET number:1 12345");
        let keys = t.run("KEYS *");
        let keys: Vec<String> = keys
            .lines()
            .filter(|line| line.contains(':'))
            .map(str::to_owned)
            .collect();
        for key in keys {
            let encoding = t.run(&format!("OBJECT ENCODING {key}"));
            let reported = t.run(&format!("MEMORY USAGE {key} SAMPLES 0"));
            assert_eq!(reported, t.run(&format!("MEMORY USAGE {key}")), "{key}");
            let reported: usize = reported[1..].trim().parse().expect("a number");
            let freed = freed_with(&mut t, &key);
            assert_eq!(
                (reported - CELL_BYTES) as i64,
                freed,
                "round {round}: {key}, {encoding}"
            );
            seen.insert(encoding);
        }
    }
    // int, embstr, raw, listpack, quicklist, intset, hashtable, listpackex, skiplist, stream
    assert_eq!(seen.len(), 10, "{seen:?}");
}
