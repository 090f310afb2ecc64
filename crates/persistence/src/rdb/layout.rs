//! The parts of an item, as data: where it ends is found by them, without reading its value.

/// A part of an item.
#[derive(Debug)]
pub enum Part {
    /// A number.
    Length,
    /// A string, in any encoding.
    Text,
    /// This many bytes.
    Raw(u64),
    /// A score as text: one byte for its length, or for a number that has no digits.
    Score,
    /// These parts.
    All(Layout),
    /// A count, then these parts as often.
    Times(Layout),
    /// Module data, up to its end.
    Fields,
    /// The ID of a template, then as many strings as it has names.
    Template,
    /// A count, then the first parts, then the others as often.
    Counted(Layout, Layout),
    /// 0, or 1 and a number.
    Optional,
    /// A value of an array: its tag, then a string or eight bytes.
    Tagged,
    /// Known only to its reader: a form that files do not have.
    Opaque,
}

/// The parts of an item in order.
pub type Layout = &'static [Part];
