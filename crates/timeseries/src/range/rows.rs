//! Rows of buckets, as they are written: their times, the values of buckets without samples, and
//! how many are left.

use super::{Aggregation, Stamp, TooManyValues};
use crate::aggregate::State;
use crate::{Aggregator, Sample, Series};
use smallvec::SmallVec;

/// Writes rows, up to the requested count.
pub(super) struct Rows<'q, F> {
    aggregation: &'q Aggregation<'q>,
    pub(super) left: usize,
    /// The values of the last row with samples; of `last` those of the bucket before, in time.
    pub(super) last: SmallVec<[f64; 2]>,
    pub(super) backwards: bool,
    row: F,
}

impl<'q, F: FnMut(u64, &[f64])> Rows<'q, F> {
    pub(super) fn new(aggregation: &'q Aggregation<'q>, left: usize, row: F) -> Self {
        Rows {
            aggregation,
            left,
            last: SmallVec::new(),
            backwards: false,
            row,
        }
    }

    pub(super) fn states(&self) -> SmallVec<[State; 2]> {
        // The first of time comes last, backwards.
        let of_time = |kind: &Aggregator| match kind {
            Aggregator::First if self.backwards => Aggregator::Last,
            Aggregator::Last if self.backwards => Aggregator::First,
            kind => *kind,
        };
        let kinds = self.aggregation.aggregators.iter();
        kinds.map(of_time).map(State::new).collect()
    }

    /// Backwards, empty buckets before a bucket have the value of the bucket before them, whose
    /// newest sample this is.
    pub(super) fn carry(&mut self, series: &Series, newest: Sample) {
        if !self.backwards {
            return;
        }
        let value = if newest.value.is_nan() {
            let before = series.before(newest.timestamp);
            before.map_or(f64::NAN, |before| before.value)
        } else {
            newest.value
        };
        let kinds = self.aggregation.aggregators.iter();
        for (kind, last) in kinds.zip(&mut self.last) {
            if *kind == Aggregator::Last {
                *last = value;
            }
        }
    }

    /// As [`Rows::carry`], for a bucket that turns out to be empty.
    pub(super) fn carry_back(&mut self, series: &Series, start: i64, states: &[State]) {
        if self.backwards && self.aggregation.empty && states.iter().all(State::is_empty) {
            self.last.resize(states.len(), f64::NAN);
            let at = start.max(0) as u64;
            self.carry(series, Sample::new(at, f64::NAN));
        }
    }

    pub(super) fn write(&mut self, (start, end): (i64, i64), values: &[f64]) {
        let shown = start.max(0);
        // A bucket that begins before time 0 is as long as the others.
        let end = shown.saturating_add(end - start);
        let time = match self.aggregation.stamp {
            Stamp::Start => shown,
            Stamp::Mid => shown + (end - shown) / 2,
            Stamp::End => end,
        };
        (self.row)(time as u64, values);
        self.left -= 1;
    }

    /// Writes a bucket's row, and resets the states. Without samples of interest the bucket is
    /// empty.
    pub(super) fn finish(
        &mut self,
        bucket: (i64, i64),
        states: &mut [State],
    ) -> Result<(), TooManyValues> {
        let is_shown = self.aggregation.empty || !states.iter().all(State::is_empty);
        if is_shown {
            self.pay_further()?;
            let values = self.values(states.iter().map(|state| (state, state.value())));
            self.write(bucket, &values);
            self.last = values;
        }
        for state in states {
            *state = State::new(state.of);
        }
        Ok(())
    }

    /// Pays for the values of a bucket's row after the first.
    pub(super) fn pay_further(&self) -> Result<(), TooManyValues> {
        let further = self.aggregation.aggregators.len() - 1;
        self.aggregation.allowance.spend_further(further)
    }

    /// The values of states; those without samples of interest have that of an empty bucket.
    pub(super) fn values<'s>(
        &self,
        states: impl Iterator<Item = (&'s State, f64)>,
    ) -> SmallVec<[f64; 2]> {
        let kinds = self.aggregation.aggregators.iter().enumerate();
        let values = kinds.zip(states).map(|((column, kind), (state, value))| {
            if !state.is_empty() {
                return value;
            }
            let last = self.last.get(column).filter(|_| self.aggregation.empty);
            kind.of_nothing(last.copied().unwrap_or(f64::NAN))
        });
        values.collect()
    }

    /// Writes rows for the buckets between two that have samples.
    pub(super) fn fill(
        &mut self,
        open: (i64, i64),
        next: (i64, i64),
        backwards: bool,
    ) -> Result<(), TooManyValues> {
        let kinds = self.aggregation.aggregators.iter();
        let values: SmallVec<[f64; 2]> = kinds
            .zip(&self.last)
            .map(|(kind, last)| kind.of_nothing(*last))
            .collect();
        let mut at = open;
        while self.left > 0 {
            at = if backwards {
                self.aggregation.buckets.around(at.0 - 1)
            } else {
                self.aggregation.buckets.around(at.1)
            };
            let is_there = if backwards {
                at.0 <= next.0
            } else {
                at.0 >= next.0
            };
            if is_there {
                break;
            }
            self.pay_empty()?;
            self.write(at, &values);
        }
        Ok(())
    }

    /// Pays for the row of a bucket without samples.
    pub(super) fn pay_empty(&self) -> Result<(), TooManyValues> {
        let width = self.aggregation.aggregators.len();
        self.aggregation.allowance.spend_empty(width)
    }
}
