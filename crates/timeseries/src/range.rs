//! Samples of a range, or one row for each bucket of them, in either direction.
//!
//!     scan -> FILTER_BY_TS, FILTER_BY_VALUE -> buckets -> COUNT
//!
//! A bucket's start is below a timestamp by the remainder of its distance from the alignment; it
//! may lie before time 0 and is shown as 0 then. With `empty`, buckets without samples between
//! those with samples make rows, too; for the time-weighted average these are all buckets that the
//! line through the samples passes.
//!
//! Cost: one pass; a sample costs its decoding and one addition for each aggregator, which takes
//! the samples of a bucket in a block as one loop. Backwards, a time-weighted average is computed
//! forwards and its rows are turned around.

use crate::aggregate::State;
use crate::block::{BLOCK, Visit, go_on_if};
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
    fn admits(&self, timestamp: u64, value: f64) -> bool {
        let has_time = |all: &[u64]| all.binary_search(&timestamp).is_ok();
        let has_value = |(min, max): (f64, f64)| value >= min && value <= max;
        self.timestamps.is_none_or(has_time) && self.values.is_none_or(has_value)
    }

    /// Calls `f` with blocks of the samples that are asked, each in order of time, until it breaks.
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

    fn visit_all(&self, series: &Series, f: Visit<'_>) -> ControlFlow<()> {
        let (mut from, mut to) = (self.from, self.to);
        if let Some([first, .., last] | [first @ last]) = self.timestamps {
            (from, to) = (from.max(*first), to.min(*last));
        }
        let extra = self
            .extra
            .filter(|extra| (self.from..=self.to).contains(&extra.timestamp))
            .map(|extra| ([extra.timestamp], [extra.value]));
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
    /// would be too many.
    pub fn run(
        &self,
        series: &Series,
        mut row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyRows> {
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
                        rows.finish(open, &mut states);
                        if aggregation.empty {
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
            rows.finish(open, &mut states);
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
            go_on_if(left > 0)
        });
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
        let weighted = Weighted {
            query: &forwards,
            aggregation,
            series,
        };
        if !self.backwards {
            let mut rows = Rows::new(aggregation, self.count, &mut row);
            return weighted.run(&mut rows);
        }
        let width = aggregation.aggregators.len();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut gather = |time, row: &[f64]| {
            times.push(time);
            values.extend_from_slice(row);
        };
        let mut rows = Rows::new(aggregation, usize::MAX, &mut gather);
        weighted.run(&mut rows)?;
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
    fn finish(&mut self, bucket: (i64, i64), states: &mut [State]) {
        let mut values = std::mem::take(&mut self.last);
        values.clear();
        for state in states {
            values.push(state.value());
            *state = State::new(state.of);
        }
        self.write(bucket, &values);
        self.last = values;
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
    series: &'q Series,
}

impl Weighted<'_> {
    /// The sample of the series after a time, `extra` being the last of all.
    fn after(&self, time: u64) -> Option<Sample> {
        let extra = self.query.extra.filter(|extra| extra.timestamp > time);
        self.series.after(time).or(extra)
    }

    /// The part of a bucket that is asked.
    fn cut(&self, (start, end): (i64, i64)) -> (u64, u64) {
        let low = (start.max(0) as u64).max(self.query.from);
        (low, (end.max(0) as u64).min(self.query.to))
    }

    fn run<F: FnMut(u64, &[f64])>(&self, rows: &mut Rows<'_, F>) -> Result<(), TooManyRows> {
        if rows.left == 0 {
            return Ok(());
        }
        let (query, series) = (self.query, self.series);
        let around = |at: u64| self.aggregation.buckets.around(at as i64);
        let mut open: Option<Open> = None;
        let mut is_untouched = true;
        let mut outcome = Ok(());
        query.visit(series, &mut |times, values| {
            let mut at = 0;
            while at < times.len() {
                let sample = Sample::new(times[at], values[at]);
                let ends = open.as_ref().map_or(i64::MIN, |open| open.bucket.1);
                if sample.timestamp as i64 >= ends {
                    let next = around(sample.timestamp);
                    let before = match open.take() {
                        Some(done) => {
                            let last = done.twa.last();
                            outcome = self
                                .finish(done, Some(sample), rows)
                                .and_then(|end| self.fill(end, next.0, (last, sample), rows));
                            Some(last)
                        }
                        // The line comes from before the range.
                        None => {
                            let before = series.before(sample.timestamp);
                            if let Some(last) = before {
                                let from = around(query.from).0;
                                outcome = self.fill(from, next.0, (last, sample), rows);
                            }
                            before
                        }
                    };
                    is_untouched = false;
                    if outcome.is_err() || rows.left == 0 {
                        return ControlFlow::Break(());
                    }
                    let (low, _) = self.cut(next);
                    open = Some(Open {
                        bucket: next,
                        states: rows.states(),
                        twa: Twa::begin(sample, before, low),
                    });
                }
                let open = open.as_mut().expect("opened above");
                let n = first_after(&times[at..], open.bucket.1 - 1).max(1);
                open.add_all(&times[at..at + n], &values[at..at + n]);
                at += n;
            }
            ControlFlow::Continue(())
        });
        outcome?;
        // The end of the line: the samples that were left out do not lengthen it for ever.
        let newest = query.extra.map_or(0, |extra| extra.timestamp);
        let to = query.to.min(newest.max(series.last_timestamp()));
        let beyond = around(to).1;
        match open {
            Some(done) => {
                let last = done.twa.last();
                let after = self.after(last.timestamp);
                let end = self.finish(done, after, rows)?;
                match after {
                    Some(after) => self.fill(end, beyond, (last, after), rows),
                    None => Ok(()),
                }
            }
            None if is_untouched => match (series.before(query.from), self.after(query.to)) {
                (Some(before), Some(after)) => {
                    let from = around(query.from).0;
                    self.fill(from, beyond, (before, after), rows)
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
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
        (before, after): (Sample, Sample),
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
    /// Takes samples, in order. The line may begin with the first of them.
    fn add_all(&mut self, times: &[u64], values: &[f64]) {
        let begun = usize::from(times.first() == Some(&self.twa.last().timestamp));
        self.twa.add_all(&times[begun..], &values[begun..]);
        add_all(&mut self.states, values.iter());
    }
}
