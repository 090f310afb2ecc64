//! The shapes that values take in memory: bytes in, bytes out; no keys, no thresholds.

pub mod blob;
pub mod btree;
pub mod hashtable;
pub mod intset;
pub mod listpack;
pub mod quicklist;
pub mod thin;
