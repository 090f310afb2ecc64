//! Keys that blocked clients wait for, and which of them have something now.

use std::collections::{HashMap, VecDeque};

use super::{ClientId, DbIndex};

type Place = (DbIndex, Box<[u8]>);

/// Waiting clients by key, in order of arrival.
#[derive(Default, Debug)]
pub struct Waiting {
    queues: HashMap<Place, VecDeque<ClientId>, ahash::RandomState>,
    /// Keys that became ready, in order, each once.
    ready: Vec<Place>,
}

impl Waiting {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Number of keys that somebody waits for.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// `client` waits for `key`; once, however often it names it.
    pub fn wait(&mut self, db: DbIndex, key: &[u8], client: ClientId) {
        let queue = self.queues.entry((db, key.into())).or_default();
        if !queue.contains(&client) {
            queue.push_back(client);
        }
    }

    pub fn leave(&mut self, db: DbIndex, key: &[u8], client: ClientId) {
        let place: Place = (db, key.into());
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.retain(|&c| c != client);
            if queue.is_empty() {
                self.queues.remove(&place);
            }
        }
    }

    /// The key has got something that a waiting client may want.
    #[inline]
    pub fn signal(&mut self, db: DbIndex, key: &[u8]) {
        if self.queues.is_empty() {
            return;
        }
        let place: Place = (db, key.into());
        if self.queues.contains_key(&place) && !self.ready.contains(&place) {
            self.ready.push(place);
        }
    }

    /// All keys of `db` that somebody waits for.
    pub fn keys_of(&self, db: DbIndex) -> Vec<Box<[u8]>> {
        self.queues
            .keys()
            .filter(|(at, _)| *at == db)
            .map(|(_, key)| key.clone())
            .collect()
    }

    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn take_ready(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.ready)
    }

    /// Who waits for the key, first come first.
    pub fn queue(&self, db: DbIndex, key: &[u8]) -> Vec<ClientId> {
        self.queues
            .get(&(db, key.into()))
            .map(|q| q.iter().copied().collect())
            .unwrap_or_default()
    }
}
