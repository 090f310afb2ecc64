//! The table of a database: its entries by key, and when keys and fields expire.
//!
//! The rest of the keyspace uses these operations alone; that the entries are in one hash table is
//! known only here.
//!
//!     by key     find, insert, replace, remove
//!     all        scan, entries, walk_from, random, clear_with
//!     by time    next_due, take_due; the lines of hashes with expiring fields: fields, fields_mut;
//!                those of streams that need a newer form in files: streams, streams_mut
//!     memory     prefetches, relocate_lines, relocate_scan, memory_bytes, shape
//!
//! Positions that callers keep:
//!
//!     Found     a key's entry and its position, until the table's next change
//!     cursor    of a scan: valid through all changes, below 2^39
//!     place     in the order of [`Table::walk_from`], below [`WALK_END`]: never changes
//!
//! Entries are made, changed and freed by `Database`. A change that moves an entry, or adds or
//! removes its expiry, is reported by [`Table::replace`].
//!
//! Cost: that of `encodings::hashtable`. Everything on the way of a lookup is inlined.

use rand::Rng;

use super::entry::Entry;
use super::{FieldExpiries, KeyHash, KeyHasher, Ref};
use crate::base::hash;
use crate::base::mover::Mover;
use crate::base::text::is_same;
use crate::encodings::hashtable::{self, Handle, HashTable, Shape, Word};
use crate::encodings::prefetch::ahead;
use crate::types::{Encoding, Hash, Stream, Type};

/// Later expiries are noted as this time, some 8,900 years ahead, and are in no order.
pub(super) const DUE_MAX: i64 = hashtable::TIME_MAX;

/// The end of a walk: all places are below it.
pub(super) const WALK_END: u64 = 1 << 32;

/// A key that was found: its entry and where the table keeps it.
#[derive(Clone, Copy)]
pub(super) struct Found {
    handle: Handle,
    pub entry: Entry,
}

impl Found {
    /// The entry's place in the order of [`Table::walk_from`].
    #[inline]
    pub fn place(self) -> u64 {
        u64::from(self.handle.place())
    }
}

/// See the module.
pub(super) struct Table {
    hasher: KeyHasher,
    entries: HashTable,
    /// Keys that have an expiry.
    volatile: usize,
    /// Hashes whose fields expire.
    fields: FieldExpiries,
    /// Streams with lines of producers, by the first one's expiry, and those that a file holds only
    /// in a newer form, with no expiry.
    streams: FieldExpiries,
}

/// The full hash of an entry's key, for the hash table when a segment splits.
fn rehash(word: Word) -> u64 {
    hash::keys().hash(Entry::of(word).key())
}

impl Table {
    /// An empty table of keys that `hasher` hashes.
    pub fn new(hasher: KeyHasher) -> Table {
        Table {
            hasher,
            entries: HashTable::new(),
            volatile: 0,
            fields: FieldExpiries::default(),
            streams: FieldExpiries::default(),
        }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
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

    /// Hashes whose fields expire, to note other times.
    #[inline]
    pub fn fields_mut(&mut self) -> &mut FieldExpiries {
        &mut self.fields
    }

    /// Streams that need a newer form in files, by the expiry of their first line of a producer.
    #[inline]
    pub fn streams(&self) -> &FieldExpiries {
        &self.streams
    }

    /// The same, to note other times.
    #[inline]
    pub fn streams_mut(&mut self) -> &mut FieldExpiries {
        &mut self.streams
    }

    /// Bytes of the table without the entries and the lines of hashes and streams. O(1).
    pub fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes()
    }

    /// Figures about the inner shape, for DEBUG HTSTATS. O(segments).
    pub fn shape(&self) -> Shape {
        self.entries.shape()
    }

    // --- by key ---

    /// Prefetches the first read of a key's lookup: a word of the directory. A hint, as the next
    /// two stages.
    #[inline]
    pub fn prefetch_directory(&self, hash: KeyHash) {
        self.entries.prefetch_directory(hash.hash());
    }

    /// Second stage: prefetches the lines of the key's two buckets.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        self.entries.prefetch(hash.hash());
    }

    /// Third stage: prefetches the entries whose tags match.
    #[inline]
    pub fn prefetch_entries(&self, hash: KeyHash) {
        self.entries
            .prefetch_entries(hash.hash(), |word| Some(Entry::reach(word)));
    }

    /// The key's entry, expired or not.
    #[inline]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Found> {
        let mut found = None;
        let handle = self.entries.find_handle(hash.hash(), |word| {
            let entry = Entry::of(word);
            let is_it = is_same(entry.key(), key);
            if is_it {
                found = Some(entry);
            }
            is_it
        })?;
        let entry = found.expect("the one that was accepted");
        Some(Found { handle, entry })
    }

    /// The position of exactly this entry; `None`: it is not in the table.
    pub fn find_entry(&self, entry: Entry) -> Option<Found> {
        let is_it = |word| Entry::of(word) == entry;
        let hash = self.hash(entry.key());
        let handle = self.entries.find_handle(hash.hash(), is_it)?;
        Some(Found { handle, entry })
    }

    /// Adds the entry of a key that is not in the table, with its expiries.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, entry: Entry) {
        self.entries.insert(hash.hash(), entry.table_word(), rehash);
        if let Some(when) = entry.expiry() {
            self.volatile += 1;
            self.entries.note_expiry(hash.hash(), when);
        }
        self.note_fields(entry);
    }

    /// `found` was replaced by `entry`, of the same key: it may have moved, and its expiry may be
    /// another one. `had_expiry`: whether it had one before.
    pub fn replace(&mut self, hash: KeyHash, found: Found, had_expiry: bool, entry: Entry) {
        let word = entry.table_word();
        if self.entries.word_at(found.handle) != word {
            self.entries.replace_at(found.handle, word);
        }
        self.volatile -= usize::from(had_expiry);
        if let Some(when) = entry.expiry() {
            self.volatile += 1;
            self.entries.note_expiry(hash.hash(), when);
        }
    }

    /// Takes an entry out, with its expiries.
    pub fn remove(&mut self, found: Found) {
        self.entries.remove_at(found.handle);
        self.volatile -= usize::from(found.entry.has_expiry());
        self.forget_fields(found.entry);
    }

    // --- by time ---

    /// An entry was added or given another value: a hash whose fields expire, and a stream that
    /// needs a newer form in files, get a line.
    #[inline]
    pub fn note_fields(&mut self, entry: Entry) {
        match entry.kind() {
            Type::Hash => {
                if !matches!(entry.encoding(), Encoding::Listpack | Encoding::Record)
                    && let Some(due) = Ref::<Hash>::of(entry).next_due()
                {
                    self.fields.note(entry.key(), due as i64);
                }
            }
            Type::Stream => {
                if let Some(due) = Ref::<Stream>::of(entry).newer_line() {
                    self.streams.note(entry.key(), due);
                }
            }
            _ => {}
        }
    }

    /// An entry's value is removed: its line is removed, if it is a hash or a stream.
    #[inline]
    pub fn forget_fields(&mut self, entry: Entry) {
        match entry.kind() {
            Type::Hash if !self.fields.is_empty() => self.fields.forget(entry.key()),
            Type::Stream if !self.streams.is_empty() => self.streams.forget(entry.key()),
            _ => {}
        }
    }

    /// A lower bound of the keys' expiries; it may be that of a key long gone. `None`: no key
    /// expires. O(1).
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        match self.volatile {
            0 => None,
            _ => self.entries.next_due(),
        }
    }

    /// Collects into `due` the entries that expire at `until_ms` or before, the earliest first,
    /// in at most `visits` visits to a segment. True if there may be more.
    ///
    /// Collected entries are no longer noted: the caller removes them or calls
    /// [`Table::note_due_again`].
    pub fn take_due(&mut self, until_ms: i64, visits: usize, due: &mut Vec<Entry>) -> bool {
        let collect = |word| due.push(Entry::of(word));
        self.entries
            .collect_due(until_ms, visits, Entry::word_expiry, collect)
    }

    /// Notes an entry that [`Table::take_due`] has collected and that stays: it expires at
    /// `when_ms`.
    pub fn note_due_again(&mut self, entry: Entry, when_ms: i64) {
        let hash = self.hash(entry.key());
        self.entries.note_expiry(hash.hash(), when_ms);
    }

    // --- all entries ---

    /// One step of a scan: visits the entries of a small part of the table and returns the next
    /// cursor, 0 at the end. Begins at 0. An entry that is in the table from the first step to the
    /// last is visited at least once. O(1).
    #[inline]
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Entry)) -> u64 {
        self.entries.scan(cursor, |word| visit(Entry::of(word)))
    }

    /// As [`Table::scan`], and prefetches each entry; `visit` should not read it yet.
    #[inline]
    pub fn scan_ahead(&self, cursor: u64, mut visit: impl FnMut(Entry)) -> u64 {
        self.entries.scan(cursor, |word| {
            let entry = Entry::of(word);
            entry.prefetch(Entry::reach(word));
            visit(entry);
        })
    }

    /// All entries, each once, in no particular order; prefetched some steps ahead. The first ones
    /// are a fair sample.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        ahead(self.entries.iter().map(Entry::of), |entry| entry.address())
    }

    /// The place of a key in the order of [`Table::walk_from`].
    #[inline]
    pub fn place_of(&self, hash: KeyHash) -> u64 {
        u64::from(self.entries.place_of(hash.hash()))
    }

    /// Visits the entries at or after place `from` in a segment of the table; returns the place at
    /// which the next one begins, [`WALK_END`] after the last. Each entry is visited once, whatever
    /// changes between two steps: those visited are the ones with a place below the result.
    /// O(segment).
    pub fn walk_from(&self, from: u64, mut visit: impl FnMut(Entry)) -> u64 {
        self.entries
            .walk_from(from, rehash, |word| visit(Entry::of(word)))
    }

    /// A uniformly random entry, and whether it has an expiry, which is known without reading it.
    /// `None`: the table is empty.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(Entry, bool)> {
        let word = self.entries.random(rng)?;
        Some((Entry::of(word), Entry::word_has_expiry(word)))
    }

    /// A random entry that has an expiry, nearly uniform, for tables in which few have one. `None`:
    /// none has.
    pub fn random_volatile(&self, rng: &mut impl Rng) -> Option<Entry> {
        let word = self.entries.random_noted(rng, Entry::word_has_expiry)?;
        Some(Entry::of(word))
    }

    /// Passes every entry to `free` and is empty then. The lines of hashes must not matter any
    /// more: they stay. O(n).
    pub fn clear_with(&mut self, mut free: impl FnMut(Entry)) {
        self.volatile = 0;
        self.entries.clear_with(|word| free(Entry::of(word)));
    }

    // --- defragmentation ---

    /// Offers the table's own blocks, without the entries and the lines of hashes.
    pub fn relocate_lines(&mut self, mover: &mut Mover) {
        self.entries.relocate_lines(mover);
    }

    /// As [`Table::scan`], of entries already prefetched: `change` may move an entry's block, and
    /// then returns the entry at its new address. It gets the lines of hashes and of streams, too.
    pub fn relocate_scan(
        &mut self,
        cursor: u64,
        mut change: impl FnMut(Entry, &mut FieldExpiries, &mut FieldExpiries) -> Option<Entry>,
    ) -> u64 {
        // Entries are scattered in memory: all are prefetched before the first is read.
        self.scan_ahead(cursor, |_| ());
        let (fields, streams) = (&mut self.fields, &mut self.streams);
        self.entries.relocate_words(cursor, |word| {
            change(Entry::of(word), fields, streams).map(Entry::table_word)
        })
    }

    /// Panics if an invariant does not hold: the hash table's own, the number of volatile keys, that
    /// no key expires before the bound, and that every hash with expiring fields, and nothing else,
    /// has a line that is not late. O(n).
    pub fn check_invariants(&self) {
        self.entries.check_invariants(rehash);
        let (mut volatile, mut first_due, mut lines, mut streams) = (0, i64::MAX, 0, 0);
        for entry in self.entries() {
            volatile += usize::from(entry.has_expiry());
            first_due = first_due.min(entry.expiry().unwrap_or(i64::MAX));
            let line = self.fields.line(entry.key());
            lines += usize::from(line.is_some());
            let due = match entry.kind() {
                Type::Hash => Ref::<Hash>::of(entry).expire_min().map(|due| due as i64),
                _ => None,
            };
            assert!(
                due.is_none_or(|due| line.is_some_and(|line| line <= due)),
                "the active cycle visits in time"
            );
            assert!(line.is_none() || entry.kind() == Type::Hash);
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
        assert_eq!(lines, self.fields.len(), "no line without its hash");
        assert_eq!(streams, self.streams.len(), "no line without its stream");
        let bound = self.next_due().unwrap_or(i64::MAX);
        assert!(bound <= first_due.max(0), "no key expires unseen");
    }
}
