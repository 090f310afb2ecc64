//! Count-min sketches, top-k lists and t-digests of a daemon: files, payloads, the log and
//! replication, to and from Redis Stack.

use crate::stack::{follow, moved, stack, survives_in_the_log};
use crate::support::{Connection, Daemon, wait_until};

const KEYS: [&str; 8] = [
    "counts", "shape", "list", "void", "digest", "same", "sum", "none",
];

/// A fixed sequence of numbers.
fn numbers(n: u64, below: u64) -> impl Iterator<Item = u64> {
    let mut state = 7_u64;
    (0..n).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    })
}

fn run(c: &mut Connection, line: &str) {
    let reply = c.ask(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// Makes the same keys on every server: a decay of 1 needs no random number, and no command reads.
fn fill(c: &mut Connection) {
    c.ask("CONFIG SET rdbcompression no");
    for line in [
        "CMS.INITBYDIM counts 50 4",
        "CMS.INITBYPROB shape 0.01 0.003",
        "TOPK.RESERVE list 5 7 3 1",
        "TOPK.RESERVE void 4",
        "TDIGEST.CREATE digest COMPRESSION 20",
        "TDIGEST.CREATE same COMPRESSION 7",
        "TDIGEST.CREATE none",
        "PEXPIREAT digest 33177117420000",
    ] {
        run(c, line);
    }
    change(c, 3000);
    run(c, "TDIGEST.MERGE sum 2 digest same COMPRESSION 9");
}

fn change(c: &mut Connection, n: u64) {
    for at in numbers(n, 1000) {
        run(
            c,
            &format!("CMS.INCRBY counts i{} {} j{at} 1", at % 97, at % 5),
        );
        run(c, &format!("TOPK.ADD list i{} j{}", at % 11, at * at % 29));
        run(c, &format!("TOPK.INCRBY list k{} {}", at % 7, at % 4));
        run(
            c,
            &format!("TDIGEST.ADD digest {} {}", at as f64 / 7.0, at * at),
        );
        // Many equal values, whose nodes have different weights.
        run(c, &format!("TDIGEST.ADD same {} {}", at % 10, at % 3));
    }
}

/// The payloads of all keys, without version and checksum, and the addresses in lists.
fn payloads(c: &mut Connection) -> Vec<Vec<u8>> {
    KEYS.map(|key| {
        let reply = c.call(&["DUMP", key]);
        assert!(reply.len() > 12, "{key}");
        let start = reply
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
            + 1;
        let mut payload = reply[start..reply.len() - 12].to_vec();
        if ["list", "void"].contains(&key) {
            without_addresses(&mut payload);
        }
        payload
    })
    .to_vec()
}

/// Clears the eight bytes of each place that are an address in Redis, and four of padding.
fn without_addresses(payload: &mut [u8]) {
    let length = |at: usize| match payload[at] {
        short @ 0..64 => (usize::from(short), 1),
        long @ 64..128 => (
            usize::from(long & 63) << 8 | usize::from(payload[at + 1]),
            2,
        ),
        _ => panic!("a long string"),
    };
    // The id, three one-byte numbers, a double, then a string before the string of the places.
    let cells = 1 + 9 + 3 * 2 + 9 + 1;
    let (bytes, header) = length(cells);
    let places = cells + header + bytes + 1;
    let (bytes, header) = length(places);
    let start = places + header;
    for place in payload[start..start + bytes].chunks_mut(24) {
        place[8..16].fill(0);
        place[20..].fill(0);
    }
}

#[test]
fn files_and_payloads_go_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let (mut c, mut d) = (ours.connect(), redis.connect());
    fill(&mut c);
    fill(&mut d);
    let expected = payloads(&mut c);
    assert!(payloads(&mut d) == expected);
    for (from, to_redis) in [(&ours, true), (&redis, false)] {
        let (_to, mut other) = moved(from, to_redis);
        assert!(payloads(&mut other) == expected);
        assert_eq!(other.ask("PEXPIRETIME digest"), ":33177117420000\r\n");
        for line in [
            "CMS.QUERY counts i1 j2",
            "TOPK.LIST list WITHCOUNT",
            "TDIGEST.CDF sum 5 500",
        ] {
            assert_eq!(other.ask(line), c.ask(line), "{line}");
        }
    }
}

/// The test draws no random number and reads no digest, so both servers make the same value of the
/// stream.
#[test]
fn replication_goes_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (primary, replica) in [(&ours, &redis), (&redis, &ours)] {
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        follow(replica, primary);
        fill(&mut c);
        run(&mut c, "TOPK.RESERVE new 3 4 5 0.25");
        run(&mut c, "CMS.MERGE counts 2 counts counts WEIGHTS 2 1");
        let expected = payloads(&mut c);
        let mut other = replica.connect();
        wait_until("the replica to follow", || {
            other.ask("EXISTS sum new") == ":2\r\n" && payloads(&mut other) == expected
        });
        assert!(other.ask("TOPK.INFO new").ends_with("$4\r\n0.25\r\n"));
        other.ask("REPLICAOF NO ONE");
    }
}

/// A list whose cells use random numbers: replicas, logs and files get the same list.
#[test]
fn a_drawn_list_is_the_same_on_replicas_and_after_a_restart() {
    let mut ours = Daemon::start(&["--appendonly", "yes"]);
    let (early, late) = (Daemon::start(&[]), Daemon::start(&[]));
    follow(&early, &ours);
    let mut c = ours.connect();
    c.ask("CONFIG SET rdbcompression no");
    run(&mut c, "TOPK.RESERVE list 5 4 3 0.8");
    let add = |c: &mut Connection| {
        for at in numbers(2000, 1000) {
            run(c, &format!("TOPK.ADD list i{} j{}", at % 11, at * at % 29));
            run(c, &format!("TOPK.INCRBY list k{} {}", at % 7, at % 4));
        }
    };
    add(&mut c);
    follow(&late, &ours);
    add(&mut c);
    let expected = c.call(&["DUMP", "list"]);
    for replica in [&early, &late] {
        let mut other = replica.connect();
        wait_until("the replica to follow", || {
            other.call(&["DUMP", "list"]) == expected
        });
    }
    ours.kill();
    ours.restart();
    let mut c = ours.connect();
    c.ask("CONFIG SET rdbcompression no");
    assert_eq!(c.call(&["DUMP", "list"]), expected);
}

/// Reading a digest at a replica does not change what later values make of it.
#[test]
fn a_digest_that_is_read_stays_equal_to_its_primary_s() {
    let ours = Daemon::start(&[]);
    let replica = Daemon::start(&[]);
    follow(&replica, &ours);
    let (mut c, mut other) = (ours.connect(), replica.connect());
    run(&mut c, "TDIGEST.CREATE digest COMPRESSION 5");
    for at in numbers(2000, 1000) {
        run(&mut c, &format!("TDIGEST.ADD digest {at}"));
        if at % 3 == 0 {
            other.ask("TDIGEST.QUANTILE digest 0.5");
        }
        if at % 5 == 0 {
            run(&mut c, "TDIGEST.CDF digest 5");
        }
    }
    let expected = (c.call(&["DUMP", "digest"]), c.ask("TDIGEST.INFO digest"));
    wait_until("the replica to follow", || {
        (
            other.call(&["DUMP", "digest"]),
            other.ask("TDIGEST.INFO digest"),
        ) == expected
    });
}

#[test]
fn the_log_has_sketches_in_both_forms() {
    let change = |c: &mut Connection| {
        run(c, "CMS.INCRBY counts more 1");
        run(c, "TOPK.ADD list more");
    };
    survives_in_the_log(fill, change, payloads);
}
