//! Rows of several series, reduced at each timestamp.
//!
//! Series come one after the other; each is merged into the states of those before it, which are in
//! order, so only one series' rows and the result are held. O(rows of all + timestamps * series).

use crate::Aggregator;
use crate::aggregate::State;

/// See the module.
pub struct Reduction {
    of: Aggregator,
    width: usize,
    backwards: bool,
    /// Timestamps in the order of rows, each with `width` states.
    times: Vec<u64>,
    states: Vec<State>,
    /// The rows of the series under way.
    new_times: Vec<u64>,
    new_values: Vec<f64>,
}

impl Reduction {
    /// Of rows with so many values, from the latest on if they go `backwards`.
    pub fn new(of: Aggregator, width: usize, backwards: bool) -> Reduction {
        Reduction {
            of,
            width,
            backwards,
            times: Vec::new(),
            states: Vec::new(),
            new_times: Vec::new(),
            new_values: Vec::new(),
        }
    }

    /// Takes a row of the series under way.
    #[inline]
    pub fn add(&mut self, timestamp: u64, values: &[f64]) {
        self.new_times.push(timestamp);
        self.new_values.extend_from_slice(values);
    }

    /// The series under way is complete.
    pub fn end_series(&mut self) {
        let (width, backwards) = (self.width, self.backwards);
        let new_times = std::mem::take(&mut self.new_times);
        let new_values = std::mem::take(&mut self.new_values);
        if new_times == self.times {
            for (state, value) in self.states.iter_mut().zip(&new_values) {
                state.add(*value);
            }
            return;
        }
        let (old_times, old_states) = (
            std::mem::take(&mut self.times),
            std::mem::take(&mut self.states),
        );
        let before = |a: u64, b: u64| if backwards { a > b } else { a < b };
        let (mut old, mut new) = (0, 0);
        while old < old_times.len() || new < new_times.len() {
            let from_old = old < old_times.len()
                && (new == new_times.len() || !before(new_times[new], old_times[old]));
            let is_both = from_old && new < new_times.len() && new_times[new] == old_times[old];
            let start = self.states.len();
            if from_old {
                self.times.push(old_times[old]);
                let states = &old_states[old * width..(old + 1) * width];
                self.states.extend_from_slice(states);
                old += 1;
            } else {
                self.times.push(new_times[new]);
                let states = std::iter::repeat_n(State::new(self.of), width);
                self.states.extend(states);
            }
            if is_both || !from_old {
                let values = &new_values[new * width..(new + 1) * width];
                for (state, value) in self.states[start..].iter_mut().zip(values) {
                    state.add(*value);
                }
                new += 1;
            }
        }
    }

    /// Calls `row` with the first rows of the result.
    pub fn each(&self, count: usize, mut row: impl FnMut(u64, &[f64])) {
        let mut values = Vec::new();
        let states = self.states.chunks(self.width.max(1));
        for (time, states) in self.times.iter().zip(states).take(count) {
            values.clear();
            values.extend(states.iter().map(State::value));
            row(*time, &values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_row_is_reduced_of_all_series(
            series in proptest::collection::vec(proptest::collection::btree_map(0..40_u64, -9..9_i32, 0..20), 0..6),
            backwards: bool,
            count in 0..50_usize,
        ) {
            let mut reduction = Reduction::new(Aggregator::Sum, 2, backwards);
            let mut model: BTreeMap<u64, f64> = BTreeMap::new();
            for rows in &series {
                let mut rows: Vec<(u64, f64)> = rows.iter().map(|(at, n)| (*at, f64::from(*n))).collect();
                if backwards { rows.reverse(); }
                for (at, value) in rows {
                    *model.entry(at).or_default() += value;
                    reduction.add(at, &[value, value * 2.0]);
                }
                reduction.end_series();
            }
            let mut got = Vec::new();
            reduction.each(count, |at, values| { assert_eq!(values[1], values[0] * 2.0); got.push((at, values[0])); });
            let mut expected: Vec<(u64, f64)> = model.into_iter().collect();
            if backwards { expected.reverse(); }
            expected.truncate(count);
            prop_assert_eq!(got, expected);
        }
    }
}
