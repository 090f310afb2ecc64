//! Runs scripts (`parts::execution::scripting` has the caches, and the record of the running
//! script).
//!
//!     handler (EVAL, FCALL) -> Call::run_script -> Lua -> ScriptHost::call -> World::run
//!
//! A script's commands pass gates of their own (`gates::script`), in Redis's order, and run as
//! [`Origin::Script`] by a separate client; their effects join the unit of the command that runs
//! the script. Each of these commands gets the [`RunningScript`]. After `busy-reply-threshold` the
//! loop serves others meanwhile (`busy`).

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::clients::client::{Client, ClientFlags};
use crate::execution::dispatch::resolve;
use crate::execution::execute::Author;
use crate::execution::gates::script::prepare;
use crate::execution::gates::slots::declared_slot;
use crate::execution::gates::{self, GatedCommand, Stop};
use crate::execution::undo::Undo;
use crate::origin::Origin;
use crate::parts::execution::scripting::{REPLY_KEPT, Spare};
use crate::state::Server;
use crate::state::call::{Call, CommandResult};
use crate::state::script::RunningScript;
use crate::state::world::World;
use russet_acl::CommandLine;
use russet_base::clock;
use russet_command::{CommandError, Flags as RowFlags};
use russet_config::Dialect;
use russet_keyspace::{Audience, Keyspace};
use russet_resp::{Args, Reply};
use russet_scripting::{
    CompiledFunction, Debugger, Flags, Host, Libraries, LoadError, NoCommand, PreparedLibraries,
    ScriptFailure, ScriptOutcome, Use, VmHandle,
};

/// The ends of the effects and of the messages before a script.
struct ScriptMarks {
    effects: usize,
    posts: usize,
}

impl ScriptMarks {
    /// Undoes the changes of a script that failed, and drops its messages.
    fn roll_back(&self, undo: Undo, keyspace: &mut Keyspace, server: &mut Server) {
        undo.roll_back(keyspace);
        // Within the script indexes may have read values that are undone now.
        server.search.note(&keyspace.journal);
        keyspace.journal.forget_written();
        server.messages.outbox.take_back(self.posts);
    }
}

/// Lets a script's client act for the caller.
#[inline]
fn represent(client: &mut Client, caller: &Client, server: &Server) {
    client.db = caller.db;
    for flag in [ClientFlags::NO_TOUCH, ClientFlags::CACHES] {
        client.flags.set(flag, caller.flags.contains(flag));
    }
    client.user = caller.user;
    if server.gates.is_audited {
        client.identity.clone_from(&caller.identity);
    }
}

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
        let marks = ScriptMarks {
            effects: self.db.keyspace().effects.mark(),
            posts: self.server.messages.outbox.mark(),
        };
        let nested = match self.origin {
            Origin::Loading => Origin::Loading,
            _ => Origin::Script,
        };
        let World {
            keyspace,
            server,
            client: caller,
            reply: to,
            ..
        } = self.world();
        let mut spare = server.scripting.spare.take().unwrap_or_else(Spare::new);
        let Spare { client, reply } = &mut *spare;
        represent(client, caller, server);
        reply.set_resp3(false);
        reply.begin_errors();
        server
            .scripting
            .begin(program.of, is_atomic, server.turn.timing.start());
        let script = RunningScript {
            caller: (caller, to),
            name: program.name,
            command: args,
            limits,
            wrote: Cell::new(false),
            slot: Cell::new(declared_slot(server, program.keys)),
            calls: Cell::new(0),
            touched: Cell::new(0),
        };
        let mut host = ScriptHost {
            keyspace,
            server,
            client,
            reply,
            script: &script,
            origin: nested,
            audience: Audience::ALL,
            undo: is_atomic.then(Undo::default),
        };
        let keys_and_args = (program.keys, program.args);
        let called = program
            .vm
            .call(&mut host, program.function, keys_and_args, program.debugger);
        let undo = host.undo.take();
        let calls = script.calls.get();
        let ended = match called {
            ScriptOutcome::Returned => {
                server.scripting.record_code_end();
                let resp3 = reply.resp3();
                reply.clear(REPLY_KEPT);
                let mut host = NoCommands {
                    keyspace,
                    server,
                    paused: (program.name, args),
                    serves: true,
                };
                program.vm.reply(&mut host, to, resp3)
            }
            failed => failed,
        };
        if !reply.errors().is_empty() {
            to.record_error_within();
        }
        // The server ends: the script's changes are dropped.
        let is_dropped = server.shutdown.request.is_some();
        let failed = matches!(ended, ScriptOutcome::Failed(_));
        if is_dropped || failed && undo.is_some() {
            keyspace.effects.take_back(marks.effects);
        }
        if let Some(undo) = undo {
            if failed {
                marks.roll_back(undo, keyspace, server);
            }
            if keyspace.has_news() {
                server.notify_changes(keyspace, Author::Script(caller.id));
            }
        }
        let was_slow = server.scripting.end();
        charge_caller(caller, client, calls, server);
        reply_failure(ended, program.name, server.config.dialect, to);
        if was_slow {
            server.update_interest();
        }
        spare.reply.clear(REPLY_KEPT);
        spare.client.fieldsets.clear();
        server.scripting.spare = Some(spare);
        Ok(())
    }
}

/// Counts a script's commands as the caller's.
#[inline]
fn charge_caller(caller: &mut Client, client: &mut Client, calls: u64, server: &mut Server) {
    caller.traffic.commands += std::mem::take(&mut client.traffic.commands);
    if caller.flags.contains(ClientFlags::BUDGETED) {
        let accounts = &mut server.acl.accounts;
        accounts.charge(caller.user, calls, server.now.mono_ms);
    }
}

/// Replies with the error of a script that failed.
fn reply_failure(ended: ScriptOutcome, name: &[u8], dialect: Dialect, to: &mut Reply) {
    match ended {
        ScriptOutcome::Returned => {}
        ScriptOutcome::Failed(ScriptFailure::Error(failure)) => {
            let name = if dialect.names_script() { name } else { b"" };
            failure.reply(to, Some(name));
        }
        ScriptOutcome::Failed(ScriptFailure::Bare(message)) => {
            let shown = &message[..message.len().min(100)];
            let parts = [b"ERR Error running script ", name, b", ", shown];
            to.error_line(&parts.concat());
        }
    }
}

impl Call<'_> {
    /// Runs the code of libraries being loaded, see [`Libraries::prepare`]; meanwhile the libraries
    /// count as the running script: other clients are served if loading takes long, and FUNCTION
    /// KILL ends it.
    pub fn prepare_libraries(
        &mut self,
        vm: VmHandle,
        codes: &[&[u8]],
    ) -> Result<PreparedLibraries, LoadError> {
        let (command, is_loading) = (self.args, self.origin == Origin::Loading);
        let World {
            keyspace, server, ..
        } = self.world();
        server
            .scripting
            .begin(Use::Functions, false, server.turn.timing.start());
        let mut host = NoCommands {
            keyspace,
            server,
            paused: (command.at(1), command),
            serves: !is_loading,
        };
        let prepared = Libraries::prepare(vm, &mut host, codes);
        if server.scripting.end() {
            server.update_interest();
        }
        prepared
    }
}

/// The running script has reached the hook: serves other clients if the script has run for long.
/// Returns whether the script must end. Reports show the script's name and the command that runs
/// it.
fn interrupt(
    keyspace: &mut Keyspace,
    server: &mut Server,
    (name, command): (&[u8], Args<'_>),
) -> bool {
    let threshold = server.config.busy_reply_threshold;
    let is_signalled = server.shutdown.signals.stop.load(Ordering::Acquire) > 0;
    let is_debugging = server.scripting.is_debugging();
    let Some(running) = &mut server.scripting.running else {
        return false;
    };
    if is_debugging {
        // The debugger's client decides when the session ends; no other client is served.
        return is_signalled;
    }
    if is_signalled && !running.cannot_end() {
        // The loop handles the signal.
        return true;
    }
    let ticks = clock::cycles().wrapping_sub(running.began);
    let millis = server.cycles.micros(ticks) / 1000;
    if threshold == 0 || millis < threshold {
        return false;
    }
    if !running.is_slow {
        running.is_slow = true;
        running.reported = Some(Box::new((name.to_vec(), command.to_owned())));
        let kill = match running.of {
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
    crate::execution::busy::serve(keyspace, server);
    let running = server.scripting.running.as_ref();
    let killed = running.is_some_and(|script| script.is_killed);
    if killed {
        tracing::info!("Lua script killed by user with SCRIPT KILL.");
    }
    killed || server.shutdown.request.is_some()
}

impl Call<'_> {
    /// To be called between the slices of a command that may take long and cannot leave the loop;
    /// `began`: when it started (`clock::cycles`). As between two instructions of the command's
    /// script, other clients are served, and the script may have to end.
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
        let script = self.script;
        let World {
            keyspace, server, ..
        } = self.world();
        if let Some(script) = script {
            return if interrupt(keyspace, server, (script.name, script.command)) {
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
    pub function: CompiledFunction,
    pub flags: Flags,
    /// The script's SHA-1, or the function's name, for error messages.
    pub name: &'a [u8],
    /// Called by a read-only command.
    pub read_only: bool,
    pub keys: Args<'a>,
    pub args: Args<'a>,
    /// The debugger session, if the script is debugged.
    pub debugger: Option<Debugger>,
}

/// The host of code that runs no command: a library's while it loads, and the end of a script,
/// when its reply is made.
struct NoCommands<'a> {
    keyspace: &'a mut Keyspace,
    server: &'a mut Server,
    /// The script's name and command, for reports.
    paused: (&'a [u8], Args<'a>),
    /// Clients are served meanwhile, but not while a library comes from a file.
    serves: bool,
}

impl Host for NoCommands<'_> {
    fn interrupt(&mut self) -> bool {
        self.serves && interrupt(self.keyspace, self.server, self.paused)
    }
}

/// The host of the running script, while its code runs.
struct ScriptHost<'a> {
    keyspace: &'a mut Keyspace,
    server: &'a mut Server,
    /// The script's own client, not the caller.
    client: &'a mut Client,
    reply: &'a mut Reply,
    script: &'a RunningScript<'a>,
    origin: Origin,
    /// Where the effects are propagated (`redis.set_repl`).
    audience: Audience,
    /// The undo log of an atomic script.
    undo: Option<Undo>,
}

impl ScriptHost<'_> {
    /// All parts, for a command of the script.
    fn world(&mut self) -> World<'_> {
        World::new(self.keyspace, self.server, self.client, self.reply).in_script(Some(self.script))
    }

    /// Checks a command at the gates; returns its row's number.
    fn admit(&mut self, args: Args<'_>) -> Result<usize, CommandError> {
        let dialect = self.server.config.dialect;
        let (table, name) = (&self.server.table, args.at(0));
        let row = table.find(name).or_else(|| table.find_of_servers(name));
        let row = row.map(|row| row.id);
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
        let asked = GatedCommand::new(self.server, id, args, self.origin);
        let passed = gates::pass(&mut self.world(), &asked);
        if let Err(Stop::Refused(error) | Stop::Elsewhere(error)) = passed {
            let line = error.line();
            let code = line.split(|b| *b == b' ').next().unwrap_or(b"ERR");
            self.server.stats.count_error(code);
            self.server.diagnostics.command_stats[id].rejected += 1;
            self.record_refused((id, args), code);
            return Err(error);
        }
        if spec.flags.contains(RowFlags::WRITE)
            && let Some(undo) = &mut self.undo
        {
            let most = self.server.config.script_undo_max_bytes as usize;
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
                self.record_refused((id, args), b"ERR");
                return Err(error);
            }
        }
        if spec.flags.contains(RowFlags::WRITE) && !self.script.wrote.replace(true) {
            self.server.scripting.record_write();
        }
        Ok(id)
    }

    fn record_refused(&mut self, asked: (usize, Args<'_>), code: &[u8]) {
        let by = (&*self.client, Some(self.script));
        (self.server).record_refused(by, asked, Origin::Script, code);
    }
}

impl Host for ScriptHost<'_> {
    fn call(&mut self, args: Args<'_>, most: usize) -> Result<&[u8], CommandError> {
        const TOO_LONG: &str = "ERR not enough memory: the command's reply is more than the \
                                script may hold";
        self.script.calls.update(|calls| calls + 1);
        let admitted = self.admit(args);
        let id = admitted.inspect_err(|_| self.reply.record_error_within())?;
        self.server.record_nested(id);
        self.reply.clear(REPLY_KEPT);
        self.reply.set_limit(most);
        let (mark, flushes) = (self.keyspace.effects.mark(), self.keyspace.flushes());
        let origin = self.origin;
        self.world().run(origin, id, args, &[]);
        if self.audience != Audience::ALL {
            self.keyspace.effects.address(mark, self.audience);
            if self.keyspace.flushes() != flushes {
                // The log or the replicas keep that data, and number flushes otherwise from now on:
                // no earlier flush can be undone.
                self.keyspace.forget_aside();
                self.server.update_aside_limit(self.keyspace);
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
        let line = CommandLine::of(row, args, client.db.0, databases);
        Ok(self.server.acl.denies(client.user, &line).is_none())
    }

    fn set_resp3(&mut self, on: bool) {
        self.reply.set_resp3(on);
    }

    fn debugger_sends(&mut self, lines: &[u8]) {
        self.server.scripting.send_to_debugger(lines);
    }

    fn debugger_receives(&mut self, into: &mut Vec<u8>) -> bool {
        self.server
            .scripting
            .receive_of_debugger(&self.server.shutdown, into)
    }

    fn debugger_ends(&mut self, lines: Vec<Vec<u8>>) {
        self.server.scripting.keep_debugger_lines(lines);
    }

    fn set_repl(&mut self, aof: bool, replicas: bool) {
        self.audience.set(Audience::LOG, aof);
        self.audience.set(Audience::REPLICAS, replicas);
    }

    fn interrupt(&mut self) -> bool {
        let paused = (self.script.name, self.script.command);
        interrupt(self.keyspace, self.server, paused)
    }
}
