//! The in-memory encodings of values: bytes in, bytes out; no keys, no thresholds.
//!
//!     Redis's bytes    listpack, intset, stream_node, hyperloglog, geohash, bits;
//!                      ziplist and zipmap are read only
//!     large values     hashtable (also the keyspace's), members, fields, scored with btree, idmap,
//!                      quicklist, hnsw, suggestions
//!     small hashes     record: values alone, names shared
//!     parts            blob, buffer, thin, elements, varint, stream_id, min_tree, prefetch
//!
//! An encoding owns its blocks, counts their bytes and can offer them to defragmentation. `types`
//! decides which value has which encoding, and passes the limits. Loading checks bytes from files
//! before they become a value; from then on all code relies on the invariants in each module's
//! opening.
#![warn(missing_docs)]

pub mod bits;
pub mod blob;
pub mod btree;
pub mod buffer;
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
pub mod min_tree;
pub mod prefetch;
pub mod quicklist;
pub mod record;
pub mod scored;
pub mod stream_id;
pub mod stream_node;
pub mod suggestions;
pub mod thin;
pub mod varint;
pub mod ziplist;
pub mod zipmap;
