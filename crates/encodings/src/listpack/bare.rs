//! Entries alone, without the trailing length that a listpack has for walking left.

use super::entry::{self, EncodedEntry, Entry};
use std::mem::MaybeUninit;

/// The longest string as an entry whose length is in its first two bytes.
pub(crate) const BARE_TEXT_MAX: usize = 4095;

/// Bytes of an entry.
#[inline]
pub(crate) fn bare_bytes(entry: Entry<'_>) -> usize {
    EncodedEntry::new(entry).body_len()
}

/// Writes an entry at the beginning of `to`; returns the rest.
#[inline]
pub(crate) fn write_bare<'b>(
    entry: Entry<'_>,
    to: &'b mut [MaybeUninit<u8>],
) -> &'b mut [MaybeUninit<u8>] {
    EncodedEntry::new(entry).write_body(to)
}

/// Bytes of the entry that begins with `head`; `second` gives the entry's second byte, which only a
/// string of 64 to [`BARE_TEXT_MAX`] bytes needs.
#[inline]
pub(crate) fn bare_len(head: u8, second: impl FnOnce() -> u8) -> usize {
    match head {
        0x00..=0x7F => 1,
        0x80..=0xBF => 1 + usize::from(head & 0x3F),
        0xE0..=0xEF => 2 + (usize::from(head & 0x0F) << 8 | usize::from(second())),
        _ => entry::body_len(&[head]).expect("no longer string was written"),
    }
}

/// The value of a whole entry.
#[inline]
pub(crate) fn read_bare(bytes: &[u8]) -> Entry<'_> {
    entry::decode(bytes)
}
