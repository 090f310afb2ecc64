//! The gates that refuse, once and in Redis's order:
//!
//! allowed at all -> authenticated -> permitted to the user -> memory -> disk -> pub/sub context -> loading -> busy
//!     -> transaction -> monitor
//!
//! They see the row, the arguments, the client and the origin ([`Asked`]); they make the same
//! exceptions for commands of a transaction as Redis. A server in no special state has no gate for
//! a plain command: one test of [`parts::gates::Interest`] decides which rows must be checked, so that a limit or
//! a password costs the others nothing. A script's commands have gates of their own ([`script`]).
//!
//! Cost: one test of flags for a command that no gate concerns; O(queued commands) for EXEC, and
//! O(keys) for a write while a snapshot is made.

use crate::acl::{Context, Denied};
use crate::command::{Access, CommandError, Flags};
use crate::config::{Allowed, Choice};
use crate::keyspace::Keyspace;
use crate::resp::Args;
use crate::scripting::shebang_of;
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::execution::users::refuses_stranger;
use crate::server::origin::Origin;
use crate::server::parts::gates::{PAUSED, RUNS_SCRIPT, UNSAFE};
use crate::server::state::Server;
use crate::server::state::call::{Row, Spec};
use crate::server::state::world::World;

pub mod script;

/// A command at the gates.
#[derive(Clone, Copy)]
pub(in crate::server) struct Asked<'a> {
    pub spec: &'static Spec,
    /// Its row's number.
    pub row: usize,
    pub args: Args<'a>,
    pub origin: Origin,
}

fn writes_unsaved(keyspace: &mut Keyspace, client: &Client, row: &Row, args: Args<'_>) -> bool {
    if !row.spec.flags.contains(Flags::WRITE) {
        return false;
    }
    // A command whose keys cannot be determined is refused by its handler.
    let Ok(keys) = row.keys(args) else {
        return false;
    };
    // Overwriting or removing a value hands it to the snapshot whole, without waiting.
    let changes = |access: Access| access.contains(Access::RW);
    let mut waits = false;
    for (at, access) in keys {
        waits |= changes(access) && keyspace.must_be_saved_first(client.db, args.at(at));
    }
    waits
}

const SAVE_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
unable to persist to disk. Commands that may modify the data set are disabled, because this \
instance is configured to report errors during writes if RDB snapshotting fails \
(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// A command's flags; for a command that runs a script, those that the script declares.
fn effective(server: &Server, spec: &Spec, args: Args<'_>) -> Flags {
    if !spec.flags.intersects(RUNS_SCRIPT) {
        return spec.flags;
    }
    let text = args.at(1);
    let scripting = &server.scripting;
    let script = if spec.flags.contains(Flags::RUNS_TEXT) {
        match scripting.scripts.find(text) {
            Some(id) => scripting.scripts.get(id).map(|script| script.flags),
            None => shebang_of(text).ok().map(|head| head.flags),
        }
    } else if spec.flags.contains(Flags::RUNS_SHA) {
        let id = scripting.scripts.find_sha(text);
        id.and_then(|id| scripting.scripts.get(id).map(|script| script.flags))
    } else {
        scripting.libraries.function(text).map(|f| f.flags)
    };
    script::flags_of(spec.flags, script)
}

/// All gates that refuse. O(queued commands) for EXEC.
pub(in crate::server) fn check(
    world: &mut World<'_>,
    asked: Asked<'_>,
) -> Result<(), CommandError> {
    let Asked { spec, origin, .. } = asked;
    let stated = effective(world.server, spec, asked.args);
    if spec.flags.contains(Flags::PROTECTED) {
        protected(world.server, world.client, spec)?;
    }
    let flags = world.client.flags;
    if !spec.flags.contains(Flags::NO_AUTH) && world.server.must_authenticate(world.client) {
        return Err(CommandError::NoAuth);
    }
    let context = match flags.contains(ClientFlags::MULTI) {
        true => Context::Multi,
        false => Context::TopLevel,
    };
    if let Some(denied) = denied(world, context, asked.row, asked.args) {
        let user = world.client.user;
        let text = world
            .server
            .denial(denied, user, asked.row, asked.args, false);
        return Err(CommandError::Bytes([b"NOPERM ", &text[..]].concat()));
    }
    refuses_stranger(world.server, world.client, spec)?;
    if !origin.is_nested() {
        memory(world, stated)?;
        disk(world, stated)?;
    }
    if flags.contains(ClientFlags::PUBSUB)
        && !world.reply.resp3()
        && !spec.flags.intersects(Flags::PUBSUB_CONTEXT)
    {
        return Err(CommandError::owned(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context",
            world.server.table.row(asked.row).full_name
        )));
    }
    if world.server.is_loading() && !spec.flags.contains(Flags::LOADING) {
        return Err(CommandError::Loading);
    }
    if world.server.scripting.is_busy() && !spec.flags.contains(Flags::ALLOW_BUSY) {
        return Err(world.server.scripting.busy_error());
    }
    if flags.contains(ClientFlags::MULTI) && spec.flags.contains(Flags::NO_MULTI) {
        return Err(CommandError::Text(
            "ERR Command not allowed inside a transaction",
        ));
    }
    let on_keys = Flags::READONLY | Flags::WRITE | Flags::MAY_REPLICATE;
    if flags.contains(ClientFlags::MONITOR) && spec.flags.intersects(on_keys) {
        // Redis counts a monitor among the replicas.
        return Err(CommandError::Text(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    Ok(())
}

/// Why the client's user may not run a command; a denial is logged. O(1) for a user with all
/// permissions, otherwise as `acl` checks it.
fn denied(world: &mut World<'_>, context: Context, row: usize, args: Args<'_>) -> Option<Denied> {
    let client = &*world.client;
    if !client.flags.contains(ClientFlags::RESTRICTED) {
        return None;
    }
    let denied = world.server.denies(client.user, client.db, row, args)?;
    let asking = (client, &*world.reply);
    world
        .server
        .note_denied(asking, context, denied, (row, args));
    Some(denied)
}

/// EXEC, for a queued command: permissions may have changed since.
pub(in crate::server) fn still_permitted(
    world: &mut World<'_>,
    row: usize,
    args: Args<'_>,
) -> Result<(), CommandError> {
    const CHANGED: &str = "NOPERM ACLs rules changed between the moment the transaction was \
accumulated and the EXEC call. This command is no longer allowed for the following reason: ";
    let Some(denied) = denied(world, Context::Multi, row, args) else {
        return Ok(());
    };
    let reason = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        Denied::Database(_) => "no permission to access the database",
    };
    Err(CommandError::owned(format!("{CHANGED}{reason}")))
}

/// Every command makes room: clients' buffers grow, too. It passes if it needs no memory.
fn memory(world: &mut World<'_>, flags: Flags) -> Result<(), CommandError> {
    // Nothing is evicted while data is loaded or a script runs.
    let stands_still = world.server.is_loading() || world.server.scripting.is_running();
    let is_limited = world.server.maxmemory() > 0 && !stands_still;
    if !is_limited {
        return Ok(());
    }
    let has_room = world.server.make_room(world.keyspace);
    if world.keyspace.has_news() {
        // Evictions are notified before the command can see them.
        world.server.tell_news(world.keyspace, Some(world.client));
        world.server.deliver_early(world.client, world.reply);
    }
    if has_room {
        return Ok(());
    }
    let needs_memory = flags.contains(Flags::DENYOOM)
        || flags.contains(Flags::RUNS_QUEUE)
            && queue_has(world.server, world.client, Flags::DENYOOM);
    if needs_memory {
        return Err(CommandError::OutOfMemory);
    }
    Ok(())
}

/// Refuses writes that could not be persisted: the last save or write of the log failed.
fn disk(world: &mut World<'_>, flags: Flags) -> Result<(), CommandError> {
    let is_unsafe = flags.intersects(UNSAFE)
        || flags.contains(Flags::RUNS_QUEUE) && queue_has(world.server, world.client, UNSAFE);
    if !is_unsafe {
        return Ok(());
    }
    if world.server.is_stopped_by_failed_save() {
        return Err(CommandError::Text(SAVE_FAILED));
    }
    world.server.aof_refusal().map_or(Ok(()), Err)
}

/// Whether the command must wait for a snapshot: it would write to a large container that is not
/// saved yet, or write at all while too much waits to be saved. O(keys), only while a snapshot is
/// made and writers must wait.
pub(in crate::server) fn awaits_save(world: &mut World<'_>, asked: Asked<'_>) -> bool {
    if world.client.flags.contains(ClientFlags::FAKE) {
        return false;
    }
    let snapshots = &world.server.persist.snapshots;
    if snapshots.holds_writers {
        let flags = asked.spec.flags;
        return flags.contains(Flags::WRITE)
            || flags.contains(Flags::RUNS_QUEUE)
                && queue_has(world.server, world.client, Flags::WRITE);
    }
    if !snapshots.guards_large {
        return false;
    }
    if asked.spec.flags.contains(Flags::RUNS_QUEUE) {
        let queued = world.client.transaction.as_deref();
        let queued = queued.map_or(&[][..], |t| &t.commands);
        let mut waits = false;
        for command in queued {
            let row = world.server.table.row(command.row);
            waits |= writes_unsaved(world.keyspace, world.client, row, command.args.args());
        }
        return waits;
    }
    let row = world.server.table.row(asked.row);
    writes_unsaved(world.keyspace, world.client, row, asked.args)
}

/// Commands that need `enable-NAME-command`.
fn protected(server: &Server, client: &Client, spec: &Spec) -> Result<(), CommandError> {
    let option = format!("enable-{}-command", spec.name);
    let setting = server.config.get(&[option.as_bytes()]);
    let allowed = setting.first().and_then(|(_, value)| Allowed::parse(value));
    if allowed.is_some_and(|a| a.allows(client.is_local())) {
        return Ok(());
    }
    let name = spec.name.to_ascii_uppercase();
    Err(CommandError::owned(format!(
        "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run \
         it from a local connection, otherwise you need to set this option in the \
         configuration file, and then restart the server."
    )))
}

/// Whether CLIENT PAUSE holds this command back.
pub(in crate::server) fn pauses(server: &Server, client: &Client, asked: Asked<'_>) -> bool {
    let Asked { spec, args, .. } = asked;
    let Some(pause) = server
        .gates
        .pause
        .filter(|p| p.until_ms > server.now.mono_ms)
    else {
        return false;
    };
    let exempt = ClientFlags::REPLICA | ClientFlags::MONITOR | ClientFlags::FAKE;
    if client.flags.intersects(exempt) {
        return false;
    }
    let flags = effective(server, spec, args);
    pause.all && !flags.contains(Flags::UNPAUSABLE)
        || flags.intersects(PAUSED)
        || flags.contains(Flags::RUNS_QUEUE) && queue_has(server, client, PAUSED)
}

/// Whether a command with one of these flags waits in the client's transaction.
fn queue_has(server: &Server, client: &Client, flags: Flags) -> bool {
    let queued = client
        .transaction
        .as_deref()
        .map_or(&[][..], |t| &t.commands);
    queued.iter().any(|q| {
        let spec = server.table.row(q.row).spec;
        effective(server, spec, q.args.args()).intersects(flags)
    })
}

#[cfg(test)]
mod tests {
    use crate::server::{Pause, Testbed};

    #[test]
    fn a_limit_that_is_not_reached_and_a_pause_of_writes_leave_readers_the_short_way() {
        let mut t = Testbed::unheard();
        let concerns = |t: &Testbed, name: &[u8]| {
            let flags = t.engine.server.table.find(name).expect("a row").spec.flags;
            t.engine.server.gates.interest.concerns(flags)
        };
        assert!(!concerns(&t, b"get") && !concerns(&t, b"set") && concerns(&t, b"config"));
        t.run("CONFIG SET maxmemory 100gb");
        assert!(!concerns(&t, b"get") && !concerns(&t, b"set"));
        let pause = |all| Pause {
            until_ms: u64::MAX,
            all,
        };
        t.engine.server.set_pause(Some(pause(false)));
        assert!(!concerns(&t, b"get") && concerns(&t, b"set") && concerns(&t, b"exec"));
        t.engine.server.set_pause(Some(pause(true)));
        assert!(concerns(&t, b"get"));
        t.engine.server.set_pause(None);
        assert!(!concerns(&t, b"get"));
    }
}
