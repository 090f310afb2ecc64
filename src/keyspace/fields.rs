//! Hashes with field TTLs: which one has the field that expires first.
//!
//! A hash knows its own earliest expiry; here stands one line per hash that has any, ordered
//! by that time. A line may be early (the field was since deleted or given more time): the
//! visit then finds nothing due and writes the line anew.

use std::collections::{BTreeSet, HashMap};

use super::DbIndex;

type Place = (DbIndex, Box<[u8]>);

/// Hashes by the time at which their next field may expire.
#[derive(Default, Debug)]
pub struct FieldExpiries {
    by_time: BTreeSet<(i64, DbIndex, Box<[u8]>)>,
    by_key: HashMap<Place, i64, ahash::RandomState>,
}

impl FieldExpiries {
    /// A field of this hash expires at `when_ms`. Later times than the known one are ignored.
    pub fn note(&mut self, db: DbIndex, key: &[u8], when_ms: i64) {
        let place: Place = (db, key.into());
        match self.by_key.get(&place) {
            Some(&known) if known <= when_ms => return,
            Some(&known) => {
                self.by_time.remove(&(known, db, key.into()));
            }
            None => {}
        }
        self.by_time.insert((when_ms, db, key.into()));
        self.by_key.insert(place, when_ms);
    }

    /// When the next field may expire.
    pub fn next_due(&self) -> Option<i64> {
        self.by_time.first().map(|line| line.0)
    }

    /// Takes one hash whose time has come.
    pub fn take_due(&mut self, now_ms: i64) -> Option<Place> {
        if self.next_due()? > now_ms {
            return None;
        }
        let (_, db, key) = self.by_time.pop_first()?;
        let place = (db, key);
        self.by_key.remove(&place);
        Some(place)
    }

    /// Number of hashes with a line.
    /// Hashes of one database whose fields expire. O(all such hashes).
    pub fn in_db(&self, db: DbIndex) -> usize {
        self.by_key.keys().filter(|(at, _)| *at == db).count()
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_hash_comes_first_and_once() {
        let mut f = FieldExpiries::default();
        f.note(DbIndex(0), b"a", 30);
        f.note(DbIndex(0), b"b", 20);
        f.note(DbIndex(0), b"a", 10);
        f.note(DbIndex(0), b"a", 50);
        assert_eq!(f.next_due(), Some(10));
        assert_eq!(f.take_due(9), None);
        assert_eq!(f.take_due(25), Some((DbIndex(0), (*b"a").into())));
        assert_eq!(f.take_due(25), Some((DbIndex(0), (*b"b").into())));
        assert!(f.is_empty());
    }
}
