//! Lists and nests far beyond a kilobyte: no parser and no evaluator has a frame of the stack for
//! each of their parts.
//!
//! The lines of `lines`, made of up to [`BYTES`] bytes, run in child processes on a stack of the
//! server's size, because a stack that overflows ends the process, which fails the row.

use super::child::{Outcome, announce, run};
use super::lines::lines;
use super::worlds::{World, worlds_of};
use super::{Place, measure, rows};
use russet_command::docs::Doc;

const BYTES: [usize; 2] = [20_000, 100_000];
/// The other tests have shorter lines.
const LONG: usize = 8_000;
const PEAK_MAX: u64 = 512 << 20;
/// Elements of the world.
const FEW: usize = 8;

/// The long lines of a row.
struct Case {
    world: World,
    row: &'static str,
    doc: &'static Doc,
    bytes: usize,
}

impl Case {
    fn judge(&self) -> Outcome {
        let mut place = Place::new(self.world, FEW);
        let mut run = 0;
        for line in lines(self.row, self.doc, 0, self.bytes) {
            if line.words.iter().map(Vec::len).sum::<usize>() < LONG {
                continue;
            }
            announce(&format!("{} {}", self.row, line.about));
            let cost = measure::run(&mut place.bed, &line.words);
            if !cost.has_ended || cost.peak_bytes > PEAK_MAX {
                return Err(format!("{} {}: {cost:?}", self.row, line.about));
            }
            run += 1;
        }
        Ok(format!("{}, {run} lines of {} bytes", self.row, self.bytes))
    }
}

#[test]
#[ignore = "takes many minutes: run by hand"]
fn long_lists_and_deep_nests_need_no_stack() {
    let name = "commands::conformance::bounds::long::long_lists_and_deep_nests_need_no_stack";
    let mut cases = Vec::new();
    for (row, doc, _) in rows() {
        let worlds = worlds_of(doc.group, row).iter();
        cases.extend(worlds.flat_map(|&world| {
            BYTES.map(|bytes| Case {
                world,
                row,
                doc,
                bytes,
            })
        }));
    }
    let failures = run(name, cases.len(), || |at: usize| cases[at].judge());
    let names = cases
        .iter()
        .map(|case| format!("{} {} bytes", case.row, case.bytes));
    super::report(names.collect(), &failures, "long");
}
