//! Samples of a range, or one row for each bucket of them, in either direction.
//!
//!     scan -> FILTER_BY_TS, FILTER_BY_VALUE -> buckets -> COUNT
//!
//! A bucket's start is below a timestamp by the remainder of its distance from the alignment; it
//! may lie before time 0 and is shown as 0 then. With `empty`, buckets without samples between
//! those with samples make rows, too; for the time-weighted average these are all buckets that the
//! line through the samples passes.
//!
//! Cost: one pass; a sample costs its decoding and one addition for each aggregator. Backwards, a
//! time-weighted average is computed forwards and its rows are turned around.

use crate::aggregate::State;
use crate::twa::{self, Twa};
use crate::{Aggregator, Sample, Series};
use smallvec::SmallVec;
use std::ops::ControlFlow;

/// Rows that buckets without samples may make.
pub const EMPTY_ROWS_MAX: usize = 1 << 20;

/// Buckets without samples would make too many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many rows")]
pub struct TooManyRows;

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

/// Buckets of one duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Even {
    /// Milliseconds, more than 0.
    pub duration: i64,
    /// One of the starts.
    pub align: i64,
}

impl Buckets for Even {
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
    fn admits(&self, sample: Sample) -> bool {
        let has_time = |all: &[u64]| all.binary_search(&sample.timestamp).is_ok();
        let has_value = |(min, max): (f64, f64)| sample.value >= min && sample.value <= max;
        self.timestamps.is_none_or(has_time) && self.values.is_none_or(has_value)
    }

    /// Calls `f` with the samples that are asked, until it breaks.
    fn scan(&self, series: &Series, mut f: impl FnMut(Sample) -> ControlFlow<()>) {
        let extra = self
            .extra
            .filter(|extra| (self.from..=self.to).contains(&extra.timestamp));
        if self.timestamps.is_none() && self.values.is_none() {
            let _ = self.scan_all(series, extra, f);
            return;
        }
        let _ = self.scan_all(series, extra, |sample| {
            if self.admits(sample) {
                f(sample)
            } else {
                ControlFlow::Continue(())
            }
        });
    }

    #[inline]
    fn scan_all(
        &self,
        series: &Series,
        extra: Option<Sample>,
        mut f: impl FnMut(Sample) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (mut from, mut to) = (self.from, self.to);
        if let Some([first, .., last] | [first @ last]) = self.timestamps {
            (from, to) = (from.max(*first), to.min(*last));
        }
        if self.backwards {
            extra.map_or(ControlFlow::Continue(()), &mut f)?;
            series.scan_back(from, to, f)
        } else {
            series.scan(from, to, &mut f)?;
            extra.map_or(ControlFlow::Continue(()), f)
        }
    }

    /// Calls `row` with the time and the values of each row. An error: after the rows so far there
    /// would be too many.
    pub fn run(
        &self,
        series: &Series,
        mut row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyRows> {
        let Some(aggregation) = self.aggregation else {
            let mut left = self.count;
            if left > 0 {
                self.scan(series, |sample| {
                    row(sample.timestamp, &[sample.value]);
                    left -= 1;
                    go_on_if(left > 0)
                });
            }
            return Ok(());
        };
        if aggregation.aggregators.contains(&Aggregator::Twa) {
            return self.run_weighted(series, aggregation, row);
        }
        let mut rows = Rows::new(aggregation, self.count, &mut row);
        let mut states: SmallVec<[State; 2]> = rows.states();
        let mut bucket: Option<(i64, i64)> = None;
        let mut outcome = Ok(());
        let mut is_full = self.count == 0;
        if is_full {
            return Ok(());
        }
        self.scan(series, |sample| {
            let at = sample.timestamp as i64;
            match bucket {
                Some((start, end)) if at >= start && at < end => {}
                _ => {
                    let next = aggregation.buckets.around(at);
                    if let Some(open) = bucket {
                        outcome = rows.finish(open, &mut states);
                        if outcome.is_ok() && aggregation.empty {
                            outcome = rows.fill(open, next, self.backwards);
                        }
                        if outcome.is_err() || rows.left == 0 {
                            is_full = true;
                            return ControlFlow::Break(());
                        }
                    }
                    bucket = Some(next);
                }
            }
            states.iter_mut().for_each(|state| state.add(sample.value));
            ControlFlow::Continue(())
        });
        outcome?;
        match bucket {
            Some(open) if !is_full => rows.finish(open, &mut states),
            _ => Ok(()),
        }
    }

    /// As [`Query::run`], with a time-weighted average among the aggregators.
    fn run_weighted(
        &self,
        series: &Series,
        aggregation: &Aggregation<'_>,
        mut row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyRows> {
        let forwards = Query {
            backwards: false,
            count: usize::MAX,
            ..*self
        };
        if !self.backwards {
            let mut rows = Rows::new(aggregation, self.count, &mut row);
            return Weighted::new(&forwards, aggregation, series).run(series, &mut rows);
        }
        let width = aggregation.aggregators.len();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut gather = |time, row: &[f64]| {
            times.push(time);
            values.extend_from_slice(row);
        };
        let mut rows = Rows::new(aggregation, usize::MAX, &mut gather);
        Weighted::new(&forwards, aggregation, series).run(series, &mut rows)?;
        let turned = times.iter().zip(values.chunks(width)).rev();
        turned
            .take(self.count)
            .for_each(|(time, values)| row(*time, values));
        Ok(())
    }
}

fn go_on_if(yes: bool) -> ControlFlow<()> {
    if yes {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// Writes rows, as many as are asked.
struct Rows<'q, F> {
    aggregation: &'q Aggregation<'q>,
    left: usize,
    empty_left: usize,
    /// The values of the last row with samples.
    last: SmallVec<[f64; 2]>,
    row: F,
}

impl<'q, F: FnMut(u64, &[f64])> Rows<'q, F> {
    fn new(aggregation: &'q Aggregation<'q>, left: usize, row: F) -> Self {
        Rows {
            aggregation,
            left,
            empty_left: EMPTY_ROWS_MAX,
            last: SmallVec::new(),
            row,
        }
    }

    fn states(&self) -> SmallVec<[State; 2]> {
        self.aggregation
            .aggregators
            .iter()
            .copied()
            .map(State::new)
            .collect()
    }

    fn write(&mut self, (start, end): (i64, i64), values: &[f64]) {
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

    /// Writes a bucket's row, and resets the states.
    fn finish(&mut self, bucket: (i64, i64), states: &mut [State]) -> Result<(), TooManyRows> {
        self.last = states.iter().map(State::value).collect();
        for state in states {
            *state = State::new(state.of);
        }
        let values = std::mem::take(&mut self.last);
        self.write(bucket, &values);
        self.last = values;
        Ok(())
    }

    /// Writes rows for the buckets between two that have samples.
    fn fill(
        &mut self,
        open: (i64, i64),
        next: (i64, i64),
        backwards: bool,
    ) -> Result<(), TooManyRows> {
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
            self.count_empty()?;
            self.write(at, &values);
        }
        Ok(())
    }

    fn count_empty(&mut self) -> Result<(), TooManyRows> {
        self.empty_left = self.empty_left.checked_sub(1).ok_or(TooManyRows)?;
        Ok(())
    }
}

/// Buckets with a time-weighted average, forwards.
struct Weighted<'q> {
    query: &'q Query<'q>,
    aggregation: &'q Aggregation<'q>,
    /// The samples of the series around those that are asked.
    before: Option<Sample>,
    after: Option<Sample>,
}

impl<'q> Weighted<'q> {
    fn new(query: &'q Query<'q>, aggregation: &'q Aggregation<'q>, series: &Series) -> Self {
        let (mut first, mut last) = (None, None);
        query.scan(series, |sample| {
            first.get_or_insert(sample);
            last = Some(sample);
            ControlFlow::Continue(())
        });
        let after = |at: u64| {
            let extra = query.extra.filter(|extra| extra.timestamp > at);
            series.after(at).or(extra)
        };
        Weighted {
            query,
            aggregation,
            before: series.before(first.map_or(query.from, |first: Sample| first.timestamp)),
            after: match last {
                Some(last) => after(last.timestamp),
                None => after(query.to),
            },
        }
    }

    /// The part of a bucket that is asked.
    fn cut(&self, (start, end): (i64, i64)) -> (u64, u64) {
        let low = (start.max(0) as u64).max(self.query.from);
        (low, (end.max(0) as u64).min(self.query.to))
    }

    fn run<F: FnMut(u64, &[f64])>(
        &self,
        series: &Series,
        rows: &mut Rows<'_, F>,
    ) -> Result<(), TooManyRows> {
        if rows.left == 0 {
            return Ok(());
        }
        let around = |at: u64| self.aggregation.buckets.around(at as i64);
        let mut open: Option<Open> = None;
        let mut before = self.before;
        let mut outcome = Ok(());
        self.query.scan(series, |sample| {
            let at = sample.timestamp as i64;
            if let Some(open) = open.as_mut().filter(|open| at < open.bucket.1) {
                open.add(sample);
                return ControlFlow::Continue(());
            }
            let next = around(sample.timestamp);
            outcome = match open.take() {
                Some(done) => {
                    let last = done.twa.last();
                    before = Some(last);
                    self.finish(done, Some(sample), rows)
                        .and_then(|end| self.fill(end, next.0, last, sample, rows))
                }
                // The line comes from before the range.
                None => match before {
                    Some(last) => {
                        let from = around(self.query.from).0;
                        self.fill(from, next.0, last, sample, rows)
                    }
                    None => Ok(()),
                },
            };
            if outcome.is_err() || rows.left == 0 {
                return ControlFlow::Break(());
            }
            let (low, _) = self.cut(next);
            let mut states = rows.states();
            states.iter_mut().for_each(|state| state.add(sample.value));
            open = Some(Open {
                bucket: next,
                states,
                twa: Twa::begin(sample, before, low),
            });
            ControlFlow::Continue(())
        });
        outcome?;
        // The end of the line: the samples that were left out do not lengthen it for ever.
        let newest = self.query.extra.map_or(0, |extra| extra.timestamp);
        let to = self.query.to.min(newest.max(series.last_timestamp()));
        let beyond = around(to).1;
        match open {
            Some(done) => {
                let last = done.twa.last();
                let end = self.finish(done, self.after, rows)?;
                match self.after {
                    Some(after) => self.fill(end, beyond, last, after, rows),
                    None => Ok(()),
                }
            }
            None => match (self.before, self.after) {
                (Some(before), Some(after)) if rows.left > 0 && self.is_untouched(series) => {
                    let from = around(self.query.from).0;
                    self.fill(from, beyond, before, after, rows)
                }
                _ => Ok(()),
            },
        }
    }

    /// Whether no sample is asked.
    fn is_untouched(&self, series: &Series) -> bool {
        let mut is_untouched = true;
        self.query.scan(series, |_| {
            is_untouched = false;
            ControlFlow::Break(())
        });
        is_untouched
    }

    /// Writes a bucket's row; returns the bucket's end.
    fn finish<F: FnMut(u64, &[f64])>(
        &self,
        open: Open,
        after: Option<Sample>,
        rows: &mut Rows<'_, F>,
    ) -> Result<i64, TooManyRows> {
        let (_, high) = self.cut(open.bucket);
        let average = open.twa.finish(after, high);
        let values: SmallVec<[f64; 2]> = open
            .states
            .iter()
            .map(|state| match state.of {
                Aggregator::Twa => average,
                _ => state.value(),
            })
            .collect();
        rows.write(open.bucket, &values);
        rows.last = values;
        Ok(open.bucket.1)
    }

    /// Writes rows for the buckets from a start up to another one, between two samples.
    fn fill<F: FnMut(u64, &[f64])>(
        &self,
        from: i64,
        to: i64,
        before: Sample,
        after: Sample,
        rows: &mut Rows<'_, F>,
    ) -> Result<(), TooManyRows> {
        let mut at = from;
        while self.aggregation.empty && rows.left > 0 && at < to {
            let bucket = self.aggregation.buckets.around(at);
            let (low, high) = self.cut(bucket);
            rows.count_empty()?;
            let last = rows.last.clone();
            let kinds = self.aggregation.aggregators.iter().enumerate();
            let values: SmallVec<[f64; 2]> = kinds
                .map(|(column, kind)| match kind {
                    Aggregator::Twa => twa::of_nothing(before, after, low, high),
                    _ => kind.of_nothing(last.get(column).copied().unwrap_or(f64::NAN)),
                })
                .collect();
            rows.write(bucket, &values);
            if bucket.1 == i64::MAX {
                break;
            }
            at = bucket.1;
        }
        Ok(())
    }
}

/// A bucket with samples.
struct Open {
    bucket: (i64, i64),
    states: SmallVec<[State; 2]>,
    twa: Twa,
}

impl Open {
    fn add(&mut self, sample: Sample) {
        self.twa.add(sample);
        self.states
            .iter_mut()
            .for_each(|state| state.add(sample.value));
    }
}
