//! INFO's text under construction: titles of sections, and `name:value` lines.

use std::fmt::{Arguments, Display, Write};

/// Capacity for the default sections.
const TEXT_BYTES: usize = 12 * 1024;

/// The text under construction.
pub struct InfoWriter {
    out: String,
}

impl InfoWriter {
    pub(super) fn new() -> InfoWriter {
        InfoWriter {
            out: String::with_capacity(TEXT_BYTES),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.out
    }

    /// Starts a section; an empty line separates sections.
    pub(super) fn section(&mut self, title: &str) {
        if !self.out.is_empty() {
            self.out.push_str("\r\n");
        }
        self.line(format_args!("# {title}"));
    }

    /// `name:value`.
    pub(super) fn field(&mut self, name: &str, value: impl Value) {
        self.out.push_str(name);
        self.out.push(':');
        value.append_to(&mut self.out);
        self.out.push_str("\r\n");
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
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{line}");
        self.out.push_str("\r\n");
    }
}

/// The value of a field. Most are integers, which need no formatter.
pub(super) trait Value {
    fn append_to(&self, out: &mut String);
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl Value for $integer {
            fn append_to(&self, out: &mut String) {
                out.push_str(itoa::Buffer::new().format(*self));
            }
        })*
    };
}

integers!(u8 u16 u32 u64 usize i32 i64);

impl Value for str {
    fn append_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Value for String {
    fn append_to(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Value for Arguments<'_> {
    fn append_to(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = out.write_fmt(*self);
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn append_to(&self, out: &mut String) {
        (**self).append_to(out);
    }
}
