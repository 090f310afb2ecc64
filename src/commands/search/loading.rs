//! Fields of documents that replies and stages ask for.
//!
//! Of a hash they are its texts. Of JSON dialects 1 and 2 have the first value that a path finds:
//! numbers and truths as numbers, arrays and objects as their text; dialects 3 and 4 an array of
//! all of them, of which the first counts, or of an array its first one.

use crate::server::search::documents::{AnyDocument, JsonDocument, text_of_fields};
use russet_json::{Format, Kind, PathCache, Value as Json, View};
use russet_keyspace::{Db, DbIndex, Keyspace};
use russet_search::expression::{Several, Value};
use russet_search::hit::Hit;
use russet_search::index::Index;
use russet_search::pipeline::Loader;
use russet_search::schema::KeyType;
use std::cell::RefCell;

/// The documents of an index.
pub(super) struct Reader<'k> {
    pub(super) db: RefCell<Db<'k>>,
    pub(super) paths: RefCell<&'k mut PathCache>,
    pub(super) key_type: KeyType,
    /// Dialects 3 and 4: all values that a path finds.
    pub(super) has_all: bool,
}

impl<'k> Reader<'k> {
    pub(super) fn new(
        keyspace: &'k mut Keyspace,
        db: DbIndex,
        paths: &'k mut PathCache,
        key_type: KeyType,
        has_all: bool,
    ) -> Reader<'k> {
        Reader {
            db: RefCell::new(keyspace.db(db)),
            paths: RefCell::new(paths),
            key_type,
            has_all,
        }
    }

    /// Calls `read` with a document. `None`: there is none of the index's type.
    pub(super) fn with<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&AnyDocument<'_>) -> T,
    ) -> Option<T> {
        let (db, mut paths) = (self.db.borrow(), self.paths.borrow_mut());
        let document = AnyDocument::at(&db, key, self.key_type, &mut paths)?;
        Some(read(&document))
    }

    /// Prefetches documents that are read next.
    pub(super) fn prefetch(&self, index: &Index, hits: &[Hit]) {
        let keys = hits.iter().filter_map(|hit| index.living_key(hit.document));
        self.db.borrow().prefetch(keys);
    }

    fn value(&self, document: &AnyDocument<'_>, path: &[u8]) -> Option<Value> {
        match document {
            AnyDocument::Hash(hash) => hash.value(path).map(Value::Text),
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
    json.each(path, |value| texts.push(printed(value)));
    (!texts.is_empty()).then(|| [b"[", &*texts.join(&b','), b"]"].concat())
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
