//! The keyspace: numbered databases of entries, with expiry, eviction clocks, WATCH, keyspace
//! events, and keys that clients wait for.
//!
//! Handlers work through [`Db`], a database as a command sees it; every change is recorded there
//! once ([`Db::changed`]) and reaches all listeners from there.
//!
//! # The keyspace
//!
//! `encodings/hashtable` is the hash table under databases, sets, hashes and sorted-set members:
//! extendible hashing in cache lines. Growth is local (a segment gains lines or splits), so no
//! insert pays for all; deletes shrink and merge; SCAN cursors are stateless. Its module comment
//! draws the bytes.
//!
//! A database's entries are in a `Table` (`keyspace/store/table.rs`): find, insert, replace and
//! remove by key, scan, walk, random picks, and entries that are due. No other file of the keyspace
//! knows whether this is a single hash table, or a table for each slot.
//!
//! In a node of a cluster (`Keyspace::with_slots`) each slot has a hash table
//! (`keyspace/slots/slot_tables.rs`): cache lines in pages of 64 slots, which are made with their
//! first key. A lookup does not read them: the only directory word of each table is in an array
//! beside them (`encodings/hashtable/tables.rs`). Counts by slot and page, and a bit for each slot
//! with keys, let work on a slot, and a random pick from all keys, cost the same whatever other
//! keys exist. All slots share a tree of expiries (`encodings/hashtable`, its `expiry`), which is
//! lent to the table that changes. The slot comes with the key's hash (`KeyHasher`,
//! `keyspace/slots/slot.rs`): CRC-16 by carry-less multiplication (`base/hashing/crc16.rs`), a
//! branch that is never taken elsewhere. A slot is dropped by taking its table out
//! (`keyspace/slots/dropped_slots.rs`): clients lose the keys at once; the server records the
//! deletions for replicas and the log, corrects the counts and frees the memory between turns
//! (`server/cluster/lost.rs`). Slots that are being received, or kept though another node has
//! claimed them, are hidden from clients' walks and counts, and neither expired nor evicted
//! (`keyspace/slots/by_slot.rs`). A snapshot may be of some slots alone: the bit that says "saved"
//! then changes its meaning in these. An observer of commands keeps the figures of slots (CLUSTER
//! SLOT-STATS) (`server/parts/cluster/slot_stats.rs`), so they cost nothing while they are off.
//!
//! `keyspace/store/entry.rs`: key and value in a single allocation; the handle is a thin pointer.
//! Short strings are inside, integers are eight bytes, larger strings have a block of exactly their
//! length, containers are an encoding and a word: the listpack or table itself, without a wrapper
//! (`types::Container`, `keyspace/access/value.rs`). Operations on values of any type (length,
//! memory, copies, checks, signatures, freeing, saving, loading) dispatch on the type in a single
//! place, `types::for_container`, which is generated from the list of types (`types/kinds.rs`).
//!
//! A long list is a deque of listpacks (`encodings/quicklist`). Once elements are added or removed
//! at the head, the first listpack is at the end of its block with free space before it
//! (`encodings/listpack/roomy.rs`), so a push or a pop there moves none of the bytes. Readers of a
//! listpack read a `Pack`, which is to `Listpack` what `str` is to `String`, so only code that
//! changes a listpack distinguishes the two forms.
//!
//! Small hashes with the same fields in the same order share their names. Such a hash is a record
//! (`encodings/record`): a block with the values alone, a byte beside each; the address of the
//! block and 16 bits with the number of its schema are the entry's word, so that nothing else is
//! stored. A text that repeats under its name (a country, a state) is kept once, with the schema,
//! and is a byte in the records; texts as long as the first text under their name (dates, UUIDs)
//! need no byte for their length (`record/common.rs`). A schema is the list of names, counted by
//! its records, in a slot of a table of 4096 for the whole process: dropping the last reference
//! frees it, on any thread, because large databases are freed beside the loop. Which lists have a
//! schema is known to the thread that changes hashes (`types/hash/shared.rs`): a list gets a schema
//! when it has been seen eight times in a small table of recent lists, so that hashes with names of
//! their own cost nothing more. The hash of a list is made from that of its beginning and the last
//! name, so a record that gains a field finds the next schema in a single step. HSET looks the
//! whole list up before it makes a new hash; HSET, HSETNX and HDEL go from schema to schema, or
//! back to the listpack if there is none; loading and RESTORE end with a lookup. A hash stops being
//! a record if a field expires, if a field or value is too long, and beyond 64 fields. To clients,
//! files and replicas a record is the listpack that it stands for, in the same order, and its DUMP
//! has the same bytes. MEMORY USAGE counts the record's block; the schemas are in `used_memory`
//! alone.
//!
//! A stream (`types/stream`) is an ordered map of nodes by 128-bit ID (`encodings/idmap`): chunks
//! of 128 keys, eight bytes a key while the keys are close to each other, so that a node costs 16
//! bytes beside its listpack. A chunk knows how many live entries its nodes hold: a trim drops
//! whole chunks without visiting any node, and frees them as a separate stream. A node is Redis's
//! listpack (`encodings/stream_node`). A group's pending entries are the same map, of deliveries by
//! ID; each consumer has a further map, of IDs alone. Entries without an owner (XNACK) have a map
//! in their order, and owned entries a map by delivery time, which the first XREADGROUP CLAIM
//! makes. A blocked reader with CLAIM has a timer for the first entry that will be idle for long
//! enough (`Wake`); without a pending entry it has none, and the next delivery sets it. Idempotent
//! IDs of producers (`types/stream/producers.rs`) expire with the expire cycle: each database has a
//! line for every such stream (`keyspace/expiry/iids.rs`), as it has for hashes whose fields
//! expire. The same lines show which version a file needs.
//!
//! An array (`types/array`) is an ordered map of slices by number (the same map; a single slice is
//! held in place). A slice is a block of slots of equal width, sparse with its offsets or a dense
//! window; texts that fit the width are in the slot, others in a block of their own. The width is
//! chosen for the least memory whenever a slice is laid out anew.
//!
//! The counts of INFO keysizes follow the entries (`keyspace/store/sizes.rs`): `Database` counts
//! entries that are added and removed, and `RefMut`, the borrow of a container to be changed,
//! measures it when it ends.
//!
//! Containers know their memory (`types::MemoryUsage`): tables, lists and streams add the
//! allocator's size class of each element or node as it is added, and subtract it as it is removed;
//! parts that cannot be measured that way (a stream's groups, subscriptions, users) are counted by
//! the allocator's balance before and after each change (`alloc::OwnedBytes`). So MEMORY USAGE is
//! O(1), and the counts that need bytes (`keyspace/store/footprint.rs`: keys by prefix, a bounded
//! table in each `Database`, and the `_sizes` lines of keysizes) can follow every change in the
//! same places as keysizes. Prefixes, which can be switched on at run time, walk the existing
//! entries with a frontier in the order of the table's own hashes (`hashtable/frontier.rs`), which
//! shows for each entry whether it is counted already.
//!
//! Expiry is exact without a second table. Every segment with volatile keys has the nearest
//! expiries of its keys; `Keyspace::next_expiry` bounds the loop's sleep and `expire_cycle` deletes
//! due keys in slices. `volatile-ttl` uses the same times to find the keys that expire first
//! (`keyspace/expiry/soonest.rs`). Fields of hashes have an index of their own, a line per hash
//! (`keyspace/expiry/fields.rs`). Two trees of minima over the databases, for keys and for fields
//! (`keyspace/store/databases.rs`), lead to the database that is due: a borrow for a change marks
//! the database stale, and only stale databases are read again. `Db::expired` removes an expired
//! key; `keyspace/expiry/expired_fields.rs` removes expired fields, for all code that finds them.
//!
//! Freeing a large value does not hold the loop (`keyspace/passes/lazyfree.rs`). For each `Cause`
//! of a removal that `lazyfree-lazy-*` selects, and for UNLINK, a helper thread frees values with
//! more than 64 elements: the loop has no reference to them any more, so no lock is needed.
//! Otherwise the loop frees them: values with more than 1,024 elements in slices between turns.
//! Wherever a removed value is freed, its bytes leave `used_memory` at once (`alloc::let_go`),
//! estimated from the structure and some of the elements, so that nothing is evicted or refused
//! because of a value already removed; the estimate is dropped with the value, and `used_memory` is
//! exact again when the value is freed. FLUSHALL and FLUSHDB without ASYNC reply when the memory is
//! free: the client blocks on a mark in the thread's queue, the loop does not; inside EXEC they
//! free on the loop, as in Redis.
//!
//! With `flush-grace`, a flush by a command sets its databases aside instead
//! (`keyspace/passes/aside.rs`); the consequences for the log, snapshots, replicas and memory
//! limits are in `server/persist/flushes.rs`. Flushes are named by the number of flushes after
//! them, which log and replicas repeat, so FLUSHALL stays as it is. Lines in the log (`AsideLine`)
//! record before a flush that it sets its data aside, and later which data was freed: a replay does
//! the same, with the memory that the server had then, and needs neither times nor a look ahead.
//!
//! `used_memory` is the allocator's own balance (`base/memory/ledger.rs`): jemalloc's per-thread
//! counters, summed over all threads of a server, because a thread often frees memory that another
//! thread allocated. Helper threads are started in a single place, which registers them for the sum
//! (`base/threads.rs`; a test checks that there is no other). The counters of ended threads stay in
//! the sum. Eviction compares `used_memory` with `maxmemory`, less the memory that is freed without
//! it or has a bound of its own (`server/observe/not_counted.rs`). A plain command compares used
//! memory with a single number, the bound as of the last measurement; only beyond that number does
//! the server measure everything anew, so a log's buffer or a reply that grows in the middle of a
//! batch costs no key. Over the limit, memory that serves no client is freed first (flushes that
//! are set aside, then unused reply buffers), clients over their limit are closed within the batch,
//! and then keys are evicted; the server answers -OOM if no key may be evicted. The changes that an
//! eviction itself records do not count either, until it ends (`Keyspace::evict_while`). CONFIG SET
//! evicts nothing itself: the next turn begins with the eviction, so that no transaction loses keys
//! in its middle.
//!
//! The owners of memory. For each: whether the memory counts in that comparison; when its size is
//! known; its own bound; what the server gives up at that bound.
//!
//! - keys, tables, expiries, figures by prefix, users, channels and their subscribers: yes; Known:
//!   always; Its own bound: `maxmemory`; Given up there: keys, by the policy
//! - texts of scripts, libraries: yes; Known: always; Its own bound: `maxmemory-scripts` for those
//!   of EVAL; Given up there: the oldest of these
//! - backlog up to its size: yes; Known: always; Its own bound: `repl-backlog-size`; Given up
//!   there: its oldest part
//! - log's buffer, effects on their way to it: no; Known: at the check; Its own bound: the disk's
//!   speed; Given up there: nothing
//! - snapshots and rewrites: what waits to be written or sent, old values to be saved, spools: no;
//!   Known: at the check; Its own bound: buffers of MBs; `EARLY_MAX`; `repl-diskless-*`; Given up
//!   there: writers wait; replicas
//! - backlog beyond its size: no; Known: at the check; Its own bound:
//!   `client-output-buffer-limit replica`; Given up there: the replica's link
//! - a full copy that is received: no; Known: at the check; Its own bound:
//!   `replica-full-sync-buffer-limit`; Given up there: reading of the link stops
//! - clients: replies, query buffers, MULTI queues, subscriptions, but for the first 64 KB: no;
//!   Known: at the check; Its own bound: `maxmemory-clients`, or the share beside `maxmemory`;
//!   Given up there: readers are held from half of the share on; the largest clients
//! - messages and overwritten values that only replies keep: no; Known: at the check; Its own
//!   bound: as clients; Given up there: as clients
//! - states that scripts run in: no; Known: at the check; Its own bound: `script-memory-limit`;
//!   Given up there: the script; garbage is collected by cron
//! - keys that clients keep (tracking): yes, as in Redis; Known: always; Its own bound:
//!   `tracking-table-max-keys`; Given up there: keys are invalidated
//! - unused reply buffers: yes; Known: always; Its own bound: 64 of 128 KB; Given up there: all,
//!   before a key
//! - moved slots that are kept (`migration`, its `kept`): yes; Known: always; Its own bound: four
//!   node timeouts; Given up there: all of them, before a key
//! - set-aside flushes, values being freed: not in used memory; Known: always; Its own bound:
//!   `flush-grace`; the limit; Given up there: freed before a key
//! - undo of an atomic script: -; Known: nothing is evicted while a script runs; Its own bound: the
//!   script's effort; Given up there: the script
//! - links of the bus and of slots, readers of the change stream, command logs, connections of the
//!   console and metrics: no; Known: once a turn, if the rest does not suffice: no command changes
//!   them, but for PUBLISH; Its own bound: their own limits; Given up there: links; the oldest
//!   entries
//! - TLS sessions, latency histograms, HOTKEYS: yes; Known: always; Its own bound: their number;
//!   Given up there: -
//!
//! The share of clients beside `maxmemory`, without `maxmemory-clients`
//! (`parts/memory/client_memory.rs`): half of what `maxmemory auto` leaves free, else a quarter of
//! `maxmemory`, at least 32 MB. A client with more than 64 KB of replies is not read from while
//! clients hold more than half of it, and is closed after 60 seconds without taking any; beyond the
//! share the largest are closed. jemalloc is built with a size class for every 8 bytes up to 64
//! (`.cargo/config.toml`), from which entries of odd lengths profit; `base/memory/eights.rs`
//! preserves the 16-byte alignment that Rust expects there.
#![warn(missing_docs)]

mod access;
mod expiry;
mod ids;
mod listeners;
mod passes;
mod slots;
mod store;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod worlds;

pub use access::bits::Bits;
pub use access::db::Db;
pub use access::info::KeyInfo;
pub use access::new_value::{NewValue, Str, TextBuffer};
pub use access::place::{Expiry, Place};
pub use access::restore::{KeyUse, OwnedValue};
pub(crate) use access::value::UnpackedValues;
pub use access::value::{AnyRef, Ref};
pub use access::value_mut::RefMut;
pub use access::view::{KeyView, ValueView};
pub use expiry::clock::{ClockUse, UseClock};
pub use expiry::evict::EvictionOutcome;
pub(crate) use expiry::fields::FieldExpiries;
pub use expiry::pool::Eviction;
pub use ids::{ClientId, DbIndex};
pub use listeners::effects::{Audience, EffectRecording, Effects, RemovalWords, Unit};
pub use listeners::journal::{Change, ChangeKind, Journal, subkeys};
pub use listeners::unconfirmed::UnconfirmedKeys;
pub use listeners::waiting::{ReadyKey, WaitingClients};
pub use listeners::watch::{WatchList, Watchers};
pub use passes::cold::{BatchCounts, Batches, ColdBatch, ColdLimit, ColdRule, ColdWalk};
pub use passes::defrag::Walk;
pub use passes::estimate::{PackSample, PrefixEstimate};
pub(crate) use passes::lazyfree::LazyFree;
pub use passes::lazyfree::{Cause, FEW, LazyfreeCauses, LongestRemovals};
pub use passes::pack::{PackRule, PackState, PackedFigures};
pub use passes::pass::{Saver, Slice};
pub use passes::set_aside::PendingFlush;
pub use russet_config::EvictionOrder;
pub use slots::dropped::DropProgress;
pub use slots::slot::{SLOTS, SlotMemo, slot_of, slot_of_pattern};
pub use slots::slot_set::SlotSet;
pub use store::blessings::Blessings;
pub use store::database::Database;
pub use store::dictionaries::{PackDictionary, damaged_frames};
pub use store::key_hash::KeyHash;
pub(crate) use store::key_hash::KeyHasher;
pub use store::packed::{PackedText, Packer};
pub use store::prefixes::{PrefixFigures, PrefixRule};
pub use store::sizes::KeySizes;

/// The class of an event.
pub use russet_config::EventClass as Class;

use russet_config::Dialect;
use russet_types::{InnerTable, Limits, Type};
use store::databases::Databases;

/// Counters of the keyspace, as INFO shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// `keyspace_hits`: lookups that found a key.
    pub hits: u64,
    /// `keyspace_misses`: lookups that found none.
    pub misses: u64,
    /// `expired_keys`.
    pub expired: u64,
    /// `expired_subkeys`: fields of hashes and members of sets.
    pub expired_fields: u64,
    /// Keys among `expired` that the active cycle removed.
    pub expired_actively: u64,
    /// Fields among the expired that the active cycle removed.
    pub expired_fields_actively: u64,
    /// `evicted_keys`.
    pub evicted: u64,
}

/// How expired keys and fields are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryMode {
    /// The expire cycle deletes expired keys and fields, or the lookup that finds them first.
    #[default]
    Delete,
    /// As `Delete`, without the cycle (DEBUG SET-ACTIVE-EXPIRE 0).
    DeleteWhenMet,
    /// Expired keys and fields are hidden but kept: while clients are paused, and on a replica,
    /// where the primary decides.
    Hide,
    /// Expired keys and fields count as live: a log or an import repeats commands that ran at their
    /// own time.
    Replay,
}

/// All databases and their surroundings.
pub struct Keyspace {
    hasher: KeyHasher,
    dbs: Databases,
    /// The turn's time, Unix milliseconds.
    now_ms: i64,
    /// The LRU bits of a key that is used now, derived from `now_ms`.
    lru_now: u32,
    expiring: ExpiryMode,
    /// A key whose expiry is before this time has expired, Unix milliseconds; derived from `now_ms`
    /// and `expiring`.
    due_ms: i64,
    /// The meaning of the 24 bits in each key: LRU, LRM or LFU.
    pub clock_use: ClockUse,
    /// Counters for INFO.
    pub stats: KeyspaceStats,
    /// Changes since the last save; grows with every [`Db::changed`].
    pub dirty: u64,
    /// Watched keys, with the clients that watch them.
    pub watchers: Watchers,
    /// Keys that blocked clients wait for.
    pub waiting: WaitingClients,
    /// Thresholds between the encodings of values.
    pub limits: Limits,
    /// Redis or Valkey, for commands that differ.
    pub dialect: Dialect,
    /// Frees large values off the loop.
    pub lazyfree: LazyFree,
    /// The dictionaries of this keyspace's packed values.
    pub packing: PackState,
    /// Packed containers that readers have unpacked.
    pub(crate) unpacked: UnpackedValues,
    /// Slots dropped as a whole, being freed.
    dropped: slots::dropped::DroppedSlots,
    /// Databases that flushes have set aside.
    aside: passes::set_aside::FlushedData,
    /// Slots whose keys are not shown.
    hidden: Option<SlotSet>,
    /// Why: slots that are received, and slots that are kept.
    why_hidden: Option<Box<slots::hidden::WhyHidden>>,
    /// Keys that have expired while they were hidden may be deleted as late as this.
    late_until_ms: Option<i64>,
    /// Changes of keys, for listeners notified after each command.
    pub journal: Journal,
    /// Effects of writes, for the log and the replicas.
    pub effects: Effects,
    /// Keys whose last change too few replicas have.
    pub unconfirmed: UnconfirmedKeys,
    /// DEL or UNLINK, for keys that expire or are evicted.
    pub removal_words: RemovalWords,
    /// The snapshot under way.
    pass: Option<Box<passes::pass::Pass>>,
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
    pool: expiry::pool::Pool,
    rng: rand::rngs::SmallRng,
    /// The keys that the commands of a test looked up or changed.
    #[cfg(any(test, feature = "testing"))]
    pub opened: access::opened::OpenedKeys,
}

impl Keyspace {
    /// Empty databases without slots, in Redis's dialect with its defaults.
    pub fn new(databases: usize) -> Keyspace {
        #[cfg(any(test, feature = "testing"))]
        let has_slots = worlds::has_slots();
        #[cfg(not(any(test, feature = "testing")))]
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
            lru_now: 0,
            expiring: ExpiryMode::Delete,
            due_ms: 0,
            clock_use: ClockUse::Lru,
            stats: KeyspaceStats::default(),
            dirty: 0,
            watchers: Watchers::default(),
            waiting: WaitingClients::default(),
            limits: Limits::default(),
            dialect: Dialect::default(),
            lazyfree: LazyFree::new(),
            packing: PackState::default(),
            unpacked: UnpackedValues::default(),
            dropped: slots::dropped::DroppedSlots::default(),
            aside: passes::set_aside::FlushedData::default(),
            hidden: None,
            why_hidden: None,
            late_until_ms: None,
            journal: Journal::default(),
            effects: Effects::default(),
            unconfirmed: UnconfirmedKeys::default(),
            removal_words: RemovalWords::default(),
            pass: None,
            large_min: passes::pass::LARGE_MIN,
            prefix_rule: None,
            counts_uses: true,
            counts_bytes: false,
            counts_slot_bytes: false,
            pool: expiry::pool::Pool::default(),
            rng: rand::make_rng(),
            #[cfg(any(test, feature = "testing"))]
            opened: access::opened::OpenedKeys::default(),
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

    /// Sets the turn's time, Unix milliseconds, by which keys expire.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.unpacked.clear();
        self.now_ms = now_ms;
        self.lru_now = ((now_ms / 1000) as u32) & 0xff_ffff;
        self.set_expiring(self.expiring);
    }

    /// Sets how expired keys are treated from now on; returns the mode so far.
    pub fn set_expiring(&mut self, expiring: ExpiryMode) -> ExpiryMode {
        self.due_ms = match expiring {
            ExpiryMode::Replay => 0,
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
        self.expiring == ExpiryMode::Delete
    }

    /// Whether expired keys are hidden and kept.
    #[inline]
    fn hides_expired(&self) -> bool {
        self.expiring == ExpiryMode::Hide
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

    /// A database, to read.
    pub fn database(&self, at: DbIndex) -> &Database {
        &self.dbs[at]
    }

    /// A database, as a command sees it.
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

    /// The next stage, for several keys: prefetches the lines of their buckets.
    #[inline]
    pub fn prefetch_lines(&self, at: DbIndex, hashes: &[KeyHash]) {
        self.dbs[at].table().prefetch_lines(hashes);
    }

    /// The last stage: prefetches the entries whose tags match.
    #[inline]
    pub fn prefetch_entries(&self, at: DbIndex, hashes: &[KeyHash]) {
        self.dbs[at].table().prefetch_entries(hashes);
    }

    /// The table inside the big container at a key, to prefetch its elements too. The key's own
    /// lines must have been prefetched.
    #[inline]
    pub fn inner(&self, at: DbIndex, hash: KeyHash, key: &[u8]) -> Option<InnerTable<'_>> {
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

    /// Empties a database; with `off_loop` a helper thread frees large values. Returns the number
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

    /// Empties all databases, as [`Keyspace::flush`], and frees the data that flushes have set
    /// aside, so that no undo can bring it back. Returns the number of keys.
    pub fn flush_all(&mut self, off_loop: bool) -> usize {
        self.forget_aside();
        let all = 0..self.databases() as u32;
        all.map(|at| self.flush(DbIndex(at), off_loop)).sum()
    }

    /// Whether a member of any set expires. O(databases).
    pub fn any_member_expires(&self) -> bool {
        self.dbs.iter().any(|db| !db.members().is_empty())
    }

    /// Whether a field of any hash expires.
    pub fn any_field_expires(&self) -> bool {
        self.dbs.iter().any(|db| !db.fields().is_empty())
    }

    /// Keys that eviction passes over. O(databases).
    pub fn blessed_keys(&self) -> usize {
        let marks = self.dbs.iter().filter_map(Database::blessings);
        marks.map(Blessings::len).sum()
    }

    /// Whether a key has a value of this type.
    pub fn any_of(&self, kind: Type) -> bool {
        let mut sizes = self.dbs.iter().map(Database::sizes);
        sizes.any(|sizes| sizes.of(kind).next().is_some())
    }

    /// Whether a file needs newer forms for any stream: it has lines of producers, other settings
    /// than the usual ones, or entries without an owner. The streams may have had these only
    /// before.
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
