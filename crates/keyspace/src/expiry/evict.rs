//! Eviction: which keys are removed when `maxmemory` is reached.
//!
//! As in Redis, by sampling: some keys are drawn at random and the policy's best candidate among
//! them is evicted, until the memory fits. A small pool remembers good candidates between draws,
//! which makes five samples nearly as good as the exact order. Eviction by expiry draws no samples,
//! because the order is known (`soonest`).
//!
//! Keys that BLESS has marked are no candidates. If the draws find nothing but such keys, a search
//! goes on through the tables, from where the last one ended, to the next segment that has a
//! candidate; it stops when time is up. So an eviction reads about as many marked entries as there
//! are for each other key, and two laps without a candidate prove that there is none. If all keys
//! are marked, none is read.

use super::super::slots::hidden::visible_slots;
use super::super::store::blessings::Blessings;
use super::super::store::entry::Entry;
use super::super::store::table::{FoundKey, WALK_END};
use super::super::{Cause, ChangeKind, Class, ClockUse, Database, DbIndex, Keyspace};
use super::pool::{Candidate, Eviction, Pool, Search};
use russet_base::clock;
use russet_config::EvictionOrder;

/// How an eviction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOutcome {
    /// The memory fits, or may once the helper thread has freed its backlog.
    Fits,
    /// Time was up; more keys can be evicted.
    InPart,
    /// No candidates are left.
    Everything,
}

/// How an attempt to evict a key ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Evicted,
    /// Time was up before a candidate was found.
    NoTime,
    NoCandidate,
}

/// Keys evicted between two checks of the clock.
const KEYS_A_LOOK: u32 = 16;

/// At least one in this many keys must be volatile for draws from all keys to find them.
const VOLATILE_SHARE: usize = 8;

/// Draws per sample, because some of the keys drawn from all are no candidates.
const DRAWS_A_SAMPLE: u32 = 4 * VOLATILE_SHARE as u32;

impl Keyspace {
    /// Evicts while `too_much` reports too much memory in use, until `ticks` of the cycle counter
    /// have passed; at least [`KEYS_A_LOOK`] keys. `too_much` receives the bytes that these
    /// evictions have added to changes and snapshots: they are freed once the changes are taken and
    /// the keys saved, and must not evict further keys.
    pub fn evict_while(
        &mut self,
        too_much: impl Fn(usize) -> bool,
        policy: Eviction,
        ticks: u64,
    ) -> EvictionOutcome {
        let began = clock::cycles();
        self.pool.ready_for(policy);
        let before = self.leaving_bytes();
        let mut gone = 0;
        while too_much(self.leaving_bytes().saturating_sub(before)) {
            let is_over = || clock::cycles().wrapping_sub(began) >= ticks;
            match self.evict_one(policy, &is_over) {
                Attempt::Evicted => gone += 1,
                Attempt::NoTime => return EvictionOutcome::InPart,
                // The estimate of the bytes that the helper thread frees may be too low.
                Attempt::NoCandidate => {
                    return match self.lazyfree.pending() {
                        0 => EvictionOutcome::Everything,
                        _ => EvictionOutcome::Fits,
                    };
                }
            }
            if gone % KEYS_A_LOOK == 0 && is_over() {
                return EvictionOutcome::InPart;
            }
        }
        EvictionOutcome::Fits
    }

    /// Memory of changes that clients, the log and replicas have not received yet. O(1).
    pub fn unreported_bytes(&self) -> usize {
        self.journal.held_bytes() + self.effects.held_bytes()
    }

    /// These bytes, and those of removed keys that a snapshot has yet to save. If the latter
    /// counted, all keys that the snapshot has not reached would be evicted, without freeing any
    /// memory. O(databases) during a snapshot.
    fn leaving_bytes(&self) -> usize {
        let early = if self.is_saving() {
            self.early_bytes()
        } else {
            0
        };
        self.unreported_bytes() + early
    }

    fn evict_one(&mut self, policy: Eviction, is_over: &dyn Fn() -> bool) -> Attempt {
        let mut pool = std::mem::take(&mut self.pool);
        let attempt = self.evict_one_of(policy, &mut pool, is_over);
        self.pool = pool;
        attempt
    }

    fn evict_one_of(
        &mut self,
        policy: Eviction,
        pool: &mut Pool,
        is_over: &dyn Fn() -> bool,
    ) -> Attempt {
        if self.is_in_order(policy) && self.evict_soonest(&mut pool.equals) {
            return Attempt::Evicted;
        }
        // The keys drawn may all be no candidates, or in the pool already: then draw again.
        for _ in 0..64 {
            for at in 0..self.dbs.len() as u32 {
                self.sample(DbIndex(at), policy, pool);
            }
            while let Some(best) = pool.seen.pop() {
                let Some((score, found)) = self.score_again(&best, policy) else {
                    continue;
                };
                // The candidate may have been used since it was scored: then another candidate is
                // better.
                if score < best.score && pool.seen.last().is_some_and(|c| c.score > score) {
                    pool.put(Candidate { score, ..best });
                    continue;
                }
                self.evict_found(best.db, found, &best.key);
                return Attempt::Evicted;
            }
            if self.dbs.iter().all(|d| self.candidates(d, policy) == 0) {
                return Attempt::NoCandidate;
            }
            if self.dbs.iter().any(|d| d.blessings().is_some()) {
                match self.search(policy, pool, is_over) {
                    Attempt::Evicted => {}
                    other => return other,
                }
            }
        }
        Attempt::NoCandidate
    }

    /// Whether keys are evicted in the exact order of their expiries. Keys of hidden slots and
    /// marked keys are not evicted: then the order is left to sampling.
    fn is_in_order(&self, policy: Eviction) -> bool {
        let is_marked = |db: &Database| db.blessings().is_some_and(|its| its.volatile() > 0);
        policy.order == EvictionOrder::SoonestExpiry
            && self.hidden.is_none()
            && !self.dbs.iter().any(is_marked)
    }

    /// Continues the search for keys without a mark: adds those of the next segment that has any to
    /// the pool. `Evicted` stands for: there are some.
    #[cold]
    fn search(&self, policy: Eviction, pool: &mut Pool, is_over: &dyn Fn() -> bool) -> Attempt {
        let Search {
            mut db,
            mut place,
            mut laps,
        } = std::mem::take(&mut pool.search);
        let mut is_found = false;
        while !is_found && laps < 2 {
            if db.0 as usize >= self.dbs.len() {
                (db, place, laps) = (DbIndex(0), 0, laps + 1);
                continue;
            }
            let database = &self.dbs[db];
            let end = match self.candidates(database, policy) {
                0 => WALK_END,
                _ => database.table().walk_from(place, |entry| {
                    let may_go = !policy.volatile_only || entry.has_expiry();
                    if may_go && !entry.is_blessed() && !self.hides(entry.key()) {
                        is_found = true;
                        pool.offer(self.eviction_score(entry, policy), db, entry.key());
                    }
                }),
            };
            (db, place) = match end {
                WALK_END => (DbIndex(db.0 + 1), 0),
                place => (db, place),
            };
            if !is_found && is_over() {
                pool.search = Search { db, place, laps };
                return Attempt::NoTime;
            }
        }
        let laps = 0;
        pool.search = Search { db, place, laps };
        if is_found {
            Attempt::Evicted
        } else {
            Attempt::NoCandidate
        }
    }

    /// Keys that may be evicted. O(1); O(slots in use) while slots are hidden.
    fn candidates(&self, db: &Database, policy: Eviction) -> usize {
        let shown = visible_slots(&self.hidden);
        let (all, marked): (_, fn(&Blessings) -> usize) = if policy.volatile_only {
            (db.table().volatile_among(shown), Blessings::volatile)
        } else {
            (db.table().len_among(shown), Blessings::len)
        };
        // Marked keys of hidden slots are not among the keys that are shown.
        let marks = db.blessings().filter(|_| self.hidden.is_none());
        all - marks.map_or(0, marked)
    }

    fn sample(&mut self, db: DbIndex, policy: Eviction, pool: &mut Pool) {
        if self.candidates(&self.dbs[db], policy) == 0 {
            return;
        }
        let has_marks = self.dbs[db].blessings().is_some();
        let mut wanted = policy.samples.max(1);
        let mut draws = wanted.saturating_mul(DRAWS_A_SAMPLE);
        while wanted > 0 && draws > 0 {
            draws -= 1;
            let Some((entry, has_expiry)) = self.draw(db, policy) else {
                return;
            };
            if policy.volatile_only && !has_expiry
                || has_marks && entry.is_blessed()
                || self.hides(entry.key())
            {
                continue;
            }
            wanted -= 1;
            pool.offer(self.eviction_score(entry, policy), db, entry.key());
        }
    }

    /// The key of a candidate, and its current score; `None`: it is no candidate any more.
    fn score_again(&self, candidate: &Candidate, policy: Eviction) -> Option<(u64, FoundKey)> {
        let found = self.dbs[candidate.db].find_key(&candidate.key)?;
        let is_hidden = self.hides(&candidate.key);
        let may_go = !is_hidden
            && !found.entry.is_blessed()
            && (!policy.volatile_only || found.entry.has_expiry());
        may_go.then(|| (self.eviction_score(found.entry, policy), found))
    }

    /// A random entry, and whether it has an expiry; the entry is not read.
    fn draw(&mut self, at: DbIndex, policy: Eviction) -> Option<(Entry, bool)> {
        let db = &self.dbs[at];
        if policy.volatile_only && db.volatile() * VOLATILE_SHARE < db.len() {
            let entry = db.table().random_volatile(&mut self.rng)?;
            return Some((entry, true));
        }
        db.table().random(&mut self.rng)
    }

    fn eviction_score(&self, entry: Entry, policy: Eviction) -> u64 {
        match policy.order {
            EvictionOrder::SoonestExpiry => {
                return u64::MAX - entry.expiry().unwrap_or(i64::MAX).max(0) as u64;
            }
            EvictionOrder::Random => return 0,
            EvictionOrder::LeastRecentlyUsed
            | EvictionOrder::LeastRecentlyModified
            | EvictionOrder::LeastFrequentlyUsed => {}
        }
        match self.clock_use {
            ClockUse::Lru | ClockUse::Lrm => self.idle_seconds(entry.clock()) as u64,
            ClockUse::Lfu { decay_minutes, .. } => {
                255 - self.decayed(entry.clock(), decay_minutes) as u64
            }
        }
    }

    pub(crate) fn evict_found(&mut self, db: DbIndex, found: FoundKey, key: &[u8]) {
        if let Some(entry) = self.dbs[db].detach(found) {
            self.lazyfree.free_entry(entry, Cause::Eviction);
        }
        self.stats.evicted += 1;
        self.record_change(db, key, ChangeKind::Evicted, Class::EVICTED, "evicted");
        self.record_removed(db, self.removal_words.evict, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{Expiry, NewValue};

    const DB: DbIndex = DbIndex(0);

    /// `keys` keys, the first `volatile` of which have an expiry.
    fn filled(keys: usize, volatile: usize) -> Keyspace {
        let mut k = Keyspace::new(1);
        k.set_now_ms(1000);
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
        both(|| {
            use EvictionOrder::{LeastFrequentlyUsed, LeastRecentlyUsed, Random, SoonestExpiry};
            for order in [
                LeastRecentlyUsed,
                LeastFrequentlyUsed,
                Random,
                SoonestExpiry,
            ] {
                let mut k = filled(20_000, 5);
                let evicted = k.evict_while(|_| true, policy(order, true), u64::MAX);
                // Not `Everything` while another test's values are being freed.
                assert_ne!(evicted, EvictionOutcome::InPart);
                assert_eq!((k.stats.evicted, k.db(DB).len()), (5, 19_995), "{order:?}");
            }
        });
    }

    /// The few keys without a mark are found, whatever their share; then nothing is left to evict.
    #[test]
    fn marked_keys_stay_and_the_others_are_found_among_them() {
        both(|| {
            use EvictionOrder::{LeastFrequentlyUsed, LeastRecentlyUsed, Random, SoonestExpiry};
            for (order, volatile_only) in [
                (LeastRecentlyUsed, false),
                (LeastRecentlyUsed, true),
                (LeastFrequentlyUsed, false),
                (Random, false),
                (Random, true),
                (SoonestExpiry, true),
            ] {
                for others in [0, 3, 2_000] {
                    let mut k = filled(20_000, 10_000);
                    // Half of the others are volatile.
                    let first = 10_000 - others / 2;
                    let others_at = first..first + others;
                    for i in (0..20_000).filter(|i| !others_at.contains(i)) {
                        let key = format!("key:{i}");
                        assert_eq!(k.db(DB).bless(key.as_bytes(), true), Some(true));
                    }
                    assert_eq!(k.blessed_keys(), 20_000 - others);
                    let policy = policy(order, volatile_only);
                    assert_ne!(
                        k.evict_while(|_| true, policy, u64::MAX),
                        EvictionOutcome::InPart
                    );
                    let may_go = if volatile_only { others / 2 } else { others };
                    assert_eq!(
                        k.stats.evicted as usize, may_go,
                        "{order:?} {volatile_only}"
                    );
                    assert_eq!(k.blessed_keys(), 20_000 - others);
                }
            }
        });
    }

    /// A search among many marked keys held the loop until it had found one.
    #[test]
    fn a_search_among_marked_keys_ends_with_its_time_and_goes_on() {
        both(|| {
            let mut k = filled(50_000, 0);
            for i in 1..50_000 {
                k.db(DB).bless(format!("key:{i}").as_bytes(), true);
            }
            let random = policy(EvictionOrder::Random, false);
            let mut slices = 0;
            while k.stats.evicted == 0 {
                k.evict_while(|_| true, random, 0);
                slices += 1;
                assert!(slices < 10_000);
            }
            assert!(!k.db(DB).peek_exists(b"key:0") && k.db(DB).len() == 49_999);
            k.check_invariants();
        });
    }

    #[test]
    fn a_mark_stays_with_its_key_and_leaves_with_it() {
        both(|| {
            let mut k = Keyspace::new(2);
            k.set_now_ms(1000);
            for i in 0..4 {
                k.db(DB).set_string(
                    format!("key:{i}").as_bytes(),
                    NewValue::text(b"value"),
                    Expiry::Clear,
                );
            }
            for i in 0..4 {
                k.db(DB).bless(format!("key:{i}").as_bytes(), true);
            }
            assert_eq!(k.db(DB).bless(b"key:0", true), Some(false));
            assert_eq!(k.db(DB).bless(b"none", true), None);
            let long = "x".repeat(500);
            for text in ["a", &long, "b"] {
                for expiry in [Expiry::Clear, Expiry::At(900_000), Expiry::Keep] {
                    k.db(DB)
                        .set_string(b"key:0", NewValue::text(text.as_bytes()), expiry);
                    k.check_invariants();
                }
            }
            assert!(
                k.db(DB)
                    .rename(b"key:0", DbIndex(1), b"a longer name than before")
            );
            assert_eq!(
                k.db(DbIndex(1)).is_blessed(b"a longer name than before"),
                Some(true)
            );
            assert!(k.db(DB).copy(b"key:1", DB, b"copy"));
            assert_eq!(k.db(DB).is_blessed(b"copy"), Some(false));
            assert!(k.db(DB).delete(b"key:2", Cause::Server));
            k.db(DB)
                .set_string(b"key:2", NewValue::Int(1), Expiry::Clear);
            assert_eq!(k.db(DB).is_blessed(b"key:2"), Some(false));
            assert_eq!(k.blessed_keys(), 3);
            k.check_invariants();
            k.flush(DB, false);
            assert_eq!(k.blessed_keys(), 1);
        });
    }

    #[test]
    fn bytes_that_report_an_eviction_count_for_the_next_one() {
        both(|| {
            let mut k = filled(10, 0);
            k.journal.listen(Class::empty(), true);
            let unreported = std::cell::RefCell::new(Vec::new());
            let random = policy(EvictionOrder::Random, false);
            let once_more = |bytes| {
                unreported.borrow_mut().push(bytes);
                unreported.borrow().len() < 3
            };
            assert_eq!(
                k.evict_while(once_more, random, u64::MAX),
                EvictionOutcome::Fits
            );
            let unreported = unreported.into_inner();
            assert!(unreported[0] == 0 && unreported[1] > 0, "{unreported:?}");
        });
    }

    #[test]
    fn keys_whose_expiry_was_taken_back_stay() {
        both(|| {
            let mut k = filled(5_000, 300);
            for i in 3..300 {
                let key = format!("key:{i}");
                k.db(DB)
                    .set_string(key.as_bytes(), NewValue::Int(2), Expiry::Clear);
            }
            k.evict_while(|_| true, policy(EvictionOrder::Random, true), u64::MAX);
            assert_eq!(k.db(DB).len(), 4_997);
        });
    }

    #[test]
    fn an_eviction_without_time_evicts_a_few() {
        both(|| {
            let mut k = filled(1_000, 0);
            let random = policy(EvictionOrder::Random, false);
            assert_eq!(k.evict_while(|_| true, random, 0), EvictionOutcome::InPart);
            assert_eq!(k.db(DB).len(), 1_000 - KEYS_A_LOOK as usize);
            assert_ne!(
                k.evict_while(|_| true, random, u64::MAX),
                EvictionOutcome::InPart
            );
            assert_eq!(k.db(DB).len(), 0);
        });
    }

    /// Every write evicts a key: candidates seen in earlier evictions count.
    #[test]
    fn hot_keys_stay_when_keys_go_one_by_one() {
        both(|| {
            use EvictionOrder::{LeastFrequentlyUsed, LeastRecentlyUsed};
            const HOT: usize = 200;
            for (order, volatile_only) in [
                (LeastRecentlyUsed, true),
                (LeastRecentlyUsed, false),
                (LeastFrequentlyUsed, true),
                (LeastFrequentlyUsed, false),
            ] {
                let mut k = filled(0, 0);
                if order == LeastFrequentlyUsed {
                    k.clock_use = ClockUse::Lfu {
                        log_factor: 10,
                        decay_minutes: 1,
                    };
                }
                // A third of the keys have no expiry.
                for i in 0..3000 {
                    let expiry = match i % 3 {
                        0 => Expiry::Clear,
                        _ => Expiry::At(10_000_000),
                    };
                    let key = format!("key:{i}");
                    k.db(DB)
                        .set_string(key.as_bytes(), NewValue::Int(1), expiry);
                }
                k.set_now_ms(k.now_ms() + 100_000);
                let hot = |i: usize| format!("key:{}", 3 * i + 1);
                for _ in 0..50 {
                    for i in 0..HOT {
                        assert!(k.db(DB).exists(hot(i).as_bytes()));
                    }
                }
                for _ in 0..1000 {
                    let once = std::cell::Cell::new(true);
                    k.evict_while(|_| once.replace(false), policy(order, volatile_only), 0);
                }
                let left = (0..HOT).filter(|&i| k.db(DB).peek_exists(hot(i).as_bytes()));
                assert_eq!(left.count(), HOT, "{order:?} {volatile_only}");
                assert_eq!(k.db(DB).len(), 2000);
            }
        });
    }

    /// Looks until so many candidates are seen, which samples may miss.
    fn see(k: &mut Keyspace, policy: Eviction, candidates: usize) {
        let mut pool = std::mem::take(&mut k.pool);
        while pool.seen.len() < candidates {
            k.sample(DB, policy, &mut pool);
        }
        k.pool = pool;
    }

    #[test]
    fn under_lrm_changed_keys_stay_and_read_ones_do_not() {
        both(|| {
            let mut k = filled(0, 0);
            k.clock_use = ClockUse::Lrm;
            for key in ["old", "read", "written"] {
                k.db(DB)
                    .set_string(key.as_bytes(), NewValue::Int(1), Expiry::Clear);
            }
            k.set_now_ms(k.now_ms() + 100_000);
            assert!(k.db(DB).exists(b"read"));
            k.db(DB).changed(b"written", Class::STRING, "set");
            let idle = |k: &mut Keyspace, key: &[u8]| k.db(DB).info(key).map(|i| i.idle_seconds);
            assert_eq!(idle(&mut k, b"read"), Some(100));
            assert_eq!(idle(&mut k, b"written"), Some(0));
            let lrm = policy(EvictionOrder::LeastRecentlyModified, false);
            assert_eq!(k.evict_while(|_| false, lrm, 0), EvictionOutcome::Fits);
            see(&mut k, lrm, 3);
            for _ in 0..2 {
                let once = std::cell::Cell::new(true);
                k.evict_while(|_| once.replace(false), lrm, 0);
            }
            assert!(k.db(DB).peek_exists(b"written") && k.db(DB).len() == 1);
        });
    }

    #[test]
    fn a_key_used_since_it_was_seen_is_passed_over() {
        both(|| {
            let mut k = filled(2, 0);
            let lru = policy(EvictionOrder::LeastRecentlyUsed, false);
            k.set_now_ms(k.now_ms() + 60_000);
            assert_eq!(k.evict_while(|_| false, lru, 0), EvictionOutcome::Fits);
            see(&mut k, lru, 2);
            k.pool.seen.sort_by_key(|c| c.key.to_vec());
            // The next key to be evicted.
            let next = k.pool.seen.last().expect("a candidate").key.clone();
            assert!(k.db(DB).exists(&next));
            let once = std::cell::Cell::new(true);
            k.evict_while(|_| once.replace(false), lru, 0);
            assert!(k.db(DB).peek_exists(&next) && k.db(DB).len() == 1);
        });
    }

    /// Bug: a few large hashes had to be evicted, but eviction removed all, because values handed
    /// to the freeing thread counted as used until they were freed.
    #[cfg(not(feature = "system-allocator"))]
    #[test]
    fn what_is_let_go_no_longer_counts() {
        both(|| {
            use russet_base::memory::alloc::used_memory;
            use russet_types::{Expiry as FieldExpiry, Hash, Limits};
            let mut k = Keyspace::new(1);
            k.set_now_ms(1000);
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
            // Other tests' threads free as well: allow a quarter more or less.
            let limit = start + used - used / 10;
            let random = policy(EvictionOrder::Random, false);
            k.evict_while(|_| used_memory() > limit, random, u64::MAX);
            assert!((150..195).contains(&k.db(DB).len()), "{}", k.db(DB).len());
        });
    }
}
