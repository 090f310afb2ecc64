//! Subscriptions: channels, shard channels and patterns, each with its subscribers, and the same
//! by client.
//!
//!     channels   name -> clients                 looked up by name
//!     patterns   pattern -> clients              looked up by literal prefix (`patterns`)
//!     client     its channels, patterns, shards  to leave them all
//!     readers    key -> clients                  that cache its value
//!     broadcast  prefix -> clients               that track all keys with it (`prefix_tree`)
//!
//! A name is stored once and shared by both sides. Tables shrink as they empty. The format and
//! delivery of messages are up to the server.

mod broadcast;
mod channels;
mod client_sets;
mod heads;
mod patterns;
mod prefix_list;
mod prefix_tree;
mod readers;
mod subscribers;

pub use broadcast::{Broadcast, News};
pub use channels::{Bucket, MovedName};
pub use prefix_list::PrefixList;
pub use readers::Readers;

use std::collections::HashSet;
use std::sync::Arc;

use channels::Channels;
use patterns::Patterns;
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_base::memory::mover::Mover;
use russet_keyspace::ClientId;

/// A channel's name or a pattern.
pub type Name = Arc<[u8]>;

type NameHashState = ahash::RandomState;

/// The kinds of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    /// Sharded: a channel that belongs to a slot, as keys do.
    Shard,
}

/// Smaller tables are never shrunk.
const TABLE_KEPT: usize = 64;

/// Whether a table is empty enough to shrink.
fn gives_back(len: usize, capacity: usize) -> bool {
    capacity > TABLE_KEPT && len < capacity / 8
}

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub struct Registry {
    channels: Channels,
    shards: Channels,
    patterns: Patterns,
    /// Bytes of all tables, names included.
    bytes: OwnedBytes,
}

impl Registry {
    /// Whether there are no subscribers to channels or patterns, so that no message is delivered.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Subscribes a client; `false`: it was subscribed already. O(1), and for a pattern its length.
    pub fn subscribe(
        &mut self,
        kind: Kind,
        name: &[u8],
        client: ClientId,
        its: &mut Subscriptions,
    ) -> bool {
        let set = its.of_mut(kind);
        if set.contains(name) {
            return false;
        }
        let before = alloc::thread_balance();
        let kept = match kind {
            Kind::Channel => self.channels.add(name, client),
            Kind::Shard => self.shards.add(name, client),
            Kind::Pattern => self.patterns.add(name, client),
        };
        self.bytes.add_since(before);
        set.insert(kept);
        true
    }

    /// Unsubscribes a client; `false`: it was not subscribed.
    pub fn unsubscribe(
        &mut self,
        kind: Kind,
        name: &[u8],
        client: ClientId,
        its: &mut Subscriptions,
    ) -> bool {
        let set = its.of_mut(kind);
        let was = set.remove(name);
        if was {
            if gives_back(set.len(), set.capacity()) {
                set.shrink_to(set.len() * 2);
            }
            self.leave(kind, name, client);
        }
        was
    }

    /// Removes all subscriptions of a client that is gone. O(its subscriptions).
    pub fn forget(&mut self, client: ClientId, its: &mut Subscriptions) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in its.of_mut(kind).drain() {
                // The last owner of the name frees it.
                let before = alloc::thread_balance();
                self.leave_unmetered(kind, &name, client);
                drop(name);
                self.bytes.add_since(before);
            }
        }
    }

    fn leave(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        let before = alloc::thread_balance();
        self.leave_unmetered(kind, name, client);
        self.bytes.add_since(before);
    }

    fn leave_unmetered(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        match kind {
            Kind::Channel => self.channels.remove(name, client),
            Kind::Shard => self.shards.remove(name, client),
            Kind::Pattern => self.patterns.remove(name, client),
        }
    }

    /// The subscribers of a channel by name.
    #[inline]
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> &[ClientId] {
        match kind {
            Kind::Channel => self.channels.subscribers(name),
            Kind::Shard => self.shards.subscribers(name),
            Kind::Pattern => &[],
        }
    }

    /// Calls `visit` with each pattern that matches a channel and its subscribers.
    /// O(patterns whose literal prefix matches).
    #[inline]
    pub fn matching(&self, channel: &[u8], visit: impl FnMut(&Name, &[ClientId])) {
        if !self.patterns.is_empty() {
            self.patterns.matching(channel, visit);
        }
    }

    /// The number of different names of a kind with subscribers.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.len(),
            Kind::Shard => self.shards.len(),
            Kind::Pattern => self.patterns.len(),
        }
    }

    /// The names of channels, or of shard channels, unordered.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        let channels = match kind {
            Kind::Shard => &self.shards,
            Kind::Channel | Kind::Pattern => &self.channels,
        };
        channels.names()
    }

    /// Moves the names of channels that the mover wants; see [`Channels::renew`]. The caller
    /// updates each client ([`Subscriptions::renew`]). Returns the next bucket, `None` at the end.
    pub fn renew(
        &mut self,
        from: Bucket,
        n: usize,
        mover: &mut Mover,
        renewed: &mut Vec<MovedName>,
    ) -> Option<Bucket> {
        match from {
            Bucket::Channel(at) => {
                let next = self.channels.renew(Kind::Channel, at, n, mover, renewed);
                Some(next.map_or(Bucket::Shard(0), Bucket::Channel))
            }
            Bucket::Shard(at) => {
                let next = self.shards.renew(Kind::Shard, at, n, mover, renewed);
                next.map(Bucket::Shard)
            }
        }
    }

    /// Bytes of the tables and names, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }
}

/// The subscriptions of a client.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: HashSet<Name, NameHashState>,
    patterns: HashSet<Name, NameHashState>,
    shards: HashSet<Name, NameHashState>,
}

impl Subscriptions {
    /// The client's names of a kind, unordered.
    pub fn of(&self, kind: Kind) -> &HashSet<Name, NameHashState> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut HashSet<Name, NameHashState> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    /// Replaces a name by its copy in a new block.
    pub fn renew(&mut self, kind: Kind, name: &Name) {
        let set = self.of_mut(kind);
        if set.contains(name) {
            set.replace(Arc::clone(name));
        }
    }

    /// The count in a reply about this kind: channels and patterns together, shard channels by
    /// themselves.
    pub fn count_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::Shard => self.shards.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    /// Approximate bytes of the client's tables; the names belong to the registry.
    pub fn memory_bytes(&self) -> usize {
        let sets = [&self.channels, &self.patterns, &self.shards];
        let slots: usize = sets.iter().map(|set| set.capacity()).sum();
        size_of::<Subscriptions>() + slots * (size_of::<Name>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_know_the_same() {
        let (mut all, mut its) = (Registry::default(), Subscriptions::default());
        let (a, b) = (ClientId(1), ClientId(2));
        assert!(all.is_empty());
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            assert!(all.subscribe(kind, b"x", a, &mut its));
            assert!(!all.subscribe(kind, b"x", a, &mut its));
            assert_eq!(all.count(kind), 1);
        }
        let mut others = Subscriptions::default();
        all.subscribe(Kind::Channel, b"x", b, &mut others);
        assert_eq!(all.subscribers(Kind::Channel, b"x"), [a, b]);
        assert_eq!(all.subscribers(Kind::Shard, b"x"), [a]);
        assert_eq!(
            (its.count_of(Kind::Pattern), its.count_of(Kind::Shard)),
            (2, 1)
        );
        assert!(all.unsubscribe(Kind::Channel, b"x", a, &mut its));
        assert!(!all.unsubscribe(Kind::Channel, b"x", a, &mut its));
        assert_eq!(all.subscribers(Kind::Channel, b"x"), [b]);
        all.forget(a, &mut its);
        all.forget(b, &mut others);
        assert!(all.is_empty() && all.count(Kind::Shard) == 0);
    }

    #[test]
    fn a_million_that_came_and_went_leave_no_table() {
        let (mut all, mut its) = (Registry::default(), Subscriptions::default());
        let client = ClientId(1);
        let name = |n: u32| n.to_be_bytes();
        (0..100_000).for_each(|n| {
            all.subscribe(Kind::Channel, &name(n), client, &mut its);
        });
        let most = all.memory_bytes() + its.memory_bytes();
        (0..100_000).for_each(|n| {
            all.unsubscribe(Kind::Channel, &name(n), client, &mut its);
        });
        assert!(all.is_empty() && its.is_empty());
        assert!((all.memory_bytes() + its.memory_bytes()) * 100 < most);
    }
}
