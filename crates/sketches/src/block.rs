//! The bytes of a filter's link or part, which are read and written at random: a large block is in
//! huge pages if the machine has them.

use std::ops::{Deref, DerefMut};

use crate::room;
use russet_base::memory::alloc::{self, good_size};
use russet_base::memory::mover::Mover;

/// See the module.
#[derive(Debug, Default)]
pub struct Block(Box<[u8]>);

impl Block {
    /// A block of this many zeros. `None`: there is no room for them.
    pub(crate) fn zeros(bytes: u64) -> Option<Block> {
        let bytes = usize::try_from(bytes).ok()?;
        room::zeros(bytes).map(Block)
    }

    /// Zeros for a copy of this block, which [`copy_piece`] copies.
    pub(crate) fn blank(&self) -> Block {
        Block(blank(&self.0))
    }

    /// The block's bytes in the allocator.
    pub(crate) fn memory_bytes(&self) -> usize {
        good_size(self.0.len())
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        mover.slice(&mut self.0);
    }
}

/// As many zeros as a block has bytes, in the memory that its copy would take.
pub(crate) fn blank(block: &[u8]) -> Box<[u8]> {
    alloc::zeros(block.len()).unwrap_or_else(|| vec![0; block.len()].into())
}

/// Copies a piece of blocks, each to its blank one, from a position among the bytes of all of them;
/// returns the next position. `None`: there is no such piece. Zeros are not copied, so that
/// they take no memory.
pub(crate) fn copy_piece<'b>(
    blocks: impl Iterator<Item = (&'b [u8], &'b mut [u8])>,
    at: u64,
) -> Option<u64> {
    const PIECE: usize = 256 << 10;
    let mut offset = at as usize;
    for (from, to) in blocks {
        if offset >= from.len() {
            offset -= from.len();
            continue;
        }
        if offset == 0 {
            alloc::reads_whole(from);
        }
        let end = from.len().min(offset + PIECE);
        let (piece, to) = (&from[offset..end], &mut to[offset..end]);
        for (piece, to) in piece.chunks(1 << 12).zip(to.chunks_mut(1 << 12)) {
            if !alloc::is_zero(piece) {
                to.copy_from_slice(piece);
            }
        }
        return Some(at + (end - offset) as u64);
    }
    None
}

impl Clone for Block {
    fn clone(&self) -> Block {
        Block::from(&self.0[..])
    }
}

impl From<&[u8]> for Block {
    fn from(bytes: &[u8]) -> Block {
        Block(alloc::copied(bytes))
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
