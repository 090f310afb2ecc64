//! Puts documents into an index, and removes them.
//!
//! The values of a document are first gathered, which may refuse it, and then put. Texts, long tags
//! and shapes are written only if their hash has changed; tags and numbers only as far as they
//! differ from the record.

use std::borrow::Cow;
use std::cmp::Ordering;

use russet_base::hashing::hash::keys;

use super::columns::NewValue;
use super::documents::{Facts, LongValues, TracesWriter};
use super::gather::{Values, for_each_tag, gather};
use super::terms::TermId;
use super::texts::{Analysis, Context, TextField};
use super::{Index, Numbers, Outcome, Part, Refusal, Shapes, Tags, shapes};
use crate::document::{Document, Item, PathValues};
use crate::hit::DocumentId;
use crate::schema::{Field, FieldKind, Schema};
use crate::text::Language;

/// Buffers for the work on a document, which the next document uses again.
#[derive(Debug, Default)]
pub(super) struct Room {
    analysis: Analysis,
    traces: TracesWriter,
    terms: Vec<TermId>,
    old_terms: Vec<TermId>,
    ids: Vec<u32>,
    old_ids: Vec<u32>,
    numbers: Vec<f64>,
    old_numbers: Vec<f64>,
}

/// A document is taken out of so many terms together.
const TOGETHER: usize = 32;

type FieldValues<'d> = Vec<(Values<'d>, Option<Cow<'d, [u8]>>)>;

impl Index {
    /// Puts a new document, or one that changed: all of it, or nothing. A refused document is
    /// removed, and counted with the field.
    pub fn put(&mut self, key: &[u8], document: &dyn Document) -> Outcome {
        let mut values = Vec::with_capacity(self.schema.fields.len());
        if let Err(refusal) = gather(&self.schema, document, &mut values) {
            return self.refuse(key, refusal);
        }
        self.refusals.forget(key);
        let mut room = std::mem::take(&mut self.room);
        self.put_values(key, document, &values, &mut room);
        self.room = room;
        Outcome::Indexed
    }

    fn refuse(&mut self, key: &[u8], refusal: Refusal) -> Outcome {
        self.remove(key);
        self.faults.count(&refusal.message, key);
        self.refusals.note(key, refusal.field, &refusal.message);
        self.fields[refusal.field]
            .faults
            .count(&refusal.message, key);
        Outcome::Refused(refusal)
    }

    fn put_values(
        &mut self,
        key: &[u8],
        document: &dyn Document,
        values: &FieldValues<'_>,
        room: &mut Room,
    ) {
        let known = self.documents.find(key);
        let id = known.unwrap_or_else(|| self.documents.next_number());
        let language = language_of(&self.schema, document);
        room.traces.clear();

        let hash = self.text_hash(language, values);
        let mut facts = Facts::default();
        let mut traces = known.map(|id| self.documents.traces(id));
        let old_hash = traces.as_mut().map(|traces| traces.text_hash());
        room.old_terms.clear();
        if let Some(traces) = &mut traces {
            traces.ids(&mut room.old_terms);
        }
        room.traces.text_hash(hash);
        if old_hash == Some(hash) {
            let kept = self.documents.facts(id);
            (facts.length, facts.frequency_max) = (kept.length, kept.frequency_max);
            room.traces.ids(room.old_terms.iter().copied());
        } else {
            self.put_texts(id, language, values, room, &mut facts);
        }
        self.put_fields((id, key), known.is_some(), values, room);
        facts.score = score_of(&self.schema, document);
        self.documents.put(id, key, &room.traces, facts);
        self.changes.note(id);
        let payload = self
            .schema
            .payload_field
            .as_ref()
            .and_then(|path| text_at(document, path));
        if payload.is_some() || known.is_some() {
            self.documents.set_payload(id, payload.as_deref());
        }
    }

    /// A hash of all that decides the entries of texts.
    fn text_hash(&self, language: Language, values: &FieldValues<'_>) -> u64 {
        let mut hash = self.generation << 8 | language.number();
        for (state, (values, _)) in self.fields.iter().zip(values) {
            if let (Part::Text(bit), Values::Texts(texts)) = (&state.part, values) {
                for text in texts {
                    let mixed = hash.rotate_left(7) ^ keys().hash(text) ^ u64::from(*bit);
                    hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                }
            }
        }
        hash
    }

    fn put_texts(
        &mut self,
        id: u32,
        language: Language,
        values: &FieldValues<'_>,
        room: &mut Room,
        facts: &mut Facts,
    ) {
        room.analysis.clear();
        for (place, (values, _)) in values.iter().enumerate() {
            let field = &self.schema.fields[place];
            let (Part::Text(bit), FieldKind::Text(options), Values::Texts(texts)) =
                (&self.fields[place].part, &field.kind, values)
            else {
                continue;
            };
            let of_field = TextField {
                bit: *bit,
                weight: options.weight,
                stems: !options.no_stem,
                sounds: options.phonetic.is_some(),
                has_suffixes: options.has_suffixes,
                keeps_empty: field.indexes_empty,
            };
            let mut context = Context {
                schema: &self.schema,
                terms: &mut self.terms,
                synonyms: &self.synonyms,
                language,
                settings: self.text_settings,
            };
            for (at, text) in texts.iter().enumerate() {
                room.analysis.add(&mut context, of_field, text, at > 0);
            }
        }
        room.terms.clear();
        let (terms, records) = (&mut self.terms, &mut self.records);
        let has_offsets = self.schema.has_offsets;
        let put = |term: TermId, entry: &super::postings::Entry<'_>| {
            let is_new = terms.put(term, id, entry, has_offsets);
            *records += usize::from(is_new);
            room.terms.push(term);
        };
        facts.frequency_max = room.analysis.for_each_term(&self.schema, put);
        facts.length = room.analysis.length;
        room.old_terms
            .retain(|term| room.terms.binary_search(term).is_err());
        self.remove_terms(&room.old_terms, id);
        room.traces.ids(room.terms.iter().copied());
    }

    /// Takes a document out of the postings of some terms.
    fn remove_terms(&mut self, terms: &[TermId], id: u32) {
        // Each step of a removal reads what lies anywhere in memory: the same step of some terms is
        // made together, and memory answers to all of them at once.
        for terms in terms.chunks(TOGETHER) {
            terms.iter().for_each(|term| self.terms.prefetch(*term));
            let mut blocks = [0; TOGETHER];
            for (term, block) in terms.iter().zip(&mut blocks) {
                let postings = &self.terms.get(*term).postings;
                *block = postings.block_of(id);
                postings.prefetch(*block);
            }
            for (term, block) in terms.iter().zip(blocks) {
                let is_there = self.terms.remove(*term, block, id, self.schema.has_offsets);
                self.records -= usize::from(is_there);
            }
        }
        terms.iter().for_each(|term| self.terms.release(*term));
    }

    fn put_fields(
        &mut self,
        (id, key): (u32, &[u8]),
        is_known: bool,
        values: &FieldValues<'_>,
        room: &mut Room,
    ) {
        let mut old = is_known.then(|| self.documents.traces(id));
        if let Some(old) = &mut old {
            old.text_hash();
            old.ids(&mut room.old_ids);
        }
        for (place, (values, sorted)) in values.iter().enumerate() {
            let (field, state) = (&self.schema.fields[place], &mut self.fields[place]);
            if let Some(missing) = &mut state.missing {
                if matches!(values, Values::Missing) {
                    missing.insert(id);
                } else {
                    missing.remove(id);
                }
            }
            if let Some(column) = &mut state.column {
                column.put(
                    id,
                    match (values, sorted) {
                        (Values::Numbers(numbers), _)
                            if matches!(field.kind, FieldKind::Number) =>
                        {
                            numbers
                                .first()
                                .map_or(NewValue::None, |number| NewValue::Number(*number))
                        }
                        (_, Some(text)) => NewValue::Text(text),
                        _ => NewValue::None,
                    },
                );
            }
            match &mut state.part {
                Part::Tags(tags) => {
                    room.old_ids.clear();
                    if let Some(old) = &mut old {
                        old.ids(&mut room.old_ids);
                    }
                    if is_same(&mut state.long, id, values) {
                        room.traces.ids(room.old_ids.iter().copied());
                    } else {
                        put_tags(tags, field, id, values, room);
                    }
                }
                Part::Numbers(kept) => {
                    room.old_numbers.clear();
                    if let Some(old) = &mut old {
                        old.numbers(&mut room.old_numbers);
                    }
                    put_numbers(kept, id, values, room);
                }
                Part::Vectors(vectors) => match values {
                    Values::Vectors(rows) => vectors.put(id, rows),
                    _ => vectors.remove(id),
                },
                Part::Shapes(_) if is_same(&mut state.long, id, values) => {}
                Part::Shapes(shapes) => {
                    if let Err(message) = put_shape(shapes, field, id, values) {
                        // The document is indexed without it.
                        self.faults.count(&message, key);
                        state.faults.count(&message, key);
                    }
                }
                Part::Text(_) | Part::None => {}
            }
        }
    }

    /// Takes a document out; false: it is not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.refusals.forget(key);
        let Some(id) = self.documents.find(key) else {
            return false;
        };
        let mut room = std::mem::take(&mut self.room);
        let mut traces = self.documents.traces(id);
        traces.text_hash();
        traces.ids(&mut room.old_terms);
        for state in &mut self.fields {
            if let Some(missing) = &mut state.missing {
                missing.remove(id);
            }
            state.long.forget(id);
            if let Some(column) = &mut state.column {
                column.put(id, NewValue::None);
            }
            match &mut state.part {
                Part::Tags(tags) => {
                    traces.ids(&mut room.old_ids);
                    room.old_ids.iter().for_each(|tag| tags.remove(*tag, id));
                }
                Part::Numbers(numbers) => {
                    traces.numbers(&mut room.old_numbers);
                    room.old_numbers
                        .iter()
                        .for_each(|number| numbers.remove(*number, id));
                }
                Part::Vectors(vectors) => vectors.remove(id),
                Part::Shapes(shapes) => shapes.remove(id),
                Part::Text(_) | Part::None => {}
            }
        }
        self.remove_terms(&room.old_terms, id);
        self.documents.remove(id);
        self.changes.note(id);
        self.room = room;
        true
    }

    /// Gives a document another key; a document that has it is removed. False: no document has the
    /// key `old`.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> bool {
        let Some(DocumentId(id)) = self.id(old) else {
            return false;
        };
        if old != new {
            self.remove(new);
            self.documents.rename(id, new);
        }
        true
    }
}

/// Whether the value of a document's field is long, and the same as before.
fn is_same(long: &mut LongValues, id: u32, values: &Values<'_>) -> bool {
    match values {
        Values::Texts(texts) => long.is_same(id, texts.iter().map(|text| &**text)),
        Values::Shape(text) => long.is_same(id, std::iter::once(&**text)),
        _ => {
            long.forget(id);
            false
        }
    }
}

/// Puts the tags of a document in place of `room.old_ids`.
fn put_tags(tags: &mut Tags, field: &Field, id: u32, values: &Values<'_>, room: &mut Room) {
    room.ids.clear();
    if let (Values::Texts(texts), FieldKind::Tag(options)) = (values, &field.kind) {
        for text in texts {
            let put = |tag: &[u8]| room.ids.push(tags.put(tag, id));
            for_each_tag(options, field.indexes_empty, text, put);
        }
    }
    room.ids.sort_unstable();
    room.ids.dedup();
    for tag in &room.old_ids {
        if room.ids.binary_search(tag).is_err() {
            tags.remove(*tag, id);
        }
    }
    room.traces.ids(room.ids.iter().copied());
}

/// Puts the numbers of a document in place of `room.old_numbers`, which are sorted.
fn put_numbers(kept: &mut Numbers, id: u32, values: &Values<'_>, room: &mut Room) {
    room.numbers.clear();
    if let Values::Numbers(numbers) = values {
        room.numbers.extend_from_slice(numbers);
    }
    // Once sorted, old and new numbers are compared in a single walk over both.
    room.numbers.sort_unstable_by(f64::total_cmp);
    room.numbers.dedup();
    let change = |number, is_new| {
        if is_new {
            kept.put(number, id);
        } else {
            kept.remove(number, id);
        }
    };
    compare(&room.old_numbers, &room.numbers, change);
    room.traces.numbers(&room.numbers);
}

/// Puts or replaces the shape of a document, or says why the text is no shape.
fn put_shape(
    shapes: &mut Shapes,
    field: &Field,
    id: u32,
    values: &Values<'_>,
) -> Result<(), Vec<u8>> {
    let (Values::Shape(text), FieldKind::Shape(space)) = (values, &field.kind) else {
        shapes.remove(id);
        return Ok(());
    };
    match shapes::parse(text, *space) {
        Ok(shape) => shapes.put(id, &shape),
        Err(why) => {
            shapes.remove(id);
            return Err([b"Error indexing geoshape: ", &*why].concat());
        }
    }
    Ok(())
}

/// Calls `each` with the numbers that a single one of two ascending lists has, and whether that is
/// the second. O(n).
fn compare(old: &[f64], new: &[f64], mut each: impl FnMut(f64, bool)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => a.total_cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        // If they are equal, both lists advance.
        let before = old.next_if(|_| order != Ordering::Greater);
        let after = new.next_if(|_| order != Ordering::Less);
        match (before, after) {
            (Some(number), None) => each(*number, false),
            (None, Some(number)) => each(*number, true),
            _ => {}
        }
    }
}

fn text_at<'d>(document: &'d dyn Document, path: &[u8]) -> Option<Cow<'d, [u8]>> {
    match document.find(path) {
        PathValues::One(Item::Text(text)) => Some(text),
        _ => None,
    }
}

/// The language that a document names, or the index's.
fn language_of(schema: &Schema, document: &dyn Document) -> Language {
    let named = schema
        .language_field
        .as_ref()
        .and_then(|path| text_at(document, path));
    named
        .and_then(|name| Language::named(&name))
        .unwrap_or(schema.language)
}

/// The score that a document names, if it is valid, or the index's score.
fn score_of(schema: &Schema, document: &dyn Document) -> f32 {
    let named = schema
        .score_field
        .as_ref()
        .and_then(|path| match document.find(path) {
            PathValues::One(Item::Text(text)) => russet_base::numbers::float::parse_double(&text),
            PathValues::One(Item::Number(number)) => Some(number),
            _ => None,
        });
    named.unwrap_or(schema.score) as f32
}
