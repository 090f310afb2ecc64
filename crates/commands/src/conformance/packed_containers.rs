//! Packed containers: to clients, files and replicas they are the containers that they were.
//!
//! As `packed`: two testbeds run the same commands, and all values of the second are packed after
//! each command. Commands that choose at random are left out: each testbed has a seed of its own.

use super::packed::{DAMAGED, bed, both, is_packed, train};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet_keyspace::DbIndex;

/// A container of each type and packed encoding, with these keys.
const SETUP: [&str; 12] = [
    "HSET h name some.user plan basic seats 17 since 2024-11-03 balance 17.25 city Berlin",
    "HSET h2 name another.user plan basic seats -9",
    "RPUSH l alpha 17 beta -3 gamma gamma delta",
    "RPUSH l2 one two three",
    "SADD s alpha beta gamma delta 17",
    "SADD s2 alpha 17 omega",
    "ZADD z 1 alpha 2.5 beta -3 gamma 4 delta",
    "ZADD z2 1 alpha 7 omega",
    "GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "JSON.SET j $ {\"name\":\"some.user\",\"tags\":[1,2.5,\"three\"],\"seats\":{\"row\":7}}",
    "SADD ints 1 2 3",
    "SET text some.text.that.is.no.container",
];

const PACKED: [&str; 10] = ["h", "h2", "l", "l2", "s", "s2", "z", "z2", "geo", "j"];

#[test]
fn every_command_of_containers_meets_a_packed_value() {
    let lines = [
        "HGET h name",
        "HGET h none",
        "HMGET h name plan none",
        "HGETALL h",
        "HKEYS h",
        "HVALS h",
        "HLEN h",
        "HSTRLEN h name",
        "HEXISTS h plan",
        "HSCAN h 0",
        "HSET h name other",
        "HSET h more fields",
        "HSETNX h name x",
        "HSETNX h new x",
        "HMSET h a 1 b 2",
        "HINCRBY h seats 5",
        "HINCRBY h name 5",
        "HINCRBYFLOAT h balance 0.5",
        "HDEL h name",
        "HDEL h2 name plan seats",
        "HGETDEL h FIELDS 1 name",
        "HEXPIRE h 100 FIELDS 1 name",
        "HTTL h FIELDS 1 name",
        "HPERSIST h FIELDS 1 name",
        "HGETEX h EX 100 FIELDS 1 name",
        "HSETEX h EX 100 FIELDS 1 name x",
        "LLEN l",
        "LRANGE l 0 -1",
        "LINDEX l 2",
        "LPOS l gamma",
        "LSET l 1 other",
        "LPUSH l x y",
        "RPUSHX l x",
        "LPOP l",
        "RPOP l 2",
        "LPOP l2 9",
        "LREM l 0 gamma",
        "LTRIM l 1 2",
        "LTRIM l 9 9",
        "LINSERT l BEFORE beta x",
        "LMOVE l l2 LEFT RIGHT",
        "RPOPLPUSH l l",
        "LMPOP 2 none l LEFT",
        "BLPOP l 0",
        "BLMOVE l l2 LEFT LEFT 0",
        "SORT l ALPHA",
        "SORT l2 ALPHA STORE l",
        "SCARD s",
        "SMEMBERS s",
        "SISMEMBER s beta",
        "SMISMEMBER s beta none",
        "SADD s new beta",
        "SREM s beta",
        "SREM s2 alpha 17 omega",
        "SMOVE s s2 beta",
        "SINTER s s2",
        "SINTERCARD 2 s s2",
        "SUNION s s2 ints",
        "SDIFF s s2",
        "SINTERSTORE to s s2",
        "SUNIONSTORE s s s2",
        "SDIFFSTORE to s s2",
        "SSCAN s 0",
        "SADD ints x",
        "SINTER s ints",
        "ZCARD z",
        "ZSCORE z beta",
        "ZMSCORE z beta none",
        "ZRANK z beta",
        "ZREVRANK z beta WITHSCORE",
        "ZRANGE z 0 -1 WITHSCORES",
        "ZRANGE z -inf 3 BYSCORE",
        "ZRANGEBYLEX z - +",
        "ZCOUNT z 0 9",
        "ZADD z 9 new",
        "ZADD z XX CH 9 beta",
        "ZINCRBY z 2 beta",
        "ZREM z beta",
        "ZREM z2 alpha omega",
        "ZPOPMIN z",
        "ZPOPMAX z 9",
        "BZPOPMIN z 0",
        "ZMPOP 1 z MIN",
        "ZREMRANGEBYRANK z 0 1",
        "ZREMRANGEBYSCORE z 0 9",
        "ZUNION 2 z z2 WITHSCORES",
        "ZINTERSTORE to 2 z z2",
        "ZDIFF 2 z z2",
        "ZUNIONSTORE z 2 z s",
        "ZRANGESTORE to z 0 1",
        "ZSCAN z 0",
        "ZLEXCOUNT z - +",
        "GEOPOS geo Palermo",
        "GEODIST geo Palermo Catania",
        "GEOSEARCH geo FROMMEMBER Palermo BYRADIUS 300 km ASC",
        "GEOADD geo 1 2 here",
        "GEOHASH geo Catania",
        "JSON.GET j",
        "JSON.GET j $.tags",
        "JSON.SET j $.name \"x\"",
        "JSON.SET j $ 7",
        "JSON.DEL j $.tags",
        "JSON.DEL j",
        "JSON.TYPE j",
        "JSON.NUMINCRBY j $.seats.row 2",
        "JSON.ARRAPPEND j $.tags 4",
        "JSON.ARRPOP j $.tags",
        "JSON.STRLEN j $.name",
        "JSON.OBJKEYS j",
        "JSON.MGET j none $.name",
        "JSON.MERGE j $ {\"seats\":null}",
        "JSON.MSET j $.name 1 j9 $ {}",
        "JSON.CLEAR j",
        "JSON.TOGGLE j $.name",
        "JSON.STRAPPEND j $.name \"x\"",
        "JSON.RESP j",
        "JSON.DEBUG MEMORY j",
        "TYPE h",
        "TYPE j",
        "OBJECT ENCODING h",
        "OBJECT ENCODING l",
        "OBJECT ENCODING s",
        "OBJECT ENCODING z",
        "OBJECT ENCODING j",
        "OBJECT REFCOUNT z",
        "DUMP h",
        "DUMP l",
        "DUMP s",
        "DUMP z",
        "DUMP j",
        "COPY h other",
        "COPY l s REPLACE",
        "COPY j other",
        "RENAME h l",
        "RENAME z other",
        "RENAMENX s s2",
        "MOVE z 3",
        "EXPIRE h 100",
        "PERSIST h",
        "DEL h l s z j",
        "UNLINK h l s z j",
        "TOUCH h l",
        "EXISTS h s",
        "SET h text",
        "GET h",
        "APPEND l x",
        "SET z text GET",
        "LPUSH h x",
        "HGET l x",
        "JSON.GET h",
        "HSET j a b",
        "FLUSHDB",
        "SWAPDB 0 1",
        "SCAN 0 TYPE hash MATCH h2 COUNT 1000",
        "KEYS j*",
        "DBSIZE",
        "SORT text",
        "EVAL redis.call('HSET',KEYS[1],'a','b');return(redis.call('HGETALL',KEYS[1])) 1 h",
        "DEBUG DIGEST-VALUE h l s z j",
        "DEBUG LISTPACK h",
        "GETRANGE s 0 1",
        "PFADD z x",
    ];
    for line in lines {
        let (mut plain, mut packed) = (bed(false), bed(true));
        for setup in SETUP {
            both(&mut plain, &mut packed, setup);
        }
        for key in PACKED {
            assert!(is_packed(&mut packed, key), "{key}");
            assert!(!is_packed(&mut plain, key), "{key}");
        }
        assert!(!is_packed(&mut packed, "ints"));
        both(&mut plain, &mut packed, line);
        both(&mut plain, &mut packed, line);
        packed.engine.keyspace.check_invariants();
    }
}

/// A random command over few keys.
fn line(rng: &mut SmallRng) -> String {
    let n = rng.random_range(-9..9);
    let mut key = |kind: &str| format!("{kind}{}", rng.random_range(0..3));
    let (h, l, s, z, j) = (key("h"), key("l"), key("s"), key("z"), key("j"));
    let (h2, l2, s2, z2, j2) = (key("h"), key("l"), key("s"), key("z"), key("j"));
    let at = rng.random_range(0..40);
    let text = match rng.random_range(0..4) {
        0 => n.to_string(),
        1 => "x".repeat(rng.random_range(1..90)),
        _ => format!("user.{at}"),
    };
    match rng.random_range(0..45) {
        0..3 => format!("HSET {h} field{} {text}", at % 7),
        // Names that repeat: records.
        3..6 => format!("HSET {h} name {text} plan basic city Berlin seats {n}"),
        6 => format!("HSET {h} f{at} {text}"),
        7 => format!("HDEL {h} name field{}", at % 7),
        8 => format!("HGETALL {h}"),
        9 => format!("HINCRBY {h} seats {n}"),
        10 => format!("HPEXPIRE {h} {} FIELDS 1 name", at + 1),
        11 => format!("HPERSIST {h} FIELDS 1 name"),
        12..15 => format!("RPUSH {l} {text} {n} {text}"),
        15 => format!("LPOP {l} {}", at % 4 + 1),
        16 => format!("LMOVE {l} {l2} LEFT RIGHT"),
        17 => format!("LSET {l} 0 {text}"),
        18 => format!("LREM {l} {n} {text}"),
        19 => format!("LRANGE {l} 0 -1"),
        20..23 => format!("SADD {s} {text} m{at}"),
        23 => format!("SREM {s} {text} m{at}"),
        24 => format!("SMOVE {s} {s2} m{at}"),
        25 => format!("SUNIONSTORE {s} {s} {s2}"),
        26 => format!("SINTER {s} {s2}"),
        27..30 => format!("ZADD {z} {n} {text} {at} m{at}"),
        30 => format!("ZINCRBY {z} {n} {text}"),
        31 => format!("ZPOPMIN {z} {}", at % 3),
        32 => format!("ZUNIONSTORE {z} 2 {z} {z2}"),
        33 => format!("ZRANGE {z} 0 -1 WITHSCORES"),
        34 => format!("JSON.SET {j} $ {{\"a\":[1,2,\"{text}\"],\"b\":{{\"c\":{n}}}}}"),
        35 => format!("JSON.NUMINCRBY {j} $.b.c {n}"),
        36 => format!("JSON.ARRAPPEND {j} $.a \"{text}\""),
        37 => format!("JSON.GET {j} $.a"),
        38 => format!("RENAME {h} {h2}"),
        39 => format!("COPY {z} {z2} REPLACE"),
        40 => format!("COPY {j} {j2} DB 1 REPLACE"),
        41 => format!("PEXPIRE {} {}", [&h, &l, &s, &z, &j][at % 5], at + 1),
        42 => format!("DUMP {}", [&h, &l, &s, &z, &j][at % 5]),
        43 => format!("DEL {}", [&h, &l, &s, &z, &j][at % 5]),
        _ => "SWAPDB 0 1".to_owned(),
    }
}

#[test]
fn random_commands_do_the_same_to_packed_containers() {
    for seed in 0..6 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut plain, mut packed) = (bed(false), bed(true));
        for step in 0..400 {
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
        assert!(packed.engine.keyspace.packing.figures().frames.frames > 0);
        packed.run("DEBUG PACK EVERY no");
        packed.run("DEBUG UNPACK ALL");
        assert_eq!(plain.run("DEBUG DIGEST"), packed.run("DEBUG DIGEST"));
        packed.engine.keyspace.check_invariants();
        for kind in ["h", "l", "s", "z", "j"] {
            for n in 0..3 {
                assert!(!is_packed(&mut packed, &format!("{kind}{n}")));
            }
        }
    }
}

#[test]
fn a_damaged_container_harms_only_those_who_need_it() {
    let mut t = bed(false);
    let damage = |t: &mut crate::testbed::Testbed| {
        for setup in SETUP {
            t.run(&format!("DEL {}", setup.split(' ').nth(1).expect("a key")));
            t.run(setup);
        }
        for key in PACKED {
            assert_eq!(t.run(&format!("DEBUG PACK {key}")), ":1\r\n");
            assert!(t.engine.keyspace.damage_packed(DbIndex(0), key.as_bytes()));
        }
    };
    for line in [
        "HGET h name",
        "HSET h name x",
        "HGETALL h",
        "LPUSH l x",
        "LRANGE l 0 -1",
        "SADD s x",
        "SMEMBERS s",
        "ZADD z 1 x",
        "ZSCORE z alpha",
        "DUMP h",
        "DEBUG UNPACK z",
    ] {
        damage(&mut t);
        assert_eq!(t.run(line), DAMAGED, "{line}");
        assert!(is_packed(
            &mut t,
            line.split(' ').find(|w| PACKED.contains(w)).unwrap_or("h")
        ));
    }
    damage(&mut t);
    assert_eq!(t.run("HLEN h"), ":6\r\n");
    assert_eq!(t.run("LLEN l"), ":7\r\n");
    assert_eq!(t.run("SCARD s"), ":5\r\n");
    assert_eq!(t.run("ZCARD z"), ":4\r\n");
    assert_eq!(t.run("TYPE j"), "+ReJSON-RL\r\n");
    assert_eq!(t.run("OBJECT ENCODING s"), "$8\r\nlistpack\r\n");
    assert_eq!(t.run("RENAME h h9"), "+OK\r\n");
    assert_eq!(t.run("EXPIRE h9 100"), ":1\r\n");
    assert_eq!(t.run("DEL h9 l s z j"), ":5\r\n");
}
