//! The databases of a keyspace, and which of them has the key or field that expires first.
//!
//! A database has lower bounds of the expiries of its keys, and of the expiries within its values:
//! of hashes' fields, of sets' members, and of streams' idempotent IDs. Two trees of minima over
//! these bounds lead to the database with the least bound, so that neither the loop's sleep nor the
//! expire cycle visits all databases.
//!
//! A database borrowed for a change counts as stale; the bounds of stale databases are read before
//! the trees are used. So the code that changes a database need not report an effect on expiries.
//!
//! Invariants
//!   1. The trees have the bounds of every database that is not stale.
//!   2. `stale` lists every stale database once; `is_stale` has the same as flags.
//!   3. `last` is stale, or [`NONE`].
//!
//! Cost: a borrow for a change is a comparison, while the same database is changed again. A bound
//! O(1), plus O(log databases) for each database changed since the previous bound.

use std::ops::{Index, IndexMut};

use super::super::ids::DbIndex;
use super::super::slots::dropped::DroppedSlots;
use super::database::Database;
use super::key_hash::KeyHasher;
use super::table::Table;
use russet_encodings::min_tree::{MinTree, NEVER};

/// No database.
const NONE: u32 = u32::MAX;

/// See the module.
pub(crate) struct Databases {
    all: Vec<Database>,
    /// Bounds of the keys' expiries, and of those within values.
    keys: MinTree,
    fields: MinTree,
    stale: Vec<u32>,
    is_stale: Vec<bool>,
    /// The database that was borrowed last for a change.
    last: u32,
}

impl Databases {
    pub fn new(count: usize, hasher: KeyHasher) -> Databases {
        let mut databases = Databases {
            all: (0..count).map(|_| Database::new(hasher)).collect(),
            keys: MinTree::new(),
            fields: MinTree::new(),
            stale: Vec::new(),
            is_stale: vec![false; count],
            last: NONE,
        };
        for _ in 0..count {
            databases.keys.push();
            databases.fields.push();
        }
        databases
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Database> {
        self.all.iter()
    }

    /// Borrows all databases for changes that leave every expiry as it is, such as the marks of a
    /// snapshot: none becomes stale.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Database> {
        self.all.iter_mut()
    }

    /// The databases, in order.
    pub(crate) fn into_all(self) -> Vec<Database> {
        self.all
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.mark_stale(a);
        self.mark_stale(b);
        self.all.swap(a.0 as usize, b.0 as usize);
    }

    #[cold]
    #[inline(never)]
    fn mark_stale(&mut self, at: DbIndex) {
        if !std::mem::replace(&mut self.is_stale[at.0 as usize], true) {
            self.stale.push(at.0);
        }
        self.last = at.0;
    }

    /// Reads the bounds of the databases that may have changed.
    fn settle(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        self.last = NONE;
        for at in self.stale.drain(..) {
            let at = at as usize;
            let table = self.all[at].table();
            self.keys.set(at, table.next_due().unwrap_or(NEVER));
            self.fields.set(at, within(table));
            self.is_stale[at] = false;
        }
    }

    /// A lower bound of all expiries, of keys and within values. `None`: nothing expires.
    pub fn next_due(&mut self) -> Option<i64> {
        self.settle();
        let due = self.keys.min().min(self.fields.min());
        (due != NEVER).then_some(due)
    }

    /// The database with the least bound of its keys' expiries, and that bound.
    pub(crate) fn first_due_key(&mut self) -> Option<(DbIndex, i64)> {
        self.settle();
        first(&self.keys)
    }

    /// The database with the least bound of the expiries within its values, and that bound.
    pub(crate) fn first_due_field(&mut self) -> Option<(DbIndex, i64)> {
        self.settle();
        first(&self.fields)
    }

    /// Panics if an invariant does not hold, of these or of a database. O(n).
    pub fn check_invariants(&self, dropped: &DroppedSlots, may_be_late: bool) {
        for (at, database) in self.all.iter().enumerate() {
            database.check_invariants(dropped.counted_in(DbIndex(at as u32)), may_be_late);
            if self.is_stale[at] {
                assert!(self.stale.contains(&(at as u32)));
                continue;
            }
            let table = database.table();
            assert_eq!(self.keys.get(at), table.next_due().unwrap_or(NEVER));
            assert_eq!(self.fields.get(at), within(table));
        }
        let stale = self.is_stale.iter().filter(|&&is_stale| is_stale);
        assert_eq!(stale.count(), self.stale.len());
        assert!(self.last == NONE || self.is_stale[self.last as usize]);
    }
}

/// A lower bound of the expiries within a table's values: of hashes' fields, of sets' members, of
/// streams' lines.
fn within(table: &Table) -> i64 {
    let lines = [table.fields(), table.members(), table.streams()];
    let due = lines.map(|lines| lines.next_due().unwrap_or(NEVER));
    due.into_iter().min().unwrap_or(NEVER)
}

fn first(tree: &MinTree) -> Option<(DbIndex, i64)> {
    let at = tree.first()?;
    Some((DbIndex(at as u32), tree.get(at)))
}

impl Index<DbIndex> for Databases {
    type Output = Database;

    #[inline]
    fn index(&self, at: DbIndex) -> &Database {
        &self.all[at.0 as usize]
    }
}

/// For any change: the database becomes stale.
impl IndexMut<DbIndex> for Databases {
    #[inline]
    fn index_mut(&mut self, at: DbIndex) -> &mut Database {
        if self.last != at.0 {
            self.mark_stale(at);
        }
        &mut self.all[at.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{
        Cause, Eviction, EvictionOrder, Expiry, ExpiryMode, Keyspace, NewValue, OwnedValue,
    };
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use russet_types::{Container, Expiry as FieldExpiry, Hash, Limits};
    use std::cell::Cell;
    use std::time::Duration;

    const DATABASES: u32 = 5;
    const SOONEST: Eviction = Eviction {
        order: EvictionOrder::SoonestExpiry,
        volatile_only: true,
        samples: 5,
    };

    /// `next_expiry` by its definition, from the bounds of all databases.
    fn by_all(k: &Keyspace) -> Option<i64> {
        if k.expiring != ExpiryMode::Delete {
            return None;
        }
        let tables = || k.dbs.iter().map(Database::table);
        let keys = tables().filter_map(|table| table.next_due());
        let fields = tables().filter_map(|table| table.fields().next_due());
        keys.chain(fields).min().map(|due| due + 1)
    }

    /// A hash of some fields, some of which expire after `now`.
    fn hash(rng: &mut SmallRng, now: i64) -> Hash {
        let limits = Limits {
            hash_max_listpack_entries: rng.random_range(0..4),
            ..Limits::default()
        };
        let mut hash = Hash::new();
        for field in 0..rng.random_range(1..6) {
            let expiry = match rng.random_range(0..3) {
                0 => FieldExpiry::Clear,
                _ => FieldExpiry::Set((now + rng.random_range(1..300)) as u64),
            };
            hash.set(format!("{field}").as_bytes(), b"v", expiry, &limits);
        }
        hash
    }

    fn change(k: &mut Keyspace, rng: &mut SmallRng) {
        let now = k.now_ms();
        let db = DbIndex(rng.random_range(0..DATABASES));
        let other = DbIndex(rng.random_range(0..DATABASES));
        let key = format!("key:{}", rng.random_range(0..40));
        let name = format!("key:{}", rng.random_range(0..40));
        let (key, name) = (key.as_bytes(), name.as_bytes());
        let later = now + rng.random_range(1..400);
        match rng.random_range(0..100) {
            0..20 => k
                .db(db)
                .set_string(key, NewValue::Int(1), Expiry::At(later)),
            20..30 => k.db(db).set_string(key, NewValue::Int(1), Expiry::Clear),
            30..36 => k.db(db).place(key).set_expiry(Some(later)),
            36..42 => k.db(db).place(key).set_expiry(None),
            42..50 => _ = k.db(db).delete(key, Cause::User),
            50..55 => _ = k.db(db).rename(key, other, name),
            55..58 if (db, key) != (other, name) => _ = k.db(db).copy(key, other, name),
            58..68 => k.db(db).put(key, hash(rng, now)),
            68..72 => {
                if let Ok(Some(mut hash)) = k.db(db).write::<Hash>(key)
                    && hash.len() > 1
                {
                    hash.remove(b"0");
                }
            }
            72..75 => k.swap(db, other),
            75..77 => _ = k.flush(db, rng.random()),
            77..80 => {
                let once = Cell::new(true);
                k.evict_while(|_| once.replace(false), SOONEST, u64::MAX);
            }
            80..82 => {
                // Segments split, and merge again after a flush or deletions.
                for i in 0..400 {
                    let key = format!("many:{i}");
                    let expiry = match i % 7 {
                        0 => Expiry::At(later + i),
                        _ => Expiry::Clear,
                    };
                    k.db(db)
                        .set_string(key.as_bytes(), NewValue::Int(1), expiry);
                }
            }
            82..84 => {
                for i in 0..400 {
                    k.db(db).delete(format!("many:{i}").as_bytes(), Cause::User);
                }
            }
            84..86 => _ = k.load(db, key, OwnedValue::Int(1), Some(later), None),
            86..89 => {
                use ExpiryMode::{Delete, DeleteWhenMet, Hide, Replay};
                let modes = [Delete, Delete, DeleteWhenMet, Hide, Replay];
                k.set_expiring(modes[rng.random_range(0..modes.len())]);
            }
            89..94 => k.set_now_ms(now + rng.random_range(1..60)),
            94..97 => _ = k.db(db).exists(key),
            97..98 => _ = k.expire_cycle(Duration::ZERO),
            _ => {
                assert!(!k.expire_cycle(Duration::MAX).more);
                let now = k.now_ms();
                assert!(k.next_expiry().is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn the_next_expiry_is_that_of_all_databases_after_any_change() {
        both(|| {
            for seed in 0..6 {
                let mut rng = SmallRng::seed_from_u64(seed);
                let mut k = Keyspace::new(DATABASES as usize);
                k.set_now_ms(1000);
                for step in 0..4000 {
                    change(&mut k, &mut rng);
                    // Several databases may be stale.
                    if rng.random_range(0..3) > 0 {
                        assert_eq!(k.next_expiry(), by_all(&k), "seed {seed}, step {step}");
                    }
                    if step % 100 == 0 {
                        k.check_invariants();
                    }
                }
            }
        });
    }

    #[test]
    fn a_cycle_visits_the_databases_that_are_due() {
        both(|| {
            let mut k = Keyspace::new(200);
            k.set_now_ms(1000);
            for db in [3, 150, 199] {
                let expiry = Expiry::At(1000 + i64::from(db));
                k.db(DbIndex(db)).set_string(b"a", NewValue::Int(1), expiry);
            }
            assert_eq!(k.next_expiry(), Some(1004));
            k.set_now_ms(1151);
            assert_eq!(k.dbs.first_due_key(), Some((DbIndex(3), 1003)));
            assert_eq!(k.expire_cycle(Duration::MAX).deleted, 2);
            assert_eq!(k.dbs.first_due_key(), Some((DbIndex(199), 1199)));
            k.db(DbIndex(199)).place(b"a").set_expiry(None);
            assert_eq!(k.next_expiry(), None);
        });
    }
}
