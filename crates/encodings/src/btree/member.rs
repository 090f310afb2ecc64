//! A sorted-set member: an allocation that the tree and the hash table both point to.
//!
//!     score: f64 | length: varint (7 bits a byte, low first) | bytes
#![allow(unsafe_code)]

use crate::prefetch::prefetch;
use crate::varint;
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use std::cmp::Ordering;
use std::ptr::NonNull;

const SCORE: usize = 8;

/// A pointer to a member's entry. Copies are aliases; the creator frees the member once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member(NonNull<u8>);

impl Member {
    /// Allocates an entry.
    pub fn new(score: f64, bytes: &[u8]) -> Member {
        let block = alloc::block(SCORE + varint::sized(bytes));
        // SAFETY: the block starts with eight aligned bytes.
        unsafe { block.cast::<f64>().as_ptr().write(score) };
        // SAFETY: within the block.
        let rest = unsafe { block.as_ptr().add(SCORE) };
        // SAFETY: the block has room for exactly this, and is fresh.
        unsafe { varint::write_bytes(rest, bytes) };
        Member(block)
    }

    /// The pointer as a word of 48 bits whose low three bits are zero.
    #[inline]
    pub(crate) fn to_word(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// `word` came from `to_word` of a member that is not freed.
    #[inline]
    pub unsafe fn from_word(word: u64) -> Member {
        let block = std::ptr::with_exposed_provenance_mut(word as usize);
        Member(NonNull::new(block).expect("a member's word is not zero"))
    }

    /// # Safety
    /// The entry is alive, and stays so for `'a`.
    #[inline]
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the bytes follow the score.
        let start = unsafe { self.0.as_ptr().add(SCORE) };
        // SAFETY: written by `new`, and alive for `'a`.
        unsafe { varint::read_bytes(start) }
    }

    /// # Safety
    /// The entry is alive.
    #[inline]
    pub unsafe fn score(self) -> f64 {
        // SAFETY: the block starts with the score.
        unsafe { self.0.cast::<f64>().as_ptr().read() }
    }

    /// # Safety
    /// The entry is alive, and is not read at the same time.
    #[inline]
    pub(crate) unsafe fn set_score(self, score: f64) {
        // SAFETY: the block starts with the score.
        unsafe { self.0.cast::<f64>().as_ptr().write(score) };
    }

    /// Offers the entry; returns its copy.
    ///
    /// # Safety
    /// The entry is alive, and after `Some` no alias is used.
    pub unsafe fn moved(self, mover: &mut Mover) -> Option<Member> {
        // SAFETY: the caller guarantees that it is alive.
        let size = || SCORE + varint::sized(unsafe { self.bytes() });
        // SAFETY: made by `new` with this length.
        unsafe { mover.block(self.0, size) }.map(Member)
    }

    /// Frees the entry; returns its bytes.
    ///
    /// # Safety
    /// The entry is alive, and no alias is used afterwards.
    pub unsafe fn free(self) -> usize {
        // SAFETY: the caller guarantees that it is alive.
        let len = SCORE + varint::sized(unsafe { self.bytes() });
        // SAFETY: made by `new` with this length.
        unsafe { alloc::free(self.0, len) };
        alloc::good_size(len)
    }

    /// Bytes of the entry, as the allocator counts them.
    ///
    /// # Safety
    /// The entry is alive.
    #[inline]
    pub unsafe fn memory_bytes(self) -> usize {
        // SAFETY: the caller guarantees that it is alive.
        alloc::good_size(SCORE + varint::sized(unsafe { self.bytes() }))
    }

    /// Prefetches the entry's first line.
    #[inline]
    pub fn prefetch(self) {
        prefetch(self.0.addr().get());
    }
}

/// A position in the order: by score, then by the member's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub score: f64,
    pub bytes: &'a [u8],
    /// The element's entry, if known: among equal scores, the entry's address finds the element
    /// without reading other members.
    pub entry: Option<Member>,
}

impl Key<'_> {
    /// Compares the key with an element of a tree.
    ///
    /// # Safety
    /// `member` is alive.
    #[inline]
    pub(super) unsafe fn cmp(&self, score: f64, member: Member) -> Ordering {
        match self
            .score
            .partial_cmp(&score)
            .expect("scores are never NaN")
        {
            // SAFETY: the caller guarantees that it is alive.
            Ordering::Equal => self.bytes.cmp(unsafe { member.bytes() }),
            order => order,
        }
    }
}
