//! A keyspace that is loaded beside the current keyspace, and then replaces the data of that at
//! once.
//!
//!     new_beside   an empty keyspace with the same settings
//!     follow       adopts the time and the settings of the current keyspace: before each slice
//!     take_over    the loaded databases replace the current databases
//!     discard      the load has failed or was given up: frees the memory
//!
//! Both keyspaces hash keys with the same seed, and a database carries everything that depends on
//! its keys: sizes, expiries, the lines of hashes. So the replacement moves no key. Everything that
//! refers to keys from outside - watches, waiting clients, the journal - stays with the current
//! keyspace and is notified as by FLUSHALL, and of the keys that are there afterwards as by SWAPDB.

use super::super::listeners::watch::KeyState;
use super::super::{DbIndex, Keyspace};

impl Keyspace {
    /// An empty keyspace with as many databases and the same settings, to load into beside this
    /// keyspace.
    pub fn new_beside(&self) -> Keyspace {
        let mut beside = Keyspace::hashed_by(self.hasher, self.databases());
        beside.follow(self);
        beside
    }

    /// Adopts the time and the settings of the current keyspace, beside which this keyspace is
    /// loaded. O(databases) if a setting of the counts by bytes has changed, else O(1).
    pub fn follow(&mut self, current: &Keyspace) {
        self.set_now_ms(current.now_ms);
        self.set_expiring(current.expiring);
        self.clock_use = current.clock_use;
        self.limits = current.limits;
        self.large_min = current.large_min;
        self.lazyfree.lazy = current.lazyfree.lazy;
        self.set_prefix_rule(current.prefix_rule);
        self.set_counts_bytes(current.counts_bytes);
        self.set_counts_slot_bytes(current.counts_slot_bytes);
    }

    /// Replaces all databases by those of a keyspace made by [`Keyspace::new_beside`]. Watches of
    /// keys that existed or exist now are touched, clients that wait for keys that exist now are
    /// signalled, all listeners are notified that everything was flushed. With `off_loop` a helper
    /// thread frees the old databases; without, they are freed on return. Returns the number of old
    /// keys.
    ///
    /// Must not be called while a snapshot saves keys. O(databases + watched keys + keys that
    /// clients wait for + prefix lines), plus the old keys if they are freed here.
    pub fn take_over(&mut self, mut other: Keyspace, off_loop: bool) -> usize {
        assert!(!self.is_saving(), "the snapshot has been ended");
        assert!(!other.in_pass());
        assert_eq!(self.databases(), other.databases());
        self.forget_aside();
        // A pass that only marks would mark the entries that go.
        self.pass = None;
        other.follow(self);
        for at in 0..self.databases() {
            let at = DbIndex(at as u32);
            self.record_take_over(at, &other.dbs[at]);
        }
        std::mem::swap(&mut self.dbs, &mut other.dbs);
        self.packing.take_over(&mut other.packing);
        (0..self.databases()).for_each(|db| self.dropped.forget_counts(DbIndex(db as u32)));
        if self.prefix_rule.is_some() {
            for (new, old) in self.dbs.iter_mut().zip(other.dbs.iter()) {
                new.adopt_uses(old);
            }
        }
        self.signal_existing();
        self.discard(other, off_loop)
    }

    /// Frees a keyspace made by [`Keyspace::new_beside`], or the old databases; see
    /// [`Keyspace::flush`] for `off_loop`. Returns the number of keys.
    pub fn discard(&mut self, other: Keyspace, off_loop: bool) -> usize {
        let keys = other.len();
        for database in other.dbs.into_all() {
            self.lazyfree.free_database(database, off_loop);
        }
        keys
    }

    /// Signals the clients that wait for keys that exist.
    fn signal_existing(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for at in 0..self.databases() {
            self.signal_existing_in(DbIndex(at as u32));
        }
    }

    /// As [`Keyspace::signal_existing`], in a single database.
    pub(crate) fn signal_existing_in(&mut self, db: DbIndex) {
        let now = self.due_ms;
        for key in self.waiting.keys_of(db) {
            if self.database(db).key_state(&key, now) == KeyState::Live {
                self.waiting.signal(db, &key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{
        ChangeKind, Class, ClientId, Expiry, ExpiryMode, NewValue, OwnedValue, PrefixRule,
    };
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use russet_types::{Expiry as FieldExpiry, Hash, Limits, Type};
    use std::collections::{BTreeMap, BTreeSet};

    const DATABASES: u32 = 4;
    const NOW: i64 = 1000;
    const RULE: PrefixRule = PrefixRule {
        delimiter: b':',
        depth: 1,
        lines_max: 100,
    };

    /// Expiries by database and key.
    type Model = BTreeMap<(u32, String), Option<i64>>;

    fn key(rng: &mut SmallRng) -> (u32, String) {
        let prefix = ["user", "item", "x"][rng.random_range(0..3)];
        let name = format!("{prefix}:{}", rng.random_range(0..30));
        (rng.random_range(0..DATABASES), name)
    }

    /// Loads random keys; some have expired.
    fn fill(k: &mut Keyspace, rng: &mut SmallRng, keys: usize) -> Model {
        let mut model = Model::new();
        for _ in 0..keys {
            let (db, name) = key(rng);
            let expiry = match rng.random_range(0..4) {
                0 => Some(NOW - 10),
                1 => Some(NOW + rng.random_range(1..500)),
                _ => None,
            };
            let value = match rng.random_range(0..3) {
                0 => OwnedValue::Int(7),
                1 => OwnedValue::Bytes(b"some text"),
                _ => {
                    let mut hash = Hash::new();
                    let field_expiry = FieldExpiry::Set((NOW + 100) as u64);
                    hash.set(b"f", b"v", field_expiry, &Limits::default());
                    OwnedValue::Container(hash.into())
                }
            };
            if k.load(DbIndex(db), name.as_bytes(), value, expiry, None) {
                model.insert((db, name), expiry);
            }
        }
        model
    }

    fn key_state(model: &Model, key: &(u32, String)) -> KeyState {
        match model.get(key) {
            None => KeyState::Missing,
            Some(Some(at)) if *at < NOW => KeyState::Expired,
            Some(_) => KeyState::Live,
        }
    }

    fn contents(k: &Keyspace) -> Model {
        let mut all = Model::new();
        for (db, database) in k.in_use() {
            for entry in database.entries() {
                let name = String::from_utf8(entry.key().to_vec()).expect("a name");
                all.insert((db.0, name), entry.expiry());
            }
        }
        all
    }

    #[test]
    fn the_keys_of_one_keyspace_replace_those_of_another() {
        both(|| {
            for seed in 0..200 {
                let mut rng = SmallRng::seed_from_u64(seed);
                let mut k = Keyspace::new(DATABASES as usize);
                k.set_now_ms(NOW);
                k.set_expiring(ExpiryMode::Hide);
                k.set_prefix_rule((seed % 3 > 0).then_some(RULE));
                k.set_counts_bytes(seed % 4 > 1);
                let keys = rng.random_range(0..60);
                let before = fill(&mut k, &mut rng, keys);
                let mut other = k.new_beside();
                let keys = rng.random_range(0..60);
                let after = fill(&mut other, &mut rng, keys);
                // Each client watches a key, and another client waits for a key.
                let (mut watched, mut awaited) = (Vec::new(), BTreeSet::new());
                for client in 1..12 {
                    let place = key(&mut rng);
                    let was_expired = key_state(&before, &place) == KeyState::Expired;
                    let (db, name) = (DbIndex(place.0), place.1.as_bytes());
                    k.watchers.watch(db, name, ClientId(client), was_expired);
                    watched.push((client, place));
                    let place = key(&mut rng);
                    let (db, name) = (DbIndex(place.0), place.1.as_bytes());
                    k.waiting.wait(db, name, ClientId(client + 100), false);
                    awaited.insert(place);
                }
                k.journal.listen(Class::empty(), true);

                let old_keys = k.take_over(other, seed % 2 == 0);

                assert_eq!(old_keys, before.len());
                assert_eq!(contents(&k), after);
                k.check_invariants();
                let touched: BTreeSet<u64> =
                    k.watchers.take_touched().iter().map(|c| c.0).collect();
                let expected = watched.iter().filter(|(_, place)| {
                    match (key_state(&before, place), key_state(&after, place)) {
                        (KeyState::Live, _) => true,
                        (KeyState::Missing, after) => after == KeyState::Live,
                        // The key was already expired when it was watched.
                        (KeyState::Expired, after) => after == KeyState::Live,
                    }
                });
                assert_eq!(touched, expected.map(|(client, _)| *client).collect());
                let ready = k.waiting.take_ready().into_iter();
                let ready: BTreeSet<(u32, String)> = ready
                    .map(|key| {
                        (
                            key.db.0,
                            String::from_utf8(key.key.to_vec()).expect("a name"),
                        )
                    })
                    .collect();
                awaited.retain(|place| key_state(&after, place) == KeyState::Live);
                assert_eq!(ready, awaited);
                let flushed: Vec<_> = k.journal.changes().map(|c| (c.db.0, c.kind)).collect();
                let all = (0..DATABASES).map(|db| (db, ChangeKind::Flushed));
                assert_eq!(flushed, all.collect::<Vec<_>>());
                for db in 0..DATABASES {
                    let lines = k.prefix_lines(DbIndex(db));
                    let counted = lines.map(|lines| lines.map(|(_, its)| its.keys).sum::<u64>());
                    let keys = k.database(DbIndex(db)).len() as u64;
                    assert_eq!(counted, (seed % 3 > 0).then_some(keys));
                }
                k.set_expiring(ExpiryMode::Delete);
                let first = after.values().flatten().min();
                let due = k.next_expiry();
                assert!(first.is_none_or(|first| due.is_some_and(|due| due <= first + 1)));
            }
        });
    }

    #[test]
    fn a_replaced_keyspace_serves_changes_and_snapshots() {
        both(|| {
            let mut k = Keyspace::new(2);
            k.set_now_ms(NOW);
            let set = |k: &mut Keyspace, name: &[u8]| {
                k.db(DbIndex(0))
                    .set_string(name, NewValue::Int(1), Expiry::Clear);
            };
            set(&mut k, b"old");
            // An aborted pass still marks entries.
            k.begin_pass();
            k.abort_pass();
            let mut other = k.new_beside();
            set(&mut other, b"a");
            set(&mut other, b"b");
            k.take_over(other, true);
            assert!(!k.in_pass() || !k.continue_marking(u64::MAX));
            k.begin_pass();
            set(&mut k, b"c");
            assert_eq!(k.pass_progress(), (0, 2));
            k.abort_pass();
            while k.continue_marking(u64::MAX) {}
            k.check_invariants();
            assert_eq!(k.database(DbIndex(0)).sizes().of(Type::String).count(), 1);
            assert_eq!(k.flush_all(false), 3);
            assert_eq!(k.len(), 0);
        });
    }

    #[test]
    fn uses_of_prefixes_outlive_the_keys() {
        both(|| {
            let mut k = Keyspace::new(1);
            k.set_prefix_rule(Some(RULE));
            let set = |k: &mut Keyspace, name: &[u8]| {
                let mut db = k.db(DbIndex(0));
                db.set_string(name, NewValue::Int(1), Expiry::Clear);
                db.changed(name, Class::STRING, "set");
            };
            set(&mut k, b"user:1");
            set(&mut k, b"gone:1");
            let mut other = k.new_beside();
            other.load(DbIndex(0), b"user:2", OwnedValue::Int(1), None, None);
            other.load(DbIndex(0), b"user:3", OwnedValue::Int(1), None, None);
            k.take_over(other, false);
            let lines = k.highest_prefixes(DbIndex(0), |its| its.keys);
            let lines: Vec<_> = lines
                .expect("counted")
                .into_iter()
                .map(|(name, its)| (name, its.keys, its.writes))
                .collect();
            assert_eq!(lines, [(&b"user:"[..], 2, 1), (b"gone:", 0, 1)]);
            k.check_invariants();
        });
    }

    #[test]
    fn a_keyspace_beside_follows_the_settings_of_the_current_one() {
        both(|| {
            let mut k = Keyspace::new(3);
            let mut other = k.new_beside();
            k.set_now_ms(NOW);
            k.set_expiring(ExpiryMode::Replay);
            k.limits.hash_max_listpack_entries = 3;
            k.set_prefix_rule(Some(RULE));
            other.follow(&k);
            assert_eq!(
                (other.databases(), other.now_ms(), other.due_ms()),
                (3, NOW, 0)
            );
            assert_eq!(other.limits.hash_max_listpack_entries, 3);
            assert_eq!(other.prefix_rule, Some(RULE));
            assert_eq!(k.discard(other, true), 0);
        });
    }
}
