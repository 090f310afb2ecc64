//! Fields whose time has come, found by a command before the active cycle came by.
//!
//! Readers delete them on the way, as they do keys: the deletion is stated as HDEL, with
//! `hexpired`, and `del` if the hash went with its last field. It is no change of the
//! command's own. While the keyspace stands still (CLIENT PAUSE) they stay, unseen.

use crate::keyspace::{Class, Db};
use crate::types::{Container, Hash};

/// Deletes one expired field.
#[cold]
pub(in crate::commands) fn expire(db: &mut Db<'_>, key: &[u8], field: &[u8]) {
    expire_several(db, key, &[field]);
}

/// Deletes expired fields, which may repeat, as one event.
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

/// States that fields are gone because their time has come. The hash itself is the caller's,
/// if this leaves it empty.
pub(super) fn state(db: &mut Db<'_>, key: &[u8], fields: &[&[u8]]) {
    for field in fields {
        db.field_expired(key, field);
    }
    if !fields.is_empty() {
        db.event(key, Class::HASH, "hexpired");
    }
}

/// Deletes a hash that has no fields left.
pub(super) fn delete_if_empty(db: &mut Db<'_>, key: &[u8]) -> bool {
    let empty = matches!(db.peek::<Hash>(key), Ok(Some(hash)) if hash.is_empty());
    if empty {
        db.delete_emptied(key);
    }
    empty
}

/// Deletes all expired fields of a hash; true if the hash went with them. O(expired).
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
