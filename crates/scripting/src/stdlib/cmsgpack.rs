//! `cmsgpack`: MessagePack for scripts, compatible with the library of that name.
//!
//!     number    the shortest integer form; a fraction as float if that is exact, else as double
//!     table     an array if its keys are 1 to n, else a map
//!     other     nil, as are tables nested deeper than 16 levels
//!
//! Unpacking pushes values on the Lua stack, at most 3,900 levels deep. Announced lengths allocate
//! nothing: missing bytes are an error first. 64-bit unsigned numbers are read as signed, as in
//! Redis.
//! Cost: O(values + bytes), with checks for stop and memory (`effort`).

use super::super::effort::{Effort, LONG};
use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};

/// Tables deeper than this are packed as nil.
const NESTING_MAX: usize = 16;
/// Maximum nesting of unpacked values.
const DEPTH_MAX: usize = 3_900;

/// Pushes the library.
pub fn push(stack: Stack) {
    stack.push_table(0, 8);
    stack.set_function(-1, "pack", pack);
    stack.set_function(-1, "unpack", unpack);
    stack.set_function(-1, "unpack_one", unpack_one);
    stack.set_function(-1, "unpack_limit", unpack_limit);
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

/// `cmsgpack.pack(value, ...)`: the packed values, concatenated.
fn pack(f: Frame<'_>) -> ReturnCount {
    let count = f.top();
    if count == 0 {
        return Err(Raise::text(
            "bad argument #0 to 'pack' (MessagePack pack needs input.)",
        ));
    }
    let mut out = f.machine.scratch.take();
    out.clear();
    let mut effort = Effort::new(f);
    let packed = (1..=count).try_for_each(|at| {
        f.push_value(at);
        write(f.stack, &mut out, 0, &mut effort)?;
        f.pop(1);
        Ok(())
    });
    if packed.is_ok() {
        f.push_bytes(&out);
    }
    const KEPT: usize = 1 << 20;
    if out.capacity() <= KEPT {
        f.machine.scratch.replace(out);
    }
    packed.map(|()| 1)
}

/// Packs the value on top; does not pop it.
fn write(
    stack: Stack,
    out: &mut Vec<u8>,
    level: usize,
    effort: &mut Effort<'_>,
) -> Result<(), Raise> {
    effort.step(out.len())?;
    match stack.kind(-1) {
        LuaType::String => {
            let text = stack.bytes(-1).expect("a string");
            let len = text.len();
            match len {
                0..=31 => out.push(0xa0 | len as u8),
                32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
                0x100..=0xffff => {
                    out.push(0xda);
                    out.extend_from_slice(&(len as u16).to_be_bytes());
                }
                _ => {
                    out.push(0xdb);
                    out.extend_from_slice(&(len as u32).to_be_bytes());
                }
            }
            effort.check(out.len() + len)?;
            out.extend_from_slice(text);
        }
        LuaType::Boolean => out.push(if stack.boolean(-1) { 0xc3 } else { 0xc2 }),
        LuaType::Number => write_number(out, stack.number(-1)),
        LuaType::Table if level < NESTING_MAX && stack.has_room(6) => {
            match array_len(stack, effort)? {
                Some(len) => {
                    write_count(out, len, 0x90, 0xdc);
                    for i in 1..=len {
                        stack.raw_get_at(-1, i);
                        write(stack, out, level + 1, effort)?;
                        stack.pop(1);
                    }
                }
                None => write_map(stack, out, level, effort)?,
            };
        }
        _ => out.push(0xc0),
    }
    Ok(())
}

fn write_map(
    stack: Stack,
    out: &mut Vec<u8>,
    level: usize,
    effort: &mut Effort<'_>,
) -> Result<(), Raise> {
    let mut len = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        len += 1;
        effort.step(out.len())?;
    }
    write_count(out, len, 0x80, 0xde);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_value(-2);
        write(stack, out, level + 1, effort)?;
        stack.pop(1);
        write(stack, out, level + 1, effort)?;
        stack.pop(1);
    }
    Ok(())
}

/// The number of elements of an array or pairs of a map.
fn write_count(out: &mut Vec<u8>, n: usize, short: u8, long: u8) {
    match n {
        0..=15 => out.push(short | n as u8),
        16..=0xffff => {
            out.push(long);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
    }
}

fn write_number(out: &mut Vec<u8>, n: f64) {
    let whole = n as i64;
    if whole as f64 != n || n == 9_223_372_036_854_775_808.0 {
        if f64::from(n as f32) == n {
            out.push(0xca);
            out.extend_from_slice(&(n as f32).to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend_from_slice(&n.to_be_bytes());
        }
        return;
    }
    match whole {
        -32..=127 => out.push(whole as u8),
        128..=0xff => out.extend_from_slice(&[0xcc, whole as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(whole as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(whole as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend_from_slice(&whole.to_be_bytes());
        }
        -128..=-33 => out.extend_from_slice(&[0xd0, whole as u8]),
        -32768..=-129 => {
            out.push(0xd1);
            out.extend_from_slice(&(whole as i16).to_be_bytes());
        }
        -2_147_483_648..=-32769 => {
            out.push(0xd2);
            out.extend_from_slice(&(whole as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&whole.to_be_bytes());
        }
    }
}

/// The length of the table on top if its keys are 1 to n.
fn array_len(stack: Stack, effort: &mut Effort<'_>) -> Result<Option<usize>, Raise> {
    // A table that has been emptied can still take long to iterate.
    effort.look(0)?;
    let (mut max, mut count) = (0.0f64, 0usize);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        let n = stack.number(-1);
        let fits = stack.kind(-1) == LuaType::Number
            && n > 0.0
            && n.fract() == 0.0
            && n <= f64::from(i32::MAX);
        if !fits {
            stack.pop(1);
            return Ok(None);
        }
        max = max.max(n);
        count += 1;
        effort.step(0)?;
    }
    Ok((max == count as f64).then_some(count))
}

/// `cmsgpack.unpack(text)`: all values.
fn unpack(f: Frame<'_>) -> ReturnCount {
    unpack_full(f, 0, 0)
}

/// `cmsgpack.unpack_one(text [, offset])`: the offset of the next value (-1: none left), then
/// the value.
fn unpack_one(f: Frame<'_>) -> ReturnCount {
    let offset = f.int_or(2, 0)?;
    f.set_top(1);
    unpack_full(f, 1, offset)
}

/// `cmsgpack.unpack_limit(text, limit [, offset])`: like `unpack_one`, up to `limit` values.
fn unpack_limit(f: Frame<'_>) -> ReturnCount {
    let limit = f.int_argument(2)?;
    let offset = f.int_or(3, 0)?;
    f.set_top(1);
    unpack_full(f, limit, offset)
}

fn unpack_full(f: Frame<'_>, limit: i64, offset: i64) -> ReturnCount {
    let text = f.string_argument(1)?;
    let all = limit == 0 && offset == 0;
    let len = text.len();
    if offset < 0 || limit < 0 {
        return Err(Raise::text(format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32, len as i32
        )));
    }
    if offset as u64 > len as u64 {
        return Err(Raise::text(format!(
            "Start offset {} greater than input length {}.",
            offset as i32, len as i32
        )));
    }
    let limit = if all { i64::from(i32::MAX) } else { limit };
    f.set_top(1);
    let mut reader = Reader {
        stack: f.stack,
        effort: Effort::new(f),
        rest: &text[offset as usize..],
    };
    let mut count = 0;
    while !reader.rest.is_empty() && i64::from(count) < limit {
        reader.value(0).map_err(|bad| match bad {
            DecodeError::Short => Raise::text("Missing bytes in input."),
            DecodeError::Format => Raise::text("Bad data format in input."),
            DecodeError::Effort(raise) => raise,
            DecodeError::Room => Raise::text(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit \
                 instead.)",
            ),
        })?;
        count += 1;
    }
    if !all {
        let left = reader.rest.len();
        f.push_number(if left == 0 { -1.0 } else { (len - left) as f64 });
        f.insert(2);
        count += 1;
    }
    Ok(count)
}

enum DecodeError {
    Short,
    Format,
    Room,
    /// Too much memory, or the script is being stopped.
    Effort(Raise),
}

struct Reader<'t> {
    stack: Stack,
    effort: Effort<'t>,
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    fn take(&mut self, n: usize) -> Result<&'t [u8], DecodeError> {
        if self.rest.len() < n {
            return Err(DecodeError::Short);
        }
        let (taken, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of `n` bytes.
    fn number(&mut self, n: usize) -> Result<u64, DecodeError> {
        let bytes = self.take(n)?;
        Ok(bytes
            .iter()
            .fold(0, |number, b| number << 8 | u64::from(*b)))
    }

    fn push_string(&mut self, len: u64) -> Result<(), DecodeError> {
        let text = self.take(usize::try_from(len).map_err(|_| DecodeError::Short)?)?;
        if text.len() >= LONG {
            self.effort
                .check_string(text.len())
                .map_err(DecodeError::Effort)?;
        }
        self.stack.push_bytes(text);
        Ok(())
    }

    /// Pushes the next value.
    fn value(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > DEPTH_MAX || !self.stack.has_room(4) {
            return Err(DecodeError::Room);
        }
        self.effort.step(0).map_err(DecodeError::Effort)?;
        let kind = self.take(1)?[0];
        let stack = self.stack;
        match kind {
            0x00..=0x7f => stack.push_number(f64::from(kind)),
            0xe0..=0xff => stack.push_number(f64::from(kind as i8)),
            0xcc => stack.push_number(self.number(1)? as f64),
            0xcd => stack.push_number(self.number(2)? as f64),
            0xce => stack.push_number(self.number(4)? as f64),
            // Redis's library reads it as signed.
            0xcf => stack.push_number(self.number(8)? as i64 as f64),
            0xd0 => stack.push_number(f64::from(self.number(1)? as i8)),
            0xd1 => stack.push_number(f64::from(self.number(2)? as i16)),
            0xd2 => stack.push_number(f64::from(self.number(4)? as i32)),
            0xd3 => stack.push_number(self.number(8)? as i64 as f64),
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_boolean(false),
            0xc3 => stack.push_boolean(true),
            0xca => stack.push_number(f64::from(f32::from_bits(self.number(4)? as u32))),
            0xcb => stack.push_number(f64::from_bits(self.number(8)?)),
            0xa0..=0xbf => self.push_string(u64::from(kind & 0x1f))?,
            0xd9..=0xdb => {
                let len = self.number(1 << (kind - 0xd9))?;
                self.push_string(len)?;
            }
            0x90..=0x9f => self.array(u64::from(kind & 0xf), depth)?,
            0xdc | 0xdd => {
                let len = self.number(if kind == 0xdc { 2 } else { 4 })?;
                self.array(len, depth)?;
            }
            0x80..=0x8f => self.map(u64::from(kind & 0xf), depth)?,
            0xde | 0xdf => {
                let len = self.number(if kind == 0xde { 2 } else { 4 })?;
                self.map(len, depth)?;
            }
            _ => return Err(DecodeError::Format),
        }
        Ok(())
    }

    fn array(&mut self, len: u64, depth: usize) -> Result<(), DecodeError> {
        self.stack.push_table(0, 0);
        for i in 1..=len {
            self.value(depth + 1)?;
            self.stack.raw_set_at(-2, i as usize);
        }
        Ok(())
    }

    fn map(&mut self, len: u64, depth: usize) -> Result<(), DecodeError> {
        self.stack.push_table(0, 0);
        for _ in 0..len {
            self.value(depth + 1)?;
            self.value(depth + 1)?;
            let key = self.stack.kind(-2);
            if key == LuaType::Nil || key == LuaType::Number && self.stack.number(-2).is_nan() {
                return Err(DecodeError::Format);
            }
            self.stack.raw_set(-3);
        }
        Ok(())
    }
}
