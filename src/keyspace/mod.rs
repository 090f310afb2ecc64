//! The keyspace: numbered databases of entries, and what surrounds a key: expiry, eviction clocks,
//! WATCH, keyspace events, keys that clients wait for.
//!
//! Handlers work through [`Db`], one database as one command sees it; every change is recorded
//! there once ([`Db::changed`]) and reaches all listeners from there.

mod access;
mod expiry;
mod listeners;
mod passes;
mod slots;
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod worlds;

pub use access::db::Db;
pub use access::info::KeyInfo;
pub use access::new_value::{NewValue, Str};
pub use access::place::{Expiry, Place};
pub use access::restore::{KeyUse, OwnedValue};
pub use access::value::{AnyRef, Ref, RefMut};
pub use access::view::{KeyView, ValueView};
pub use expiry::clock::{ClockUse, UseClock};
pub use expiry::evict::{Evicted, Eviction, EvictionOrder};
pub use expiry::fields::FieldExpiries;
pub use listeners::effects::{Audience, Effects, RemovalWords, Unit};
pub use listeners::journal::{Change, ChangeKind, Journal, subkeys};
pub use listeners::waiting::{ReadyKey, Waiting};
pub use listeners::watch::{WatchList, Watchers};
pub use passes::aside::PendingFlush;
pub use passes::defrag::Walk;
pub use passes::lazyfree::{Cause, FEW, Lazy, LazyFree, Longest};
pub use passes::snapshot::{Saver, Slice};
pub use slots::dropped_slots::DropProgress;
pub use slots::slot::{SLOTS, SlotMemo, slot_of, slot_of_pattern};
pub use slots::slot_set::SlotSet;
pub use store::database::Database;
pub use store::key_hash::{KeyHash, KeyHasher};
pub use store::prefixes::{PrefixFigures, PrefixRule};
pub use store::sizes::KeySizes;

/// The class of an event.
pub use crate::config::EventClass as Class;

use crate::config::Dialect;
use crate::types::{Inner, Limits, Type};
use store::databases::Databases;

/// A database's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbIndex(pub u32);

/// A client's number, unique over the life of the process. 0 is no client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// Counters of the keyspace, as INFO shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub expired_fields: u64,
    /// Of them, those that the active cycle removed.
    pub expired_actively: u64,
    pub expired_fields_actively: u64,
    pub evicted: u64,
}

/// How expired keys and fields are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiring {
    /// The expiry cycle deletes them, or the lookup that finds them first.
    #[default]
    Delete,
    /// As `Delete`, without the cycle (DEBUG SET-ACTIVE-EXPIRE 0).
    DeleteWhenMet,
    /// They are hidden but kept: while clients are paused, and on a replica, where the primary
    /// decides.
    Hide,
    /// They count as live: a log or an import repeats commands that ran at their own time.
    Replay,
}

/// All databases and their surroundings.
pub struct Keyspace {
    hasher: KeyHasher,
    dbs: Databases,
    /// The turn's time, Unix milliseconds.
    now_ms: i64,
    expiring: Expiring,
    /// A key whose expiry is before this time has expired, Unix milliseconds; derived from `now_ms`
    /// and `expiring`.
    due_ms: i64,
    pub clock_use: ClockUse,
    pub stats: KeyspaceStats,
    /// Changes since the last save; grows with every [`Db::changed`].
    pub dirty: u64,
    pub watchers: Watchers,
    pub waiting: Waiting,
    pub limits: Limits,
    pub dialect: Dialect,
    pub lazyfree: LazyFree,
    /// Slots dropped as a whole, being freed.
    dropped: slots::dropped_slots::DroppedSlots,
    /// What flushes have set aside.
    aside: passes::aside::Aside,
    /// Slots whose keys are not shown.
    hidden: Option<SlotSet>,
    /// Why: those that are received, and those that are kept.
    why_hidden: Option<Box<slots::by_slot::WhyHidden>>,
    /// Keys that have expired while they were hidden may be deleted as late as this.
    late_until_ms: Option<i64>,
    /// Changes of keys, for listeners notified after each command.
    pub journal: Journal,
    /// Effects of writes, for the log and the replicas.
    pub effects: Effects,
    pub removal_words: RemovalWords,
    /// The snapshot under way.
    pass: Option<Box<passes::snapshot::Pass>>,
    /// Containers of more bytes than this are saved in slices.
    pub large_min: usize,
    /// The rule by which keys are counted by prefix, if they are.
    prefix_rule: Option<PrefixRule>,
    /// Uses of keys are counted by prefix now.
    counts_uses: bool,
    /// Keys are counted by their bytes, too.
    counts_bytes: bool,
    /// Bytes are counted by slot.
    counts_slot_bytes: bool,
    /// Eviction candidates seen so far.
    pool: expiry::evict::Pool,
    rng: rand::rngs::SmallRng,
    #[cfg(test)]
    pub opened: access::opened::Opened,
}

impl Keyspace {
    pub fn new(databases: usize) -> Keyspace {
        #[cfg(test)]
        let has_slots = worlds::has_slots();
        #[cfg(not(test))]
        let has_slots = false;
        Keyspace::hashed_by(KeyHasher::new(has_slots), databases)
    }

    /// A keyspace whose keys have slots, for a node of a cluster.
    pub fn with_slots(databases: usize) -> Keyspace {
        Keyspace::hashed_by(KeyHasher::new(true), databases)
    }

    fn hashed_by(hasher: KeyHasher, databases: usize) -> Keyspace {
        Keyspace {
            hasher,
            dbs: Databases::new(databases, hasher),
            now_ms: 0,
            expiring: Expiring::Delete,
            due_ms: 0,
            clock_use: ClockUse::Lru,
            stats: KeyspaceStats::default(),
            dirty: 0,
            watchers: Watchers::default(),
            waiting: Waiting::default(),
            limits: Limits::default(),
            dialect: Dialect::default(),
            lazyfree: LazyFree::new(),
            dropped: slots::dropped_slots::DroppedSlots::default(),
            aside: passes::aside::Aside::default(),
            hidden: None,
            why_hidden: None,
            late_until_ms: None,
            journal: Journal::default(),
            effects: Effects::default(),
            removal_words: RemovalWords::default(),
            pass: None,
            large_min: passes::snapshot::LARGE_MIN,
            prefix_rule: None,
            counts_uses: true,
            counts_bytes: false,
            counts_slot_bytes: false,
            pool: expiry::evict::Pool::default(),
            rng: rand::make_rng(),
            #[cfg(test)]
            opened: access::opened::Opened::default(),
        }
    }

    /// Whether a command left notifications to deliver.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.watchers.has_touched() || !self.journal.is_empty()
    }

    /// The turn's time, Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        self.set_expiring(self.expiring);
    }

    /// Sets how expired keys are treated from now on; returns the mode so far.
    pub fn set_expiring(&mut self, expiring: Expiring) -> Expiring {
        self.due_ms = match expiring {
            Expiring::Replay => 0,
            _ => self.now_ms,
        };
        std::mem::replace(&mut self.expiring, expiring)
    }

    /// A key whose expiry is before this time has expired, Unix milliseconds.
    #[inline]
    pub fn due_ms(&self) -> i64 {
        self.due_ms
    }

    /// Whether the expiry cycle runs.
    fn expires_actively(&self) -> bool {
        self.expiring == Expiring::Delete
    }

    /// Whether expired keys are hidden and kept.
    #[inline]
    fn hides_expired(&self) -> bool {
        self.expiring == Expiring::Hide
    }

    /// How keys are hashed.
    #[inline]
    pub fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// Number of databases.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// Sets whether keys are counted by their bytes, too ([`Database::by_bytes`]). O(keys) if that
    /// begins while there are some.
    pub fn set_counts_bytes(&mut self, on: bool) {
        if self.counts_bytes != on {
            self.counts_bytes = on;
            self.dbs.iter_mut().for_each(|db| db.count_bytes(on));
        }
    }

    /// Whether keys are counted by their bytes, too.
    pub fn counts_bytes(&self) -> bool {
        self.counts_bytes
    }

    /// Keys of all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Database::len).sum()
    }

    pub fn database(&self, at: DbIndex) -> &Database {
        &self.dbs[at]
    }

    /// One database, as one command sees it.
    #[inline]
    pub fn db(&mut self, at: DbIndex) -> Db<'_> {
        Db::new(self, at)
    }

    /// Prefetches the first read of a key's lookup. A hint, as the next stages: nothing is looked
    /// up.
    #[inline]
    pub fn prefetch_directory(&self, at: DbIndex, hash: KeyHash) {
        self.dbs[at].table().prefetch_directory(hash);
    }

    /// The other stages, for the keys of a batch: prefetches the lines of their buckets, then the
    /// entries whose tags match.
    #[inline]
    pub fn prefetch(&self, at: DbIndex, hashes: &[KeyHash]) {
        self.dbs[at].table().prefetch(hashes);
    }

    /// The table inside the big container at a key, to prefetch its elements too. The key's own
    /// lines must have been prefetched.
    #[inline]
    pub fn inner(&self, at: DbIndex, hash: KeyHash, key: &[u8]) -> Option<Inner<'_>> {
        self.dbs[at].inner(hash, key)
    }

    /// SWAPDB: clients that wait or watch see the other database's keys from now on.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        if a == b {
            return;
        }
        self.record_swap(a, b);
        self.dbs.swap(a, b);
        self.dropped.swap(a, b);
        self.aside.swap(a, b);
        for db in [a, b] {
            self.signal_existing_in(db);
        }
    }

    /// Empties one database; with `off_loop` a helper thread frees large values. Returns the number
    /// of keys.
    pub fn flush(&mut self, at: DbIndex, off_loop: bool) -> usize {
        let old = self.take_all(at);
        let keys = old.len();
        if let Some(old) = self.unless_database_unsaved(at, old, None) {
            self.lazyfree.free_database(old, off_loop);
        }
        keys
    }

    /// Takes all keys out of a database, as a database of their own.
    fn take_all(&mut self, at: DbIndex) -> Database {
        self.record_flush(at);
        let mut old = std::mem::replace(&mut self.dbs[at], Database::new(self.hasher));
        old.leave_footprints_to(&mut self.dbs[at]);
        self.dropped.forget_counts(at);
        old
    }

    /// Empties all databases, as [`Keyspace::flush`], and frees what flushes have set aside: the
    /// data has no past from here on. Returns the number of keys.
    pub fn flush_all(&mut self, off_loop: bool) -> usize {
        self.forget_aside();
        let all = 0..self.databases() as u32;
        all.map(|at| self.flush(DbIndex(at), off_loop)).sum()
    }

    /// Whether a field of any hash expires.
    pub fn any_field_expires(&self) -> bool {
        self.dbs.iter().any(|db| !db.fields().is_empty())
    }

    /// Whether a key has a value of this type.
    pub fn any_of(&self, kind: Type) -> bool {
        let mut sizes = self.dbs.iter().map(Database::sizes);
        sizes.any(|sizes| sizes.of(kind).next().is_some())
    }

    /// Whether a file needs newer forms for any stream: it has lines of producers, other settings
    /// than the usual ones, or entries without an owner. It may have had them only before.
    pub fn any_newer_stream(&self) -> bool {
        self.dbs.iter().any(|db| !db.streams().is_empty())
    }

    /// Whether there may be containers of `elements` elements or more.
    pub fn has_containers_of(&self, elements: u64) -> bool {
        let kinds = Type::ALL.into_iter().filter(|kind| *kind != Type::String);
        let sized =
            |db: &Database, kind| db.sizes().of(kind).any(|(least, _)| 2 * least > elements);
        kinds
            .into_iter()
            .any(|kind| self.dbs.iter().any(|db| sized(db, kind)))
    }

    /// The non-empty databases, with their numbers.
    pub fn in_use(&self) -> impl Iterator<Item = (DbIndex, &Database)> {
        self.dbs
            .iter()
            .enumerate()
            .filter(|(_, d)| !d.is_empty())
            .map(|(i, d)| (DbIndex(i as u32), d))
    }

    /// Panics if an invariant of a database does not hold. O(n).
    pub fn check_invariants(&self) {
        self.dbs
            .check_invariants(&self.dropped, self.late_until_ms.is_some());
    }
}
