//! Stating changes: watchers, the dirty counter and keyspace events hear of them here and
//! nowhere else.

use super::{Class, Db, KeyEvent, RemovedPart};

impl Db<'_> {
    /// States that the key was changed by this command.
    #[inline]
    pub fn changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.changed_by(key, 1, class, event);
    }

    /// As [`Db::changed`] for another key of the same command: one command that changes two
    /// keys counts once.
    pub fn also_changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.changed_by(key, 0, class, event);
    }

    /// As [`Db::changed`], by `n` elements; none of them is a change too, of which only
    /// watchers and events hear.
    #[inline]
    pub fn changed_by(&mut self, key: &[u8], n: usize, class: Class, event: &'static str) {
        self.keyspace.dirty += n as u64;
        self.keyspace.touch_watchers(self.at, key);
        self.event(key, class, event);
    }

    /// Deletes the container that a command has emptied, and tells of it.
    #[cold]
    pub fn delete_emptied(&mut self, key: &[u8]) {
        self.delete(key);
        self.event(key, Class::GENERIC, "del");
    }

    /// Counts `n` changes that are of no one key (FLUSHALL, SWAPDB).
    pub fn add_dirty(&mut self, n: u64) {
        self.keyspace.dirty += n;
    }

    /// An event without a change of its own (`keymiss`, `new`, a second event of a command).
    #[inline]
    pub fn event(&mut self, key: &[u8], class: Class, event: &'static str) {
        if self.keyspace.notify.intersects(class) {
            let event = KeyEvent {
                db: self.at,
                class,
                event,
                key: key.into(),
            };
            self.keyspace.events.push(event);
        }
    }

    /// States the removal of an expired key that is already gone.
    pub(super) fn expired(&mut self, key: Box<[u8]>) {
        // Not a change of the command that met it: `dirty` decides what that one states.
        self.keyspace.stats.expired += 1;
        self.keyspace.touch_watchers(self.at, &key);
        self.event(&key, Class::EXPIRED, "expired");
        self.keyspace
            .record_removed(self.at, &key, RemovedPart::Expired);
    }
}
