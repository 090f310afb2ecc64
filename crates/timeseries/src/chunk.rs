//! A chunk of samples, compressed or not.
//!
//! The size of a chunk decides when it is full and when late samples split it; memory follows the
//! number of samples.

use crate::Sample;
use crate::block::{Room, Visit};
use crate::packed::{ChunkFull, PackedChunk};
use crate::plain::PlainChunk;
use russet_base::memory::mover::Mover;
use std::ops::ControlFlow;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    Packed(PackedChunk),
    Plain(PlainChunk),
}

/// The facts of a chunk that INFO replies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkFigures {
    /// The first timestamp; 0 without samples.
    pub first: u64,
    /// The last timestamp; 0 without samples.
    pub last: u64,
    /// Samples.
    pub samples: usize,
    /// Bytes that the samples may take.
    pub size: u32,
}

/// Runs an expression on either kind.
macro_rules! either {
    ($chunk:expr, $name:ident => $body:expr) => {
        match $chunk {
            Chunk::Packed($name) => $body,
            Chunk::Plain($name) => $body,
        }
    };
}

impl Chunk {
    pub(crate) fn new(is_packed: bool, size: u32) -> Chunk {
        if is_packed {
            Chunk::Packed(PackedChunk::new(size))
        } else {
            Chunk::Plain(PlainChunk::new(size))
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Chunk::Packed(chunk) => chunk.len(),
            Chunk::Plain(chunk) => chunk.samples().len(),
        }
    }

    /// The first timestamp; 0 without samples.
    #[inline]
    pub(crate) fn first(&self) -> u64 {
        match self {
            Chunk::Packed(chunk) => chunk.first(),
            Chunk::Plain(chunk) => chunk.samples().first().map_or(0, |first| first.timestamp),
        }
    }

    /// The last sample; zeros without samples.
    #[inline]
    pub(crate) fn last(&self) -> Sample {
        match self {
            Chunk::Packed(chunk) => chunk.last(),
            Chunk::Plain(chunk) => {
                let last = chunk.samples().last().copied();
                last.unwrap_or(Sample::new(0, 0.0))
            }
        }
    }

    pub(crate) fn size(&self) -> u32 {
        either!(self, chunk => chunk.size())
    }

    /// Bytes that the chunk's samples take, which decide about a split.
    pub(crate) fn used_bytes(&self) -> u32 {
        match self {
            // Redis counts the size, which late samples have enlarged.
            Chunk::Packed(chunk) => chunk.size(),
            Chunk::Plain(chunk) => chunk.size(),
        }
    }

    #[inline]
    pub(crate) fn append(&mut self, sample: Sample) -> Result<(), ChunkFull> {
        either!(self, chunk => chunk.append(sample))
    }

    pub(crate) fn close(&mut self) {
        either!(self, chunk => chunk.close());
    }

    pub(crate) fn upsert<E>(
        &mut self,
        sample: Sample,
        resolve: impl FnOnce(f64, f64) -> Result<f64, E>,
    ) -> Result<(bool, f64), E> {
        either!(self, chunk => chunk.upsert(sample, resolve))
    }

    /// Removes the samples of a range; returns their number.
    pub(crate) fn remove(&mut self, from: u64, to: u64) -> usize {
        either!(self, chunk => chunk.remove(from, to))
    }

    /// Moves the later half of the samples to a new chunk.
    pub(crate) fn split(&mut self) -> Chunk {
        match self {
            Chunk::Packed(chunk) => Chunk::Packed(chunk.split()),
            Chunk::Plain(chunk) => Chunk::Plain(chunk.split()),
        }
    }

    /// Calls `f` with the samples from `from` up to `to`, in order, until it breaks.
    pub(crate) fn visit(&self, from: u64, to: u64, f: Visit<'_>) -> ControlFlow<()> {
        either!(self, chunk => chunk.visit(from, to, f))
    }

    /// As [`Chunk::visit`], the blocks from the last on, each in order of time.
    pub(crate) fn visit_back(
        &self,
        from: u64,
        to: u64,
        room: &mut Room,
        f: Visit<'_>,
    ) -> ControlFlow<()> {
        either!(self, chunk => chunk.visit_back(from, to, room, f))
    }

    pub(crate) fn figures(&self) -> ChunkFigures {
        ChunkFigures {
            first: self.first(),
            last: self.last().timestamp,
            samples: self.len(),
            size: self.size(),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        either!(self, chunk => chunk.memory_bytes())
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        either!(self, chunk => chunk.relocate(mover));
    }

    pub(crate) fn check_invariants(&self) {
        either!(self, chunk => chunk.check_invariants());
    }
}
