//! The way from a parsed command to its handler, once and in Redis's order.
//!
//! known -> arity -> the gates that refuse (`gates`) -> paused -> transaction queue -> execution.
//!
//! The short way: a client in no special state, with a command that concerns no gate, costs two
//! tests of flag words before execution, or before it is queued in a transaction. Everything else
//! takes the long way.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::execution::cross_protocol::{is_http, refuse_http};
use crate::execution::gates::slots::runs_here;
use crate::execution::gates::{self, GatedCommand, Stop, Wait};
use crate::origin::Origin;
use crate::state::Server;
use crate::state::call::Row;
use crate::state::world::{Engine, World};
use crate::users::budgets::Way;
use russet_cluster::migration::MigrationLink;
use russet_command::{CommandError, Facts, Flags, up_to_nul};
use russet_keyspace::{KeyHash, Keyspace};
use russet_resp::{Args, Mark};

/// The outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Not run: the client is paused, and the command must be parsed again later.
    Postponed,
}

/// The text before the arguments in an "unknown command" error.
const ECHO: &[u8] = b", with args beginning with:";

/// Bytes of the arguments that an "unknown command" error repeats.
const ECHOED_ARGS_MAX: usize = 128;

impl Engine {
    /// Takes a command of `session` through the gates. `hashes` are the hashes of the command's
    /// first keys.
    #[inline(always)]
    pub fn dispatch(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        let special = session.client.flags.intersection(ClientFlags::SLOW_PATH);
        let way = if special.is_empty() {
            Way::Plainly
        } else if special == ClientFlags::MULTI {
            return self.dispatch_queued(session, row, args, hashes);
        } else if special.contains(ClientFlags::BUDGETED) {
            match self.admit(session, row, args) {
                Ok(way) => way,
                Err(outcome) => return outcome,
            }
        } else {
            Way::Specially
        };
        match way {
            Way::Plainly => self.dispatch_plainly(session, row, args, hashes),
            Way::Carefully => self.dispatch_carefully(session, row, args, hashes),
            Way::Specially => self.dispatch_specially(session, row, args, hashes),
        }
    }

    /// The command of a client in no special state.
    #[inline(always)]
    fn dispatch_plainly(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        if let Some(id) = row
            && self.is_plain(&session.client, id, args, hashes)
        {
            self.execute(session, id, args, hashes);
            return Outcome::Done;
        }
        self.dispatch_carefully(session, row, args, hashes)
    }

    /// Whether no gate concerns the command of a client in no special state.
    #[inline(always)]
    fn is_plain(&self, client: &Client, id: usize, args: Args<'_>, hashes: &[KeyHash]) -> bool {
        let row = self.server.table.row(id);
        let Row {
            spec, subcommands, ..
        } = row;
        // COMMAND alone both runs by itself and has subcommands.
        subcommands.is_empty()
            && spec.arity.admits(args.len())
            && !self.server.gates.interest.concerns(spec.flags)
            && runs_here(self.server.cluster.as_deref(), row, args, hashes)
            && (self.server.acl).permits(client, row, args, &self.server.config)
    }

    /// The command of a client whose only special state is its transaction: if no gate concerns the
    /// command, it is queued at once.
    fn dispatch_queued(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        // A dialect refuses these commands in a transaction, or they run at once.
        const SPECIAL: Flags = Flags::NOT_QUEUED
            .union(Flags::NO_MULTI)
            .union(Flags::NO_MULTI_IN_VALKEY);
        if let Some(id) = row
            && !self.server.table.row(id).spec.flags.intersects(SPECIAL)
            && self.is_plain(&session.client, id, args, hashes)
        {
            session.client.traffic.last_command = Some(id);
            queue(&mut self.server, session, id, args);
            return Outcome::Done;
        }
        self.dispatch_specially(session, row, args, hashes)
    }

    /// As [`Engine::execute`], which is part of the plain way only.
    #[inline(never)]
    fn execute_apart(
        &mut self,
        session: &mut Session,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        self.execute(session, id, args, hashes);
    }

    /// The command of a client in some special state.
    fn dispatch_specially(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        if session.client.flags.contains(ClientFlags::SENDS_SLOTS) {
            let link = MigrationLink::Client(session.client.id.0);
            self.apply_slots(session, link, row, args, hashes, args.wire_bytes());
            return Outcome::Done;
        }
        let was_replica = session.client.flags.contains(ClientFlags::REPLICA);
        let replied = session.reply.pending_len();
        let outcome = if self.begins_session(&session.client, row) {
            self.debug(session, row, args, hashes)
        } else {
            self.dispatch_carefully(session, row, args, hashes)
        };
        // Without replies (CLIENT REPLY) nothing would bound the commands that a replica may run.
        const SILENT: ClientFlags = ClientFlags::UNHEARD.union(ClientFlags::REPLY_SKIP_NEXT);
        let talks =
            session.reply.pending_len() > replied || session.client.flags.intersects(SILENT);
        if was_replica && talks {
            self.server.drop_talking_replica(session, &args[0], replied);
        }
        if outcome == Outcome::Done {
            self.end_one_shots(session, row);
        }
        outcome
    }

    /// After a command: ends the effect of CLIENT CACHING and ASKING, which is for a single
    /// command.
    pub(crate) fn end_one_shots(&mut self, session: &mut Session, row: Option<usize>) {
        let Server {
            table, messages, ..
        } = &self.server;
        if session.client.flags.contains(ClientFlags::CACHING_SAID) {
            let last = session.client.traffic.last_command;
            let container = last.and_then(|id| table.row(id).parent);
            let facts = container.map(|id| table.row(id).spec.facts);
            if !facts.is_some_and(|facts| facts.contains(Facts::SPARES_CACHING)) {
                messages.tracking.end_caching(&mut session.client);
            }
        }
        let asks = |id| (table.row(id).spec.facts).contains(Facts::BEGINS_ASKING);
        let flags = &mut session.client.flags;
        let may_end = flags.contains(ClientFlags::ASKING) && !flags.contains(ClientFlags::MULTI);
        if may_end && !row.is_some_and(asks) {
            flags.remove(ClientFlags::ASKING);
        }
    }

    /// Whether the command is an EVAL to be debugged.
    fn begins_session(&self, client: &Client, row: Option<usize>) -> bool {
        let is_eval = |id| {
            self.server
                .table
                .row(id)
                .spec
                .flags
                .contains(Flags::RUNS_TEXT)
        };
        client.flags.contains(ClientFlags::DEBUGS)
            && !client.flags.contains(ClientFlags::MULTI)
            && row.is_some_and(is_eval)
    }

    #[cold]
    pub(super) fn dispatch_carefully(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Outcome {
        let Engine {
            keyspace, server, ..
        } = self;
        let mark = session.reply.mark();
        if session.client.flags.intersects(ClientFlags::UNHEARD) {
            // Discarded replies must not close the client.
            session.reply.set_limit(usize::MAX);
        }
        let id = match resolve(server, row, args) {
            Ok(id) => id,
            Err(_) if row.is_none() && is_http(&args[0]) => {
                refuse_http(
                    &mut server.turn,
                    &mut server.diagnostics,
                    &server.now,
                    session,
                );
                return Outcome::Done;
            }
            Err(error) => {
                let known = known_row(server, row, args, &error);
                session.client.traffic.last_command = known;
                reject(server, keyspace, session, known, args, &error);
                after_reply(session, mark);
                return Outcome::Done;
            }
        };
        let spec = server.table.row(id).spec;
        // A refused or postponed command counts as the last command, too.
        session.client.traffic.last_command = Some(id);
        let asked = GatedCommand::new(server, id, args, Origin::Client);
        let Session { client, reply, .. } = session;
        let mut world = World::new(keyspace, server, client, reply);
        match gates::pass(&mut world, &asked) {
            Ok(()) => {}
            Err(Stop::Refused(error)) => {
                reject(server, keyspace, session, Some(id), args, &error);
                after_reply(session, mark);
                return Outcome::Done;
            }
            Err(Stop::Elsewhere(error)) => {
                refuse(server, keyspace, session, Some(id), args, &error);
                after_reply(session, mark);
                return Outcome::Done;
            }
            Err(Stop::Postponed(wait)) => {
                if wait == Wait::Snapshot {
                    world
                        .server
                        .persist
                        .snapshots
                        .writers
                        .await_saved(world.client.id);
                }
                if session.client.flags.contains(ClientFlags::BUDGETED) {
                    // The command's retry passes the gates, and is charged.
                    server.acl.accounts.give_back(session.client.user);
                }
                session.client.flags |= ClientFlags::POSTPONED;
                return Outcome::Postponed;
            }
        }
        if gates::queues(world.client, spec) {
            queue(server, session, id, args);
            after_reply(session, mark);
            return Outcome::Done;
        }
        let received = !session.client.flags.intersects(ClientFlags::UNHEARD);
        self.execute_apart(session, id, args, hashes);
        after_reply(session, mark);
        if !received && !self.server.messages.outbox.is_empty() {
            // Messages to the client are sent all the same.
            self.deliver_posts(Some(session));
            self.server.turn.timing.begin();
        }
        Outcome::Done
    }
}

/// The row that counts a command which `resolve` has refused: the command's own row if the number
/// of arguments is wrong; an unknown name has no row.
fn known_row(
    server: &Server,
    row: Option<usize>,
    args: Args<'_>,
    error: &CommandError,
) -> Option<usize> {
    let id = row.filter(|_| matches!(error, CommandError::WrongArity(_)))?;
    let row = server.table.row(id);
    let sub = args.get(1);
    let sub = sub.and_then(|name| server.table.find_subcommand(row, name));
    Some(sub.map_or(id, |sub| sub.id))
}

/// CLIENT REPLY: discards the reply if the client does not want it. A blocked command replies when
/// its wait ends.
pub(crate) fn after_reply(session: &mut Session, mark: Mark) {
    let flags = &mut session.client.flags;
    if flags.intersects(ClientFlags::UNHEARD) {
        session.reply.truncate(mark);
    }
    if flags.contains(ClientFlags::BLOCKED) {
        return;
    }
    flags.remove(ClientFlags::REPLY_SKIP);
    if flags.contains(ClientFlags::REPLY_SKIP_NEXT) {
        flags.remove(ClientFlags::REPLY_SKIP_NEXT);
        flags.insert(ClientFlags::REPLY_SKIP);
    }
}

/// The row to run: the command's or its subcommand's. Also checks the arity.
#[inline]
pub fn resolve(server: &Server, row: Option<usize>, args: Args<'_>) -> Result<usize, CommandError> {
    if let Some(id) = row {
        let row = server.table.row(id);
        let is_plain = row.subcommands.is_empty() && !row.spec.flags.contains(Flags::CONTAINER);
        if is_plain && row.spec.arity.admits(args.len()) {
            return Ok(id);
        }
    }
    resolve_any(server, row, args)
}

#[cold]
fn resolve_any(server: &Server, row: Option<usize>, args: Args<'_>) -> Result<usize, CommandError> {
    let Some(id) = row else {
        return Err(unknown_command(args));
    };
    let mut row = server.table.row(id);
    if !row.subcommands.is_empty() && args.len() > 1 {
        match server.table.find_subcommand(row, &args[1]) {
            Some(sub) => row = sub,
            None => return Err(unknown_subcommand(args)),
        }
    } else if row.spec.flags.contains(Flags::CONTAINER) {
        return Err(CommandError::WrongArity(row.full_name.into()));
    }
    if !row.spec.arity.admits(args.len()) {
        return Err(CommandError::WrongArity(row.full_name.into()));
    }
    Ok(row.id)
}

/// A word as C's `%.*s` prints it: up to a NUL byte, at most `max` bytes.
fn echoed(word: &[u8], max: usize) -> &[u8] {
    up_to_nul(&word[..word.len().min(max)])
}

fn unknown_command(args: Args<'_>) -> CommandError {
    let mut line = b"ERR unknown command '".to_vec();
    let name = &args[0];
    line.extend_from_slice(echoed(name, ECHOED_ARGS_MAX));
    line.push(b'\'');
    if args.len() > 1 {
        line.extend_from_slice(ECHO);
        line.push(b' ');
    }
    let start = line.len();
    for arg in args.from(1).iter() {
        let room = ECHOED_ARGS_MAX.saturating_sub(line.len() - start);
        if room == 0 {
            break;
        }
        line.push(b'\'');
        line.extend_from_slice(echoed(arg, room));
        line.extend_from_slice(b"' ");
    }
    CommandError::Bytes(line)
}

fn unknown_subcommand(args: Args<'_>) -> CommandError {
    let sub = &args[1];
    let mut line = b"ERR unknown subcommand '".to_vec();
    line.extend_from_slice(echoed(sub, ECHOED_ARGS_MAX));
    line.extend_from_slice(b"'. Try ");
    // As the client called it: the name may differ from that of other servers.
    line.extend(up_to_nul(&args[0]).iter().map(u8::to_ascii_uppercase));
    line.extend_from_slice(b" HELP.");
    CommandError::Bytes(line)
}

/// An error's line for the log: without the arguments of an unknown command, and only the code if
/// the command, found by its row's number, may have secrets.
pub(crate) fn error_for_log<'a>(server: &Server, row: Option<usize>, line: &'a [u8]) -> &'a [u8] {
    let line = line.strip_prefix(b"-").unwrap_or(line).trim_ascii_end();
    let has_secrets = row.is_some_and(|id| server.table.may_hide(server.table.row(id)));
    let end = if has_secrets {
        memchr::memchr(b' ', line)
    } else {
        memchr::memmem::find(line, ECHO)
    };
    &line[..end.unwrap_or(line.len())]
}

/// Adds a command to the transaction's queue. A queue over the query buffer limit closes the
/// client.
fn queue(server: &mut Server, session: &mut Session, id: usize, args: Args<'_>) {
    let client = &mut session.client;
    // After the first refusal nothing will run: later commands are checked, not kept.
    if !client
        .flags
        .intersects(ClientFlags::DIRTY_CAS | ClientFlags::DIRTY_EXEC)
    {
        client.queue(id, args);
    }
    let is_over = client.multi_bytes() as u64 > server.config.client_query_buffer_limit;
    if is_over && !client.sends_taken() {
        server.log_dropped(session, "its transaction is over client-query-buffer-limit");
        server.stats.clients.query_buffer_disconnections += 1;
        let detail = format!("{} bytes queued in MULTI", session.client.multi_bytes());
        server
            .turn
            .close_soon(session, Disconnection::new(EndReason::QueryLimit, detail));
        return;
    }
    session.reply.simple("QUEUED");
}

/// Refuses a command before execution; EXEC's refusal says that the transaction is discarded.
pub(crate) fn reject(
    server: &mut Server,
    keyspace: &mut Keyspace,
    session: &mut Session,
    id: Option<usize>,
    args: Args<'_>,
    error: &CommandError,
) {
    let runs_queue =
        id.is_some_and(|id| server.table.row(id).spec.flags.contains(Flags::RUNS_QUEUE));
    if !runs_queue {
        return refuse(server, keyspace, session, id, args, error);
    }
    let line = error.line();
    let reason = line.strip_prefix(b"ERR ").unwrap_or(&line);
    let text = [b"EXECABORT Transaction discarded because of: ", reason].concat();
    refuse(
        server,
        keyspace,
        session,
        id,
        args,
        &CommandError::Bytes(text),
    );
}

/// Replies that a command does not run, counts and audits it. EXEC's transaction is over; a
/// transaction being queued will fail.
fn refuse(
    server: &mut Server,
    keyspace: &mut Keyspace,
    session: &mut Session,
    id: Option<usize>,
    args: Args<'_>,
    error: &CommandError,
) {
    if let Some(id) = id {
        server.diagnostics.command_stats[id].rejected += 1;
        if server.table.row(id).spec.flags.contains(Flags::RUNS_QUEUE) {
            session.client.leave_transaction(&mut keyspace.watchers);
        }
    }
    session.reply.error(error);
    server.stats.count_error(session.reply.last_error());
    if let Some(id) = id {
        let error = session.reply.last_error();
        server.record_refused((&session.client, None), (id, args), Origin::Client, error);
    }
    if session.client.flags.contains(ClientFlags::MULTI) {
        session.client.flags |= ClientFlags::DIRTY_EXEC;
    }
}
