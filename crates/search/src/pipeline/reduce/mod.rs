//! The reducers of GROUPBY: a single value of many rows.
//!
//! | module | what |
//! |---|---|
//! | `parse` | REDUCE's words as a reducer |
//! | `hll` | estimates of how many values there are |
//! | `collect` | COLLECT: rows as a list of maps |
//! | `parts` | what a reducer knows of a shard's rows, and how it is merged |
//!
//! A value that a row lacks counts only for FIRST_VALUE and COUNT; a text that is no number is left
//! out by reducers that compute, but counts as 0 for AVG. QUANTILE keeps all numbers and is exact.

mod collect;
mod hll;
mod parse;
mod parts;

use ahash::RandomState;

use super::names::Names;
use super::row::{Row, ValueRef, order};
use crate::error::SearchError;
use crate::expression::Value;
use crate::index::{IdTable, Index};
use collect::{Collect, RowCollector};
use hll::Estimate;

pub(super) use parse::parse;

/// A reducer with the places of the arguments.
#[derive(Clone, Debug)]
pub(super) enum Reducer {
    Count,
    CountDistinct(usize),
    CountDistinctish(usize),
    Sum(usize),
    Min(usize),
    Max(usize),
    Average(usize),
    Deviation(usize),
    Quantile(usize, f64),
    ToList(usize),
    First(usize),
    FirstBy {
        place: usize,
        by: usize,
        is_descending: bool,
    },
    Sample(usize, usize),
    Hll(usize),
    HllSum(usize),
    Collect(Box<Collect>),
}

/// The rows of a group as a reducer remembers them.
#[derive(Debug)]
pub(super) enum State {
    Count(u64),
    Distinct(Box<Distinct>),
    Estimate(Box<Estimate>),
    /// Of SUM, MIN and MAX; `None`: no number came.
    Number(Option<f64>),
    Average {
        sum: Option<f64>,
        count: u64,
    },
    Deviation(Deviation),
    Numbers(Vec<f64>),
    First(Option<Value>),
    FirstBy(Option<(Option<Value>, Value)>),
    Sample(RandomSample),
    Collected(Box<RowCollector>),
}

/// The sum of squared differences from the mean, kept up with each number (Welford).
#[derive(Debug, Default)]
pub(super) struct Deviation {
    mean: f64,
    squares: f64,
    count: u64,
}

impl Deviation {
    #[inline]
    fn add(&mut self, n: f64) {
        self.count += 1;
        let before = n - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (n - self.mean);
    }

    /// The deviation of a sample, 0 of fewer than two numbers.
    fn value(&self) -> f64 {
        (self.squares / self.count.saturating_sub(1).max(1) as f64).sqrt()
    }
}

/// Random values of all that came, each with the same probability.
#[derive(Debug)]
pub(super) struct RandomSample {
    seen: u64,
    kept: Vec<Value>,
    random: u64,
}

impl RandomSample {
    fn new() -> RandomSample {
        RandomSample {
            seen: 0,
            kept: Vec::new(),
            random: RandomState::new().hash_one(0) | 1,
        }
    }

    fn add(&mut self, value: ValueRef<'_>, size: usize) {
        self.seen += 1;
        if self.kept.len() < size {
            self.kept.push(value.to_value());
        } else if let Some(old) = self
            .kept
            .get_mut(below(&mut self.random, self.seen) as usize)
        {
            *old = value.to_value();
        }
    }
}

/// Different values in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    values: Vec<Value>,
    table: IdTable,
    hasher: RandomState,
}

impl Distinct {
    /// Adds a value. `false`: it is there already.
    fn add(&mut self, value: ValueRef<'_>) -> bool {
        let hash = hash(&self.hasher, value);
        let is_it = |at: &u32| value.equals(&self.values[*at as usize]);
        if self.table.find(hash, is_it).is_some() {
            return false;
        }
        let (values, hasher) = (&mut self.values, &self.hasher);
        values.push(value.to_value());
        let of = |at: &u32| self::hash(hasher, ValueRef::of(&values[*at as usize]));
        self.table.insert(hash, (values.len() - 1) as u32, of);
        true
    }
}

/// A hash of a value.
pub(super) fn hash(hasher: &RandomState, value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Number(n) => hasher.hash_one(n.to_bits()),
        ValueRef::Text(text) => hasher.hash_one(text),
        ValueRef::Other(Value::List(items)) => {
            let hashes = items.iter().map(|item| hash(hasher, ValueRef::of(item)));
            hashes.fold(items.len() as u64, |all, hash| all.rotate_left(5) ^ hash)
        }
        ValueRef::Other(Value::Several(of)) => hash(hasher, ValueRef::of(&of.first)),
        ValueRef::Other(_) => 0,
    }
}

impl Reducer {
    /// Refuses a limit of rows beyond that of a reply.
    pub(super) fn check_limit(&self, rows_max: u64) -> Result<(), SearchError> {
        match self {
            Reducer::Collect(collect) => collect.check_limit(rows_max),
            _ => Ok(()),
        }
    }

    /// The state of a group without rows.
    pub(super) fn start(&self) -> State {
        match self {
            Reducer::Count => State::Count(0),
            Reducer::CountDistinct(_) | Reducer::ToList(_) => State::Distinct(Box::default()),
            Reducer::CountDistinctish(_) | Reducer::Hll(_) | Reducer::HllSum(_) => {
                State::Estimate(Box::new(Estimate::new()))
            }
            Reducer::Sum(_) | Reducer::Min(_) | Reducer::Max(_) => State::Number(None),
            Reducer::Average(_) => State::Average {
                sum: None,
                count: 0,
            },
            Reducer::Deviation(_) => State::Deviation(Deviation::default()),
            Reducer::Quantile(..) => State::Numbers(Vec::new()),
            Reducer::First(_) => State::First(None),
            Reducer::FirstBy { .. } => State::FirstBy(None),
            Reducer::Sample(..) => State::Sample(RandomSample::new()),
            Reducer::Collect(collect) => State::Collected(Box::new(collect.start())),
        }
    }

    /// Takes a row in.
    pub(super) fn add(&self, state: &mut State, row: &Row, names: &Names, index: &Index) {
        let value = |place: usize| names.value(row, place, index);
        let number = |place: usize| value(place).and_then(ValueRef::number);
        match (self, state) {
            (Reducer::Count, State::Count(count)) => *count += 1,
            (Reducer::CountDistinct(place), State::Distinct(distinct)) => {
                if let Some(value) = value(*place).filter(|value| !value.is_null()) {
                    distinct.add(value);
                }
            }
            (Reducer::ToList(place), State::Distinct(distinct)) => {
                if let Some(value) = value(*place) {
                    distinct.add(value);
                }
            }
            (Reducer::CountDistinctish(at) | Reducer::Hll(at), State::Estimate(estimate)) => {
                if let Some(value) = value(*at).filter(|value| !value.is_null()) {
                    estimate.add(value);
                }
            }
            (Reducer::HllSum(place), State::Estimate(estimate)) => {
                if let Some(ValueRef::Text(bytes)) = value(*place) {
                    estimate.merge(bytes);
                }
            }
            (Reducer::Sum(place), State::Number(sum)) => {
                if let Some(n) = number(*place) {
                    *sum = Some(sum.unwrap_or(0.0) + n);
                }
            }
            (Reducer::Min(place), State::Number(min)) => {
                if let Some(n) = number(*place) {
                    *min = Some(min.map_or(n, |min| min.min(n)));
                }
            }
            (Reducer::Max(place), State::Number(max)) => {
                if let Some(n) = number(*place) {
                    *max = Some(max.map_or(n, |max| max.max(n)));
                }
            }
            (Reducer::Average(place), State::Average { sum, count }) => {
                // Rows without a number count, too, as in Redis.
                if let Some(n) = number(*place) {
                    *sum = Some(sum.unwrap_or(0.0) + n);
                }
                *count += 1;
            }
            (Reducer::Deviation(place), State::Deviation(deviation)) => {
                if let Some(n) = number(*place) {
                    deviation.add(n);
                }
            }
            (Reducer::Quantile(place, _), State::Numbers(numbers)) => {
                numbers.extend(number(*place))
            }
            (Reducer::First(place), State::First(first)) => {
                if first.is_none() {
                    *first = Some(value(*place).map_or(Value::Null, ValueRef::to_value));
                }
            }
            (
                Reducer::FirstBy {
                    place,
                    by,
                    is_descending,
                },
                State::FirstBy(best),
            ) => {
                if let Some(candidate) = value(*place) {
                    replace_if_first(best, candidate, value(*by), *is_descending);
                }
            }
            (Reducer::Sample(place, size), State::Sample(sample)) => {
                if let Some(value) = value(*place) {
                    sample.add(value, *size);
                }
            }
            (Reducer::Collect(collect), State::Collected(collected)) => {
                collect.add(collected, row, names, index);
            }
            _ => unreachable!("a state is of its reducer"),
        }
    }

    /// The value of a group.
    pub(super) fn finish(&self, state: State) -> Value {
        match (self, state) {
            (_, State::Count(count)) => Value::Number(count as f64),
            (Reducer::ToList(_), State::Distinct(distinct)) => Value::List(distinct.values),
            (_, State::Distinct(distinct)) => Value::Number(distinct.values.len() as f64),
            (Reducer::Hll(_), State::Estimate(estimate)) => Value::Text(estimate.bytes()),
            (_, State::Estimate(estimate)) => Value::Number(estimate.count()),
            // As Redis 8 has them of no number.
            (Reducer::Min(_), State::Number(None)) => Value::Number(f64::INFINITY),
            (Reducer::Max(_), State::Number(None)) => Value::Number(f64::NEG_INFINITY),
            (_, State::Number(n)) => Value::Number(n.unwrap_or(f64::NAN)),
            (_, State::Average { sum, count }) => {
                Value::Number(sum.map_or(f64::NAN, |sum| sum / count as f64))
            }
            (_, State::Deviation(deviation)) => Value::Number(deviation.value()),
            (Reducer::Quantile(_, at), State::Numbers(numbers)) => {
                Value::Number(quantile(numbers, *at))
            }
            (_, State::Numbers(_)) => Value::Null,
            (_, State::First(first)) => first.unwrap_or(Value::Null),
            (_, State::FirstBy(best)) => best.map_or(Value::Null, |(_, value)| value),
            (_, State::Sample(sample)) => Value::List(sample.kept),
            (_, State::Collected(collected)) => collected.finish(),
        }
    }
}

/// Takes a candidate if it precedes the best value so far, by the values of another property.
fn replace_if_first(
    best: &mut Option<(Option<Value>, Value)>,
    candidate: ValueRef<'_>,
    by: Option<ValueRef<'_>>,
    is_descending: bool,
) {
    let is_first = best.as_ref().is_none_or(|(old, _)| {
        let old = old.as_ref().map(ValueRef::of);
        parts::comes_first(old, by, is_descending)
    });
    if is_first {
        *best = Some((by.map(ValueRef::to_value), candidate.to_value()));
    }
}

/// The number that `at`, 0 to 1, of all numbers are not above; 0 of none.
fn quantile(mut numbers: Vec<f64>, at: f64) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let rank = (at * numbers.len() as f64).ceil() as usize;
    let index = rank.clamp(1, numbers.len()) - 1;
    *numbers.select_nth_unstable_by(index, f64::total_cmp).1
}

/// A random number below another, which may be a little uneven: xorshift.
fn below(random: &mut u64, end: u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random % end
}
