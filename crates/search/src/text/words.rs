//! Splits a text into words, in a single pass.
//!
//! Blanks, tabs and most marks of ASCII stand between words; `_`, backslashes and all bytes above
//! 127 stand in them. A backslash before a mark, a blank or a backslash makes that byte a part of
//! the word. Any other backslash vanishes, and so do control characters. A NUL ends the text.

use std::borrow::Cow;

use std::ops::Range;

use super::chinese;
use super::{Language, StopWords};

/// Bytes of a word that count, of documents and of queries; more are left out. RediSearch 2.10 cuts
/// only the words of documents, at 128.
pub(crate) const WORD_MAX: usize = 1024;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// In small letters.
    pub text: Cow<'t, [u8]>,
    /// 1 for the first word that is no stop word.
    pub position: u32,
    /// Where the word stands in the text, with backslashes and all that was left out of the word.
    pub start: usize,
    pub end: usize,
}

/// The words of a text that are no stop words.
pub struct Words<'t> {
    text: &'t [u8],
    at: usize,
    position: u32,
    stop_words: &'t StopWords,
    is_chinese: bool,
    /// Of Chinese: words of the last run of signs that are still to come, the next word last.
    parts: Vec<Range<usize>>,
}

/// Whether a byte stands between words.
pub const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t') || byte.is_ascii_punctuation() && !matches!(byte, b'_' | b'\\')
}

/// Of each byte whether it stands in a word as it is.
const IS_PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let of = byte as u8;
        plain[byte] = !(is_separator(of) || of == b'\\' || of.is_ascii_control());
        byte += 1;
    }
    plain
};

/// Letters made small by Unicode; only ASCII letters if the bytes are not UTF-8.
pub(crate) fn in_small_letters(word: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(word) {
        Ok(word) => word.to_lowercase().into_bytes(),
        Err(_) => word.to_ascii_lowercase(),
    }
}

/// The bytes of a word that count.
pub(crate) fn counted(word: &[u8]) -> &[u8] {
    &word[..word.len().min(WORD_MAX)]
}

impl<'t> Words<'t> {
    /// The words of a text. O(n).
    pub fn of(text: &'t [u8], stop_words: &'t StopWords) -> Words<'t> {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Words {
            text: &text[..end],
            at: 0,
            position: 0,
            stop_words,
            is_chinese: false,
            parts: Vec::new(),
        }
    }

    /// The words of a text in a language.
    pub fn in_language(language: Language, text: &'t [u8], stop_words: &'t StopWords) -> Words<'t> {
        Words {
            is_chinese: language == Language::Chinese,
            ..Words::of(text, stop_words)
        }
    }

    /// The next word, of Chinese a part of a run of signs.
    fn next_part(&mut self) -> Option<(Cow<'t, [u8]>, usize, usize)> {
        if !self.is_chinese {
            return self.next_raw();
        }
        loop {
            if let Some(part) = self.parts.pop() {
                let text = &self.text[part.clone()];
                return Some((Cow::Borrowed(text), part.start, part.end));
            }
            let raw = self.next_raw()?;
            let Cow::Borrowed(run) = raw.0 else {
                return Some(raw);
            };
            let Some(parts) = chinese::words_backwards(run) else {
                return Some(raw);
            };
            let parts = parts.into_iter();
            let from = raw.1;
            self.parts = parts
                .map(|part| from + part.start..from + part.end)
                .collect();
        }
    }

    /// The next word, whether it is a stop word or not; letters as they are.
    fn next_raw(&mut self) -> Option<(Cow<'t, [u8]>, usize, usize)> {
        let text = self.text;
        while text.get(self.at).is_some_and(|&byte| is_separator(byte)) {
            self.at += 1;
        }
        let start = self.at;
        // Nearly all words stand in the text as they are.
        let is_plain = |byte: &&u8| IS_PLAIN[usize::from(**byte)];
        let plain = text[start..].iter().take_while(is_plain).count();
        self.at += plain;
        if self.at == text.len() || is_separator(text[self.at]) {
            let word = &text[start..self.at];
            return (!word.is_empty()).then_some((Cow::Borrowed(word), start, self.at));
        }
        let mut word = text[start..self.at].to_vec();
        while let Some(&byte) = text.get(self.at) {
            let next = text.get(self.at + 1);
            if byte == b'\\' {
                if let Some(&next) = next.filter(|&&b| is_separator(b) || b == b'\\') {
                    word.push(next);
                    self.at += 1;
                }
            } else if is_separator(byte) {
                break;
            } else if !byte.is_ascii_control() {
                word.push(byte);
            }
            self.at += 1;
        }
        Some((Cow::Owned(word), start, self.at))
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            let (raw, start, end) = self.next_part()?;
            let is_small = raw
                .iter()
                .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
            let mut text = if is_small {
                raw
            } else {
                Cow::Owned(in_small_letters(&raw))
            };
            if text.len() > WORD_MAX {
                text = Cow::Owned(counted(&text).to_vec());
            }
            if text.is_empty() || self.stop_words.has(&text) {
                continue;
            }
            self.position += 1;
            return Some(Word {
                text,
                position: self.position,
                start,
                end,
            });
        }
    }
}
