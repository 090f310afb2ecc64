//! The clients of a channel or pattern. A single client needs no allocation; among ten thousand
//! clients, each leaves in constant time.

use std::collections::HashMap;

use russet_keyspace::ClientId;

/// Up to this number, clients are searched linearly.
const SEARCHED: usize = 32;

/// See the module. Never empty.
#[derive(Debug)]
pub(super) enum Subscribers {
    One(ClientId),
    Many(Box<Many>),
}

/// Two or more, in order of arrival until a client leaves.
#[derive(Debug, Default)]
pub(super) struct Many {
    ids: Vec<ClientId>,
    /// The index of each client in `ids`, once there are many.
    at: HashMap<ClientId, u32, ahash::RandomState>,
}

impl Subscribers {
    pub fn ids(&self) -> &[ClientId] {
        match self {
            Subscribers::One(id) => std::slice::from_ref(id),
            Subscribers::Many(many) => &many.ids,
        }
    }

    pub fn contains(&self, client: ClientId) -> bool {
        match self {
            Subscribers::One(id) => *id == client,
            Subscribers::Many(many) if many.at.is_empty() => many.ids.contains(&client),
            Subscribers::Many(many) => many.at.contains_key(&client),
        }
    }

    /// Adds a client that is not in the set.
    pub fn add(&mut self, client: ClientId) {
        match self {
            Subscribers::One(first) => {
                *self = Subscribers::Many(Box::new(Many {
                    ids: vec![*first, client],
                    at: HashMap::default(),
                }));
            }
            Subscribers::Many(many) => many.add(client),
        }
    }

    /// Removes a client; `true`: none is left, and the set must be dropped.
    pub fn remove(&mut self, client: ClientId) -> bool {
        match self {
            Subscribers::One(id) => *id == client,
            Subscribers::Many(many) => {
                many.remove(client);
                if let [last] = many.ids[..] {
                    *self = Subscribers::One(last);
                }
                false
            }
        }
    }
}

impl Many {
    fn add(&mut self, client: ClientId) {
        self.ids.push(client);
        if self.ids.len() == SEARCHED + 1 {
            let places = self.ids.iter().zip(0..);
            self.at = places.map(|(&id, at)| (id, at)).collect();
        } else if self.ids.len() > SEARCHED {
            self.at.insert(client, self.ids.len() as u32 - 1);
        }
    }

    fn remove(&mut self, client: ClientId) {
        let found = if self.at.is_empty() {
            self.ids.iter().position(|&id| id == client)
        } else {
            self.at.remove(&client).map(|at| at as usize)
        };
        let Some(at) = found else { return };
        self.ids.swap_remove(at);
        if self.ids.len() <= SEARCHED {
            self.at = HashMap::default();
        } else if let Some(&moved) = self.ids.get(at) {
            self.at.insert(moved, at as u32);
        }
        if self.ids.len() < self.ids.capacity() / 4 {
            self.ids.shrink_to(self.ids.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_come_and_go() {
        for count in [1u64, 2, 31, 32, 33, 34, 500] {
            let mut s = Subscribers::One(ClientId(0));
            (1..count).for_each(|id| s.add(ClientId(id)));
            assert_eq!(s.ids().len() as u64, count);
            // Every second one, then the rest.
            let order = (0..count).step_by(2).chain((1..count).step_by(2));
            for (left, id) in (0..count).rev().zip(order) {
                assert_eq!(s.remove(ClientId(id)), left == 0, "{count}: {id}");
                assert!(left == 0 || s.ids().len() as u64 == left);
                assert!(left == 0 || !s.ids().contains(&ClientId(id)));
            }
        }
    }
}
