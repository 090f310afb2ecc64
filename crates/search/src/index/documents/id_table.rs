//! Numbers by the hash of their texts, which stand elsewhere.
//!
//! A hash table that grows moves all numbers at once, and looks at the text of each for the hash: a
//! tenth of a second for a million. So there are many small tables, which share the hashes, and
//! each grows by itself.
//!
//! Invariant: a number is in the table of the number's hash. Cost: a look-up in a hash table;
//! growth at once O(numbers / [`PARTS`]).

use hashbrown::HashTable;

/// The number of tables, once there are more numbers than [`FEW`].
const PARTS: usize = 256;
/// Up to this many numbers are in a single table.
const FEW: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct IdTable {
    /// A single table, or [`PARTS`].
    parts: Vec<HashTable<u32>>,
    len: usize,
}

impl Default for IdTable {
    fn default() -> IdTable {
        IdTable {
            parts: vec![HashTable::new()],
            len: 0,
        }
    }
}

/// The place of a hash's table. A table itself goes by the hash's lowest and highest bits.
fn part_of(parts: usize, hash: u64) -> usize {
    (hash >> 40) as usize & (parts - 1)
}

impl IdTable {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of this hash for which `is_it` holds.
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        let part = part_of(self.parts.len(), hash);
        self.parts[part].find(hash, is_it).copied()
    }

    /// Adds a number that is not there; `hash_of` returns the hash of a number that is there.
    pub(crate) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(&u32) -> u64) {
        if self.len == FEW && self.parts.len() == 1 {
            let few = std::mem::take(&mut self.parts[0]);
            self.parts.resize_with(PARTS, HashTable::new);
            for id in few {
                let hash = hash_of(&id);
                self.parts[part_of(PARTS, hash)].insert_unique(hash, id, &hash_of);
            }
        }
        let part = part_of(self.parts.len(), hash);
        self.parts[part].insert_unique(hash, id, hash_of);
        self.len += 1;
    }

    /// Removes a number of this hash.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let part = part_of(self.parts.len(), hash);
        if let Ok(entry) = self.parts[part].find_entry(hash, |other| *other == id) {
            entry.remove();
            self.len -= 1;
        }
    }

    /// Bytes of the tables.
    pub(crate) fn bytes(&self) -> usize {
        let numbers: usize = self.parts.iter().map(HashTable::capacity).sum();
        numbers * 5 + self.parts.capacity() * size_of::<HashTable<u32>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_base::hashing::hash::keys;

    fn hash(id: &u32) -> u64 {
        keys().hash(&id.to_le_bytes())
    }

    #[test]
    fn numbers_are_found_until_they_are_removed() {
        let mut table = IdTable::default();
        let all = 3 * FEW as u32;
        for id in 0..all {
            assert_eq!(table.find(hash(&id), |other| *other == id), None);
            table.insert(hash(&id), id, hash);
        }
        assert_eq!((table.len(), table.parts.len()), (all as usize, PARTS));
        for id in (0..all).step_by(2) {
            table.remove(hash(&id), id);
            table.remove(hash(&id), id);
        }
        assert_eq!(table.len(), all as usize / 2);
        for id in 0..all {
            let found = table.find(hash(&id), |other| *other == id);
            assert_eq!(found.is_some(), id % 2 == 1, "{id}");
        }
        let largest = table.parts.iter().map(HashTable::len).max();
        assert!(largest < Some(100), "they are spread: {largest:?}");
    }
}
