//! Cursors: queries whose rows are fetched a part at a time.
//!
//! A cursor belongs to one index and ends with it, after its last row, or when it was not read for
//! some time.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rand::RngExt;

/// A query that goes on.
pub struct Cursor {
    pub index: Box<[u8]>,
    pub max_idle_ms: u64,
    /// Rows of a READ that names no number.
    pub count: usize,
    /// Monotonic milliseconds of its last use.
    pub used_ms: u64,
    /// The query, which its command knows.
    pub walk: Box<dyn Any + Send>,
}

/// All cursors by their numbers.
#[derive(Default)]
pub struct Cursors {
    all: BTreeMap<u64, Cursor>,
}

impl Cursors {
    /// Keeps a cursor under a random number.
    pub fn keep(&mut self, cursor: Cursor) -> u64 {
        let mut rng = rand::rng();
        loop {
            let id = rng.random_range(1..1 << 31);
            if let Entry::Vacant(place) = self.all.entry(id) {
                place.insert(cursor);
                return id;
            }
        }
    }

    /// Keeps a cursor again that was taken.
    pub fn put_back(&mut self, id: u64, cursor: Cursor) {
        self.all.insert(id, cursor);
    }

    /// Takes a cursor out.
    pub fn take(&mut self, id: u64) -> Option<Cursor> {
        self.all.remove(&id)
    }

    /// Cursors that were not read for long enough end. O(cursors).
    pub fn expire(&mut self, now_ms: u64) {
        self.all
            .retain(|_, its| now_ms.saturating_sub(its.used_ms) < its.max_idle_ms);
    }

    /// The cursors of an index end. O(cursors).
    pub fn end_of(&mut self, index: &[u8]) {
        self.all.retain(|_, its| *its.index != *index);
    }

    /// Cursors of an index, and all.
    pub fn count(&self, index: &[u8]) -> (usize, usize) {
        let of_index = self.all.values().filter(|its| *its.index == *index);
        (of_index.count(), self.all.len())
    }
}
