//! Beside its bits an open chunk has marks, and its newest samples in full, so that late samples
//! and reads near its end decode little. Marks and newest samples are no part of a payload.
//!
//!     marks      . . . | . . . | . .          states after samples, about every [`MARK_BITS`]
//!     recent                    . . .         the newest [`RECENT`] samples, at index % RECENT
//!
//! Invariants
//!   1. A mark is the state after a sample; marks ascend.
//!   2. `recent` has the samples from `from` on, of which the newest `RECENT` are there.

use super::State;
use crate::Sample;
use russet_base::memory::alloc::{boxed_bytes, vec_bytes};
use russet_base::memory::mover::Mover;

/// Samples that are kept in full. A chunk of fewer has no tail: they are decoded soon.
pub(super) const RECENT: usize = 16;
/// Bits between two marks.
const MARK_BITS: u32 = 4096;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    marks: Vec<State>,
    recent: [Sample; RECENT],
    from: u32,
}

impl Tail {
    /// Of a chunk that has so many samples.
    pub(super) fn new(count: u32) -> Tail {
        Tail {
            marks: Vec::new(),
            recent: [Sample::new(0, 0.0); RECENT],
            from: count,
        }
    }

    /// A sample was added, after which this is the state.
    #[inline]
    pub(super) fn note(&mut self, state: &State) {
        let at = (state.count as usize - 1) % RECENT;
        self.recent[at] = state.sample();
        let marked = self.marks.last().map_or(0, |mark| mark.bits);
        if state.bits - marked >= MARK_BITS {
            self.marks.push(*state);
        }
    }

    /// The marks.
    #[inline]
    pub(super) fn marks(&self) -> &[State] {
        &self.marks
    }

    /// Forgets the marks after the first `marks`, and the samples after `kept` of `count`.
    pub(super) fn rewind(&mut self, marks: usize, kept: u32, count: u32) {
        self.marks.truncate(marks);
        self.from = self.oldest(count).min(kept);
    }

    /// The index of the oldest sample that is kept in full, of a chunk with so many.
    pub(super) fn oldest(&self, count: u32) -> u32 {
        self.from.max(count.saturating_sub(RECENT as u32))
    }

    /// A sample that is kept in full, by its index.
    pub(super) fn recent(&self, index: u32) -> Sample {
        self.recent[index as usize % RECENT]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        boxed_bytes::<Tail>() + vec_bytes(&self.marks)
    }

    pub(super) fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.marks);
    }
}
