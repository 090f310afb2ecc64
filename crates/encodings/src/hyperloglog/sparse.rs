//! Sparse registers: runs of equal ones.
//!
//!     00nnnnnn            n + 1 registers are zero
//!     01nnnnnn nnnnnnnn   n + 1 registers are zero
//!     1vvvvvnn            n + 1 registers are v + 1
//!
//! The runs depend on the order in which registers were raised, and on when neighbours are joined;
//! both as in Redis, whose format this is.

use smallvec::SmallVec;

use super::layout::{Damage, HEADER_BYTES, Histogram, REGISTERS};

/// The highest value that a run can represent.
const VALUE_MAX: u8 = 32;
/// Longest run of registers that are not zero.
const SET_MAX: usize = 4;
/// Longest run of zeros in a byte.
const ZEROS_MAX: usize = 64;
/// Most runs checked for neighbours to join.
const JOINED_MAX: usize = 5;

/// Some registers of the same value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    value: u8,
    len: usize,
    /// The run's length in bytes.
    bytes: usize,
}

impl Run {
    /// The run that begins at a byte; `None`: there is no run, or only a part of a run.
    fn read(bytes: &[u8], at: usize) -> Option<Run> {
        let first = *bytes.get(at)?;
        let low = usize::from(first & 0x3f);
        let (value, len, bytes) = match first >> 6 {
            0 => (0, low, 1),
            1 => (0, low << 8 | usize::from(*bytes.get(at + 1)?), 2),
            _ => ((first >> 2 & 0x1f) + 1, low & 3, 1),
        };
        let len = len + 1;
        Some(Run { value, len, bytes })
    }
}

/// The byte of a run of registers that are not zero.
fn set_byte(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Appends a run of `len` registers, at most as many as a run can have; nothing if 0.
pub(super) fn push_run(bytes: &mut impl Extend<u8>, value: u8, len: usize) {
    match (value, len) {
        (_, 0) => {}
        (0, 1..=ZEROS_MAX) => bytes.extend([(len - 1) as u8]),
        (0, _) => bytes.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
        _ => bytes.extend([set_byte(value, len)]),
    }
}

/// The beginning of a run in a HyperLogLog.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    at: usize,
    /// The run's first register.
    first: usize,
    /// Where the run before it begins.
    previous: Option<usize>,
}

impl Cursor {
    /// At the first run.
    pub fn start() -> Cursor {
        Cursor {
            at: HEADER_BYTES,
            first: 0,
            previous: None,
        }
    }

    fn behind(self, run: Run) -> Cursor {
        Cursor {
            at: self.at + run.bytes,
            first: self.first + run.len,
            previous: Some(self.at),
        }
    }
}

/// The result of raising a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SetOutcome {
    /// The register is at least as high already.
    Same,
    Raised,
    /// Runs cannot represent it, or not within the allowed bytes.
    NoRoom,
}

/// Raises a register to `value`. The search begins at `cursor`, which must not be past the
/// register's run, and is left where a search for a later register may begin. O(bytes from the
/// cursor on).
pub(super) fn raise(
    hll: &mut Vec<u8>,
    cursor: &mut Cursor,
    index: usize,
    value: u8,
    bytes_max: usize,
) -> Result<SetOutcome, Damage> {
    if value > VALUE_MAX {
        return Ok(SetOutcome::NoRoom);
    }
    let (mut here, mut before) = (*cursor, None);
    let run = loop {
        let run = Run::read(hll, here.at).ok_or(Damage)?;
        if index < here.first + run.len {
            break run;
        }
        before = Some(here);
        here = here.behind(run);
    };
    // The change affects bytes from the run before on, and may replace that run.
    *cursor = before.unwrap_or_else(Cursor::start);
    if run.value >= value {
        return Ok(SetOutcome::Same);
    }
    let mut parts: SmallVec<[u8; 5]> = SmallVec::new();
    push_run(&mut parts, run.value, index - here.first);
    push_run(&mut parts, value, 1);
    push_run(&mut parts, run.value, here.first + run.len - 1 - index);
    if parts.len() > run.bytes && hll.len() + parts.len() - run.bytes > bytes_max {
        return Ok(SetOutcome::NoRoom);
    }
    hll.splice(here.at..here.at + run.bytes, parts);
    join(hll, here.previous.unwrap_or(HEADER_BYTES));
    Ok(SetOutcome::Raised)
}

/// Joins neighbours of the same value, among the first runs from `at` on.
fn join(hll: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_MAX {
        let Some(run) = Run::read(hll, at) else {
            return;
        };
        let next = Run::read(hll, at + run.bytes);
        match next {
            Some(next)
                if run.value > 0 && run.value == next.value && run.len + next.len <= SET_MAX =>
            {
                hll[at + 1] = set_byte(run.value, run.len + next.len);
                hll.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}

/// Raises each of `values` to the corresponding register. O(registers).
pub(super) fn merge_into(values: &mut [u8; REGISTERS], runs: &[u8]) -> Result<(), Damage> {
    let (mut at, mut first) = (0, 0);
    while at < runs.len() {
        let run = Run::read(runs, at).ok_or(Damage)?;
        if run.value > 0 {
            let values = values.get_mut(first..first + run.len);
            for value in values.ok_or(Damage)? {
                *value = run.value.max(*value);
            }
        }
        first += run.len;
        at += run.bytes;
    }
    if first == REGISTERS {
        Ok(())
    } else {
        Err(Damage)
    }
}

/// O(bytes).
pub(super) fn histogram(runs: &[u8]) -> Result<Histogram, Damage> {
    let (mut at, mut registers, mut histogram) = (0, 0, [0; 64]);
    while at < runs.len() {
        let run = Run::read(runs, at).ok_or(Damage)?;
        registers += run.len;
        if registers > REGISTERS {
            return Err(Damage);
        }
        histogram[usize::from(run.value)] += run.len as u32;
        at += run.bytes;
    }
    if registers == REGISTERS {
        Ok(histogram)
    } else {
        Err(Damage)
    }
}

/// Describes the runs in words, as far as they are complete.
pub(super) fn describe(runs: &[u8]) -> String {
    let (mut at, mut words) = (0, Vec::new());
    while let Some(run) = Run::read(runs, at) {
        words.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{}", run.len),
            (0, _) => format!("Z:{}", run.len),
            (value, _) => format!("v:{value},{}", run.len),
        });
        at += run.bytes;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::empty;
    use super::*;

    fn raised(steps: &[(usize, u8)]) -> String {
        let mut hll = empty();
        for &(index, value) in steps {
            let outcome = raise(&mut hll, &mut Cursor::start(), index, value, 3000);
            assert_eq!(outcome, Ok(SetOutcome::Raised));
        }
        describe(&hll[HEADER_BYTES..])
    }

    #[test]
    fn runs_are_split_and_joined() {
        for (steps, runs) in [
            (&[(0, 1)][..], "v:1,1 Z:16383"),
            (&[(16383, 2)], "Z:16383 v:2,1"),
            (&[(64, 3)], "z:64 v:3,1 Z:16319"),
            (&[(65, 3), (0, 1)], "v:1,1 z:64 v:3,1 Z:16318"),
            (&[(5, 2), (6, 2), (7, 2)], "z:5 v:2,3 Z:16376"),
            (&[(5, 2), (7, 2), (6, 2)], "z:5 v:2,3 Z:16376"),
            (
                &[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2)],
                "z:1 v:2,4 v:2,1 Z:16378",
            ),
            (
                &[(1, 2), (2, 2), (3, 2), (2, 9)],
                "z:1 v:2,1 v:9,1 v:2,1 Z:16380",
            ),
        ] {
            assert_eq!(raised(steps), runs);
        }
    }

    #[test]
    fn what_runs_cannot_say_has_no_room() {
        let mut hll = empty();
        let mut raise = |index, value, bytes_max| {
            raise(&mut hll, &mut Cursor::start(), index, value, bytes_max)
        };
        assert_eq!(raise(5, 33, 3000), Ok(SetOutcome::NoRoom));
        assert_eq!(raise(5, 32, 19), Ok(SetOutcome::NoRoom));
        assert_eq!(raise(5, 31, 20), Ok(SetOutcome::Raised));
        // In the same bytes.
        assert_eq!(raise(5, 32, 0), Ok(SetOutcome::Raised));
        assert_eq!(raise(5, 32, 0), Ok(SetOutcome::Same));
    }
}
