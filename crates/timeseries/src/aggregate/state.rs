//! The state of an aggregator: what it knows of some samples.
//!
//! The state takes the samples in the order in which they come, which decides about `first`, `last`
//! and the last digits of sums. Each aggregator counts the samples that are of interest to it: all
//! for `countall`, NaNs for `countnan`, the others for the rest. A bucket in which no sample is of
//! interest to any aggregator counts as a bucket without samples.
//!
//! Variances are sums of squares, as in Redis, so if values are large beside their spread, few
//! digits are right.

use super::Aggregator;
use super::Aggregator::{
    Avg, Count, CountAll, CountNan, First, Last, Max, Min, Range, StdP, StdS, Sum, Twa, VarP, VarS,
};

/// The state of an aggregator after some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The aggregator.
    pub(crate) of: Aggregator,
    /// Sum, number, first or last value, greatest value.
    pub(crate) a: f64,
    /// Sum of squares, least value.
    pub(crate) b: f64,
    /// Samples of interest.
    pub(crate) n: u64,
    /// Of `avg`: the sum would be infinite, and `a` is the mean.
    pub(crate) is_mean: bool,
}

impl State {
    /// Before the first sample.
    pub fn new(of: Aggregator) -> State {
        let (a, b) = match of {
            Min | Max | Range => (-f64::MAX, f64::MAX),
            _ => (0.0, 0.0),
        };
        State {
            of,
            a,
            b,
            n: 0,
            is_mean: false,
        }
    }

    /// Takes a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            self.add_nan();
            return;
        }
        self.n += 1;
        match self.of {
            Sum => self.a += value,
            Avg => self.add_to_mean(value),
            Min => self.b = if value < self.b { value } else { self.b },
            Max => self.a = if value > self.a { value } else { self.a },
            Range => {
                self.a = if value > self.a { value } else { self.a };
                self.b = if value < self.b { value } else { self.b };
            }
            Count | CountAll => self.a += 1.0,
            CountNan => self.n = self.a as u64,
            First => {
                if self.n == 1 {
                    self.a = value;
                }
            }
            Last | Twa => self.a = value,
            StdP | StdS | VarP | VarS => {
                self.a += value;
                self.b += value * value;
            }
        }
    }

    /// Takes values, in order. As [`State::add`] of each, with a single check of the aggregator.
    pub(crate) fn add_all(&mut self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let n = values.len() as u64;
        match self.of {
            Sum => {
                let sum = values.clone().fold(self.a, |sum, value| sum + value);
                if !sum.is_nan() {
                    (self.a, self.n) = (sum, self.n + n);
                    return;
                }
            }
            Avg => {
                let sum = values.clone().fold(self.a, |sum, value| sum + value);
                // A sum that has once been infinite stays so, or becomes NaN.
                if !self.is_mean && sum.is_finite() {
                    (self.a, self.n) = (sum, self.n + n);
                    return;
                }
            }
            Min | Max | Range => {
                // NaN is neither less nor greater.
                let (mut max, mut min, mut n) = (self.a, self.b, self.n);
                for value in values {
                    max = if value > max { value } else { max };
                    min = if value < min { value } else { min };
                    n += u64::from(!value.is_nan());
                }
                if self.of != Min {
                    self.a = max;
                }
                if self.of != Max {
                    self.b = min;
                }
                self.n = n;
                return;
            }
            StdP | StdS | VarP | VarS => {
                let add = |(sum, squares), value: f64| (sum + value, squares + value * value);
                let (sum, squares) = values.clone().fold((self.a, self.b), add);
                if !sum.is_nan() && !squares.is_nan() {
                    (self.a, self.b, self.n) = (sum, squares, self.n + n);
                    return;
                }
            }
            Count | First | Last | Twa | CountNan | CountAll => {
                let mut known = values.filter(|value| !value.is_nan());
                let is_first = self.n == 0;
                let known_n = known.clone().count() as u64;
                match self.of {
                    Count => self.a += known_n as f64,
                    CountNan => self.a += (n - known_n) as f64,
                    CountAll => self.a += n as f64,
                    First if is_first => self.a = known.next().unwrap_or(self.a),
                    Last | Twa => self.a = known.last().unwrap_or(self.a),
                    _ => {}
                }
                // The samples of interest.
                self.n += match self.of {
                    CountNan => n - known_n,
                    CountAll => n,
                    _ => known_n,
                };
                return;
            }
        }
        // NaN is to be left out, or a sum leaves the range of numbers.
        values.for_each(|value| self.add(value));
    }

    #[cold]
    fn add_nan(&mut self) {
        if matches!(self.of, CountNan | CountAll) {
            self.a += 1.0;
            self.n += 1;
        }
    }

    #[inline]
    fn add_to_mean(&mut self, value: f64) {
        let sum = self.a + value;
        if !self.is_mean && sum.is_finite() {
            self.a = sum;
        } else {
            self.add_beyond(value);
        }
    }

    /// The sum would be infinite: the mean is kept instead.
    #[cold]
    fn add_beyond(&mut self, value: f64) {
        let n = self.n as f64;
        let before = if self.is_mean {
            self.a / n * (n - 1.0)
        } else {
            self.a / n
        };
        self.is_mean = true;
        self.a = before + value / n;
    }

    /// Whether no sample was of interest.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The number of the samples so far; NaN for most if there are none.
    pub fn value(&self) -> f64 {
        let n = self.n as f64;
        match self.of {
            Sum | Count | CountNan | CountAll => self.a,
            _ if self.n == 0 => f64::NAN,
            Avg if self.is_mean => self.a,
            Avg => self.a / n,
            Min => self.b,
            Max | First | Last | Twa => self.a,
            Range => self.a - self.b,
            VarP => self.squares() / n,
            StdP => (self.squares() / n).sqrt(),
            VarS | StdS if self.n == 1 => 0.0,
            VarS => self.squares() / (n - 1.0),
            StdS => (self.squares() / (n - 1.0)).sqrt(),
        }
    }

    /// The sum of the squares of the distances from the mean.
    fn squares(&self) -> f64 {
        let (sum, n) = (self.a, self.n as f64);
        let mean = sum / n;
        self.b - 2.0 * sum * sum / n + mean * mean * n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(aggregator: Aggregator, values: &[f64]) -> f64 {
        let mut state = State::new(aggregator);
        values.iter().for_each(|value| state.add(*value));
        state.value()
    }

    #[test]
    fn digits_are_those_of_redis() {
        assert_eq!(of(VarP, &[1.0, 2.0, 4.0]), 1.5555555555555571);
        assert_eq!(of(VarS, &[1.0, 2.0, 4.0]), 2.3333333333333357);
        assert_eq!(of(StdP, &[1.0, 2.0, 4.0]), 1.2472191289246477);
        assert_eq!(of(StdS, &[1.0, 2.0, 4.0]), 1.5275252316519474);
        assert_eq!(of(VarP, &[0.1, 0.2, 0.7]), 6.888888888888887E-2);
        assert_eq!(of(StdS, &[7.0]), 0.0);
        assert_eq!(of(Avg, &[1.0, 1e308, 1e308, 1e308]), 7.5e307);
        assert_eq!(of(Sum, &[1e308, 1e308]), f64::INFINITY);
        assert_eq!(of(Range, &[3.0, -1.0, 2.0]), 4.0);
        assert_eq!((of(First, &[3.0, 2.0]), of(Last, &[3.0, 2.0])), (3.0, 2.0));
    }

    #[test]
    fn nan_counts_only_where_it_is_asked_for() {
        let values = [f64::NAN, 2.0, f64::NAN, 4.0];
        let expected = [
            2.0,
            4.0,
            6.0,
            3.0,
            2.0,
            2.0,
            4.0,
            2.0,
            1.0,
            2_f64.sqrt(),
            1.0,
            2.0,
            4.0,
            2.0,
            4.0,
        ];
        for (aggregator, expected) in Aggregator::ALL.into_iter().zip(expected) {
            assert_eq!(of(aggregator, &values), expected, "{}", aggregator.name());
        }
        assert!(of(Min, &[f64::NAN]).is_nan() && of(First, &[]).is_nan());
    }

    proptest! {
        #[test]
        fn many_values_at_once_are_those_values(
            before in proptest::collection::vec(value(), 0..3),
            values in proptest::collection::vec(value(), 0..40),
        ) {
            for aggregator in Aggregator::ALL {
                let mut one_by_one = State::new(aggregator);
                before.iter().for_each(|value| one_by_one.add(*value));
                let mut at_once = one_by_one;
                values.iter().for_each(|value| one_by_one.add(*value));
                at_once.add_all(values.iter().copied());
                let bits = |state: State| (state.a.to_bits(), state.b.to_bits(), state.n, state.is_mean);
                prop_assert_eq!(bits(at_once), bits(one_by_one), "{}", aggregator.name());
            }
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -9.0..9.0,
            1 => Just(f64::NAN),
            1 => prop_oneof![Just(1e308), Just(-1e308), Just(-0.0), Just(0.0)],
        ]
    }

    #[test]
    fn a_state_knows_whether_a_sample_was_of_interest() {
        for (values, of_interest) in [
            (&[f64::NAN][..], &[CountNan, CountAll][..]),
            (&[1.0, 2.0], &[Min, Sum, Avg, Count, Twa, CountAll]),
            (&[], &[]),
        ] {
            for aggregator in [Min, Sum, Avg, Count, Twa, CountNan, CountAll] {
                let mut state = State::new(aggregator);
                values.iter().for_each(|value| state.add(*value));
                assert_eq!(!state.is_empty(), of_interest.contains(&aggregator));
            }
        }
    }
}
