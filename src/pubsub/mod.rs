//! Who listens to what: channels, shard channels and patterns, each with its subscribers, and
//! the same from a client's side.
//!
//!     channels   name -> clients                 found by the name
//!     patterns   pattern -> clients              found by what it begins with (`patterns`)
//!     client     its channels, patterns, shards  so that it can leave them all
//!     readers    key -> clients                  that keep what they have read
//!     broadcast  prefix -> clients               that hear of all keys that begin so (`prefix_tree`)
//!
//! A name is kept once and shared by both sides. Tables give their memory back when they
//! empty. What a message looks like and how it is delivered is the server's matter.

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
pub use channels::{Bucket, Renewed};
pub use prefix_list::PrefixList;
pub use readers::Readers;

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::alloc::{self, Metered};
use crate::base::mover::Mover;
use crate::keyspace::ClientId;
use channels::Channels;
use patterns::Patterns;

/// A channel's name or a pattern.
pub type Name = Arc<[u8]>;

type Hashed = ahash::RandomState;

/// What one may subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    /// Sharded: a channel that belongs to a slot as keys do.
    Shard,
}

/// Smaller tables are not worth giving back.
const TABLE_KEPT: usize = 64;

/// Gives a table's memory back where most of it is empty.
fn gives_back(len: usize, capacity: usize) -> bool {
    capacity > TABLE_KEPT && len < capacity / 8
}

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub struct Registry {
    channels: Channels,
    shards: Channels,
    patterns: Patterns,
    /// Bytes of all of them, names included.
    bytes: Metered,
}

impl Registry {
    /// Whether nobody listens to channels or patterns: what is published reaches nobody.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// A client listens from now on; `false`: it has before. O(1), and for a pattern its
    /// length.
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
        self.bytes.note(before);
        set.insert(kept);
        true
    }

    /// It listens no more; `false`: it did not.
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

    /// A client is gone: nothing names it any more. O(its subscriptions).
    pub fn forget(&mut self, client: ClientId, its: &mut Subscriptions) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in its.of_mut(kind).drain() {
                // The name goes with the last who has it.
                let before = alloc::thread_balance();
                self.leave_unmetered(kind, &name, client);
                drop(name);
                self.bytes.note(before);
            }
        }
    }

    fn leave(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        let before = alloc::thread_balance();
        self.leave_unmetered(kind, name, client);
        self.bytes.note(before);
    }

    fn leave_unmetered(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        match kind {
            Kind::Channel => self.channels.remove(name, client),
            Kind::Shard => self.shards.remove(name, client),
            Kind::Pattern => self.patterns.remove(name, client),
        }
    }

    /// Who has subscribed to a channel by its name.
    #[inline]
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> &[ClientId] {
        match kind {
            Kind::Channel => self.channels.subscribers(name),
            Kind::Shard => self.shards.subscribers(name),
            Kind::Pattern => &[],
        }
    }

    /// Calls `visit` with each pattern that matches a channel, and who has subscribed to it.
    /// O(patterns that begin as the channel does).
    #[inline]
    pub fn matching(&self, channel: &[u8], visit: impl FnMut(&Name, &[ClientId])) {
        if !self.patterns.is_empty() {
            self.patterns.matching(channel, visit);
        }
    }

    /// How many different names of a kind have subscribers.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.len(),
            Kind::Shard => self.shards.len(),
            Kind::Pattern => self.patterns.len(),
        }
    }

    /// The names of channels, or of shard channels, in no order.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        let channels = match kind {
            Kind::Shard => &self.shards,
            Kind::Channel | Kind::Pattern => &self.channels,
        };
        channels.names()
    }

    /// Names of channels whose blocks a mover wants, made anew; see [`Channels::renew`]. Who is
    /// told of each is the caller's matter ([`Subscriptions::renew`]). The next bucket, `None` at
    /// the end.
    pub fn renew(
        &mut self,
        from: Bucket,
        n: usize,
        mover: &mut Mover,
        renewed: &mut Vec<Renewed>,
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

/// What one client has subscribed to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: HashSet<Name, Hashed>,
    patterns: HashSet<Name, Hashed>,
    shards: HashSet<Name, Hashed>,
}

impl Subscriptions {
    /// Its names of a kind, in no order.
    pub fn of(&self, kind: Kind) -> &HashSet<Name, Hashed> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut HashSet<Name, Hashed> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    /// The name is kept in another place now.
    pub fn renew(&mut self, kind: Kind, name: &Name) {
        let set = self.of_mut(kind);
        if set.contains(name) {
            set.replace(Arc::clone(name));
        }
    }

    /// The number that a reply tells behind a name of this kind: channels and patterns
    /// together, shard channels by themselves.
    pub fn told(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::Shard => self.shards.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    /// Bytes of its tables, about; the names are the registry's.
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
        assert_eq!((its.told(Kind::Pattern), its.told(Kind::Shard)), (2, 1));
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
