//! The values that an index takes from a document, or why it is refused.
//!
//! The first field with a bad value refuses the document; messages are RediSearch 2.10's.
//!
//! Source: hashes and JSON documents put into Redis Stack 7.4.

use std::borrow::Cow;

use russet_base::numbers::float::parse_double;
use russet_encodings::geohash::Position;
use smallvec::SmallVec;

use super::Refusal;
use super::vectors::{self, RowsOf};
use crate::document::{Document, Item, PathValues};
use crate::schema::{Field, FieldKind, KeyType, Schema, Tag};
use crate::text::in_small_letters;

pub(crate) type Texts<'d> = SmallVec<[Cow<'d, [u8]>; 1]>;

/// The values of a field.
#[derive(Debug)]
pub(crate) enum Values<'d> {
    Missing,
    /// Of TEXT; or of TAG, not split yet.
    Texts(Texts<'d>),
    /// Of NUMERIC, or the geohashes of GEO.
    Numbers(SmallVec<[f64; 1]>),
    Vectors(RowsOf),
    /// GEOSHAPE: the text. A text that is no shape does not refuse the document.
    Shape(Cow<'d, [u8]>),
}

/// Gathers the values of a document, in the order of the schema's fields.
///
/// # Errors
///
/// The first field whose type does not take the value.
pub(crate) fn gather<'d>(
    schema: &Schema,
    document: &'d dyn Document,
    values: &mut Vec<(Values<'d>, Option<Cow<'d, [u8]>>)>,
) -> Result<(), Refusal> {
    values.clear();
    for (place, field) in schema.fields.iter().enumerate() {
        let found = document.find(&field.path);
        let taken = match schema.key_type {
            KeyType::Hash => of_hash(field, found),
            KeyType::Json => of_json(field, found),
        };
        let taken = taken.map_err(|message| Refusal {
            field: place,
            message,
        })?;
        values.push(taken);
    }
    Ok(())
}

type FieldResult<'d> = Result<(Values<'d>, Option<Cow<'d, [u8]>>), Vec<u8>>;

fn of_hash<'d>(field: &Field, found: PathValues<'d>) -> FieldResult<'d> {
    let text = match found {
        PathValues::One(Item::Text(text)) => text,
        _ => return Ok((Values::Missing, None)),
    };
    let sorted = field.is_sortable.then(|| text.clone());
    let values = match &field.kind {
        FieldKind::Text(_) | FieldKind::Tag(_) => Values::Texts(SmallVec::from_iter([text])),
        FieldKind::Number => Values::Numbers(SmallVec::from_iter([number(&text)?])),
        FieldKind::Geo => Values::Numbers(SmallVec::from_iter([place(&text)?])),
        FieldKind::Shape(_) => Values::Shape(text),
        FieldKind::Vector(options) => Values::Vectors(vectors::of_bytes(options, &text)?),
    };
    Ok((values, sorted))
}

fn of_json<'d>(field: &Field, found: PathValues<'d>) -> FieldResult<'d> {
    let takes_whole = matches!(field.kind, FieldKind::Vector(_) | FieldKind::Shape(_));
    let is_list = matches!(found, PathValues::One(Item::List(_)));
    let items = match found {
        PathValues::Nothing => return Ok((Values::Missing, None)),
        PathValues::One(Item::Null) => return Ok((Values::Missing, None)),
        // A vector's path finds a list, or several; a shape is never a list.
        PathValues::One(Item::List(items)) if !takes_whole => items,
        PathValues::One(item) => vec![item],
        PathValues::Several(items) => items,
    };
    if let FieldKind::Vector(options) = &field.kind {
        return Ok((Values::Vectors(vectors::of_items(options, &items)?), None));
    }
    let is_single = items.len() == 1 && !is_list;
    let mut texts = Texts::new();
    let mut numbers = SmallVec::new();
    for item in items {
        match (&field.kind, item) {
            (_, Item::Null) => {}
            (FieldKind::Text(_) | FieldKind::Tag(_), Item::Text(text)) => texts.push(text),
            // Among several values a boolean is no tag.
            (FieldKind::Tag(_), Item::Bool(value)) if is_single => {
                let text: &[u8] = if value { b"true" } else { b"false" };
                texts.push(text.into());
            }
            (FieldKind::Text(_) | FieldKind::Tag(_), Item::Bool(_) | Item::Number(_)) => {
                return Err(b"TEXT/TAG fields can only contain strings or nulls".into());
            }
            (FieldKind::Number, Item::Number(number)) => numbers.push(number + 0.0),
            (FieldKind::Geo, Item::Text(text)) => {
                numbers.push(place(&text)?);
                texts.push(text);
            }
            (FieldKind::Shape(_), Item::Text(text)) => {
                return Ok((Values::Shape(text), None));
            }
            (kind, item) => return Err(mismatch(kind, &item)),
        }
    }
    let sorted = texts.first().cloned().filter(|_| field.is_sortable);
    Ok(match &field.kind {
        FieldKind::Text(_) | FieldKind::Tag(_) => (Values::Texts(texts), sorted),
        _ => (Values::Numbers(numbers), sorted),
    })
}

fn mismatch(kind: &FieldKind, item: &Item<'_>) -> Vec<u8> {
    let item = match item {
        Item::Object => "object",
        Item::List(_) => "array",
        Item::Text(_) => "string",
        Item::Number(_) => "number",
        Item::Bool(_) => "boolean",
        Item::Null => "null",
    };
    format!(
        "Invalid JSON type: {item} type can't be represented as {}",
        kind.name()
    )
    .into_bytes()
}

fn number(text: &[u8]) -> Result<f64, Vec<u8>> {
    let shown = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let message = || [b"Invalid numeric value: '", shown, b"'"].concat();
    // -0.0 is found as 0.
    parse_double(text)
        .map(|number| number + 0.0)
        .ok_or_else(message)
}

/// `longitude,latitude` as a geohash.
fn place(text: &[u8]) -> Result<f64, Vec<u8>> {
    let at = memchr::memchr2(b',', b' ', text);
    let degrees = |text: &[u8]| {
        let text = text.trim_ascii_start();
        // As C's strtod has it.
        if text.is_empty() {
            Some(0.0)
        } else {
            parse_double(text)
        }
    };
    let parts = at.and_then(|at| Some((degrees(&text[..at])?, degrees(&text[at + 1..])?)));
    let Some((longitude, latitude)) = parts else {
        return Err(b"Invalid geo string".into());
    };
    let position = Position {
        longitude,
        latitude,
    };
    if !position.is_valid() {
        let text = format!("Invalid geo coordinates: {longitude:.6}, {latitude:.6}");
        return Err(text.into_bytes());
    }
    Ok(position.score())
}

/// The tags of a text.
pub(crate) fn for_each_tag(
    options: &Tag,
    keeps_empty: bool,
    text: &[u8],
    mut put: impl FnMut(&[u8]),
) {
    let mut each = |tag: &[u8]| {
        let tag = tag.trim_ascii();
        if tag.is_empty() && !keeps_empty {
            return;
        }
        if options.is_case_sensitive || tag.iter().all(|b| b.is_ascii() && !b.is_ascii_uppercase())
        {
            put(tag);
        } else {
            put(&in_small_letters(tag));
        }
    };
    match options.separator {
        Some(separator) => text.split(|byte| *byte == separator).for_each(each),
        None => each(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testbed::tag;

    #[test]
    fn a_boolean_is_a_tag_by_itself_alone() {
        let field = tag("g");
        let text = || Item::Text(Cow::Borrowed(b"x"));
        for (found, is_taken) in [
            (PathValues::One(Item::Bool(true)), true),
            (PathValues::Several(vec![Item::Bool(true), text()]), false),
            (
                PathValues::One(Item::List(vec![text(), Item::Bool(false)])),
                false,
            ),
            (PathValues::One(Item::List(vec![Item::Bool(false)])), false),
            (PathValues::One(Item::List(vec![text(), Item::Null])), true),
            (PathValues::Several(vec![text(), Item::Null]), true),
        ] {
            assert_eq!(of_json(&field, found).is_ok(), is_taken);
        }
    }
}
