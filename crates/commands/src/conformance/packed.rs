//! Packed strings: to clients, files and replicas a packed value is the text that it stands for.
//!
//! Two testbeds run the same commands; the second packs all strings after each command (`DEBUG PACK
//! EVERY`), so every command meets packed values. Replies, effects, digests and DUMPs are equal. A
//! damaged frame is an error for those who need the text, and for no other command.

use crate::testbed::{AllCommands as _, Testbed};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet_config::Allowed;
use russet_keyspace::{DbIndex, Saver};
use russet_persistence::aof::CommandWriter;

pub(super) const DAMAGED: &str = "-ERR the packed value of this key is damaged\r\n";

pub(super) fn bed(packs: bool) -> Testbed {
    let mut t = Testbed::new();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    if packs {
        assert_eq!(t.run("DEBUG PACK EVERY yes"), "+OK\r\n");
    }
    t
}

pub(super) fn is_packed(t: &mut Testbed, key: &str) -> bool {
    t.run(&format!("DEBUG OBJECT {key}")).contains(" packed:")
}

/// Runs a line in both; replies and all that follows from them must be equal.
pub(super) fn both(plain: &mut Testbed, packed: &mut Testbed, line: &str) {
    assert_eq!(plain.run(line), packed.run(line), "{line}");
    assert_eq!(plain.take_effects(), packed.take_effects(), "{line}");
    let digest = "DEBUG DIGEST";
    assert_eq!(plain.run(digest), packed.run(digest), "{line}");
}

/// From here on values are packed with a dictionary. Values that are packed already train none.
pub(super) fn train(plain: &mut Testbed, packed: &mut Testbed) {
    for n in 0..60 {
        let text = format!("user:{n};plan:basic;city:Berlin;seats:{};", n * 7 % 31).repeat(3);
        both(plain, packed, &format!("SET sample{n} {text}"));
    }
    packed.run("DEBUG PACK EVERY no");
    packed.run("DEBUG UNPACK ALL");
    packed.run("DEBUG PACK ALL");
    packed.run("DEBUG PACK EVERY yes");
    assert!(is_packed(packed, "sample7"));
    assert_eq!(packed.engine.keyspace.packing.figures().dictionaries, 1);
}

#[test]
fn every_command_of_strings_meets_a_packed_value() {
    let long = "a.text.that.is.long.enough.".repeat(9);
    let lines = [
        "GET k",
        "GETSET k new",
        "GETDEL k",
        "GETEX k",
        "GETEX k EX 5",
        "GETEX k PERSIST",
        "SET k new GET",
        "SET k new XX",
        "SET k new NX",
        "SET k new IFEQ other",
        "SET k new KEEPTTL",
        "MGET k k2 none",
        "STRLEN k",
        "GETRANGE k 3 9",
        "SUBSTR k 0 -1",
        "SETRANGE k 3 xyz",
        "SETRANGE k 900 xyz",
        "SETRANGE k 3 ",
        "APPEND k more",
        "APPEND k ",
        "INCR k",
        "INCRBYFLOAT k 1.5",
        "INCR n",
        "INCRBYFLOAT n 1",
        "DECRBY n 3",
        "INCREX n BYINT 2",
        "SETBIT k 7 1",
        "SETBIT k 9999 1",
        "GETBIT k 9",
        "BITCOUNT k",
        "BITCOUNT k 1 5",
        "BITPOS k 1",
        "BITOP AND to k k2",
        "BITOP NOT to k",
        "BITFIELD k GET u8 0 SET u8 8 65",
        "BITFIELD_RO k GET u16 8",
        "BITFIELD k INCRBY i32 40 7",
        "LCS k k2",
        "LCS k k2 LEN",
        "DIGEST k",
        "DELEX k IFEQ other",
        "DELIFEQ k other",
        "MSET k a k2 b",
        "MSETNX k a k3 b",
        "MSETEX 1 k v EX 5",
        "SETNX k v",
        "TYPE k",
        "OBJECT ENCODING k",
        "OBJECT REFCOUNT k",
        "OBJECT ENCODING n",
        "TTL k",
        "EXPIRE k 100",
        "PEXPIREAT k 99999999999999",
        "PERSIST k",
        "RENAME k other",
        "RENAMENX k k2",
        "COPY k other",
        "COPY k k2 REPLACE",
        "MOVE k 3",
        "DUMP k",
        "DEL k",
        "UNLINK k",
        "EXISTS k k2",
        "TOUCH k",
        "PFADD h x y z",
        "PFADD h a",
        "PFCOUNT h",
        "PFCOUNT h h2",
        "PFMERGE h h2",
        "PFMERGE h3 h h2",
        "PFDEBUG ENCODING h",
        "PFDEBUG TODENSE h",
        "PFDEBUG GETREG h",
        "PFADD k x",
        "PFCOUNT k",
        "LPUSH k x",
        "HGET k f",
        "SADD k x",
        "SORT l BY w_* GET w_* GET #",
        "SORT l BY nosort GET w_*",
        "DBSIZE",
        "EVAL return(redis.call('GET',KEYS[1])) 1 k",
        "EVAL redis.call('APPEND',KEYS[1],ARGV[1]);return(redis.call('GET',KEYS[1])) 1 k x",
        "FLUSHDB",
        "SWAPDB 0 1",
        "DEBUG DIGEST-VALUE k k2 h",
    ];
    for line in lines {
        let (mut plain, mut packed) = (bed(false), bed(true));
        for setup in [
            &format!("SET k {long} EX 1000"),
            &format!("SET k2 {long}2"),
            "SET n 10",
            "SET part 4",
            "APPEND part 2",
            "SETRANGE raw 3 xyz",
            "PFADD h a b c d e f",
            "PFADD h2 g h i",
            "RPUSH l 1 2 3",
            "MSET w_1 7-weight w_2 5-weight w_3 6-weight",
        ] {
            both(&mut plain, &mut packed, setup);
        }
        for key in ["k", "k2", "h", "h2", "w_1", "part", "raw"] {
            assert!(is_packed(&mut packed, key), "{key}");
            assert!(!is_packed(&mut plain, key), "{key}");
        }
        assert!(!is_packed(&mut packed, "n"));
        both(&mut plain, &mut packed, line);
        both(&mut plain, &mut packed, line);
        packed.engine.keyspace.check_invariants();
    }
}

/// A random command over few keys.
fn line(rng: &mut SmallRng) -> String {
    let key = format!("k{}", rng.random_range(0..4));
    let other = format!("k{}", rng.random_range(0..4));
    let hll = format!("h{}", rng.random_range(0..2));
    let (at, n) = (rng.random_range(0..400), rng.random_range(-9..9));
    let text = match rng.random_range(0..4) {
        0 => n.to_string(),
        1 => "word".repeat(rng.random_range(0..9)),
        2 => format!("{{\"id\":{at},\"name\":\"user.{n}\"}}").repeat(rng.random_range(1..6)),
        _ => "x".repeat(rng.random_range(100..6000)),
    };
    match rng.random_range(0..36) {
        0..4 => format!("SET {key} {text}"),
        4 => format!("SET {key} {text} PX {}", at + 1),
        5 => format!("SET {key} {text} KEEPTTL GET"),
        6..8 => format!("APPEND {key} {text}"),
        8 => format!("SETRANGE {key} {at} {text}"),
        9 => format!("GETRANGE {key} {n} {at}"),
        10 => format!("INCRBY {key} {n}"),
        11 => format!("INCRBYFLOAT {key} {n}.5"),
        12 => format!("SETBIT {key} {at} 1"),
        13 => format!("BITOP XOR {key} {key} {other}"),
        14 => format!("BITFIELD {key} INCRBY u8 {at} 3"),
        15 => format!("MGET {key} {other} {hll}"),
        16 => format!("PFADD {hll} {at} {n}"),
        17 => format!("PFCOUNT {hll} h0"),
        18 => format!("PFMERGE {hll} h0 h1"),
        19 => format!("RENAME {key} {other}"),
        20 => format!("RENAME {key} {}", "long".repeat(at / 8 + 1)),
        21 => format!("COPY {key} {other} REPLACE"),
        22 => format!("PEXPIRE {key} {}", at + 1),
        23 => format!("PERSIST {key}"),
        24 => format!("GETDEL {key}"),
        25 => format!("DEL {key}"),
        26 => format!("DUMP {key}"),
        27 => format!("OBJECT ENCODING {key}"),
        28 => format!("STRLEN {key}"),
        29 => format!("DELEX {key} IFEQ {text}"),
        30 => format!("MSET {key} {text} {other} {text}"),
        31 => format!("COPY {key} {other} DB 1 REPLACE"),
        32 => "SWAPDB 0 1".to_owned(),
        33 => format!("LCS {key} {other} LEN"),
        34 => format!("EVAL return(redis.call('GETSET',KEYS[1],ARGV[1])) 1 {key} {text}"),
        _ => format!("GET {key}"),
    }
}

#[test]
fn random_commands_do_the_same_to_packed_values() {
    for seed in 0..6 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut plain, mut packed) = (bed(false), bed(true));
        for step in 0..250 {
            if step == 100 {
                train(&mut plain, &mut packed);
            }
            if step % 20 == 0 {
                let ms = rng.random_range(0..50);
                plain.advance_ms(ms);
                packed.advance_ms(ms);
            }
            both(&mut plain, &mut packed, &line(&mut rng));
        }
        packed.engine.keyspace.check_invariants();
        packed.run("DEBUG PACK EVERY no");
        packed.run("DEBUG UNPACK ALL");
        assert_eq!(plain.run("DEBUG DIGEST"), packed.run("DEBUG DIGEST"));
    }
}

#[test]
fn a_base_file_has_the_text() {
    let mut t = bed(false);
    t.run(&format!("SET k {} PX 99999", "text".repeat(90)));
    let written = |t: &mut Testbed| {
        let mut log = CommandWriter::default();
        let mut db = t.engine.keyspace.db(DbIndex(0));
        log.key(DbIndex(0), &db.peek_view(b"k").expect("it is there"));
        (log.out.clone(), log.refusal())
    };
    let plain = written(&mut t);
    assert_eq!(t.run("DEBUG PACK k"), ":1\r\n");
    assert_eq!(t.run("DEBUG PACK k"), ":0\r\n");
    assert!(is_packed(&mut t, "k"));
    assert_eq!(written(&mut t), plain);
    assert!(t.engine.keyspace.damage_packed(DbIndex(0), b"k"));
    assert_eq!(
        written(&mut t).1,
        Some("the packed value of a key is damaged")
    );
}

#[test]
fn a_damaged_value_harms_only_those_who_need_its_text() {
    let damage = |t: &mut Testbed| {
        t.run(&format!("SET k {}", "text".repeat(90)));
        t.run("DEBUG PACK k");
        assert!(t.engine.keyspace.damage_packed(DbIndex(0), b"k"));
    };
    let mut t = bed(false);
    t.run("SET whole here");
    for line in [
        "GET k",
        "GETSET k v",
        "GETDEL k",
        "GETEX k",
        "SET k v GET",
        "SET k v IFEQ v",
        "GETRANGE k 0 1",
        "APPEND k v",
        "SETRANGE k 0 v",
        "SETBIT k 0 1",
        "GETBIT k 0",
        "BITCOUNT k",
        "BITPOS k 1",
        "BITOP NOT to k",
        "BITFIELD k SET u8 0 1",
        "INCR k",
        "INCRBYFLOAT k 1",
        "LCS k whole",
        "DIGEST k",
        "DELEX k IFEQ v",
        "DELIFEQ k v",
        "PFADD k v",
        "PFCOUNT k",
        "PFMERGE to k",
        "DUMP k",
        "DEBUG UNPACK k",
    ] {
        damage(&mut t);
        assert_eq!(t.run(line), DAMAGED, "{line}");
        assert!(is_packed(&mut t, "k"), "{line}");
    }
    damage(&mut t);
    let mget = format!("*2\r\n{DAMAGED}$4\r\nhere\r\n");
    assert_eq!(t.run("MGET k whole"), mget);
    assert_eq!(t.run("STRLEN k"), ":360\r\n");
    assert_eq!(t.run("TYPE k"), "+string\r\n");
    assert_eq!(t.run("EXPIRE k 100"), ":1\r\n");
    assert_eq!(t.run("RENAME k k2"), "+OK\r\n");
    assert_eq!(t.run("COPY k2 k"), ":1\r\n");
    assert_eq!(t.run("GET k"), DAMAGED);
    assert_eq!(t.run("DEBUG UNPACK ALL"), ":0\r\n");
    assert_eq!(t.run("SET k v"), "+OK\r\n");
    assert_eq!(t.run("DEL k2"), ":1\r\n");
    assert_eq!(t.run("GET k"), "$1\r\nv\r\n");
    assert!(russet_keyspace::damaged_frames() > 20);
}
