//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Dispatch queues the commands after MULTI (`server::execution::dispatch`); this module runs or
//! discards the queue. Touched keys mark their watchers through `keyspace::listeners::watch`.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Facts, Flags, KeySpec};
use russet_server::{Call, ClientFlags, CommandResult, Origin, Spec};

pub(super) static SPECS: &[Spec] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

const AT_ONCE: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::ALLOW_BUSY)
    .union(Flags::NOT_QUEUED);

const MULTI: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: AT_ONCE.union(Flags::NO_MULTI_IN_VALKEY),
    categories: Category::TRANSACTION,
    facts: Facts::FRAMES_SLOTS
        .union(Facts::NOT_IN_CONSOLE)
        .union(Facts::SHOWS),
    ..Spec::new("multi", multi)
};

/// `MULTI`: queues the commands that follow until EXEC or DISCARD.
fn multi(call: &mut Call<'_>) -> CommandResult {
    if call.client.flags.contains(ClientFlags::MULTI) {
        return Err(CommandError::Text("ERR MULTI calls can not be nested"));
    }
    call.client.flags |= ClientFlags::MULTI;
    call.client.transaction = Some(Box::default());
    call.reply.ok();
    Ok(())
}

const EXEC: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::SKIP_SLOWLOG)
        .union(Flags::NOT_QUEUED)
        .union(Flags::RUNS_QUEUE),
    categories: Category::TRANSACTION,
    facts: Facts::FRAMES_SLOTS
        .union(Facts::NOT_IN_CONSOLE)
        .union(Facts::SHOWS),
    ..Spec::new("exec", exec)
};

/// `EXEC`: runs the queue atomically.
///
/// Reply: array of the replies, including errors; null if a watched key was touched; EXECABORT if a
/// command could not be queued. A command that the user may no longer run yields an error in the
/// array. The effects form one unit.
fn exec(call: &mut Call<'_>) -> CommandResult {
    if !call.client.flags.contains(ClientFlags::MULTI) {
        return Err(CommandError::Text("ERR EXEC without MULTI"));
    }
    call.no_effect();
    if watched_key_expired(call) {
        call.client.flags |= ClientFlags::DIRTY_CAS;
    }
    let flags = call.client.flags;
    let transaction = call
        .client
        .leave_transaction(&mut call.db.keyspace().watchers);
    if flags.contains(ClientFlags::DIRTY_EXEC) {
        const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";
        return Err(CommandError::Text(ABORTED));
    }
    if flags.contains(ClientFlags::DIRTY_CAS) {
        call.reply.null_array();
        return Ok(());
    }
    let queued = transaction.map(|t| t.commands).unwrap_or_default();
    call.reply.array(queued.len());
    let origin = match call.origin {
        Origin::Loading => Origin::Loading,
        _ => Origin::Exec,
    };
    let mut world = call.world();
    for command in &queued {
        let args = command.args.args();
        if origin == Origin::Exec
            && let Err(error) = world.permits_queued(command.row, args)
        {
            world.reply.error(&error);
            let reported = world.reply.last_error();
            world.server.stats.count_error(reported);
            continue;
        }
        world.server.record_nested(command.row);
        world.run(origin, command.row, args, &[]);
    }
    Ok(())
}

/// Whether a key that was live when watched has expired since: an expired key counts as touched,
/// even if it is not yet deleted.
fn watched_key_expired(call: &mut Call<'_>) -> bool {
    let client = &*call.client;
    let db = &mut call.db;
    client.watched.iter().any(|w| {
        db.other(w.db).is_expired(&w.key) && db.keyspace().watchers.expects_live(w, client.id)
    })
}

const DISCARD: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: AT_ONCE,
    categories: Category::TRANSACTION,
    facts: Facts::FRAMES_SLOTS
        .union(Facts::NOT_IN_CONSOLE)
        .union(Facts::SHOWS),
    ..Spec::new("discard", discard)
};

/// `DISCARD`: drops the queue and all watches.
fn discard(call: &mut Call<'_>) -> CommandResult {
    if !call.client.flags.contains(ClientFlags::MULTI) {
        return Err(CommandError::Text("ERR DISCARD without MULTI"));
    }
    call.client
        .leave_transaction(&mut call.db.keyspace().watchers);
    call.reply.ok();
    Ok(())
}

const WATCH: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: AT_ONCE.union(Flags::NO_MULTI_IN_VALKEY),
    keys: &[KeySpec::range(1, -1, 1, Access::RO)],
    categories: Category::TRANSACTION,
    work: work::EACH_KEY,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("watch", watch)
};

/// `WATCH key ...`: EXEC replies null if any of the keys is touched before it.
fn watch(call: &mut Call<'_>) -> CommandResult {
    if call.client.flags.contains(ClientFlags::MULTI) {
        return Err(CommandError::Text("ERR WATCH inside MULTI is not allowed"));
    }
    call.reply.ok();
    // If a watched key was already touched, further watches are pointless.
    if call.client.flags.contains(ClientFlags::DIRTY_CAS) {
        return Ok(());
    }
    let db = call.db.index();
    for (at, _) in call.keys() {
        let key = call.args.at(at);
        if call.client.watched.add(db, key) {
            let (client, expired) = (call.client.id, call.db.is_expired(key));
            call.db.keyspace().watchers.watch(db, key, client, expired);
        }
    }
    Ok(())
}

const UNWATCH: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: AT_ONCE.difference(Flags::NOT_QUEUED),
    categories: Category::TRANSACTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("unwatch", unwatch)
};

/// `UNWATCH`: drops all watches.
fn unwatch(call: &mut Call<'_>) -> CommandResult {
    call.client.unwatch(&mut call.db.keyspace().watchers);
    call.client.flags.remove(ClientFlags::DIRTY_CAS);
    call.reply.ok();
    Ok(())
}
