//! A full cache from a seed: memory that the server frees soon costs no key and refuses no write.
//!
//!     plan      settings and events: writes, log, slow disk, scripts, readers, replicas
//!     server    a server on its own thread, turn by turn: its memory is counted by thread
//!     world     its clients, and the conditions after each turn
//!
//! The test plays each plan twice. The first server gets only the writes: no log, no scripts, no
//! other clients. The second server gets the whole plan. Whenever it evicts or refuses, it must
//! hold as many keys as the first server, apart from a bound for memory that counts besides keys.
//!
//! `FULL_SEED=n` runs a single seed, `FULL_RUNS=n` runs n seeds from `FULL_FROM` (0) and lists the
//! failures. `FULL_SCALE=n` has n times as many keys: from 20 on (40 to 60 MB) a cache must hold
//! 0.98 of its keys after a quiet second, without a bound for other memory.

mod plan;
mod server;
mod world;

use std::time::{Duration, Instant};

use plan::Plan;
use russet_host::simulation::{caught, number, shorten};
use world::{KeyCounts, World};

/// The number of seeds that always run, while time lasts.
const FIXED: u64 = 60;
const TIME: Duration = Duration::from_secs(12);

/// Plays a plan to both servers. An error is a fault, and so is a panic.
fn run(plan: &Plan) -> Result<(KeyCounts, KeyCounts), String> {
    let play = |alone: Option<&KeyCounts>| {
        let folder = super::new_folder();
        let result = caught(|| World::start(plan, &folder, alone.copied())?.run());
        let _ = std::env::set_current_dir("/");
        let _ = std::fs::remove_dir_all(&folder);
        result
    };
    let alone = play(None).map_err(|why| format!("alone: {why}"))?;
    Ok((alone, play(Some(&alone))?))
}

/// Reduces and describes a failure.
fn describe(plan: &Plan, why: &str) -> String {
    let end = Instant::now() + Duration::from_secs(30);
    let with = |events: &[_]| Plan {
        events: events.to_vec(),
        ..plan.clone()
    };
    let events = shorten(&plan.events, |events| {
        Instant::now() < end && run(&with(events)).is_err()
    });
    let best = with(&events);
    let again = run(&best).err();
    format!(
        "FULL_SEED={}: {why}\nreduced: {}\n{best:#?}",
        plan.seed,
        again.unwrap_or("does not fail again".to_owned())
    )
}

#[test]
fn what_goes_away_by_itself_costs_no_key() {
    let _alone = super::ONE_AT_A_TIME.lock();
    let began = Instant::now();
    let (mut runs, mut full, mut failed) = (0, 0, Vec::new());
    let mut try_seed = |seed: u64, is_reduced: bool| {
        let plan = Plan::new(seed);
        runs += 1;
        match run(&plan) {
            Ok((alone, held)) => {
                full += usize::from(alone.when_full.is_some());
                if number("FULL_LOG").is_some() {
                    eprintln!("{seed}: {alone:?} {held:?}");
                }
            }
            Err(why) => {
                eprintln!("seed {seed}: {why}");
                if is_reduced {
                    eprintln!("{}", describe(&plan, &why));
                }
                failed.push(seed);
            }
        }
        !failed.is_empty()
    };
    if let Some(seed) = number("FULL_SEED") {
        try_seed(seed, true);
    } else if let Some(count) = number("FULL_RUNS") {
        let from = number("FULL_FROM").unwrap_or(0);
        for seed in from..from + count {
            try_seed(seed, false);
        }
    } else {
        for seed in 0..FIXED {
            if began.elapsed() >= TIME || try_seed(seed, true) {
                break;
            }
        }
    }
    let secs = began.elapsed().as_secs_f64();
    eprintln!("{runs} full caches in {secs:.1} s, {full} of them evict or refuse");
    assert!(failed.is_empty(), "seeds fail: {failed:?}");
}
