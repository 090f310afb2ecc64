//! The entries of a database: keys and values in memory, and the tables that find them.
//!
//!     entry       a key and its value in a block          sizes       keys by size: INFO keysizes
//!     table       the entries by key and by expiry        footprint   counts that need bytes
//!     database    a database: entries, expiry, counts     prefixes    figures by prefix
//!     databases   all of them, and which one is due       weight      approximate bytes of a whole
//!     container   the value of an entry, of any type          blessings   keys that eviction skips
//!     key_hash    a key's hash and slot, computed once    check       invariants, in tests
//!     packed      values as compressed frames             dictionaries  those of frames
//!
//! Invariants
//!   1. `Database` alone makes, moves and frees entries; everything outside borrows them from it.
//!   2. Counts follow each change of an entry: no reader of a count visits entries, but for
//!      `weight`.
//!
//! Cost: a block for each key, the blocks of its value if that is large, and a word in the table.
//! Which value has which encoding: `types`. Notifications, and the deletion of expired keys:
//! `access`.

pub(super) mod blessings;
pub(super) mod check;
pub(super) mod container;
pub(super) mod database;
pub(super) mod databases;
pub(super) mod dictionaries;
pub(super) mod entry;
pub(super) mod footprint;
pub(super) mod key_hash;
pub(super) mod packed;
pub(super) mod prefixes;
pub(super) mod sizes;
pub(super) mod table;
pub(super) mod weight;
