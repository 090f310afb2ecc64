//! A large argument in transit from the socket to its key: read directly into the block in which a
//! string is stored, and handed over as that block. Large results of commands become strings the
//! same way ([`LargeText::with_room`]).
//!
//!     | arrived ............ | room ...... |
//!     | capacity ......................... | announced: not allocated yet ....... |
//!
//! The block grows with the bytes received, never because of the announced length alone: at most to
//! eight times the received bytes, in steps whose last ends at the announced length. If the
//! allocator cannot grow it in place, all steps together copy a seventh of it.
//!
//! Invariants
//!   1. `arrived <= capacity <= announced`, and the first `arrived` bytes are initialised.
//!   2. A complete argument's block has exactly its length, as a string's must have.
//!   3. A block that was given away belongs to a key, which frees it through `base::memory::pin`
//!      and does not write to it while it is pinned. The pin held here keeps the bytes readable as
//!      long as the argument lives: the slow log and MONITOR read it after the handler. A block
//!      that is shared ([`LargeText::share`]) belongs to its pins alone.
//!
//! This module decides which arguments are large, `server::clients::input` when they are separated
//! from the rest of their command, `net` how bytes are read from a socket.
#![allow(unsafe_code)]

use std::cell::OnceCell;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;

use rustix::mm::{Advice, madvise};

use super::alloc;
use super::pin::{self, PinnedBytes};

/// Minimum size of a large argument.
pub const LARGE_MIN: usize = 32 * 1024;
/// Room for an argument before any of its bytes were received.
const FIRST_BYTES: usize = 64 * 1024;
/// Maximum ratio of a block to the received bytes.
const GROWTH_MAX: usize = 8;
/// Maximum bytes of a read, so that other clients are served too.
const READ_MAX: usize = 1024 * 1024;
/// jemalloc keeps no pages of freed blocks of this length: every new block is fresh memory from the
/// kernel, which provides many pages at once for a sixth less than singly.
const FRESH_MIN: usize = 8 * 1024 * 1024;
const PAGE: usize = 4096;

// Only blocks of at least `PIN_MIN` are checked for pins when they are freed.
const _: () = assert!(LARGE_MIN >= pin::PIN_MIN);

/// See the module.
#[derive(Debug)]
pub struct LargeText {
    at: NonNull<u8>,
    announced: usize,
    arrived: usize,
    capacity: usize,
    /// Up to here the block's pages are populated, or need not be in advance.
    backed: usize,
    given: OnceCell<PinnedBytes>,
}

// SAFETY: the block is this value's own, or read through a pin that may be sent itself.
unsafe impl Send for LargeText {}

/// The block size for an argument of which `arrived` bytes were received. More than `arrived`
/// unless that is all.
fn capacity_for(arrived: usize, announced: usize) -> usize {
    let most = (GROWTH_MAX * arrived).max(FIRST_BYTES);
    let mut capacity = announced;
    while capacity > most {
        capacity = capacity.div_ceil(GROWTH_MAX);
    }
    capacity
}

impl LargeText {
    /// An argument of `announced` bytes (at least [`LARGE_MIN`]) that begins with `come`.
    pub fn begin(announced: usize, come: &[u8]) -> LargeText {
        assert!(announced >= LARGE_MIN && come.len() <= announced);
        let capacity = capacity_for(come.len(), announced);
        let at = alloc::block(capacity);
        // SAFETY: the new block has `capacity` bytes, at least as many as were received.
        unsafe {
            at.as_ptr()
                .copy_from_nonoverlapping(come.as_ptr(), come.len())
        };
        LargeText {
            at,
            announced,
            arrived: come.len(),
            capacity,
            backed: 0,
            given: OnceCell::new(),
        }
    }

    /// Room for a text of `len` bytes (at least [`LARGE_MIN`]) to be computed.
    pub fn with_room(len: usize) -> LargeText {
        assert!(len >= LARGE_MIN);
        LargeText {
            at: alloc::block(len),
            announced: len,
            arrived: 0,
            capacity: len,
            backed: len,
            given: OnceCell::new(),
        }
    }

    /// Appends bytes, for which there must be room.
    pub fn push(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.capacity - self.arrived);
        // SAFETY: no further than the block's end (invariant 1).
        let end = unsafe { self.at.add(self.arrived) };
        // SAFETY: the block has as many bytes left, and is this value's own.
        unsafe {
            end.as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        self.arrived += bytes.len();
    }

    /// Appends as many of these bytes as belong to it; returns how many.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while !self.is_whole() && taken < bytes.len() {
            let end = bytes.len().min(taken + self.room());
            self.push(&bytes[taken..end]);
            taken = end;
        }
        taken
    }

    /// Whether all of it has been received.
    pub fn is_whole(&self) -> bool {
        self.arrived == self.announced
    }

    /// Bytes of the block in the allocator.
    pub fn memory_bytes(&self) -> usize {
        alloc::good_size(self.capacity)
    }

    /// Additional bytes that the argument will occupy when it is complete.
    pub fn growth_bytes(&self) -> usize {
        alloc::good_size(self.announced) - self.memory_bytes()
    }

    /// Room for the next read: at least a byte, and at most [`READ_MAX`].
    fn room(&mut self) -> usize {
        assert!(!self.is_whole());
        if self.arrived == self.capacity {
            self.resize(capacity_for(self.arrived, self.announced));
        }
        let room = (self.capacity - self.arrived).min(READ_MAX);
        self.back(self.arrived + room);
        room
    }

    /// Lets `read` put the next bytes into the block; `read` returns the number of bytes that it
    /// has written, from the start of its room on. Returns the length of the room, and the number
    /// of bytes used.
    ///
    /// The second argument of `read` is whether the room extends to the argument's end.
    pub fn fill<E>(
        &mut self,
        read: impl for<'r> FnOnce(&'r mut [MaybeUninit<u8>], bool) -> Result<&'r [u8], E>,
    ) -> Result<(usize, usize), E> {
        let room = self.room();
        let ends = self.arrived + room == self.announced;
        // SAFETY: `arrived` bytes of a longer block are skipped (invariant 1).
        let at = unsafe { self.at.add(self.arrived) };
        // SAFETY: `room` bytes of the block, which is this value's own until it is whole; the type
        // allows uninitialised bytes.
        let into = unsafe { NonNull::slice_from_raw_parts(at.cast(), room).as_mut() };
        let came = read(into, ends)?;
        // Readable bytes that begin at the room's start are initialised bytes of it.
        assert!(came.is_empty() || came.as_ptr() == at.as_ptr() && came.len() <= room);
        let came = came.len();
        self.arrived += came;
        Ok((room, came))
    }

    /// Populates the pages up to `end` before they are written.
    fn back(&mut self, end: usize) {
        if self.capacity < FRESH_MIN || self.backed >= end {
            return;
        }
        let from = self.backed.max(self.arrived);
        // SAFETY: a position in the block: `backed` and `arrived` are below its capacity.
        let at = unsafe { self.at.as_ptr().add(from) };
        let before = at.addr() % PAGE;
        let first = at.wrapping_sub(before);
        // SAFETY: only the block's own pages; existing ones do not change. A kernel without this
        // call refuses, and the pages are populated when they are written.
        let _ = unsafe {
            madvise(
                first.cast(),
                end - from + before,
                Advice::LinuxPopulateWrite,
            )
        };
        self.backed = end;
    }

    /// Releases room that is not needed for now.
    pub fn shrink(&mut self) {
        let wanted = self.arrived.max(FIRST_BYTES);
        if self.given.get().is_none() && wanted < self.capacity {
            self.resize(wanted);
        }
    }

    fn resize(&mut self, capacity: usize) {
        // SAFETY: the block has `capacity` bytes, and its old address is forgotten here.
        self.at = unsafe { alloc::resize(self.at, self.capacity, capacity) };
        self.capacity = capacity;
        self.backed = self.backed.min(self.arrived);
    }

    /// Another reader of a whole argument, perhaps in another thread. The last pin frees the block,
    /// unless it was given away; the block cannot be given away any more.
    pub fn share(&self) -> LargeText {
        assert!(self.is_whole());
        let pinned = self.given.get_or_init(|| {
            // SAFETY: all bytes have been received; what writes to the block, moves or frees it
            // looks at `given` first.
            let pinned = unsafe { PinnedBytes::new(self.at, self.announced) };
            // SAFETY: this value's own block, of its exact length (invariant 2). The block is
            // pinned, so that the last pin frees it.
            unsafe { pin::free(self.at, self.announced) };
            pinned
        });
        LargeText {
            at: self.at,
            announced: self.announced,
            arrived: self.arrived,
            capacity: self.capacity,
            backed: self.backed,
            given: OnceCell::from(pinned.clone()),
        }
    }

    /// The block of a whole argument, whose ownership passes to the caller (invariant 3); `None` if
    /// it was given away before.
    pub fn give(&self) -> Option<NonNull<u8>> {
        assert!(self.is_whole());
        if self.given.get().is_some() {
            return None;
        }
        // SAFETY: all bytes have been received, and the new owner complies with invariant 3.
        let pinned = unsafe { PinnedBytes::new(self.at, self.announced) };
        self.given.set(pinned).expect("just seen empty");
        Some(self.at)
    }
}

impl Deref for LargeText {
    type Target = [u8];

    /// The bytes received.
    fn deref(&self) -> &[u8] {
        // SAFETY: initialised (invariant 1); owned or pinned, so not freed (invariant 3).
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.arrived) }
    }
}

impl Drop for LargeText {
    fn drop(&mut self) {
        if self.given.get().is_none() {
            // SAFETY: the block has no other owner.
            unsafe { alloc::free(self.at, self.capacity) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const MIB: usize = 1 << 20;

    #[test]
    fn a_block_is_at_most_eight_times_what_has_come() {
        for announced in [
            LARGE_MIN,
            LARGE_MIN + 1,
            100_000,
            MIB,
            200 * MIB,
            512 * MIB + 7,
        ] {
            let (mut arrived, mut steps, mut copied) = (0, 0, 0);
            while arrived < announced {
                let capacity = capacity_for(arrived, announced);
                assert!(capacity > arrived && capacity <= announced);
                assert!(capacity <= FIRST_BYTES.max(8 * arrived));
                (steps, copied) = (steps + 1, copied + arrived);
                arrived = capacity;
            }
            assert!(steps <= 8, "{announced}: {steps}");
            assert!(copied <= announced / 7 + 16, "{announced}: {copied}");
        }
    }

    /// Feeds `text` in pieces of at most `piece` bytes.
    fn come(text: &[u8], first: usize, piece: usize) -> LargeText {
        let mut large = LargeText::begin(text.len(), &text[..first]);
        while !large.is_whole() {
            let from = large.len();
            let filled = large.fill(|room, ends| {
                assert_eq!(ends, from + room.len() == text.len());
                let n = room.len().min(piece);
                Ok::<_, ()>(&*room[..n].write_copy_of_slice(&text[from..from + n]))
            });
            let (room, came) = filled.expect("bytes");
            assert_eq!(came, room.min(piece));
        }
        large
    }

    #[test]
    fn pieces_of_any_length_give_the_whole_in_a_block_of_its_length() {
        let text: Vec<u8> = (0..300_001u32).map(|i| (i % 251) as u8).collect();
        for (first, piece) in [
            (0, 100_000),
            (1, 65_536),
            (70_000, 777),
            (300_000, 50_000),
            (0, 1 << 30),
        ] {
            let large = come(&text, first, piece);
            assert!(*large == *text, "{first} {piece}");
            assert_eq!(large.memory_bytes(), alloc::good_size(text.len()));
        }
    }

    #[test]
    fn a_read_that_brings_nothing_or_fails_changes_nothing() {
        let mut large = LargeText::begin(MIB, b"abc");
        let end = large.fill(|_, _| Ok::<_, ()>(&[]));
        assert_eq!(end.map(|(_, came)| came), Ok(0));
        assert_eq!(large.fill(|_, _| Err("gone")), Err("gone"));
        assert_eq!(&*large, b"abc");
    }

    #[test]
    #[should_panic]
    fn bytes_from_elsewhere_are_not_taken_for_those_of_the_room() {
        let mut large = LargeText::begin(MIB, b"");
        let _ = large.fill(|_, _| Ok::<_, ()>(&b"elsewhere"[..]));
    }

    #[test]
    fn room_that_is_not_used_goes_back() {
        let mut large = LargeText::begin(100 * MIB, &vec![b'x'; MIB]);
        assert!(large.memory_bytes() > MIB);
        large.shrink();
        assert_eq!(large.memory_bytes(), MIB);
        assert!(large.iter().all(|&b| b == b'x'));
    }

    #[test]
    fn a_given_block_outlives_its_key_while_the_argument_is_read() {
        let large = LargeText::begin(LARGE_MIN, &[b'x'; LARGE_MIN]);
        let block = large.give().expect("whole");
        assert_eq!(large.give(), None);
        assert!(pin::is_pinned(block));
        // SAFETY: given to this test, which does not use it again.
        unsafe { pin::free(block, LARGE_MIN) };
        assert!(large.iter().all(|&b| b == b'x'));
        drop(large);
        assert!(!pin::is_pinned(block));
    }

    #[test]
    fn a_shared_block_lives_as_long_as_one_of_its_readers() {
        let large = LargeText::begin(LARGE_MIN, &[b'x'; LARGE_MIN]);
        let block = large.at;
        let (second, third) = (large.share(), large.share());
        assert_eq!(large.give(), None);
        drop(large);
        let other = std::thread::spawn(move || second.iter().all(|&b| b == b'x'));
        assert!(other.join().expect("no panic"));
        assert!(third.share().iter().all(|&b| b == b'x'));
        assert!(pin::is_pinned(block));
        drop(third);
        assert!(!pin::is_pinned(block));
    }
}
