//! A key and its value in a single allocation; the handle is a thin pointer.
//!
//!     tag 1 | flags 1 | clock 3 | [expiry 8] | key length varint | key | value
//!     tag    = type << 4 | encoding; of modules see `russet_types::tag`
//!     value  = int:   i64
//!              embstr: length varint | bytes        (short strings)
//!              raw:   pointer 8 | length 8           (the string's own block, no header)
//!              packed: as embstr or raw, of the block of `packed`; a flag says which (of any type)
//!              else:  the container's word, 8
//!
//! Invariants
//!   1. The block's size is what `size()` computes from the header; it is stored nowhere else.
//!   2. FLAG_EXPIRY is set exactly when the 8 expiry bytes are there; the table's word for the
//!      entry carries the same bit, so a lookup recognizes keys without a TTL without reading the
//!      entry. The word also marks entries of more than 64 bytes: no size class spans that length,
//!      so the mark changes only when the block does.
//!   3. A raw string's block has exactly its length (at least 8), so the length implies the
//!      allocator's size class; so has the block of a packed text that is outside the entry.
//!   4. The dictionary of a packed value counts the entry, from the value's writing until it is
//!      replaced or freed; so does the schema of a packed record.
//!
//! An overwrite within the allocator's size class happens in place. `Entry` is a handle without a
//! lifetime: `Database` owns the entries and alone makes and frees them; references that callers of
//! this module hand out are bounded by a borrow of the database.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::super::{NewValue, Str};
use super::packed::{self, PackedContainer, PackedText};
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use russet_base::memory::pin::{self, PinnedBytes};
use russet_config::Dialect;
use russet_encodings::hashtable::{SHORT_REACH, Word};
use russet_encodings::prefetch::prefetch;
use russet_types::{Encoding, Type, tag};

const CLOCK_AT: usize = 2;
const EXPIRY_AT: usize = 5;
const FLAG_EXPIRY: u8 = 1;
/// The string was written by APPEND, SETRANGE or the like: OBJECT ENCODING reports `raw`.
const FLAG_RAW: u8 = 2;
/// Saved or unsaved in the running snapshot; the meaning flips with each snapshot (`snapshot`).
const FLAG_SAVED: u8 = 4;
/// BLESS has marked the key: eviction passes over it.
const FLAG_BLESSED: u8 = 8;
/// The block of a packed text is outside the entry.
const FLAG_APART: u8 = 16;
/// The text would not shrink; until it is replaced.
const FLAG_REFUSED: u8 = 32;
/// The cold walk has seen the packed text in use in its last round.
const FLAG_USED: u8 = 64;
/// The table word's mark of an entry with an expiry.
const WORD_EXPIRY: u64 = 1;
/// The table word's mark of an entry that is longer than a cache line.
const WORD_LONG: u64 = 2;
const LINE_BYTES: usize = 64;
/// Prefetch reach for entries longer than a line: an overwrite writes the third line that such an
/// entry may cross into, and a store that misses stalls the stores after it.
const LONG_REACH: usize = 95;
/// Longest entry that embeds its string; longer ones waste fewer bytes with a separate block.
const EMBED_MAX: usize = 128;
/// The value part of a string in a block of its own.
const BLOCK_PART: usize = 16;

/// A handle on an entry; see the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns all it points to and has no ties to the thread that made it; a handle is
// used only with exclusive access to its database or to the entry itself.
unsafe impl Send for Entry {}

fn varint_len(n: usize) -> usize {
    match n {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        _ => 9,
    }
}

/// `0xxxxxxx`, `10xxxxxx xxxxxxxx`, or `11000000` and eight bytes, most significant first.
fn put_varint(out: &mut [u8], n: usize) -> usize {
    match n {
        0..=0x7f => out[0] = n as u8,
        0x80..=0x3fff => out[..2].copy_from_slice(&(0x8000 | n as u16).to_be_bytes()),
        _ => {
            out[0] = 0xc0;
            out[1..9].copy_from_slice(&(n as u64).to_be_bytes());
        }
    }
    varint_len(n)
}

/// A separate block with a copy of a text.
fn copied(text: &[u8]) -> NonNull<u8> {
    let block = alloc::block(text.len());
    // SAFETY: the new block has at least `text.len()` bytes.
    unsafe {
        block
            .as_ptr()
            .copy_from_nonoverlapping(text.as_ptr(), text.len())
    };
    block
}

/// A separate block of `len` zeros.
fn zeros(len: usize) -> NonNull<u8> {
    let block = alloc::block(len);
    // SAFETY: the new block has at least `len` bytes.
    unsafe { block.as_ptr().write_bytes(0, len) };
    block
}

/// Writes the value part of a raw string.
fn put_block(part: &mut [u8], block: NonNull<u8>, len: usize) {
    part[..8].copy_from_slice(&(block.as_ptr() as u64).to_le_bytes());
    part[8..BLOCK_PART].copy_from_slice(&(len as u64).to_le_bytes());
}

impl Entry {
    /// Bytes of the header and the key.
    fn head_for(key: &[u8], expiry: bool) -> usize {
        EXPIRY_AT + if expiry { 8 } else { 0 } + varint_len(key.len()) + key.len()
    }

    /// Bytes of a string's value part after a head of this size: the text itself, or a block's
    /// pointer and length.
    fn string_part(head: usize, len: usize) -> usize {
        let inside = varint_len(len) + len;
        if head + inside <= EMBED_MAX {
            inside
        } else {
            BLOCK_PART
        }
    }

    /// Bytes of an entry: header, key and value part.
    fn size_for(key: &[u8], expiry: bool, value: &NewValue<'_>) -> usize {
        let head = Entry::head_for(key, expiry);
        head + match value {
            NewValue::Int(_) | NewValue::Container(..) => 8,
            NewValue::Bytes { text, .. } => Entry::string_part(head, text.len()),
            NewValue::Zeros(len) => Entry::string_part(head, *len),
            NewValue::Packed { block, .. } => Entry::string_part(head, block.len()),
            NewValue::Large(_) => BLOCK_PART,
        }
    }

    /// Makes an entry that owns its value.
    pub fn new(key: &[u8], expiry: Option<i64>, clock: u32, value: NewValue<'_>) -> Entry {
        let size = Entry::size_for(key, expiry.is_some(), &value);
        let entry = Entry(alloc::block(size));
        entry.write(size, key, expiry, clock, value);
        entry
    }

    /// Fills a block of `size` bytes. `key` must not be inside it.
    fn write(self, size: usize, key: &[u8], expiry: Option<i64>, clock: u32, value: NewValue<'_>) {
        let part = self.write_head(size, key, expiry, clock);
        self.put_value(part, value);
    }

    /// Clears a block of `size` bytes and writes everything but the value; returns the value part.
    fn write_head<'a>(
        self,
        size: usize,
        key: &[u8],
        expiry: Option<i64>,
        clock: u32,
    ) -> &'a mut [u8] {
        // SAFETY: the block has `size` bytes and is not shared yet.
        let block = unsafe {
            self.0.as_ptr().write_bytes(0, size);
            std::slice::from_raw_parts_mut(self.0.as_ptr(), size)
        };
        block[CLOCK_AT..EXPIRY_AT].copy_from_slice(&clock.to_le_bytes()[..3]);
        let mut at = EXPIRY_AT;
        block[1] = 0;
        if let Some(when) = expiry {
            block[1] = FLAG_EXPIRY;
            block[at..at + 8].copy_from_slice(&when.to_le_bytes());
            at += 8;
        }
        at += put_varint(&mut block[at..], key.len());
        block[at..at + key.len()].copy_from_slice(key);
        at += key.len();
        &mut block[at..]
    }

    /// Writes the value part, the tag and the flag of modified strings.
    fn put_value(self, part: &mut [u8], value: NewValue<'_>) {
        let (kind, encoding) = match value {
            NewValue::Int(n) => {
                part[..8].copy_from_slice(&n.to_le_bytes());
                (Type::String, Encoding::Int)
            }
            NewValue::Container(kind, encoding, word) => {
                part[..8].copy_from_slice(&word.to_le_bytes());
                (kind, encoding)
            }
            NewValue::Bytes { text, modified } => {
                self.set_flag(FLAG_RAW, modified);
                if part.len() == varint_len(text.len()) + text.len() {
                    let at = put_varint(part, text.len());
                    part[at..].copy_from_slice(text);
                    (Type::String, Encoding::Embstr)
                } else {
                    put_block(part, copied(text), text.len());
                    (Type::String, Encoding::Raw)
                }
            }
            NewValue::Zeros(len) => {
                self.set_flag(FLAG_RAW, true);
                if part.len() == varint_len(len) + len {
                    let at = put_varint(part, len);
                    part[at..].fill(0);
                    (Type::String, Encoding::Embstr)
                } else {
                    put_block(part, zeros(len), len);
                    (Type::String, Encoding::Raw)
                }
            }
            NewValue::Packed {
                kind,
                block,
                modified,
            } => {
                self.set_flag(FLAG_RAW, modified);
                let inside = part.len() == varint_len(block.len()) + block.len();
                self.set_flag(FLAG_APART, !inside);
                if inside {
                    let at = put_varint(part, block.len());
                    part[at..].copy_from_slice(block);
                } else {
                    put_block(part, copied(block), block.len());
                }
                packed::count(kind, block);
                (kind, Encoding::Packed)
            }
            NewValue::Large(large) => {
                self.set_flag(FLAG_RAW, false);
                let block = large.give().unwrap_or_else(|| copied(large));
                put_block(part, block, large.len());
                (Type::String, Encoding::Raw)
            }
        };
        self.set_byte(0, tag(kind, encoding));
    }

    #[inline]
    fn byte(self, at: usize) -> u8 {
        // SAFETY: every entry has its five header bytes, and callers stay inside `size()`.
        unsafe { *self.0.as_ptr().add(at) }
    }

    #[inline]
    fn set_byte(self, at: usize, value: u8) {
        // SAFETY: as `byte`; every writer holds the database exclusively.
        unsafe { *self.0.as_ptr().add(at) = value }
    }

    fn set_flag(self, flag: u8, on: bool) {
        let flags = self.byte(1);
        self.set_byte(1, if on { flags | flag } else { flags & !flag });
    }

    #[inline]
    fn bytes_at<'a>(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers pass parts of the entry that the header guarantees (invariant 1); the
        // lifetime is bounded by the caller's borrow of the database.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(at), len) }
    }

    #[inline]
    fn u64_at(self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes_at(at, 8).try_into().expect("eight bytes"))
    }

    #[inline]
    fn set_u64_at(self, at: usize, value: u64) {
        // SAFETY: callers pass eight bytes of the entry that the header guarantees.
        unsafe {
            self.0
                .as_ptr()
                .add(at)
                .cast::<[u8; 8]>()
                .write(value.to_le_bytes())
        }
    }

    /// A varint's value and length.
    #[inline]
    fn varint_at(self, at: usize) -> (usize, usize) {
        let first = self.byte(at);
        match first >> 6 {
            0 | 1 => (first as usize, 1),
            2 => ((first as usize & 0x3f) << 8 | self.byte(at + 1) as usize, 2),
            _ => {
                let b = self.bytes_at(at + 1, 8).try_into().expect("eight bytes");
                (u64::from_be_bytes(b) as usize, 9)
            }
        }
    }

    #[inline]
    fn key_part(self) -> (usize, usize) {
        let at = EXPIRY_AT + if self.has_expiry() { 8 } else { 0 };
        let (len, width) = self.varint_at(at);
        (at + width, len)
    }

    #[inline]
    fn value_at(self) -> usize {
        let (at, len) = self.key_part();
        at + len
    }

    /// The block's size (invariant 1).
    pub fn size(self) -> usize {
        let at = self.value_at();
        at + match self.encoding() {
            Encoding::Embstr => {
                let (len, width) = self.varint_at(at);
                len + width
            }
            Encoding::Raw => BLOCK_PART,
            Encoding::Packed => self.packed_part(at),
            _ => 8,
        }
    }

    /// Whether the value is a frame.
    #[inline]
    pub fn is_packed(self) -> bool {
        self.encoding() == Encoding::Packed
    }

    /// Whether the value is a container that is not packed: [`Entry::word`] is its word.
    #[inline]
    pub(crate) fn has_word(self) -> bool {
        self.kind() != Type::String && !self.is_packed()
    }

    /// The packed container, if the value is one.
    #[cold]
    #[inline(never)]
    pub(crate) fn packed_container<'a>(self) -> Option<PackedContainer<'a>> {
        let kind = self.kind();
        (self.is_packed() && kind != Type::String)
            .then(|| PackedContainer::of(kind, self.packed_text(self.value_at()).block()))
    }

    /// Bytes of a packed value before it was packed; 0 of other values.
    pub(crate) fn raw_len(self) -> usize {
        if self.is_packed() {
            self.packed_text(self.value_at()).len()
        } else {
            0
        }
    }

    /// Bytes that a packed value's form saves; `None`: the value is not packed.
    pub(crate) fn packed_saving(self) -> Option<usize> {
        self.is_packed().then(|| {
            let packed = self.packed_text(self.value_at());
            packed.len().saturating_sub(packed.block().len())
        })
    }

    /// The number of a packed value's dictionary; 0 of other values.
    pub(crate) fn dictionary(self) -> u8 {
        if self.is_packed() {
            self.packed_text(self.value_at()).dictionary()
        } else {
            0
        }
    }

    /// The string, if it is stored as text.
    pub(crate) fn plain_text<'a>(self) -> Option<&'a [u8]> {
        match self.string() {
            Some(Str::Bytes(text)) => Some(text),
            _ => None,
        }
    }

    /// A command changes a part of the string: it reports as `raw`, and may shrink from now on.
    fn mark_modified(self) {
        let flags = self.byte(1);
        self.set_byte(1, flags & !FLAG_REFUSED | FLAG_RAW);
    }

    /// Whether packing the text has been tried in vain.
    pub(crate) fn is_refused(self) -> bool {
        self.byte(1) & FLAG_REFUSED != 0
    }

    /// Packing the value is not to be tried again until it is replaced or changed.
    pub(crate) fn set_refused(self) {
        self.set_flag(FLAG_REFUSED, true);
    }

    /// A container is about to change, and may shrink from now on.
    #[inline]
    pub(crate) fn clear_refused(self) {
        if self.is_refused() {
            self.set_flag(FLAG_REFUSED, false);
        }
    }

    /// Whether the cold walk has met the packed text in use in its last round.
    pub(crate) fn was_used(self) -> bool {
        self.byte(1) & FLAG_USED != 0
    }

    /// See [`Entry::was_used`].
    pub(crate) fn set_used(self, used: bool) {
        self.set_flag(FLAG_USED, used);
    }

    /// Whether a command has changed a part of the string.
    pub(crate) fn is_modified(self) -> bool {
        self.byte(1) & FLAG_RAW != 0
    }

    /// Bytes of a packed text's value part.
    #[cold]
    fn packed_part(self, at: usize) -> usize {
        if self.byte(1) & FLAG_APART != 0 {
            return BLOCK_PART;
        }
        let (len, width) = self.varint_at(at);
        len + width
    }

    #[cold]
    #[inline(never)]
    fn packed_text<'a>(self, at: usize) -> PackedText<'a> {
        if let Some((block, len)) = self.block_apart() {
            // SAFETY: invariant 3: the block is `len` bytes of this entry's own.
            return PackedText::of(unsafe { std::slice::from_raw_parts(block.as_ptr(), len) });
        }
        let (len, width) = self.varint_at(at);
        PackedText::of(self.bytes_at(at + width, len))
    }

    /// Bytes that the entry and its block would occupy in the allocator with a packed text whose
    /// block has `len` bytes.
    pub(crate) fn bytes_packed(self, len: usize) -> usize {
        bytes_packed(self.value_at(), len)
    }

    /// Bytes of the entry before its value.
    pub(crate) fn head_bytes(self) -> usize {
        self.value_at()
    }

    #[inline]
    pub fn key<'a>(self) -> &'a [u8] {
        let (at, len) = self.key_part();
        self.bytes_at(at, len)
    }

    #[inline]
    pub fn kind(self) -> Type {
        Type::of_tag(self.byte(0))
    }

    /// The actual encoding of the value; see [`Entry::reported_encoding`].
    #[inline]
    pub fn encoding(self) -> Encoding {
        Encoding::of_tag(self.byte(0))
    }

    /// OBJECT ENCODING as Redis would report it, wherever the string actually is.
    pub(crate) fn reported_encoding(self, dialect: Dialect) -> Encoding {
        match self.encoding() {
            Encoding::Embstr | Encoding::Raw | Encoding::Packed => {
                let Some(text) = self.string() else {
                    let form = self.packed_container().and_then(PackedContainer::form);
                    return form.map_or(Encoding::Raw, |form| form.encoding);
                };
                let key = self.key().len();
                let is_short = key + text.len() <= dialect.embstr_max()(key);
                if is_short && self.byte(1) & FLAG_RAW == 0 {
                    Encoding::Embstr
                } else {
                    Encoding::Raw
                }
            }
            other => other,
        }
    }

    #[inline]
    pub fn is_saved(self) -> bool {
        self.byte(1) & FLAG_SAVED != 0
    }

    #[inline]
    pub(crate) fn set_saved(self, bit: bool) {
        let flags = self.byte(1);
        let saved = if bit { FLAG_SAVED } else { 0 };
        if flags & FLAG_SAVED != saved {
            self.set_byte(1, flags ^ FLAG_SAVED);
        }
    }

    /// Whether eviction passes over the key.
    #[inline]
    pub fn is_blessed(self) -> bool {
        self.byte(1) & FLAG_BLESSED != 0
    }

    /// The table must record it, too.
    pub(crate) fn set_blessed(self, on: bool) {
        self.set_flag(FLAG_BLESSED, on);
    }

    #[inline]
    pub fn has_expiry(self) -> bool {
        self.byte(1) & FLAG_EXPIRY != 0
    }

    /// When the key expires, Unix milliseconds.
    #[inline]
    pub fn expiry(self) -> Option<i64> {
        self.has_expiry().then(|| self.u64_at(EXPIRY_AT) as i64)
    }

    /// Changes an expiry that is already there.
    pub fn set_expiry(self, when: i64) {
        assert!(self.has_expiry());
        self.set_u64_at(EXPIRY_AT, when as u64);
    }

    /// The 24 bits of LRU or LFU information.
    #[inline]
    pub fn clock(self) -> u32 {
        let b = self.bytes_at(CLOCK_AT, 3);
        u32::from_le_bytes([b[0], b[1], b[2], 0])
    }

    #[inline]
    pub(crate) fn set_clock(self, clock: u32) {
        let [a, b, c, _] = clock.to_le_bytes();
        self.set_byte(CLOCK_AT, a);
        self.set_byte(CLOCK_AT + 1, b);
        self.set_byte(CLOCK_AT + 2, c);
    }

    /// The value, for writing into another entry; this entry keeps ownership of a container's word.
    pub fn value<'a>(self) -> NewValue<'a> {
        match self.string() {
            Some(Str::Int(n)) => NewValue::Int(n),
            Some(Str::Bytes(text)) => NewValue::Bytes {
                text,
                modified: self.is_modified(),
            },
            Some(Str::Packed(packed)) => self.packed_value(packed),
            None if self.is_packed() => self.packed_value(self.packed_text(self.value_at())),
            None => NewValue::Container(self.kind(), self.encoding(), self.word()),
        }
    }

    fn packed_value(self, packed: PackedText<'_>) -> NewValue<'_> {
        NewValue::Packed {
            kind: self.kind(),
            block: packed.block(),
            modified: self.is_modified(),
        }
    }

    /// The string, or `None` for a container.
    // Always inlined, because callers match at once on what this match finds.
    #[inline(always)]
    pub fn string<'a>(self) -> Option<Str<'a>> {
        let at = self.value_at();
        match self.encoding() {
            Encoding::Int => Some(Str::Int(self.u64_at(at) as i64)),
            Encoding::Embstr => {
                let (len, width) = self.varint_at(at);
                Some(Str::Bytes(self.bytes_at(at + width, len)))
            }
            Encoding::Raw => {
                let (block, len) = (self.u64_at(at), self.u64_at(at + 8) as usize);
                // SAFETY: invariant 3: the block is `len` bytes of this entry's own.
                Some(Str::Bytes(unsafe {
                    std::slice::from_raw_parts(block as *const u8, len)
                }))
            }
            _ => self.packed_string(),
        }
    }

    /// As [`Entry::string`], of an entry that holds no plain string. Apart from it, because a
    /// string that is not packed should pay nothing for those that are.
    #[cold]
    #[inline(never)]
    fn packed_string<'a>(self) -> Option<Str<'a>> {
        (self.is_packed() && self.kind() == Type::String)
            .then(|| Str::Packed(self.packed_text(self.value_at())))
    }

    /// The value, if it is stored as an integer.
    #[inline]
    pub fn int(self) -> Option<i64> {
        (self.encoding() == Encoding::Int).then(|| self.u64_at(self.value_at()) as i64)
    }

    /// The bytes of a string that is not an integer, for changes that keep the length.
    pub(crate) fn string_mut<'a>(self) -> Option<&'a mut [u8]> {
        self.unshare();
        let (at, len) = match self.encoding() {
            Encoding::Embstr => {
                let at = self.value_at();
                let (len, width) = self.varint_at(at);
                // SAFETY: the text is inside the entry (invariant 1).
                (unsafe { self.0.add(at + width) }, len)
            }
            _ => self.raw_block()?,
        };
        // SAFETY: the bytes belong to this entry, and the caller holds the database
        // exclusively.
        Some(unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), len) })
    }

    /// The container's word.
    #[inline]
    pub fn word(self) -> u64 {
        self.u64_at(self.value_at())
    }

    /// The container changed its encoding or its address; ownership stays with the entry.
    #[inline]
    pub(crate) fn set_word(self, encoding: Encoding, word: u64) {
        self.set_u64_at(self.value_at(), word);
        self.set_byte(0, self.byte(0) & 0xf0 | encoding as u8);
    }

    #[inline]
    pub fn set_int(self, n: i64) {
        assert_eq!(self.encoding(), Encoding::Int);
        self.set_u64_at(self.value_at(), n as u64);
    }

    /// The value part, from `at` on, of an entry that has `old` bytes and is to have `new`. Bytes
    /// past the old ones are zeros.
    ///
    /// # Safety
    /// Both sizes are of the same class: `alloc::block` requested the whole size class. Nothing
    /// else refers to the part while it is borrowed.
    #[inline(always)]
    unsafe fn resized_part<'a>(self, at: usize, old: usize, new: usize) -> &'a mut [u8] {
        // SAFETY: the block holds `new` bytes, which are initialised first.
        unsafe {
            if new > old {
                self.0.as_ptr().add(old).write_bytes(0, new - old);
            }
            std::slice::from_raw_parts_mut(self.0.as_ptr().add(at), new - at)
        }
    }

    /// Gives a string inside the entry another text and expiry, if it has room for both.
    /// `before` runs first, and only then. Returns the length of the old text.
    #[inline]
    pub fn rewrite(self, text: &[u8], expiry: Option<i64>, before: impl FnOnce()) -> Option<usize> {
        if self.encoding() != Encoding::Embstr || self.has_expiry() != expiry.is_some() {
            return None;
        }
        let at = self.value_at();
        let (len, width) = self.varint_at(at);
        let old = at + width + len;
        let new = at + varint_len(text.len()) + text.len();
        if new > EMBED_MAX || alloc::good_size(old) != alloc::good_size(new) {
            return None;
        }
        before();
        if let Some(when) = expiry {
            self.set_expiry(when);
        }
        // SAFETY: both sizes are of one class. The text is not inside: it came from a client or
        // another allocation.
        let part = unsafe { self.resized_part(at, old, new) };
        self.set_flag(FLAG_RAW | FLAG_REFUSED, false);
        let from = put_varint(part, text.len());
        part[from..].copy_from_slice(text);
        Some(len)
    }

    /// Replaces a string value and the expiry, in place if the size class allows it. The old string
    /// is freed; a container must have been taken out before.
    pub fn replace(self, expiry: Option<i64>, value: NewValue<'_>) -> Entry {
        let key = self.key();
        let (old, new) = (self.size(), Entry::size_for(key, expiry.is_some(), &value));
        let apart = self.give_up_block();
        let fits = alloc::good_size(old) == alloc::good_size(new);
        let entry = if fits && expiry.is_some() == self.has_expiry() {
            if let Some(when) = expiry {
                self.set_expiry(when);
            }
            let at = self.value_at();
            // SAFETY: both sizes are of one class. `value` is not inside (its bytes came from a
            // client or another allocation).
            let part = unsafe { self.resized_part(at, old, new) };
            self.set_flag(FLAG_RAW | FLAG_REFUSED | FLAG_USED, false);
            self.put_value(part, value);
            self
        } else {
            let entry = Entry::new(key, expiry, self.clock(), value);
            entry.set_blessed(self.is_blessed());
            // SAFETY: this block is `old` bytes and every word that names it is replaced
            // by the caller.
            unsafe { alloc::free(self.0, old) };
            entry
        };
        if let Some((block, len)) = apart {
            // SAFETY: the string's block was owned by the value just replaced.
            unsafe { pin::free(block, len) };
        }
        entry
    }

    /// Adds, changes or removes the expiry; the value and its ownership are unchanged.
    pub(crate) fn with_expiry(self, expiry: Option<i64>) -> Entry {
        match (self.has_expiry(), expiry) {
            (true, Some(when)) => {
                self.set_expiry(when);
                self
            }
            (false, None) => self,
            (had, _) => {
                let old = self.size();
                let new = if had { old - 8 } else { old + 8 };
                let moved = Entry(alloc::block(new));
                let tail = if had { EXPIRY_AT + 8 } else { EXPIRY_AT };
                let from = self.bytes_at(tail, old - tail);
                let to = if had { EXPIRY_AT } else { EXPIRY_AT + 8 };
                // SAFETY: both blocks are as long as their layouts say, and distinct.
                unsafe {
                    moved
                        .0
                        .as_ptr()
                        .copy_from_nonoverlapping(self.0.as_ptr(), EXPIRY_AT);
                    moved
                        .0
                        .as_ptr()
                        .add(to)
                        .copy_from_nonoverlapping(from.as_ptr(), from.len());
                }
                moved.set_flag(FLAG_EXPIRY, !had);
                if let Some(when) = expiry {
                    moved.set_expiry(when);
                }
                // SAFETY: the old block is dead; its value part was moved bit by bit.
                unsafe { alloc::free(self.0, old) };
                moved
            }
        }
    }

    /// Moves value, expiry, clock and the mark of BLESS to an entry under another key, and frees
    /// this entry. Blocks outside the entry are not copied: a container, or a string's block.
    pub fn with_key(self, key: &[u8]) -> Entry {
        let (expiry, clock, old) = (self.expiry(), self.clock(), self.size());
        let from = self.value_at();
        let head = Entry::head_for(key, expiry.is_some());
        let part = match self.value() {
            NewValue::Bytes { text, .. } => Entry::string_part(head, text.len()),
            NewValue::Packed { block, .. } => Entry::string_part(head, block.len()),
            _ => 8,
        };
        if part != old - from {
            // A short string moves into the entry or out of it, as the new key's length requires.
            // (Parts of equal length may stay either way: the tag says which it is.)
            let entry = Entry::new(key, expiry, clock, self.value());
            entry.set_blessed(self.is_blessed());
            self.free();
            return entry;
        }
        let moved = Entry(alloc::block(head + part));
        moved
            .write_head(head + part, key, expiry, clock)
            .copy_from_slice(self.bytes_at(from, part));
        moved.set_flag(FLAG_RAW | FLAG_APART, false);
        moved.set_flag(self.byte(1) & (FLAG_RAW | FLAG_APART), true);
        moved.set_blessed(self.is_blessed());
        moved.set_byte(0, self.byte(0));
        // SAFETY: the old block is dead; its value part was moved bit by bit.
        unsafe { alloc::free(self.0, old) };
        moved
    }

    /// The string's block, pinned for a reply that does not copy it; `None` for short ones.
    #[inline]
    pub(crate) fn pin_string(self) -> Option<PinnedBytes> {
        let (block, len) = self.raw_block().filter(|&(_, len)| len >= pin::PIN_MIN)?;
        // SAFETY: a raw string's block is `len` bytes (invariant 3); this module frees such
        // blocks through `pin::free` and unshares them before it changes them.
        Some(unsafe { PinnedBytes::new(block, len) })
    }

    /// An entry that shares and pins the block of this entry's large string; it must be freed by
    /// [`Entry::free_head`]. `None` for other values.
    pub fn share(self) -> Option<(Entry, PinnedBytes)> {
        let pinned = self.pin_string()?;
        let size = self.size();
        let head = Entry(alloc::block(size));
        // SAFETY: both blocks are `size` bytes, and the new one is not shared yet.
        unsafe {
            head.0
                .as_ptr()
                .copy_from_nonoverlapping(self.0.as_ptr(), size);
        }
        Some((head, pinned))
    }

    /// Frees the entry alone, not its string's shared block.
    pub(crate) fn free_head(self) {
        let size = self.size();
        // SAFETY: no handle to this entry is left.
        unsafe { alloc::free(self.0, size) };
    }

    /// Copies the block of a string that is being sent, so that only the entry owns the new block.
    fn unshare(self) {
        let Some((block, len)) = self.raw_block() else {
            return;
        };
        if len < pin::PIN_MIN || !pin::is_pinned(block) {
            return;
        }
        let own = alloc::block(len);
        // SAFETY: both blocks have `len` bytes, and the new one is not shared yet.
        unsafe { own.as_ptr().copy_from_nonoverlapping(block.as_ptr(), len) };
        self.set_u64_at(self.value_at(), own.as_ptr() as u64);
        // SAFETY: this entry no longer points to the old block.
        unsafe { pin::free(block, len) }
    }

    /// Offers the entry's block; returns its copy, whose word the caller must put into the table.
    /// Blocks outside the entry are not moved.
    pub fn moved(self, mover: &mut Mover) -> Option<Entry> {
        // SAFETY: a block of this size (invariant 1); the database alone keeps words of its
        // entries, and replaces the old word with the copy's.
        unsafe { mover.block(self.0, || self.size()) }.map(Entry)
    }

    /// Offers a string's block. A block being sent is not moved, because its reader has the
    /// address.
    pub(crate) fn move_text(self, mover: &mut Mover) {
        let Some((block, len)) = self.block_apart() else {
            return;
        };
        if len >= pin::PIN_MIN && pin::is_pinned(block) {
            return;
        }
        // SAFETY: the entry's own block (invariant 3), which is not pinned; the entry gets the
        // address of the copy.
        if let Some(moved) = unsafe { mover.block(block, || len) } {
            self.set_u64_at(self.value_at(), moved.as_ptr() as u64);
        }
    }

    /// Makes room for a string of `len` bytes that reports as `raw`: the old text, then zeros.
    /// Returns the bytes to write.
    pub(crate) fn grow_string<'a>(self, len: usize) -> (Entry, &'a mut [u8]) {
        if self.encoding() == Encoding::Raw {
            self.unshare();
            let at = self.value_at();
            let (block, old) = self.raw_block().expect("raw");
            // SAFETY: the block is this entry's, of `old` bytes (invariant 3).
            let block = unsafe { alloc::resize(block, old, len) };
            self.set_u64_at(at, block.as_ptr() as u64);
            self.set_u64_at(at + 8, len as u64);
            // SAFETY: the block was just resized to `len` bytes; the tail is zeroed before use.
            let text = unsafe {
                if len > old {
                    block.as_ptr().add(old).write_bytes(0, len - old);
                }
                std::slice::from_raw_parts_mut(block.as_ptr(), len)
            };
            self.mark_modified();
            return (self, text);
        }
        let text = self.string().expect("a string");
        if let Str::Bytes(inside) = text
            && inside.len() == len
        {
            self.mark_modified();
            return (self, self.string_mut().expect("bytes"));
        }
        let mut text = text.to_vec().expect("its users unpack it first");
        text.resize(len, 0);
        let grown = self.replace(
            self.expiry(),
            NewValue::Bytes {
                text: &text,
                modified: true,
            },
        );
        (grown, grown.string_mut().expect("bytes"))
    }

    /// A raw string's block and length.
    #[inline]
    fn raw_block(self) -> Option<(NonNull<u8>, usize)> {
        (self.encoding() == Encoding::Raw).then(|| {
            let at = self.value_at();
            let block = NonNull::new(self.u64_at(at) as *mut u8).expect("raw strings have a block");
            (block, self.u64_at(at + 8) as usize)
        })
    }

    /// The block and length of a raw string, or of a packed text outside the entry.
    #[inline]
    fn block_apart(self) -> Option<(NonNull<u8>, usize)> {
        let is_apart = match self.encoding() {
            Encoding::Raw => true,
            Encoding::Packed => self.byte(1) & FLAG_APART != 0,
            _ => false,
        };
        is_apart.then(|| {
            let at = self.value_at();
            let block = NonNull::new(self.u64_at(at) as *mut u8).expect("such texts have a block");
            (block, self.u64_at(at + 8) as usize)
        })
    }

    /// The block outside the entry, for a caller that frees the value or replaces it: the
    /// dictionary of a packed text counts the entry no longer (invariant 4).
    #[inline]
    fn give_up_block(self) -> Option<(NonNull<u8>, usize)> {
        if self.is_packed() {
            return self.give_up_packed();
        }
        self.raw_block()
    }

    #[cold]
    #[inline(never)]
    fn give_up_packed(self) -> Option<(NonNull<u8>, usize)> {
        let text = self.packed_text(self.value_at());
        packed::discount(self.kind(), text.block());
        self.block_apart()
    }

    /// Frees the entry and a string's block; a container must have been taken out before.
    pub fn free(self) {
        let apart = self.give_up_block();
        let size = self.size();
        // SAFETY: the database has dropped every word that named this entry.
        unsafe { alloc::free(self.0, size) };
        if let Some((block, len)) = apart {
            // SAFETY: owned by the entry alone (invariant 3).
            unsafe { pin::free(block, len) };
        }
    }

    /// The table's word for this entry (invariant 2).
    #[inline]
    pub(crate) fn table_word(self) -> Word {
        let expiry = if self.has_expiry() { WORD_EXPIRY } else { 0 };
        let long = if self.size() > LINE_BYTES {
            WORD_LONG
        } else {
            0
        };
        Word::from_raw(self.0.as_ptr() as u64 | expiry | long)
    }

    /// The last byte to prefetch of a word's entry.
    #[inline]
    pub fn reach(word: Word) -> usize {
        if word.raw() & WORD_LONG != 0 {
            LONG_REACH
        } else {
            SHORT_REACH
        }
    }

    /// Prefetches the lines of the entry up to its byte `reach`.
    #[inline]
    pub fn prefetch(self, reach: usize) {
        let at = self.address();
        (0..=reach / LINE_BYTES).for_each(|line| prefetch(at + line * LINE_BYTES));
    }

    /// Prefetches the beginning of a value outside the entry.
    #[inline]
    pub(crate) fn prefetch_value(self) {
        let encoding = self.encoding();
        let is_inside = matches!(encoding, Encoding::Int | Encoding::Embstr)
            || encoding == Encoding::Packed && self.byte(1) & FLAG_APART == 0;
        if !is_inside {
            let address = self.u64_at(self.value_at()) as usize & !7;
            prefetch(address);
            prefetch(address + LINE_BYTES);
        }
    }

    /// The entry that a table word names.
    #[inline]
    pub fn of(word: Word) -> Entry {
        let at = (word.raw() & !7) as *mut u8;
        Entry(NonNull::new(at).expect("table words are entries"))
    }

    /// Whether the word's entry has an expiry, without reading the entry.
    #[inline]
    pub(crate) fn word_has_expiry(word: Word) -> bool {
        word.raw() & WORD_EXPIRY != 0
    }

    /// The expiry of a table word's entry; an entry without an expiry is not read.
    pub(crate) fn word_expiry(word: Word) -> Option<i64> {
        if Entry::word_has_expiry(word) {
            Entry::of(word).expiry()
        } else {
            None
        }
    }

    /// Bytes that the entry and a string's block occupy in the allocator.
    #[inline]
    pub fn memory_bytes(self) -> usize {
        let at = self.value_at();
        match self.encoding() {
            Encoding::Embstr => {
                let (len, width) = self.varint_at(at);
                alloc::good_size(at + width + len)
            }
            Encoding::Raw => {
                let len = self.u64_at(at + 8) as usize;
                alloc::good_size(at + BLOCK_PART) + alloc::good_size(len)
            }
            Encoding::Packed => {
                let apart = self
                    .block_apart()
                    .map_or(0, |(_, len)| alloc::good_size(len));
                alloc::good_size(at + self.packed_part(at)) + apart
            }
            _ => alloc::good_size(at + 8),
        }
    }

    /// Whether the value is embedded in the entry: there is no other block.
    #[inline]
    pub fn is_one_block(self) -> bool {
        matches!(self.encoding(), Encoding::Int | Encoding::Embstr)
    }

    /// The entry's address, for DEBUG OBJECT.
    pub fn address(self) -> usize {
        self.0.as_ptr() as usize
    }
}

/// See [`Entry::bytes_packed`], of an entry with so many bytes before its value.
pub(crate) fn bytes_packed(head: usize, len: usize) -> usize {
    let part = Entry::string_part(head, len);
    let inside = part == varint_len(len) + len;
    alloc::good_size(head + part) + if inside { 0 } else { alloc::good_size(len) }
}

/// Whether an expiry at `when` has passed: a key still lives in the millisecond of its expiry.
#[inline]
pub fn is_past(when: Option<i64>, now_ms: i64) -> bool {
    when.is_some_and(|when| when < now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &[u8]) -> NewValue<'_> {
        NewValue::Bytes {
            text,
            modified: false,
        }
    }

    #[test]
    fn an_overwrite_in_the_same_class_keeps_the_address() {
        let e = Entry::new(b"key", None, 7, bytes(&[b'x'; 20]));
        let same = e.replace(None, bytes(&[b'y'; 21]));
        assert_eq!(e.address(), same.address());
        assert_eq!(same.string(), Some(Str::Bytes(&[b'y'; 21])));
        assert_eq!(same.clock(), 7);
        same.free();
    }

    #[test]
    fn a_string_is_rewritten_only_where_its_block_has_room() {
        let lengths = (0..150).flat_map(|old| (0..150).map(move |new| (old, new)));
        for ((old, new), when) in lengths.flat_map(|both| [(both, None), (both, Some(9))]) {
            let text = vec![b'y'; new];
            let value = NewValue::Bytes {
                text: &vec![b'x'; old],
                modified: true,
            };
            let e = Entry::new(b"key", when.map(|_| 5), 7, value);
            let (class, before) = (e.memory_bytes(), e.expiry());
            let mut asked = false;
            let rewritten = e.rewrite(&text, when, || asked = true);
            assert_eq!(rewritten.is_some(), asked, "{old} {new}");
            if rewritten.is_none() {
                let fresh = Entry::new(b"key", when, 7, bytes(&text));
                let fits = (e.encoding(), class) == (Encoding::Embstr, fresh.memory_bytes());
                assert!(!fits || fresh.encoding() != Encoding::Embstr, "{old} {new}");
                fresh.free();
                assert_eq!(e.string(), Some(Str::Bytes(&vec![b'x'; old])));
                assert_eq!(e.expiry(), before);
            } else {
                assert_eq!(rewritten, Some(old));
                assert_eq!(e.string(), Some(Str::Bytes(&text)));
                assert_eq!((e.clock(), e.memory_bytes()), (7, class));
                assert_eq!((e.key(), e.expiry()), (&b"key"[..], when));
            }
            e.free();
        }
        for (had, given) in [(Some(5), None), (None, Some(5))] {
            let e = Entry::new(b"key", had, 7, bytes(b"a text"));
            assert_eq!(e.rewrite(b"another", given, || unreachable!()), None);
            e.free();
        }
    }

    #[test]
    fn another_key_takes_a_long_string_along_uncopied() {
        let block = |e: Entry| e.raw_block().map(|(at, _)| at);
        let e = Entry::new(b"a", Some(9), 5, bytes(&[b'x'; 100_000]));
        let before = block(e);
        let moved = e.with_key(&[b'k'; 300]);
        assert!(before.is_some());
        assert_eq!(block(moved), before);
        assert_eq!(moved.key(), [b'k'; 300]);
        assert_eq!((moved.expiry(), moved.clock()), (Some(9), 5));
        assert_eq!(moved.string(), Some(Str::Bytes(&[b'x'; 100_000])));
        moved.free();
    }

    #[test]
    fn a_short_string_lies_inside_or_apart_as_its_new_key_allows() {
        let text = [b'x'; 40];
        let value = NewValue::Bytes {
            text: &text,
            modified: true,
        };
        let mut e = Entry::new(b"short", None, 0, value);
        for (key, encoding) in [
            (&[b'k'; 90][..], Encoding::Raw),
            (&[b'k'; 120], Encoding::Raw),
            (b"", Encoding::Embstr),
            (b"other", Encoding::Embstr),
        ] {
            e = e.with_key(key);
            assert_eq!((e.key(), e.encoding()), (key, encoding));
            assert_eq!(e.string(), Some(Str::Bytes(&text)));
            assert_eq!(e.reported_encoding(Dialect::Redis), Encoding::Raw);
        }
        e.free();
    }

    #[test]
    fn sixteen_byte_keys_fit_the_classes_of_the_design() {
        let key = b"key:000000000001";
        let class = |expiry: Option<i64>, v| {
            let e = Entry::new(key, expiry, 0, v);
            let n = e.memory_bytes();
            e.free();
            n
        };
        assert_eq!(class(None, NewValue::Int(5)), 32);
        assert_eq!(class(None, bytes(&[b'x'; 16])), 40);
        assert_eq!(class(None, bytes(&[b'x'; 64])), 96);
        assert_eq!(class(Some(1), bytes(&[b'x'; 64])), 96);
        assert_eq!(class(None, bytes(&[b'x'; 1024])), 40 + 1024);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            key in prop::collection::vec(any::<u8>(), 0..300),
            steps in prop::collection::vec(
                (prop::option::of(any::<i64>()), prop::collection::vec(any::<u8>(), 0..400),
                 prop::option::of(any::<i64>()), 0u8..7), 1..12),
        ) {
            let mut key = key;
            let mut e = Entry::new(&key, None, 0x123456, NewValue::Int(1));
            for (expiry, text, int, how) in steps {
                match how {
                    0 => e = e.with_expiry(expiry),
                    1 => {
                        let before = e.string().unwrap().to_vec().unwrap();
                        let (moved, room) = e.grow_string(before.len() + text.len());
                        room[before.len()..].copy_from_slice(&text);
                        e = moved;
                        prop_assert_eq!(e.string().unwrap().to_vec().unwrap(), [before, text].concat());
                        continue;
                    }
                    2 => {
                        let before = (e.expiry(), e.string().unwrap().to_vec().unwrap());
                        e = e.with_key(&text);
                        key = text;
                        prop_assert_eq!((e.expiry(), e.string().unwrap().to_vec().unwrap()), before);
                        prop_assert_eq!(e.key(), &key[..]);
                        prop_assert_eq!(e.clock(), 0x123456);
                        continue;
                    }
                    3 => {
                        e = e.replace(expiry, NewValue::Zeros(text.len()));
                        prop_assert_eq!(e.string(), Some(Str::Bytes(&vec![0; text.len()])));
                        prop_assert_eq!(e.reported_encoding(Dialect::Redis), Encoding::Raw);
                    }
                    _ => {
                        let value = match int {
                            Some(n) => NewValue::Int(n),
                            None => bytes(&text),
                        };
                        e = e.replace(expiry, value);
                        let want = match int {
                            Some(n) => Str::Int(n),
                            None => Str::Bytes(&text),
                        };
                        prop_assert_eq!(e.string(), Some(want));
                    }
                }
                prop_assert_eq!(e.expiry(), expiry);
                prop_assert_eq!(e.key(), &key[..]);
                prop_assert_eq!(e.clock(), 0x123456);
            }
            e.free();
        }
    }
}
