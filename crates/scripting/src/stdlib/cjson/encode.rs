//! `cjson.encode`: Lua values to JSON, by the rules of the library of that name.
//!
//! A table is an array if its keys are whole numbers from 1, which takes a pass over it; a sparse
//! array is an error, or an object, by the library's settings. Nesting is bounded by
//! `encode_max_depth` and [`super::DEPTH_MAX`]. The output is the machine's scratch buffer, kept up
//! to 1 MiB; with the tables' walk it counts as work and memory of the script (`effort`): an empty
//! table can take long to iterate. Cost: O(values + bytes), each array's keys twice.

use super::{Config, DEPTH_MAX, InvalidNumbers};
use crate::effort::Effort;
use crate::lua::{Frame, LuaType, Raise, ReturnCount, Stack};
use crate::stdlib::number::write_g;

/// `cjson.encode(value)`: its JSON. Tables whose keys are 1 to n are arrays, others objects; an
/// empty table is an object, unless it was decoded as an array (`decode_array_with_array_mt`).
pub fn encode(f: Frame<'_>) -> ReturnCount {
    if f.top() != 1 {
        return Err(Raise::Argument(1, "expected 1 argument".into()));
    }
    let mut out = f.machine.scratch.take();
    out.clear();
    let mut encoder = Encoder {
        stack: f.stack,
        effort: Effort::new(f),
        config: f.machine.json.get(),
        out: &mut out,
    };
    let result = encoder.value(0);
    if result.is_ok() {
        f.push_bytes(&out);
    }
    const KEPT: usize = 1 << 20;
    if out.capacity() <= KEPT {
        f.machine.scratch.replace(out);
    }
    result.map(|()| 1)
}

struct Encoder<'o> {
    stack: Stack,
    effort: Effort<'o>,
    config: Config,
    out: &'o mut Vec<u8>,
}

fn refused(kind: LuaType, why: &str) -> Raise {
    Raise::text(format!("Cannot serialise {}: {why}", kind.name()))
}

impl Encoder<'_> {
    /// Writes the value on top of the stack without popping it.
    fn value(&mut self, depth: usize) -> Result<(), Raise> {
        self.effort.step(self.out.len())?;
        match self.stack.kind(-1) {
            LuaType::String => self.string(-1)?,
            LuaType::Number => self.number(-1)?,
            LuaType::Boolean if self.stack.boolean(-1) => self.out.extend_from_slice(b"true"),
            LuaType::Boolean => self.out.extend_from_slice(b"false"),
            LuaType::Nil | LuaType::LightUserdata => self.out.extend_from_slice(b"null"),
            LuaType::Table => return self.table(depth + 1),
            other => return Err(refused(other, "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, depth: usize) -> Result<(), Raise> {
        let is_deep = depth as i64 > self.config.encode_max_depth || depth > DEPTH_MAX;
        if is_deep || !self.stack.has_room(4) {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(Raise::text(text));
        }
        if super::is_marked_as_array(self.stack) {
            return self.array(self.stack.len(-1), depth);
        }
        match self.array_len()? {
            Some(len) => self.array(len, depth),
            None => self.object(depth),
        }
    }

    /// The length of an array; `None`: the table is an object.
    fn array_len(&mut self) -> Result<Option<usize>, Raise> {
        // A table that has been emptied can still take long to iterate.
        self.effort.look(self.out.len())?;
        let (stack, config) = (self.stack, self.config);
        // `max` is the highest index, `items` the number of elements.
        let (mut max, mut items) = (0i32, 0i64);
        stack.push_nil();
        while stack.next(-2) {
            stack.pop(1);
            let n = stack.number(-1);
            if stack.kind(-1) != LuaType::Number || n < 1.0 || n.floor() != n {
                stack.pop(1);
                return Ok(None);
            }
            if n > f64::from(max) {
                // Converted to a C int: overflow gives the minimum.
                let fits = n <= f64::from(i32::MAX);
                max = if fits { n as i32 } else { i32::MIN };
            }
            items += 1;
            self.effort.step(self.out.len())?;
        }
        let is_sparse = config.sparse_ratio > 0
            && i64::from(max) > items * config.sparse_ratio
            && i64::from(max) > config.sparse_safe;
        if is_sparse && !config.sparse_convert {
            return Err(refused(LuaType::Table, "excessively sparse array"));
        }
        Ok((max > 0 && !is_sparse).then_some(max as usize))
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<(), Raise> {
        self.out.push(b'[');
        for i in 1..=len {
            if i > 1 {
                self.out.push(b',');
            }
            self.stack.raw_get_at(-1, i);
            self.value(depth)?;
            self.stack.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Raise> {
        self.out.push(b'{');
        let mut is_first = true;
        self.stack.push_nil();
        while self.stack.next(-2) {
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            match self.stack.kind(-2) {
                LuaType::Number => {
                    self.out.push(b'"');
                    self.number(-2)?;
                    self.out.push(b'"');
                }
                LuaType::String => self.string(-2)?,
                other => return Err(refused(other, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(depth)?;
            self.stack.pop(1);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, at: i32) -> Result<(), Raise> {
        let n = self.stack.number(at);
        if !n.is_finite() {
            match self.config.encode_invalid {
                InvalidNumbers::Refused => {
                    return Err(refused(LuaType::Number, "must not be NaN or Inf"));
                }
                InvalidNumbers::Written if n.is_nan() => self.out.extend_from_slice(b"nan"),
                InvalidNumbers::Written => {
                    let text: &[u8] = if n > 0.0 { b"inf" } else { b"-inf" };
                    self.out.extend_from_slice(text);
                }
                InvalidNumbers::Null => self.out.extend_from_slice(b"null"),
            }
            return Ok(());
        }
        write_g(self.out, n, self.config.precision as usize);
        Ok(())
    }

    fn string(&mut self, at: i32) -> Result<(), Raise> {
        /// Bytes between two checks of the budget.
        const PART: usize = 64 * 1024;
        let text = self.stack.bytes(at).expect("a string");
        self.effort.check(self.out.len() + text.len())?;
        self.out.push(b'"');
        self.escaped(&text[..text.len().min(PART)]);
        for part in text.chunks(PART).skip(1) {
            self.effort.look(self.out.len())?;
            self.escaped(part);
        }
        self.out.push(b'"');
        Ok(())
    }

    fn escaped(&mut self, text: &[u8]) {
        let mut from = 0;
        for (i, &b) in text.iter().enumerate() {
            if !ESCAPED[usize::from(b)] {
                continue;
            }
            self.out.extend_from_slice(&text[from..i]);
            from = i + 1;
            let short = match b {
                8 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                12 => b'f',
                b'\r' => b'r',
                b'"' | b'\\' | b'/' => b,
                _ => {
                    const DIGITS: &[u8; 16] = b"0123456789abcdef";
                    let (high, low) = (DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]);
                    self.out
                        .extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.extend_from_slice(&text[from..]);
    }
}

/// Bytes that must be escaped in a string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut b = 0;
    while b < 32 {
        escaped[b] = true;
        b += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped[b'/' as usize] = true;
    escaped[127] = true;
    escaped
};
