//! Cursors: queries whose rows are fetched a part at a time.
//!
//! A cursor belongs to one index and to the user that made it. It ends with the index, after its
//! last row, when no client has read it for some time, or when the client of a READ is gone before
//! the rows are there. The number of a cursor cannot be guessed; numbers of 53 bits are the longest
//! that every client can hold.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Weak};

use rand::RngExt;

/// A query that continues.
pub struct Cursor {
    pub index: Box<[u8]>,
    /// The name of the user that made the cursor.
    pub user: Box<[u8]>,
    pub max_idle_ms: u64,
    /// Monotonic milliseconds of the cursor's last use.
    pub used_ms: u64,
    /// The query, of a type that its command knows. `None`: a READ waits for rows.
    pub walk: Option<Box<dyn Any + Send>>,
    /// Of the last READ.
    pub reader: Weak<()>,
}

/// The current READ. The ticket travels with the query; when the ticket is dropped, the cursor
/// notices that the client is gone.
pub struct ReadTicket {
    _reader: Arc<()>,
}

impl Cursor {
    /// Whether the client of a READ is gone, and the query with it.
    fn is_abandoned(&self) -> bool {
        self.walk.is_none() && self.reader.strong_count() == 0
    }
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
            let id = rng.random_range(1..1 << 53);
            if let Entry::Vacant(place) = self.all.entry(id) {
                place.insert(cursor);
                return id;
            }
        }
    }

    /// Takes the query of a cursor for a READ; the cursor still counts meanwhile. `None`: there is
    /// no such cursor, or another READ has its query.
    pub fn begin_read(
        &mut self,
        id: u64,
        now_ms: u64,
    ) -> Option<(Box<dyn Any + Send>, ReadTicket)> {
        let cursor = self.all.get_mut(&id)?;
        cursor.used_ms = now_ms;
        let walk = cursor.walk.take()?;
        let reader = Arc::new(());
        cursor.reader = Arc::downgrade(&reader);
        Some((walk, ReadTicket { _reader: reader }))
    }

    /// Gives the query back. `false`: the cursor has ended meanwhile.
    pub fn end_read(&mut self, id: u64, walk: Box<dyn Any + Send>, now_ms: u64) -> bool {
        let Some(cursor) = self.all.get_mut(&id) else {
            return false;
        };
        cursor.used_ms = now_ms;
        cursor.walk = Some(walk);
        true
    }

    /// Ends the cursor that has waited for a READ longest. `false`: none waits. O(cursors).
    pub fn end_oldest(&mut self) -> bool {
        let waiting = self.all.iter().filter(|(_, its)| its.walk.is_some());
        let oldest = waiting.min_by_key(|(_, its)| its.used_ms);
        let oldest = oldest.map(|(id, _)| *id);
        oldest.is_some_and(|id| self.all.remove(&id).is_some())
    }

    /// The cursor of this number.
    pub fn get(&self, id: u64) -> Option<&Cursor> {
        self.all.get(&id)
    }

    /// Takes a cursor out.
    pub fn take(&mut self, id: u64) -> Option<Cursor> {
        self.all.remove(&id)
    }

    /// Cursors that were not read for long enough end, and cursors whose readers are gone.
    /// O(cursors).
    pub fn expire(&mut self, now_ms: u64) {
        self.all.retain(|_, its| {
            !its.is_abandoned() && now_ms.saturating_sub(its.used_ms) < its.max_idle_ms
        });
    }

    /// The cursors of an index end. O(cursors).
    pub fn end_of(&mut self, index: &[u8]) {
        self.all.retain(|_, its| *its.index != *index);
    }

    /// Cursors of an index, and all.
    pub fn count(&self, index: &[u8]) -> (usize, usize) {
        let all = self.all.values().filter(|its| !its.is_abandoned());
        let of_index = all.clone().filter(|its| *its.index == *index);
        (of_index.count(), all.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_ends_with_the_reader_that_has_its_query() {
        let mut cursors = Cursors::default();
        let id = cursors.keep(Cursor {
            index: (*b"i").into(),
            user: (*b"default").into(),
            max_idle_ms: 1000,
            used_ms: 0,
            walk: Some(Box::new(1)),
            reader: Weak::new(),
        });
        assert_eq!(cursors.count(b"i"), (1, 1));
        let (walk, ticket) = cursors.begin_read(id, 5).expect("a query");
        cursors.expire(6);
        assert_eq!(cursors.count(b"i"), (1, 1));
        assert!(cursors.begin_read(id, 6).is_none());
        assert!(cursors.end_read(id, walk, 7));
        drop(ticket);
        cursors.expire(8);
        assert_eq!(cursors.count(b"i"), (1, 1));
        // The client that reads this cursor is killed.
        drop(cursors.begin_read(id, 9));
        assert_eq!(cursors.count(b"i"), (0, 0));
        cursors.expire(10);
        assert!(cursors.get(id).is_none());
    }
}
