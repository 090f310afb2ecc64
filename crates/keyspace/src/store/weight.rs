//! Approximate bytes of a whole database, without reading all of it.
//!
//! The estimate reads a sample of keys: the first keys are a fair sample, because table order is
//! hash order. A database also knows how many keys it has of each type and size ([`KeySizes`]), so
//! the estimate gives every other key the mean of its type and size. If no key of a size was
//! sampled (there are few such keys, but they may be the big keys), the estimate uses the bytes
//! that an element of that type takes in other keys.

use super::container::bytes_of;
use super::database::Database;
use super::sizes::{KeySizes, Size};
use russet_types::Type;

/// Keys sampled.
const KEYS: usize = 256;
/// Keys sampled for an estimate that is used for long.
const MORE_KEYS: usize = 4096;

/// Bytes per container element, if none was sampled; an element of a string is a byte.
const ELEMENT_BYTES: u64 = 32;

/// Keys seen, their bytes, their elements.
#[derive(Clone, Copy, Default)]
struct KeySample {
    keys: u64,
    bytes: u64,
    elements: u64,
}

impl KeySample {
    fn add(&mut self, bytes: usize, elements: usize) {
        self.keys += 1;
        self.bytes += bytes as u64;
        self.elements += elements as u64;
    }
}

/// Bytes of a database, its table included. O(1).
pub(crate) fn of_database(db: &Database) -> usize {
    of_sample(db, KEYS)
}

/// The same from more keys: within about a percent, unless a few containers outside the sample have
/// most of the bytes. O(1), some hundred microseconds.
pub(crate) fn of_database_closely(db: &Database) -> usize {
    of_sample(db, MORE_KEYS)
}

fn of_sample(db: &Database, keys: usize) -> usize {
    let mut seen = [[KeySample::default(); KeySizes::BINS]; Type::ALL.len()];
    for entry in db.entries().take(keys) {
        let size = Size::of(entry);
        seen[size.kind() as usize][size.bin()].add(bytes_of(entry), size.elements());
    }
    let mut bytes = 0;
    for kind in Type::ALL {
        let seen = &seen[kind as usize];
        let (all_bytes, all_elements) = seen
            .iter()
            .fold((0, 0), |(b, e), s| (b + s.bytes, e + s.elements));
        let per_element = match kind {
            Type::String => 1,
            _ => all_bytes.checked_div(all_elements).unwrap_or(ELEMENT_BYTES),
        };
        for (least, keys) in db.sizes().of(kind) {
            let like = seen[Size::new(kind, least as usize).bin()];
            bytes += match like.keys {
                // The middle of the bin.
                0 => keys * (least + least / 2) * per_element,
                n => (u128::from(like.bytes) * u128::from(keys) / u128::from(n)) as u64,
            };
        }
    }
    db.table_bytes() + bytes as usize
}
