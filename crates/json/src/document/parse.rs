//! JSON text becomes a document: a small text at once (`quick`), other texts by a reader (`scan`)
//! that drafts them. Both give up at text that may be malformed; then serde_json drives a visitor,
//! and reports the error.

use super::draft::{Draft, OutOfRange};
use super::error::ParseError;
use super::number::Fpha;
use super::scan::{GaveUp, number_at, scan};
use super::text::is_clean;
use super::{DEPTH_MAX, Document, quick};
use crate::view::Number;
use russet_base::threads::cancel;
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
    let depth = if is_stored { DEPTH_MAX } else { 127 };
    if fpha.is_none()
        && let Ok(document) = quick::read(text, depth)
    {
        return Ok(document);
    }
    let scanned = Document::drafted(text.as_bytes(), |draft| scan(text, fpha, depth, draft));
    scanned.or_else(|GaveUp| {
        if cancel::is_cancelled() {
            return Err(ParseError::Cancelled);
        }
        parse_slowly(text, fpha)
    })
}

/// The number that a text is, without blanks; `None`: it is none, or wrong, or perhaps too large.
pub fn number_of(text: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(text).ok()?;
    if !matches!(text.as_bytes().first()?, b'-' | b'0'..=b'9') {
        return None;
    }
    let mut at = 0;
    let scanned = number_at(&text.as_bytes(), &mut at).ok()?;
    (at == text.len()).then(|| scanned.number())
}

fn parse_slowly(text: &str, fpha: Option<Fpha>) -> Result<Document, ParseError> {
    Document::drafted(text.as_bytes(), |draft| {
        let mut from = serde_json::Deserializer::from_str(text);
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
        // A text that is borrowed from the source has no escapes.
        self.draft.text(text.as_bytes(), true);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.draft.text(text.as_bytes(), is_clean(text.as_bytes()));
        Ok(())
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<(), A::Error> {
        self.draft.begin(false);
        while from.next_element_seed(self.again())?.is_some() {}
        self.end()
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<(), A::Error> {
        self.draft.begin(true);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Format;

    fn text(document: Result<Document, ParseError>) -> Result<String, String> {
        let mut out = Vec::new();
        let document = document.map_err(|error| error.to_string())?;
        document.root().print(&Format::default(), &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    fn check(given: &str) {
        let scanned = Document::drafted(given.as_bytes(), |draft| scan(given, None, 127, draft));
        let slow = text(parse_slowly(given, None));
        if let Ok(document) = quick::read(given, 127) {
            assert_eq!(text(Ok(document)), slow, "{given}");
        }
        match scanned {
            Ok(document) => assert_eq!(text(Ok(document)), slow, "{given}"),
            Err(GaveUp) => assert!(slow.is_err(), "{given}"),
        }
    }

    #[test]
    fn the_quick_reader_takes_what_serde_json_takes() {
        let given = [
            r#"{"a":[1,2.5,-3e2,true,false,null],"b":"A\u00e9\ud83d\ude00\n\"\\\/\b\f\r\t"} "#,
            " [ 0 , -0 , 0.0 , -0.0 , 1E5 , 1e+5 , 1e-5 , 9007199254740993 , 0.1e1 ] ",
            "[123456789012345678,1234567890123456789,18446744073709551615,18446744073709551616]",
            "[0.123456789012345678,9007199254740993.5,1e308,5e-324,1e-400,-9223372036854775808]",
            "[[],{},[[]],{\"\":{}}]",
            r#"["\ud800","\udc00","\ud800\u0041","\u12"]"#,
        ];
        let letters: Vec<char> = "[]{}\",:0123456789.eE+-\\u/ntrfalsb \n\u{1}é"
            .chars()
            .collect();
        let mut seed = 3u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        for given in given {
            check(given);
            for _ in 0..3000 {
                let mut changed: Vec<char> = given.chars().collect();
                for _ in 0..=random(3) {
                    let at = random(changed.len());
                    match random(4) {
                        0 if changed.len() > 1 => drop(changed.remove(at)),
                        1 => changed.truncate(at + 1),
                        2 => changed[at] = letters[random(letters.len())],
                        _ => changed.insert(at, letters[random(letters.len())]),
                    }
                }
                check(&changed.into_iter().collect::<String>());
            }
        }
    }
}
