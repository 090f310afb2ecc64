//! Definitions as files have them: the fields of module data `ft_index0`, and dictionaries as
//! `scdtype00`.
//!
//! Strings end with a NUL that counts, but for stop words and separators. Redis Stack 7.4 writes
//! version 23, Redis 8.10 version 27, Redis 8.12 version 28. This module writes 23, because all
//! read it, and 28 if a graph has COMPRESSION SQ8. Files have no documents: an index reads them
//! again.
//!
//! | module | what |
//! |---|---|
//! | `read` | versions 17 to 28 |
//! | `write` | version 23 |
//! | `dictionaries` | dictionaries |
//! | `valkey` | definitions of Valkey's module |
//!
//! Source: dumps of Redis Stack 7.4; the readers of RediSearch 8.10.

mod dictionaries;
mod read;
#[cfg(test)]
mod tests;
mod valkey;
mod write;

pub use dictionaries::{Dictionaries, read_dictionaries, write_dictionaries};
pub use read::read;
pub use valkey::{Line, SectionFilter, read_valkey};
pub use write::write;

use std::collections::BTreeMap;
use std::fmt;

use crate::schema::Schema;

/// A field of module data.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Number(u64),
    Double(f64),
    Text(Vec<u8>),
}

/// Terms with the groups of synonyms that they are in.
pub type Groups = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

/// An index as a file has it.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: Vec<u8>,
    pub schema: Schema,
    pub synonyms: Groups,
    pub aliases: Vec<Vec<u8>>,
    /// Milliseconds after which a TEMPORARY index ends.
    pub left_ms: Option<u64>,
    /// The text of a FILTER that this release does not read; the schema has none then.
    pub unread_filter: Option<Vec<u8>>,
}

/// Why definitions cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(pub &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DecodeError {}

/// Bits of an index's flags.
mod flags {
    pub const OFFSETS: u64 = 1;
    pub const FIELDS: u64 = 2;
    pub const STOP_WORDS: u64 = 8;
    pub const FREQUENCIES: u64 = 0x10;
    pub const HIGHLIGHTS: u64 = 0x40;
    pub const WIDE: u64 = 0x80;
    pub const SYNONYMS: u64 = 0x100;
    pub const TEMPORARY: u64 = 0x200;
    pub const PHONETIC: u64 = 0x400;
    pub const ASYNC: u64 = 0x800;
    pub const SKIPS_SCAN: u64 = 0x1000;
    pub const ALIASES: u64 = 0x4000;
    pub const VECTORS: u64 = 0x8000;
    pub const SUFFIXES: u64 = 0x10000;
    pub const NO_ORDER: u64 = 0x20000;
    pub const SHAPES: u64 = 0x40000;
    pub const NOT_EMPTY: u64 = 0x80000;
}

/// Bits of a field's types.
mod types {
    pub const TEXT: u64 = 1;
    pub const NUMBER: u64 = 2;
    pub const GEO: u64 = 4;
    pub const TAG: u64 = 8;
    pub const VECTOR: u64 = 16;
    pub const SHAPE: u64 = 32;
}

/// Bits of a field's options.
mod options {
    pub const SORTABLE: u64 = 1;
    pub const NO_STEM: u64 = 2;
    pub const NO_INDEX: u64 = 4;
    pub const PHONETIC: u64 = 8;
    pub const UNNORMALISED: u64 = 0x20;
    pub const SUFFIXES: u64 = 0x40;
    pub const NO_ORDER: u64 = 0x80;
    pub const EMPTY: u64 = 0x100;
    pub const MISSING: u64 = 0x200;
}

/// Versions from which on definitions have INDEXALL, and shorter vectors.
const INDEX_ALL: u64 = 24;
const SHORTER: u64 = 25;
/// The version from which on graphs have a compression and its threshold: Redis 8.12's.
const COMPRESSED: u64 = 28;

/// The compressions of SVS-VAMANA: bits of both levels, and whether dimensions are reduced.
const COMPRESSIONS: [(&str, u64); 6] = [
    ("LVQ8", 8),
    ("LVQ4", 4),
    ("LVQ4x4", 0x404),
    ("LVQ4x8", 0x804),
    ("LeanVec4x8", 0x1_0804),
    ("LeanVec8x8", 0x1_0808),
];

fn bits_of(compression: Option<&str>) -> u64 {
    let mut all = COMPRESSIONS.iter();
    let found = all.find(|(name, _)| Some(*name) == compression);
    found.map_or(0, |(_, bits)| *bits)
}

/// A sort index or an end that there is not.
const NONE: u64 = u64::MAX;
/// The end of an index that is not TEMPORARY.
const NO_END: u64 = -1000_i64 as u64;
