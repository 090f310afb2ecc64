//! Active defragmentation moves the blocks of every type and encoding and changes nothing.
//!
//! One database holds values of every type in every encoding, large and small. After a move of
//! every block the digest, and all replies that depend on positions (order, cursors, ranks, pending
//! entries, due fields), equal the replies before; then the test changes, expires and frees the
//! values, and checks invariants.
//!
//! A string that a client is receiving stays where it is. Defragmentation empties sparse slabs
//! (jemalloc only).

use crate::testbed::{AllCommands as _, Testbed};
use russet_base::memory::mover::Mover;
use russet_keyspace::{DbIndex, Str, Walk};
use russet_resp::Reply;

const DB: DbIndex = DbIndex(0);

/// A database with values of every type in every encoding, large and small.
fn filled() -> Testbed {
    let mut t = Testbed::unheard();
    t.run("CONFIG SET enable-debug-command yes");
    t.run("SET int 7");
    t.run("SET short text");
    t.run("SET volatile text EX 1000");
    t.run(&format!("SET raw {}", "r".repeat(700)));
    t.run(&format!("SET large {}", "l".repeat(40_000)));
    t.run("APPEND grown text");
    t.run(&format!("SET {} v", "longname".repeat(40)));
    t.run("RPUSH pack a b c 1 2 3");
    t.run("SADD ints 1 2 3");
    t.run("SADD words a b c");
    t.run("HSET small a b c d");
    t.run("HSET timed a b c d");
    t.run("HPEXPIRE timed 900000 FIELDS 1 a");
    t.run("ZADD few 1 a 2 b");
    t.run("XADD short-log 1-1 f v");
    t.run("XGROUP CREATE log g 0 MKSTREAM");
    t.run("XGROUP CREATE log other 0 MKSTREAM");
    t.run("ARSET few-slots 7 a b c");
    t.run("VADD one-vector VALUES 2 1 2 a SETATTR {}");
    t.run("PHSET one-path a FIELDS 1 f v");
    t.run("CONFIG SET list-max-listpack-size 4");
    t.run("CONFIG SET stream-node-max-entries 3");
    t.run(&format!("RPUSH packed-list {}", "z".repeat(5000)));
    for i in 0..3000 {
        t.run(&format!("RPUSH list element:{i}"));
        t.run(&format!("SADD set member:{i} {i}"));
        t.run(&format!("HSET hash field:{i} {}", "v".repeat(i % 90)));
        t.run(&format!("ZADD zset {} member:{i}", i % 70));
        t.run(&format!("XADD log {i}-1 field value:{i}"));
        t.run(&format!("ARSET array {} {}", i * i, "v".repeat(i % 150)));
        t.run(&format!("ARINSERT dense {i}"));
        let long = "long/".repeat(i % 9);
        t.run(&format!(
            "PHSET paths {}/{long}{i} FIELDS 1 f{} {i}",
            i % 13,
            i % 3
        ));
        t.run(&format!("PHSET paths many FIELDS 1 {i} v"));
        if i < 500 {
            t.run(&format!(
                "VADD vectors VALUES 3 {i} {} 7 e{i} SETATTR {{\"n\":{i}}}",
                i * i % 97
            ));
        }
        t.run(&format!("SET key:{i} {}", "v".repeat(i % 200)));
        if i % 7 == 0 {
            t.run(&format!("SET due:{i} v PX {}", 100_000 + i));
            t.run(&format!("HPEXPIRE hash {} FIELDS 1 field:{i}", 90_000 + i));
            t.run(&format!("HSET hash far:{i} {}", "f".repeat(1500)));
        }
        if i % 3 == 0 {
            t.run(&format!(
                "XREADGROUP GROUP g c{} COUNT 2 STREAMS log >",
                i % 5
            ));
        }
    }
    t.run("XREADGROUP GROUP other me COUNT 500 STREAMS log >");
    for i in 0..300 {
        t.run(&format!("SADD tiny:{i} {}", "m".repeat(70)));
        t.run(&format!("HSET tiny-hash:{i} f {}", "m".repeat(70)));
        t.run(&format!("ZADD tiny-zset:{i} 1 {}", "m".repeat(70)));
    }
    t.run("SELECT 3");
    t.run("SET elsewhere yes");
    t.run("SELECT 0");
    t
}

fn digest(t: &mut Testbed) -> String {
    let digest = t.run("DEBUG DIGEST");
    assert!(digest.len() > 40, "{digest}");
    digest
}

/// Replies that depend on positions: order, cursors, ranks, pending entries, due fields.
fn answers(t: &mut Testbed) -> Vec<String> {
    let lines = [
        "LRANGE list 0 -1",
        "LINDEX list 1234",
        "ZRANGE zset 0 -1 WITHSCORES",
        "ZRANK zset member:1500",
        "ZRANGEBYSCORE zset 3 5",
        "SSCAN set 0 COUNT 100",
        "HSCAN hash 0 COUNT 100",
        "SCAN 0 COUNT 100",
        "HGETALL timed",
        "HPEXPIRETIME hash FIELDS 2 field:7 field:8",
        "XRANGE log - + COUNT 500",
        "ARSCAN array 0 10000000",
        "ARINFO array FULL",
        "ARGETRANGE dense 2999 0",
        "VRANGE vectors - +",
        "PHSCAN paths 0 COUNT 5000 WITHVALUES",
        "PHPREFIXES paths 3/long/long/7",
        "VSIM vectors ELE e300 COUNT 50 WITHATTRIBS WITHSCORES FILTER .n>100 TRUTH",
        "VLINKS vectors e77",
        "XPENDING log g - + 500",
        "XINFO STREAM log FULL COUNT 10",
        "DEBUG HTSTATS-KEY set",
        "OBJECT ENCODING packed-list",
        "PTTL due:7",
    ];
    lines.iter().map(|line| t.run(line)).collect()
}

#[test]
fn every_encoding_is_moved_and_stays_what_it_was() {
    let mut t = filled();
    let (before, said) = (digest(&mut t), answers(&mut t));
    for elements in [1, 10, usize::MAX] {
        let mut walk = Walk::new(Mover::eager());
        walk.elements_max = elements;
        t.engine.keyspace.relocate_all(&mut walk);
        assert!(walk.keys_moved > 4000 && walk.keys_left == 0);
        // Each member, field, node and entry is a block, and each of them was moved.
        assert!(walk.mover.moved > 15_000, "{}", walk.mover.moved);
        assert_eq!(walk.mover.left, 0);
        t.engine.keyspace.check_invariants();
        assert!(digest(&mut t) == before);
        assert!(answers(&mut t) == said);
    }
    // The values can still be changed, expired and freed.
    t.run("ZADD zset 5 another");
    t.run("LSET list 100 other");
    t.run("SPOP set 1000");
    t.run("XTRIM log MAXLEN 100");
    t.run("HDEL hash field:1 field:2");
    t.advance_ms(120_000);
    let cycle = t
        .engine
        .keyspace
        .expire_cycle(std::time::Duration::from_secs(9));
    assert!(cycle.deleted > 400, "{}", cycle.deleted);
    t.engine.keyspace.check_invariants();
    t.run("FLUSHALL");
    t.engine.keyspace.check_invariants();
}

/// The walk over the table ends after the first cell, before that of the container begins.
#[test]
fn a_large_container_alone_in_its_database_is_moved() {
    let mut t = Testbed::unheard();
    for i in 0..3000 {
        t.run(&format!("ZADD zset {i} member:{i}"));
    }
    let mut walk = Walk::new(Mover::eager());
    t.engine.keyspace.relocate_all(&mut walk);
    assert!(walk.mover.moved > 3000, "{}", walk.mover.moved);
    t.engine.keyspace.check_invariants();
}

#[test]
fn what_is_being_sent_stays_where_it_is() {
    let mut t = filled();
    let place = |t: &mut Testbed| match t.engine.keyspace.db(DB).peek_string(b"large") {
        Ok(Some(Str::Bytes(text))) => text.as_ptr().addr(),
        other => panic!("{other:?}"),
    };
    let mut reply = Reply::new();
    let sent = t.engine.keyspace.db(DB).reply_string(b"large", &mut reply);
    assert_eq!(sent.ok(), Some(true));
    let before = place(&mut t);
    let mut walk = Walk::new(Mover::eager());
    t.engine.keyspace.relocate_all(&mut walk);
    assert_eq!(place(&mut t), before);
    let out = reply.pending();
    assert!(out.starts_with(b"$40000\r\nlll") && out.ends_with(b"lll\r\n"));
    drop(reply);
    let mut walk = Walk::new(Mover::eager());
    t.engine.keyspace.relocate_all(&mut walk);
    assert!(place(&mut t) != before);
    assert!(t.run("GET large").ends_with("lll\r\n"));
}

/// Slabs left sparse by random deletions are freed.
#[test]
#[cfg(not(feature = "system-allocator"))]
fn thinly_filled_slabs_are_emptied() {
    let mut t = Testbed::unheard();
    t.run("CONFIG SET enable-debug-command yes");
    t.run("CONFIG SET list-max-listpack-size 5");
    for i in 0..40_000 {
        t.run(&format!("SET key:{i} {}", "v".repeat(90)));
        t.run(&format!("SET raw:{i} {}", "v".repeat(600)));
        t.run(&format!(
            "RPUSH {} {}",
            ["list", "gone"][i % 2],
            "v".repeat(100)
        ));
        t.run(&format!(
            "HSET {} {i} {}",
            ["hash", "gone2"][i % 2],
            "v".repeat(50)
        ));
        t.run(&format!(
            "SADD {} {i}{}",
            ["set", "gone3"][i % 2],
            "v".repeat(200)
        ));
        t.run(&format!(
            "ZADD {} {i} {i}{}",
            ["zset", "gone4"][i % 2],
            "v".repeat(25)
        ));
    }
    for i in (0..40_000).filter(|i| i % 5 != 0) {
        t.run(&format!("DEL key:{i} raw:{i}"));
    }
    t.run("DEL gone gone2 gone3 gone4");
    while t.engine.keyspace.lazyfree.has_slices() {
        t.engine.keyspace.lazyfree.free_slices(u64::MAX);
    }
    let before = digest(&mut t);
    // Other tests allocate meanwhile, much less than this.
    let unused = || {
        russet_base::memory::alloc::fresh_totals()
            .expect("figures")
            .unused
    };
    let thin = unused();
    assert!(thin > 25_000_000, "{thin}");
    let mut moved = Vec::new();
    for _ in 0..3 {
        let mut walk = Walk::new(Mover::new());
        let _ = russet_base::memory::alloc::perform(c"thread.tcache.flush");
        walk.mover.refresh();
        let mut steps = 0;
        while t.engine.keyspace.relocate_step(&mut walk) {
            steps += 1;
            if steps % 100 == 0 {
                walk.mover.refresh();
            }
        }
        moved.push((walk.mover.moved, walk.mover.left));
        t.engine.keyspace.check_invariants();
        assert!(digest(&mut t) == before);
    }
    let dense = unused();
    assert!(dense < thin / 5, "{thin} -> {dense}, moved {moved:?}");
    // The walk converges: little is left to move.
    assert!(moved[2].0 < moved[0].0 / 10, "{moved:?}");
}
