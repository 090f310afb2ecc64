//! Words that are too common to be indexed: in small letters, and without positions.

use std::collections::BTreeSet;

/// The words of an index that names none.
const USUAL: &str = "a is the an and are as at be but by for if in into it no not of on or such \
    that their then there these they this to was will with";

/// A set of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopWords {
    words: BTreeSet<Vec<u8>>,
    /// Bytes of the longest.
    longest: usize,
    /// Whether an index named them.
    is_own: bool,
}

impl Default for StopWords {
    fn default() -> StopWords {
        let usual = USUAL.split_ascii_whitespace();
        let usual = usual.map(|word| word.as_bytes().to_vec());
        StopWords::of(usual.collect(), false)
    }
}

impl StopWords {
    /// The words that an index names; they may be none.
    pub fn own(words: impl IntoIterator<Item = Vec<u8>>) -> StopWords {
        let small = words
            .into_iter()
            .map(|word| super::words::in_small_letters(&word));
        StopWords::of(small.collect(), true)
    }

    fn of(words: BTreeSet<Vec<u8>>, is_own: bool) -> StopWords {
        StopWords {
            longest: words.iter().map(Vec::len).max().unwrap_or(0),
            words,
            is_own,
        }
    }

    /// Whether a word, in small letters, is a stop word. O(log n).
    pub fn has(&self, word: &[u8]) -> bool {
        // Most words are longer than any of them.
        word.len() <= self.longest && self.words.contains(word)
    }

    /// The words that an index named, sorted; `None`: it has the usual stop words.
    pub fn named(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.is_own.then(|| self.words.iter().map(Vec::as_slice))
    }
}
