//! A key and its value as who saves or shows them sees them: borrowed, whatever the type.

use super::Ref;
use super::entry::Entry;
use super::new_value::Str;
use crate::types::{Hash, List, Set, Type, Zset};

/// A borrowed value.
pub enum ValueView<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    List(Ref<'a, List>),
    Set(Ref<'a, Set>),
    Zset(Ref<'a, Zset>),
    Hash(Ref<'a, Hash>),
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
    /// The entry stays as it is for as long as the view.
    pub(super) fn of(entry: Entry) -> KeyView<'a> {
        let value = match entry.string() {
            Some(Str::Int(n)) => ValueView::Int(n),
            Some(Str::Bytes(text)) => ValueView::Bytes(text),
            None => match entry.kind() {
                Type::List => ValueView::List(Ref::of(entry)),
                Type::Set => ValueView::Set(Ref::of(entry)),
                Type::Zset => ValueView::Zset(Ref::of(entry)),
                Type::Hash => ValueView::Hash(Ref::of(entry)),
                Type::String | Type::Stream => unreachable!("no container of this type is kept"),
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
    /// Bytes of a container's tables and elements, about; 0 for strings and packed forms,
    /// which are one block.
    pub(super) fn loose_bytes(&self) -> usize {
        match self {
            ValueView::List(list) if !matches!(**list, List::Listpack(_)) => list.memory_bytes(2),
            ValueView::Set(set) if set.table().is_some() => set.memory_bytes(2),
            ValueView::Zset(zset) if zset.is_table() => zset.memory_bytes(2),
            ValueView::Hash(hash) if hash.is_table() => hash.memory_bytes(2),
            _ => 0,
        }
    }
}
