//! Bytes that change, as a single pointer: for values that are edited in place.
//!
//!     length: u32 | bytes
//!
//! Like a blob (`blob`), but half the header, and spliced within the allocator's size class.
//! Cost: a splice moves the bytes after it, and reallocates only if the size class changes.
#![allow(unsafe_code)]

use crate::thin::ThinPointer;
use russet_base::memory::alloc;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

const HEADER: usize = 4;

/// See the module.
pub struct Buffer(NonNull<u8>);

// SAFETY: a buffer owns its block alone.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A copy of `bytes`, in a block of its own.
    pub fn new(bytes: &[u8]) -> Self {
        Self::concat(&[bytes])
    }

    /// The bytes of all `parts`, in order.
    pub fn concat(parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum();
        let mut buffer = Buffer(alloc::block(HEADER + len));
        buffer.set_len(len);
        let mut offset = HEADER;
        for part in parts {
            // SAFETY: the parts together fill exactly the block, which overlaps none.
            unsafe {
                (buffer.0.as_ptr().add(offset)).copy_from_nonoverlapping(part.as_ptr(), part.len())
            };
            offset += part.len();
        }
        buffer
    }

    /// Bytes of the block, as the allocator counts them.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        alloc::good_size(self.block_bytes())
    }

    #[inline]
    fn header_len(&self) -> usize {
        // SAFETY: the aligned block starts with the length.
        (unsafe { self.0.cast::<u32>().as_ptr().read() }) as usize
    }

    #[inline]
    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("a buffer is shorter than 4 GB");
        // SAFETY: the aligned block starts with the length.
        unsafe { self.0.cast::<u32>().as_ptr().write(len) };
    }

    /// Address of the byte with this offset, which must be within the block, or at its end.
    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: the callers' offsets are within the block.
        unsafe { self.0.as_ptr().add(HEADER + offset) }
    }

    /// Replaces a range of bytes.
    pub fn splice(&mut self, range: Range<usize>, new: &[u8]) {
        let old = self.header_len();
        assert!(range.start <= range.end && range.end <= old);
        if new.len() == range.len() {
            self[range].copy_from_slice(new);
            return;
        }
        let len = old - range.len() + new.len();
        if len > old {
            // SAFETY: the block was made for the old length, and its address is replaced.
            self.0 = unsafe { alloc::resize(self.0, HEADER + old, HEADER + len) };
        }
        let (from, to) = (self.at(range.end), self.at(range.start + new.len()));
        // SAFETY: the tail is initialised, and has room after the new bytes: the block holds the
        // longer of both lengths.
        unsafe { to.copy_from(from, old - range.end) };
        let to = self.at(range.start);
        // SAFETY: the block is borrowed exclusively, so that `new` is elsewhere.
        unsafe { to.copy_from_nonoverlapping(new.as_ptr(), new.len()) };
        if len < old {
            // SAFETY: as above; all bytes are within the new length.
            self.0 = unsafe { alloc::resize(self.0, HEADER + old, HEADER + len) };
        }
        self.set_len(len);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: as many initialised bytes follow the header.
        unsafe { std::slice::from_raw_parts(self.at(0), self.header_len()) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.at(0), self.header_len()) }
    }
}

impl ThinPointer for Buffer {
    #[inline]
    fn block(&self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn block_bytes(&self) -> usize {
        HEADER + self.header_len()
    }

    #[inline]
    unsafe fn of(block: NonNull<u8>) -> Self {
        Buffer(block)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the block was made for this length and is owned here.
        unsafe { alloc::free(self.0, self.block_bytes()) };
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Buffer::new(self)
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer::new(&[])
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_are_those_of_a_vector() {
        let (mut buffer, mut model) = (Buffer::default(), Vec::new());
        let mut seed = 1u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        for round in 0..2000 {
            let start = random(model.len() + 1);
            let end = start + random(model.len() - start + 1).min(random(60));
            let new: Vec<u8> = (0..random(60)).map(|n| (n + round) as u8).collect();
            buffer.splice(start..end, &new);
            model.splice(start..end, new);
            assert_eq!(*buffer, model[..]);
            let size = alloc::good_size(HEADER + model.len());
            assert_eq!(buffer.memory_bytes(), size);
        }
        assert_eq!(*buffer.clone(), model[..]);
    }
}
