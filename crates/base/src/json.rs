//! JSON, written as it comes: strings, lists, and objects whose members keep their order.
//!
//! Nothing is kept but the bytes written so far: O(bytes). Values of other kinds, such as replies,
//! are written by their owners, after [`Object::name`].

use std::io::Write;

/// Characters escaped in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// The ones JSON demands: quotes, backslashes, control characters below U+0020.
    Least,
    /// The same, backspace and form feed by their short forms.
    Short,
    /// Also U+007F to U+009F, and U+2028 and U+2029, which end a line for some readers of lines.
    Wide,
}

impl Escapes {
    fn concern(self, c: char) -> bool {
        let is_wide = || matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
        c < ' ' || c == '"' || c == '\\' || self == Escapes::Wide && is_wide()
    }
}

/// Writes a string, quoted.
pub fn string(text: &str, escapes: Escapes, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.chars();
    while let Some(at) = rest.as_str().find(|c| escapes.concern(c)) {
        out.extend_from_slice(&rest.as_str().as_bytes()[..at]);
        rest = rest.as_str()[at..].chars();
        match rest.next() {
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\u{8}') if escapes == Escapes::Short => out.extend_from_slice(b"\\b"),
            Some('\u{c}') if escapes == Escapes::Short => out.extend_from_slice(b"\\f"),
            Some(c @ ('"' | '\\')) => out.extend_from_slice(&[b'\\', c as u8]),
            // Writing to memory does not fail.
            Some(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            None => {}
        }
    }
    out.extend_from_slice(rest.as_str().as_bytes());
    out.push(b'"');
}

/// Writes a list; `write` appends a value.
pub fn list<T>(
    values: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(value, out);
    }
    out.push(b']');
}

/// An object in progress.
#[derive(Debug)]
pub struct Object {
    out: Vec<u8>,
    escapes: Escapes,
}

impl Object {
    /// Without members.
    pub fn new(escapes: Escapes) -> Object {
        let out = b"{".to_vec();
        Object { out, escapes }
    }

    /// Writes the name of a member and returns the text, to which the caller appends the member's
    /// value.
    pub fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        string(name, self.escapes, &mut self.out);
        self.out.push(b':');
        &mut self.out
    }

    /// Adds a string. Bytes that are no UTF-8 become U+FFFD.
    pub fn text(mut self, name: &str, value: impl AsRef<[u8]>) -> Object {
        let escapes = self.escapes;
        let value = String::from_utf8_lossy(value.as_ref());
        string(&value, escapes, self.name(name));
        self
    }

    /// Adds a whole number.
    pub fn number(mut self, name: &str, value: impl Into<i128>) -> Object {
        // Writing to memory does not fail.
        let _ = write!(self.name(name), "{}", value.into());
        self
    }

    /// Adds true or false.
    pub fn flag(mut self, name: &str, value: bool) -> Object {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.name(name).extend_from_slice(word);
        self
    }

    /// Adds an object.
    pub fn object(mut self, name: &str, value: Object) -> Object {
        self.name(name).extend_from_slice(&value.end());
        self
    }

    /// The whole object.
    pub fn end(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// The whole object with a newline after it.
    pub fn line(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"}\n");
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_keep_their_order() {
        let object = || Object::new(Escapes::Wide);
        let inner = object().number("n", -1).number("m", u64::MAX);
        let mut outer = object()
            .text("z", "a")
            .object("i", inner)
            .text("b", "")
            .flag("f", true);
        list([1, 2], outer.name("l"), |n: u8, out| out.push(b'0' + n));
        let line = b"{\"z\":\"a\",\"i\":{\"n\":-1,\"m\":18446744073709551615},\"b\":\"\",\"f\":true,\"l\":[1,2]}\n";
        assert_eq!(outer.line(), line);
        assert_eq!(object().line(), b"{}\n");
    }

    #[test]
    fn a_string_escapes_what_its_readers_need() {
        let text = "a\"\\\n\r\t\u{1}\u{8}\u{c}\u{1f} \u{7f}\u{9f}\u{2028}\u{e9}";
        for (escapes, wanted) in [
            (
                Escapes::Least,
                "\"a\\\"\\\\\\n\\r\\t\\u0001\\u0008\\u000c\\u001f \u{7f}\u{9f}\u{2028}\u{e9}\"",
            ),
            (
                Escapes::Short,
                "\"a\\\"\\\\\\n\\r\\t\\u0001\\b\\f\\u001f \u{7f}\u{9f}\u{2028}\u{e9}\"",
            ),
            (
                Escapes::Wide,
                "\"a\\\"\\\\\\n\\r\\t\\u0001\\u0008\\u000c\\u001f \\u007f\\u009f\\u2028\u{e9}\"",
            ),
        ] {
            let mut out = Vec::new();
            string(text, escapes, &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), wanted);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_and_is_one_line(name in ".{0,8}", value: Vec<u8>) {
            for escapes in [Escapes::Least, Escapes::Short, Escapes::Wide] {
                let line = Object::new(escapes).text(&name, &value).line();
                prop_assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
                let read: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
                let expected = String::from_utf8_lossy(&value);
                prop_assert_eq!(read[&name].as_str(), Some(&expected[..]));
            }
        }
    }
}
