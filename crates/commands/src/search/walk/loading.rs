//! Fields of documents that replies and stages ask for.
//!
//! A field of a hash is its text. A field of a JSON document is in dialects 1 and 2 the first value
//! that the path finds: numbers and booleans as numbers, arrays and objects as text. In dialects 3
//! and 4 it is an array of all values, of which the first counts; if the first is an array, that
//! array's first element counts.

use russet_json::{Format, Kind, PathCache, Value as Json, View};
use russet_keyspace::{AnyRef, Db};
use russet_search::expression::{Several, Value};
use russet_search::hit::DocumentId;
use russet_search::index::Index;
use russet_search::pipeline::Loader;
use russet_search::schema::KeyType;
use russet_server::search::documents::{AnyDocument, JsonDocument, text_of_fields};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};

/// The documents of an index.
pub(crate) struct Reader<'d> {
    db: &'d Db<'d>,
    paths: RefCell<&'d mut PathCache>,
    key_type: KeyType,
    /// Dialects 3 and 4: all values that a path finds.
    has_all: bool,
    /// Documents that were found before they are read, by the addresses of their keys in the index.
    ahead: RefCell<SmallVec<[(usize, AnyRef<'d>); 16]>>,
    /// The entry of `ahead` that was read last.
    last: Cell<usize>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(
        db: &'d Db<'d>,
        paths: &'d mut PathCache,
        key_type: KeyType,
        has_all: bool,
    ) -> Reader<'d> {
        Reader {
            db,
            paths: RefCell::new(paths),
            key_type,
            has_all,
            ahead: RefCell::default(),
            last: Cell::new(0),
        }
    }

    /// Calls `read` with a document. `None`: there is none of the index's type.
    pub(crate) fn with<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&AnyDocument<'_>) -> T,
    ) -> Option<T> {
        let mut paths = self.paths.borrow_mut();
        let ahead = self.ahead.borrow();
        let document = match self.found(&ahead, key) {
            Some(found) => AnyDocument::of(self.db, found, self.key_type, &mut paths),
            None => AnyDocument::at(self.db, key, self.key_type, &mut paths),
        };
        Some(read(&document?))
    }

    /// A document that was found before.
    fn found<'a>(&self, ahead: &'a [(usize, AnyRef<'d>)], key: &[u8]) -> Option<&'a AnyRef<'d>> {
        let last = self.last.get();
        let address = key.as_ptr().addr();
        // As a rule the document is the last entry or the next.
        let after = ahead
            .iter()
            .skip(last)
            .position(|(its, _)| *its == address)?;
        self.last.set(last + after);
        Some(&ahead[last + after].1)
    }

    /// Finds documents that are read next, and prefetches them with these fields.
    pub(crate) fn find_ahead(
        &self,
        index: &Index,
        documents: impl Iterator<Item = DocumentId> + Clone,
        fields: &[Vec<u8>],
    ) {
        documents.clone().for_each(|id| index.prefetch_key(id));
        let keys: SmallVec<[&[u8]; 16]> = documents.filter_map(|id| index.living_key(id)).collect();
        let found = self.db.find_ahead(keys.iter().copied(), fields);
        let found = found.into_iter();
        let found = found.map(|(at, document)| (keys[at].as_ptr().addr(), document));
        *self.ahead.borrow_mut() = found.collect();
        self.last.set(0);
    }

    fn value(&self, document: &AnyDocument<'_>, path: &[u8]) -> Option<Value> {
        match document {
            AnyDocument::Hash(hash) => {
                let text = hash.text(path)?;
                Some(Value::Text(text.into_owned()))
            }
            AnyDocument::Json(json) if self.has_all => all_values(json, path),
            AnyDocument::Json(json) => first_value(json, path),
        }
    }
}

impl Loader for Reader<'_> {
    fn load(&self, key: &[u8], path: &[u8]) -> Option<Value> {
        self.with(key, |document| self.value(document, path))
            .flatten()
    }

    fn load_over(&self, key: &[u8], path: &[u8], value: &mut Option<Value>) {
        let old = value.take();
        let read = |document: &AnyDocument<'_>| match (document, old) {
            (AnyDocument::Hash(hash), Some(Value::Text(mut text))) => {
                let found = hash.text(path)?;
                text.clear();
                text.extend_from_slice(&found);
                Some(Value::Text(text))
            }
            (document, _) => self.value(document, path),
        };
        *value = self.with(key, read).flatten();
    }

    fn load_all(&self, key: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
        self.with(key, |document| match document {
            AnyDocument::Hash(hash) => text_of_fields(hash),
            AnyDocument::Json(json) => {
                let whole = if self.has_all {
                    several_texts(json, b"$").map(Value::Text)
                } else {
                    first_value(json, b"$")
                };
                whole
                    .map(|whole| (b"$".to_vec(), whole))
                    .into_iter()
                    .collect()
            }
        })
    }
}

/// The text of a value, as JSON.
fn printed(value: Json<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    value.print(&Format::default(), &mut text);
    text
}

fn first_value(json: &JsonDocument<'_>, path: &[u8]) -> Option<Value> {
    let mut first = None;
    json.each(path, |value| {
        first.get_or_insert(value);
    });
    first.map(value_of)
}

fn value_of(value: Json<'_>) -> Value {
    match value.kind() {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Number(f64::from(u8::from(value))),
        Kind::Number(number) => Value::Number(number.as_f64()),
        Kind::String => Value::Text(value.text().unwrap_or("").as_bytes().to_vec()),
        Kind::Array | Kind::Object => Value::Text(printed(value)),
    }
}

/// All values that a path finds, as the text of an array.
fn several_texts(json: &JsonDocument<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let mut texts = Vec::new();
    let is_whole = json.each(path, |value| texts.push(printed(value)));
    (is_whole && !texts.is_empty()).then(|| [b"[", &*texts.join(&b','), b"]"].concat())
}

fn all_values(json: &JsonDocument<'_>, path: &[u8]) -> Option<Value> {
    let mut first = None;
    json.each(path, |value| {
        first.get_or_insert_with(|| match value.kind() {
            Kind::Array => value.values().next().map(value_of),
            _ => Some(value_of(value)),
        });
    });
    // An empty array is none, as in Redis.
    let (first, text) = (first.flatten()?, several_texts(json, path)?);
    Some(Value::Several(Box::new(Several { first, text })))
}
