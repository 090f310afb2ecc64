//! The gates between a command and its handler: one list ([`ask_all`]), in Redis's order. A gate
//! refuses a command, or makes it wait; the list has the origins that each gate concerns.
//!
//! Gates see the row, the arguments, the client and the origin ([`GatedCommand`]); they make the
//! same exceptions for commands of a transaction as Redis. A server in no special state has no gate
//! for a plain command: one test of [`Interest`] decides which rows must be checked, so that a
//! limit or a password costs other commands nothing. A script is checked once before it runs
//! ([`script`]), and its commands by the same list.
//!
//! Cost: one test of flags for a command that no gate concerns; O(queued commands) for EXEC, and
//! O(keys) for a write while a snapshot is made.
//!
//! [`Interest`]: crate::parts::execution::gates::Interest

use crate::clients::client::{Client, ClientFlags};
use crate::execution::execute::Author;
use crate::origin::Origin;
use crate::parts::execution::gates::{PAUSED, UNSAFE};
use crate::parts::replication::sync_writes::{MAY_NOT_LEAD, UNCONFIRMED_READ};
use crate::state::Server;
use crate::state::call::Row;
use crate::state::world::World;
use russet_acl::{CommandLine, Context, Denial};
use russet_command::{Access, CommandError, Facts, Flags};
use russet_config::{Allowed, Choice, Config, Dialect, SyncReads};
use russet_keyspace::Keyspace;
use russet_resp::Args;

mod asked;
pub mod compatible;
pub mod script;
pub mod slots;
pub mod work;

use self::asked::{has, queue_has, queue_lacks};

pub use self::asked::Stop;
pub(crate) use self::asked::{GatedCommand, MASTERDOWN, Wait, queues};

bitflags::bitflags! {
    /// Origins of commands.
    #[derive(Clone, Copy)]
    struct Origins: u8 {
        /// A client's own, new or retried.
        const CLIENT = 1;
        /// EXEC's: the rest was asked when the command was queued.
        const EXEC = 1 << 1;
        const SCRIPT = 1 << 2;
        /// A script's in a file being loaded; the file's other commands pass no gate.
        const LOADING = 1 << 3;
    }
}

/// Asks all gates that concern commands of such an origin, in Redis's order. The origin is a
/// constant of each caller, and the gates are called by name: a small gate becomes a test in the
/// caller, while a call through a table costs ten instructions.
#[inline(always)]
fn ask_all(from: Origins, world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    const CLIENT: Origins = Origins::CLIENT;
    const EXEC: Origins = Origins::EXEC;
    const SCRIPT: Origins = Origins::SCRIPT;
    const LOADING: Origins = Origins::LOADING;
    macro_rules! gates {
        ($($gate:path: $($origin:ident)|+;)*) => {
            $(
                if from.intersects(Origins::empty()$(.union($origin))+) {
                    $gate(world, asked)?;
                }
            )*
        };
    }
    gates! {
        script::allowed: SCRIPT | LOADING;
        audited: CLIENT | SCRIPT;
        enabled: CLIENT;
        authenticated: CLIENT;
        permitted: CLIENT | EXEC | SCRIPT;
        unlocked: CLIENT | EXEC | SCRIPT;
        slots::routed: CLIENT | SCRIPT;
        compatible::count: CLIENT | SCRIPT;
        known: CLIENT | SCRIPT;
        script::may_write: SCRIPT | LOADING;
        memory: CLIENT;
        disk: CLIENT | SCRIPT;
        replicas: CLIENT | SCRIPT;
        synced: CLIENT | SCRIPT;
        read_only: CLIENT | SCRIPT;
        script::memory: SCRIPT;
        pubsub_context: CLIENT;
        stale: CLIENT | SCRIPT;
        loading: CLIENT;
        busy: CLIENT;
        transaction: CLIENT;
        monitor: CLIENT;
        work::bounded: CLIENT | EXEC | SCRIPT;
        pause: CLIENT;
        snapshot: CLIENT;
    }
    Ok(())
}

/// Takes a command through the gates. O(queued commands) for EXEC.
pub fn pass(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    match asked.origin {
        Origin::Client | Origin::Retry | Origin::TimeUp => ask_all(Origins::CLIENT, world, asked),
        Origin::Exec => ask_all(Origins::EXEC, world, asked),
        Origin::Script => ask_all(Origins::SCRIPT, world, asked),
        // A script that the primary sent runs like a script of a file.
        Origin::Loading | Origin::Primary => ask_all(Origins::LOADING, world, asked),
    }
}

impl World<'_> {
    /// EXEC: whether the user may still run a queued command. Asked before each queued command,
    /// because earlier commands may have changed the user's rules.
    #[inline]
    pub fn permits_queued(&mut self, row: usize, args: Args<'_>) -> Result<(), CommandError> {
        // The clients that a gate of EXEC's commands may refuse.
        const CONCERNED: ClientFlags = ClientFlags::RESTRICTED
            .union(ClientFlags::INTERNAL)
            .union(ClientFlags::BUDGETED);
        let is_concerned = self.client.flags.intersects(CONCERNED)
            || self.client.console.is_some()
            || self.script.is_some();
        if is_concerned {
            self.ask_queued(row, args)
        } else {
            Ok(())
        }
    }

    /// See [`World::permits_queued`].
    #[inline(never)]
    fn ask_queued(&mut self, row: usize, args: Args<'_>) -> Result<(), CommandError> {
        let asked = GatedCommand::new(self.server, row, args, Origin::Exec);
        match pass(self, &asked) {
            Ok(()) | Err(Stop::Postponed(_)) => Ok(()),
            Err(Stop::Refused(error) | Stop::Elsewhere(error)) => {
                let (client, server) = (&*self.client, &mut *self.server);
                server.record_refused(
                    (client, self.script),
                    (row, args),
                    Origin::Exec,
                    &error.line(),
                );
                Err(error)
            }
        }
    }
}

/// Refuses commands that the audit should record while its log takes no lines (`audit-on-full
/// block`), except commands that can repair or end that state: a login, CONFIG SET of the audit,
/// SHUTDOWN.
#[inline]
fn audited(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    const STUCK: &str = "ERR The audit log takes no lines, and audit-on-full is block";
    let server = &world.server;
    let audit = &server.diagnostics.audit;
    let is_unaudited = server.gates.refuses_audited
        && audit.concerns(asked.row)
        && audit.concerns_user(server.acl.users.name(world.client.user));
    let args = asked.args;
    let is_of_audit = |name: &[u8]| name.to_ascii_lowercase().starts_with(b"audit-");
    let facts = asked.spec.facts;
    let mends = || {
        let mut directives = (2..args.len()).step_by(2).map(|at| args.at(at));
        facts.contains(Facts::MENDS_AUDIT)
            || facts.contains(Facts::SETS_DIRECTIVES) && directives.all(is_of_audit)
    };
    if is_unaudited && !mends() {
        Err(CommandError::Text(STUCK).into())
    } else {
        Ok(())
    }
}

/// Commands that need `enable-NAME-command`.
#[inline]
fn enabled(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    if asked.spec.flags.contains(Flags::PROTECTED) {
        let full_name = world.server.table.row(asked.row).full_name;
        protected(world.server, world.client, full_name)?;
    }
    Ok(())
}

/// A connection must log in first.
#[inline]
fn authenticated(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let is_open = asked.spec.flags.contains(Flags::NO_AUTH);
    if !is_open && world.server.acl.must_authenticate(world.client) {
        return Err(CommandError::NoAuth.into());
    }
    Ok(())
}

const INTERNAL_ONLY: CommandError = CommandError::Text(
    "NOPERM this connection is another node's: it moves slots and runs nothing else",
);

/// The client's user may run the command; a denial is logged. O(1) for a user with all permissions,
/// otherwise as `acl` checks it.
#[inline]
pub fn permitted(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let client = &*world.client;
    // A node that has logged in with the cluster's secret moves slots, nothing else.
    let facts = world.server.table.row(asked.row).spec.facts;
    if client.flags.contains(ClientFlags::INTERNAL) && !facts.contains(Facts::INTERNAL) {
        let line = (asked.row, asked.args);
        let asking = (client, &*world.reply);
        world
            .server
            .log_denied(asking, Context::TopLevel, Denial::Command, line);
        return Err(INTERNAL_ONLY.into());
    }
    let is_restricted = client.flags.contains(ClientFlags::RESTRICTED);
    if !is_restricted && world.script.is_none() {
        return Ok(());
    }
    // The other server has checked its own users; a transaction of its stream runs whole. A source
    // of slots that has dialled us has the rights of the user that it has logged in as.
    let caller = world.script.map_or(client, |by| by.caller.0);
    let is_dialled_source = caller
        .flags
        .contains(ClientFlags::SENDS_SLOTS | ClientFlags::FAKE);
    if caller.flags.contains(ClientFlags::PRIMARY) || is_dialled_source {
        return Ok(());
    }
    let (user, args, server) = (client.user, asked.args, &*world.server);
    if server.acl.allows_all(user) {
        return Ok(());
    }
    let row = server.table.row(asked.row);
    let checked = CommandLine::of(row, args, client.db.0, server.config.databases_served());
    let Some(denied) = server.acl.denies(user, &checked) else {
        return Ok(());
    };
    let context = match asked.origin {
        Origin::Script => Context::Script,
        Origin::Exec => Context::Multi,
        _ if client.flags.contains(ClientFlags::MULTI) => Context::Multi,
        _ => Context::TopLevel,
    };
    let asking = match world.script {
        Some(script) => script.caller,
        None => (client, &*world.reply),
    };
    let line = (asked.row, args);
    world.server.log_denied(asking, context, denied, line);
    if asked.origin == Origin::Exec {
        return Err(no_longer_permitted(denied).into());
    }
    let start: &[u8] = match asked.origin {
        Origin::Script => b"ERR ACL failure in script: ",
        _ => b"NOPERM ",
    };
    let text = world.server.acl.denial(denied, user, line, false);
    Err(CommandError::Bytes([start, &text[..]].concat()).into())
}

/// A locked session of the console runs only commands that read ([`Acl::lock`]), even if its user
/// may run others.
///
/// [`Acl::lock`]: crate::parts::users::Acl
#[inline]
fn unlocked(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let client = match world.script {
        Some(script) => script.caller.0,
        None => &*world.client,
    };
    if !client.console.is_some_and(|of| of.is_locked) {
        return Ok(());
    }
    let server = &*world.server;
    let row = server.table.row(asked.row);
    let line = CommandLine::of(
        row,
        asked.args,
        client.db.0,
        server.config.databases_served(),
    );
    let resets_log = row.spec.facts.contains(Facts::MAY_RESET) && asked.args.is(2, "RESET");
    if server.acl.lock.check(&line).is_ok() && !resets_log {
        Ok(())
    } else {
        Err(CommandError::Text(
            "NOPERM the console is locked: it runs what reads until its lock is opened",
        )
        .into())
    }
}

/// A queued command that the user's changed rules no longer permit.
fn no_longer_permitted(denied: Denial) -> CommandError {
    const CHANGED: &str = "NOPERM ACLs rules changed between the moment the transaction was \
accumulated and the EXEC call. This command is no longer allowed for the following reason: ";
    let reason = match denied {
        Denial::Command => "no permission to execute the command or subcommand",
        Denial::Key(_) => "no permission to touch the specified keys",
        Denial::Channel(_) => "no permission to access one of the channels used as arguments",
        Denial::Database(_) => "no permission to access the database",
    };
    CommandError::owned(format!("{CHANGED}{reason}"))
}

/// Commands that endanger the machine are refused to an unauthenticated connection from another
/// machine (`remote-admin-without-auth no`).
#[inline]
fn known(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let client = match world.script {
        Some(script) => script.caller.0,
        None => &*world.client,
    };
    if !asked.spec.flags.contains(Flags::TAKES_OVER) || !is_stranger(&world.server.config, client) {
        return Ok(());
    }
    Err(Stop::Refused(TO_STRANGERS))
}

/// The refusal of a command that endangers the machine.
pub const TO_STRANGERS: CommandError = CommandError::Text(
    "DENIED this command is refused to connections from other machines that have not \
     authenticated with a password. Set one (CONFIG SET requirepass or ACL SETUSER, from this \
     machine, or in the configuration file) and use AUTH, or set remote-admin-without-auth \
     to yes.",
);

/// Every command makes room: clients' buffers grow, too. It passes if it needs no memory.
#[inline]
fn memory(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    // The server evicts no key while it loads data or runs a script.
    let stands_still =
        world.server.persist.loading.in_progress() || world.server.scripting.is_running();
    let is_limited = world.server.memory.limit.maxmemory() > 0 && !stands_still;
    if !is_limited {
        return Ok(());
    }
    let running = (&*world.client, &*world.reply);
    let has_room = world.server.make_room(world.keyspace, Some(running));
    if world.keyspace.has_news() {
        // Evictions are notified before the command can see them.
        world
            .server
            .notify_changes(world.keyspace, Author::Client(world.client));
        world
            .server
            .messages
            .outbox
            .deliver_early(world.client, world.reply);
    }
    if !has_room && has(world, asked, Flags::DENYOOM) {
        return Err(CommandError::OutOfMemory.into());
    }
    Ok(())
}

const SAVE_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
unable to persist to disk. Commands that may modify the data set are disabled, because this \
instance is configured to report errors during writes if RDB snapshotting fails \
(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// Writes that could not be persisted: the last save or write of the log failed.
#[inline]
fn disk(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let server = &*world.server;
    let save_failed = server.persist.saving.stops_writes(&server.config);
    if !save_failed && !server.persist.aof.refuses_writes() {
        return Ok(());
    }
    let is_unsafe = match world.script {
        // A script cannot be stopped after its first write.
        Some(script) => !script.wrote.get() && asked.spec.flags.contains(Flags::WRITE),
        None => has(world, asked, UNSAFE),
    };
    if !is_unsafe {
        return Ok(());
    }
    if save_failed {
        return Err(CommandError::owned(world.server.config.dialect.named(SAVE_FAILED)).into());
    }
    match server.persist.aof.refusal() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// A write needs replicas that take it (`min-replicas-to-write`).
#[inline]
fn replicas(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let is_late = world.script.is_some_and(|script| script.wrote.get());
    if is_late
        || !world
            .server
            .replication
            .lacks_replicas(&world.server.config, &world.server.now)
        || !writes(world, asked)
    {
        return Ok(());
    }
    const FEW: &str = "NOREPLICAS Not enough good replicas to write.";
    Err(CommandError::Text(FEW).into())
}

/// Too few replicas acknowledge (`min-sync-replicas`): writes are refused, and reads of data whose
/// last change is not acknowledged.
#[inline]
fn synced(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let replication = &world.server.replication;
    if replication.sync_writes.is_lost() {
        refuse_unacknowledged(world, asked)
    } else if replication.is_leaderless {
        refuse_leaderless(world, asked)
    } else {
        Ok(())
    }
}

/// With `sync-reads linear` a former primary without a leader shows no data.
#[cold]
fn refuse_leaderless(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let row = world.server.table.row(asked.row);
    let is_read = row.reads_all
        || asked.spec.flags.contains(Flags::READONLY)
            && row
                .keys(asked.args)
                .is_ok_and(|mut keys| keys.next().is_some());
    if is_read && world.server.config.sync_reads == SyncReads::Linear {
        return Err(CommandError::Text(MAY_NOT_LEAD).into());
    }
    Ok(())
}

#[cold]
fn refuse_unacknowledged(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let is_late = world.script.is_some_and(|script| script.wrote.get());
    if !is_late && writes(world, asked) {
        return Err(CommandError::owned(world.server.sync_refusal()).into());
    }
    let row = world.server.table.row(asked.row);
    let is_read = row.reads_all || asked.spec.flags.contains(Flags::READONLY);
    if is_read && world.server.replication.sync_writes.linear.is_on {
        let now_ms = world.server.monotonic_ms();
        let group = world.server.replication.quorum.as_ref();
        let has_keys = row
            .keys(asked.args)
            .is_ok_and(|mut keys| keys.next().is_some());
        let holds = group.is_some_and(|group| group.core.lease_holds(now_ms));
        if !holds && (has_keys || row.reads_all) {
            return Err(CommandError::Text(MAY_NOT_LEAD).into());
        }
    }
    let (keyspace, db) = (&*world.keyspace, world.client.db);
    if !is_read || keyspace.unconfirmed.is_empty() {
        return Ok(());
    }
    let (shows_all, keys) = (row.reads_all, row.keys(asked.args));
    // A command whose keys cannot be determined is refused by its handler.
    let shows = |(at, _)| !keyspace.is_confirmed(db, asked.args.at(at));
    if shows_all || keys.is_ok_and(|mut keys| keys.any(shows)) {
        world.server.replication.sync_writes.counts.refused += 1;
        return Err(CommandError::Text(UNCONFIRMED_READ).into());
    }
    Ok(())
}

/// A replica takes writes only from its primary, unless it is writable. A client that follows
/// redirections is sent to the primary.
#[inline]
fn read_only(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let server = &*world.server;
    if !server.replication.is_replica() {
        return Ok(());
    }
    let redirects = world.client.flags.contains(ClientFlags::REDIRECTS) && world.script.is_none();
    let reads = Flags::READONLY | Flags::WRITE | Flags::MAY_REPLICATE;
    if redirects
        && let Some(upstream) = &server.replication.upstream
        && !world.client.flags.contains(ClientFlags::READS_HERE)
        && has(world, asked, reads)
    {
        let (host, port) = (&upstream.core.host, upstream.core.port);
        return Err(CommandError::owned(format!("REDIRECT {host}:{port}")).into());
    }
    let is_read_only = server.replication.is_read_only(&server.config);
    if !is_read_only || !writes(world, asked) {
        return Ok(());
    }
    Err(CommandError::Text("READONLY You can't write against a read only replica.").into())
}

/// Whether the command writes; a script decides at each of its commands, unless it says before that
/// it writes.
fn writes(world: &World<'_>, asked: &GatedCommand<'_>) -> bool {
    match world.script {
        Some(_) => asked.spec.flags.contains(Flags::WRITE),
        None => has(world, asked, Flags::WRITE),
    }
}

/// A replica without its primary may not show its data (`replica-serve-stale-data no`).
#[inline]
fn stale(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let server = &*world.server;
    if !server.replication.is_stale(&server.config) {
        return Ok(());
    }
    let runs_stale = if asked.flags.contains(Flags::RUNS_QUEUE) {
        !queue_lacks(server, world.client, Flags::STALE)
    } else {
        asked.flags.contains(Flags::STALE)
    };
    if runs_stale {
        return Ok(());
    }
    if world.script.is_some() {
        const STALE: &str = "ERR Can not execute the command on a stale replica";
        return Err(CommandError::Text(STALE).into());
    }
    Err(CommandError::Text(MASTERDOWN).into())
}

/// A subscriber in RESP2 runs few commands.
#[inline]
fn pubsub_context(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    if !world.client.flags.contains(ClientFlags::PUBSUB)
        || world.reply.resp3()
        || asked.spec.flags.intersects(Flags::PUBSUB_CONTEXT)
    {
        return Ok(());
    }
    let name = world.server.table.row(asked.row).full_name;
    Err(Stop::Refused(CommandError::owned(format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
         are allowed in this context"
    ))))
}

#[inline]
fn loading(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let loading = &world.server.persist.loading;
    let flags = asked.spec.flags;
    let is_refused = if loading.is_async() {
        flags.contains(Flags::NO_ASYNC_LOADING)
    } else {
        loading.in_progress() && !flags.contains(Flags::LOADING)
    };
    if is_refused {
        let error = CommandError::Loading;
        return Err(match world.server.config.dialect {
            Dialect::Redis => error.into(),
            dialect => CommandError::owned(dialect.named(&error.to_string())).into(),
        });
    }
    Ok(())
}

/// A script has been running for long.
#[inline]
fn busy(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let scripting = &world.server.scripting;
    if scripting.is_busy() && !asked.spec.flags.contains(Flags::ALLOW_BUSY) {
        return Err(scripting.busy_error(world.server.config.dialect).into());
    }
    Ok(())
}

#[inline]
fn transaction(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let in_transaction = world.client.flags.contains(ClientFlags::MULTI);
    let dialect = world.server.config.dialect;
    let refused = if dialect.nested_multi() {
        Flags::NO_MULTI
    } else {
        Flags::NO_MULTI | Flags::NO_MULTI_IN_VALKEY
    };
    if in_transaction && asked.spec.flags.intersects(refused) {
        return Err(Stop::Refused(refused_in_multi(
            dialect,
            world.server.table.row(asked.row).full_name,
        )));
    }
    Ok(())
}

/// The error of a command that may not be queued.
fn refused_in_multi(dialect: Dialect, name: &str) -> CommandError {
    if dialect.names_refused_in_multi() {
        CommandError::owned(format!(
            "ERR Command '{name}' not allowed inside a transaction"
        ))
    } else {
        CommandError::Text("ERR Command not allowed inside a transaction")
    }
}

/// A replica's connection carries the stream; Redis counts a monitor among the replicas.
#[inline]
fn monitor(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let on_keys = Flags::READONLY | Flags::WRITE | Flags::MAY_REPLICATE;
    let receives = ClientFlags::MONITOR | ClientFlags::REPLICA;
    let is_receiver = world.client.flags.intersects(receives);
    if is_receiver && asked.spec.flags.intersects(on_keys) {
        return Err(Stop::Refused(CommandError::Text(
            "ERR Replica can't interact with the keyspace",
        )));
    }
    Ok(())
}

/// CLIENT PAUSE holds the command back.
#[inline]
fn pause(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let (server, client) = (&*world.server, &*world.client);
    if !server.gates.held_slots.is_empty() && slots::is_held(world, asked) {
        return Err(Stop::Postponed(Wait::Pause));
    }
    let pause = (server.gates.pause()).filter(|p| p.until_ms > server.now.mono_ms);
    let exempt = ClientFlags::REPLICA | ClientFlags::MONITOR | ClientFlags::FAKE;
    let delays = server.gates.log_is_full || server.replication.sync_writes.delays_writes();
    let is_off = pause.is_none() && !delays;
    if is_off || client.flags.intersects(exempt) {
        return Ok(());
    }
    let holds_all = pause.is_some_and(|pause| pause.all);
    let waits = holds_all && !asked.flags.contains(Flags::UNPAUSABLE) || has(world, asked, PAUSED);
    if waits {
        Err(Stop::Postponed(Wait::Pause))
    } else {
        Ok(())
    }
}

/// The command must wait for a snapshot: it would write to a large container that is not saved yet,
/// or write at all while too much waits to be saved. O(keys), only while a snapshot is made and
/// writers must wait.
#[inline]
fn snapshot(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let is_kept = queues(world.client, asked.spec);
    if is_kept || asked.origin == Origin::Retry || world.client.flags.contains(ClientFlags::FAKE) {
        return Ok(());
    }
    if awaits_save(world, asked) {
        Err(Stop::Postponed(Wait::Snapshot))
    } else {
        Ok(())
    }
}

fn awaits_save(world: &mut World<'_>, asked: &GatedCommand<'_>) -> bool {
    let snapshots = &world.server.persist.snapshots;
    if snapshots.writers.holds_all() {
        let flags = asked.spec.flags;
        return flags.contains(Flags::WRITE)
            || flags.contains(Flags::RUNS_QUEUE)
                && queue_has(world.server, world.client, Flags::WRITE);
    }
    if !snapshots.writers.guards_large() {
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
        waits |= changes(access) && keyspace.save_large_next(client.db, args.at(at));
    }
    waits
}

fn protected(server: &Server, client: &Client, full_name: &str) -> Result<(), CommandError> {
    let name = full_name.split('|').next().unwrap_or(full_name);
    let option = format!("enable-{name}-command");
    let setting = server.config.get(&[option.as_bytes()]);
    let allowed = setting.first().and_then(|(_, value)| Allowed::parse(value));
    if allowed.is_some_and(|a| a.allows(client.is_local())) {
        return Ok(());
    }
    let name = name.to_ascii_uppercase();
    Err(CommandError::owned(format!(
        "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run \
         it from a local connection, otherwise you need to set this option in the \
         configuration file, and then restart the server."
    )))
}

/// Whether `remote-admin-without-auth no` keeps this client from commands that endanger the
/// machine.
pub fn is_stranger(config: &Config, client: &Client) -> bool {
    !config.remote_admin_without_auth
        && !client.is_local()
        && !client.flags.contains(ClientFlags::PROVEN)
}
