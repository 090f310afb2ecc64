//! A series to and from the parts of a payload.

use super::{Options, Series};
use crate::chunk::Chunk;
use crate::packed::{PackedChunk, PackedShape};
use crate::plain::PlainChunk;
use crate::{Damage, Labels, Sample, TIMESTAMP_MAX};
use std::collections::VecDeque;

/// The facts of a payload about the whole series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The newest sample, zeros without samples.
    pub last: Sample,
    /// Samples of all chunks.
    pub total: u64,
}

/// The fields of a chunk, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChunkBytes {
    /// Of a compressed chunk.
    Packed(PackedShape),
    /// Of an uncompressed chunk: first timestamp, samples, bytes that they may take.
    Plain {
        /// The first timestamp.
        first: u64,
        /// Samples.
        count: u64,
        /// Bytes that they may take.
        size: u64,
    },
}

/// Takes the chunks of a payload in turn, and checks each.
#[derive(Debug)]
pub struct Loader {
    series: Series,
}

impl Loader {
    /// A series without chunks. An error: the options are not possible.
    pub fn new(options: Options, labels: Labels) -> Result<Loader, Damage> {
        // As for chunks that commands make: a sample must fit.
        if !(48..=1 << 20).contains(&options.chunk_bytes) || !options.chunk_bytes.is_multiple_of(8)
        {
            return Err(Damage);
        }
        let mut series = Series::new(options, labels);
        series.chunks = VecDeque::new();
        Ok(Loader { series })
    }

    /// Adds a chunk.
    pub fn chunk(&mut self, fields: ChunkBytes, bytes: &[u8]) -> Result<(), Damage> {
        let chunk = match fields {
            ChunkBytes::Packed(shape) => Chunk::Packed(PackedChunk::from_shape(shape, bytes)?),
            ChunkBytes::Plain { first, count, size } => {
                Chunk::Plain(PlainChunk::from_bytes(first, count, size, bytes)?)
            }
        };
        if matches!(chunk, Chunk::Packed(_)) != self.series.options.is_packed {
            return Err(Damage);
        }
        let chunks = &mut self.series.chunks;
        // Redis keeps chunks that have been emptied.
        if chunk.len() == 0 && !chunks.is_empty() {
            return Ok(());
        }
        if let Some(last) = chunks.back_mut() {
            if last.len() == 0 {
                chunks.pop_back();
            } else if last.last().timestamp >= chunk.first() {
                return Err(Damage);
            } else {
                last.close();
            }
        }
        self.series.total += chunk.len() as u64;
        self.series.push_chunk(chunk);
        Ok(())
    }

    /// The series, if its chunks are what the payload says of the whole.
    pub fn finish(mut self, summary: Summary) -> Result<Series, Damage> {
        let series = &mut self.series;
        let chunk = series.chunks.back().ok_or(Damage)?;
        let last = chunk.last();
        if series.total != summary.total || last.timestamp > TIMESTAMP_MAX {
            return Err(Damage);
        }
        // The newest sample may have been deleted, of which Redis's summary is late.
        series.last = last;
        Ok(self.series)
    }
}

impl Series {
    /// The facts about the whole for a payload.
    pub fn summary(&self) -> Summary {
        Summary {
            last: self.last,
            total: self.total,
        }
    }

    /// The fields of its chunks with functions that write their bytes.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> {
        self.chunks.iter().map(Part)
    }
}

/// A chunk for a payload.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a>(&'a Chunk);

impl Part<'_> {
    /// The fields of the chunk.
    pub fn fields(&self) -> ChunkBytes {
        match self.0 {
            Chunk::Packed(chunk) => ChunkBytes::Packed(chunk.shape()),
            Chunk::Plain(chunk) => ChunkBytes::Plain {
                first: self.0.first(),
                count: chunk.samples().len() as u64,
                size: chunk.size().into(),
            },
        }
    }

    /// Appends the chunk's bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        match self.0 {
            Chunk::Packed(chunk) => chunk.write_bytes(out),
            Chunk::Plain(chunk) => chunk.write_bytes(out),
        }
    }
}
