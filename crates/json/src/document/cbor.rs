//! Documents as CBOR: the content of `ReJSON-RL` in RDB's encoding 4, which keeps typed arrays.
//!
//!     null, false, true    F6, F4, F5
//!     integers             major types 0 and 1, in the range of i64 or u64
//!     floats               F9 f16, FA f32, FB f64: the shortest that is exact
//!     strings, names       major type 3
//!     arrays, objects      major types 4 and 5
//!     typed arrays         a tag of RFC 8746, and a byte string, little-endian
//!
//! A reader also takes strings, arrays and objects of indefinite length. Arrays of integers and of
//! doubles are written as they are: the type of a reader's own is its choice.

use super::bytes::Body;
use super::draft::{Draft, OutOfRange};
use super::error::CborError;
use super::number::Fpha;
use super::text::is_clean;
use super::value::Value;
use super::{DEPTH_MAX, Document};
use crate::view::{Kind, Number, View};

const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const BREAK: u8 = 0xFF;

const TAG_F16: u64 = 84;
const TAG_F32: u64 = 85;
const TAG_F64: u64 = 86;
/// Of RedisJSON's own.
const TAG_BF16: u64 = 65_536;

/// Appends the bytes of a value.
pub(super) fn write(value: Value<'_>, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Null => out.push(0xF6),
        Kind::Bool(value) => out.push(0xF4 + u8::from(value)),
        Kind::Number(number) => write_number(number, out),
        Kind::String => {
            let (text, _) = value.raw_text().expect("a string");
            write_text(text, out);
        }
        Kind::Array => write_array(value, out),
        Kind::Object => {
            head(MAP, value.len() as u64, out);
            for (name, value) in value.raw_children() {
                write_text(name.expect("a member has a name"), out);
                write(value, out);
            }
        }
    }
}

fn write_array(array: Value<'_>, out: &mut Vec<u8>) {
    let fpha = array.fpha();
    let mut parts = array.parts();
    let is_typed = parts.all(|part| part.body == Body::Run && part.run.fpha() == fpha);
    if let Some(fpha) = fpha.filter(|_| is_typed) {
        let tag = match fpha {
            Fpha::Fp16 => TAG_F16,
            Fpha::Bf16 => TAG_BF16,
            Fpha::Fp32 => TAG_F32,
            Fpha::Fp64 => TAG_F64,
        };
        head(TAG, tag, out);
        head(BYTES, (array.len() * fpha.width()) as u64, out);
        // A run of the type has the same bytes.
        for part in array.parts() {
            out.extend_from_slice(&part.bytes[part.start..]);
        }
        return;
    }
    head(ARRAY, array.len() as u64, out);
    for (_, value) in array.raw_children() {
        write(value, out);
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    head(TEXT, text.len() as u64, out);
    out.extend_from_slice(text);
}

fn write_number(number: Number, out: &mut Vec<u8>) {
    match number {
        Number::Signed(value) if value < 0 => head(NEGATIVE, !value as u64, out),
        Number::Signed(value) => head(POSITIVE, value as u64, out),
        Number::Unsigned(value) => head(POSITIVE, value, out),
        Number::Float(value) => {
            let same = |other: f64| other.to_bits() == value.to_bits();
            if Fpha::Fp16.round(value).is_some_and(same) {
                out.push(0xF9);
                out.extend_from_slice(&(Fpha::Fp16.bits(value) as u16).to_be_bytes());
            } else if same(f64::from(value as f32)) {
                out.push(0xFA);
                out.extend_from_slice(&(value as f32).to_be_bytes());
            } else {
                out.push(0xFB);
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(argument) = u8::try_from(argument) {
        out.extend([major | 24, argument]);
    } else if let Ok(argument) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&argument.to_be_bytes());
    } else if let Ok(argument) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&argument.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

/// The document of these bytes, all of which belong to it.
pub(super) fn read(bytes: &[u8]) -> Result<Document, CborError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(CborError::Value);
    }
    Document::drafted(bytes, |draft| {
        let mut reader = Reader { rest: bytes };
        reader.value(draft)?;
        if !reader.rest.is_empty() {
            return Err(CborError::Trailing);
        }
        Ok(())
    })
}

struct Reader<'b> {
    rest: &'b [u8],
}

/// The head of a value.
struct Head {
    major: u8,
    /// The low bits: how the argument is written.
    low: u8,
    /// `None`: of indefinite length.
    argument: Option<u64>,
}

impl<'b> Reader<'b> {
    fn take(&mut self, len: u64) -> Result<&'b [u8], CborError> {
        let len = usize::try_from(len).map_err(|_| CborError::Short)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CborError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let byte = self.take(1)?[0];
        let (major, low) = (byte >> 5, byte & 31);
        let argument = match low {
            0..24 => Some(low.into()),
            24..28 => {
                let bytes = self.take(1 << (low - 24))?;
                Some(
                    bytes
                        .iter()
                        .fold(0, |value, byte| value << 8 | u64::from(*byte)),
                )
            }
            31 if (BYTES..=MAP).contains(&major) => None,
            _ => return Err(CborError::Value),
        };
        Ok(Head {
            major,
            low,
            argument,
        })
    }

    /// Whether an indefinite length ends here.
    fn ends(&mut self) -> bool {
        let ends = self.rest.first() == Some(&BREAK);
        if ends {
            self.rest = &self.rest[1..];
        }
        ends
    }

    fn value(&mut self, draft: &mut Draft<'_, '_>) -> Result<(), CborError> {
        let Head {
            major,
            low,
            argument,
        } = self.head()?;
        match (major, argument) {
            (POSITIVE, Some(value)) => {
                let signed = i64::try_from(value).map(Number::Signed);
                draft.number(signed.unwrap_or(Number::Unsigned(value)));
            }
            (NEGATIVE, Some(value)) => {
                let value = i64::try_from(value).map_err(|_| CborError::Value)?;
                draft.number(Number::Signed(!value));
            }
            (TEXT, len) => self.text(len, |text, clean| draft.text(text, clean))?,
            (ARRAY, len) => {
                begin(draft, false)?;
                self.each(len, |reader| reader.value(draft))?;
                end(draft, None)?;
            }
            (MAP, len) => {
                begin(draft, true)?;
                self.each(len, |reader| {
                    let name = reader.head()?;
                    if name.major != TEXT {
                        return Err(CborError::Value);
                    }
                    reader.text(name.argument, |text, clean| draft.name(text, clean))?;
                    reader.value(draft)
                })?;
                end(draft, None)?;
            }
            (TAG, Some(tag)) => self.typed(tag, draft)?,
            (SIMPLE, Some(value)) => match (low, value) {
                (20, _) => draft.bool(false),
                (21, _) => draft.bool(true),
                (22, _) => draft.null(),
                (25, bits) => float(Fpha::Fp16.value(bits), draft)?,
                (26, bits) => float(Fpha::Fp32.value(bits), draft)?,
                (27, bits) => float(f64::from_bits(bits), draft)?,
                _ => return Err(CborError::Value),
            },
            _ => return Err(CborError::Value),
        }
        Ok(())
    }

    /// Calls `each` as often as a length says.
    fn each(
        &mut self,
        len: Option<u64>,
        mut each: impl FnMut(&mut Self) -> Result<(), CborError>,
    ) -> Result<(), CborError> {
        match len {
            // A false length ends when the bytes do.
            Some(len) => (0..len).try_for_each(|_| each(self)),
            None => {
                while !self.ends() {
                    each(self)?;
                }
                Ok(())
            }
        }
    }

    fn text(&mut self, len: Option<u64>, then: impl FnOnce(&[u8], bool)) -> Result<(), CborError> {
        let mut joined = Vec::new();
        let text = match len {
            Some(len) => self.take(len)?,
            None => {
                while !self.ends() {
                    let head = self.head()?;
                    let len = head.argument.filter(|_| head.major == TEXT);
                    joined.extend_from_slice(self.take(len.ok_or(CborError::Value)?)?);
                }
                &joined
            }
        };
        std::str::from_utf8(text).map_err(|_| CborError::Utf8)?;
        then(text, is_clean(text));
        Ok(())
    }

    /// An array of numbers of the same type.
    fn typed(&mut self, tag: u64, draft: &mut Draft<'_, '_>) -> Result<(), CborError> {
        let head = self.head()?;
        let len = head.argument.filter(|_| head.major == BYTES);
        let bytes = self.take(len.ok_or(CborError::Value)?)?;
        let fpha = match tag {
            TAG_F16 => Some(Fpha::Fp16),
            TAG_BF16 => Some(Fpha::Bf16),
            TAG_F32 => Some(Fpha::Fp32),
            TAG_F64 => Some(Fpha::Fp64),
            _ => None,
        };
        let (width, is_signed) = match tag {
            64 => (1, false),
            69 => (2, false),
            70 => (4, false),
            71 => (8, false),
            72 => (1, true),
            77 => (2, true),
            78 => (4, true),
            79 => (8, true),
            _ => (fpha.ok_or(CborError::Value)?.width(), false),
        };
        if !bytes.len().is_multiple_of(width) {
            return Err(CborError::Value);
        }
        begin(draft, false)?;
        for bytes in bytes.chunks_exact(width) {
            let bits = bytes
                .iter()
                .rev()
                .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            if let Some(fpha) = fpha {
                float(fpha.value(bits), draft)?;
            } else if is_signed {
                let unused = 64 - 8 * width as u32;
                draft.number(Number::Signed((bits << unused) as i64 >> unused));
            } else {
                let signed = i64::try_from(bits).map(Number::Signed);
                draft.number(signed.unwrap_or(Number::Unsigned(bits)));
            }
        }
        end(draft, fpha)
    }
}

fn begin(draft: &mut Draft<'_, '_>, is_object: bool) -> Result<(), CborError> {
    if draft.level() == DEPTH_MAX {
        return Err(CborError::Depth);
    }
    draft.begin(is_object);
    Ok(())
}

fn end(draft: &mut Draft<'_, '_>, fpha: Option<Fpha>) -> Result<(), CborError> {
    draft.end(fpha).map_err(|OutOfRange| CborError::Value)
}

fn float(value: f64, draft: &mut Draft<'_, '_>) -> Result<(), CborError> {
    if !value.is_finite() {
        return Err(CborError::Value);
    }
    draft.number(Number::Float(value));
    Ok(())
}
