//! Scenarios: interactions of several connections, compared with a real Redis 8.10.
//!
//! A seeded generator makes steps over four connections: commands that block, reply modes, pauses,
//! kills, transactions, watches, expiry, eviction, CONFIG SET at any time. The test plays the steps
//! to a real Redis and to russet, step by step. After each step it compares the bytes that every
//! connection has received, then figures of CLIENT LIST and INFO, and at the end the keys. It
//! shrinks a scenario that differs and prints it as a script.
//!
//! | module | holds |
//! |---|---|
//! | `scenario` | steps, and their text form |
//! | `generate` | from a seed to a scenario |
//! | `play`, `figures` | a server, and the figures after a step |
//! | `compare`, `accepted` | differences, and the known differences |
//!
//! Runs `RUSSET_SCENARIOS` scenarios (default 150) from seed `RUSSET_ORACLE_SEED` (default 1), or
//! for `RUSSET_ORACLE_SECONDS`.

mod accepted;
mod compare;
mod figures;
mod generate;
mod play;

mod scenario;
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::{Duration, Instant},
};

use compare::{Difference, DifferenceKind, Verdict, verdict};
use generate::Generator;
use play::Side;
use russet_host::simulation::shorten;
use scenario::Scenario;
use support::{Daemon, peers::Peer, random};

/// Maximum number of distinct mistakes reported.
const REPORTED_MAX: usize = 12;

/// Maximum plays to shrink a scenario.
const SHRINK_PLAYS_MAX: usize = 250;

/// Two servers side by side.
struct Bench {
    reference: Side,
    subject: Side,
    /// Known differences found so far.
    met: BTreeSet<&'static str>,
}

impl Bench {
    fn new(reference: Daemon, subject: Daemon) -> Bench {
        Bench {
            reference: Side::new(reference),
            subject: Side::new(subject),
            met: BTreeSet::new(),
        }
    }

    /// A generator for the commands that both servers have.
    fn generator(&mut self) -> Generator {
        let mut known = BTreeMap::new();
        for name in generate::command_names() {
            let both = self.reference.has_command(name) && self.subject.has_command(name);
            known.insert(name, both);
        }
        Generator::new(|name| known.get(name).copied().unwrap_or(false))
    }

    /// Plays a scenario to both and returns the first unknown difference.
    fn play(&mut self, scenario: &Scenario) -> Option<Difference> {
        let (expected, got) = std::thread::scope(|scope| {
            let expected = scope.spawn(|| self.reference.play(scenario));
            let got = self.subject.play(scenario);
            (expected.join().expect("the reference plays"), got)
        });
        match verdict(scenario, &expected, &got, &mut self.met) {
            Verdict::Same => self.keys_differ(),
            Verdict::Known => None,
            Verdict::Differs(difference) => Some(difference),
        }
    }

    /// Compares the final keys.
    fn keys_differ(&mut self) -> Option<Difference> {
        let expected = self.reference.keys().ok()?;
        let got = self.subject.keys().unwrap_or_default();
        self.subject.assert_memory_agrees();
        let at = (0..expected.len().max(got.len())).find(|&at| expected.get(at) != got.get(at))?;
        let text = |keys: &[String]| keys.get(at).cloned().unwrap_or_default();
        Some(Difference {
            step: None,
            what: DifferenceKind::Keys,
            expected: text(&expected),
            got: text(&got),
        })
    }

    /// Reduces the scenario to few steps that still differ.
    fn shrink(&mut self, scenario: &Scenario) -> Scenario {
        let mut plays = 0;
        let steps = shorten(&scenario.steps, |steps| {
            plays += 1;
            let candidate = Scenario {
                steps: steps.to_vec(),
                ..scenario.clone()
            };
            plays <= SHRINK_PLAYS_MAX && self.play(&candidate).is_some()
        });
        Scenario {
            steps,
            ..scenario.clone()
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Scenarios to leave out: a client's FLUSHDB ASYNC and another client's CLIENT KILL of this client
/// come within microseconds. A build without optimisation takes both in the same turn, so the reply
/// is lost with the client; Redis takes two turns.
const BY_CHANCE: [u64; 1] = [126];

/// Plays scenarios and returns the distinct mistakes found, shrunk, as scripts.
fn mistakes(bench: &mut Bench, count: u64) -> BTreeMap<String, String> {
    let generator = bench.generator();
    let seconds = number("RUSSET_ORACLE_SECONDS").map(Duration::from_secs);
    let first = number("RUSSET_ORACLE_SEED").unwrap_or(1);
    let begun = Instant::now();
    let mut found = BTreeMap::new();
    let mut played = 0;
    for seed in (first..).filter(|seed| !BY_CHANCE.contains(seed)) {
        let over = seconds.map_or(played >= count, |limit| begun.elapsed() >= limit);
        if over || found.len() >= REPORTED_MAX {
            break;
        }
        played += 1;
        let scenario = generator.scenario(seed);
        let Some(difference) = bench.play(&scenario) else {
            continue;
        };
        if found.contains_key(&difference.signature(&scenario)) {
            continue;
        }
        // Play it again, to separate chance (the commands of two connections come in the same turn,
        // or in two) from lasting differences. With I/O threads an answer says nothing about other
        // connections' commands, which may still be on their way on a busy machine.
        let again = if number("RUSSET_IO_THREADS").is_some() {
            20
        } else {
            3
        };
        if (0..again).any(|_| bench.play(&scenario).is_none()) {
            println!(
                "scenarios: differs at times:{}",
                report(&scenario, &difference)
            );
            continue;
        }
        let small = bench.shrink(&scenario);
        let difference = bench.play(&small).unwrap_or(difference);
        found
            .entry(difference.signature(&small))
            .or_insert_with(|| report(&small, &difference));
    }
    println!("scenarios: {played} played, {} differences", found.len());
    for reason in &bench.met {
        println!("scenarios: known: {reason}");
    }
    found
}

/// A failing scenario as a script.
fn report(scenario: &Scenario, difference: &Difference) -> String {
    let what = match &difference.what {
        DifferenceKind::Received(client) => format!("connection {client} received"),
        DifferenceKind::Closed(client) => format!("connection {client} is closed"),
        DifferenceKind::Figure(name) => name.clone(),
        DifferenceKind::End => "the server answers no more".to_string(),
        DifferenceKind::Keys => "keys afterwards".to_string(),
    };
    let step = difference
        .step
        .map(|step| format!(" after step {}", step + 1))
        .unwrap_or_default();
    format!(
        "\n{scenario}# {what}{step}\n#   expected {:?}\n#   got      {:?}\n",
        difference.expected, difference.got
    )
}

fn redis(what: &str) -> Option<Daemon> {
    let program = Peer::Redis810.program_for(what)?;
    Some(Daemon::start_program(&program, &[]))
}

#[test]
fn connections_meet_as_in_redis() {
    let Some(reference) = redis("scenarios") else {
        return;
    };
    let mut bench = Bench::new(reference, Daemon::start(&[]));
    let found = mistakes(&mut bench, number("RUSSET_SCENARIOS").unwrap_or(150));
    // Ends the servers before the verdict, because then a healthy server does not print its log.
    drop(bench);
    let report: String = found.into_values().collect();
    assert!(report.is_empty(), "otherwise than Redis 8.10:\n{report}");
}

/// Two Redis servers must show the same; otherwise scenarios would compare chance or effects of
/// the player.
#[test]
fn a_scenario_is_the_same_twice() {
    let (Some(one), Some(other)) = (redis("scenarios beside themselves"), redis("")) else {
        return;
    };
    let found = mistakes(&mut Bench::new(one, other), 40);
    let report: String = found.into_values().collect();
    assert!(report.is_empty(), "Redis differs from itself:\n{report}");
}

#[test]
fn every_seed_is_one_scenario() {
    let generator = Generator::new(|_| true);
    assert_eq!(generator.scenario(7), generator.scenario(7));
    assert_ne!(generator.scenario(7).steps, generator.scenario(8).steps);
    let lacking = Generator::new(|name| name != "BLPOP");
    let blocks = |generator: &Generator| {
        (0..50)
            .flat_map(|seed| generator.scenario(seed).steps)
            .any(|step| step.is("BLPOP"))
    };
    assert!(blocks(&generator) && !blocks(&lacking));
}
