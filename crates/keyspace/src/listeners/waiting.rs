//! Keys that blocked clients wait for, and which of them became ready.
//!
//! Invariants
//!   1. A key has a queue exactly while a client waits for it.
//!   2. A client is once in a key's queue, in order of arrival, however often the client's command
//!      names the key.
//!   3. A key is in `ready` at most once, from its first signal until
//!      [`WaitingClients::take_ready`].
//!
//! A ready key is a hint: the server runs the commands of its clients again, first come first
//! served, and a client waits again if there is nothing for it (`server::execution::blocking`).
//!
//! Cost of a change: a test if no client waits, else a lookup. `wait` is O(1); `leave` O(1) for the
//! first client of a queue, O(its clients) for others.

use std::collections::{HashMap, VecDeque};

use super::super::ids::{ClientId, DbIndex};

#[derive(Default, Debug)]
struct Queue {
    clients: VecDeque<ClientId>,
    /// The key is in `WaitingClients::ready`.
    ready: bool,
    /// The key has received data since.
    has_news: bool,
    /// The number of waits that are [guards](WaitingClients::wait).
    guards: usize,
}

/// A key that became ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadyKey {
    /// The key's database.
    pub db: DbIndex,
    /// The key's name.
    pub key: Box<[u8]>,
    /// The key has received data; else it may only have been removed.
    pub has_news: bool,
}

type ByKey = HashMap<Box<[u8]>, Queue, ahash::RandomState>;

/// Waiting clients by key, in order of arrival.
#[derive(Default, Debug)]
pub struct WaitingClients {
    /// By database number.
    dbs: Vec<ByKey>,
    keys: usize,
    /// Keys with a guard: a client waits for their removal or change of type.
    guarded: usize,
    /// Clients that wait until a pending entry of a stream can be claimed, and have no time for it
    /// yet.
    claimants: usize,
    /// Keys that became ready, in order.
    ready: Vec<(DbIndex, Box<[u8]>)>,
}

impl WaitingClients {
    /// Whether no client waits for a key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Number of keys with waiting clients.
    pub fn len(&self) -> usize {
        self.keys
    }

    /// `client` waits for `key`; once, however often a command names it. `guards`: it also waits
    /// for the key's removal.
    pub fn wait(&mut self, db: DbIndex, key: &[u8], client: ClientId, guards: bool) {
        let at = db.0 as usize;
        if self.dbs.len() <= at {
            self.dbs.resize_with(at + 1, ByKey::default);
        }
        let queue = match self.dbs[at].get_mut(key) {
            Some(queue) => queue,
            None => {
                self.keys += 1;
                self.dbs[at].entry(key.into()).or_default()
            }
        };
        self.guarded += usize::from(guards && queue.guards == 0);
        queue.guards += usize::from(guards);
        // No other client has come since the same command named the key before.
        if queue.clients.back() != Some(&client) {
            queue.clients.push_back(client);
        }
    }

    /// The client no longer waits for the key: it was served, timed out or disconnected. Must be
    /// called as often as [`WaitingClients::wait`].
    pub fn leave(&mut self, db: DbIndex, key: &[u8], client: ClientId, guards: bool) {
        let Some(by_key) = self.dbs.get_mut(db.0 as usize) else {
            return;
        };
        let Some(queue) = by_key.get_mut(key) else {
            return;
        };
        if guards && queue.guards > 0 {
            queue.guards -= 1;
            self.guarded -= usize::from(queue.guards == 0);
        }
        // Clients that are served leave from the front.
        if queue.clients.front() == Some(&client) {
            queue.clients.pop_front();
        } else {
            queue.clients.retain(|&c| c != client);
        }
        if queue.clients.is_empty() {
            by_key.remove(key);
            self.keys -= 1;
        }
    }

    /// The key has received data for a waiting client.
    #[inline]
    pub fn signal(&mut self, db: DbIndex, key: &[u8]) {
        if !self.is_empty() {
            self.signal_waited(db, key, true);
        }
    }

    /// A client waits for entries that can be claimed later, without knowing of any; or no longer
    /// does.
    pub fn count_claimant(&mut self, waits: bool) {
        if waits {
            self.claimants += 1;
        } else {
            self.claimants -= 1;
        }
    }

    /// A pending entry of the stream can be claimed later: the commands of clients that wait for
    /// that run again, to find the time.
    #[inline]
    pub fn claimable_later(&mut self, db: DbIndex, key: &[u8]) {
        if self.claimants > 0 {
            self.signal_waited(db, key, true);
        }
    }

    /// The key was changed: it may have been removed, or become another type.
    #[inline]
    pub fn touch(&mut self, db: DbIndex, key: &[u8]) {
        if self.guarded > 0 {
            self.signal_waited(db, key, false);
        }
    }

    /// Whether any client waits for a key's removal.
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.guarded > 0
    }

    /// Number of keys whose removal a client waits for.
    pub fn guarded(&self) -> usize {
        self.guarded
    }

    /// As [`WaitingClients::touch`] for all keys of a database.
    pub(crate) fn touch_all(&mut self, db: DbIndex) {
        if self.guarded > 0 {
            for key in self.keys_of(db) {
                self.touch(db, &key);
            }
        }
    }

    #[cold]
    fn signal_waited(&mut self, db: DbIndex, key: &[u8], news: bool) {
        let by_key = self.dbs.get_mut(db.0 as usize);
        if let Some(queue) = by_key.and_then(|by_key| by_key.get_mut(key)) {
            queue.has_news |= news;
            if !queue.ready {
                queue.ready = true;
                self.ready.push((db, key.into()));
            }
        }
    }

    /// All keys of `db` with waiting clients.
    pub fn keys_of(&self, db: DbIndex) -> Vec<Box<[u8]>> {
        let by_key = self.dbs.get(db.0 as usize);
        by_key.map_or_else(Vec::new, |by_key| by_key.keys().cloned().collect())
    }

    /// Whether [`WaitingClients::take_ready`] would return anything.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The keys that became ready since the last call, in order.
    pub fn take_ready(&mut self) -> Vec<ReadyKey> {
        let ready = std::mem::take(&mut self.ready).into_iter();
        let taken = ready.map(|(db, key)| {
            let queue = self.dbs[db.0 as usize].get_mut(&key);
            let has_news = queue.is_some_and(|queue| {
                queue.ready = false;
                std::mem::take(&mut queue.has_news)
            });
            ReadyKey { db, key, has_news }
        });
        taken.collect()
    }

    fn queue(&self, db: DbIndex, key: &[u8]) -> Option<&Queue> {
        self.dbs.get(db.0 as usize)?.get(key)
    }

    /// Number of clients that wait for the key.
    pub fn waiters(&self, db: DbIndex, key: &[u8]) -> usize {
        self.queue(db, key).map_or(0, |queue| queue.clients.len())
    }

    /// The client at a position in the key's wait queue, from 0, first come first. O(1).
    pub fn waiter(&self, db: DbIndex, key: &[u8], at: usize) -> Option<ClientId> {
        self.queue(db, key)?.clients.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(1);

    #[test]
    fn clients_stand_in_line_once_and_keys_become_ready_once() {
        let mut w = WaitingClients::default();
        for client in [7, 7, 8] {
            w.wait(DB, b"k", ClientId(client), false);
        }
        assert_eq!(w.waiters(DB, b"k"), 2);
        assert_eq!(w.waiter(DB, b"k", 1), Some(ClientId(8)));
        assert_eq!(w.waiter(DB, b"k", 2), None);
        w.signal(DbIndex(0), b"k");
        w.signal(DB, b"other");
        assert!(!w.has_ready());
        w.signal(DB, b"k");
        w.signal(DB, b"k");
        let ready = |has_news| ReadyKey {
            db: DB,
            key: (*b"k").into(),
            has_news,
        };
        w.touch(DB, b"k");
        assert_eq!(w.take_ready(), [ready(true)]);
        w.touch(DB, b"k");
        assert!(!w.has_ready(), "nobody guards it");
        w.wait(DB, b"k", ClientId(9), true);
        w.touch(DB, b"k");
        assert_eq!(w.take_ready(), [ready(false)]);
        w.leave(DB, b"k", ClientId(9), true);
        w.signal(DB, b"k");
        assert!(w.has_ready());
        w.leave(DB, b"k", ClientId(8), false);
        w.leave(DB, b"k", ClientId(7), false);
        assert!(w.is_empty());
        w.take_ready();
        w.signal(DB, b"k");
        assert!(!w.has_ready());
    }
}
