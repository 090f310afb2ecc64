//! The keys of a database that BLESS has marked: eviction passes over them.
//!
//! The mark itself is a flag of the entry, so that it stays when the value is replaced, and leaves
//! with the entry: RENAME and MOVE take it along. Beside it the table keeps the names, for BLESS
//! SCAN and the figures; a database without marks has none of this.
//!
//! Cost: O(1) for each change of a mark; the bytes of the names.

use super::entry::Entry;
use russet_types::{Container, Limits, MemoryUsage, Set};

/// The names of the marked keys; see the module.
pub struct Blessings {
    names: Set,
    /// Marked keys that have an expiry.
    volatile: usize,
}

impl Default for Blessings {
    fn default() -> Blessings {
        Blessings {
            names: Set::large(),
            volatile: 0,
        }
    }
}

impl Blessings {
    /// Marked keys.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Marked keys that have an expiry.
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// Bytes of the names and their table.
    pub fn memory_bytes(&self) -> usize {
        self.names.memory_bytes()
    }

    /// Calls `see` with some names; returns the next cursor, 0 at the end. A name that is there
    /// during the whole scan is seen.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(&[u8])) -> u64 {
        self.names.scan(cursor, |name| {
            see(name.bytes(&mut itoa::Buffer::new()));
        })
    }

    /// Whether the name is that of a marked key.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// An entry with the mark is now in the table.
    pub(crate) fn note(&mut self, entry: Entry) {
        self.names.add(entry.key(), &Limits::default());
        self.volatile += usize::from(entry.has_expiry());
    }

    /// The entry leaves the table, or loses its mark.
    pub(crate) fn forget(&mut self, entry: Entry) {
        self.names.remove(entry.key());
        self.volatile -= usize::from(entry.has_expiry());
    }

    /// A marked key had an expiry or not, and has one now or not.
    pub(crate) fn expiry_changed(&mut self, had: bool, has: bool) {
        self.volatile = self.volatile + usize::from(has) - usize::from(had);
    }

    /// The names that `is_one` chooses. O(n).
    pub(crate) fn among(&self, is_one: impl Fn(&[u8]) -> bool) -> Vec<Box<[u8]>> {
        let mut chosen = Vec::new();
        self.names.visit(|name| {
            let mut digits = itoa::Buffer::new();
            let name = name.bytes(&mut digits);
            if is_one(name) {
                chosen.push(name.into());
            }
            true
        });
        chosen
    }
}
