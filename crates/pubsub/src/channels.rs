//! Channels by name, with their subscribers.

use std::ptr::NonNull;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::subscribers::Subscribers;
use super::{Kind, Name, NameHashState, gives_back};
use russet_base::memory::mover::Mover;
use russet_keyspace::ClientId;

/// A name shared by more clients is not moved: each of them would have to be updated.
const SHARED_MAX: usize = 64;

/// A cursor into the tables of channels, which are processed in slices.
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

/// A name that has been moved to a new block.
#[derive(Debug)]
pub struct MovedName {
    pub kind: Kind,
    pub name: Name,
    /// The old block: drop it after all new blocks are made.
    pub _old: Name,
    /// The clients that share the name.
    pub clients: Vec<ClientId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Channels {
    table: HashTable<(Name, Subscribers)>,
    hasher: NameHashState,
}

impl Channels {
    /// Adds a subscriber to a channel; returns the stored name.
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

    /// Copies names that the mover wants to new blocks, in up to `n` buckets from `from` on;
    /// returns the next bucket, `None` at the end. Several owners share the block of a name: it
    /// cannot be moved in place, each of them must get the copy.
    pub fn renew(
        &mut self,
        kind: Kind,
        from: usize,
        n: usize,
        mover: &mut Mover,
        renewed: &mut Vec<MovedName>,
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
                renewed.push(MovedName {
                    kind,
                    name: Arc::clone(name),
                    _old: old,
                    clients: clients.to_vec(),
                });
            }
        }
        (end < self.table.num_buckets()).then_some(end)
    }
}
