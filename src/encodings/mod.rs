//! The shapes that values take in memory: bytes in, bytes out; no keys, no thresholds.

pub mod integer;
pub mod intset;
pub mod listpack;
pub mod thin;
