//! JSON text becomes a document: serde_json drives a visitor.

use super::error::ParseError;
use super::number::Fpha;
use super::plain::Plain;
use crate::view::Number;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The value of a whole text.
pub(super) fn parse(text: &[u8], fpha: Option<Fpha>) -> Result<Plain, ParseError> {
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Utf8)?;
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Seed(fpha).deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Seed(Option<Fpha>);

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Plain;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Plain, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Number(Number::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        let signed = i64::try_from(value).map(Number::Signed);
        Ok(Plain::Number(signed.unwrap_or(Number::Unsigned(value))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Number(Number::Float(value)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Plain, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = from.next_element_seed(self)? {
            elements.push(element);
        }
        let mut fpha = self.0;
        let is_number = |value: &Plain| matches!(value, Plain::Number(_));
        let is_float = |value: &Plain| matches!(value, Plain::Number(Number::Float(_)));
        if !elements.iter().all(is_number) || !elements.iter().any(is_float) {
            fpha = None;
        }
        if let Some(fpha) = fpha {
            for element in &mut elements {
                if let Plain::Number(number) = element {
                    let rounded = fpha.round(number.as_f64());
                    let rounded = rounded.ok_or_else(|| A::Error::custom("value out of range"))?;
                    *number = Number::Float(rounded);
                }
            }
        }
        Ok(Plain::Array(fpha, elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Plain, A::Error> {
        let mut object = Plain::Object(Vec::new());
        while let Some(name) = from.next_key::<String>()? {
            let value = from.next_value_seed(self)?;
            object.set_member(&name, value);
        }
        Ok(object)
    }
}
