//! Lazy expiry of fields: a command finds an expired field before the active cycle does.
//!
//! Readers delete such fields, as they delete expired keys: the deletion is recorded as HDEL, with
//! the event `hexpired`, and `del` if it empties the hash. It is not counted as the command's own
//! change. While expiry is suspended (CLIENT PAUSE) the fields stay, invisible.

use crate::keyspace::{Class, Db};
use crate::types::{Container, Hash};

/// Deletes one expired field.
#[cold]
pub(in crate::commands) fn expire(db: &mut Db<'_>, key: &[u8], field: &[u8]) {
    expire_several(db, key, &[field]);
}

/// Deletes expired fields as one event; fields may repeat.
#[cold]
pub(super) fn expire_several(db: &mut Db<'_>, key: &[u8], fields: &[&[u8]]) {
    if !db.removes_expired() {
        return;
    }
    let mut gone = Vec::with_capacity(fields.len());
    if let Ok(Some(mut hash)) = db.write::<Hash>(key) {
        gone.extend(fields.iter().filter(|field| hash.remove(field)));
    }
    state(db, key, &gone);
    delete_if_empty(db, key);
}

/// Records the expiry of removed fields. If the hash is now empty, the caller must delete it.
pub(super) fn state(db: &mut Db<'_>, key: &[u8], fields: &[&[u8]]) {
    for field in fields {
        db.field_expired(key, field);
    }
    if !fields.is_empty() {
        db.event(key, Class::HASH, "hexpired");
    }
}

/// Deletes a hash without fields.
pub(super) fn delete_if_empty(db: &mut Db<'_>, key: &[u8]) -> bool {
    let empty = matches!(db.peek::<Hash>(key), Ok(Some(hash)) if hash.is_empty());
    if empty {
        db.delete_emptied(key);
    }
    empty
}

/// Deletes all expired fields of a hash; true if that deleted the hash. O(expired).
pub(super) fn expire_all(db: &mut Db<'_>, key: &[u8]) -> bool {
    if !db.removes_expired() {
        return false;
    }
    let now = db.due_ms() as u64;
    let Ok(Some(mut hash)) = db.write::<Hash>(key) else {
        return false;
    };
    let due = |min: Option<u64>| min.is_some_and(|min| min < now);
    if !due(hash.next_due()) || !due(hash.expire_min()) {
        return false;
    }
    let mut names = Vec::new();
    hash.remove_expired(now, usize::MAX, |name| names.push(name.to_vec()));
    drop(hash);
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    state(db, key, &names);
    delete_if_empty(db, key)
}
