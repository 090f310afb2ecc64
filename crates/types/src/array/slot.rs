//! A slot: a value, or none, in a number of bytes that all slots of a slice share.
//!
//!     0                empty
//!     1 ..= 127        a text that fills the slot and begins with this byte
//!     128 ..= 191      a text of tag - 128 bytes
//!     192 ..= 199      an integer in tag - 191 bytes, least significant first
//!     200              a longer text: the word of a blob, in 7 bytes
//!
//! So texts of equal length, ASCII as most, take no byte for a tag. A text that an integer prints
//! the same way is stored as that integer. A slot that holds a blob owns it: [`clear`] frees it,
//! and [`recode`] moves it.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use russet_base::memory::mover::Mover;
use russet_base::numbers::number::parse_i64;
use russet_encodings::blob::Blob;
use russet_encodings::listpack::Entry;
use russet_encodings::thin::ThinPointer;

/// The longest text after a tag.
const TEXT_MAX: usize = 63;
/// The widest slot.
pub(super) const WIDTH_MAX: usize = TEXT_MAX + 1;
/// A slot of this width can hold any value.
pub(super) const WIDTH_ANY: usize = 8;

const EMPTY: u8 = 0;
const FULL_MAX: u8 = 0x7f;
const TEXT: u8 = FULL_MAX + 1;
const TEXT_END: u8 = TEXT + TEXT_MAX as u8;
const INT: u8 = TEXT_END;
const INT_END: u8 = INT + 8;
const BLOB: u8 = INT_END + 1;

/// The width in which a value is stored without a blob; `None` if it is too long.
#[inline]
pub(super) fn need(value: Entry<'_>) -> Option<usize> {
    match value {
        Entry::Int(n) => Some(1 + int_bytes(n)),
        Entry::Str(text) => {
            let need = text.len() + usize::from(!may_fill(text));
            (need <= WIDTH_MAX).then_some(need)
        }
    }
}

/// Whether a slot as wide as the text needs no tag.
#[inline]
fn may_fill(text: &[u8]) -> bool {
    matches!(text.first(), Some(1..=FULL_MAX))
}

/// Bytes of an integer in two's complement.
#[inline]
fn int_bytes(n: i64) -> usize {
    let magnitude = n ^ (n >> 63);
    ((64 - magnitude.leading_zeros() as usize) / 8) + 1
}

/// The need of the value in a slot that is not empty.
pub(super) fn need_of(slot: &[u8]) -> Option<usize> {
    match slot[0] {
        BLOB => need(Entry::parse(blob(slot).as_bytes())),
        _ => get(slot, slot.len()).and_then(need),
    }
}

#[inline]
pub(super) fn is_empty(slot: &[u8]) -> bool {
    slot[0] == EMPTY
}

/// The value of a slot of this width. `slot` may be longer than that: with eight bytes an integer
/// is a single load.
#[inline(always)]
pub(super) fn get(slot: &[u8], width: usize) -> Option<Entry<'_>> {
    match slot[0] {
        EMPTY => None,
        1..=FULL_MAX => Some(Entry::Str(&slot[..width])),
        tag if (INT + 1..INT_END).contains(&tag)
            && let Some(word) = slot.first_chunk() =>
        {
            let bits = 8 * u32::from(tag - INT);
            let value = u64::from_le_bytes(*word) >> 8 << (64 - bits);
            Some(Entry::Int(value as i64 >> (64 - bits)))
        }
        tag @ TEXT..=TEXT_END => Some(Entry::Str(&slot[1..usize::from(tag - TEXT) + 1])),
        tag @ ..=INT_END => Some(Entry::Int(integer(&slot[1..=usize::from(tag - INT)]))),
        _ => {
            let text: *const [u8] = blob(slot).as_bytes();
            // SAFETY: the blob lives as long as the slot holds it, and the slot is borrowed.
            Some(Entry::Str(unsafe { &*text }))
        }
    }
}

/// An integer of up to eight bytes. Each length has its own load: a copy of a length known only
/// here would be a call.
#[inline]
fn integer(bytes: &[u8]) -> i64 {
    let high_bytes = |raw: [u8; 8], bytes: u32| i64::from_le_bytes(raw) >> (64 - 8 * bytes);
    match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c] => i64::from(i32::from_le_bytes([0, a, b, c]) >> 8),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e] => high_bytes([0, 0, 0, a, b, c, d, e], 5),
        [a, b, c, d, e, f] => high_bytes([0, 0, a, b, c, d, e, f], 6),
        [a, b, c, d, e, f, g] => high_bytes([0, a, b, c, d, e, f, g], 7),
        [a, b, c, d, e, f, g, h] => high_bytes([a, b, c, d, e, f, g, h], 8),
        _ => 0,
    }
}

/// A value that slots of equal width are compared with, by the first bytes of a slot that holds it.
pub(super) struct SoughtValue<'a> {
    value: Entry<'a>,
    width: usize,
    head: u64,
    mask: u64,
}

impl<'a> SoughtValue<'a> {
    pub fn new(value: Entry<'a>, width: usize) -> SoughtValue<'a> {
        let mut image = [0; WIDTH_MAX];
        let mut bytes = 1;
        match need(value) {
            Some(need) if need <= width => {
                put(&mut image[..width], value);
                bytes = need;
            }
            _ => image[0] = BLOB,
        }
        let (head, _) = image.split_first_chunk().expect("a wide slot");
        let mask = u64::MAX >> (64 - 8 * bytes.min(8));
        SoughtValue {
            value,
            width,
            head: u64::from_le_bytes(*head) & mask,
            mask,
        }
    }

    /// The value of a slot if it is this value. `slot` may be longer than the slot's width.
    #[inline]
    pub(crate) fn find_in<'s>(&self, slot: &'s [u8]) -> Option<Entry<'s>> {
        if let Some(head) = slot.first_chunk() {
            let differs = u64::from_le_bytes(*head) & self.mask != self.head;
            if differs && slot[0] != BLOB {
                return None;
            }
        }
        let value = get(slot, self.width)?;
        let is_equal = match (value, self.value) {
            (Entry::Int(a), Entry::Int(b)) => a == b,
            (Entry::Str(a), Entry::Str(b)) => a == b,
            // A slot holds an integer that is wider than the slot as text.
            (Entry::Str(a), Entry::Int(b)) => parse_i64(a) == Some(b),
            (Entry::Int(_), Entry::Str(_)) => false,
        };
        is_equal.then_some(value)
    }
}

/// The blob of a slot that holds a blob, without its ownership.
#[inline]
fn blob(slot: &[u8]) -> ManuallyDrop<Blob> {
    debug_assert_eq!(slot[0], BLOB);
    let mut word = [0; 8];
    word[..7].copy_from_slice(&slot[1..WIDTH_ANY]);
    // SAFETY: the word is that of a blob which the slot owns; this handle is not dropped.
    ManuallyDrop::new(unsafe { Blob::from_word(u64::from_le_bytes(word)) })
}

fn put_blob(slot: &mut [u8], blob: Blob) {
    let word = blob.into_word().to_le_bytes();
    assert_eq!(word[7], 0, "addresses have fewer than 56 bits");
    slot[0] = BLOB;
    slot[1..WIDTH_ANY].copy_from_slice(&word[..7]);
}

/// Bytes of the blob of a slot, as the allocator counts them; 0 without a blob.
#[inline]
pub(super) fn blob_bytes(slot: &[u8]) -> usize {
    match slot[0] {
        BLOB => blob(slot).memory_bytes(),
        _ => 0,
    }
}

/// Stores a value in an empty slot that is wide enough for it, or for any; returns the bytes of its
/// blob, 0 without a blob.
#[inline]
pub(super) fn put(slot: &mut [u8], value: Entry<'_>) -> usize {
    debug_assert!(is_empty(slot));
    match value {
        Entry::Int(n) if int_bytes(n) < slot.len() => {
            let bytes = int_bytes(n);
            slot[0] = INT + bytes as u8;
            slot[1..=bytes].copy_from_slice(&n.to_le_bytes()[..bytes]);
            0
        }
        Entry::Str(text) if text.len() == slot.len() && may_fill(text) => {
            slot.copy_from_slice(text);
            0
        }
        Entry::Str(text) if text.len() < slot.len() && text.len() <= TEXT_MAX => {
            slot[0] = TEXT + text.len() as u8;
            slot[1..=text.len()].copy_from_slice(text);
            0
        }
        long => {
            let blob = Blob::new(long.bytes(&mut itoa::Buffer::new()));
            let bytes = blob.memory_bytes();
            put_blob(slot, blob);
            bytes
        }
    }
}

/// Empties a slot; returns the bytes of the blob freed.
#[inline]
pub(super) fn clear(slot: &mut [u8]) -> usize {
    let mut freed = 0;
    if slot[0] == BLOB {
        freed = blob_bytes(slot);
        drop(ManuallyDrop::into_inner(blob(slot)));
    }
    slot[0] = EMPTY;
    freed
}

/// Moves the value of a slot to an empty slot of another width, which is wide enough for it, or for
/// any; returns the bytes of blobs freed and of blobs made.
pub(super) fn recode(from: &mut [u8], to: &mut [u8]) -> (usize, usize) {
    if from[0] == BLOB {
        let held = blob(from);
        let value = Entry::parse(held.as_bytes());
        if need(value).is_none_or(|need| need > to.len()) {
            to[..WIDTH_ANY].copy_from_slice(&from[..WIDTH_ANY]);
            from[0] = EMPTY;
            return (0, 0);
        }
        put(to, value);
        return (clear(from), 0);
    }
    let made = if from.len() == to.len() {
        to.copy_from_slice(from);
        0
    } else {
        get(from, from.len()).map_or(0, |value| put(to, value))
    };
    from[0] = EMPTY;
    (0, made)
}

/// Copies a slot's blob, if it holds a blob: for a copy of the slot's bytes, which then owns the
/// new blob.
pub(super) fn own_copy(slot: &mut [u8]) {
    if slot[0] == BLOB {
        let copy = Blob::clone(&blob(slot));
        put_blob(slot, copy);
    }
}

/// Offers a slot's blob to a mover.
pub(super) fn relocate(slot: &mut [u8], mover: &mut Mover) {
    if slot[0] == BLOB {
        let mut held = ManuallyDrop::into_inner(blob(slot));
        held.relocate(mover);
        put_blob(slot, held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_every_width() {
        let long = "x".repeat(70);
        let texts = [
            "",
            "a",
            "12345",
            "-1",
            "127",
            "128",
            "-128",
            "-129",
            "32767",
            "8388608",
            "007",
            "-0",
            "9223372036854775807",
            "-9223372036854775808",
            "1.5",
            "sixteen letters!",
            "\u{fc}ber",
            "\0",
            &long[..64],
            &long[..63],
            &long,
        ];
        for text in texts {
            let value = Entry::parse(text.as_bytes());
            for width in 1..=WIDTH_MAX {
                if need(value).is_none_or(|need| need > width) && width < WIDTH_ANY {
                    continue;
                }
                let mut slot = vec![0; width];
                let bytes = put(&mut slot, value);
                assert_eq!(bytes > 0, need(value).is_none_or(|need| need > width));
                let shown = |slot: &[u8]| get(slot, slot.len()).expect("a value").to_vec();
                assert_eq!(shown(&slot), text.as_bytes(), "{width}");
                for other in WIDTH_ANY..=WIDTH_MAX {
                    let mut to = vec![0; other];
                    let (freed, made) = recode(&mut slot, &mut to);
                    assert!(is_empty(&slot));
                    assert_eq!(shown(&to), text.as_bytes());
                    let (back_freed, back_made) = recode(&mut to, slot_of(width.max(8), &mut slot));
                    assert!(freed == 0 || back_made == 0 || back_freed == 0 || made == 0);
                    assert_eq!(shown(&slot), text.as_bytes());
                }
                assert_eq!(blob_bytes(&slot), clear(&mut slot));
            }
        }
    }

    fn slot_of(width: usize, slot: &mut Vec<u8>) -> &mut [u8] {
        slot.clear();
        slot.resize(width, 0);
        slot
    }

    #[test]
    fn a_text_may_fill_its_slot() {
        for (text, width) in [
            (&b"seven!!"[..], 7),
            (b"a", 1),
            (b"", 1),
            (b"\xffull", 5),
            (b"\0ne", 4),
            (b"I\xff\0", 3),
        ] {
            assert_eq!(need(Entry::Str(text)), Some(width), "{text:?}");
            let mut slot = vec![0; width];
            assert_eq!(put(&mut slot, Entry::Str(text)), 0);
            assert_eq!(get(&slot, width), Some(Entry::Str(text)));
            assert_eq!(need_of(&slot), Some(width));
            assert!(
                SoughtValue::new(Entry::Str(text), width)
                    .find_in(&slot)
                    .is_some()
            );
        }
    }

    #[test]
    fn integers_take_as_few_bytes_as_they_need() {
        for (n, bytes) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (-128, 1),
            (-129, 2),
            (1 << 15, 3),
        ] {
            assert_eq!(int_bytes(n), bytes, "{n}");
        }
        assert_eq!((int_bytes(i64::MAX), int_bytes(i64::MIN)), (8, 8));
    }
}
