//! Facts of a key for OBJECT and DEBUG. Reading them is no use of the key, changes no statistics
//! and deletes nothing.

use super::super::store::entry::Entry;
use super::super::store::sizes::Size;
use super::super::{ClockUse, Db, KeyView, store::container::bytes_of};
use russet_types::{Encoding, Type};

/// Approximate bytes of a key in the table: a cell and its share of empty ones.
pub const CELL_BYTES: usize = 10;

/// Facts of a key for OBJECT and DEBUG.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    /// As TYPE reports it.
    pub kind: Type,
    /// As OBJECT ENCODING reports it.
    pub encoding: Encoding,
    /// Unix milliseconds; `None`: it does not expire.
    pub expiry: Option<i64>,
    /// Seconds since the key was used, as OBJECT IDLETIME reports them.
    pub idle_seconds: u32,
    /// The LFU counter, decayed to now; meaningful when the policy is an LFU policy.
    pub frequency: u32,
    /// The entry's place in memory, as DEBUG OBJECT shows it.
    pub address: usize,
    /// Bytes of key and value in the allocator, and of the key's cell in the table.
    pub bytes: usize,
    /// Of a packed value the number of the dictionary, and its bytes before.
    pub packed: Option<(u8, usize)>,
}

impl Db<'_> {
    /// The facts of a key; no use of it, no statistics.
    pub fn info(&self, key: &[u8]) -> Option<KeyInfo> {
        self.peek_entry(key).map(|e| self.info_of(e))
    }

    /// The number of elements of the key's value: 1 for a string, 0 if there is no such key. No use
    /// of the key, no statistics. O(1).
    pub fn elements(&self, key: &[u8]) -> usize {
        self.peek_entry(key).map_or(0, |entry| match entry.kind() {
            Type::String => 1,
            _ => Size::of(entry).elements(),
        })
    }

    /// As [`Db::info`], of a key that may have expired but was not deleted yet (DEBUG OBJECT).
    pub fn info_even_expired(&self, key: &[u8]) -> Option<KeyInfo> {
        self.database()
            .find(self.hash(key), key)
            .map(|f| self.info_of(f.entry))
    }

    /// As [`Db::info_even_expired`], with the value.
    pub fn view_even_expired(&self, key: &[u8]) -> Option<KeyView<'_>> {
        let found = self.database().find(self.hash(key), key)?;
        Some(KeyView::of(found.entry))
    }

    fn info_of(&self, e: Entry) -> KeyInfo {
        let decay = match self.keyspace.clock_use {
            ClockUse::Lfu { decay_minutes, .. } => decay_minutes,
            ClockUse::Lru | ClockUse::Lrm => 0,
        };
        KeyInfo {
            kind: e.kind(),
            encoding: e.reported_encoding(self.keyspace.dialect),
            expiry: e.expiry(),
            idle_seconds: self.keyspace.idle_seconds(e.clock()),
            frequency: self.keyspace.decayed(e.clock(), decay),
            address: e.address(),
            bytes: bytes_of(e) + CELL_BYTES,
            packed: e.is_packed().then(|| (e.dictionary(), e.raw_len())),
        }
    }
}
