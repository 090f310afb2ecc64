//! The active expire cycle: deletes keys when they expire, without a lookup.
//!
//! There is no second table of volatile keys. Every segment of a database's table knows the nearest
//! of its expiries, and a cycle visits only the segments that these times select
//! (`encodings::hashtable`, its `expiry`) in the databases that are due (`databases`). The loop
//! sleeps no longer than until [`Keyspace::next_expiry`], so keys are deleted within a turn of
//! their expiry, in slices small enough that no client notices.

use std::time::{Duration, Instant};

use super::super::slots::hidden::HIDDEN_MS;
use super::super::store::entry::{Entry, is_past};
use super::super::store::table::DUE_MAX;
use super::super::{Cause, DbIndex, Keyspace};
use super::expired_fields::WithWords;
use russet_types::{Hash, Set};

/// Segments visited between two checks of the time. A visit whose keys are all due may yield 500 of
/// them: some hundred microseconds.
const SEGMENTS_PER_STEP: usize = 2;

/// Fields of a hash, members of a set, or lines of a stream's producers, removed between two checks
/// of the time.
const FIELDS_PER_STEP: usize = 256;

/// The result of a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Keys deleted.
    pub deleted: usize,
    /// Whether the budget ran out before the work.
    pub more: bool,
}

impl Keyspace {
    /// When the next key or field may expire, Unix milliseconds; a lower bound. `None`: none will.
    /// O(1), plus O(log databases) for each database changed since the last call.
    pub fn next_expiry(&mut self) -> Option<i64> {
        if !self.expires_actively() {
            return None;
        }
        let due = self.dbs.next_due()?;
        Some(due.saturating_add(1))
    }

    /// Whether there may be keys that have expired and are not deleted yet: until the next cycle,
    /// or, if this server does not delete them by itself, for as long as its primary does not.
    /// As [`Keyspace::next_expiry`].
    pub fn may_hold_expired(&mut self) -> bool {
        match self.next_expiry() {
            Some(due_ms) => due_ms <= self.now_ms,
            None => !self.expires_actively() && self.volatile() > 0,
        }
    }

    /// Keys with an expiry, of all databases.
    pub fn volatile(&self) -> usize {
        self.dbs.iter().map(|db| db.volatile()).sum()
    }

    /// About how many keys have not expired, judged by samples of `samples` entries per database.
    pub fn live_keys(&self, samples: usize) -> u64 {
        let now_ms = self.now_ms;
        self.dbs
            .iter()
            .map(|db| db.live_keys(now_ms, samples))
            .sum()
    }

    /// Deletes due keys for at most about `budget`.
    pub fn expire_cycle(&mut self, budget: Duration) -> Cycle {
        let mut cycle = Cycle::default();
        if !self.expires_actively() {
            return cycle;
        }
        // The last millisecond whose keys have expired. Keys beyond the ordered range never are
        // due.
        let past = self.due_ms.saturating_sub(1).min(DUE_MAX - 1);
        let start = Instant::now();
        let (mut due, mut steps) = (Vec::new(), 0);
        while let Some((at, _)) = self.dbs.first_due_key().filter(|&(_, when)| when <= past) {
            if steps > 0 && start.elapsed() >= budget {
                cycle.more = true;
                return cycle;
            }
            steps += 1;
            let table = self.dbs[at].table_mut();
            table.take_due(past, SEGMENTS_PER_STEP, &mut due);
            for entry in due.drain(..) {
                if self.hides(entry.key()) {
                    let again = self.now_ms.saturating_add(HIDDEN_MS);
                    self.dbs[at].table_mut().record_due_again(entry, again);
                    continue;
                }
                let deleted = self.expire_entry(at, entry) as usize;
                cycle.deleted += deleted;
                self.stats.expired_actively += deleted as u64;
            }
        }
        while let Some((at, _)) = self.dbs.first_due_field().filter(|&(_, when)| when <= past) {
            let is_done =
                self.expire_elements::<Hash>(at, past) || self.expire_elements::<Set>(at, past);
            if !is_done && let Some(key) = self.dbs[at].table_mut().streams_mut().take_due(past) {
                self.db(at).expire_due_iids(&key, past, FIELDS_PER_STEP);
            }
            if start.elapsed() >= budget {
                cycle.more = true;
                return cycle;
            }
        }
        // All that was put off has been visited.
        self.late_until_ms.take_if(|late| *late <= past);
        cycle
    }

    /// Deletes expired elements of the hash or set that is due first; `false`: none is due.
    fn expire_elements<T: WithWords>(&mut self, at: DbIndex, past: i64) -> bool {
        let Some(key) = T::lines(self.dbs[at].table_mut()).take_due(past) else {
            return false;
        };
        if self.hides(&key) {
            let again = self.now_ms.saturating_add(HIDDEN_MS);
            self.db(at).note_expiry::<T>(&key, again);
        } else {
            let removed = self.db(at).expire_due::<T>(&key, FIELDS_PER_STEP);
            self.stats.expired_fields_actively += removed as u64;
        }
        true
    }

    /// When a key expires or has expired, whether or not expired keys are hidden.
    pub fn expiry_of(&mut self, db: DbIndex, key: &[u8]) -> Option<i64> {
        let db = self.db(db);
        db.find_entry(key)?.entry.expiry()
    }

    /// Deletes a key whose expiry has passed, also while expired keys are hidden.
    pub fn expire_if_past(&mut self, db: DbIndex, key: &[u8]) -> bool {
        let now_ms = self.now_ms;
        let mut db = self.db(db);
        let found = db.find_entry(key);
        let Some(found) = found.filter(|found| is_past(found.entry.expiry(), now_ms)) else {
            return false;
        };
        db.expire_found(found);
        true
    }

    fn expire_entry(&mut self, db: DbIndex, entry: Entry) -> bool {
        let key: Box<[u8]> = entry.key().into();
        let Some(entry) = self.dbs[db].detach_entry(entry) else {
            return false;
        };
        if let Some(entry) = entry {
            self.lazyfree.free_entry(entry, Cause::Expiry);
        }
        self.db(db).expired(&key);
        true
    }
}
