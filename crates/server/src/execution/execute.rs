//! Runs a handler, and the work after it: statistics, slow log, MONITOR, effects, notifications of
//! changes, messages, and clients that are blocked on the keys it wrote.
//!
//! Invariants
//!   1. [`World::run`] is the only place that calls a handler; it nests for EXEC and scripts. Its
//!      code is a part of the way of a client's own command ([`World::run_inlined`]).
//!   2. A command's effects, and the effects of commands that it runs, are propagated as one unit.
//!   3. Blocked clients are served after the command's own reply, never in the middle of a script.

use crate::clients::blocked::Until;
use crate::clients::client::{Client, ClientFlags};
use crate::clients::session::Session;
use crate::observe::audit::AuditResult;
use crate::observe::{crash, watchdog};
use crate::origin::Origin;
use crate::parts::messages::outbox::Post;
use crate::parts::migration::exports_slots;
use crate::parts::observe::command_log::{HEADER_MAX, LoggedCommand};
use crate::parts::run::timing::CallTime;
use crate::state::Server;
use crate::state::call::{Call, Effect};
use crate::state::world::{Engine, World};
use russet_base::clock;
use russet_command::{Category, Flags};
use russet_keyspace::{Audience, ClientId, KeyHash, Keyspace, PackRule, slot_of};
use russet_resp::{Args, CommandError, Errors, Reply};

impl Engine {
    /// Runs a client's command that has passed the gates, with everything that follows.
    #[inline(always)]
    pub(super) fn execute(
        &mut self,
        session: &mut Session,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        session.client.traffic.last_command = Some(id);
        self.run_charged(session, Origin::Client, id, args, hashes);
        if session.client.flags.contains(ClientFlags::BLOCKED) {
            self.enter_blocked(session);
        }
        // While a script is busy the loop serves other clients: blocked clients wait until the
        // script has ended.
        if self.keyspace.waiting.has_ready() && !self.server.scripting.is_running() {
            self.server.settle_times();
            // Keys that a long transaction wrote may have expired by now.
            self.server.read_clock(&mut self.keyspace);
            self.serve_ready_keys();
            // The time spent on others does not count for the next command.
            self.server.turn.timing.begin();
        }
        if !self.server.messages.outbox.is_empty() {
            self.server.settle_times();
            let received = !session.client.flags.intersects(ClientFlags::UNHEARD);
            self.deliver_posts(received.then_some(session));
            self.server.turn.timing.begin();
        }
    }

    /// Runs a client's command; if its user has budgets, the reply is measured and charged.
    ///
    /// Inlined into its callers, like all functions between the gates and [`World::run`], because
    /// each call would pass on six arguments.
    #[inline(always)]
    pub(super) fn run_charged(
        &mut self,
        session: &mut Session,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        if session.client.flags.contains(ClientFlags::BUDGETED) {
            return self.run_budgeted(session, origin, id, args, hashes);
        }
        self.run_unit(session, origin, id, args, hashes);
    }

    /// See [`Engine::run_charged`].
    #[inline(never)]
    fn run_budgeted(
        &mut self,
        session: &mut Session,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        let charged = self.begin_charged(session, id);
        self.run_unit(session, origin, id, args, hashes);
        self.end_charged(session, id, &charged);
    }

    /// Runs a command; its effects, and the effects of commands that it runs, are one unit.
    #[inline(always)]
    pub(crate) fn run_unit(
        &mut self,
        session: &mut Session,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> UnitOutcome {
        self.world(session).run_unit(origin, id, args, hashes)
    }

    /// Propagates complete units of effects to the log and replicas.
    #[inline]
    pub fn take_effects(&mut self) {
        if self.keyspace.effects.has_complete() {
            self.server.repeat(&mut self.keyspace, None);
        }
    }

    /// Propagates effects and notifies changes of keys removed by expiry or eviction.
    pub(crate) fn after_removals(&mut self) {
        self.take_effects();
        if self.keyspace.has_news() {
            self.server
                .notify_changes(&mut self.keyspace, Author::Server);
            self.deliver_posts(None);
        }
    }
}

impl World<'_> {
    /// See [`Engine::run_unit`].
    #[inline(always)]
    pub(super) fn run_unit(
        &mut self,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> UnitOutcome {
        let flags = self.server.table.row(id).spec.flags;
        if !flags.contains(Flags::MEETS_ANY_KEY) {
            self.keyspace.effects.begin_unit();
        }
        let errors = self.run_inlined(origin, id, args, hashes);
        self.keyspace.effects.end_unit();
        if self.keyspace.effects.has_complete() | self.keyspace.unconfirmed.has_met() {
            self.finish_unit(id);
        }
        UnitOutcome {
            failed: !errors.is_empty(),
        }
    }

    /// The unit is over: its effects become part of the stream, and the reply needs what the unit
    /// wrote and met.
    #[inline(never)]
    fn finish_unit(&mut self, id: usize) {
        let met = self.keyspace.unconfirmed.take_met();
        self.client.needs = self.client.needs.max(met);
        let linear = &mut self.server.replication.sync_writes.linear;
        if linear.is_on {
            linear.has_unjudged = true;
            self.client.shows_data = true;
        }
        if !self.keyspace.effects.has_complete() {
            return;
        }
        self.server.repeat(self.keyspace, Some(&*self.client));
        let end = self.server.stream.offset();
        self.client.wrote_to = end;
        // A message that is not sent on is no write.
        let flags = self.server.table.row(id).spec.flags;
        if self.server.replication.sync_writes.is_on() && !flags.contains(Flags::PUBSUB) {
            self.client.needs = end;
        }
    }

    /// Runs a handler, for EXEC and scripts. Returns the handler's errors.
    #[inline(never)]
    pub fn run(&mut self, origin: Origin, id: usize, args: Args<'_>, hashes: &[KeyHash]) -> Errors {
        self.run_inlined(origin, id, args, hashes)
    }

    /// Runs a handler; no other place calls handlers. Returns the handler's errors.
    #[inline(always)]
    fn run_inlined(
        &mut self,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) -> Errors {
        let World {
            keyspace,
            server,
            client,
            reply,
            script,
        } = self;
        let script = *script;
        let row = server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        client.traffic.commands += 1;
        let outer = crash::enter_command(id);
        if server.gates.has_hooks {
            if server.gates.is_watched {
                watchdog::record_key(row, id, args, origin);
            }
            if row.reads_all {
                keyspace.unconfirmed.meet_all();
            }
        }
        let replied_before = reply.pending_len();
        let outer_errors = reply.begin_errors();
        let outer_changed = keyspace.effects.begin_command();
        let mut db = keyspace.db(client.db).with_hashes(hashes);
        if client.flags.contains(ClientFlags::NO_TOUCH) {
            db = db.without_touch();
        }
        let selected = client.db;
        let mut call = Call {
            args,
            reply,
            db,
            client,
            server,
            effect: Effect::Verbatim,
            name,
            row: id,
            origin,
            script,
        };
        let result = (spec.handler)(&mut call);
        let Call { effect, .. } = call;
        if let Err(error) = result {
            server.refuse(reply, &error);
        }
        let asked = args.bytes_most();
        let replied = reply.pending_len().saturating_sub(replied_before);
        let timed = server.turn.timing.end(asked + replied);
        crash::leave_command(outer);

        if origin == Origin::Loading {
            return self.end_loaded(id, outer_changed, outer_errors);
        }
        let ran = Ran {
            id,
            origin,
            args,
            timed,
            asked,
            replied,
        };
        if server.gates.is_observed {
            server.observe(client, id, args, origin, (timed.ticks, replied));
            server.debug_keyspace(keyspace);
        }
        let changed = keyspace.effects.end_command(outer_changed);
        if changed
            && server.replication.is_replica()
            && !client.flags.contains(ClientFlags::PRIMARY)
        {
            server
                .replication
                .record_local_write(&server.table, keyspace, selected, id, args);
        }
        if effect == Effect::Always || changed && effect == Effect::Verbatim {
            let slot = || server.table.row(id).first_key(args).map(slot_of);
            keyspace.effects.record(selected, slot, args.iter());
        }
        self.announce_changes_and_reads(&ran);
        self.account(&ran, outer_errors)
    }

    /// Notifies the command's changes, and records the keys that it read, if the client caches
    /// them.
    #[inline(always)]
    fn announce_changes_and_reads(&mut self, ran: &Ran<'_>) {
        let World {
            keyspace,
            server,
            client,
            script,
            ..
        } = self;
        if keyspace.has_news() && !server.scripting.holds_news() {
            let by = match script {
                Some(script) => Author::Script(script.caller.0.id),
                None => Author::Client(client),
            };
            server.notify_changes(keyspace, by);
        }
        if client.flags.contains(ClientFlags::CACHES) {
            let reader = script.map_or(client.id, |script| script.caller.0.id);
            server.track_read(reader, ran);
        }
    }

    /// A blocked client's time is up: its command's handler answers, with [`Origin::TimeUp`]. Here
    /// only an error is counted; the call is counted at the end of the wait.
    pub fn answer(&mut self, id: usize, args: Args<'_>) {
        let row = self.server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        let mut call = Call {
            args,
            reply: self.reply,
            db: self.keyspace.db(self.client.db),
            client: self.client,
            server: self.server,
            effect: Effect::Nothing,
            name,
            row: id,
            origin: Origin::TimeUp,
            script: self.script,
        };
        let start = clock::cycles();
        let mut failed = false;
        if let Err(error) = (spec.handler)(&mut call) {
            self.server.refuse(self.reply, &error);
            self.server.stats.count_error(self.reply.last_error());
            failed = true;
        }
        if self.server.diagnostics.audit.concerns(id) {
            let result = AuditResult::Ran {
                ticks: clock::cycles().wrapping_sub(start),
                error: failed.then(|| self.reply.last_error()),
            };
            let by = (&*self.client, self.script);
            (self.server).record_audited(by, (id, args), Origin::TimeUp, &result);
        }
    }

    /// After a command of a file being loaded: nothing is propagated, counted or reported except an
    /// error, because the command succeeded when it was written.
    fn end_loaded(&mut self, id: usize, outer_changed: bool, outer_errors: Errors) -> Errors {
        let World {
            keyspace,
            server,
            reply,
            ..
        } = self;
        keyspace.effects.end_command(outer_changed);
        // Keys are read again after the load; definitions go with a flush as they went before.
        server.search.record_flushes(&keyspace.journal);
        keyspace.journal.clear();
        if keyspace.has_news() {
            server.notify_changes(keyspace, Author::Server);
        }
        let errors = reply.end_errors(outer_errors);
        if errors.any() {
            let name = server.table.row(id).full_name;
            server.stats.log_load_error(reply.last_error_line(), name);
        }
        errors
    }

    /// Statistics, and the command logs. Returns the command's errors.
    #[inline(always)]
    fn account(&mut self, ran: &Ran<'_>, outer_errors: Errors) -> Errors {
        let World {
            server,
            client,
            reply,
            script,
            ..
        } = self;
        let errors = reply.end_errors(outer_errors);
        if client.flags.contains(ClientFlags::BLOCKED) {
            // The command is counted when its client has been served.
            client.traffic.commands -= 1;
            let Some(blocked) = &mut client.blocked else {
                return errors;
            };
            blocked.ticks += ran.timed.ticks;
            // Nothing runs later.
            if matches!(blocked.until, Until::Shutdown) && server.diagnostics.audit.concerns(ran.id)
            {
                let asked = (ran.id, ran.args);
                server.record_audited((client, *script), asked, ran.origin, &AuditResult::Accepted);
            }
            return errors;
        }
        let earlier = match &client.blocked {
            Some(blocked) if ran.origin == Origin::Retry => blocked.ticks,
            _ => 0,
        };
        let is_nested = ran.origin.is_nested();
        if !errors.is_empty() {
            if errors.contains(Errors::OWN) {
                server.stats.count_error(reply.last_error());
            }
            if is_nested {
                reply.record_error_within();
            }
        }
        server.count_call(ran.id, errors.any());
        let CallTime { ticks, calls } = ran.timed;
        let ticks = ticks + earlier;
        if calls > 0 {
            if !is_nested {
                server.stats.command_ticks += ticks;
            }
            server.count_time(ran.id, CallTime { ticks, calls });
        }
        if server.gates.is_audited && server.diagnostics.audit.concerns(ran.id) {
            let error = errors.any().then(|| reply.last_error());
            let result = AuditResult::Ran { ticks, error };
            server.record_audited((client, *script), (ran.id, ran.args), ran.origin, &result);
        }
        let args = ran.args;
        let thresholds = &server.gates.thresholds;
        let is_slow = ticks >= thresholds.ticks;
        // The commands of a transaction came in requests of their own.
        let request_most = if is_nested {
            0
        } else {
            ran.asked + HEADER_MAX * (args.len() + 1)
        };
        let replied = ran.replied;
        if request_most >= thresholds.request_bytes || replied >= thresholds.reply_bytes {
            let of = LoggedCommand::of(&server.table, client, (ran.id, args));
            let at = (&server.config, server.now.unix_s());
            let logs = &mut server.diagnostics.command_logs;
            logs.log_if_large(&of, !is_nested, replied, at);
        }
        // A script is logged as a whole.
        if is_slow && ran.origin != Origin::Script {
            let of = LoggedCommand::of(&server.table, client, (ran.id, args));
            let (at, micros) = (
                (&server.config, server.now.unix_s()),
                server.cycles.micros(ticks),
            );
            let diagnostics = &mut server.diagnostics;
            diagnostics.record_slow(&of, micros, at, &mut server.stats);
        }
        errors
    }
}

/// The outcome of a unit.
#[derive(Clone, Copy, Debug)]
pub struct UnitOutcome {
    /// The command, or a command that it has run, replied with an error.
    pub failed: bool,
}

/// A command that has run.
struct Ran<'a> {
    /// The number of the command's row.
    id: usize,
    origin: Origin,
    args: Args<'a>,
    timed: CallTime,
    /// Bytes of the command's arguments, at most.
    asked: usize,
    /// Bytes of the command's reply.
    replied: usize,
}

/// The author of changes that are notified.
pub enum Author<'a> {
    /// The client whose command runs, which is not in the table of clients.
    Client(&'a mut Client),
    /// A script that this client has called.
    Script(ClientId),
    /// Nothing but the server: expiry, eviction, data that is loaded.
    Server,
}

impl Server {
    /// DEBUG's work after each command.
    fn debug_keyspace(&self, keyspace: &mut Keyspace) {
        if self.debug.packs_after_each {
            keyspace.pack_all(&PackRule::ALL);
        }
        if self.debug.checks_accounts {
            keyspace.check_invariants();
        }
    }

    /// Writes a command's error, in the words of the version that `search-error-codes` chooses.
    #[cold]
    fn refuse(&self, reply: &mut Reply, error: &CommandError) {
        if self.config.search_error_codes {
            reply.error(error);
        } else {
            reply.error_line(&error.stack_line());
        }
    }

    /// Tracks the keys of a read command for the client, or for the caller of the script (CLIENT
    /// TRACKING).
    fn track_read(&mut self, reader: ClientId, ran: &Ran<'_>) {
        let spec = self.table.row(ran.id).spec;
        let is_script = spec.categories.contains(Category::SCRIPTING);
        if !spec.flags.contains(Flags::READONLY) || is_script {
            return;
        }
        self.remember_keys(reader, ran.id, ran.args);
    }

    /// Counts the command of a client whose wait ended without a retry: by its deadline or by
    /// CLIENT UNBLOCK.
    pub(crate) fn count_unserved(&mut self, client: &Client, failed: bool) {
        let Some(blocked) = &client.blocked else {
            return;
        };
        let (row, ticks) = (blocked.row, blocked.ticks);
        self.count_call(row, failed);
        self.count_time(row, CallTime { ticks, calls: 1 });
        if ticks >= self.gates.thresholds.ticks {
            let of = LoggedCommand::of(&self.table, client, (row, blocked.args.args()));
            let (at, micros) = ((&self.config, self.now.unix_s()), self.cycles.micros(ticks));
            self.diagnostics
                .record_slow(&of, micros, at, &mut self.stats);
        }
    }

    /// Propagates the complete units of effects, of a client's command or of none.
    #[cold]
    pub fn repeat(&mut self, keyspace: &mut Keyspace, by: Option<&Client>) {
        if let Some(recorder) = &mut self.debug.recorder {
            recorder.take_effects(&keyspace.effects);
        }
        if exports_slots(self.migrations.as_deref()) {
            self.export_effects(&keyspace.effects);
        }
        if keyspace
            .effects
            .is_wanted_by(Audience::LOG | Audience::REPLICAS)
        {
            let notes = self.config.changes_retain > 0;
            if notes || self.changes.has_said() {
                self.stream.record_position();
                self.append_user_note(by);
            }
            self.persist
                .aof
                .take_effects(&keyspace.effects, &mut self.stream, &self.now);
            // Within the turn, too, because the kept input of a client may be long.
            if self.persist.aof.is_full() && !self.gates.log_is_full {
                self.set_log_full(true);
            }
            if notes && self.changes.wrote(self.stream.offset()) {
                self.replication.asks_acks = true;
            }
        }
        keyspace.effects.clear_complete();
        if self.replication.sync_writes.is_on() {
            let end = self.stream.offset();
            self.replication.sync_writes.wrote(end, self.now.mono_ms);
            keyspace.unconfirmed.commit(end);
        }
    }

    /// Notifies clients of the last command's changes: the journal's, and touched watches.
    #[cold]
    pub(crate) fn notify_changes(&mut self, keyspace: &mut Keyspace, mut by: Author<'_>) {
        for id in keyspace.watchers.take_touched() {
            match &mut by {
                Author::Client(client) if client.id == id => {
                    client.lose_watches(&mut keyspace.watchers);
                }
                _ => self.post(id, Post::Touched),
            }
        }
        if keyspace.journal.is_empty() {
            return;
        }
        let mut journal = std::mem::take(&mut keyspace.journal);
        if let Some(recorder) = &mut self.debug.recorder {
            recorder.take_changes(&journal);
        }
        let by = match by {
            Author::Client(client) => Some(client.id),
            Author::Script(caller) => Some(caller),
            Author::Server => None,
        };
        self.search.note(&journal);
        self.notify_journal(&journal, by);
        journal.clear();
        keyspace.journal = journal;
        if self.search.has_changed() {
            self.search
                .read_changed(&mut self.json_paths, &self.cycles, keyspace);
        }
    }
}
