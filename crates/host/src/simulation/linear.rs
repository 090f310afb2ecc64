//! Whether a history of operations is linearizable: whether each operation can have happened at one
//! moment between its call and its return, so that all answers are right.
//!
//! Registers whose writes have unique values are checked by zones (P. Gibbons and E. Korach,
//! "Testing Shared Memories", 1997) in O(n log n). Other objects are checked by a search with
//! memory (J. Wing and C. Gong, 1993; G. Lowe, 2017), whose cost grows with the operations that
//! are under way at the same time: histories are to be divided by key.
//!
//! An operation whose return is unknown may have happened at any time after its call, or never.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

/// A moment; -1 is before all of them.
pub type Moment = i64;

/// The moment of a return that did not come.
const NEVER: Moment = Moment::MAX;

/// An operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// When it was called: 0 or later.
    pub called: Moment,
    /// When it returned, and its answer. `None`: no return was seen.
    pub returned: Option<(Moment, A)>,
    /// The call.
    pub call: C,
}

/// An operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterCall {
    /// Writes a value that no other operation writes. The answer is [`None`].
    Write(u64),
    /// Reads. The answer is the value; [`None`]: the register has not been written.
    Read,
}

/// An operation on a register, with the value that it read.
pub type RegisterOperation = Operation<RegisterCall, Option<u64>>;

/// Why a history is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two operations write a value: the history cannot be checked.
    Twice(u64),
    /// A value was read that no operation writes.
    Unwritten(u64),
    /// A read returned before its value's write was called.
    Early(u64),
    /// Each of two values must be before the other. `None`: the initial value.
    Crossed(Option<u64>, Option<u64>),
    /// No order of the operations gives their answers.
    NoOrder,
    /// The search has visited as many states as it may.
    Undecided(usize),
}

/// The operations with one value: the first return among them, and the last call.
#[derive(Clone, Copy, Debug)]
struct Zone {
    value: Option<u64>,
    first_return: Moment,
    last_call: Moment,
}

/// Checks the history of a register.
///
/// # Errors
/// It is not linearizable, or values are not unique.
pub fn check_register(history: &[RegisterOperation]) -> Result<(), Violation> {
    let mut zones = zones(history)?;
    // Some operation of a value returned before another was called: both are tied to that time.
    zones.sort_by_key(|zone| zone.first_return);
    let (forward, backward): (Vec<Zone>, Vec<Zone>) = zones
        .into_iter()
        .partition(|zone| zone.first_return < zone.last_call);
    for pair in forward.windows(2) {
        if pair[1].first_return < pair[0].last_call {
            return Err(Violation::Crossed(pair[0].value, pair[1].value));
        }
    }
    for zone in backward {
        // Forward zones do not overlap: only the last that began before it can hold it.
        let after = forward.partition_point(|other| other.first_return < zone.last_call);
        if let Some(other) = forward[..after].last()
            && zone.first_return < other.last_call
        {
            return Err(Violation::Crossed(other.value, zone.value));
        }
    }
    Ok(())
}

fn zones(history: &[RegisterOperation]) -> Result<Vec<Zone>, Violation> {
    // The initial value was written before all moments.
    let initial = Zone {
        value: None,
        first_return: -1,
        last_call: -1,
    };
    let mut zones = BTreeMap::from([(None, initial)]);
    let mut written = BTreeMap::new();
    for operation in history {
        if let RegisterCall::Write(value) = operation.call {
            let zone = Zone {
                value: Some(value),
                first_return: operation.returned.map_or(NEVER, |(moment, _)| moment),
                last_call: operation.called,
            };
            if zones.insert(Some(value), zone).is_some() {
                return Err(Violation::Twice(value));
            }
            written.insert(value, (operation.called, operation.returned.is_none()));
        }
    }
    let mut was_read = HashSet::new();
    for operation in history {
        let (RegisterCall::Read, Some((returned, value))) = (operation.call, operation.returned)
        else {
            continue;
        };
        if let Some(value) = value {
            let (called, _) = *written.get(&value).ok_or(Violation::Unwritten(value))?;
            if returned < called {
                return Err(Violation::Early(value));
            }
            was_read.insert(value);
        }
        let zone = zones.get_mut(&value).expect("it is written, or initial");
        zone.first_return = zone.first_return.min(returned);
        zone.last_call = zone.last_call.max(operation.called);
    }
    // A write without a return that no operation read may never have happened.
    let may_drop = |value: u64| written[&value].1 && !was_read.contains(&value);
    let kept = zones
        .into_values()
        .filter(|zone| !zone.value.is_some_and(may_drop));
    Ok(kept.collect())
}

/// An object with sequential operations.
pub trait SequentialObject {
    /// Its state.
    type State: Clone + Eq + Hash;
    /// An operation.
    type Call;
    /// The answer of an operation.
    type Answer: PartialEq;

    /// The state at the begin.
    fn initial() -> Self::State;

    /// Does an operation, and returns its answer.
    fn apply(state: &mut Self::State, call: &Self::Call) -> Self::Answer;
}

/// Checks the history of an object, with at most this many states.
///
/// # Errors
/// It is not linearizable, or the search is undecided.
pub fn check_object<O: SequentialObject>(
    history: &[Operation<O::Call, O::Answer>],
    states_max: usize,
) -> Result<(), Violation> {
    let mut order: Vec<&Operation<O::Call, O::Answer>> = history.iter().collect();
    order.sort_by_key(|operation| operation.called);
    let is_closed = |operation: &&&Operation<O::Call, O::Answer>| operation.returned.is_some();
    let closed = order.iter().filter(is_closed).count();
    let returned = |operation: &Operation<O::Call, O::Answer>| {
        operation
            .returned
            .as_ref()
            .map_or(NEVER, |&(moment, _)| moment)
    };
    let mut seen = HashSet::new();
    let begin = (vec![false; order.len()], O::initial(), 0);
    let mut open = vec![begin];
    while let Some((done, state, count)) = open.pop() {
        if count == closed {
            return Ok(());
        }
        if seen.len() >= states_max {
            return Err(Violation::Undecided(states_max));
        }
        // An operation may come next if no other has returned before it was called.
        let waiting = || order.iter().zip(&done).filter(|(_, done)| !**done);
        let limit = waiting()
            .map(|(its, _)| returned(its))
            .min()
            .unwrap_or(NEVER);
        for (at, operation) in order.iter().enumerate() {
            if operation.called > limit {
                break;
            }
            if done[at] {
                continue;
            }
            let mut next = state.clone();
            let answer = O::apply(&mut next, &operation.call);
            let is_right = operation
                .returned
                .as_ref()
                .is_none_or(|(_, its)| *its == answer);
            if is_right {
                let mut done = done.clone();
                done[at] = true;
                if seen.insert((done.clone(), next.clone())) {
                    let more = usize::from(operation.returned.is_some());
                    open.push((done, next, count + more));
                }
            }
        }
    }
    Err(Violation::NoOrder)
}

/// A counter: INCRBY, GET.
#[derive(Debug)]
pub enum Counter {}

/// Adds a number; the answer is the sum. 0 reads.
impl SequentialObject for Counter {
    type State = i64;
    type Call = i64;
    type Answer = i64;

    fn initial() -> i64 {
        0
    }

    fn apply(state: &mut i64, call: &i64) -> i64 {
        *state += call;
        *state
    }
}

/// An operation on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListCall {
    /// RPUSH: the answer is the new length.
    Push(u64),
    /// LPOP: the answer is the first value, or nothing.
    Pop,
    /// LLEN.
    Length,
}

/// A list: RPUSH, LPOP, LLEN. Lengths and values are both answers of the form `Option<u64>`.
#[derive(Debug)]
pub enum List {}

impl SequentialObject for List {
    type State = Vec<u64>;
    type Call = ListCall;
    type Answer = Option<u64>;

    fn initial() -> Vec<u64> {
        Vec::new()
    }

    fn apply(state: &mut Vec<u64>, call: &ListCall) -> Option<u64> {
        match call {
            ListCall::Push(value) => state.push(*value),
            ListCall::Pop if state.is_empty() => return None,
            ListCall::Pop => return Some(state.remove(0)),
            ListCall::Length => {}
        }
        Some(state.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    const STATES: usize = 1_000_000;

    fn done<C, A>(called: Moment, returned: Moment, call: C, answer: A) -> Operation<C, A> {
        Operation {
            called,
            returned: Some((returned, answer)),
            call,
        }
    }

    fn open<C, A>(called: Moment, call: C) -> Operation<C, A> {
        Operation {
            called,
            returned: None,
            call,
        }
    }

    fn write(called: Moment, returned: Moment, value: u64) -> RegisterOperation {
        done(called, returned, RegisterCall::Write(value), None)
    }

    fn read(called: Moment, returned: Moment, value: Option<u64>) -> RegisterOperation {
        done(called, returned, RegisterCall::Read, value)
    }

    #[test]
    fn a_register_that_answers_rightly_is_accepted() {
        let lost: RegisterOperation = open(3, RegisterCall::Write(9));
        for history in [
            vec![],
            vec![read(0, 1, None), write(2, 3, 1), read(4, 5, Some(1))],
            // A read during a write may see either value.
            vec![write(0, 10, 1), read(2, 3, None), read(4, 5, Some(1))],
            // Two writes at the same time, in the order that the reads need.
            vec![write(0, 9, 1), write(0, 9, 2), read(10, 11, Some(1))],
            // A write without a return: seen, or not.
            vec![write(0, 1, 1), lost.clone(), read(4, 5, Some(1))],
            vec![
                write(0, 1, 1),
                lost,
                read(4, 5, Some(1)),
                read(90, 91, Some(9)),
            ],
        ] {
            assert_eq!(check_register(&history), Ok(()), "{history:?}");
        }
    }

    #[test]
    fn a_broken_register_is_refused() {
        let lost: RegisterOperation = open(3, RegisterCall::Write(9));
        for (history, why) in [
            // A stale read.
            (
                vec![write(0, 1, 1), write(2, 3, 2), read(4, 5, Some(1))],
                Violation::Crossed(Some(1), Some(2)),
            ),
            // A lost write.
            (
                vec![write(0, 1, 1), read(4, 5, None)],
                Violation::Crossed(None, Some(1)),
            ),
            // A value that comes and goes.
            (
                vec![
                    write(0, 1, 1),
                    lost,
                    read(4, 5, Some(9)),
                    read(6, 7, Some(1)),
                ],
                Violation::Crossed(Some(1), Some(9)),
            ),
            (
                vec![read(0, 1, Some(1)), write(2, 3, 1)],
                Violation::Early(1),
            ),
            (vec![read(0, 1, Some(1))], Violation::Unwritten(1)),
            (vec![write(0, 1, 1), write(2, 3, 1)], Violation::Twice(1)),
        ] {
            assert_eq!(check_register(&history), Err(why), "{history:?}");
        }
    }

    /// The search decides about registers as well, for a comparison.
    enum Register {}

    impl SequentialObject for Register {
        type State = Option<u64>;
        type Call = RegisterCall;
        type Answer = Option<u64>;

        fn initial() -> Option<u64> {
            None
        }

        fn apply(state: &mut Option<u64>, call: &RegisterCall) -> Option<u64> {
            match call {
                RegisterCall::Write(value) => {
                    *state = Some(*value);
                    None
                }
                RegisterCall::Read => *state,
            }
        }
    }

    #[test]
    fn zones_and_search_agree_about_random_histories() {
        let mut figures = [0, 0];
        for seed in 0..20_000 {
            let mut random = Random(seed);
            let count = 2 + random.place(6);
            let operation = |value: usize| {
                let called = random.below(12);
                let returned = called + 1 + random.below(8);
                let call = match random.place(2) {
                    0 => RegisterCall::Write(value as u64),
                    _ => RegisterCall::Read,
                };
                match (call, random.place(6)) {
                    (_, 0) => open(called, call),
                    (RegisterCall::Write(_), _) => done(called, returned, call, None),
                    (RegisterCall::Read, _) => {
                        let seen = Some(random.place(count) as u64).filter(|&seen| seen > 0);
                        done(called, returned, call, seen)
                    }
                }
            };
            let history: Vec<RegisterOperation> = (1..count).map(operation).collect();
            let by_zones = check_register(&history);
            let by_search = check_object::<Register>(&history, STATES);
            assert_eq!(
                by_zones.is_ok(),
                by_search.is_ok(),
                "{history:?}: {by_zones:?}"
            );
            figures[usize::from(by_zones.is_ok())] += 1;
        }
        assert!(figures.iter().all(|&count| count > 1000), "{figures:?}");
    }

    #[test]
    fn a_counter_that_loses_an_increment_is_refused() {
        let right = [done(0, 9, 1, 2), done(0, 9, 1, 1), done(10, 11, 0, 2)];
        assert_eq!(check_object::<Counter>(&right, STATES), Ok(()));
        let lost = [done(0, 1, 1, 1), done(2, 3, 1, 1)];
        assert_eq!(
            check_object::<Counter>(&lost, STATES),
            Err(Violation::NoOrder)
        );
        let in_doubt = [done(0, 1, 1, 1), open(2, 5), done(6, 7, 1, 7)];
        assert_eq!(check_object::<Counter>(&in_doubt, STATES), Ok(()));
        let never = [done(0, 1, 1, 1), open(2, 5), done(6, 7, 1, 2)];
        assert_eq!(check_object::<Counter>(&never, STATES), Ok(()));
    }

    #[test]
    fn a_list_that_gives_a_value_twice_is_refused() {
        let push =
            |called, returned, value, len| done(called, returned, ListCall::Push(value), Some(len));
        let pop = |called, returned, value| done(called, returned, ListCall::Pop, value);
        let right = [
            push(0, 9, 1, 2),
            push(0, 9, 2, 1),
            pop(10, 11, Some(2)),
            pop(12, 13, Some(1)),
        ];
        assert_eq!(check_object::<List>(&right, STATES), Ok(()));
        let twice = [push(0, 1, 1, 1), pop(2, 3, Some(1)), pop(4, 5, Some(1))];
        assert_eq!(
            check_object::<List>(&twice, STATES),
            Err(Violation::NoOrder)
        );
        let early = [pop(0, 1, Some(1)), push(2, 3, 1, 1)];
        assert_eq!(
            check_object::<List>(&early, STATES),
            Err(Violation::NoOrder)
        );
    }

    /// A search that would take too long says so.
    #[test]
    fn a_search_is_bounded() {
        let history: Vec<_> = (0..40)
            .map(|number| done(0, 99, 1 << (number % 20), -1))
            .collect();
        assert_eq!(
            check_object::<Counter>(&history, 100),
            Err(Violation::NoOrder)
        );
        let history: Vec<_> = (0..40).map(|_| open::<i64, i64>(0, 1)).collect();
        let history = [&history[..], &[done(0, 99, 1, -1)]].concat();
        assert_eq!(
            check_object::<Counter>(&history, 10),
            Err(Violation::Undecided(10))
        );
    }
}
