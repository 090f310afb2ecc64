//! BACKUP: sealed sets of the server's files. russet's own; Redis has no such command.

use crate::command::{Arity, Flags};
use crate::commands::help::{self, misused, write_help};
use crate::server::{Backups, Call, CommandResult, Spec};

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::TAKES_OVER)
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_MULTI)
    .union(Flags::NO_ASYNC_LOADING);

pub(super) const BACKUP: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CREATE, DROP, HELP, LIST],
    ..Spec::new("backup", help)
};

const CREATE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS.union(Flags::BLOCKING),
    ..Spec::new("create", create)
};

/// `BACKUP CREATE [name]`: makes a set of all data acknowledged so far, in its own folder; the
/// client waits for it. With the append only file the set consists of hard links, made at once;
/// otherwise a snapshot is saved first, as by BGSAVE.
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
    flags: FLAGS,
    ..Spec::new("list", list)
};

/// `BACKUP LIST`: the existing sets, by name.
///
/// Reply: array of maps: `name`, `kind` (`aof`, `rdb`, `unfinished`), `bytes` (a file shared by
/// sets counts in each), `created` (Unix seconds). O(files).
fn list(call: &mut Call<'_>) -> CommandResult {
    let sets = Backups::list(&call.server.config);
    let reply = &mut *call.reply;
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

const DROP: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: FLAGS,
    ..Spec::new("drop", drop_set)
};

/// `BACKUP DROP name`: removes a set; files shared with other sets stay in those.
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
            "CREATE [<name>]",
            "    Make a set of the files as they are now, in a folder of its own; its path.",
            "    Without <name> it is called by the time.",
            "DROP <name>",
            "    Remove a set.",
            "LIST",
            "    The sets: name, kind, bytes, time of creation.",
        ],
    );
    Ok(())
}
