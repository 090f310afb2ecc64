//! Compaction: the writes to destinations that samples of a source cause.
//!
//! A sample that is the newest goes into the state of its rule's open bucket, or closes that bucket
//! and opens its own: O(1). A late sample, and a deletion, compute the state of the open bucket
//! anew, or the value of a closed bucket, from all samples of the bucket that are kept.
//!
//! The caller applies the writes to the destinations, because the crate knows only their names.

use super::Series;
use crate::Sample;
use crate::aggregate::State;
use crate::range::Buckets;
use crate::rule::Rule;
use crate::twa::Twa;

/// A change of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The destination's key.
    pub dest: Box<[u8]>,
    /// The change.
    pub change: Change,
}

/// See [`Write`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A bucket's sample is this sample.
    Set(Sample),
    /// There are no samples of buckets between these timestamps.
    Remove(u64, u64),
}

impl Series {
    /// A sample was appended; `before`: the newest sample until then.
    #[inline]
    pub(super) fn compact(&mut self, before: Option<Sample>, writes: &mut Vec<Write>) {
        if self.links.is_some() {
            let sample = self.last;
            self.each_rule(|series, rule| rule.take(series, sample, before, writes));
        }
    }

    /// A sample that is not the newest was added, or a sample was given another value.
    pub(super) fn compact_late(&mut self, timestamp: u64, writes: &mut Vec<Write>) {
        let newest = self.last.timestamp;
        self.each_rule(|series, rule| {
            let start = rule.start_of(timestamp);
            if start >= rule.start_of(newest) {
                // A bucket opens with a sample that is the newest.
                if rule.open.is_some() {
                    rule.recompute(series, start);
                }
            } else {
                let change = match rule.value_of(series, start) {
                    Some(value) => Change::Set(Sample::new(start, value)),
                    // NaN has replaced the bucket's only number.
                    None => Change::Remove(start, start),
                };
                rule.write(change, writes);
            }
        });
    }

    /// Samples were removed.
    pub(super) fn compact_removed(&mut self, from: u64, to: u64, writes: &mut Vec<Write>) {
        self.each_rule(|series, rule| {
            let (low, high) = (rule.start_of(from), rule.start_of(to));
            let open = rule.open.unwrap_or(u64::MAX);
            if low < open {
                rule.write(Change::Remove(low, high.min(open - 1)), writes);
                let ends = [low, high];
                let ends = if low == high { &ends[..1] } else { &ends[..] };
                for start in ends.iter().filter(|start| **start < open) {
                    if let Some(value) = rule.value_of(series, *start) {
                        rule.write(Change::Set(Sample::new(*start, value)), writes);
                    }
                }
            }
            if high >= open {
                rule.recompute(series, open);
            }
        });
    }

    /// Whether samples from a timestamp on can be removed: the retention keeps all that their
    /// buckets are made of.
    pub fn keeps_buckets_from(&self, from: u64) -> bool {
        let oldest = self.oldest_kept();
        let mut rules = self.rules().iter();
        rules.all(|rule| rule.start_of(from) >= oldest)
    }

    fn each_rule(&mut self, mut change: impl FnMut(&Series, &mut Rule)) {
        let Some(mut links) = self.links.take() else {
            return;
        };
        links.rules.iter_mut().for_each(|rule| change(self, rule));
        self.links = Some(links);
    }
}

impl Rule {
    /// The open bucket as a sample. `None`: no bucket with samples is open.
    pub fn latest(&self) -> Option<Sample> {
        let open = self.open.filter(|_| self.state.n > 0)?;
        let value = match self.line {
            Some(line) => line.finish(None, 0),
            None => self.state.value(),
        };
        Some(Sample::new(open, value))
    }

    fn write(&self, change: Change, writes: &mut Vec<Write>) {
        writes.push(Write {
            dest: self.dest.clone(),
            change,
        });
    }

    /// Takes the newest sample.
    #[inline]
    fn take(
        &mut self,
        series: &Series,
        sample: Sample,
        before: Option<Sample>,
        writes: &mut Vec<Write>,
    ) {
        let start = self.start_of(sample.timestamp);
        match self.open {
            Some(open) if start == open => {}
            // The open bucket's samples were removed, and this sample is older.
            Some(open) if start < open => return self.recompute(series, start),
            Some(open) => {
                self.close(open, sample, writes);
                self.begin(start);
            }
            None => self.begin(start),
        }
        let is_nan = before.is_some_and(|before| before.value.is_nan());
        let before = if is_nan && self.is_weighted() {
            series.before(sample.timestamp)
        } else {
            before
        };
        self.add(sample, before);
    }

    fn begin(&mut self, start: u64) {
        self.open = Some(start);
        self.state = State::new(self.state.of);
        self.line = None;
    }

    fn add(&mut self, sample: Sample, before: Option<Sample>) {
        self.state.add(sample.value);
        if self.is_weighted() && !sample.value.is_nan() {
            match &mut self.line {
                Some(line) => line.add(sample),
                None => {
                    let low = self.open.unwrap_or(0);
                    self.line = Some(Twa::begin(sample, before, low));
                }
            }
        }
    }

    /// Writes the value of the open bucket; `next`: the sample after it.
    fn close(&self, open: u64, next: Sample, writes: &mut Vec<Write>) {
        if self.state.n == 0 {
            return;
        }
        let next = Some(next).filter(|next| !next.value.is_nan());
        let value = match self.line {
            Some(line) => line.finish(next, self.end_of(open)),
            None => self.state.value(),
        };
        self.write(Change::Set(Sample::new(open, value)), writes);
    }

    /// The end of the bucket that begins at a time as it is shown.
    fn end_of(&self, start: u64) -> u64 {
        self.buckets.around(start as i64).1.max(0) as u64
    }

    /// Computes the state of a bucket that is open from the samples that are kept.
    fn recompute(&mut self, series: &Series, start: u64) {
        self.begin(start);
        let mut before = if self.is_weighted() {
            series.before(start)
        } else {
            None
        };
        series.for_each(start, u64::MAX, |sample| {
            self.add(sample, before);
            if !sample.value.is_nan() {
                before = Some(sample);
            }
        });
    }

    /// The value of a closed bucket; `None`: it has no samples.
    fn value_of(&self, series: &Series, start: u64) -> Option<f64> {
        let mut bucket = Rule {
            dest: Box::default(),
            ..self.clone()
        };
        bucket.begin(start);
        let end = self.end_of(start);
        let before = self.is_weighted().then(|| series.before(start)).flatten();
        series.for_each(start, end - 1, |sample| bucket.add(sample, before));
        if bucket.state.n == 0 {
            return None;
        }
        Some(match bucket.line {
            Some(line) => line.finish(series.after(end - 1), end),
            None => bucket.state.value(),
        })
    }
}
