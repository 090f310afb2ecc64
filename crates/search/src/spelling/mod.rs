//! Words of a query that no document has, and terms that are near to them.
//!
//!     nearness    how many edits lie between a word and texts that come in order
//!
//! Cost: for each such word, the terms of the index and of the dictionaries whose beginnings are
//! near to the word, and the way to them: O(log n) for each beginning that is too far.

mod nearness;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::btree_set::Range;
use std::collections::{BTreeSet, HashSet};
use std::iter::Peekable;
use std::ops::Bound;

use crate::index::{Index, Term, TermWalk, head_of};
use crate::iterate::{Clock, END, WordCursor};
use crate::query::{Fields, Kind, Node};
use crate::text::in_small_letters;
use nearness::{Texts, near};

/// The terms of a dictionary.
pub type Dictionary = BTreeSet<Box<[u8]>>;

/// The bounds of right and near.
#[derive(Clone, Debug, Default)]
pub struct Speller<'a> {
    /// Edits, at most: 1 to 4.
    pub distance: u8,
    /// Dictionaries whose terms are suggested, too.
    pub included: Vec<&'a Dictionary>,
    /// Dictionaries whose terms are right, whatever the case of their letters.
    pub excluded: Vec<&'a Dictionary>,
}

/// A word that no document has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisspelledTerm {
    /// As the query has it, in small letters.
    pub word: Vec<u8>,
    /// Terms near to the word, with the number of documents that hold them: most documents first,
    /// equal numbers in the order of the terms' bytes; terms of dictionaries alone come last, with
    /// 0.
    pub suggestions: Vec<(usize, Vec<u8>)>,
}

impl Speller<'_> {
    /// The words of a query that no document of an index has, in the order of the query. Words of
    /// tags count, prefixes and patterns do not. All at once; in slices: [`SpellCheck`].
    pub fn check(&self, index: &Index, query: &Node) -> Vec<MisspelledTerm> {
        let mut checking = SpellCheck::new(query);
        checking.advance(self, index, &mut Clock::endless());
        checking.found
    }
}

/// Words of a query that are looked at step by step.
#[derive(Debug)]
pub struct SpellCheck {
    /// Words with the fields that they are looked for in, the next word last.
    words: Vec<(Vec<u8>, Fields)>,
    stage: Stage,
    found: Vec<MisspelledTerm>,
}

/// The work on a word, and the progress of that work.
#[derive(Debug)]
enum Stage {
    /// It is looked for in the index, and in the dictionaries of right words: in which, from which
    /// term on.
    Right(usize, Vec<u8>),
    /// Terms near to the word are looked for, from this term on; terms of most documents come
    /// first.
    Near(Vec<u8>, TermSuggestions),
    /// Terms of the dictionaries: of which, from which on.
    Others(usize, Vec<u8>, TermSuggestions),
}

impl Stage {
    fn first() -> Stage {
        Stage::Right(0, Vec::new())
    }
}

/// Terms by the number of documents that hold them, and then in the order of their bytes; terms of
/// dictionaries alone have 0.
#[derive(Debug, Default)]
struct TermSuggestions {
    terms: BTreeSet<(Reverse<usize>, Vec<u8>)>,
    of_index: HashSet<Vec<u8>>,
}

impl SpellCheck {
    /// The words of a query.
    pub fn new(query: &Node) -> SpellCheck {
        let mut words = Vec::new();
        add_words(query, &mut words);
        words.reverse();
        SpellCheck {
            words,
            stage: Stage::first(),
            found: Vec::new(),
        }
    }

    /// Goes on until the time is over (`false`), or all words were looked at.
    pub fn advance(&mut self, speller: &Speller<'_>, index: &Index, clock: &mut Clock<'_>) -> bool {
        while let Some((word, fields)) = self.words.last() {
            let about = (word.as_slice(), speller.distance.into());
            let mut is_done = false;
            match &mut self.stage {
                Stage::Right(at, from) => match speller.is_right(index, word, (at, from), clock) {
                    None => return false,
                    Some(true) => is_done = true,
                    Some(false) => self.stage = Stage::Near(Vec::new(), TermSuggestions::default()),
                },
                Stage::Near(from, suggested) => {
                    let take = |term: &Term| {
                        if is_in(index, term, *fields) {
                            let text = term.text.to_vec();
                            suggested.of_index.insert(text.clone());
                            let documents = Reverse(term.postings.len());
                            suggested.terms.insert((documents, text));
                        }
                    };
                    if !near(about, &mut index.terms().walk(), from, clock, take) {
                        return false;
                    }
                    let suggested = std::mem::take(suggested);
                    self.stage = Stage::Others(0, Vec::new(), suggested);
                }
                Stage::Others(at, from, suggested) => {
                    if let Some(dictionary) = speller.included.get(*at) {
                        let take = |term: &[u8]| {
                            if !suggested.of_index.contains(term) {
                                suggested.terms.insert((Reverse(0), term.to_vec()));
                            }
                        };
                        let mut terms = DictionaryWalk::new(dictionary);
                        if !near(about, &mut terms, from, clock, take) {
                            return false;
                        }
                        (*at, *from) = (*at + 1, Vec::new());
                        continue;
                    }
                    let terms = std::mem::take(&mut suggested.terms).into_iter();
                    let suggestions = terms.map(|(Reverse(documents), term)| (documents, term));
                    self.found.push(MisspelledTerm {
                        word: word.clone(),
                        suggestions: suggestions.collect(),
                    });
                    is_done = true;
                }
            }
            if is_done {
                self.words.pop();
                self.stage = Stage::first();
                if clock.spend(1) {
                    return self.words.is_empty();
                }
            }
        }
        true
    }

    /// The words that are wrong.
    pub fn into_found(self) -> Vec<MisspelledTerm> {
        self.found
    }
}

/// Adds the words of a part, in small letters.
fn add_words(part: &Node, out: &mut Vec<(Vec<u8>, Fields)>) {
    if let Kind::Word(words) = &part.kind {
        // A tag may be several words.
        let words = words.split(|byte| *byte == b' ');
        let words = words.filter(|word| !word.is_empty());
        out.extend(words.map(|word| (in_small_letters(word), part.fields)));
    }
    part.parts().iter().for_each(|part| add_words(part, out));
}

impl Speller<'_> {
    /// Whether a word is in the index or in a dictionary of right words, in letters of any case;
    /// the look-up begins at a term of such a dictionary. `None`: the time is over.
    fn is_right(
        &self,
        index: &Index,
        word: &[u8],
        (at, from): (&mut usize, &mut Vec<u8>),
        clock: &mut Clock<'_>,
    ) -> Option<bool> {
        if index.terms().held(word).is_some() {
            return Some(true);
        }
        while let Some(dictionary) = self.excluded.get(*at) {
            if dictionary.contains(word) {
                return Some(true);
            }
            let rest = (Bound::Included(from.as_slice()), Bound::Unbounded);
            let mut left = None;
            for term in dictionary.range::<[u8], _>(rest) {
                if clock.spend(2) {
                    left = Some(term.to_vec());
                    break;
                }
                if in_small_letters(term) == word {
                    return Some(true);
                }
            }
            if let Some(left) = left {
                *from = left;
                return None;
            }
            (*at, *from) = (*at + 1, Vec::new());
        }
        Some(false)
    }
}

impl<'t> Texts for TermWalk<'t> {
    type Entry = &'t Term;

    fn head(&self) -> Option<[u8; 8]> {
        TermWalk::head(self)
    }

    fn entry(&self) -> &'t Term {
        self.term().expect("the walk is not at its end")
    }

    fn text<'e>(term: &'e &'t Term) -> &'e [u8] {
        &term.text
    }

    fn advance(&mut self) {
        TermWalk::advance(self);
    }

    fn seek(&mut self, to: &[u8]) {
        TermWalk::seek(self, to);
    }
}

/// A walk over the terms of a dictionary.
struct DictionaryWalk<'d> {
    dictionary: &'d Dictionary,
    rest: Peekable<Range<'d, Box<[u8]>>>,
}

impl<'d> DictionaryWalk<'d> {
    fn new(dictionary: &'d Dictionary) -> DictionaryWalk<'d> {
        DictionaryWalk {
            dictionary,
            rest: dictionary.range::<[u8], _>(..).peekable(),
        }
    }
}

impl<'d> Texts for DictionaryWalk<'d> {
    type Entry = &'d [u8];

    fn head(&self) -> Option<[u8; 8]> {
        let mut rest = self.rest.clone();
        rest.peek().map(|text| head_of(text).to_be_bytes())
    }

    fn entry(&self) -> &'d [u8] {
        let mut rest = self.rest.clone();
        rest.peek().expect("the walk is not at its end")
    }

    fn text<'e>(term: &'e &'d [u8]) -> &'e [u8] {
        term
    }

    fn advance(&mut self) {
        self.rest.next();
    }

    fn seek(&mut self, to: &[u8]) {
        let from = (Bound::Included(to), Bound::Unbounded);
        self.rest = self.dictionary.range::<[u8], _>(from).peekable();
    }
}

/// Whether any document has a term in any of some fields.
fn is_in(index: &Index, term: &Term, fields: Fields) -> bool {
    if fields == Fields::ALL || term.postings.is_empty() {
        return !term.postings.is_empty();
    }
    let positions = index.schema().has_offsets;
    fields.0 != 0 && WordCursor::new(term, fields.0, 1.0, positions, (0, END)).id() != END
}
