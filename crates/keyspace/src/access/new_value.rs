//! Values written into entries, and strings read from them.

use std::borrow::Cow;

use russet_base::memory::large::LargeText;
use russet_base::numbers::number::parse_i64;
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
            NewValue::Container(kind, ..) => *kind,
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
}

impl<'a> Str<'a> {
    /// The text; an integer is written into `digits`.
    pub fn text<'b>(&self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Str::Int(n) => digits.format(n).as_bytes(),
            Str::Bytes(b) => b,
        }
    }

    /// The text; borrows the value unless it is an integer.
    pub fn to_cow(self) -> Cow<'a, [u8]> {
        match self {
            Str::Int(_) => Cow::Owned(self.to_vec()),
            Str::Bytes(text) => Cow::Borrowed(text),
        }
    }

    /// The text in a vector of its own.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// STRLEN.
    pub fn len(&self) -> usize {
        self.text(&mut itoa::Buffer::new()).len()
    }

    /// Whether the text has no bytes: never true of an integer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes it as a bulk string.
    #[inline]
    pub fn reply(self, reply: &mut Reply) {
        match self {
            Str::Int(n) => reply.bulk_int(n),
            Str::Bytes(text) => reply.bulk(text),
        }
    }
}
