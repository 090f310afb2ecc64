//! Words of a query that no document has, and terms that are near to them.
//!
//!     nearness    how many edits lie between a word and texts that come in order
//!
//! Cost: for each such word, the terms of the index and of the dictionaries whose beginnings are
//! near to it, and what they cost to reach: O(log n) for each beginning that is too far.

mod nearness;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::btree_set::Range;
use std::iter::Peekable;
use std::ops::Bound;

use crate::index::{Index, Term, TermWalk, head_of};
use crate::iterate::{END, WordCursor};
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
pub struct Misspelled {
    /// As the query has it, in small letters.
    pub word: Vec<u8>,
    /// Terms near to it, with the documents that hold them: most documents first, those of equal
    /// numbers in the order of their bytes; those of dictionaries alone come last, with 0.
    pub suggestions: Vec<(usize, Vec<u8>)>,
}

impl Speller<'_> {
    /// The words of a query that no document of an index has, in the order of the query. Words of
    /// tags count, prefixes and patterns do not.
    pub fn check(&self, index: &Index, query: &Node) -> Vec<Misspelled> {
        let mut found = Vec::new();
        self.check_part(index, query, &mut found);
        found
    }

    fn check_part(&self, index: &Index, part: &Node, found: &mut Vec<Misspelled>) {
        if let Kind::Word(words) = &part.kind {
            // A tag may be several words.
            for word in words
                .split(|byte| *byte == b' ')
                .filter(|word| !word.is_empty())
            {
                let word = in_small_letters(word);
                if !self.is_right(index, &word) {
                    let suggestions = self.suggestions(index, &word, part.fields);
                    found.push(Misspelled { word, suggestions });
                }
            }
        }
        let parts = part.parts().iter();
        parts.for_each(|part| self.check_part(index, part, found));
    }

    fn is_right(&self, index: &Index, word: &[u8]) -> bool {
        let in_dictionary = |of: &&Dictionary| {
            let mut terms = of.iter();
            of.contains(word) || terms.any(|term| in_small_letters(term) == word)
        };
        let term = index.terms().held(word);
        term.is_some_and(|term| !term.postings.is_empty())
            || self.excluded.iter().any(in_dictionary)
    }

    fn suggestions(&self, index: &Index, word: &[u8], fields: Fields) -> Vec<(usize, Vec<u8>)> {
        let mut found: Vec<(usize, Vec<u8>)> = Vec::new();
        let distance = self.distance.into();
        near(word, distance, &mut index.terms().walk(), |term: &Term| {
            if is_in(index, term, fields) {
                found.push((term.postings.len(), term.text.to_vec()));
            }
        });
        found.sort_by_key(|(documents, _)| std::cmp::Reverse(*documents));
        let mut others = BTreeSet::new();
        for dictionary in &self.included {
            let mut terms = DictionaryWalk::new(dictionary);
            near(word, distance, &mut terms, |term| {
                others.insert(term.to_vec());
            });
        }
        for term in others {
            if !found.iter().any(|(_, known)| *known == term) {
                found.push((0, term));
            }
        }
        found
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

/// Whether a document has a term in one of some fields.
fn is_in(index: &Index, term: &Term, fields: Fields) -> bool {
    if fields == Fields::ALL || term.postings.is_empty() {
        return !term.postings.is_empty();
    }
    let positions = index.schema().has_offsets;
    fields.0 != 0 && WordCursor::new(term, fields.0, 1.0, positions).id() != END
}
