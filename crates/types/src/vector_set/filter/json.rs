//! Finds top-level fields in a JSON text, as far as it has to be read for them.
//!
//! Redis's scanner accepts more than JSON, and less: it hardly checks skipped values, compares keys
//! as they are written, and does not read beyond the last wanted field. This reader agrees with it
//! on every text, and reads the text once for all fields.

use std::borrow::Cow;

use super::number::{decimal, is_space};

/// A value of a field, or an element of an array.
#[derive(Clone, Debug)]
pub(super) enum Json<'a> {
    Number(f64),
    Text(Cow<'a, [u8]>),
    /// The text from after the array's bracket on; checked.
    Array(&'a [u8]),
    Null,
}

/// Characters of a number that are read.
const NUMBER_MAX: usize = 255;

/// Calls `see` with each field's name as it is written and its place, until `see` returns true or
/// the text is malformed.
pub(super) fn visit<'a>(text: &'a [u8], mut see: impl FnMut(&'a [u8], JsonCursor<'a>) -> bool) {
    let mut place = JsonCursor(text);
    if !place.take(b'{') {
        return;
    }
    loop {
        place.skip_space();
        let Some(key) = place.skip_string() else {
            return;
        };
        if !place.take(b':') {
            return;
        }
        place.skip_space();
        if see(key, place) || place.skip_value().is_none() || !place.take(b',') {
            return;
        }
    }
}

/// The rest of a text from some position on.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonCursor<'a>(&'a [u8]);

impl<'a> JsonCursor<'a> {
    pub fn new(rest: &'a [u8]) -> JsonCursor<'a> {
        JsonCursor(rest)
    }

    fn skip(&mut self, len: usize) {
        self.0 = &self.0[len..];
    }

    fn skip_space(&mut self) {
        let blanks = self.0.iter().take_while(|&&byte| is_space(byte)).count();
        self.skip(blanks);
    }

    /// Skips blanks, and this byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.0.first() == Some(&byte);
        self.skip(usize::from(found));
        found
    }

    /// The text between quotes, as it is written.
    fn skip_string(&mut self) -> Option<&'a [u8]> {
        let text = self.0.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
            if text[at] == b'"' {
                self.0 = &text[at + 1..];
                return Some(&text[..at]);
            }
            at += 2;
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.0.first()? {
            b'"' => self.skip_string().map(|_| ()),
            b'{' => self.skip_brackets(b'{', b'}'),
            b'[' => self.skip_brackets(b'[', b']'),
            b't' => self.skip_word(b"true"),
            b'f' => self.skip_word(b"false"),
            b'n' => self.skip_word(b"null"),
            _ => {
                let len = self.number_len(usize::MAX);
                self.skip(len);
                (len > 0).then_some(())
            }
        }
    }

    fn skip_word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// Skips to the closing bracket; brackets of the other kind do not count.
    fn skip_brackets(&mut self, opening: u8, closing: u8) -> Option<()> {
        let mut depth = 0usize;
        loop {
            let next = self.0.iter();
            let mut next = next.take_while(|&&b| b != b'"' && b != opening && b != closing);
            let plain = next.by_ref().count();
            self.skip(plain);
            let byte = *self.0.first()?;
            if byte == b'"' {
                self.skip_string()?;
                continue;
            }
            self.skip(1);
            match byte == opening {
                true => depth += 1,
                false if depth == 1 => return Some(()),
                false => depth -= 1,
            }
        }
    }

    fn number_len(&self, most: usize) -> usize {
        let is_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.0.iter().take(most).take_while(is_number).count()
    }

    /// Reads a value: no object, and no array with an object.
    pub fn value(&mut self) -> Option<Json<'a>> {
        self.skip_space();
        match self.0.first()? {
            b'[' => {
                self.skip(1);
                let array = self.0;
                self.check_array()?;
                Some(Json::Array(array))
            }
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Option<Json<'a>> {
        match self.0.first()? {
            b'"' => self.skip_string().map(|text| Json::Text(unescaped(text))),
            b't' => self.word(b"true", Json::Number(1.0)),
            b'f' => self.word(b"false", Json::Number(0.0)),
            b'n' => self.word(b"null", Json::Null),
            b'0'..=b'9' | b'-' | b'+' => {
                let len = self.number_len(NUMBER_MAX);
                let number = decimal(&self.0[..len])?;
                self.skip(len);
                Some(Json::Number(number))
            }
            _ => None,
        }
    }

    /// A word, and after it the end or a byte that may follow a value.
    fn word(&mut self, word: &[u8], value: Json<'a>) -> Option<Json<'a>> {
        self.skip_word(word)?;
        let ends = |&byte: &u8| is_space(byte) || matches!(byte, b',' | b']' | b'}');
        self.0.first().is_none_or(ends).then_some(value)
    }

    /// Checks and skips an array, with the arrays in it, from after its bracket on.
    fn check_array(&mut self) -> Option<()> {
        let mut depth = 1usize;
        // An array may be empty, but has no comma at its end.
        let mut may_end = true;
        loop {
            self.skip_space();
            match self.0.first()? {
                b']' if may_end => self.skip(1),
                b'[' => {
                    self.skip(1);
                    depth += 1;
                    may_end = true;
                    continue;
                }
                _ => {
                    self.scalar()?;
                    if self.take(b',') {
                        may_end = false;
                        continue;
                    }
                    if !self.take(b']') {
                        return None;
                    }
                }
            }
            // An array has ended, and the arrays around it may end with it.
            loop {
                depth -= 1;
                if depth == 0 {
                    return Some(());
                }
                if self.take(b',') {
                    may_end = false;
                    break;
                }
                if !self.take(b']') {
                    return None;
                }
            }
        }
    }

    /// The next element of a checked array, after its bracket or after an element. `None`: the end
    /// of the array.
    pub fn element(&mut self) -> Option<Json<'a>> {
        self.skip_space();
        if self.take(b']') {
            return None;
        }
        self.take(b',');
        self.value()
    }
}

/// The text that a string stands for. Only the escapes for quotes, backslashes, tabs and line ends
/// are known; any other stands for the character itself.
fn unescaped(written: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', written) else {
        return Cow::Borrowed(written);
    };
    let mut text = written[..first].to_vec();
    let mut rest = written[first..].iter();
    while let Some(&byte) = rest.next() {
        text.push(match byte {
            b'\\' => match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&other) => other,
                None => break,
            },
            _ => byte,
        });
    }
    Cow::Owned(text)
}
