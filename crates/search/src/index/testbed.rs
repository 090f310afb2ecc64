//! Schemas, documents and questions of tests.

use std::borrow::Cow;

use crate::document::{Document, Item, PathValues};
use crate::hit::Hit;
use crate::index::Index;
use crate::query::{Dialect, Node, Params, parse};
use crate::schema::{Field, FieldKind, Tag, Text};
use crate::search::Search;

/// A hash: names and values.
pub(crate) struct Hash<'h>(pub(crate) &'h [(&'h str, &'h str)]);

impl Document for Hash<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let found = self.0.iter().find(|(name, _)| name.as_bytes() == path);
        let text = found.map(|(_, text)| Item::Text(Cow::Borrowed(text.as_bytes())));
        text.map_or(PathValues::Nothing, PathValues::One)
    }
}

/// A field of a type, found by the field's name.
pub(crate) fn field(name: &str, kind: FieldKind) -> Field {
    Field {
        path: name.into(),
        name: name.into(),
        kind,
        is_sortable: false,
        is_unnormalised: false,
        no_index: false,
        indexes_missing: false,
        indexes_empty: false,
    }
}

pub(crate) fn text(name: &str, weight: f64) -> Field {
    let text = Text {
        weight,
        no_stem: false,
        phonetic: None,
        has_suffixes: false,
        has_no_order: false,
    };
    field(name, FieldKind::Text(text))
}

pub(crate) fn tag(name: &str) -> Field {
    let tag = Tag {
        separator: Some(b','),
        is_case_sensitive: false,
        has_suffixes: false,
    };
    field(name, FieldKind::Tag(tag))
}

/// The documents that a query of dialect 2 matches, by their keys.
pub(crate) fn hits(index: &Index, query: &str, search: &Search) -> Vec<(String, Hit)> {
    hits_with(index, query, search, &Params::new())
}

/// As [`hits`], with parameters.
pub(crate) fn hits_with(
    index: &Index,
    query: &str,
    search: &Search,
    params: &Params,
) -> Vec<(String, Hit)> {
    let dialect = Dialect::new(2).expect("a dialect");
    let root = parse(query.as_bytes(), dialect, index.schema(), params).expect("a query");
    let Some(root) = root else {
        return Vec::new();
    };
    let matches = index
        .matches(&index.expand(&root, search).expect("a query"), search)
        .expect("matches");
    let keyed = |hit: Hit| {
        let key = String::from_utf8_lossy(index.key(hit.document)).into_owned();
        (key, hit)
    };
    matches.map(keyed).collect()
}

/// The tree of a query of dialect 2.
pub(crate) fn root(index: &Index, query: &str) -> Node {
    let dialect = Dialect::new(2).expect("a dialect");
    let root = parse(query.as_bytes(), dialect, index.schema(), &Params::new());
    root.expect("a query").expect("words")
}
