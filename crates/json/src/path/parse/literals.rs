//! Literals: strings, numbers, and JSON within expressions.

use super::{Parse, Parser};
use crate::path::computed::ComputedValue;
use crate::view::Number;

pub(super) fn constant(word: &str) -> Option<ComputedValue> {
    Some(match word {
        "true" => ComputedValue::Bool(true),
        "false" => ComputedValue::Bool(false),
        "null" => ComputedValue::Null,
        _ => return None,
    })
}

/// As in a document: the last value of a name, at the place of the first.
fn last_of_each_name(members: Vec<(String, ComputedValue)>) -> Vec<(String, ComputedValue)> {
    let mut places = std::collections::HashMap::with_capacity(members.len());
    let mut kept: Vec<(String, ComputedValue)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(member) => member.1 = value,
            None => kept.push((name, value)),
        }
    }
    kept
}

impl Parser<'_> {
    pub(super) fn literal(&mut self) -> Parse<ComputedValue> {
        match self.peek() {
            Some(b'"' | b'\'') => Ok(ComputedValue::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number().map(ComputedValue::Number),
            Some(b'[') => {
                self.at += 1;
                let elements = self.nested(|parser| parser.list_until(b']', Self::json))?;
                Ok(ComputedValue::Array(elements))
            }
            Some(b'{') => {
                self.at += 1;
                let members = self.nested(|parser| parser.list_until(b'}', Self::json_member))?;
                Ok(ComputedValue::Object(last_of_each_name(members)))
            }
            _ => self.fail(),
        }
    }

    /// A value within an array or object literal.
    pub(super) fn json(&mut self) -> Parse<ComputedValue> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return self.literal();
        }
        let start = self.at;
        let name = self.function_name();
        constant(name).map_or_else(
            || {
                self.at = start;
                self.fail()
            },
            Ok,
        )
    }

    pub(super) fn json_member(&mut self) -> Parse<(String, ComputedValue)> {
        let name = self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok((name.into(), self.json()?))
    }

    pub(super) fn number(&mut self) -> Parse<Number> {
        let start = self.at;
        self.integer()?;
        if let [b'.', b'0'..=b'9', ..] = self.text.as_bytes()[self.at..] {
            self.at += 1;
            self.digits();
        }
        let text = &self.text[start..self.at];
        if let Ok(integer) = text.parse() {
            return Ok(Number::Signed(integer));
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Number::Float(float)),
            _ => {
                self.at = start;
                self.fail()
            }
        }
    }

    /// A quoted string. A backslash escapes the quote or itself, and nothing else.
    pub(super) fn string(&mut self) -> Parse<Box<str>> {
        let bytes = self.text.as_bytes();
        let open = self.at;
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return self.fail();
        };
        self.at += 1;
        // Redis skips blanks here as between any two tokens.
        self.blanks();
        let start = self.at;
        let mut content = String::new();
        let mut copied = start;
        loop {
            match bytes.get(self.at) {
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    content.push_str(&self.text[copied..self.at]);
                    match bytes.get(self.at + 1) {
                        Some(next) if *next == quote || *next == b'\\' => {
                            copied = self.at + 1;
                            self.at += 2;
                        }
                        _ => {
                            self.at = open;
                            return self.fail();
                        }
                    }
                }
                Some(_) => self.at += 1,
                None => {
                    self.at = open;
                    return self.fail();
                }
            }
        }
        content.push_str(&self.text[copied..self.at]);
        self.at += 1;
        Ok(content.into())
    }
}
