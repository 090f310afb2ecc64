//! Renaming, moving and copying whole keys: RENAME, MOVE, COPY.

use super::super::store::container::copy_container;
use super::super::store::entry::Entry;
use super::super::{Cause, Db, DbIndex, NewValue, Ref};
use russet_types::{AnyContainer, TimeSeries, Type};

impl Db<'_> {
    /// Moves key `from` to `to` in database `db` with its expiry, replacing any key at `to`. The
    /// use counters start anew, as for a new key. `false`: no such key. O(length of the name): the
    /// value is not copied, unless it is a string short enough to be embedded in the entry.
    pub fn rename(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        let Some(found) = self.find(from) else {
            return false;
        };
        let links = (found.entry.kind() == Type::TimeSeries).then(|| Links::of(found.entry));
        let entry = self.database_mut().detach_to_move(found).with_key(to);
        entry.set_clock(self.keyspace.fresh_clock());
        let is_here = db == self.index();
        self.other(db).put_entry(to, entry);
        match links {
            Some(links) if is_here => self.rename_links(&links, from, to),
            Some(_) => self.other(db).unlink(to),
            None => {}
        }
        true
    }

    /// Copies key `from` to `to` in database `db` with its expiry, replacing any key at `to`. The
    /// two must differ. `false`: no such key.
    pub fn copy(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        self.copy_as(from, db, to, None)
    }

    /// As [`Db::copy`], with a copy of the container that was made before.
    pub fn copy_as(
        &mut self,
        from: &[u8],
        db: DbIndex,
        to: &[u8],
        copy: Option<AnyContainer>,
    ) -> bool {
        let Some(found) = self.find(from) else {
            return false;
        };
        let source = found.entry;
        let value = match (source.value(), copy) {
            (NewValue::Container(..), Some(copy)) => {
                let (kind, encoding, word) = copy.into_word();
                NewValue::Container(kind, encoding, word)
            }
            (NewValue::Container(..), None) => {
                let (kind, encoding, word) = copy_container(source).into_parts();
                NewValue::Container(kind, encoding, word)
            }
            (string, _) => string,
        };
        let is_series = source.kind() == Type::TimeSeries;
        let copy = Entry::new(to, source.expiry(), self.keyspace.fresh_clock(), value);
        self.other(db).put_entry(to, copy);
        if is_series {
            self.other(db).unlink(to);
        }
        true
    }

    /// A series is linked with no other any longer.
    fn unlink(&mut self, key: &[u8]) {
        if let Ok(Some(mut series)) = self.write::<TimeSeries>(key) {
            series.unlink();
        }
    }

    /// The series that are linked with a renamed series follow it.
    fn rename_links(&mut self, links: &Links, from: &[u8], to: &[u8]) {
        if let Some(source) = &links.source
            && let Ok(Some(mut source)) = self.write::<TimeSeries>(source)
        {
            source.change_rules(|rules| {
                // A rule whose destination was replaced is none.
                rules.retain(|rule| rule.dest() != to);
                let own = rules.iter_mut().filter(|rule| rule.dest() == from);
                own.for_each(|rule| rule.set_dest(to));
            });
        }
        for dest in &links.dests {
            if let Ok(Some(mut dest)) = self.write::<TimeSeries>(dest)
                && dest.source() == Some(from)
            {
                dest.set_source(Some(to));
            }
        }
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

/// The keys that a series is linked with.
struct Links {
    source: Option<Box<[u8]>>,
    dests: Vec<Box<[u8]>>,
}

impl Links {
    fn of(entry: Entry) -> Links {
        let series = Ref::<TimeSeries>::of(entry);
        Links {
            source: series.source().map(Box::from),
            dests: series
                .rules()
                .iter()
                .map(|rule| rule.dest().into())
                .collect(),
        }
    }
}
