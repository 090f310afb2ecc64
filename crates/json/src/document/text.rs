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
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let found = escaped_in(u64::from_le_bytes(*word));
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let found = rest.iter().position(|byte| is_escaped(*byte));
    text.len() - rest.len() + found.unwrap_or(rest.len())
}

/// The high bits of the bytes that are escaped, in the order of the text: up to the first they
/// are right.
#[inline(always)]
fn escaped_in(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // A byte's high bit of `low` and `slash` is set if it is below 0x20 or a quote (which is 0x20
    // with the second bit flipped), or a backslash; a borrow may set it in the byte after such a
    // byte, too: the first is right.
    let low = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let slash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (low | slash) & !word & HIGHS
}

/// Bytes that are looked at together.
pub(super) const CHUNK: usize = 16;

/// As [`clean_prefix`], of a chunk.
#[inline(always)]
pub(super) fn clean_of_chunk(chunk: [u8; CHUNK]) -> usize {
    let both = u128::from_le_bytes(chunk);
    let (low, high) = (escaped_in(both as u64), escaped_in((both >> 64) as u64));
    let (word, before) = if low == 0 { (high, 8) } else { (low, 0) };
    before + word.trailing_zeros() as usize / 8
}

#[inline]
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A place that text is appended to.
pub(super) trait TextOutput {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends the first `len` bytes in quotes, which have nothing to escape; the second quote is
    /// in `close`.
    fn put_quoted<const N: usize>(&mut self, text: &[u8], len: usize, close: &[u8; N]) {
        self.put(b"\"");
        self.put(&text[..len]);
        self.put(close);
    }
}

impl TextOutput for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The end of a vector, which has room in front of it: each text is written by a copy or two of
/// fixed length.
///
/// The room is zeros, and grows by what this sink has written, not by what the vector had before:
/// otherwise the zeros of many texts, in sequence in a vector, would be its square.
pub(super) struct Sink<'o> {
    out: &'o mut Vec<u8>,
    /// Bytes of `out` before this sink.
    start: usize,
    /// The bytes of `out`, which gets them back at the end.
    bytes: Vec<u8>,
    /// Bytes that are written; after them there is room.
    len: usize,
}

impl<'o> Sink<'o> {
    /// Appends to a vector about so many bytes.
    pub fn new(out: &'o mut Vec<u8>, expected: usize) -> Sink<'o> {
        let mut bytes = std::mem::take(out);
        let len = bytes.len();
        bytes.resize(len + expected, 0);
        Sink {
            out,
            start: len,
            bytes,
            len,
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let written = self.len - self.start;
        let size = self.len + needed.max(written);
        self.bytes.resize(size, 0);
    }

    /// Bytes of the vector so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends a byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.put_some([byte], 1);
    }

    /// Appends the first `len` bytes of these.
    #[inline(always)]
    pub fn put_some<const N: usize>(&mut self, bytes: [u8; N], len: usize) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + N) {
            room.copy_from_slice(&bytes);
            self.len += len;
        } else {
            self.put_slowly(&[&bytes[..len]]);
        }
    }

    #[inline(never)]
    fn put_slowly(&mut self, parts: &[&[u8]]) {
        for part in parts {
            if self.bytes.len() - self.len < part.len() {
                self.grow(part.len());
            }
            self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
            self.len += part.len();
        }
    }

    /// Takes the last byte back.
    #[inline]
    pub fn unput(&mut self) {
        self.len -= 1;
    }

    /// Ends the vector where the text ends.
    pub fn end(mut self) {
        self.bytes.truncate(self.len);
        *self.out = self.bytes;
    }
}

impl TextOutput for Sink<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            self.put_slowly(&[bytes]);
        }
    }

    #[inline(always)]
    fn put_quoted<const N: usize>(&mut self, text: &[u8], len: usize, close: &[u8; N]) {
        const { assert!(N <= 2) };
        if let Some(some) = text.first_chunk::<32>()
            && len <= 32
            && let Some(room) = self.bytes.get_mut(self.len..self.len + 36)
        {
            room[0] = b'"';
            room[1..33].copy_from_slice(some);
            room[1 + len..1 + len + N].copy_from_slice(close);
            self.len += 1 + len + N;
        } else {
            self.put_slowly(&[b"\"", &text[..len], close]);
        }
    }
}

/// Appends a text in quotes, escaped if necessary.
pub(super) fn write_escaped(mut text: &[u8], out: &mut impl TextOutput) {
    out.put(b"\"");
    loop {
        let clean = clean_prefix(text);
        out.put(&text[..clean]);
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
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.put(b"\\u00");
            out.put(&digits);
        } else {
            out.put(&[b'\\', short]);
        }
        text = &text[clean + 1..];
    }
    out.put(b"\"");
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
                    if let Some(chunk) = text.first_chunk() {
                        assert_eq!(clean_of_chunk(*chunk), wanted.min(CHUNK), "{byte} at {at}");
                    }
                }
            }
        }
    }

    /// Each of many texts in a vector wrote zeros over as much as was there before it.
    #[test]
    fn room_follows_what_a_sink_writes() {
        let mut out = vec![b'x'; 1 << 20];
        let text = [b'y'; 20_000];
        for _ in 0..10 {
            let start = out.len();
            let mut sink = Sink::new(&mut out, 64);
            for part in text.chunks(1000) {
                sink.put(part);
                assert!(sink.bytes.len() <= start + 64 + 2 * text.len());
            }
            sink.end();
        }
        assert_eq!(out.len(), (1 << 20) + 10 * text.len());
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
