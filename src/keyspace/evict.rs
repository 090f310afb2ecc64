//! Eviction: which keys go when `maxmemory` is reached.
//!
//! As Redis, by sampling: some keys are picked at random and the best of them by the policy
//! goes, until the memory fits. A small pool remembers good candidates between picks, which
//! makes five samples nearly as good as the exact order.

use super::entry::Entry;
use super::{ChangeKind, Class, ClockUse, DbIndex, Keyspace};
use crate::base::clock;
use crate::encodings::hashtable::Word;

/// Candidates remembered between evictions.
const POOL: usize = 16;

/// Which keys go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOrder {
    LeastRecentlyUsed,
    LeastFrequentlyUsed,
    Random,
    SoonestExpiry,
}

/// `maxmemory-policy` and `maxmemory-samples`; `None` of it is `noeviction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub order: EvictionOrder,
    /// Only keys that have an expiry.
    pub volatile_only: bool,
    /// Keys looked at for one eviction.
    pub samples: u32,
}

/// How an eviction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// The memory fits, or will once the helper thread has freed what it was given.
    Fits,
    /// Time was up; more can go.
    InPart,
    /// The policy finds nothing more.
    Everything,
}

/// Keys that go before the clock is looked at.
const KEYS_A_LOOK: u32 = 16;

/// One in so many keys must be volatile to be found by drawing from all of them.
const VOLATILE_SHARE: usize = 8;

/// A key that may go, with how much it should (higher first).
struct Candidate {
    score: u64,
    db: DbIndex,
    key: Box<[u8]>,
}

impl Keyspace {
    /// Evicts for as long as there is `too_much` memory in use, until `ticks` of the cycle
    /// counter have passed: [`KEYS_A_LOOK`] keys at least.
    pub fn evict_while(
        &mut self,
        too_much: impl Fn() -> bool,
        policy: Eviction,
        ticks: u64,
    ) -> Evicted {
        let began = clock::cycles();
        let mut pool: Vec<Candidate> = Vec::with_capacity(POOL);
        let mut gone = 0;
        // What is being freed off the loop counts as used until it is.
        while too_much() {
            if !self.evict_one(policy, &mut pool) {
                return match self.lazyfree.pending() {
                    0 => Evicted::Everything,
                    _ => Evicted::Fits,
                };
            }
            gone += 1;
            if gone % KEYS_A_LOOK == 0 && clock::cycles().wrapping_sub(began) >= ticks {
                return Evicted::InPart;
            }
        }
        Evicted::Fits
    }

    fn evict_one(&mut self, policy: Eviction, pool: &mut Vec<Candidate>) -> bool {
        // Keys drawn may all be no candidates, or in the pool already: more draws, then.
        for _ in 0..64 {
            for at in 0..self.dbs.len() {
                self.sample(DbIndex(at as u32), policy, pool);
            }
            pool.sort_by_key(|c| c.score);
            pool.drain(..pool.len().saturating_sub(POOL));
            while let Some(best) = pool.pop() {
                if self.evict_key(best.db, &best.key) {
                    return true;
                }
            }
            if self.dbs.iter().all(|d| candidates(d, policy) == 0) {
                return false;
            }
        }
        false
    }

    fn sample(&mut self, db: DbIndex, policy: Eviction, pool: &mut Vec<Candidate>) {
        let at = db.0 as usize;
        if candidates(&self.dbs[at], policy) == 0 {
            return;
        }
        for _ in 0..policy.samples.max(1) {
            let Some(word) = self.draw(at, policy) else {
                return;
            };
            if policy.volatile_only && !Entry::word_has_expiry(word) {
                continue;
            }
            let entry = Entry::of(word);
            let score = self.eviction_score(entry, policy);
            let key = entry.key();
            if !pool.iter().any(|c| c.db == db && *c.key == *key) {
                pool.push(Candidate {
                    score,
                    db,
                    key: key.into(),
                });
            }
        }
    }

    fn draw(&mut self, at: usize, policy: Eviction) -> Option<Word> {
        let db = &self.dbs[at];
        if policy.volatile_only && db.volatile() * VOLATILE_SHARE < db.len() {
            return db
                .table()
                .random_noted(&mut self.rng, Entry::word_has_expiry);
        }
        db.table().random(&mut self.rng)
    }

    fn eviction_score(&self, entry: Entry, policy: Eviction) -> u64 {
        match policy.order {
            EvictionOrder::SoonestExpiry => {
                return u64::MAX - entry.expiry().unwrap_or(i64::MAX).max(0) as u64;
            }
            EvictionOrder::Random => return 0,
            EvictionOrder::LeastRecentlyUsed | EvictionOrder::LeastFrequentlyUsed => {}
        }
        match self.clock_use {
            ClockUse::Lru => self.idle_seconds(entry.clock()) as u64,
            ClockUse::Lfu { decay_minutes, .. } => {
                255 - self.decayed(entry.clock(), decay_minutes) as u64
            }
        }
    }

    fn evict_key(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let hash = crate::base::hash::keys().hash(key);
        let Some(found) = self.dbs[db.0 as usize].find(hash, key) else {
            return false;
        };
        if let Some(entry) = self.dbs[db.0 as usize].detach(found) {
            self.lazyfree.free_entry(entry);
        }
        self.stats.evicted += 1;
        self.state_change(db, key, ChangeKind::Evicted, Class::EVICTED, "evicted");
        self.state_removed(db, self.removal_words.evict, key);
        true
    }
}

fn candidates(db: &super::Database, policy: Eviction) -> usize {
    if policy.volatile_only {
        db.volatile()
    } else {
        db.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Expiry, NewValue};

    const DB: DbIndex = DbIndex(0);

    /// `keys` keys, the first `volatile` of which expire some day.
    fn filled(keys: usize, volatile: usize) -> Keyspace {
        let mut k = Keyspace::new(1);
        k.now_ms = 1000;
        for i in 0..keys {
            let expiry = match i {
                _ if i < volatile => Expiry::At(1_000_000 + i as i64),
                _ => Expiry::Clear,
            };
            let key = format!("key:{i}");
            k.db(DB)
                .set_string(key.as_bytes(), NewValue::Int(1), expiry);
        }
        k
    }

    fn policy(order: EvictionOrder, volatile_only: bool) -> Eviction {
        Eviction {
            order,
            volatile_only,
            samples: 5,
        }
    }

    #[test]
    fn the_few_keys_that_expire_are_found_among_many() {
        use EvictionOrder::{LeastFrequentlyUsed, LeastRecentlyUsed, Random, SoonestExpiry};
        for order in [
            LeastRecentlyUsed,
            LeastFrequentlyUsed,
            Random,
            SoonestExpiry,
        ] {
            let mut k = filled(20_000, 5);
            let evicted = k.evict_while(|| true, policy(order, true), u64::MAX);
            // Not `Everything` while another test's values are being freed.
            assert_ne!(evicted, Evicted::InPart);
            assert_eq!((k.stats.evicted, k.db(DB).len()), (5, 19_995), "{order:?}");
        }
    }

    #[test]
    fn keys_whose_expiry_was_taken_back_stay() {
        let mut k = filled(5_000, 300);
        for i in 3..300 {
            let key = format!("key:{i}");
            k.db(DB)
                .set_string(key.as_bytes(), NewValue::Int(2), Expiry::Clear);
        }
        k.evict_while(|| true, policy(EvictionOrder::Random, true), u64::MAX);
        assert_eq!(k.db(DB).len(), 4_997);
    }

    #[test]
    fn an_eviction_without_time_evicts_a_few() {
        let mut k = filled(1_000, 0);
        let random = policy(EvictionOrder::Random, false);
        assert_eq!(k.evict_while(|| true, random, 0), Evicted::InPart);
        assert_eq!(k.db(DB).len(), 1_000 - KEYS_A_LOOK as usize);
        assert_ne!(k.evict_while(|| true, random, u64::MAX), Evicted::InPart);
        assert_eq!(k.db(DB).len(), 0);
    }
    /// A few large hashes had to go, and all of them went: what was given to the freeing thread
    /// counted as used until it was freed.
    #[cfg(not(feature = "system-allocator"))]
    #[test]
    fn what_is_let_go_no_longer_counts() {
        use crate::base::alloc::used_memory;
        use crate::types::{Expiry as FieldExpiry, Hash, Limits};
        let mut k = Keyspace::new(1);
        k.now_ms = 1000;
        let limits = Limits::default();
        let start = used_memory();
        for i in 0..200 {
            let mut hash = Hash::new();
            for field in 0..600 {
                let name = format!("field:{field}");
                hash.set(
                    name.as_bytes(),
                    b"a value of some bytes",
                    FieldExpiry::Clear,
                    &limits,
                );
            }
            k.db(DB).put(format!("hash:{i}").as_bytes(), hash);
        }
        let used = used_memory() - start;
        // Other tests' threads free as well: a quarter more or less may go.
        let limit = start + used - used / 10;
        let random = policy(EvictionOrder::Random, false);
        k.evict_while(|| used_memory() > limit, random, u64::MAX);
        assert!((150..195).contains(&k.db(DB).len()), "{}", k.db(DB).len());
    }
}
