//! JSON objects for scripts: one line, members in the order in which they are added.

use std::fmt::Write;

/// An object in progress.
pub struct Object(String);

fn write_text(to: &mut String, text: &[u8]) {
    to.push('"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            // U+2028 and U+2029 end a line for some readers of lines.
            '\0'..=' ' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' if c != ' ' => {
                write!(to, "\\u{:04x}", u32::from(c)).expect("a String takes all");
            }
            _ => to.push(c),
        }
    }
    to.push('"');
}

impl Object {
    pub fn new() -> Object {
        Object("{".to_owned())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        write_text(&mut self.0, name.as_bytes());
        self.0.push(':');
    }

    /// A string. Bytes that are no UTF-8 become U+FFFD.
    pub fn text(mut self, name: &str, value: impl AsRef<[u8]>) -> Object {
        self.name(name);
        write_text(&mut self.0, value.as_ref());
        self
    }

    pub fn number(mut self, name: &str, value: impl Into<i128>) -> Object {
        self.name(name);
        write!(self.0, "{}", value.into()).expect("a String takes all");
        self
    }

    pub fn object(mut self, name: &str, value: Object) -> Object {
        self.name(name);
        self.0 += &value.0;
        self.0.push('}');
        self
    }

    /// The object with a newline after it.
    pub fn line(self) -> Vec<u8> {
        [self.0.as_bytes(), b"}\n"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_keep_their_order() {
        let inner = Object::new().number("n", -1).number("m", u64::MAX);
        let object = Object::new()
            .text("z", "a")
            .object("i", inner)
            .text("b", "");
        let line = b"{\"z\":\"a\",\"i\":{\"n\":-1,\"m\":18446744073709551615},\"b\":\"\"}\n";
        assert_eq!(object.line(), line);
        assert_eq!(Object::new().line(), b"{}\n");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_and_is_one_line(name in ".{0,8}", value: Vec<u8>) {
            let line = Object::new().text(&name, &value).line();
            prop_assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
            let read: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            let expected = String::from_utf8_lossy(&value);
            prop_assert_eq!(read[&name].as_str(), Some(&expected[..]));
        }
    }
}
