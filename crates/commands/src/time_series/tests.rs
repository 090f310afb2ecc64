//! Recorded replies of Redis Stack 7.4, payloads, effects, bounds.
//!
//! The lines are in `answers`, each with the reply in both protocols.

use crate::sketches::transcript::{check_refused, converse, hex, payload, play};
use crate::testbed::{AllCommands as _, Testbed};

/// Replies of Redis Stack 7.4 to the same lines.
#[test]
fn replies_are_those_of_redis() {
    play(include_str!("answers/samples.txt"));
}

#[test]
fn replies_about_labels_are_those_of_redis() {
    play(include_str!("answers/labels.txt"));
}

#[test]
fn replies_about_rules_are_those_of_redis() {
    play(include_str!("answers/rules.txt"));
}

#[test]
fn replies_of_later_releases_are_those_of_redis() {
    play(include_str!("answers/later.txt"));
}

/// Panels and variables of a dashboard; the plugin takes replies of RESP2 apart by their kinds.
#[test]
fn replies_to_grafana_are_those_of_redis() {
    play(include_str!("answers/grafana.txt"));
}

/// Makes a series by lines, and checks that its payload equals Redis's payload, and that this
/// payload makes the same series again. `of_redis` has the key's name.
fn check_series(lines: &[&str], key: &str, of_redis: &str) {
    let mut t = Testbed::new();
    t.run("CONFIG SET rdbcompression no");
    for line in lines {
        let reply = t.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let of_redis = hex(of_redis);
    let own = payload(&mut t, key);
    // Version and checksum differ with the release.
    assert_eq!(own[..own.len() - 10], of_redis[..of_redis.len() - 10]);
    t.run(&format!("DEL {key}"));
    let restored = t.run_args(&[b"RESTORE", key.as_bytes(), b"0", &of_redis]);
    assert_eq!(restored, b"+OK\r\n");
    assert_eq!(payload(&mut t, key), own);
}

#[test]
fn payloads_are_those_of_redis() {
    check_series(
        &["TS.CREATE s1 CHUNK_SIZE 48"],
        "s1",
        concat!(
            "07814d20c1f9360f1008050273310200023002020200040000000000000000020002000200020004",
            "00000000000000000200020002010230020002000200020002000200020002200220053000000000",
            "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
            "00000000000c00c83f95f2341c6d46",
        ),
    );
    check_series(
        &[
            "TS.CREATE s2 CHUNK_SIZE 64 RETENTION 100000 DUPLICATE_POLICY LAST LABELS a 1 b xyz",
            "TS.MADD s2 1000 1 s2 1010 1.5 s2 1020 1.5 s2 1031 2 s2 1500 -3.25",
        ],
        "s2",
        concat!(
            "07814d20c1f9360f1008050273320280000186a002404002020245dc040000000000000ac0020502",
            "0202000200040000000000000000020205016105c001050162050378797a02000201024040020502",
            "406202813ff00000000000000243e80245dc0241d50281c00a00000000000002000231054040a919",
            "90c261f9ff53cec02900020000000000000000000000000000000000000000000000000000000000",
            "00000000000000000000000000000000000000000000000c0025a5694ed00eb3b0",
        ),
    );
    check_series(
        &[
            "TS.CREATE s5 CHUNK_SIZE 48",
            "TS.ADD s5 0 0",
            "TS.ADD s5 9007199254740993 1e300",
            "TS.ADD s5 9007199254740994 -1e-300",
        ],
        "s5",
        concat!(
            "07814d20c1f9360f100805027335020002300202028100200000000000020459f3f8c21f6ea58102",
            "03020002000200040000000000000000020002000201023002030241230200020002810020000000",
            "0000020201028181a56e1fc2f8f3590200020005307f00000000000008c0813feb001079c86ffc3f",
            "000000000000f8ffe02f36c4571a5194fc070000000000000000000000000c00950435adc0d293e8",
        ),
    );
}

/// A replica has the timestamps of the primary, and samples that the primary refused or ignored
/// never reach it.
#[test]
fn effects_have_the_timestamps() {
    let mut t = Testbed::new();
    t.run("TS.CREATE s DUPLICATE_POLICY LAST IGNORE 10 1");
    t.run("TS.CREATE b");
    t.take_effects();
    let now = t.run("TS.ADD s * 5");
    let now = now.trim_start_matches(':').trim_end();
    t.run("TS.INCRBY i 2 LABELS a b");
    t.run("TS.DECRBY i 2 TIMESTAMP * LABELS a b");
    t.run(&format!("TS.INCRBY i 1 TIMESTAMP {now}"));
    t.run(&format!("TS.ADD s {now} 5.5"));
    t.run("TS.ADD b 10 1");
    t.run("TS.ADD b 10 2");
    t.run(&format!(
        "TS.MADD s {now} 5.5 b 10 3 nope 1 1 b 20 7 s * 9 b x 1"
    ));
    t.run("TS.MADD b 30 1 b 40 2");
    t.run("TS.DEL b 100 200");
    assert_eq!(
        t.take_effects(),
        [
            format!("TS.ADD s {now} 5"),
            format!("TS.INCRBY i 2 TIMESTAMP {now} LABELS a b"),
            format!("TS.DECRBY i 2 TIMESTAMP {now} LABELS a b"),
            format!("TS.INCRBY i 1 TIMESTAMP {now}"),
            "TS.ADD b 10 1".to_owned(),
            format!("TS.MADD b 20 7 s {now} 9"),
            "TS.MADD b 30 1 b 40 2".to_owned(),
        ]
    );
}

/// The range stands before the words, whatever its text is: FILTER in the range's place once ended
/// the arguments before it.
#[test]
fn a_word_in_the_place_of_the_range_is_no_word() {
    let mut t = Testbed::new();
    for line in ["TS.MRANGE FILTER a=b c=d", "TS.MRANGE - FILTER a=b"] {
        assert!(t.run(line).starts_with("-ERR TSDB: wrong"), "{line}");
    }
}

#[test]
fn damaged_payloads_are_refused() {
    let mut t = Testbed::new();
    t.run("TS.CREATE s CHUNK_SIZE 48 LABELS a b");
    for at in 1..40 {
        t.run(&format!(
            "TS.ADD s {} {}",
            at * at * 10,
            f64::from(at) * 0.1
        ));
    }
    let good = payload(&mut t, "s");
    for at in 0..good.len() - 10 {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let end = bad.len() - 8;
        let crc = russet_base::hashing::crc64::update(0, &bad[..end]);
        bad[end..].copy_from_slice(&crc.to_le_bytes());
        t.run("DEL e");
        t.run_args(&[b"RESTORE", b"e", b"0", &bad]);
        t.run("TS.ADD e * 1");
        t.run("TS.RANGE e - + AGGREGATION twa 100");
        t.engine.keyspace.check_invariants();
    }
    check_refused(
        "nothing after the id",
        &[7, 0x81, 0x4d, 0x20, 0xc1, 0xf9, 0x36, 0x0f, 0x10, 8, 0],
    );
}

/// Rows of buckets without samples are bounded: one command may not fill the memory.
#[test]
fn empty_rows_are_bounded() {
    let mut t = Testbed::new();
    t.run("TS.CREATE s");
    t.run("TS.MADD s 0 1 s 9000000000000000 2");
    converse(
        &mut t,
        &[
            (
                "TS.RANGE s - + AGGREGATION sum 1 EMPTY",
                "-ERR TSDB: there would be too many values, use COUNT, longer buckets or fewer aggregators",
            ),
            (
                "TS.REVRANGE s - + COUNT 2 AGGREGATION sum 1 EMPTY",
                "*2 *2 :9000000000000000 +2 *2 :8999999999999999 +0",
            ),
            (
                "TS.RANGE s 5 7 AGGREGATION twa,count 1 EMPTY",
                "*3 *3 :5 +1.0000000000000007 +0 *3 :6 +1.0000000000000009 +0 *3 :7 +1.0000000000000009 +0",
            ),
        ],
    );
}

/// The clocks of Berlin were put forward on 2024-03-31 and back on 2024-10-27.
#[test]
fn buckets_may_be_those_of_a_calendar() {
    let mut t = Testbed::new();
    t.run("TS.CREATE s LABELS a b");
    // Noon, UTC, of 30 March to 1 April and of 1 May.
    for at in [
        1711800000000_i64,
        1711886400000,
        1711972800000,
        1714564800000,
    ] {
        t.run(&format!("TS.ADD s {at} 1"));
    }
    let bad_zone = "-ERR TSDB: unknown time zone";
    converse(
        &mut t,
        &[
            (
                "TS.RANGE s - + AGGREGATION count 1d TZ Europe/Berlin BUCKETTIMESTAMP end COUNT 3",
                "*3 *2 :1711839600000 +1 *2 :1711922400000 +1 *2 :1712008800000 +1",
            ),
            (
                "TS.REVRANGE s - + AGGREGATION sum,count 1mo TZ Europe/Berlin",
                "*3 *3 :1714514400000 +1 +1 *3 :1711922400000 +1 +1 *3 :1709247600000 +2 +2",
            ),
            (
                "TS.RANGE s - + AGGREGATION count 1y",
                "*1 *2 :1704067200000 +4",
            ),
            (
                "TS.RANGE s 1711800000000 + ALIGN start AGGREGATION count 1w TZ UTC EMPTY COUNT 2",
                "*2 *2 :1711800000000 +3 *2 :1712404800000 +0",
            ),
            (
                "TS.NRANGE 2 s s - + AGGREGATION count sum 1y TZ UTC",
                "*1 *2 :1704067200000 *2 +4 +4",
            ),
            (
                "TS.MRANGE - + AGGREGATION count 1y FILTER a=b GROUPBY a REDUCE max",
                "*1 *3 $3 a=b *0 *1 *2 :1704067200000 +4",
            ),
            (
                "TS.RANGE s - + AGGREGATION count 1d TZ Mars/Olympus",
                bad_zone,
            ),
            (
                "TS.RANGE s - + AGGREGATION count 86400000 TZ UTC",
                "-ERR TSDB: TZ can only be used with a bucketDuration of days, weeks, months or years",
            ),
            (
                "TS.CREATERULE s d AGGREGATION avg 1mo",
                "-ERR TSDB: a rule\\'s bucketDuration is a number of milliseconds",
            ),
        ],
    );
}

/// Payloads of the versions of Redis's module before 8, each a series of three samples with a rule
/// for each kind of context; Redis Stack 7.4 restores them to the same replies.
#[test]
fn payloads_of_older_versions_are_restored() {
    for line in include_str!("answers/old_payloads.txt").lines() {
        let (version, bytes) = line.split_once(' ').expect("a version, a payload");
        let mut t = Testbed::new();
        let restored = t.run_args(&[b"RESTORE", b"k", b"0", &hex(bytes)]);
        assert_eq!(restored, b"+OK\r\n", "{version}");
        let range = "*3\r\n*2\r\n:1\r\n+1.5\r\n*2\r\n:5\r\n+2.5\r\n*2\r\n:9\r\n+3.5\r\n";
        assert_eq!(t.run("TS.RANGE k - +"), range, "{version}");
        t.engine.keyspace.check_invariants();
    }
}
