//! Lines into words and bytes into quoted text, both by redis-cli's rules.
//!
//!     set k "a\x00b" 'it''s'     a line: words, quoted where they hold blanks
//!     "a\x00b"                   the same bytes, printed

/// The words of a line; `None` if a quote is not closed, or closes within a word.
///
/// Between double quotes `\n`, `\r`, `\t`, `\b`, `\a` and `\xHH` are bytes, and `\` takes any other
/// byte as itself; between single quotes only `\'` is special.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = first_word(rest)?;
        words.push(word);
        rest = after;
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

/// The first word, and what follows it.
fn first_word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'"' | b'\'' => {
                rest = quoted(byte, after, &mut word)?;
                // A closing quote ends the word.
                return rest
                    .first()
                    .is_none_or(|&next| is_blank(next))
                    .then_some((word, rest));
            }
            byte if is_blank(byte) => break,
            byte => word.push(byte),
        }
        rest = after;
    }
    Some((word, rest))
}

/// Appends what stands between quotes, and returns what follows the closing quote.
fn quoted<'l>(quote: u8, mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == quote {
            return Some(rest);
        }
        if byte != b'\\' {
            word.push(byte);
            continue;
        }
        let next = *rest.first()?;
        match (quote, next) {
            (b'\'', b'\'') => word.push(b'\''),
            (b'\'', _) => {
                word.push(b'\\');
                continue;
            }
            (_, b'x') => {
                let hex = rest.get(1..3).and_then(|digits| {
                    let digits = std::str::from_utf8(digits).ok()?;
                    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
                });
                match hex {
                    Some(byte) => {
                        word.push(byte);
                        rest = &rest[2..];
                    }
                    None => word.push(b'x'),
                }
            }
            (_, b'n') => word.push(b'\n'),
            (_, b'r') => word.push(b'\r'),
            (_, b't') => word.push(b'\t'),
            (_, b'b') => word.push(0x08),
            (_, b'a') => word.push(0x07),
            (_, other) => word.push(other),
        }
        rest = &rest[1..];
    }
}

/// The single word that a quoted argument stands for (`--quoted-input`); an argument without quotes
/// is itself. `None`: the quotes do not fit.
pub(crate) fn unquote(argument: &[u8]) -> Option<Vec<u8>> {
    match argument.first() {
        Some(b'"' | b'\'') => match split(argument)?.as_slice() {
            [word] => Some(word.clone()),
            _ => None,
        },
        _ => Some(argument.to_vec()),
    }
}

/// Appends bytes in double quotes, with escapes for all that is not printable ASCII.
pub(crate) fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(
            words
                .iter()
                .map(|word| word.escape_ascii().to_string())
                .collect(),
        )
    }

    #[test]
    fn a_line_is_words_with_quotes() {
        let is = |line: &str, wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(words(line), Some(wanted), "{line}");
        };
        is("", &[]);
        is("  set  k\tv ", &["set", "k", "v"]);
        is(r#"set k "a b""#, &["set", "k", "a b"]);
        is(r#""\x41\n\"\q" ''"#, &[r#"A\n\"q"#, ""]);
        is(r#""\xzz""#, &["xzz"]);
        is(r"'a\'b\n'", &[r"a\'b\\n"]);
        is(r#"k"x y""#, &["kx y"]);
        for line in [r#"get "a"#, "get 'a", r#""a"b"#, r#"get "a\"#] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        quote(&mut text, &all);
        assert!(text.is_ascii());
        assert_eq!(split(&text), Some(vec![all]));
    }

    #[test]
    fn a_quoted_argument_is_one_word() {
        assert_eq!(unquote(b"plain \\x00"), Some(b"plain \\x00".to_vec()));
        assert_eq!(unquote(b"\"\\x00\""), Some(vec![0]));
        assert_eq!(unquote(b"\"a\" b"), None);
    }
}
