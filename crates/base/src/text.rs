//! Text for humans: any bytes as a line, sizes with units; comparison of short texts.

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
    let unit = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    // The exact amount, rounded to hundredths; ties to even, as `{:.2}` does.
    let (exact, shift) = (u128::from(bytes) * 100, 10 * unit);
    let (mut hundredths, rest) = ((exact >> shift) as u64, exact & ((1 << shift) - 1));
    let half = 1 << (shift - 1);
    hundredths += u64::from(rest > half || rest == half && hundredths % 2 == 1);
    let mut text = String::with_capacity(16);
    text.push_str(itoa::Buffer::new().format(hundredths / 100));
    text.push_str(if hundredths % 100 < 10 { ".0" } else { "." });
    text.push_str(itoa::Buffer::new().format(hundredths % 100));
    text.push_str(UNITS[unit as usize - 1]);
    text
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

    /// Also if the hundredth is a tie.
    #[test]
    fn humans_read_what_a_formatter_writes() {
        for shift in [10, 20, 30, 40, 50, 60] {
            for bytes in (0..4000).map(|n| (1u64 << shift) + n * ((1u64 << shift) / 800)) {
                let unit = ["K", "M", "G", "T", "P", "P"][shift / 10 - 1];
                let amount = bytes as f64 / (1u64 << shift.min(50)) as f64;
                assert_eq!(human(bytes), format!("{amount:.2}{unit}"), "{bytes}");
            }
        }
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
