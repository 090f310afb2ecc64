//! The samples of a range, in either direction. A scan passes over samples beyond the retention.
//!
//! Cost: chunks outside the range are skipped by their ends; a read from the end takes the newest
//! samples as they are, then decodes the last chunk from mark to mark, and other chunks as a whole.

use super::Series;
use crate::Sample;
use crate::block::{Room, Visit, continue_if};
use crate::chunk::Chunk;
use std::collections::VecDeque;
use std::ops::ControlFlow;

impl Series {
    /// Calls `f` with blocks of the samples from `from` up to `to`, in order, until it breaks.
    pub(crate) fn visit(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        let from = from.max(self.oldest_kept());
        if self.total == 0 || from > to {
            return ControlFlow::Continue(());
        }
        let first = self
            .chunks
            .partition_point(|chunk| chunk.last().timestamp < from);
        for chunk in self.chunks.range(first..) {
            if chunk.first() > to {
                break;
            }
            chunk.visit(from, to, f)?;
        }
        ControlFlow::Continue(())
    }

    /// As [`Series::visit`], the blocks from the last on, each in order of time.
    pub(crate) fn visit_back(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        let from = from.max(self.oldest_kept());
        if self.total == 0 || from > to {
            return ControlFlow::Continue(());
        }
        let end = self.chunks.partition_point(|chunk| chunk.first() <= to);
        let mut room = Room::default();
        for chunk in self.chunks.range(..end).rev() {
            if chunk.last().timestamp < from {
                break;
            }
            chunk.visit_back(from, to, &mut room, f)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `f` with the samples from `from` up to `to`, in order, until it breaks.
    #[inline]
    pub fn scan<B>(
        &self,
        from: u64,
        to: u64,
        mut f: impl FnMut(Sample) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut outcome = ControlFlow::Continue(());
        let _ = self.visit(from, to, &mut |times, values| {
            let mut samples = times.iter().zip(values);
            outcome = samples.try_for_each(|(time, value)| f(Sample::new(*time, *value)));
            continue_if(outcome.is_continue())
        });
        outcome
    }

    /// As [`Series::scan`], from the last sample on.
    pub fn scan_back<B>(
        &self,
        from: u64,
        to: u64,
        mut f: impl FnMut(Sample) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut outcome = ControlFlow::Continue(());
        let _ = self.visit_back(from, to, &mut |times, values| {
            let mut samples = times.iter().zip(values).rev();
            outcome = samples.try_for_each(|(time, value)| f(Sample::new(*time, *value)));
            continue_if(outcome.is_continue())
        });
        outcome
    }

    /// Calls `f` with all samples from `from` up to `to`, in order.
    #[inline]
    pub fn for_each(&self, from: u64, to: u64, mut f: impl FnMut(Sample)) {
        let each = |sample| {
            f(sample);
            ControlFlow::<()>::Continue(())
        };
        let _ = self.scan(from, to, each);
    }

    /// A copy with the chunks that have samples between two timestamps, inclusive, and the chunks
    /// next to them. O(bytes of these).
    pub fn excerpt(&self, from: u64, to: u64) -> Series {
        let first = self
            .chunks
            .partition_point(|chunk| chunk.last().timestamp < from);
        let end = self.chunks.partition_point(|chunk| chunk.first() <= to);
        let range = first.saturating_sub(1)..(end + 1).max(first).min(self.chunks.len());
        let chunks: VecDeque<Chunk> = self.chunks.range(range).cloned().collect();
        Series {
            total: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            chunks,
            last: self.last,
            options: self.options,
            labels: self.labels.clone(),
            links: None,
        }
    }

    /// Samples between two timestamps, or some more: all samples of their chunks. O(chunks between
    /// them).
    pub fn samples_between(&self, from: u64, to: u64) -> u64 {
        let from = from.max(self.oldest_kept());
        let first = self
            .chunks
            .partition_point(|chunk| chunk.last().timestamp < from);
        let chunks = self.chunks.range(first..);
        let chunks = chunks.take_while(|chunk| from <= to && chunk.first() <= to);
        chunks.map(|chunk| chunk.len() as u64).sum()
    }

    /// Whether there are so many samples from a timestamp on. At most a single chunk is decoded; of
    /// the others the lengths are added, from the newest on, until they are enough.
    pub fn has_samples(&self, from: u64, min: u64) -> bool {
        let from = from.max(self.oldest_kept());
        if self.total < min || self.last().is_none_or(|last| last.timestamp < from) {
            return min == 0;
        }
        let mut left = min;
        for chunk in self.chunks.iter().rev() {
            if left == 0 {
                return true;
            }
            if chunk.first() < from {
                return count_up_to(chunk, from, left) >= left;
            }
            left = left.saturating_sub(chunk.len() as u64);
        }
        left == 0
    }

    /// The sample before a timestamp that is a number. `None`: there is none.
    pub fn before(&self, timestamp: u64) -> Option<Sample> {
        let to = timestamp.checked_sub(1)?;
        self.scan_back(0, to, break_at_number).break_value()
    }

    /// The sample after a timestamp that is a number. `None`: there is none.
    pub fn after(&self, timestamp: u64) -> Option<Sample> {
        let from = timestamp.checked_add(1)?;
        self.scan(from, u64::MAX, break_at_number).break_value()
    }

    /// The sample at a timestamp. `None`: there is none.
    pub fn at(&self, timestamp: u64) -> Option<Sample> {
        self.scan(timestamp, timestamp, ControlFlow::Break)
            .break_value()
    }
}

/// Samples of a chunk from a timestamp on, at most `max` of them and some more.
fn count_up_to(chunk: &Chunk, from: u64, max: u64) -> u64 {
    let mut found = 0;
    let _ = chunk.visit(from, u64::MAX, &mut |times, _| {
        found += times.len() as u64;
        continue_if(found < max)
    });
    found
}

fn break_at_number(sample: Sample) -> ControlFlow<Sample> {
    if sample.value.is_nan() {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(sample)
    }
}
