//! Clients that want to hear of every changed key that begins with one of their prefixes, and
//! the keys that have changed since they were told.

use std::collections::{BTreeMap, BTreeSet};

use crate::keyspace::ClientId;

/// What is to be told of one prefix.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<ClientId>,
    /// Each with the client that changed it last; `None`: the server itself.
    keys: BTreeMap<Box<[u8]>, Option<ClientId>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Broadcast {
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// How many prefixes have each length.
    lengths: BTreeMap<usize, usize>,
    has_news: bool,
}

/// What one client is told: the keys of a prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'a> {
    pub client: ClientId,
    pub keys: Vec<&'a [u8]>,
}

impl Broadcast {
    /// A client wants to hear of keys that begin with `prefix`; `false`: it did before.
    pub fn add(&mut self, prefix: &[u8], client: ClientId) -> bool {
        if !self.prefixes.contains_key(prefix) {
            self.prefixes.insert(prefix.into(), Prefix::default());
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        let of = self.prefixes.get_mut(prefix).expect("it is there");
        of.clients.insert(client)
    }

    /// It does not any more.
    pub fn remove(&mut self, prefix: &[u8], client: ClientId) {
        let Some(of) = self.prefixes.get_mut(prefix) else {
            return;
        };
        of.clients.remove(&client);
        if of.clients.is_empty() {
            self.prefixes.remove(prefix);
            let same = self.lengths.get_mut(&prefix.len()).expect("it was counted");
            *same -= 1;
            if *same == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// A key was changed by a client, or by the server itself. O(different lengths of
    /// prefixes).
    pub fn note(&mut self, key: &[u8], by: Option<ClientId>) {
        for &length in self
            .lengths
            .keys()
            .take_while(|&&length| length <= key.len())
        {
            if let Some(of) = self.prefixes.get_mut(&key[..length]) {
                of.keys.insert(key.into(), by);
                self.has_news = true;
            }
        }
    }

    #[inline]
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Everything that has changed, for those who are to be told: `spares` says of a client
    /// whether it does not want to hear of its own changes. What was noted is forgotten.
    pub fn take_news(&mut self, spares: impl Fn(ClientId) -> bool, mut tell: impl FnMut(News<'_>)) {
        self.has_news = false;
        for of in self.prefixes.values_mut() {
            let keys = std::mem::take(&mut of.keys);
            if keys.is_empty() {
                continue;
            }
            for &client in &of.clients {
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
        assert!(all.is_empty() && all.lengths.is_empty());
    }
}
