//! Values of expressions: numbers, texts, lists of them, maps, and null.
//!
//! A text that is a number compares with numbers as one.

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
}

impl Value {
    /// Whether it counts as true: numbers but 0, texts but the empty one, lists.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Number(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
        }
    }

    /// Its number; an empty text is 0. `None`: it is none.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => Some(*n),
            Value::Text(text) if text.is_empty() => Some(0.0),
            Value::Text(text) => number_of(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Its text; of null and of lists none.
    pub fn text(&self) -> Option<Vec<u8>> {
        match self {
            Value::Number(n) => Some(number_text(*n).into_bytes()),
            Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Its text in a row: of a list its parts with commas. `None`: null, which rows leave out.
    pub fn shown(&self) -> Option<Vec<u8>> {
        let Value::List(items) = self else {
            return self.text();
        };
        let parts: Vec<_> = items.iter().filter_map(Value::shown).collect();
        Some(parts.join(&b','))
    }

    /// The order of two values: null is before all others, a list beside a text is an empty one,
    /// lists are alike, and what is no number is as large as any. `None`: they have none.
    ///
    /// # Errors
    ///
    /// Where a number is compared with a text that is none.
    pub fn compare(&self, other: &Value) -> Result<Option<Ordering>, ExpressionError> {
        Ok(match (self, other) {
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

/// As C orders by two comparisons, each of which is false for what is no number.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// A whole text as a number, as C's `strtod` reads it.
pub fn number_of(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_start().parse().ok()
}

/// A whole number as one, another as `%.12g` of C.
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
