//! Documents: JSON values as the keyspace keeps them.
//!
//!     small   names (`names`) | value (`bytes`)              one buffer
//!     large   value, names, nodes out of line (`store`)
//!
//!     text --parse--> draft --> document --value, print--> text
//!     RDB  --cbor---'             | edit
//!
//! A document is small until its bytes exceed a chunk, 8 kB. Then large values in it go to nodes,
//! so that a change of a value moves the bytes of a single chunk, however large the document.
//!
//! Invariants
//!   1. A small document refers to no node. Values refer to names that there are.
//!   2. All strings and names are UTF-8, and no number is infinite or NaN.
//!   3. Values are nested to at most [`DEPTH_MAX`] levels.
//!   4. A large document may be shared, to be read as it is now ([`Document::share`]); an edit of a
//!      shared document copies the blocks on the way to its place.
//!
//! Places in a document are locations ([`crate::Location`]): an edit at a location that does not
//! exist, that is of another kind, or that would nest too deeply, changes nothing and returns
//! `false`. Cost: reading by a location O(the bytes of the containers on the way, at most a chunk
//! each, and their chunks / 32); an edit the same, and the bytes of its chunk; printing O(bytes).

mod bytes;
mod cbor;
mod check;
mod composer;
mod draft;
mod edit;
mod error;
mod names;
mod number;
mod parse;
mod print;
mod quick;
mod run;
mod scan;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod word;

pub use composer::{Composer, print_number};
pub use edit::{ChangeAt, Pay};
pub use error::{CborError, ParseError};
pub use number::Fpha;
pub use parse::number_of;
pub use print::Format;
pub use value::Value;

use crate::view::{Number, View};
use draft::{Draft, draft};
use names::FlatNames;
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_encodings::buffer::Buffer;
use russet_encodings::thin::ThinPointer;
use std::fmt;
use std::sync::Arc;
use store::{ArcBlock, Part, Store, value_nodes};
use value::Context;

/// The deepest nesting of a document: texts of clients have at most 127 levels, but edits nest
/// values into each other.
pub const DEPTH_MAX: usize = 512;

/// See the module.
#[derive(Clone)]
pub struct Document(Form);

enum Form {
    Flat(Buffer),
    Tree(Arc<Tree>),
}

impl Clone for Form {
    fn clone(&self) -> Form {
        match self {
            Form::Flat(buffer) => Form::Flat(buffer.clone()),
            Form::Tree(tree) => Form::Tree(Arc::new(Tree::clone(tree))),
        }
    }
}

#[derive(Clone)]
struct Tree {
    root: Buffer,
    store: Store,
}

impl Document {
    /// Parses a whole text, as a client sends it.
    pub fn parse(text: &[u8]) -> Result<Document, ParseError> {
        parse::parse(text, None, false)
    }

    /// As [`Document::parse`]; arrays of numbers that have a float are rounded to a type, if a type
    /// is given, and keep that type.
    pub fn parse_with(text: &[u8], fpha: Option<Fpha>) -> Result<Document, ParseError> {
        parse::parse(text, fpha, false)
    }

    /// As [`Document::parse`], for a text of a file, which may be nested as deeply as a document.
    pub fn parse_stored(text: &[u8]) -> Result<Document, ParseError> {
        parse::parse(text, None, true)
    }

    /// A number.
    pub fn number(number: Number) -> Document {
        Document::made(|draft| draft.number(number))
    }

    /// A string.
    pub fn text(text: &str) -> Document {
        Document::made(|draft| {
            let (text, is_clean) = draft::clean(text);
            draft.text(text, is_clean);
        })
    }

    /// A copy of a value.
    pub fn copy_of(value: Value<'_>) -> Document {
        Document::made(|draft| draft.copy(value))
    }

    /// The document of these bytes ([`Document::to_cbor`]), which are checked.
    pub fn from_cbor(bytes: &[u8]) -> Result<Document, CborError> {
        cbor::read(bytes)
    }

    /// The document as CBOR: RDB's encoding 4.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        cbor::write(self.root(), &mut out);
        out
    }

    /// Whether an array has a type that text does not keep: then only CBOR does.
    pub fn has_fpha(&self) -> bool {
        let is_typed = |buffer, at| Part::inline(buffer, at).is_some_and(Part::is_typed);
        match &self.0 {
            Form::Flat(buffer) => is_typed(buffer, FlatNames::of(buffer).1),
            Form::Tree(tree) => is_typed(&tree.root, 0) || tree.store.is_typed(),
        }
    }

    fn made(make: impl FnOnce(&mut Draft<'_, '_>)) -> Document {
        let made = Document::drafted(&[], |draft| {
            make(draft);
            Ok::<(), std::convert::Infallible>(())
        });
        made.unwrap_or_else(|never| match never {})
    }

    /// The document of the single value that `make` drafts.
    fn drafted<E>(
        source: &[u8],
        make: impl FnOnce(&mut Draft<'_, '_>) -> Result<(), E>,
    ) -> Result<Document, E> {
        let mut store = Store::default();
        let form = draft(source, FlatNames::NONE, &mut store, true, |draft| {
            make(draft)?;
            let flat = draft.flat_document();
            Ok(flat.ok_or_else(|| draft.finish().bytes))
        })?;
        Ok(Document(match form {
            Ok(flat) => Form::Flat(flat),
            Err(root) => Form::Tree(Arc::new(Tree {
                root: Buffer::new(&root),
                store,
            })),
        }))
    }

    /// The bytes of a small document, from which [`Document::from_flat_bytes`] makes it again.
    /// `None`: it is large.
    pub fn flat_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Flat(buffer) => Some(buffer),
            Form::Tree(_) => None,
        }
    }

    /// The document of bytes that [`Document::flat_bytes`] gave. They are not checked: other bytes
    /// make a document whose reading may panic.
    pub fn from_flat_bytes(bytes: &[u8]) -> Document {
        Document(Form::Flat(Buffer::new(bytes)))
    }

    /// The same document for another reader, for whom it stays as it is now; `None`: the document
    /// is small, and is copied as soon.
    pub fn share(&self) -> Option<Document> {
        match &self.0 {
            Form::Flat(_) => None,
            Form::Tree(tree) => Some(Document(Form::Tree(Arc::clone(tree)))),
        }
    }

    /// Whether it is the document that was shared or copied, without a change since. O(bytes) of a
    /// small document.
    pub fn is_unchanged_since(&self, copy: &Document) -> bool {
        match (&self.0, &copy.0) {
            (Form::Flat(buffer), Form::Flat(other)) => **buffer == **other,
            (Form::Tree(tree), Form::Tree(other)) => Arc::ptr_eq(tree, other),
            _ => false,
        }
    }

    /// The whole value.
    #[inline]
    pub fn root(&self) -> Value<'_> {
        match &self.0 {
            Form::Flat(buffer) => {
                let (names, start) = FlatNames::of(buffer);
                Value::new(Context::Flat(names), &buffer[start..])
            }
            Form::Tree(tree) => Value::new(Context::Tree(&tree.store), &tree.root),
        }
    }

    /// The value at a location.
    #[inline]
    pub fn get(&self, at: &[u32]) -> Option<Value<'_>> {
        let mut steps = at.iter();
        steps.try_fold(self.root(), |value, ordinal| value.child(*ordinal as usize))
    }

    /// Bytes in the allocator. O(1).
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Form::Flat(buffer) => buffer.memory_bytes(),
            Form::Tree(tree) => {
                boxed_bytes::<ArcBlock<Tree>>()
                    + tree.root.memory_bytes()
                    + tree.store.memory_bytes()
            }
        }
    }

    /// Approximate number of allocations to free. O(nodes).
    pub fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Flat(_) => 1,
            Form::Tree(tree) if Arc::strong_count(tree) > 1 => 1,
            Form::Tree(tree) => 2 + tree.store.allocations(),
        }
    }

    /// Frees up to about `n` allocations; true when few are left, which drop at once. After the
    /// first call the document may only be freed further or dropped.
    pub fn free_step(&mut self, n: usize) -> bool {
        match &mut self.0 {
            Form::Flat(_) => true,
            // The other reader frees the document.
            Form::Tree(tree) => Arc::get_mut(tree).is_none_or(|tree| tree.store.free_step(n)),
        }
    }

    /// Offers about `n` allocations from a position on, 0 at first; returns the next position,
    /// `None` at the end.
    pub fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        match &mut self.0 {
            Form::Flat(buffer) => {
                buffer.relocate(mover);
                None
            }
            Form::Tree(tree) => {
                // While the document is shared, its blocks are not moved.
                let tree = Arc::get_mut(tree)?;
                if at == 0 {
                    tree.root.relocate(mover);
                }
                tree.store.relocate(mover, at, n)
            }
        }
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        match &self.0 {
            Form::Flat(buffer) => {
                let (names, start) = FlatNames::of(buffer);
                let end = check::value(buffer, start, names.count());
                assert_eq!(end, buffer.len());
                value_nodes(buffer, start, &mut |_| {
                    panic!("a small document has no nodes")
                });
            }
            Form::Tree(tree) => {
                let end = check::value(&tree.root, 0, tree.store.names.count());
                assert_eq!(end, tree.root.len());
                let mut roots = Vec::new();
                value_nodes(&tree.root, 0, &mut |number| roots.push(number));
                tree.store.check_invariants(roots);
            }
        }
        assert!(self.root().depth() <= DEPTH_MAX);
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.root().print(&Format::default(), &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}
