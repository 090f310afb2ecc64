//! HIGHLIGHT and SUMMARIZE: the words of a text that a query asks for, marked, and the parts of the
//! text around them.
//!
//! | module | what |
//! |---|---|
//! | `fragments` | words near each other as fragments, and the text before and after each |
//!
//! This module reads the text anew and does not use the index. Cost: O(text), and a stem for each
//! word.
//!
//! Source: FT.SEARCH of Redis Stack 7.4.

mod fragments;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::iterate::Test;
use crate::query::{Kind, Node};
use crate::request::{Marks, Summary};
use crate::text::{Language, StopWords, Words, stem};
use fragments::{Fragment, fragments};

/// Words of a text that are read between two looks at the clock.
const WORDS_BETWEEN_LOOKS: usize = 1024;

/// A guess of the bytes of a word with the blank after it.
const WORD_BYTES: usize = 6;

/// The words that a query asks for.
pub struct Marker {
    words: HashSet<Vec<u8>>,
    /// Stems, if the query asks for stems.
    stems: HashSet<Vec<u8>>,
    tests: Vec<Test>,
    language: Language,
    stem_min: usize,
    stop_words: StopWords,
}

/// A word of a text that the query asks for.
#[derive(Clone, Copy, Debug)]
struct Match {
    start: usize,
    end: usize,
    /// The word's number among the text's words.
    position: u32,
    /// The part of the query that it fits.
    part: u64,
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker")
            .field("words", &self.words)
            .field("stems", &self.stems)
            .finish_non_exhaustive()
    }
}

impl Marker {
    /// The words of a tree of [`crate::index::Index::expand`]. Texts are in `language`, and words
    /// of fewer than `stem_min` bytes have no stem. Parts that must not match ask for no word.
    pub fn new(
        query: &Node,
        language: Language,
        stem_min: usize,
        prefix_min: usize,
        stop_words: &StopWords,
    ) -> Marker {
        let mut marker = Marker {
            words: HashSet::new(),
            stems: HashSet::new(),
            tests: Vec::new(),
            language,
            stem_min,
            stop_words: stop_words.clone(),
        };
        marker.take(query, prefix_min);
        marker
    }

    fn take(&mut self, node: &Node, prefix_min: usize) {
        match &node.kind {
            Kind::Word(word) => {
                self.words.insert(word.clone());
            }
            Kind::Expanded(text) => {
                match text.strip_prefix(b"+") {
                    Some(stem) => self.stems.insert(stem.to_vec()),
                    None => self.words.insert(text.clone()),
                };
            }
            Kind::Affix { .. } | Kind::Pattern(_) | Kind::Fuzzy { .. } => {
                self.tests.extend(Test::of(node, prefix_min, true));
            }
            // Tags are not marked.
            Kind::Not(_) | Kind::Tag { .. } => {}
            _ => {
                for part in node.parts() {
                    self.take(part, prefix_min);
                }
            }
        }
    }

    /// The words of a text that the query asks for, in order, until `is_over`.
    fn matches(&self, text: &[u8], is_over: &dyn Fn() -> bool) -> Vec<Match> {
        let words = Words::in_language(self.language, text, &self.stop_words);
        let words = words.enumerate();
        let in_time = words.take_while(|(at, _)| at % WORDS_BETWEEN_LOOKS != 0 || !is_over());
        let found = in_time.filter_map(|(_, word)| {
            Some(Match {
                start: word.start,
                end: word.end,
                position: word.position,
                part: self.part(&word.text)?,
            })
        });
        found.collect()
    }

    /// A number of the part of the query that a word fits.
    fn part(&self, word: &[u8]) -> Option<u64> {
        let number = |bytes: &[u8]| {
            bytes.iter().fold(7_u64, |all, byte| {
                all.wrapping_mul(31).wrapping_add(u64::from(*byte))
            })
        };
        if !self.stems.is_empty() {
            let own = stem(self.language, word, self.stem_min);
            let own = own.as_deref().unwrap_or(word);
            if self.stems.contains(own) {
                return Some(number(own));
            }
        }
        if self.words.contains(word) {
            return Some(number(word));
        }
        let test = self.tests.iter().position(|test| test.passes(word))?;
        Some(test as u64)
    }

    /// A text with words marked, as far as they were found before `is_over`.
    pub fn highlight(&self, text: &[u8], marks: &Marks, is_over: &dyn Fn() -> bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 16);
        marked(
            text,
            0..text.len(),
            &self.matches(text, is_over),
            Some(marks),
            &mut out,
        );
        out
    }

    /// The fragments of a text that have most of the words, each with a separator after it, in the
    /// order of the text; the beginning of a text that has none. Words that were found before
    /// `is_over` count.
    pub fn summarize(
        &self,
        text: &[u8],
        summary: &Summary,
        marks: Option<&Marks>,
        is_over: &dyn Fn() -> bool,
    ) -> Vec<u8> {
        let matches = self.matches(text, is_over);
        if matches.is_empty() {
            return Marker::beginning(text, summary);
        }
        let all = fragments(&matches);
        let mut best: Vec<usize> = (0..all.len()).collect();
        best.sort_by_key(|at| std::cmp::Reverse(all[*at].parts));
        best.truncate(summary.fragments as usize);
        best.sort_unstable();
        let mut out = Vec::new();
        for at in best {
            let fragment = &all[at];
            let before = at.checked_sub(1).map_or(0, |at| all[at].end);
            let after = all.get(at + 1).map_or(text.len(), |next| next.start);
            let range = fragment.with_context(text, before..after, summary.words as usize);
            let within = &matches[fragment.matches.clone()];
            let mut piece = Vec::new();
            marked(text, range, within, marks, &mut piece);
            out.extend(without_double_blanks(&piece));
            out.extend_from_slice(&summary.separator);
        }
        out
    }

    /// About as many words of a text as a summary has, without the last word, and without blanks at
    /// the end.
    pub fn beginning(text: &[u8], summary: &Summary) -> Vec<u8> {
        let words = u64::from(summary.words) * u64::from(summary.fragments);
        let bytes = usize::try_from(words).unwrap_or(usize::MAX);
        let bytes = bytes.saturating_mul(WORD_BYTES).saturating_add(WORD_BYTES);
        let mut out = without_double_blanks(&text[..bytes.min(text.len())]);
        while out.len() > 1
            && !out
                .last()
                .is_some_and(|byte| crate::text::is_separator(*byte))
        {
            out.pop();
        }
        out.truncate(out.trim_ascii_end().len());
        out
    }
}

impl Fragment {
    /// The fragment with some of the text around it, within bounds. `words` are wanted in all.
    fn with_context(
        &self,
        text: &[u8],
        bounds: std::ops::Range<usize>,
        words: usize,
    ) -> std::ops::Range<usize> {
        let others = self.words - self.matches.len();
        if words <= others {
            return self.start..self.end;
        }
        let bytes = (words - others) / 2 * WORD_BYTES;
        let is_separator = |at: usize| crate::text::is_separator(text[at]);
        // Back, then forth over a word that is cut, and the blanks after it.
        let mut start = self.start.saturating_sub(bytes).max(bounds.start);
        while start < self.start && !is_separator(start) {
            start += 1;
        }
        while start < self.start && is_separator(start) {
            start += 1;
        }
        if self.end >= bounds.end {
            return start..self.end;
        }
        // Forth, then back over a word that is cut, as the text's last word is, too, and the blanks
        // before it; a byte stays.
        let mut last = (self.end + bytes).min(bounds.end - 1);
        while last > self.end && !is_separator(last) {
            last -= 1;
        }
        while last > self.end && is_separator(last) {
            last -= 1;
        }
        start..last + 1
    }
}

/// Adds a part of a text, with marks around words in it.
fn marked(
    text: &[u8],
    range: std::ops::Range<usize>,
    matches: &[Match],
    marks: Option<&Marks>,
    out: &mut Vec<u8>,
) {
    let mut at = range.start;
    for word in matches {
        out.extend_from_slice(&text[at..word.start]);
        match marks {
            Some(marks) => {
                out.extend_from_slice(&marks.open);
                out.extend_from_slice(&text[word.start..word.end]);
                out.extend_from_slice(&marks.close);
            }
            None => out.extend_from_slice(&text[word.start..word.end]),
        }
        at = word.end;
    }
    out.extend_from_slice(&text[at..range.end]);
}

/// A text in which a single blank is left of several.
fn without_double_blanks(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        let is_double =
            byte.is_ascii_whitespace() && out.last().is_some_and(u8::is_ascii_whitespace);
        if !is_double {
            out.push(*byte);
        }
    }
    out
}
