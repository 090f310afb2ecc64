//! Read-only view of a key and its value, whatever the type, for saving and for introspection.

use super::super::store::entry::Entry;
use super::super::store::packed::PackedText;
use super::super::{AnyRef, Ref};
use super::new_value::Str;
use russet_types::{Container, for_container};

/// A borrowed value.
pub enum ValueView<'a> {
    /// A string stored as an integer.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
    /// A string stored as a compressed frame; a damaged frame of another type, too.
    Packed(PackedText<'a>),
    /// A value of any type but string, unpacked if it is packed.
    Container(AnyRef<'a>),
}

/// A borrowed key with its value.
pub struct KeyView<'a> {
    /// The key's name.
    pub key: &'a [u8],
    /// Unix milliseconds.
    pub expiry: Option<i64>,
    /// The 24 bits of LRU or LFU information.
    pub clock: u32,
    /// Eviction passes over the key.
    pub is_blessed: bool,
    /// The value, borrowed from its entry.
    pub value: ValueView<'a>,
}

impl<'a> KeyView<'a> {
    /// The entry must not change during the life of the view.
    pub fn of(entry: Entry) -> KeyView<'a> {
        let value = match entry.string() {
            Some(Str::Int(n)) => ValueView::Int(n),
            Some(Str::Bytes(text)) => ValueView::Bytes(text),
            Some(Str::Packed(packed)) => ValueView::Packed(packed),
            None if entry.is_packed() => ValueView::unpacked(entry),
            None => ValueView::Container(AnyRef::of(entry)),
        };
        KeyView {
            key: entry.key(),
            expiry: entry.expiry(),
            clock: entry.clock(),
            is_blessed: entry.is_blessed(),
            value,
        }
    }
}

impl ValueView<'_> {
    /// A packed container as the container that it was; a damaged one as a text that is damaged.
    #[cold]
    fn unpacked(entry: Entry) -> Self {
        match AnyRef::unpack(entry) {
            Ok(container) => ValueView::Container(container),
            Err(_) => ValueView::Packed(PackedText::of(&[])),
        }
    }

    /// The container, if it is a `T`.
    pub fn get<T: Container>(&self) -> Option<Ref<'_, T>> {
        match self {
            ValueView::Container(its) if its.kind() == T::TYPE => Some(its.read()),
            _ => None,
        }
    }

    /// Bytes of a string's text.
    pub fn text_bytes(&self) -> usize {
        match self {
            ValueView::Bytes(text) => text.len(),
            ValueView::Packed(packed) => packed.len(),
            _ => 0,
        }
    }

    /// Bytes of a container's tables and elements; 0 for strings and packed forms, which are a
    /// single block.
    pub(crate) fn loose_bytes(&self) -> usize {
        let ValueView::Container(container) = self else {
            return 0;
        };
        for_container!(
            container.kind(),
            T => loose_bytes(&*container.read::<T>()),
            _ => 0,
        )
    }
}

fn loose_bytes<T: Container>(value: &T) -> usize {
    if value.is_one_block() {
        0
    } else {
        value.memory_bytes()
    }
}
