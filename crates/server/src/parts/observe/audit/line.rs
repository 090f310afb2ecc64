//! A line of the audit: a JSON object.

use std::borrow::Cow;
use std::io::Write;

use jiff::Timestamp;

use russet_base::json::{self, Escapes, Object};

/// Arguments shown, and bytes shown of each argument and key.
const ARGS_MAX: usize = 32;
const TEXT_MAX: usize = 128;

/// Builds an object field by field.
#[derive(Debug)]
pub struct Line(Object);

impl Line {
    /// Begins with the time, Unix microseconds.
    pub fn new(unix_us: i64) -> Line {
        let mut line = Line(Object::new(Escapes::Short));
        let time = Timestamp::from_microsecond(unix_us).unwrap_or(Timestamp::UNIX_EPOCH);
        // Writing to memory cannot fail.
        let _ = write!(line.0.name("time"), "\"{time:.6}\"");
        line
    }

    pub fn text(&mut self, name: &str, text: &[u8]) {
        quoted(text, self.0.name(name));
    }

    pub fn number(&mut self, name: &str, number: u64) {
        let _ = write!(self.0.name(name), "{number}");
    }

    /// A list, cut after [`ARGS_MAX`] elements; a last element then gives the number left out.
    pub fn list<'a>(&mut self, name: &str, all: impl ExactSizeIterator<Item = &'a [u8]>) {
        let left_out = all.len().saturating_sub(ARGS_MAX);
        let more = || Cow::Owned(format!("... ({left_out} more)").into_bytes());
        let more = (left_out > 0).then(more);
        let all = all.take(ARGS_MAX).map(Cow::Borrowed).chain(more);
        json::list(all, self.0.name(name), |text, out| quoted(&text, out));
    }

    /// The object and a newline.
    pub fn finish(self) -> Vec<u8> {
        self.0.line()
    }
}

/// A JSON string of at most [`TEXT_MAX`] bytes of the text. Bytes that are not UTF-8 are shown as
/// `\xff`, and a backslash as itself: JSON's own escapes stand for control characters.
fn quoted(text: &[u8], to: &mut Vec<u8>) {
    let shown = &text[..text.len().min(TEXT_MAX)];
    let mut out = String::with_capacity(shown.len() + 16);
    for chunk in shown.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if shown.len() < text.len() {
        out.push_str(&format!("... ({} more bytes)", text.len() - shown.len()));
    }
    json::string(&out, Escapes::Short, to);
}

/// The line that counts the lines that found no room.
pub fn dropped(unix_us: i64, lines: u64) -> Vec<u8> {
    let mut line = Line::new(unix_us);
    line.number("dropped", lines);
    line.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_json_object() {
        let mut line = Line::new(1_700_000_000_123_456);
        line.text("user", b"a\"b\n\xff\\");
        line.number("us", 17);
        let many = vec![&b"x"[..]; 40];
        line.list("args", many.into_iter());
        line.text("long", &[b'y'; 1000]);
        let text = String::from_utf8(line.finish()).expect("UTF-8");
        assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["time"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(json["user"], "a\"b\n\\xff\\");
        assert_eq!(json["us"], 17);
        assert_eq!(json["args"][32], "... (8 more)");
        assert!(
            json["long"]
                .as_str()
                .is_some_and(|s| s.ends_with("y... (872 more bytes)"))
        );
    }
}
