//! Replies as Lua values.
//!
//! Integers become numbers, strings become strings, status lines and errors become tables with
//! `ok` or `err`, arrays become tables, null becomes `false`. RESP3 types: maps, sets, doubles, big
//! numbers and verbatim strings become tables with one field named after the type; null is `nil`.

use super::effort::{Effort, LONG};
use super::errors::{push_error_line, raised};
use super::lua::{Frame, Raise, Stack};
use russet_resp::{Aggregate, ReplyHead, Text};

/// Pushes the value of a complete reply of ours. Fails if the reply nests too deep, exceeds the
/// state's limit together with `held` bytes, or the script must stop; then nothing is pushed but
/// the error of a [`Raise::Top`].
pub(crate) fn push_reply(f: Frame<'_>, reply: &[u8], held: usize) -> Result<(), Raise> {
    if let Some(number) = short_integer(reply) {
        f.push_number(number);
        return Ok(());
    }
    let top = f.top();
    let mut reader = Reader {
        stack: f.stack,
        effort: Effort::beside(f, held.saturating_add(reply.len())),
        rest: reply,
    };
    let Err(refused) = reader.value() else {
        return Ok(());
    };
    // The stack may hold half-built containers, below the error.
    if let PushError::By(Raise::Top) = refused {
        f.insert(top + 1);
        f.set_top(top + 1);
        return Err(Raise::Top);
    }
    f.set_top(top);
    Err(match refused {
        PushError::By(raise) => raise,
        PushError::TooDeep => raised(f, "reached lua stack limit"),
    })
}

/// The value of a reply that is an integer of few digits, the most frequent reply. It needs no
/// room: the arguments are off the stack.
#[inline]
fn short_integer(reply: &[u8]) -> Option<f64> {
    const DIGITS_MAX: usize = 9;
    let digits = reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    if digits.len() > DIGITS_MAX || digits.first().is_none_or(|&first| first == b'-') {
        return None;
    }
    let append = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    Some(digits.iter().fold(0, append).into())
}

/// Why a value is not pushed.
enum PushError {
    /// There is no room on the stack.
    TooDeep,
    By(Raise),
}

impl From<Raise> for PushError {
    fn from(raise: Raise) -> PushError {
        PushError::By(raise)
    }
}

fn push_named(stack: Stack, name: &str, text: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(text);
    stack.set_field(-2, name);
}

/// Pushes a command's error reply; the command has already counted it.
pub(crate) fn push_counted_error(stack: Stack, line: &[u8]) {
    push_error_line(stack, line);
    stack.push_boolean(true);
    stack.set_field(-2, "ignore_error_stats_update");
}

/// A reader over a reply.
struct Reader<'m, 'r> {
    stack: Stack,
    effort: Effort<'m>,
    rest: &'r [u8],
}

impl<'r> Reader<'_, 'r> {
    /// Pushes the next value.
    fn value(&mut self) -> Result<(), PushError> {
        self.effort.step(0)?;
        let stack = self.stack;
        if !stack.has_room(ROOM) {
            return Err(PushError::TooDeep);
        }
        let is_nil = self.rest[0] == b'_';
        match self.head() {
            ReplyHead::Integer(number) => stack.push_number(number as f64),
            ReplyHead::Bytes(Text::Verbatim, len) => {
                let text = self.string(len)?;
                stack.push_table(0, 1);
                stack.push_table(0, 2);
                stack.push_bytes(&text[4..]);
                stack.set_field(-2, "string");
                stack.push_bytes(&text[..3]);
                stack.set_field(-2, "format");
                stack.set_field(-2, "verbatim_string");
            }
            ReplyHead::Bytes(_, len) => {
                let text = self.string(len)?;
                stack.push_bytes(text);
            }
            ReplyHead::Simple(text) => push_named(stack, "ok", text),
            ReplyHead::Error(text) => push_counted_error(stack, text),
            ReplyHead::Null if is_nil => stack.push_nil(),
            ReplyHead::Null => stack.push_boolean(false),
            ReplyHead::Boolean(is_true) => stack.push_boolean(is_true),
            ReplyHead::Double(number) => {
                stack.push_table(0, 1);
                stack.push_number(number);
                stack.set_field(-2, "double");
            }
            ReplyHead::BigNumber(digits) => push_named(stack, "big_number", digits),
            ReplyHead::Values(Aggregate::Array | Aggregate::Push, len) => return self.array(len),
            ReplyHead::Values(Aggregate::Map, len) => return self.map(len / 2),
            ReplyHead::Values(Aggregate::Set, len) => return self.set(len),
            ReplyHead::Values(Aggregate::Attribute, len) => {
                // Attributes are for clients: skipped.
                for _ in 0..len {
                    self.value()?;
                    stack.pop(1);
                }
                return self.value();
            }
        }
        Ok(())
    }

    /// Reads a header line. The reply is russet's own: complete and well-formed.
    #[inline]
    fn head(&mut self) -> ReplyHead<'r> {
        let end = memchr::memchr(b'\r', self.rest).expect("a whole reply");
        let head = ReplyHead::parse(&self.rest[..end]).expect("a reply of ours");
        self.rest = &self.rest[end + 2..];
        head
    }

    /// Reads a string of `len` bytes and skips its line end.
    fn string(&mut self, len: usize) -> Result<&'r [u8], PushError> {
        if len >= LONG {
            self.effort.check_string(len)?;
        }
        let text = &self.rest[..len];
        self.rest = &self.rest[len + 2..];
        Ok(text)
    }

    fn array(&mut self, len: usize) -> Result<(), PushError> {
        self.stack.push_table(len, 0);
        for at in 1..=len {
            self.value()?;
            self.stack.raw_set_at(-2, at);
        }
        Ok(())
    }

    fn map(&mut self, pairs: usize) -> Result<(), PushError> {
        self.stack.push_table(0, 1);
        self.stack.push_table(0, pairs);
        for _ in 0..pairs {
            self.value()?;
            self.value()?;
            self.stack.raw_set(-3);
        }
        self.stack.set_field(-2, "map");
        Ok(())
    }

    fn set(&mut self, len: usize) -> Result<(), PushError> {
        self.stack.push_table(0, 1);
        self.stack.push_table(0, len);
        for _ in 0..len {
            self.value()?;
            self.stack.push_boolean(true);
            self.stack.raw_set(-3);
        }
        self.stack.set_field(-2, "set");
        Ok(())
    }
}

/// Stack slots that a value needs: containers, a field name, an error.
const ROOM: i32 = 8;

#[cfg(test)]
mod tests {
    use super::super::lua::{Lua, LuaType};
    use super::*;

    fn pushed(reply: &str) -> (i32, LuaType) {
        let lua = Lua::new(1 << 20);
        let (machine, stack) = (lua.machine(), lua.stack());
        stack.push_bytes(b"below");
        let pushed = push_reply(Frame { stack, machine }, reply.as_bytes(), 0);
        if pushed.is_ok() || matches!(pushed, Err(Raise::Top)) {
            assert_eq!(stack.top(), 2, "one value on top of what was there");
        }
        assert_eq!(stack.bytes(1), Some(&b"below"[..]));
        (stack.top(), stack.kind(-1))
    }

    #[test]
    fn integers_of_any_length_become_numbers() {
        for digits in [1, 2, 8, 9, 10, 18] {
            for sign in ["", "-"] {
                let number = format!("{sign}{}", &"987654321012345678"[..digits]);
                let reply = format!(":{number}\r\n");
                let lua = Lua::new(1 << 20);
                let (machine, stack) = (lua.machine(), lua.stack());
                let pushed = push_reply(Frame { stack, machine }, reply.as_bytes(), 0);
                assert!(pushed.is_ok(), "{reply}");
                assert_eq!(stack.number(-1), number.parse::<f64>().expect("a number"));
                let is_short = short_integer(reply.as_bytes()).is_some();
                assert_eq!(is_short, digits <= 9 && sign.is_empty());
            }
        }
    }

    #[test]
    fn a_reply_that_nests_too_deep_leaves_one_error() {
        let all = || {
            for container in ["*1\r\n", "%1\r\n+k\r\n", "~1\r\n", "*2\r\n:1\r\n"] {
                for depth in [10, 3_000, 9_000] {
                    let reply = container.repeat(depth) + ":1\r\n";
                    assert_eq!(pushed(&reply), (2, LuaType::Table), "{container:?} {depth}");
                }
            }
        };
        // The server's thread has a larger stack than a test's.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        thread
            .spawn(all)
            .expect("a thread")
            .join()
            .expect("no panic");
    }

    #[test]
    fn a_reply_that_the_state_may_not_hold_leaves_nothing() {
        let long = "x".repeat(600_000);
        let text = format!("*2\r\n:1\r\n${}\r\n{long}\r\n", long.len());
        assert_eq!(pushed(&text), (1, LuaType::String));
        let tables = format!("*100000\r\n{}", "*0\r\n".repeat(100_000));
        assert_eq!(pushed(&tables), (1, LuaType::String));
    }
}
