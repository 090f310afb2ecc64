//! Samples of a range, or one row for each bucket of them, in either direction.
//!
//!     scan -> FILTER_BY_TS, FILTER_BY_VALUE -> buckets -> COUNT
//!
//! A bucket's start is below a timestamp by the remainder of its distance from the alignment; it
//! may lie before time 0 and is shown as 0 then. With `empty`, buckets without samples between
//! those with samples make rows, too; for the time-weighted average these are all buckets that the
//! line through the samples passes.
//!
//! `first` and `last` are those of time, also backwards, and so is the value that `last` has in
//! buckets without samples: that of the bucket before them.
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

    /// Calls `f` with each sample that is asked, in order of time, until it breaks.
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
                        rows.finish(open, &mut states);
                        if aggregation.empty {
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
        let weighted = Weighted::new(&forwards, aggregation, series);
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

/// Writes rows, as many as are asked.
struct Rows<'q, F> {
    aggregation: &'q Aggregation<'q>,
    left: usize,
    empty_left: usize,
    /// The values of the last row with samples; of `last` those of the bucket before, in time.
    last: SmallVec<[f64; 2]>,
    backwards: bool,
    row: F,
}

impl<'q, F: FnMut(u64, &[f64])> Rows<'q, F> {
    fn new(aggregation: &'q Aggregation<'q>, left: usize, row: F) -> Self {
        Rows {
            aggregation,
            left,
            empty_left: EMPTY_ROWS_MAX,
            last: SmallVec::new(),
            backwards: false,
            row,
        }
    }

    fn states(&self) -> SmallVec<[State; 2]> {
        // The first of time comes last, backwards.
        let of_time = |kind: &Aggregator| match kind {
            Aggregator::First if self.backwards => Aggregator::Last,
            Aggregator::Last if self.backwards => Aggregator::First,
            kind => *kind,
        };
        let kinds = self.aggregation.aggregators.iter();
        kinds.map(of_time).map(State::new).collect()
    }

    /// Backwards, empty buckets before a bucket have the value of the one before them, whose newest
    /// sample this is.
    fn carry(&mut self, series: &Series, newest: Sample) {
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

    /// As [`Rows::carry`], for a bucket that turns out to be an empty one.
    fn carry_back(&mut self, series: &Series, start: i64, states: &[State]) {
        if self.backwards && self.aggregation.empty && states.iter().all(State::is_empty) {
            self.last.resize(states.len(), f64::NAN);
            let at = start.max(0) as u64;
            self.carry(series, Sample::new(at, f64::NAN));
        }
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

    /// Writes a bucket's row, and resets the states. Without samples of interest the bucket is an
    /// empty one.
    fn finish(&mut self, bucket: (i64, i64), states: &mut [State]) {
        let is_shown = self.aggregation.empty || !states.iter().all(State::is_empty);
        if is_shown {
            let values = self.values(states.iter().map(|state| (state, state.value())));
            self.write(bucket, &values);
            self.last = values;
        }
        for state in states {
            *state = State::new(state.of);
        }
    }

    /// The values of states; those without samples of interest have that of an empty bucket.
    fn values<'s>(&self, states: impl Iterator<Item = (&'s State, f64)>) -> SmallVec<[f64; 2]> {
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
            if !sample.value.is_nan() {
                first.get_or_insert(sample);
                last = Some(sample);
            }
            ControlFlow::Continue(())
        });
        let after = |at: u64| {
            let is_after = |extra: &Sample| extra.timestamp > at && !extra.value.is_nan();
            series.after(at).or(query.extra.filter(is_after))
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
        let counts_nan = self.counts_nan();
        let mut open: Option<Open> = None;
        let mut before = self.before;
        let mut outcome = Ok(());
        self.query.scan(series, |sample| {
            let at = sample.timestamp as i64;
            let is_nan = sample.value.is_nan();
            if is_nan && !counts_nan {
                return ControlFlow::Continue(());
            }
            if let Some(open) = open.as_mut().filter(|open| at < open.bucket.1) {
                let (low, _) = self.cut(open.bucket);
                open.add(sample, before, low);
                return ControlFlow::Continue(());
            }
            let next = around(sample.timestamp);
            let after = if is_nan {
                series.after(sample.timestamp)
            } else {
                Some(sample)
            };
            outcome = match open.take() {
                Some(done) => {
                    before = done.last().or(before);
                    self.finish(done, after, rows)
                        .and_then(|end| self.fill(end, next.0, (before, after), rows))
                }
                // The line comes from before the range.
                None if before.is_some() => {
                    let from = around(self.query.from).0;
                    self.fill(from, next.0, (before, after), rows)
                }
                None => Ok(()),
            };
            if outcome.is_err() || rows.left == 0 {
                return ControlFlow::Break(());
            }
            let (low, _) = self.cut(next);
            let states = rows.states();
            let mut bucket = Open {
                bucket: next,
                states,
                twa: None,
            };
            bucket.add(sample, before, low);
            open = Some(bucket);
            ControlFlow::Continue(())
        });
        outcome?;
        // The end of the line: the samples that were left out do not lengthen it for ever.
        let newest = self.query.extra.map_or(0, |extra| extra.timestamp);
        let to = self.query.to.min(newest.max(series.last_timestamp()));
        let beyond = around(to).1;
        match open {
            Some(done) => {
                let last = done.last().or(before);
                let end = self.finish(done, self.after, rows)?;
                match self.after {
                    Some(_) => self.fill(end, beyond, (last, self.after), rows),
                    None => Ok(()),
                }
            }
            None if rows.left > 0 && self.before.is_some() && self.after.is_some() => {
                if !self.is_untouched(series) {
                    return Ok(());
                }
                let from = around(self.query.from).0;
                self.fill(from, beyond, (self.before, self.after), rows)
            }
            None => Ok(()),
        }
    }

    /// Whether NaNs are of interest to an aggregator.
    fn counts_nan(&self) -> bool {
        let mut all = self.aggregation.aggregators.iter();
        all.any(|one| matches!(one, Aggregator::CountNan | Aggregator::CountAll))
    }

    /// Whether no number is asked.
    fn is_untouched(&self, series: &Series) -> bool {
        let mut is_untouched = true;
        self.query.scan(series, |sample| {
            is_untouched = sample.value.is_nan();
            go_on_if(is_untouched)
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
        let average = open.twa.map_or(f64::NAN, |twa| twa.finish(after, high));
        let values = rows.values(open.states.iter().map(|state| match state.of {
            Aggregator::Twa => (state, average),
            _ => (state, state.value()),
        }));
        rows.write(open.bucket, &values);
        rows.last = values;
        Ok(open.bucket.1)
    }

    /// Writes rows for the buckets from a start up to another one, between two samples.
    fn fill<F: FnMut(u64, &[f64])>(
        &self,
        from: i64,
        to: i64,
        (before, after): (Option<Sample>, Option<Sample>),
        rows: &mut Rows<'_, F>,
    ) -> Result<(), TooManyRows> {
        let mut at = from;
        while self.aggregation.empty && rows.left > 0 && at < to {
            let bucket = self.aggregation.buckets.around(at);
            let (low, high) = self.cut(bucket);
            rows.count_empty()?;
            let last = rows.last.clone();
            let kinds = self.aggregation.aggregators.iter().enumerate();
            let ends = before.zip(after);
            let values: SmallVec<[f64; 2]> = kinds
                .map(|(column, kind)| match kind {
                    Aggregator::Twa => ends.map_or(f64::NAN, |(before, after)| {
                        twa::of_nothing(before, after, low, high)
                    }),
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
    /// `None` before the first number.
    twa: Option<Twa>,
}

impl Open {
    /// Takes a sample; `before`: the number before the bucket's first; `low`: the bucket's start.
    fn add(&mut self, sample: Sample, before: Option<Sample>, low: u64) {
        self.states
            .iter_mut()
            .for_each(|state| state.add(sample.value));
        if sample.value.is_nan() {
            return;
        }
        match &mut self.twa {
            Some(twa) => twa.add(sample),
            None => self.twa = Some(Twa::begin(sample, before, low)),
        }
    }

    /// Its newest number.
    fn last(&self) -> Option<Sample> {
        self.twa.map(|twa| twa.last())
    }
}
