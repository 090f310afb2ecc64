//! Numbers as C's `strtod` reads them.

use russet_base::numbers::float;

/// The longest text that is converted to a number.
const LEN_MAX: usize = 255;

/// The number of a text all of which is one, in the characters of decimal numbers.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    float::parse_wide(text)
}

/// The number that a string stands for in arithmetic: 0 if it is none or too long. A NUL byte ends
/// it.
pub(super) fn of_text(text: &[u8]) -> f64 {
    if text.len() > LEN_MAX {
        return 0.0;
    }
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    let blanks = text.iter().take_while(|&&byte| is_space(byte)).count();
    let text = &text[blanks..];
    let body = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    match body {
        [b'n' | b'N', ..] if is_nan(body) => f64::NAN,
        [b'0'..=b'9' | b'.' | b'i' | b'I', ..] => float::parse_wide(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// `nan`, or `nan(...)` of letters, digits and underscores.
fn is_nan(text: &[u8]) -> bool {
    let Some((word, rest)) = text.split_at_checked(3) else {
        return false;
    };
    word.eq_ignore_ascii_case(b"nan")
        && match rest {
            [] => true,
            [b'(', inner @ .., b')'] => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                inner.iter().all(is_word)
            }
            _ => false,
        }
}

/// C's `isspace`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
