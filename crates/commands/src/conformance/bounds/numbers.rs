//! Extreme sizes from outside: each numeric argument of each row at every power that overflows
//! something, and at the largest value that the row takes; then the test uses the value.
//!
//! Nothing panics (a case runs in a child process), no turn is long, and no command has more memory
//! than `maxmemory` allows: the command refuses a size beyond `maxmemory` before it takes memory.

use std::time::Duration;

use super::lines::{Line, with_number};
use super::worlds::{World, worlds_of};
use super::{Place, child, measure, rows};
use russet_command::docs::{Arg, ArgKind};

const EXTREMES: [&str; 16] = [
    "-1",
    "0",
    "1",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "-9223372036854775808",
    "1e308",
    "-1e308",
];

/// Commands that use the value that an accepted size has made, of any type: errors are answers,
/// too.
const USES: &[&[&str]] = &[
    &["BF.ADD", "KEY", "x"],
    &["CF.ADD", "KEY", "x"],
    &["CMS.INCRBY", "KEY", "x", "9223372036854775807"],
    &["TOPK.ADD", "KEY", "x", "y"],
    &["TDIGEST.ADD", "KEY", "1", "2"],
    &["TDIGEST.QUANTILE", "KEY", "0.5"],
    &["TS.ADD", "KEY", "*", "1"],
    &["TS.RANGE", "KEY", "-", "+", "COUNT", "10"],
    &["VADD", "KEY", "VALUES", "2", "1", "1", "x"],
    &["VSIM", "KEY", "VALUES", "2", "1", "1"],
    &["ARINSERT", "KEY", "x"],
    &["ARINFO", "KEY"],
    &["JSON.GET", "KEY"],
    &["FT.SUGGET", "KEY", "m"],
    &["FT.SEARCH", "i", "*", "LIMIT", "0", "3"],
    &["MEMORY", "USAGE", "KEY"],
    &["DUMP", "KEY"],
    &["COPY", "KEY", "other", "REPLACE"],
    &["DEL", "KEY"],
];

const MAXMEMORY_BYTES: u64 = 64 << 20;
/// The peak of a command: a value as large as it may be, and a copy.
const PEAK_MAX: u64 = 2 * MAXMEMORY_BYTES + (16 << 20);
/// A turn, in a debug build: that many bytes are made.
const TURN_MAX: Duration = Duration::from_millis(400);
/// Elements of the world.
const FEW: usize = 8;

struct Case {
    world: World,
    row: &'static str,
    args: &'static [Arg],
    arg: &'static Arg,
}

fn cases() -> Vec<Case> {
    fn numbers(args: &'static [Arg], found: &mut Vec<&'static Arg>) {
        for arg in args {
            let kinds = [ArgKind::Integer, ArgKind::Double, ArgKind::UnixTime];
            if kinds.contains(&arg.kind) {
                found.push(arg);
            }
            numbers(&arg.args, found);
        }
    }
    let mut cases = Vec::new();
    for (row, doc, _) in rows() {
        let args = super::grammar::args_of(row, doc);
        let mut found = Vec::new();
        numbers(args, &mut found);
        for &world in worlds_of(doc.group, row) {
            let of_world = found.iter().map(|&arg| Case {
                world,
                row,
                args,
                arg,
            });
            cases.extend(of_world);
        }
    }
    cases
}

impl Case {
    /// Runs the row with a number; whether it was accepted.
    fn try_number(&self, place: &mut Option<Place>, number: &str) -> Result<bool, String> {
        let world = place.get_or_insert_with(|| {
            let mut place = Place::new(self.world, FEW);
            place
                .bed
                .run(&format!("CONFIG SET maxmemory {MAXMEMORY_BYTES}"));
            place
        });
        let line = with_number(self.row, self.args, self.arg, number);
        let name = format!("{} {}={number}", self.row, self.arg.name);
        let cost = run(world, &line, &name)?;
        if cost.is_refused {
            return Ok(false);
        }
        for key in ["k", "new"] {
            for words in USES {
                let words = words
                    .iter()
                    .map(|word| word.replace("KEY", key).into_bytes());
                let about = format!("{name}, then {} {key}", words.len());
                let line = Line {
                    row: self.row,
                    about,
                    words: words.collect(),
                };
                let about = format!("{name}, then {}", String::from_utf8_lossy(&line.words[0]));
                run(world, &line, &about)?;
            }
        }
        *place = None;
        Ok(true)
    }

    /// The largest number that is accepted, if some are and some are not.
    fn border(&self, place: &mut Option<Place>) -> Result<Option<u64>, String> {
        if self.arg.kind == ArgKind::UnixTime || !self.try_number(place, "1")? {
            return Ok(None);
        }
        let (mut taken, mut refused) = (1u64, i64::MAX as u64);
        if self.try_number(place, &refused.to_string())? {
            return Ok(None);
        }
        while refused - taken > 1 {
            let middle = taken + (refused - taken) / 2;
            // Powers first: most borders are small.
            let middle = middle.min(taken.saturating_mul(4));
            if self.try_number(place, &middle.to_string())? {
                taken = middle;
            } else {
                refused = middle;
            }
        }
        Ok(Some(taken))
    }

    fn judge(&self) -> child::Outcome {
        let mut place = None;
        for number in EXTREMES {
            self.try_number(&mut place, number)?;
        }
        let border = self.border(&mut place)?;
        Ok(format!("{} {}: border {border:?}", self.row, self.arg.name))
    }
}

fn run(place: &mut Place, line: &Line, name: &str) -> Result<measure::Cost, String> {
    let cost = measure::run(&mut place.bed, &line.words);
    if !cost.has_ended {
        return Err(format!("{name}: does not end"));
    }
    if cost.longest > TURN_MAX {
        return Err(format!("{name}: a turn of {:?}", cost.longest));
    }
    if cost.peak_bytes > PEAK_MAX {
        return Err(format!("{name}: {} MB", cost.peak_bytes >> 20));
    }
    Ok(cost)
}

#[test]
#[ignore = "judges processor time: run alone, by `just bounds`"]
fn sizes_at_their_ends_are_bounded() {
    let name = "commands::conformance::bounds::numbers::sizes_at_their_ends_are_bounded";
    let cases = cases();
    let failures = child::run(name, cases.len(), || |at: usize| cases[at].judge());
    let names = cases
        .iter()
        .map(|case| format!("{} {}", case.row, case.arg.name));
    super::report(names.collect(), &failures, "numbers");
}
