//! Text for humans: any bytes as one line, sizes with units; comparison of short texts.

use std::fmt;

/// Shows UTF-8 unchanged, but control characters and all other bytes as `\n`, `\x1b`, `\xff`. A
/// backslash is not escaped: the output is for reading, not for parsing.
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

/// Whether two texts are equal: inlined in a few instructions for short ones, such as most names
/// and keys, where a general call would cost more.
#[inline(always)]
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() || a.len() > 16 {
        return a == b;
    }
    // Two words that touch or overlap cover the text.
    if let (Some(first), Some(last)) = (a.first_chunk::<8>(), a.last_chunk::<8>()) {
        return b.first_chunk() == Some(first) && b.last_chunk() == Some(last);
    }
    if let (Some(first), Some(last)) = (a.first_chunk::<4>(), a.last_chunk::<4>()) {
        return b.first_chunk() == Some(first) && b.last_chunk() == Some(last);
    }
    // Of up to three bytes each is the first, the middle or the last.
    let len = a.len();
    let is_equal = |at: usize| a.get(at) == b.get(at);
    len == 0 || (is_equal(0) && is_equal(len / 2) && is_equal(len - 1))
}

/// The `strerror` text of this error, without Rust's `(os error 2)`.
pub fn system_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A noun with its article: `an array`, `a hash`.
pub fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// Bytes for humans: `13B`, `674.52K`, `1.00G`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn humans_read_two_decimals() {
        let reported = [0, 1023, 1024, 690_704, 1 << 30, 25_276_514_304].map(human);
        assert_eq!(
            reported,
            ["0B", "1023B", "1.00K", "674.52K", "1.00G", "23.54G"]
        );
    }

    #[test]
    fn equal_texts_are_the_same_and_no_others() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..text.len() {
            let mut other = text[..len].to_vec();
            assert!(is_same(&text[..len], &other));
            assert!(!is_same(&text[..len + 1], &other));
            assert!(!is_same(&other, &text[..len + 1]));
            for at in 0..len {
                other[at] ^= 0x10;
                assert!(!is_same(&text[..len], &other), "{len} {at}");
                other[at] ^= 0x10;
            }
        }
    }

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
