//! An entry of a listpack: decoding and encoding its bytes.
//!
//!     0vvvvvvv                     7-bit unsigned integer
//!     10llllll data                string of up to 63 bytes
//!     110vvvvv v                   13-bit signed integer, high bits first
//!     1110llll l data              string of up to 4095 bytes, high bits first
//!     0xF0 l l l l data            longer string, u32le length
//!     0xF1 / F2 / F3 / F4 v ...    16 / 24 / 32 / 64-bit signed integer, little endian
//!     0xFF                         end of the listpack, not an entry
//!
//! Each entry is followed by its own length, 7 bits a byte, readable from the right.

use russet_base::numbers::number::parse_i64;
use std::mem::MaybeUninit;

/// A value in a packed encoding, borrowed from it.
///
/// Two entries made by [`Entry::parse`] are equal exactly when their texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// An integer, whose text is its decimal form.
    Int(i64),
    /// A string, which may be the text of an integer.
    Str(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// `text` in stored form: canonical integers as numbers.
    #[inline]
    pub fn parse(text: &'a [u8]) -> Self {
        match parse_i64(text) {
            Some(value) => Entry::Int(value),
            None => Entry::Str(text),
        }
    }

    /// The value's text; an integer is written into `buffer`.
    #[inline]
    pub fn bytes<'b>(&self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Entry::Int(value) => buffer.format(value).as_bytes(),
            Entry::Str(text) => text,
        }
    }

    /// The text as an owned copy.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// The length of the text.
    #[inline]
    pub fn text_len(&self) -> usize {
        match *self {
            Entry::Int(value) => itoa::Buffer::new().format(value).len(),
            Entry::Str(text) => text.len(),
        }
    }

    /// Whether the entry's text is `text`. A stored string is compared as bytes even if it looks
    /// like an integer: foreign listpacks may hold such strings.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        match *self {
            Entry::Int(value) => parse_i64(text) == Some(value),
            Entry::Str(own) => own == text,
        }
    }

    /// The value as an integer, also when a foreign listpack holds it as a string.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Entry::Int(value) => Some(value),
            Entry::Str(text) => parse_i64(text),
        }
    }
}

/// An entry ready to be copied into place: its header (all of it, for an integer), then
/// `data`, then the length of both.
pub(super) struct EncodedEntry<'a> {
    head: [u8; 9],
    head_len: u8,
    data: &'a [u8],
}

impl<'a> EncodedEntry<'a> {
    #[inline]
    pub(super) fn new(entry: Entry<'a>) -> Self {
        match entry {
            Entry::Int(value) => Self::int(value),
            Entry::Str(text) => Self::string(text),
        }
    }

    #[inline]
    fn int(value: i64) -> Self {
        let le = value.to_le_bytes();
        let mut head = [0u8; 9];
        let head_len = if (0..=127).contains(&value) {
            head[0] = le[0];
            1
        } else if (-4096..=4095).contains(&value) {
            head[0] = 0xC0 | (le[1] & 0x1F);
            head[1] = le[0];
            2
        } else {
            let (tag, width) = if i16::try_from(value).is_ok() {
                (0xF1, 2)
            } else if (-(1 << 23)..1 << 23).contains(&value) {
                (0xF2, 3)
            } else if i32::try_from(value).is_ok() {
                (0xF3, 4)
            } else {
                (0xF4, 8)
            };
            head[0] = tag;
            head[1..].copy_from_slice(&le);
            width + 1
        };
        EncodedEntry {
            head,
            head_len,
            data: &[],
        }
    }

    #[inline]
    fn string(data: &'a [u8]) -> Self {
        let mut head = [0u8; 9];
        let len = data.len();
        let head_len = if len < 64 {
            head[0] = 0x80 | len as u8;
            1
        } else if len < 4096 {
            head[0] = 0xE0 | (len >> 8) as u8;
            head[1] = len as u8;
            2
        } else {
            let len = u32::try_from(len).expect("a listpack holds at most 1 GB");
            head[0] = 0xF0;
            head[1..5].copy_from_slice(&len.to_le_bytes());
            5
        };
        EncodedEntry {
            head,
            head_len,
            data,
        }
    }

    /// Bytes without the trailing length.
    #[inline]
    pub(super) fn body_len(&self) -> usize {
        usize::from(self.head_len) + self.data.len()
    }

    /// Bytes of the whole entry, its trailing length included.
    #[inline]
    pub(super) fn total(&self) -> usize {
        let body = self.body_len();
        body + backlen_size(body)
    }

    /// As [`EncodedEntry::write`], without the trailing length.
    #[inline]
    pub(super) fn write_body<'b>(
        &self,
        to: &'b mut [MaybeUninit<u8>],
    ) -> &'b mut [MaybeUninit<u8>] {
        let head_len = usize::from(self.head_len);
        let (body, rest) = to.split_at_mut(self.body_len());
        body[..head_len].write_copy_of_slice(&self.head[..head_len]);
        body[head_len..].write_copy_of_slice(self.data);
        rest
    }

    /// Writes the entry at the start of `to` and returns the rest of `to`.
    #[inline]
    pub(super) fn write<'b>(&self, to: &'b mut [MaybeUninit<u8>]) -> &'b mut [MaybeUninit<u8>] {
        let body = self.body_len();
        // Most entries have a byte before the data, and a byte after it.
        if self.head_len == 1 && body <= 127 {
            let (entry, rest) = to.split_at_mut(body + 1);
            entry[0].write(self.head[0]);
            if !self.data.is_empty() {
                entry[1..body].write_copy_of_slice(self.data);
            }
            entry[body].write(body as u8);
            return rest;
        }
        let size = backlen_size(body);
        let (backlen, rest) = self.write_body(to).split_at_mut(size);
        for (i, byte) in backlen.iter_mut().enumerate() {
            let shifted = (body >> (7 * (size - 1 - i))) as u8 & 0x7F;
            byte.write(if i == 0 { shifted } else { shifted | 0x80 });
        }
        rest
    }
}

/// Size in bytes of the trailing length of an entry of `body` bytes. The bounds are Redis's: from
/// the second on lower by 1 than 7-bit groups would need.
#[inline]
pub(super) fn backlen_size(body: usize) -> usize {
    match body {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Reads the trailing length that ends just before `end`, or `None` if it takes more
/// than five bytes or leaves `bytes`.
#[inline]
pub(super) fn read_backlen(bytes: &[u8], end: usize) -> Option<usize> {
    let mut value = 0usize;
    for i in 0..5 {
        let byte = *bytes.get(end.checked_sub(i + 1)?)?;
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Header and data bytes of the entry that starts `bytes`, without its trailing length; `None` for
/// an invalid or truncated header. The data may extend beyond `bytes`.
#[inline]
pub(super) fn body_len(bytes: &[u8]) -> Option<usize> {
    let head = *bytes.first()?;
    Some(match head {
        0x00..=0x7F => 1,
        0x80..=0xBF => 1 + usize::from(head & 0x3F),
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 2 + (usize::from(head & 0x0F) << 8 | usize::from(*bytes.get(1)?)),
        0xF0 => 5 + u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        _ => return None,
    })
}

/// The value of the entry that starts `bytes`.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Entry<'_> {
    let head = bytes[0];
    match head {
        0x00..=0x7F => Entry::Int(i64::from(head)),
        0x80..=0xBF => Entry::Str(&bytes[1..1 + usize::from(head & 0x3F)]),
        0xC0..=0xDF => {
            let raw = u16::from(head & 0x1F) << 8 | u16::from(bytes[1]);
            Entry::Int(i64::from((raw << 3) as i16 >> 3))
        }
        0xE0..=0xEF => {
            let len = usize::from(head & 0x0F) << 8 | usize::from(bytes[1]);
            Entry::Str(&bytes[2..2 + len])
        }
        0xF0 => {
            let len = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
            Entry::Str(&bytes[5..5 + len])
        }
        0xF1 => Entry::Int(i64::from(i16::from_le_bytes([bytes[1], bytes[2]]))),
        0xF2 => {
            let raw = i32::from_le_bytes([0, bytes[1], bytes[2], bytes[3]]);
            Entry::Int(i64::from(raw >> 8))
        }
        0xF3 => {
            let raw = bytes[1..5].try_into().expect("four bytes");
            Entry::Int(i64::from(i32::from_le_bytes(raw)))
        }
        0xF4 => Entry::Int(i64::from_le_bytes(
            bytes[1..9].try_into().expect("eight bytes"),
        )),
        _ => panic!("not an entry of a listpack: {head:#x}"),
    }
}
