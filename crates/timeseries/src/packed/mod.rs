//! A compressed chunk: samples as differences, bit for bit those of Redis's module.
//!
//!     the first sample is in full, without bits; then of each sample
//!     timestamp  d = change of the step between timestamps
//!                0                       d = 0
//!                10 | 110 | 1110 | 11110 | 111110 | 111111   then d in 5, 8, 11, 15, 32, 64 bits
//!     value      x = bits of the value XOR those of the last one
//!                0                       x = 0
//!                10, then the window     x fits in the last window of bits
//!                11, lead in 5 bits, width - 1 in 6, then the window
//!
//! A prefix is read from its first bit on. A field of bits is in two's complement ([`bits`]).
//!
//! Invariants
//!   1. Timestamps ascend strictly.
//!   2. `state.bits` is at most `size * 8`: a sample that does not fit is not begun.
//!   3. `words` has all bits in use, and zeros above them in its last word.
//!   4. A chunk that is appended to has a [`tail`], once it has some samples; others have none.
//!
//! Cost: append O(1), without decoding; a read decodes from the mark before its first sample, or
//! from the start; the newest samples of an open chunk are not decoded. Memory grows with the bits;
//! Redis allocates the whole size at once.
//!
//! [`bits`]: crate::bits

mod code;
mod cursor;
mod load;
mod read;
mod tail;
#[cfg(test)]
mod tests;

use code::{ValueCode, step_code};
use cursor::Cursor;
pub use load::PackedShape;
use tail::{RECENT, Tail};

use crate::Sample;
use crate::bits::{mask, push};
use russet_base::memory::alloc::vec_bytes;
use russet_base::memory::mover::Mover;

/// Lead and tail before the first window, which no value matches.
pub(crate) const NO_WINDOW: u8 = 32;
/// Redis enlarges a chunk by so many bytes for a late sample.
const GROWTH_BYTES: u32 = 32;

/// The chunk has no room for the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkFull;

/// Where the coder is after a sample: all that the next sample depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) timestamp: u64,
    pub(crate) step: i64,
    /// The bits of the value.
    pub(crate) value: u64,
    pub(crate) bits: u32,
    /// Samples so far.
    pub(crate) count: u32,
    pub(crate) lead: u8,
    pub(crate) tail: u8,
}

impl State {
    const EMPTY: State = State {
        timestamp: 0,
        step: 0,
        value: 0,
        bits: 0,
        count: 0,
        lead: NO_WINDOW,
        tail: NO_WINDOW,
    };

    /// After the first sample.
    fn after_first(sample: Sample) -> State {
        State {
            timestamp: sample.timestamp,
            value: sample.value.to_bits(),
            count: 1,
            ..State::EMPTY
        }
    }

    /// The sample that it is after.
    fn sample(&self) -> Sample {
        Sample::new(self.timestamp, f64::from_bits(self.value))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct PackedChunk {
    words: Vec<u64>,
    first: Sample,
    state: State,
    tail: Option<Box<Tail>>,
    /// Bytes that the bits may take.
    size: u32,
}

impl PackedChunk {
    pub(crate) fn new(size: u32) -> PackedChunk {
        PackedChunk {
            words: Vec::new(),
            first: Sample::new(0, 0.0),
            state: State::EMPTY,
            tail: None,
            size,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.state.count as usize
    }

    /// The timestamp of the first sample; 0 without samples.
    pub(crate) fn first(&self) -> u64 {
        self.first.timestamp
    }

    /// The last sample; zeros without samples.
    pub(crate) fn last(&self) -> Sample {
        self.state.sample()
    }

    /// Bytes that the chunk's bits may take.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Appends a sample that is later than the last.
    #[inline]
    pub(crate) fn append(&mut self, sample: Sample) -> Result<(), ChunkFull> {
        if self.state.count == 0 {
            self.first = sample;
            self.state = State::after_first(sample);
            return Ok(());
        }
        let old = self.state;
        let step = sample.timestamp.wrapping_sub(old.timestamp) as i64;
        let change = step.wrapping_sub(old.step);
        let (prefix, prefix_bits, change_bits) = step_code(change);
        let value = sample.value.to_bits();
        let code = ValueCode::of(value ^ old.value, old.lead, old.tail);
        let needed = prefix_bits + change_bits + code.head_bits + code.window_bits;
        if old.bits + needed > self.size * 8 {
            return Err(ChunkFull);
        }
        self.reserve(old.bits + needed);
        let at = &mut self.state.bits;
        let change = change as u64 & mask(change_bits);
        let step_bits = prefix_bits + change_bits;
        if step_bits + code.head_bits <= 64 {
            let step = prefix | change << (prefix_bits % 64);
            let both = step | code.head << (step_bits % 64);
            push(&mut self.words, at, both, step_bits + code.head_bits);
        } else {
            push(&mut self.words, at, prefix, prefix_bits);
            push(&mut self.words, at, change, change_bits);
            push(&mut self.words, at, code.head, code.head_bits);
        }
        push(&mut self.words, at, code.window, code.window_bits);
        self.state.timestamp = sample.timestamp;
        self.state.step = step;
        self.state.value = value;
        self.state.count += 1;
        (self.state.lead, self.state.tail) = (code.lead, code.tail);
        self.note();
        Ok(())
    }

    /// The state has advanced by a sample.
    #[inline]
    fn note(&mut self) {
        match &mut self.tail {
            Some(tail) => tail.note(&self.state),
            None if self.state.count as usize >= RECENT => {
                self.tail = Some(Box::new(Tail::new(self.state.count)));
            }
            None => {}
        }
    }

    fn marks(&self) -> &[State] {
        self.tail.as_ref().map_or(&[], |tail| tail.marks())
    }

    /// Makes room for bits in all: a quarter more than there is, so that memory follows the bits.
    #[inline]
    fn reserve(&mut self, bits: u32) {
        let wanted = bits.div_ceil(64) as usize;
        if wanted > self.words.capacity() {
            self.grow(wanted);
        }
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        let had = self.words.capacity();
        let max = (self.size as usize).div_ceil(8).max(wanted);
        let capacity = wanted.max(had + had / 4 + 2).min(max);
        self.words.reserve_exact(capacity - self.words.len());
    }

    /// No sample is expected at the chunk's end any more: gives up the tail and spare memory.
    pub(crate) fn close(&mut self) {
        self.tail = None;
        self.words.shrink_to_fit();
    }

    /// Adds a sample that is not later than the last sample. `resolve`: the value to keep of the
    /// existing and the new value. Returns whether it is a sample more, and the value kept. The
    /// samples after it are coded again.
    pub(crate) fn upsert<E>(
        &mut self,
        sample: Sample,
        resolve: impl FnOnce(f64, f64) -> Result<f64, E>,
    ) -> Result<(bool, f64), E> {
        let kept = self.marks_before(sample.timestamp);
        let mut tail = self.after_mark(kept);
        let at = tail.partition_point(|other| other.timestamp < sample.timestamp);
        let mut value = sample.value;
        let is_new = match tail.get_mut(at) {
            Some(other) if other.timestamp == sample.timestamp => {
                value = resolve(other.value, sample.value)?;
                if value.to_bits() == other.value.to_bits() {
                    return Ok((false, value));
                }
                other.value = value;
                false
            }
            _ => {
                tail.insert(at, sample);
                true
            }
        };
        self.rewind(kept);
        self.append_growing(&tail);
        Ok((is_new, value))
    }

    /// Removes the samples of a range; returns their number.
    pub(crate) fn remove(&mut self, from: u64, to: u64) -> usize {
        let kept = self.marks_before(from);
        let mut tail = self.after_mark(kept);
        let before = tail.len();
        tail.retain(|sample| !(from..=to).contains(&sample.timestamp));
        let removed = before - tail.len();
        if removed > 0 {
            self.rewind(kept);
            self.append_growing(&tail);
        }
        removed
    }

    /// Moves the later half of the samples to a new chunk. Both end where their bits end.
    pub(crate) fn split(&mut self) -> PackedChunk {
        let all = self.after_mark(0);
        // Of an odd number the earlier half has a sample more.
        let half = all.len().div_ceil(2);
        let of = |samples: &[Sample]| {
            let mut chunk = PackedChunk::new(self.size);
            chunk.append_growing(samples);
            chunk.trim();
            chunk
        };
        let (earlier, later) = (of(&all[..half]), of(&all[half..]));
        *self = earlier;
        later
    }

    /// Ends the size where the bits end, as Redis does: at the next whole word, or the word after.
    fn trim(&mut self) {
        let unused = (self.size * 8 - self.state.bits) / 8;
        if unused > 1 {
            let bytes = self.size - unused;
            self.size = bytes + 8 - bytes % 8;
        }
    }

    /// Marks that are before a timestamp.
    fn marks_before(&self, timestamp: u64) -> usize {
        self.marks()
            .partition_point(|mark| mark.timestamp < timestamp)
    }

    /// Forgets all samples after the first `marks` marks; without a mark all samples.
    fn rewind(&mut self, marks: usize) {
        let count = self.state.count;
        match marks.checked_sub(1) {
            Some(at) => {
                self.state = self.marks()[at];
                let tail = self.tail.as_mut().expect("it has the mark");
                tail.rewind(marks, self.state.count, count);
            }
            None => {
                self.state = State::EMPTY;
                self.first = Sample::new(0, 0.0);
                self.tail = None;
            }
        }
        let bits = self.state.bits;
        self.words.truncate(bits.div_ceil(64) as usize);
        if let Some(last) = self.words.last_mut().filter(|_| !bits.is_multiple_of(64)) {
            *last &= mask(bits % 64);
        }
    }

    fn append_growing(&mut self, samples: &[Sample]) {
        for sample in samples {
            while self.append(*sample).is_err() {
                self.size += GROWTH_BYTES;
            }
        }
    }

    /// Bytes of the chunk's blocks.
    pub(crate) fn memory_bytes(&self) -> usize {
        vec_bytes(&self.words) + self.tail.as_ref().map_or(0, |tail| tail.memory_bytes())
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.words);
        if let Some(tail) = &mut self.tail {
            mover.boxed(tail);
            tail.relocate(mover);
        }
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.state.bits <= self.size * 8);
        assert_eq!(self.words.len(), self.state.bits.div_ceil(64) as usize);
        let mut cursor = self.cursor(0);
        let mut marks = self.marks().iter().peekable();
        for index in cursor.count()..self.state.count {
            let before = cursor.state().timestamp;
            let state = cursor.step(&self.words);
            assert!(state.timestamp > before);
            if let Some(mark) = marks.next_if(|mark| mark.count == state.count) {
                assert_eq!(mark, &state);
            }
            let tail = self.tail.as_ref();
            if let Some(tail) = tail.filter(|tail| index >= tail.oldest(self.state.count)) {
                let (kept, sample) = (tail.recent(index), state.sample());
                assert_eq!(kept.timestamp, sample.timestamp);
                assert_eq!(kept.value.to_bits(), sample.value.to_bits());
            }
        }
        assert_eq!(marks.next(), None);
        assert_eq!(cursor.state(), self.state);
    }
}
