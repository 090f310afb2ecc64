//! Eviction by `volatile-ttl`: in the exact order of the keys' expiries, over all databases.
//!
//! Each table keeps a lower bound of its expiries (`encodings::hashtable`, its `expiry`). Eviction
//! asks the table with the least bound for the keys that expire then. The table returns keys of a
//! single segment, or none and a later bound; it forgets the keys that it returns, so eviction
//! records keys again that it does not evict.
//!
//! Cost: one or two visits to a segment per evicted key, each reading an element or two; each full
//! scan of a segment is amortized over the 14 expiries before it. Keys that expire in the same
//! millisecond would cost a segment scan each: [`EQUALS`] of the keys that a scan returns are
//! remembered.
//!
//! Times beyond [`DUE_MAX`] (some 8,900 years) are not ordered, and are left to sampling.

use super::super::store::table::{DUE_MAX, FoundKey};
use super::super::{DbIndex, Keyspace};
use super::pool::{EQUALS, EqualExpiries};

impl Keyspace {
    /// Evicts the key that expires first. `false`: no expiry is known.
    pub(crate) fn evict_soonest(&mut self, equals: &mut EqualExpiries) -> bool {
        while let Some((db, time)) = self.first_due() {
            while let Some((db, key)) = equals.next(time) {
                if let Some(found) = self.that_expires_at(db, &key, time) {
                    self.evict_found(db, found, &key);
                    return true;
                }
            }
            let database = &mut self.dbs[db];
            let table = database.table_mut();
            table.take_due(time, 1, &mut equals.due);
            // All of them are recorded again; the record of the evicted key is dropped at the next
            // visit.
            for entry in equals.due.drain(..) {
                table.record_due_again(entry, time);
                if equals.keys.len() < EQUALS {
                    equals.keys.push((db, entry.key().into()));
                }
            }
        }
        false
    }

    /// The least bound of all tables: no key expires earlier, though perhaps none expires then.
    fn first_due(&mut self) -> Option<(DbIndex, i64)> {
        let first = self.dbs.first_due_key()?;
        (first.1 < DUE_MAX).then_some(first)
    }

    fn that_expires_at(&self, db: DbIndex, key: &[u8], time: i64) -> Option<FoundKey> {
        let found = self.dbs[db].find_key(key)?;
        (found.entry.expiry()? <= time).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{Eviction, EvictionOrder, Expiry, NewValue};
    use std::cell::Cell;
    use std::collections::BTreeMap;

    const POLICY: Eviction = Eviction {
        order: EvictionOrder::SoonestExpiry,
        volatile_only: true,
        samples: 5,
    };

    fn set(k: &mut Keyspace, db: u32, key: &str, expiry: Expiry) {
        k.db(DbIndex(db))
            .set_string(key.as_bytes(), NewValue::Int(1), expiry);
    }

    fn evict_one(k: &mut Keyspace) {
        let once = Cell::new(true);
        k.evict_while(|_| once.replace(false), POLICY, u64::MAX);
    }

    fn is_there(k: &mut Keyspace, db: u32, key: &str) -> bool {
        k.db(DbIndex(db)).peek_exists(key.as_bytes())
    }

    /// Bug: 5,138 of 400,000 keys were evicted, although the first to expire would have sufficed.
    #[test]
    fn keys_go_in_the_order_of_their_expiries() {
        both(|| {
            let mut k = Keyspace::new(3);
            k.set_now_ms(1000);
            let mut seed = 1u64;
            let mut random = |n: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % n
            };
            let mut model = BTreeMap::new();
            for i in 0..6000 {
                let (db, key) = (random(3) as u32, format!("key:{}", random(4000)));
                // Some of them several times: later, sooner, or never.
                let expiry = match random(10) {
                    0 => {
                        model.remove(&(db, key.clone()));
                        Expiry::Clear
                    }
                    // Many keys in the same millisecond, and a key beyond the ordered range.
                    kind => {
                        let time = match kind {
                            1..3 => 50_000,
                            _ if i == 77 => i64::MAX / 2,
                            _ => 10_000 + random(90_000) as i64,
                        };
                        model.insert((db, key.clone()), time);
                        Expiry::At(time)
                    }
                };
                set(&mut k, db, &key, expiry);
            }
            while let Some(&soonest) = model.values().min() {
                let evicted = k.stats.evicted;
                evict_one(&mut k);
                assert_eq!(k.stats.evicted, evicted + 1);
                let equals = model.iter().filter(|&(_, &time)| time == soonest);
                let mut gone = equals.filter(|&((db, key), _)| !is_there(&mut k, *db, key));
                let one = gone.next().map(|(at, _)| at.clone());
                let one = one.unwrap_or_else(|| panic!("another than one of {soonest} went"));
                assert!(gone.next().is_none());
                drop(gone);
                model.remove(&one);
                // Now and then a key is added that is sooner than all.
                if model.len() % 100 == 50 {
                    let key = format!("soon:{}", model.len());
                    set(&mut k, 1, &key, Expiry::At(soonest - 1));
                    evict_one(&mut k);
                    assert!(!is_there(&mut k, 1, &key));
                }
            }
            let evicted = k.stats.evicted;
            evict_one(&mut k);
            assert_eq!(k.stats.evicted, evicted);
        });
    }

    /// A query makes the table forget its keys: they must still expire by themselves.
    #[test]
    fn what_was_not_evicted_expires_when_its_time_comes() {
        both(|| {
            let mut k = Keyspace::new(1);
            k.set_now_ms(1000);
            for i in 0..3000 {
                set(&mut k, 0, &format!("key:{i}"), Expiry::At(5000 + i % 3));
            }
            for _ in 0..200 {
                evict_one(&mut k);
            }
            k.set_now_ms(5001);
            let deleted = k.expire_cycle(std::time::Duration::from_secs(60)).deleted;
            assert_eq!((deleted, k.db(DbIndex(0)).len()), (800, 2000));
            assert_eq!(k.next_expiry(), Some(5002));
            k.set_now_ms(6000);
            k.expire_cycle(std::time::Duration::from_secs(60));
            assert_eq!(k.db(DbIndex(0)).len(), 0);
        });
    }
}
