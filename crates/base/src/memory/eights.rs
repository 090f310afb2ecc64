//! The global allocator: jemalloc, built with a class for every 8 bytes up to 64
//! (`.cargo/config.toml`).
//!
//! jemalloc aligns blocks to 16 only if their class is a multiple of 16, which its Rust binding
//! does not know: sizes are rounded up to their alignment before each request.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: ByEights = ByEights;

/// See the module.
struct ByEights;

/// A layout whose size class has the layout's alignment.
#[inline]
pub fn padded(layout: Layout) -> Layout {
    if layout.align() <= 8 {
        layout
    } else {
        layout.pad_to_align()
    }
}

// SAFETY: jemalloc's own allocator with larger layouts, the same for the same request.
unsafe impl GlobalAlloc for ByEights {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; padding keeps a layout valid.
        unsafe { Jemalloc.alloc(padded(layout)) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { Jemalloc.alloc_zeroed(padded(layout)) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above; `at` was allocated with the same padded layout.
        unsafe { Jemalloc.dealloc(at, padded(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let align = layout.align();
        let new_size = if align <= 8 {
            new_size
        } else {
            new_size.next_multiple_of(align)
        };
        // SAFETY: as above.
        unsafe { Jemalloc.realloc(at, padded(layout), new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{alloc, dealloc, realloc};

    #[test]
    fn blocks_are_as_aligned_as_their_layouts_say() {
        for align in [1, 8, 16, 32, 64, 4096] {
            for size in 1..400 {
                let layout = Layout::from_size_align(size, align).expect("small");
                // SAFETY: no size is zero; each block is freed with its layout.
                let (first, second) = unsafe { (alloc(layout), alloc(layout)) };
                // SAFETY: as above.
                let grown = unsafe { realloc(second, layout, size + 9) };
                for at in [first, grown] {
                    assert!(at.addr().is_multiple_of(align), "{size} at {align}");
                }
                let larger = Layout::from_size_align(size + 9, align).expect("small");
                // SAFETY: as above.
                unsafe {
                    dealloc(first, layout);
                    dealloc(grown, larger);
                }
            }
        }
    }
}
