//! Clients that keep what they have read, by the key: who is to be told when it changes. As in
//! Redis a key is one whatever its database.

use indexmap::IndexMap;
use rand::RngExt;

use super::gives_back;
use super::subscribers::Subscribers;
use crate::keyspace::ClientId;

/// See the module.
#[derive(Debug, Default)]
pub struct Readers {
    by_key: IndexMap<Box<[u8]>, Subscribers, ahash::RandomState>,
    /// Pairs of a key and a client.
    items: usize,
}

impl Readers {
    /// A client has read a key. O(1).
    #[inline]
    pub fn remember(&mut self, key: &[u8], client: ClientId) {
        match self.by_key.get_mut(key) {
            Some(readers) if readers.contains(client) => {}
            Some(readers) => {
                readers.add(client);
                self.items += 1;
            }
            None => {
                self.by_key.insert(key.into(), Subscribers::One(client));
                self.items += 1;
            }
        }
    }

    /// Nobody keeps the key any more; calls `visit` with each client that did. O(readers).
    pub fn forget(&mut self, key: &[u8], visit: impl FnMut(ClientId)) {
        if let Some(readers) = self.by_key.swap_remove(key) {
            self.let_go(readers, visit);
        }
    }

    /// The same of a key that is picked at random: it is given, if there was one.
    pub fn forget_any(&mut self, visit: impl FnMut(ClientId)) -> Option<Box<[u8]>> {
        if self.by_key.is_empty() {
            return None;
        }
        let at = rand::rng().random_range(0..self.by_key.len());
        let (key, readers) = self.by_key.swap_remove_index(at)?;
        self.let_go(readers, visit);
        Some(key)
    }

    fn let_go(&mut self, readers: Subscribers, visit: impl FnMut(ClientId)) {
        let ids = readers.ids();
        self.items -= ids.len();
        ids.iter().copied().for_each(visit);
        if gives_back(self.by_key.len(), self.by_key.capacity()) {
            self.by_key.shrink_to(self.by_key.len() * 2);
        }
    }

    /// Nobody keeps anything any more.
    pub fn clear(&mut self) {
        *self = Readers::default();
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
    fn readers_are_told_once() {
        let mut readers = Readers::default();
        for (key, client) in [("a", 1), ("a", 2), ("a", 1), ("b", 2)] {
            readers.remember(key.as_bytes(), ClientId(client));
        }
        assert_eq!((readers.keys(), readers.items()), (2, 3));
        let mut told = Vec::new();
        readers.forget(b"a", |client| told.push(client.0));
        readers.forget(b"a", |client| told.push(client.0));
        assert_eq!(told, [1, 2]);
        assert_eq!((readers.keys(), readers.items()), (1, 1));
        assert_eq!(readers.forget_any(|_| {}).as_deref(), Some(&b"b"[..]));
        assert_eq!(readers.forget_any(|_| {}), None);
        assert_eq!(readers.items(), 0);
    }
}
