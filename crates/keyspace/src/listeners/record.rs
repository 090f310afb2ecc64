//! Where a change of a key is recorded, once, for all listeners.
//!
//! Every change of a key is recorded by a single function, [`Keyspace::record_change`], on every
//! path: handlers, expiry of keys and fields, eviction, loading; a whole database by
//! [`Keyspace::record_flush`], [`Keyspace::record_swap`] and [`Keyspace::record_take_over`].
//! `record_change` notifies watchers at once. Cost without a listener: a branch for all kinds of
//! them.

use super::super::ids::DbIndex;
use super::super::slots::slot_set::{SlotFilter, SlotSet};
use super::super::store::database::Database;
use super::super::store::prefixes::KeyUse;
use super::super::{ClockUse, Keyspace};
use super::journal::{Change, ChangeKind};
use super::watch::KeyState;
use russet_config::EventClass as Class;

impl Keyspace {
    /// Records a key's change: the only source for watchers, subscribers and caching clients. Must
    /// be called after the change.
    #[inline]
    pub(crate) fn record_change(
        &mut self,
        db: DbIndex,
        key: &[u8],
        kind: ChangeKind,
        class: Class,
        event: &'static str,
    ) {
        #[cfg(any(test, feature = "testing"))]
        if kind == ChangeKind::Written {
            self.opened.note(key, true);
        }
        if self.has_listener(kind, class) {
            self.report_change(db, key, kind, class, event);
        }
    }

    /// Whether a change may concern a listener of any kind: a single branch for all of them.
    #[inline]
    fn has_listener(&self, kind: ChangeKind, class: Class) -> bool {
        let of_changes = self.waiting.is_guarded()
            | !self.watchers.is_empty()
            | self.unconfirmed.is_on()
            | self.prefix_rule.is_some()
            | (self.clock_use == ClockUse::Lrm);
        (of_changes & (kind != ChangeKind::Event)) | self.journal.wants(kind, class)
    }

    #[inline(never)]
    fn report_change(
        &mut self,
        db: DbIndex,
        key: &[u8],
        kind: ChangeKind,
        class: Class,
        event: &'static str,
    ) {
        if kind != ChangeKind::Event {
            self.waiting.touch(db, key);
            // An expired key is absent at every server from then on, so no reader waits for that.
            if self.unconfirmed.is_on() && kind != ChangeKind::Expired {
                self.unconfirmed.touch(db, self.hasher.hash(key).hash());
            }
            match kind {
                ChangeKind::Written => {
                    self.count_use(db, key, KeyUse::Write);
                    if self.clock_use == ClockUse::Lrm {
                        self.record_modified(db, key);
                    }
                }
                ChangeKind::Expired => self.count_use(db, key, KeyUse::Expiry),
                _ => {}
            }
            let database = &self.dbs[db];
            self.watchers
                .touch(db, key, || database.find_key(key).is_some());
        }
        if self.journal.wants(kind, class) {
            self.journal.note(Change {
                db,
                kind,
                class,
                event,
                key,
                subkeys: b"",
            });
        }
    }

    /// Records a change that no watcher is notified of: for readers that wait for replicas, and
    /// under an LRM policy.
    pub(crate) fn record_modified_within(&mut self, db: DbIndex, key: &[u8]) {
        if self.unconfirmed.is_on() {
            self.unconfirmed.touch(db, self.hasher.hash(key).hash());
        }
        if self.clock_use == ClockUse::Lrm {
            self.record_modified(db, key);
        }
    }

    /// Records the time of a change in the key's clock, under an LRM policy.
    #[cold]
    fn record_modified(&mut self, db: DbIndex, key: &[u8]) {
        let now = self.fresh_clock();
        if let Some(found) = self.dbs[db].find_key(key) {
            found.entry.set_clock(now);
        }
    }

    /// Whether enough replicas have the last change of a key, or nothing waits for replicas.
    pub fn is_confirmed(&self, db: DbIndex, key: &[u8]) -> bool {
        self.unconfirmed.is_safe(db, self.hasher.hash(key).hash())
    }

    /// Records that all keys of a database are about to be removed.
    pub(crate) fn record_flush(&mut self, db: DbIndex) {
        self.waiting.touch_all(db);
        self.touch_database(db);
        let (database, now) = (&self.dbs[db], self.due_ms);
        self.watchers.replace_all(
            db,
            |key| database.key_state(key, now),
            |_| KeyState::Missing,
        );
        self.record_whole(db, ChangeKind::Flushed);
    }

    /// Records that all keys of some slots are about to be removed from a database. O(the slots'
    /// keys) if there is a listener to all changes, else O(keys that are watched or waited for).
    pub(crate) fn record_drop(&mut self, db: DbIndex, slots: &SlotSet) {
        self.waiting.touch_all(db);
        self.touch_database(db);
        let (database, now) = (&self.dbs[db], self.due_ms);
        let before = |key: &[u8]| {
            if slots.has(self.hasher.hash(key).slot()) {
                database.key_state(key, now)
            } else {
                // Missing before and after: it is left alone.
                KeyState::Missing
            }
        };
        self.watchers.replace_all(db, before, |_| KeyState::Missing);
        if self.journal.all_changes {
            for entry in database.table().entries_among(SlotFilter::Only(slots)) {
                self.journal.note(Change {
                    db,
                    kind: ChangeKind::Written,
                    class: Class::empty(),
                    event: "",
                    key: entry.key(),
                    subkeys: b"",
                });
            }
        }
    }

    /// Records that all keys of a database are about to be replaced by those in `new`.
    pub(crate) fn record_take_over(&mut self, db: DbIndex, new: &Database) {
        self.waiting.touch_all(db);
        self.touch_database(db);
        let (old, now) = (&self.dbs[db], self.due_ms);
        self.watchers.replace_all(
            db,
            |key| old.key_state(key, now),
            |key| new.key_state(key, now),
        );
        self.record_whole(db, ChangeKind::Flushed);
    }

    /// Records that two databases are about to be swapped.
    pub(crate) fn record_swap(&mut self, a: DbIndex, b: DbIndex) {
        self.waiting.touch_all(a);
        self.waiting.touch_all(b);
        self.touch_database(a);
        self.touch_database(b);
        let (dbs, now) = (&self.dbs, self.due_ms);
        for (from, to) in [(a, b), (b, a)] {
            let (old, new) = (&dbs[from], &dbs[to]);
            self.watchers.replace_all(
                from,
                |key| old.key_state(key, now),
                |key| new.key_state(key, now),
            );
        }
        self.record_whole(a, ChangeKind::Swapped);
        self.record_whole(b, ChangeKind::Swapped);
    }

    /// All keys of a database change: each of them waits for the replicas.
    fn touch_database(&mut self, db: DbIndex) {
        if self.unconfirmed.is_on() {
            self.unconfirmed.touch_all(db);
        }
    }

    fn record_whole(&mut self, db: DbIndex, kind: ChangeKind) {
        if self.journal.all_changes {
            self.journal.note(Change {
                db,
                kind,
                class: Class::empty(),
                event: "",
                key: b"",
                subkeys: b"",
            });
        }
    }

    /// Records the removal of a whole key by expiry or eviction.
    #[inline]
    pub(crate) fn record_removed(&mut self, db: DbIndex, word: &'static [u8], key: &[u8]) {
        self.effects
            .record_removal(db, key, [word, key].into_iter());
    }

    /// Records the removal of an expired field or member by its command.
    pub(crate) fn record_field_removed(
        &mut self,
        db: DbIndex,
        (command, key): (&'static [u8], &[u8]),
        field: &[u8],
    ) {
        self.effects
            .record_removal(db, key, [command, key, field].into_iter());
    }
}
