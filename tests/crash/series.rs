//! Time series through kill -9: the server loses no acknowledged sample, and the buckets of rules
//! fit the samples that it has.
//!
//! Each series gets the same batches in the same order. Some batches have late samples, which the
//! log repeats so that the rules compute again. `RUSSET_SERIES` and `RUSSET_SAMPLES` scale the
//! story (docs/testing.md).

use std::collections::BTreeMap;

use super::support::random::Random;
use super::support::resp::command;
use super::support::{Connection, Daemon, wait_until};

/// Aggregators and buckets of the rules of each series.
const RULES: [(&str, u64); 5] = [
    ("sum", 50),
    ("max", 100),
    ("avg", 200),
    ("count", 1000),
    ("twa", 70),
];
/// New samples of a batch, and the time between them.
const BATCH: u64 = 10;
const STEP: u64 = 7;
/// A batch in this many has a late sample, too.
const LATE: u64 = 3;
const CYCLES: usize = 6;
/// The number of commands on their way.
const WINDOW: usize = 100;

fn scale(name: &str, usual: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |text| text.parse().expect("a number"))
}

/// The samples of a batch.
fn samples(series: u64, batch: u64) -> Vec<(u64, u64)> {
    let start = batch * BATCH * STEP;
    let value = |at: u64| (at * 31 + series * 17) % 1000;
    let mut all: Vec<_> = (0..BATCH).map(|n| start + n * STEP).collect();
    if batch % LATE == LATE - 1 {
        // Between two samples of an earlier bucket.
        all.push(start - 5 * STEP + 1);
    }
    all.into_iter().map(|at| (at, value(at))).collect()
}

fn key(series: u64) -> String {
    format!("s{series}")
}

fn dest(series: u64, rule: usize) -> String {
    format!("d{series}:{}", RULES[rule].0)
}

fn make(c: &mut Connection, series: u64) {
    let key = key(series);
    let ask = |c: &mut Connection, line: String| assert_eq!(c.ask(&line), "+OK\r\n", "{line}");
    ask(
        c,
        format!("TS.CREATE {key} CHUNK_SIZE 128 LABELS n {series}"),
    );
    for (rule, (name, bucket)) in RULES.iter().enumerate() {
        let dest = dest(series, rule);
        ask(c, format!("TS.CREATE {dest} CHUNK_SIZE 128"));
        ask(
            c,
            format!("TS.CREATERULE {key} {dest} AGGREGATION {name} {bucket}"),
        );
    }
}

/// The number of samples in this many batches.
fn total(batches: u64) -> u64 {
    batches * BATCH + batches / LATE
}

/// The number of batches that a series has, all of them whole.
fn batches_of(c: &mut Connection, series: u64) -> u64 {
    let info = c.ask(&format!("TS.INFO {}", key(series)));
    let number = info.split("\r\n").nth(2).expect("totalSamples");
    let samples: u64 = number[1..].parse().expect("a number");
    let batches = (0..).find(|n| total(*n) >= samples).expect("one");
    assert_eq!(total(batches), samples, "a batch of {series} is torn");
    batches
}

/// Checks the samples of a series, and that each destination has its rule's results.
fn check(c: &mut Connection, series: u64, batches: u64) {
    let mut model = BTreeMap::new();
    for batch in 0..batches {
        model.extend(samples(series, batch));
    }
    let mut expected = format!("*{}\r\n", model.len());
    for (at, value) in model {
        expected.push_str(&format!("*2\r\n:{at}\r\n+{value}\r\n"));
    }
    let key = key(series);
    assert!(c.ask(&format!("TS.RANGE {key} - +")) == expected, "{key}");
    for (rule, (name, bucket)) in RULES.iter().enumerate() {
        let of_source = c.ask(&format!("TS.RANGE {key} - + AGGREGATION {name} {bucket}"));
        let of_dest = c.ask(&format!("TS.RANGE {} - + LATEST", dest(series, rule)));
        assert_eq!(of_dest, of_source, "{key} {name}");
    }
}

/// Sends batches, and ends after a random number of replies; counts the acknowledged batches.
fn write_some(c: &mut Connection, sent: &mut [u64], acknowledged: &mut [u64], random: &mut Random) {
    let mut under_way = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..WINDOW {
        let series = random.below(sent.len());
        let mut words = vec!["TS.MADD".to_owned()];
        for (at, value) in samples(series as u64, sent[series]) {
            words.extend([key(series as u64), at.to_string(), value.to_string()]);
        }
        bytes.extend(command(&words));
        sent[series] += 1;
        under_way.push(series);
    }
    c.send(&bytes);
    for series in under_way.iter().take(random.below(WINDOW + 1)) {
        let reply = String::from_utf8(c.reply()).expect("text");
        assert!(!reply.contains('-'), "{reply}");
        acknowledged[*series] += 1;
    }
}

#[test]
fn series_and_rules_survive_kills() {
    let series = scale("RUSSET_SERIES", 40);
    let samples = scale("RUSSET_SAMPLES", 40_000);
    let args = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Daemon::start(&args);
    let mut c = server.connect();
    (0..series).for_each(|series| make(&mut c, series));
    let mut random = Random::new(7);
    let mut sent = vec![0; series as usize];
    let mut acknowledged = sent.clone();
    let windows = samples / BATCH / WINDOW as u64 / CYCLES as u64 + 1;
    for cycle in 0..CYCLES {
        if cycle % 2 == 1 {
            assert!(c.ask("BGREWRITEAOF").starts_with('+'));
        }
        for window in 0..windows {
            write_some(&mut c, &mut sent, &mut acknowledged, &mut random);
            if window + 1 < windows {
                // The remaining replies acknowledge all batches.
                let open: u64 = sent.iter().sum::<u64>() - acknowledged.iter().sum::<u64>();
                (0..open).for_each(|_| drop(c.reply()));
                acknowledged.clone_from(&sent);
            }
        }
        server.kill();
        server.restart();
        c = server.connect();
        for n in 0..series {
            let batches = batches_of(&mut c, n);
            let at = n as usize;
            assert!(
                batches >= acknowledged[at],
                "{n} has lost acknowledged samples"
            );
            (sent[at], acknowledged[at]) = (batches, batches);
            // A tenth of the series each time, all of them at the end.
            if cycle + 1 == CYCLES || n % 10 == cycle as u64 {
                check(&mut c, n, batches);
            }
        }
    }
    wait_until("a rewrite to end", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
}
