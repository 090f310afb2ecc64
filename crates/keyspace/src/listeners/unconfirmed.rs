//! Keys whose last change is not yet at as many replicas as `min-sync-replicas` demands, each with
//! the position of the stream at which the change ends.
//!
//!     hash of key and database 64 | position 64        open addressing, no deletion
//!
//! A change is noted while its command runs ([`UnconfirmedKeys::touch`]) and gets its position when
//! its unit has become part of the stream ([`UnconfirmedKeys::commit`]). Every lookup asks the
//! table ([`UnconfirmedKeys::ask`]), which keeps the highest position that a command has met: the
//! reply of that command leaves once the position is safe.
//!
//! Invariants
//!   1. Two keys with one hash share a place, so a reply may wait for longer than it must, and
//!      never for less.
//!   2. An entry at or below the safe position counts as free: a lookup passes over it, and a new
//!      entry may take its place.
//!   3. Over [`KEYS_MAX`] entries that are not safe become a single position for all keys; so do as
//!      many changes of a single unit.
//!
//! Cost: a lookup takes a test of a bool while the mode is off, two comparisons while everything is
//! safe; 16 bytes a key that is not safe, twice that while the table grows.

use std::cell::Cell;

use super::super::ids::DbIndex;

/// Entries that are not safe; more become a single position.
const KEYS_MAX: usize = 65_536;
/// Places of the smallest table, a power of two.
const PLACES_MIN: usize = 64;

/// A place of the table; a position of 0: it was never used.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    hash: u64,
    position: u64,
}

/// A part of the data that a command has changed and that has no position yet.
#[derive(Clone, Copy, Debug)]
enum Change {
    Key(u64),
    Database(DbIndex),
    Everything,
}

/// See the module.
#[derive(Debug, Default)]
pub struct UnconfirmedKeys {
    is_on: bool,
    /// Lookups ask: at a primary, and at a replica with `sync-replica-reads safe`. Another replica
    /// only keeps the table, for the time when it is promoted.
    is_asked: bool,
    /// The positions are those of a primary's stream.
    is_following: bool,
    /// Each command that looks keys up is reported, also if all is safe.
    reports_reads: bool,
    /// The position up to which the stream is safe.
    safe: u64,
    /// The highest position of any change; notes and pings of the stream have none.
    newest: u64,
    places: Vec<Place>,
    /// Places with a position, of safe entries too.
    used: usize,
    /// All keys of all databases have at least this position.
    everything: u64,
    /// Databases whose keys were changed as a whole, and their positions. Few.
    databases: Vec<(DbIndex, u64)>,
    /// Changes without a position.
    changes: Vec<Change>,
    /// The highest position that lookups have met since it was last taken.
    met: Cell<u64>,
}

/// The libraries of functions: a change of any library is a change of this database's key.
const FUNCTIONS: (DbIndex, u64) = (DbIndex(u32::MAX), 0);

/// Mixes the database into a key's hash, so that equal names of two databases differ.
fn mixed(db: DbIndex, hash: u64) -> u64 {
    hash ^ (db.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl UnconfirmedKeys {
    /// Whether changes are noted and lookups ask.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Begins, with everything up to `position` unconfirmed: what the replicas have of it is not
    /// known.
    pub fn begin(&mut self, position: u64) {
        *self = UnconfirmedKeys {
            is_on: true,
            is_asked: true,
            everything: position,
            newest: position,
            ..UnconfirmedKeys::default()
        };
    }

    /// As [`UnconfirmedKeys::begin`], at a replica. `asks`: readers wait; else none waits before
    /// [`UnconfirmedKeys::lead`].
    pub fn begin_following(&mut self, position: u64, asks: bool) {
        self.begin(position);
        (self.is_asked, self.is_following) = (asks, true);
    }

    /// Whether readers wait at this replica, which keeps the table already. `false`: it does not.
    pub fn follow(&mut self, asks: bool) -> bool {
        if self.is_following {
            self.is_asked = asks;
        }
        self.is_following
    }

    /// The link to the primary was away: what is safe of the stream up to `position` is not known
    /// before the primary's next note.
    pub fn doubt_all(&mut self, position: u64) {
        if self.is_on {
            self.everything = self.everything.max(position);
            self.newest = self.newest.max(position);
        }
    }

    /// The replica is promoted: its readers wait for what its primary did not call safe.
    pub fn lead(&mut self) {
        (self.is_asked, self.is_following) = (true, false);
    }

    /// The position up to which the stream is safe.
    pub fn safe(&self) -> u64 {
        self.safe
    }

    /// Each command that reads data counts as one that has met something: the server asks whether
    /// it still leads (`sync-reads linear`).
    pub fn report_reads(&mut self, on: bool) {
        self.reports_reads = on;
    }

    /// Ends: nothing waits.
    pub fn end(&mut self) {
        *self = UnconfirmedKeys::default();
    }

    /// The stream is safe up to `position`.
    pub fn set_safe(&mut self, position: u64) {
        self.safe = self.safe.max(position);
    }

    /// Number of entries that are not safe. O(places).
    pub fn len(&self) -> usize {
        let unsafe_ones = self
            .places
            .iter()
            .filter(|place| place.position > self.safe);
        unsafe_ones.count()
    }

    /// Whether no entry waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.newest <= self.safe
    }

    /// A command has changed a key.
    pub(super) fn touch(&mut self, db: DbIndex, hash: u64) {
        if self.changes.len() < KEYS_MAX {
            self.changes.push(Change::Key(mixed(db, hash)));
        } else {
            self.changes.clear();
            self.changes.push(Change::Everything);
        }
    }

    /// A command has changed all keys of a database.
    pub(super) fn touch_all(&mut self, db: DbIndex) {
        self.changes.push(Change::Database(db));
    }

    /// A command has changed a library of functions.
    pub(crate) fn touch_functions(&mut self) {
        if self.is_on {
            self.touch(FUNCTIONS.0, FUNCTIONS.1);
        }
    }

    /// A command runs a function.
    pub fn ask_functions(&self) {
        self.ask(FUNCTIONS.0, FUNCTIONS.1);
    }

    /// The changes noted since the last call end at `position` of the stream.
    pub fn commit(&mut self, position: u64) {
        if !self.is_on || self.changes.is_empty() {
            return;
        }
        self.newest = self.newest.max(position);
        let mut changes = std::mem::take(&mut self.changes);
        for change in changes.drain(..) {
            match change {
                Change::Key(hash) => self.insert(hash, position),
                Change::Database(db) => self.set_database(db, position),
                Change::Everything => self.everything = position,
            }
        }
        self.changes = changes;
    }

    fn set_database(&mut self, db: DbIndex, position: u64) {
        let safe = self.safe;
        self.databases
            .retain(|(other, at)| *other != db && *at > safe);
        self.databases.push((db, position));
    }

    fn insert(&mut self, hash: u64, position: u64) {
        if (self.used + 1) * 4 > self.places.len() * 3 || self.used >= 2 * KEYS_MAX {
            self.rebuild(position);
        }
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        let mut free = None;
        loop {
            let place = self.places[at];
            if place.position == 0 {
                break;
            }
            if place.hash == hash {
                self.places[at].position = position;
                return;
            }
            if place.position <= self.safe && free.is_none() {
                free = Some(at);
            }
            at = (at + 1) & mask;
        }
        self.used += usize::from(free.is_none());
        self.places[free.unwrap_or(at)] = Place { hash, position };
    }

    /// Drops the safe entries, and gives the others twice the room that they need.
    #[cold]
    fn rebuild(&mut self, position: u64) {
        let safe = self.safe;
        let old = std::mem::take(&mut self.places);
        let mut kept: Vec<Place> = old.into_iter().filter(|p| p.position > safe).collect();
        if kept.len() >= KEYS_MAX {
            self.everything = position;
            kept.clear();
        }
        let room = (kept.len() * 4).next_power_of_two().max(PLACES_MIN);
        self.places = vec![Place::default(); room];
        self.used = kept.len();
        for entry in kept {
            let mut at = entry.hash as usize & (room - 1);
            while self.places[at].position != 0 {
                at = (at + 1) & (room - 1);
            }
            self.places[at] = entry;
        }
    }

    /// A command looks a key up.
    #[inline]
    pub(crate) fn ask(&self, db: DbIndex, hash: u64) {
        if self.is_asked && (self.newest > self.safe || self.reports_reads) {
            self.meet(self.position_of(db, hash));
        }
    }

    /// A command reads data without looking keys up: it meets the last change of any key.
    pub fn meet_all(&self) {
        if self.is_asked {
            self.meet(self.newest);
        }
    }

    #[cold]
    fn meet(&self, position: u64) {
        if self.reports_reads {
            // Every stream is safe up to there.
            self.met.set(self.met.get().max(1));
        }
        if position > self.safe {
            self.met.set(self.met.get().max(position));
        }
    }

    /// The position of a key's last change; 0: it is safe.
    #[cold]
    fn position_of(&self, db: DbIndex, hash: u64) -> u64 {
        let of_database = self.databases.iter().find(|(other, _)| *other == db);
        let whole = of_database.map_or(0, |(_, at)| *at).max(self.everything);
        if self.places.is_empty() {
            return whole;
        }
        let (hash, mask) = (mixed(db, hash), self.places.len() - 1);
        let mut at = hash as usize & mask;
        loop {
            let place = self.places[at];
            if place.position == 0 {
                return whole;
            }
            if place.hash == hash {
                return whole.max(place.position);
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether a key's last change is safe; changes without a position are not looked at.
    pub fn is_safe(&self, db: DbIndex, hash: u64) -> bool {
        !self.is_asked || self.position_of(db, hash) <= self.safe
    }

    /// Whether a lookup has met a position since the last [`UnconfirmedKeys::take_met`].
    #[inline]
    pub fn has_met(&self) -> bool {
        self.met.get() > 0
    }

    /// The highest position that lookups have met since the last call; 0: none.
    pub fn take_met(&self) -> u64 {
        self.met.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use std::collections::HashMap;

    const DB: DbIndex = DbIndex(0);

    fn met(keys: &UnconfirmedKeys, db: DbIndex, hash: u64) -> u64 {
        keys.ask(db, hash);
        keys.take_met()
    }

    fn changed(keys: &mut UnconfirmedKeys, db: DbIndex, hash: u64, position: u64) {
        keys.touch(db, hash);
        keys.commit(position);
    }

    #[test]
    fn a_lookup_meets_the_position_of_the_last_change_until_that_is_safe() {
        let mut keys = UnconfirmedKeys::default();
        changed(&mut keys, DB, 1, 10);
        assert_eq!(met(&keys, DB, 1), 0, "the mode is off");
        keys.begin(0);
        changed(&mut keys, DB, 1, 10);
        changed(&mut keys, DB, 2, 20);
        assert_eq!((met(&keys, DB, 1), met(&keys, DB, 2)), (10, 20));
        assert_eq!(met(&keys, DB, 3), 0);
        assert_eq!(met(&keys, DbIndex(1), 1), 0, "another database");
        keys.set_safe(10);
        assert_eq!((met(&keys, DB, 1), met(&keys, DB, 2)), (0, 20));
        changed(&mut keys, DB, 1, 30);
        assert_eq!(met(&keys, DB, 1), 30);
        keys.set_safe(30);
        assert!(keys.is_empty() && !keys.has_met());
    }

    #[test]
    fn a_unit_that_changes_very_many_keys_changes_everything() {
        let mut keys = UnconfirmedKeys::default();
        keys.begin(0);
        for hash in 0..=KEYS_MAX as u64 {
            keys.touch(DB, hash);
        }
        assert_eq!(keys.changes.len(), 1);
        keys.commit(9);
        assert_eq!(met(&keys, DbIndex(4), 77), 9);
    }

    #[test]
    fn a_flush_is_a_change_of_every_key_of_its_database() {
        let mut keys = UnconfirmedKeys::default();
        keys.begin(0);
        keys.touch_all(DB);
        keys.commit(7);
        assert_eq!((met(&keys, DB, 9), met(&keys, DbIndex(1), 9)), (7, 0));
        keys.set_safe(7);
        assert_eq!(met(&keys, DB, 9), 0);
    }

    #[test]
    fn a_replica_may_ask_what_its_primary_has_called_safe() {
        let mut keys = UnconfirmedKeys::default();
        assert!(!keys.follow(true));
        keys.begin_following(100, true);
        keys.set_safe(100);
        changed(&mut keys, DB, 5, 120);
        assert_eq!((met(&keys, DB, 5), met(&keys, DB, 6)), (120, 0));
        // The setting changes, and the table stays.
        assert!(keys.follow(false));
        assert_eq!(met(&keys, DB, 5), 0);
        assert!(keys.follow(true));
        assert_eq!(met(&keys, DB, 5), 120);
        // The link was away.
        keys.set_safe(120);
        keys.doubt_all(150);
        assert_eq!((met(&keys, DB, 5), met(&keys, DB, 6)), (150, 150));
        keys.set_safe(150);
        assert_eq!(met(&keys, DB, 6), 0);
        // The note that said so is itself a part of the stream, and changes nothing.
        keys.commit(180);
        keys.meet_all();
        assert_eq!(keys.take_met(), 0);
    }

    #[test]
    fn a_replica_keeps_the_table_and_asks_once_it_leads() {
        let mut keys = UnconfirmedKeys::default();
        keys.begin_following(100, false);
        changed(&mut keys, DB, 5, 120);
        assert_eq!(met(&keys, DB, 5), 0);
        keys.set_safe(110);
        keys.lead();
        assert_eq!((met(&keys, DB, 5), met(&keys, DB, 6)), (120, 0));
    }

    #[test]
    fn everything_before_the_begin_waits() {
        let mut keys = UnconfirmedKeys::default();
        keys.begin(100);
        assert_eq!(met(&keys, DB, 5), 100);
        keys.set_safe(100);
        assert_eq!(met(&keys, DB, 5), 0);
    }

    #[test]
    fn random_changes_are_met_as_in_a_map_and_too_many_become_one_position() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(85);
        let mut keys = UnconfirmedKeys::default();
        keys.begin(0);
        let (mut model, mut safe, mut position) = (HashMap::new(), 0, 0);
        for _ in 0..100_000 {
            // Few bits, so that chains are long and hashes repeat.
            let hash = rng.random_range(0..3000_u64) << 3;
            position += 1;
            changed(&mut keys, DB, hash, position);
            model.insert(hash, position);
            if rng.random_range(0..50) == 0 {
                safe = rng.random_range(safe..=position);
                keys.set_safe(safe);
            }
            let asked = rng.random_range(0..3000_u64) << 3;
            let expected = model.get(&asked).copied().filter(|at| *at > safe);
            assert_eq!(met(&keys, DB, asked), expected.unwrap_or(0));
        }
        assert!(keys.places.len() <= 32_768, "{}", keys.places.len());
        for hash in 0..3 * KEYS_MAX as u64 {
            position += 1;
            changed(
                &mut keys,
                DB,
                hash.wrapping_mul(0x2545_f491_4f6c_dd1d),
                position,
            );
        }
        assert!(keys.places.len() <= 8 * KEYS_MAX && keys.everything > 0);
        assert!(met(&keys, DB, 1) > 0);
        keys.set_safe(position);
        assert_eq!(met(&keys, DB, 1), 0);
    }
}
