//! Strings as JSON text: which bytes are escaped, and how.
//!
//! Escaped are quote, backslash and the controls below 0x20; everything else is as it is.

/// Whether no byte of a text is escaped.
#[inline]
pub(super) fn is_clean(text: &[u8]) -> bool {
    clean_prefix(text) == text.len()
}

/// Number of bytes before the first that is escaped.
#[inline]
pub(super) fn clean_prefix(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte's high bit of `low`, `quote` and `slash` is set if it is below 0x20, a quote, a
        // backslash; a borrow may set it in the byte after such a one, too: the first is right.
        let low = word.wrapping_sub(ONES * 0x20);
        let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
        let slash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let found = (low | quote | slash) & !word & HIGHS;
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let found = rest.iter().position(|byte| is_escaped(*byte));
    text.len() - rest.len() + found.unwrap_or(rest.len())
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends a text in quotes, escaped where it must be.
pub(super) fn write_escaped(mut text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    loop {
        let clean = clean_prefix(text);
        out.extend_from_slice(&text[..clean]);
        let Some(&byte) = text.get(clean) else { break };
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\t' => b't',
            b'\r' => b'r',
            0x08 => b'b',
            0x0C => b'f',
            _ => 0,
        };
        if short == 0 {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        text = &text[clean + 1..];
    }
    out.push(b'"');
}

/// Appends a text in quotes that has nothing to escape.
#[inline]
pub(super) fn write_clean(text: &[u8], out: &mut Vec<u8>) {
    write_start(text, text.len(), b"\"", out);
}

/// Appends the first `len` bytes in quotes, which have nothing to escape; the second is `close`.
#[inline]
pub(super) fn write_start<const N: usize>(
    text: &[u8],
    len: usize,
    close: &[u8; N],
    out: &mut Vec<u8>,
) {
    out.push(b'"');
    // A copy of fixed length needs no call.
    match text.first_chunk::<16>() {
        Some(more) if len <= 16 => {
            let end = out.len() + len;
            out.extend_from_slice(more);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&text[..len]),
    }
    out.extend_from_slice(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_escaped_byte_is_found_at_every_place() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; len];
                    text[at] = byte;
                    let wanted = if is_escaped(byte) { at } else { len };
                    assert_eq!(clean_prefix(&text), wanted, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn escapes_are_those_of_redis() {
        let mut out = Vec::new();
        write_escaped(
            "a\"\\\n\t\r\u{8}\u{c}\u{1f}\u{7f}/\u{2028}é".as_bytes(),
            &mut out,
        );
        let wanted = "\"a\\\"\\\\\\n\\t\\r\\b\\f\\u001f\u{7f}/\u{2028}é\"";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
