//! ACL LOG: recent denials.

use super::at_most_one;
use russet_acl::LOG_SHOWN;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_server::{Call, CommandResult};

/// `ACL LOG [count | RESET]`: the newest entries, 10 unless `count` says more.
///
/// Reply: an array of maps; one entry counts a denial that is repeated within a minute. RESET
/// clears the log: OK.
pub(super) fn log(call: &mut Call<'_>) -> CommandResult {
    let count = match at_most_one(call.args)? {
        None => LOG_SHOWN,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            call.server.acl.log.clear();
            call.reply.ok();
            return Ok(());
        }
        Some(text) => {
            let count = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
            usize::try_from(count).unwrap_or(0)
        }
    };
    let now_ms = call.db.now_ms();
    let entries = call.server.acl.log.entries();
    let reply = &mut *call.reply;
    reply.array(entries.len().min(count));
    for entry in entries.take(count) {
        reply.map(10);
        reply.bulk(b"count");
        reply.int(entry.count as i64);
        for (name, text) in [
            (&b"reason"[..], entry.reason.name().as_bytes()),
            (b"context", entry.context.name().as_bytes()),
            (b"object", &entry.object),
            (b"username", &entry.user),
        ] {
            reply.bulk(name);
            reply.bulk(text);
        }
        reply.bulk(b"age-seconds");
        reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(&entry.client);
        for (name, number) in [
            (&b"entry-id"[..], entry.id as i64),
            (b"timestamp-created", entry.created_ms),
            (b"timestamp-last-updated", entry.updated_ms),
        ] {
            reply.bulk(name);
            reply.int(number);
        }
    }
    Ok(())
}
