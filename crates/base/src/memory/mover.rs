//! Moving blocks out of thinly filled slabs, for active defragmentation.
//!
//! The owner of a block offers it and gets the address of its copy, or `None` if it is well placed.
//! The copy is allocated and the old block freed without the thread's cache: the cache would return
//! the address that was just freed. So copies go where new blocks go, to the slab in use and then
//! to the oldest slab with room, and an empty slab is released whole.
//!
//! An eager mover moves everything that it is offered, with any allocator: tests use it to find
//! stale addresses.
#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::alloc;
use super::slabs::Slabs;

/// Larger blocks are in no slab, because they have pages of their own.
pub const BYTES_MAX: usize = alloc::SMALL_MAX;

/// See the module.
#[derive(Default)]
pub struct Mover {
    slabs: Slabs,
    eager: bool,
    /// Blocks moved.
    pub moved: u64,
    /// Blocks examined and left where they are.
    pub left: u64,
}

impl Mover {
    /// A mover for the real allocator; it knows no slab before [`Mover::refresh`].
    pub fn new() -> Mover {
        Mover::default()
    }

    /// A mover that moves everything.
    pub fn eager() -> Mover {
        Mover {
            eager: true,
            ..Mover::default()
        }
    }

    /// Updates the fill of the slabs; must be called now and then while blocks move.
    pub fn refresh(&mut self) {
        if !self.eager {
            self.slabs.refresh();
        }
    }

    /// Whether it would move this block; a block left is counted.
    #[inline]
    pub fn wants(&mut self, block: NonNull<u8>) -> bool {
        let wants = self.eager || self.slabs.is_thin(block);
        self.left += u64::from(!wants);
        wants
    }

    /// Offers a block of [`alloc::block`]; `size` is called only if it is moved. Returns the
    /// address of the copy, or `None`: the block is not moved.
    ///
    /// # Safety
    /// The block is exclusively the caller's, made with this size; if it is moved the caller
    /// replaces all references to the old address.
    #[inline]
    pub unsafe fn block(
        &mut self,
        block: NonNull<u8>,
        size: impl FnOnce() -> usize,
    ) -> Option<NonNull<u8>> {
        if !self.wants(block) {
            return None;
        }
        // SAFETY: the caller's promise; `alloc::block` asks for this layout.
        unsafe { self.copy(block, alloc::layout(size())) }
    }

    /// Offers a block of the global allocator made with this layout; see [`Mover::block`].
    ///
    /// # Safety
    /// As [`Mover::block`].
    #[inline]
    pub unsafe fn layout(&mut self, block: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 || layout.size() > BYTES_MAX || !self.wants(block) {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { self.copy(block, layout) }
    }

    /// # Safety
    /// As [`Mover::block`].
    unsafe fn copy(&mut self, old: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
        let new = fresh(layout);
        if !self.eager && self.slabs.is_same_slab(old, new) {
            self.left += 1;
            // SAFETY: made above with this layout.
            unsafe { give_back(new, layout) };
            return None;
        }
        // SAFETY: both blocks have this many bytes, and the copy was made above. Bytes never
        // written are copied uninitialised.
        unsafe {
            new.as_ptr()
                .copy_from_nonoverlapping(old.as_ptr(), layout.size());
        }
        self.moved += 1;
        // SAFETY: the caller's promise.
        unsafe { give_back(old, layout) };
        Some(new)
    }

    /// Offers a box's content.
    pub fn boxed<T>(&mut self, value: &mut Box<T>) {
        let old = NonNull::from(&mut **value).cast();
        // SAFETY: a box's block has the layout of its content, and only the box refers to it: it is
        // borrowed here exclusively.
        if let Some(new) = unsafe { self.layout(old, Layout::new::<T>()) } {
            // SAFETY: the content's bytes, unchanged, in a block of their layout.
            let moved = unsafe { Box::from_raw(new.cast::<T>().as_ptr()) };
            // The old block was freed by the move.
            std::mem::forget(std::mem::replace(value, moved));
        }
    }

    /// Offers a slice's block.
    pub fn slice<T>(&mut self, value: &mut Box<[T]>) {
        let len = value.len();
        let old = NonNull::from(&mut **value).cast();
        // SAFETY: as for a box.
        if let Some(new) = unsafe { self.layout(old, Layout::for_value(&**value)) } {
            let new = std::ptr::slice_from_raw_parts_mut(new.cast::<T>().as_ptr(), len);
            // SAFETY: as for a box.
            let moved = unsafe { Box::from_raw(new) };
            std::mem::forget(std::mem::replace(value, moved));
        }
    }

    /// Offers a vector's block.
    pub fn vec<T>(&mut self, value: &mut Vec<T>) {
        let bytes = value.capacity() * size_of::<T>();
        if bytes > 0 && bytes <= BYTES_MAX && self.wants(NonNull::from(&mut **value).cast()) {
            self.wanted_vec(value);
        }
    }

    /// Offers a deque's block. If the deque is moved the elements become contiguous.
    pub fn deque<T>(&mut self, value: &mut VecDeque<T>) {
        let bytes = value.capacity() * size_of::<T>();
        let (some, _) = value.as_mut_slices();
        // Any address in a block identifies its slab; without elements there is none.
        if some.is_empty() || bytes > BYTES_MAX || !self.wants(NonNull::from(some).cast()) {
            return;
        }
        let mut elements = Vec::from(std::mem::take(value));
        self.wanted_vec(&mut elements);
        *value = VecDeque::from(elements);
    }

    fn wanted_vec<T>(&mut self, value: &mut Vec<T>) {
        let layout = Layout::array::<T>(value.capacity()).expect("it was allocated");
        let old = NonNull::from(&mut **value).cast();
        // SAFETY: a vector's block has the layout of as many elements as its capacity, and it is
        // borrowed here exclusively.
        if let Some(new) = unsafe { self.copy(old, layout) } {
            // The old block is freed, and the elements are in the copy, so the old value is not
            // dropped.
            let gone = ManuallyDrop::new(std::mem::take(value));
            let (len, capacity) = (gone.len(), gone.capacity());
            // SAFETY: the elements' bytes, unchanged, in a block of this capacity.
            *value = unsafe { Vec::from_raw_parts(new.cast::<T>().as_ptr(), len, capacity) };
        }
    }
}

/// A block where new blocks go, not a block just freed.
fn fresh(layout: Layout) -> NonNull<u8> {
    #[cfg(not(feature = "system-allocator"))]
    let at = {
        let (size, flags) = past_the_cache(layout);
        // SAFETY: the size is not zero.
        unsafe { tikv_jemalloc_sys::mallocx(size, flags) }
    };
    #[cfg(feature = "system-allocator")]
    // SAFETY: the layout's size is not zero: callers offer existing blocks.
    let at = unsafe { std::alloc::alloc(layout) };
    NonNull::new(at.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
/// The block was made with this layout and is not used again.
unsafe fn give_back(block: NonNull<u8>, layout: Layout) {
    #[cfg(not(feature = "system-allocator"))]
    {
        let (size, flags) = past_the_cache(layout);
        // SAFETY: the caller's promise; the global allocator asks jemalloc for this size.
        unsafe { tikv_jemalloc_sys::sdallocx(block.as_ptr().cast(), size, flags) };
    }
    #[cfg(feature = "system-allocator")]
    // SAFETY: the caller's promise.
    unsafe {
        std::alloc::dealloc(block.as_ptr(), layout)
    };
}

/// jemalloc's size and flags for a layout, bypassing its caches.
#[cfg(not(feature = "system-allocator"))]
fn past_the_cache(layout: Layout) -> (usize, std::ffi::c_int) {
    use tikv_jemalloc_sys::{MALLOCX_ALIGN, MALLOCX_TCACHE_NONE};
    let padded = super::eights::padded(layout);
    let align = match padded.align() {
        ..=8 => 0,
        align => MALLOCX_ALIGN(align),
    };
    (padded.size(), align | MALLOCX_TCACHE_NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_is_as_it_was() {
        let mut mover = Mover::eager();
        let mut text: Box<[u8]> = (0..200u8).collect();
        let mut numbers: Vec<u64> = Vec::with_capacity(10);
        numbers.extend([1, 2, 3]);
        let mut owner = Box::new(vec![String::from("a"), String::from("b")]);
        let before = (text.as_ptr(), numbers.as_ptr(), &raw const *owner);
        mover.slice(&mut text);
        mover.vec(&mut numbers);
        mover.boxed(&mut owner);
        mover.vec(&mut owner);
        assert!(text.iter().copied().eq(0..200u8));
        assert_eq!((&numbers[..], numbers.capacity()), (&[1, 2, 3][..], 10));
        assert_eq!(**owner, ["a", "b"]);
        assert!(before.0 != text.as_ptr() && before.1 != numbers.as_ptr());
        assert!(before.2 != &raw const *owner);
        assert_eq!((mover.moved, mover.left), (4, 0));
        let (mut nothing, mut none) = (Vec::<u64>::new(), Box::<[u8]>::default());
        mover.vec(&mut nothing);
        mover.slice(&mut none);
        assert_eq!(mover.moved, 4);
    }

    #[test]
    #[cfg(not(feature = "system-allocator"))]
    fn thin_slabs_are_emptied() {
        use crate::memory::slabs::unused_bytes;
        // A size that hardly anything else in this process uses, 8 places per slab.
        const BYTES: usize = 3584;
        let blocks: Vec<_> = (0..4000).map(|_| alloc::block(BYTES)).collect();
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for (at, block) in blocks.into_iter().enumerate() {
            // SAFETY: this block has this many bytes and is not shared.
            unsafe { block.as_ptr().write_bytes(at as u8, BYTES) };
            if at % 8 < 3 {
                kept.push((block, at as u8))
            } else {
                gone.push(block)
            }
        }
        // SAFETY: made above, not used after.
        gone.into_iter()
            .for_each(|block| unsafe { alloc::free(block, BYTES) });
        let _ = alloc::perform(c"thread.tcache.flush");
        let mut mover = Mover::new();
        mover.refresh();
        let before = unused_bytes();
        for (at, block) in kept.iter_mut().enumerate() {
            if at % 100 == 0 {
                mover.refresh();
            }
            // SAFETY: the block is the test's own, and its old address is forgotten here.
            if let Some(moved) = unsafe { mover.block(block.0, || BYTES) } {
                block.0 = moved;
            }
        }
        mover.refresh();
        let after = unused_bytes();
        assert!(before - after > 2000 * BYTES, "{before} {after}");
        assert!(mover.moved < 1400, "{}", mover.moved);
        for (block, byte) in kept {
            // SAFETY: this many initialised bytes.
            let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), BYTES) };
            assert!(bytes.iter().all(|&b| b == byte));
            // SAFETY: made with this size, not used after.
            unsafe { alloc::free(block, BYTES) };
        }
    }
}
