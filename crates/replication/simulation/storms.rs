//! Storms: random troubles from a seed. A seed that fails is reduced to few troubles, and printed.
//!
//! `RUSSET_REPLICATION_STORMS=N` tries N seeds instead of the usual seeds, from
//! `RUSSET_REPLICATION_FROM` on; with N = 1 its history is printed in any case.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use super::node::{Fault, Options};
use super::serving::Make;
use super::world::{Figures, Trouble, World};
use russet_config::DisklessLoad;
use russet_host::Random;
use russet_host::simulation::{Storm, StormResult, number};

const STORMS: u64 = 10_000;
/// Milliseconds of troubles.
const TROUBLE_MS: usize = 15_000;

struct Plan {
    seed: u64,
    nodes: Vec<Options>,
    follows: Vec<Option<usize>>,
    troubles: Vec<(u64, Trouble)>,
}

fn options(random: &mut Random) -> Options {
    let makes = [
        Make::Redis7,
        Make::Redis7,
        Make::Redis8,
        Make::Redis8,
        Make::Redis8,
        Make::Valkey,
        Make::Valkey,
        Make::Valkey,
        Make::Valkey,
        Make::Old,
        Make::Russet,
        Make::Russet,
        Make::Russet,
        Make::Russet,
        Make::Russet,
    ];
    let loads = [
        DisklessLoad::Disabled,
        DisklessLoad::Disabled,
        DisklessLoad::OnEmptyDb,
        DisklessLoad::SwapDb,
        DisklessLoad::FlushDb,
    ];
    Options {
        make: makes[random.place(makes.len())],
        diskless: loads[random.place(loads.len())],
        retain_percent: [0, 0, 10, 50][random.place(4)],
        rdb_channel: random.place(100) < 70,
        dual_channel: random.place(100) < 70,
        held_max_bytes: [0, 60, 2000][random.place(3)],
        lz4: random.place(2) == 0,
        fault: None,
    }
}

fn trouble(random: &mut Random, count: usize) -> Trouble {
    let (a, b) = (random.place(count), random.place(count));
    let ms = random.place(4000) as u64;
    match random.place(100) {
        0..30 => Trouble::Write(a),
        30..45 => Trouble::Unit(a),
        45..60 => Trouble::Wait(a),
        60..66 => Trouble::Cut(a, b),
        66..70 => Trouble::Silence(a, b, random.place(3)),
        70..74 => Trouble::Part(a, b, ms),
        74..78 => Trouble::Crash(a, ms),
        78..82 => Trouble::Sync(a),
        82..85 => Trouble::Full(a),
        85..88 => Trouble::Stall(a, ms),
        88..93 => Trouble::Follow(a, b),
        93..95 => Trouble::Promote(a),
        95..98 => Trouble::HandOver(a, b),
        _ => Trouble::Forget(a),
    }
}

impl Plan {
    fn new(seed: u64) -> Plan {
        let mut random = Random(seed);
        let count = 2 + random.place(3);
        let nodes = (0..count).map(|_| options(&mut random)).collect();
        let follows = (0..count).map(|number| match number {
            0 => None,
            1 => Some(0),
            _ => Some(random.place(number)),
        });
        let follows = follows.collect();
        let mut times: Vec<u64> = (0..20 + random.place(60))
            .map(|_| random.place(TROUBLE_MS) as u64)
            .collect();
        times.sort_unstable();
        let at = |ms| (ms, trouble(&mut random, count));
        let troubles = times.into_iter().map(at).collect();
        Plan {
            seed,
            nodes,
            follows,
            troubles,
        }
    }
}

impl Storm for Plan {
    type Event = (u64, Trouble);
    type Figures = Figures;

    fn plan(&self) -> (u64, &[(u64, Trouble)]) {
        (self.seed, &self.troubles)
    }

    fn play(&self, troubles: &[(u64, Trouble)], keeps_log: bool) -> StormResult<Figures> {
        let mut world = World::new(self.seed, &self.nodes, keeps_log);
        let result = world.run(&self.follows, troubles);
        (result, world.log.unwrap_or_default())
    }

    fn settings(&self) -> String {
        format!("{:#?}", self.nodes)
    }
}

#[test]
fn replication_holds_in_every_storm() {
    let from = number("RUSSET_REPLICATION_FROM").unwrap_or(0);
    let count = number("RUSSET_REPLICATION_STORMS").unwrap_or(STORMS);
    let next = AtomicU64::new(from);
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Figures::default());
    let work = || {
        let mut own = Figures::default();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= from + count || failures.lock().is_ok_and(|failed| !failed.is_empty()) {
                break;
            }
            let plan = Plan::new(seed);
            match plan.run() {
                Ok(figures) => {
                    own.steps += figures.steps;
                    own.acknowledged += figures.acknowledged;
                    own.attempts += figures.attempts;
                    own.copies += figures.copies;
                    own.continued += figures.continued;
                }
                Err(why) => failures.lock().expect("no panic").push((plan, why)),
            }
        }
        let mut total = total.lock().expect("no panic");
        total.steps += own.steps;
        total.acknowledged += own.acknowledged;
        total.attempts += own.attempts;
        total.copies += own.copies;
        total.continued += own.continued;
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    eprintln!("{count} storms: {:?}", total.lock().expect("no panic"));
    let failures = failures.into_inner().expect("no panic");
    if let Some((plan, why)) = failures.first() {
        panic!("{}", plan.describe(why));
    }
    if count == 1 {
        eprintln!("{}", Plan::new(from).history().join("\n"));
    }
}

/// Each claim can fail: a rule that is broken on purpose is found.
#[test]
fn each_broken_rule_is_found() {
    let faults = [
        (Fault::HalfUnits, "half a unit"),
        (Fault::OldPosition, "elsewhere"),
        (Fault::EarlyAck, "was sent"),
        (Fault::WrongHistory, "elsewhere"),
        (Fault::LaterSnapshot, "elsewhere"),
    ];
    for (fault, words) in faults {
        let fails = |seed: &u64| {
            let mut plan = Plan::new(*seed);
            plan.nodes
                .iter_mut()
                .for_each(|node| node.fault = Some(fault));
            plan.fails_by(words)
        };
        let found = (0..1000).find(fails);
        assert!(found.is_some(), "{fault:?} is not found");
    }
}

/// The histories of a seed are the same, but for the ids.
#[test]
fn a_seed_repeats() {
    (0..20).for_each(|seed| Plan::new(seed).check_that_it_repeats());
}
