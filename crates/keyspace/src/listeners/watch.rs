//! WATCH: which clients watch which keys for changes.
//!
//! Invariants
//!   1. A key is listed exactly while a client watches it; `keys` is their number.
//!   2. A touched client has left that key's list. The caller ends the client's other watches
//!      ([`Watchers::unwatch`]) and fails its transaction.
//!   3. The removal of a key that had expired before its WATCH touches no client.
//!
//! Cost of a change: a test if no key is watched, else a lookup, and O(clients) of a watched key. A
//! flush or swap: O(watched keys of the database). Memory is counted by the allocator's balance.

use std::collections::{HashMap, HashSet};

use super::super::ids::{ClientId, DbIndex};
use russet_base::memory::alloc::{self, OwnedBytes};

/// A key that a client watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchedKey {
    pub db: DbIndex,
    pub key: Box<[u8]>,
}

/// The keys that a client watches.
#[derive(Debug, Default)]
pub struct WatchList {
    keys: HashSet<WatchedKey, ahash::RandomState>,
    bytes: usize,
}

impl WatchList {
    /// `false`: it is watched already.
    pub fn add(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let bytes = size_of::<WatchedKey>() + key.len();
        let key = key.into();
        let is_new = self.keys.insert(WatchedKey { db, key });
        self.bytes += if is_new { bytes } else { 0 };
        is_new
    }

    /// Keys that the client watches, each counted once.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the client watches no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The watched keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &WatchedKey> {
        self.keys.iter()
    }

    /// Approximate memory, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

#[derive(Clone, Copy, Debug)]
struct Watcher {
    client: ClientId,
    /// The key had already expired (but was still there) at WATCH, or became so by SWAPDB: its
    /// later removal changes nothing for this client.
    expired: bool,
}

type ByKey = HashMap<Box<[u8]>, Vec<Watcher>, ahash::RandomState>;

/// The state of a key in a database that replaces another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Missing,
    Expired,
    Live,
}

/// All watched keys and their watchers.
#[derive(Default, Debug)]
pub struct Watchers {
    /// By database number.
    dbs: Vec<ByKey>,
    keys: usize,
    /// Clients whose watched keys were touched since the last [`Watchers::take_touched`].
    touched: Vec<ClientId>,
    bytes: OwnedBytes,
}

impl Watchers {
    /// Whether no client watches a key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Number of watched keys, each counted once.
    pub fn len(&self) -> usize {
        self.keys
    }

    /// `expired`: the key has expired already, though it is still there.
    pub fn watch(&mut self, db: DbIndex, key: &[u8], client: ClientId, expired: bool) {
        let at = db.0 as usize;
        if self.dbs.len() <= at {
            self.dbs.resize_with(at + 1, ByKey::default);
        }
        let watcher = Watcher { client, expired };
        let before = alloc::thread_balance();
        match self.dbs[at].get_mut(key) {
            Some(watchers) => watchers.push(watcher),
            None => {
                self.dbs[at].insert(key.into(), vec![watcher]);
                self.keys += 1;
            }
        }
        self.bytes.add_since(before);
    }

    /// Bytes of all watched keys, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Stops the client's watches of these keys.
    pub fn unwatch(&mut self, watched: &WatchList, client: ClientId) {
        let before = alloc::thread_balance();
        for w in watched.iter() {
            let Some(by_key) = self.dbs.get_mut(w.db.0 as usize) else {
                continue;
            };
            if let Some(watchers) = by_key.get_mut(&w.key) {
                watchers.retain(|watcher| watcher.client != client);
                if watchers.is_empty() {
                    by_key.remove(&w.key);
                    self.keys -= 1;
                }
            }
        }
        self.bytes.add_since(before);
    }

    /// Whether the key's expiry would matter to this client: it had not expired before.
    pub fn expects_live(&self, watched: &WatchedKey, client: ClientId) -> bool {
        let by_key = self.dbs.get(watched.db.0 as usize);
        let watchers = by_key.and_then(|by_key| by_key.get(&watched.key));
        watchers.is_some_and(|all| all.iter().any(|w| w.client == client && !w.expired))
    }

    /// The key was created, changed or deleted; `is_there` returns whether it is there now.
    #[inline]
    pub fn touch(&mut self, db: DbIndex, key: &[u8], is_there: impl FnOnce() -> bool) {
        if !self.is_empty() {
            self.touch_watched(db, key, is_there);
        }
    }

    #[cold]
    fn touch_watched(&mut self, db: DbIndex, key: &[u8], is_there: impl FnOnce() -> bool) {
        let by_key = self.dbs.get_mut(db.0 as usize);
        let Some(watchers) = by_key.and_then(|by_key| by_key.get_mut(key)) else {
            return;
        };
        // A key that had expired before it was watched, and is deleted now, was gone all along.
        let forgive = watchers.iter().any(|w| w.expired) && !is_there();
        let touched = &mut self.touched;
        // A client is notified once: its transaction fails, which ends the client's other watches,
        // too.
        watchers.retain_mut(|watcher| {
            let forgiven = watcher.expired && forgive;
            if forgiven {
                watcher.expired = false;
            } else {
                touched.push(watcher.client);
            }
            forgiven
        });
        if watchers.is_empty() {
            self.forget(db, key);
        }
    }

    /// Removes a key without watchers.
    fn forget(&mut self, db: DbIndex, key: &[u8]) {
        let before = alloc::thread_balance();
        if self.dbs[db.0 as usize].remove(key).is_some() {
            self.keys -= 1;
        }
        self.bytes.add_since(before);
    }

    /// All keys of `db` are replaced (FLUSHDB, SWAPDB): touches those that changed.
    pub fn replace_all(
        &mut self,
        db: DbIndex,
        mut before: impl FnMut(&[u8]) -> KeyState,
        mut after: impl FnMut(&[u8]) -> KeyState,
    ) {
        let Some(by_key) = self.dbs.get_mut(db.0 as usize) else {
            return;
        };
        let touched = &mut self.touched;
        by_key.retain(|key, watchers| {
            let (old, new) = (before(key), after(key));
            if old == KeyState::Missing && new == KeyState::Missing {
                return true;
            }
            watchers.retain_mut(|watcher| {
                match (watcher.expired, new) {
                    (true, KeyState::Missing) => watcher.expired = false,
                    (true, KeyState::Expired) => {}
                    (false, KeyState::Expired) if old == KeyState::Missing => {
                        watcher.expired = true
                    }
                    _ => {
                        touched.push(watcher.client);
                        return false;
                    }
                }
                true
            });
            !watchers.is_empty()
        });
        self.keys = self.dbs.iter().map(HashMap::len).sum();
    }

    /// The clients whose transactions can no longer run, each at least once.
    pub fn take_touched(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.touched)
    }

    /// Whether [`Watchers::take_touched`] would return anything.
    #[inline]
    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(2);

    fn watching(expired: bool) -> Watchers {
        let mut w = Watchers::default();
        w.watch(DB, b"a", ClientId(1), expired);
        w
    }

    #[test]
    fn a_touch_reaches_watchers_of_that_key_in_that_database() {
        let mut w = watching(false);
        w.watch(DB, b"a", ClientId(2), false);
        w.touch(DbIndex(0), b"a", || true);
        w.touch(DB, b"b", || true);
        assert!(!w.has_touched());
        w.touch(DB, b"a", || true);
        assert_eq!(w.take_touched(), [ClientId(1), ClientId(2)]);
        assert!(w.is_empty(), "who is told is told once");
        w.watch(DB, b"a", ClientId(1), false);
        w.watch(DB, b"a", ClientId(2), false);
        let mut watched = WatchList::default();
        assert!(watched.add(DB, b"a") && !watched.add(DB, b"a"));
        w.unwatch(&watched, ClientId(1));
        assert_eq!(w.len(), 1);
        w.unwatch(&watched, ClientId(2));
        assert!(w.is_empty());
    }

    #[test]
    fn the_removal_of_what_had_expired_is_no_touch_but_what_follows_is() {
        let mut w = watching(true);
        w.touch(DB, b"a", || false);
        assert!(!w.has_touched());
        w.touch(DB, b"a", || false);
        assert!(w.has_touched());
        let mut w = watching(true);
        w.touch(DB, b"a", || true);
        assert!(w.has_touched());
    }

    #[test]
    fn replacing_a_database_touches_what_is_not_as_before() {
        use KeyState::{Expired, Live, Missing};
        for (expired, before, after, touched) in [
            (false, Missing, Missing, false),
            (false, Live, Missing, true),
            (false, Live, Live, true),
            (false, Missing, Live, true),
            (false, Missing, Expired, false),
            (true, Expired, Missing, false),
            (true, Expired, Expired, false),
            (true, Expired, Live, true),
        ] {
            let mut w = watching(expired);
            w.replace_all(DB, |_| before, |_| after);
            let watched = WatchedKey {
                db: DB,
                key: (*b"a").into(),
            };
            let forgiven = after == Expired && !touched;
            let live = w.expects_live(&watched, ClientId(1));
            assert_eq!(live, !touched && !forgiven);
            assert_eq!(w.is_empty(), touched, "who is told watches no more");
            assert_eq!(w.has_touched(), touched, "{expired} {before:?} {after:?}");
        }
    }
}
