//! Checksums and hashes: of files, of keys, of contents.
//!
//!     crc16   the cluster slot of a key                 as Redis has it
//!     crc64   the end of an RDB file or a payload       as Redis has it
//!     hash    the buckets of keys, fields, members      keyed with seeds of the process
//!     xxh3    128 bits of a content                     as published
//!
//! Values of `hash` differ from process to process; the others are the same everywhere.
//! Cost: O(bytes).

pub mod crc16;
pub mod crc64;
pub mod hash;
pub mod xxh3;
