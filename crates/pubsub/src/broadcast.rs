//! Clients that track every changed key with any of their prefixes, and the keys changed since the
//! server last notified these clients.
//!
//! A prefix is stored once for all its clients, in a tree (`prefix_tree`); the prefix's value is
//! the set of its clients (`client_sets`). Changes are stored separately: few prefixes have news at
//! any time.

use std::collections::{BTreeMap, HashMap};

use super::client_sets::ClientSets;
use super::prefix_tree::PrefixTree;
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_keyspace::ClientId;

/// Changed keys, each with the client that changed it last; `None`: the server itself.
type Keys = BTreeMap<Box<[u8]>, Option<ClientId>>;

/// See the module.
#[derive(Debug, Default)]
pub struct Broadcast {
    prefixes: PrefixTree,
    clients: ClientSets,
    /// For the prefixes that have any.
    news: HashMap<Box<[u8]>, Keys, ahash::RandomState>,
    /// Bytes of prefixes and client sets.
    bytes: OwnedBytes,
}

/// The notification for a client: the changed keys of a prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'a> {
    pub client: ClientId,
    pub keys: Vec<&'a [u8]>,
}

impl Broadcast {
    /// A client starts to track keys that begin with `prefix`; `false`: it already did.
    /// O(prefix + clients of the prefix).
    pub fn add(&mut self, prefix: &[u8], client: ClientId) -> bool {
        let before = alloc::thread_balance();
        let set = self.clients.with(self.prefixes.get(prefix), client);
        if let Some(set) = set {
            self.prefixes.insert(prefix, set);
        }
        self.bytes.add_since(before);
        set.is_some()
    }

    /// The client stops tracking the prefix.
    pub fn remove(&mut self, prefix: &[u8], client: ClientId) {
        let before = alloc::thread_balance();
        let set = self.prefixes.get(prefix);
        match set.and_then(|set| self.clients.without(set, client)) {
            Some(Some(set)) => {
                self.prefixes.insert(prefix, set);
                self.bytes.add_since(before);
            }
            Some(None) => {
                self.prefixes.remove(prefix);
                self.bytes.add_since(before);
                self.news.remove(prefix);
            }
            None => {}
        }
    }

    /// Notes that a client, or the server itself, changed a key. O(key + prefixes that match).
    pub fn note(&mut self, key: &[u8], by: Option<ClientId>) {
        let news = &mut self.news;
        self.prefixes.of(key, |len, _| {
            let prefix = &key[..len];
            let keys = match news.get_mut(prefix) {
                Some(keys) => keys,
                None => news.entry(prefix.into()).or_default(),
            };
            keys.insert(key.into(), by);
        });
    }

    #[inline]
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Calls the last argument for each client with the changed keys, then forgets the keys.
    /// `spares`: whether a client does not want notifications of its own changes; `may_see`:
    /// whether a client may know of a key. O(news), sorted by prefix and key.
    pub fn take_news(
        &mut self,
        spares: impl Fn(ClientId) -> bool,
        may_see: impl Fn(ClientId, &[u8]) -> bool,
        mut notify: impl FnMut(News<'_>),
    ) {
        let mut news: Vec<(Box<[u8]>, Keys)> = std::mem::take(&mut self.news).into_iter().collect();
        news.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (prefix, keys) in news {
            let set = self.prefixes.get(&prefix);
            for &client in set.map_or(&[][..], |set| self.clients.clients(set)) {
                let own = spares(client).then_some(client);
                let others = keys.iter().filter(|(_, by)| own.is_none() || **by != own);
                let keys = others.map(|(key, _)| &**key);
                let keys: Vec<&[u8]> = keys.filter(|key| may_see(client, key)).collect();
                if !keys.is_empty() {
                    notify(News { client, keys });
                }
            }
        }
    }

    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Bytes of prefixes and client sets, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// The part of these bytes used by prefixes, without spare capacity.
    pub fn prefix_bytes(&self) -> usize {
        self.prefixes.used_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_notified_of_its_prefixes_and_of_itself_if_it_asks() {
        let (a, b) = (ClientId(1), ClientId(2));
        let mut all = Broadcast::default();
        assert!(all.add(b"", a) && all.add(b"us", b) && !all.add(b"us", b));
        all.note(b"user", Some(a));
        all.note(b"u", Some(b));
        all.note(b"user", Some(b));
        assert!(all.has_news());
        let mut reported = Vec::new();
        all.take_news(
            |client| client == b,
            |_, _| true,
            |news| reported.push((news.client.0, news.keys.concat())),
        );
        assert_eq!(reported, [(1, b"uuser".to_vec())]);
        assert!(!all.has_news());
        all.note(b"user", None);
        reported.clear();
        all.take_news(
            |client| client == b,
            |_, _| true,
            |news| reported.push((news.client.0, news.keys.concat())),
        );
        assert_eq!(reported, [(1, b"user".to_vec()), (2, b"user".to_vec())]);
        all.note(b"used", None);
        all.note(b"user", None);
        reported.clear();
        all.take_news(
            |_| false,
            |client, key| client == a || key == b"used",
            |news| reported.push((news.client.0, news.keys.concat())),
        );
        assert_eq!(reported, [(1, b"useduser".to_vec()), (2, b"used".to_vec())]);
        all.note(b"user", None);
        all.take_news(|_| false, |_, _| false, |_| panic!("no empty news"));
        all.remove(b"us", b);
        all.remove(b"", a);
        assert!(all.is_empty() && all.clients.is_empty() && !all.has_news());
        assert_eq!(all.memory_bytes(), 0);
    }
}
