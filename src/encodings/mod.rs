//! The in-memory encodings of values: bytes in, bytes out; no keys, no thresholds.

pub mod bits;
pub mod blob;
pub mod btree;
pub mod elements;
pub mod fields;
pub mod geohash;
pub mod hashtable;
pub mod hnsw;
pub mod hyperloglog;
pub mod idmap;
pub mod intset;
pub mod listpack;
pub mod members;
pub(crate) mod min_tree;
pub(crate) mod prefetch;
pub mod quicklist;
pub mod record;
pub mod scored;
pub mod stream_id;
pub mod stream_node;
pub mod thin;
pub mod varint;
pub mod ziplist;
pub mod zipmap;
