//! Removal of expired fields from their hash, and of expired members from their set, in a single
//! place for all callers, as for keys. All that follows holds for members as well, with SREM for
//! HDEL and `sexpired` for `hexpired`.
//!
//!     the active cycle                            [`Db::expire_due`]
//!     a command that reads fields at random       [`Db::expire_all_fields`]
//!     a command that reads or stores members      [`Db::expire_members`]
//!     a lookup that finds expired fields          [`Db::expire_fields`]
//!     the same, for a command that sets them      [`Db::expire_fields_to_write`]
//!     a command of Valkey that sets fields        [`Db::expire_fields_to_set`]
//!     a command that has removed them itself      [`Db::fields_expired`]
//!     a command that sets an expiry in the past   [`Db::fields_expired_at_once`]
//!
//! All callers record the removal by the same function, which counts the fields, records the
//! effect, an HDEL for each field, and notifies watchers, caching clients and subscribers
//! (`hexpired`). As with keys, this is not a change of the command that found the fields. A hash
//! without fields is deleted, with the event `del`; a lookup that has found only the hash's last
//! field sends no `hexpired`.
//!
//! While expired keys are hidden and kept ([`ExpiryMode::Hide`](super::super::ExpiryMode)), so are
//! fields, until they are set.

use super::super::store::entry::Entry;
use super::super::store::table::Table;
use super::super::{ChangeKind, Class, Db, FieldExpiries, Ref};
use russet_types::{Container as _, Expirable, Hash, Set, is_expired};

/// The words for the removal of expired elements of a container, in the log and as an event.
pub(crate) struct RemovalWords {
    /// The command that repeats a removal.
    command: &'static [u8],
    class: Class,
    event: &'static str,
}

/// A container with expiring elements, and the words for it.
pub(crate) trait WithWords: Expirable {
    /// The words for a removal.
    const WORDS: RemovalWords;

    /// The index of the keys of this type.
    fn lines(table: &mut Table) -> &mut FieldExpiries;
}

impl WithWords for Hash {
    const WORDS: RemovalWords = RemovalWords {
        command: b"HDEL",
        class: Class::HASH,
        event: "hexpired",
    };

    fn lines(table: &mut Table) -> &mut FieldExpiries {
        table.fields_mut()
    }
}

impl WithWords for Set {
    const WORDS: RemovalWords = RemovalWords {
        command: b"SREM",
        class: Class::SET,
        event: "sexpired",
    };

    fn lines(table: &mut Table) -> &mut FieldExpiries {
        table.members_mut()
    }
}

/// Names of fields, in a single buffer.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each name ends.
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut begin = 0;
        self.ends
            .iter()
            .map(move |&end| &self.bytes[std::mem::replace(&mut begin, end)..end])
    }
}

impl Db<'_> {
    /// As [`Db::expire_all_fields`], for up to `limit` fields, and records when the active cycle
    /// must visit the hash again. Returns the number of fields.
    pub(crate) fn expire_due<T: WithWords>(&mut self, key: &[u8], limit: usize) -> usize {
        let removed = self.delete_due::<T>(key, limit);
        let value = self.peek_of::<T>(key).map(Ref::<T>::of);
        if let Some(next) = value.and_then(|value| value.next_due()) {
            // A table's bound may be of a field since deleted: never twice in a turn.
            let next = match removed {
                0 => next.max(self.past_ms() + 1),
                _ => next,
            };
            self.note_expiry::<T>(key, next as i64);
        }
        removed
    }

    /// Records that an element of this key's value expires at `when_ms`.
    pub(crate) fn note_expiry<T: WithWords>(&mut self, key: &[u8], when_ms: i64) {
        T::lines(self.database_mut().table_mut()).note(key, when_ms);
    }

    /// Deletes all expired fields of the hash at `key`, and the hash with its last field; returns
    /// whether that deleted the hash. O(fields deleted).
    pub fn expire_all_fields(&mut self, key: &[u8]) -> bool {
        self.removes_expired()
            && self.delete_due::<Hash>(key, usize::MAX) > 0
            && self.peek_of::<Hash>(key).is_none()
    }

    /// Deletes all expired members of the set at `key`, and the set with its last member; returns
    /// whether that deleted the set. Nothing while expired ones are hidden and kept. O(members
    /// deleted).
    #[cold]
    pub fn expire_members(&mut self, key: &[u8]) -> bool {
        self.removes_expired() && self.expire_members_to_write(key)
    }

    /// As [`Db::expire_members`], for a command that takes members away: also while expired ones
    /// are hidden and kept.
    #[cold]
    pub fn expire_members_to_write(&mut self, key: &[u8]) -> bool {
        self.delete_due::<Set>(key, usize::MAX) > 0 && self.peek_of::<Set>(key).is_none()
    }

    /// Deletes the expired ones among members that a command adds, also while expired ones are
    /// hidden and kept, because the new members must not have their expiries. A set that is now
    /// empty stays. O(members given).
    #[cold]
    pub fn expire_members_to_add<'m>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'m [u8]>,
    ) {
        let due = self.keyspace.due_ms as u64;
        let Some(entry) = self.peek_of::<Set>(key) else {
            return;
        };
        let set = Ref::<Set>::of(entry);
        let past = |member: &&[u8]| set.expiry_of(member).is_some_and(|at| is_expired(at, due));
        let expired: Vec<&[u8]> = members.filter(past).collect();
        if expired.is_empty() {
            return;
        }
        let mut set = self.database_mut().write::<Set>(entry);
        let removed = expired.into_iter().filter(|member| set.remove(member));
        let removed: Vec<&[u8]> = removed.collect();
        drop(set);
        self.record_expired::<Set>(key, removed.into_iter(), true);
    }

    /// As [`Db::expire_members`], of these members alone.
    #[cold]
    pub fn expire_some_members(&mut self, key: &[u8], members: &[&[u8]]) {
        if !self.removes_expired() {
            return;
        }
        let Some(entry) = self.peek_of::<Set>(key) else {
            return;
        };
        let mut set = self.database_mut().write::<Set>(entry);
        let removed = members.iter().copied().filter(|member| set.remove(member));
        let removed: Vec<&[u8]> = removed.collect();
        drop(set);
        self.record_expired::<Set>(key, removed.into_iter(), true);
        self.delete_if_empty::<Set>(key);
    }

    /// Records that a command has removed members because it set an expiry that has passed: the
    /// caller emits the command's own event, and calls [`Db::delete_set_if_empty`].
    pub fn members_expired_at_once(&mut self, key: &[u8], members: &[&[u8]]) {
        self.record_expired::<Set>(key, members.iter().copied(), false);
    }

    /// Deletes the set at `key` if it has no members; returns whether it did.
    pub fn delete_set_if_empty(&mut self, key: &[u8]) -> bool {
        self.delete_if_empty::<Set>(key)
    }

    fn delete_due<T: WithWords>(&mut self, key: &[u8], limit: usize) -> usize {
        let past = self.past_ms();
        // A value that does not change is not borrowed for a change: a snapshot would copy it.
        let is_due = |entry: &Entry| {
            let next = Ref::<T>::of(*entry).next_due();
            next.is_some_and(|next| next <= past)
        };
        let Some(entry) = self.peek_of::<T>(key).filter(is_due) else {
            return 0;
        };
        let mut names = Names::default();
        let mut value = self.database_mut().write::<T>(entry);
        let removed = value.remove_expired(past, limit, |name| names.push(name));
        drop(value);
        self.record_expired::<T>(key, names.iter(), true);
        self.delete_if_empty::<T>(key);
        removed
    }

    /// The last millisecond whose fields have expired.
    fn past_ms(&self) -> u64 {
        self.keyspace.due_ms.saturating_sub(1).max(0) as u64
    }

    /// The entry of a container whose elements may expire: nothing in a packed container does.
    fn peek_of<T: WithWords>(&self, key: &[u8]) -> Option<Entry> {
        let entry = self.peek_entry(key)?;
        (entry.kind() == T::TYPE && !entry.is_packed()).then_some(entry)
    }

    /// Deletes fields that a lookup has found expired; names may repeat. Valkey leaves them to the
    /// cycle. O(fields).
    #[cold]
    pub fn expire_fields(&mut self, key: &[u8], fields: &[&[u8]]) {
        if self.removes_expired() && !self.dialect().keeps_expired_fields() {
            self.expire_fields_to_write(key, fields);
        }
    }

    /// As [`Db::expire_fields`], for a command that sets these fields: also while expired ones are
    /// hidden and kept, because the new fields must not have their values and expiries.
    #[cold]
    pub fn expire_fields_to_write(&mut self, key: &[u8], fields: &[&[u8]]) {
        let Some(entry) = self.peek_of::<Hash>(key) else {
            return;
        };
        let mut hash = self.database_mut().write::<Hash>(entry);
        let removed = fields.iter().copied().filter(|field| hash.remove(field));
        let removed: Vec<&[u8]> = removed.collect();
        let is_empty = hash.is_empty();
        drop(hash);
        // In Valkey's dialect an empty hash stays: the command adds a field.
        let goes = is_empty && !self.dialect().keeps_expired_fields();
        // Redis sends no event for the last field alone, because the hash goes with it.
        if goes && removed.len() == 1 {
            self.fields_expired_at_once(key, &removed);
        } else {
            self.fields_expired(key, &removed);
        }
        if goes {
            self.delete_hash_if_empty(key);
        }
    }

    /// Deletes the expired ones among fields that a command sets, as Valkey does. A hash that is
    /// now empty stays, because the command adds fields. O(fields).
    pub fn expire_fields_to_set<'f>(&mut self, key: &[u8], fields: impl Iterator<Item = &'f [u8]>) {
        let past = self.past_ms();
        let Some(entry) = self.peek_of::<Hash>(key) else {
            return;
        };
        let hash = Ref::<Hash>::of(entry);
        if hash.next_due().is_none_or(|next| next > past) {
            return;
        }
        let is_expired = |field: &&[u8]| hash.get(field).is_some_and(|its| its.expired(past + 1));
        let expired: Vec<&[u8]> = fields.filter(is_expired).collect();
        if !expired.is_empty() {
            self.expire_fields_to_write(key, &expired);
        }
    }

    /// Records that a command has removed fields that it found expired. If the hash is empty now,
    /// the caller adds a field or calls [`Db::delete_hash_if_empty`]. O(fields).
    pub fn fields_expired(&mut self, key: &[u8], fields: &[&[u8]]) {
        self.record_expired::<Hash>(key, fields.iter().copied(), true);
    }

    /// As [`Db::fields_expired`], of fields removed because the command set an expiry that has
    /// passed: the caller emits the command's own event.
    pub fn fields_expired_at_once(&mut self, key: &[u8], fields: &[&[u8]]) {
        self.record_expired::<Hash>(key, fields.iter().copied(), false);
    }

    /// Deletes the hash at `key` if it has no fields; returns whether it did.
    pub fn delete_hash_if_empty(&mut self, key: &[u8]) -> bool {
        self.delete_if_empty::<Hash>(key)
    }

    fn delete_if_empty<T: WithWords>(&mut self, key: &[u8]) -> bool {
        let is_empty = self
            .peek_of::<T>(key)
            .is_some_and(|entry| Ref::<T>::of(entry).is_empty());
        if is_empty {
            self.delete_emptied(key);
        }
        is_empty
    }

    /// The only place that records removals of expired fields and members; see the module.
    /// `announced`: with the event of an expiry.
    fn record_expired<'f, T: WithWords>(
        &mut self,
        key: &[u8],
        fields: impl Iterator<Item = &'f [u8]> + Clone,
        announced: bool,
    ) {
        let (class, event) = if announced {
            (T::WORDS.class, T::WORDS.event)
        } else {
            (Class::empty(), "")
        };
        let (keyspace, at) = (&mut *self.keyspace, self.at);
        let before = keyspace.stats.expired_fields;
        for field in fields.clone() {
            keyspace.record_field_removed(at, (T::WORDS.command, key), field);
            keyspace.stats.expired_fields += 1;
        }
        if keyspace.stats.expired_fields > before {
            keyspace.record_change(at, key, ChangeKind::FieldsExpired, class, event);
            self.list_fields(class, fields);
        }
    }
}

impl Db<'_> {
    /// Records that a field of this key's hash expires at `when_ms`: the keyspace's active cycle
    /// must visit it (see `keyspace::expiry::expire`).
    pub fn record_field_expiry(&mut self, key: &[u8], when_ms: i64) {
        self.note_expiry::<Hash>(key, when_ms);
    }

    /// As [`Db::record_field_expiry`], of a member of this key's set.
    pub fn record_member_expiry(&mut self, key: &[u8], when_ms: i64) {
        self.note_expiry::<Set>(key, when_ms);
    }

    /// No member of this key's set expires any more.
    pub fn forget_member_expiry(&mut self, key: &[u8]) {
        self.database_mut().table_mut().members_mut().forget(key);
    }

    /// No field of this key's hash expires any more.
    pub fn forget_field_expiry(&mut self, key: &[u8]) {
        self.database_mut().table_mut().fields_mut().forget(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_returned_in_their_order() {
        let mut names = Names::default();
        assert_eq!(names.iter().count(), 0);
        for name in ["a", "", "bc"] {
            names.push(name.as_bytes());
        }
        assert!(names.iter().eq([&b"a"[..], b"", b"bc"]));
    }
}
