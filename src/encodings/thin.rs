//! Thin allocations: one pointer whose length the owner can read from its own header.
//!
//! A block of `len` bytes occupies the allocator's size class for `len`, so that growing
//! within a class needs no call at all, and the capacity need not be stored: it is
//! `class_size(len)`. Blocks are 8-byte aligned, which frees three low pointer bits.
//!
//! Cost: `resize` is free within a class; a class is at most a quarter above `len`.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

/// The size that jemalloc serves for a request of `len` bytes: steps of 16 up to 128,
/// then four steps in each doubling.
#[inline]
pub const fn class_size(len: usize) -> usize {
    if len <= 8 {
        return 8;
    }
    if len <= 128 {
        return (len + 15) & !15;
    }
    let step = 1usize << ((len - 1).ilog2() - 2);
    (len + step - 1) & !(step - 1)
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(class_size(len), 8).expect("a block is far smaller than isize::MAX")
}

/// A block for `len` bytes, contents undefined.
#[inline]
pub fn allocate(len: usize) -> NonNull<u8> {
    let layout = layout(len);
    // SAFETY: `class_size` is never zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// The block resized from `old` to `new` bytes, keeping the first `min(old, new)`.
///
/// # Safety
/// `block` came from this module with length `old`, and is not used afterwards.
#[inline]
pub unsafe fn resize(block: NonNull<u8>, old: usize, new: usize) -> NonNull<u8> {
    let size = class_size(new);
    if size == class_size(old) {
        return block;
    }
    // SAFETY: `block` was allocated with exactly this layout, and `size` is not zero.
    let moved = unsafe { realloc(block.as_ptr(), layout(old), size) };
    NonNull::new(moved).unwrap_or_else(|| handle_alloc_error(layout(new)))
}

/// Frees the block.
///
/// # Safety
/// `block` came from this module with length `len`, and is not used afterwards.
#[inline]
pub unsafe fn release(block: NonNull<u8>, len: usize) {
    // SAFETY: the layout is the one that `allocate` or `resize` used for this length.
    unsafe { dealloc(block.as_ptr(), layout(len)) };
}

#[cfg(test)]
mod tests {
    use super::class_size;

    #[test]
    fn classes_are_those_of_jemalloc() {
        let classes = [
            8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768,
            896, 1024, 1280, 1536, 1792, 2048, 2560,
        ];
        for len in 1..=2560 {
            let expected = *classes.iter().find(|&&c| c >= len).expect("in the table");
            assert_eq!(class_size(len), expected, "{len}");
        }
        assert_eq!(class_size(8192), 8192);
        assert_eq!(class_size(8193), 10240);
    }
}
