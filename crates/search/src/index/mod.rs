//! An index: the documents of a schema, found by their contents.
//!
//! A document has a dense number, [`DocumentId`]; numbers are used again. A changed document keeps
//! the number, and only the changes are written, so that no garbage has to be collected later.
//!
//! | module | what |
//! |---|---|
//! | `documents` | keys, numbers, and what each document put into the index |
//! | `gather` | the values of a document, or why it is refused |
//! | `texts` | texts as entries of terms |
//! | `pairs` | parts within words and tags: WITHSUFFIXTRIE |
//! | `terms`, `order`, `postings` | the dictionary, term order, the documents of each term |
//! | `tags`, `numbers` | the values of TAG; of NUMERIC and GEO |
//! | `shapes`, `vectors` | the values of GEOSHAPE; of VECTOR |
//! | `columns` | the values of SORTABLE fields; values of tags, each kept once |
//! | `expand` | queries with the stems and synonyms of their words |
//! | `figures`, `refusals` | what FT.INFO shows; what FT.ERRORS does |
//!
//! Invariants
//!   1. A refused document is in no part of the index.
//!   2. For each existing document the parts hold exactly the entries that its record names.
//!
//! Cost of a put: a hash and a posting for each word and stem; some 170 bytes for a text of twelve
//! words with a tag and a number.

mod columns;
#[cfg(test)]
mod cost;
mod documents;
mod expand;
mod figures;
mod gather;
mod numbers;
mod order;
mod pairs;
mod postings;
mod put;
mod refusals;
pub(crate) mod shapes;
mod tags;
mod terms;
#[cfg(test)]
pub(crate) mod testbed;
#[cfg(test)]
mod tests;
mod texts;
mod vectors;

pub use columns::SortValue;
pub use figures::{Faults, Figures};
pub use refusals::RefusedDocument;

pub(crate) use columns::InternedColumn;
pub(crate) use documents::{Changes, Documents, Facts, IdTable};
pub(crate) use numbers::{Bounds, Numbers};
pub(crate) use order::{head_of, to_successor};
pub(crate) use pairs::{Pair, pairs_of};
pub(crate) use postings::{END, PostingCursor};
pub(crate) use shapes::Shapes;
pub(crate) use tags::{TagEntry, Tags};
pub(crate) use terms::{Term, TermWalk, Terms};
pub(crate) use vectors::{GraphSearch, Near, Nearest, SearchOutcome, Vectors};

use refusals::Refusals;
use std::collections::BTreeMap;
use std::ops::Bound;

use roaring::RoaringBitmap;

use crate::hit::DocumentId;
use crate::schema::{Field, FieldKind, Schema};
use crate::text::TextSettings;
use columns::Column;
use documents::LongValues;
use put::Room;

/// The part of an index that belongs to a field.
#[derive(Debug)]
pub(crate) enum Part {
    /// The bit of a text field; the words are in the dictionary.
    Text(u8),
    Tags(Tags),
    /// Of NUMERIC and GEO.
    Numbers(Numbers),
    Vectors(Box<Vectors>),
    Shapes(Box<Shapes>),
    /// NOINDEX.
    None,
}

/// All that an index keeps of a field.
#[derive(Debug)]
struct FieldState {
    part: Part,
    /// INDEXMISSING: the documents without it.
    missing: Option<RoaringBitmap>,
    column: Option<Column>,
    /// Of tags and shapes.
    long: LongValues,
    faults: Faults,
}

/// The names of the fields that have a document's score, language and payload.
#[derive(Clone, Copy, Default, Debug)]
pub struct Settings {
    pub score: Option<&'static [u8]>,
    pub language: Option<&'static [u8]>,
    pub payload: Option<&'static [u8]>,
}

/// The documents of a schema.
#[derive(Debug)]
pub struct Index {
    schema: Schema,
    fields: Vec<FieldState>,
    documents: Documents,
    terms: Terms,
    /// Groups of a word.
    synonyms: BTreeMap<Box<[u8]>, Vec<Box<[u8]>>>,
    /// Counts changes that give an unchanged text other entries.
    generation: u64,
    text_settings: TextSettings,
    faults: Faults,
    refusals: Refusals,
    /// Postings of terms.
    records: usize,
    room: Room,
    changes: Changes,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field's place in the schema.
    pub field: usize,
    /// In the words of RediSearch 2.10.
    pub message: Vec<u8>,
}

/// Whether a document is in the index now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Indexed,
    Refused(Refusal),
}

impl Index {
    /// An index without documents.
    pub fn new(schema: Schema) -> Index {
        let mut index = Index {
            fields: Vec::new(),
            documents: Documents::default(),
            terms: Terms::default(),
            synonyms: BTreeMap::new(),
            generation: 0,
            text_settings: TextSettings::default(),
            faults: Faults::default(),
            refusals: Refusals::default(),
            records: 0,
            room: Room::default(),
            changes: Changes::default(),
            schema,
        };
        index.add_states();
        index
    }

    /// How texts are analysed, from the next document on.
    pub fn set_text_settings(&mut self, settings: TextSettings) {
        self.text_settings = settings;
    }

    pub fn text_settings(&self) -> TextSettings {
        self.text_settings
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Names the fields of documents with their score, language and payload, which the definition
    /// does not name yet: documents that are put from now on are read for them. Returns whether any
    /// were new.
    pub fn name_settings(&mut self, settings: Settings) -> bool {
        let schema = &mut self.schema;
        let name = |field: &mut Option<Vec<u8>>, named: Option<&[u8]>| {
            let is_new = field.is_none() && named.is_some();
            if is_new {
                *field = named.map(<[u8]>::to_vec);
            }
            is_new
        };
        // Each of them, whatever the others are.
        name(&mut schema.score_field, settings.score)
            | name(&mut schema.language_field, settings.language)
            | name(&mut schema.payload_field, settings.payload)
    }

    /// Counts a document that it lacks for a reason of the server's.
    pub fn count_fault(&mut self, message: &[u8], key: &[u8]) {
        self.faults.count(message, key);
    }

    /// The documents that the index refused, the latest last; at most 128.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = &RefusedDocument> {
        self.refusals.iter()
    }

    /// FT.ALTER: further fields. They are empty until the documents are put again.
    pub fn add_fields(&mut self, fields: Vec<Field>) {
        self.schema.fields.extend(fields);
        self.generation += 1;
        self.add_states();
    }

    /// States for the fields that have none yet.
    fn add_states(&mut self) {
        for place in self.fields.len()..self.schema.fields.len() {
            let field = &self.schema.fields[place];
            let texts = |field: &&Field| matches!(field.kind, FieldKind::Text(_));
            let bit = self.schema.fields[..place].iter().filter(texts).count();
            let part = match &field.kind {
                _ if field.no_index => Part::None,
                FieldKind::Text(_) => Part::Text(bit as u8),
                FieldKind::Tag(options) => Part::Tags(Tags::new(options.has_suffixes)),
                FieldKind::Number | FieldKind::Geo => Part::Numbers(Numbers::default()),
                FieldKind::Vector(options) => Part::Vectors(Box::new(Vectors::new(*options))),
                FieldKind::Shape(space) => Part::Shapes(Box::new(Shapes::new(*space))),
            };
            let column = field.is_sortable.then(|| match field.kind {
                FieldKind::Number => Column::Numbers(Vec::new()),
                FieldKind::Tag(_) => Column::Tags {
                    values: InternedColumn::default(),
                    is_unnormalised: field.is_unnormalised,
                },
                _ => Column::Texts {
                    texts: Vec::new(),
                    is_unnormalised: field.is_unnormalised || matches!(field.kind, FieldKind::Geo),
                    bytes: 0,
                },
            });
            self.fields.push(FieldState {
                part,
                missing: field.indexes_missing.then(RoaringBitmap::new),
                column,
                long: LongValues::default(),
                faults: Faults::default(),
            });
        }
    }

    /// FT.SYNUPDATE: adds words to a group. Documents that hold them are found by the group when
    /// they are put again.
    pub fn set_synonyms(&mut self, group: &[u8], words: impl IntoIterator<Item = Vec<u8>>) {
        for word in words {
            let word = crate::text::in_small_letters(&word);
            let groups = self.synonyms.entry(word.into()).or_default();
            if !groups.iter().any(|known| **known == *group) {
                groups.push(group.into());
            }
        }
        self.generation += 1;
    }

    /// Words that have synonyms, with their groups, in the order of the words.
    pub fn synonyms(&self) -> impl Iterator<Item = (&[u8], &[Box<[u8]>])> {
        self.synonyms_from(b"")
    }

    /// How many words have synonyms.
    pub fn synonym_count(&self) -> usize {
        self.synonyms.len()
    }

    /// The same from a word on. O(log n) for the first.
    pub fn synonyms_from(&self, from: &[u8]) -> impl Iterator<Item = (&[u8], &[Box<[u8]>])> {
        let rest = (Bound::Included(from), Bound::Unbounded);
        let rest = self.synonyms.range::<[u8], _>(rest);
        rest.map(|(word, groups)| (&**word, groups.as_slice()))
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    pub fn has(&self, key: &[u8]) -> bool {
        self.documents.find(key).is_some()
    }

    /// The key of a living document.
    ///
    /// # Panics
    ///
    /// If the document is gone.
    pub fn key(&self, id: DocumentId) -> &[u8] {
        self.documents.key(id.0)
    }

    /// The key of a document. `None`: it is gone.
    pub fn living_key(&self, id: DocumentId) -> Option<&[u8]> {
        let alive = self.documents.alive().get(id.0 as usize / 64)?;
        (alive >> (id.0 % 64) & 1 == 1).then(|| self.documents.key(id.0))
    }

    /// Prefetches what [`Index::living_key`] reads.
    pub fn prefetch_key(&self, id: DocumentId) {
        self.documents.prefetch(id.0);
    }

    /// A number above the numbers of all documents.
    pub fn documents_end(&self) -> u32 {
        self.documents.end()
    }

    /// The keys of all documents, by their numbers. O(n).
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let alive = self.documents.alive().iter().enumerate();
        let numbers = alive.flat_map(|(at, word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| (at * 64) as u32 + bit)
        });
        numbers.map(|number| self.documents.key(number))
    }

    pub fn id(&self, key: &[u8]) -> Option<DocumentId> {
        self.documents.find(key).map(DocumentId)
    }

    /// The value of PAYLOAD_FIELD.
    pub fn payload(&self, id: DocumentId) -> Option<&[u8]> {
        self.documents.payload(id.0)
    }

    /// The score of a document, 0 to 1.
    pub fn document_score(&self, id: DocumentId) -> f64 {
        f64::from(self.documents.facts(id.0).score)
    }

    /// The value of a SORTABLE field of a document; `None`: it has none, or the field is another.
    pub fn sort_value(&self, id: DocumentId, field: usize) -> Option<SortValue<'_>> {
        self.fields.get(field)?.column.as_ref()?.get(id.0)
    }

    /// The numbers that stand for equal values of a SORTABLE field; `None`: it has none.
    pub(crate) fn interned(&self, field: usize) -> Option<&InternedColumn> {
        self.fields.get(field)?.column.as_ref()?.interned()
    }

    /// Terms of texts, and a few that are gone. O(1).
    pub fn term_count(&self) -> usize {
        self.terms.end() as usize
    }

    /// Tags of a field; 0 of another. O(1).
    pub fn tag_count(&self, field: &[u8]) -> usize {
        match self.part(field) {
            Some((_, Part::Tags(tags))) => tags.len(),
            _ => 0,
        }
    }

    /// FT.TAGVALS: the tags of a field by number, from `from` on. Fields of other types have none.
    pub fn tags_from(&self, field: usize, from: u32) -> impl Iterator<Item = (u32, &[u8])> {
        let tags = match self.fields.get(field).map(|field| &field.part) {
            Some(Part::Tags(tags)) => Some(tags),
            _ => None,
        };
        let all = tags.into_iter().flat_map(move |tags| {
            let numbers = from..tags.end();
            numbers.filter_map(move |number| Some((number, tags.known(number)?)))
        });
        all.map(|(number, tag)| (number, &*tag.text))
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The part of a field, with the field's place; `None`: the schema has no field of this name.
    pub(crate) fn part(&self, name: &[u8]) -> Option<(usize, &Part)> {
        let (place, _) = self.schema.field(name)?;
        Some((place, &self.fields[place].part))
    }

    /// The part of the field at a place of the schema.
    pub(crate) fn part_at(&self, place: usize) -> &Part {
        &self.fields[place].part
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether there is a document of a number.
    pub(crate) fn is_alive(&self, id: u32) -> bool {
        let word = self.documents.alive().get(id as usize / 64);
        word.is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// The numbers of a living document in the field at a place. O(the document's record).
    pub(crate) fn numbers_of(&self, id: u32, place: usize, out: &mut Vec<f64>) {
        let mut traces = self.documents.traces(id);
        traces.text_hash();
        let mut ids = Vec::new();
        traces.ids(&mut ids);
        for state in &self.fields[..place] {
            match state.part {
                Part::Tags(_) => traces.ids(&mut ids),
                Part::Numbers(_) => traces.numbers(out),
                _ => {}
            }
        }
        traces.numbers(out);
    }

    pub(crate) fn missing(&self, field: usize) -> Option<&RoaringBitmap> {
        self.fields[field].missing.as_ref()
    }
}
