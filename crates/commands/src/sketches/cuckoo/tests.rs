//! Replies of a real server (answers.txt), and beyond replies: payloads, effects, settings.
//!
//! Payloads come from Redis Stack 7.4, whole and damaged in each field.

use super::super::transcript::{check_payload, check_refused, converse, hex, play, reply_to};
use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;

#[test]
fn commands_answer_as_the_module_does() {
    play(include_str!("answers.txt"));
}

#[test]
fn payloads_are_those_of_redis() {
    check_payload(
        &[
            "CF.RESERVE k 8",
            "CF.INSERT k ITEMS foo foo bar",
            "CF.DEL k bar",
        ],
        "k",
        "07813016e5a2898214040201020402020201020202140201020405080000d9d900000000000c00e8ef7c6bcde803de",
    );
    check_payload(
        &[
            "CF.RESERVE k 4 BUCKETSIZE 1 EXPANSION 2",
            "CF.INSERT k ITEMS a b c d e",
        ],
        "k",
        "07813016e5a28982140402020204020502000201021402020204050400c4cb10020805080006000000bc0000000c00\
         0ae665a4a4d4355c",
    );
}

#[test]
fn payloads_that_contradict_themselves_are_refused() {
    let good = hex(
        "07813016e5a28982140402020204020502000201021402020204050400c4cb10020805080006000000bc000000",
    );
    let mut sealed = good.clone();
    russet_persistence::rdb::seal(&mut sealed, 12);
    let mut t = Testbed::new();
    assert_eq!(t.run_args(&[b"RESTORE", b"k", b"0", &sealed]), b"+OK\r\n");
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (what, payload) in [
        ("no parts", with(11, &[0])),
        ("more parts than follow", with(11, &[3])),
        ("no buckets", with(13, &[0])),
        ("buckets that are no power of two", with(13, &[3])),
        ("no slots in a bucket", with(19, &[0])),
        ("no moves", with(21, &[0])),
        ("an expansion that is no power of two", with(23, &[3])),
        ("two parts of a filter that does not grow", with(23, &[0])),
        ("other buckets in a part", with(25, &[8])),
        ("fewer bytes in a part", with(27, &[3])),
        ("a newer encoding", with(9, &[0x14 + 3])),
        ("no end", good[..good.len() - 1].to_vec()),
    ] {
        check_refused(what, &payload);
    }
    let vast = [&good[..13], &[0x81, 0x80, 0, 0, 0, 0, 0, 0, 0], &good[14..]].concat();
    check_refused("2^63 buckets", &vast);
    let many = [&good[..11], &[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0], &good[12..]].concat();
    check_refused("parts beyond all bounds", &many);
}

#[test]
fn a_filter_is_a_value_as_any_other() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("CF.ADD k a", ":1"),
            ("TYPE k", "+MBbloomCF"),
            ("COPY k copy", ":1"),
            ("CF.ADD copy a", ":1"),
            ("CF.COUNT k a", ":1"),
            ("CF.COUNT copy a", ":2"),
            ("CF.DEL k a", ":1"),
            ("CF.EXISTS k a", ":0"),
            ("DEL copy", ":1"),
        ],
    );
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    let digest = |t: &mut Testbed, key: &str| t.run(&format!("DEBUG DIGEST-VALUE {key}"));
    t.run("CF.ADD x a");
    t.run("CF.ADD y a");
    assert_eq!(digest(&mut t, "x"), digest(&mut t, "y"));
    t.run("CF.ADD y b");
    assert_ne!(digest(&mut t, "x"), digest(&mut t, "y"));
}

#[test]
fn only_changes_are_repeated_and_by_the_same_numbers_everywhere() {
    let mut t = Testbed::new();
    for line in [
        "CF.ADD k a",
        "CF.ADDNX k a",
        "CF.DEL k b",
        "CF.DEL k a",
        "CF.INSERT i CAPACITY 10 ITEMS a",
        "CF.COMPACT i",
        "CONFIG SET cf-bucket-size 4 cf-expansion-factor 2",
        "CF.ADD k c",
        "CF.ADD own a",
        "CF.INSERTNX own2 CAPACITY 20 ITEMS a b",
        "CF.RESERVE own3 50",
        "CF.RESERVE own4 50 BUCKETSIZE 1",
    ] {
        assert!(!t.run(line).starts_with('-'), "{line}");
    }
    assert_eq!(
        t.take_effects(),
        [
            "CF.ADD k a",
            "CF.DEL k a",
            "CF.INSERT i CAPACITY 10 ITEMS a",
            "CF.COMPACT i",
            "CF.ADD k c",
            "CF.RESERVE own 1024 BUCKETSIZE 4 MAXITERATIONS 20 EXPANSION 2",
            "CF.ADD own a",
            "CF.RESERVE own2 20 BUCKETSIZE 4 MAXITERATIONS 20 EXPANSION 2",
            "CF.INSERTNX own2 CAPACITY 20 ITEMS a b",
            "CF.RESERVE own3 50 BUCKETSIZE 4 MAXITERATIONS 20 EXPANSION 2",
            "CF.RESERVE own4 50 BUCKETSIZE 1 MAXITERATIONS 20 EXPANSION 2",
        ]
    );
}

#[test]
fn filters_are_merged() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("CF.INSERT a CAPACITY 100 ITEMS 1 2 3", "*3 :1 :1 :1"),
            ("CF.INSERT b CAPACITY 100 ITEMS 3 4", "*2 :1 :1"),
            ("CF.ADD c 1", ":1"),
            ("CF.MERGE a c", "-ERR filters of different shapes"),
            ("CF.MERGE d none", "-ERR not found"),
            ("CF.MERGE a b", "+OK"),
            ("CF.MEXISTS a 1 2 3 4 5", "*5 :1 :1 :1 :1 :0"),
            ("CF.COUNT a 3", ":2"),
            ("CF.MERGE d b", "+OK"),
            ("CF.DEL d 4", ":1"),
            ("CF.EXISTS b 4", ":1"),
        ],
    );
}

#[test]
fn parts_are_bounded_by_a_setting() {
    let mut t = Testbed::new();
    t.run("CONFIG SET cf-max-expansions 3 cf-initial-size 2 cf-bucket-size 1 cf-max-iterations 1");
    let mut last = String::new();
    for n in 0..50 {
        last = reply_to(&mut t, &format!("CF.ADD k {n}"));
        if last.starts_with('-') {
            break;
        }
    }
    assert_eq!(last, "-Maximum expansions reached");
    assert!(reply_to(&mut t, "CF.DEBUG k").contains("filters:3"));
}
