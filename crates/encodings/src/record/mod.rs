//! A record: the values of a small hash, in the order of a schema's names, in a single block.
//!
//!     word    schema's number: 16 bits | address of the block: 48 bits
//!     block   value ...        an entry as in a listpack, without the trailing length, or
//!             0xF5 ..= 0xFE    the common value with number 0 to 9
//!             0xFF n           the common value with number n
//!             text             in a column with a width: a text of that length, which begins with
//!                              a byte of 1 to 127; an integer has two bytes or more
//!
//! Invariants
//!   1. The block has a value for each name of the schema, and was made for their bytes.
//!   2. A string among them has at most [`VALUE_BYTES_MAX`] bytes.
//!   3. A record counts as a reference to its schema.
//!   4. The schema has a text for each number of a common value.
//!
//! The block holds no length: a record costs a byte for each value beside the value's own, no byte
//! for texts of equal length, and a single byte in all for a value that many records have under its
//! name (`common`). Cost: everything is O(values), of which there are few; `len` O(1). When a hash
//! is a record: `types::hash`.
#![allow(unsafe_code)]

mod common;
mod schema;

pub use schema::{Schema, SchemaRef};

use crate::listpack::{
    BARE_TEXT_MAX, Entry, Listpack, bare_bytes, bare_len, read_bare, write_bare,
};
use common::{NEAR, StoredValue};
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use smallvec::SmallVec;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZeroU64;
use std::ptr::NonNull;

/// The longest string in a record.
pub(crate) const VALUE_BYTES_MAX: usize = BARE_TEXT_MAX;

const ADDRESS_BITS: u32 = 48;
const ADDRESS: u64 = (1 << ADDRESS_BITS) - 1;

/// The head of the common value with number 0; those up to [`NEAR`] have the next ones.
const COMMON: u8 = 0xF5;
/// The head of an integer in two bytes.
const SMALL: u8 = 0xC0;
/// The head before the number of another common value.
const COMMON_FAR: u8 = COMMON + NEAR as u8;

/// Bytes of a value in the block.
#[inline]
fn stored_bytes(value: StoredValue<'_>) -> usize {
    match value {
        StoredValue::Whole(entry) => bare_bytes(entry),
        StoredValue::Wide(text) => text.len(),
        StoredValue::Small(_) => 2,
        StoredValue::Common(number) => 1 + usize::from(usize::from(number) >= NEAR),
    }
}

/// Writes a value at the beginning of `to`; returns the rest.
#[inline]
fn write<'b>(value: StoredValue<'_>, to: &'b mut [MaybeUninit<u8>]) -> &'b mut [MaybeUninit<u8>] {
    let bytes = match value {
        StoredValue::Whole(entry) => return write_bare(entry, to),
        StoredValue::Wide(text) => text,
        StoredValue::Small(n) => &[SMALL, n],
        StoredValue::Common(number) if usize::from(number) < NEAR => &[COMMON + number],
        StoredValue::Common(number) => &[COMMON_FAR, number],
    };
    let (room, rest) = to.split_at_mut(bytes.len());
    room.write_copy_of_slice(bytes);
    rest
}

/// Bytes of the value that begins with `head`, in a column of this width; `second` gives the
/// value's second byte, which only some values have.
#[inline]
fn stored_len(head: u8, width: usize, second: impl FnOnce() -> u8) -> usize {
    match head {
        0..=0x7F => width.max(1),
        COMMON_FAR => 2,
        COMMON.. => 1,
        _ => bare_len(head, second),
    }
}

/// See the module.
pub struct Record(NonZeroU64);

// SAFETY: a record owns its block alone, and its schema may be used and dropped on any thread.
unsafe impl Send for Record {}
// SAFETY: shared access only reads.
unsafe impl Sync for Record {}

impl Record {
    /// A record of these values, a value for each name of the schema, which must fit ([`fits`]).
    pub fn new<'v>(schema: SchemaRef, values: impl Iterator<Item = Entry<'v>>) -> Record {
        let mut learning = schema.common().learning();
        let stored = values.enumerate();
        let stored = stored.map(|(column, value)| learning.store(column, value));
        let stored: SmallVec<[StoredValue<'_>; 16]> = stored.collect();
        drop(learning);
        assert_eq!(stored.len(), schema.len());
        let bytes = stored.iter().map(|value| stored_bytes(*value)).sum();
        let block = alloc::block(bytes);
        // SAFETY: the new block has that many bytes, which are this value's alone.
        let room = unsafe { room(block, 0, bytes) };
        let rest = stored.iter().fold(room, |room, value| write(*value, room));
        assert!(rest.is_empty());
        Record::of(block, schema)
    }

    fn of(block: NonNull<u8>, schema: SchemaRef) -> Record {
        let address = block.as_ptr().expose_provenance() as u64;
        assert!(address <= ADDRESS);
        let word = u64::from(schema.into_number()) << ADDRESS_BITS | address;
        Record(NonZeroU64::new(word).expect("a block has an address"))
    }

    #[inline]
    fn block(&self) -> NonNull<u8> {
        let address = (self.0.get() & ADDRESS) as usize;
        let block = std::ptr::with_exposed_provenance_mut(address);
        NonNull::new(block).expect("a block has an address")
    }

    /// The schema, without counting: this value's reference must outlive the use of the result.
    #[inline]
    fn handle(&self) -> ManuallyDrop<SchemaRef> {
        let number = (self.0.get() >> ADDRESS_BITS) as u16;
        // SAFETY: the number is of the reference that this record has given up for it (invariant
        // 3); the copy is not dropped.
        ManuallyDrop::new(unsafe { SchemaRef::from_number(number) })
    }

    /// Another reference to the schema.
    #[inline]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.handle())
    }

    /// The schema, for as long as the record is borrowed.
    #[inline]
    fn its_schema(&self) -> &Schema {
        let schema: *const Schema = &**self.handle();
        // SAFETY: the schema lives as long as this record does, which is borrowed (invariant 3).
        unsafe { &*schema }
    }

    /// Number of values.
    #[allow(clippy::len_without_is_empty, reason = "an empty hash is removed")]
    #[inline]
    pub fn len(&self) -> usize {
        self.its_schema().len()
    }

    /// The values in order.
    #[inline]
    pub fn values(&self) -> Values<'_> {
        let schema = self.its_schema();
        Values {
            at: self.block().as_ptr(),
            left: schema.len(),
            schema,
        }
    }

    /// The index of a name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.its_schema().find(name)
    }

    /// The value with this index, which must be below the length.
    #[inline]
    pub fn get(&self, index: usize) -> Entry<'_> {
        let value = self.values().nth(index);
        value.expect("each name has a value")
    }

    /// Calls `see` with every name and its value until it returns false. Returns whether it never
    /// did.
    #[inline]
    pub fn visit<'a>(&'a self, mut see: impl FnMut(Entry<'_>, Entry<'a>) -> bool) -> bool {
        let mut pairs = self.its_schema().names().zip(self.values());
        pairs.all(|(name, value)| see(Entry::Str(name), value))
    }

    /// The name with this index, which must be below the length.
    #[inline]
    pub fn name(&self, index: usize) -> &[u8] {
        self.its_schema().name(index)
    }

    /// Bytes of all values.
    #[inline]
    fn total(&self) -> usize {
        let mut values = self.values();
        values.skip_values(values.left);
        values.at.addr() - self.block().addr().get()
    }

    /// Where the value with this index begins in the block, and its bytes.
    #[inline]
    fn span(&self, index: usize) -> (usize, usize) {
        let mut values = self.values();
        assert!(index < values.left);
        values.skip_values(index);
        let begin = values.at.addr();
        values.skip_values(1);
        (begin - self.block().addr().get(), values.at.addr() - begin)
    }

    /// Bytes of the block, as the allocator counts them. The schema's are shared, and not counted.
    pub fn memory_bytes(&self) -> usize {
        alloc::good_size(self.total())
    }

    /// Replaces the value with this index by a value that fits ([`fits`]).
    pub fn replace(&mut self, index: usize, value: Entry<'_>) {
        let value = self.its_schema().common().learning().store(index, value);
        let (start, old) = self.span(index);
        write(value, self.splice(start, old, stored_bytes(value)));
    }

    /// Adds a value that fits; `schema` has a further name.
    pub fn push(&mut self, schema: SchemaRef, value: Entry<'_>) {
        assert_eq!(schema.len(), self.len() + 1);
        // Each schema has its own numbers, so all values are stored anew.
        *self = Record::new(schema, self.values().chain([value]));
    }

    /// Removes the value with this index; `schema` lacks the name.
    pub fn remove(&mut self, index: usize, schema: SchemaRef) {
        assert_eq!(schema.len() + 1, self.len());
        let kept = self.values().enumerate().filter(|(at, _)| *at != index);
        *self = Record::new(schema, kept.map(|(_, value)| value));
    }

    /// Replaces `removed` bytes at `start` by room for `added`, and returns that room, which the
    /// caller fills before the record is read.
    fn splice(&mut self, start: usize, removed: usize, added: usize) -> &mut [MaybeUninit<u8>] {
        let mut block = self.block();
        if removed == added {
            // SAFETY: the range is that of a value.
            return unsafe { room(block, start, added) };
        }
        let old = self.total();
        let new = old - removed + added;
        if new > old {
            // SAFETY: the block was made for `old` bytes (invariant 1).
            block = unsafe { alloc::resize(block, old, new) };
        }
        let base = block.as_ptr();
        // SAFETY: the range begins within the larger of `old` and `new` bytes.
        let (from, to) = unsafe { (base.add(start + removed), base.add(start + added)) };
        // SAFETY: both ranges are within the larger of `old` and `new` bytes.
        unsafe { std::ptr::copy(from, to, old - start - removed) };
        if new < old {
            // SAFETY: the block was made for `old` bytes; the first `new` are kept.
            block = unsafe { alloc::resize(block, old, new) };
        }
        let address = block.as_ptr().expose_provenance() as u64;
        assert!(address <= ADDRESS);
        let word = self.0.get() & !ADDRESS | address;
        self.0 = NonZeroU64::new(word).expect("a block has an address");
        // SAFETY: the range is within the block's `new` bytes.
        unsafe { room(block, start, added) }
    }

    /// The names and values as a listpack.
    pub fn to_listpack(&self) -> Listpack {
        let schema = self.its_schema();
        let pairs = schema.names().zip(self.values());
        let mut pack = Listpack::new();
        pack.append_each(pairs.flat_map(|(name, value)| [Entry::parse(name), value]));
        pack
    }

    /// The bytes of the block, which mean the values together with the schema alone.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the block was made for that many bytes (invariant 1), and is borrowed.
        unsafe { std::slice::from_raw_parts(self.block().as_ptr(), self.total()) }
    }

    /// The number of the schema: the record keeps the schema, and so the number, in use.
    pub fn schema_number(&self) -> u16 {
        (self.0.get() >> ADDRESS_BITS) as u16
    }

    /// The record of these bytes ([`Record::as_bytes`]), which are checked. `None`: they are not
    /// the values of this schema.
    pub fn from_bytes(schema: SchemaRef, bytes: &[u8]) -> Option<Record> {
        let mut rest = bytes;
        for column in 0..schema.len() {
            let (&head, after) = rest.split_first()?;
            let width = schema.common().width(column);
            let number = match head {
                COMMON_FAR => Some(*after.first()?),
                COMMON.. => Some(head - COMMON),
                // A string of this form has no place in a record.
                0xF0 => return None,
                _ => None,
            };
            if number.is_some_and(|number| !schema.common().has(column, number)) {
                return None;
            }
            let len = stored_len(head, width, || after.first().copied().unwrap_or(0));
            rest = rest.get(len..)?;
        }
        if !rest.is_empty() {
            return None;
        }
        let block = alloc::block(bytes.len());
        // SAFETY: the new block has that many bytes, which are this value's alone.
        unsafe { room(block, 0, bytes.len()) }.write_copy_of_slice(bytes);
        Some(Record::of(block, schema))
    }

    /// Offers the block to a mover.
    pub fn relocate(&mut self, mover: &mut Mover) {
        let block = self.block();
        // SAFETY: the record's own block, made by `alloc::block` for this many bytes; the old
        // address is overwritten.
        if let Some(moved) = unsafe { mover.block(block, || self.total()) } {
            let address = moved.as_ptr().expose_provenance() as u64;
            assert!(address <= ADDRESS);
            let word = self.0.get() & !ADDRESS | address;
            self.0 = NonZeroU64::new(word).expect("a block has an address");
        }
    }

    /// Converts the record to a word that owns it; [`Record::from_word`] converts it back.
    #[inline]
    pub fn into_word(self) -> u64 {
        ManuallyDrop::new(self).0.get()
    }

    /// # Safety
    /// `word` came from `into_word` and is used for a single value at a time.
    #[inline]
    pub unsafe fn from_word(word: u64) -> Record {
        Record(NonZeroU64::new(word).expect("a record's word is not zero"))
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let schema = self.handle();
        for (at, name) in schema.names().enumerate() {
            assert_eq!(schema.find(name), Some(at), "every name once");
        }
        assert!(self.values().all(fits), "every number has a text");
        assert!(schema.references() > 0);
    }
}

/// Whether a value may be in a record.
#[inline]
pub fn fits(value: Entry<'_>) -> bool {
    match value {
        Entry::Int(_) => true,
        Entry::Str(text) => text.len() <= VALUE_BYTES_MAX,
    }
}

/// `bytes` bytes of a block from `start` on.
///
/// # Safety
/// The range is within the block, which is the caller's alone while the result lives.
unsafe fn room<'b>(block: NonNull<u8>, start: usize, bytes: usize) -> &'b mut [MaybeUninit<u8>] {
    // SAFETY: the caller's promise; uninitialised bytes need no value.
    unsafe { std::slice::from_raw_parts_mut(block.as_ptr().add(start).cast(), bytes) }
}

/// The values of a record.
#[derive(Clone)]
pub struct Values<'a> {
    at: *const u8,
    /// Values from `at` on.
    left: usize,
    schema: &'a Schema,
}

impl Values<'_> {
    /// The column of the next value.
    #[inline]
    fn column(&self) -> usize {
        self.schema.len() - self.left
    }

    /// Skips this many values, which must be there.
    #[inline]
    fn skip_values(&mut self, count: usize) {
        let (common, first) = (self.schema.common(), self.column());
        self.left -= count;
        for column in first..first + count {
            // SAFETY: a value begins at `at` (invariant 1), and has a byte at least.
            let head = unsafe { self.at.read() };
            // SAFETY: a value with such a head has a second byte.
            let second = || unsafe { self.at.add(1).read() };
            let len = stored_len(head, common.width(column), second);
            // SAFETY: the next value, or the end of the bytes.
            self.at = unsafe { self.at.add(len) };
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.left == 0 {
            return None;
        }
        let (begin, column) = (self.at, self.column());
        self.skip_values(1);
        let len = self.at.addr() - begin.addr();
        // SAFETY: the value's bytes are within the block, and initialised.
        let bytes = unsafe { std::slice::from_raw_parts(begin, len) };
        let number = match *bytes {
            [COMMON_FAR, number] => number,
            [head @ COMMON..=u8::MAX] => head - COMMON,
            [0..=0x7F, ..] if self.schema.common().width(column) > 0 => {
                return Some(Entry::Str(bytes));
            }
            _ => return Some(read_bare(bytes)),
        };
        Some(Entry::Str(self.schema.common().text(column, number)))
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Entry<'a>> {
        self.skip_values(n.min(self.left));
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Values<'_> {}

impl Drop for Record {
    fn drop(&mut self) {
        let bytes = self.total();
        // SAFETY: the block was made for that many bytes, and is not used again.
        unsafe { alloc::free(self.block(), bytes) };
        drop(ManuallyDrop::into_inner(self.handle()));
    }
}

impl Clone for Record {
    fn clone(&self) -> Record {
        let bytes = self.total();
        let block = alloc::block(bytes);
        // SAFETY: both blocks have that many bytes, and no other reference to the new block exists.
        unsafe { block.copy_from_nonoverlapping(self.block(), bytes) };
        Record::of(block, self.schema())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.its_schema();
        f.debug_map()
            .entries(schema.names().map(Entry::Str).zip(self.values()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema(names: usize) -> SchemaRef {
        let names: Vec<String> = (0..names).map(|at| format!("name:{at}")).collect();
        SchemaRef::new(names.iter().map(|name| name.as_bytes())).expect("a free number")
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
            (0i64..130).prop_map(|n| n.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 1..3),
            (0u8..20).prop_map(|n| format!("one of many: {n}").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 4000..=VALUE_BYTES_MAX),
        ]
    }

    fn texts(record: &Record) -> Vec<Vec<u8>> {
        record.values().map(Entry::to_vec).collect()
    }

    /// As records of a schema are made and changed, the schema gets numbers for their values.
    #[test]
    fn records_share_values_and_lengths() {
        let schema = schema(4);
        let texts = |n: usize| {
            [
                format!("country:{}", n % 30),
                format!("{n:016}"),
                format!("2026-11-{:02}", n % 100),
                (n % 200).to_string(),
            ]
        };
        let make = |n: usize| {
            let texts = texts(n);
            Record::new(
                schema.clone(),
                texts.iter().map(|text| Entry::parse(text.as_bytes())),
            )
        };
        let mut records: Vec<Record> = (0..1000).map(make).collect();
        let shown = |record: &Record| -> Vec<String> {
            let values = record.values().map(Entry::to_vec);
            values
                .map(|text| String::from_utf8(text).expect("it was text"))
                .collect()
        };
        for (n, record) in records.iter().enumerate() {
            record.check_invariants();
            assert_eq!(shown(record), texts(n));
        }
        // A number of one or two bytes; 16; 10, or a number; an integer of 1 to 3.
        let small = |record: &&Record| record.total() <= 2 + 16 + 10 + 3;
        assert!(records[900..].iter().filter(small).count() > 90);
        for (n, record) in records.iter_mut().enumerate() {
            for (at, text) in texts(n + 7).iter().enumerate() {
                record.replace(at, Entry::parse(text.as_bytes()));
            }
            record.check_invariants();
            assert_eq!(shown(record), texts(n + 7));
        }
    }

    proptest! {
        #[test]
        fn a_record_holds_what_a_list_does(
            first in prop::collection::vec(value(), 1..9),
            changes in prop::collection::vec((0..3u8, any::<prop::sample::Index>(), value()), 0..20),
        ) {
            let mut expected = first;
            let entries = expected.iter().map(|text| Entry::parse(text));
            let mut record = Record::new(schema(expected.len()), entries);
            for (what, at, text) in changes {
                match what {
                    0 => {
                        let at = at.index(expected.len());
                        record.replace(at, Entry::parse(&text));
                        expected[at] = text;
                    }
                    1 => {
                        record.push(schema(expected.len() + 1), Entry::parse(&text));
                        expected.push(text);
                    }
                    _ if expected.len() > 1 => {
                        let at = at.index(expected.len());
                        record.remove(at, schema(expected.len() - 1));
                        expected.remove(at);
                    }
                    _ => {}
                }
                record.check_invariants();
                prop_assert_eq!(texts(&record), expected.clone());
            }
            let copy = record.clone();
            // SAFETY: the word is of the record just given up.
            let record = unsafe { Record::from_word(record.into_word()) };
            prop_assert_eq!(texts(&record), texts(&copy));
            let pack: Vec<_> = record.to_listpack().iter().skip(1).step_by(2).map(Entry::to_vec).collect();
            prop_assert_eq!(pack, expected);
        }
    }
}
