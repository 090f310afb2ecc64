//! Documents: JSON values as the keyspace keeps them.
//!
//! Places in a document are locations ([`crate::Location`]): an edit at one that does not exist, or
//! that is of another kind, changes nothing and returns `false`.
#![allow(unsafe_code)]

mod error;
#[allow(dead_code)]
mod number;
mod parse;
mod plain;
mod print;
#[allow(dead_code)]
mod text;

pub use error::{CborError, ParseError};
pub use number::Fpha;
pub use print::Format;

use crate::view::{Kind, Number, View};
use plain::Plain;
use russet_base::memory::mover::Mover;
use std::ops::Range;

/// See the module.
#[derive(Clone, Debug)]
pub struct Document(Box<Plain>);

impl Document {
    /// Parses a whole text.
    pub fn parse(text: &[u8]) -> Result<Document, ParseError> {
        Document::parse_with(text, None)
    }

    /// As [`Document::parse`]; arrays of numbers that have a float are rounded to a type, if there
    /// is one, and stay of it.
    pub fn parse_with(text: &[u8], fpha: Option<Fpha>) -> Result<Document, ParseError> {
        Ok(Document(Box::new(parse::parse(text, fpha)?)))
    }

    /// A number.
    pub fn number(number: Number) -> Document {
        Document(Box::new(Plain::Number(number)))
    }

    /// A copy of a value.
    pub fn copy_of(value: Value<'_>) -> Document {
        Document(Box::new(value.plain.clone()))
    }

    /// The document of these bytes ([`Document::to_cbor`]), which are checked.
    pub fn from_cbor(_bytes: &[u8]) -> Result<Document, CborError> {
        Err(CborError::Value)
    }

    /// The document as CBOR: RDB's encoding 4.
    pub fn to_cbor(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether an array has a type that text does not keep.
    pub fn has_fpha(&self) -> bool {
        fn has(value: &Plain) -> bool {
            match value {
                Plain::Array(fpha, elements) => fpha.is_some() || elements.iter().any(has),
                Plain::Object(members) => members.iter().any(|(_, value)| has(value)),
                _ => false,
            }
        }
        has(&self.0)
    }

    /// The whole value.
    pub fn root(&self) -> Value<'_> {
        Value {
            plain: &self.0,
            fpha: None,
        }
    }

    /// The value at a location.
    pub fn get(&self, at: &[u32]) -> Option<Value<'_>> {
        let (fpha, plain) = self.0.get(at)?;
        Some(Value { plain, fpha })
    }

    /// Replaces a value by a copy of another.
    pub fn replace(&mut self, at: &[u32], new: Value<'_>) -> bool {
        let old = self.0.at(at);
        old.map(|old| *old = new.plain.clone()).is_some()
    }

    /// Replaces a value by a number.
    pub fn set_number(&mut self, at: &[u32], number: Number) -> bool {
        let old = self.0.at(at);
        old.map(|old| *old = Plain::Number(number)).is_some()
    }

    /// Replaces a value by a bool.
    pub fn set_bool(&mut self, at: &[u32], value: bool) -> bool {
        let old = self.0.at(at);
        old.map(|old| *old = Plain::Bool(value)).is_some()
    }

    /// Removes a value that is not the root. An object's last member takes the place of one
    /// removed, an array's elements move up.
    pub fn remove(&mut self, at: &[u32]) -> bool {
        let Some((last, parent)) = at.split_last() else {
            return false;
        };
        self.0
            .at(parent)
            .is_some_and(|parent| parent.remove(*last as usize))
    }

    /// Inserts copies of values into an array, before the element with ordinal `before`, or at the
    /// end.
    pub fn insert_elements(&mut self, at: &[u32], before: usize, new: &[Document]) -> bool {
        let Some(Plain::Array(fpha, elements)) = self.0.at(at) else {
            return false;
        };
        if before > elements.len() {
            return false;
        }
        *fpha = None;
        let new = new.iter().map(|new| (*new.0).clone());
        elements.splice(before..before, new);
        true
    }

    /// Keeps only a range of an array's elements.
    pub fn retain_elements(&mut self, at: &[u32], range: Range<usize>) -> bool {
        let Some(Plain::Array(_, elements)) = self.0.at(at) else {
            return false;
        };
        let end = range.end.min(elements.len());
        elements.truncate(end);
        elements.drain(..range.start.min(end));
        true
    }

    /// Sets an object's member to a copy of a value; a new one is its last.
    pub fn set_member(&mut self, at: &[u32], name: &str, value: Value<'_>) -> bool {
        let object = self.0.at(at);
        object.is_some_and(|object| object.set_member(name, value.plain.clone()).is_some())
    }

    /// Appends to a string.
    pub fn append_text(&mut self, at: &[u32], more: &str) -> bool {
        let Some(Plain::String(text)) = self.0.at(at) else {
            return false;
        };
        text.push_str(more);
        true
    }

    /// Empties a container, or sets a number to zero; `false`: it was so, or is of another kind.
    pub fn clear(&mut self, at: &[u32]) -> bool {
        self.0.at(at).is_some_and(Plain::clear)
    }

    /// Bytes in the allocator. O(1).
    pub fn memory_bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Approximate number of allocations.
    pub fn free_effort(&self) -> usize {
        1
    }

    /// Frees up to about `n` allocations; true when none is left. After the first call the
    /// document may only be freed further or dropped.
    pub fn free_step(&mut self, _n: usize) -> bool {
        true
    }

    /// Offers about `n` allocations from a position on; returns the next position, `None` at the
    /// end.
    pub fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        mover.boxed(&mut self.0);
        None
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {}

    /// Converts the document into a word, which owns it and is never zero.
    pub fn into_word(self) -> u64 {
        Box::into_raw(self.0).expose_provenance() as u64
    }

    /// Converts a word back.
    ///
    /// # Safety
    /// The word came from [`Document::into_word`], and one document at a time is made from it.
    pub unsafe fn from_word(word: u64) -> Document {
        // SAFETY: the caller guarantees it.
        let value = unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut(word as usize)) };
        Document(value)
    }
}

/// A cursor on a value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    plain: &'a Plain,
    fpha: Option<Fpha>,
}

impl<'a> Value<'a> {
    /// Appends the value's text.
    pub fn print(self, format: &Format<'_>, out: &mut Vec<u8>) {
        print::print(self, format, 0, out);
    }

    /// Bytes that the value takes in its document.
    pub fn memory_bytes(self) -> usize {
        self.plain.bytes()
    }

    /// The type of a typed array, or of a value in one.
    pub fn fpha(self) -> Option<Fpha> {
        match self.plain {
            Plain::Array(fpha, _) => *fpha,
            _ => self.fpha,
        }
    }

    /// Whether two values are equal: integers and floats never are, objects are in any order.
    pub fn is_equal(self, other: Value<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(a), Kind::Bool(b)) => a == b,
            (Kind::Number(a), Kind::Number(b)) => match (a, b) {
                (Number::Signed(a), Number::Signed(b)) => a == b,
                (Number::Unsigned(a), Number::Unsigned(b)) => a == b,
                (Number::Float(a), Number::Float(b)) => a == b,
                _ => false,
            },
            (Kind::String, Kind::String) => self.text() == other.text(),
            (Kind::Array, Kind::Array) => {
                self.len() == other.len()
                    && (self.children().zip(other.children())).all(|((_, a), (_, b))| a.is_equal(b))
            }
            (Kind::Object, Kind::Object) => {
                self.len() == other.len()
                    && self.children().all(|(name, a)| {
                        let b = other.member(name.expect("a member has a name"));
                        b.is_some_and(|(_, b)| a.is_equal(b))
                    })
            }
            _ => false,
        }
    }
}

impl<'a> View<'a> for Value<'a> {
    fn kind(self) -> Kind {
        match self.plain {
            Plain::Null => Kind::Null,
            Plain::Bool(value) => Kind::Bool(*value),
            Plain::Number(number) => Kind::Number(*number),
            Plain::String(_) => Kind::String,
            Plain::Array(..) => Kind::Array,
            Plain::Object(_) => Kind::Object,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self.plain {
            Plain::String(text) => Some(text),
            _ => None,
        }
    }

    fn len(self) -> usize {
        match self.plain {
            Plain::Array(_, elements) => elements.len(),
            Plain::Object(members) => members.len(),
            _ => 0,
        }
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        self.children().nth(ordinal).map(|(_, child)| child)
    }

    fn member(self, name: &str) -> Option<(usize, Self)> {
        let members = self.children().enumerate();
        let mut named = members.filter(|(_, (other, _))| *other == Some(name));
        named.next().map(|(ordinal, (_, child))| (ordinal, child))
    }

    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        let (fpha, elements, members) = match self.plain {
            Plain::Array(fpha, elements) => (*fpha, &elements[..], &[][..]),
            Plain::Object(members) => (None, &[][..], &members[..]),
            _ => (None, &[][..], &[][..]),
        };
        let elements = elements
            .iter()
            .map(move |plain| (None, Value { plain, fpha }));
        let members = members.iter().map(|(name, plain)| {
            let value = Value { plain, fpha: None };
            (Some(&name[..]), value)
        });
        elements.chain(members)
    }
}
