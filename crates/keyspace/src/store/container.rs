//! The container of an entry, whatever its type: its bytes, a copy, and its way out of the entry.
#![allow(unsafe_code)]

use super::entry::Entry;
use super::packed::RawValue;
use russet_base::memory::mover::Mover;
use russet_encodings::record::SchemaRef;
use russet_types::{Encoding, Type, block};

/// A container value detached from its entry, on its way out of the keyspace.
#[derive(Debug)]
pub struct DetachedValue {
    pub kind: Type,
    encoding: Encoding,
    word: u64,
}

// SAFETY: a container owns everything it points to and has no ties to the thread that made it.
unsafe impl Send for DetachedValue {}

impl DetachedValue {
    pub fn new(kind: Type, encoding: Encoding, word: u64) -> DetachedValue {
        DetachedValue {
            kind,
            encoding,
            word,
        }
    }

    /// The value's type, encoding and word, still owned here.
    pub fn parts(&self) -> (Type, Encoding, u64) {
        (self.kind, self.encoding, self.word)
    }

    /// The value's type, encoding and word; ownership passes to the caller.
    pub(crate) fn into_parts(self) -> (Type, Encoding, u64) {
        (self.kind, self.encoding, self.word)
    }
}

/// Takes the container out of an entry. `None` for a string or a packed container, which the entry
/// frees. The entry must be freed or given a new value next.
pub(crate) fn take_container(entry: Entry) -> Option<DetachedValue> {
    if !entry.has_word() {
        return None;
    }
    Some(DetachedValue::new(
        entry.kind(),
        entry.encoding(),
        entry.word(),
    ))
}

/// Bytes of an entry's container; 0 for a string or a packed container, which are the entry's own.
pub(crate) fn container_bytes(entry: Entry) -> usize {
    if !entry.has_word() {
        return 0;
    }
    let (kind, encoding) = (entry.kind(), entry.encoding());
    // SAFETY: the entry holds a container of this type, borrowed with its database.
    unsafe { russet_types::memory_bytes(kind, encoding, entry.word()) }
}

/// Approximate number of allocations of an entry's container; must not be called unless
/// the entry has a word.
pub(crate) fn container_effort(entry: Entry) -> usize {
    // SAFETY: the entry holds a container of this type, borrowed with its database.
    unsafe { russet_types::free_effort(entry.kind(), entry.encoding(), entry.word()) }
}

/// Offers the blocks of about `n` elements of an entry's container from a position on; returns
/// the next position. Must not be called unless the entry has a word.
pub(crate) fn relocate_container(
    entry: Entry,
    mover: &mut Mover,
    at: u64,
    n: usize,
) -> Option<u64> {
    let (kind, encoding) = (entry.kind(), entry.encoding());
    // SAFETY: the entry's own pair, of a database that is borrowed exclusively; the resulting
    // word is written back before any read.
    let (word, next) =
        unsafe { russet_types::relocate((kind, encoding, entry.word()), mover, at, n) };
    entry.set_word(encoding, word);
    next
}

/// A copy of an entry's container. Must not be called unless the entry has a word.
pub(crate) fn copy_container(entry: Entry) -> DetachedValue {
    let (kind, encoding) = (entry.kind(), entry.encoding());
    // SAFETY: the entry holds a container of this type, borrowed with its database.
    let (encoding, word) = unsafe { russet_types::copy(kind, encoding, entry.word()) };
    DetachedValue::new(kind, encoding, word)
}

/// Bytes of an entry with its value. O(1), of a stream O(groups).
pub fn bytes_of(entry: Entry) -> usize {
    entry.memory_bytes() + container_bytes(entry)
}

/// The part of an entry's value that packing takes: a string that is stored as text, or a container
/// of a single block. `None`: the value is no such value, or is packed.
pub(crate) fn raw_value<'a>(entry: Entry) -> Option<RawValue<'a>> {
    let kind = entry.kind();
    if kind == Type::String {
        return entry.plain_text().map(|bytes| RawValue {
            kind,
            form: None,
            bytes,
        });
    }
    if entry.is_packed() {
        return None;
    }
    // SAFETY: the entry holds a container of this type; as of `Entry::string`, the result is
    // bounded by the caller's borrow of the database.
    let (form, bytes) = unsafe { block::block(kind, entry.encoding(), entry.word()) }?;
    Some(RawValue {
        kind,
        form: Some(form),
        bytes,
    })
}

// --- schemas of packed records ---

/// A packed record of this schema refers to it from now on. Another record or packed record that
/// refers to it must exist.
pub(super) fn hold_schema(number: u16) {
    block::hold_schema(borrow_schema(number));
}

/// A packed record of this schema is freed.
pub(super) fn release_schema(number: u16) {
    // SAFETY: `hold_schema` was called for the entry, which is freed or gets another value.
    unsafe { block::release_schema(number) }
}

/// The schema of a packed record.
pub(super) fn borrow_schema(number: u16) -> SchemaRef {
    // SAFETY: the record, or the entry that has its packed form, counts as a reference.
    unsafe { block::schema(number) }
}
