//! The documents that have changed of late, because a query in slices looks once more at documents
//! that it has found and that have changed since.
//!
//! Cost: 4 bytes a change, of the last [`KEPT_MAX`].

use std::collections::VecDeque;

/// Changes that are kept.
const KEPT_MAX: usize = 16384;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    recent: VecDeque<u32>,
    /// All changes so far.
    total: u64,
}

impl Changes {
    /// A document was put or removed.
    #[inline]
    pub(crate) fn note(&mut self, document: u32) {
        self.total += 1;
        if self.recent.len() == KEPT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(document);
    }

    /// Where the log stands.
    pub(crate) fn mark(&self) -> u64 {
        self.total
    }

    /// The documents that have changed since a mark, some of them doubled. `None`: they are too
    /// many to be known.
    pub(crate) fn since(&self, mark: u64) -> Option<impl Iterator<Item = u32>> {
        let count = usize::try_from(self.total.saturating_sub(mark)).ok()?;
        let first = self.recent.len().checked_sub(count)?;
        Some(self.recent.range(first..).copied())
    }
}
