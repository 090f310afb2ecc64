//! An element: the block that a hash table's word and a node's payload point to.
//!
//!     number of its node: u32 | length varint | name | length varint | attributes
//!
//! Attributes are a text that FILTER reads as JSON; empty ones are none.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use russet_encodings::hashtable::Word;
use russet_encodings::hnsw::NodeId;
use russet_encodings::varint;

const NODE_BYTES: usize = 4;

/// An element as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub node: NodeId,
    pub name: &'a [u8],
    pub attributes: &'a [u8],
}

impl Element<'_> {
    fn len(&self) -> usize {
        NODE_BYTES + varint::sized(self.name) + varint::sized(self.attributes)
    }

    /// Bytes of the element's block, as the allocator counts them.
    pub(super) fn memory_bytes(&self) -> usize {
        alloc::good_size(self.len())
    }

    /// Makes a block of it, which the word owns.
    pub(super) fn build(&self) -> Word {
        let block = alloc::block(self.len()).as_ptr();
        // SAFETY: a fresh block with room for the number first.
        unsafe { block.cast::<u32>().write_unaligned(self.node.0) };
        // SAFETY: within the block.
        let name_at = unsafe { block.add(NODE_BYTES) };
        // SAFETY: the rest of the block has room for exactly this.
        let attributes_at = unsafe { varint::write_bytes(name_at, self.name) };
        // SAFETY: as above.
        unsafe { varint::write_bytes(attributes_at, self.attributes) };
        Word::from_raw(block.expose_provenance() as u64)
    }
}

fn start_of(word: Word) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(word.raw() as usize)
}

/// # Safety
/// The word's block lives for `'a`.
#[inline]
pub(super) unsafe fn name_of<'a>(word: Word) -> &'a [u8] {
    // SAFETY: the name follows the number.
    let at = unsafe { start_of(word).add(NODE_BYTES) };
    // SAFETY: written by `build`.
    unsafe { varint::read_bytes(at) }
}

/// # Safety
/// The word's block, unchanged, lives for `'a`.
#[inline]
pub(super) unsafe fn element_of<'a>(word: Word) -> Element<'a> {
    // SAFETY: the caller guarantees that it is alive.
    let name = unsafe { name_of(word) };
    // SAFETY: the attributes' length follows the name.
    let at = unsafe { name.as_ptr().add(name.len()) };
    Element {
        // SAFETY: the block begins with the number.
        node: NodeId(unsafe { start_of(word).cast::<u32>().read_unaligned() }),
        name,
        // SAFETY: written by `build`.
        attributes: unsafe { varint::read_bytes(at) },
    }
}

/// Changes the number of the node.
///
/// # Safety
/// The word's block is alive and not borrowed.
pub(super) unsafe fn set_node(word: Word, node: NodeId) {
    // SAFETY: the block begins with the number.
    unsafe { start_of(word).cast::<u32>().write_unaligned(node.0) };
}

/// Frees the block; returns its bytes.
///
/// # Safety
/// The word is not used again.
pub(super) unsafe fn free(word: Word) -> usize {
    // SAFETY: alive until here.
    let len = unsafe { element_of(word) }.len();
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    // SAFETY: made by `build` with this length.
    unsafe { alloc::free(block, len) };
    alloc::good_size(len)
}

/// Offers the block; returns the word of its copy.
///
/// # Safety
/// The block is alive, and after `Some` the word is not used again.
pub(super) unsafe fn moved(word: Word, mover: &mut Mover) -> Option<Word> {
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    // SAFETY: made by `build` with this length.
    let moved = unsafe { mover.block(block, || element_of(word).len()) }?;
    Some(Word::from_raw(moved.as_ptr().expose_provenance() as u64))
}
