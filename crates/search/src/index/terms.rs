//! The dictionary of an index: its terms, found by their bytes and walked in their order.
//!
//!     word `hello` | `+` stem | `~` group of synonyms | `<` sound
//!
//! A term has a number as long as a document holds it; numbers of terms that are gone are used
//! again. A word remembers the number of its stem in the index's language, so that a word that is
//! known is stemmed once; the stem stays as long as a word remembers it.
//!
//! Invariants
//!   1. `by_bytes` and `in_order` hold the numbers of all terms, and no others.
//!   2. `in_order` ascends by bytes; its parts are never empty and have at most [`PART_MAX`].
//!
//! Cost: a look-up is one hash; a new term O(log n + PART_MAX). Some 120 bytes a term.

use hashbrown::HashTable;
use russet_base::hashing::hash::keys;

use super::pairs::{Pair, Pairs};
use super::postings::Postings;

/// The number of a term.
pub(crate) type TermId = u32;

/// No stem is remembered.
const UNKNOWN: TermId = TermId::MAX;
/// The word has no stem of its own.
const NONE: TermId = TermId::MAX - 1;

/// Terms of a part of the order, at most.
const PART_MAX: usize = 512;

#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) text: Box<[u8]>,
    pub(crate) postings: Postings,
    stem: TermId,
    /// Words that remember it as their stem.
    words: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Terms {
    terms: Vec<Option<Term>>,
    free: Vec<TermId>,
    by_bytes: HashTable<TermId>,
    in_order: Vec<Vec<TermId>>,
    /// Words of fields that are WITHSUFFIXTRIE.
    pairs: Pairs,
    /// Bytes of all texts.
    text_bytes: usize,
}

/// A stem that a word remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stem {
    Unknown,
    /// It equals the word, or the word is too short.
    None,
    Term(TermId),
}

impl Terms {
    pub(crate) fn get(&self, id: TermId) -> &Term {
        self.terms[id as usize]
            .as_ref()
            .expect("a term's number is that of a term")
    }

    pub(crate) fn get_mut(&mut self, id: TermId) -> &mut Term {
        self.terms[id as usize]
            .as_mut()
            .expect("a term's number is that of a term")
    }

    /// The number of a term. O(1).
    pub(crate) fn find(&self, text: &[u8]) -> Option<TermId> {
        let hash = keys().hash(text);
        let same = |id: &TermId| *self.get(*id).text == *text;
        self.by_bytes.find(hash, same).copied()
    }

    /// The term of these bytes, if a document holds it.
    pub(crate) fn held(&self, text: &[u8]) -> Option<&Term> {
        let term = self.find(text).map(|id| self.get(id));
        term.filter(|term| !term.postings.is_empty())
    }

    /// The number of a term, which is new if it is not known.
    pub(crate) fn number(&mut self, text: &[u8]) -> TermId {
        let hash = keys().hash(text);
        let terms = &self.terms;
        let text_of = |id: TermId| &*terms[id as usize].as_ref().expect("a known term").text;
        if let Some(id) = self.by_bytes.find(hash, |id| text_of(*id) == text) {
            return *id;
        }
        let term = Term {
            text: text.into(),
            postings: Postings::default(),
            stem: UNKNOWN,
            words: 0,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.terms[id as usize] = Some(term);
                id
            }
            None => {
                self.terms.push(Some(term));
                (self.terms.len() - 1) as TermId
            }
        };
        self.text_bytes += text.len();
        let terms = &self.terms;
        self.by_bytes.insert_unique(hash, id, |id| {
            keys().hash(&terms[*id as usize].as_ref().expect("a known term").text)
        });
        self.order(id);
        id
    }

    fn text(&self, id: TermId) -> &[u8] {
        &self.get(id).text
    }

    fn order(&mut self, id: TermId) {
        let text = self.text(id);
        let before = |part: &Vec<TermId>| self.text(part[0]) <= text;
        let part = self.in_order.partition_point(before).saturating_sub(1);
        let Some(ids) = self.in_order.get(part) else {
            self.in_order.push(vec![id]);
            return;
        };
        let at = ids.partition_point(|other| self.text(*other) < text);
        let ids = &mut self.in_order[part];
        ids.insert(at, id);
        if ids.len() > PART_MAX {
            let upper = ids.split_off(PART_MAX / 2);
            self.in_order.insert(part + 1, upper);
        }
    }

    /// Forgets a term that no document holds and no word remembers.
    pub(crate) fn release(&mut self, id: TermId) {
        let term = self.get(id);
        if !term.postings.is_empty() || term.words > 0 {
            return;
        }
        let text = self.text(id);
        let part = self
            .in_order
            .partition_point(|part| self.text(part[0]) <= text)
            - 1;
        let at = self.in_order[part].partition_point(|other| self.text(*other) < text);
        let hash = keys().hash(text);
        if let Ok(entry) = self.by_bytes.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.in_order[part].remove(at);
        if self.in_order[part].is_empty() {
            self.in_order.remove(part);
        }
        let term = self.terms[id as usize]
            .take()
            .expect("a term's number is that of a term");
        self.pairs.remove(id, &term.text);
        self.text_bytes -= term.text.len();
        self.free.push(id);
        if term.stem < NONE {
            self.get_mut(term.stem).words -= 1;
            self.release(term.stem);
        }
    }

    /// Has parts within a word found, until it is released.
    pub(crate) fn put_pairs(&mut self, word: TermId) {
        if let Some(term) = &self.terms[word as usize] {
            self.pairs.put(word, &term.text);
        }
    }

    /// Words of WITHSUFFIXTRIE, among which are all that have some pairs, in no order.
    pub(crate) fn with_pairs(&self, pairs: &[Pair]) -> impl Iterator<Item = &Term> {
        let candidates = self.pairs.candidates(pairs).into_iter();
        candidates.map(|id| self.get(id))
    }

    /// The stem that a word remembers.
    pub(crate) fn stem(&self, word: TermId) -> Stem {
        match self.get(word).stem {
            UNKNOWN => Stem::Unknown,
            NONE => Stem::None,
            stem => Stem::Term(stem),
        }
    }

    /// Has a word remember its stem.
    pub(crate) fn remember(&mut self, word: TermId, stem: Option<TermId>) {
        if let Some(stem) = stem {
            self.get_mut(stem).words += 1;
        }
        self.get_mut(word).stem = stem.unwrap_or(NONE);
    }

    /// The terms from `from` on, in the order of their bytes. O(log n) for the first.
    pub(crate) fn from<'t>(&'t self, from: &[u8]) -> impl Iterator<Item = &'t Term> + use<'t> {
        let before = |part: &Vec<TermId>| self.text(part[0]) <= from;
        let part = self.in_order.partition_point(before).saturating_sub(1);
        let first = self.in_order.get(part);
        let at = first.map_or(0, |ids| ids.partition_point(|id| self.text(*id) < from));
        let ids = self.in_order[part.min(self.in_order.len())..]
            .iter()
            .flatten();
        ids.skip(at).map(|id| self.get(*id))
    }

    /// Bytes of the texts of all terms.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Of all postings: their bytes, their blocks, and the terms that documents hold.
    pub(crate) fn posting_figures(&self) -> (usize, usize, usize) {
        let terms = self.terms.iter().flatten();
        terms.fold((0, 0, 0), |(bytes, blocks, held), term| {
            let postings = &term.postings;
            let is_held = usize::from(!postings.is_empty());
            (
                bytes + postings.bytes(),
                blocks + postings.blocks().len(),
                held + is_held,
            )
        })
    }

    /// Bytes of the dictionary without texts and postings.
    pub(crate) fn bytes(&self) -> usize {
        let order: usize = self.in_order.iter().map(|part| part.capacity() * 4).sum();
        let terms = self.terms.capacity() * size_of::<Option<Term>>();
        terms + self.by_bytes.capacity() * 5 + order + self.pairs.bytes()
    }
}
