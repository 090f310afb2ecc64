//! The bytes of a value.
//!
//!     00 ..= 3F          string of that many bytes, which follow
//!     40 ..= 7F          integer 0 to 63
//!     80 ..= 9F n        integer 0 to 8191: five bits, and eight in `n`
//!     A0, A1, A2         null, false, true
//!     A3, A4             empty array, empty object
//!     A5 u64             integer above the range of `i64`
//!     A6 f32, A7 f64     float
//!     A8 ..= AF          integer of 1 to 8 bytes, which follow
//!     B0 ..= DF          float: an integer of 1 to 6 bytes, over 10 to the power of 1 to 8
//!     E0 u8, E1 u32      string of that many bytes, which follow
//!     E2 u8, E3 u32      string with bytes that its text escapes
//!     E4, E5, E6         array: count, bytes, values
//!     E8, E9, EA         array of numbers: count, bytes, type, numbers (`run`)
//!     EC, ED, EE         object: count, bytes, members: each a name (`names`) and a value
//!     F0, F1, F2 u32     string, array, object out of line: number of a node (`store`)
//!
//! Count and bytes are `u8`, `u16` or `u32`, as the head says. Everything is little-endian. A float
//! is in the shortest form that gives the same bits.

use super::run;
use crate::view::Number;
use std::ops::Deref;

const INTEGER_SMALL: u8 = 0x40;
const INTEGER_TWO: u8 = 0x80;
pub(super) const NULL: u8 = 0xA0;
pub(super) const FALSE: u8 = 0xA1;
pub(super) const TRUE: u8 = 0xA2;
pub(super) const ARRAY_EMPTY: u8 = 0xA3;
pub(super) const OBJECT_EMPTY: u8 = 0xA4;
const UNSIGNED: u8 = 0xA5;
const FLOAT_32: u8 = 0xA6;
const FLOAT_64: u8 = 0xA7;
const INTEGER: u8 = 0xA8;
const DECIMAL: u8 = 0xB0;
const DECIMAL_WIDTH_MAX: u8 = 6;
const STRING: u8 = 0xE0;
const ARRAY: u8 = 0xE4;
const RUN: u8 = 0xE8;
const OBJECT: u8 = 0xEC;
const NODE: u8 = 0xF0;

/// The longest string whose length is in its head.
pub(super) const SHORT_MAX: usize = 0x3F;
/// Bytes of a reference to a node.
pub(super) const NODE_BYTES: usize = 5;

/// A kind of value that may be out of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Compound {
    String,
    Array,
    Object,
}

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Body {
    /// Values, in order.
    Array = ARRAY,
    /// A type, and numbers of it.
    Run = RUN,
    /// Names and values.
    Object = OBJECT,
}

/// The meaning of the bytes at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a [u8]),
    /// A container with its elements or members.
    Inline(Inline),
    /// A reference to a node.
    Node(Compound, u32),
}

/// An inline container: where the content is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inline {
    pub body: Body,
    pub count: usize,
    /// Where the content begins, and where it ends.
    pub start: usize,
    pub end: usize,
}

#[inline]
fn two(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

#[inline]
fn four(bytes: &[u8], at: usize) -> usize {
    let four = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(four) as usize
}

/// A signed integer of `width` bytes, at most eight.
#[inline]
pub(super) fn integer(bytes: &[u8], at: usize, width: usize) -> i64 {
    let unused = 64 - 8 * width as u32;
    let word = if let Some(eight) = bytes.get(at..at + 8) {
        u64::from_le_bytes(eight.try_into().expect("eight bytes"))
    } else {
        let mut eight = [0; 8];
        eight[..width].copy_from_slice(&bytes[at..at + width]);
        u64::from_le_bytes(eight)
    };
    (word << unused) as i64 >> unused
}

/// Bytes of an integer.
#[inline]
pub(super) fn integer_width(value: i64) -> usize {
    let bits = 65 - (value ^ value >> 63).leading_zeros();
    bits.div_ceil(8) as usize
}

/// The container whose head is at a place, if it is inline.
#[inline]
pub(super) fn inline(bytes: &[u8], at: usize) -> Option<Inline> {
    let head = bytes[at];
    let body = match head {
        ARRAY_EMPTY | ARRAY..=0xE6 => Body::Array,
        OBJECT_EMPTY | OBJECT..=0xEE => Body::Object,
        RUN..=0xEA => Body::Run,
        _ => return None,
    };
    let (count, len, start) = match head & 3 {
        _ if head < STRING => (0, 0, at + 1),
        0 => (bytes[at + 1].into(), bytes[at + 2].into(), at + 3),
        1 => (two(bytes, at + 1), two(bytes, at + 3), at + 5),
        _ => (four(bytes, at + 1), four(bytes, at + 5), at + 9),
    };
    Some(Inline {
        body,
        count,
        start,
        end: start + len,
    })
}

/// The value at a place.
#[inline]
pub(super) fn item(bytes: &[u8], at: usize) -> Item<'_> {
    let head = bytes[at];
    match head {
        0..=0x3F => Item::Text(&bytes[at + 1..at + 1 + usize::from(head)]),
        INTEGER_SMALL..=0x7F => signed((head - INTEGER_SMALL).into()),
        INTEGER_TWO..=0x9F => signed(i64::from(head & 0x1F) << 8 | i64::from(bytes[at + 1])),
        NULL => Item::Null,
        FALSE => Item::Bool(false),
        TRUE => Item::Bool(true),
        UNSIGNED => Item::Number(Number::Unsigned(integer(bytes, at + 1, 8) as u64)),
        FLOAT_32 => float(f64::from(f32::from_bits(four(bytes, at + 1) as u32))),
        FLOAT_64 => float(f64::from_bits(integer(bytes, at + 1, 8) as u64)),
        INTEGER..=0xAF => signed(integer(bytes, at + 1, usize::from(head - INTEGER) + 1)),
        DECIMAL..=0xDF => {
            let (scale, width) = decimal_parts(head);
            let mantissa = integer(bytes, at + 1, width);
            float(mantissa as f64 / run::POWERS[scale])
        }
        STRING | 0xE2 => {
            let len = usize::from(bytes[at + 1]);
            Item::Text(&bytes[at + 2..at + 2 + len])
        }
        0xE1 | 0xE3 => Item::Text(&bytes[at + 5..at + 5 + four(bytes, at + 1)]),
        0xF0 => Item::Node(Compound::String, four(bytes, at + 1) as u32),
        0xF1 => Item::Node(Compound::Array, four(bytes, at + 1) as u32),
        0xF2 => Item::Node(Compound::Object, four(bytes, at + 1) as u32),
        _ => Item::Inline(inline(bytes, at).expect("the only heads that are left")),
    }
}

#[inline]
fn signed<'a>(value: i64) -> Item<'a> {
    Item::Number(Number::Signed(value))
}

#[inline]
fn float<'a>(value: f64) -> Item<'a> {
    Item::Number(Number::Float(value))
}

#[inline]
fn decimal_parts(head: u8) -> (usize, usize) {
    let (scale, width) = (
        (head - DECIMAL) / DECIMAL_WIDTH_MAX,
        (head - DECIMAL) % DECIMAL_WIDTH_MAX,
    );
    (usize::from(scale) + 1, usize::from(width) + 1)
}

/// The length of the string with this head, if it is short and has nothing that text escapes.
#[inline]
pub(super) fn short_text(head: u8) -> Option<usize> {
    (usize::from(head) <= SHORT_MAX).then_some(head.into())
}

/// The integer with this head, if it has a single digit.
#[inline]
pub(super) fn digit(head: u8) -> Option<u8> {
    (INTEGER_SMALL..INTEGER_SMALL + 10)
        .contains(&head)
        .then(|| head - INTEGER_SMALL)
}

/// The integer and the scale of a float that is kept as such.
#[inline]
pub(super) fn decimal_at(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let head = bytes[at];
    (DECIMAL..STRING).contains(&head).then(|| {
        let (scale, width) = decimal_parts(head);
        (integer(bytes, at + 1, width), scale)
    })
}

/// Whether a head is an inline container's.
#[inline]
pub(super) fn is_inline(head: u8) -> bool {
    matches!(head, ARRAY_EMPTY | OBJECT_EMPTY | ARRAY..NODE)
}

/// Whether a head is of a reference to a node.
#[inline]
pub(super) fn is_node(head: u8) -> bool {
    (NODE..=NODE | Compound::Object as u8).contains(&head)
}

/// Whether a head is of an array or an object, inline or not.
#[inline]
pub(super) fn is_container(head: u8) -> bool {
    is_inline(head) || (head > NODE && head <= NODE | Compound::Object as u8)
}

/// Whether the string with this head has bytes that its text escapes.
#[inline]
pub(super) fn is_dirty(head: u8) -> bool {
    head == 0xE2 || head == 0xE3
}

/// Bytes of a value by its head; zero: the length depends on the bytes after the head.
static SIZES: [u8; 256] = sizes();

const fn sizes() -> [u8; 256] {
    let mut sizes = [0; 256];
    let mut head = 0;
    while head < 256 {
        sizes[head] = match head as u8 {
            short @ 0..=0x3F => short + 1,
            INTEGER_TWO..=0x9F => 2,
            UNSIGNED | FLOAT_64 => 9,
            FLOAT_32 => 5,
            integer @ INTEGER..=0xAF => integer - INTEGER + 2,
            decimal @ DECIMAL..=0xDF => (decimal - DECIMAL) % DECIMAL_WIDTH_MAX + 2,
            STRING..=0xEF => 0,
            0xF0..=0xF2 => NODE_BYTES as u8,
            _ => 1,
        };
        head += 1;
    }
    sizes
}

/// The place after the value at a place.
#[inline]
pub(super) fn skip(bytes: &[u8], at: usize) -> usize {
    let head = bytes[at];
    match SIZES[usize::from(head)] {
        0 => match head {
            STRING | 0xE2 => at + 2 + usize::from(bytes[at + 1]),
            0xE1 | 0xE3 => at + 5 + four(bytes, at + 1),
            _ => match head & 3 {
                0 => at + 3 + usize::from(bytes[at + 2]),
                1 => at + 5 + two(bytes, at + 3),
                _ => at + 9 + four(bytes, at + 5),
            },
        },
        size => at + usize::from(size),
    }
}

/// The few bytes of a scalar, or of a header: at most ten.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShortBytes {
    bytes: [u8; 16],
    len: usize,
}

impl ShortBytes {
    #[inline]
    pub fn new() -> ShortBytes {
        ShortBytes::default()
    }

    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    pub fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..][..N].copy_from_slice(&bytes);
        self.len += N;
    }

    /// The bytes at the beginning of an array, before some that do not matter.
    #[inline]
    pub fn at_start(&self) -> [u8; 16] {
        self.bytes
    }

    /// The bytes at the end of an array, after some that do not matter.
    #[inline]
    pub fn at_end(&self) -> [u8; 16] {
        let word = u128::from_le_bytes(self.bytes);
        (word << (8 * (16 - self.len))).to_le_bytes()
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The byte of an integer from 0 to 63.
#[inline]
pub(super) fn small(value: u8) -> u8 {
    INTEGER_SMALL | value
}

/// The bytes of another integer, and how many count.
#[inline]
pub(super) fn integer_word(value: i64) -> (u128, usize) {
    if (64..=8191).contains(&value) {
        let [low, high, ..] = value.to_le_bytes();
        return (u16::from_le_bytes([INTEGER_TWO | high, low]).into(), 2);
    }
    let width = integer_width(value);
    let head = INTEGER + width as u8 - 1;
    (u128::from(value as u64) << 8 | u128::from(head), 1 + width)
}

/// A number's bytes.
#[inline]
pub(super) fn number(number: Number) -> ShortBytes {
    let mut few = ShortBytes::new();
    match number {
        Number::Signed(value @ 0..=63) => few.push(small(value as u8)),
        Number::Signed(value) => {
            let (word, len) = integer_word(value);
            few.bytes = word.to_le_bytes();
            few.len = len;
        }
        Number::Unsigned(value) => {
            few.push(UNSIGNED);
            few.extend(value.to_le_bytes());
        }
        Number::Float(value) => match decimal(value) {
            Some((scale, mantissa)) => {
                let (word, len) = decimal_word(mantissa, scale);
                few.extend(word.to_le_bytes());
                few.len = len;
            }
            None if f64::from(value as f32).to_bits() == value.to_bits() => {
                few.push(FLOAT_32);
                few.extend((value as f32).to_le_bytes());
            }
            None => {
                few.push(FLOAT_64);
                few.extend(value.to_le_bytes());
            }
        },
    }
    few
}

const MANTISSA_MAX: i64 = 1 << (8 * DECIMAL_WIDTH_MAX - 1);

/// A float that is this integer of at most 15 digits over `10^scale`, the least scale from 1 on:
/// the float's bytes, and how many count; `None`: no short form.
#[inline]
pub(super) fn decimal_of(mantissa: i64, scale: usize) -> Option<(u64, usize)> {
    let is_short = (-MANTISSA_MAX..MANTISSA_MAX).contains(&mantissa);
    (scale < run::POWERS.len() && is_short).then(|| decimal_word(mantissa, scale))
}

#[inline]
fn decimal_word(mantissa: i64, scale: usize) -> (u64, usize) {
    let width = integer_width(mantissa);
    let head = DECIMAL + (scale as u8 - 1) * DECIMAL_WIDTH_MAX + width as u8 - 1;
    ((mantissa as u64) << 8 | u64::from(head), 1 + width)
}

/// A float as scale and mantissa, if it can be and is short so.
fn decimal(value: f64) -> Option<(usize, i64)> {
    let scales = 1..run::POWERS.len();
    let mut exact = scales.filter_map(|scale| Some((scale, run::mantissa(value, scale)?)));
    exact
        .next()
        .filter(|(_, mantissa)| (-MANTISSA_MAX..MANTISSA_MAX).contains(mantissa))
}

/// The head and length of a string's bytes.
#[inline]
pub(super) fn text_head(len: usize, is_clean: bool) -> ShortBytes {
    let mut few = ShortBytes::new();
    let head = STRING | if is_clean { 0 } else { 2 };
    match u8::try_from(len) {
        Ok(short) if is_clean && len <= SHORT_MAX => few.push(short),
        Ok(byte) => few.extend([head, byte]),
        Err(_) => {
            few.push(head | 1);
            few.extend((len as u32).to_le_bytes());
        }
    }
    few
}

/// The head, count and length of a container.
#[inline]
pub(super) fn header(body: Body, count: usize, len: usize) -> ShortBytes {
    let mut few = ShortBytes::new();
    let head = body as u8;
    if count == 0 {
        few.push(match body {
            Body::Object => OBJECT_EMPTY,
            Body::Array | Body::Run => ARRAY_EMPTY,
        });
    } else if let (Ok(count), Ok(len)) = (u8::try_from(count), u8::try_from(len)) {
        few.extend([head, count, len]);
    } else if let (Ok(count), Ok(len)) = (u16::try_from(count), u16::try_from(len)) {
        few.push(head | 1);
        few.extend(count.to_le_bytes());
        few.extend(len.to_le_bytes());
    } else {
        few.push(head | 2);
        few.extend((count as u32).to_le_bytes());
        few.extend((len as u32).to_le_bytes());
    }
    few
}

/// A reference to a node.
#[inline]
pub(super) fn node(kind: Compound, node: u32) -> ShortBytes {
    let mut few = ShortBytes::new();
    few.push(NODE | kind as u8);
    few.extend(node.to_le_bytes());
    few
}
