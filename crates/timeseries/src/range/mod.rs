//! Samples of a range, or a row for each bucket of them, in either direction.
//!
//!     scan -> FILTER_BY_TS, FILTER_BY_VALUE -> buckets -> COUNT
//!
//! A bucket's start is below a timestamp by the remainder of its distance from the alignment; a
//! start before time 0 is shown as 0. With `empty`, buckets without samples between those with
//! samples make rows, too; for the time-weighted average these are all buckets that the line
//! through the samples passes.
//!
//! `first` and `last` are the first and last in time, also backwards; in buckets without samples
//! `last` has the value of the bucket before them in time.
//!
//! A thread's pass ends early if its work is cancelled (`base::threads::cancel`).
//!
//! Cost: a single pass; a sample costs its decoding and an addition for each aggregator, which
//! takes the samples of a bucket in a block as a loop. Backwards, a time-weighted average is
//! computed forwards and the rows are reversed.

mod rows;
mod weighted;

use crate::aggregate::State;
use crate::block::{BLOCK, Visit, continue_if};
use crate::{Aggregator, Sample, Series};
use rows::Rows;
use russet_base::threads::cancel;
use std::cell::Cell;
use std::ops::ControlFlow;
use weighted::WeightedBuckets;

/// Values that buckets without samples may make, in all series of a command.
pub const EMPTY_VALUES_MAX: usize = 1 << 20;
/// Values that further aggregators may make of buckets with samples, in all series of a command.
pub const FURTHER_VALUES_MAX: usize = 1 << 23;

/// There would be too many values that are no samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many values")]
pub struct TooManyValues;

/// The values that a command may yet make beyond a value for each sample: a command is short, and
/// two samples may have a thousand years between them.
#[derive(Clone, Debug)]
pub struct Allowance {
    empty: Cell<usize>,
    further: Cell<usize>,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance {
            empty: Cell::new(EMPTY_VALUES_MAX),
            further: Cell::new(FURTHER_VALUES_MAX),
        }
    }
}

impl Allowance {
    /// Pays for a row of so many values, whose bucket has no samples.
    fn spend_empty(&self, values: usize) -> Result<(), TooManyValues> {
        let left = self.empty.get().checked_sub(values).ok_or(TooManyValues)?;
        self.empty.set(left);
        Ok(())
    }

    /// Pays for values of a row after its first.
    pub fn spend_further(&self, values: usize) -> Result<(), TooManyValues> {
        let left = self.further.get().checked_sub(values);
        self.further.set(left.ok_or(TooManyValues)?);
        Ok(())
    }
}

/// The time that a bucket's row shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// The start.
    #[default]
    Start,
    /// The middle.
    Mid,
    /// The end.
    End,
}

/// The buckets of all times.
pub trait Buckets {
    /// Start and end of the bucket of a timestamp: `start <= timestamp < end`.
    fn around(&self, timestamp: i64) -> (i64, i64);
}

/// Buckets of equal duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvenBuckets {
    /// Milliseconds, more than 0.
    pub duration: i64,
    /// Any of the starts.
    pub align: i64,
}

impl Buckets for EvenBuckets {
    #[inline]
    fn around(&self, timestamp: i64) -> (i64, i64) {
        let start = timestamp - timestamp.wrapping_sub(self.align).rem_euclid(self.duration);
        (start, start.saturating_add(self.duration))
    }
}

/// How samples become rows.
pub struct Aggregation<'q> {
    /// At least one.
    pub aggregators: &'q [Aggregator],
    /// The buckets.
    pub buckets: &'q dyn Buckets,
    /// A row's time.
    pub stamp: Stamp,
    /// Buckets without samples make rows, too.
    pub empty: bool,
    /// For all rows of the command.
    pub allowance: &'q Allowance,
}

/// A question.
pub struct Query<'q> {
    /// The first timestamp.
    pub from: u64,
    /// The last timestamp.
    pub to: u64,
    /// The latest first.
    pub backwards: bool,
    /// Only samples at these timestamps, which ascend.
    pub timestamps: Option<&'q [u64]>,
    /// Only samples with values from the first to the second.
    pub values: Option<(f64, f64)>,
    /// Rows at most.
    pub count: usize,
    /// `None`: a row is a sample.
    pub aggregation: Option<&'q Aggregation<'q>>,
    /// A sample after all of the series.
    pub extra: Option<Sample>,
}

impl Query<'_> {
    fn admits(&self, timestamp: u64, value: f64) -> bool {
        let has_time = |all: &[u64]| all.binary_search(&timestamp).is_ok();
        let has_value = |(min, max): (f64, f64)| value >= min && value <= max;
        self.timestamps.is_none_or(has_time) && self.values.is_none_or(has_value)
    }

    /// Whether a sample is a number that the filters admit.
    fn admits_number(&self, sample: Sample) -> bool {
        !sample.value.is_nan() && self.admits(sample.timestamp, sample.value)
    }

    /// The newest number before a timestamp that the filters admit, also before the range.
    fn number_before(&self, series: &Series, timestamp: u64) -> Option<Sample> {
        let to = timestamp.checked_sub(1)?;
        let found = series.scan_back(0, to, |sample| self.break_at_number(sample));
        found.break_value()
    }

    /// The oldest number after a timestamp that the filters admit, also after the range.
    fn number_after(&self, series: &Series, timestamp: u64) -> Option<Sample> {
        let from = timestamp.checked_add(1)?;
        let found = series.scan(from, u64::MAX, |sample| self.break_at_number(sample));
        found.break_value()
    }

    fn break_at_number(&self, sample: Sample) -> ControlFlow<Sample> {
        if self.admits_number(sample) {
            ControlFlow::Break(sample)
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Calls `f` with blocks of the samples in the query, each in order of time, until `f` breaks.
    fn visit(&self, series: &Series, f: Visit<'_>) {
        if self.timestamps.is_none() && self.values.is_none() {
            let _ = self.visit_all(series, f);
            return;
        }
        let (mut times, mut values) = ([0; BLOCK], [0.0; BLOCK]);
        let _ = self.visit_all(series, &mut |all_times, all_values| {
            let mut admit = |(some_times, some_values): (&[u64], &[f64])| {
                let mut len = 0;
                for (time, value) in some_times.iter().zip(some_values) {
                    (times[len], values[len]) = (*time, *value);
                    len += usize::from(self.admits(*time, *value));
                }
                match len {
                    0 => ControlFlow::Continue(()),
                    _ => f(&times[..len], &values[..len]),
                }
            };
            let mut pieces = all_times.chunks(BLOCK).zip(all_values.chunks(BLOCK));
            if self.backwards {
                pieces.rev().try_for_each(admit)
            } else {
                pieces.try_for_each(&mut admit)
            }
        });
    }

    /// Calls `f` with each sample in the query, in order of time, until `f` breaks.
    fn scan(&self, series: &Series, mut f: impl FnMut(Sample) -> ControlFlow<()>) {
        self.visit(series, &mut |times, values| {
            let mut samples = times.iter().zip(values);
            samples.try_for_each(|(time, value)| f(Sample::new(*time, *value)))
        });
    }

    fn visit_all(&self, series: &Series, f: Visit<'_>) -> ControlFlow<()> {
        let (mut from, mut to) = (self.from, self.to);
        if let Some([first, .., last] | [first @ last]) = self.timestamps {
            (from, to) = (from.max(*first), to.min(*last));
        }
        let extra = self
            .extra
            .filter(|extra| (self.from..=self.to).contains(&extra.timestamp))
            .map(|extra| ([extra.timestamp], [extra.value]));
        let f: Visit<'_> = &mut |times, values| {
            continue_if(!cancel::is_cancelled())?;
            f(times, values)
        };
        if !self.backwards {
            series.visit(from, to, f)?;
        }
        if let Some((time, value)) = &extra {
            f(time, value)?;
        }
        if self.backwards {
            series.visit_back(from, to, f)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `row` with the time and the values of each row. An error: after the rows so far there
    /// would be too many values.
    pub fn run(
        &self,
        series: &Series,
        mut row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        if self.count == 0 {
            return Ok(());
        }
        let Some(aggregation) = self.aggregation else {
            self.run_raw(series, row);
            return Ok(());
        };
        if aggregation.aggregators.contains(&Aggregator::Twa) {
            return self.run_weighted(series, aggregation, row);
        }
        let mut rows = Rows::new(aggregation, self.count, &mut row);
        rows.backwards = self.backwards;
        let mut states = rows.states();
        let mut bucket: Option<(i64, i64)> = None;
        let mut outcome = Ok(());
        self.visit(series, &mut |times, values| {
            let mut left = 0..times.len();
            while !left.is_empty() {
                let first = if self.backwards {
                    left.end - 1
                } else {
                    left.start
                };
                let at = times[first] as i64;
                if !bucket.is_some_and(|(start, end)| at >= start && at < end) {
                    let next = aggregation.buckets.around(at);
                    if let Some(open) = bucket.replace(next) {
                        rows.carry_back(series, open.0, &states);
                        outcome = rows.finish(open, &mut states);
                        if aggregation.empty && outcome.is_ok() {
                            rows.carry(series, Sample::new(times[first], values[first]));
                            outcome = rows.fill(open, next, self.backwards);
                        }
                        if outcome.is_err() || rows.left == 0 {
                            bucket = None;
                            return ControlFlow::Break(());
                        }
                    }
                }
                let (start, end) = bucket.expect("opened above");
                let mut piece = left.clone();
                if self.backwards {
                    piece.start += first_after(&times[left.clone()], start.saturating_sub(1));
                    left.end = piece.start;
                    add_all(&mut states, values[piece].iter().rev());
                } else {
                    // The last timestamp of all may be the end of its bucket.
                    piece.end = left.start + first_after(&times[left.clone()], end - 1).max(1);
                    left.start = piece.end;
                    add_all(&mut states, values[piece].iter());
                }
            }
            ControlFlow::Continue(())
        });
        outcome?;
        if let Some(open) = bucket {
            rows.carry_back(series, open.0, &states);
            rows.finish(open, &mut states)?;
        }
        Ok(())
    }

    /// As [`Query::run`], a row for each sample.
    fn run_raw(&self, series: &Series, mut row: impl FnMut(u64, &[f64])) {
        let mut left = self.count;
        self.visit(series, &mut |times, values| {
            let n = times.len().min(left);
            left -= n;
            if self.backwards {
                let newest = times.len() - n..times.len();
                let samples = times[newest.clone()].iter().zip(&values[newest]);
                samples
                    .rev()
                    .for_each(|(time, value)| row(*time, std::slice::from_ref(value)));
            } else {
                let samples = times[..n].iter().zip(&values[..n]);
                samples.for_each(|(time, value)| row(*time, std::slice::from_ref(value)));
            }
            continue_if(left > 0)
        });
    }

    /// As [`Query::run`], with a time-weighted average among the aggregators.
    fn run_weighted(
        &self,
        series: &Series,
        aggregation: &Aggregation<'_>,
        mut row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        let forwards = Query {
            backwards: false,
            count: usize::MAX,
            ..*self
        };
        let weighted = WeightedBuckets::new(&forwards, aggregation, series);
        if !self.backwards {
            let mut rows = Rows::new(aggregation, self.count, &mut row);
            return weighted.run(series, &mut rows);
        }
        let width = aggregation.aggregators.len();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut gather = |time, row: &[f64]| {
            times.push(time);
            values.extend_from_slice(row);
        };
        let mut rows = Rows::new(aggregation, usize::MAX, &mut gather);
        weighted.run(series, &mut rows)?;
        let turned = times.iter().zip(values.chunks(width)).rev();
        turned
            .take(self.count)
            .for_each(|(time, values)| row(*time, values));
        Ok(())
    }
}

/// How many timestamps are not after a time, which may be before time 0. They are all, or few.
#[inline]
fn first_after(times: &[u64], time: i64) -> usize {
    match times.last() {
        Some(last) if *last as i64 > time => times.partition_point(|other| *other as i64 <= time),
        _ => times.len(),
    }
}

/// Has states take values.
fn add_all<'v>(states: &mut [State], values: impl ExactSizeIterator<Item = &'v f64> + Clone) {
    for state in states {
        state.add_all(values.clone().copied());
    }
}
