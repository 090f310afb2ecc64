//! Rows with a time-weighted average, forwards: the line through the samples also covers buckets
//! without samples, and reaches beyond the range on both sides. Filters come first: the line does
//! not pass through a sample that they leave out.

use super::rows::Rows;
use super::{Aggregation, Query, TooManyValues, add_all, first_after};
use crate::aggregate::State;
use crate::block::continue_if;
use crate::twa::{self, Twa};
use crate::{Aggregator, Sample, Series};
use smallvec::SmallVec;
use std::ops::ControlFlow;

/// Buckets with a time-weighted average, forwards.
pub(super) struct WeightedBuckets<'q> {
    query: &'q Query<'q>,
    aggregation: &'q Aggregation<'q>,
    /// The samples of the series before and after the queried range.
    before: Option<Sample>,
    after: Option<Sample>,
}

impl<'q> WeightedBuckets<'q> {
    pub(super) fn new(
        query: &'q Query<'q>,
        aggregation: &'q Aggregation<'q>,
        series: &Series,
    ) -> Self {
        let first = number_at_end(query, series, false);
        let last = first.and_then(|_| number_at_end(query, series, true));
        let after = |at: u64| {
            let is_after = |extra: &Sample| extra.timestamp > at && query.admits_number(*extra);
            query
                .number_after(series, at)
                .or(query.extra.filter(is_after))
        };
        let start = first.map_or(query.from, |first: Sample| first.timestamp);
        WeightedBuckets {
            query,
            aggregation,
            before: query.number_before(series, start),
            after: match last {
                Some(last) => after(last.timestamp),
                None => after(query.to),
            },
        }
    }

    /// The part of a bucket in the queried range.
    fn cut(&self, (start, end): (i64, i64)) -> (u64, u64) {
        let low = (start.max(0) as u64).max(self.query.from);
        (low, (end.max(0) as u64).min(self.query.to))
    }

    pub(super) fn run<F: FnMut(u64, &[f64])>(
        &self,
        series: &Series,
        rows: &mut Rows<'_, F>,
    ) -> Result<(), TooManyValues> {
        if rows.left == 0 {
            return Ok(());
        }
        let around = |at: u64| self.aggregation.buckets.around(at as i64);
        let counts_nan = self.counts_nan();
        let mut open: Option<OpenBucket> = None;
        let mut before = self.before;
        let mut outcome = Ok(());
        self.query.visit(series, &mut |times, values| {
            let mut at = 0;
            while at < times.len() {
                let time = times[at] as i64;
                if let Some(open) = open.as_mut().filter(|open| time < open.bucket.1) {
                    // The last timestamp of all may be the end of its bucket.
                    let end = at + first_after(&times[at..], open.bucket.1 - 1).max(1);
                    let (low, _) = self.cut(open.bucket);
                    open.add_all((&times[at..end], &values[at..end]), before, low);
                    at = end;
                    continue;
                }
                let sample = Sample::new(times[at], values[at]);
                let is_nan = sample.value.is_nan();
                at += 1;
                if is_nan && !counts_nan {
                    continue;
                }
                let next = around(sample.timestamp);
                let after = if is_nan {
                    self.query.number_after(series, sample.timestamp)
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
                let mut bucket = OpenBucket {
                    bucket: next,
                    states: rows.states(),
                    twa: None,
                };
                bucket.add_all((&[sample.timestamp], &[sample.value]), before, low);
                open = Some(bucket);
            }
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

    /// Whether the query needs no number.
    fn is_untouched(&self, series: &Series) -> bool {
        let mut is_untouched = true;
        self.query.scan(series, |sample| {
            is_untouched = sample.value.is_nan();
            continue_if(is_untouched)
        });
        is_untouched
    }

    /// Writes a bucket's row; returns the bucket's end.
    fn finish<F: FnMut(u64, &[f64])>(
        &self,
        open: OpenBucket,
        after: Option<Sample>,
        rows: &mut Rows<'_, F>,
    ) -> Result<i64, TooManyValues> {
        rows.pay_further()?;
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

    /// Writes rows for the buckets from a start up to another, between two samples.
    fn fill<F: FnMut(u64, &[f64])>(
        &self,
        from: i64,
        to: i64,
        (before, after): (Option<Sample>, Option<Sample>),
        rows: &mut Rows<'_, F>,
    ) -> Result<(), TooManyValues> {
        let mut at = from;
        while self.aggregation.empty && rows.left > 0 && at < to {
            let bucket = self.aggregation.buckets.around(at);
            let (low, high) = self.cut(bucket);
            rows.pay_empty()?;
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

/// The oldest number in the queried range, or the newest.
fn number_at_end(query: &Query<'_>, series: &Series, newest: bool) -> Option<Sample> {
    let mut found = None;
    let query = Query {
        backwards: newest,
        ..*query
    };
    query.visit(series, &mut |times, values| {
        let samples = times.iter().zip(values);
        let mut numbers = samples.filter(|(_, value)| !value.is_nan());
        let end = if newest {
            numbers.next_back()
        } else {
            numbers.next()
        };
        found = end.map(|(time, value)| Sample::new(*time, *value));
        continue_if(found.is_none())
    });
    found
}

/// A bucket with samples.
struct OpenBucket {
    bucket: (i64, i64),
    states: SmallVec<[State; 2]>,
    /// `None` before the first number.
    twa: Option<Twa>,
}

impl OpenBucket {
    /// Takes samples; `before`: the number before the bucket's first; `low`: the bucket's start.
    fn add_all(&mut self, (times, values): (&[u64], &[f64]), before: Option<Sample>, low: u64) {
        add_all(&mut self.states, values.iter());
        let samples = times
            .iter()
            .zip(values)
            .map(|(time, value)| Sample::new(*time, *value));
        let mut numbers = samples.filter(|sample| !sample.value.is_nan());
        if self.twa.is_none() {
            let first = numbers.next();
            self.twa = first.map(|first| Twa::begin(first, before, low));
        }
        if let Some(twa) = &mut self.twa {
            numbers.for_each(|sample| twa.add(sample));
        }
    }

    /// The bucket's newest number.
    fn last(&self) -> Option<Sample> {
        self.twa.map(|twa| twa.last())
    }
}
