//! Parts of a query that stand for several terms: prefixes, parts of words, patterns, fuzzy words;
//! and the values of tags.
//!
//! Terms are taken in the order of their bytes, up to the search's limit.
//!
//! Cost: a prefix asks its terms alone; a fuzzy word skips terms whose beginnings are too far;
//! parts and patterns ask the terms that have their pairs of bytes with WITHSUFFIXTRIE, else all.

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use memchr::memmem;
use std::sync::OnceLock;

use super::build::{Builder, Built, expansion};
use super::counted::PartProfile;
use super::statistics::space_of;
use super::{Cursor, Ids, Role, WordCursor};
use crate::index::{Pair, TagEntry, Tags, Term, pairs_of, to_successor};
use crate::query::{Fields, Kind, Node, QueryError, unescaped};
use crate::text::in_small_letters;

/// Some fields have WITHSUFFIXTRIE, and those that are asked lack it.
const NO_SUFFIXES: &[u8] = b"Contains query on fields without WITHSUFFIXTRIE support";

/// Which terms a part stands for.
pub(crate) enum Test {
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Part(Box<memmem::Finder<'static>>),
    Pattern(Vec<u8>),
    Fuzzy(Box<DFA>),
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
    fn pairs(&self) -> Vec<Pair> {
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

/// Bytes of the character that a text begins with; 1 where it is not UTF-8.
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

/// Whether a text fits a pattern: `?` is one character, `*` any number.
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
    pub(super) fn expansions(&mut self, node: &Node) -> Built<'i> {
        if let Some(ids) = node.terms.get()
            && let Some(fields) = self.fields_of(node)
        {
            let ids = ids.iter();
            let parts = ids.filter_map(|id| self.of_term(self.index.terms().get(*id), fields));
            return Ok(expansion(parts.collect(), node.weight));
        }
        let Some(test) = Test::of(node, self.search.prefix_min, true) else {
            return Ok(Cursor::Empty);
        };
        let is_within = matches!(test, Test::Suffix(_) | Test::Part(_) | Test::Pattern(_));
        let suffixes = self.index.fields_with_suffixes().filter(|_| is_within);
        if let Some(with) = suffixes
            && node.fields != Fields::ALL
            && node.fields.0 & !with.0 != 0
        {
            return Err(QueryError(NO_SUFFIXES.to_vec()));
        }
        let Some(fields) = self.fields_of(node) else {
            return Ok(Cursor::Empty);
        };
        let (mut parts, mut terms) = (Vec::new(), Vec::new());
        let most = self.search.expansions_max;
        let mut is_cut = false;
        self.for_each_term(&test, suffixes.is_some(), &mut |term| {
            if parts.len() == most {
                is_cut = true;
                return false;
            }
            if let Some(part) = self.of_term(term, fields) {
                parts.push(part);
                terms.push(term);
            }
            true
        });
        self.is_cut |= is_cut;
        if self.keeps_found {
            let ids = terms
                .iter()
                .filter_map(|term| self.index.terms().find(&term.text));
            node.terms.keep(ids.collect());
        }
        Ok(expansion(parts, node.weight))
    }

    /// The documents that hold a term in some fields; `None`: there are none.
    fn of_term(&self, term: &'i Term, fields: u128) -> Option<Cursor<'i>> {
        let positions = self.index.schema().has_offsets;
        let mut word = WordCursor::new(term, fields, 1.0, positions);
        word.idf = self.idf_of(&word);
        (word.id() != super::END).then(|| {
            let word = Cursor::Word(word);
            self.counted(word, |_| PartProfile::of_word(&term.text))
        })
    }

    /// Calls `take` with the terms that pass, in order, until it returns false.
    fn for_each_term(&self, test: &Test, by_pairs: bool, take: &mut dyn FnMut(&'i Term) -> bool) {
        let terms = self.index.terms();
        // An empty text is kept for INDEXEMPTY alone: it is no word.
        let take = &mut |term: &'i Term| term.text.is_empty() || take(term);
        match test {
            _ if by_pairs => {
                let held = |term: &&Term| !term.postings.is_empty() && test.passes(&term.text);
                let mut found: Vec<&Term> = terms.with_pairs(&test.pairs()).filter(held).collect();
                found.sort_unstable_by(|a, b| a.text.cmp(&b.text));
                let _ = found.into_iter().all(take);
            }
            Test::Prefix(prefix) => {
                let terms = terms
                    .from(prefix)
                    .take_while(|term| term.text.starts_with(prefix));
                let _ = terms
                    .into_iter()
                    .filter(|term| !term.postings.is_empty())
                    .all(take);
            }
            Test::Fuzzy(automaton) => self.for_each_near(automaton, take),
            _ => {
                let all = terms.from(b"").filter(|term| !term.postings.is_empty());
                let _ = all.filter(|term| test.passes(&term.text)).all(take);
            }
        }
    }

    /// Walks the terms of an automaton, and skips those with a beginning that it refuses.
    fn for_each_near(&self, automaton: &DFA, take: &mut dyn FnMut(&'i Term) -> bool) {
        // Where the automaton refuses a text: after so many bytes of it.
        let refusal = |text: &[u8]| {
            let mut state = automaton.initial_state();
            let refused = text.iter().position(|byte| {
                state = automaton.transition(state, *byte);
                state == SINK_STATE
            });
            refused.map(|at| at + 1).ok_or(state)
        };
        let mut from = Vec::new();
        let mut walk = self.index.terms().walk();
        while let Some(head) = walk.head() {
            // Most are refused by their first bytes, for which no text is read.
            let len = head.iter().position(|byte| *byte == 0).unwrap_or(8);
            if let Ok(refused) = refusal(&head[..len]) {
                from.clear();
                from.extend_from_slice(&head[..refused]);
            } else {
                let Some(term) = walk.term() else {
                    return;
                };
                match refusal(&term.text) {
                    Ok(refused) => {
                        from.clear();
                        from.extend_from_slice(&term.text[..refused]);
                    }
                    Err(state) => {
                        let passes = matches!(automaton.distance(state), Distance::Exact(_));
                        if passes && !term.postings.is_empty() && !take(term) {
                            return;
                        }
                        walk.advance();
                        continue;
                    }
                }
            }
            // No term that begins so passes.
            if !to_successor(&mut from) {
                return;
            }
            walk.seek(&from);
        }
    }

    fn of_tag(&self, field: usize, tag: &'i TagEntry) -> Cursor<'i> {
        let own = tag.documents.len();
        let documents = self.documents_with(space_of(field), &tag.text, own);
        let role = Role::Tag {
            text: &tag.text,
            idf: self.scoring.idf(documents),
        };
        let ids = Cursor::Ids(Ids::of_bitmap(&tag.documents, role, 1.0));
        self.counted(ids, PartProfile::of_tags)
    }

    /// Adds the tags of a value, as one part; `tags`: those of a field, with its place.
    pub(super) fn tag(
        &mut self,
        tags: (usize, &'i Tags),
        folds: bool,
        value: &Node,
        out: &mut Vec<Cursor<'i>>,
    ) {
        let began = self.began();
        let part = self.tag_part(tags, folds, value);
        out.extend(part.map(|part| self.tallied(value, part, began)));
    }

    fn tag_part(
        &mut self,
        (field, tags): (usize, &'i Tags),
        folds: bool,
        value: &Node,
    ) -> Option<Cursor<'i>> {
        let text = match &value.kind {
            Kind::Word(text) => unescaped(text),
            // Words that follow each other are one tag.
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
        match tags.find(text) {
            Some(tag) => Some(self.of_tag(field, tag)),
            None => (self.tags_of_all(field, |its| its == text) > 0).then_some(Cursor::Empty),
        }
    }

    /// The tags that an expression stands for, in order.
    fn tags_of(
        &mut self,
        (field, tags): (usize, &'i Tags),
        folds: bool,
        value: &Node,
    ) -> Option<Cursor<'i>> {
        let test = Test::of(value, self.search.prefix_min, folds)?;
        let mut found = tags.with_pairs(&test.pairs());
        found.retain(|tag| test.passes(&tag.text));
        found.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        self.is_cut |= found.len() > self.search.expansions_max;
        found.truncate(self.search.expansions_max);
        let of_all = self.tags_of_all(field, |text| test.passes(text));
        let parts = found.into_iter().map(|tag| self.of_tag(field, tag));
        let mut parts: Vec<_> = parts.collect();
        match parts.len().max(of_all) {
            0 => None,
            1 => Some(parts.pop().unwrap_or(Cursor::Empty)),
            _ => Some(expansion(parts, value.weight)),
        }
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
