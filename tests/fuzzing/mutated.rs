//! Mutated payloads with a right checksum, of the types that Redis 8.6 to 8.12 added. RESTORE
//! refuses a payload, or takes it; then the value can be read, dumped, and restored as an equal
//! value.
//!
//!     26, 27    streams with idempotent IDs, with entries without an owner
//!     28        arrays
//!     29, 31    hashes with their names (30 and 32: those in a file)
//!     33        native bitmaps
//!     34, 35    sets whose members expire, in a listpack and in a table
//!
//! `RUSSET_MUTATED_PAYLOADS` is the number of payloads for each type; the default is small.

use std::env;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use russet_commands::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;
use russet_persistence::rdb::seal;

const DEFAULT: usize = 2_000;

fn count() -> usize {
    let asked = env::var("RUSSET_MUTATED_PAYLOADS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT)
}

/// The bytes with a few changes: other values, removed bytes, doubled bytes.
fn mutated(bytes: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xc3, 0xf0, 0xff][rng.random_range(0..8)],
            3 => _ = bytes.drain(at..end),
            _ => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
        }
    }
    bytes
}

/// The payloads in the test data whose line begins with `name`, without version and checksum.
fn recorded(name: &str) -> Vec<Vec<u8>> {
    let text = include_str!("../data/redis-8.10-payloads.txt");
    let lines = text.lines().filter(|line| line.starts_with(name));
    let hex = lines.filter_map(|line| line.rsplit(" | ").next());
    let digit = |hex: &str, at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
    hex.map(|hex| (0..hex.len()).step_by(2).map(|at| digit(hex, at)).collect())
        .collect()
}

/// The payload in the reply of DUMP.
fn dumped(bed: &mut Testbed, key: &[u8]) -> Vec<u8> {
    let reply = bed.run_args(&[b"DUMP", key]);
    let begin = reply
        .iter()
        .position(|&b| b == b'\n')
        .expect("a bulk string")
        + 1;
    reply[begin..reply.len() - 2].to_vec()
}

/// The payload of the key `k` after these commands, without version and checksum.
fn made(lines: &[&str], kind: u8) -> Vec<u8> {
    let mut bed = Testbed::unheard();
    for line in lines {
        let reply = bed.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let payload = dumped(&mut bed, b"k");
    assert_eq!(payload[0], kind, "{lines:?}");
    payload[..payload.len() - 10].to_vec()
}

/// Types whose payload follows from the value: streams and arrays.
const IN_ORDER: [u8; 6] = [15, 19, 21, 26, 27, 28];

/// Commands that read a whole value of some type.
const READS: [&[&[u8]]; 14] = [
    &[b"XRANGE", b"k", b"-", b"+"],
    &[b"XINFO", b"STREAM", b"k", b"FULL", b"COUNT", b"0"],
    &[b"XINFO", b"GROUPS", b"k"],
    &[b"ARINFO", b"k"],
    &[
        b"ARSCAN",
        b"k",
        b"0",
        b"18446744073709551614",
        b"LIMIT",
        b"50",
    ],
    &[b"ARCOUNT", b"k"],
    &[b"HGETALL", b"k"],
    &[b"SMEMBERS", b"k"],
    &[b"SINTER", b"k", b"k"],
    &[b"BITCOUNT", b"k", b"0", b"-1"],
    &[b"BITPOS", b"k", b"0"],
    &[b"BITRANGEINTARRAY", b"k", b"0", b"-1", b"LIMIT", b"50"],
    &[b"OBJECT", b"ENCODING", b"k"],
    &[b"MEMORY", b"USAGE", b"k"],
];

/// Plays mutations of these payloads; returns the number that RESTORE took.
fn play(payloads: &[Vec<u8>], changes: &[&str], seed: u64) -> usize {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut bed = Testbed::unheard();
    bed.engine.server.config.enable_debug_command = Allowed::Yes;
    let mut taken = 0;
    for at in 0..count() {
        let whole = &payloads[at % payloads.len()];
        let mut payload = mutated(whole, &mut rng);
        seal(&mut payload, 15);
        let reply = bed.run_args(&[b"RESTORE", b"k", b"0", &payload, b"REPLACE"]);
        if reply != b"+OK\r\n" {
            assert!(reply.starts_with(b"-ERR "), "{reply:?} to {payload:02x?}");
            continue;
        }
        taken += 1;
        bed.engine.keyspace.check_invariants();
        for read in READS {
            bed.run_args(read);
        }
        let again = dumped(&mut bed, b"k");
        let restored = bed.run_args(&[b"RESTORE", b"same", b"0", &again, b"REPLACE"]);
        assert_eq!(
            restored, b"+OK\r\n",
            "{payload:02x?}, dumped as {again:02x?}"
        );
        // The tables of hashes have no order, and for an array the digest would read every missing
        // position.
        if IN_ORDER.contains(&again[0]) {
            assert_eq!(dumped(&mut bed, b"same"), again, "{payload:02x?}");
        } else {
            let digest = bed.run("DEBUG DIGEST-VALUE k same");
            let digests = digest.trim_start_matches("*2\r\n");
            let (one, other) = digests.split_at(digests.len() / 2);
            assert_eq!(one, other, "{payload:02x?}, dumped as {again:02x?}");
        }
        for line in changes {
            bed.run(line);
        }
        bed.engine.keyspace.check_invariants();
    }
    bed.run("FLUSHALL");
    taken
}

#[test]
fn streams_with_idempotent_ids_are_refused_or_sound() {
    let own = made(
        &[
            "XADD k IDMP p1 x * f v g w",
            "XADD k IDMP p1 y * f v g w",
            "XADD k IDMP p2 x * h v",
            "XGROUP CREATE k g 0",
            "XREADGROUP GROUP g alice COUNT 2 STREAMS k >",
        ],
        26,
    );
    let payloads: Vec<Vec<u8>> = unsealed("26 ").chain([own]).collect();
    let taken = play(&payloads, &STREAM_CHANGES, 26);
    assert!(taken > count() / 50, "{taken}");
}

const STREAM_CHANGES: [&str; 6] = [
    "XADD k IDMP p1 x * f v",
    "XREADGROUP GROUP g c CLAIM 0 STREAMS k >",
    "XACK k g 1-1",
    "XDELEX k DELREF IDS 1 2-1",
    "XNACK k g FAIL IDS 1 3-1 FORCE",
    "XTRIM k MAXLEN 1",
];

/// The recorded payloads of a type, without version and checksum.
fn unsealed(name: &str) -> impl Iterator<Item = Vec<u8>> {
    let all = recorded(name).into_iter();
    all.map(|payload| payload[..payload.len() - 10].to_vec())
}

#[test]
fn streams_with_entries_without_an_owner_are_refused_or_sound() {
    let own = made(
        &[
            "XADD k 1-1 f v g w",
            "XADD k 2-1 f v",
            "XADD k 3-1 h v",
            "XGROUP CREATE k g 0",
            "XGROUP CREATE k other 2-1",
            "XREADGROUP GROUP g alice COUNT 2 STREAMS k >",
            "XREADGROUP GROUP g bob COUNT 2 STREAMS k >",
            "XNACK k g FAIL IDS 2 1-1 3-1",
        ],
        27,
    );
    let payloads: Vec<Vec<u8>> = unsealed("27 ").chain([own]).collect();
    let taken = play(&payloads, &STREAM_CHANGES, 27);
    assert!(taken > count() / 50, "{taken}");
}

#[test]
fn arrays_are_refused_or_sound() {
    let own = [
        made(&["ARSET k 0 hello 1.5 7 -1 longer-than-seven"], 28),
        made(
            &[
                "ARSET k 5 x",
                "ARSET k 70000 y 3",
                "ARSET k 18446744073709551000 z",
            ],
            28,
        ),
    ];
    let payloads: Vec<Vec<u8>> = unsealed("28 ").chain(own).collect();
    let changes = [
        "ARSET k 3 new 4",
        "ARDEL k 0 5",
        "ARINSERT k more",
        "ARDELRANGE k 10 100000",
    ];
    let taken = play(&payloads, &changes, 28);
    assert!(taken > count() / 50, "{taken}");
}

#[test]
fn hashes_with_templates_are_refused_or_sound() {
    let changes = [
        "HSET k f v name Eve",
        "HDEL k age",
        "HEXPIRE k 100 FIELDS 1 name",
    ];
    for kind in ["29 ", "31 "] {
        let payloads: Vec<Vec<u8>> = unsealed(kind).collect();
        let taken = play(&payloads, &changes, 29);
        assert!(taken > count() / 50, "{kind}: {taken}");
    }
    let file = recorded("rdb-1").concat();
    let mut rng = SmallRng::seed_from_u64(30);
    let mut loaded = 0;
    for _ in 0..count() {
        let kept = b"REDIS0015".len();
        let changed = [&file[..kept], &mutated(&file[kept..], &mut rng)].concat();
        loaded += usize::from(super::rdb::load(&changed).is_ok());
    }
    assert!(loaded > count() / 50, "{loaded}");
}

#[test]
fn sets_whose_members_expire_are_refused_or_sound() {
    let changes = [
        "SADD k x 17",
        "SREM k a",
        "SPEXPIRE k 100 MEMBERS 2 a 7",
        "SPERSIST k MEMBERS 1 b",
        "SPOP k 2",
    ];
    let expiry = "SPEXPIREAT k 33177117420000 MEMBERS 2 a 7";
    let later = "SPEXPIREAT k 33177117420900 MEMBERS 1 b";
    let lines = ["SADD k a b c 7 -3 10000000000", expiry, later];
    let as_table = ["CONFIG SET set-max-listpack-entries 2"]
        .into_iter()
        .chain(lines);
    let payloads = [
        made(&lines, 34),
        made(&as_table.collect::<Vec<_>>(), 35),
        made(
            &["SADD k 1 2", "SADDEX k PXAT 33177117420000 MEMBERS 1 3"],
            34,
        ),
    ];
    let taken = play(&payloads, &changes, 34);
    assert!(taken > count() / 50, "{taken}");
}

#[test]
fn bitmaps_are_refused_or_sound() {
    let changes = [
        "SETBIT k 70000 1",
        "SETBIT k 3 0",
        "BITFIELD k SET i64 131000 -1",
        "BITOP OR k k k",
        "BITOP DIFF1 other k k",
    ];
    let native = "CONFIG SET bitmap-default-roaring yes";
    let fields: Vec<String> = (0..90)
        .map(|n| format!("BITFIELD k SET i64 #{n} 6148914691236517205"))
        .collect();
    let dense = std::iter::once(native).chain(fields.iter().map(String::as_str));
    let payloads = [
        made(
            &[native, "SETBIT k 7 1", "SETBIT k 200000 1", "SETBIT k 8 1"],
            33,
        ),
        made(&dense.collect::<Vec<_>>(), 33),
        made(
            &[native, "SETBIT z 80000 0", "BITOP NOT k z", "SETBIT k 5 0"],
            33,
        ),
    ];
    let taken = play(&payloads, &changes, 33);
    assert!(taken > count() / 50, "{taken}");
}
