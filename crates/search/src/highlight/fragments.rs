//! Words near each other as fragments: fewer than eight words apart, stop words not counted.

use std::ops::Range;

use super::Match;

/// Two words of the query with so many words between them are in two fragments.
const APART: u32 = 8;

/// A part of a text, from a word that is asked for to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Bytes of the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// All words in it.
    pub(super) words: usize,
    /// Matches in it, by their place among all.
    pub(super) matches: Range<usize>,
    /// How many parts of the query they fit.
    pub(super) parts: usize,
}

/// The fragments of a text, in order.
pub(super) fn fragments(matches: &[Match]) -> Vec<Fragment> {
    let mut all: Vec<Fragment> = Vec::new();
    let mut parts: Vec<u64> = Vec::new();
    for (at, word) in matches.iter().enumerate() {
        let distance = match at.checked_sub(1) {
            Some(before) => word.position - matches[before].position - 1,
            None => APART,
        };
        if distance >= APART {
            parts.clear();
            all.push(Fragment {
                start: word.start,
                end: word.end,
                words: 0,
                matches: at..at,
                parts: 0,
            });
        }
        let (last, between) = (all.len() - 1, if distance >= APART { 0 } else { distance });
        let fragment = &mut all[last];
        if !parts.contains(&word.part) {
            parts.push(word.part);
            fragment.parts += 1;
        }
        fragment.end = word.end;
        fragment.matches.end = at + 1;
        fragment.words += between as usize + 1;
    }
    all
}
