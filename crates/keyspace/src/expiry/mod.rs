//! Keys and fields that leave by time or for lack of memory.
//!
//!     expire           the active cycle: deletes keys and fields when they are due
//!     expired_fields   removes expired fields from their hash, the only exit
//!     fields, iids     the hashes with expiring fields; the streams with expiring idempotent IDs
//!     evict            eviction: which keys are removed at `maxmemory`; by samples
//!     pool             the candidates that eviction remembers
//!     soonest          eviction by `volatile-ttl`: in exact order
//!     clock            24 bits for each key that record its use, for LRU, LRM and LFU
//!
//! Expiry times are in the entries; the nearest ones of a segment are in the hash table
//! (`encodings::hashtable`, its `expiry`). No second table of volatile keys exists. Decided
//! elsewhere: whether this server deletes expired keys (`ExpiryMode`, from the role of the server),
//! when a cycle runs (`server::run`), and how much memory is too much (`server::memory`).

pub(super) mod clock;
pub(super) mod evict;
pub(super) mod expire;
pub(super) mod expired_fields;
pub(super) mod fields;
pub(super) mod iids;
pub(super) mod pool;
pub(super) mod soonest;
