//! Renaming, moving and copying whole keys: RENAME, MOVE, COPY.

use super::super::store::container::copy_container;
use super::super::store::entry::Entry;
use super::super::{Cause, Db, DbIndex, NewValue};

impl Db<'_> {
    /// Moves key `from` to `to` in database `db` with its expiry, replacing any key at `to`. Its
    /// use counters start anew, as those of a new key.
    /// `false`: no such key. O(length of the name): the value is not copied, unless it is a
    /// string short enough to be embedded in the entry.
    pub fn rename(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        let Some(found) = self.find(from) else {
            return false;
        };
        let entry = self.database_mut().detach_to_move(found).with_key(to);
        entry.set_clock(self.keyspace.fresh_clock());
        self.other(db).put_entry(to, entry);
        true
    }

    /// Copies key `from` to `to` in database `db` with its expiry, replacing any key at `to`. The
    /// two must differ. `false`: no such key.
    pub fn copy(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        let Some(found) = self.find(from) else {
            return false;
        };
        let source = found.entry;
        let value = match source.value() {
            NewValue::Container(..) => {
                let (kind, encoding, word) = copy_container(source).into_parts();
                NewValue::Container(kind, encoding, word)
            }
            string => string,
        };
        let copy = Entry::new(to, source.expiry(), self.keyspace.fresh_clock(), value);
        self.other(db).put_entry(to, copy);
        true
    }

    /// Inserts an entry, replacing any key of the same name.
    fn put_entry(&mut self, key: &[u8], entry: Entry) {
        let hash = self.hash(key);
        if let Some(old) = self.find_hashed(hash, key)
            && let Some(old) = self.database_mut().detach(old)
        {
            self.keyspace.lazyfree.free_entry(old, Cause::Server);
        }
        self.insert(hash, key, entry);
    }
}
