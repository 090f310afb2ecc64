//! Whole values from outside: values that RESTORE and the loader store under a key.

use super::super::store::database::Database;
use super::super::store::entry::Entry;
use super::super::{ClockUse, Db, DbIndex, Keyspace, NewValue};
use russet_types::{AnyContainer, Limits, Type};

/// A value to be stored under a key; string bytes are borrowed from the input.
pub enum OwnedValue<'a> {
    /// A string that is stored as an integer.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
    /// A value of any type but string.
    Container(AnyContainer),
}

impl<'a> OwnedValue<'a> {
    /// The type that the key will have.
    pub fn kind(&self) -> Type {
        match self {
            OwnedValue::Int(_) | OwnedValue::Bytes(_) => Type::String,
            OwnedValue::Container(container) => container.kind(),
        }
    }

    /// Gives up ownership of the value: it must go into an entry.
    fn into_new(self, limits: &Limits) -> NewValue<'a> {
        match self {
            OwnedValue::Int(n) => NewValue::Int(n),
            OwnedValue::Bytes(text) => NewValue::text(text),
            OwnedValue::Container(mut container) => {
                if let AnyContainer::Hash(hash) = &mut container {
                    hash.share_names(limits);
                }
                let (kind, encoding, word) = container.into_word();
                NewValue::Container(kind, encoding, word)
            }
        }
    }
}

/// A key's use, as recorded in files and given to RESTORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Seconds since it was last used.
    IdleSeconds(u64),
    /// The logarithmic counter of LFU.
    Frequency(u8),
}

impl Keyspace {
    /// The clock bits for a recorded use. A use recorded for the other kind of clock is ignored.
    fn clock_for(&self, last_use: Option<KeyUse>) -> u32 {
        match (self.clock_use, last_use) {
            (ClockUse::Lru | ClockUse::Lrm, Some(KeyUse::IdleSeconds(seconds))) => {
                self.clock_of_idle(seconds)
            }
            (ClockUse::Lfu { .. }, Some(KeyUse::Frequency(count))) => self.clock_of_count(count),
            _ => self.fresh_clock(),
        }
    }

    /// Sets a key's recorded use anew, which a change has replaced if the policy is LRM. O(1).
    fn set_last_use(&mut self, at: DbIndex, key: &[u8], last_use: Option<KeyUse>) {
        let clock = self.clock_for(last_use);
        if let Some(found) = self.dbs[at].find_key(key) {
            found.entry.set_clock(clock);
        }
    }

    /// Adds a key from a file, without notifying watchers, waiting clients or listeners. `false`:
    /// the key is already there.
    pub fn load(
        &mut self,
        at: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        expiry: Option<i64>,
        last_use: Option<KeyUse>,
    ) -> bool {
        let clock = self.clock_for(last_use);
        let database: &mut Database = &mut self.dbs[at];
        let hash = database.hash(key);
        if database.find(hash, key).is_some() {
            return false;
        }
        let value = value.into_new(&self.limits);
        let entry = Entry::new(key, expiry, clock, value);
        database.insert(hash, entry);
        if let Some(collected) = &mut self.packing.collected {
            collected.add(at, entry);
        }
        true
    }

    /// Makes eviction pass over a key that was just loaded, without notifying anyone.
    pub fn bless_loaded(&mut self, at: DbIndex, key: &[u8]) {
        let database = &mut self.dbs[at];
        if let Some(found) = database.find_key(key) {
            database.bless(found, true);
        }
    }
}

impl Keyspace {
    /// Restores a key that is not there, with its last use. No client is notified.
    pub fn put_back(
        &mut self,
        at: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        expiry: Option<i64>,
        clock: u32,
    ) {
        let mut db = self.db(at);
        let hash = db.hash(key);
        let value = value.into_new(db.limits());
        db.insert(hash, key, Entry::new(key, expiry, clock, value));
    }
}

impl Db<'_> {
    /// See [`Keyspace::set_last_use`].
    pub fn set_last_use(&mut self, key: &[u8], last_use: Option<KeyUse>) {
        self.keyspace.set_last_use(self.at, key, last_use);
    }

    /// Adds a key that is not there, with its recorded use. The caller records the change.
    pub fn restore(
        &mut self,
        key: &[u8],
        value: OwnedValue<'_>,
        expiry: Option<i64>,
        last_use: Option<KeyUse>,
    ) {
        let hash = self.hash(key);
        let clock = self.keyspace.clock_for(last_use);
        let value = value.into_new(self.limits());
        self.insert(hash, key, Entry::new(key, expiry, clock, value));
    }
}
