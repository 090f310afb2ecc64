//! The journal of key changes, in order, for listeners notified after each command: subscribers of
//! keyspace events, and clients that cache their reads.
//!
//! The journal keeps a line for a change (`record`) when there is a listener for its class. The
//! server drains it after each command, so that events of a transaction's commands come between
//! them.
//!
//!     keys     bytes of the keys, each followed by the change's subkeys, if any is listed
//!     changes  one line per change
//!
//! Subkeys are the fields that a change of a hash touched. The journal keeps subkeys as they are
//! published, `length:name,length:name`, and only while `notify-keyspace-events` selects any of
//! their channels.
//!
//! Cost without a listener: a test. A line needs no allocation of its own.

use super::super::ids::DbIndex;
use russet_config::EventClass as Class;

/// Capacity kept for the next command; more than that is released.
const KEYS_KEPT: usize = 16 * 1024;
const CHANGES_KEPT: usize = 256;

/// The kind of a key's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Nothing: an event beside a change that is recorded elsewhere, or of a reader.
    Event,
    /// A command created, changed or deleted it.
    Written,
    /// The key expired.
    Expired,
    /// The key was evicted.
    Evicted,
    /// Some fields of the hash expired.
    FieldsExpired,
    /// All keys of the database were removed.
    Flushed,
    /// All keys of the database were swapped with the keys of another database.
    Swapped,
}

/// A line of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The database of the key.
    pub db: DbIndex,
    /// The kind of change, for those that do not read names.
    pub kind: ChangeKind,
    /// The class of the event, as `notify-keyspace-events` selects it.
    pub class: Class,
    /// The event's name (`set`, `expired`); empty for a whole database.
    pub event: &'static str,
    /// Empty for a whole database.
    pub key: &'a [u8],
    /// The fields touched, as they are published (see [`subkeys`]); empty if none are listed.
    pub subkeys: &'a [u8],
}

/// The names in a list of subkeys, `length:name,length:name`.
pub fn subkeys(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let colon = list.iter().position(|&byte| byte == b':')?;
        let len = list[..colon]
            .iter()
            .fold(0, |len, digit| len * 10 + usize::from(digit - b'0'));
        let (name, rest) = list[colon + 1..].split_at(len);
        list = rest.strip_prefix(b",").unwrap_or(rest);
        Some(name)
    })
}

#[derive(Clone, Copy, Debug)]
struct Line {
    db: DbIndex,
    kind: ChangeKind,
    class: Class,
    event: &'static str,
    /// Where the change's key ends.
    key_end: usize,
    /// Where the change's subkeys end.
    end: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Journal {
    /// Classes of events with a listener.
    classes: Class,
    /// A listener takes every change, whatever its class.
    pub(super) all_changes: bool,
    /// Subkeys are published.
    with_subkeys: bool,
    keys: Vec<u8>,
    lines: Vec<Line>,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            classes: Class::empty(),
            all_changes: false,
            with_subkeys: false,
            keys: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl Journal {
    /// Sets the listeners from now on: for events of these classes, for all changes.
    pub fn listen(&mut self, classes: Class, all_changes: bool) {
        (self.classes, self.all_changes) = (classes, all_changes);
    }

    /// Whether the subkeys of events are kept from now on.
    pub fn keep_subkeys(&mut self, on: bool) {
        self.with_subkeys = on;
    }

    /// Whether events of any of these classes have a listener.
    #[inline]
    pub fn has_listener(&self, classes: Class) -> bool {
        self.classes.intersects(classes)
    }

    /// Whether the subkeys of an event of this class are published.
    #[inline]
    pub(crate) fn wants_subkeys(&self, class: Class) -> bool {
        self.with_subkeys && self.has_listener(class)
    }

    /// Adds subkeys to the last change, which must be of a class that [`Journal::wants_subkeys`].
    #[cold]
    pub(crate) fn add_subkeys<'f>(&mut self, names: impl Iterator<Item = &'f [u8]>) {
        let Some(line) = self.lines.last_mut() else {
            return;
        };
        for name in names {
            if line.end > line.key_end {
                self.keys.push(b',');
            }
            let mut digits = itoa::Buffer::new();
            self.keys
                .extend_from_slice(digits.format(name.len()).as_bytes());
            self.keys.push(b':');
            self.keys.extend_from_slice(name);
            line.end = self.keys.len();
        }
    }

    #[inline]
    pub(super) fn wants(&self, kind: ChangeKind, class: Class) -> bool {
        self.classes.intersects(class) | (self.all_changes & (kind != ChangeKind::Event))
    }

    #[cold]
    pub(super) fn note(&mut self, change: Change<'_>) {
        self.keys.extend_from_slice(change.key);
        self.lines.push(Line {
            db: change.db,
            kind: change.kind,
            class: change.class,
            event: change.event,
            key_end: self.keys.len(),
            end: self.keys.len(),
        });
    }

    /// Whether no change has been recorded since the last were taken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Bytes that the lines take.
    pub fn held_bytes(&self) -> usize {
        self.keys.capacity() + self.lines.capacity() * size_of::<Line>()
    }

    /// The lines, oldest first.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let mut begin = 0;
        self.lines.iter().map(move |line| {
            let key = &self.keys[begin..line.key_end];
            let subkeys = &self.keys[line.key_end..line.end];
            begin = line.end;
            Change {
                db: line.db,
                kind: line.kind,
                class: line.class,
                event: line.event,
                key,
                subkeys,
            }
        })
    }

    /// Drops the changes of commands, which were undone before any listener saw them. Removals by
    /// expiry or eviction stay. O(lines).
    pub fn forget_written(&mut self) {
        let is_undone = |kind| matches!(kind, ChangeKind::Written | ChangeKind::Event);
        let (mut keys, mut lines, mut begin) = (Vec::new(), Vec::new(), 0);
        for line in &self.lines {
            let bytes = &self.keys[begin..line.end];
            let key_len = line.key_end - begin;
            begin = line.end;
            if !is_undone(line.kind) {
                let key_end = keys.len() + key_len;
                keys.extend_from_slice(bytes);
                lines.push(Line {
                    key_end,
                    end: keys.len(),
                    ..*line
                });
            }
        }
        (self.keys, self.lines) = (keys, lines);
    }

    /// Drops all lines, which all listeners have read.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.keys.clear();
        self.lines.shrink_to(CHANGES_KEPT);
        self.keys.shrink_to(KEYS_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keyspace;

    const DB: DbIndex = DbIndex(0);

    fn lines(k: &mut Keyspace) -> Vec<(ChangeKind, &'static str, Vec<u8>)> {
        let line = |c: Change<'_>| (c.kind, c.event, c.key.to_vec());
        let lines = k.journal.changes().map(line).collect();
        k.journal.clear();
        lines
    }

    #[test]
    fn a_line_is_kept_for_listeners_of_its_class_or_of_all_changes() {
        let mut k = Keyspace::new(1);
        let state = |k: &mut Keyspace| {
            k.record_change(DB, b"a", ChangeKind::Written, Class::STRING, "set");
            k.record_change(DB, b"bc", ChangeKind::Event, Class::NEW, "new");
            k.record_flush(DB);
        };
        state(&mut k);
        assert!(k.journal.is_empty());
        let set = (ChangeKind::Written, "set", b"a".to_vec());
        k.journal.listen(Class::NEW, false);
        state(&mut k);
        assert_eq!(lines(&mut k), [(ChangeKind::Event, "new", b"bc".to_vec())]);
        k.journal.listen(Class::empty(), true);
        state(&mut k);
        assert_eq!(lines(&mut k), [set, (ChangeKind::Flushed, "", vec![])]);
    }

    #[test]
    fn subkeys_belong_to_their_change_and_are_read_back_whatever_their_bytes() {
        let mut k = Keyspace::new(1);
        let names: [&[u8]; 4] = [b"a", b"", b"1:x,2", &[b'x'; 12]];
        k.journal.listen(Class::HASH, false);
        assert!(!k.journal.wants_subkeys(Class::HASH));
        k.journal.keep_subkeys(true);
        assert!(!k.journal.wants_subkeys(Class::LIST));
        k.record_change(DB, b"h", ChangeKind::Expired, Class::HASH, "hexpired");
        k.journal.add_subkeys(names.into_iter());
        k.record_change(DB, b"i", ChangeKind::Written, Class::HASH, "hset");
        k.journal.add_subkeys([&b"f"[..]].into_iter());
        for count in [2, 1] {
            let changes: Vec<Change<'_>> = k.journal.changes().collect();
            assert_eq!(changes.len(), count);
            assert_eq!(changes[0].key, b"h");
            assert!(subkeys(changes[0].subkeys).eq(names));
            assert!(changes.get(1).is_none_or(|c| c.subkeys == b"1:f"));
            k.journal.forget_written();
        }
    }
}
