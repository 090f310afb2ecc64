//! A series: chunks of samples in order of time.
//!
//!     (here)     appending, facts about the whole series
//!     late       samples that are not later than the last one; splits; deletion
//!     scan       samples of a range, in either direction
//!     compact    the effect of samples on the rules of the series
//!     load       to and from the parts of a payload
//!     value      memory, signature and figures, as the value of a key
//!
//! Invariants
//!   1. Chunks are in order of time and do not overlap; each has samples, unless it is the only
//!      chunk.
//!   2. `last` is the newest sample; zeros without samples.
//!   3. Only the last chunk is appended to; the others are closed.
//!   4. `total` is the sum of the chunks' lengths, samples beyond the retention included: whole
//!      chunks of such samples leave when a chunk is added.
//!
//! Cost: an append decodes nothing; finding a chunk takes O(log chunks); adding a chunk in the
//! middle O(chunks).

mod compact;
mod late;
mod load;
mod scan;
#[cfg(test)]
mod tests;
mod value;

pub use compact::{Change, Write};
pub use load::{ChunkBytes, Loader, Part, Summary};

use crate::chunk::{Chunk, ChunkFigures};
use crate::rule::{Links, Rule};
use crate::{DuplicateSample, Labels, Policy, Sample};
use std::collections::VecDeque;

/// How a series is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Samples older than the newest by more are gone, milliseconds; 0: none are.
    pub retention_ms: u64,
    /// Bytes of a new chunk.
    pub chunk_bytes: u32,
    /// Whether chunks are compressed.
    pub is_packed: bool,
    /// `None`: the server's.
    pub policy: Option<Policy>,
    /// A new sample that is later by at most so much is ignored, milliseconds ...
    pub ignored_ms: u64,
    /// ... if the value differs by at most this.
    pub ignored_change: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            retention_ms: 0,
            chunk_bytes: 4096,
            is_packed: true,
            policy: None,
            ignored_ms: 0,
            ignored_change: 0.0,
        }
    }
}

/// The fate of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AddOutcome {
    /// The sample is the newest.
    Appended,
    /// The sample was not the newest: the value kept at its timestamp.
    Upserted(f64),
    /// The sample hardly differs from the newest, which stays.
    Ignored,
}

/// A sample is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// There is a sample at the same timestamp.
    Blocked,
    /// The sample is older than the retention.
    TooOld,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Series {
    chunks: VecDeque<Chunk>,
    last: Sample,
    total: u64,
    /// How it is kept.
    options: Options,
    labels: Labels,
    links: Option<Box<Links>>,
}

impl Series {
    /// A series without samples.
    pub fn new(options: Options, labels: Labels) -> Series {
        let mut chunks = VecDeque::new();
        chunks.reserve_exact(1);
        chunks.push_back(Chunk::new(options.is_packed, options.chunk_bytes));
        Series {
            chunks,
            last: Sample::new(0, 0.0),
            total: 0,
            options,
            labels,
            links: None,
        }
    }

    /// How it is kept.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Changes the options; whether chunks are compressed stays as it is.
    pub fn set_options(&mut self, options: Options) {
        self.options = Options {
            is_packed: self.options.is_packed,
            ..options
        };
    }

    /// The series' labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Gives it other labels.
    pub fn set_labels(&mut self, labels: Labels) {
        self.labels = labels;
    }

    /// The key whose rule writes here.
    pub fn source(&self) -> Option<&[u8]> {
        self.links.as_ref()?.source.as_deref()
    }

    /// The rules of which it is the source.
    pub fn rules(&self) -> &[Rule] {
        self.links.as_ref().map_or(&[], |links| &links.rules)
    }

    /// Sets or clears the key whose rule writes here.
    pub fn set_source(&mut self, source: Option<&[u8]>) {
        self.change_links(|links| links.source = source.map(Into::into));
    }

    /// Changes the rules of the series.
    pub fn change_rules<T>(&mut self, change: impl FnOnce(&mut Vec<Rule>) -> T) -> T {
        self.change_links(|links| change(&mut links.rules))
    }

    /// Forgets rules and source.
    pub fn unlink(&mut self) {
        self.links = None;
    }

    fn change_links<T>(&mut self, change: impl FnOnce(&mut Links) -> T) -> T {
        let links = self.links.get_or_insert_default();
        let outcome = change(links);
        if links.is_empty() {
            self.links = None;
        }
        outcome
    }

    /// Samples, those beyond the retention included that have not left.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The newest sample; `None` without samples.
    #[inline]
    pub fn last(&self) -> Option<Sample> {
        (self.total > 0).then_some(self.last)
    }

    /// The timestamp of the newest sample; 0 without samples.
    pub fn last_timestamp(&self) -> u64 {
        self.last.timestamp
    }

    /// The oldest timestamp that the retention keeps.
    #[inline]
    pub fn oldest_kept(&self) -> u64 {
        match self.options.retention_ms {
            0 => 0,
            retention => self.last.timestamp.saturating_sub(retention),
        }
    }

    /// The timestamp of the first sample that has not left; 0 without samples.
    pub fn first_timestamp(&self) -> u64 {
        self.chunks.front().map_or(0, Chunk::first)
    }

    /// The series' chunks.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkFigures> + '_ {
        self.chunks.iter().map(Chunk::figures)
    }

    /// Adds a sample. `policy`: of two samples at the same timestamp; `ignores`: a new sample that
    /// hardly differs is ignored, by the options. O(1) if the sample is the newest; else a single
    /// chunk is decoded from its last mark before the sample. `writes` gets the writes to the
    /// destinations of the series' rules.
    #[inline]
    pub fn add_to(
        &mut self,
        sample: Sample,
        policy: Policy,
        ignores: bool,
        writes: &mut Vec<Write>,
    ) -> Result<AddOutcome, AddError> {
        if sample.timestamp > self.last.timestamp || self.total == 0 {
            if ignores && self.is_ignored(sample) {
                return Ok(AddOutcome::Ignored);
            }
            let before = self.last();
            self.append(sample);
            self.compact(before, writes);
            return Ok(AddOutcome::Appended);
        }
        if sample.timestamp < self.oldest_kept() {
            return Err(AddError::TooOld);
        }
        if ignores && sample.timestamp == self.last.timestamp && self.is_ignored(sample) {
            return Ok(AddOutcome::Ignored);
        }
        let value = self
            .upsert(sample, |old, new| policy.resolve(old, new))
            .map_err(|DuplicateSample| AddError::Blocked)?;
        self.compact_late(sample.timestamp, writes);
        Ok(AddOutcome::Upserted(value))
    }

    /// As [`Series::add_to`], of a series without rules.
    pub fn add(
        &mut self,
        sample: Sample,
        policy: Policy,
        ignores: bool,
    ) -> Result<AddOutcome, AddError> {
        self.add_to(sample, policy, ignores, &mut Vec::new())
    }

    /// Whether the newest sample stays instead of this sample, which is not older.
    fn is_ignored(&self, sample: Sample) -> bool {
        let options = &self.options;
        self.total > 0
            && sample.timestamp - self.last.timestamp <= options.ignored_ms
            && (sample.value - self.last.value).abs() <= options.ignored_change
    }

    /// Appends a sample that is later than all.
    #[inline]
    fn append(&mut self, sample: Sample) {
        let chunk = self.chunks.back_mut().expect("there is always a chunk");
        if chunk.append(sample).is_err() {
            self.append_to_new(sample);
        }
        self.last = sample;
        self.total += 1;
    }

    #[cold]
    fn append_to_new(&mut self, sample: Sample) {
        self.drop_old();
        if let Some(last) = self.chunks.back_mut() {
            last.close();
        }
        let mut chunk = Chunk::new(self.options.is_packed, self.options.chunk_bytes);
        // The least size has room for two samples.
        chunk.append(sample).expect("a chunk has room for a sample");
        self.push_chunk(chunk);
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        let len = self.chunks.len();
        if len == self.chunks.capacity() {
            self.chunks.reserve_exact(len / 8 + 1);
        }
        self.chunks.push_back(chunk);
    }

    /// Frees the chunks that are older than the retention as a whole.
    fn drop_old(&mut self) {
        let oldest = self.oldest_kept();
        while self.chunks.len() > 1 && self.chunks[0].last().timestamp < oldest {
            let gone = self.chunks.pop_front().expect("there are two");
            self.total -= gone.len() as u64;
        }
    }
}
