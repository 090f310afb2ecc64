//! Decodes the samples of a range in blocks, in either direction.

use super::{Cursor, PackedChunk, RECENT, State};
use crate::Sample;
use crate::block::{BLOCK, BLOCK_FIRST, Room, Visit, part};
use std::ops::ControlFlow;

impl PackedChunk {
    /// All samples.
    #[cfg(test)]
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.after_mark(0)
    }

    /// The samples after the first `marks` marks; without a mark all of them.
    pub(super) fn after_mark(&self, marks: usize) -> Vec<Sample> {
        let mut cursor = self.cursor(marks);
        let mut samples = Vec::with_capacity((self.state.count - cursor.count()) as usize + 1);
        if marks == 0 && self.state.count > 0 {
            samples.push(self.first);
        }
        let (mut times, mut values) = ([0; BLOCK], [0.0; BLOCK]);
        while cursor.count() < self.state.count {
            let n = BLOCK.min((self.state.count - cursor.count()) as usize);
            let (times, values) = (&mut times[..n], &mut values[..n]);
            cursor.fill(&self.words, times, values);
            let pairs = times.iter().zip(values);
            samples.extend(pairs.map(|(time, value)| Sample::new(*time, *value)));
        }
        samples
    }

    /// A cursor after the last of the first `marks` marks, or after the first sample.
    pub(super) fn cursor(&self, marks: usize) -> Cursor {
        let state = match marks.checked_sub(1) {
            Some(at) => self.marks()[at],
            None if self.state.count == 0 => State::EMPTY,
            None => State::after_first(self.first),
        };
        Cursor::after(state)
    }

    /// Calls `f` with the samples from `from` up to `to`, in order, until it breaks.
    pub(crate) fn visit(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        let kept = self.marks_before(from);
        let mut cursor = self.cursor(kept);
        let (mut times, mut values) = ([0; BLOCK], [0.0; BLOCK]);
        let mut len = 0;
        if kept == 0 && self.state.count > 0 {
            (times[0], values[0]) = (self.first.timestamp, self.first.value);
            len = 1;
        }
        let mut size = BLOCK_FIRST;
        loop {
            let n = size.min((self.state.count - cursor.count()) as usize + len);
            cursor.fill(&self.words, &mut times[len..n], &mut values[len..n]);
            let (times, values) = (&times[..n], &values[..n]);
            let asked = part(times, from, to);
            let is_over = asked.end < n || cursor.count() == self.state.count;
            if !asked.is_empty() {
                f(&times[asked.clone()], &values[asked])?;
            }
            if is_over {
                return ControlFlow::Continue(());
            }
            len = 0;
            size = (2 * size).min(BLOCK);
        }
    }

    /// As [`PackedChunk::visit`], the blocks from the last on, each in order of time. Takes the
    /// newest samples of an open chunk as they are, and decodes the samples between two marks at a
    /// time.
    pub(crate) fn visit_back(
        &self,
        from: u64,
        to: u64,
        room: &mut Room,
        f: Visit<'_>,
    ) -> ControlFlow<()> {
        let mut end = self.state.count;
        if let Some(tail) = &self.tail {
            let oldest = tail.oldest(end);
            let (mut times, mut values) = ([0; RECENT], [0.0; RECENT]);
            for (at, index) in (oldest..end).enumerate() {
                let sample = tail.recent(index);
                (times[at], values[at]) = (sample.timestamp, sample.value);
            }
            let times = &times[..(end - oldest) as usize];
            let asked = part(times, from, to);
            if !asked.is_empty() {
                f(&times[asked.clone()], &values[asked])?;
            }
            if times.first().is_some_and(|first| *first <= from) {
                return ControlFlow::Continue(());
            }
            end = oldest;
        }
        for kept in (0..=self.marks_before(to)).rev() {
            let mut cursor = self.cursor(kept);
            let begin = if kept == 0 { 0 } else { cursor.count() };
            if begin >= end {
                continue;
            }
            room.clear();
            if kept == 0 {
                room.push(self.first);
            }
            while cursor.count() < end && !room.goes_beyond(to) {
                let n = BLOCK.min((end - cursor.count()) as usize);
                room.extend(n, |times, values| cursor.fill(&self.words, times, values));
            }
            room.give(from, to, f)?;
            if room.begins_by(from) {
                break;
            }
            end = begin;
        }
        ControlFlow::Continue(())
    }
}
