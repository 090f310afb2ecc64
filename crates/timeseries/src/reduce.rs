//! Rows of several series, reduced at each timestamp.
//!
//! Series come in turn; each is merged into the states of the series before it, which are in order.
//! Short series wait until they are many, so that no series costs a walk over all timestamps:
//! O(rows of all * log).

use crate::Aggregator;
use crate::aggregate::State;
use std::ops::Range;

/// See the module.
pub struct Reduction {
    of: Aggregator,
    width: usize,
    backwards: bool,
    /// Timestamps in the order of rows, each with `width` states.
    times: Vec<u64>,
    states: Vec<State>,
    /// The rows of the series under way, after those that wait.
    new_times: Vec<u64>,
    new_values: Vec<f64>,
    /// Whether rows of series wait to be merged.
    waiting: bool,
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
            waiting: false,
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
        if !self.waiting && self.new_times == self.times {
            let values = self.new_values.drain(..);
            for (state, value) in self.states.iter_mut().zip(values) {
                state.add(value);
            }
            self.new_times.clear();
            return;
        }
        self.waiting = true;
        if self.new_times.len() >= self.times.len() / 2 {
            self.merge();
        }
    }

    /// Merges the rows of all series that wait. Samples of equal timestamps are taken in the order
    /// of their series.
    fn merge(&mut self) {
        if !std::mem::take(&mut self.waiting) {
            return;
        }
        let (width, backwards) = (self.width, self.backwards);
        let new_times = std::mem::take(&mut self.new_times);
        let new_values = std::mem::take(&mut self.new_values);
        let (old_times, old_states) = (
            std::mem::take(&mut self.times),
            std::mem::take(&mut self.states),
        );
        let before = |a: u64, b: u64| if backwards { a > b } else { a < b };
        let mut order: Vec<usize> = (0..new_times.len()).collect();
        // Of a single series they are in order already.
        order.sort_by(|a, b| {
            let order = new_times[*a].cmp(&new_times[*b]);
            if backwards { order.reverse() } else { order }
        });
        let mut new = order.into_iter().peekable();
        let mut old = 0;
        loop {
            let from_new = new.peek().map(|row| new_times[*row]);
            let from_old = old_times.get(old).copied();
            let time = match (from_old, from_new) {
                (None, None) => break,
                (Some(time), None) | (None, Some(time)) => time,
                (Some(a), Some(b)) if before(b, a) => b,
                (Some(a), Some(_)) => a,
            };
            let start = self.states.len();
            self.times.push(time);
            if from_old == Some(time) {
                let states = &old_states[old * width..(old + 1) * width];
                self.states.extend_from_slice(states);
                old += 1;
            } else {
                let states = std::iter::repeat_n(State::new(self.of), width);
                self.states.extend(states);
            }
            while let Some(row) = new.next_if(|row| new_times[*row] == time) {
                let values = &new_values[row * width..(row + 1) * width];
                for (state, value) in self.states[start..].iter_mut().zip(values) {
                    state.add(*value);
                }
            }
        }
    }

    /// The number of rows of the result. All series are complete.
    pub fn len(&mut self) -> usize {
        self.merge();
        self.times.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Calls `row` with the first rows of the result.
    pub fn each(&mut self, count: usize, row: impl FnMut(u64, &[f64])) {
        let rows = count.min(self.len());
        self.each_of(0..rows, row);
    }

    /// Calls `row` with a range of the rows of the result.
    pub fn each_of(&mut self, range: Range<usize>, mut row: impl FnMut(u64, &[f64])) {
        self.merge();
        let mut values = Vec::new();
        let states = self.states.chunks(self.width.max(1));
        let rows = self.times.iter().zip(states);
        for (time, states) in rows.skip(range.start).take(range.len()) {
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

    /// Each of many series of a single row was a walk over the rows of all before it.
    #[test]
    fn many_short_series_are_merged_together() {
        let mut reduction = Reduction::new(Aggregator::Sum, 1, false);
        let n = 100_000;
        for at in 0..n {
            reduction.add(at * 7919 % n, &[1.0]);
            reduction.end_series();
        }
        assert_eq!(reduction.len(), n as usize);
    }

    proptest! {
        #[test]
        fn a_row_is_reduced_of_all_series(
            series in proptest::collection::vec(proptest::collection::btree_map(0..40_u64, -9..9_i32, 0..20), 0..30),
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
            let mut parts = Vec::new();
            for from in (0..reduction.len()).step_by(7) {
                reduction.each_of(from..from + 7, |at, values| parts.push((at, values[0])));
            }
            parts.truncate(count);
            prop_assert_eq!(&parts, &got);
            let mut expected: Vec<(u64, f64)> = model.into_iter().collect();
            if backwards { expected.reverse(); }
            expected.truncate(count);
            prop_assert_eq!(got, expected);
        }
    }
}
