//! A numbered database: the table of entries, and the checks of a lookup.
//!
//! `Database` alone makes, moves and frees entries. It decides expiry by comparison with the turn's
//! time; `Db` decides whether a lookup deletes an expired key, and which notifications follow.
#![allow(unsafe_code)]

use super::super::listeners::watch::KeyState;
use super::super::passes::mark::PassMark;
use super::super::slots::slot::SLOTS;
use super::super::slots::slot_set::{SlotFilter, SlotSet};
use super::super::{
    FieldExpiries, KeyHash, KeyHasher, KeySizes, NewValue, PrefixRule, RefMut, Str,
};
use super::blessings::Blessings;
use super::check::check_value;
use super::container::{DetachedValue, bytes_of, take_container};
use super::entry::{Entry, is_past};
use super::footprint::{Footprint, Footprints, share_of};
use super::prefixes::{KeyUse, Prefixes};
use super::sizes::Size;
use super::table::{FoundKey, Table};
use russet_command::CommandError;
use russet_encodings::hashtable::Shape;
use russet_timeseries::Labels;
use russet_timeseries::index::LabelIndex;
use russet_types::{Container, Encoding, InnerTable, TimeSeries, Type};
use smallvec::SmallVec;

/// See the module.
pub struct Database {
    table: Table,
    /// Keys by type and size.
    sizes: KeySizes,
    /// Keys by prefix and by bytes, if either is counted.
    footprints: Option<Box<Footprints>>,
    /// The progress of the running snapshot in this database.
    pub pass: PassMark,
}

impl Database {
    /// An empty database of keys that `hasher` hashes.
    pub fn new(hasher: KeyHasher) -> Database {
        Database {
            table: Table::new(hasher),
            sizes: KeySizes::default(),
            footprints: None,
            pass: PassMark::default(),
        }
    }

    /// Keys, expired ones and those of hidden slots included. O(1).
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key, not even an expired key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys that have an expiry.
    pub fn volatile(&self) -> usize {
        self.table.volatile()
    }

    /// Bytes of the table, entries excluded.
    pub fn table_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// The shape of the table, for DEBUG HTSTATS. O(segments).
    pub fn shape(&self) -> Shape {
        self.table.shape()
    }

    /// The average time to live of the volatile keys among the first `samples` entries.
    pub fn average_ttl_ms(&self, now_ms: i64, samples: usize) -> i64 {
        if self.volatile() == 0 {
            return 0;
        }
        let left = |entry: Entry| Some((entry.expiry()? - now_ms).max(0));
        let (mut sum, mut count) = (0i64, 0);
        for ttl in self.entries().take(samples).filter_map(left) {
            (sum, count) = (sum.saturating_add(ttl), count + 1);
        }
        sum.checked_div(count).unwrap_or(0)
    }

    /// About how many keys have not expired, judged by the volatile keys among the first `samples`
    /// entries.
    pub fn live_keys(&self, now_ms: i64, samples: usize) -> u64 {
        let (len, volatile) = (self.len() as u64, self.volatile() as u64);
        if volatile == 0 {
            return len;
        }
        let (mut seen, mut past) = (0u64, 0u64);
        for when in self.entries().take(samples).filter_map(Entry::expiry) {
            seen += 1;
            past += u64::from(when < now_ms);
        }
        let expired = (u128::from(volatile) * u128::from(past)).checked_div(u128::from(seen));
        len - (expired.unwrap_or(0) as u64).min(len)
    }

    /// Hashes whose fields expire.
    pub fn fields(&self) -> &FieldExpiries {
        self.table.fields()
    }

    /// Sets whose members expire.
    pub fn members(&self) -> &FieldExpiries {
        self.table.members()
    }

    /// Streams that need a newer form in files.
    pub fn streams(&self) -> &FieldExpiries {
        self.table.streams()
    }

    /// Time series by their labels, if there was any.
    pub fn labels(&self) -> Option<&LabelIndex> {
        self.table.labels()
    }

    /// The keys that eviction passes over, if there are any.
    pub fn blessings(&self) -> Option<&Blessings> {
        self.table.blessings()
    }

    /// Makes eviction pass over a found key, or not; `false`: it is so already.
    pub(crate) fn bless(&mut self, found: FoundKey, on: bool) -> bool {
        if found.entry.is_blessed() != on {
            self.save_first(found.entry);
        }
        self.table.bless(found.entry, on)
    }

    /// Changes the labels of a series.
    pub(crate) fn set_labels(&mut self, entry: Entry, labels: Labels) {
        self.table.forget_labels(entry);
        self.write::<TimeSeries>(entry).set_labels(labels);
        self.table.index_labels(entry);
    }

    /// Bytes of the lines of hashes, of sets and of streams, of the labels of time series, and of
    /// the names of marked keys.
    pub fn line_bytes(&self) -> usize {
        let labels = self.labels().map_or(0, LabelIndex::memory_bytes);
        let names = self.blessings().map_or(0, Blessings::memory_bytes);
        let lines = [self.fields(), self.members(), self.streams()];
        let lines: usize = lines.iter().map(|lines| lines.memory_bytes()).sum();
        lines + labels + names
    }

    /// Keys by type and size.
    pub fn sizes(&self) -> &KeySizes {
        &self.sizes
    }

    /// The table of the database's entries.
    #[inline]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    #[inline]
    pub(crate) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// The hash of a key, as its keys are hashed.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.table.hash(key)
    }

    /// As [`Database::find`], of a key that is not hashed yet.
    #[inline]
    pub(crate) fn find_key(&self, key: &[u8]) -> Option<FoundKey> {
        self.find(self.hash(key), key)
    }

    /// The key's entry, expired or not.
    #[inline]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        self.table.find(hash, key)
    }

    /// See [`Table::find_inlined`].
    #[inline(always)]
    pub(crate) fn find_inlined(&self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        self.table.find_inlined(hash, key)
    }

    /// See [`Keyspace::inner`](super::super::Keyspace::inner).
    #[inline]
    pub fn inner(&self, hash: KeyHash, key: &[u8]) -> Option<InnerTable<'_>> {
        let entry = self.find(hash, key)?.entry;
        if !entry.has_word() {
            return None;
        }
        // SAFETY: the entry's own pair; the database is borrowed for as long as the result.
        unsafe { InnerTable::of(entry.kind(), entry.encoding(), entry.word()) }
    }

    /// Finds the containers of keys, by the places of these; prefetches their beginnings and, of
    /// hashes that are tables, these fields. The lines of the entries must have been prefetched.
    pub fn find_ahead<'k>(
        &self,
        keys: impl Iterator<Item = (&'k [u8], KeyHash)>,
        fields: &[impl AsRef<[u8]>],
    ) -> SmallVec<[(usize, Entry); 16]> {
        let mut found: SmallVec<[(usize, Entry); 16]> = SmallVec::new();
        for (at, (key, hash)) in keys.enumerate() {
            let entry = self.find(hash, key).map(|found| found.entry);
            if let Some(entry) = entry.filter(|entry| entry.has_word()) {
                entry.prefetch_value();
                found.push((at, entry));
            }
        }
        let is_table =
            |entry: &Entry| (entry.kind(), entry.encoding()) == (Type::Hash, Encoding::Hashtable);
        let hashes = found.iter().filter(|(_, entry)| is_table(entry));
        // SAFETY: the entries' own pairs; the database is borrowed.
        let tables = hashes.filter_map(|(_, entry)| unsafe {
            InnerTable::of_any(entry.kind(), entry.encoding(), entry.word())
        });
        let places = || {
            let tables = tables.clone();
            tables.flat_map(|table| {
                let names = fields.iter().map(AsRef::as_ref);
                names.map(move |name| (table, name, table.hash(name)))
            })
        };
        places().for_each(|(table, name, hash)| table.prefetch(name, hash));
        places().for_each(|(table, _, hash)| table.prefetch_entries(hash));
        found
    }

    /// The key's state at `now_ms`.
    pub fn key_state(&self, key: &[u8], now_ms: i64) -> KeyState {
        match self.find_key(key) {
            None => KeyState::Missing,
            Some(found) if is_past(found.entry.expiry(), now_ms) => KeyState::Expired,
            Some(_) => KeyState::Live,
        }
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, hash: KeyHash, entry: Entry) {
        self.born(entry);
        self.table.insert(hash, entry);
        self.sizes.add(Size::of(entry));
        if let Some(footprints) = &mut self.footprints {
            footprints.add(entry, self.table.place_of(hash));
        }
    }

    /// Takes a key out of the table. The caller must free the entry, unless the running snapshot
    /// takes it over.
    pub fn detach(&mut self, found: FoundKey) -> Option<Entry> {
        self.take_out(found);
        self.unless_unsaved(found.entry)
    }

    /// Takes a key out of the table; the caller must insert its entry again.
    pub(crate) fn detach_to_move(&mut self, found: FoundKey) -> Entry {
        self.save_first(found.entry);
        self.take_out(found);
        found.entry
    }

    fn take_out(&mut self, found: FoundKey) {
        self.discount(found);
        self.table.remove(found);
        self.sizes.remove(Size::of(found.entry));
    }

    /// Takes out exactly this entry; see [`Database::detach`]. `None`: it is not in the table.
    pub(crate) fn detach_entry(&mut self, entry: Entry) -> Option<Option<Entry>> {
        let found = self.table.find_entry(entry)?;
        Some(self.detach(found))
    }

    /// Replaces the value of a found key (a string or a container's word). The caller must free
    /// the old container, if any.
    #[inline(always)]
    pub fn replace(
        &mut self,
        hash: KeyHash,
        found: FoundKey,
        expiry: Option<i64>,
        value: NewValue<'_>,
    ) -> Option<DetachedValue> {
        if let NewValue::Bytes {
            text,
            modified: false,
        } = value
            && self.rewrite(found.entry, text, expiry)
        {
            if let Some(when) = expiry {
                self.table.record_other_expiry(hash, when);
            }
            return None;
        }
        self.replace_any(hash, found, expiry, value)
    }

    /// Replaces a string and its expiry in place, if it has room for both. The entry keeps its size
    /// class, so only the expiry has to be recorded.
    fn rewrite(&mut self, entry: Entry, text: &[u8], expiry: Option<i64>) -> bool {
        let Some(old) = entry.rewrite(text, expiry, || self.save_first(entry)) else {
            return false;
        };
        self.born(entry);
        let size = |len| Size::new(Type::String, len);
        self.sizes.change(size(old), size(text.len()));
        true
    }

    /// As [`Database::replace`], for all values.
    #[inline(never)]
    fn replace_any(
        &mut self,
        hash: KeyHash,
        found: FoundKey,
        expiry: Option<i64>,
        value: NewValue<'_>,
    ) -> Option<DetachedValue> {
        let before = Size::of(found.entry);
        let footprint = self.footprint(found);
        let was_one_block = found.entry.is_one_block();
        let old = match take_container(found.entry) {
            Some(value) => self.value_unless_unsaved(found.entry, value),
            None => {
                self.save_first(found.entry);
                None
            }
        };
        let had = found.entry.has_expiry();
        self.table.forget_fields(found.entry);
        let entry = found.entry.replace(expiry, value);
        self.born(entry);
        // Replaced in place and without an expiry, the table's data is unchanged: the word's
        // marks follow from the block's size class.
        if entry != found.entry || had || expiry.is_some() {
            self.table.replace(hash, found, had, entry);
        }
        self.table.record_fields(entry);
        self.sizes.change(before, Size::of_new(value, entry));
        // An entry of a single block that is replaced in place keeps its size class.
        if entry != found.entry || !was_one_block || !entry.is_one_block() {
            self.recount(footprint, entry);
        }
        old
    }

    /// Adds, changes or removes a found key's expiry; returns its entry, which may have moved.
    pub fn set_expiry(&mut self, hash: KeyHash, found: FoundKey, expiry: Option<i64>) -> Entry {
        self.save_first(found.entry);
        let footprint = self.footprint(found);
        let had = found.entry.has_expiry();
        let entry = found.entry.with_expiry(expiry);
        self.table.replace(hash, found, had, entry);
        self.recount(footprint, entry);
        entry
    }

    /// The bytes of a found string, extended with zeros to at least `len`.
    pub(crate) fn grow_string(&mut self, hash: KeyHash, found: FoundKey, len: usize) -> &mut [u8] {
        self.save_first(found.entry);
        let before = Size::of(found.entry);
        let footprint = self.footprint(found);
        let had = found.entry.has_expiry();
        let (entry, text) = found.entry.grow_string(len);
        self.born(entry);
        self.table.replace(hash, found, had, entry);
        self.sizes
            .change(before, Size::new(Type::String, text.len()));
        self.recount(footprint, entry);
        text
    }

    /// Gives a found key another form of the same value. No client sees a change: the entry
    /// keeps its bit of the running pass, and is not saved first. Returns the entry, which may have
    /// moved.
    pub(crate) fn change_form(
        &mut self,
        hash: KeyHash,
        found: FoundKey,
        value: NewValue<'_>,
    ) -> Entry {
        let footprint = self.footprint(found);
        let (expiry, is_saved) = (found.entry.expiry(), found.entry.is_saved());
        let old = take_container(found.entry);
        let entry = found.entry.replace(expiry, value);
        entry.set_saved(is_saved);
        if let Some(old) = old {
            old.free();
        }
        self.table.replace(hash, found, expiry.is_some(), entry);
        self.recount(footprint, entry);
        entry
    }

    /// Stores a found packed value as it was before; see [`Database::change_form`].
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]; the entry is as before.
    #[cold]
    pub(crate) fn unpack(&mut self, hash: KeyHash, found: FoundKey) -> Result<Entry, CommandError> {
        if let Some(packed) = found.entry.packed_container() {
            let (encoding, word) = packed.into_word()?;
            let value = NewValue::Container(found.entry.kind(), encoding, word);
            return Ok(self.change_form(hash, found, value));
        }
        let Some(Str::Packed(packed)) = found.entry.string() else {
            return Ok(found.entry);
        };
        let modified = found.entry.is_modified();
        packed.with_text(|text| self.change_form(hash, found, NewValue::Bytes { text, modified }))
    }

    /// Changes an integer-encoded string; `false`: the value is something else.
    #[inline(always)]
    pub fn set_int(&mut self, found: FoundKey, n: i64) -> bool {
        let Some(Str::Int(old)) = found.entry.string() else {
            return false;
        };
        self.save_first(found.entry);
        found.entry.set_int(n);
        self.sizes.change_int(old, n);
        true
    }

    /// A found key's entry, for [`Database::write`]; a packed container is unpacked first. `None`:
    /// the packed value is damaged.
    #[inline]
    pub(crate) fn open(&mut self, found: FoundKey) -> Option<Entry> {
        if found.entry.is_packed() {
            return self.unpack_found(found);
        }
        Some(found.entry)
    }

    #[cold]
    #[inline(never)]
    fn unpack_found(&mut self, found: FoundKey) -> Option<Entry> {
        self.unpack(self.hash(found.entry.key()), found).ok()
    }

    /// An entry's container, which is not packed, for writing.
    #[inline]
    pub fn write<T: Container>(&mut self, entry: Entry) -> RefMut<'_, T> {
        self.save_first(entry);
        entry.clear_refused();
        let counts = self.footprints.as_deref_mut().map(|footprints| {
            let place = || self.table.place_of(self.table.hash(entry.key()));
            let before = footprints.of(entry, bytes_of(entry), place);
            (footprints, before)
        });
        RefMut::of(entry, &mut self.sizes, counts)
    }

    // --- by prefix and by bytes ---

    /// An entry is about to be removed: subtracts it from the counts.
    #[inline]
    fn discount(&mut self, found: FoundKey) {
        if let Some(footprints) = &mut self.footprints {
            footprints.remove(found.entry, self.table.place_of_found(found));
        }
    }

    /// An entry's counts before a change, if anything is counted.
    #[inline]
    fn footprint(&self, found: FoundKey) -> Option<Footprint> {
        self.footprints.as_ref()?;
        self.counted_footprint(found)
    }

    #[cold]
    fn counted_footprint(&self, found: FoundKey) -> Option<Footprint> {
        let footprints = self.footprints.as_ref()?;
        let entry = found.entry;
        Some(footprints.of(entry, bytes_of(entry), || self.table.place_of_found(found)))
    }

    /// The counterpart of [`Database::footprint`], after the change.
    #[inline]
    fn recount(&mut self, before: Option<Footprint>, entry: Entry) {
        if let Some(before) = before {
            self.recount_from(before, entry);
        }
    }

    #[cold]
    fn recount_from(&mut self, before: Footprint, entry: Entry) {
        if let Some(footprints) = &mut self.footprints {
            footprints.change(before, entry, bytes_of(entry));
        }
    }

    /// Keys by type and bytes, if they are counted.
    pub fn by_bytes(&self) -> Option<&KeySizes> {
        self.footprints.as_ref()?.by_bytes.as_ref()
    }

    /// Starts or stops counting keys by their bytes. O(n) if there are keys.
    pub fn count_bytes(&mut self, on: bool) {
        let sizes = on.then(|| self.sizes_by_bytes());
        self.footprints.get_or_insert_default().by_bytes = sizes;
        self.drop_unused_footprints();
    }

    /// Starts or stops counting bytes by slot. O(n) if there are keys.
    pub(crate) fn count_slot_bytes(&mut self, on: bool) {
        let slots = on.then(|| {
            let mut slots = Box::new([0; SLOTS]);
            for entry in self.entries() {
                slots[usize::from(self.hash(entry.key()).slot())] += bytes_of(entry) as u64;
            }
            slots
        });
        self.footprints.get_or_insert_default().by_slot = slots;
        self.drop_unused_footprints();
    }

    /// Bytes of a slot's entries, if they are counted; else 0.
    pub fn slot_bytes(&self, slot: u16) -> u64 {
        let slots = self
            .footprints
            .as_ref()
            .and_then(|its| its.by_slot.as_ref());
        slots.map_or(0, |slots| slots[usize::from(slot) % SLOTS])
    }

    /// All keys by type and bytes. O(n).
    fn sizes_by_bytes(&self) -> KeySizes {
        let mut sizes = KeySizes::default();
        for entry in self.entries() {
            sizes.add(Size::new(entry.kind(), bytes_of(entry)));
        }
        sizes
    }

    /// The pointer is null unless something is counted.
    fn drop_unused_footprints(&mut self) {
        let unused = |its: &mut Box<Footprints>| {
            its.prefixes.is_none() && its.by_bytes.is_none() && its.by_slot.is_none()
        };
        self.footprints.take_if(unused);
    }

    fn prefixes_mut(&mut self) -> Option<&mut Prefixes> {
        self.footprints.as_mut()?.prefixes.as_mut()
    }

    /// Counts a use of a key, present or not.
    #[inline]
    pub(crate) fn count_use(&mut self, key: &[u8], what: KeyUse) {
        if let Some(prefixes) = self.prefixes_mut() {
            prefixes.count(key, what);
        }
    }

    /// Keys by prefix, if they are counted.
    pub fn prefixes(&self) -> Option<&Prefixes> {
        self.footprints.as_ref()?.prefixes.as_ref()
    }

    /// Whether some keys are still to be counted by prefix.
    pub fn walks_prefixes(&self) -> bool {
        let prefixes = self.prefixes();
        prefixes.is_some_and(|its| its.walks_at().is_some())
    }

    /// Starts or stops counting keys by prefix. [`Database::walk_prefixes`] must count the keys
    /// that are already there.
    pub fn count_prefixes(&mut self, rule: Option<PrefixRule>) {
        let empty = self.is_empty();
        let prefixes = rule.map(|rule| Prefixes::new(rule, empty));
        self.footprints.get_or_insert_default().prefixes = prefixes;
        self.drop_unused_footprints();
    }

    /// Continues counting the existing keys: a segment of the table. `false`: all are counted.
    /// O(segment).
    pub fn walk_prefixes(&mut self) -> bool {
        let footprints = self.footprints.as_mut();
        let Some(prefixes) = footprints.and_then(|its| its.prefixes.as_mut()) else {
            return false;
        };
        let Some(from) = prefixes.walks_at() else {
            return false;
        };
        let end = self.table.walk_from(from, |entry| {
            prefixes.add(entry.key(), share_of(entry, bytes_of(entry)));
        });
        prefixes.walked_to(end);
        true
    }

    /// All keys are removed with this database: the database that replaces it has the use counts,
    /// and counts the same from zero. Counts of the keys alone stay with them.
    pub(crate) fn leave_footprints_to(&mut self, next: &mut Database) {
        let Some(counts) = &mut self.footprints else {
            return;
        };
        let mut prefixes = counts.prefixes.take();
        if let Some(prefixes) = &mut prefixes {
            prefixes.emptied();
        }
        next.footprints = Some(Box::new(Footprints {
            prefixes,
            by_bytes: counts.by_bytes.as_ref().map(|_| KeySizes::default()),
            by_slot: counts.by_slot.as_ref().map(|_| Box::new([0; SLOTS])),
        }));
        self.drop_unused_footprints();
    }

    /// This database, whose keys are not counted by prefix, replaces `old`, which is empty, and
    /// counts as it did. O(1), O(keys) for bytes that were not counted here;
    /// [`Database::walk_prefixes`] counts the keys by prefix.
    pub(crate) fn count_as(&mut self, old: &Database, rule: Option<PrefixRule>) {
        let by_slot = |of: &Database| {
            let footprints = of.footprints.as_ref();
            footprints.is_some_and(|its| its.by_slot.is_some())
        };
        let (bytes, slots) = (old.by_bytes().is_some(), by_slot(old));
        if self.by_bytes().is_some() != bytes {
            self.count_bytes(bytes);
        }
        if by_slot(self) != slots {
            self.count_slot_bytes(slots);
        }
        if rule.is_some() {
            self.count_prefixes(rule);
            self.adopt_uses(old);
        }
    }

    /// This database replaces `old`, whose keys are counted by the same rule: the use counts are
    /// added to those here. O(lines).
    pub(crate) fn adopt_uses(&mut self, old: &Database) {
        if let (Some(prefixes), Some(old)) = (self.prefixes_mut(), old.prefixes()) {
            prefixes.adopt_uses(old);
        }
    }

    /// Every entry, in table order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.table.entries()
    }
}

impl Database {
    /// Takes the keys of some slots out, as a database of their own whose sizes are still counted
    /// here. O(slots in use), and O(the slots' keys) if bytes or prefixes are counted, or there are
    /// lines of hashes or streams.
    pub fn take_slots(&mut self, slots: &SlotSet) -> Option<Database> {
        if let Some(footprints) = &mut self.footprints {
            for entry in self.table.entries_among(SlotFilter::Only(slots)) {
                footprints.remove(entry, self.table.place_of(self.table.hash(entry.key())));
            }
        }
        Some(Database {
            table: self.table.take_slots(slots)?,
            sizes: KeySizes::default(),
            footprints: None,
            pass: self.pass.take_slots(slots),
        })
    }

    /// Counts the size of an entry in `to`, instead of here.
    pub(crate) fn move_size(&mut self, entry: Entry, to: &mut Database) {
        let size = Size::of(entry);
        self.sizes.remove(size);
        to.sizes.add(size);
    }

    /// Panics if an invariant does not hold: the table's own, the values' own, the counts by type
    /// and size, by bytes and by prefix. `dropped`: databases of dropped slots, some of whose sizes
    /// are still counted here; `may_be_late`: expiries may be recorded late. O(n).
    pub fn check_invariants<'d>(
        &self,
        dropped: impl Iterator<Item = &'d Database>,
        may_be_late: bool,
    ) {
        self.table.check_invariants(may_be_late);
        let (mut sizes, mut counted) = (KeySizes::default(), self.sizes.clone());
        for entry in self.entries() {
            sizes.add(Size::of(entry));
            check_value(entry);
        }
        for database in dropped {
            let entries = database.entries();
            entries.for_each(|entry| sizes.add(Size::of(entry)));
            counted.add_all(&database.sizes);
        }
        assert_eq!(sizes, counted);
        if let Some(by_bytes) = self.by_bytes() {
            assert_eq!(self.sizes_by_bytes(), *by_bytes);
        }
        if let Some(by_slot) = self
            .footprints
            .as_ref()
            .and_then(|its| its.by_slot.as_ref())
        {
            let mut bytes = by_slot.clone();
            for entry in self.entries() {
                bytes[usize::from(self.hash(entry.key()).slot())] -= bytes_of(entry) as u64;
            }
            assert!(bytes.iter().all(|&bytes| bytes == 0));
        }
        if let Some(prefixes) = self.prefixes() {
            prefixes.check(self.entries().map(|entry| {
                let place = self.table.place_of(self.table.hash(entry.key()));
                (entry.key(), place, share_of(entry, bytes_of(entry)))
            }));
        }
    }
}
