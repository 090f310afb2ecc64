//! The property of commands of at most 1 kB: whatever the words, no command of the engines holds
//! the loop for longer if there is more data, does more work than in proportion to the data, or
//! takes more memory than a multiple of the data and [`verdict`]'s figure.
//!
//!     grammar, values, lines   the worst small lines of each row, from documented syntax
//!     composed                 lines of options that are expensive together
//!     worlds                   data that is hard on the commands
//!     measure, verdict         longest turn, work and memory; their limits
//!     ends, crowd              commands that a client or a limit ends; commands of many clients
//!     numbers, long            extreme sizes, and lists and nests of many kilobytes
//!     child                    cases run in child processes
//!     known                    cases that are not bounded yet
//!
//! The server assumes a machine that is [`SLOWNESS`] times slower, so that a world of thousands of
//! documents takes as many slices as a world of a hundred thousand.
//! `RUSSET_BOUNDS=FT.SEARCH,json.get` in the environment runs only these rows,
//! `RUSSET_BOUNDS_SCALE=4` makes worlds four times as large. Cost: a minute. `cargo test` leaves
//! these tests out, because processor time says little while other tests run: `just bounds` runs
//! them alone.

mod child;
mod composed;
mod crowd;
mod ends;
mod grammar;
mod known;
mod lines;
mod long;
mod measure;
mod numbers;
mod values;
mod verdict;
mod worlds;

use std::collections::HashMap;
use std::time::Duration;

use super::super::docs_for;
use crate::testbed::{AllCommands as _, Testbed};
use child::Failure;
use known::{KNOWN, UnboundedCase};
use lines::{BYTES_MAX, Line, lines};
use measure::Cost;
use russet_base::memory::alloc;
use russet_base::usage::thread_time;
use russet_command::Flags;
use russet_command::docs::Doc;
use worlds::{World, worlds_of};

/// See the module.
const SLOWNESS: u64 = 20;
/// Random lines of each row.
const MIXTURES: usize = 12;

/// A command in a world.
struct Case {
    world: World,
    line: Line,
    /// The command changes the world.
    writes: bool,
}

impl Case {
    fn name(&self) -> String {
        format!("{} in {:?}: {}", self.line.row, self.world, self.line.about)
    }

    /// The first words, for people.
    fn shown(&self) -> String {
        let words = self.line.words.iter().take(40);
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ").chars().take(160).collect()
    }
}

/// `RUSSET_BOUNDS_SCALE`.
fn scale() -> usize {
    let scale = std::env::var("RUSSET_BOUNDS_SCALE").ok();
    scale.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// `RUSSET_BOUNDS`: the rows that are wanted; `None`: all.
fn wanted() -> Option<Vec<String>> {
    let only = std::env::var("RUSSET_BOUNDS").ok()?;
    if only.is_empty() {
        return None;
    }
    Some(only.split(',').map(str::to_owned).collect())
}

/// The rows of the engines that are wanted, with their documentation and whether they write.
fn rows() -> Vec<(&'static str, &'static Doc, bool)> {
    let wanted = wanted();
    let is_wanted = |name: &str| {
        wanted
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| one == name))
    };
    let bed = Testbed::unheard();
    let rows = bed.engine.server.table.rows().iter();
    let rows = rows.filter(|row| is_wanted(row.full_name));
    let rows = rows.filter_map(|row| {
        let doc = docs_for(row.full_name)?;
        let writes = row.spec.flags.contains(Flags::WRITE);
        let is_of_engine = !worlds_of(doc.group, row.full_name).is_empty();
        is_of_engine.then_some((row.full_name, doc, writes))
    });
    rows.collect()
}

/// All cases, ordered by world, the writing cases last.
fn cases() -> Vec<Case> {
    let rows = rows();
    let mut cases = Vec::new();
    for &(name, doc, writes) in &rows {
        for &world in worlds_of(doc.group, name) {
            let lines = lines(name, doc, MIXTURES * scale(), BYTES_MAX);
            cases.extend(lines.into_iter().map(|line| Case {
                world,
                line,
                writes,
            }));
        }
    }
    for (world, line) in composed::composed() {
        if let Some(&(_, _, writes)) = rows
            .iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(line.row))
        {
            cases.push(Case {
                world,
                line,
                writes,
            });
        }
    }
    cases.sort_by_key(|case| (case.world, case.writes));
    cases
}

/// A world of a size, with the world's bytes.
struct Place {
    bed: Testbed,
    bytes: u64,
}

impl Place {
    fn new(world: World, n: usize) -> Place {
        Place::with_workers(world, n, 1)
    }

    /// Without workers all memory is this thread's.
    fn with_workers(world: World, n: usize, workers: u32) -> Place {
        let before = alloc::thread_balance();
        let mut bed = Testbed::unheard();
        bed.serve_in_turns(workers, SLOWNESS);
        let began = thread_time();
        world.build(&mut bed, n);
        let took = thread_time() - began;
        if took > Duration::from_millis(200) {
            child::announce(&format!("{world:?} of {n} made in {took:?}"));
        }
        let bytes = (alloc::thread_balance() - before).max(0) as u64;
        Place { bed, bytes }
    }
}

/// The world of a case in the sizes that are there, in sixteenths; `bool`: for commands that write.
#[derive(Default)]
struct Places {
    world: Option<(World, bool)>,
    by_size: HashMap<usize, Place>,
}

impl Places {
    fn at(&mut self, case: &Case, size: usize) -> &mut Place {
        let Case { world, writes, .. } = *case;
        if self.world != Some((world, writes)) {
            self.by_size.clear();
            self.world = Some((world, writes));
        }
        // Each successful write costs a new world.
        let n_max = world.n_max() / if writes { 4 } else { 1 };
        let n = n_max * scale() * size / 16;
        self.by_size
            .entry(size)
            .or_insert_with(|| Place::new(world, n))
    }

    fn cost(&mut self, case: &Case, size: usize) -> Cost {
        let place = self.at(case, size);
        let cost = measure::run(&mut place.bed, &case.line.words);
        if !cost.has_ended || case.writes && !cost.is_refused {
            self.by_size.remove(&size);
        }
        cost
    }

    fn judge(&mut self, case: &Case) -> child::Outcome {
        let bytes = self.at(case, 16).bytes;
        let judged = verdict::judge(bytes, case.world.is_clocked(), &mut |size| {
            self.cost(case, size)
        });
        let name = format!("{} [{}]", case.name(), case.shown());
        match judged {
            Ok(cost) => Ok(format!("{name}: {cost:?}")),
            Err(reason) => Err(format!("{name}: {reason}")),
        }
    }
}

#[test]
#[ignore = "judges processor time: run alone, by `just bounds`"]
fn no_small_command_is_unbounded() {
    let name = "commands::conformance::bounds::no_small_command_is_unbounded";
    let cases = &cases();
    let failures = child::run(name, cases.len(), || {
        let mut places = Places::default();
        move |at| places.judge(&cases[at])
    });
    report(cases.iter().map(Case::name).collect(), &failures, "small");
}

/// As [`report`], for lines.
fn report_all<'l>(test: &str, lines: impl Iterator<Item = &'l Line>, failures: &[Failure]) {
    let names = lines.map(|line| format!("{} {}", line.row, line.about));
    report(names.collect(), failures, test);
}

/// Compares the failures of a test with the known failures.
fn report(names: Vec<String>, failures: &[Failure], test: &str) {
    let of_test = || KNOWN.iter().filter(|known| known.test == test);
    let is_known = |name: &str| of_test().any(|known| known.is_of(name));
    let unknown = failures
        .iter()
        .filter(|failure| !is_known(&names[failure.case]));
    let unknown: Vec<String> = unknown
        .map(|failure| format!("{}: {}", names[failure.case], failure.reason))
        .collect();
    let fails = |known: &&UnboundedCase| {
        let mut failed = failures.iter().map(|failure| &names[failure.case]);
        failed.any(|name| known.is_of(name))
    };
    let is_whole = wanted().is_none();
    let passed = of_test().filter(|known| is_whole && !fails(known));
    let passed: Vec<String> = passed
        .map(|known| format!("{} {} ({})", known.row, known.part, known.reason))
        .collect();
    assert!(
        unknown.is_empty() && passed.is_empty(),
        "unbounded:\n{}\nno longer unbounded: {passed:?}",
        unknown.join("\n")
    );
}
