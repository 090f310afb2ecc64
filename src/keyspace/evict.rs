//! Eviction: which keys go when `maxmemory` is reached.
//!
//! As Redis, by sampling: some keys are picked at random and the best of them by the policy
//! goes, until the memory fits. A small pool remembers good candidates between picks, which
//! makes five samples nearly as good as the exact order.

use super::entry::Entry;
use super::{Class, ClockUse, DbIndex, Keyspace, RemovedPart};
use crate::base::alloc;

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

/// A key that may go, with how much it should (higher first).
struct Candidate {
    score: u64,
    db: DbIndex,
    key: Box<[u8]>,
}

impl Keyspace {
    /// Evicts until `used_memory` is at most `limit`. `false`: the policy finds nothing more.
    pub fn evict_to(&mut self, limit: usize, policy: Eviction) -> bool {
        let mut pool: Vec<Candidate> = Vec::with_capacity(POOL);
        // What is being freed off the loop counts as used until it is.
        while alloc::used_memory() > limit {
            if !self.evict_one(policy, &mut pool) {
                return self.lazyfree.pending() > 0;
            }
        }
        true
    }

    fn evict_one(&mut self, policy: Eviction, pool: &mut Vec<Candidate>) -> bool {
        // Volatile policies may draw keys that are not candidates: more draws, then.
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
            let Some(word) = self.dbs[at].table().random(&mut self.rng) else {
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
        let entry = self.dbs[db.0 as usize].detach(found);
        self.lazyfree.free_entry(entry);
        self.stats.evicted += 1;
        self.touch_watchers(db, key);
        self.db(db).event(key, Class::EVICTED, "evicted");
        self.record_removed(db, key, RemovedPart::Evicted);
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
