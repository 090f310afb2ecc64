//! Eviction's memory: the candidates that draws have seen, kept from eviction to eviction.
//!
//! Cost: [`POOL`] candidates and [`EQUALS`] keys at most, each with a copy of its key.

use super::super::ids::DbIndex;
use super::super::store::entry::Entry;
use russet_config::EvictionOrder;

/// Candidates remembered between evictions.
const POOL: usize = 16;

/// `maxmemory-policy` and `maxmemory-samples`; `noeviction` is a `None` of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// The part of `maxmemory-policy` after the dash.
    pub order: EvictionOrder,
    /// Only keys that have an expiry are candidates.
    pub volatile_only: bool,
    /// Keys sampled for an eviction.
    pub samples: u32,
}

/// An eviction candidate with its score (higher is evicted first).
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) score: u64,
    pub(super) db: DbIndex,
    pub(super) key: Box<[u8]>,
}

/// Candidates seen, the best last. The pool is kept between evictions because most evictions need a
/// single key, and the best of many seen before is nearly the best of all.
#[derive(Debug, Default)]
pub struct Pool {
    pub(super) seen: Vec<Candidate>,
    /// The policy by which the scores were computed.
    pub(super) policy: Option<Eviction>,
    pub(super) equals: EqualExpiries,
    pub(super) search: Search,
}

/// Where the search for keys without a mark goes on; see `evict`.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) db: DbIndex,
    /// A place in the database's table.
    pub(super) place: u64,
    /// How often the search has come to the end without a candidate.
    pub(super) laps: u8,
}

impl Pool {
    /// Drops scores computed under another policy; the random policy remembers none.
    pub(super) fn ready_for(&mut self, policy: Eviction) {
        if self.policy != Some(policy) || policy.order == EvictionOrder::Random {
            self.seen.clear();
            self.policy = Some(policy);
        }
    }

    /// Adds a candidate that is better than the worst, or while there is room. Of equal scores the
    /// first added is evicted first.
    pub(super) fn offer(&mut self, score: u64, db: DbIndex, key: &[u8]) {
        let full = self.seen.len() >= POOL;
        if full && self.seen[0].score >= score
            || self.seen.iter().any(|c| c.db == db && *c.key == *key)
        {
            return;
        }
        let key = key.into();
        self.put(Candidate { score, db, key });
        if full {
            self.seen.remove(0);
        }
    }

    pub(super) fn put(&mut self, candidate: Candidate) {
        let at = self.seen.partition_point(|c| c.score < candidate.score);
        self.seen.insert(at, candidate);
    }
}

/// Most keys remembered that expire in the same millisecond.
pub(super) const EQUALS: usize = 64;

/// Keys that expire at `time`; none of them may be left.
#[derive(Debug, Default)]
pub(crate) struct EqualExpiries {
    pub(super) time: i64,
    pub(super) keys: Vec<(DbIndex, Box<[u8]>)>,
    pub(super) due: Vec<Entry>,
}

impl EqualExpiries {
    pub(super) fn next(&mut self, time: i64) -> Option<(DbIndex, Box<[u8]>)> {
        if self.time != time {
            self.time = time;
            self.keys.clear();
        }
        self.keys.pop()
    }
}
