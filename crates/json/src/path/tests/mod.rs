//! Tests of paths over documents of `serde_json`, and the code that the tests share.
//!
//! The members of these documents are sorted by name.

mod bounds;
mod edits;
mod errors;
mod properties;
mod rules;

use serde_json::{Value, json};

use super::*;
use crate::view::{Kind, Number};

impl<'a> View<'a> for &'a Value {
    fn kind(self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(bool) => Kind::Bool(*bool),
            Value::Number(number) => Kind::Number(match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Number::Signed(integer),
                (None, Some(integer)) => Number::Unsigned(integer),
                _ => Number::Float(number.as_f64().unwrap()),
            }),
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Array,
            Value::Object(_) => Kind::Object,
        }
    }

    fn text(self) -> Option<&'a str> {
        self.as_str()
    }

    fn len(self) -> usize {
        match self {
            Value::Array(elements) => elements.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        }
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        match self {
            Value::Array(elements) => elements.get(ordinal),
            Value::Object(members) => members.values().nth(ordinal),
            _ => None,
        }
    }

    fn member(self, name: &str) -> Option<(usize, Self)> {
        let members = self.as_object()?;
        let ordinal = members.keys().position(|own| own == name)?;
        Some((ordinal, &members[name]))
    }

    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        let elements = self
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| (None, value));
        let members = self.as_object().into_iter().flatten();
        elements.chain(members.map(|(name, value)| (Some(name.as_str()), value)))
    }
}

/// A value as `serde_json` has it, to compare and to print.
fn to_json<'a, V: View<'a>>(value: V) -> Value {
    match value.kind() {
        Kind::Null => Value::Null,
        Kind::Bool(bool) => Value::Bool(bool),
        Kind::Number(Number::Signed(integer)) => json!(integer),
        Kind::Number(Number::Unsigned(integer)) => json!(integer),
        Kind::Number(Number::Float(float)) => json!(float),
        Kind::String => json!(value.text().unwrap()),
        Kind::Array => value.children().map(|(_, child)| to_json(child)).collect(),
        Kind::Object => {
            let member =
                |(name, child): (Option<&str>, V)| (name.unwrap().to_owned(), to_json(child));
            Value::Object(value.children().map(member).collect())
        }
    }
}

/// Less than in the server, so that tests reach it soon.
fn budget() -> Budget {
    Budget::new(1 << 21)
}

/// Results of a path as compact JSON, or its error.
fn results(document: &Value, path: &str) -> String {
    let path = match Path::parse(path) {
        Ok(path) => path,
        Err(error) => return error.to_string(),
    };
    let results: Vec<Value> = match path.results(document, &budget()) {
        Ok(results) => results
            .iter()
            .map(|found| match found {
                PathResult::At(value) => to_json(*value),
                PathResult::Computed(value) => to_json(value),
            })
            .collect(),
        Err(error) => return error.to_string(),
    };
    Value::from(results).to_string()
}

/// Each row: a path, and its results.
#[track_caller]
fn table(document: &Value, rows: &[(&str, &str)]) {
    for (path, expected) in rows {
        assert_eq!(results(document, path), *expected, "{path} of {document}");
    }
}
