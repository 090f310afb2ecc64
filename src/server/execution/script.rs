//! Runs scripts (`parts::execution::scripting` has the caches and the state of the running one).
//!
//!     handler (EVAL, FCALL) -> Call::run_script -> Lua -> Running::call -> World::run
//!
//! A script's commands pass gates of their own (`gates::script`), in Redis's order, and run as
//! [`Origin::Script`] by a separate client; their effects join the unit of the command that runs
//! the script. After `busy-reply-threshold` the loop serves others meanwhile (`busy`).

use std::sync::atomic::Ordering;

use crate::base::clock;
use crate::command::{CommandError, Flags as RowFlags};
use crate::config::Dialect;
use crate::keyspace::{Audience, Keyspace};
use crate::resp::{Args, Reply};
use crate::scripting::{
    Compiled, Ended, Failed, Flags, Host, Libraries, LoadError, NoCommand, Prepared, Use, VmHandle,
};
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::execution::dispatch::resolve;
use crate::server::execution::gates::script::{ByScript, Limits, prepare};
use crate::server::execution::gates::slots::declared_slot;
use crate::server::execution::gates::{self, Asked, Stop};
use crate::server::execution::undo::Undo;
use crate::server::origin::Origin;
use crate::server::parts::execution::scripting::{Current, REPLY_KEPT, Spare};
use crate::server::state::Server;
use crate::server::state::call::{Call, CommandResult};
use crate::server::state::world::World;

impl Call<'_> {
    /// Runs a script to its end and replies with its result.
    pub fn run_script(&mut self, program: Program<'_>) -> CommandResult {
        self.no_effect();
        let origin = self.origin;
        let flags = (program.flags, program.read_only);
        let limits = prepare(&mut self.world(), flags, origin)?;
        let args = self.args;
        let is_atomic = origin != Origin::Loading
            && (program.flags.contains(Flags::ATOMIC) || self.server.config.script_rollback);
        let mark = self.db.keyspace().effects.mark();
        let posts = self.server.messages.outbox.mark();
        let nested = match self.origin {
            Origin::Loading => Origin::Loading,
            _ => Origin::Script,
        };
        let World {
            keyspace,
            server,
            client: caller,
            reply: to,
        } = self.world();
        let mut spare = server.scripting.spare.take().unwrap_or_else(Spare::new);
        let Spare { client, reply } = &mut *spare;
        client.db = caller.db;
        for flag in [ClientFlags::NO_TOUCH, ClientFlags::CACHES] {
            client.flags.set(flag, caller.flags.contains(flag));
        }
        client.user = caller.user;
        if server.gates.is_audited {
            client.identity.clone_from(&caller.identity);
        }
        reply.set_resp3(false);
        reply.begin_errors();
        let facts = (program.of, program.flags, is_atomic);
        let mut current = Current::new(facts, server.turn.ended, caller.id);
        current.slot = declared_slot(server, program.keys);
        server.scripting.current = Some(current);
        let mut running = Running {
            keyspace,
            server,
            client,
            reply,
            caller,
            to: Some(to),
            program: &program,
            command: args,
            origin: nested,
            limits,
            wrote: false,
            audience: Audience::ALL,
            undo: is_atomic.then(Undo::default),
        };
        let called = program
            .vm
            .call(&mut running, program.function, program.keys, program.args);
        let to = running.to.take().expect("nobody else takes it");
        let ended = match called {
            Ended::Returned => running.reply_to(to),
            failed => failed,
        };
        if !running.reply.errors().is_empty() {
            to.note_error_within();
        }
        let undo = running.undo.take();
        // The server ends: the script's changes are dropped.
        let is_dropped = running.server.shutdown.request.is_some();
        let failed = matches!(ended, Ended::Failed(_));
        if is_dropped || failed && undo.is_some() {
            keyspace.effects.take_back(mark);
        }
        if let Some(undo) = undo {
            if failed {
                undo.roll_back(keyspace);
                keyspace.journal.forget_written();
                server.messages.outbox.take_back(posts);
            }
            if keyspace.has_news() {
                server.notify_changes(keyspace, Some(client));
            }
        }
        let current = server.scripting.current.take();
        if caller.flags.contains(ClientFlags::BUDGETED) {
            let calls = current.as_ref().map_or(0, |current| current.calls);
            server
                .acl
                .accounts
                .charge(caller.user, calls, server.now.mono_ms);
        }
        reply_failure(ended, program.name, server.config.dialect, to);
        if current.is_some_and(|c| c.is_slow) {
            server.update_interest();
        }
        spare.reply.clear(REPLY_KEPT);
        spare.client.fieldsets.clear();
        server.scripting.spare = Some(spare);
        Ok(())
    }
}

/// Replies with the error of a script that failed.
fn reply_failure(ended: Ended, name: &[u8], dialect: Dialect, to: &mut Reply) {
    match ended {
        Ended::Returned => {}
        Ended::Failed(Failed::Error(failure)) => {
            let name = if dialect.names_script() { name } else { b"" };
            failure.reply(to, Some(name));
        }
        Ended::Failed(Failed::Bare(message)) => {
            let shown = &message[..message.len().min(100)];
            let parts = [b"ERR Error running script ", name, b", ", shown];
            to.error_line(&parts.concat());
        }
    }
}

impl Call<'_> {
    /// Runs the code of libraries being loaded, see [`Libraries::prepare`]; meanwhile they count as
    /// the running script: others are served when it takes long, and FUNCTION KILL ends it.
    pub fn prepare_libraries(
        &mut self,
        vm: VmHandle,
        codes: &[&[u8]],
    ) -> Result<Prepared, LoadError> {
        let (command, is_loading) = (self.args, self.origin == Origin::Loading);
        let World {
            keyspace,
            server,
            client,
            ..
        } = self.world();
        server.scripting.current = Some(Current {
            of: Use::Functions,
            flags: Flags::empty(),
            began: server.turn.ended,
            is_slow: false,
            caller: client.id,
            is_atomic: false,
            has_written: false,
            is_killed: false,
            slot: None,
            calls: 0,
            touched: 0,
            is_replying: false,
            reported: None,
        });
        let mut loader = Loader {
            keyspace,
            server,
            command,
            is_loading,
        };
        let prepared = Libraries::prepare(vm, &mut loader, codes);
        let current = server.scripting.current.take();
        if current.is_some_and(|c| c.is_slow) {
            server.update_interest();
        }
        prepared
    }
}

/// The running script has reached the hook: serves others if it has run for long. Returns whether
/// it must end.
fn interrupt(keyspace: &mut Keyspace, server: &mut Server, name: &[u8], command: Args<'_>) -> bool {
    let threshold = server.config.busy_reply_threshold;
    let is_signalled = server.shutdown.signals.stop.load(Ordering::Acquire) > 0;
    let Some(current) = &mut server.scripting.current else {
        return false;
    };
    if is_signalled && !current.cannot_end() {
        // The loop handles the signal.
        return true;
    }
    let ticks = clock::cycles().wrapping_sub(current.began);
    let millis = server.cycles.micros(ticks) / 1000;
    if threshold == 0 || millis < threshold {
        return false;
    }
    if !current.is_slow {
        current.is_slow = true;
        let reported = current
            .reported
            .get_or_insert_with(|| Box::new((name.to_vec(), command.to_owned())));
        let name = &reported.0;
        let kill = match current.of {
            Use::Eval => "SCRIPT KILL",
            Use::Functions => "FUNCTION KILL",
        };
        tracing::warn!(
            "Slow script detected: still in execution after {millis} milliseconds. You can \
             try killing the script using the {kill} command. Script name is: {}.",
            String::from_utf8_lossy(name)
        );
        server.update_interest();
    }
    crate::server::execution::busy::serve(keyspace, server);
    let current = server.scripting.current.as_ref();
    let killed = current.is_some_and(|c| c.is_killed);
    if killed {
        tracing::info!("Lua script killed by user with SCRIPT KILL.");
    }
    killed || server.shutdown.request.is_some()
}

impl Call<'_> {
    /// To be called between the slices of a command that may take long and cannot leave the loop;
    /// `began`: when it started (`clock::cycles`). Its script serves others and is asked whether it
    /// must end, as it does between two instructions.
    ///
    /// # Errors
    ///
    /// The script must end; or, outside of a script, `busy-reply-threshold` has passed: no client
    /// could end the command.
    pub fn may_continue(&mut self, began: u64) -> CommandResult {
        const ENDED: CommandError =
            CommandError::Text("ERR The script that runs it has been ended");
        const TOO_LONG: CommandError = CommandError::Text(
            "ERR It takes longer than busy-reply-threshold, and others cannot be served meanwhile",
        );
        let World {
            keyspace, server, ..
        } = self.world();
        if server.scripting.current.is_some() {
            // Its name was recorded before it ran this command.
            return if interrupt(keyspace, server, b"", Args::new(&[], &[])) {
                Err(ENDED)
            } else {
                Ok(())
            };
        }
        let threshold = server.config.busy_reply_threshold;
        let millis = server.cycles.micros(clock::cycles().wrapping_sub(began)) / 1000;
        if threshold > 0 && millis >= threshold {
            Err(TOO_LONG)
        } else {
            Ok(())
        }
    }
}

/// A script to be run.
pub struct Program<'a> {
    pub of: Use,
    pub vm: VmHandle,
    pub function: Compiled,
    pub flags: Flags,
    /// Its SHA-1, or the function's name, for error messages.
    pub name: &'a [u8],
    /// Called by a read-only command.
    pub read_only: bool,
    pub keys: Args<'a>,
    pub args: Args<'a>,
}

/// The host while a library's code runs: it runs no command.
struct Loader<'a> {
    keyspace: &'a mut Keyspace,
    server: &'a mut Server,
    /// The command that loads the libraries.
    command: Args<'a>,
    /// No client is served while data is loaded.
    is_loading: bool,
}

impl Host for Loader<'_> {
    fn interrupt(&mut self) -> bool {
        let name = self.command.at(1);
        !self.is_loading && interrupt(self.keyspace, self.server, name, self.command)
    }
}

/// The host of the running script.
struct Running<'a, 'p, 'r> {
    keyspace: &'a mut Keyspace,
    server: &'a mut Server,
    /// The script's own client, not the caller.
    client: &'a mut Client,
    reply: &'a mut Reply,
    /// The client that called the script.
    caller: &'a Client,
    /// The caller's reply: while the script's code runs.
    to: Option<&'r mut Reply>,
    program: &'a Program<'p>,
    /// The command that runs the script.
    command: Args<'a>,
    origin: Origin,
    limits: Limits,
    wrote: bool,
    /// Where the effects are propagated (`redis.set_repl`).
    audience: Audience,
    /// The undo log of an atomic script.
    undo: Option<Undo>,
}

impl Running<'_, '_, '_> {
    /// Replies with the script's result.
    fn reply_to(&mut self, to: &mut Reply) -> Ended {
        if let Some(current) = &mut self.server.scripting.current {
            current.is_replying = true;
        }
        let resp3 = self.reply.resp3();
        self.reply.clear(REPLY_KEPT);
        let vm = self.program.vm;
        vm.reply(self, to, resp3)
    }

    /// Checks a command at the gates; returns its row's number.
    fn admit(&mut self, args: Args<'_>) -> Result<usize, CommandError> {
        let dialect = self.server.config.dialect;
        let row = self.server.table.find(args.at(0)).map(|row| row.id);
        let id = resolve(self.server, row, args).map_err(|error| match error {
            CommandError::WrongArity(_) => CommandError::Text(dialect.wrong_arity_in_script()),
            _ => CommandError::Text(dialect.unknown_in_script()),
        });
        let id = match id {
            Ok(id) => id,
            Err(error) => {
                self.server.stats.count_error(b"ERR");
                return Err(error);
            }
        };
        let spec = self.server.table.row(id).spec;
        let to = self.to.as_deref().expect("its code runs");
        let mut asked = Asked::new(self.server, id, args, self.origin);
        asked.script = Some(ByScript {
            limits: self.limits,
            wrote: self.wrote,
            caller: (self.caller, to),
        });
        let mut world = World::new(self.keyspace, self.server, self.client, self.reply);
        if let Err(Stop::Refused(error) | Stop::Elsewhere(error)) = gates::pass(&mut world, &asked)
        {
            let line = error.line();
            let code = line.split(|b| *b == b' ').next().unwrap_or(b"ERR");
            self.server.stats.count_error(code);
            self.server.diagnostics.command_stats[id].rejected += 1;
            (self.server).record_refused(self.client, (id, args), Origin::Script, code);
            return Err(error);
        }
        if spec.flags.contains(RowFlags::WRITE)
            && let Some(undo) = &mut self.undo
        {
            let most = self.server.undo_max_bytes();
            let filed = undo.file(
                self.keyspace,
                self.client.db,
                self.server.table.row(id),
                args,
                most,
            );
            if let Err(error) = filed {
                self.server.stats.count_error(b"ERR");
                self.server.diagnostics.command_stats[id].rejected += 1;
                (self.server).record_refused(self.client, (id, args), Origin::Script, b"ERR");
                return Err(error);
            }
        }
        if spec.flags.contains(RowFlags::WRITE) && !self.wrote {
            self.wrote = true;
            if let Some(current) = &mut self.server.scripting.current {
                current.has_written = true;
            }
        }
        Ok(id)
    }
}

impl Host for Running<'_, '_, '_> {
    fn call(&mut self, args: Args<'_>, most: usize) -> Result<&[u8], CommandError> {
        const TOO_LONG: &str = "ERR not enough memory: the command's reply is more than the \
                                script may hold";
        if let Some(current) = &mut self.server.scripting.current {
            current.calls += 1;
        }
        let admitted = self.admit(args);
        let id = admitted.inspect_err(|_| self.reply.note_error_within())?;
        // It may serve others from inside of the command.
        let is_long = (self.server.table.row(id).spec.flags).contains(RowFlags::SLICED);
        if let Some(current) = &mut self.server.scripting.current
            && is_long
        {
            let named = || Box::new((self.program.name.to_vec(), self.command.to_owned()));
            current.reported.get_or_insert_with(named);
        }
        self.server.note_nested(id);
        self.reply.clear(REPLY_KEPT);
        self.reply.set_limit(most);
        let (mark, flushes) = (self.keyspace.effects.mark(), self.keyspace.flushes());
        let mut world = World::new(self.keyspace, self.server, self.client, self.reply);
        world.run(self.origin, id, args, &[]);
        if self.audience != Audience::ALL {
            self.keyspace.effects.address(mark, self.audience);
            if self.keyspace.flushes() != flushes {
                self.server.flushed_apart(self.keyspace);
            }
        }
        if self.reply.is_full() {
            Err(CommandError::Text(TOO_LONG))
        } else {
            Ok(self.reply.text())
        }
    }

    fn take_reply(&mut self) -> Vec<u8> {
        self.reply.take_text()
    }

    fn may_run(&mut self, args: Args<'_>) -> Result<bool, NoCommand> {
        let row = self.server.table.find(args.at(0)).map(|row| row.id);
        let row = self.server.table.row(row.ok_or(NoCommand::Unknown)?);
        let row = match args.get(1) {
            Some(name) if !row.subcommands.is_empty() => {
                let found = self.server.table.find_subcommand(row, name);
                found.ok_or(NoCommand::Unknown)?
            }
            _ => row,
        };
        if !row.spec.arity.admits(args.len()) {
            return Err(NoCommand::WrongArity);
        }
        let (client, databases) = (&*self.client, self.server.config.databases_served());
        let line = row.command_line(args, client.db.0, databases);
        Ok(self.server.acl.denies(client.user, &line).is_none())
    }

    fn set_resp3(&mut self, on: bool) {
        self.reply.set_resp3(on);
    }

    fn set_repl(&mut self, aof: bool, replicas: bool) {
        self.audience.set(Audience::LOG, aof);
        self.audience.set(Audience::REPLICAS, replicas);
    }

    fn interrupt(&mut self) -> bool {
        interrupt(self.keyspace, self.server, self.program.name, self.command)
    }
}
