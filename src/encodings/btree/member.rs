//! A sorted-set member: one allocation that the tree and the hash table both point to.
//!
//!     score: f64 | length: varint (7 bits a byte, low first) | bytes
#![allow(unsafe_code)]

use crate::encodings::thin;
use std::cmp::Ordering;
use std::ptr::NonNull;

const SCORE: usize = 8;

/// A pointer to a member's entry. Copies are aliases; whoever made it frees it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member(NonNull<u8>);

fn varint_size(len: usize) -> usize {
    (usize::BITS - (len | 1).leading_zeros()).div_ceil(7) as usize
}

impl Member {
    /// Allocates an entry.
    pub fn new(score: f64, bytes: &[u8]) -> Member {
        let size = varint_size(bytes.len());
        let block = thin::allocate(SCORE + size + bytes.len());
        // SAFETY: the block starts with eight aligned bytes.
        unsafe { block.cast::<f64>().as_ptr().write(score) };
        let mut rest = bytes.len();
        for i in 0..size {
            let more = if i + 1 < size { 0x80 } else { 0 };
            // SAFETY: `size` bytes behind the score belong to the block.
            unsafe {
                block
                    .as_ptr()
                    .add(SCORE + i)
                    .write((rest & 0x7F) as u8 | more)
            };
            rest >>= 7;
        }
        // SAFETY: the block ends with room for exactly `bytes`.
        let room = unsafe { block.as_ptr().add(SCORE + size) };
        // SAFETY: a fresh block overlaps nothing.
        unsafe { room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Member(block)
    }

    /// The pointer as a word of 48 bits whose low three bits are zero.
    #[inline]
    pub fn to_word(self) -> u64 {
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
        let (mut at, mut len, mut shift) = (SCORE, 0usize, 0);
        loop {
            // SAFETY: the length ends before the block does.
            let byte = unsafe { self.0.as_ptr().add(at).read() };
            len |= usize::from(byte & 0x7F) << shift;
            at += 1;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        // SAFETY: the bytes follow the length.
        let start = unsafe { self.0.as_ptr().add(at) };
        // SAFETY: `len` of them are initialised and alive for `'a`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// # Safety
    /// The entry is alive.
    #[inline]
    pub unsafe fn score(self) -> f64 {
        // SAFETY: the block starts with the score.
        unsafe { self.0.cast::<f64>().as_ptr().read() }
    }

    /// # Safety
    /// The entry is alive, and nobody reads it at the same time.
    #[inline]
    pub unsafe fn set_score(self, score: f64) {
        // SAFETY: the block starts with the score.
        unsafe { self.0.cast::<f64>().as_ptr().write(score) };
    }

    /// # Safety
    /// The entry is alive, and no alias is used afterwards.
    pub unsafe fn free(self) {
        // SAFETY: alive, says the caller.
        let len = unsafe { self.bytes() }.len();
        // SAFETY: made by `new` with this length.
        unsafe { thin::release(self.0, SCORE + varint_size(len) + len) };
    }

    /// Asks for the entry's first line.
    #[inline]
    pub fn prefetch(self) {
        super::prefetch(self.0.as_ptr());
    }
}

/// A place in the order: by score, then by the member's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub score: f64,
    pub bytes: &'a [u8],
}

impl Key<'_> {
    /// How the key stands to an element of a tree.
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
            // SAFETY: alive, says the caller.
            Ordering::Equal => self.bytes.cmp(unsafe { member.bytes() }),
            order => order,
        }
    }
}
