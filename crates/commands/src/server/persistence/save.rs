//! SAVE, BGSAVE, LASTSAVE: snapshots of the databases in a file.

use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_config::SnapshotMethod;
use russet_server::{Call, CommandResult, Origin, Server, Spec, World};

const IN_PROGRESS: CommandError = CommandError::Text("ERR Background save already in progress");
/// Redis replies `ERR` alone, and logs the reason.
fn failed(server: &Server) -> CommandError {
    CommandError::owned(format!("ERR {}", server.persist.saving.last_error))
}

pub(crate) const SAVE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING)
        .union(Flags::NO_MULTI),
    ..Spec::new("save", save)
};

/// `SAVE`: writes a snapshot and blocks the server meanwhile.
///
/// Reply: OK once the file is on disk under the final name. O(all data).
fn save(call: &mut Call<'_>) -> CommandResult {
    if call.server.persist.saving.in_progress() {
        return Err(IN_PROGRESS);
    }
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    if !server.save_now(keyspace) {
        return Err(failed(server));
    }
    reply.ok();
    Ok(())
}

pub(crate) const BGSAVE: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING),
    ..Spec::new("bgsave", bgsave)
};

/// `BGSAVE [SCHEDULE | CANCEL] [FORK | FORKLESS]`: writes a snapshot of the present databases
/// between other work. Inside a transaction the handler schedules the save. CANCEL cancels the
/// running and the scheduled save. FORK and FORKLESS (Valkey 9.2) choose the method of this save,
/// in place of `snapshot-method`: a child, or between other work; a scheduled save follows the
/// directive.
///
/// Reply: simple string.
fn bgsave(call: &mut Call<'_>) -> CommandResult {
    let (mut schedules, mut cancels, mut method) = (false, false, None);
    for at in 1..call.args.len() {
        let word = |word| call.args.is(at, word);
        if word("SCHEDULE") && at == 1 {
            schedules = true;
        } else if word("CANCEL") && call.args.len() == 2 {
            cancels = true;
        } else if word("FORK") && method.is_none() {
            method = Some(SnapshotMethod::Fork);
        } else if word("FORKLESS") && method.is_none() {
            method = Some(SnapshotMethod::Loop);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let in_transaction = call.origin == Origin::Exec;
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    if cancels {
        let scheduled = server.persist.snapshots.unschedule_save();
        if server.cancel_save(keyspace) {
            tracing::info!("Background saving will be aborted due to user request");
            reply.simple("Background saving cancelled");
        } else if scheduled {
            reply.simple("Scheduled background saving cancelled");
        } else {
            return Err(CommandError::Text(
                "ERR Background saving is currently not in progress or scheduled",
            ));
        }
        return Ok(());
    }
    if server.persist.saving.in_progress() || server.persist.snapshots.serves_replicas() {
        return Err(IN_PROGRESS);
    }
    if in_transaction || schedules && server.persist.aof.rewrites.in_progress() {
        server.persist.snapshots.schedule_save();
        reply.simple("Background saving scheduled");
        return Ok(());
    }
    if server.persist.aof.rewrites.in_progress() {
        return Err(CommandError::Text(
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
             SCHEDULE in order to schedule a BGSAVE whenever possible.",
        ));
    }
    server.persist.snapshots.method_once = method;
    if server.save_in_background(keyspace).is_err() {
        return Err(failed(server));
    }
    reply.simple("Background saving started");
    Ok(())
}

pub(crate) const LASTSAVE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Category::ADMIN.union(Category::DANGEROUS),
    tips: &["nondeterministic_output"],
    facts: Facts::SHOWS,
    ..Spec::new("lastsave", lastsave)
};

/// `LASTSAVE`: the Unix time in seconds of the last successful save; initially of the start.
fn lastsave(call: &mut Call<'_>) -> CommandResult {
    let when = call.server.persist.saving.last_save_s;
    call.reply.int(when);
    Ok(())
}
