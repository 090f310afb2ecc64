//! Values of expressions: numbers, texts, lists of them, maps, and null.
//!
//! A text that is a number compares with numbers by that number.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ExpressionError;
use russet_base::numbers::general;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Number(f64),
    Text(Vec<u8>),
    List(Vec<Value>),
    /// Names with their values: of COLLECT, and of JSON that is sent as it is.
    Map(Vec<(Vec<u8>, Value)>),
    /// All values that a path of JSON finds, of dialects 3 and 4.
    Several(Box<Several>),
}

/// Values that are shown as an array, and computed and sorted by the first of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Several {
    /// A scalar, or the text of an object.
    pub first: Value,
    /// The array, as JSON.
    pub text: Vec<u8>,
}

impl Value {
    /// Whether it counts as true: numbers but 0, texts but the empty text, lists; several values
    /// never do.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null | Value::Several(_) => false,
            Value::Number(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
        }
    }

    /// The value as a number; an empty text is 0. `None`: the value is no number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => Some(*n),
            Value::Text(text) if text.is_empty() => Some(0.0),
            Value::Text(text) => number_of(text),
            Value::Several(of) => of.first.number(),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value as a text, or the first of several values as a text; null and lists have none.
    pub fn text(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Value::Number(n) => Some(number_text(*n).into_bytes().into()),
            Value::Text(text) => Some(text.into()),
            Value::Several(of) => of.first.text(),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text in a row: the parts of a list, with commas. `None`: null, which rows leave out.
    pub fn shown(&self) -> Option<Vec<u8>> {
        let items = match self {
            Value::List(items) => items,
            Value::Several(of) => return Some(of.text.clone()),
            _ => return self.text().map(Cow::into_owned),
        };
        let parts: Vec<_> = items.iter().filter_map(Value::shown).collect();
        Some(parts.join(&b','))
    }

    /// The order of two values: null is before all others, a list or several values beside a text
    /// count as an empty text, several values else as the first of them, lists are equal, and NaN
    /// is equal to any number. `None`: the values have no order.
    ///
    /// # Errors
    ///
    /// If a number is compared with a text that is no number.
    pub fn compare(&self, other: &Value) -> Result<Option<Ordering>, ExpressionError> {
        Ok(match (self, other) {
            (Value::Several(a), Value::Several(b)) => a.first.compare(&b.first)?,
            (Value::Several(_), Value::Text(text)) => Some([].as_slice().cmp(text.as_slice())),
            (Value::Text(text), Value::Several(_)) => Some(text.as_slice().cmp(b"")),
            (Value::Several(of), other) => of.first.compare(other)?,
            (value, Value::Several(of)) => value.compare(&of.first)?,
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            (Value::Null, _) => Some(Ordering::Less),
            (_, Value::Null) => Some(Ordering::Greater),
            (Value::Number(a), Value::Number(b)) => Some(order(*a, *b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Text(text)) => {
                let Some(b) = other.number() else {
                    let before = b"Error converting string '".as_slice();
                    return Err(ExpressionError([before, text, b"' to number"].concat()));
                };
                Some(order(*a, b))
            }
            (Value::List(_), Value::List(_)) => Some(Ordering::Equal),
            (Value::Text(text), Value::List(_)) => Some(text.as_slice().cmp(b"")),
            (Value::List(_), Value::Text(text)) => Some([].as_slice().cmp(text.as_slice())),
            (Value::Text(_), Value::Number(_)) => other.compare(self)?.map(Ordering::reverse),
            _ => None,
        })
    }
}

/// As C orders by two comparisons, each of which is false for NaN.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// A whole text as a number, as C's `strtod` reads it.
pub fn number_of(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_start().parse().ok()
}

/// A whole number without a fraction, any other as `%.12g` of C.
pub fn number_text(n: f64) -> String {
    if n.is_nan() {
        return if n.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if n == n.trunc() && n.abs() < 9.2e18 {
        return (n as i64).to_string();
    }
    general(n, 12)
}
