//! Stores the results of the STORE forms.

use russet_keyspace::{Cause, Class};
use russet_server::Call;
use russet_types::Container;

/// Stores a result at `key`, replacing any value, and counts `changes`; an empty result deletes the
/// key. Replies the result's size.
pub(super) fn store<T: Container>(
    call: &mut Call<'_>,
    key: &[u8],
    result: T,
    changes: usize,
    class: Class,
    event: &'static str,
) {
    let len = result.len();
    if len > 0 {
        call.db.put(key, result);
        call.db.changed_by(key, changes, class, event);
    } else if call.db.delete(key, Cause::Server) {
        call.db.changed(key, Class::GENERIC, "del");
    }
    call.reply.int(len as i64);
}
