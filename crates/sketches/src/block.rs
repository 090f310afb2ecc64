//! The bytes of a filter's link or part, which are read and written at random: a large block is in
//! huge pages where the machine has them.

use std::ops::{Deref, DerefMut};

use crate::room;
use russet_base::memory::alloc::{self, good_size};
use russet_base::memory::mover::Mover;

/// See the module.
#[derive(Debug, Default)]
pub struct Block(Box<[u8]>);

impl Block {
    /// So many zeros. `None`: there is no room for them.
    pub(crate) fn zeros(bytes: u64) -> Option<Block> {
        let bytes = usize::try_from(bytes).ok()?;
        room::zeros(bytes).map(Block)
    }

    /// Its bytes in the allocator.
    pub(crate) fn memory_bytes(&self) -> usize {
        good_size(self.0.len())
    }

    pub(crate) fn relocate(&mut self, mover: &mut Mover) {
        mover.slice(&mut self.0);
    }
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
