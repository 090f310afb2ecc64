//! Bytes of any kind as text of one line.

use std::fmt;

/// Shows UTF-8 as it is, but control characters and all other bytes as `\n`, `\x1b`, `\xff`.
/// A backslash stays alone: this is to be read, not to be read back.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for plain in chunk.valid().split_inclusive(char::is_control) {
                let last = plain.chars().next_back().filter(|c| c.is_control());
                let control = plain.len() - last.map_or(0, char::len_utf8);
                to.write_str(&plain[..control])?;
                write!(to, "{}", plain.as_bytes()[control..].escape_ascii())?;
            }
            write!(to, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// What `strerror` says for this error, without Rust's `(os error 2)`.
pub fn system_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        let cases: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"a 'b' \"c\" \\", "a 'b' \"c\" \\"),
            ("\u{e9}\u{20ac}".as_bytes(), "\u{e9}\u{20ac}"),
            (b"\r\n\tx\0\x7f", r"\r\n\tx\x00\x7f"),
            (b"a\xff\xfe\xe2\x82b", r"a\xff\xfe\xe2\x82b"),
            ("\u{85}".as_bytes(), r"\xc2\x85"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Printable(bytes).to_string(), *text);
        }
    }
}
