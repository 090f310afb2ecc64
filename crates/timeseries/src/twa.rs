//! The time-weighted average of a bucket: the area under the line through the samples, divided by
//! the time that the line covers of the bucket.
//!
//! At the bucket's ends the line is cut, if there is a sample beyond; before the first sample of
//! all, and after the last sample, it covers nothing.

use crate::Sample;

/// The part of a bucket that has been covered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Twa {
    area: f64,
    /// Where the line begins in the bucket.
    start: u64,
    last: Sample,
}

impl Twa {
    /// At the bucket's first sample; `before`: the sample before it; `low`: the bucket's start.
    pub(crate) fn begin(first: Sample, before: Option<Sample>, low: u64) -> Twa {
        let mut area = 0.0;
        let mut start = first.timestamp;
        if let Some(before) = before.filter(|_| low < first.timestamp) {
            let at_low = between(before, first, low);
            start = low.max(before.timestamp);
            area = trapezoid(at_low, first);
        }
        Twa {
            area,
            start,
            last: first,
        }
    }

    /// From the numbers of a file.
    pub(crate) fn resume(area: f64, start: u64, last: Sample) -> Twa {
        Twa { area, start, last }
    }

    #[inline]
    pub(crate) fn add(&mut self, sample: Sample) {
        self.area += trapezoid(self.last, sample);
        self.last = sample;
    }

    pub(crate) fn area(&self) -> f64 {
        self.area
    }

    /// Where the line begins in the bucket.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn last(&self) -> Sample {
        self.last
    }

    /// The average; `after`: the sample after the bucket's last; `high`: the bucket's end.
    pub(crate) fn finish(mut self, after: Option<Sample>, high: u64) -> f64 {
        let mut end = self.last.timestamp;
        if let Some(after) = after.filter(|_| high > end) {
            self.area += trapezoid(self.last, between(self.last, after, high));
            end = high;
        }
        if end == self.start {
            return self.last.value;
        }
        self.area / (end - self.start) as f64
    }
}

/// The average between two samples of a bucket without any.
pub(crate) fn of_nothing(before: Sample, after: Sample, low: u64, high: u64) -> f64 {
    let (a, b) = (between(before, after, low), between(before, after, high));
    // Digits as Redis has them.
    (a.value + b.value) / 2.0
}

/// The point at a time on the line through two samples.
fn between(a: Sample, b: Sample, at: u64) -> Sample {
    let value = a.value
        + (b.value - a.value) * (at as f64 - a.timestamp as f64)
            / (b.timestamp - a.timestamp) as f64;
    Sample::new(at, value)
}

#[inline]
fn trapezoid(a: Sample, b: Sample) -> f64 {
    // Signed numbers become floating-point numbers in a single step.
    let time = (b.timestamp - a.timestamp) as i64;
    (a.value + b.value) * time as f64 / 2.0
}
