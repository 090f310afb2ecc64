//! A hash: a listpack of (field, value), or once a field has an expiry of (field, value, expiry),
//! else a table. If other hashes have the same fields in the same order, the hash is a record,
//! which has the values alone; clients see it as a listpack.
//!
//! In the extended listpack fields are ordered by expiry, soonest first, then fields without an
//! expiry (0), as in Redis: the order is visible to clients. Expired fields stay until
//! `remove_expired`; readers check the expiry themselves. A table never becomes a listpack again.
#![allow(unsafe_code)]

mod packed;
mod shared;

use super::block::{BlockForm, listpack_of};
use super::expiry_order::{self, Expirable, ExpiryChange, NO_EXPIRY, expiry_at, find};
use super::{Container, Encoding, Entry, Limits, Signature, Type, below, boxed};
use packed::{record, records, set_in_extended, set_in_listpack};
use rand::Rng;
use russet_encodings::elements::Elements;
use russet_encodings::fields::{Field, FieldTable, Ttl};
use russet_encodings::hashtable::Shape;
use russet_encodings::listpack::Listpack;
use russet_encodings::record::{Record, SchemaRef, fits};
use russet_encodings::thin::ThinPointer;
use shared::{SchemaLookup, extended, find as find_schema, make, reduced};
use smallvec::SmallVec;
use std::borrow::Cow;

pub use russet_encodings::fields::Ttl as Expiry;
pub use shared::shared_figures;

/// A field as read; `value` is an integer only if a packed form stores an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashField<'a> {
    /// The field's name: bytes, or the integer of a packed form.
    pub name: Entry<'a>,
    /// The field's value.
    pub value: Entry<'a>,
    /// Unix milliseconds; `None`: the field does not expire.
    pub expire_ms: Option<u64>,
}

impl HashField<'_> {
    /// Whether it has expired at `now_ms`.
    #[inline]
    pub fn expired(&self, now_ms: u64) -> bool {
        self.expire_ms.is_some_and(|ms| ms < now_ms)
    }
}

impl<'a> From<Field<'a>> for HashField<'a> {
    fn from(field: Field<'a>) -> Self {
        HashField {
            name: Entry::Str(field.name),
            value: Entry::Str(field.value),
            expire_ms: field.expire_ms,
        }
    }
}

/// See the module.
#[derive(Clone)]
pub enum Hash {
    /// (field, value), while no field has an expiry.
    Listpack(Listpack),
    /// (field, value, expiry), once a field has an expiry.
    ListpackEx(Listpack),
    /// The values alone: other hashes have the same fields.
    Record(Record),
    /// Any other hash; it stays a table.
    Table(Box<FieldTable>),
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Hash::Listpack(Listpack::new())
    }

    /// A hash of fields whose names differ. O(bytes), a single allocation if it is small.
    pub fn of_distinct<'f>(
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &Limits,
    ) -> Self {
        let repeats = match Hash::of_known(fields.clone(), limits) {
            Ok(Some(hash)) => return hash,
            Ok(None) => false,
            Err(Repeats) => true,
        };
        let (mut count, mut sum, mut longest) = (0, 0, 0);
        for (name, value) in fields.clone() {
            count += 1;
            sum += name.len() + value.len();
            longest = longest.max(name.len()).max(value.len());
        }
        let mut pack = Listpack::new();
        let is_small = longest <= limits.hash_max_listpack_value;
        if count <= limits.hash_max_listpack_entries && is_small && pack.fits(sum) {
            pack.append_each(fields.flat_map(|(n, v)| [Entry::parse(n), Entry::parse(v)]));
            let mut hash = Hash::Listpack(pack);
            if repeats {
                hash.share_names(limits);
            }
            return hash;
        }
        let mut table = Box::<FieldTable>::default();
        for (name, value) in fields {
            table.set(name, value, Ttl::Clear);
        }
        Hash::Table(table)
    }

    /// Must be called before setting fields: `lens` are the lengths of all names and values.
    pub fn prepare(&mut self, lens: impl ExactSizeIterator<Item = usize>, limits: &Limits) {
        let pack = match &*self {
            Hash::Table(_) => return,
            Hash::Record(_) => None,
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => Some(pack),
        };
        let mut sum = 0;
        let crowded = lens.len() / 2 > limits.hash_max_listpack_entries;
        let mut lens = lens.inspect(|len| sum += len);
        let is_long = lens.any(|len| len > limits.hash_max_listpack_value);
        if crowded || is_long || pack.is_some_and(|pack| !pack.fits(sum)) {
            self.become_table();
        }
    }

    pub(super) fn become_table(&mut self) -> &mut FieldTable {
        if !matches!(self, Hash::Table(_)) {
            let mut table = Box::<FieldTable>::default();
            let (mut name, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
            self.visit(|field| {
                let expiry = field.expire_ms.map_or(Ttl::Clear, Ttl::Set);
                table.set(
                    field.name.bytes(&mut name),
                    field.value.bytes(&mut value),
                    expiry,
                );
                true
            });
            *self = Hash::Table(table);
        }
        match self {
            Hash::Table(table) => table,
            _ => unreachable!("just made"),
        }
    }

    /// A hash of these fields, in order, if it can be a record: many others have the same names.
    /// `Err`: the hash cannot be a record yet, but the caller must call [`Hash::share_names`] when
    /// the hash has the fields.
    #[inline]
    pub fn of_known<'f>(
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &Limits,
    ) -> Result<Option<Hash>, Repeats> {
        let names = fields.clone().map(|(name, _)| name);
        let schema = match find_schema(names, limits) {
            SchemaLookup::Schema(schema) => schema,
            SchemaLookup::Wanted => return Err(Repeats),
            SchemaLookup::Nothing => return Ok(None),
        };
        let longest = fields.clone().map(|(n, v)| n.len().max(v.len())).max();
        if longest.is_none_or(|longest| longest > limits.hash_max_listpack_value) {
            return Ok(None);
        }
        let values = fields.map(|(_, value)| Entry::parse(value));
        let record = values
            .clone()
            .all(fits)
            .then(|| Record::new(schema, values));
        Ok(record.map(Hash::Record))
    }

    /// Makes a listpack whose field names repeat a record. O(fields).
    pub fn share_names(&mut self, limits: &Limits) {
        let Hash::Listpack(pack) = &*self else { return };
        // Most hashes from files have names that fit.
        if pack.len() > 2 * shared::FIELDS_MAX {
            return;
        }
        let (mut text, mut ends) = (SmallVec::<[u8; 256]>::new(), SmallVec::<[_; 16]>::new());
        for name in pack.iter().step_by(2) {
            text.extend_from_slice(name.bytes(&mut itoa::Buffer::new()));
            ends.push(text.len());
        }
        let begin = |at: usize| at.checked_sub(1).map_or(0, |before| ends[before]);
        let names = (0..ends.len()).map(|at| &text[begin(at)..ends[at]]);
        let schema = match find_schema(names.clone(), limits) {
            SchemaLookup::Schema(schema) => schema,
            SchemaLookup::Wanted => match make(names) {
                Some(schema) => schema,
                None => return,
            },
            SchemaLookup::Nothing => return,
        };
        let values = pack.iter().skip(1).step_by(2);
        if values.clone().all(fits) {
            *self = Hash::Record(Record::new(schema, values));
        }
    }

    /// As [`Hash::share_names`], when fewer fields are there than a search would mind.
    #[inline]
    pub fn share_few_names(&mut self, limits: &Limits) {
        /// A listpack of up to so many fields: its names are compared after each change.
        const FEW: usize = 8;
        if let Hash::Listpack(pack) = &*self
            && pack.len() <= 2 * FEW
        {
            self.share_names(limits);
        }
    }

    /// Makes a record a listpack.
    fn become_listpack(&mut self) {
        if let Hash::Record(record) = &*self {
            *self = Hash::Listpack(record.to_listpack());
        }
    }

    /// Adds room for expiries to a plain listpack, none set: HEXPIRE, HGETEX and HSETEX do this to
    /// a hash even if they then find no field.
    pub fn make_expirable(&mut self) {
        self.become_listpack();
        if let Hash::Listpack(pack) = self {
            let mut extended = Listpack::new();
            for field in records(pack, 2) {
                extended.append_all(&[field.name, field.value, Entry::Int(NO_EXPIRY)]);
            }
            *self = Hash::ListpackEx(extended);
        }
    }

    /// The field of this name, expired or not.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<HashField<'_>> {
        let (pack, width) = match self {
            Hash::Table(table) => return table.get(name).map(HashField::from),
            Hash::Record(record) => {
                let at = record.find(name)?;
                return Some(field_of(record, at));
            }
            Hash::Listpack(pack) => (pack, 2),
            Hash::ListpackEx(pack) => (pack, 3),
        };
        record(pack, find(pack, name, width)?, width)
    }

    /// Sets a field's value and expiry; true if the field is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], expiry: Expiry, limits: &Limits) -> bool {
        if name.len().max(value.len()) > limits.hash_max_listpack_value {
            self.become_table();
        }
        if matches!(expiry, Ttl::Set(_)) {
            self.make_expirable();
        }
        if let Hash::Record(record) = self {
            match set_in_record(record, name, value, limits) {
                Some(created) => return created,
                None => self.become_listpack(),
            }
        }
        let created = match self {
            Hash::Table(table) => return table.set(name, value, expiry),
            Hash::Record(_) => unreachable!("a listpack now"),
            Hash::Listpack(pack) => set_in_listpack(pack, name, value),
            Hash::ListpackEx(pack) => set_in_extended(pack, name, value, expiry),
        };
        // Also for an existing field: the limit may have been lowered.
        if self.len() > limits.hash_max_listpack_entries {
            self.become_table();
        }
        created
    }

    /// Sets or clears a field's expiry; false if there is no such field.
    pub fn set_expire(&mut self, name: &[u8], expire_ms: Option<u64>) -> bool {
        match self {
            Hash::Table(table) => return table.set_expire(name, expire_ms),
            Hash::ListpackEx(_) => {}
            Hash::Listpack(_) | Hash::Record(_) => {
                if self.get(name).is_none() {
                    return false;
                }
                if expire_ms.is_none() {
                    return true;
                }
            }
        }
        self.make_expirable();
        let Hash::ListpackEx(pack) = self else {
            unreachable!("extended above")
        };
        let Some(at) = find(pack, name, 3) else {
            return false;
        };
        expiry_order::move_to_expiry(pack, 3, at, expire_ms);
        true
    }

    /// Passes a field's expiry to `decide` and applies the decision, which is returned; `None`: no
    /// such field. A single lookup if fields with expiries are packed.
    pub fn change_expiry(
        &mut self,
        name: &[u8],
        decide: impl FnOnce(Option<u64>) -> ExpiryChange,
    ) -> Option<ExpiryChange> {
        let (found, old) = match &*self {
            Hash::Table(table) => (None, table.get(name)?.expire_ms),
            Hash::Record(record) => (record.find(name).map(|_| None)?, None),
            Hash::Listpack(pack) => (find(pack, name, 2).map(|_| None)?, None),
            Hash::ListpackEx(pack) => {
                let at = find(pack, name, 3)?;
                (Some(at), record(pack, at, 3)?.expire_ms)
            }
        };
        let change = decide(old);
        match (change, found, &mut *self) {
            (ExpiryChange::Keep, ..) => {}
            (ExpiryChange::Remove, ..) => _ = self.remove(name),
            (ExpiryChange::Set(ms), Some(at), Hash::ListpackEx(pack)) => {
                expiry_order::move_to_expiry(pack, 3, at, Some(ms));
            }
            (ExpiryChange::Set(ms), ..) => _ = self.set_expire(name, Some(ms)),
        }
        Some(change)
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let (pack, width) = match self {
            Hash::Table(table) => return table.remove(name),
            Hash::Record(_) => return self.remove_from_record(name),
            Hash::Listpack(pack) => (pack, 2),
            Hash::ListpackEx(pack) => (pack, 3),
        };
        let found = find(pack, name, width);
        found.map(|pos| pack.delete_span(pos, width)).is_some()
    }

    fn remove_from_record(&mut self, name: &[u8]) -> bool {
        let Hash::Record(record) = self else {
            unreachable!("the caller has looked");
        };
        let Some(at) = record.find(name) else {
            return false;
        };
        match reduced(&record.schema(), at) {
            Some(schema) => record.remove(at, schema),
            None => {
                let mut pack = record.to_listpack();
                pack.delete_range(2 * at, 2);
                *self = Hash::Listpack(pack);
            }
        }
        true
    }

    /// The exact soonest expiry of any field. O(n) in a table.
    pub fn expire_min(&self) -> Option<u64> {
        match self {
            Hash::Table(table) => {
                table.next_due()?;
                table.iter().filter_map(|field| field.expire_ms).min()
            }
            _ => self.next_due(),
        }
    }

    /// Number of fields that have not expired at `now_ms`. O(expired), or O(n) in a table
    /// when something is due.
    pub fn len_at(&self, now_ms: u64) -> usize {
        if self.next_due().is_none_or(|due| due >= now_ms) {
            return self.len();
        }
        let mut live = 0;
        self.visit(|field| {
            live += usize::from(!field.expired(now_ms));
            true
        });
        live
    }

    /// Calls `see` with every field until it returns false.
    pub fn visit(&self, mut see: impl FnMut(HashField<'_>) -> bool) {
        match self {
            Hash::Listpack(pack) => _ = records(pack, 2).all(see),
            Hash::ListpackEx(pack) => _ = records(pack, 3).all(see),
            Hash::Record(record) => {
                record.visit(|name, value| {
                    see(HashField {
                        name,
                        value,
                        expire_ms: None,
                    })
                });
            }
            Hash::Table(table) => _ = table.iter().all(|field| see(field.into())),
        }
    }

    /// A uniformly random field.
    pub fn random(&self, rng: &mut impl Rng) -> Option<HashField<'_>> {
        let (pack, width) = match self {
            Hash::Table(table) => return table.random(rng).map(HashField::from),
            Hash::Record(record) => {
                let at = below(rng, record.len());
                return Some(field_of(record, at));
            }
            Hash::Listpack(pack) => (pack, 2),
            Hash::ListpackEx(pack) => (pack, 3),
        };
        let fields = pack.len() / width;
        if fields == 0 {
            return None;
        }
        let at = pack.seek(below(rng, fields) * width)?;
        record(pack, at, width)
    }

    /// A step of SCAN: everything at once from the packed forms. Returns the next cursor.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(HashField<'_>)) -> u64 {
        if let Hash::Table(table) = self {
            return table.scan(cursor, |field| see(field.into()));
        }
        self.visit(|field| {
            see(field);
            true
        });
        0
    }

    /// Whether the hash is in its large form.
    #[inline]
    pub fn is_table(&self) -> bool {
        matches!(self, Hash::Table(_))
    }

    /// The table, if the hash has a table: for prefetching.
    #[inline]
    pub fn table(&self) -> Option<&FieldTable> {
        match self {
            Hash::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// The list of names of a hash without a schema is to get a schema.
#[derive(Debug)]
pub struct Repeats;

/// The field of a record with this index.
#[inline]
fn field_of(record: &Record, at: usize) -> HashField<'_> {
    HashField {
        name: Entry::Str(record.name(at)),
        value: record.get(at),
        expire_ms: None,
    }
}

/// Sets a field of a record; true if it is new. `None`: the record cannot hold it.
#[inline]
fn set_in_record(record: &mut Record, name: &[u8], value: &[u8], limits: &Limits) -> Option<bool> {
    let value = Entry::parse(value);
    if !fits(value) || record.len() > limits.hash_max_listpack_entries {
        return None;
    }
    match record.find(name) {
        Some(at) => {
            record.replace(at, value);
            Some(false)
        }
        None => {
            let schema = extended(&record.schema(), name, limits)?;
            record.push(schema, value);
            Some(true)
        }
    }
}

impl Expirable for Hash {
    fn next_due(&self) -> Option<u64> {
        match self {
            Hash::Listpack(_) | Hash::Record(_) => None,
            Hash::ListpackEx(pack) => expiry_at(pack, pack.seek(2)),
            Hash::Table(table) => table.next_due(),
        }
    }

    fn remove_expired(&mut self, now_ms: u64, limit: usize, see: impl FnMut(&[u8])) -> usize {
        match self {
            Hash::Listpack(_) | Hash::Record(_) => 0,
            Hash::Table(table) => table.remove_expired(now_ms, limit, see),
            Hash::ListpackEx(pack) => expiry_order::remove_due(pack, 3, now_ms, limit, see),
        }
    }

    fn remove_element(&mut self, name: &[u8]) -> bool {
        self.remove(name)
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Container for Hash {
    const TYPE: Type = Type::Hash;
    const NAME: &str = "hash";
    const NUMBER: u32 = 4;

    fn block(&self) -> Option<(BlockForm, &[u8])> {
        match self {
            Hash::Listpack(pack) => Some((BlockForm::of(self), pack.as_bytes())),
            Hash::Record(record) => {
                let form = BlockForm {
                    schema: Some(record.schema_number()),
                    ..BlockForm::of(self)
                };
                Some((form, record.as_bytes()))
            }
            Hash::ListpackEx(_) | Hash::Table(_) => None,
        }
    }

    fn from_block(form: &BlockForm, bytes: &[u8], schema: Option<SchemaRef>) -> Option<Hash> {
        match form.encoding {
            Encoding::Record => Record::from_bytes(schema?, bytes).map(Hash::Record),
            _ => listpack_of(bytes, 2).map(Hash::Listpack),
        }
    }

    fn into_word(self) -> (Encoding, u64) {
        let encoding = self.encoding();
        match self {
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => (encoding, pack.into_word()),
            Hash::Record(record) => (encoding, record.into_word()),
            Hash::Table(table) => (encoding, boxed::into_word(table)),
        }
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        match encoding {
            // SAFETY: the caller guarantees it.
            Encoding::Listpack => Hash::Listpack(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::ListpackEx => Hash::ListpackEx(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Record => Hash::Record(unsafe { Record::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Hashtable => Hash::Table(unsafe { boxed::from_word(word) }),
            other => panic!("not an encoding of a hash: {other:?}"),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Hash::Listpack(_) => Encoding::Listpack,
            Hash::ListpackEx(_) => Encoding::ListpackEx,
            Hash::Record(_) => Encoding::Record,
            Hash::Table(_) => Encoding::Hashtable,
        }
    }

    fn len(&self) -> usize {
        match self {
            Hash::Listpack(pack) => pack.len() / 2,
            Hash::ListpackEx(pack) => pack.len() / 3,
            Hash::Record(record) => record.len(),
            Hash::Table(table) => table.len(),
        }
    }

    fn check_invariants(&self) {
        match self {
            Hash::Listpack(pack) => {
                pack.check_invariants();
                assert!(pack.len().is_multiple_of(2), "whole pairs");
                assert!(pack.all_differ(2), "every field once");
            }
            Hash::ListpackEx(pack) => {
                pack.check_invariants();
                assert!(pack.len().is_multiple_of(3), "whole records");
                assert!(pack.all_differ(3), "every field once");
                let mut before = 0;
                self.visit(|field| {
                    let when = field.expire_ms.unwrap_or(u64::MAX);
                    assert!(before <= when, "soonest first");
                    before = when;
                    true
                });
            }
            Hash::Record(record) => record.check_invariants(),
            Hash::Table(table) => table.check_invariants(),
        }
    }

    fn sign(&self, signature: &mut Signature) {
        self.visit(|field| {
            let mut one = Signature::default();
            one.follow_entry(field.name);
            one.follow_entry(field.value);
            if field.expire_ms.is_some() {
                one.join(b"!!hexpire!!");
            }
            signature.join_signed(one);
            true
        });
    }

    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        match self {
            Hash::Listpack(pack) | Hash::ListpackEx(pack) => Some(Cow::Borrowed(pack)),
            Hash::Record(record) => Some(Cow::Owned(record.to_listpack())),
            Hash::Table(_) => None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        self.table().map(|table| table.shape())
    }

    fn free_effort(&self) -> usize {
        match self {
            Hash::Table(table) => table.len(),
            _ => 1,
        }
    }

    fn free_step(&mut self, n: usize) -> bool {
        match self {
            Hash::Table(table) => table.free_step(n),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryUsage;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn names(hash: &Hash) -> Vec<String> {
        let mut all = Vec::new();
        hash.visit(|field| {
            all.push(String::from_utf8(field.name.to_vec()).expect("ascii"));
            true
        });
        all
    }

    #[test]
    fn fields_stand_by_expiry_in_the_extended_listpack() {
        let (mut hash, limits) = (Hash::new(), Limits::default());
        for name in ["a", "b", "c", "d"] {
            assert!(hash.set(name.as_bytes(), b"1", Ttl::Clear, &limits));
        }
        assert!(hash.set_expire(b"a", None));
        assert_eq!(hash.encoding(), Encoding::Listpack);
        assert!(hash.set_expire(b"c", Some(900)));
        assert!(hash.set_expire(b"d", Some(500)));
        assert!(!hash.set_expire(b"x", Some(500)));
        assert_eq!(hash.encoding(), Encoding::ListpackEx);
        assert_eq!(names(&hash), ["d", "c", "a", "b"]);
        // Goes before a field of equal expiry; clearing no expiry moves nothing.
        assert!(hash.set_expire(b"c", Some(500)));
        assert_eq!(names(&hash), ["c", "d", "a", "b"]);
        assert!(hash.set_expire(b"c", Some(900)));
        assert!(hash.set_expire(b"a", None));
        assert_eq!(names(&hash), ["d", "c", "a", "b"]);
        hash.set(b"d", b"2", Ttl::Clear, &limits);
        assert_eq!(names(&hash), ["c", "a", "b", "d"]);
        assert_eq!(hash.next_due(), Some(900));
        assert_eq!((hash.len(), hash.len_at(900), hash.len_at(901)), (4, 4, 3));
    }

    #[test]
    fn encodings_change_as_in_redis() {
        let limits = Limits {
            hash_max_listpack_entries: 3,
            ..Limits::default()
        };
        let mut hash = Hash::new();
        for (i, encoding) in [Encoding::Listpack; 3]
            .into_iter()
            .chain([Encoding::Hashtable])
            .enumerate()
        {
            assert!(hash.set(&[b'a' + i as u8], b"v", Ttl::Clear, &limits));
            assert_eq!(hash.encoding(), encoding);
        }
        let mut hash = Hash::new();
        hash.prepare([1, 64].into_iter(), &limits);
        assert_eq!(hash.encoding(), Encoding::Listpack);
        hash.prepare([1, 65].into_iter(), &limits);
        assert_eq!(hash.encoding(), Encoding::Hashtable);
        let mut hash = Hash::new();
        hash.prepare([1usize; 8].into_iter(), &limits);
        assert_eq!(hash.encoding(), Encoding::Hashtable);
    }

    proptest! {
        /// To clients, hashes that share names behave as others.
        #[test]
        fn a_record_is_seen_as_a_listpack(
            ops in prop::collection::vec((0u8..8, 0u32..6, -50i64..50), 1..60),
        ) {
            let alone = Limits { hash_share_names: false, ..Limits::default() };
            let sharing = Limits { hash_min_template_entries: 1, ..alone };
            let (mut one, mut other) = (Hash::new(), Hash::new());
            for (op, name, value) in ops {
                let name = match name {
                    0..4 => format!("name:{name}"),
                    digits => digits.to_string(),
                };
                let (name, value) = (name.as_bytes(), value.to_string());
                match op {
                    0..4 => {
                        let created = one.set(name, value.as_bytes(), Ttl::Clear, &alone);
                        prop_assert_eq!(other.set(name, value.as_bytes(), Ttl::Clear, &sharing), created);
                        other.share_few_names(&sharing);
                    }
                    4..6 => prop_assert_eq!(one.remove(name), other.remove(name)),
                    6 => {
                        let decide = |_: Option<u64>| ExpiryChange::Keep;
                        prop_assert_eq!(one.change_expiry(name, decide), other.change_expiry(name, decide));
                        prop_assert_eq!(one.set_expire(name, None), other.set_expire(name, None));
                    }
                    _ => {
                        let copy = other.clone();
                        copy.check_invariants();
                        let mut other = copy;
                        let mut one = one.clone();
                        let set = one.set_expire(name, Some(77));
                        prop_assert_eq!(other.set_expire(name, Some(77)), set);
                        prop_assert_eq!(names(&one), names(&other));
                    }
                }
                other.check_invariants();
                prop_assert_eq!(one.len(), other.len());
                prop_assert_eq!(names(&one), names(&other));
                let field = |hash: &Hash| hash.get(name).map(|field| field.value.to_vec());
                prop_assert_eq!(field(&one), field(&other));
                let bytes = |hash: &Hash| hash.listpack().map(|pack| pack.as_bytes().to_vec());
                prop_assert_eq!(bytes(&one), bytes(&other));
            }
        }
    }

    #[test]
    fn hashes_with_the_same_names_become_records() {
        let limits = Limits::default();
        let values = ["1", "two"];
        let pairs = || {
            [&b"own:a"[..], b"own:b"]
                .into_iter()
                .zip(values.map(str::as_bytes))
        };
        for _ in 0..20 {
            match Hash::of_known(pairs(), &limits) {
                Ok(Some(hash)) => {
                    hash.check_invariants();
                    assert_eq!(hash.encoding(), Encoding::Record);
                    assert!(hash.memory_bytes() <= 8);
                    return;
                }
                Ok(None) => {}
                Err(Repeats) => {
                    let mut hash = Hash::new();
                    for (name, value) in pairs() {
                        hash.set(name, value, Ttl::Clear, &limits);
                    }
                    hash.share_names(&limits);
                    assert_eq!(hash.encoding(), Encoding::Record);
                }
            }
        }
        panic!("they have repeated");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_encoding_behaves_like_a_map(
            max in prop_oneof![Just(0usize), Just(6), Just(100)],
            ops in prop::collection::vec((0u8..8, 0u32..20, -50i64..50, 0u64..100), 0..150),
        ) {
            let limits = Limits { hash_max_listpack_entries: max, ..Limits::default() };
            let mut hash = Hash::new();
            let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> = BTreeMap::new();
            for (op, name, value, ms) in ops {
                let (name, value) = (name.to_string().into_bytes(), value.to_string().into_bytes());
                let ms = ms + 1;
                let old = model.get(&name).and_then(|(_, ms)| *ms);
                let expiry = [Ttl::Clear, Ttl::Keep, Ttl::Set(ms)].get(op as usize).copied();
                match (op, expiry) {
                    (_, Some(expiry)) => {
                        let new = [None, old, Some(ms)][op as usize];
                        let created = hash.set(&name, &value, expiry, &limits);
                        prop_assert_eq!(created, model.insert(name, (value, new)).is_none());
                    }
                    (3 | 4, _) => {
                        let new = (op == 3).then_some(ms);
                        prop_assert_eq!(hash.set_expire(&name, new), model.contains_key(&name));
                        model.entry(name).and_modify(|(_, ms)| *ms = new);
                    }
                    (5, _) => prop_assert_eq!(hash.remove(&name), model.remove(&name).is_some()),
                    (6, _) => {
                        let wanted = [ExpiryChange::Keep, ExpiryChange::Set(ms), ExpiryChange::Remove]
                            [ms as usize % 3];
                        let mut shown = None;
                        let done = hash.change_expiry(&name, |old| {
                            shown = Some(old);
                            wanted
                        });
                        prop_assert_eq!(shown, model.get(&name).map(|(_, ms)| *ms));
                        prop_assert_eq!(done, shown.map(|_| wanted));
                        match wanted {
                            ExpiryChange::Keep => {}
                            ExpiryChange::Set(ms) => {
                                model.entry(name).and_modify(|(_, own)| *own = Some(ms));
                            }
                            ExpiryChange::Remove => _ = model.remove(&name),
                        }
                    }
                    _ => {
                        let due = model.values().filter(|(_, own)| own.is_some_and(|own| own <= ms)).count();
                        let gone = hash.remove_expired(ms, 3, |name| {
                            let (_, own) = model.remove(name).expect("a field");
                            assert!(own.is_some_and(|own| own <= ms));
                        });
                        prop_assert_eq!(gone, due.min(3));
                    }
                }
                prop_assert_eq!(hash.len(), model.len());
                prop_assert_eq!(hash.expire_min(), model.values().filter_map(|(_, ms)| *ms).min());
            }
            let (encoding, word) = hash.clone().into_word();
            // SAFETY: from `into_word`, once.
            let copy = unsafe { Hash::from_word(encoding, word) };
            for (name, (value, expire_ms)) in &model {
                let field = copy.get(name).expect("a field");
                prop_assert_eq!((field.name.to_vec(), field.value.to_vec()), (name.clone(), value.clone()));
                prop_assert_eq!(field.expire_ms, *expire_ms);
            }
            let mut rng = rand::rng();
            let picked = hash.random(&mut rng).map(|f| f.name.to_vec());
            prop_assert!(picked.is_none_or(|name| model.contains_key(&name)));
            prop_assert_eq!(hash.random(&mut rng).is_none(), model.is_empty());
        }
    }
}
