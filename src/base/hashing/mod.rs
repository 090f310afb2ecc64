//! Checksums and hashes: of files, of keys, of contents.

pub mod crc16;
pub mod crc64;
pub mod hash;
pub mod xxh3;
