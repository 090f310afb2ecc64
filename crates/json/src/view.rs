//! How a tree of JSON values is read.
//!
//! [`View`] is a cursor on a value. Documents have cursors; tests have a view over
//! `serde_json::Value`.

use smallvec::SmallVec;

/// A number as JSON.* keeps it: an integer text that fits is an integer, everything else a float.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// An integer in the range of `i64`.
    Signed(i64),
    /// An integer above the range of `i64`.
    Unsigned(u64),
    /// Anything else; never NaN or infinite.
    Float(f64),
}

impl Number {
    /// As a float, rounded if it has to be.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Signed(value) => value as f64,
            Number::Unsigned(value) => value as f64,
            Number::Float(value) => value,
        }
    }
}

/// The kind of a value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; JSON.TYPE says `integer` or `number`.
    Number(Number),
    /// A string; its text is [`View::text`].
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The way to a value: for each container from the root on, the ordinal of the child, from zero.
/// The empty location is the root. Members of an object count in their order.
pub type Location = SmallVec<[u32; 6]>;

/// A cursor on a value of a tree. Copies are cheap.
pub trait View<'a>: Copy {
    /// The value's kind.
    fn kind(self) -> Kind;

    /// The text of a string; `None` for any other kind.
    fn text(self) -> Option<&'a str>;

    /// Number of elements or members; zero for a scalar.
    fn len(self) -> usize;

    /// The child with an ordinal.
    fn child(self, ordinal: usize) -> Option<Self>;

    /// An object's member with a name, and its ordinal.
    fn member(self, name: &str) -> Option<(usize, Self)>;

    /// The children that are arrays or objects, with their ordinals.
    fn containers(self) -> impl Iterator<Item = (usize, Self)> {
        let is_container = |value: &Self| matches!(value.kind(), Kind::Array | Kind::Object);
        let children = self.values().enumerate();
        children.filter(move |(_, child)| is_container(child))
    }

    /// All children in order; members with their names.
    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)>;

    /// All children in order, without names, which may take time to read.
    fn values(self) -> impl Iterator<Item = Self> {
        self.children().map(|(_, value)| value)
    }
}
