//! `struct`: C's structures for scripts, as the library of that name packs them.
//!
//!     > < ! n    byte order, alignment          x      a byte of padding
//!     b B h H    1 and 2 bytes                  i I n  4 bytes, or n
//!     l L T      8 bytes                        f d    float, double
//!     s          a string up to its zero byte   c n    n bytes; 0: as many as there are

use super::super::effort::Effort;
use super::super::lua::{Frame, Raise, ReturnCount, Stack};

const INT_SIZE_MAX: usize = 32;
const ALIGN_MAX: usize = 8;

/// Pushes the library.
pub fn push(stack: Stack) {
    stack.push_table(0, 3);
    stack.set_function(-1, "pack", pack);
    stack.set_function(-1, "unpack", unpack);
    stack.set_function(-1, "size", size);
}

/// An iterator over a format.
struct Format<'f> {
    rest: &'f [u8],
    big: bool,
    align: usize,
}

impl<'f> Format<'f> {
    fn new(text: &'f [u8]) -> Format<'f> {
        Format {
            rest: russet_resp::up_to_nul(text),
            big: false,
            align: 1,
        }
    }

    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let mut n = 0i32;
        for digit in &self.rest[..digits] {
            let next = n.checked_mul(10);
            let next = next.and_then(|n| n.checked_add(i32::from(digit - b'0')));
            n = next.ok_or_else(|| Raise::text("integral size overflow"))?;
        }
        self.rest = &self.rest[digits..];
        Ok(n as usize)
    }

    /// The next option and the size of its element.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Raise> {
        let Some((&option, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INT_SIZE_MAX {
                    return Err(Raise::text(format!(
                        "integral size {size} is larger than limit of {INT_SIZE_MAX}"
                    )));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// Bytes of padding before an element at `at`.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    /// Applies an option that has no element.
    fn control(&mut self, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.number(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(Raise::text(format!(
                        "alignment {align} is not a power of 2"
                    )));
                }
                self.align = align;
            }
            other => {
                let shown = [other];
                let shown = String::from_utf8_lossy(&shown);
                return Err(Raise::Argument(
                    1,
                    format!("invalid format option '{shown}'").into(),
                ));
            }
        }
        Ok(())
    }
}

/// `struct.pack(format, value, ...)`.
fn pack(f: Frame<'_>) -> ReturnCount {
    let mut format = Format::new(f.string_argument(1)?);
    // Missing arguments read as nil, also in error messages.
    f.push_nil();
    let (mut out, mut at) = (Vec::new(), 2);
    let mut effort = Effort::new(f);
    while let Some((option, size)) = format.next()? {
        effort.step(out.len())?;
        let padding = format.padding(out.len(), option, size);
        out.resize(out.len() + padding, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let n = f.number_argument(at)?;
                at += 1;
                write_int(&mut out, n, size, format.big);
            }
            b'x' => out.push(0),
            b'f' => {
                let bytes = (f.number_argument(at)? as f32).to_le_bytes();
                at += 1;
                write_ordered(&mut out, bytes, format.big);
            }
            b'd' => {
                let bytes = f.number_argument(at)?.to_le_bytes();
                at += 1;
                write_ordered(&mut out, bytes, format.big);
            }
            b'c' | b's' => {
                let text = f.string_argument(at)?;
                at += 1;
                let size = if size == 0 { text.len() } else { size };
                if text.len() < size {
                    return Err(Raise::Argument(at, "string too short".into()));
                }
                effort.check(out.len() + size)?;
                out.extend_from_slice(&text[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    f.push_bytes(&out);
    Ok(1)
}

fn write_int(out: &mut Vec<u8>, n: f64, size: usize, big: bool) {
    // As C converts: negative numbers through the signed type.
    let value = if n < 0.0 {
        super::super::lua::truncated(n) as u64
    } else {
        // As C's conversion does for numbers that do not fit 64 bits.
        match n {
            n if n >= 18_446_744_073_709_551_616.0 => 0,
            n if n.is_nan() => 1 << 63,
            n => n as u64,
        }
    };
    let byte = |i: usize| if i < 8 { (value >> (8 * i)) as u8 } else { 0 };
    if big {
        out.extend((0..size).rev().map(byte));
    } else {
        out.extend((0..size).map(byte));
    }
}

fn write_ordered<const N: usize>(out: &mut Vec<u8>, mut bytes: [u8; N], big: bool) {
    if big {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

/// `struct.unpack(format, text [, place])`: the values, then the place after them.
fn unpack(f: Frame<'_>) -> ReturnCount {
    let mut format = Format::new(f.string_argument(1)?);
    let text = f.string_argument(2)?;
    let start = f.int_or(3, 1)?;
    if start == 0 {
        return Err(Raise::Argument(3, "offset must be 1 or greater".into()));
    }
    let short = || Raise::Argument(2, "data string too short".into());
    let (mut at, mut count) = ((start as usize).wrapping_sub(1), 0);
    while let Some((option, mut size)) = format.next()? {
        at = at
            .checked_add(format.padding(at, option, size))
            .ok_or_else(short)?;
        if size > text.len() || at > text.len() - size {
            return Err(short());
        }
        if !f.has_room(2) {
            return Err(Raise::text("stack overflow (too many results)"));
        }
        let data = &text[at..at + size];
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                f.push_number(read_int(data, format.big, option.is_ascii_lowercase()));
                count += 1;
            }
            b'x' => {}
            b'f' => {
                let bytes = ordered(data.try_into().expect("four"), format.big);
                f.push_number(f64::from(f32::from_le_bytes(bytes)));
                count += 1;
            }
            b'd' => {
                let bytes = ordered(data.try_into().expect("eight"), format.big);
                f.push_number(f64::from_le_bytes(bytes));
                count += 1;
            }
            b'c' => {
                if size == 0 {
                    if count == 0 || !f.is_number(-1) {
                        return Err(Raise::text("format 'c0' needs a previous size"));
                    }
                    let before = f.number(-1);
                    f.pop(1);
                    count -= 1;
                    if !(0.0..=text.len() as f64).contains(&before) {
                        return Err(short());
                    }
                    size = before as usize;
                    if at > text.len() - size {
                        return Err(short());
                    }
                }
                f.push_bytes(&text[at..at + size]);
                count += 1;
            }
            b's' => {
                let Some(len) = memchr::memchr(0, &text[at..]) else {
                    return Err(Raise::text("unfinished string in data"));
                };
                f.push_bytes(&text[at..at + len]);
                count += 1;
                size = len + 1;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    f.push_number((at + 1) as f64);
    Ok(count + 1)
}

fn ordered<const N: usize>(mut bytes: [u8; N], big: bool) -> [u8; N] {
    if big {
        bytes.reverse();
    }
    bytes
}

fn read_int(data: &[u8], big: bool, signed: bool) -> f64 {
    // Bytes above 64 bits are shifted out.
    let push = |n: u64, b: &u8| n << 8 | u64::from(*b);
    let n = if big {
        data.iter().fold(0, push)
    } else {
        data.iter().rev().fold(0, push)
    };
    if !signed {
        return n as f64;
    }
    match data.len() {
        size @ 1..8 => {
            let shift = 64 - 8 * size as u32;
            ((n << shift) as i64 >> shift) as f64
        }
        _ => n as i64 as f64,
    }
}

/// `struct.size(format)`.
fn size(f: Frame<'_>) -> ReturnCount {
    let mut format = Format::new(f.string_argument(1)?);
    let mut at = 0usize;
    while let Some((option, size)) = format.next()? {
        at += format.padding(at, option, size);
        if option == b's' {
            return Err(Raise::Argument(1, "option 's' has no fixed size".into()));
        }
        if option == b'c' && size == 0 {
            return Err(Raise::Argument(1, "option 'c0' has no fixed size".into()));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(option)?;
        }
        at += size;
    }
    f.push_number(at as f64);
    Ok(1)
}
