//! Storms: random troubles from a seed. A seed that fails is reduced to few troubles, and printed.
//!
//! `RUSSET_QUORUM_STORMS=N` tries N seeds instead of the usual seeds, from `RUSSET_QUORUM_FROM` on;
//! with N = 1 its history is printed in any case.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use super::node::EndCause;
use super::world::{Figures, Plan, Trouble, World};
use crate::quorum::{Fault, SyncOn};
use russet_host::Random;
use russet_host::simulation::{Storm, StormResult, caught, number};

const STORMS: u64 = 1000;
/// Milliseconds of troubles.
const TROUBLE_MS: usize = 12_000;

pub(super) struct QuorumStorm {
    seed: u64,
    pub plan: Plan,
    troubles: Vec<(u64, Trouble)>,
}

fn trouble(random: &mut Random, plan: &Plan) -> Trouble {
    let count = plan.members + plan.others;
    let (a, b) = (random.place(count), random.place(count));
    let ms = random.place(4000) as u64;
    match random.place(1000) {
        0..400 => Trouble::Write(count),
        400..560 => Trouble::Write(a),
        560..640 => Trouble::Read(a),
        640..700 => Trouble::Cut(a, b),
        700..740 => Trouble::Heal,
        740..780 => Trouble::Crash(a, EndCause::Kill, ms),
        780..800 => Trouble::Crash(a, EndCause::Power, ms),
        800..803 => Trouble::Crash(a, EndCause::Disk, ms),
        803..810 => Trouble::Crash(a, EndCause::Orderly, ms),
        810..840 => Trouble::Stop(a, ms),
        840..880 => Trouble::TakeOver(a),
        880..900 => Trouble::HandOver(a, b),
        900..940 => Trouble::Follow(a, b),
        940..950 => Trouble::BadDisk(a),
        950..965 => Trouble::Add(a, b),
        965..980 => Trouble::Remove(a, b),
        980..990 if plan.is_given_up => Trouble::Lossy(a),
        990..991 => Trouble::Set(a, 0),
        _ => Trouble::Set(a, 1 + random.place(plan.members)),
    }
}

impl QuorumStorm {
    pub fn new(seed: u64, fault: Option<Fault>) -> QuorumStorm {
        QuorumStorm::with(seed, fault, false)
    }

    /// As [`QuorumStorm::new`]; operators give up what other members have.
    pub fn given_up(seed: u64, fault: Option<Fault>) -> QuorumStorm {
        QuorumStorm::with(seed, fault, true)
    }

    fn with(seed: u64, fault: Option<Fault>, is_given_up: bool) -> QuorumStorm {
        let mut random = Random(seed);
        let members = [2, 3, 3, 3, 4, 5][random.place(6)];
        let plan = Plan {
            members,
            others: random.place(2),
            acknowledgements: 1 + random.place(members - 1),
            sync_on: [SyncOn::Memory, SyncOn::Memory, SyncOn::Disk][random.place(3)],
            lease_ms: [0, 1000, 1000][random.place(3)],
            fault,
            delay_ms: [3, 20, 100, 400][random.place(4)],
            has_authority: random.place(2) == 0,
            is_given_up,
        };
        let mut times: Vec<u64> = (0..100 + random.place(200))
            .map(|_| random.place(TROUBLE_MS) as u64)
            .collect();
        times.sort_unstable();
        let at = |ms| (ms, trouble(&mut random, &plan));
        let troubles = times.into_iter().map(at).collect();
        QuorumStorm {
            seed,
            plan,
            troubles,
        }
    }
}

impl Storm for QuorumStorm {
    type Event = (u64, Trouble);
    type Figures = Figures;

    fn plan(&self) -> (u64, &[(u64, Trouble)]) {
        (self.seed, &self.troubles)
    }

    fn play(&self, troubles: &[(u64, Trouble)], keeps_log: bool) -> StormResult<Figures> {
        let mut world = World::new(self.seed, &self.plan, keeps_log);
        let result = caught(|| world.run(troubles));
        (result, world.log.unwrap_or_default())
    }

    fn settings(&self) -> String {
        format!("{:#?}", self.plan)
    }
}

impl Figures {
    fn add(&mut self, own: &Figures) {
        self.steps += own.steps;
        self.acknowledged += own.acknowledged;
        self.takeovers += own.takeovers;
        self.tails += own.tails;
        self.copies += own.copies;
        self.changes += own.changes;
        self.lossy += own.lossy;
        self.ended += own.ended;
        self.reads += own.reads;
        self.crashes += own.crashes;
        self.stopped += own.stopped;
        self.slowest_ms = self.slowest_ms.max(own.slowest_ms);
    }
}

#[test]
fn acknowledged_writes_survive_in_every_storm() {
    let from = number("RUSSET_QUORUM_FROM").unwrap_or(0);
    let count = number("RUSSET_QUORUM_STORMS").unwrap_or(STORMS);
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
            let storm = QuorumStorm::new(seed, None);
            match storm.run() {
                Ok(figures) => own.add(&figures),
                Err(why) => failures.lock().expect("no panic").push((storm, why)),
            }
        }
        total.lock().expect("no panic").add(&own);
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let total = total.into_inner().expect("no panic");
    eprintln!("{count} storms: {total:?}");
    let failures = failures.into_inner().expect("no panic");
    if count == 1 {
        eprintln!("{}", QuorumStorm::new(from, None).history().join("\n"));
    }
    if let Some((storm, why)) = failures.first() {
        assert!(count > 1, "{why}");
        panic!("{}", storm.describe(why));
    }
    if count >= 100 {
        let enough = total.takeovers > 2 * count && total.acknowledged > 5 * count;
        assert!(
            enough && total.stopped < count / 2,
            "the storms are too tame"
        );
    }
}

/// Servers go on alone while others lead, and are followed by members of the group that they have
/// left.
#[test]
fn what_a_group_acknowledges_survives_servers_that_go_on_alone() {
    let count = number("RUSSET_QUORUM_STORMS").unwrap_or(STORMS) / 5;
    let mut total = Figures::default();
    for seed in 0..count {
        let storm = QuorumStorm::given_up(seed, None);
        match storm.run() {
            Ok(figures) => total.add(&figures),
            Err(why) => panic!("{}", storm.describe(&why)),
        }
    }
    eprintln!("{count} storms: {total:?}");
    assert!(total.lossy > count / 2, "the storms are too tame");
}

/// The history of a seed is the same each time.
#[test]
fn a_quorum_seed_repeats() {
    (0..10).for_each(|seed| QuorumStorm::new(seed, None).check_that_it_repeats());
}
