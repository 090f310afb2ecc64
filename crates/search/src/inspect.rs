//! The content of an index, piece by piece, for `FT.DEBUG`. Documents are numbered from 1 here,
//! because 0 means no document.

use roaring::RoaringBitmap;

use crate::index::{Bounds, Index, Part};
use crate::iterate::{END, WordCursor};

/// The documents of a tag at the time of the call.
#[derive(Debug)]
pub struct TagDocuments(RoaringBitmap);

impl TagDocuments {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len() as usize
    }

    /// Whether no document has the tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The documents from a number on, ascending.
    pub fn from(&self, number: u32) -> impl Iterator<Item = u32> {
        let mut rest = self.0.iter();
        rest.advance_to(number.saturating_sub(1));
        rest.map(|id| id + 1)
    }
}

/// The documents of a field of numbers or places, gathered step by step.
#[derive(Debug, Default)]
pub struct NumberedDocuments {
    /// The last pair of a number and a document that was seen.
    after: Option<(f64, u32)>,
    bits: Vec<u64>,
}

impl NumberedDocuments {
    /// The documents from a number on, ascending.
    pub fn from(&self, number: u32) -> impl Iterator<Item = u32> {
        let from = number.saturating_sub(1);
        let words = self.bits.iter().enumerate().skip(from as usize / 64);
        words.flat_map(move |(at, word)| {
            let mut left = *word;
            let bits = std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                (left != 0).then(|| {
                    left &= left - 1;
                    at as u32 * 64 + bit
                })
            });
            bits.filter(move |id| *id >= from).map(|id| id + 1)
        })
    }
}

/// A document of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DocumentFacts {
    /// 0 to 1.
    pub score: f64,
    /// The document's words, weighted.
    pub words: u32,
    /// The highest frequency of a term in the document.
    pub frequency_max: u32,
}

impl Index {
    /// The terms that documents hold, in the order of their bytes, from `from` on.
    pub fn term_texts<'t>(&'t self, from: &[u8]) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        let terms = self.terms().from(from);
        let held = terms.filter(|term| !term.postings.is_empty());
        held.map(|term| &*term.text)
    }

    /// The documents of a term from a number on, ascending; `None`: no document holds it.
    pub fn documents_of_term(&self, text: &[u8], from: u32) -> Option<impl Iterator<Item = u32>> {
        let term = self.terms().held(text)?;
        let positions = self.schema().has_offsets;
        let window = (from.saturating_sub(1), END);
        let mut word = WordCursor::new(term, u128::MAX, 1.0, positions, window);
        Some(std::iter::from_fn(move || {
            let id = Some(word.id()).filter(|id| *id != END)?;
            word.advance();
            Some(id + 1)
        }))
    }

    /// Continues to gather the documents of a field of numbers or places, until all are gathered or
    /// `is_over`, which is asked for each few hundred documents: then it returns false.
    pub fn gather_numbered(
        &self,
        field: &[u8],
        gathered: &mut NumberedDocuments,
        is_over: &dyn Fn() -> bool,
    ) -> bool {
        let Some((_, Part::Numbers(numbers))) = self.part(field) else {
            return true;
        };
        let all = Bounds {
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
            with_min: true,
            with_max: true,
        };
        let after = gathered.after;
        for (values, documents) in numbers.range_after(all, after) {
            for id in documents {
                let word = *id as usize / 64;
                if word >= gathered.bits.len() {
                    gathered.bits.resize(word + 1, 0);
                }
                gathered.bits[word] |= 1 << (id % 64);
            }
            gathered.after = values.last().copied().zip(documents.last().copied());
            if is_over() {
                return false;
            }
        }
        true
    }

    /// The documents of a tag of the field at a place of the schema.
    pub fn documents_of_tag(&self, place: usize, tag: &[u8]) -> TagDocuments {
        let found = match self.part_at(place) {
            Part::Tags(tags) => tags.find(tag),
            _ => None,
        };
        TagDocuments(found.map_or_else(RoaringBitmap::new, |tag| tag.documents.clone()))
    }

    /// The number of a document; 0: no document has this key.
    pub fn number_of(&self, key: &[u8]) -> u32 {
        self.id(key).map_or(0, |id| id.0 + 1)
    }

    /// The key of a document's number.
    pub fn key_of(&self, number: u32) -> Option<&[u8]> {
        let id = number.checked_sub(1)?;
        self.living_key(crate::hit::DocumentId(id))
    }

    /// Facts of a document; `None`: no document has this key.
    pub fn document_facts(&self, key: &[u8]) -> Option<DocumentFacts> {
        let id = self.id(key)?;
        let facts = self.documents().facts(id.0);
        Some(DocumentFacts {
            score: facts.score.into(),
            words: facts.length,
            frequency_max: facts.frequency_max,
        })
    }

    /// The bytes of a field's vectors; `None`: it has none such.
    pub fn vector_bytes(&self, field: &[u8]) -> Option<usize> {
        match self.part(field) {
            Some((_, Part::Vectors(vectors))) => Some(vectors.bytes()),
            _ => None,
        }
    }
}
