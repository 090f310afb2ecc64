//! One line of the audit: a JSON object.

use std::io::Write;

use jiff::Timestamp;

/// Arguments shown, and bytes shown of each argument and key.
const ARGS_MAX: usize = 32;
const TEXT_MAX: usize = 128;

/// Builds an object field by field.
#[derive(Debug)]
pub struct Line(Vec<u8>);

impl Line {
    /// Begins with the time, Unix microseconds.
    pub fn new(unix_us: i64) -> Line {
        let mut line = Line(Vec::with_capacity(384));
        line.0.push(b'{');
        let time = Timestamp::from_microsecond(unix_us).unwrap_or(Timestamp::UNIX_EPOCH);
        line.name("time");
        // Writing to memory cannot fail.
        let _ = write!(line.0, "\"{time:.6}\"");
        line
    }

    pub fn text(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.quoted(text);
    }

    pub fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        let _ = write!(self.0, "{number}");
    }

    /// A list, cut after [`ARGS_MAX`] elements; a last element then gives the number left out.
    pub fn list<'a>(&mut self, name: &str, all: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.name(name);
        let len = all.len();
        self.0.push(b'[');
        for (at, text) in all.take(ARGS_MAX).enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.quoted(text);
        }
        if len > ARGS_MAX {
            let _ = write!(self.0, ",\"... ({} more)\"", len - ARGS_MAX);
        }
        self.0.push(b']');
    }

    /// The object and a newline.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        let _ = write!(self.0, "\"{name}\":");
    }

    /// A JSON string of at most [`TEXT_MAX`] bytes of the text. Bytes that are not UTF-8 are shown
    /// as `\xff`, and a backslash as itself: JSON's own escapes stand for control characters.
    fn quoted(&mut self, text: &[u8]) {
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
        // A string is always written.
        let _ = serde_json::to_writer(&mut self.0, &out);
    }
}

/// The line that stands for those that found no room.
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
