//! Clients that cache keys, by key: they are notified when the key changes. As in Redis a key
//! is the same in all databases.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rand::RngExt;

use super::gives_back;
use super::subscribers::Subscribers;
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_keyspace::ClientId;

/// See the module.
#[derive(Debug, Default)]
pub struct Readers {
    by_key: HashTable<TrackedKey>,
    hasher: ahash::RandomState,
    /// Number of pairs of a key and a client.
    items: usize,
    bytes: OwnedBytes,
}

/// A tracked key and its readers. Reading a tracked key again is the common case. A key is
/// identified by its length and a seeded 64-bit hash, because comparing the key's bytes would be
/// another cache miss.
#[derive(Debug)]
struct TrackedKey {
    hash: u64,
    key: Box<[u8]>,
    readers: Subscribers,
}

impl Readers {
    /// Notes that a client has read a key. O(1).
    #[inline]
    pub fn remember(&mut self, key: &[u8], client: ClientId) {
        let hash = self.hasher.hash_one(key);
        let before = alloc::thread_balance();
        let is_it = |kept: &TrackedKey| kept.hash == hash && kept.key.len() == key.len();
        match self.by_key.entry(hash, is_it, |kept| kept.hash) {
            Entry::Occupied(mut kept) => {
                let readers = &mut kept.get_mut().readers;
                if !readers.contains(client) {
                    readers.add(client);
                    self.items += 1;
                }
            }
            Entry::Vacant(place) => {
                place.insert(TrackedKey {
                    hash,
                    key: key.into(),
                    readers: Subscribers::One(client),
                });
                self.items += 1;
            }
        }
        self.bytes.add_since(before);
    }

    /// Stops tracking a key; calls `visit` with each client that tracked it. O(readers).
    pub fn forget(&mut self, key: &[u8], visit: impl FnMut(ClientId)) {
        let hash = self.hasher.hash_one(key);
        let is_it = |kept: &TrackedKey| kept.hash == hash && kept.key.len() == key.len();
        if let Ok(found) = self.by_key.find_entry(hash, is_it) {
            let (kept, _) = found.remove();
            self.let_go(kept, visit);
        }
    }

    /// The same for a random key, which is returned if there was any. O(1): the table is at least
    /// an eighth full, or small.
    pub fn forget_any(&mut self, visit: impl FnMut(ClientId)) -> Option<Box<[u8]>> {
        if self.by_key.is_empty() {
            return None;
        }
        let mut rng = rand::rng();
        let kept = loop {
            let at = rng.random_range(0..self.by_key.num_buckets());
            if let Ok(found) = self.by_key.get_bucket_entry(at) {
                break found.remove().0;
            }
        };
        Some(self.let_go(kept, visit))
    }

    /// Calls `visit` with the readers of a removed key; returns its name.
    fn let_go(&mut self, kept: TrackedKey, visit: impl FnMut(ClientId)) -> Box<[u8]> {
        let TrackedKey { key, readers, .. } = kept;
        let ids = readers.ids();
        self.items -= ids.len();
        ids.iter().copied().for_each(visit);
        let before = alloc::thread_balance();
        drop(readers);
        self.bytes.add(-(alloc::slice_bytes(key.len()) as i64));
        if gives_back(self.by_key.len(), self.by_key.capacity()) {
            let len = self.by_key.len();
            self.by_key.shrink_to(len * 2, |kept| kept.hash);
        }
        self.bytes.add_since(before);
        key
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        let before = alloc::thread_balance();
        self.by_key = HashTable::new();
        self.items = 0;
        self.bytes.add_since(before);
    }

    /// Bytes of keys, readers and table, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.by_key.len()
    }

    /// Number of pairs of a key and a client.
    pub fn items(&self) -> usize {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_notified_once() {
        let mut readers = Readers::default();
        for (key, client) in [("a", 1), ("a", 2), ("a", 1), ("b", 2)] {
            readers.remember(key.as_bytes(), ClientId(client));
        }
        assert_eq!((readers.keys(), readers.items()), (2, 3));
        let mut reported = Vec::new();
        readers.forget(b"a", |client| reported.push(client.0));
        readers.forget(b"a", |client| reported.push(client.0));
        assert_eq!(reported, [1, 2]);
        assert_eq!((readers.keys(), readers.items()), (1, 1));
        assert_eq!(readers.forget_any(|_| {}).as_deref(), Some(&b"b"[..]));
        assert_eq!(readers.forget_any(|_| {}), None);
        assert_eq!(readers.items(), 0);
    }
}
