//! A listpack with free room in front: adding and removing entries there moves no others.
//!
//!     start: u32 | room ... | listpack, to the end of the block
//!
//! Invariants
//!   1. `start` is where the listpack begins, at least 4, and it ends where the block ends.
//!   2. The listpack keeps its own invariants.
//!
//! As for a listpack the handle is a pointer; `start` plus the listpack's own length is the size of
//! the block. Cost: [`RoomyListpack::prepend`] amortised O(1) (the block doubles),
//! [`RoomyListpack::pop_front`] O(1); both O(bytes) of the entry.
#![allow(unsafe_code)]

use super::entry::{EncodedEntry, Entry};
use super::{HEADER, Listpack, Pack};
use crate::thin::ThinPointer;
use russet_base::memory::alloc;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

/// Bytes of `start`.
const START: usize = 4;
/// Blocks up to this many bytes are not made smaller.
const SMALL_BYTES: usize = 256;

/// See the module.
pub(crate) struct RoomyListpack(NonNull<u8>);

// SAFETY: it owns its block alone.
unsafe impl Send for RoomyListpack {}
// SAFETY: shared access only reads.
unsafe impl Sync for RoomyListpack {}

impl RoomyListpack {
    /// A copy of `pack` at the end of a block of `bytes`, or larger if needed.
    pub fn copy(pack: &Pack, bytes: usize) -> RoomyListpack {
        let pack = pack.as_bytes();
        let bytes = bytes.max(START + pack.len());
        let start = bytes - pack.len();
        let stated = u32::try_from(start).expect("a listpack is shorter than 4 GB");
        let block = alloc::block(bytes);
        // SAFETY: the block is aligned to 8 and has at least four bytes.
        unsafe { block.cast::<u32>().as_ptr().write(stated) };
        // SAFETY: `start` is within the block.
        let to = unsafe { block.as_ptr().add(start) };
        // SAFETY: the listpack's bytes fill the block from there to its end.
        unsafe { to.copy_from_nonoverlapping(pack.as_ptr(), pack.len()) };
        RoomyListpack(block)
    }

    /// A copy without the room.
    pub fn to_listpack(&self) -> Listpack {
        Listpack::copy_of(self)
    }

    #[inline]
    fn start(&self) -> usize {
        // SAFETY: the aligned block starts with `start` (invariant 1).
        (unsafe { self.0.cast::<u32>().as_ptr().read() }) as usize
    }

    /// Address of the listpack.
    #[inline]
    fn at(&self) -> *mut u8 {
        // SAFETY: `start` is within the block (invariant 1).
        unsafe { self.0.as_ptr().add(self.start()) }
    }

    #[inline]
    fn total(&self) -> usize {
        // SAFETY: a listpack begins there with the four bytes of its length.
        u32::from_le(unsafe { self.at().cast::<u32>().read_unaligned() }) as usize
    }

    /// Bytes of the block, as the allocator counts them.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        alloc::good_size(self.block_bytes())
    }

    /// Adds an entry at the front. A block that must grow doubles, but only up to `bytes_max` if
    /// that suffices.
    #[inline]
    pub fn prepend(&mut self, entry: Entry<'_>, bytes_max: usize) {
        let encoded = EncodedEntry::new(entry);
        let added = encoded.total();
        if self.start() < START + added {
            let needed = START + added + self.total();
            let bytes = (2 * self.total()).min(bytes_max).max(needed);
            *self = RoomyListpack::copy(self, alloc::good_size(bytes));
        }
        let (start, total) = (self.start() - added, self.total() + added);
        self.begin(start, total, self.count_after(1, 0));
        // SAFETY: the room between the new header and the previous first entry is exclusively this
        // value's.
        let room = unsafe {
            std::slice::from_raw_parts_mut(self.0.as_ptr().add(start + HEADER).cast(), added)
        };
        encoded.write(room);
    }

    /// Removes the first entry, which must exist; shrinks a large block that is mostly room.
    #[inline]
    pub fn pop_front(&mut self) {
        let gone = self.after(HEADER) - HEADER;
        let (start, total) = (self.start() + gone, self.total() - gone);
        self.begin(start, total, self.count_after(0, 1));
        // At a quarter, while growth doubles: alternating pushes and pops do not copy each time.
        if start > 3 * total && start + total > SMALL_BYTES {
            *self = RoomyListpack::copy(self, 0);
        }
    }

    /// Writes the listpack's start, and its header there.
    #[inline]
    fn begin(&mut self, start: usize, total: usize, count: u16) {
        debug_assert!(start >= START && total > HEADER);
        // SAFETY: the aligned block starts with `start`.
        unsafe { self.0.cast::<u32>().as_ptr().write(start as u32) };
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(total as u32).to_le_bytes());
        header[4..].copy_from_slice(&count.to_le_bytes());
        // SAFETY: `start + total` is the block's end, and a listpack is longer than its header.
        unsafe {
            self.at()
                .copy_from_nonoverlapping(header.as_ptr(), header.len())
        };
    }
}

impl Deref for RoomyListpack {
    type Target = Pack;

    #[inline]
    fn deref(&self) -> &Pack {
        // SAFETY: `total` initialised bytes from `start` on belong to this value.
        Pack::of(unsafe { std::slice::from_raw_parts(self.at(), self.total()) })
    }
}

impl ThinPointer for RoomyListpack {
    #[inline]
    fn block(&self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn block_bytes(&self) -> usize {
        self.start() + self.total()
    }

    #[inline]
    unsafe fn of(block: NonNull<u8>) -> Self {
        RoomyListpack(block)
    }
}

impl Drop for RoomyListpack {
    fn drop(&mut self) {
        // SAFETY: the block was made for this many bytes and is owned here.
        unsafe { alloc::free(self.0, self.block_bytes()) };
    }
}

impl Clone for RoomyListpack {
    /// With the same room: callers that count blocks of many values copy the count, too.
    fn clone(&self) -> Self {
        RoomyListpack::copy(self, self.block_bytes())
    }
}

impl fmt::Debug for RoomyListpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
