//! A packed keyspace is its plain model: random commands of all types do the same to both.
//!
//! As `packed`, but over all types at once, on keys that change their type, with limits so low that
//! values leave the form that is packed, and return to it by STORE commands. TOPK, vector sets and
//! commands that choose at random are left out: each testbed has a seed of its own.

use super::packed::{bed, both, is_packed, train};
use crate::testbed::Testbed;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet_keyspace::{DbIndex, Saver};
use russet_persistence::aof::CommandWriter;

const STEPS: usize = 500;

/// The first letters of the keys: a type each.
const KINDS: [&str; 12] = [
    "text", "hash", "list", "set", "zset", "stream", "json", "bloom", "series", "array", "path",
    "hll",
];

/// Keys of each kind.
const KEYS: usize = 3;

/// Values that have more leave the listpack.
const LIMITS: [&str; 5] = [
    "hash-max-listpack-entries",
    "list-max-listpack-size",
    "set-max-listpack-entries",
    "zset-max-listpack-entries",
    "stream-node-max-entries",
];

/// The random words of a command.
struct Words {
    rng: SmallRng,
}

impl Words {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    /// A key of a kind, and now and then a key of another.
    fn key(&mut self, kind: &str) -> String {
        let other = KINDS[self.below(KINDS.len())];
        let kind = if self.below(12) == 0 { other } else { kind };
        format!("{kind}{}", self.below(KEYS))
    }

    /// Any key.
    fn any(&mut self) -> String {
        let kind = KINDS[self.below(KINDS.len())];
        format!("{kind}{}", self.below(KEYS))
    }

    /// An element: a number, a word, or a long text.
    fn text(&mut self) -> String {
        let n = self.below(30);
        match self.below(5) {
            0 => n.to_string(),
            1 => "x".repeat(n * 9 + 1),
            2 => format!("user:{n};plan:basic;city:Berlin;").repeat(n / 6 + 1),
            _ => format!("user.{n}"),
        }
    }
}

/// A command of strings, hashes, lists, sets or sorted sets.
fn plain_type(w: &mut Words) -> String {
    let (text, n, at) = (w.text(), w.below(19) as i64 - 9, w.below(12));
    let (t, h, l) = (w.key("text"), w.key("hash"), w.key("list"));
    let (s, s2, z, z2) = (w.key("set"), w.key("set"), w.key("zset"), w.key("zset"));
    match w.below(30) {
        0..2 => format!("SET {t} {text}"),
        2 => format!("APPEND {t} {text}"),
        3 => format!("SETRANGE {t} {at} {text}"),
        4 => format!("INCRBY {t} {n}"),
        5 => format!("GETRANGE {t} {n} {at}"),
        6..9 => format!("HSET {h} name {text} seats {n} field{at} {text}"),
        9 => format!("HDEL {h} name field{at}"),
        10 => format!("HPEXPIRE {h} {} FIELDS 1 field{at}", at + 1),
        11 => format!("HMGET {h} name seats field{at}"),
        12..15 => format!("RPUSH {l} {text} {n} {text} user.{at}"),
        15 => format!("LPOP {l} {}", at + 1),
        16 => format!("LTRIM {l} {at} -2"),
        17 => format!("LINSERT {l} BEFORE user.{at} {text}"),
        18 => format!("LRANGE {l} 0 -1"),
        19..21 => format!("SADD {s} {text} {n} user.{at}"),
        21 => format!("SREM {s} {text} user.{at}"),
        22 => format!("SINTERSTORE {s} {s} {s2}"),
        23 => format!("SDIFF {s} {s2}"),
        24..26 => format!("ZADD {z} {n} {text} {at} user.{at}"),
        26 => format!("ZREMRANGEBYRANK {z} {at} -1"),
        27 => format!("ZRANGESTORE {z2} {z} 0 {at}"),
        28 => format!("ZRANGE {z} 0 -1 WITHSCORES"),
        _ => format!("SORT {l} ALPHA STORE {l}"),
    }
}

/// A command of another type.
fn further_type(w: &mut Words) -> String {
    let (text, n, at) = (w.text(), w.below(19) as i64 - 9, w.below(12));
    let (x, j, b, ts) = (
        w.key("stream"),
        w.key("json"),
        w.key("bloom"),
        w.key("series"),
    );
    let (a, p, hll) = (w.key("array"), w.key("path"), w.key("hll"));
    match w.below(28) {
        0..3 => format!("XADD {x} MAXLEN 9 * name {text} seats {n}"),
        3 => format!("XADD {x} {at}-{at} name {text}"),
        4 => format!("XGROUP CREATE {x} group{} 0 MKSTREAM", at % 2),
        5 => format!("XREADGROUP GROUP group{} c COUNT 2 STREAMS {x} >", at % 2),
        6 => format!("XTRIM {x} MAXLEN {at}"),
        7 => format!("XRANGE {x} - +"),
        8..10 => format!("JSON.SET {j} $ {{\"a\":[1,\"{text}\"],\"b\":{{\"c\":{n}}}}}"),
        10 => format!("JSON.NUMINCRBY {j} $.b.c {n}"),
        11 => format!("JSON.ARRAPPEND {j} $.a \"{text}\" {n}"),
        12 => format!("JSON.DEL {j} $.a[0]"),
        13 => format!("JSON.GET {j}"),
        14 => format!("BF.ADD {b} {text}"),
        15 => format!("BF.EXISTS {b} {text}"),
        16 => format!("TS.ADD {ts} {at} {n} ON_DUPLICATE LAST"),
        17 => format!("TS.RANGE {ts} - +"),
        18 => format!("TS.INCRBY {ts} {n} TIMESTAMP {}", at + 20),
        19 => format!("TS.DEL {ts} {at} {}", at + 3),
        20 => format!("ARSET {a} {at} {text}"),
        21 => format!("ARGETRANGE {a} 0 {at}"),
        22 => format!("PHSET {p} user/{at} FIELDS 1 name {text}"),
        23 => format!("PHGETALL {p} user/{at}"),
        24..26 => format!("PFADD {hll} {text} {n}"),
        26 => format!("PFMERGE {hll} hll0 hll1"),
        _ => format!("PFCOUNT {hll} hll1"),
    }
}

/// A command of any key.
fn of_any(w: &mut Words) -> String {
    let (key, other, at) = (w.any(), w.any(), w.below(40));
    match w.below(15) {
        0 => format!("DEL {key}"),
        1 => format!("UNLINK {key} {other}"),
        2 => format!("RENAME {key} {other}"),
        3 => format!("RENAMENX {key} {other}"),
        4..6 => format!("COPY {key} {other} REPLACE"),
        6 => format!("COPY {key} {other} DB 1 REPLACE"),
        7 => format!("MOVE {key} 1"),
        8 => format!("PEXPIRE {key} {}", at + 1),
        9 => format!("PERSIST {key}"),
        10 => format!("OBJECT ENCODING {key}"),
        11 => format!("TYPE {key}"),
        12 => format!("DEBUG DIGEST-VALUE {key} {other}"),
        13 => format!(
            "EVAL redis.pcall('RENAME',KEYS[1],KEYS[2]);return(redis.call('TYPE',KEYS[2])) 2 {key} {other}"
        ),
        _ => "SWAPDB 0 1".to_owned(),
    }
}

fn line(w: &mut Words) -> String {
    match w.below(10) {
        0..5 => plain_type(w),
        5..8 => further_type(w),
        _ => of_any(w),
    }
}

/// The commands of a log that store the value at a key; `None`: there is none.
fn logged(t: &mut Testbed, key: &str) -> Option<Vec<u8>> {
    let mut log = CommandWriter::default();
    let mut db = t.engine.keyspace.db(DbIndex(0));
    log.key(DbIndex(0), &db.peek_view(key.as_bytes())?);
    assert_eq!(log.refusal(), None, "{key}");
    Some(log.out.clone())
}

#[test]
fn random_commands_of_all_types_do_the_same_to_a_packed_keyspace() {
    let mut kinds = [0; KINDS.len()];
    for seed in 0..8 {
        let rng = SmallRng::seed_from_u64(seed);
        let mut words = Words { rng };
        let (mut plain, mut packed) = (bed(false), bed(true));
        for limit in LIMITS {
            let few = 3 + words.below(20);
            both(
                &mut plain,
                &mut packed,
                &format!("CONFIG SET {limit} {few}"),
            );
        }
        for step in 0..STEPS {
            if step == STEPS / 3 {
                train(&mut plain, &mut packed);
            }
            if step % 20 == 0 {
                let ms = words.below(30) as i64;
                plain.advance_ms(ms);
                packed.advance_ms(ms);
            }
            both(&mut plain, &mut packed, &line(&mut words));
            if step % 50 == 0 {
                packed.engine.keyspace.check_invariants();
            }
        }
        for (kind, seen) in KINDS.iter().zip(&mut kinds) {
            for n in 0..KEYS {
                let key = format!("{kind}{n}");
                if is_packed(&mut packed, &key) {
                    *seen += 1;
                    assert_eq!(logged(&mut plain, &key), logged(&mut packed, &key), "{key}");
                }
            }
        }
        packed.run("DEBUG PACK EVERY no");
        packed.run("DEBUG UNPACK ALL");
        assert_eq!(plain.run("DEBUG DIGEST"), packed.run("DEBUG DIGEST"));
        packed.engine.keyspace.check_invariants();
        for kind in KINDS {
            assert!(!is_packed(&mut packed, &format!("{kind}0")), "{kind}");
        }
    }
    let packed: Vec<_> = KINDS.iter().zip(kinds).filter(|(_, n)| *n > 0).collect();
    for kind in ["text", "hash", "list", "set", "zset", "json", "hll"] {
        assert!(packed.iter().any(|(it, _)| **it == kind), "{packed:?}");
    }
}
