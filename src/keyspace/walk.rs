//! Iterating over the keys of a database: SCAN, KEYS, RANDOMKEY.

use super::Db;
use super::expire::is_past;
use crate::types::Type;

/// Picks of a random key before an expired one is accepted.
const RANDOM_TRIES: usize = 100;

impl Db<'_> {
    /// One step of SCAN: visits some live keys and returns the next cursor (0: done). Deletes
    /// expired keys that it meets.
    pub fn scan(&mut self, cursor: u64, mut visit: impl FnMut(&[u8], Type)) -> u64 {
        let now = self.keyspace.due_ms;
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        let next = self.database().table().scan(cursor, |entry| {
            if is_past(entry.expiry(), now) {
                expired.push(entry.key().into());
            } else {
                visit(entry.key(), entry.kind());
            }
        });
        for key in expired {
            self.find(&key);
        }
        next
    }

    /// Every live key.
    pub fn each_key(&self, mut visit: impl FnMut(&[u8], Type)) {
        let now = self.keyspace.due_ms;
        for entry in self.database().entries() {
            if !is_past(entry.expiry(), now) {
                visit(entry.key(), entry.kind());
            }
        }
    }

    /// A uniformly random key, deleting expired ones that turn up. `None`: no live key. While
    /// expired keys are kept, an expired one may be returned at last.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let mut tries = 0;
        loop {
            let table = self.keyspace.dbs[self.at].table();
            let (entry, _) = table.random(&mut self.keyspace.rng)?;
            let key = entry.key().to_vec();
            let touch = std::mem::replace(&mut self.touch, false);
            let live = self.contains(&key);
            self.touch = touch;
            tries += 1;
            if live || (self.keyspace.hides_expired() && tries >= RANDOM_TRIES) {
                return Some(key);
            }
        }
    }
}
