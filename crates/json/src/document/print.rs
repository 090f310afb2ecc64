//! A value becomes JSON text, in a single pass over its bytes.
//!
//! A string's head says whether JSON text escapes any of the string's bytes, so that most strings
//! are copied as they are; floats that are kept as decimals are printed without a search for the
//! digits.

use super::bytes::{self, Body, Inline, Item};
use super::names::{self, FlatNames, Name};
use super::number::{write_decimal, write_float};
use super::run::NumberType;
use super::store::Node;
use super::text::{Sink, TextOutput, write_escaped};
use super::value::{Context, Value};
use crate::view::Number;
use smallvec::SmallVec;

/// How text is laid out; the default is compact.
#[derive(Clone, Copy, Debug, Default)]
pub struct Format<'a> {
    /// Before each element or member, once for each level.
    pub indent: &'a [u8],
    /// After each opening bracket, and after each element or member.
    pub newline: &'a [u8],
    /// After the colon of a member.
    pub space: &'a [u8],
    /// A longer text gets no more layout, because layout alone could make it huge; the caller
    /// refuses the text for its length. `None`: there is no limit.
    pub bytes_max: Option<usize>,
}

impl Format<'_> {
    fn is_compact(&self) -> bool {
        self.indent.is_empty() && self.newline.is_empty() && self.space.is_empty()
    }
}

pub(super) fn print(value: Value<'_>, format: &Format<'_>, out: &mut Vec<u8>) {
    print_at(value, format, 0, out);
}

/// As `print`, within so many containers.
pub(super) fn print_at(value: Value<'_>, format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    let context = value.context();
    let Some(bytes) = value.bytes() else {
        if let Item::Number(number) = value.item() {
            match (number, value.fpha()) {
                (Number::Float(float), Some(fpha)) => fpha.write(float, out),
                _ => write_number(number, out),
            }
        }
        return;
    };
    let flat = match context {
        Context::Flat(names) if bytes::is_inline(bytes[0]) => shared_names(names),
        _ => SmallVec::new(),
    };
    // Text is about as long as the bytes of a document.
    let size = bytes::skip(bytes, 0);
    let mut printer = Printer {
        context,
        flat,
        is_compact: format.is_compact(),
        format,
        level,
        out: Sink::new(out, 64 + size + size / 2),
    };
    printer.value(bytes, 0);
    // Without the comma.
    printer.out.unput();
    printer.out.end();
}

pub(super) fn write_number(number: Number, out: &mut impl TextOutput) {
    let mut digits = itoa::Buffer::new();
    let text = match number {
        Number::Signed(value) => digits.format(value),
        Number::Unsigned(value) => digits.format(value),
        Number::Float(value) => return write_float(value, out),
    };
    out.put(text.as_bytes());
}

/// A shared name: as the text of a member begins, if that is short.
struct SharedName<'a> {
    text: &'a [u8],
    quoted: [u8; 16],
}

/// The longest name that is kept in quotes.
const QUOTED_MAX: usize = 16 - 3;

/// Shared names by number.
type Texts<'a> = SmallVec<[SharedName<'a>; 24]>;

fn shared_names(names: FlatNames<'_>) -> Texts<'_> {
    let quoted = names.texts().map(|text| {
        let mut quoted = [b'"'; 16];
        if text.len() <= QUOTED_MAX {
            quoted[1..=text.len()].copy_from_slice(text);
            quoted[text.len() + 2] = b':';
        }
        SharedName { text, quoted }
    });
    quoted.collect()
}

/// Each value is followed by a comma, which the end of its container takes back.
struct Printer<'a, 'o> {
    context: Context<'a>,
    flat: Texts<'a>,
    is_compact: bool,
    format: &'o Format<'o>,
    level: usize,
    out: Sink<'o>,
}

impl<'a> Printer<'a, '_> {
    /// Appends the value at a place; returns where it ends.
    #[inline(always)]
    fn value(&mut self, bytes: &'a [u8], at: usize) -> usize {
        let head = bytes[at];
        if let Some(len) = bytes::short_text(head) {
            self.out.put_quoted(&bytes[at + 1..], len, b"\",");
            return at + 1 + len;
        }
        if let Some(digit) = bytes::digit(head) {
            self.out.put_some([b'0' + digit, b','], 2);
            return at + 1;
        }
        self.other(bytes, at)
    }

    /// As `value`, of a value that is no short text and no digit.
    fn other(&mut self, bytes: &'a [u8], at: usize) -> usize {
        let head = bytes[at];
        if bytes::is_inline(head) {
            let inline = bytes::inline(bytes, at).expect("such a head");
            return self.inline(bytes, inline);
        }
        if let Some((integer, scale)) = bytes::decimal_at(bytes, at) {
            write_decimal(integer, scale, &mut self.out);
            self.out.byte(b',');
            return bytes::skip(bytes, at);
        }
        match bytes::item(bytes, at) {
            Item::Text(text) => self.text(text, !bytes::is_dirty(head)),
            Item::Number(number) => {
                write_number(number, &mut self.out);
                self.out.byte(b',');
            }
            Item::Null => self.out.put_some(*b"null,", 5),
            Item::Bool(true) => self.out.put_some(*b"true,", 5),
            Item::Bool(false) => self.out.put_some(*b"false,", 6),
            Item::Inline(_) => unreachable!("containers came first"),
            Item::Node(_, number) => self.node(self.context.node(number)),
        }
        bytes::skip(bytes, at)
    }

    fn text(&mut self, text: &[u8], is_clean: bool) {
        if is_clean {
            self.out.put_quoted(text, text.len(), b"\",");
        } else {
            write_escaped(text, &mut self.out);
            self.out.byte(b',');
        }
    }

    /// Appends a container in `bytes`; returns where it ends.
    fn inline(&mut self, bytes: &'a [u8], inline: Inline) -> usize {
        let is_object = inline.body == Body::Object;
        self.begin(is_object);
        match inline.body {
            Body::Object => self.members(bytes, inline.start, inline.end),
            Body::Array => self.elements(bytes, inline.start, inline.end),
            Body::Run => {
                let run = NumberType::of(bytes[inline.start]);
                self.run(run, bytes, inline.start + 1, inline.end);
            }
        }
        self.end(is_object, inline.count > 0);
        inline.end
    }

    fn node(&mut self, node: &'a Node) {
        let chunks = match node {
            Node::Text(text, is_clean) => return self.text(text, *is_clean),
            Node::Array(chunks) | Node::Object(chunks) => chunks,
            Node::Free => unreachable!("nothing refers to a free number"),
        };
        let is_object = node.is_object();
        self.begin(is_object);
        for chunk in 0..chunks.buffers.len() {
            let part = chunks.part(is_object, chunk);
            let end = part.bytes.len();
            match part.body {
                Body::Object => self.members(part.bytes, part.start, end),
                Body::Array => self.elements(part.bytes, part.start, end),
                Body::Run => self.run(part.run, part.bytes, part.start, end),
            }
        }
        self.end(is_object, chunks.len > 0);
    }

    #[inline]
    fn begin(&mut self, is_object: bool) {
        self.out.byte(if is_object { b'{' } else { b'[' });
        self.level += 1;
    }

    #[inline]
    fn end(&mut self, is_object: bool, has_children: bool) {
        self.level -= 1;
        if has_children {
            self.out.unput();
            self.line();
        }
        let close = if is_object { b"}," } else { b"]," };
        self.out.put_some(*close, 2);
    }

    fn members(&mut self, bytes: &'a [u8], mut at: usize, end: usize) {
        while at < end {
            self.line();
            at = self.name(bytes, at);
            if !self.is_compact {
                self.space();
            }
            at = self.value(bytes, at);
        }
    }

    fn elements(&mut self, bytes: &'a [u8], mut at: usize, end: usize) {
        while at < end {
            self.line();
            at = self.value(bytes, at);
        }
    }

    fn run(&mut self, run: NumberType, bytes: &[u8], mut at: usize, end: usize) {
        while at < end {
            self.line();
            if let Some((integer, scale)) = run.decimal(bytes, at) {
                write_decimal(integer, scale, &mut self.out);
            } else {
                match (run.read(bytes, at), run.fpha()) {
                    (Number::Float(value), Some(fpha)) => fpha.write(value, &mut self.out),
                    (number, _) => write_number(number, &mut self.out),
                }
            }
            self.out.byte(b',');
            at += run.width();
        }
    }

    #[inline(always)]
    fn name(&mut self, bytes: &'a [u8], at: usize) -> usize {
        let head = bytes[at];
        if let Some(len) = names::short_text(head) {
            self.out.put_quoted(&bytes[at + 1..], len, b"\":");
            return at + 1 + len;
        }
        if let Some(name) = names::near(head).and_then(|number| self.flat.get(number))
            && name.text.len() <= QUOTED_MAX
        {
            self.out.put_some(name.quoted, name.text.len() + 3);
            return at + 1;
        }
        self.other_name(bytes, at)
    }

    fn other_name(&mut self, bytes: &'a [u8], at: usize) -> usize {
        let (name, end) = names::name(bytes, at);
        let (text, is_clean) = match name {
            Name::Text(text, is_clean) => (text, is_clean),
            Name::Shared(number) => match self.context {
                Context::Flat(_) => (self.flat[usize::from(number)].text, true),
                Context::Tree(store) => (store.names.text(number), true),
            },
        };
        if is_clean {
            self.out.put_quoted(text, text.len(), b"\":");
        } else {
            write_escaped(text, &mut self.out);
            self.out.byte(b':');
        }
        end
    }

    #[inline(always)]
    fn line(&mut self) {
        if !self.is_compact {
            self.begin_line();
        }
    }

    #[cold]
    fn space(&mut self) {
        if !self.is_full() {
            self.out.put(self.format.space);
        }
    }

    /// Whether the text is longer than it may be.
    fn is_full(&self) -> bool {
        self.format
            .bytes_max
            .is_some_and(|max| self.out.len() > max)
    }

    #[cold]
    fn begin_line(&mut self) {
        if self.is_full() {
            return;
        }
        self.out.put(self.format.newline);
        for _ in 0..self.level {
            if self.is_full() {
                return;
            }
            self.out.put(self.format.indent);
        }
    }
}
