//! Owned bytes, as a single pointer: for values too large for their container's block.
//!
//!     length: u64 | bytes
#![allow(unsafe_code)]

use crate::thin::ThinPointer;
use russet_base::memory::alloc;
use std::fmt;
use std::ptr::NonNull;

const HEADER: usize = 8;

/// See the module.
pub struct Blob(NonNull<u8>);

// SAFETY: a blob owns its block alone.
unsafe impl Send for Blob {}
// SAFETY: shared access only reads.
unsafe impl Sync for Blob {}

impl Blob {
    /// A copy of `bytes`, in a block of its own.
    pub fn new(bytes: &[u8]) -> Self {
        Self::concat(&[bytes])
    }

    /// The bytes of all `parts`, in order.
    pub fn concat(parts: &[&[u8]]) -> Self {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let block = alloc::block(HEADER + len);
        // SAFETY: the block starts with eight aligned bytes.
        unsafe { block.cast::<u64>().as_ptr().write(len as u64) };
        let mut offset = HEADER;
        for part in parts {
            // SAFETY: the parts together fill exactly the block, which overlaps none.
            unsafe {
                block
                    .as_ptr()
                    .add(offset)
                    .copy_from_nonoverlapping(part.as_ptr(), part.len())
            };
            offset += part.len();
        }
        Blob(block)
    }

    /// Bytes of the block, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        Self::memory_bytes_for(self.len())
    }

    /// As [`Blob::memory_bytes`], for a blob of `len` bytes.
    pub fn memory_bytes_for(len: usize) -> usize {
        alloc::good_size(HEADER + len)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the block starts with the length.
        (unsafe { self.0.cast::<u64>().as_ptr().read() }) as usize
    }

    /// The bytes, the header excluded.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the bytes begin within the block, after the length.
        let start = unsafe { self.0.as_ptr().add(HEADER) };
        // SAFETY: `len` initialised bytes follow.
        unsafe { std::slice::from_raw_parts(start, self.len()) }
    }
}

impl ThinPointer for Blob {
    #[inline]
    fn block(&self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn block_bytes(&self) -> usize {
        HEADER + self.len()
    }

    #[inline]
    unsafe fn of(block: NonNull<u8>) -> Self {
        Blob(block)
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        // SAFETY: the block was made for this length and is owned here.
        unsafe { alloc::free(self.0, HEADER + self.len()) };
    }
}

impl Clone for Blob {
    fn clone(&self) -> Self {
        Blob::new(self.as_bytes())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}
