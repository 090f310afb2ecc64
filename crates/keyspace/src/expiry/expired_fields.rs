//! Removal of expired fields from their hash, in a single place for all callers, as for keys.
//!
//!     the active cycle                            [`Db::expire_due_fields`]
//!     a command that reads fields at random       [`Db::expire_all_fields`]
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
use super::super::{ChangeKind, Class, Db, Ref};
use russet_types::{Container, Hash, Type};

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
    pub(crate) fn expire_due_fields(&mut self, key: &[u8], limit: usize) -> usize {
        let removed = self.delete_due_fields(key, limit);
        let hash = self.peek_hash(key).map(Ref::<Hash>::of);
        if let Some(next) = hash.and_then(|hash| hash.next_due()) {
            // A table's bound may be of a field since deleted: never twice in a turn.
            let next = match removed {
                0 => next.max(self.past_ms() + 1),
                _ => next,
            };
            self.record_field_expiry(key, next as i64);
        }
        removed
    }

    /// Deletes all expired fields of the hash at `key`, and the hash with its last field; returns
    /// whether that deleted the hash. O(fields deleted).
    pub fn expire_all_fields(&mut self, key: &[u8]) -> bool {
        self.removes_expired()
            && self.delete_due_fields(key, usize::MAX) > 0
            && self.peek_hash(key).is_none()
    }

    fn delete_due_fields(&mut self, key: &[u8], limit: usize) -> usize {
        let past = self.past_ms();
        // A hash that does not change is not borrowed for a change: a snapshot would copy it.
        let is_due = |entry: &Entry| {
            let next = Ref::<Hash>::of(*entry).next_due();
            next.is_some_and(|next| next <= past)
        };
        let Some(entry) = self.peek_hash(key).filter(is_due) else {
            return 0;
        };
        let mut names = Names::default();
        let mut hash = self.database_mut().write::<Hash>(entry);
        let removed = hash.remove_expired(past, limit, |name| names.push(name));
        drop(hash);
        self.record_expired_fields(key, names.iter(), Class::HASH, "hexpired");
        self.delete_hash_if_empty(key);
        removed
    }

    /// The last millisecond whose fields have expired.
    fn past_ms(&self) -> u64 {
        self.keyspace.due_ms.saturating_sub(1).max(0) as u64
    }

    fn peek_hash(&self, key: &[u8]) -> Option<Entry> {
        self.peek_entry(key)
            .filter(|entry| entry.kind() == Type::Hash)
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
        let Some(entry) = self.peek_hash(key) else {
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
        let Some(entry) = self.peek_hash(key) else {
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
        let fields = fields.iter().copied();
        self.record_expired_fields(key, fields, Class::HASH, "hexpired");
    }

    /// As [`Db::fields_expired`], of fields removed because the command set an expiry that has
    /// passed: the caller emits the command's own event.
    pub fn fields_expired_at_once(&mut self, key: &[u8], fields: &[&[u8]]) {
        self.record_expired_fields(key, fields.iter().copied(), Class::empty(), "");
    }

    /// Deletes the hash at `key` if it has no fields; returns whether it did.
    pub fn delete_hash_if_empty(&mut self, key: &[u8]) -> bool {
        let is_empty = matches!(self.peek::<Hash>(key), Ok(Some(hash)) if hash.is_empty());
        if is_empty {
            self.delete_emptied(key);
        }
        is_empty
    }

    /// The only place that records removals of expired fields; see the module.
    fn record_expired_fields<'f>(
        &mut self,
        key: &[u8],
        fields: impl Iterator<Item = &'f [u8]> + Clone,
        class: Class,
        event: &'static str,
    ) {
        let (keyspace, at) = (&mut *self.keyspace, self.at);
        let before = keyspace.stats.expired_fields;
        for field in fields.clone() {
            keyspace.record_field_removed(at, key, field);
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
        self.database_mut()
            .table_mut()
            .fields_mut()
            .note(key, when_ms);
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
