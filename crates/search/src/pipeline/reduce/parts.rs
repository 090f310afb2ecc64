//! States of reducers over the rows of a cluster's shard, as values, and how the node that was
//! asked merges them.
//!
//!     COUNT                      number
//!     COUNT_DISTINCT, TOLIST     list of the values
//!     estimates                  the text of HLL
//!     SUM, MIN, MAX              number, or null of none
//!     AVG                        [sum, count]; the sum of none is NaN
//!     STDDEV                     [mean, squares, count]
//!     QUANTILE                   list of the numbers
//!     FIRST_VALUE                [value]; with BY [value, by]; without a value for BY [value]
//!     RANDOM_SAMPLE              [rows seen, list of the values]
//!     COLLECT                    list of [map, key or [] for each SORTBY ..]
//!
//! So all reducers give the same as over all rows at once, but for the order in which rows come and
//! for what is random. Cost: a shard's values for reducers that keep values.

use super::{Deviation, Distinct, RandomSample, Reducer, State, below, order};
use crate::expression::Value;
use crate::pipeline::row::ValueRef;
use std::cmp::Ordering;

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

fn items_of(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// Whether a value of BY comes before the value of the row that was first.
pub(super) fn comes_first(
    old: Option<ValueRef<'_>>,
    by: Option<ValueRef<'_>>,
    is_descending: bool,
) -> bool {
    match (old, by) {
        // A missing value is before all others.
        (None, Some(_)) => is_descending,
        (old, None) => old.is_some() && !is_descending,
        (Some(old), Some(by)) => {
            let wanted = if is_descending {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            order(by, old) == wanted
        }
    }
}

impl Reducer {
    /// The state of a group.
    pub(crate) fn ship(&self, state: State) -> Value {
        let numbers = |all: &[f64]| all.iter().copied().map(Value::Number).collect();
        match state {
            State::Count(count) => Value::Number(count as f64),
            State::Distinct(distinct) => Value::List(distinct.values),
            State::Estimate(estimate) => Value::Text(estimate.bytes()),
            State::Number(n) => n.map_or(Value::Null, Value::Number),
            State::Average { sum, count } => {
                Value::List(numbers(&[sum.unwrap_or(f64::NAN), count as f64]))
            }
            State::Deviation(Deviation {
                mean,
                squares,
                count,
            }) => Value::List(numbers(&[mean, squares, count as f64])),
            State::Numbers(all) => Value::List(numbers(&all)),
            State::First(first) => Value::List(first.into_iter().collect()),
            State::FirstBy(None) => Value::Null,
            State::FirstBy(Some((by, value))) => {
                Value::List(std::iter::once(value).chain(by).collect())
            }
            State::Sample(RandomSample { seen, kept, .. }) => {
                Value::List(vec![Value::Number(seen as f64), Value::List(kept)])
            }
            State::Collected(collected) => collected.ship(),
        }
    }

    /// Adds the state of a shard; values that no shard can have are left out.
    pub(crate) fn merge(&self, state: &mut State, part: &Value) {
        let items = items_of(part);
        match (self, state) {
            (_, State::Count(count)) => *count += number_of(part).unwrap_or(0.0) as u64,
            (_, State::Distinct(distinct)) => {
                add_all(distinct, items);
            }
            (_, State::Estimate(estimate)) => {
                if let Value::Text(bytes) = part {
                    estimate.merge(bytes);
                }
            }
            (reducer, State::Number(all)) => {
                if let Some(n) = number_of(part) {
                    *all = Some(match (reducer, *all) {
                        (_, None) => n,
                        (Reducer::Min(_), Some(all)) => all.min(n),
                        (Reducer::Max(_), Some(all)) => all.max(n),
                        (_, Some(all)) => all + n,
                    });
                }
            }
            (_, State::Average { sum, count }) => {
                if let [Value::Number(its), Value::Number(n)] = items {
                    if !its.is_nan() {
                        *sum = Some(sum.unwrap_or(0.0) + its);
                    }
                    *count += *n as u64;
                }
            }
            (_, State::Deviation(deviation)) => {
                if let [
                    Value::Number(mean),
                    Value::Number(squares),
                    Value::Number(count),
                ] = items
                    && *count > 0.0
                {
                    deviation.merge(*mean, *squares, *count);
                }
            }
            (_, State::Numbers(all)) => all.extend(items.iter().filter_map(number_of)),
            (_, State::First(first)) => {
                let new = || items.first().cloned();
                *first = first.take().or_else(new);
            }
            (Reducer::FirstBy { is_descending, .. }, State::FirstBy(best)) => {
                let Some((value, by)) = items.split_first() else {
                    return;
                };
                let by = by.first();
                let old = best.as_ref().map(|(old, _)| old.as_ref().map(ValueRef::of));
                let is_first = old.is_none_or(|old| {
                    let by = by.map(ValueRef::of);
                    comes_first(old, by, *is_descending)
                });
                if is_first {
                    *best = Some((by.cloned(), value.clone()));
                }
            }
            (Reducer::Sample(_, size), State::Sample(RandomSample { seen, kept, random })) => {
                if let [Value::Number(its), Value::List(others)] = items {
                    merge_samples((seen, kept, random), (*its as u64, others), *size);
                }
            }
            (_, State::Collected(collected)) => collected.merge(items),
            _ => {}
        }
    }
}

impl Deviation {
    /// Adds that of a shard, of `n` numbers.
    fn merge(&mut self, mean: f64, squares: f64, n: f64) {
        let count = self.count as f64;
        let (all, apart) = (count + n, mean - self.mean);
        self.squares += squares + apart * apart * count * n / all;
        self.mean += apart * n / all;
        self.count += n as u64;
    }
}

fn add_all(distinct: &mut Distinct, values: &[Value]) {
    for value in values {
        distinct.add(ValueRef::of(value));
    }
}

/// Merges two samples, each value of which stands for as many rows as its side has seen.
fn merge_samples(
    (seen, kept, random): (&mut u64, &mut Vec<Value>, &mut u64),
    (others_seen, others): (u64, &[Value]),
    size: usize,
) {
    let mut others = others.to_vec();
    let mut own = std::mem::take(kept);
    let (mut left, mut others_left) = (*seen, others_seen);
    while kept.len() < size && !(own.is_empty() && others.is_empty()) {
        let all = (left + others_left).max(1);
        let takes_own = others.is_empty() || !own.is_empty() && below(random, all) < left;
        let (from, its_left) = if takes_own {
            (&mut own, &mut left)
        } else {
            (&mut others, &mut others_left)
        };
        let at = below(random, from.len() as u64) as usize;
        kept.push(from.swap_remove(at));
        *its_left = its_left.saturating_sub(1);
    }
    *seen += others_seen;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: &[f64]) -> Value {
        Value::List(numbers.iter().copied().map(Value::Number).collect())
    }

    fn merged(reducer: &Reducer, parts: &[Value]) -> Value {
        let mut state = reducer.start();
        parts
            .iter()
            .for_each(|part| reducer.merge(&mut state, part));
        reducer.finish(state)
    }

    #[test]
    fn parts_of_numbers_are_those_of_all_rows() {
        let number = |n| Value::Number(n);
        assert_eq!(
            merged(&Reducer::Count, &[number(2.0), number(5.0)]),
            number(7.0)
        );
        let parts = [Value::Null, number(-2.0), number(5.0)];
        assert_eq!(merged(&Reducer::Sum(0), &parts), number(3.0));
        assert_eq!(merged(&Reducer::Min(0), &parts), number(-2.0));
        assert_eq!(merged(&Reducer::Max(0), &parts), number(5.0));
        let parts = [
            list(&[10.0, 4.0]),
            list(&[f64::NAN, 0.0]),
            list(&[2.0, 2.0]),
        ];
        assert_eq!(merged(&Reducer::Average(0), &parts), number(2.0));
        let parts = [list(&[5.0, 1.0]), list(&[]), list(&[3.0])];
        assert_eq!(merged(&Reducer::Quantile(0, 0.5), &parts), number(3.0));
        // 2, 4 and 9: 5, 26, 3; 4 and 6 more.
        let parts = [
            list(&[5.0, 26.0, 3.0]),
            list(&[0.0; 3]),
            list(&[5.0, 2.0, 2.0]),
        ];
        let Value::Number(deviation) = merged(&Reducer::Deviation(0), &parts) else {
            panic!("a number");
        };
        assert!((deviation - 7f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn parts_of_values_are_those_of_all_rows() {
        let parts = [list(&[1.0, 2.0]), list(&[2.0, 3.0])];
        assert_eq!(
            merged(&Reducer::CountDistinct(0), &parts),
            Value::Number(3.0)
        );
        assert_eq!(merged(&Reducer::ToList(0), &parts), list(&[1.0, 2.0, 3.0]));
        assert_eq!(merged(&Reducer::First(0), &parts), Value::Number(1.0));
        let first = |is_descending| Reducer::FirstBy {
            place: 0,
            by: 1,
            is_descending,
        };
        let parts = [
            list(&[7.0, 2.0]),
            Value::Null,
            list(&[8.0, 1.0]),
            list(&[9.0, 3.0]),
        ];
        assert_eq!(merged(&first(false), &parts), Value::Number(8.0));
        assert_eq!(merged(&first(true), &parts), Value::Number(9.0));
    }

    #[test]
    fn samples_are_of_all_rows() {
        let part = |n: f64, seen: f64| Value::List(vec![Value::Number(seen), list(&[n; 4])]);
        let reducer = Reducer::Sample(0, 4);
        let mut seconds = 0;
        for _ in 0..200 {
            let Value::List(all) = merged(&reducer, &[part(1.0, 10.0), part(2.0, 990.0)]) else {
                panic!("a list");
            };
            assert_eq!(all.len(), 4);
            seconds += all.iter().filter(|n| **n == Value::Number(2.0)).count();
        }
        assert!(seconds > 700, "{seconds} of 800");
    }

    #[test]
    fn damaged_parts_are_left_out() {
        let parts = [Value::Text(b"x".to_vec()), list(&[1.0]), Value::Null];
        let Value::Number(average) = merged(&Reducer::Average(0), &parts) else {
            panic!("a number");
        };
        assert!(average.is_nan());
        assert_eq!(merged(&Reducer::Deviation(0), &parts), Value::Number(0.0));
        assert_eq!(merged(&Reducer::HllSum(0), &parts), Value::Number(0.0));
    }
}
