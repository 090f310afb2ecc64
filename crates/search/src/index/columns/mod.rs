//! The values of a SORTABLE field by document: an array for each field.
//!
//!     numbers   f64 ..., NaN: the document has none
//!     texts     length of the text | text | the text for sorting, unless it is the same
//!     tags      as texts, each kept once: `interned`
//!
//! Cost: O(1); 8 bytes a number, 16 and the bytes a text, 4 a tag that others have, too.

mod interned;

pub(crate) use interned::InternedColumn;

use super::postings::{read_varint, write_varint};
use crate::text::normalised;

/// A value that a SORTABLE field keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SortValue<'i> {
    Number(f64),
    Text {
        /// As the document has it.
        original: &'i [u8],
        /// Without the case of letters, unless the field is UNF.
        sorted: &'i [u8],
    },
}

#[derive(Debug)]
pub(crate) enum Column {
    Numbers(Vec<f64>),
    Texts {
        texts: Vec<Option<Box<[u8]>>>,
        /// UNF: they are sorted as they are.
        is_unnormalised: bool,
        bytes: usize,
    },
    Tags {
        values: InternedColumn,
        /// UNF.
        is_unnormalised: bool,
    },
}

/// A value for a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewValue<'d> {
    None,
    Number(f64),
    Text(&'d [u8]),
}

/// Grows by quarters.
pub(super) fn grow<T>(column: &mut Vec<T>, len: usize, none: impl FnMut() -> T) {
    if column.len() < len {
        if column.capacity() < len {
            column.reserve_exact(len - column.len() + 16 + column.len() / 4);
        }
        column.resize_with(len, none);
    }
}

impl Column {
    pub(crate) fn put(&mut self, id: u32, value: NewValue<'_>) {
        let at = id as usize;
        match self {
            Column::Numbers(numbers) => {
                grow(numbers, at + 1, || f64::NAN);
                numbers[at] = match value {
                    NewValue::Number(number) => number,
                    _ => f64::NAN,
                };
            }
            Column::Texts {
                texts,
                is_unnormalised,
                bytes,
            } => {
                grow(texts, at + 1, || None);
                let value = match value {
                    NewValue::Text(text) => Some(text_value(text, *is_unnormalised)),
                    _ => None,
                };
                *bytes += value.as_ref().map_or(0, |value| value.len());
                let before = std::mem::replace(&mut texts[at], value);
                *bytes -= before.map_or(0, |value| value.len());
            }
            Column::Tags {
                values,
                is_unnormalised,
            } => {
                let value = match value {
                    NewValue::Text(text) => Some(text_value(text, *is_unnormalised)),
                    _ => None,
                };
                values.put(id, value.as_deref());
            }
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<SortValue<'_>> {
        match self {
            Column::Numbers(numbers) => {
                let number = numbers.get(id as usize).copied();
                number
                    .filter(|number| !number.is_nan())
                    .map(SortValue::Number)
            }
            Column::Texts { texts, .. } => texts.get(id as usize)?.as_deref().map(sort_value),
            Column::Tags { values, .. } => values.get(id).map(sort_value),
        }
    }

    /// The numbers that stand for equal values; `None`: the column has none.
    pub(crate) fn interned(&self) -> Option<&InternedColumn> {
        match self {
            Column::Tags { values, .. } => Some(values),
            Column::Numbers(_) | Column::Texts { .. } => None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Column::Numbers(numbers) => numbers.capacity() * 8,
            Column::Texts { texts, bytes, .. } => texts.capacity() * 16 + bytes,
            Column::Tags { values, .. } => values.bytes(),
        }
    }
}

fn sort_value(value: &[u8]) -> SortValue<'_> {
    let mut at = 0;
    let length = read_varint(value, &mut at) as usize;
    let (original, sorted) = value[at..].split_at(length);
    let sorted = if sorted.is_empty() { original } else { sorted };
    SortValue::Text { original, sorted }
}

fn text_value(text: &[u8], is_unnormalised: bool) -> Box<[u8]> {
    let mut value = Vec::with_capacity(text.len() + 2);
    write_varint(&mut value, text.len() as u64);
    value.extend_from_slice(text);
    if !is_unnormalised {
        let sorted = normalised(text);
        if sorted != text {
            value.extend_from_slice(&sorted);
        }
    }
    value.into()
}
