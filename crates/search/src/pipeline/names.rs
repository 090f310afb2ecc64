//! The names of properties as places in rows.
//!
//! Names are looked up while the pipeline is built. Only `LOAD *` finds names later, too: the first
//! of them get places, the others stay with their rows.

use ahash::RandomState;
use hashbrown::HashMap;

use super::row::{Loader, Row, ValueRef};
use crate::expression::{Value, number_of};
use crate::index::{Index, SortValue};
use crate::request::{Format, Options};
use crate::schema::{FieldKind, KeyType, Schema};

/// Where a value is taken from if the row itself has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The row alone.
    Row,
    /// A SORTABLE field, as it is sorted.
    Sorted(usize),
    /// A SORTABLE field, as the document has it.
    Stored(usize),
}

/// A place in rows.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: Vec<u8>,
    pub(super) origin: Origin,
    /// Whether the reply has it.
    pub(super) is_shown: bool,
}

/// A field that is loaded into a place.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) place: usize,
    pub(super) path: Vec<u8>,
    /// A text of it is made a number.
    is_number: bool,
    /// `__key`: the key itself.
    is_key: bool,
    /// The SORTABLE field that has it, so that no document is read.
    stored: Option<usize>,
    /// A document without a value to sort by is read, because it may have a null.
    finds_null: bool,
}

/// The places of rows between two GROUPBYs.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) places: Vec<Place>,
    by_name: HashMap<Vec<u8>, usize, RandomState>,
    /// `LOAD *` was there: all fields of the schema may be used, and any others may come.
    pub(super) is_open: bool,
    /// FORMAT EXPAND: values come from the document, even if they are SORTABLE.
    is_expanded: bool,
    /// Dialects 1 and 2: a null of JSON is shown.
    shows_nulls: bool,
}

/// `LOAD *` gives places to names that it finds as long as there are no more places than this: a
/// row has room for all of them. Fields of further names are the row's own, so that rows of
/// documents with names of their own take no more than their fields.
const FOUND_MAX: usize = 64;

/// The name of a document's key.
pub(super) const KEY: &[u8] = b"__key";

impl Names {
    /// No names yet, of a request.
    pub(super) fn of(options: &Options) -> Names {
        Names {
            is_expanded: options.format == Format::Expand,
            shows_nulls: !options.dialect.returns_all(),
            ..Names::default()
        }
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The place of a name, which is shown from now on.
    pub(super) fn place(&mut self, name: &[u8]) -> usize {
        self.place_from(name, Origin::Row)
    }

    pub(super) fn place_from(&mut self, name: &[u8], origin: Origin) -> usize {
        if let Some(place) = self.find(name) {
            self.places[place].is_shown = true;
            return place;
        }
        self.places.push(Place {
            name: name.to_vec(),
            origin,
            is_shown: true,
        });
        self.by_name.insert(name.to_vec(), self.places.len() - 1);
        self.places.len() - 1
    }

    /// The place of a property that is there, or that needs no document to be there.
    pub(super) fn known(&mut self, name: &[u8], schema: Option<&Schema>) -> Option<usize> {
        if let Some(place) = self.find(name) {
            self.places[place].is_shown = true;
            return Some(place);
        }
        match schema.and_then(|schema| schema.field(name)) {
            Some((at, field)) if field.is_sortable => {
                Some(self.place_from(name, Origin::Sorted(at)))
            }
            Some(_) if self.is_open => Some(self.place(name)),
            _ => None,
        }
    }

    /// The place of a property that is known or a field of the schema; a field that has to be
    /// loaded is added to `loads`.
    pub(super) fn field(
        &mut self,
        name: &[u8],
        schema: Option<&Schema>,
        loads: &mut Vec<Load>,
    ) -> Option<usize> {
        if let Some(place) = self.known(name, schema) {
            return Some(place);
        }
        schema?.field(name)?;
        loads.extend(self.load(name, name, schema));
        self.find(name)
    }

    /// Loads the field of a name, or the value at a path, into the place of another name. `None`:
    /// the place has it without a step of the pipeline.
    pub(super) fn load(
        &mut self,
        path: &[u8],
        name: &[u8],
        schema: Option<&Schema>,
    ) -> Option<Load> {
        let field = schema.and_then(|schema| schema.field(path));
        let is_hash = schema.is_some_and(|schema| schema.key_type == KeyType::Hash);
        let is_stored = is_hash || !self.is_expanded;
        let stored = field.filter(|(_, field)| is_stored && field.is_sortable);
        let stored = stored.map(|(at, _)| at);
        let is_new = self.find(name).is_none();
        let place = match stored {
            Some(at) => self.place_from(name, Origin::Stored(at)),
            None => self.place(name),
        };
        let finds_null = stored.is_some() && !is_hash && self.shows_nulls;
        if is_new && stored.is_some() && !finds_null {
            return None;
        }
        Some(Load {
            place,
            path: field.map_or(path, |(_, field)| &field.path).to_vec(),
            is_number: field.is_some_and(|(_, field)| matches!(field.kind, FieldKind::Number)),
            is_key: path == KEY,
            stored,
            finds_null,
        })
    }

    /// The SORTABLE field that a place is taken from, if the row itself has no value for it.
    pub(super) fn sorted_field(&self, place: usize) -> Option<usize> {
        match self.places[place].origin {
            Origin::Sorted(field) => Some(field),
            Origin::Row | Origin::Stored(_) => None,
        }
    }

    /// Puts a field that `LOAD *` has found, here or at a shard, into a row; `shows`: the reply
    /// has it from now on.
    pub(super) fn put(&mut self, row: &mut Row, name: &[u8], value: Value, shows: bool) {
        match self.find(name) {
            Some(place) => {
                self.places[place].is_shown |= shows;
                row.set(place, value);
            }
            None if self.places.len() < FOUND_MAX => {
                let place = self.place(name);
                row.set(place, value);
            }
            None => row.others.push((name.into(), value)),
        }
    }

    /// The value at a place of a row.
    pub(super) fn value<'r>(
        &self,
        row: &'r Row,
        place: usize,
        index: &'r Index,
    ) -> Option<ValueRef<'r>> {
        if let Some(Some(value)) = row.values.get(place) {
            return Some(ValueRef::of(value));
        }
        let (field, is_sorted) = match self.places[place].origin {
            Origin::Row => return None,
            Origin::Sorted(field) => (field, true),
            Origin::Stored(field) => (field, false),
        };
        match index.sort_value(row.document?, field)? {
            SortValue::Number(n) => Some(ValueRef::Number(n)),
            SortValue::Text { sorted, .. } if is_sorted => Some(ValueRef::Text(sorted)),
            SortValue::Text { original, .. } => Some(ValueRef::Text(original)),
        }
    }
}

impl Load {
    /// Whether it takes a look at the document.
    pub(super) fn reads_document(&self) -> bool {
        self.stored.is_none() && !self.is_key
    }

    /// The field's name in a hash, or the path in a JSON document.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Reads the field of a row's document.
    pub(super) fn run(&self, row: &mut Row, index: &Index, loader: &dyn Loader) {
        let Some(document) = row.document else {
            return;
        };
        if let Some(field) = self.stored {
            match index.sort_value(document, field) {
                Some(SortValue::Number(n)) => row.set(self.place, Value::Number(n)),
                Some(SortValue::Text { original, .. }) => {
                    row.set(self.place, Value::Text(original.to_vec()));
                }
                None if self.finds_null => {
                    let key = index.living_key(document);
                    let value = key.and_then(|key| loader.load(key, &self.path));
                    if value == Some(Value::Null) {
                        row.set(self.place, Value::Null);
                    }
                }
                None => {}
            }
            return;
        }
        let Some(key) = index.living_key(document) else {
            return;
        };
        if self.is_key {
            row.set(self.place, Value::Text(key.to_vec()));
            return;
        }
        if let Some(mut value) = loader.load(key, &self.path) {
            self.read_number(&mut value);
            row.set(self.place, value);
        }
    }

    /// As [`Load::run`], in a row that had another document.
    pub(super) fn run_over(&self, row: &mut Row, index: &Index, loader: &dyn Loader) {
        let document = row.document.filter(|_| self.reads_document());
        let key = document.and_then(|document| index.living_key(document));
        let value = row.at(self.place);
        let Some(key) = key else {
            *value = None;
            return self.run(row, index, loader);
        };
        loader.load_over(key, &self.path, value);
        if let Some(value) = value {
            self.read_number(value);
        }
    }

    fn read_number(&self, value: &mut Value) {
        if self.is_number
            && let Value::Text(text) = value
            && let Some(n) = number_of(text)
        {
            *value = Value::Number(n);
        }
    }
}
