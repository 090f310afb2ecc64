//! A field of a large hash: a word and the allocation to which it points.
//!
//!     word     pointer | bit 0: has an expiry | bit 1: the value is in another block
//!     entry    [expiry ms: u64] | length varint | field | length varint | value
//!     far      [expiry ms: u64] | length varint | field | word of a `Blob`
#![allow(unsafe_code)]

use crate::blob::Blob;
use crate::hashtable::Word;
use crate::thin::ThinPointer;
use crate::varint;
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use std::ptr::NonNull;

const EXPIRES: u64 = 1;
const FAR: u64 = 2;
const FLAGS: u64 = 7;
/// Values above this many bytes are in a block of their own.
const NEAR_MAX: usize = 1024;

/// A field as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's name, any bytes.
    pub name: &'a [u8],
    /// The value, any bytes.
    pub value: &'a [u8],
    /// When it expires, in Unix milliseconds; `None`: never.
    pub expire_ms: Option<u64>,
}

#[inline]
fn start_of(word: Word) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut((word.raw() & !FLAGS) as usize)
}

/// Whether the field has an expiry.
#[inline]
pub(super) fn expires(word: Word) -> bool {
    word.raw() & EXPIRES != 0
}

#[inline]
fn expiry_size(word: Word) -> usize {
    if expires(word) { 8 } else { 0 }
}

/// # Safety
/// The word's entry lives for `'a`.
#[inline]
pub(super) unsafe fn name_of<'a>(word: Word) -> &'a [u8] {
    // SAFETY: the name follows the expiry.
    let start = unsafe { start_of(word).add(expiry_size(word)) };
    // SAFETY: written by `build`.
    unsafe { varint::read_bytes(start) }
}

/// # Safety
/// The word's entry is alive.
#[inline]
pub(super) unsafe fn expire_of(word: Word) -> Option<u64> {
    // SAFETY: an entry with the flag starts with its expiry.
    expires(word).then(|| unsafe { start_of(word).cast::<u64>().read() })
}

/// Changes the expiry of an entry that already expires.
///
/// # Safety
/// The word's entry is alive and not borrowed.
#[inline]
pub(super) unsafe fn set_expire(word: Word, expire_ms: u64) {
    assert!(expires(word));
    // SAFETY: an entry with the flag starts with its expiry, aligned.
    unsafe { start_of(word).cast::<u64>().write(expire_ms) };
}

/// The address after the name: of the value's length or of the blob's word.
///
/// # Safety
/// The word's entry is alive.
#[inline]
unsafe fn value_at(word: Word) -> *mut u8 {
    // SAFETY: the caller guarantees that it is alive.
    let name = unsafe { name_of(word) };
    let offset = expiry_size(word) + varint::sized(name);
    // SAFETY: within the entry.
    unsafe { start_of(word).add(offset) }
}

/// # Safety
/// The word's entry, unchanged, lives for `'a`.
#[inline]
unsafe fn value_of<'a>(word: Word) -> &'a [u8] {
    // SAFETY: the caller guarantees that it is alive.
    let at = unsafe { value_at(word) };
    if word.raw() & FAR == 0 {
        // SAFETY: written by `build`.
        return unsafe { varint::read_bytes(at) };
    }
    // SAFETY: a far entry ends with its blob's word.
    let blob = unsafe { Blob::from_word(at.cast::<u64>().read_unaligned()) };
    let bytes: *const [u8] = blob.as_bytes();
    let _ = blob.into_word();
    // SAFETY: the blob belongs to the entry and lives as long.
    unsafe { &*bytes }
}

/// # Safety
/// The word's entry, unchanged, lives for `'a`.
#[inline]
pub(super) unsafe fn field_of<'a>(word: Word) -> Field<'a> {
    Field {
        // SAFETY: the caller guarantees it.
        name: unsafe { name_of(word) },
        // SAFETY: the caller guarantees it.
        value: unsafe { value_of(word) },
        // SAFETY: the caller guarantees it.
        expire_ms: unsafe { expire_of(word) },
    }
}

#[inline]
fn entry_size(name: &[u8], value: &[u8], expires: bool) -> usize {
    let value = if value.len() > NEAR_MAX {
        8
    } else {
        varint::sized(value)
    };
    varint::sized(name) + value + if expires { 8 } else { 0 }
}

/// Bytes of a field's entry, including a value in its own block, as the allocator counts them.
pub(super) fn memory_bytes(field: Field<'_>) -> usize {
    let size = entry_size(field.name, field.value, field.expire_ms.is_some());
    let far = if field.value.len() > NEAR_MAX {
        Blob::memory_bytes_for(field.value.len())
    } else {
        0
    };
    alloc::good_size(size) + far
}

pub(super) fn build(field: Field<'_>) -> Word {
    let block = alloc::block(entry_size(
        field.name,
        field.value,
        field.expire_ms.is_some(),
    ));
    let (mut flags, mut at) = (0, block.as_ptr());
    if let Some(expire_ms) = field.expire_ms {
        flags |= EXPIRES;
        // SAFETY: the block has room for the expiry, aligned.
        unsafe { at.cast::<u64>().write(expire_ms) };
        // SAFETY: within the block.
        at = unsafe { at.add(8) };
    }
    // SAFETY: the block has room for the name.
    at = unsafe { varint::write_bytes(at, field.name) };
    if field.value.len() > NEAR_MAX {
        flags |= FAR;
        // SAFETY: the block has room for a word.
        unsafe {
            at.cast::<u64>()
                .write_unaligned(Blob::new(field.value).into_word())
        };
    } else {
        // SAFETY: the block has room for the value.
        unsafe { varint::write_bytes(at, field.value) };
    }
    Word::from_raw(block.as_ptr().expose_provenance() as u64 | flags)
}

/// Overwrites the value in the entry, if both the old and the new value fit within it and the entry
/// keeps its size class.
///
/// # Safety
/// The word's entry is alive and not borrowed.
pub(super) unsafe fn overwrite(word: Word, name: &[u8], value: &[u8]) -> bool {
    if word.raw() & FAR != 0 || value.len() > NEAR_MAX {
        return false;
    }
    let expires = expires(word);
    // SAFETY: alive.
    let old = entry_size(name, unsafe { value_of(word) }, expires);
    if alloc::good_size(old) != alloc::good_size(entry_size(name, value, expires)) {
        return false;
    }
    // SAFETY: alive.
    let at = unsafe { value_at(word) };
    // SAFETY: the block is as long as its class.
    unsafe { varint::write_bytes(at, value) };
    true
}

/// Offers the entry and a value in its own block; returns the word of the entry's copy.
///
/// # Safety
/// The word's entry is alive and not borrowed; after `Some` the word is not used again.
pub(super) unsafe fn moved(word: Word, mover: &mut Mover) -> Option<Word> {
    if word.raw() & FAR != 0 {
        // SAFETY: alive.
        let at = unsafe { value_at(word) }.cast::<u64>();
        // SAFETY: a far entry ends with the word of its blob, and the word is written back there.
        let mut blob = unsafe { Blob::from_word(at.read_unaligned()) };
        blob.relocate(mover);
        // SAFETY: as above.
        unsafe { at.write_unaligned(blob.into_word()) };
    }
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    let size = || {
        // SAFETY: alive, and not moved yet.
        let field = unsafe { field_of(word) };
        entry_size(field.name, field.value, field.expire_ms.is_some())
    };
    // SAFETY: made by `build` with this size, or rewritten within its class.
    let moved = unsafe { mover.block(block, size) }?;
    let flags = word.raw() & FLAGS;
    Some(Word::from_raw(
        moved.as_ptr().expose_provenance() as u64 | flags,
    ))
}

/// Frees a field; returns its bytes.
///
/// # Safety
/// The word is in no table and not used again.
pub(super) unsafe fn free(word: Word) -> usize {
    // SAFETY: alive until here.
    let field = unsafe { field_of(word) };
    let size = entry_size(field.name, field.value, field.expire_ms.is_some());
    let bytes = memory_bytes(field);
    if word.raw() & FAR != 0 {
        // SAFETY: alive until here.
        let at = unsafe { value_at(word) };
        // SAFETY: a far entry ends with the word of a blob that it owns.
        drop(unsafe { Blob::from_word(at.cast::<u64>().read_unaligned()) });
    }
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    // SAFETY: made by `build` with this size, or rewritten within its class.
    unsafe { alloc::free(block, size) };
    bytes
}
