//! The table of a database: its entries by key, and when keys and fields expire.
//!
//! The rest of the keyspace uses these operations alone; only this file knows whether the entries
//! are in a single hash table, or in a table for each slot (`slot_tables`).
//!
//!     by key     find, insert, replace, remove
//!     all        scan, entries, walk_from, random, clear_with
//!     by time    next_due, take_due; the lines of hashes with expiring fields: fields, fields_mut;
//!                the lines of streams that need a newer form in files: streams, streams_mut
//!     labels     time series by their labels: labels, index_labels, forget_labels
//!     blessings  the keys that eviction passes over: blessings, bless
//!     memory     prefetches, relocate_lines, relocate_scan, memory_bytes, shape
//!
//! Positions that callers keep:
//!
//!     FoundKey  a key's entry and its position, until the table's next change
//!     cursor    of a scan: valid through all changes, below 2^39, or 2^53 with slots
//!     place     in the order of [`Table::walk_from`], below [`WALK_END`]: never changes
//!
//! Without slots, positions cost a test of a null pointer. With slots, a change of an entry by
//! position alone computes the slot again from the entry's key.
//!
//! Entries are made, changed and freed by `Database`. A change that moves an entry, or adds or
//! removes its expiry, is reported by [`Table::replace`].
//!
//! Cost: that of `encodings::hashtable`. Everything on the way of a lookup is inlined.

use rand::Rng;

use super::super::slots::slot_set::{SlotFilter, SlotSet};
use super::super::slots::slot_tables::{PLACES, SlotTables, rehash};
use super::super::{FieldExpiries, KeyHash, KeyHasher, Ref};
use super::blessings::Blessings;
use super::entry::Entry;
use russet_base::memory::mover::Mover;
use russet_base::text::is_same;
use russet_encodings::hashtable::{self, Accepts, Handle, HashTable, Shape, Word};
use russet_encodings::prefetch::ahead;
use russet_timeseries::index::LabelIndex;
use russet_types::{Encoding, Expirable as _, Hash, Set, Stream, TimeSeries, Type};

/// Later expiries are recorded as this time, some 8,900 years ahead, and are in no order.
pub(crate) const DUE_MAX: i64 = hashtable::TIME_MAX;

/// The end of a walk: all places are below it.
pub(crate) const WALK_END: u64 = PLACES;

/// The end of a walk over a hash table.
const TABLE_END: u64 = 1 << 32;

/// A key that was found: its entry and where the table keeps it.
#[derive(Clone, Copy)]
pub struct FoundKey {
    handle: Handle,
    pub entry: Entry,
}

/// Accepts the entry of this key.
struct OfKey<'k>(&'k [u8]);

impl Accepts for OfKey<'_> {
    #[inline(always)]
    fn accepts(&mut self, word: Word) -> bool {
        is_same(Entry::of(word).key(), self.0)
    }
}

/// Without repetitions: neighbours in a batch often have the same key.
#[inline(always)]
fn distinct(hashes: &[KeyHash]) -> impl Iterator<Item = &KeyHash> {
    let mut last = None;
    let is_new = move |hash: &&KeyHash| last.replace(hash.hash()) != Some(hash.hash());
    hashes.iter().filter(is_new)
}

#[inline(always)]
fn found(at: Option<(Handle, Word)>) -> Option<FoundKey> {
    at.map(|(handle, word)| FoundKey {
        handle,
        entry: Entry::of(word),
    })
}

/// The entry of a key with a slot.
#[inline(never)]
fn find_in_slot(slots: &SlotTables, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
    found(slots.find_at(hash.slot(), hash.hash(), OfKey(key)))
}

/// See the module.
pub struct Table {
    hasher: KeyHasher,
    /// The entries of keys without slots; else empty.
    entries: HashTable,
    /// The entries of keys with slots, if there are any.
    slots: Option<Box<SlotTables>>,
    /// Keys that have an expiry.
    volatile: usize,
    /// Hashes whose fields expire.
    fields: FieldExpiries,
    /// Sets whose members expire.
    members: FieldExpiries,
    /// Streams with lines of producers, by the expiry of the first line, and streams that a file
    /// holds only in a newer form, with no expiry.
    streams: FieldExpiries,
    /// Time series by their labels; `None`: there never was a time series.
    labels: Option<Box<LabelIndex>>,
    /// The keys that eviction passes over; `None`: there are none.
    blessings: Option<Box<Blessings>>,
}

impl Table {
    /// An empty table of keys that `hasher` hashes.
    pub fn new(hasher: KeyHasher) -> Table {
        Table {
            hasher,
            entries: HashTable::new(),
            slots: None,
            volatile: 0,
            fields: FieldExpiries::default(),
            members: FieldExpiries::default(),
            streams: FieldExpiries::default(),
            labels: None,
            blessings: None,
        }
    }

    /// How the table's keys are hashed.
    #[inline]
    pub fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.slots {
            None => self.entries.len(),
            Some(slots) => slots.len(),
        }
    }

    /// Keys of some slots. O(1) for one or all, else O(slots in use).
    pub(crate) fn len_among(&self, among: SlotFilter<'_>) -> usize {
        match (&self.slots, among) {
            (None, _) | (_, SlotFilter::All) => self.len(),
            (Some(slots), SlotFilter::One(slot)) => slots.len_of(slot),
            (Some(slots), _) => slots.len_among(among),
        }
    }

    /// Keys of some slots that have an expiry. O(1) for one or all, else O(slots in use).
    pub(crate) fn volatile_among(&self, among: SlotFilter<'_>) -> usize {
        match (&self.slots, among) {
            (None, _) | (_, SlotFilter::All) => self.volatile,
            (Some(slots), _) => slots.volatile_among(among),
        }
    }

    /// The slots that have keys, in order.
    pub fn slots(&self, among: SlotFilter<'_>) -> impl Iterator<Item = u16> {
        let slots = self.slots.iter();
        slots.flat_map(move |slots| slots.slots(among))
    }

    /// Removes the lines of some slots' hashes and streams. O(the slots' keys), or O(lines) if they
    /// are fewer.
    fn forget_lines_of(&mut self, slots: &SlotSet) {
        self.forget_blessings_of(slots);
        let among = SlotFilter::Only(slots);
        let lines = self.fields.len()
            + self.members.len()
            + self.streams.len()
            + self.labels().map_or(0, LabelIndex::len);
        if lines == 0 {
            return;
        }
        let keys: Vec<Box<[u8]>> = if lines < self.len_among(among) {
            let series = self.labels().into_iter().flat_map(LabelIndex::keys);
            let keys = self
                .fields
                .soonest()
                .chain(self.members.soonest())
                .chain(self.streams.soonest())
                .chain(series);
            let of_slots = keys.filter(|key| slots.has(self.hash(key).slot()));
            of_slots.map(Box::from).collect()
        } else {
            let entries = self.entries_among(among);
            let has_lines = [Type::Hash, Type::Set, Type::Stream, Type::TimeSeries];
            let lined = entries.filter(|its| has_lines.contains(&its.kind()));
            lined.map(|entry| entry.key().into()).collect()
        };
        for key in keys {
            self.fields.forget(&key);
            self.members.forget(&key);
            self.streams.forget(&key);
            let found = self.find(self.hash(&key), &key).map(|found| found.entry);
            if let Some(entry) = found.filter(|entry| entry.kind() == Type::TimeSeries) {
                self.forget_labels(entry);
            }
        }
    }

    /// Forgets the marks of some slots' keys. O(marks).
    fn forget_blessings_of(&mut self, slots: &SlotSet) {
        let Some(blessings) = &self.blessings else {
            return;
        };
        for key in blessings.among(|key| slots.has(self.hash(key).slot())) {
            if let Some(found) = self.find(self.hash(&key), &key) {
                self.bless(found.entry, false);
            }
        }
    }

    /// Takes the keys of some slots out, as a table of their own, without their expiries and the
    /// lines of their hashes and streams. `None`: there are none. O(slots in use); O(segments) if
    /// keys expire, O(the slots' keys) if there are such lines.
    pub fn take_slots(&mut self, slots: &SlotSet) -> Option<Table> {
        self.forget_lines_of(slots);
        let volatile = self.volatile_among(SlotFilter::Only(slots));
        let taken = self.slots.as_mut()?.take_among(SlotFilter::Only(slots))?;
        self.volatile -= volatile;
        Some(Table {
            slots: Some(taken),
            volatile,
            ..Table::new(self.hasher)
        })
    }

    /// Keys that have an expiry.
    #[inline]
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// Hashes whose fields expire.
    #[inline]
    pub fn fields(&self) -> &FieldExpiries {
        &self.fields
    }

    /// Hashes whose fields expire, to record other times.
    #[inline]
    pub(crate) fn fields_mut(&mut self) -> &mut FieldExpiries {
        &mut self.fields
    }

    /// Sets whose members expire.
    #[inline]
    pub fn members(&self) -> &FieldExpiries {
        &self.members
    }

    /// Sets whose members expire, to record other times.
    #[inline]
    pub(crate) fn members_mut(&mut self) -> &mut FieldExpiries {
        &mut self.members
    }

    /// Streams that need a newer form in files, by the expiry of their first line of a producer.
    #[inline]
    pub fn streams(&self) -> &FieldExpiries {
        &self.streams
    }

    /// The same, to record other times.
    #[inline]
    pub(crate) fn streams_mut(&mut self) -> &mut FieldExpiries {
        &mut self.streams
    }

    /// Time series by their labels, if there was one.
    #[inline]
    pub fn labels(&self) -> Option<&LabelIndex> {
        self.labels.as_deref()
    }

    /// The keys that eviction passes over, if there are any.
    #[inline]
    pub fn blessings(&self) -> Option<&Blessings> {
        self.blessings.as_deref()
    }

    /// Gives an entry of the table the mark, or takes it; `false`: it is as it was.
    pub(crate) fn bless(&mut self, entry: Entry, on: bool) -> bool {
        if entry.is_blessed() == on {
            return false;
        }
        if on {
            entry.set_blessed(true);
            self.note_blessing(entry);
        } else {
            self.forget_blessing(entry);
            entry.set_blessed(false);
        }
        true
    }

    #[cold]
    fn note_blessing(&mut self, entry: Entry) {
        self.blessings.get_or_insert_default().note(entry);
    }

    #[cold]
    fn forget_blessing(&mut self, entry: Entry) {
        let blessings = self.blessings.as_mut().expect("each mark is noted");
        blessings.forget(entry);
        self.blessings.take_if(|blessings| blessings.len() == 0);
    }

    /// Records a series by its labels.
    pub(crate) fn index_labels(&mut self, entry: Entry) {
        let index = self.labels.get_or_insert_default();
        index.note(entry.key(), Ref::<TimeSeries>::of(entry).labels());
    }

    /// Forgets a series, before the series or its labels are replaced.
    pub(crate) fn forget_labels(&mut self, entry: Entry) {
        if let Some(index) = &mut self.labels {
            index.forget(entry.key(), Ref::<TimeSeries>::of(entry).labels());
        }
    }

    /// Bytes of the table without the entries and the lines of hashes and streams. O(1); with slots
    /// O(slots in use).
    pub fn memory_bytes(&self) -> usize {
        match &self.slots {
            None => self.entries.memory_bytes(),
            Some(slots) => slots.memory_bytes(),
        }
    }

    /// Figures about the inner shape, for DEBUG HTSTATS. O(segments).
    pub fn shape(&self) -> Shape {
        match &self.slots {
            None => self.entries.shape(),
            Some(slots) => slots.shape(),
        }
    }

    // --- by key ---

    /// Prefetches the first read of a key's lookup: a word of the directory, or the slot's table. A
    /// hint, as the next stages.
    #[inline]
    pub fn prefetch_directory(&self, hash: KeyHash) {
        match &self.slots {
            None => self.entries.prefetch_directory(hash.hash()),
            Some(slots) => slots.prefetch_root(hash.slot()),
        }
    }

    /// The next stage, for several keys: prefetches the lines of their two buckets.
    #[inline(never)]
    pub fn prefetch_lines(&self, hashes: &[KeyHash]) {
        match &self.slots {
            None => {
                let has_expiries = self.entries.has_expiries();
                for hash in distinct(hashes) {
                    self.entries.prefetch_lines(hash.hash(), has_expiries);
                }
            }
            Some(slots) => {
                slots.prefetch_lines(distinct(hashes).map(|hash| (hash.slot(), hash.hash())));
            }
        }
    }

    /// The last stage: prefetches the entries whose tags match.
    #[inline(never)]
    pub fn prefetch_entries(&self, hashes: &[KeyHash]) {
        let reach = |word| Some(Entry::reach(word));
        match &self.slots {
            None => {
                for hash in distinct(hashes) {
                    self.entries.prefetch_entries(hash.hash(), reach);
                }
            }
            Some(slots) => {
                let keys = distinct(hashes).map(|hash| (hash.slot(), hash.hash()));
                slots.prefetch_entries(keys, reach);
            }
        }
    }

    /// The key's entry, expired or not.
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        self.find_inlined(hash, key)
    }

    /// As [`Table::find`], inlined into its callers, for those that make nearly all lookups.
    #[inline(always)]
    pub fn find_inlined(&self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        if let Some(slots) = &self.slots {
            return find_in_slot(slots, hash, key);
        }
        found(self.entries.find_at(hash.hash(), OfKey(key)))
    }

    /// The position of exactly this entry; `None`: it is not in the table.
    pub fn find_entry(&self, entry: Entry) -> Option<FoundKey> {
        let is_it = |word| Entry::of(word) == entry;
        let hash = self.hash(entry.key());
        found(match &self.slots {
            None => self.entries.find_at(hash.hash(), is_it),
            Some(slots) => slots.find_at(hash.slot(), hash.hash(), is_it),
        })
    }

    /// Adds the entry of a key that is not in the table, with its expiries.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, entry: Entry) {
        let word = entry.table_word();
        if self.hasher.has_slots() {
            let slots = self.slots.get_or_insert_with(SlotTables::new);
            slots.insert(hash.slot(), hash.hash(), word, entry.has_expiry());
        } else {
            self.entries.insert(hash.hash(), word, rehash);
        }
        if let Some(when) = entry.expiry() {
            self.volatile += 1;
            self.record_expiry(hash, when);
        }
        if entry.is_blessed() {
            self.note_blessing(entry);
        }
        self.record_fields(entry);
    }

    /// Records another expiry of a key that had an expiry. A call: most values have none.
    #[inline(never)]
    pub(crate) fn record_other_expiry(&mut self, hash: KeyHash, when_ms: i64) {
        self.record_expiry(hash, when_ms);
    }

    #[inline]
    fn record_expiry(&mut self, hash: KeyHash, when_ms: i64) {
        match &mut self.slots {
            None => self.entries.record_expiry(hash.hash(), when_ms),
            Some(slots) => slots.record_expiry(hash.slot(), hash.hash(), when_ms),
        }
    }

    /// `found` was replaced by `entry`, of the same key: it may have moved, and may have another
    /// expiry. `had_expiry`: whether it had an expiry before.
    pub fn replace(&mut self, hash: KeyHash, found: FoundKey, had_expiry: bool, entry: Entry) {
        let word = entry.table_word();
        match &mut self.slots {
            None => {
                if self.entries.word_at(found.handle) != word {
                    self.entries.replace_at(found.handle, word);
                }
            }
            Some(slots) => {
                let volatile = [had_expiry, entry.has_expiry()];
                slots.replace(hash.slot(), found.handle, word, volatile);
            }
        }
        self.volatile -= usize::from(had_expiry);
        if let Some(when) = entry.expiry() {
            self.volatile += 1;
            self.record_expiry(hash, when);
        }
        if let Some(blessings) = &mut self.blessings
            && entry.is_blessed()
        {
            blessings.expiry_changed(had_expiry, entry.has_expiry());
        }
    }

    /// Takes an entry out, with its expiries.
    pub fn remove(&mut self, found: FoundKey) {
        let was_volatile = found.entry.has_expiry();
        match &mut self.slots {
            None => _ = self.entries.remove_at(found.handle),
            Some(slots) => {
                let slot = self.hasher.hash(found.entry.key()).slot();
                slots.remove(slot, found.handle, was_volatile);
            }
        }
        self.volatile -= usize::from(was_volatile);
        if self.blessings.is_some() && found.entry.is_blessed() {
            self.forget_blessing(found.entry);
        }
        self.forget_fields(found.entry);
    }

    // --- by time ---

    /// An entry was added or given another value: a hash or set with expiries, and a stream that
    /// needs a newer form in files, get a line.
    #[inline]
    pub(crate) fn record_fields(&mut self, entry: Entry) {
        match entry.kind() {
            Type::Hash => {
                if !matches!(
                    entry.encoding(),
                    Encoding::Listpack | Encoding::Record | Encoding::Packed
                ) && let Some(due) = Ref::<Hash>::of(entry).next_due()
                {
                    self.fields.note(entry.key(), due as i64);
                }
            }
            Type::Set => {
                if !matches!(
                    entry.encoding(),
                    Encoding::Listpack | Encoding::Intset | Encoding::Packed
                ) && let Some(due) = Ref::<Set>::of(entry).next_due()
                {
                    self.members.note(entry.key(), due as i64);
                }
            }
            Type::Stream => {
                if let Some(due) = Ref::<Stream>::of(entry).newer_line() {
                    self.streams.note(entry.key(), due);
                }
            }
            Type::TimeSeries => self.index_labels(entry),
            _ => {}
        }
    }

    /// An entry's value is removed: removes the entry's line, if the value is a hash or a stream.
    #[inline]
    pub(crate) fn forget_fields(&mut self, entry: Entry) {
        match entry.kind() {
            Type::Hash if !self.fields.is_empty() => self.fields.forget(entry.key()),
            Type::Set if !self.members.is_empty() => self.members.forget(entry.key()),
            Type::Stream if !self.streams.is_empty() => self.streams.forget(entry.key()),
            Type::TimeSeries => self.forget_labels(entry),
            _ => {}
        }
    }

    /// A lower bound of the keys' expiries; it may be that of a key long gone. `None`: no key
    /// expires. O(1).
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        match self.volatile {
            0 => None,
            _ => match &self.slots {
                None => self.entries.next_due(),
                Some(slots) => slots.next_due(),
            },
        }
    }

    /// Collects into `due` the entries that expire at `until_ms` or before, the earliest first,
    /// in at most `visits` visits to a segment. True if there may be more.
    ///
    /// Collected entries are no longer recorded: the caller removes them or calls
    /// [`Table::record_due_again`].
    pub fn take_due(&mut self, until_ms: i64, visits: usize, due: &mut Vec<Entry>) -> bool {
        let collect = |word| due.push(Entry::of(word));
        let look = Entry::word_expiry;
        match &mut self.slots {
            None => self.entries.collect_due(until_ms, visits, look, collect),
            Some(slots) => slots.collect_due(until_ms, visits, look, collect),
        }
    }

    /// Records an entry that [`Table::take_due`] has collected and that stays: it expires at
    /// `when_ms`.
    pub(crate) fn record_due_again(&mut self, entry: Entry, when_ms: i64) {
        self.record_expiry(self.hash(entry.key()), when_ms);
    }

    // --- all entries ---

    /// A step of a scan over some slots: visits the entries of a small part of the table and
    /// returns the next cursor, 0 at the end. Begins at 0. An entry that is in the table from the
    /// first step to the last is visited at least once. O(1).
    #[inline]
    pub fn scan(&self, cursor: u64, among: SlotFilter<'_>, mut visit: impl FnMut(Entry)) -> u64 {
        let visit = |word| visit(Entry::of(word));
        match &self.slots {
            None => self.entries.scan(cursor, visit),
            Some(slots) => slots.scan(cursor, among, visit),
        }
    }

    /// As [`Table::scan`], and prefetches each entry; `visit` should not read it yet.
    #[inline]
    pub(crate) fn scan_ahead(
        &self,
        cursor: u64,
        among: SlotFilter<'_>,
        mut visit: impl FnMut(Entry),
    ) -> u64 {
        let visit = |word| {
            let entry = Entry::of(word);
            entry.prefetch(Entry::reach(word));
            visit(entry);
        };
        match &self.slots {
            None => self.entries.scan(cursor, visit),
            Some(slots) => slots.scan(cursor, among, visit),
        }
    }

    /// All entries, each once, in no particular order; prefetched some steps ahead. The first ones
    /// are a fair sample.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries_among(SlotFilter::All)
    }

    /// As [`Table::entries`], of some slots.
    pub(crate) fn entries_among<'t>(
        &'t self,
        among: SlotFilter<'t>,
    ) -> impl Iterator<Item = Entry> + 't {
        let in_slots = self.slots.iter().flat_map(move |slots| slots.words(among));
        let words = self.entries.iter().chain(in_slots);
        ahead(words.map(Entry::of), |entry| entry.address())
    }

    /// The place of a key in the order of [`Table::walk_from`].
    #[inline]
    pub fn place_of(&self, hash: KeyHash) -> u64 {
        match &self.slots {
            None => u64::from(self.entries.place_of(hash.hash())),
            Some(slots) => slots.place_of(hash.slot(), hash.hash()),
        }
    }

    /// The place of a found entry.
    #[inline]
    pub(crate) fn place_of_found(&self, found: FoundKey) -> u64 {
        match &self.slots {
            None => u64::from(found.handle.place()),
            Some(_) => self.place_of(self.hash(found.entry.key())),
        }
    }

    /// Visits the entries at or after place `from` in a segment of the table; returns the place at
    /// which the next entry begins, [`WALK_END`] after the last. Each entry is visited once,
    /// whatever changes between two steps: the visited entries are the entries with a place below
    /// the result. O(segment).
    pub fn walk_from(&self, from: u64, mut visit: impl FnMut(Entry)) -> u64 {
        let visit = |word| visit(Entry::of(word));
        match &self.slots {
            None => match self.entries.walk_from(from, rehash, visit) {
                TABLE_END => WALK_END,
                place => place,
            },
            Some(slots) => slots.walk_from(from, visit),
        }
    }

    /// A uniformly random entry, and whether it has an expiry, which is known without reading it.
    /// `None`: the table is empty.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(Entry, bool)> {
        self.random_among(SlotFilter::All, rng)
    }

    /// As [`Table::random`], of some slots. O(slots in use) unless they are all.
    pub(crate) fn random_among(
        &self,
        among: SlotFilter<'_>,
        rng: &mut impl Rng,
    ) -> Option<(Entry, bool)> {
        let word = match &self.slots {
            None => self.entries.random(rng),
            Some(slots) => slots.random(among, rng),
        }?;
        Some((Entry::of(word), Entry::word_has_expiry(word)))
    }

    /// A random entry that has an expiry, nearly uniform, for tables in which few have one. `None`:
    /// none has.
    pub(crate) fn random_volatile(&self, rng: &mut impl Rng) -> Option<Entry> {
        let word = match &self.slots {
            None => self.entries.random_noted(rng, Entry::word_has_expiry),
            Some(slots) => slots.random_noted(rng, Entry::word_has_expiry),
        }?;
        Some(Entry::of(word))
    }

    /// Passes every entry to `free` and is empty then. The lines of hashes must not matter any
    /// more: they stay. O(n).
    pub fn clear_with(&mut self, mut free: impl FnMut(Entry)) {
        self.volatile = 0;
        let mut free = |word| free(Entry::of(word));
        self.entries.clear_with(&mut free);
        if let Some(slots) = self.slots.take() {
            slots.drain(free);
        }
    }

    // --- defragmentation ---

    /// Offers the blocks of the table itself, without the entries and the lines of hashes. A table
    /// without slots offers all its blocks at cursor 0. A table with slots offers the blocks of a
    /// slot's table when the cursor is at the beginning of that slot, and the blocks that all slots
    /// share at cursor 0.
    pub fn relocate_lines(&mut self, cursor: u64, mover: &mut Mover) {
        match &mut self.slots {
            None if cursor == 0 => self.entries.relocate_lines(mover),
            None => {}
            Some(slots) => slots.relocate_lines(cursor, mover),
        }
    }

    /// As [`Table::scan`], of entries already prefetched: `change` may move an entry's block, and
    /// then returns the entry at its new address. It gets the lines of hashes and of streams, too.
    pub(crate) fn relocate_scan(
        &mut self,
        cursor: u64,
        mut change: impl FnMut(Entry, [&mut FieldExpiries; 3]) -> Option<Entry>,
    ) -> u64 {
        // Entries are scattered in memory: all are prefetched before the first is read.
        self.scan_ahead(cursor, SlotFilter::All, |_| ());
        let (fields, members, streams) = (&mut self.fields, &mut self.members, &mut self.streams);
        let change = |word| {
            let lines = [&mut *fields, &mut *members, &mut *streams];
            change(Entry::of(word), lines).map(Entry::table_word)
        };
        match &mut self.slots {
            None => self.entries.relocate_words(cursor, change),
            Some(slots) => slots.relocate_words(cursor, change),
        }
    }

    /// Panics if an invariant does not hold: the hash table's own, the number of volatile keys,
    /// that no key expires before the bound, and that every hash with expiring fields, and nothing
    /// else, has a line that is not late, unless they may be. O(n).
    pub fn check_invariants(&self, may_be_late: bool) {
        self.entries.check_invariants(rehash);
        if let Some(slots) = &self.slots {
            assert_eq!(self.entries.len(), 0);
            slots.check_invariants(|word| self.hash(Entry::of(word).key()).slot());
        }
        let (mut volatile, mut first_due) = (0, i64::MAX);
        let (mut lines, mut streams) = ([0; 2], 0);
        let mut series = 0;
        let (mut blessed, mut blessed_volatile) = (0, 0);
        for entry in self.entries() {
            let is_noted = self.blessings().is_some_and(|its| its.has(entry.key()));
            assert_eq!(is_noted, entry.is_blessed(), "each mark is noted");
            blessed += usize::from(is_noted);
            blessed_volatile += usize::from(is_noted && entry.has_expiry());
            if entry.kind() == Type::TimeSeries {
                let index = self.labels().expect("each series is noted");
                index.check(entry.key(), Ref::<TimeSeries>::of(entry).labels());
                series += 1;
            }
            volatile += usize::from(entry.has_expiry());
            first_due = first_due.min(entry.expiry().unwrap_or(i64::MAX));
            let is_plain = |kind| entry.kind() == kind && !entry.is_packed();
            let due = [
                is_plain(Type::Hash).then(|| Ref::<Hash>::of(entry).expire_min()),
                is_plain(Type::Set).then(|| Ref::<Set>::of(entry).expire_min()),
            ];
            for (at, of) in [&self.fields, &self.members].into_iter().enumerate() {
                let line = of.line(entry.key());
                lines[at] += usize::from(line.is_some());
                let due = due[at].flatten().map(|due| due as i64);
                assert!(
                    due.is_none_or(|due| line.is_some_and(|line| line <= due || may_be_late)),
                    "the active cycle visits in time"
                );
                assert!(line.is_none() || entry.kind() == [Type::Hash, Type::Set][at]);
            }
            let line = self.streams.line(entry.key());
            streams += usize::from(line.is_some());
            let due = match entry.kind() {
                Type::Stream => Ref::<Stream>::of(entry).newer_line(),
                _ => None,
            };
            assert!(due.is_none_or(|due| line.is_some_and(|line| line <= due)));
            assert!(line.is_none() || entry.kind() == Type::Stream);
        }
        assert_eq!(volatile, self.volatile);
        let blessings = self.blessings().map(|its| (its.len(), its.volatile()));
        assert_eq!(blessings.unwrap_or((0, 0)), (blessed, blessed_volatile));
        assert_eq!(lines[0], self.fields.len(), "no line without its hash");
        assert_eq!(lines[1], self.members.len(), "no line without its set");
        assert_eq!(streams, self.streams.len(), "no line without its stream");
        assert_eq!(series, self.labels().map_or(0, LabelIndex::len));
        let bound = self.next_due().unwrap_or(i64::MAX);
        assert!(
            bound <= first_due.max(0) || may_be_late,
            "no key expires unseen"
        );
    }
}
