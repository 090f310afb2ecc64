//! Fields whose time has come, found by a command before the active cycle came by.
//!
//! Readers delete them on the way, as they do keys: the deletion is stated as HDEL, with
//! `hexpired`, and `del` if the hash went with its last field.

use crate::keyspace::Class;
use crate::server::Call;
use crate::types::Hash;

/// Deletes one expired field.
#[cold]
pub(super) fn expire(call: &mut Call<'_>, key: &[u8], field: &[u8]) {
    remove(call, key, field);
    call.db.event(key, Class::HASH, "hexpired");
    remove_empty(call, key);
}

/// A writer that stated such deletions: its own command is an effect as well.
#[cold]
pub(super) fn repeat_own(call: &mut Call<'_>) {
    let own = call.args.to_vec();
    call.rewrite(&own);
}

/// Removes a field and states its deletion; events are the caller's, as is the hash if this
/// leaves it empty.
pub(super) fn remove(call: &mut Call<'_>, key: &[u8], field: &[u8]) {
    if let Ok(Some(mut hash)) = call.db.write::<Hash>(key) {
        hash.remove(field);
    }
    state(call, key, field);
}

/// States that a field is gone because its time has come.
pub(super) fn state(call: &mut Call<'_>, key: &[u8], field: &[u8]) {
    call.db.keyspace().stats.expired_fields += 1;
    call.db.touched(key);
    call.rewrite(&[b"HDEL", key, field]);
}

/// As [`state`] for several.
pub(super) fn state_all(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]]) {
    for field in fields {
        state(call, key, field);
    }
}

/// Deletes a hash that has no fields left.
pub(super) fn remove_empty(call: &mut Call<'_>, key: &[u8]) -> bool {
    let gone = call.db.remove_if_empty::<Hash>(key);
    if gone {
        call.db.event(key, Class::GENERIC, "del");
    }
    gone
}

/// Deletes all expired fields of a hash; true if the hash went with them. O(expired).
pub(super) fn expire_all(call: &mut Call<'_>, key: &[u8]) -> bool {
    let now = call.db.now_ms() as u64;
    let Ok(Some(mut hash)) = call.db.write::<Hash>(key) else {
        return false;
    };
    if hash.expire_min().is_none_or(|min| min >= now) {
        return false;
    }
    let mut names = Vec::new();
    hash.remove_expired(now, usize::MAX, |name| names.push(name.to_vec()));
    drop(hash);
    for name in &names {
        state(call, key, name);
    }
    call.db.event(key, Class::HASH, "hexpired");
    remove_empty(call, key)
}
