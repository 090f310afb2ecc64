//! Samples that are not later than the newest, and deletion.
//!
//! A chunk that late samples have enlarged by more than a fifth is split in two before the next.

use super::{Series, Write};
use crate::Sample;
use crate::chunk::Chunk;

/// A chunk of more than so many fifths of the size of chunks is split.
const SPLIT_FIFTHS: u64 = 6;

impl Series {
    /// Adds a sample that is not later than all; returns the value kept at its timestamp.
    pub(super) fn upsert<E>(
        &mut self,
        sample: Sample,
        resolve: impl FnOnce(f64, f64) -> Result<f64, E>,
    ) -> Result<f64, E> {
        let mut at = self.chunk_for(sample.timestamp);
        let size = u64::from(self.chunks[at].used_bytes());
        let is_large = size * 5 > u64::from(self.options.chunk_bytes) * SPLIT_FIFTHS;
        if is_large && self.chunks[at].len() > 1 {
            self.split(at);
            if sample.timestamp >= self.chunks[at + 1].first() {
                at += 1;
            }
        }
        let is_last = at + 1 == self.chunks.len();
        let chunk = &mut self.chunks[at];
        let (is_new, value) = chunk.upsert(sample, resolve)?;
        if !is_last {
            chunk.close();
        }
        self.total += u64::from(is_new);
        if sample.timestamp == self.last.timestamp {
            self.last.value = value;
        }
        Ok(value)
    }

    /// The chunk in which a timestamp's sample is, or would be.
    fn chunk_for(&self, timestamp: u64) -> usize {
        let after = self
            .chunks
            .partition_point(|chunk| chunk.first() <= timestamp);
        after.saturating_sub(1)
    }

    /// Moves the later half of a chunk to a new chunk after it.
    fn split(&mut self, at: usize) {
        let mut later = self.chunks[at].split();
        let is_last = at + 1 == self.chunks.len();
        self.chunks[at].close();
        if !is_last {
            later.close();
        }
        self.chunks.reserve_exact(1);
        self.chunks.insert(at + 1, later);
    }

    /// Removes the samples from `from` up to `to`; returns their number.
    pub fn remove(&mut self, from: u64, to: u64) -> u64 {
        self.remove_from(from, to, &mut Vec::new())
    }

    /// As [`Series::remove`]; `writes` gets the writes to the destinations of the series' rules.
    pub fn remove_from(&mut self, from: u64, to: u64, writes: &mut Vec<Write>) -> u64 {
        if from > to || self.total == 0 {
            return 0;
        }
        let mut removed = 0;
        let first = self.chunk_for(from);
        let end = self.chunks.partition_point(|chunk| chunk.first() <= to);
        for at in (first..end).rev() {
            let chunk = &mut self.chunks[at];
            let is_whole = from <= chunk.first() && chunk.last().timestamp <= to;
            removed += if is_whole {
                chunk.len()
            } else {
                chunk.remove(from, to)
            };
            if is_whole || chunk.len() == 0 {
                self.chunks.remove(at);
            } else if at + 1 < self.chunks.len() {
                self.chunks[at].close();
            }
        }
        if self.chunks.is_empty() {
            let chunk = Chunk::new(self.options.is_packed, self.options.chunk_bytes);
            self.chunks.push_back(chunk);
        }
        self.total -= removed as u64;
        self.last = self.chunks[self.chunks.len() - 1].last();
        if removed > 0 {
            self.compact_removed(from, to, writes);
        }
        removed as u64
    }
}
