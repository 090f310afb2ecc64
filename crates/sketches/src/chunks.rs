//! Positions of chunks in filters: SCANDUMP cuts the bytes of all blocks, in sequence, into chunks;
//! each lies within a single block.

/// Bytes of a chunk of SCANDUMP at most.
pub(crate) const CHUNK_MAX: usize = 16 << 20;

/// The block and the offset in it of a position, the first of which is 1, by the blocks' lengths.
pub(crate) fn place(lengths: impl Iterator<Item = usize>, at: i64) -> Option<(usize, usize)> {
    let mut offset = usize::try_from(at.checked_sub(1)?).ok()?;
    for (block, length) in lengths.enumerate() {
        if offset < length {
            return Some((block, offset));
        }
        offset -= length;
    }
    None
}

/// The part of a block from an offset on that is a single chunk.
pub(crate) fn chunk(block: &[u8], offset: usize, bytes_max: usize) -> &[u8] {
    let rest = &block[offset..];
    &rest[..rest.len().min(bytes_max)]
}

/// Why a chunk was not put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// No chunk of the given length ends before the position.
    #[error("received bad data")]
    Position,
    /// The chunk begins in no block.
    #[error("invalid offset - no link found")]
    Offset,
    /// The chunk is longer than the rest of its block.
    #[error("invalid chunk - Too big for current filter")]
    Length,
}

/// Where a chunk begins that ends before a position.
pub(crate) fn begin(end: i64, chunk: &[u8]) -> Result<i64, ChunkError> {
    let begin = end.checked_sub_unsigned(chunk.len() as u64);
    begin
        .filter(|at| end > 0 && *at >= 0)
        .ok_or(ChunkError::Position)
}

/// Puts a chunk in place in its block.
pub(crate) fn put(block: &mut [u8], offset: usize, chunk: &[u8]) -> Result<(), ChunkError> {
    let place = block[offset..].get_mut(..chunk.len());
    place.ok_or(ChunkError::Length)?.copy_from_slice(chunk);
    Ok(())
}

/// Little-endian numbers, in sequence.
pub(crate) struct Numbers<'a>(pub &'a [u8]);

impl Numbers<'_> {
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }
}
