//! Converts a boxed encoding to a word and back.
#![allow(unsafe_code)]

pub(super) fn into_word<T>(value: Box<T>) -> u64 {
    Box::into_raw(value).expose_provenance() as u64
}

/// Borrows the boxed value in place.
///
/// # Safety
/// `word` came from `into_word` of a box of this type, which lives for `'a` unchanged.
#[inline]
pub(super) unsafe fn borrow<'a, T>(word: u64) -> &'a T {
    // SAFETY: the caller guarantees it.
    unsafe { &*std::ptr::with_exposed_provenance(word as usize) }
}

/// # Safety
/// `word` came from `into_word` of a box of this type, and is used for a single box at a time.
pub(super) unsafe fn from_word<T>(word: u64) -> Box<T> {
    // SAFETY: the caller guarantees it.
    unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut(word as usize)) }
}
