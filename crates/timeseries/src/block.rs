//! Blocks of samples: as many timestamps as values, in order of time.
//!
//! Readers get samples in blocks, so that decoding and the use of the samples are loops of their
//! own.

use crate::Sample;
use std::ops::{ControlFlow, Range};

/// Samples of a block, and of the first block of a chunk, of which callers may need few samples.
pub(crate) const BLOCK: usize = 128;
pub(crate) const BLOCK_FIRST: usize = 16;

/// Takes the timestamps and the values of a block, neither of which is empty, until it breaks.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u64], &[f64]) -> ControlFlow<()>;

/// Whether a visit continues, as a control flow.
pub(crate) fn continue_if(yes: bool) -> ControlFlow<()> {
    if yes {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// The places of the timestamps from `from` up to `to`.
#[inline]
pub(crate) fn part(times: &[u64], from: u64, to: u64) -> Range<usize> {
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return 0..0;
    };
    let start = if *first >= from {
        0
    } else {
        times.partition_point(|time| *time < from)
    };
    let end = if *last <= to {
        times.len()
    } else {
        times.partition_point(|time| *time <= to)
    };
    start..end.max(start)
}

/// A block of any length, for reads from the end.
#[derive(Debug, Default)]
pub(crate) struct Room {
    times: Vec<u64>,
    values: Vec<f64>,
}

impl Room {
    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        self.times.push(sample.timestamp);
        self.values.push(sample.value);
    }

    /// Appends `n` samples, which `fill` writes.
    pub(crate) fn extend(&mut self, n: usize, fill: impl FnOnce(&mut [u64], &mut [f64])) {
        let had = self.times.len();
        self.times.resize(had + n, 0);
        self.values.resize(had + n, 0.0);
        fill(&mut self.times[had..], &mut self.values[had..]);
    }

    /// Whether the block's last sample is after a time.
    pub(crate) fn goes_beyond(&self, to: u64) -> bool {
        self.times.last().is_some_and(|last| *last > to)
    }

    /// Whether the block's first sample is not after a time.
    pub(crate) fn begins_by(&self, from: u64) -> bool {
        self.times.first().is_some_and(|first| *first <= from)
    }

    /// Calls `f` with the block's samples from `from` up to `to`, if there are any.
    pub(crate) fn give(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        let asked = part(&self.times, from, to);
        if asked.is_empty() {
            return ControlFlow::Continue(());
        }
        f(&self.times[asked.clone()], &self.values[asked])
    }
}
