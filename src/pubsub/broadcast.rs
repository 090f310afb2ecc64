//! Clients that want to hear of every changed key that begins with one of their prefixes, and
//! the keys that have changed since they were told.
//!
//! A prefix is kept once for all its clients, in a tree (`prefix_tree`); its value is the set of
//! them (`client_sets`). What has changed is kept apart: few prefixes have news at any time.

use std::collections::{BTreeMap, HashMap};

use super::client_sets::ClientSets;
use super::prefix_tree::PrefixTree;
use crate::base::alloc::{self, Metered};
use crate::keyspace::ClientId;

/// Keys that have changed, each with the client that changed it last; `None`: the server itself.
type Keys = BTreeMap<Box<[u8]>, Option<ClientId>>;

/// See the module.
#[derive(Debug, Default)]
pub struct Broadcast {
    prefixes: PrefixTree,
    clients: ClientSets,
    /// Of the prefixes that have any.
    news: HashMap<Box<[u8]>, Keys, ahash::RandomState>,
    /// Bytes of prefixes and sets.
    bytes: Metered,
}

/// What one client is told: the keys of a prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'a> {
    pub client: ClientId,
    pub keys: Vec<&'a [u8]>,
}

impl Broadcast {
    /// A client wants to hear of keys that begin with `prefix`; `false`: it did before.
    /// O(prefix + clients that do).
    pub fn add(&mut self, prefix: &[u8], client: ClientId) -> bool {
        let before = alloc::thread_balance();
        let set = self.clients.with(self.prefixes.get(prefix), client);
        if let Some(set) = set {
            self.prefixes.insert(prefix, set);
        }
        self.bytes.note(before);
        set.is_some()
    }

    /// It does not any more.
    pub fn remove(&mut self, prefix: &[u8], client: ClientId) {
        let before = alloc::thread_balance();
        let set = self.prefixes.get(prefix);
        match set.and_then(|set| self.clients.without(set, client)) {
            Some(Some(set)) => {
                self.prefixes.insert(prefix, set);
                self.bytes.note(before);
            }
            Some(None) => {
                self.prefixes.remove(prefix);
                self.bytes.note(before);
                self.news.remove(prefix);
            }
            None => {}
        }
    }

    /// A key was changed by a client, or by the server itself. O(key + prefixes that begin it).
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

    /// Everything that has changed, for those who are to be told: `spares` says of a client
    /// whether it does not want to hear of its own changes. What was noted is forgotten.
    /// O(news), sorted by prefix and key.
    pub fn take_news(&mut self, spares: impl Fn(ClientId) -> bool, mut tell: impl FnMut(News<'_>)) {
        let mut news: Vec<(Box<[u8]>, Keys)> = std::mem::take(&mut self.news).into_iter().collect();
        news.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (prefix, keys) in news {
            let set = self.prefixes.get(&prefix);
            for &client in set.map_or(&[][..], |set| self.clients.clients(set)) {
                let own = spares(client).then_some(client);
                let others = keys.iter().filter(|(_, by)| own.is_none() || **by != own);
                let keys: Vec<&[u8]> = others.map(|(key, _)| &**key).collect();
                if !keys.is_empty() {
                    tell(News { client, keys });
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

    /// Bytes of prefixes and of who listens to them, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Those of them that prefixes take by themselves, without spare room.
    pub fn prefix_bytes(&self) -> usize {
        self.prefixes.used_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_of_its_prefixes_and_not_of_itself_unless_it_wants() {
        let (a, b) = (ClientId(1), ClientId(2));
        let mut all = Broadcast::default();
        assert!(all.add(b"", a) && all.add(b"us", b) && !all.add(b"us", b));
        all.note(b"user", Some(a));
        all.note(b"u", Some(b));
        all.note(b"user", Some(b));
        assert!(all.has_news());
        let mut told = Vec::new();
        all.take_news(
            |client| client == b,
            |news| told.push((news.client.0, news.keys.concat())),
        );
        assert_eq!(told, [(1, b"uuser".to_vec())]);
        assert!(!all.has_news());
        all.note(b"user", None);
        told.clear();
        all.take_news(
            |client| client == b,
            |news| told.push((news.client.0, news.keys.concat())),
        );
        assert_eq!(told, [(1, b"user".to_vec()), (2, b"user".to_vec())]);
        all.remove(b"us", b);
        all.remove(b"", a);
        assert!(all.is_empty() && all.clients.is_empty() && !all.has_news());
        assert_eq!(all.memory_bytes(), 0);
    }
}
