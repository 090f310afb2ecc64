//! Keys of a writable replica to which its own clients gave a time to live. The primary does not
//! know these keys and never deletes them, so the replica does.
//!
//! Keys are ordered by their expiry when they were added; their present expiry is looked up when
//! the recorded expiry has come. At most [`KEYS_MAX`] are kept; expired keys beyond them are only
//! hidden. Cost: O(log keys) each.

use std::collections::BTreeSet;

use russet_keyspace::DbIndex;

/// Keys that are kept.
const KEYS_MAX: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub struct LocalExpiries(BTreeSet<(i64, DbIndex, Box<[u8]>)>);

impl LocalExpiries {
    /// A key that expires at `when`, Unix milliseconds.
    pub fn add(&mut self, when: i64, db: DbIndex, key: &[u8]) {
        if self.0.len() < KEYS_MAX {
            self.0.insert((when, db, key.into()));
        }
    }

    /// Takes a key that was to expire before `now_ms`.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Option<(DbIndex, Box<[u8]>)> {
        self.0.first().filter(|(when, ..)| *when < now_ms)?;
        self.0.pop_first().map(|(_, db, key)| (db, key))
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// INFO's `slave_expires_tracked_keys`.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_due_in_the_order_of_their_expiry() {
        let mut keys = LocalExpiries::default();
        let db = DbIndex(1);
        for (when, key) in [(30, b"c"), (10, b"a"), (20, b"b"), (10, b"a")] {
            keys.add(when, db, key);
        }
        assert_eq!(keys.len(), 3);
        assert_eq!(keys.take_due(10), None);
        assert_eq!(keys.take_due(25), Some((db, b"a"[..].into())));
        assert_eq!(keys.take_due(25), Some((db, b"b"[..].into())));
        assert_eq!(keys.take_due(25), None);
        for n in 0..KEYS_MAX as i64 + 10 {
            keys.add(n, db, b"k");
        }
        assert_eq!(keys.len(), KEYS_MAX);
        keys.clear();
        assert_eq!(keys.len(), 0);
    }
}
