//! Records a command's changes: in the dirty counter, and through the journal for every listener.

use super::super::{Cause, ChangeKind, Class, Db};
use russet_types::Type;

impl Db<'_> {
    /// Records that this command changed the key.
    #[inline]
    pub fn changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.changed_by(key, 1, class, event);
    }

    /// As [`Db::changed`], for a second key of the same command: a command that changes two keys
    /// counts once.
    pub fn also_changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.changed_by(key, 0, class, event);
    }

    /// As [`Db::changed`], by `n` elements. `n == 0` is a change too, seen only by watchers and
    /// events.
    #[inline]
    pub fn changed_by(&mut self, key: &[u8], n: usize, class: Class, event: &'static str) {
        self.add_dirty(n as u64);
        self.keyspace
            .record_change(self.at, key, ChangeKind::Written, class, event);
    }

    /// As [`Db::changed_by`], and lists the fields that were touched for subscribers of subkey
    /// events; `fields` is read only if there is a listener. O(fields) then, else as `changed_by`.
    #[inline]
    pub fn changed_fields<'f>(
        &mut self,
        key: &[u8],
        n: usize,
        class: Class,
        event: &'static str,
        fields: impl Iterator<Item = &'f [u8]>,
    ) {
        self.changed_by(key, n, class, event);
        self.list_fields(class, fields);
    }

    /// Lists the fields that the last change or event, of this class, has touched.
    #[inline]
    pub fn list_fields<'f>(&mut self, class: Class, fields: impl Iterator<Item = &'f [u8]>) {
        if self.wants_fields(class) {
            self.keyspace.journal.add_subkeys(fields);
        }
    }

    /// Whether the fields of changes of this class are published: a command that would have to
    /// gather them only for that need not otherwise.
    #[inline]
    pub fn wants_fields(&self, class: Class) -> bool {
        self.keyspace.journal.wants_subkeys(class)
    }

    /// Records that a command has replaced the value of a key: the events `overwritten` and, if its
    /// type is another, `type_changed`. Commands that modify the old value do not replace it.
    #[inline]
    pub fn overwritten(&mut self, key: &[u8], old: Type, new: Type) {
        let classes = Class::OVERWRITTEN.union(Class::TYPE_CHANGED);
        if self.keyspace.journal.has_listener(classes) {
            self.event(key, Class::OVERWRITTEN, "overwritten");
            if old != new {
                self.event(key, Class::TYPE_CHANGED, "type_changed");
            }
        }
    }

    /// As [`Db::changed`], without an event: the value is the same, only its encoding changed.
    pub fn changed_silently(&mut self, key: &[u8]) {
        self.changed(key, Class::empty(), "");
    }

    /// Deletes a container that a command has emptied, and emits the `del` event.
    #[cold]
    pub fn delete_emptied(&mut self, key: &[u8]) {
        self.delete(key, Cause::Server);
        self.event(key, Class::GENERIC, "del");
    }

    /// Counts `n` changes. Changes of no single key (FLUSHALL, SWAPDB) are recorded only here.
    #[inline]
    pub fn add_dirty(&mut self, n: u64) {
        self.keyspace.dirty += n;
        if n > 0 {
            self.keyspace.effects.record_changed();
        }
    }

    /// Counts `n` changes within a stream that no watcher is notified of: groups, consumers,
    /// pending entries. Under an LRM policy they are modifications, even if `n` is zero. O(1).
    pub fn changed_within(&mut self, key: &[u8], n: u64) {
        self.add_dirty(n);
        self.keyspace.record_modified_within(self.at, key);
    }

    /// Counts the change of a library of functions, which belongs to no key.
    pub fn functions_changed(&mut self) {
        self.add_dirty(1);
        self.keyspace.unconfirmed.touch_functions();
    }

    /// A command runs a function: its reply waits until enough replicas have the function.
    pub fn asks_functions(&self) {
        self.keyspace.unconfirmed.ask_functions();
    }

    /// An event without a change of its own (`keymiss`, `new`, a second event of a command).
    #[inline]
    pub fn event(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.keyspace
            .record_change(self.at, key, ChangeKind::Event, class, event);
    }

    /// Records the removal of an expired key that is already gone.
    pub fn expired(&mut self, key: &[u8]) {
        // This is no change by the command that found the key, because that command may have no
        // effect of its own.
        let (keyspace, at) = (&mut *self.keyspace, self.at);
        keyspace.stats.expired += 1;
        keyspace.record_change(at, key, ChangeKind::Expired, Class::EXPIRED, "expired");
        keyspace.record_removed(at, keyspace.removal_words.expire, key);
    }
}
