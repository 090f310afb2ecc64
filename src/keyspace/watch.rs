//! WATCH: which clients want to know whether a key was touched.

use std::collections::HashMap;

use super::{ClientId, DbIndex};

/// A key that a client watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedKey {
    pub db: DbIndex,
    pub key: Box<[u8]>,
    /// The key had already expired (but was still there) when WATCH saw it: its removal
    /// later changes nothing for this client.
    pub expired: bool,
}

/// All watched keys and their watchers.
#[derive(Default, Debug)]
pub struct Watchers {
    by_key: HashMap<(DbIndex, Box<[u8]>), Vec<ClientId>, ahash::RandomState>,
    /// Clients whose watched keys were touched since the last [`Watchers::take_touched`].
    touched: Vec<ClientId>,
}

impl Watchers {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Number of watched keys, each counted once.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn watch(&mut self, db: DbIndex, key: &[u8], client: ClientId) {
        self.by_key
            .entry((db, key.into()))
            .or_default()
            .push(client);
    }

    pub fn unwatch(&mut self, watched: &[WatchedKey], client: ClientId) {
        for w in watched {
            let place = (w.db, w.key.clone());
            if let Some(clients) = self.by_key.get_mut(&place) {
                clients.retain(|&c| c != client);
                if clients.is_empty() {
                    self.by_key.remove(&place);
                }
            }
        }
    }

    /// The key was created, changed or deleted.
    pub fn touch(&mut self, db: DbIndex, key: &[u8]) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(clients) = self.by_key.get(&(db, key.into())) {
            self.touched.extend_from_slice(clients);
        }
    }

    /// Touches every watched key of `db` for which `changes` holds (FLUSHDB, SWAPDB).
    pub fn touch_where(&mut self, db: DbIndex, mut changes: impl FnMut(&[u8]) -> bool) {
        for ((at, key), clients) in &self.by_key {
            if *at == db && changes(key) {
                self.touched.extend_from_slice(clients);
            }
        }
    }

    /// The clients whose transactions can no longer run, each at least once.
    pub fn take_touched(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.touched)
    }

    #[inline]
    pub fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }
}
