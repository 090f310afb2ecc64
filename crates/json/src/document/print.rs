//! A value becomes JSON text, in one pass over its bytes.
//!
//! Strings say whether text escapes any of their bytes, so that most are copied as they are; floats
//! that are kept as decimals are printed without searching for their digits.

use super::bytes::{self, Body, Item};
use super::names::{self, FlatNames, Name};
use super::number::{write_decimal, write_float};
use super::store::{Node, Part};
use super::text::{write_clean, write_escaped, write_start};
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
}

impl Format<'_> {
    fn is_compact(&self) -> bool {
        self.indent.is_empty() && self.newline.is_empty()
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
        Context::Flat(names) => offsets(names),
        Context::Tree(_) => SmallVec::new(),
    };
    Printer {
        context,
        flat,
        is_compact: format.is_compact(),
        format,
        level,
        out,
    }
    .value(bytes, 0);
}

pub(super) fn write_number(number: Number, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let text = match number {
        Number::Signed(value) => digits.format(value),
        Number::Unsigned(value) => digits.format(value),
        Number::Float(value) => return write_float(value, out),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Shared names by number.
type Texts<'a> = SmallVec<[&'a [u8]; 24]>;

fn offsets(names: FlatNames<'_>) -> Texts<'_> {
    names.texts().collect()
}

struct Printer<'a, 'o> {
    context: Context<'a>,
    flat: Texts<'a>,
    is_compact: bool,
    format: &'o Format<'o>,
    level: usize,
    out: &'o mut Vec<u8>,
}

impl<'a> Printer<'a, '_> {
    /// Appends the value at a place; returns where it ends.
    #[inline]
    fn value(&mut self, bytes: &'a [u8], at: usize) -> usize {
        if let Some(len) = bytes::short_text(bytes[at]) {
            write_start(&bytes[at + 1..], len, b"\"", self.out);
            return at + 1 + len;
        }
        if let Some((integer, scale)) = bytes::decimal_at(bytes, at) {
            write_decimal(integer, scale, self.out);
            return bytes::skip(bytes, at);
        }
        match bytes::item(bytes, at) {
            Item::Text(text) => {
                if bytes::is_dirty(bytes[at]) {
                    write_escaped(text, self.out);
                } else {
                    write_clean(text, self.out);
                }
            }
            Item::Number(number) => write_number(number, self.out),
            Item::Null => self.out.extend_from_slice(b"null"),
            Item::Bool(true) => self.out.extend_from_slice(b"true"),
            Item::Bool(false) => self.out.extend_from_slice(b"false"),
            Item::Inline(inline) => {
                let part = Part::inline(bytes, at).expect("an inline container");
                self.container(part.body == Body::Object, std::iter::once(part));
                return inline.end;
            }
            Item::Node(_, number) => self.node(self.context.node(number)),
        }
        bytes::skip(bytes, at)
    }

    fn node(&mut self, node: &'a Node) {
        match node {
            Node::Text(text, true) => write_clean(text, self.out),
            Node::Text(text, false) => write_escaped(text, self.out),
            Node::Array(chunks) | Node::Object(chunks) => {
                let is_object = node.is_object();
                let parts = 0..chunks.buffers.len();
                self.container(is_object, parts.map(|chunk| chunks.part(is_object, chunk)));
            }
            Node::Free => unreachable!("nothing refers to a free number"),
        }
    }

    fn container(&mut self, is_object: bool, parts: impl Iterator<Item = Part<'a>>) {
        self.out.push(if is_object { b'{' } else { b'[' });
        self.level += 1;
        let mut is_first = true;
        for part in parts {
            let mut at = part.start;
            while at < part.bytes.len() {
                if !is_first {
                    self.out.push(b',');
                }
                is_first = false;
                self.line();
                at = match part.body {
                    Body::Object => {
                        let value = self.name(part.bytes, at);
                        self.value(part.bytes, value)
                    }
                    Body::Array => self.value(part.bytes, at),
                    Body::Run => {
                        if let Some((integer, scale)) = part.run.decimal(part.bytes, at) {
                            write_decimal(integer, scale, self.out);
                        } else {
                            match (part.run.read(part.bytes, at), part.run.fpha()) {
                                (Number::Float(value), Some(fpha)) => fpha.write(value, self.out),
                                (number, _) => write_number(number, self.out),
                            }
                        }
                        at + part.run.width()
                    }
                };
            }
        }
        self.level -= 1;
        if !is_first {
            self.line();
        }
        self.out.push(if is_object { b'}' } else { b']' });
    }

    #[inline]
    fn name(&mut self, bytes: &'a [u8], at: usize) -> usize {
        if let Some(len) = names::short_text(bytes[at]) {
            write_start(&bytes[at + 1..], len, b"\":", self.out);
            self.space();
            return at + 1 + len;
        }
        let (name, end) = names::name(bytes, at);
        let (text, is_clean) = match name {
            Name::Text(text, is_clean) => (text, is_clean),
            Name::Shared(number) => match self.context {
                Context::Flat(_) => (self.flat[usize::from(number)], true),
                Context::Tree(store) => (store.names.text(number), true),
            },
        };
        if is_clean {
            write_start(text, text.len(), b"\":", self.out);
        } else {
            write_escaped(text, self.out);
            self.out.push(b':');
        }
        self.space();
        end
    }

    #[inline]
    fn space(&mut self) {
        if !self.format.space.is_empty() {
            self.out.extend_from_slice(self.format.space);
        }
    }

    #[inline]
    fn line(&mut self) {
        if !self.is_compact {
            self.out.extend_from_slice(self.format.newline);
            for _ in 0..self.level {
                self.out.extend_from_slice(self.format.indent);
            }
        }
    }
}
