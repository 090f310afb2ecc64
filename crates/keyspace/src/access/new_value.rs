//! Values written into entries, and strings read from them.
//!
//! A string is read where it is stored; only an integer's digits and a packed text need a buffer
//! ([`TextBuffer`]), so a reader that needs the length alone unpacks nothing. Cost: none for texts,
//! 1 to 2 us for a packed text.

use std::borrow::Cow;

use super::super::store::packed::PackedText;
use russet_base::memory::large::LargeText;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::{Args, Reply};
use russet_types::{Container, Encoding, Type};

/// Longest text of a 64-bit integer.
const INT_TEXT_MAX: usize = 20;

/// A value to be written into an entry.
#[derive(Clone, Copy, Debug)]
pub enum NewValue<'a> {
    /// An integer; reports as `int`.
    Int(i64),
    /// `modified` strings report as `raw` whatever their length.
    Bytes {
        /// The whole text.
        text: &'a [u8],
        /// A command has changed a part of it.
        modified: bool,
    },
    /// This many zero bytes, to be overwritten; reports as `raw`.
    Zeros(usize),
    /// A packed value, which reports as the value would.
    Packed {
        /// The type of the key.
        kind: Type,
        /// Head and frame (`store::packed`).
        block: &'a [u8],
        /// As of [`NewValue::Bytes`].
        modified: bool,
    },
    /// A text in a block of its own, which the entry takes over.
    Large(&'a LargeText),
    /// A container's type, encoding and word; ownership moves in.
    Container(Type, Encoding, u64),
}

impl<'a> NewValue<'a> {
    /// The type of the value.
    #[inline]
    pub fn kind(&self) -> Type {
        match self {
            NewValue::Container(kind, ..) | NewValue::Packed { kind, .. } => *kind,
            _ => Type::String,
        }
    }

    /// A container; ownership passes from the caller.
    #[inline]
    pub fn container<T: Container>(value: T) -> NewValue<'a> {
        let (encoding, word) = value.into_word();
        NewValue::Container(T::TYPE, encoding, word)
    }

    /// Argument `at` as SET stores it: see [`NewValue::text`]. A large text is not copied.
    #[inline]
    pub fn argument(args: Args<'a>, at: usize) -> NewValue<'a> {
        match args.large(at) {
            Some(large) => NewValue::Large(large),
            None => NewValue::text(args.at(at)),
        }
    }

    /// A text as SET stores it: as an integer if it is the canonical form of an integer.
    #[inline]
    pub fn text(text: &'a [u8]) -> NewValue<'a> {
        if text.len() <= INT_TEXT_MAX
            && let Some(n) = parse_i64(text)
        {
            return NewValue::Int(n);
        }
        NewValue::Bytes {
            text,
            modified: false,
        }
    }
}

/// A string value as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Str<'a> {
    /// A text that is stored as an integer: encoding `int`.
    Int(i64),
    /// Any other text.
    Bytes(&'a [u8]),
    /// A text that is stored as a compressed frame.
    Packed(PackedText<'a>),
}

/// Room for a text that is not stored as text: an integer's digits, or what a frame holds.
pub struct TextBuffer {
    digits: itoa::Buffer,
    unpacked: Vec<u8>,
}

impl TextBuffer {
    /// Room that is not used yet. Allocates nothing.
    #[inline]
    pub fn new() -> TextBuffer {
        TextBuffer {
            digits: itoa::Buffer::new(),
            unpacked: Vec::new(),
        }
    }
}

impl Default for TextBuffer {
    fn default() -> TextBuffer {
        TextBuffer::new()
    }
}

impl<'a> Str<'a> {
    /// The text, in the value itself or in `buffer`.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`], of a packed text only.
    #[inline]
    pub fn text<'b>(&self, buffer: &'b mut TextBuffer) -> Result<&'b [u8], CommandError>
    where
        'a: 'b,
    {
        match *self {
            Str::Int(n) => Ok(buffer.digits.format(n).as_bytes()),
            Str::Bytes(b) => Ok(b),
            Str::Packed(packed) => {
                buffer.unpacked.clear();
                packed.unpack(&mut buffer.unpacked)?;
                Ok(&buffer.unpacked)
            }
        }
    }

    /// The text; borrows the value if it is stored as text.
    ///
    /// # Errors
    /// As [`Str::text`].
    pub fn to_cow(self) -> Result<Cow<'a, [u8]>, CommandError> {
        match self {
            Str::Bytes(text) => Ok(Cow::Borrowed(text)),
            Str::Int(_) | Str::Packed(_) => self.to_vec().map(Cow::Owned),
        }
    }

    /// The text in a vector of its own.
    ///
    /// # Errors
    /// As [`Str::text`].
    pub(crate) fn to_vec(self) -> Result<Vec<u8>, CommandError> {
        match self {
            Str::Packed(packed) => {
                let mut text = Vec::new();
                packed.unpack(&mut text).map(|()| text)
            }
            Str::Bytes(text) => Ok(text.to_vec()),
            Str::Int(n) => Ok(itoa::Buffer::new().format(n).as_bytes().to_vec()),
        }
    }

    /// The integer that the text stands for, if it is the canonical form of an integer.
    ///
    /// # Errors
    /// As [`Str::text`].
    #[inline]
    pub fn to_int(self) -> Result<Option<i64>, CommandError> {
        match self {
            Str::Int(n) => Ok(Some(n)),
            Str::Bytes(text) => Ok(parse_i64(text)),
            Str::Packed(packed) => packed.with_text(parse_i64),
        }
    }

    /// STRLEN. O(1).
    pub fn len(&self) -> usize {
        match self {
            Str::Int(n) => itoa::Buffer::new().format(*n).len(),
            Str::Bytes(text) => text.len(),
            Str::Packed(packed) => packed.len(),
        }
    }

    /// Whether the text has no bytes: never true of an integer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes it as a bulk string.
    ///
    /// # Errors
    /// As [`Str::text`]; nothing is written.
    #[inline]
    pub fn reply(self, reply: &mut Reply) -> Result<(), CommandError> {
        match self {
            Str::Int(n) => reply.bulk_int(n),
            Str::Bytes(text) => reply.bulk(text),
            Str::Packed(packed) => return reply_packed(packed, reply),
        }
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn reply_packed(packed: PackedText<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    /// A longer text becomes a part of the reply, uncopied.
    const COPIED_MAX: usize = 4 << 10;
    if packed.len() <= COPIED_MAX {
        return packed.with_text(|text| reply.bulk(text));
    }
    reply.bulk_owned(Str::Packed(packed).to_vec()?);
    Ok(())
}
