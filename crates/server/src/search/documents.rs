//! Hashes and JSON documents as an index reads them.
//!
//! Expired fields are left out. Paths of JSON are compiled once (`json_paths`); a path that cannot
//! be compiled finds nothing.

use std::borrow::Cow;
use std::cell::RefCell;

use russet_json::{Budget, Kind, Path, PathCache, Value, View};
use russet_keyspace::{AnyRef, Db, Ref};
use russet_search::document::{Document, Item, PathValues};
use russet_search::expression::Value as Text;
use russet_search::schema::KeyType;
use russet_search::schema::parse::JsonPath;
use russet_types::{Entry, Hash, Json, Type};

/// A hash.
pub struct HashDocument<'k> {
    hash: Ref<'k, Hash>,
    now_ms: u64,
}

/// A JSON document.
pub struct JsonDocument<'k> {
    json: Ref<'k, Json>,
    paths: RefCell<&'k mut PathCache>,
}

/// A document of either type.
pub enum AnyDocument<'k> {
    Hash(HashDocument<'k>),
    Json(JsonDocument<'k>),
}

impl<'k> AnyDocument<'k> {
    /// The document at a key; `None`: there is none of this type.
    pub fn at(
        db: &'k Db<'_>,
        key: &[u8],
        key_type: KeyType,
        paths: &'k mut PathCache,
    ) -> Option<AnyDocument<'k>> {
        Some(match key_type {
            KeyType::Hash => AnyDocument::of_hash(db, db.peek(key).ok().flatten()?),
            KeyType::Json => AnyDocument::of_json(db.peek(key).ok().flatten()?, paths),
        })
    }

    /// The document that a container of the database is; `None`: it is of another type.
    pub fn of(
        db: &Db<'_>,
        found: &'k AnyRef<'_>,
        key_type: KeyType,
        paths: &'k mut PathCache,
    ) -> Option<AnyDocument<'k>> {
        match (key_type, found.kind()) {
            (KeyType::Hash, Type::Hash) => Some(AnyDocument::of_hash(db, found.read())),
            (KeyType::Json, Type::Json) => Some(AnyDocument::of_json(found.read(), paths)),
            _ => None,
        }
    }

    fn of_hash(db: &Db<'_>, hash: Ref<'k, Hash>) -> AnyDocument<'k> {
        let now_ms = db.due_ms().max(0) as u64;
        AnyDocument::Hash(HashDocument { hash, now_ms })
    }

    fn of_json(json: Ref<'k, Json>, paths: &'k mut PathCache) -> AnyDocument<'k> {
        let paths = RefCell::new(paths);
        AnyDocument::Json(JsonDocument { json, paths })
    }
}

impl Document for AnyDocument<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        match self {
            AnyDocument::Hash(document) => document.find(path),
            AnyDocument::Json(document) => document.find(path),
        }
    }
}

/// The bytes of a field's name or value.
pub fn text_of(entry: Entry<'_>) -> Cow<'_, [u8]> {
    match entry {
        Entry::Str(text) => Cow::Borrowed(text),
        Entry::Int(n) => Cow::Owned(n.to_string().into_bytes()),
    }
}

impl HashDocument<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        match self.hash.get(path) {
            Some(field) if !field.expired(self.now_ms) => {
                PathValues::One(Item::Text(text_of(field.value)))
            }
            _ => PathValues::Nothing,
        }
    }

    /// The value of a field.
    pub fn text(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let field = self.hash.get(name)?;
        (!field.expired(self.now_ms)).then(|| text_of(field.value))
    }
}

/// The fields of a hash with their values, in its order.
pub fn text_of_fields(document: &HashDocument<'_>) -> Vec<(Vec<u8>, Text)> {
    let mut fields = Vec::new();
    document.hash.visit(|field| {
        if !field.expired(document.now_ms) {
            let value = Text::Text(text_of(field.value).into_owned());
            fields.push((text_of(field.name).into_owned(), value));
        }
        true
    });
    fields
}

impl JsonDocument<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let mut items = Vec::new();
        let is_whole = self.each(path, |value| items.push(item_of(value)));
        if !is_whole {
            return PathValues::Nothing;
        }
        match items.len() {
            0 => PathValues::Nothing,
            1 => items.pop().map_or(PathValues::Nothing, PathValues::One),
            _ => PathValues::Several(items),
        }
    }

    /// Calls `take` with each value that a path finds. `false`: the path takes too long, and these
    /// are not all.
    pub fn each<'d>(&'d self, path: &[u8], mut take: impl FnMut(Value<'d>)) -> bool {
        let Ok(text) = std::str::from_utf8(path) else {
            return true;
        };
        let compiled = self.paths.borrow_mut().get(text);
        if let Ok(path) = compiled {
            // Documents are read in sequence, and no document holds the others for long.
            let budget = Budget::linear(self.json.memory_bytes());
            let root = self.json.root();
            return path
                .each(root, &budget, |value| {
                    take(value);
                    Ok(())
                })
                .is_ok();
        }
        true
    }
}

/// Whether a text is a path, and whether the values that it finds have an order.
pub fn check_path(text: &[u8]) -> Option<JsonPath> {
    let text = std::str::from_utf8(text).ok()?;
    let path = Path::parse(text).ok()?;
    Some(if path.is_static() {
        JsonPath::Ordered
    } else {
        JsonPath::Unordered
    })
}

fn item_of<'d>(value: Value<'d>) -> Item<'d> {
    match value.kind() {
        Kind::Null => Item::Null,
        Kind::Bool(value) => Item::Bool(value),
        Kind::Number(number) => Item::Number(number.as_f64()),
        Kind::String => Item::Text(Cow::Borrowed(value.text().unwrap_or("").as_bytes())),
        Kind::Array => Item::List(value.values().map(item_of).collect()),
        Kind::Object => Item::Object,
    }
}
