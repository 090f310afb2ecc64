//! Words of a configuration line: splitting with Redis's quotes, quoting, units.
//!
//!     port 6380                       two words
//!     requirepass "two words\x21\n"   double quotes: \xHH \n \r \t \b \a \" \\
//!     logfile 'it\'s'                 single quotes: only \' is an escape
//!
//! A closing quote must be followed by a blank or the end of the line. Words are bytes:
//! a password or a path need not be UTF-8.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The bytes of a configuration value: a path, a password, a name.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// The value as a file name.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The value for a log line; bytes that are not UTF-8 are replaced.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Text {
        Text(bytes)
    }
}

impl From<&Path> for Text {
    fn from(path: &Path) -> Text {
        Text(path.as_os_str().as_bytes().to_vec())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.lossy())
    }
}

/// The words of a line, or `None` if its quotes do not balance.
///
/// An empty or blank line has no words. `""` is one empty word.
pub fn split(line: &[u8]) -> Option<Vec<Text>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&b| is_blank(b)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(words);
        }
        let (word, used) = take_word(rest)?;
        words.push(Text(word));
        rest = &rest[used..];
    }
}

/// The first word of `text`, which starts with a non-blank, and its length in bytes.
fn take_word(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Some((word, at)),
            // A quote opens inside a word too: a"b c" is one word.
            b'"' => return take_double_quoted(text, at, word),
            b'\'' => return take_single_quoted(text, at, word),
            _ => word.push(byte),
        }
    }
    Some((word, at))
}

fn take_double_quoted(text: &[u8], mut at: usize, mut word: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    loop {
        match text.get(at..)? {
            [b'\\', b'x', high, low, ..] if is_hex(*high) && is_hex(*low) => {
                word.push(hex_value(*high) * 16 + hex_value(*low));
                at += 4;
            }
            [b'\\', escaped, ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                at += 2;
            }
            [b'"', rest @ ..] => return closed(rest, at + 1, word),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

fn take_single_quoted(text: &[u8], mut at: usize, mut word: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    loop {
        match text.get(at..)? {
            [b'\\', b'\'', ..] => {
                word.push(b'\'');
                at += 2;
            }
            [b'\'', rest @ ..] => return closed(rest, at + 1, word),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

/// The word whose closing quote was just read; `None` if that quote is not followed by a blank.
fn closed(rest: &[u8], at: usize, word: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    match rest.first() {
        Some(&next) if !is_blank(next) => None,
        _ => Some((word, at)),
    }
}

/// Appends `bytes` in double quotes so that [`split`] reads them back; also used for MONITOR.
pub fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x20..=0x7e => out.push(byte),
            _ => write!(out, "\\x{byte:02x}").expect("a vector takes all"),
        }
    }
    out.push(b'"');
}

/// A line without surrounding blanks, as the reader prints and splits it.
pub fn trim(line: &[u8]) -> &[u8] {
    let is_trimmed = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().take_while(|b| is_trimmed(b)).count();
    let end = line[start..]
        .iter()
        .rev()
        .take_while(|b| is_trimmed(b))
        .count();
    &line[start..line.len() - end]
}

/// `1k` = 1000, `1kb` = 1024, likewise `m mb g gb`, `b` or nothing = 1; any case.
///
/// `None` for anything else or a sign. More than a `u64` holds is its maximum, and empty text is
/// zero, as in Redis.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    // As in Redis, which reads a C string.
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let mut number = 0u64;
    for digit in digits {
        number = number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
    }
    Some(number.saturating_mul(factor))
}

/// A byte count as CONFIG REWRITE writes it: in the largest unit that divides it.
pub fn memory_text(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        n if n % (1 << 30) == 0 => format!("{}gb", n >> 30),
        n if n % (1 << 20) == 0 => format!("{}mb", n >> 20),
        n if n % (1 << 10) == 0 => format!("{}kb", n >> 10),
        n => n.to_string(),
    }
}

/// Parses the whole text as C's `strtoll` does: blanks and a plus sign may lead, and an
/// empty text is zero. `base` is 8 or 10. `None` if bytes are left over or it overflows.
pub(crate) fn parse_c_number(text: &[u8], base: u8) -> Option<i64> {
    let blanks = text.iter().take_while(|&&b| is_blank(b)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    let mut number = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit >= base {
            return None;
        }
        number = number.checked_mul(i64::from(base))?;
        number = if negative {
            number.checked_sub(i64::from(digit))?
        } else {
            number.checked_add(i64::from(digit))?
        };
    }
    Some(number)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(words.iter().map(|w| w.lossy().into_owned()).collect())
    }

    #[test]
    fn blanks_separate_and_quotes_join() {
        assert_eq!(words("  a \t b\r\n"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(words(r#"a "b c" 'd "e'"#).unwrap(), ["a", "b c", "d \"e"]);
        assert_eq!(words(r#"a"b c""#).unwrap(), ["ab c"]);
        assert_eq!(words(r#"save """#).unwrap(), ["save", ""]);
        assert_eq!(words("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn escapes_are_read_in_double_quotes_only() {
        assert_eq!(words(r#""\x41\n\q\\\"""#).unwrap(), ["A\nq\\\""]);
        assert_eq!(words(r"'\x41\''").unwrap(), ["\\x41'"]);
        assert_eq!(words(r"\x41").unwrap(), ["\\x41"]);
    }

    #[test]
    fn an_open_or_touched_quote_is_refused() {
        for line in ["\"abc", "'abc", "\"a\"b", "'a'b", "\"a\\", "x \""] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn units_are_decimal_or_binary_in_any_case() {
        let cases: [(&str, Option<u64>); 12] = [
            ("", Some(0)),
            ("100", Some(100)),
            ("1B", Some(1)),
            ("1k", Some(1000)),
            ("1Kb", Some(1024)),
            ("2M", Some(2_000_000)),
            ("2mB", Some(2 << 20)),
            ("3g", Some(3_000_000_000)),
            ("3GB", Some(3 << 30)),
            ("-1", None),
            ("1 kb", None),
            ("99999999999gb", Some(u64::MAX)),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_memory(text.as_bytes()), bytes, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_splits_back_into_itself(bytes: Vec<u8>) {
            let mut line = b"name ".to_vec();
            quote(&mut line, &bytes);
            prop_assert_eq!(split(&line).unwrap()[1].to_vec(), bytes);
        }

        #[test]
        fn memory_text_reads_back(bytes: u64) {
            prop_assert_eq!(parse_memory(memory_text(bytes).as_bytes()), Some(bytes));
        }
    }
}
