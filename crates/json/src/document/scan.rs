//! A quick reader of well-formed JSON text.
//!
//! The reader takes exactly the texts that serde_json takes, and gives up at anything else:
//! serde_json then reports the error, in Redis's words. Strings are searched eight bytes at a time,
//! and most floats are exact by a single division.

use super::draft::Draft;
use super::number::Fpha;
use super::text::{clean_prefix, is_clean};
use crate::view::Number;

/// The text is wrong, or perhaps wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveUp;

/// Drafts the value of a whole text, nested to at most `depth` levels.
pub(super) fn scan(
    text: &str,
    fpha: Option<Fpha>,
    depth: usize,
    draft: &mut Draft<'_, '_>,
) -> Result<(), GaveUp> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        fpha,
        depth,
        unescaped: Vec::new(),
        draft,
    };
    scanner.value()?;
    match next_byte(scanner.bytes, &mut scanner.at) {
        None => Ok(()),
        Some(_) => Err(GaveUp),
    }
}

struct Scanner<'b, 'd, 't, 's> {
    bytes: &'b [u8],
    at: usize,
    fpha: Option<Fpha>,
    depth: usize,
    /// A string without its escapes.
    unescaped: Vec<u8>,
    draft: &'d mut Draft<'t, 's>,
}

/// Powers of ten that are exact as floats.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

impl Scanner<'_, '_, '_, '_> {
    fn value(&mut self) -> Result<(), GaveUp> {
        if self.draft.is_cancelled() {
            return Err(GaveUp);
        }
        match next_byte(self.bytes, &mut self.at).ok_or(GaveUp)? {
            b'"' => self.string(false),
            b'{' => self.object(),
            b'[' => self.array(),
            b'-' | b'0'..=b'9' => {
                let scanned = number_at(&self.bytes, &mut self.at)?;
                self.draft.number(scanned.number());
                Ok(())
            }
            b'n' => self.word(b"null").map(|()| self.draft.null()),
            b't' => self.word(b"true").map(|()| self.draft.bool(true)),
            b'f' => self.word(b"false").map(|()| self.draft.bool(false)),
            _ => Err(GaveUp),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), GaveUp> {
        let is_it = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        is_it.then_some(()).ok_or(GaveUp)
    }

    /// The bracket at the place opens a container; whether it closes at once.
    #[inline]
    fn begin(&mut self, is_object: bool, close: u8) -> Result<bool, GaveUp> {
        if self.draft.level() == self.depth {
            return Err(GaveUp);
        }
        self.at += 1;
        self.draft.begin(is_object);
        let closes = next_byte(self.bytes, &mut self.at).ok_or(GaveUp)? == close;
        self.at += usize::from(closes);
        Ok(closes)
    }

    fn array(&mut self) -> Result<(), GaveUp> {
        let mut ends = self.begin(false, b']')?;
        while !ends {
            self.value()?;
            ends = ends_container(self.bytes, &mut self.at, b']')?;
        }
        self.draft.end(self.fpha).map_err(|_| GaveUp)
    }

    fn object(&mut self) -> Result<(), GaveUp> {
        let mut ends = self.begin(true, b'}')?;
        while !ends {
            if next_byte(self.bytes, &mut self.at) != Some(b'"') {
                return Err(GaveUp);
            }
            self.string(true)?;
            if next_byte(self.bytes, &mut self.at) != Some(b':') {
                return Err(GaveUp);
            }
            self.at += 1;
            self.value()?;
            ends = ends_container(self.bytes, &mut self.at, b'}')?;
        }
        self.draft.end(None).map_err(|_| GaveUp)
    }

    /// The string whose quote is at the place.
    #[inline]
    fn string(&mut self, is_name: bool) -> Result<(), GaveUp> {
        let start = self.at + 1;
        let end = start + clean_prefix(&self.bytes[start..]);
        if self.bytes.get(end) != Some(&b'"') {
            return self.escaped(start, is_name);
        }
        self.at = end + 1;
        self.put(&self.bytes[start..end], true, is_name);
        Ok(())
    }

    #[inline]
    fn put(&mut self, text: &[u8], is_clean: bool, is_name: bool) {
        if is_name {
            self.draft.name(text, is_clean);
        } else {
            self.draft.text(text, is_clean);
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize, is_name: bool) -> Result<(), GaveUp> {
        let mut text = std::mem::take(&mut self.unescaped);
        self.at = start;
        unescape(self.bytes, &mut self.at, &mut text)?;
        self.put(&text, is_clean(&text), is_name);
        self.unescaped = text;
        Ok(())
    }
}

/// The string whose first byte is at a place, without its escapes; the place moves to the byte
/// after the closing quote.
pub(super) fn unescape(bytes: &[u8], at: &mut usize, text: &mut Vec<u8>) -> Result<(), GaveUp> {
    text.clear();
    loop {
        let end = *at + clean_prefix(&bytes[*at..]);
        text.extend_from_slice(&bytes[*at..end]);
        *at = end + 1;
        match bytes.get(end) {
            Some(b'"') => return Ok(()),
            Some(b'\\') => escape(bytes, at, text)?,
            _ => return Err(GaveUp),
        }
    }
}

/// An escape, after its backslash.
fn escape(bytes: &[u8], at: &mut usize, text: &mut Vec<u8>) -> Result<(), GaveUp> {
    let byte = *bytes.get(*at).ok_or(GaveUp)?;
    *at += 1;
    text.push(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0C,
        b'u' => {
            let mut code = four_digits(bytes, at)?;
            if (0xD800..0xDC00).contains(&code) && bytes[*at..].starts_with(b"\\u") {
                *at += 2;
                let low = four_digits(bytes, at)?;
                let low = low.checked_sub(0xDC00).filter(|low| *low < 0x400);
                code = 0x10000 + ((code - 0xD800) << 10) + low.ok_or(GaveUp)?;
            }
            let letter = char::from_u32(code).ok_or(GaveUp)?;
            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        _ => return Err(GaveUp),
    });
    Ok(())
}

fn four_digits(bytes: &[u8], at: &mut usize) -> Result<u32, GaveUp> {
    let digits = bytes.get(*at..*at + 4).ok_or(GaveUp)?;
    *at += 4;
    digits.iter().try_fold(0, |code, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(GaveUp)?;
        Ok(code << 4 | digit)
    })
}

/// Whether a byte between values says nothing.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
}

/// The next byte from a place on that is no blank; the place moves to it.
#[inline]
pub(super) fn next_byte(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let byte = *bytes.get(*at)?;
        if !is_blank(byte) {
            return Some(byte);
        }
        *at += 1;
    }
}

/// After a value: whether its container ends; the place moves to the byte after the bracket or the
/// comma.
#[inline]
pub(super) fn ends_container(bytes: &[u8], at: &mut usize, close: u8) -> Result<bool, GaveUp> {
    let byte = next_byte(bytes, at).ok_or(GaveUp)?;
    *at += 1;
    if byte == close {
        Ok(true)
    } else if byte == b',' {
        Ok(false)
    } else {
        Err(GaveUp)
    }
}

/// Bytes of which a number is read.
pub(super) trait Digits {
    /// The byte at a place; after the end, any that no number has.
    fn byte(&self, at: usize) -> u8;

    /// All bytes.
    fn bytes(&self) -> &[u8];
}

impl Digits for &[u8] {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.get(at).copied().unwrap_or(0)
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

/// A number of a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum ScannedNumber {
    Integer(i64),
    /// A float, as an integer of at most 15 digits over a power of ten, the least exponent from 1
    /// on.
    Decimal(i64, usize),
    Other(Number),
}

impl ScannedNumber {
    #[inline]
    pub fn number(self) -> Number {
        match self {
            ScannedNumber::Integer(value) => Number::Signed(value),
            // Both numbers are exact, so that the quotient is rounded once.
            ScannedNumber::Decimal(value, scale) => Number::Float(value as f64 / POWERS[scale]),
            ScannedNumber::Other(number) => number,
        }
    }
}

/// Digits at a place, which moves to their end: the number of digits, and the value of `value`
/// followed by them, if that does not overflow.
#[inline(always)]
fn digits(bytes: &impl Digits, at: &mut usize, mut value: u64) -> (usize, u64) {
    let start = *at;
    loop {
        let digit = bytes.byte(*at).wrapping_sub(b'0');
        if digit > 9 {
            return (*at - start, value);
        }
        value = value.wrapping_mul(10).wrapping_add(digit.into());
        *at += 1;
    }
}

/// The number at a place, which moves to its end.
#[inline(always)]
pub(super) fn number_at(bytes: &impl Digits, at: &mut usize) -> Result<ScannedNumber, GaveUp> {
    let start = *at;
    let is_negative = bytes.byte(start) == b'-';
    *at += usize::from(is_negative);
    let begins_with_zero = bytes.byte(*at) == b'0';
    let (whole, mut value) = digits(bytes, at, 0);
    if whole == 0 || (begins_with_zero && whole > 1) {
        return Err(GaveUp);
    }
    // The negative zero is a float, and differs from zero.
    let is_plain = value > 0 || !is_negative;
    let signed = |value: u64| {
        if is_negative {
            -(value as i64)
        } else {
            value as i64
        }
    };
    let end = bytes.byte(*at);
    if !matches!(end, b'.' | b'e' | b'E') {
        // 18 digits do not overflow.
        if whole <= 18 && is_plain {
            return Ok(ScannedNumber::Integer(signed(value)));
        }
        return any_number(&bytes.bytes()[start..*at], false);
    }
    let mut places = 0;
    if end == b'.' {
        *at += 1;
        (places, value) = digits(bytes, at, value);
        if places == 0 {
            return Err(GaveUp);
        }
    }
    if matches!(bytes.byte(*at), b'e' | b'E') {
        *at += 1;
        *at += usize::from(matches!(bytes.byte(*at), b'+' | b'-'));
        if digits(bytes, at, 0).0 == 0 {
            return Err(GaveUp);
        }
    } else if whole + places <= 15 && (value > 0 || !is_negative) {
        while places > 1 && value.is_multiple_of(10) {
            value /= 10;
            places -= 1;
        }
        return Ok(ScannedNumber::Decimal(signed(value), places));
    } else if whole + places <= 18 && value < 1 << 53 {
        let float = value as f64 / POWERS[places];
        let number = Number::Float(if is_negative { -float } else { float });
        return Ok(ScannedNumber::Other(number));
    }
    any_number(&bytes.bytes()[start..*at], true)
}

/// A number of any length, by the standard library.
#[cold]
fn any_number(digits: &[u8], is_float: bool) -> Result<ScannedNumber, GaveUp> {
    let text = std::str::from_utf8(digits).map_err(|_| GaveUp)?;
    if !is_float && text != "-0" {
        if let Ok(value) = text.parse() {
            return Ok(ScannedNumber::Integer(value));
        }
        if let Ok(value) = text.parse() {
            return Ok(ScannedNumber::Other(Number::Unsigned(value)));
        }
    }
    let value: f64 = text.parse().map_err(|_| GaveUp)?;
    let number = value.is_finite().then_some(Number::Float(value));
    number.map(ScannedNumber::Other).ok_or(GaveUp)
}
