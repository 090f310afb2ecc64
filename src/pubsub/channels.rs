//! Channels by name, each with its subscribers.

use std::ptr::NonNull;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::subscribers::Subscribers;
use super::{Hashed, Kind, Name, gives_back};
use crate::base::mover::Mover;
use crate::keyspace::ClientId;

/// A name that more clients share is not moved: each of them would have to be told.
const SHARED_MAX: usize = 64;

/// A place in the tables of channels, to go through them in slices.
#[derive(Clone, Copy, Debug)]
pub enum Bucket {
    Channel(usize),
    Shard(usize),
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket::Channel(0)
    }
}

/// A name that is kept in another place now.
#[derive(Debug)]
pub struct Renewed {
    pub kind: Kind,
    pub name: Name,
    /// Where it was kept: to be dropped when all new ones are made.
    pub old: Name,
    /// Who shares it.
    pub clients: Vec<ClientId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Channels {
    table: HashTable<(Name, Subscribers)>,
    hasher: Hashed,
}

impl Channels {
    /// One more listens to a channel; the name as it is kept.
    pub fn add(&mut self, name: &[u8], client: ClientId) -> Name {
        let hasher = &self.hasher;
        let entry = self.table.entry(
            hasher.hash_one(name),
            |(known, _)| **known == *name,
            |(known, _)| hasher.hash_one(&**known),
        );
        match entry {
            Entry::Occupied(mut found) => {
                let (name, subscribers) = found.get_mut();
                subscribers.add(client);
                Arc::clone(name)
            }
            Entry::Vacant(place) => {
                let name: Name = name.into();
                place.insert((Arc::clone(&name), Subscribers::One(client)));
                name
            }
        }
    }

    pub fn remove(&mut self, name: &[u8], client: ClientId) {
        let hasher = &self.hasher;
        let is_it = |(known, _): &(Name, Subscribers)| **known == *name;
        let Ok(mut found) = self.table.find_entry(hasher.hash_one(name), is_it) else {
            return;
        };
        if !found.get_mut().1.remove(client) {
            return;
        }
        found.remove();
        if gives_back(self.table.len(), self.table.capacity()) {
            let len = self.table.len() * 2;
            self.table
                .shrink_to(len, |(known, _)| hasher.hash_one(&**known));
        }
    }

    #[inline]
    pub fn subscribers(&self, name: &[u8]) -> &[ClientId] {
        let is_it = |(known, _): &(Name, Subscribers)| **known == *name;
        let found = self.table.find(self.hasher.hash_one(name), is_it);
        found.map_or(&[], |(_, subscribers)| subscribers.ids())
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.table.iter().map(|(name, _)| name)
    }

    /// Makes names anew whose blocks a mover wants, of up to `n` buckets from one on; the next
    /// bucket, `None` at the end. A name is one block that several share: it cannot be moved,
    /// only be exchanged for its copy at each of them.
    pub fn renew(
        &mut self,
        kind: Kind,
        from: usize,
        n: usize,
        mover: &mut Mover,
        renewed: &mut Vec<Renewed>,
    ) -> Option<usize> {
        let end = from.saturating_add(n).min(self.table.num_buckets());
        for bucket in from..end {
            let Some((name, subscribers)) = self.table.get_bucket_mut(bucket) else {
                continue;
            };
            let clients = subscribers.ids();
            if clients.len() > SHARED_MAX || name.is_empty() {
                continue;
            }
            if mover.wants(NonNull::from(&**name).cast()) {
                mover.moved += 1;
                let old = std::mem::replace(name, Arc::from(&**name));
                renewed.push(Renewed {
                    kind,
                    name: Arc::clone(name),
                    old,
                    clients: clients.to_vec(),
                });
            }
        }
        (end < self.table.num_buckets()).then_some(end)
    }
}
