//! BACKUP: sealed sets of the server's files. CREATE makes a set at once (russet's own); START and
//! SEAL are Redis's two steps, between which an operator can copy the base elsewhere.

use crate::help::{self, misused, write_help};
use russet_command::{Arity, Facts, Flags};
use russet_server::{Backups, Call, CommandResult, Origin, SessionState, Spec};

/// Flags of Redis's subcommands that change something.
const ACTS: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::TAKES_OVER);

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::TAKES_OVER)
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_MULTI)
    .union(Flags::NO_ASYNC_LOADING);

pub(crate) const BACKUP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        ABORT, CLEANUP, CREATE, DROP, HELP, LIST, SEAL, START, STATUS,
    ],
    ..Spec::new("backup", help)
};

const CREATE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS.union(Flags::BLOCKING),
    ..Spec::new("create", create)
};

/// `BACKUP CREATE [name]`: makes a set of all data acknowledged so far, in a separate folder; the
/// client waits for the set. With the append only file the set consists of hard links, made at
/// once; otherwise the server saves a snapshot first, as BGSAVE does.
///
/// Reply: the folder. O(files), or O(all data) between other work.
fn create(call: &mut Call<'_>) -> CommandResult {
    let name = match call.args.len() {
        2 => None,
        3 => Some(call.args.at(2)),
        _ => return Err(misused(call.args)),
    };
    call.no_effect();
    if call.is_time_up() {
        let path = call.server.persist.backups.made()?;
        call.reply.bulk(path.as_bytes());
        return Ok(());
    }
    let world = call.world();
    let id = world.client.id;
    world.server.begin_backup(world.keyspace, name, id)?;
    call.block_until_backed_up();
    Ok(())
}

const LIST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::ADMIN.union(Flags::STALE),
    facts: Facts::SHOWS,
    ..Spec::new("list", list)
};

/// `BACKUP LIST`: after START, the files of that backup so far; otherwise the existing sets.
///
/// Reply: array of absolute paths, or of maps by name: `name`, `kind` (`aof`, `rdb`, `unfinished`),
/// `bytes` (a file shared by sets counts in each), `created` (Unix seconds). O(files).
fn list(call: &mut Call<'_>) -> CommandResult {
    let (session, config) = (&call.server.persist.backups.session, &call.server.config);
    let reply = &mut *call.reply;
    if session.state != SessionState::Idle {
        let files = session.files(config);
        reply.array(files.len());
        for file in files {
            reply.bulk(file.as_os_str().as_encoded_bytes());
        }
        return Ok(());
    }
    let sets = Backups::list(config);
    reply.array(sets.len());
    for set in sets {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(set.name.as_bytes());
        reply.bulk(b"kind");
        reply.bulk(set.kind.as_bytes());
        reply.bulk(b"bytes");
        reply.int(set.bytes as i64);
        reply.bulk(b"created");
        reply.int(set.created_s);
    }
    Ok(())
}

const START: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ACTS,
    ..Spec::new("start", start)
};

/// `BACKUP START`: begins a backup with a new base of the append only file. If this file is off the
/// server switches it on for the time of the backup.
///
/// Reply: OK; STATUS has the progress. An error if a backup is under way or sealed, or the folder
/// has files. O(all data), between other work.
fn start(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let in_transaction = call.origin == Origin::Exec;
    let world = call.world();
    world.server.start_backup(world.keyspace, in_transaction)?;
    call.reply.ok();
    Ok(())
}

const SEAL: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ACTS,
    ..Spec::new("seal", seal)
};

/// `BACKUP SEAL`: completes the backup with everything written so far, and the manifest. The client
/// waits until the backup is sealed, except inside MULTI.
///
/// Reply: OK, or an error without a base to complete. O(files).
fn seal(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    if call.is_time_up() {
        call.server.persist.backups.made()?;
        call.reply.ok();
        return Ok(());
    }
    let in_transaction = call.origin == Origin::Exec;
    let world = call.world();
    let id = world.client.id;
    world.server.seal_backup(world.keyspace, id)?;
    if in_transaction {
        call.reply.ok()
    } else {
        call.block_until_backed_up()
    }
    Ok(())
}

const ABORT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ACTS,
    ..Spec::new("abort", abort)
};

/// `BACKUP ABORT`: ends a backup that is not sealed, and removes the backup's files.
///
/// Reply: OK, or an error if no backup is under way.
fn abort(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let world = call.world();
    world.server.abort_backup(world.keyspace)?;
    call.reply.ok();
    Ok(())
}

const CLEANUP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: ACTS,
    ..Spec::new("cleanup", clean_up)
};

/// `BACKUP CLEANUP`: removes the files of a sealed or failed backup.
///
/// Reply: OK, or an error while a backup is under way. O(files), in a thread.
fn clean_up(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let session = &mut call.server.persist.backups.session;
    session.clean_up(&call.server.config)?;
    call.reply.ok();
    Ok(())
}

const STATUS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::ADMIN.union(Flags::STALE),
    facts: Facts::SHOWS,
    ..Spec::new("status", status)
};

/// `BACKUP STATUS`: where the backup of START is.
///
/// Reply: map of `state`, `error`, `start_time` and `end_time` (Unix seconds, 0: not yet).
fn status(call: &mut Call<'_>) -> CommandResult {
    let session = &call.server.persist.backups.session;
    let reply = &mut *call.reply;
    reply.map(4);
    reply.bulk(b"state");
    reply.bulk(session.state.name().as_bytes());
    reply.bulk(b"error");
    reply.bulk(session.error.as_bytes());
    reply.bulk(b"start_time");
    reply.int(session.started_s);
    reply.bulk(b"end_time");
    reply.int(session.ended_s);
    Ok(())
}

const DROP: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: FLAGS,
    ..Spec::new("drop", drop_set)
};

/// `BACKUP DROP name`: removes a set; files that it shares with other sets stay in the other sets.
///
/// Reply: OK, or an error if there is no set of this name.
fn drop_set(call: &mut Call<'_>) -> CommandResult {
    let [_, _, name] = call.args.exactly();
    let server = &*call.server;
    server.persist.backups.drop_set(&server.config, name)?;
    call.reply.ok();
    Ok(())
}

const HELP: Spec = help::row(help);

/// `BACKUP HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "ABORT",
            "    End the backup that START has begun, and remove its files.",
            "CLEANUP",
            "    Remove the files of a sealed or failed backup.",
            "CREATE [<name>]",
            "    Make a set of the files as they are now, in a folder of its own; its path.",
            "    Without <name> it is called by the time.",
            "DROP <name>",
            "    Remove a set.",
            "LIST",
            "    After START the paths of the backup's files; otherwise the sets: name, kind,",
            "    bytes, time of creation.",
            "SEAL",
            "    Complete the backup with all that was written since START.",
            "START",
            "    Begin a backup in backupdirname with a new base of the append only file.",
            "STATUS",
            "    State, error, and times of the backup that START has begun.",
        ],
    );
    Ok(())
}
