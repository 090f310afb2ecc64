//! The gates for scripts: one check before a script runs, and one for each of its commands.

use crate::acl::{Context, UserId};
use crate::base::alloc;
use crate::command::{CommandError, Flags as RowFlags};
use crate::keyspace::DbIndex;
use crate::resp::{Args, Reply};
use crate::scripting::Flags;
use crate::server::clients::client::Client;
use crate::server::execution::script::Program;
use crate::server::execution::users::refuses_stranger;
use crate::server::origin::Origin;
use crate::server::state::Server;
use crate::server::state::world::World;

/// A script's command at the gates.
#[derive(Clone, Copy)]
pub(in crate::server) struct Asked<'a> {
    /// Its row's number.
    pub row: usize,
    pub args: Args<'a>,
    /// The user that the script runs for, and its selected database.
    pub user: (UserId, DbIndex),
    /// The connection that called the script, and its reply.
    pub caller: (&'a Client, &'a Reply),
}

/// What one run of a script may do.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Limits {
    read_only: bool,
    /// Memory was over the limit when it began, and it did not declare that it may go on.
    lacks_memory: bool,
    /// It is being loaded: the server's state refuses nothing.
    is_obeyed: bool,
}

const READ_ONLY: &str = "ERR Write commands are not allowed from read-only scripts.";
const DENIED: &str = "ERR This Redis command is not allowed from script";
const RO_COMMAND: &str = "ERR Can not execute a script with write flag using *_ro command.";
const OOM: &str = "OOM allow-oom flag is not set on the script, can not run it when used memory \
                   > 'maxmemory'";
const SAVE_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only \
scripts.";
const AOF_FAILED: &str = "MISCONF Redis is configured to persist data to AOF, but it's currently \
unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only \
scripts. AOF error: ";

/// Whether the script may run, and its limits.
pub(in crate::server) fn prepare(
    world: &mut World<'_>,
    program: &Program<'_>,
    origin: Origin,
) -> Result<Limits, CommandError> {
    let server = &*world.server;
    let flags = program.flags;
    let is_obeyed = origin == Origin::Loading;
    let lacks_memory = alloc::exceeds(server.eviction_bound());
    let is_compat = flags.contains(Flags::COMPAT);
    if !is_compat {
        if !flags.contains(Flags::NO_WRITES) {
            if !is_obeyed {
                if server.is_stopped_by_failed_save() {
                    return Err(CommandError::Text(SAVE_FAILED));
                }
                if let Some(why) = server.aof_trouble_text() {
                    return Err(CommandError::owned(format!("{AOF_FAILED}{why}")));
                }
            }
            if program.read_only {
                return Err(CommandError::Text(RO_COMMAND));
            }
        }
        if lacks_memory && !flags.intersects(Flags::ALLOW_OOM | Flags::NO_WRITES) && !is_obeyed {
            return Err(CommandError::Text(OOM));
        }
    }
    Ok(Limits {
        read_only: program.read_only || flags.contains(Flags::NO_WRITES),
        lacks_memory: lacks_memory && !flags.contains(Flags::ALLOW_OOM),
        is_obeyed,
    })
}

/// Whether a script may run this command. The server's state is checked only before its first
/// write: a script cannot be stopped after that.
pub(in crate::server) fn admit(
    server: &mut Server,
    asked: Asked<'_>,
    limits: Limits,
    wrote: bool,
) -> Result<(), CommandError> {
    let spec = server.table.row(asked.row).spec;
    let flags = spec.flags;
    if flags.contains(RowFlags::NOSCRIPT) && !server.scripting.denies_nothing {
        return Err(CommandError::Text(DENIED));
    }
    if !limits.is_obeyed {
        permission(server, asked)?;
        refuses_stranger(server, asked.caller.0, spec)?;
    }
    if limits.read_only && flags.intersects(RowFlags::WRITE | RowFlags::MAY_REPLICATE) {
        return Err(CommandError::Text(READ_ONLY));
    }
    if wrote || limits.is_obeyed {
        return Ok(());
    }
    if flags.contains(RowFlags::WRITE) {
        if server.is_stopped_by_failed_save() {
            return Err(CommandError::Text(super::SAVE_FAILED));
        }
        server.aof_refusal().map_or(Ok(()), Err)?;
    }
    if limits.lacks_memory && flags.contains(RowFlags::DENYOOM) {
        return Err(CommandError::OutOfMemory);
    }
    Ok(())
}

/// Whether the user for whom the script runs may run the command.
fn permission(server: &mut Server, asked: Asked<'_>) -> Result<(), CommandError> {
    let Asked {
        row,
        args,
        user: (user, db),
        caller,
    } = asked;
    let Some(denied) = server.denies(user, db, row, args) else {
        return Ok(());
    };
    server.note_denied(caller, Context::Script, denied, (row, args));
    let text = server.denial(denied, user, row, args, false);
    let start = b"ERR ACL failure in script: ";
    Err(CommandError::Bytes([start, &text[..]].concat()))
}

/// The gates' flags of a command that runs a script: the flags that the script declares are
/// trusted.
pub(in crate::server) fn flags_of(row: RowFlags, script: Option<Flags>) -> RowFlags {
    let Some(script) = script.filter(|flags| !flags.contains(Flags::COMPAT)) else {
        return row;
    };
    const OWN: RowFlags = RowFlags::STALE
        .union(RowFlags::DENYOOM)
        .union(RowFlags::WRITE)
        .union(RowFlags::MAY_REPLICATE);
    let mut flags = row - OWN;
    let reads = script.contains(Flags::NO_WRITES);
    flags.set(RowFlags::WRITE, !reads);
    flags.set(
        RowFlags::DENYOOM,
        !reads && !script.contains(Flags::ALLOW_OOM),
    );
    flags.set(RowFlags::STALE, script.contains(Flags::ALLOW_STALE));
    flags
}
