//! Filters of Valkey's module, as its files and its log have them.

use crate::testbed::{AllCommands as _, Testbed};
use russet_sketches::bloom::{Bloom, FilterSeed};

fn seeding() -> FilterSeed {
    FilterSeed {
        seed: std::array::from_fn(|at| at as u8),
        is_random: true,
        error: 0.01,
        tightening: 0.5,
    }
}

/// A filter that has grown twice.
fn grown() -> Bloom {
    let made = Bloom::seeded(10, 2, seeding()).expect("in bounds");
    let mut filter = made.expect("it is small");
    for n in 0..40 {
        filter
            .add(format!("item:{n}").as_bytes())
            .expect("it grows");
    }
    filter
}

#[test]
fn a_filter_is_loaded_and_stays_that_filter() {
    let mut t = Testbed::new();
    let dump = grown().dump().expect("it is seeded");
    assert_eq!(t.run_args(&[b"BF.LOAD", b"k", &dump]), b"+OK\r\n");
    let again = t.run_args(&[b"BF.LOAD", b"k", &dump]);
    assert_eq!(again, b"-BUSYKEY Target key name already exists.\r\n");
    assert_eq!(t.run("BF.CARD k"), format!(":{}\r\n", grown().items()));
    assert_eq!(t.run("BF.EXISTS k item:39"), ":1\r\n");
    assert_eq!(t.run("BF.EXISTS k other"), ":0\r\n");
    // DUMP has the form of that module, and RESTORE reads the form.
    let payload = t.run_args(&[b"DUMP", b"k"]);
    let start = payload
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a bulk")
        + 2;
    let payload = &payload[start..payload.len() - 2];
    assert_eq!(t.run_args(&[b"RESTORE", b"r", b"0", payload]), b"+OK\r\n");
    assert_eq!(t.run("BF.ADD r another"), ":1\r\n");
    assert_eq!(t.run("BF.ADD k another"), ":1\r\n");
    assert_eq!(t.run_args(&[b"DUMP", b"k"]), t.run_args(&[b"DUMP", b"r"]));
    let wrong = t.run_args(&[b"BF.LOAD", b"w", &dump[..dump.len() - 1]]);
    assert_eq!(wrong, b"-ERR bloom object decoding failed\r\n");
    assert_eq!(t.run("EXISTS w"), ":0\r\n");
}

/// A mutated payload is refused, or is a filter: it never ends the process.
#[test]
fn damaged_payloads_are_refused() {
    let mut t = Testbed::new();
    let dump = grown().dump().expect("it is seeded");
    t.run_args(&[b"BF.LOAD", b"k", &dump]);
    let payload = t.run_args(&[b"DUMP", b"k"]);
    let start = payload
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a bulk")
        + 2;
    let payload = payload[start..payload.len() - 2].to_vec();
    let body = payload.len() - 10;
    t.run("CONFIG SET sanitize-dump-payload yes");
    for at in 1..body {
        for change in [1, 0x40, 0xFF] {
            let mut bytes = payload.clone();
            bytes[at] ^= change;
            // Without a checksum the reader has to see the damage itself.
            let end = bytes.len();
            bytes[end - 8..].fill(0);
            let reply = t.run_args(&[b"RESTORE", b"r", b"0", &bytes, b"REPLACE"]);
            if reply == b"+OK\r\n" {
                t.run("BF.EXISTS r item:1");
                t.run("BF.ADD r item:1");
            }
        }
    }
    assert_eq!(t.run("BF.EXISTS k item:1"), ":1\r\n");
}

#[test]
fn inserts_of_that_module_s_stream_make_its_filters() {
    let mut t = Testbed::new();
    let seed: Vec<u8> = seeding().seed.to_vec();
    let head: [&[u8]; 8] = [
        b"BF.INSERT",
        b"k",
        b"CAPACITY",
        b"10",
        b"ERROR",
        b"0.01",
        b"TIGHTENING",
        b"0.5",
    ];
    let line = [&head[..], &[b"SEED", &seed, b"EXPANSION", b"2"]].concat();
    assert_eq!(t.run_args(&line), b"*0\r\n");
    for n in 0..40 {
        t.run(&format!("BF.ADD k item:{n}"));
    }
    t.run_args(&[b"BF.LOAD", b"l", &grown().dump().expect("it is seeded")]);
    assert_eq!(t.run_args(&[b"DUMP", b"k"]), t.run_args(&[b"DUMP", b"l"]));
    for (words, error) in [
        (&[&b"SEED"[..], b"short"][..], "-ERR invalid seed\r\n"),
        (
            &[b"SEED", &seed, b"TIGHTENING", b"x"],
            "-ERR bad tightening ratio\r\n",
        ),
        (
            &[b"SEED", &seed, b"TIGHTENING", b"1"],
            "-ERR (0 < tightening ratio range < 1)\r\n",
        ),
    ] {
        let line = [&[&b"BF.INSERT"[..], b"n"], words, &[b"ITEMS", b"a"]].concat();
        assert_eq!(String::from_utf8_lossy(&t.run_args(&line)), error);
    }
    assert_eq!(t.run("EXISTS n"), ":0\r\n");
}
