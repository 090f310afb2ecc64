//! Random commands on sets whose members expire, beside a model; a replica and a reload have the
//! same data.

use std::collections::{BTreeMap, BTreeSet};

use crate::testbed::{AllCommands as _, Testbed};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt as _, SeedableRng};
use russet_keyspace::ExpiryMode;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const MEMBERS: u32 = 24;
const STEPS: usize = 2500;

type Members = BTreeMap<String, Option<i64>>;

/// Sets by key, expired members included.
#[derive(Default)]
struct Model {
    sets: BTreeMap<&'static str, Members>,
    now: i64,
}

fn member(rng: &mut impl Rng) -> String {
    match rng.random_range(0..MEMBERS) {
        n if n % 2 == 0 => n.to_string(),
        23 => "long ".repeat(20).replace(' ', "-"),
        n => format!("m{n}"),
    }
}

impl Model {
    fn of(&mut self, key: &'static str) -> &mut Members {
        let now = self.now;
        let members = self.sets.entry(key).or_default();
        members.retain(|_, at| at.is_none_or(|at| at >= now));
        members
    }

    /// The result of a STORE form, with the nearest expiries.
    fn combined(&mut self, of: &str, from: [&'static str; 2]) -> Members {
        let [first, second] = from.map(|key| self.of(key).clone());
        let nearest = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        let mut result = Members::new();
        match of {
            "SDIFFSTORE" if from[0] == from[1] => {}
            "SDIFFSTORE" => {
                result.extend(first.into_iter().filter(|(m, _)| !second.contains_key(m)));
            }
            "SINTERSTORE" => {
                let both = first.into_iter().filter(|(m, _)| second.contains_key(m));
                result.extend(both.map(|(m, at)| (m.clone(), nearest(at, second[&m]))));
            }
            _ => {
                for (m, at) in first.into_iter().chain(second) {
                    let old = result.get(&m).copied().flatten();
                    result.insert(m, nearest(old, at));
                }
            }
        }
        result
    }

    /// A random command, done to the model; the members that a draw returns are removed after.
    fn step(&mut self, rng: &mut SmallRng) -> (String, Option<&'static str>) {
        let mut key = || KEYS[rng.random_range(0..KEYS.len())];
        let [key, other, third] = [key(), key(), key()];
        let (m, n) = (member(rng), member(rng));
        let when = self.now + rng.random_range(-1..40i64);
        let now = self.now;
        let set = self.of(key);
        match rng.random_range(0..16) {
            0..4 => {
                for added in [&m, &n] {
                    set.entry(added.clone()).or_insert(None);
                }
                (format!("SADD {key} {m} {n}"), None)
            }
            4 => {
                set.remove(&m);
                (format!("SREM {key} {m}"), None)
            }
            5..8 => {
                let word = ["", " NX", " XX", " GT", " LT"][rng.random_range(0..5)];
                for named in BTreeSet::from([&m, &n]) {
                    let Some(at) = set.get_mut(named) else {
                        continue;
                    };
                    let holds = match word {
                        "" => true,
                        " NX" => at.is_none(),
                        " XX" => at.is_some(),
                        " GT" => at.is_some_and(|at| when > at),
                        _ => at.is_none_or(|at| when < at),
                    };
                    match (holds, when <= now) {
                        (false, _) => {}
                        (true, true) => _ = set.remove(named),
                        (true, false) => *at = Some(when),
                    }
                }
                (
                    format!("SPEXPIREAT {key} {when}{word} MEMBERS 2 {m} {n}"),
                    None,
                )
            }
            8 => {
                set.entry(m.clone()).and_modify(|at| *at = None);
                (format!("SPERSIST {key} MEMBERS 1 {m}"), None)
            }
            9 => {
                for named in [&m, &n] {
                    if when <= now {
                        set.remove(named);
                    } else {
                        set.insert(named.clone(), Some(when));
                    }
                }
                (format!("SADDEX {key} PXAT {when} MEMBERS 2 {m} {n}"), None)
            }
            10 => {
                if key != other
                    && let Some(at) = set.remove(&m)
                {
                    self.of(other).insert(m.clone(), at);
                }
                (format!("SMOVE {key} {other} {m}"), None)
            }
            11..14 => {
                let words = ["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"];
                let word = words[rng.random_range(0..3)];
                let result = self.combined(word, [other, third]);
                self.sets.insert(key, result);
                (format!("{word} {key} {other} {third}"), None)
            }
            14 => (format!("SPOP {key} {}", rng.random_range(1..4)), Some(key)),
            _ if key == other => (format!("SCARD {key}"), None),
            _ => {
                let copied = set.clone();
                // A set of expired members alone may still be there, and is copied then.
                if copied.is_empty() {
                    return (format!("SCARD {key}"), None);
                }
                self.sets.insert(other, copied);
                (format!("COPY {key} {other} REPLACE"), None)
            }
        }
    }
}

/// The bulk strings of a flat array.
fn bulks(reply: &str) -> Vec<String> {
    let lines = reply.split("\r\n").skip(2).step_by(2);
    lines.map(str::to_owned).collect()
}

/// Repeats what the primary did since the last call.
fn follow(primary: &mut Testbed, replica: &mut Testbed) {
    let keyspace = &mut replica.engine.keyspace;
    keyspace.set_expiring(ExpiryMode::Replay);
    let client = replica.first_client();
    for request in primary.take_recorded() {
        let reply = replica.repeat_args_as(client, &request.args.args().to_vec());
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
    }
    replica.engine.keyspace.set_expiring(ExpiryMode::Hide);
}

fn is_the_models(t: &mut Testbed, model: &mut Model, key: &'static str) {
    let set = model.of(key).clone();
    let members = bulks(&t.run(&format!("SMEMBERS {key}")));
    assert_eq!(
        members.iter().collect::<BTreeSet<_>>(),
        set.keys().collect()
    );
    for (member, at) in set {
        let expected = format!("*1\r\n:{}\r\n", at.unwrap_or(-1));
        let line = format!("SPEXPIRETIME {key} MEMBERS 1 {member}");
        assert_eq!(t.run(&line), expected, "{line}");
    }
}

/// The value of a key, restored elsewhere from its payload, has the same digest.
fn is_reloaded(t: &mut Testbed, elsewhere: &mut Testbed, key: &str) {
    let payload = t.run_args(&[b"DUMP", key.as_bytes()]);
    if payload.starts_with(b"$-1") {
        return;
    }
    let begin = payload
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a bulk")
        + 2;
    let payload = &payload[begin..payload.len() - 2];
    let reply = elsewhere.run_args(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"]);
    assert_eq!(reply, b"+OK\r\n");
    let line = format!("DEBUG DIGEST-VALUE {key}");
    assert_eq!(t.run(&line), elsewhere.run(&line));
}

#[test]
fn primary_replica_and_reload_have_what_the_model_has() {
    for (seed, entries) in [(1, 128), (2, 4), (3, 12)] {
        let mut rng = SmallRng::seed_from_u64(seed);
        let [mut primary, mut replica, mut elsewhere] = [(); 3].map(|()| Testbed::new());
        for t in [&mut primary, &mut replica, &mut elsewhere] {
            t.run(&format!("CONFIG SET set-max-listpack-entries {entries}"));
        }
        primary.take_recorded();
        let mut model = Model::default();
        for step in 0..STEPS {
            model.now = primary.engine.keyspace.now_ms();
            let (line, drawn_from) = model.step(&mut rng);
            let reply = primary.run(&line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
            if let Some(key) = drawn_from {
                for member in bulks(&reply) {
                    assert!(model.of(key).remove(&member).is_some(), "{line}: {member}");
                }
            }
            is_the_models(&mut primary, &mut model, KEYS[step % KEYS.len()]);
            follow(&mut primary, &mut replica);
            assert_eq!(
                primary.run("DEBUG DIGEST"),
                replica.run("DEBUG DIGEST"),
                "{line}"
            );
            if step % 9 == 0 {
                is_the_models(&mut replica, &mut model, KEYS[step / 9 % KEYS.len()]);
                is_reloaded(&mut primary, &mut elsewhere, KEYS[step / 9 % KEYS.len()]);
                primary.engine.keyspace.check_invariants();
                let ms = rng.random_range(0..9);
                for t in [&mut primary, &mut replica, &mut elsewhere] {
                    t.advance_ms(ms);
                }
            }
            if step % 500 == 499 {
                primary
                    .engine
                    .keyspace
                    .expire_cycle(std::time::Duration::from_secs(9));
                follow(&mut primary, &mut replica);
                assert_eq!(primary.run("DEBUG DIGEST"), replica.run("DEBUG DIGEST"));
            }
        }
    }
}
