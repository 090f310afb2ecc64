//! Seeded simulation of replication: a primary, replicas and their replicas in a single thread,
//! over a network and with clocks that the simulator owns.
//!
//!     plan      events from a seed: writes, cuts, silence, crashes, changes of role
//!     world     nodes, clients, connections; the steps of time
//!     net       a connection: delays, splits at any byte, cuts, half-open
//!     checks    the claims after each step
//!
//! The test reduces a failing seed to few events, and prints them. `SIM_SEED=n` runs a single seed,
//! `SIM_RUNS=n` runs n seeds from a random seed (`SIM_FROM`), until `SIM_FAILURES` (1) have failed;
//! `SIM_BRIEF=1` does not reduce, `SIM_LOG=1` shows the servers' logs, `SIM_PANIC=1` shows where
//! they panic.
//!
//! `full` simulates a single server whose memory is full. The replication crate simulates the
//! machines of both ends in virtual time, where a seed repeats by construction
//! (`crates/replication/simulation`); here are the files, the log and whole commands.
//!
//! # Simulation of replication
//!
//! `tests/sim` runs two to four whole servers in a single thread (`server/node`, feature
//! `testing`). A node is a real loop, which the simulator drives turn by turn without sleep at a
//! given time (`run/by_hand.rs`). The simulator sets the node's clock, and a dialler in
//! `server.connections` replaces names and network. The node's sockets are pairs whose other ends
//! the simulator holds: it delays, splits, cuts and silences them, kills nodes down to their files,
//! changes roles and moves clocks, all from a single seed. After each step it checks positions
//! against data and stream bytes, acknowledgements, units, the backlog, and a replica's replies.
//! After the network has healed, it checks that all nodes are equal, without full syncs that a
//! backlog covered. Threads that write files stay real, and the simulator waits for them, so a seed
//! repeats almost always, but not by construction.
//!
//! **Hostile ends.** `fuzzing/links` uses the same node with a tape in place of the simulator:
//! steps that write bytes to a link, close it, leave it unread or let time pass. A target plays the
//! primary of a replica (conversation, both frames, both dialects of two links, the stream),
//! another target the replicas of a primary with a writing client. A replica's data matches the
//! replica's position, and stays as it was until a snapshot has begun. The backlog ends at the
//! offset and has all bytes that replicas have not been sent. When the peer is gone or silent the
//! server loads nothing, has no replica, and answers. Seeds are conversations of two nodes
//! (`RUSSET_LINKS_RECORD=1`), so they change with the servers' messages; `tests/hostile_links`
//! plays them with changes from a seed, `fuzz/` with libFuzzer.
//!
//! `tests/it/replication_tls.rs` tests links under TLS between processes, with Redis in both roles:
//! each form of synchronization, cuts, untrusted certificates, users, FAILOVER. Full disks
//! (`tests/it/full_disk.rs`): a replica that cannot store a snapshot keeps its data and tries again
//! at growing intervals; a primary whose spool cannot grow waits, and serves other clients.

#[path = "../support/folders.rs"]
mod folders;

#[path = "../support/policies.rs"]
mod policies;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/random.rs"]
mod random;

mod checks;
mod full;
mod net;
mod plan;
mod world;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plan::Plan;
use russet_host::simulation::{caught, number, shorten};
use world::{Figures, World};

/// The number of seeds that always run.
const FIXED: u64 = 150;
/// Larger seeds that have found defects.
const FOUND: [u64; 14] = [
    173,
    407,
    568,
    621,
    647,
    658,
    738,
    1234,
    2903,
    12706,
    15677,
    25114,
    50540,
    179_535_967_388_073,
];
/// The time in which seeds may begin; `SIM_FRESH=1` spends the rest of it on fresh seeds.
const FRESH: Duration = Duration::from_secs(14);

static RUNS: AtomicU64 = AtomicU64::new(0);

/// A test holds it while it runs, because servers write files to the process's working folder.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Makes the folder of a run. Helper threads of an earlier run may continue in the folder of that
/// run.
fn new_folder() -> PathBuf {
    folders::of_simulation("sim").join(RUNS.fetch_add(1, Relaxed).to_string())
}

/// A request's bytes.
fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    russet_resp::write_request(&mut bytes, words.iter().copied());
    bytes
}

/// Runs a plan; an error is a fault, and so is a panic.
fn run(plan: &Plan, keeps: bool) -> (Result<Figures, String>, Vec<String>) {
    let folder = new_folder();
    let mut world = World::new(plan, &folder, keeps);
    let result = caught(|| world.run());
    let log = world.log.take().unwrap_or_default();
    drop(world);
    let _ = std::fs::remove_dir_all(folder);
    (result, log)
}

/// Reduces and describes a failure.
fn describe(plan: &Plan, why: &str) -> String {
    let kind = |why: &str| {
        why.chars()
            .filter(|c| c.is_alphabetic())
            .take(11)
            .collect::<String>()
    };
    let wanted = kind(why.split_once(": ").map_or(why, |(_, rest)| rest));
    let end = Instant::now() + Duration::from_secs(40);
    let mut best = plan.clone();
    let fails = |plan: &Plan| {
        if Instant::now() > end {
            return false;
        }
        let (result, _) = run(plan, false);
        result.is_err_and(|now| {
            kind(now.split_once(": ").map_or(&now[..], |(_, rest)| rest)) == wanted
        })
    };
    while best.nodes.len() > 2 {
        let mut fewer = best.clone();
        fewer.nodes.pop();
        fewer.follows.pop();
        if !fails(&fewer) {
            break;
        }
        best = fewer;
    }
    best.events = shorten(&best.events, |events| {
        let fewer = Plan {
            events: events.to_vec(),
            ..best.clone()
        };
        fails(&fewer)
    });
    let (result, log) = run(&best, true);
    let options: Vec<String> = best.nodes.iter().map(|o| o.join(" ")).collect();
    format!(
        "SIM_SEED={}: {why}\nreduced to {} nodes, {} events: {}\n{}\nfollows {:?}\n{}",
        plan.seed,
        best.nodes.len(),
        best.events.len(),
        result.err().unwrap_or("does not fail again".to_owned()),
        options.join("\n"),
        best.follows,
        log.join("\n")
    )
}

#[test]
fn replication_holds_in_every_world() {
    let _alone = ONE_AT_A_TIME.lock();
    if number("SIM_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .init();
    }
    std::panic::set_hook(Box::new(|info| {
        if number("SIM_PANIC").is_some() {
            eprintln!("{info}");
        }
    }));
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let fresh = clock.as_millis() as u64 * 100;
    let began = Instant::now();
    let (mut runs, mut failures, mut total) = (0, Vec::new(), Figures::default());
    let mut try_seed = |seed: u64, failures: &mut Vec<String>| {
        let plan = Plan::new(seed);
        runs += 1;
        match run(&plan, false).0 {
            Ok(figures) => {
                total.steps += figures.steps;
                total.full += figures.full;
                total.partial += figures.partial;
                total.heal_ms = total.heal_ms.max(figures.heal_ms);
            }
            Err(why) => {
                eprintln!("seed {seed}: {}", why.lines().next().unwrap_or_default());
                failures.push(match number("SIM_BRIEF") {
                    Some(_) => format!("{seed}: {why:.300}"),
                    None => describe(&plan, &why),
                });
            }
        }
    };
    let most = number("SIM_FAILURES").unwrap_or(1) as usize;
    if let Some(seed) = number("SIM_SEED") {
        try_seed(seed, &mut failures);
    } else if let Some(count) = number("SIM_RUNS") {
        let from = number("SIM_FROM").unwrap_or(fresh);
        for seed in from..from + count {
            if failures.len() < most {
                try_seed(seed, &mut failures);
            }
        }
    } else {
        for seed in (0..FIXED).chain(FOUND) {
            if failures.len() < most && began.elapsed() < FRESH {
                try_seed(seed, &mut failures);
            }
        }
        let mut seed = fresh;
        while number("SIM_FRESH").is_some() && failures.len() < most && began.elapsed() < FRESH {
            seed += 1;
            try_seed(seed, &mut failures);
        }
    }
    let _ = std::env::set_current_dir("/");
    let _ = std::fs::remove_dir_all(folders::of_simulation("sim"));
    let secs = began.elapsed().as_secs_f64();
    eprintln!(
        "{runs} runs in {secs:.1} s ({:.0} a minute): {total:?}",
        runs as f64 * 60.0 / secs
    );
    eprintln!("{}", failures.join("\n\n"));
    assert!(failures.is_empty(), "{} seeds fail", failures.len());
}
