//! Reads the words of a command in order: keywords in letters of any case, numbers, and lists with
//! a count before them.

use russet_base::numbers::number::parse_i64;

use crate::error::SearchError;
use crate::expression::Value;

pub(crate) const NONE_PROVIDED: &str = "Expected an argument, but none provided";
pub(crate) const NOT_CONVERTED: &str = "Could not convert argument to expected type";
pub(crate) const OUT_OF_BOUNDS: &str = "Value is outside acceptable bounds";
pub(crate) const UNKNOWN: &str = "Unknown argument";

/// Words, and how many of them are read.
#[derive(Clone, Debug)]
pub(crate) struct Arguments<'a> {
    words: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(words: &'a [&'a [u8]]) -> Arguments<'a> {
        Arguments { words, at: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.words.len()
    }

    /// Words that are not read yet.
    pub(crate) fn len(&self) -> usize {
        self.words.len() - self.at
    }

    /// Words that are read.
    pub(crate) fn read(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.words.get(self.at).copied()
    }

    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Reads the next word if it is `keyword`.
    pub(crate) fn take(&mut self, keyword: &str) -> bool {
        let is_it = self.peek().is_some_and(|word| is(word, keyword));
        self.at += usize::from(is_it);
        is_it
    }

    /// The word that `name` needs.
    pub(crate) fn value(&mut self, name: &str) -> Result<&'a [u8], SearchError> {
        self.next()
            .ok_or_else(|| SearchError::bad_arguments(name, NONE_PROVIDED))
    }

    /// A whole number, at least `min`.
    pub(crate) fn integer(&mut self, name: &str, min: i64) -> Result<i64, SearchError> {
        let word = self.value(name)?;
        let Some(n) = parse_i64(word) else {
            return Err(SearchError::bad_arguments(name, NOT_CONVERTED));
        };
        if n < min {
            return Err(SearchError::bad_arguments(name, OUT_OF_BOUNDS));
        }
        Ok(n)
    }

    /// A count, and as many words.
    pub(crate) fn list(&mut self, name: &str) -> Result<&'a [&'a [u8]], SearchError> {
        let count = self.integer(name, 0)?;
        let words = usize::try_from(count)
            .ok()
            .and_then(|count| self.many(count));
        words.ok_or_else(|| SearchError::bad_arguments(name, NONE_PROVIDED))
    }

    /// The next `count` words. `None`: there are fewer, and none is read.
    pub(crate) fn many(&mut self, count: usize) -> Option<&'a [&'a [u8]]> {
        let words = self.words[self.at..].get(..count)?;
        self.at += count;
        Some(words)
    }
}

/// Whether a word is a keyword.
pub(crate) fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// A word as a number, as C's `strtod` reads it; an empty word is no number.
pub(crate) fn number(word: &[u8]) -> Option<f64> {
    Value::Text(word.to_vec())
        .number()
        .filter(|_| !word.is_empty())
}
