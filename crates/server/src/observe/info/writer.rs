//! INFO's text under construction: titles of sections, and `name:value` lines.
//!
//! Purpose: hundreds of lines a report, which monitors ask for every second; so values have no
//! formatter (`Value`). Cost: O(bytes), one allocation.

use std::fmt::{self, Arguments, Display, Write};

/// Bytes for the default sections.
const TEXT_BYTES: usize = 12 * 1024;

/// The text under construction.
pub struct InfoWriter {
    /// The text, then room: bytes that are 0.
    out: Vec<u8>,
    len: usize,
}

impl InfoWriter {
    pub(super) fn new() -> InfoWriter {
        InfoWriter {
            out: vec![0; TEXT_BYTES],
            len: 0,
        }
    }

    pub(super) fn into_text(mut self) -> String {
        self.out.truncate(self.len);
        String::from_utf8(self.out).expect("whole strings were put")
    }

    #[inline]
    pub(super) fn put(&mut self, text: &str) {
        // Most of a report is several hundred short copies: a `String` would call a function for
        // each to look for room.
        let end = self.len + text.len();
        if end > self.out.len() {
            self.grow(end);
        }
        self.out[self.len..end].copy_from_slice(text.as_bytes());
        self.len = end;
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.out.resize(end * 2, 0);
    }

    /// Starts a section; an empty line separates sections.
    pub(super) fn section(&mut self, title: &str) {
        if self.len > 0 {
            self.put("\r\n");
        }
        self.put("# ");
        self.put(title);
        self.put("\r\n");
    }

    /// `name:value`.
    pub(super) fn field(&mut self, name: &str, value: impl Value) {
        self.put(name);
        self.put(":");
        value.append_to(self);
        self.put("\r\n");
    }

    pub(super) fn fields(&mut self, fields: &[(&str, &dyn Value)]) {
        for &(name, value) in fields {
            self.field(name, value);
        }
    }

    /// Fields that are 0 because their feature does not exist yet.
    pub(super) fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }

    pub(super) fn line(&mut self, line: impl Display) {
        // Writing to memory cannot fail.
        let _ = write!(self, "{line}");
        self.put("\r\n");
    }
}

impl Write for InfoWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

/// The value of a field. Most are integers, which need no formatter.
pub(super) trait Value {
    fn append_to(&self, out: &mut InfoWriter);
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl Value for $integer {
            fn append_to(&self, out: &mut InfoWriter) {
                out.put(itoa::Buffer::new().format(*self));
            }
        })*
    };
}

integers!(u8 u16 u32 u64 usize i32 i64);

/// A number with two decimals, as `{:.2}` writes it.
pub(super) struct Hundredths(pub(super) f64);

impl Value for Hundredths {
    fn append_to(&self, out: &mut InfoWriter) {
        let hundredths = (self.0 * 100.0).round_ties_even();
        // Up to here each hundredth is a different number.
        if !(0.0..1e13).contains(&hundredths) {
            return format_args!("{:.2}", self.0).append_to(out);
        }
        let hundredths = hundredths as u64;
        (hundredths / 100).append_to(out);
        out.put([".", ".0"][usize::from(hundredths % 100 < 10)]);
        (hundredths % 100).append_to(out);
    }
}

/// A number of [`Hundredths`] and a per cent sign.
pub(super) struct Percent(pub(super) f64);

impl Value for Percent {
    fn append_to(&self, out: &mut InfoWriter) {
        Hundredths(self.0).append_to(out);
        out.put("%");
    }
}

impl Value for str {
    fn append_to(&self, out: &mut InfoWriter) {
        out.put(self);
    }
}

impl Value for String {
    fn append_to(&self, out: &mut InfoWriter) {
        out.put(self);
    }
}

impl Value for Arguments<'_> {
    fn append_to(&self, out: &mut InfoWriter) {
        // Writing to memory cannot fail.
        let _ = out.write_fmt(*self);
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn append_to(&self, out: &mut InfoWriter) {
        (**self).append_to(out);
    }
}
