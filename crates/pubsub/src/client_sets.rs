//! Sets of clients, deduplicated: a thousand clients with the same ten thousand prefixes share a
//! single set.
//!
//! A set is identified by a small number while it has users. Adding or removing a client returns
//! the number of another set. Cost: O(clients of the set); allocates only if the resulting set is
//! new.

use hashbrown::HashTable;

use super::gives_back;
use russet_keyspace::ClientId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ClientSets {
    sets: Vec<Set>,
    /// Free entries of `sets`.
    free: Vec<u32>,
    by_clients: HashTable<u32>,
    hasher: ahash::RandomState,
}

#[derive(Debug, Default)]
struct Set {
    /// Ascending; empty: this entry is free.
    clients: Box<[ClientId]>,
    users: usize,
}

impl ClientSets {
    /// The clients of a set, in ascending order.
    pub fn clients(&self, set: u32) -> &[ClientId] {
        &self.sets[set as usize].clients
    }

    /// Replaces a user's `set` (`None`: the empty set) by the set with `client` added; `None`: the
    /// client is already in it.
    pub fn with(&mut self, set: Option<u32>, client: ClientId) -> Option<u32> {
        let clients = set.map_or(&[][..], |set| self.clients(set));
        let at = clients.binary_search(&client).err()?;
        let (before, behind) = clients.split_at(at);
        let clients = [before, &[client], behind].concat();
        let made = self.take(clients);
        if let Some(set) = set {
            self.leave(set);
        }
        Some(made)
    }

    /// Replaces a user's `set` by the set without `client`; `Some(None)`: none is left; `None`: the
    /// client is not in it.
    pub fn without(&mut self, set: u32, client: ClientId) -> Option<Option<u32>> {
        let clients = self.clients(set);
        let at = clients.binary_search(&client).ok()?;
        let rest = [&clients[..at], &clients[at + 1..]].concat();
        let made = (!rest.is_empty()).then(|| self.take(rest));
        self.leave(set);
        Some(made)
    }

    /// Adds a user to the set of these clients, which is made if needed.
    fn take(&mut self, clients: Vec<ClientId>) -> u32 {
        let hash = self.hasher.hash_one(clients.as_slice());
        let is_it = |&set: &u32| *self.sets[set as usize].clients == *clients;
        if let Some(&set) = self.by_clients.find(hash, is_it) {
            self.sets[set as usize].users += 1;
            return set;
        }
        let set = self.free.pop().unwrap_or_else(|| {
            self.sets.push(Set::default());
            u32::try_from(self.sets.len() - 1).expect("no more sets than prefixes")
        });
        self.sets[set as usize] = Set {
            clients: clients.into(),
            users: 1,
        };
        let hash_of = |&set: &u32| hash_of(&self.hasher, &self.sets, set);
        self.by_clients.insert_unique(hash, set, hash_of);
        set
    }

    /// Removes a user from a set; the set is freed with its last user.
    fn leave(&mut self, set: u32) {
        let of = &mut self.sets[set as usize];
        of.users -= 1;
        if of.users > 0 {
            return;
        }
        let hash = hash_of(&self.hasher, &self.sets, set);
        if let Ok(found) = self.by_clients.find_entry(hash, |&other| other == set) {
            found.remove();
        }
        self.sets[set as usize] = Set::default();
        self.free.push(set);
        self.give_back();
    }

    fn give_back(&mut self) {
        let len = self.by_clients.len();
        if len == 0 {
            let hasher = std::mem::take(&mut self.hasher);
            *self = ClientSets {
                hasher,
                ..ClientSets::default()
            };
        } else if gives_back(len, self.by_clients.capacity()) {
            let hash_of = |&set: &u32| hash_of(&self.hasher, &self.sets, set);
            self.by_clients.shrink_to(len * 2, hash_of);
        }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.by_clients.is_empty() && self.sets.capacity() == 0
    }
}

fn hash_of(hasher: &ahash::RandomState, sets: &[Set], set: u32) -> u64 {
    hasher.hash_one(&*sets[set as usize].clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_kept_once_and_goes_with_its_last_user() {
        let (a, b) = (ClientId(1), ClientId(2));
        let mut sets = ClientSets::default();
        let first = sets.with(None, a).expect("a set");
        assert_eq!(sets.with(None, a), Some(first));
        assert_eq!(sets.with(Some(first), a), None);
        let both = sets.with(Some(first), b).expect("a set");
        assert_eq!(sets.with(Some(first), b), Some(both));
        assert_eq!(sets.clients(both), [a, b]);
        assert_eq!(sets.by_clients.len(), 1);
        assert_eq!(sets.without(both, ClientId(3)), None);
        let of_b = sets.without(both, a).flatten().expect("a set");
        assert_eq!(sets.clients(of_b), [b]);
        assert_eq!(sets.without(of_b, b), Some(None));
        let of_b = sets.without(both, a).flatten().expect("a set");
        assert_eq!(sets.without(of_b, b), Some(None));
        assert!(sets.is_empty());
    }
}
