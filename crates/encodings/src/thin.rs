//! Values that are a single owning pointer, whose block's header holds the length.
//!
//! Blocks come from `base::memory::alloc` and fill the allocator's size class, so that growing
//! within a class needs no call, and no capacity is stored. They are 8-byte aligned, which leaves
//! three low bits of the word free.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use russet_base::memory::mover::Mover;

/// See the module.
pub trait ThinPointer: Sized {
    /// The owned block.
    fn block(&self) -> NonNull<u8>;

    /// # Safety
    /// The block belongs to a value of this type that is not used any more.
    unsafe fn of(block: NonNull<u8>) -> Self;

    /// Size of the block, from its header.
    fn block_bytes(&self) -> usize;

    /// Offers the block to a mover.
    #[inline]
    fn relocate(&mut self, mover: &mut Mover) {
        let block = self.block();
        // SAFETY: the value's own block, made by `alloc::block` for this many bytes; the old
        // address is forgotten with the old handle, which is not dropped.
        if let Some(moved) = unsafe { mover.block(block, || self.block_bytes()) } {
            // SAFETY: the same bytes, and the handle of the old block is not used any more.
            std::mem::forget(std::mem::replace(self, unsafe { Self::of(moved) }));
        }
    }

    /// Converts the owning pointer to a word; [`ThinPointer::from_word`] converts it back.
    #[inline]
    fn into_word(self) -> u64 {
        let value = ManuallyDrop::new(self);
        value.block().as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// `word` came from `into_word` and is used for a single value at a time.
    #[inline]
    unsafe fn from_word(word: u64) -> Self {
        let block = std::ptr::with_exposed_provenance_mut(word as usize);
        let block = NonNull::new(block).expect("a value's word is not zero");
        // SAFETY: the caller's promise.
        unsafe { Self::of(block) }
    }
}
