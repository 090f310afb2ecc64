//! The samples of a range, in either direction. Samples beyond the retention are not seen.
//!
//! Cost: chunks outside the range are skipped by their ends; a read from the end decodes what is
//! between two marks of the last chunk at a time, of other chunks each as a whole.

use super::Series;
use crate::Sample;
use std::ops::ControlFlow;

impl Series {
    /// Calls `f` with the samples from `from` up to `to`, in order, until it breaks.
    #[inline]
    pub fn scan<B>(
        &self,
        from: u64,
        to: u64,
        mut f: impl FnMut(Sample) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let from = from.max(self.oldest_kept());
        if self.total == 0 || from > to {
            return ControlFlow::Continue(());
        }
        let first = self
            .chunks
            .partition_point(|chunk| chunk.last().timestamp < from);
        for chunk in self.chunks.iter().skip(first) {
            if chunk.first() > to {
                break;
            }
            chunk.scan(from, to, &mut f)?;
        }
        ControlFlow::Continue(())
    }

    /// As [`Series::scan`], from the last sample on.
    pub fn scan_back<B>(
        &self,
        from: u64,
        to: u64,
        mut f: impl FnMut(Sample) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let from = from.max(self.oldest_kept());
        if self.total == 0 || from > to {
            return ControlFlow::Continue(());
        }
        let end = self.chunks.partition_point(|chunk| chunk.first() <= to);
        let mut room = Vec::new();
        for chunk in self.chunks.iter().take(end).rev() {
            if chunk.last().timestamp < from {
                break;
            }
            chunk.scan_back(from, to, &mut room, &mut f)?;
        }
        ControlFlow::Continue(())
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

    /// The sample before a timestamp. `None`: there is none.
    pub fn before(&self, timestamp: u64) -> Option<Sample> {
        let to = timestamp.checked_sub(1)?;
        self.scan_back(0, to, ControlFlow::Break).break_value()
    }

    /// The sample after a timestamp. `None`: there is none.
    pub fn after(&self, timestamp: u64) -> Option<Sample> {
        let from = timestamp.checked_add(1)?;
        self.scan(from, u64::MAX, ControlFlow::Break).break_value()
    }

    /// The sample at a timestamp. `None`: there is none.
    pub fn at(&self, timestamp: u64) -> Option<Sample> {
        self.scan(timestamp, timestamp, ControlFlow::Break)
            .break_value()
    }
}
