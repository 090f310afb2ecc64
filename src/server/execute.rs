//! Running a handler, and what follows from it: statistics, slow log, MONITOR, effects,
//! news of changed keys, messages, clients that waited for what it wrote.

use super::call::{Call, Effect};
use super::client::{Client, ClientFlags};
use super::command_log::HEADER_MAX;
use super::outbox::Post;
use super::session::Session;
use super::world::{Origin, World};
use super::{Engine, Server, crash};
use crate::base::clock;
use crate::command::{Category, Flags};
use crate::keyspace::{KeyHash, Keyspace};
use crate::resp::Args;

impl Engine {
    /// Runs a client's command that has passed the gates, with everything around it.
    #[inline]
    pub fn execute(
        &mut self,
        session: &mut Session,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        session.client.traffic.last_command = Some(self.server.table.row(id).full_name);
        self.run_unit(session, Origin::Client, id, args, hashes);
        if session.client.flags.contains(ClientFlags::BLOCKED) {
            self.enter_blocked(session);
        }
        // A script that is served around now has not come to its end.
        if self.keyspace.waiting.has_ready() && !self.server.scripting.is_running() {
            // What a long transaction wrote may have expired before anybody is served.
            self.server.read_clock(&mut self.keyspace);
            self.serve_ready_keys();
            // What others had of it is not the next command's time.
            self.server.begin_commands();
        }
        if !self.server.outbox.is_empty() {
            let heard = !session.client.flags.intersects(ClientFlags::UNHEARD);
            self.deliver_posts(heard.then_some(session));
            self.server.begin_commands();
        }
    }

    /// Runs a command whose effects, those of commands that it runs included, are one unit.
    #[inline]
    pub(super) fn run_unit(
        &mut self,
        session: &mut Session,
        origin: Origin,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        let Session { client, reply, .. } = session;
        let Engine { keyspace, server } = self;
        keyspace.effects.begin_unit();
        let mut world = World {
            keyspace,
            server,
            client,
            reply,
        };
        world.run(origin, id, args, hashes);
        self.keyspace.effects.end_unit();
        if self.keyspace.effects.has_complete() {
            self.server.repeat(&mut self.keyspace);
            session.client.wrote_to = self.server.stream.offset();
        }
    }

    /// Hands complete units of effects to those who repeat them.
    #[inline]
    pub(super) fn take_effects(&mut self) {
        if self.keyspace.effects.has_complete() {
            self.server.repeat(&mut self.keyspace);
        }
    }

    /// Effects and news of keys that went by themselves (expiry, eviction).
    pub(super) fn after_removals(&mut self) {
        self.take_effects();
        if self.keyspace.has_news() {
            self.server.tell_news(&mut self.keyspace, None);
            self.deliver_posts(None);
        }
    }
}

impl World<'_> {
    /// Runs one handler: the only place that calls one. EXEC comes here, too.
    #[inline]
    pub fn run(&mut self, origin: Origin, id: usize, args: Args<'_>, hashes: &[KeyHash]) {
        let World {
            keyspace,
            server,
            client,
            reply,
        } = self;
        let row = server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        let retry = origin == Origin::Retry;
        client.traffic.commands += u64::from(!retry);
        client.buffers.args_bytes = args.bytes();
        let outer = crash::note_command(id);
        let replied_before = reply.pending_len();
        let outer_errors = reply.begin_errors();
        let outer_changed = keyspace.effects.begin_command();
        let mut db = keyspace.db(client.db).with_hashes(hashes);
        if client.flags.contains(ClientFlags::NO_TOUCH) {
            db = db.without_touch();
        }
        let selected = client.db;
        let start = server.turn.ended;
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
        };
        let result = (spec.handler)(&mut call);
        let Call { effect, .. } = call;
        if let Err(error) = result {
            reply.error(&error);
        }
        server.turn.ended = clock::cycles();
        let ticks = server.turn.ended.wrapping_sub(start);
        crash::note_back(outer);

        if origin == Origin::Loading {
            keyspace.effects.end_command(outer_changed);
            keyspace.journal.clear();
            if keyspace.has_news() {
                server.tell_news(keyspace, None);
            }
            if reply.end_errors(outer_errors).any() {
                server.note_load_error(reply.last_error(), name);
            }
            return;
        }
        if server.gates.is_observed {
            let replied = reply.pending_len().saturating_sub(replied_before);
            server.observe(client, id, args, origin, (ticks, replied));
        }
        let changed = keyspace.effects.end_command(outer_changed);
        if effect == Effect::Always || changed && effect == Effect::Verbatim {
            keyspace.effects.state(selected, args.iter());
        }
        if keyspace.has_news() && !server.scripting.holds_news() {
            server.tell_news(keyspace, Some(client));
        }
        if client.flags.contains(ClientFlags::CACHES)
            && spec.flags.contains(Flags::READONLY)
            && !spec.categories.contains(Category::SCRIPTING)
        {
            let reader = match &server.scripting.current {
                Some(current) if origin == Origin::Script => current.caller,
                _ => client.id,
            };
            server.remember_keys(reader, id, args);
        }
        let errors = reply.end_errors(outer_errors);
        let failed = errors.any();
        if client.flags.contains(ClientFlags::BLOCKED) {
            // Counted when it has been served.
            if let Some(blocked) = &mut client.blocked {
                blocked.ticks += ticks;
            }
            return;
        }
        let earlier = match &client.blocked {
            Some(blocked) if retry => blocked.ticks,
            _ => 0,
        };
        let ticks = ticks + earlier;
        if errors.own > 0 {
            server.stats.count_error(reply.last_error());
        }
        if !origin.is_nested() {
            server.stats.command_ticks += ticks;
        }
        server.count_call(id, ticks, failed);
        let thresholds = &server.gates.thresholds;
        let is_slow = ticks >= thresholds.ticks;
        let request_most = client.buffers.args_bytes + HEADER_MAX * (args.len() + 1);
        // What a transaction runs came in requests of its own.
        let request_most = if origin.is_nested() { 0 } else { request_most };
        let replied = reply.pending_len().saturating_sub(replied_before);
        if request_most >= thresholds.request_bytes || replied >= thresholds.reply_bytes {
            let with_request = !origin.is_nested();
            server.note_large(client, spec, args, with_request, replied);
        }
        // Of a script the whole is told.
        if is_slow && origin != Origin::Script {
            server.note_slow(client, spec, args, ticks);
        }
    }
}

impl Server {
    /// Commands begin now. Each command of a batch begins where the one before it ended, so
    /// that the counter is read once a command: a read costs as much as a small command.
    #[inline]
    pub(super) fn begin_commands(&mut self) {
        self.turn.ended = clock::cycles();
    }

    /// Counts one finished call.
    #[inline]
    fn count_call(&mut self, id: usize, ticks: u64, failed: bool) {
        let stats = &mut self.diagnostics.command_stats[id];
        stats.calls += 1;
        stats.ticks += ticks;
        stats.failed += failed as u64;
        if self.gates.latency_tracking {
            stats.record_latency(self.cycles.nanos(ticks));
        }
        self.stats.commands += 1;
    }

    /// Counts the command of a client whose wait ended without another try: by its deadline
    /// or by CLIENT UNBLOCK.
    pub(super) fn count_unserved(&mut self, client: &Client, failed: bool) {
        let Some(blocked) = &client.blocked else {
            return;
        };
        let (row, ticks) = (blocked.row, blocked.ticks);
        self.count_call(row, ticks, failed);
        if ticks >= self.gates.thresholds.ticks {
            let spec = self.table.row(row).spec;
            self.note_slow(client, spec, blocked.args.args(), ticks);
        }
    }

    /// Those who repeat effects take the complete units.
    #[cold]
    fn repeat(&mut self, keyspace: &mut Keyspace) {
        if let Some(recorder) = &mut self.debug.recorder {
            recorder.take_effects(&keyspace.effects);
        }
        self.aof
            .take_effects(&keyspace.effects, &mut self.stream, &self.now);
        keyspace.effects.clear_complete();
    }

    /// Tells what the journal and the watchers have of the last command. `running` is the
    /// client that gave it.
    #[cold]
    pub(super) fn tell_news(&mut self, keyspace: &mut Keyspace, running: Option<&mut Client>) {
        let mut running = running;
        for id in keyspace.watchers.take_touched() {
            match running.as_deref_mut().filter(|client| client.id == id) {
                Some(client) => client.lose_watches(&mut keyspace.watchers),
                None => self.post(id, Post::Touched),
            }
        }
        if keyspace.journal.is_empty() {
            return;
        }
        let mut journal = std::mem::take(&mut keyspace.journal);
        if let Some(recorder) = &mut self.debug.recorder {
            recorder.take_changes(&journal);
        }
        let by = match &self.scripting.current {
            Some(script) => Some(script.caller),
            None => running.map(|client| client.id),
        };
        self.tell_changes(&journal, by);
        journal.clear();
        keyspace.journal = journal;
    }
}
