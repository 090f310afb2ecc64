//! The content of an index, piece by piece, for `FT.DEBUG`. Documents are numbered from 1 here, so
//! that 0 is none.

use crate::index::{Bounds, Index, Part};
use crate::iterate::{END, WordCursor};

/// A document of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DocumentFacts {
    /// 0 to 1.
    pub score: f64,
    /// Its words, weighted.
    pub words: u32,
    /// The highest frequency of a term in it.
    pub frequency_max: u32,
}

impl Index {
    /// The terms that documents hold, in the order of their bytes, from one on.
    pub fn term_texts<'t>(&'t self, from: &[u8]) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        let terms = self.terms().from(from);
        let held = terms.filter(|term| !term.postings.is_empty());
        held.map(|term| &*term.text)
    }

    /// The documents of a term, ascending; `None`: there are none.
    pub fn documents_of_term(&self, text: &[u8]) -> Option<Vec<u32>> {
        let term = self.terms().held(text)?;
        let positions = self.schema().has_offsets;
        let mut word = WordCursor::new(term, u128::MAX, 1.0, positions, (0, END));
        let mut found = Vec::with_capacity(word.documents());
        while word.id() != END {
            found.push(word.id() + 1);
            word.advance();
        }
        (!found.is_empty()).then_some(found)
    }

    /// The documents of a field of numbers or places, ascending; `None`: it has none such.
    pub fn documents_of_numbers(&self, field: &[u8]) -> Option<Vec<u32>> {
        let Some((_, Part::Numbers(numbers))) = self.part(field) else {
            return None;
        };
        let all = Bounds {
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
            with_min: true,
            with_max: true,
        };
        let mut found: Vec<u32> = Vec::with_capacity(numbers.len());
        for (_, documents) in numbers.range(all) {
            found.extend(documents.iter().map(|id| id + 1));
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// The documents of a tag of the field at a place of the schema, ascending.
    pub fn documents_of_tag(&self, place: usize, tag: &[u8]) -> Vec<u32> {
        let Part::Tags(tags) = self.part_at(place) else {
            return Vec::new();
        };
        let found = tags.find(tag);
        let documents = found.map(|tag| tag.documents.iter().map(|id| id + 1));
        documents.into_iter().flatten().collect()
    }

    /// The number of a document; 0: there is none of this key.
    pub fn number_of(&self, key: &[u8]) -> u32 {
        self.id(key).map_or(0, |id| id.0 + 1)
    }

    /// The key of a document's number.
    pub fn key_of(&self, number: u32) -> Option<&[u8]> {
        let id = number.checked_sub(1)?;
        self.living_key(crate::hit::DocumentId(id))
    }

    /// Facts of a document; `None`: there is none of this key.
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
