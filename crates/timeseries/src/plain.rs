//! An uncompressed chunk: samples of 16 bytes in order of time.
//!
//! Cost: append O(1) amortised; a late sample O(samples); a read finds its first sample by halving.

use crate::block::{BLOCK, Room, Visit};
use crate::packed::ChunkFull;
use crate::{Damage, Sample, TIMESTAMP_MAX};
use russet_base::memory::alloc::vec_bytes;
use russet_base::memory::mover::Mover;
use std::ops::ControlFlow;

/// Bytes of a sample.
pub(crate) const SAMPLE_BYTES: usize = 16;

/// See the module. Timestamps ascend strictly.
#[derive(Clone, Debug)]
pub(crate) struct PlainChunk {
    samples: Vec<Sample>,
    /// Bytes that the samples may take; late samples enlarge the limit.
    size: u32,
}

impl PlainChunk {
    pub(crate) fn new(size: u32) -> PlainChunk {
        PlainChunk {
            samples: Vec::new(),
            size,
        }
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    fn samples_max(&self) -> usize {
        self.size as usize / SAMPLE_BYTES
    }

    #[inline]
    pub(crate) fn append(&mut self, sample: Sample) -> Result<(), ChunkFull> {
        if self.samples.len() >= self.samples_max() {
            return Err(ChunkFull);
        }
        let had = self.samples.capacity();
        if self.samples.len() == had {
            let capacity = (had + had / 4 + 2).min(self.samples_max());
            self.samples.reserve_exact(capacity - self.samples.len());
        }
        self.samples.push(sample);
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.samples.shrink_to_fit();
    }

    /// As [`PackedChunk::upsert`](crate::packed::PackedChunk::upsert).
    pub(crate) fn upsert<E>(
        &mut self,
        sample: Sample,
        resolve: impl FnOnce(f64, f64) -> Result<f64, E>,
    ) -> Result<(bool, f64), E> {
        let at = self.position(sample.timestamp);
        match self.samples.get_mut(at) {
            Some(other) if other.timestamp == sample.timestamp => {
                other.value = resolve(other.value, sample.value)?;
                Ok((false, other.value))
            }
            _ => {
                if self.samples.len() >= self.samples_max() {
                    self.size += SAMPLE_BYTES as u32;
                }
                self.samples.insert(at, sample);
                Ok((true, sample.value))
            }
        }
    }

    pub(crate) fn remove(&mut self, from: u64, to: u64) -> usize {
        let range = self.position(from)..self.position(to.saturating_add(1));
        self.samples.drain(range).count()
    }

    /// Moves the later half of the samples to a new chunk, which has no room for more.
    pub(crate) fn split(&mut self) -> PlainChunk {
        let later = self.samples.split_off(self.samples.len().div_ceil(2));
        self.samples.shrink_to_fit();
        let size = |samples: &[Sample]| (samples.len() * SAMPLE_BYTES) as u32;
        self.size = size(&self.samples);
        PlainChunk {
            size: size(&later),
            samples: later,
        }
    }

    /// The index of the first sample at or after a timestamp.
    fn position(&self, timestamp: u64) -> usize {
        self.samples
            .partition_point(|sample| sample.timestamp < timestamp)
    }

    /// The samples from `from` up to `to`.
    fn part(&self, from: u64, to: u64) -> &[Sample] {
        let range = self.position(from)..self.position(to.saturating_add(1));
        &self.samples[range]
    }

    /// Calls `f` with the samples from `from` up to `to`, in order, until it breaks.
    pub(crate) fn visit(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        let (mut times, mut values) = ([0; BLOCK], [0.0; BLOCK]);
        let mut pieces = self.part(from, to).chunks(BLOCK);
        pieces.try_for_each(|piece| give(piece, &mut times, &mut values, f))
    }

    /// As [`PlainChunk::visit`], the blocks from the last on, each in order of time.
    pub(crate) fn visit_back(
        &self,
        from: u64,
        to: u64,
        _: &mut Room,
        f: Visit<'_>,
    ) -> ControlFlow<()> {
        let (mut times, mut values) = ([0; BLOCK], [0.0; BLOCK]);
        let mut pieces = self.part(from, to).rchunks(BLOCK);
        pieces.try_for_each(|piece| give(piece, &mut times, &mut values, f))
    }

    /// From the fields of a payload: `bytes` are `size`, of which samples take the first.
    pub(crate) fn from_bytes(
        first: u64,
        count: u64,
        size: u64,
        bytes: &[u8],
    ) -> Result<PlainChunk, Damage> {
        let size = u32::try_from(size).map_err(|_| Damage)?;
        let count = usize::try_from(count).map_err(|_| Damage)?;
        let used = count.checked_mul(SAMPLE_BYTES).ok_or(Damage)?;
        if bytes.len() != size as usize || used > bytes.len() {
            return Err(Damage);
        }
        let (used, _) = bytes[..used].as_chunks::<SAMPLE_BYTES>();
        let samples: Vec<Sample> = used
            .iter()
            .map(|bytes| {
                let bits = u128::from_le_bytes(*bytes);
                Sample::new(bits as u64, f64::from_bits((bits >> 64) as u64))
            })
            .collect();
        let in_order = samples.is_sorted_by(|a, b| a.timestamp < b.timestamp);
        let last = samples.last().map_or(0, |sample| sample.timestamp);
        // The base of an empty chunk is of no sample.
        let starts = samples
            .first()
            .is_none_or(|sample| sample.timestamp == first);
        if !in_order || last > TIMESTAMP_MAX || !starts {
            return Err(Damage);
        }
        Ok(PlainChunk { samples, size })
    }

    pub(crate) fn write_bytes(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.size as usize;
        for sample in &self.samples {
            out.extend_from_slice(&sample.timestamp.to_le_bytes());
            out.extend_from_slice(&sample.value.to_le_bytes());
        }
        out.resize(end, 0);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        vec_bytes(&self.samples)
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.samples);
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.samples.len() <= self.samples_max());
        let mut pairs = self.samples.windows(2);
        assert!(pairs.all(|pair| pair[0].timestamp < pair[1].timestamp));
    }
}

/// Calls `f` with the samples of a piece that is no longer than a block.
fn give(
    piece: &[Sample],
    times: &mut [u64; BLOCK],
    values: &mut [f64; BLOCK],
    f: Visit<'_>,
) -> ControlFlow<()> {
    for (at, sample) in piece.iter().enumerate() {
        (times[at], values[at]) = (sample.timestamp, sample.value);
    }
    f(&times[..piece.len()], &values[..piece.len()])
}
