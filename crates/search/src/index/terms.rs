//! The dictionary of an index: terms, found by their bytes and walked in order.
//!
//!     word `hello` | `+` stem | `~` group of synonyms | `<` sound
//!
//! A term has a number as long as a document holds it; numbers of terms that are gone are used
//! again. A word remembers the number of the stem in the index's language, so that a word that is
//! known is stemmed once; the stem stays as long as a word remembers it.
//!
//! Invariant: `by_bytes` and `in_order` hold the numbers of all terms, and no others.
//!
//! Cost: a look-up is a hash; a new term is put in order, see `order`. Some 130 bytes a term.

use roaring::RoaringBitmap;
use russet_base::hashing::hash::keys;
use russet_encodings::prefetch::prefetch;

use super::documents::IdTable;
use super::order::{Order, Place};
use super::pairs::{Pair, Pairs};
use super::postings::{Entry, Growth, Postings};

/// The number of a term.
pub(crate) type TermId = u32;

/// No stem is remembered.
const UNKNOWN: TermId = TermId::MAX;
/// The word has no stem that differs from it.
const NONE: TermId = TermId::MAX - 1;

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
    by_bytes: IdTable,
    in_order: Order,
    /// Words of fields that are WITHSUFFIXTRIE.
    pairs: Pairs,
    /// Bytes of all texts.
    text_bytes: usize,
    /// Of all postings.
    posting_bytes: usize,
    posting_blocks: usize,
    /// Terms that documents hold.
    held: usize,
}

/// A stem that a word remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stem {
    Unknown,
    /// The stem equals the word, or the word is too short.
    None,
    Term(TermId),
}

/// A walk over the terms in the order of their bytes.
pub(crate) struct TermWalk<'t> {
    terms: &'t Terms,
    place: Place,
}

impl<'t> TermWalk<'t> {
    /// The first 8 bytes of the term's text, then zeros; `None`: at the end.
    #[inline]
    pub(crate) fn head(&self) -> Option<[u8; 8]> {
        let (head, _) = self.terms.in_order.get(self.place)?;
        Some(head.to_be_bytes())
    }

    /// The present term; `None`: at the end.
    pub(crate) fn term(&self) -> Option<&'t Term> {
        let (_, id) = self.terms.in_order.get(self.place)?;
        Some(self.terms.get(id))
    }

    /// The number of the present term.
    pub(crate) fn number(&self) -> Option<TermId> {
        self.terms.in_order.get(self.place).map(|(_, id)| id)
    }

    /// Moves to the next term.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.place = self.terms.in_order.after(self.place);
    }

    /// Moves to the first term, from here on, that is `to` or more. O(log of the terms between).
    pub(crate) fn seek(&mut self, to: &[u8]) {
        let terms = &self.terms.terms;
        let text = |id| text_of(terms, id);
        self.place = self.terms.in_order.seek(self.place, to, &text);
    }
}

fn text_of(terms: &[Option<Term>], id: TermId) -> &[u8] {
    let term = terms[id as usize].as_ref();
    &term.expect("a term's number is that of a term").text
}

impl Terms {
    pub(crate) fn get(&self, id: TermId) -> &Term {
        self.terms[id as usize]
            .as_ref()
            .expect("a term's number is that of a term")
    }

    /// The number after the highest number of a term.
    pub(crate) fn end(&self) -> TermId {
        self.terms.len() as TermId
    }

    /// The term of a number; `None`: no term has the number.
    pub(crate) fn known(&self, id: TermId) -> Option<&Term> {
        self.terms.get(id as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: TermId) -> &mut Term {
        self.terms[id as usize]
            .as_mut()
            .expect("a term's number is that of a term")
    }

    /// Brings a term that is asked for soon into the processor's caches.
    #[inline]
    pub(crate) fn prefetch(&self, id: TermId) {
        let begin = (&raw const self.terms[id as usize]).addr();
        prefetch(begin);
        prefetch(begin + size_of::<Option<Term>>() - 1);
    }

    /// The number of a term. O(1).
    pub(crate) fn find(&self, text: &[u8]) -> Option<TermId> {
        let hash = keys().hash(text);
        let same = |id: &TermId| *self.get(*id).text == *text;
        self.by_bytes.find(hash, same)
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
        if let Some(id) = self.by_bytes.find(hash, |id| text_of(terms, *id) == text) {
            return id;
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
        self.by_bytes
            .insert(hash, id, |id| keys().hash(text_of(terms, *id)));
        let text = |id: TermId| text_of(terms, id);
        self.in_order.insert(id, &text);
        id
    }

    /// Forgets a term that no document holds and no word remembers, and the term's stem under the
    /// same conditions. A term that is already forgotten stays so.
    pub(crate) fn release(&mut self, id: TermId) {
        let Some(term) = &self.terms[id as usize] else {
            return;
        };
        if !term.postings.is_empty() || term.words > 0 {
            return;
        }
        let terms = &self.terms;
        let hash = keys().hash(text_of(terms, id));
        self.by_bytes.remove(hash, id);
        self.in_order.remove(id, &|id| text_of(terms, id));
        let term = self.terms[id as usize]
            .take()
            .expect("a term's number is that of a term");
        self.pairs.remove(id, &term.text);
        self.posting_bytes -= term.postings.bytes();
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

    /// The numbers of words of WITHSUFFIXTRIE, among which are all that have some pairs.
    pub(crate) fn with_pairs(&self, pairs: &[Pair]) -> RoaringBitmap {
        self.pairs.candidates(pairs)
    }

    /// The stem that a word remembers.
    pub(crate) fn stem(&self, word: TermId) -> Stem {
        match self.get(word).stem {
            UNKNOWN => Stem::Unknown,
            NONE => Stem::None,
            stem => Stem::Term(stem),
        }
    }

    /// Has a word remember a stem.
    pub(crate) fn remember(&mut self, word: TermId, stem: Option<TermId>) {
        if let Some(stem) = stem {
            self.get_mut(stem).words += 1;
        }
        self.get_mut(word).stem = stem.unwrap_or(NONE);
    }

    /// The terms in the order of their bytes.
    pub(crate) fn walk(&self) -> TermWalk<'_> {
        TermWalk {
            terms: self,
            place: Place::default(),
        }
    }

    /// The terms from `from` on, in the order of their bytes. O(log n) for the first.
    pub(crate) fn from<'t>(&'t self, from: &[u8]) -> impl Iterator<Item = &'t Term> + use<'t> {
        let mut walk = self.walk();
        walk.seek(from);
        std::iter::from_fn(move || {
            let term = walk.term()?;
            walk.advance();
            Some(term)
        })
    }

    /// Bytes of the texts of all terms.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Puts the entry of a document into a term's postings. Whether the document is new there.
    pub(crate) fn put(
        &mut self,
        id: TermId,
        document: u32,
        entry: &Entry<'_>,
        offsets: bool,
    ) -> bool {
        let postings = &mut self.get_mut(id).postings;
        let was_held = !postings.is_empty();
        let (is_new, growth) = postings.put(document, entry, offsets);
        self.grow(growth);
        self.held += usize::from(!was_held);
        is_new
    }

    /// Removes the entry of a document from a [block](Postings::block_of) of a term's postings;
    /// false: there is no entry.
    pub(crate) fn remove(
        &mut self,
        id: TermId,
        block: usize,
        document: u32,
        offsets: bool,
    ) -> bool {
        let postings = &mut self.get_mut(id).postings;
        let Some(growth) = postings.remove(block, document, offsets) else {
            return false;
        };
        let is_held = !postings.is_empty();
        self.grow(growth);
        self.held -= usize::from(!is_held);
        true
    }

    fn grow(&mut self, by: Growth) {
        self.posting_bytes = self.posting_bytes.saturating_add_signed(by.bytes);
        self.posting_blocks = self.posting_blocks.saturating_add_signed(by.blocks);
    }

    /// Of all postings: their bytes, their blocks, and the terms that documents hold. O(1).
    pub(crate) fn posting_figures(&self) -> (usize, usize, usize) {
        (self.posting_bytes, self.posting_blocks, self.held)
    }

    /// The same, counted.
    #[cfg(test)]
    pub(crate) fn counted_figures(&self) -> (usize, usize, usize) {
        let terms = self.terms.iter().flatten();
        terms.fold((0, 0, 0), |(bytes, blocks, held), term| {
            let postings = &term.postings;
            let is_held = usize::from(!postings.is_empty());
            let (its_bytes, its_blocks) = (postings.bytes(), postings.blocks().len());
            (bytes + its_bytes, blocks + its_blocks, held + is_held)
        })
    }

    /// Bytes of the dictionary without texts and postings.
    pub(crate) fn bytes(&self) -> usize {
        let order = self.in_order.bytes();
        let terms = self.terms.capacity() * size_of::<Option<Term>>();
        terms + self.by_bytes.bytes() + order + self.pairs.bytes()
    }
}
