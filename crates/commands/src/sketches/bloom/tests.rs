//! Replies of a real server (answers.txt), and beyond replies: payloads, effects, settings, chunks.
//!
//! Payloads come from Redis Stack 7.4, whole and damaged in each field.

use super::super::transcript::{
    check_payload, check_refused, converse, hex, payload, play, reply_to,
};
use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;

#[test]
fn commands_answer_as_the_module_does() {
    play(include_str!("answers.txt"));
}

#[test]
fn payloads_are_those_of_redis() {
    check_payload(
        &["BF.RESERVE k 0.01 10", "BF.MADD k foo bar"],
        "k",
        "07813016e5a289bef8040202020102050202020a047b14ae47e17a743f020804e9862fb2350e264002408002000510\
         08202a020800080008808808080008000202000c00588ad8cc1e9bc5bb",
    );
    check_payload(
        &["BF.RESERVE k 0.1 5 NONSCALING", "BF.ADD k foo"],
        "k",
        "07813016e5a289bef80402010201020d02020205049a9999999999b93f02040488168ac58c2b134002404002000508\
         00a00a00000000000201000c005f2443e0feb8932b",
    );
    check_payload(
        &["BF.RESERVE k 0.1 2 EXPANSION 3", "BF.MADD k a b c d"],
        "k",
        "07813016e5a289bef80402040202020502030202049a9999999999a93f0205044af7d49edef0184002404002000508\
         0044208c1012002002020206049a9999999999993f0206040bd81f7830b61e400240400200050830018006408021020202\
         000c00ebb1256148fccf31",
    );
}

/// Redis had overflows in each of these places (CVE-2026-25589 and others).
#[test]
fn payloads_that_contradict_themselves_are_refused() {
    let good = hex(
        "07813016e5a289bef8040202020102050202020a047b14ae47e17a743f020804e9862fb2350e264002408002000510\
         08202a02080008000880880808000800020200",
    );
    let mut t = Testbed::new();
    let mut sealed = good.clone();
    russet_persistence::rdb::seal(&mut sealed, 12);
    assert_eq!(t.run_args(&[b"RESTORE", b"k", b"0", &sealed]), b"+OK\r\n");
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (what, payload) in [
        ("no links", with(13, &[0])),
        ("more links than follow", with(13, &[2])),
        ("unknown options", with(15, &[16])),
        ("two links that do not scale", {
            let mut two = with(13, &[2]);
            two[15] = 13;
            two
        }),
        ("no entries", with(19, &[0])),
        ("an error of nothing", with(21, &[0; 8])),
        ("an error that is no number", with(21, &[255; 8])),
        ("no hashes", with(30, &[0])),
        ("bits for no entry", with(32, &[0; 8])),
        ("more bits than bytes", with(41, &[0x7f, 0xff])),
        ("fewer bits than bytes", with(41, &[0x40, 0x40])),
        ("a power of two beyond the bytes", with(44, &[20])),
        ("a power of two beyond words", with(44, &[63])),
        ("fewer bytes", with(46, &[15])),
        ("a newer encoding", with(9, &[0xf8 + 7])),
        ("a text in place of a number", with(12, &[5])),
        ("no end", good[..good.len() - 1].to_vec()),
    ] {
        check_refused(what, &payload);
    }
    // Links beyond all bounds, announced only.
    let many = [
        &good[..13],
        &[0x81, 255, 255, 255, 255, 255, 255, 255, 255],
        &good[14..],
    ]
    .concat();
    check_refused("2^64 links", &many);
    // Bits beyond memory, of which no byte is there.
    let vast = [
        &good[..41],
        &[0x81, 0, 0, 255, 255, 255, 255, 255, 255],
        &good[43..],
    ]
    .concat();
    check_refused("2^48 bits", &vast);
}

/// A reserved filter of half a gigabyte made a payload of half a gigabyte.
#[test]
fn a_filter_with_few_items_has_a_short_payload() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("BF.RESERVE k 0.01 5000000", "+OK"),
            ("BF.MADD k a b c", "*3 :1 :1 :1"),
            ("CF.RESERVE c 5000000", "+OK"),
            ("CF.ADD c a", ":1"),
            ("CMS.INITBYDIM m 500000 5", "+OK"),
            ("CMS.INCRBY m a 7", "*1 :7"),
            ("TOPK.RESERVE t 10 500000 5 0.9", "+OK"),
            ("TOPK.ADD t a", "*1 $-1"),
        ],
    );
    for key in ["k", "c", "m", "t"] {
        let payload = payload(&mut t, key);
        assert!(payload.len() < 3 << 20, "{key}: {}", payload.len());
        let restored = t.run_args(&[b"RESTORE", b"again", b"0", &payload, b"REPLACE"]);
        assert_eq!(restored, b"+OK\r\n");
        assert_eq!(
            t.run("DEBUG DIGEST-VALUE again"),
            t.run(&format!("DEBUG DIGEST-VALUE {key}"))
        );
        t.run(&format!("COPY {key} copy REPLACE"));
        assert_eq!(
            t.run("DEBUG DIGEST-VALUE copy"),
            t.run(&format!("DEBUG DIGEST-VALUE {key}"))
        );
    }
}

#[test]
fn a_filter_is_a_value_as_any_other() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("BF.ADD k a", ":1"),
            ("TYPE k", "+MBbloom--"),
            ("OBJECT ENCODING k", "$3 raw"),
            ("SCAN 0 TYPE mbbloom--", "*2 $1 0 *1 $1 k"),
            ("COPY k copy", ":1"),
            ("BF.ADD copy b", ":1"),
            ("BF.EXISTS k b", ":0"),
            ("RENAME copy other", "+OK"),
            ("BF.CARD other", ":2"),
            ("DEL other", ":1"),
            ("BF.EXISTS other a", ":0"),
            ("BF.ADD k a", ":0"),
        ],
    );
    let bytes: usize = reply_to(&mut t, "MEMORY USAGE k")[1..]
        .parse()
        .expect("a number");
    assert!((200..400).contains(&bytes), "{bytes}");
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    let digest = |t: &mut Testbed, key: &str| t.run(&format!("DEBUG DIGEST-VALUE {key}"));
    t.run("BF.ADD same a");
    assert_eq!(digest(&mut t, "k"), digest(&mut t, "same"));
    t.run("BF.ADD same b");
    assert_ne!(digest(&mut t, "k"), digest(&mut t, "same"));
}

#[test]
fn only_changes_are_repeated_and_by_the_same_numbers_everywhere() {
    let mut t = Testbed::new();
    for line in [
        "BF.ADD k a",
        "BF.ADD k a",
        "BF.MADD k a b",
        "BF.MADD k a b",
        "BF.RESERVE r 0.01 10",
        "BF.RESERVE half 0.5 10",
        "BF.RESERVE fixed 0.01 10 EXPANSION 0",
        "BF.INSERT fixed2 EXPANSION 0 ITEMS a",
        "CONFIG SET bf-error-rate 0.001 bf-initial-size 50 bf-expansion-factor 4",
        "BF.ADD k c",
        "BF.ADD own a",
        "BF.RESERVE own2 0.1 7",
        "BF.RESERVE own3 0.1 7 NONSCALING",
        "BF.INSERT own4 CAPACITY 8 ITEMS a b",
    ] {
        assert!(!t.run(line).starts_with('-'), "{line}");
    }
    assert_eq!(
        t.take_effects(),
        [
            "BF.ADD k a",
            "BF.MADD k a b",
            "BF.RESERVE r 0.01 10",
            "BF.RESERVE half 0.25 10 EXPANSION 2",
            "BF.RESERVE fixed 0.01 10 NONSCALING",
            "BF.INSERT fixed2 ERROR 0.01 CAPACITY 100 NONSCALING EXPANSION 2 ITEMS a",
            "BF.ADD k c",
            "BF.INSERT own ERROR 0.001 CAPACITY 50 EXPANSION 4 ITEMS a",
            "BF.RESERVE own2 0.1 7 EXPANSION 4",
            "BF.RESERVE own3 0.1 7 NONSCALING",
            "BF.INSERT own4 ERROR 0.001 CAPACITY 8 EXPANSION 4 ITEMS a b",
        ]
    );
}

#[test]
fn filters_are_merged_and_their_effects_are_known_everywhere() {
    let mut t = Testbed::new();
    t.run("BF.RESERVE a 0.01 20");
    t.run("BF.RESERVE b 0.01 20");
    t.run("BF.RESERVE c 0.01 30");
    converse(
        &mut t,
        &[
            ("BF.MADD a 1 2 3", "*3 :1 :1 :1"),
            ("BF.MADD b 3 4 5", "*3 :1 :1 :1"),
            ("BF.MERGE d none none2", "-ERR not found"),
            ("BF.MERGE a c", "-ERR filters of different shapes"),
            ("SET s x", "+OK"),
            (
                "BF.MERGE a s",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("PEXPIREAT a 33177117420000", ":1"),
            ("BF.MERGE a b a none", "+OK"),
            ("BF.MEXISTS a 1 2 3 4 5 6", "*6 :1 :1 :1 :1 :1 :0"),
            ("BF.CARD a", ":6"),
            ("PEXPIRETIME a", ":33177117420000"),
            ("BF.MERGE d b a", "+OK"),
            ("BF.MEXISTS d 1 5", "*2 :1 :1"),
            ("BF.INFO d FILTERS", "*1 :1"),
        ],
    );
    let error = reply_to(&mut t, "BF.INFO a ERROR");
    assert!(error.starts_with("*1 $") && error.contains("e-"), "{error}");
    t.take_effects();
    t.run("BF.MERGE a b");
    let effects = t.take_effects();
    let names: Vec<&str> = effects
        .iter()
        .filter_map(|its| its.split(' ').next())
        .collect();
    let made = ["DEL", "BF.LOADCHUNK", "BF.LOADCHUNK", "PEXPIREAT"];
    let inner: Vec<&&str> = names
        .iter()
        .filter(|its| !["MULTI", "EXEC"].contains(its))
        .collect();
    assert_eq!(inner, made.iter().collect::<Vec<_>>());
}

#[test]
fn settings_are_checked_and_make_new_filters() {
    let mut t = Testbed::new();
    converse(
        &mut t,
        &[
            ("CONFIG GET bf-error-rate", "*2 $13 bf-error-rate $4 0.01"),
            (
                "CONFIG SET bf-expansion-factor 0 bf-initial-size 2 bf-error-rate 0.5",
                "+OK",
            ),
            ("BF.MADD k a b", "*2 :1 :1"),
            ("BF.ADD k c", "-ERR non scaling filter is full"),
            (
                "BF.DEBUG k",
                "*2 $6 size:2 $66 bytes:8 bits:64 hashes:3 hashwidth:64 capacity:2 size:2 ratio:0.25",
            ),
        ],
    );
    for refused in [
        "bf-error-rate 0",
        "bf-error-rate 1",
        "bf-error-rate x",
        "bf-initial-size 0",
        "bf-expansion-factor 32769",
    ] {
        let reply = reply_to(&mut t, &format!("CONFIG SET {refused}"));
        assert!(
            reply.starts_with("-ERR CONFIG SET failed"),
            "{refused}: {reply}"
        );
    }
}

#[test]
fn a_filter_goes_from_key_to_key_in_chunks() {
    let mut t = Testbed::new();
    t.run("BF.RESERVE k 0.01 10");
    let items: Vec<String> = (0..500).map(|n| format!("i{n}")).collect();
    for item in &items {
        t.run(&format!("BF.ADD k {item}"));
    }
    let mut at = 0i64;
    loop {
        let reply = t.run_args(&[b"BF.SCANDUMP", b"k", at.to_string().as_bytes()]);
        let text = reply.strip_prefix(b"*2\r\n:").expect("two");
        let end = text.iter().position(|byte| *byte == b'\r').expect("a line");
        let next = std::str::from_utf8(&text[..end]).expect("digits");
        let next: i64 = next.parse().expect("a number");
        if next == 0 {
            break;
        }
        let rest = &text[end + 3..];
        let end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
        let chunk = &rest[end + 1..rest.len() - 2];
        let loaded = t.run_args(&[b"BF.LOADCHUNK", b"copy", next.to_string().as_bytes(), chunk]);
        assert_eq!(loaded, b"+OK\r\n");
        at = next;
    }
    assert_eq!(payload(&mut t, "copy"), payload(&mut t, "k"));
}

/// The steps between two moments, by the clock of the commands.
#[test]
fn a_filter_that_rotates_forgets() {
    let mut t = Testbed::new();
    let begin_ms = 1_000_000_000;
    converse(
        &mut t,
        &[
            ("BF.RESERVE k 0.01 100 ROTATE 1000 3", "+OK"),
            ("BF.MADD k a b", "*2 :1 :1"),
            ("BF.ADD k a", ":0"),
            ("BF.INFO k ROTATION", "*1 :1000"),
            ("BF.INFO k GENERATIONS", "*1 :3"),
            ("BF.INFO k FILTERS", "*1 :1"),
        ],
    );
    assert!(reply_to(&mut t, "BF.INFO k").starts_with("*14 "));
    t.advance_ms(1500);
    converse(
        &mut t,
        &[
            // A renewed item, and a new item.
            ("BF.INSERT k ITEMS a c", "*2 :0 :1"),
            ("BF.ADD k a", ":0"),
            ("BF.CARD k", ":4"),
            ("BF.INFO k FILTERS", "*1 :2"),
            ("COPY k copy", ":1"),
        ],
    );
    t.advance_ms(1500);
    // The first generation is over, though no write has dropped it.
    converse(
        &mut t,
        &[
            ("BF.MEXISTS k a b c", "*3 :1 :0 :1"),
            ("BF.EXISTS k b", ":0"),
            ("BF.CARD k", ":2"),
            ("BF.MEXISTS copy a b c", "*3 :1 :0 :1"),
        ],
    );
    t.take_effects();
    t.run("BF.ADD k b");
    t.run("BF.ADD k b");
    t.run("BF.ADD k d");
    let effects = t.take_effects();
    let expected = [
        &format!("BF.ROTATE k {}", begin_ms + 3000),
        "BF.ADD k b",
        "BF.ADD k d",
    ];
    let inner: Vec<&String> = effects
        .iter()
        .filter(|its| !["MULTI", "EXEC"].contains(&its.as_str()))
        .collect();
    assert_eq!(inner, expected);
}

#[test]
fn words_of_rotation_are_checked() {
    let mut t = Testbed::new();
    let bad = "-ERR bad rotation: milliseconds up to ten years, and 2 to 64 generations";
    for words in [
        "ROTATE",
        "ROTATE 1000",
        "ROTATE x 3",
        "ROTATE 0 3",
        "ROTATE -1 3",
        "ROTATE 316224000001 3",
        "ROTATE 1000 1",
        "ROTATE 1000 65",
        "ROTATE 1000 -3",
        "ROTATE 1000 3 SINCE",
        "ROTATE 1000 3 SINCE x",
    ] {
        let reply = reply_to(&mut t, &format!("BF.RESERVE k 0.01 100 {words}"));
        assert_eq!(reply, bad, "{words}");
    }
    converse(
        &mut t,
        &[
            (
                "BF.RESERVE k 0.01 100 EXPANSION 2 ROTATE 1000 3 SINCE 5",
                "+OK",
            ),
            ("BF.RESERVE other 0.01 100", "+OK"),
            ("BF.ROTATE k 5", ":0"),
            ("BF.ROTATE k 6", ":1"),
            (
                "BF.ROTATE k 33177117420000",
                "-ERR the time is in the future",
            ),
            ("BF.ROTATE k x", "-ERR bad time"),
            ("BF.ROTATE none 5", "-ERR not found"),
            ("BF.ROTATE other 5", "-ERR the filter does not rotate"),
            ("BF.INFO other ROTATION", "*1 $-1"),
            ("BF.MERGE k other", "-ERR filters of different shapes"),
            ("BF.MERGE other k", "-ERR filters of different shapes"),
        ],
    );
}

/// Payloads and chunks carry the generations, and repeat themselves as effects.
#[test]
fn generations_survive_payloads_chunks_and_effects() {
    let mut t = Testbed::new();
    t.take_effects();
    t.run("BF.RESERVE k 0.01 2 EXPANSION 2 ROTATE 1000 3");
    for step in 0..4 {
        t.run(&format!("BF.MADD k a{step} b{step} c{step} d{step}"));
        t.advance_ms(900);
    }
    let wanted = payload(&mut t, "k");
    assert_eq!(
        t.run_args(&[b"RESTORE", b"again", b"0", &wanted]),
        b"+OK\r\n"
    );
    assert_eq!(payload(&mut t, "again"), wanted);
    // A server whose clock is elsewhere repeats the effects.
    let effects = t.take_effects();
    let mut other = Testbed::new();
    other.advance_ms(123_456_789);
    let taken = other.connect();
    for effect in effects.iter().filter(|its| its.contains(" k ")) {
        let words: Vec<&[u8]> = effect.split(' ').map(str::as_bytes).collect();
        other.repeat_args_as(taken, &words);
    }
    assert_eq!(payload(&mut other, "k"), wanted);
    for at in 12..wanted.len() - 11 {
        let mut changed = wanted[..wanted.len() - 10].to_vec();
        changed[at] ^= 0x40;
        russet_persistence::rdb::seal(&mut changed, 12);
        t.run_args(&[b"RESTORE", b"changed", b"0", &changed, b"REPLACE"]);
    }
}

/// A sketch that is larger than `maxmemory` evicted all keys, and then itself.
#[test]
fn what_is_larger_than_the_limit_is_refused_and_nothing_goes() {
    let makes = [
        (
            "BF.RESERVE k 0.001 N",
            "-ERR Insufficient memory to create filter",
        ),
        (
            "BF.INSERT k CAPACITY N ITEMS a",
            "-ERR Insufficient memory to create filter",
        ),
        (
            "CF.RESERVE k N",
            "-ERR Insufficient memory to create filter",
        ),
        (
            "CF.INSERT k CAPACITY N ITEMS a",
            "-ERR Insufficient memory to create filter",
        ),
        (
            "CMS.INITBYDIM k N 5",
            "-CMS: Insufficient memory to create the key",
        ),
        (
            "TOPK.RESERVE k 10 N 7 0.9",
            "-ERR Insufficient memory to create topk data structure",
        ),
        (
            "TDIGEST.CREATE k COMPRESSION N",
            "-ERR T-Digest: allocation failed",
        ),
    ];
    let mut t = Testbed::new();
    t.run("SET other x");
    let with = |line: &str, n: &str| {
        let words = line
            .split(' ')
            .map(|word| if word == "N" { n } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    for (line, _) in makes {
        let reply = t.run(&with(line, "1000"));
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        t.run("DEL k");
    }
    t.run("CONFIG SET maxmemory 64mb");
    t.run("CONFIG SET maxmemory-policy allkeys-lru");
    for (line, refused) in makes {
        for n in [
            "300000000",
            "2147483647",
            "2147483648",
            "4294967296",
            "4611686018427387904",
            "9223372036854775807",
        ] {
            let reply = t.run(&with(line, n));
            assert!(reply.starts_with('-'), "{line} of {n}: {reply}");
            if n == "300000000" {
                assert_eq!(reply, format!("{refused}\r\n"), "{line}");
            }
            assert_eq!(t.run("EXISTS k other"), ":1\r\n", "{line} of {n}");
        }
    }
    for (line, refused) in [
        (
            "CMS.INITBYDIM k 10 1025",
            "-CMS: invalid init arguments\r\n",
        ),
        (
            "CMS.INITBYDIM k 1 100000000",
            "-CMS: invalid init arguments\r\n",
        ),
        ("TOPK.RESERVE k 10 8 1025 0.9", "-TopK: invalid depth\r\n"),
        ("TOPK.RESERVE k 131073 8 7 0.9", "-TopK: invalid k\r\n"),
    ] {
        assert_eq!(t.run(line), refused, "{line}");
    }
}
