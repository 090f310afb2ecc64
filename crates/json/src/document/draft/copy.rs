//! Turns values of a document, this or another, into events for a draft.

use super::work::Token;
use super::{Draft, OutOfRange};
use crate::document::bytes::{self, Body, Compound};
use crate::document::names::{self, Name};
use crate::document::store::Part;
use crate::document::text::is_clean;
use crate::document::value::{Context, Value};
use crate::view::{Kind, Number, View};

impl Draft<'_, '_> {
    /// Any value.
    pub(crate) fn view<'a>(&mut self, value: impl View<'a>) {
        let is_object = match value.kind() {
            Kind::Null => return self.null(),
            Kind::Bool(value) => return self.bool(value),
            Kind::Number(Number::Float(value)) if !value.is_finite() => return self.null(),
            Kind::Number(number) => return self.number(number),
            Kind::String => {
                let text = value.text().unwrap_or_default().as_bytes();
                return self.text(text, is_clean(text));
            }
            Kind::Array => false,
            Kind::Object => true,
        };
        self.begin(is_object);
        for (name, child) in value.children() {
            if let Some(name) = name {
                self.name(name.as_bytes(), is_clean(name.as_bytes()));
            }
            self.view(child);
        }
        self.end(None)
            .unwrap_or_else(|OutOfRange| unreachable!("no type was asked for"));
    }

    /// A value of any document.
    pub(crate) fn copy(&mut self, value: Value<'_>) {
        let Some(bytes) = value.bytes() else {
            if let bytes::Item::Number(number) = value.item() {
                self.number(number);
            }
            return;
        };
        match bytes::item(bytes, 0) {
            bytes::Item::Null => self.null(),
            bytes::Item::Bool(value) => self.bool(value),
            bytes::Item::Number(number) => self.number(number),
            bytes::Item::Text(_) | bytes::Item::Node(Compound::String, _) => {
                let (text, is_clean) = value.raw_text().expect("a string");
                self.text(text, is_clean);
            }
            bytes::Item::Inline(_) | bytes::Item::Node(..) => {
                let mut parts = value.parts().peekable();
                let is_object = matches!(value.kind(), Kind::Object);
                self.begin(is_object);
                let fpha = value.fpha();
                for part in parts.by_ref() {
                    self.copy_part(value.context(), part);
                }
                self.end(fpha).unwrap_or_else(|OutOfRange| {
                    unreachable!("numbers of a type are in its range")
                });
            }
        }
    }

    fn copy_part(&mut self, context: Context<'_>, part: Part<'_>) {
        let mut at = part.start;
        while at < part.bytes.len() {
            match part.body {
                Body::Run => self.number(part.run.read(part.bytes, at)),
                Body::Array => self.copy(Value::new(context, &part.bytes[at..])),
                Body::Object => {
                    let (name, value) = names::name(part.bytes, at);
                    let text = context.name_text(name);
                    self.name(text, !matches!(name, Name::Text(_, false)));
                    self.copy(Value::new(context, &part.bytes[value..]));
                }
            }
            at = part.end(at);
        }
    }

    /// Children of a container whose bytes are in the same document already: references to its
    /// nodes and names stay.
    pub(crate) fn keep_part(&mut self, part: Part<'_>) {
        let mut at = part.start;
        while at < part.bytes.len() {
            match part.body {
                Body::Run => {
                    self.number(part.run.read(part.bytes, at));
                    at += part.run.width();
                    continue;
                }
                Body::Array => {}
                Body::Object => {
                    let (name, value) = names::name(part.bytes, at);
                    match name {
                        Name::Text(text, is_clean) => self.name(text, is_clean),
                        Name::Shared(number) => {
                            self.work.tokens.push(Token::Shared(number));
                            self.frame().weight += 2;
                        }
                    }
                    at = value;
                }
            }
            at = self.keep(part.bytes, at);
        }
    }

    /// As [`Draft::keep_part`], for a value; returns where it ends.
    pub(crate) fn keep(&mut self, buffer: &[u8], at: usize) -> usize {
        match bytes::item(buffer, at) {
            bytes::Item::Null => self.null(),
            bytes::Item::Bool(value) => self.bool(value),
            bytes::Item::Number(number) => self.number(number),
            bytes::Item::Text(text) => self.text(text, !bytes::is_dirty(buffer[at])),
            bytes::Item::Node(kind, node) => self.push(Token::Node(kind, node), bytes::NODE_BYTES),
            bytes::Item::Inline(_) => {
                let part = Part::inline(buffer, at).expect("an inline container");
                self.begin(part.body == Body::Object);
                self.keep_part(part);
                let fpha = part.run.fpha().filter(|_| part.body == Body::Run);
                self.end(fpha).unwrap_or_else(|OutOfRange| {
                    unreachable!("numbers of a type are in its range")
                });
            }
        }
        bytes::skip(buffer, at)
    }
}
