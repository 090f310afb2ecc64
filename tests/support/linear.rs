//! Whether a history of a key is linearizable: as if each operation had happened at one moment
//! between its begin and its end.
//!
//!     History of a register     [`check_register`], by zones (Gibbons and Korach): O(n log n)
//!     of a counter or a list    [`search`], after Wing and Gong with Lowe's memory: exponential in
//!                               the operations at the same time
//!
//! The values that are written to a register are unique, so a read names its write. The zone of a
//! value reaches from the first end of an operation with the value to the last begin of one. If the
//! end comes first the zone is *forward*: the register has the value all the time. Else it is
//! *backward*, and a moment within it is enough. A history is linearizable if no two forward zones
//! overlap, no backward zone lies within a forward one, and no read ends before its write begins.
//!
//! An operation whose outcome is not known has no end: it may take effect at any time from its
//! begin on, or never.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

/// Moments are numbers from one counter; no two events have the same.
pub type Moment = u64;

/// An operation, from the moment before its request was sent to the moment after its reply came.
#[derive(Clone, Copy, Debug)]
pub struct Operation<T> {
    pub what: T,
    pub begin: Moment,
    /// `None`: the outcome is not known.
    pub end: Option<Moment>,
}

/// An operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A value that no other write has.
    Write(u64),
    /// The value that was read; `None`: none was written before.
    Read(Option<u64>),
}

/// The operations with a value.
#[derive(Clone, Copy, Debug)]
struct Zone {
    value: Option<u64>,
    first_end: Moment,
    last_begin: Moment,
}

impl Zone {
    fn is_forward(&self) -> bool {
        self.first_end < self.last_begin
    }

    fn low(&self) -> Moment {
        self.first_end.min(self.last_begin)
    }

    fn high(&self) -> Moment {
        self.first_end.max(self.last_begin)
    }

    fn add(&mut self, begin: Moment, end: Option<Moment>) {
        self.first_end = self.first_end.min(end.unwrap_or(Moment::MAX));
        self.last_begin = self.last_begin.max(begin);
    }
}

/// Checks the history of a register without a value at the begin.
///
/// # Errors
/// Why it is not linearizable.
pub fn check_register(history: &[Operation<Access>]) -> Result<(), String> {
    let mut begins: HashMap<u64, Moment> = HashMap::new();
    // The register is empty before all.
    let nothing = Zone {
        value: None,
        first_end: 0,
        last_begin: 0,
    };
    let mut zones = HashMap::from([(None, nothing)]);
    for operation in history {
        if let Access::Write(value) = operation.what {
            let former = begins.insert(value, operation.begin);
            assert!(former.is_none(), "value {value} is written twice");
            let mut zone = Zone {
                value: Some(value),
                first_end: Moment::MAX,
                last_begin: 0,
            };
            zone.add(operation.begin, operation.end);
            zones.insert(Some(value), zone);
        }
    }
    let mut read = HashSet::new();
    for operation in history {
        // A read without a reply shows nothing.
        let (Access::Read(value), Some(end)) = (operation.what, operation.end) else {
            continue;
        };
        let Some(zone) = zones.get_mut(&value) else {
            return Err(format!("a read has {value:?}, which nobody wrote"));
        };
        let begin = value.and_then(|value| begins.get(&value));
        if begin.is_some_and(|&begin| end < begin) {
            return Err(format!("{value:?} was read before it was written"));
        }
        zone.add(operation.begin, operation.end);
        read.insert(value);
    }
    // An open write that nobody has read may never have happened.
    zones.retain(|value, zone| zone.first_end < Moment::MAX || read.contains(value));
    check_zones(zones.into_values().collect())
}

fn check_zones(mut zones: Vec<Zone>) -> Result<(), String> {
    zones.sort_unstable_by_key(Zone::low);
    // Zones by their low ends: an overlap is with the forward zone that reaches farthest so far.
    let mut farthest: Option<Zone> = None;
    for zone in zones {
        if let Some(before) = farthest
            && zone.high() < before.high()
        {
            return Err(format!(
                "{:?} was the value at a moment at which {:?} was: {zone:?} within {before:?}",
                zone.value, before.value
            ));
        }
        if zone.is_forward() {
            if let Some(before) = farthest
                && zone.low() < before.high()
            {
                return Err(format!(
                    "{:?} and {:?} were the value by turns: {zone:?}, {before:?}",
                    zone.value, before.value
                ));
            }
            farthest = Some(zone);
        }
    }
    Ok(())
}

/// An object whose histories are searched.
pub trait Object: Clone + Eq + Hash {
    /// An operation with its reply.
    type Step: Clone + Debug;

    /// The object after an operation; `None`: the operation has another reply here. `is_known`: the
    /// reply is.
    fn after(&self, step: &Self::Step, is_known: bool) -> Option<Self>;
}

/// Whether there is an order of the operations, each at one moment, that begins with `object`. At
/// most 64 operations.
pub fn search<O: Object>(object: O, history: &[Operation<O::Step>]) -> bool {
    assert!(history.len() <= 64, "a long history is searched in parts");
    let all: u64 = history
        .iter()
        .enumerate()
        .filter(|(_, its)| its.end.is_some())
        .fold(0, |set, (at, _)| set | 1 << at);
    let mut seen = HashSet::new();
    let mut open = vec![(0u64, object)];
    while let Some((done, object)) = open.pop() {
        if done & all == all {
            return true;
        }
        let pending = || (0..history.len()).filter(|at| done >> at & 1 == 0);
        let ends = pending().filter_map(|at| history[at].end);
        let first_end = ends.min().unwrap_or(Moment::MAX);
        for at in pending() {
            let operation = &history[at];
            // Another one is over before it begins.
            if operation.begin > first_end {
                continue;
            }
            if let Some(next) = object.after(&operation.what, operation.end.is_some()) {
                let state = (done | 1 << at, next);
                if seen.insert(state.clone()) {
                    open.push(state);
                }
            }
        }
    }
    false
}

/// A counter: INCR and its reply.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Counter(pub i64);

impl Object for Counter {
    type Step = i64;

    fn after(&self, reply: &i64, is_known: bool) -> Option<Counter> {
        let next = self.0 + 1;
        (!is_known || *reply == next).then_some(Counter(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register as an object of the search.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Register(Option<u64>);

    impl Object for Register {
        type Step = Access;

        fn after(&self, step: &Access, _: bool) -> Option<Register> {
            match *step {
                Access::Write(value) => Some(Register(Some(value))),
                Access::Read(value) => (self.0 == value).then(|| self.clone()),
            }
        }
    }

    fn write(value: u64, begin: Moment, end: impl Into<Option<Moment>>) -> Operation<Access> {
        Operation {
            what: Access::Write(value),
            begin,
            end: end.into(),
        }
    }

    fn read(value: impl Into<Option<u64>>, begin: Moment, end: Moment) -> Operation<Access> {
        Operation {
            what: Access::Read(value.into()),
            begin,
            end: Some(end),
        }
    }

    #[test]
    fn a_stale_read_is_refused() {
        let before = [write(1, 1, 2), read(1, 3, 4), write(2, 5, 6)];
        assert_eq!(check_register(&before), Ok(()));
        let stale = [&before[..], &[read(1, 7, 8)]].concat();
        assert!(check_register(&stale).is_err());
        let during = [
            &before[..2],
            &[write(2, 5, 9), read(2, 6, 7), read(1, 8, 10)],
        ]
        .concat();
        assert!(
            check_register(&during).is_err(),
            "once new, never old again"
        );
        let never = [write(1, 1, 2), read(None, 3, 4)];
        assert!(check_register(&never).is_err());
        assert!(check_register(&[read(7, 1, 2)]).is_err());
        assert!(check_register(&[read(1, 1, 2), write(1, 3, 4)]).is_err());
    }

    #[test]
    fn a_write_in_doubt_happens_late_or_never() {
        let never = [write(1, 1, 2), write(2, 3, None), read(1, 4, 5)];
        assert_eq!(check_register(&never), Ok(()));
        let late = [&never[..], &[read(2, 6, 7)]].concat();
        assert_eq!(check_register(&late), Ok(()));
        let back = [&late[..], &[read(1, 8, 9)]].concat();
        assert!(check_register(&back).is_err());
    }

    #[test]
    fn zones_and_search_agree_on_histories_of_a_register() {
        let mut random = crate::support::random::Random::new(5);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..4000 {
            let count = 2 + random.below(6);
            // Moments are distinct.
            let mut moments: Vec<Moment> = (1..=2 * count as Moment).collect();
            for at in (1..moments.len()).rev() {
                moments.swap(at, random.below(at + 1));
            }
            let history: Vec<Operation<Access>> = moments
                .chunks(2)
                .zip(1..)
                .map(|(pair, number)| {
                    let (begin, end) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
                    if random.chance(50) {
                        let end = (!random.chance(20)).then_some(end);
                        write(number, begin, end)
                    } else {
                        let value = random.below(count + 1) as u64;
                        read((value > 0).then_some(value), begin, end)
                    }
                })
                .collect();
            let is_written = |its: &Operation<Access>| match its.what {
                Access::Read(Some(value)) => history
                    .iter()
                    .any(|other| other.what == Access::Write(value)),
                _ => true,
            };
            if !history.iter().all(is_written) {
                continue;
            }
            let (zones, found) = (check_register(&history), search(Register(None), &history));
            assert_eq!(zones.is_ok(), found, "{history:?}: {zones:?}");
            good += u32::from(found);
            bad += u32::from(!found);
        }
        assert!(good > 200 && bad > 200, "{good} {bad}");
    }

    #[test]
    fn a_counter_that_counts_twice_is_refused() {
        let of = |reply, begin, end| Operation {
            what: reply,
            begin,
            end,
        };
        let history = [of(1, 1, Some(4)), of(2, 2, Some(3)), of(0, 5, None)];
        assert!(search(Counter(0), &history));
        let more = [&history[..], &[of(4, 6, Some(7))]].concat();
        assert!(search(Counter(0), &more), "the one in doubt was counted");
        let again = [&history[..], &[of(2, 6, Some(7))]].concat();
        assert!(!search(Counter(0), &again));
    }
}
