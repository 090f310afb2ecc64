//! Parts of a query that stand for several terms: prefixes, parts of words, patterns, fuzzy words;
//! and the values of tags.
//!
//! Elsewhere: `prepare::terms` finds them.

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder};
use memchr::memmem;
use std::fmt::{Debug, Formatter};
use std::sync::OnceLock;

use super::build::{Builder, CursorResult, expansion};
use super::counted::PartProfile;
use super::prepare::found::PartMatches;
use super::statistics::space_of;
use super::{Cursor, Ids, Role};
use crate::index::{Pair, TagEntry, Tags, Term, pairs_of};
use crate::query::{Kind, Node, QueryError, unescaped};
use crate::text::in_small_letters;

/// Terms and tags that are asked for the estimate of a query.
const ESTIMATED_MAX: usize = 4096;

/// Which terms a part stands for.
pub(crate) enum Test {
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Part(Box<memmem::Finder<'static>>),
    Pattern(Vec<u8>),
    Fuzzy(Box<DFA>),
}

impl Debug for Test {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Test::Prefix(_) => "Prefix",
            Test::Suffix(_) => "Suffix",
            Test::Part(_) => "Part",
            Test::Pattern(_) => "Pattern",
            Test::Fuzzy(_) => "Fuzzy",
        })
    }
}

impl Test {
    /// The test of a part; `None`: it is too short, and stands for nothing.
    pub(crate) fn of(node: &Node, min: usize, folds: bool) -> Option<Test> {
        let folded = |text: &[u8]| {
            if folds {
                in_small_letters(text)
            } else {
                text.to_vec()
            }
        };
        match &node.kind {
            Kind::Affix {
                text,
                leading,
                trailing,
            } => {
                let text = folded(text);
                if text.len() < min {
                    return None;
                }
                Some(match (leading, trailing) {
                    (true, true) => Test::Part(Box::new(memmem::Finder::new(&text).into_owned())),
                    (true, false) => Test::Suffix(text),
                    _ => Test::Prefix(text),
                })
            }
            Kind::Pattern(pattern) => Some(Test::Pattern(folded(pattern))),
            Kind::Fuzzy { text, distance } => {
                Some(Test::Fuzzy(Box::new(automaton(text, *distance))))
            }
            _ => None,
        }
    }

    /// Pairs of bytes that every text has that passes.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        match self {
            Test::Suffix(suffix) => pairs_of(suffix, true).collect(),
            Test::Part(part) => pairs_of(part.needle(), false).collect(),
            Test::Pattern(pattern) => pairs_of_pattern(pattern),
            Test::Prefix(_) | Test::Fuzzy(_) => Vec::new(),
        }
    }

    /// Whether a text passes.
    pub(crate) fn passes(&self, text: &[u8]) -> bool {
        match self {
            Test::Prefix(prefix) => text.starts_with(prefix),
            Test::Suffix(suffix) => text.ends_with(suffix),
            Test::Part(part) => part.find(text).is_some(),
            Test::Pattern(pattern) => fits(pattern, text),
            Test::Fuzzy(automaton) => matches!(automaton.eval(text), Distance::Exact(_)),
        }
    }
}

/// The automaton of the texts within a distance of a word. A transposition counts 2.
fn automaton(word: &[u8], distance: u8) -> DFA {
    static BUILDERS: [OnceLock<LevenshteinAutomatonBuilder>; 4] = [const { OnceLock::new() }; 4];
    let distance = distance.min(3);
    let builder = BUILDERS[usize::from(distance)]
        .get_or_init(|| LevenshteinAutomatonBuilder::new(distance, false));
    builder.build_dfa(&String::from_utf8_lossy(word))
}

/// Bytes of the character that a text begins with; 1 if the text is not UTF-8.
fn character_bytes(text: &[u8]) -> usize {
    let rest = text[1..].iter().take_while(|byte| **byte & 0xc0 == 0x80);
    1 + rest.take(3).count()
}

/// The pairs of the parts between the signs of a pattern.
fn pairs_of_pattern(pattern: &[u8]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut part = Vec::new();
    for byte in pattern {
        match byte {
            b'*' | b'?' => {
                pairs.extend(pairs_of(&part, false));
                part.clear();
            }
            _ => part.push(*byte),
        }
    }
    pairs.extend(pairs_of(&part, true));
    pairs
}

/// Whether a text fits a pattern: `?` is a single character, `*` any number.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // After the last star, and the text's place that it was tried with.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let is_same = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') if t < text.len() => {
                t += character_bytes(&text[t..]);
                p += 1;
                continue;
            }
            Some(byte) => text.get(t) == Some(byte),
            None if t == text.len() => return true,
            None => false,
        };
        if is_same {
            t += 1;
            p += 1;
            continue;
        }
        match star {
            Some((after, tried)) if tried < text.len() => {
                star = Some((after, tried + 1));
                (p, t) = (after, tried + 1);
            }
            _ => return false,
        }
    }
}

impl<'i> Builder<'i, '_> {
    /// The terms that a part stands for, as a union.
    pub(super) fn expansions(&mut self, node: &Node) -> CursorResult<'i> {
        let Some(fields) = self.index.fields_of(node) else {
            return Ok(Cursor::Empty);
        };
        if self.checks {
            return Ok(Cursor::Empty);
        }
        if self.estimates {
            return self.estimate_of_terms(node);
        }
        let PartMatches::Terms { terms, is_cut } = self.found(node) else {
            return Ok(Cursor::Empty);
        };
        self.is_cut |= is_cut;
        let all = self.index.terms();
        let terms = terms.iter().filter_map(|known| known.term(all));
        let parts = terms.filter_map(|term| self.of_term(term, fields));
        Ok(expansion(parts.collect(), node.weight))
    }

    /// About as many documents as the terms of a part have: all, if more than a few terms would
    /// have to be asked.
    fn estimate_of_terms(&mut self, node: &Node) -> CursorResult<'i> {
        let test = Test::of(node, self.search.prefix_min, true);
        let Some(test) = test else {
            return Ok(Cursor::Empty);
        };
        let from: &[u8] = match &test {
            Test::Prefix(prefix) => prefix,
            _ => b"",
        };
        let mut documents = 0;
        for term in self.index.terms().from(from) {
            if matches!(test, Test::Prefix(_)) && !term.text.starts_with(from) {
                break;
            }
            self.asked += 1;
            if self.asked > ESTIMATED_MAX {
                documents = self.index.len();
                if !matches!(test, Test::Prefix(_)) {
                    self.looked_at += self.index.terms().end() as usize;
                }
                break;
            }
            if !term.text.is_empty() && test.passes(&term.text) {
                documents += term.postings.len();
            }
        }
        Ok(self.estimated(documents))
    }

    /// The documents that hold a term in some fields; `None`: there are none from here on.
    fn of_term(&self, term: &'i Term, fields: u128) -> Option<Cursor<'i>> {
        let word = self.word_of(term, fields, 1.0);
        // A part that is counted stays what it is to the end.
        (word.id() != super::END || self.search.profiles).then(|| {
            let word = Cursor::Word(word);
            self.counted(word, |_| PartProfile::of_word(&term.text))
        })
    }

    fn of_tag(&self, field: usize, tag: &'i TagEntry) -> Cursor<'i> {
        let own = tag.documents.len();
        let documents = self.documents_with(space_of(field), &tag.text, own);
        let role = Role::Tag {
            text: &tag.text,
            idf: self.scoring.idf(documents),
        };
        let ids = Cursor::Ids(Ids::of_bitmap(&tag.documents, role, 1.0, self.from));
        self.counted(ids, PartProfile::of_tags)
    }

    /// Adds the tags of a value, as a single part; `tags`: the tags of a field, with the field's
    /// place.
    pub(super) fn tag(
        &mut self,
        tags: (usize, &'i Tags),
        folds: bool,
        value: &Node,
        out: &mut Vec<Cursor<'i>>,
    ) -> Result<(), QueryError> {
        let began = self.began();
        let part = self.tag_part(tags, folds, value)?;
        out.extend(part.map(|part| self.tallied(value, part, began)));
        Ok(())
    }

    fn tag_part(
        &mut self,
        (field, tags): (usize, &'i Tags),
        folds: bool,
        value: &Node,
    ) -> Result<Option<Cursor<'i>>, QueryError> {
        let text = match &value.kind {
            Kind::Word(text) => unescaped(text),
            // Words that follow each other are a single tag.
            Kind::Intersect { parts, .. } => {
                let words = parts.iter().filter_map(|part| match &part.kind {
                    Kind::Word(text) => Some(text.as_slice()),
                    _ => None,
                });
                words.collect::<Vec<_>>().join(&b' ')
            }
            _ => return self.tags_of((field, tags), folds, value),
        };
        let text = if folds { in_small_letters(&text) } else { text };
        let text = text.trim_ascii();
        Ok(match tags.find(text) {
            Some(tag) => Some(self.of_tag(field, tag)),
            None => (self.tags_of_all(field, |its| its == text) > 0).then_some(Cursor::Empty),
        })
    }

    /// The tags that an expression stands for, in order.
    fn tags_of(
        &mut self,
        (field, tags): (usize, &'i Tags),
        folds: bool,
        value: &Node,
    ) -> Result<Option<Cursor<'i>>, QueryError> {
        let Some(test) = Test::of(value, self.search.prefix_min, folds) else {
            return Ok(None);
        };
        if self.checks {
            return Ok(None);
        }
        if self.estimates {
            return Ok(Some(self.estimate_of_tags(&test, tags)));
        }
        let PartMatches::Terms { terms, is_cut } = self.found(value) else {
            return Ok(None);
        };
        self.is_cut |= is_cut;
        let of_all = self.tags_of_all(field, |text| test.passes(text));
        let found = terms.iter().filter_map(|known| known.tag(tags));
        let parts = found.map(|tag| self.of_tag(field, tag));
        let mut parts: Vec<_> = parts.collect();
        Ok(match parts.len().max(of_all) {
            0 => None,
            1 => Some(parts.pop().unwrap_or(Cursor::Empty)),
            _ => Some(expansion(parts, value.weight)),
        })
    }

    /// About as many documents as the tags of an expression have: all, if more than a few tags
    /// would have to be asked.
    fn estimate_of_tags(&mut self, test: &Test, tags: &Tags) -> Cursor<'i> {
        self.asked += tags.len();
        if self.asked > ESTIMATED_MAX {
            self.looked_at += tags.len();
            return self.estimated(self.index.len());
        }
        let found = tags.iter().filter(|tag| test.passes(&tag.text));
        let documents = found.map(|tag| tag.documents.len() as usize).sum();
        self.estimated(documents)
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_those_of_a_shell() {
        for (pattern, text, expected) in [
            ("h?l*", "hello", true),
            ("h?l*", "hl", false),
            ("*", "", true),
            ("?", "é", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            (r"a\*", r"a\b", true),
            (r"a\*", "ab", false),
            (r"*\*", r"a\b", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
