//! Random commands against a model of keys with strings and expiries.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::testbed::{AllCommands as _, Testbed};
use russet_keyspace::DbIndex;

type Model = BTreeMap<String, (String, Option<i64>)>;

const TIME: Duration = Duration::from_millis(700);
const STEPS: usize = 400;

fn step(t: &mut Testbed, model: &mut Model, rng: &mut SmallRng) {
    let now = t.engine.keyspace.now_ms();
    let a = format!("k{}", rng.random_range(0..12));
    let b = format!("k{}", rng.random_range(0..12));
    let text = "x".repeat(rng.random_range(1..200));
    let ms = rng.random_range(1..50i64);
    let old = model.get(&a).cloned();
    match rng.random_range(0..13) {
        0 => {
            t.run(&format!("SET {a} {text}"));
            model.insert(a, (text, None));
        }
        1 => {
            t.run(&format!("SET {a} {text} PX {ms}"));
            model.insert(a, (text, Some(now + ms)));
        }
        2 => {
            t.run(&format!("SET {a} {ms} KEEPTTL"));
            model.insert(a, (ms.to_string(), old.and_then(|o| o.1)));
        }
        3 => {
            t.run(&format!("APPEND {a} {text}"));
            model.entry(a).or_default().0.push_str(&text);
        }
        4 => {
            t.run(&format!("DEL {a}"));
            model.remove(&a);
        }
        5 if a != b => {
            t.run(&format!("RENAME {a} {b}"));
            if let Some(old) = model.remove(&a) {
                model.insert(b, old);
            }
        }
        6 if a != b => {
            t.run(&format!("COPY {a} {b} REPLACE"));
            if let Some(old) = old {
                model.insert(b, old);
            }
        }
        7 => {
            t.run(&format!("PEXPIRE {a} {ms}"));
            model.entry(a).and_modify(|o| o.1 = Some(now + ms));
        }
        8 => {
            t.run(&format!("PERSIST {a}"));
            model.entry(a).and_modify(|o| o.1 = None);
        }
        9 => {
            t.run(&format!("GETDEL {a}"));
            model.remove(&a);
        }
        10 => {
            t.advance_ms(ms / 8);
            let now = t.engine.keyspace.now_ms();
            model.retain(|_, o| o.1.is_none_or(|when| when >= now));
        }
        11 => {
            t.engine.keyspace.expire_cycle(Duration::from_secs(1));
            assert_eq!(t.engine.keyspace.db(DbIndex(0)).len(), model.len());
        }
        12 => {
            t.run(&format!("SETRANGE {a} 3 abc"));
            let mut bytes = old.map(|o| o.0).unwrap_or_default().into_bytes();
            bytes.resize(bytes.len().max(6), 0);
            bytes[3..6].copy_from_slice(b"abc");
            let text = String::from_utf8(bytes).expect("ascii");
            model.entry(a).or_default().0 = text;
        }
        _ => {
            t.run("MOVE k0 1");
            t.run("SWAPDB 0 1");
            t.run("SWAPDB 0 1");
            t.run("SELECT 1");
            t.run("MOVE k0 0");
            t.run("SELECT 0");
        }
    }
}

#[test]
fn random_commands_keep_the_keyspace_true_to_its_model() {
    let began = Instant::now();
    for seed in 0.. {
        let (mut t, mut model) = (Testbed::new(), Model::new());
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..STEPS {
            step(&mut t, &mut model, &mut rng);
        }
        t.engine.keyspace.check_invariants();
        for i in 0..12 {
            let key = format!("k{i}");
            let (value, expiry) = match model.get(&key) {
                None => ("$-1\r\n".into(), -2),
                Some((text, when)) => {
                    (format!("${}\r\n{text}\r\n", text.len()), when.unwrap_or(-1))
                }
            };
            assert_eq!(t.run(&format!("GET {key}")), value, "seed {seed}, {key}");
            let reply = t.run(&format!("PEXPIRETIME {key}"));
            assert_eq!(reply, format!(":{expiry}\r\n"), "seed {seed}, {key}");
        }
        if began.elapsed() > TIME {
            return;
        }
    }
}
