//! A database as a command sees it: look up, decide, write.
//!
//!     db          lookups, which expire; typed values      view        a key, read only
//!     place       a lookup for a decision and a write      value(_mut) a borrowed container
//!     change      records a command's changes              info        OBJECT, DEBUG
//!     walk        SCAN, KEYS, RANDOMKEY                    relocate    RENAME, MOVE, COPY
//!     bits        strings and native bitmaps
//!     new_value   strings to and from entries              restore     whole values from outside
//!
//! Invariants
//!   1. A lookup finds no expired key, unless the lookup's name or `ExpiryMode` says so.
//!   2. Every change of a key is recorded once (`listeners::record`).
//!
//! Cost: a hash of the key, which the batch may have computed ahead (`store::key_hash`), and a
//! lookup. How entries are stored: `store`. How expired keys and fields leave: `expiry`.

pub(super) mod bits;
pub(super) mod change;
pub(super) mod db;
pub(super) mod info;
pub(super) mod new_value;
#[cfg(any(test, feature = "testing"))]
pub(super) mod opened;
pub(super) mod place;
pub(super) mod relocate;
pub(super) mod restore;
pub(super) mod value;
pub(super) mod value_mut;
pub(super) mod view;
pub(super) mod walk;
