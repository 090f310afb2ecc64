//! Iterating over the keys of a database: SCAN, KEYS, RANDOMKEY.

use super::super::slots::hidden::visible_slots;
use super::super::slots::slot_set::SlotFilter;
use super::super::store::database::Database;
use super::super::store::entry::{Entry, is_past};
use super::super::{Db, DbIndex, Keyspace};
use russet_types::Type;

/// Picks of a random key before an expired key is accepted.
const RANDOM_TRIES: usize = 100;

impl Keyspace {
    /// A key of this type, if there is any among about the first `most` keys of a database with
    /// such keys. O(most).
    pub fn find_of(&self, kind: Type, most: usize) -> Option<(DbIndex, Box<[u8]>)> {
        let has_it = |db: &Database| db.sizes().of(kind).next().is_some();
        let mut databases = self.in_use().filter(|(_, db)| has_it(db));
        databases.find_map(|(at, db)| {
            let (mut cursor, mut seen, mut found) = (0, 0, None);
            loop {
                let among = visible_slots(&self.hidden);
                cursor = db.table().scan(cursor, among, |entry: Entry| {
                    seen += 1;
                    if found.is_none() && entry.kind() == kind {
                        found = Some(Box::from(entry.key()));
                    }
                });
                if found.is_some() || cursor == 0 || seen >= most {
                    return Some((at, found?));
                }
            }
        })
    }
}

impl Db<'_> {
    /// Keys, without those of hidden slots. O(1); O(slots in use) while slots are hidden.
    pub fn len(&self) -> usize {
        match &self.keyspace.hidden {
            None => self.database().len(),
            Some(hidden) => self
                .database()
                .table()
                .len_among(SlotFilter::Without(hidden)),
        }
    }

    /// Whether no key is shown. Cost as of `len`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A step of SCAN: visits some live keys and returns the next cursor (0: done). Deletes expired
    /// keys that it meets. In a keyspace with slots the scan visits keys in the order of their
    /// slots, and the low 14 bits of the cursor are the slot, as in Redis.
    pub fn scan(&mut self, cursor: u64, visit: impl FnMut(&[u8], Type)) -> u64 {
        self.scan_in(None, cursor, |_| true, visit)
    }

    /// As [`Db::scan`], of a single slot: a cursor in an earlier slot starts at the beginning of
    /// this slot, a cursor in a later slot ends the scan. Without slots, of all keys.
    pub fn scan_slot(&mut self, slot: u16, cursor: u64, visit: impl FnMut(&[u8], Type)) -> u64 {
        self.scan_in(Some(slot), cursor, |_| true, visit)
    }

    /// As [`Db::scan`], or with a slot as [`Db::scan_slot`]. Expired keys that `admits` refuses
    /// stay.
    pub fn scan_in(
        &mut self,
        slot: Option<u16>,
        cursor: u64,
        admits: impl Fn(&[u8]) -> bool,
        mut visit: impl FnMut(&[u8], Type),
    ) -> u64 {
        let now = self.keyspace.due_ms;
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        let see = |entry: Entry| {
            if is_past(entry.expiry(), now) {
                if admits(entry.key()) {
                    expired.push(entry.key().into());
                }
            } else {
                visit(entry.key(), entry.kind());
            }
        };
        let among = match slot {
            Some(slot) if self.keyspace.is_hidden(slot) => return 0,
            Some(slot) => SlotFilter::One(slot),
            None => visible_slots(&self.keyspace.hidden),
        };
        let next = self.database().table().scan(cursor, among, see);
        for key in expired {
            self.find(&key);
        }
        next
    }

    /// As [`Db::scan`], with the keys of hidden slots; expired ones stay.
    pub fn scan_with_hidden(&self, cursor: u64, mut visit: impl FnMut(&[u8], Type)) -> u64 {
        let now = self.keyspace.due_ms;
        let see = |entry: Entry| {
            if !is_past(entry.expiry(), now) {
                visit(entry.key(), entry.kind());
            }
        };
        self.database().table().scan(cursor, SlotFilter::All, see)
    }

    /// Every live key.
    pub fn each_key(&self, visit: impl FnMut(&[u8], Type)) {
        self.each_key_among(visible_slots(&self.keyspace.hidden), visit);
    }

    /// Every live key of a slot; without slots, every live key.
    pub fn each_key_of(&self, slot: u16, visit: impl FnMut(&[u8], Type)) {
        if !self.keyspace.is_hidden(slot) {
            self.each_key_among(SlotFilter::One(slot), visit);
        }
    }

    fn each_key_among(&self, among: SlotFilter<'_>, mut visit: impl FnMut(&[u8], Type)) {
        let now = self.keyspace.due_ms;
        for entry in self.database().table().entries_among(among) {
            if !is_past(entry.expiry(), now) {
                visit(entry.key(), entry.kind());
            }
        }
    }

    /// A uniformly random key, deleting expired ones that turn up. `None`: no live key. While
    /// expired keys are kept, an expired key may be returned at last.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let mut tries = 0;
        loop {
            let among = visible_slots(&self.keyspace.hidden);
            let table = self.keyspace.dbs[self.at].table();
            let (entry, _) = table.random_among(among, &mut self.keyspace.rng)?;
            let key = entry.key().to_vec();
            let touch = std::mem::replace(&mut self.touch, false);
            let live = self.contains(&key);
            self.touch = touch;
            tries += 1;
            if live || (self.keyspace.hides_expired() && tries >= RANDOM_TRIES) {
                return Some(key);
            }
        }
    }
}
