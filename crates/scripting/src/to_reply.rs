//! Lua values as replies.
//!
//! A table's elements are counted before they are written, so its length can be written first
//! and nothing is moved: O(values + bytes), however deep it nests.
//!
//! A few tables that contain each other can expand to any number of values. Therefore the written
//! bytes count against the script's memory; the number of values is limited to as many as would fit
//! into that memory if each were distinct; and the script can be stopped meanwhile. A large reply
//! is measured before it is written: its buffer gets the right size at once, or none.

use super::effort::LONG;
use super::errors::Failure;
use super::lua::{Frame, LuaType, WatchGuard, truncated, watch};
use russet_resp::{Reply, up_to_nul};

/// Maximum nesting of tables: as many values as Redis's Lua keeps for C.
const DEPTH_MAX: usize = 7_990;
/// Values between two checks of the limits.
const STEPS: u32 = 1024;
/// A longer reply is measured first.
const UNMEASURED_MAX: usize = 16 << 20;
/// Memory of a table and of an element in Lua.
const TABLE_BYTES: usize = 64;
const ELEMENT_BYTES: usize = 8;
/// Maximum size of a string's header and line end.
const HEADER_MAX: usize = 32;

/// Why a value is not replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyError {
    /// The script must stop.
    Stopped,
    /// The reply takes more memory than the script may have.
    TooLarge,
    /// The reply exceeds the client's output buffer limit: the server closes the client.
    Full,
}

/// Replies with the value on top of the stack, without popping it; on failure the reply is
/// unchanged. `resp3`: the script's own protocol, which decides whether booleans become integers.
pub(crate) fn reply_value(f: Frame<'_>, reply: &mut Reply, resp3: bool) -> Result<(), ReplyError> {
    let (mark, errors) = (reply.mark(), reply.errors());
    let most = f.machine.room().min(UNMEASURED_MAX);
    let mut writer = ReplyWriter::new(f, reply, resp3, most);
    let mut written = writer.write();
    if written == Err(ReplyError::TooLarge) && !writer.has_too_many() {
        reply.take_back(mark, errors);
        written = write_measured(f, reply, resp3);
    }
    if written.is_err() {
        reply.take_back(mark, errors);
    }
    written
}

/// Like [`reply_value`], into a buffer with room for all of it.
fn write_measured(f: Frame<'_>, reply: &mut Reply, resp3: bool) -> Result<(), ReplyError> {
    let mut counted = Reply::new();
    counted.set_resp3(reply.resp3());
    let mut meter = ReplyWriter::new(f, &mut counted, resp3, f.machine.limit());
    meter.measures = true;
    meter.write()?;
    let bytes = meter.bytes();
    if bytes >= f.machine.room() {
        // Garbage does not count.
        f.collect();
    }
    if bytes >= f.machine.room() {
        return Err(ReplyError::TooLarge);
    }
    if !reply.make_room(bytes) {
        return Err(ReplyError::Full);
    }
    ReplyWriter::new(f, reply, resp3, bytes).write()
}

struct ReplyWriter<'m, 'r> {
    f: Frame<'m>,
    reply: &'r mut Reply,
    resp3: bool,
    /// Bytes of the reply before this value.
    before: usize,
    /// Maximum bytes for this value.
    most: usize,
    steps: u32,
    /// Lower bound of the memory Lua would need if no value were shared.
    weight: usize,
    /// Only measures the length.
    measures: bool,
    /// Bytes measured and dropped from the buffer.
    measured: usize,
    /// Set at the first check; from then on the script can be interrupted.
    watched: Option<WatchGuard<'m>>,
}

type WriteResult = Result<(), ReplyError>;

impl<'m, 'r> ReplyWriter<'m, 'r> {
    fn new(f: Frame<'m>, reply: &'r mut Reply, resp3: bool, most: usize) -> ReplyWriter<'m, 'r> {
        ReplyWriter {
            f,
            before: reply.pending_len(),
            reply,
            resp3,
            most,
            steps: STEPS,
            weight: 0,
            measures: false,
            measured: 0,
            watched: None,
        }
    }

    /// Writes the value on top of the stack without popping it.
    fn write(&mut self) -> WriteResult {
        let top = self.f.top();
        self.f.push_value(-1);
        let written = self.value(0);
        self.f.set_top(top);
        if self.reply.is_full() {
            Err(ReplyError::Full)
        } else {
            written
        }
    }

    /// Bytes of the value so far.
    fn bytes(&self) -> usize {
        self.measured + self.reply.pending_len() - self.before
    }

    /// There are more values than memory could hold if none were shared.
    fn has_too_many(&self) -> bool {
        self.weight > self.f.machine.limit()
    }

    #[inline]
    fn step(&mut self) -> WriteResult {
        self.steps -= 1;
        if self.steps > 0 {
            return Ok(());
        }
        // Each element takes two steps: counted once, written once.
        self.weight += STEPS as usize / 2 * ELEMENT_BYTES;
        self.look(0)
    }

    /// Checks that writing may continue, with `more` bytes to come.
    #[cold]
    #[inline(never)]
    fn look(&mut self, more: usize) -> WriteResult {
        self.steps = STEPS;
        let f = self.f;
        self.watched.get_or_insert_with(|| watch(f.machine));
        if f.is_stopped() {
            return Err(ReplyError::Stopped);
        }
        if self.reply.is_full() {
            return Err(ReplyError::Full);
        }
        if self.bytes() + more > self.most || self.has_too_many() {
            return Err(ReplyError::TooLarge);
        }
        if self.measures {
            const KEPT: usize = 1 << 20;
            self.measured += self.reply.pending_len();
            self.reply.clear(KEPT);
        }
        Ok(())
    }

    /// Checks the limits before a text, which may be long, is written.
    #[inline]
    fn announce(&mut self, text: &[u8]) -> WriteResult {
        if text.len() >= LONG {
            self.look(2 * text.len() + HEADER_MAX)
        } else {
            Ok(())
        }
    }

    /// Writes and pops the value on top of the stack.
    fn value(&mut self, depth: usize) -> WriteResult {
        self.step()?;
        let stack = self.f.stack;
        match stack.kind(-1) {
            _ if depth > DEPTH_MAX => self.reply.error_line(TOO_DEEP),
            LuaType::String => self.string(stack.bytes(-1).expect("a string"))?,
            LuaType::Boolean if self.resp3 => self.reply.boolean(stack.boolean(-1)),
            LuaType::Boolean if stack.boolean(-1) => self.reply.int(1),
            LuaType::Number => self.reply.int(truncated(stack.number(-1))),
            LuaType::Table if stack.has_room(TABLE_ROOM) => return self.table(depth),
            LuaType::Table => self.reply.error_line(TOO_DEEP),
            _ => self.reply.null(),
        }
        stack.pop(1);
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> WriteResult {
        if text.len() < LONG {
            self.reply.bulk(text);
            return Ok(());
        }
        self.look(text.len() + HEADER_MAX)?;
        if self.measures {
            // `$`, the digits of its length, and two line ends.
            self.measured += text.len() + text.len().ilog10() as usize + 6;
        } else {
            self.reply.bulk(text);
        }
        Ok(())
    }

    /// Writes and pops a table: the type that a field names, else an array.
    fn table(&mut self, depth: usize) -> WriteResult {
        self.weight += TABLE_BYTES;
        let stack = self.f.stack;
        let kind = stack.get_field(-1, "err");
        if kind == LuaType::String {
            self.announce(stack.bytes(-1).expect("a string"))?;
            stack.pop(1);
            Failure::read(stack, usize::MAX).reply(self.reply, None);
            return Ok(());
        }
        stack.pop(1);
        for (name, kind) in NAMED {
            if stack.get_field(-1, name) == kind && self.named(name, depth)? {
                stack.pop(2);
                return Ok(());
            }
            stack.pop(1);
        }
        let mut len = 0;
        loop {
            stack.raw_get_at(-1, len + 1);
            let is_end = stack.kind(-1) == LuaType::Nil;
            stack.pop(1);
            if is_end {
                break;
            }
            len += 1;
            self.step()?;
        }
        self.reply.deferred_array(len);
        for at in 1..=len {
            stack.raw_get_at(-1, at);
            self.value(depth + 1)?;
        }
        stack.pop(1);
        Ok(())
    }

    /// Writes a table as the type that this field names; the field's value is on top and stays.
    /// `false`: the field names no type.
    fn named(&mut self, name: &str, depth: usize) -> Result<bool, ReplyError> {
        let stack = self.f.stack;
        match name {
            "ok" => {
                // Up to the first NUL, as C reads it.
                let text = up_to_nul(stack.bytes(-1).expect("a string"));
                self.announce(text)?;
                self.reply.simple_bytes(text);
            }
            "double" => self.reply.double(stack.number(-1)),
            "big_number" => {
                let digits = stack.bytes(-1).expect("a string");
                self.announce(digits)?;
                self.reply.big_number(digits);
            }
            "verbatim_string" => return self.verbatim(),
            _ => self.pairs(depth, name == "map")?,
        }
        Ok(true)
    }

    fn verbatim(&mut self) -> Result<bool, ReplyError> {
        let stack = self.f.stack;
        let format = stack.get_field(-1, "format");
        let string = stack.get_field(-2, "string");
        let fits = format == LuaType::String && string == LuaType::String;
        if fits {
            let (format, text) = (stack.bytes(-2), stack.bytes(-1));
            let text = text.expect("a string");
            // Three letters, padded with blanks.
            let mut letters = [b' '; 3];
            let name = up_to_nul(format.expect("a string"));
            for (to, from) in letters.iter_mut().zip(name) {
                *to = *from;
            }
            self.announce(text)?;
            self.reply.verbatim_bytes(letters, text);
        }
        stack.pop(2);
        Ok(fits)
    }

    /// A map or a set: the keys, and a map's values.
    fn pairs(&mut self, depth: usize, is_map: bool) -> WriteResult {
        let stack = self.f.stack;
        // A table that has been emptied can still take long to iterate.
        self.look(0)?;
        let mut len = 0;
        stack.push_nil();
        while stack.next(-2) {
            stack.pop(1);
            len += 1;
            self.step()?;
        }
        if is_map {
            self.reply.deferred_map(len)
        } else {
            self.reply.deferred_set(len)
        }
        stack.push_nil();
        while stack.next(-2) {
            stack.push_value(-2);
            self.value(depth + 1)?;
            if is_map {
                self.value(depth + 1)?;
            } else {
                stack.pop(1);
            }
        }
        Ok(())
    }
}

const TOO_DEEP: &[u8] = b"ERR reached lua stack limit";
/// Stack slots that a table needs for itself, without the slots of its elements.
const TABLE_ROOM: i32 = 5;

/// Fields that name the type of their table, if the value is of this kind.
const NAMED: [(&str, LuaType); 6] = [
    ("ok", LuaType::String),
    ("double", LuaType::Number),
    ("big_number", LuaType::String),
    ("verbatim_string", LuaType::Table),
    ("map", LuaType::Table),
    ("set", LuaType::Table),
];
