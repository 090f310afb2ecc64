use super::super::transcript::{check_payload, payload, play};
use crate::testbed::{AllCommands as _, Testbed};

/// Replies of Redis Stack 7.4 to the same lines, except the lines about one value.
#[test]
fn replies_are_those_of_redis() {
    play(include_str!("answers.txt"));
}

#[test]
fn payloads_are_those_of_redis() {
    let values: Vec<String> = (1..=30).map(|n| n.to_string()).collect();
    let add = format!("TDIGEST.ADD d {}", values.join(" "));
    check_payload(
        &["TDIGEST.CREATE d COMPRESSION 1", &add],
        "d",
        "07814c3212f9360f100004000000000000f03f04000000000000f03f040000000000003e400210020402\
         000203040000000000003e4004000000000000000004000000000000f03f040000000000002640040000\
         000000003940040000000000003e4004000000000000f03f040000000000003340040000000000002240\
         04000000000000f03f000c003bef7ff9285145a4",
    );
}

/// In Redis a read compresses the digest, and so does DUMP: replicas do not see either.
#[test]
fn reads_change_nothing() {
    let mut t = Testbed::new();
    t.run("TDIGEST.CREATE asked COMPRESSION 5");
    t.run("TDIGEST.CREATE other COMPRESSION 5");
    t.take_effects();
    let info = |t: &mut Testbed, key: &str| t.run(&format!("TDIGEST.INFO {key}"));
    for at in 0..500_u32 {
        for key in ["asked", "other"] {
            t.run(&format!("TDIGEST.ADD {key} {}", at * 7919 % 1000));
        }
        t.run("TDIGEST.QUANTILE asked 0.5");
        t.run("TDIGEST.MERGE sum 1 asked");
        payload(&mut t, "asked");
        assert_eq!(info(&mut t, "asked"), info(&mut t, "other"));
    }
    let effects = t.take_effects();
    assert!(
        effects
            .iter()
            .all(|effect| effect.starts_with("TDIGEST.ADD") || effect.starts_with("TDIGEST.MERGE"))
    );
    assert_eq!(payload(&mut t, "asked"), payload(&mut t, "other"));
    assert_eq!(
        t.run("TDIGEST.CDF asked 500"),
        t.run("TDIGEST.CDF other 500")
    );
}

#[test]
fn one_value_survives_in_a_payload() {
    let mut t = Testbed::new();
    t.run("TDIGEST.CREATE d");
    t.run("TDIGEST.ADD d 5");
    assert_eq!(t.run("TDIGEST.QUANTILE d 0.5"), "*1\r\n$1\r\n5\r\n");
    let dump = payload(&mut t, "d");
    t.run_args(&[b"RESTORE", b"e", b"0", &dump]);
    assert_eq!(t.run("TDIGEST.RANK e 4 5 6"), "*3\r\n:-1\r\n:0\r\n:1\r\n");
}

#[test]
fn damaged_payloads_are_refused() {
    let mut t = Testbed::new();
    t.run("TDIGEST.CREATE d");
    t.run("TDIGEST.ADD d 5 6 7");
    let good = payload(&mut t, "d");
    for at in 0..good.len() - 10 {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let end = bad.len() - 8;
        let crc = russet_base::hashing::crc64::update(0, &bad[..end]);
        bad[end..].copy_from_slice(&crc.to_le_bytes());
        t.run("DEL e");
        t.run_args(&[b"RESTORE", b"e", b"0", &bad]);
        t.run("TDIGEST.ADD e 1 2 3");
        t.run("TDIGEST.QUANTILE e 0.5");
        t.engine.keyspace.check_invariants();
    }
}
