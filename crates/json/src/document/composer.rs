//! Several values as a single text: the matches of a path, and what several paths find.

use super::print::{self, Format, write_number};
use super::text::write_escaped;
use super::{Document, Value};
use crate::view::{Number, View};

/// An array or an object that is being written; its values are elsewhere.
#[derive(Debug)]
pub struct Composer<'o, 'f> {
    out: &'o mut Vec<u8>,
    format: Format<'f>,
    /// Containers around the values.
    level: usize,
    values: usize,
    close: u8,
}

impl<'o, 'f> Composer<'o, 'f> {
    /// Begins an array.
    pub fn array(format: &Format<'f>, out: &'o mut Vec<u8>) -> Composer<'o, 'f> {
        Composer::begin(*format, 0, (b'[', b']'), out)
    }

    /// Begins an object.
    pub fn object(format: &Format<'f>, out: &'o mut Vec<u8>) -> Composer<'o, 'f> {
        Composer::begin(*format, 0, (b'{', b'}'), out)
    }

    fn begin(
        format: Format<'f>,
        level: usize,
        (open, close): (u8, u8),
        out: &'o mut Vec<u8>,
    ) -> Composer<'o, 'f> {
        out.push(open);
        Composer {
            out,
            format,
            level: level + 1,
            values: 0,
            close,
        }
    }

    fn next(&mut self) {
        if self.values > 0 {
            self.out.push(b',');
        }
        self.values += 1;
        line(&self.format, self.level, self.out);
    }

    /// The next element.
    pub fn element(&mut self, value: Value<'_>) {
        self.next();
        print::print_at(value, &self.format, self.level, self.out);
    }

    fn name(&mut self, name: &str) {
        self.next();
        write_escaped(name.as_bytes(), self.out);
        self.out.push(b':');
        self.out.extend_from_slice(self.format.space);
    }

    /// The next member.
    pub fn member(&mut self, name: &str, value: Value<'_>) {
        self.name(name);
        print::print_at(value, &self.format, self.level, self.out);
    }

    /// Begins the next member, an array.
    pub fn member_array(&mut self, name: &str) -> Composer<'_, 'f> {
        self.name(name);
        Composer::begin(self.format, self.level, (b'[', b']'), self.out)
    }

    /// Bytes of the text so far.
    pub fn text_len(&self) -> usize {
        self.out.len()
    }

    /// Writes the end.
    pub fn end(self) {
        if self.values > 0 {
            line(&self.format, self.level - 1, self.out);
        }
        self.out.push(self.close);
    }
}

impl Document {
    /// The document of any value. A computed number that JSON cannot represent becomes null.
    pub fn of<'a>(value: impl View<'a>) -> Document {
        Document::made(|draft| draft.view(value))
    }
}

fn line(format: &Format<'_>, level: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format.newline);
    for _ in 0..level {
        out.extend_from_slice(format.indent);
    }
}

/// Appends a number as JSON text.
pub fn print_number(number: Number, out: &mut Vec<u8>) {
    write_number(number, out);
}
