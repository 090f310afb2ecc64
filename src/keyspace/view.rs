//! Read-only view of a key and its value, whatever the type, for saving and for introspection.

use super::Ref;
use super::entry::Entry;
use super::new_value::Str;
use crate::types::{Container, Hash, List, Set, Stream, Type, Zset};

/// A borrowed value.
pub enum ValueView<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    List(Ref<'a, List>),
    Set(Ref<'a, Set>),
    Zset(Ref<'a, Zset>),
    Hash(Ref<'a, Hash>),
    Stream(Ref<'a, Stream>),
}

/// A borrowed key with its value.
pub struct KeyView<'a> {
    pub key: &'a [u8],
    /// Unix milliseconds.
    pub expiry: Option<i64>,
    /// The 24 bits of LRU or LFU information.
    pub clock: u32,
    pub value: ValueView<'a>,
}

impl<'a> KeyView<'a> {
    /// The entry must not change during the life of the view.
    pub(super) fn of(entry: Entry) -> KeyView<'a> {
        let value = match entry.string() {
            Some(Str::Int(n)) => ValueView::Int(n),
            Some(Str::Bytes(text)) => ValueView::Bytes(text),
            None => match entry.kind() {
                Type::List => ValueView::List(Ref::of(entry)),
                Type::Set => ValueView::Set(Ref::of(entry)),
                Type::Zset => ValueView::Zset(Ref::of(entry)),
                Type::Hash => ValueView::Hash(Ref::of(entry)),
                Type::Stream => ValueView::Stream(Ref::of(entry)),
                Type::String => unreachable!("strings have a text"),
            },
        };
        KeyView {
            key: entry.key(),
            expiry: entry.expiry(),
            clock: entry.clock(),
            value,
        }
    }
}

impl ValueView<'_> {
    /// Whether it is a hash with expiring fields.
    pub fn has_field_expiries(&self) -> bool {
        matches!(self, ValueView::Hash(hash) if hash.expire_min().is_some())
    }

    /// Bytes of a string's text.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            ValueView::Bytes(text) => text.len(),
            _ => 0,
        }
    }

    /// Bytes of a container's tables and elements; 0 for strings and packed forms,
    /// which are one block.
    pub(super) fn loose_bytes(&self) -> usize {
        match self {
            ValueView::Int(_) | ValueView::Bytes(_) => 0,
            ValueView::List(list) => loose_bytes(&**list),
            ValueView::Set(set) => loose_bytes(&**set),
            ValueView::Zset(zset) => loose_bytes(&**zset),
            ValueView::Hash(hash) => loose_bytes(&**hash),
            ValueView::Stream(stream) => loose_bytes(&**stream),
        }
    }
}

fn loose_bytes<T: Container>(value: &T) -> usize {
    match value.encoding().is_one_block() {
        true => 0,
        false => value.memory_bytes(),
    }
}
