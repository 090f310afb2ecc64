//! JSON text becomes a document: serde_json drives a visitor, which makes a draft.

use super::draft::{Draft, OutOfRange};
use super::error::ParseError;
use super::number::Fpha;
use super::text::is_clean;
use super::{DEPTH_MAX, Document};
use crate::view::Number;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A text that a client sent is nested to at most 127 levels.
pub(super) fn parse(
    text: &[u8],
    fpha: Option<Fpha>,
    is_stored: bool,
) -> Result<Document, ParseError> {
    if u32::try_from(text.len()).is_err() {
        return Err(ParseError::Large);
    }
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Utf8)?;
    Document::drafted(text.as_bytes(), |draft| {
        let mut from = serde_json::Deserializer::from_str(text);
        if is_stored {
            from.disable_recursion_limit();
        }
        Seed { draft, fpha }.deserialize(&mut from)?;
        Ok(from.end()?)
    })
}

struct Seed<'d, 't, 's> {
    draft: &'d mut Draft<'t, 's>,
    fpha: Option<Fpha>,
}

impl<'t, 's> Seed<'_, 't, 's> {
    fn again(&mut self) -> Seed<'_, 't, 's> {
        Seed {
            draft: self.draft,
            fpha: self.fpha,
        }
    }

    fn end<E: Error>(self) -> Result<(), E> {
        let end = self.draft.end(self.fpha);
        end.map_err(|OutOfRange| E::custom("value out of range"))
    }

    fn begin<E: Error>(&mut self, is_object: bool) -> Result<(), E> {
        if self.draft.level() == DEPTH_MAX {
            return Err(E::custom("recursion limit exceeded"));
        }
        self.draft.begin(is_object);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    #[inline]
    fn visit_unit<E>(self) -> Result<(), E> {
        self.draft.null();
        Ok(())
    }

    #[inline]
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.draft.bool(value);
        Ok(())
    }

    #[inline]
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.draft.number(Number::Signed(value));
        Ok(())
    }

    #[inline]
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        let signed = i64::try_from(value).map(Number::Signed);
        self.draft.number(signed.unwrap_or(Number::Unsigned(value)));
        Ok(())
    }

    #[inline]
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.draft.number(Number::Float(value));
        Ok(())
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        // As it is in the source, it has nothing that is escaped.
        self.draft.text(text.as_bytes(), true);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.draft.text(text.as_bytes(), is_clean(text.as_bytes()));
        Ok(())
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<(), A::Error> {
        self.begin(false)?;
        while from.next_element_seed(self.again())?.is_some() {}
        self.end()
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<(), A::Error> {
        self.begin(true)?;
        while from.next_key_seed(NameSeed(self.draft))?.is_some() {
            from.next_value_seed(self.again())?;
        }
        self.end()
    }
}

struct NameSeed<'d, 't, 's>(&'d mut Draft<'t, 's>);

impl<'de> DeserializeSeed<'de> for NameSeed<'_, '_, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<(), E> {
        self.0.name(name.as_bytes(), true);
        Ok(())
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.name(name.as_bytes(), is_clean(name.as_bytes()));
        Ok(())
    }
}
