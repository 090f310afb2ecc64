//! A value becomes JSON text.

use super::Value;
use super::number::write_float;
use super::text::write_escaped;
use crate::view::{Kind, Number, View};
use std::io::Write;

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
    fn line(&self, level: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.newline);
        for _ in 0..level {
            out.extend_from_slice(self.indent);
        }
    }
}

pub(super) fn print(value: Value<'_>, format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Bool(true) => out.extend_from_slice(b"true"),
        Kind::Bool(false) => out.extend_from_slice(b"false"),
        Kind::Number(Number::Signed(number)) => write!(out, "{number}").expect("it is memory"),
        Kind::Number(Number::Unsigned(number)) => write!(out, "{number}").expect("it is memory"),
        Kind::Number(Number::Float(number)) => match value.fpha() {
            Some(fpha) => fpha.write(number, out),
            None => write_float(number, out),
        },
        Kind::String => write_escaped(value.text().expect("a string").as_bytes(), out),
        Kind::Array => children(value, format, level, (b'[', b']'), out),
        Kind::Object => children(value, format, level, (b'{', b'}'), out),
    }
}

fn children(
    value: Value<'_>,
    format: &Format<'_>,
    level: usize,
    brackets: (u8, u8),
    out: &mut Vec<u8>,
) {
    out.push(brackets.0);
    for (number, (name, child)) in value.children().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        format.line(level + 1, out);
        if let Some(name) = name {
            write_escaped(name.as_bytes(), out);
            out.push(b':');
            out.extend_from_slice(format.space);
        }
        print(child, format, level + 1, out);
    }
    if value.len() > 0 {
        format.line(level, out);
    }
    out.push(brackets.1);
}
