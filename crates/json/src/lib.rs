//! JSON documents in flat buffers, and the paths that reach into them.
//!
//!     text -> document/parse -> Document -> document/print -> text
//!                                  |  ^
//!                     View, Number |  | edits at a Location
//!                                  v  |
//!     text -> path/parse -> Path -> path/eval -> Locations
//!
//! The crate knows no server: commands, files and replies are above it.
//!
//! Invariants
//!   1. A document is read through [`View`] alone, so paths work on any tree of values.
//!   2. A [`Location`] names a value by the ordinals on the way from the root. It holds until the
//!      next edit of the document.
#![warn(missing_docs)]

mod document;
mod path;
mod view;

pub use document::{
    CborError, ChangeAt, Composer, DEPTH_MAX, Document, Format, Fpha, ParseError, Pay, Value,
    number_of, print_number,
};
pub use path::{
    Budget, ComputedValue, EvalError, Key, MissingMembers, Path, PathCache, PathError, PathResult,
    Target,
};
pub use view::{Kind, Location, Number, View};
