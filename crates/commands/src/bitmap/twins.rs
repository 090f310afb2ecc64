//! The same bits as a string and as a native bitmap: random commands get the same replies from
//! both; then replicas, copies and reloads have the same data. And what differs: types, events,
//! effects, conversions.

use crate::testbed::{AllCommands as _, Testbed};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt as _, SeedableRng};
use russet_config::Allowed;
use russet_keyspace::ClientId;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const STEPS: usize = 4000;

/// A test server with or without the directive.
fn bed(native: bool) -> Testbed {
    let mut t = Testbed::new();
    t.engine.server.config.bitmap_default_roaring = native;
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    t
}

/// Runs a command as a server does that repeats it.
fn load(t: &mut Testbed, by: ClientId, line: &str) {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let reply = t.repeat_args_as(by, &args);
    assert!(!reply.starts_with(b"-"), "{line}: {reply:?}");
}

fn offset(rng: &mut impl Rng) -> i64 {
    match rng.random_range(0..20) {
        0 => -1,
        1 => 1 << 32,
        2..8 => rng.random_range(0..300),
        8..14 => rng.random_range(65_500..65_600),
        _ => rng.random_range(0..400_000),
    }
}

fn edge(rng: &mut impl Rng) -> i64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(-60..60),
        1 => rng.random_range(-60_000..60_000),
        _ => rng.random_range(-500_000..500_000),
    }
}

/// A word of a list, at random.
fn one_of<'a>(rng: &mut impl Rng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}

fn fields(rng: &mut impl Rng, read_only: bool) -> String {
    let mut text = String::new();
    for _ in 0..rng.random_range(1..4) {
        let kind = one_of(
            rng,
            &["u1", "u7", "i8", "u16", "i33", "u63", "i64", "i1", "u64"],
        );
        let at = match rng.random_range(0..3) {
            0 => format!("#{}", rng.random_range(0..900)),
            _ => offset(rng).to_string(),
        };
        let value: i64 = rng.random_range(-300..300);
        let what = if read_only { 0 } else { rng.random_range(0..4) };
        text += &match what {
            0 => format!(" GET {kind} {at}"),
            1 => format!(" SET {kind} {at} {value}"),
            2 => format!(" INCRBY {kind} {at} {value}"),
            _ => {
                let overflow = one_of(rng, &["WRAP", "SAT", "FAIL"]);
                format!(" OVERFLOW {overflow} INCRBY {kind} {at} {value}")
            }
        };
    }
    text
}

fn step(rng: &mut SmallRng) -> String {
    let [key, other, third] = [(); 3].map(|()| one_of(rng, &KEYS));
    let (start, end) = (edge(rng), edge(rng));
    let unit = one_of(rng, &["", " BYTE", " BIT"]);
    let bit = rng.random_range(0..2);
    match rng.random_range(0..18) {
        0..5 => format!("SETBIT {key} {} {bit}", offset(rng)),
        5 => format!("GETBIT {key} {}", offset(rng)),
        6 => format!("BITCOUNT {key} {start} {end}{unit}"),
        7 => format!("BITCOUNT {key}"),
        8 => format!("BITPOS {key} {bit} {start} {end}{unit}"),
        9 => format!("BITPOS {key} {bit} {start}"),
        10..12 => format!("BITFIELD {key}{}", fields(rng, false)),
        12 => format!("BITFIELD_RO {key}{}", fields(rng, true)),
        13..16 => {
            let words = ["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"];
            let operation = one_of(rng, &words);
            let sources = match operation {
                "NOT" => other.to_owned(),
                _ => format!("{other} {third} {}", one_of(rng, &["a", "none"])),
            };
            format!("BITOP {operation} {key} {sources}")
        }
        16 => {
            let zeros = one_of(rng, &["", " ZEROS"]);
            let limit = rng.random_range(0..90);
            format!(
                "BITRANGEINTARRAY {key} {start} {end}{unit} LIMIT {}{zeros}",
                limit + 1
            )
        }
        _ => match rng.random_range(0..8) {
            0 => format!("DEL {key}"),
            1 => format!("COPY {key} {other} REPLACE"),
            2 => format!("RENAME {key} {other}"),
            3 => format!("EXPIRE {key} 1000"),
            _ => format!("TTL {key}"),
        },
    }
}

fn digest(t: &mut Testbed, key: &str) -> String {
    let reply = t.run(&format!("DEBUG DIGEST-VALUE {key}"));
    assert!(!reply.starts_with('-') && reply.len() > 40, "{reply}");
    reply
}

fn kinds(t: &mut Testbed) -> Vec<String> {
    KEYS.map(|key| t.run(&format!("TYPE {key}"))).to_vec()
}

#[test]
fn strings_and_bitmaps_answer_alike() {
    for seed in 0..4 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut string, mut native) = (bed(false), bed(true));
        for number in 0..STEPS {
            let line = step(&mut rng);
            let (expected, got) = (string.run(&line), native.run(&line));
            assert_eq!(got, expected, "seed {seed}, step {number}: {line}");
        }
        native.engine.keyspace.check_invariants();
        let (is_string, is_native) = (kinds(&mut string), kinds(&mut native));
        for (key, (s, n)) in KEYS.iter().zip(is_string.iter().zip(&is_native)) {
            let renamed = [("+string\r\n", "+bitmap\r\n"), ("+none\r\n", "+none\r\n")];
            assert!(renamed.contains(&(s, n)), "{key}: {s} {n}");
            if n == "+none\r\n" {
                continue;
            }
            let raw = native.run_args(&[b"DEBUG", b"BITMAP-RAW", key.as_bytes()]);
            assert_eq!(raw, string.run_args(&[b"GET", key.as_bytes()]), "{key}");
            let payload = native.run_args(&[b"DUMP", key.as_bytes()]);
            let from = payload.iter().position(|&b| b == b'\n').expect("a bulk") + 1;
            let payload = &payload[from..payload.len() - 2];
            assert_eq!(payload[0], 33);
            assert_eq!(
                native.run_args(&[b"RESTORE", b"copy", b"0", payload]),
                b"+OK\r\n"
            );
            let [own, restored] = [*key, "copy"].map(|key| digest(&mut native, key));
            assert_eq!(own, restored, "{key}");
            native.run("DEL copy");
        }
    }
}

#[test]
fn effects_make_the_same_at_another_server() {
    let (mut primary, mut replica) = (bed(true), bed(false));
    let by = replica.connect();
    let mut rng = SmallRng::seed_from_u64(7);
    for _ in 0..STEPS / 2 {
        primary.run(&step(&mut rng));
        for line in primary.take_effects() {
            load(&mut replica, by, &line);
        }
    }
    assert_eq!(kinds(&mut primary), kinds(&mut replica));
    for key in KEYS {
        if primary.run(&format!("EXISTS {key}")) == ":1\r\n" {
            assert_eq!(
                digest(&mut primary, key),
                digest(&mut replica, key),
                "{key}"
            );
        }
    }
}

#[test]
fn effects_name_the_conversion() {
    let mut t = bed(true);
    t.run("SET s abc EX 100");
    t.take_effects();
    for (line, effects) in [
        ("SETBIT new 7 1", &["BITCONVERT new", "SETBIT new 7 1"][..]),
        ("SETBIT new 7 1", &[]),
        ("SETBIT s 1 1", &["BITCONVERT s", "SETBIT s 1 1"]),
        ("SETBIT s 1 0", &["SETBIT s 1 0"]),
        ("BITOP OR both s new", &["BITOP OR both s new"]),
        (
            "BITFIELD f OVERFLOW FAIL INCRBY u1 0 5",
            &["BITCONVERT f", "BITFIELD f OVERFLOW FAIL INCRBY u1 0 5"],
        ),
        ("SET x a", &["SET x a"]),
        ("BITOP NOT y x", &["BITOP NOT y x", "BITCONVERT y"]),
        ("BITOP NOT y none", &["BITOP NOT y none"]),
    ] {
        t.run(line);
        assert_eq!(t.take_effects(), effects, "{line}");
    }
    assert_eq!(t.run("TTL s"), ":100\r\n");
    assert_eq!(t.run("TYPE s"), "+bitmap\r\n");
    assert_eq!(t.run("OBJECT ENCODING s"), "$14\r\nbitmap-roaring\r\n");
}

#[test]
fn without_the_directive_strings_stay_and_bitmaps_stay() {
    let mut t = bed(true);
    t.run("SETBIT b 9 1");
    t.engine.server.config.bitmap_default_roaring = false;
    t.run("SETBIT s 9 1");
    assert_eq!(t.run("TYPE s"), "+string\r\n");
    t.run("SETBIT b 99 1");
    t.run("BITOP OR to s b");
    t.run("BITOP OR plain s s");
    for (key, kind) in [("b", "bitmap"), ("to", "bitmap"), ("plain", "string")] {
        assert_eq!(
            t.run(&format!("TYPE {key}")),
            format!("+{kind}\r\n"),
            "{key}"
        );
    }
    assert_eq!(t.run("BITCOUNT to"), ":2\r\n");
    assert_eq!(t.run("SCAN 0 TYPE bitmap").matches('$').count(), 3);
    assert_eq!(t.run("BITOP XOR to none other"), ":0\r\n");
    assert_eq!(t.run("EXISTS to"), ":0\r\n");
    assert!(t.run("SET b text").starts_with("+OK"));
    assert_eq!(t.run("TYPE b"), "+string\r\n");
}

#[test]
fn commands_of_strings_refuse_bitmaps() {
    let mut t = bed(true);
    t.run("SETBIT b 9 1");
    for line in [
        "GET b",
        "GETEX b",
        "GETDEL b",
        "GETSET b x",
        "STRLEN b",
        "GETRANGE b 0 1",
        "SUBSTR b 0 1",
        "SETRANGE b 0 x",
        "APPEND b x",
        "INCR b",
        "DECR b",
        "INCRBY b 2",
        "DECRBY b 2",
        "INCRBYFLOAT b 1",
        "SET b x GET",
        "PFADD b x",
    ] {
        assert!(t.run(line).starts_with("-WRONGTYPE"), "{line}");
    }
    assert_eq!(t.run("MGET b"), "*1\r\n$-1\r\n");
    assert_eq!(
        t.run("LCS b b"),
        "-ERR The specified keys must contain string values\r\n"
    );
    assert_eq!(t.run("SETNX b x"), ":0\r\n");
    assert_eq!(t.run("MSETNX b x"), ":0\r\n");
    assert_eq!(t.run("SET b x NX"), "$-1\r\n");
    t.run("RPUSH l x");
    for line in ["SETBIT l 0 1", "BITFIELD l SET u1 0 1", "BITOP OR to l"] {
        assert!(t.run(line).starts_with("-WRONGTYPE"), "{line}");
    }
    assert_eq!(t.run("BITCOUNT b"), ":1\r\n");
}

#[test]
fn words_of_servers_are_unknown_to_clients() {
    let mut t = bed(false);
    t.run("SET s a");
    assert!(
        t.run("BITCONVERT s")
            .starts_with("-ERR unknown command 'BITCONVERT'")
    );
    assert!(
        t.run("BITROAROP OR to s s")
            .starts_with("-ERR unknown command")
    );
    assert_eq!(t.run("COMMAND INFO bitconvert"), "*1\r\n$-1\r\n");
    assert!(!t.run("COMMAND LIST").contains("bitroarop"));
    let script = t.run_args(&[b"EVAL", b"return redis.call('BITCONVERT', 's')", b"0"]);
    let script = String::from_utf8_lossy(&script);
    assert!(
        script.contains("This Redis command is not allowed from script"),
        "{script}"
    );
    let by = t.connect();
    for line in ["BITCONVERT s", "BITCONVERT new", "BITROAROP XOR to s s s"] {
        load(&mut t, by, line);
    }
    for key in ["s", "new", "to"] {
        assert_eq!(t.run(&format!("TYPE {key}")), "+bitmap\r\n", "{key}");
    }
    assert_eq!(t.run("BITCOUNT to"), ":3\r\n");
    assert_eq!(t.run("BITPOS new 0"), ":-1\r\n");
}

#[test]
fn a_complement_of_a_long_bitmap_is_refused() {
    let mut t = bed(true);
    t.run("SETBIT b 700000 1");
    t.engine.server.config.proto_max_bulk_len = 8192;
    let refusal = "-ERR BITOP NOT would materialize more than 2 missing Roaring chunks\r\n";
    assert_eq!(t.run("BITOP NOT to b"), refusal);
    assert_eq!(t.run("EXISTS to"), ":0\r\n");
    assert_eq!(
        t.run("SETBIT b 65536 1"),
        "-ERR bit offset is not an integer or out of range\r\n"
    );
}
