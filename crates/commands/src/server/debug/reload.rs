//! DEBUG RELOAD: saves the data and loads it again.

use russet_command::CommandError;
use russet_server::{Call, CommandResult, World};

const NOT_LOADED: &str = "ERR Error trying to load the RDB dump, check server logs.";
/// All that Redis replies; the log has the reason.
const NOT_SAVED: &str = "ERR";

/// `DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]`: saves, empties the databases, loads the file. NOSAVE:
/// skips the save. NOFLUSH: keeps existing keys. MERGE: loaded keys replace existing keys.
///
/// Reply: OK. O(all data).
pub(crate) fn reload(call: &mut Call<'_>) -> CommandResult {
    let (mut saves, mut flushes, mut merges) = (true, true, false);
    for at in 2..call.args.len() {
        if call.args.is(at, "NOSAVE") {
            saves = false;
        } else if call.args.is(at, "NOFLUSH") {
            flushes = false;
        } else if call.args.is(at, "MERGE") {
            merges = true;
        } else {
            const UNKNOWN: &str =
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
            return Err(CommandError::Text(UNKNOWN));
        }
    }
    call.no_effect();
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    if saves {
        server.cancel_save(keyspace);
        if !server.save_now(keyspace) {
            return Err(CommandError::Text(NOT_SAVED));
        }
    }
    if !server.reload(keyspace, flushes, merges) {
        return Err(CommandError::Text(NOT_LOADED));
    }
    reply.ok();
    Ok(())
}
