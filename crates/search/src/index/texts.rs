//! The texts of a document as entries of terms: words, their stems and sounds, groups of synonyms.
//!
//! The fields of a document are read in the schema's order; positions continue from field to field.
//!
//! Cost: a look-up for each word and each stem; the words are then sorted by their terms.

use std::collections::BTreeMap;

use super::postings::Entry;
use super::terms::{Stem, TermId, Terms};
use crate::schema::Schema;
use crate::text::{Language, TextSettings, Words, sound, stem};

/// A place where a term stands.
#[derive(Clone, Copy, Debug)]
struct Occurrence {
    term: TermId,
    position: u32,
    field: u8,
    frequency: u32,
}

/// Buffers for the words of a document, which the next document uses again.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
    occurrences: Vec<Occurrence>,
    position: u32,
    pub(crate) length: u32,
    positions: Vec<u32>,
    small: Vec<u8>,
}

/// A text field as analysis needs it.
#[derive(Clone, Copy)]
pub(crate) struct TextField {
    pub(crate) bit: u8,
    pub(crate) weight: f64,
    pub(crate) stems: bool,
    /// PHONETIC.
    pub(crate) sounds: bool,
    /// WITHSUFFIXTRIE.
    pub(crate) has_suffixes: bool,
    pub(crate) keeps_empty: bool,
}

/// The parts of the index that analysis asks.
pub(crate) struct Context<'i> {
    pub(crate) schema: &'i Schema,
    pub(crate) terms: &'i mut Terms,
    pub(crate) synonyms: &'i BTreeMap<Box<[u8]>, Vec<Box<[u8]>>>,
    pub(crate) language: Language,
    pub(crate) settings: TextSettings,
}

impl Analysis {
    pub(crate) fn clear(&mut self) {
        self.occurrences.clear();
        self.position = 0;
        self.length = 0;
    }

    fn put(&mut self, term: TermId, position: u32, field: u8, frequency: u32) {
        self.occurrences.push(Occurrence {
            term,
            position,
            field,
            frequency,
        });
    }

    /// Adds the words of a field's text. `is_further`: a text of the field came before it.
    pub(crate) fn add(
        &mut self,
        context: &mut Context<'_>,
        field: TextField,
        text: &[u8],
        is_further: bool,
    ) {
        if is_further {
            // The words of the next text begin with 1.
            let between = context.settings.gap.saturating_sub(1);
            self.position = self.position.saturating_add(between);
        }
        let frequency = (field.weight as i64).clamp(1, i64::from(u32::MAX)) as u32;
        let of_stem = ((field.weight * 0.2) as i64).clamp(1, i64::from(u32::MAX)) as u32;
        if text.is_empty() {
            if field.keeps_empty {
                let term = context.terms.number(b"");
                self.position += 1;
                self.put(term, self.position, field.bit, frequency);
                self.length = self.length.saturating_add(frequency);
            }
            return;
        }
        let start = self.position;
        let language = context.language;
        for word in Words::in_language(language, text, &context.schema.stop_words) {
            let term = context.terms.number(&word.text);
            self.position = start.saturating_add(word.position);
            self.put(term, self.position, field.bit, frequency);
            self.length = self.length.saturating_add(frequency);
            if field.stems
                && let Some(stem) = stem_of(context, term, &word.text)
            {
                self.put(stem, self.position, field.bit, of_stem);
            }
            if field.has_suffixes {
                context.terms.put_pairs(term);
            }
            if field.sounds
                && word.text.len() >= context.settings.sound_min
                && let code = sound(&word.text)
                && !code.is_empty()
            {
                let term = context.terms.number(&[b"<", code.as_slice()].concat());
                self.put(term, self.position, field.bit, frequency);
            }
            if !context.synonyms.is_empty()
                && let Some(groups) = context.synonyms.get(&*word.text)
            {
                for group in groups {
                    self.small.clear();
                    self.small.push(b'~');
                    self.small.extend_from_slice(group);
                    let term = context.terms.number(&self.small);
                    self.put(term, self.position, field.bit, frequency);
                }
            }
        }
    }

    /// Calls `put` with each term, ascending by number, and the term's entry; returns the highest
    /// frequency.
    pub(crate) fn for_each_term(
        &mut self,
        schema: &Schema,
        mut put: impl FnMut(TermId, &Entry<'_>),
    ) -> u32 {
        self.occurrences
            .sort_unstable_by_key(|it| (it.term, it.position));
        let mut frequency_max = 0;
        for of_term in self.occurrences.chunk_by(|a, b| a.term == b.term) {
            let (mut frequency, mut fields) = (0u32, 0);
            self.positions.clear();
            for it in of_term {
                frequency = frequency.saturating_add(it.frequency);
                fields |= 1 << it.field;
                if self.positions.last() != Some(&it.position) {
                    self.positions.push(it.position);
                }
            }
            frequency_max = frequency_max.max(frequency);
            let entry = Entry {
                frequency: if schema.has_frequencies { frequency } else { 1 },
                fields: if schema.has_fields { fields } else { 1 },
                positions: &self.positions,
            };
            put(of_term[0].term, &entry);
        }
        frequency_max
    }
}

/// The term of a word's stem, `+` and the stem; `None`: the word has no stem that differs from it.
fn stem_of(context: &mut Context<'_>, word: TermId, text: &[u8]) -> Option<TermId> {
    let is_usual = context.language == context.schema.language;
    if is_usual {
        match context.terms.stem(word) {
            Stem::Unknown => {}
            Stem::None => return None,
            Stem::Term(term) => return Some(term),
        }
    }
    let stem = stem(context.language, text, context.settings.stem_min);
    let stem = stem.map(|stem| context.terms.number(&[b"+", stem.as_slice()].concat()));
    if is_usual {
        context.terms.remember(word, stem);
    }
    stem
}
