//! Hashes with field TTLs: which hash has the field that expires first. A second index does the
//! same for sets with member TTLs.
//!
//! A hash knows its own earliest expiry; this index of a database has a line for each hash with
//! such fields, ordered by that time. A line may be early (the field was since deleted or given
//! more time): the visit then finds nothing due and rewrites the line. `Table` removes the line of
//! a hash that leaves the database. How expired fields are removed: `expired_fields`.

use std::collections::{BTreeSet, HashMap};
use std::ptr::NonNull;

use russet_base::memory::alloc::{self, OwnedBytes};
use russet_base::memory::mover::Mover;

/// Hashes by the time at which their next field may expire.
#[derive(Default, Debug)]
pub struct FieldExpiries {
    by_time: BTreeSet<(i64, Box<[u8]>)>,
    by_key: HashMap<Box<[u8]>, i64, ahash::RandomState>,
    bytes: OwnedBytes,
}

impl FieldExpiries {
    /// Records that a field of this hash expires at `when_ms`; ignored if later than the known
    /// time.
    pub fn note(&mut self, key: &[u8], when_ms: i64) {
        if self.by_key.get(key).is_some_and(|known| *known <= when_ms) {
            return;
        }
        let before = alloc::thread_balance();
        self.write_line(key, when_ms);
        self.bytes.add_since(before);
    }

    /// As [`FieldExpiries::note`], for a time that is sooner than the known time.
    fn write_line(&mut self, key: &[u8], when_ms: i64) {
        match self.by_key.get_mut(key) {
            Some(known) => {
                self.by_time.remove(&(*known, key.into()));
                *known = when_ms;
            }
            None => _ = self.by_key.insert(key.into(), when_ms),
        }
        self.by_time.insert((when_ms, key.into()));
    }

    /// Removes the line: the hash is gone, or none of its fields expires any more.
    pub fn forget(&mut self, key: &[u8]) {
        let before = alloc::thread_balance();
        if let Some((key, when_ms)) = self.by_key.remove_entry(key) {
            self.by_time.remove(&(when_ms, key));
        }
        self.bytes.add_since(before);
    }

    /// Bytes of all lines, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Offers the line's two copies of a key: they are reallocated if either is badly placed.
    pub fn relocate(&mut self, key: &[u8], mover: &mut Mover) {
        let Some((name, &when_ms)) = self.by_key.get_key_value(key) else {
            return;
        };
        if mover.wants(NonNull::from(&**name).cast()) {
            let before = alloc::thread_balance();
            let (fresh, line) = (Box::from(key), (when_ms, Box::from(key)));
            if let Some((old, when_ms)) = self.by_key.remove_entry(key) {
                self.by_time.remove(&(when_ms, old));
            }
            self.by_key.insert(fresh, when_ms);
            self.by_time.insert(line);
            self.bytes.add_since(before);
            mover.moved += 1;
        }
    }

    /// The time on the hash's line.
    pub fn line(&self, key: &[u8]) -> Option<i64> {
        self.by_key.get(key).copied()
    }

    /// When the next field may expire; a lower bound.
    pub fn next_due(&self) -> Option<i64> {
        self.by_time.first().map(|line| line.0)
    }

    /// Keys of hashes with a line, by its time.
    pub fn soonest(&self) -> impl Iterator<Item = &[u8]> {
        self.by_time.iter().map(|(_, key)| &**key)
    }

    /// Takes a hash with a line at or before `until_ms`.
    pub fn take_due(&mut self, until_ms: i64) -> Option<Box<[u8]>> {
        if self.next_due()? > until_ms {
            return None;
        }
        let before = alloc::thread_balance();
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        self.bytes.add_since(before);
        // The caller frees it.
        self.bytes.add(-(alloc::slice_bytes(key.len()) as i64));
        Some(key)
    }

    /// Number of hashes with a line.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_hash_comes_first_and_once() {
        let mut f = FieldExpiries::default();
        f.note(b"a", 30);
        f.note(b"b", 20);
        f.note(b"c", 5);
        f.note(b"a", 10);
        f.note(b"a", 50);
        f.forget(b"c");
        assert_eq!(f.next_due(), Some(10));
        assert_eq!(f.take_due(9), None);
        assert_eq!(f.take_due(25), Some((*b"a").into()));
        assert_eq!(f.take_due(25), Some((*b"b").into()));
        assert!(f.is_empty());
        assert_eq!(f.next_due(), None);
    }
}
