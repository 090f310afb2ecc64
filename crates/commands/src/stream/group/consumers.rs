//! Consumers: a command that names a missing consumer creates it.

use russet_keyspace::Class;
use russet_server::Call;
use russet_types::stream::{ConsumerId, Group};

/// The consumer of this name, marked as seen now, and whether it was created.
pub(crate) fn find_or_make(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    if let Some(id) = group.find(name) {
        group.consumer_mut(id).seen_ms = now_ms;
        return (id, false);
    }
    let id = group.create(name, now_ms);
    (id.expect("there was none"), true)
}

/// Records that a consumer was created.
pub(crate) fn record_made(call: &mut Call<'_>, key: &[u8]) {
    call.db.changed_within(key, 1);
    call.db.event(key, Class::STREAM, "xgroup-createconsumer");
}
