//! A listpack: short strings and integers packed into a single allocation, byte for byte the format
//! of Redis.
//!
//!     total: u32le | count: u16le | entry ... | 0xFF
//!     entry = header + data + own length (readable from the right)
//!
//! Invariants
//!   1. `total` is the buffer's length, and the last byte is 0xFF.
//!   2. Every [`Pos`] handed out is the start of an entry until the next change.
//!   3. `count` 65535 means "unknown": `len()` then walks.
//!
//! The handle is a pointer: the length is in the header, the capacity is the allocator's size class
//! for it (see `base::memory::alloc`). A stale `Pos` may panic or read another entry, never memory
//! outside the listpack. Cost: append O(1), other changes by position O(bytes after it), `seek`
//! O(n) from the nearer end, `len` O(1) unless invariant 3 applies. `types` decides when a value
//! leaves this encoding.
#![allow(unsafe_code)]

mod bare;
mod edit;
mod entry;
mod iter;
mod pack;
mod repeats;
mod roomy;
mod validate;

pub(crate) use bare::{BARE_TEXT_MAX, bare_bytes, bare_len, read_bare, write_bare};
pub use entry::Entry;
pub use iter::Iter;
pub use pack::Pack;
pub(crate) use roomy::RoomyListpack;
pub use validate::ListpackError;

use crate::thin::ThinPointer;
use entry::EncodedEntry;
use russet_base::memory::alloc;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use validate::validate;

const HEADER: usize = 6;
const END: u8 = 0xFF;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// The largest listpack that may grow further, in bytes.
pub(crate) const SAFETY_BYTES: usize = 1 << 30;

/// Where an entry starts, in bytes from the start of the listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(u32);

impl Pos {
    fn at(offset: usize) -> Self {
        Pos(u32::try_from(offset).expect("a listpack is shorter than 4 GB"))
    }

    fn offset(self) -> usize {
        self.0 as usize
    }
}

/// See the module.
pub struct Listpack(NonNull<u8>);

// SAFETY: a listpack owns its block alone.
unsafe impl Send for Listpack {}
// SAFETY: shared access only reads.
unsafe impl Sync for Listpack {}

impl Listpack {
    /// An empty listpack: header and end mark.
    pub fn new() -> Self {
        let mut pack = Listpack::uninit(HEADER + 1);
        pack.set_count(0);
        pack.bytes_mut()[HEADER] = END;
        pack
    }

    /// A listpack of the given values.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Self {
        let mut pack = Listpack::new();
        for entry in entries {
            pack.append(entry);
        }
        pack
    }

    /// A copy of `bytes` after checking every entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ListpackError> {
        validate(bytes)?;
        Ok(Listpack::copy_of(Pack::of(bytes)))
    }

    fn copy_of(pack: &Pack) -> Self {
        let bytes = pack.as_bytes();
        let mut copy = Listpack::uninit(bytes.len());
        copy.bytes_mut().copy_from_slice(bytes);
        copy
    }

    /// A block for `total` bytes with only the total filled in and the rest zero.
    fn uninit(total: usize) -> Self {
        let stated = u32::try_from(total).expect("a listpack is shorter than 4 GB");
        let block = alloc::block(total);
        // SAFETY: the block holds at least `total` >= 7 bytes.
        unsafe { block.as_ptr().write_bytes(0, total) };
        // SAFETY: as above; unaligned writes need no alignment.
        unsafe { block.cast::<u32>().as_ptr().write_unaligned(stated.to_le()) };
        Listpack(block)
    }

    #[inline]
    fn total(&self) -> usize {
        // SAFETY: the block starts with the four bytes of `total` (invariant 1).
        u32::from_le(unsafe { self.0.cast::<u32>().as_ptr().read_unaligned() }) as usize
    }

    /// Bytes of the block, as the allocator counts them.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        alloc::good_size(self.total())
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr(), self.total()) }
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.bytes_mut()[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    fn add_to_count(&mut self, added: usize, removed: usize) {
        self.set_count(self.count_after(added, removed).into());
    }

    /// Whether `extra` more bytes keep it within the safety limit.
    pub fn fits(&self, extra: usize) -> bool {
        self.total().saturating_add(extra) <= SAFETY_BYTES
    }
}

/// The bytes that `entry` adds to a listpack.
#[inline]
pub fn entry_bytes(entry: Entry<'_>) -> usize {
    EncodedEntry::new(entry).total()
}

impl Deref for Listpack {
    type Target = Pack;

    #[inline]
    fn deref(&self) -> &Pack {
        // SAFETY: `total` initialised bytes belong to this listpack (invariant 1).
        Pack::of(unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.total()) })
    }
}

impl ThinPointer for Listpack {
    #[inline]
    fn block(&self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn block_bytes(&self) -> usize {
        self.total()
    }

    #[inline]
    unsafe fn of(block: NonNull<u8>) -> Self {
        Listpack(block)
    }
}

impl Drop for Listpack {
    fn drop(&mut self) {
        // SAFETY: the block was made for `total` bytes and is owned here.
        unsafe { alloc::free(self.0, self.total()) };
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Self {
        Listpack::copy_of(self)
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests;
