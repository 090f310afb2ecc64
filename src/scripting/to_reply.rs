//! Lua values as replies.
//!
//! A table's elements are counted before they are written, so that its length is in front of
//! them and nothing is moved: O(values + bytes), however deep it nests.
//!
//! A few tables that hold each other are any number of values. So what is written counts against
//! the script's memory while it is made; there are no more values than would fit into that memory
//! if each was there by itself; and the script can be stopped meanwhile. A large reply is measured
//! before it is written: its buffer gets the right size at once, or none.

use super::effort::LONG;
use super::errors::Failure;
use super::lua::{Frame, Kind, Watched, truncated, watch};
use crate::resp::{Reply, up_to_nul};

/// Tables may nest so deep: as many values as Redis's Lua keeps for C.
const DEPTH_MAX: usize = 7_990;
/// Values between two looks at the bounds.
const STEPS: u32 = 1024;
/// A longer reply is measured first.
const UNMEASURED_MAX: usize = 16 << 20;
/// What a table and a place in one take of Lua's memory.
const TABLE_BYTES: usize = 64;
const ELEMENT_BYTES: usize = 8;
/// What a string's header and end take at most.
const HEADER_MAX: usize = 32;

/// Why a value is not replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The script is to end.
    Stopped,
    /// It takes more memory than the script may have.
    TooLarge,
    /// It is more than the client may let wait: the client is closed.
    Full,
}

/// Replies with the value on top of the stack, which stays; or leaves the reply as it was.
/// `resp3`: what the script itself speaks, by which a boolean is one or an integer.
pub fn reply_value(f: Frame<'_>, reply: &mut Reply, resp3: bool) -> Result<(), Unfinished> {
    let (mark, errors) = (reply.mark(), reply.errors());
    let most = f.machine.room().min(UNMEASURED_MAX);
    let mut writer = Writer::new(f, reply, resp3, most);
    let mut written = writer.write();
    if written == Err(Unfinished::TooLarge) && !writer.has_too_many() {
        reply.take_back(mark, errors);
        written = write_measured(f, reply, resp3);
    }
    if written.is_err() {
        reply.take_back(mark, errors);
    }
    written
}

/// As [`reply_value`], in a buffer that has room for all of it.
fn write_measured(f: Frame<'_>, reply: &mut Reply, resp3: bool) -> Result<(), Unfinished> {
    let mut counted = Reply::new();
    counted.set_resp3(reply.resp3());
    let mut meter = Writer::new(f, &mut counted, resp3, f.machine.limit());
    meter.measures = true;
    meter.write()?;
    let bytes = meter.bytes();
    if bytes >= f.machine.room() {
        // What nothing refers to any more does not count.
        f.collect();
    }
    if bytes >= f.machine.room() {
        return Err(Unfinished::TooLarge);
    }
    if !reply.make_room(bytes) {
        return Err(Unfinished::Full);
    }
    Writer::new(f, reply, resp3, bytes).write()
}

struct Writer<'m, 'r> {
    f: Frame<'m>,
    reply: &'r mut Reply,
    resp3: bool,
    /// Bytes of the reply that are not this value's.
    before: usize,
    /// Bytes that this value may have.
    most: usize,
    steps: u32,
    /// What Lua would hold if no value was there twice: at least so many bytes.
    weight: usize,
    /// Nothing but the length is wanted.
    measures: bool,
    /// Bytes that were measured and forgotten.
    measured: usize,
    /// From the first look on it can be interrupted.
    watched: Option<Watched<'m>>,
}

type Written = Result<(), Unfinished>;

impl<'m, 'r> Writer<'m, 'r> {
    fn new(f: Frame<'m>, reply: &'r mut Reply, resp3: bool, most: usize) -> Writer<'m, 'r> {
        Writer {
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

    /// Writes the value on top of the stack, which stays.
    fn write(&mut self) -> Written {
        let top = self.f.top();
        self.f.push_value(-1);
        let written = self.value(0);
        self.f.set_top(top);
        match self.reply.is_full() {
            true => Err(Unfinished::Full),
            false => written,
        }
    }

    /// Bytes of the value so far.
    fn bytes(&self) -> usize {
        self.measured + self.reply.pending_len() - self.before
    }

    /// More values than could be there without being the same ones.
    fn has_too_many(&self) -> bool {
        self.weight > self.f.machine.limit()
    }

    #[inline]
    fn step(&mut self) -> Written {
        self.steps -= 1;
        if self.steps > 0 {
            return Ok(());
        }
        // An element is counted once and written once.
        self.weight += STEPS as usize / 2 * ELEMENT_BYTES;
        self.look(0)
    }

    /// Whether it may go on, with so many bytes more.
    #[cold]
    #[inline(never)]
    fn look(&mut self, more: usize) -> Written {
        self.steps = STEPS;
        let f = self.f;
        self.watched.get_or_insert_with(|| watch(f.machine));
        if f.is_stopped() {
            return Err(Unfinished::Stopped);
        }
        if self.reply.is_full() {
            return Err(Unfinished::Full);
        }
        if self.bytes() + more > self.most || self.has_too_many() {
            return Err(Unfinished::TooLarge);
        }
        if self.measures {
            const KEPT: usize = 1 << 20;
            self.measured += self.reply.pending_len();
            self.reply.clear(KEPT);
        }
        Ok(())
    }

    /// A text that may be long is copied and written next.
    #[inline]
    fn announce(&mut self, text: &[u8]) -> Written {
        match text.len() >= LONG {
            true => self.look(2 * text.len() + HEADER_MAX),
            false => Ok(()),
        }
    }

    /// Writes the value on top of the stack, which is taken.
    fn value(&mut self, depth: usize) -> Written {
        self.step()?;
        let stack = self.f.stack;
        match stack.kind(-1) {
            _ if depth > DEPTH_MAX => self.reply.error_line(TOO_DEEP),
            Kind::String => self.string(stack.bytes(-1).expect("a string"))?,
            Kind::Boolean if self.resp3 => self.reply.boolean(stack.boolean(-1)),
            Kind::Boolean if stack.boolean(-1) => self.reply.int(1),
            Kind::Number => self.reply.int(truncated(stack.number(-1))),
            Kind::Table if stack.has_room(TABLE_ROOM) => return self.table(depth),
            Kind::Table => self.reply.error_line(TOO_DEEP),
            _ => self.reply.null(),
        }
        stack.pop(1);
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> Written {
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

    /// A table, which is taken: what one of its fields says that it is, else an array.
    fn table(&mut self, depth: usize) -> Written {
        self.weight += TABLE_BYTES;
        let stack = self.f.stack;
        let kind = stack.get_field(-1, "err");
        if kind == Kind::String {
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
            let is_end = stack.kind(-1) == Kind::Nil;
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

    /// Writes what a field of this name, whose value is on top and stays, says that its table is.
    /// `false`: it says nothing.
    fn named(&mut self, name: &str, depth: usize) -> Result<bool, Unfinished> {
        let stack = self.f.stack;
        match name {
            "ok" => {
                // As far as C sees it.
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

    fn verbatim(&mut self) -> Result<bool, Unfinished> {
        let stack = self.f.stack;
        let format = stack.get_field(-1, "format");
        let string = stack.get_field(-2, "string");
        let fits = format == Kind::String && string == Kind::String;
        if fits {
            let (format, text) = (stack.bytes(-2), stack.bytes(-1));
            let text = text.expect("a string");
            // Three letters, blanks behind a shorter name.
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
    fn pairs(&mut self, depth: usize, is_map: bool) -> Written {
        let stack = self.f.stack;
        // A table that has been emptied takes long to walk through.
        self.look(0)?;
        let mut len = 0;
        stack.push_nil();
        while stack.next(-2) {
            stack.pop(1);
            len += 1;
            self.step()?;
        }
        match is_map {
            true => self.reply.deferred_map(len),
            false => self.reply.deferred_set(len),
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
/// Values that a table needs on the stack beside itself, without its elements' own.
const TABLE_ROOM: i32 = 5;

/// Fields that say what their table is, if they are of this kind.
const NAMED: [(&str, Kind); 6] = [
    ("ok", Kind::String),
    ("double", Kind::Number),
    ("big_number", Kind::String),
    ("verbatim_string", Kind::Table),
    ("map", Kind::Table),
    ("set", Kind::Table),
];
