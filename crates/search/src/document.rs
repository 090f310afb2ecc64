//! A document as an index reads it: the values that paths find.

use std::borrow::Cow;

/// A value in a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'d> {
    Null,
    Bool(bool),
    Number(f64),
    /// Of a hash all values are texts.
    Text(Cow<'d, [u8]>),
    List(Vec<Item<'d>>),
    Object,
}

/// The values that a path finds.
#[derive(Clone, Debug, PartialEq)]
pub enum PathValues<'d> {
    Nothing,
    One(Item<'d>),
    /// At least two, in the order of the document.
    Several(Vec<Item<'d>>),
}

/// A document that is indexed.
pub trait Document {
    /// The values that a field's path finds.
    fn find(&self, path: &[u8]) -> PathValues<'_>;
}
