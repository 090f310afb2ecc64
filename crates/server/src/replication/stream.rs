//! The stream of the primary that this server follows: this server applies the commands, and the
//! bytes become its own stream.
//!
//!     bytes -> batch -> Applier::Primary -> World::run -> the same bytes: backlog, log
//!
//! Effects are not recorded: sub-replicas and the append only file get the primary's own bytes, so
//! all of them have the same offset. A turn's work is bounded as a client's is (`batch`).
//!
//! Invariants
//!   1. The offset moves after a command, and for the commands of a transaction after EXEC, so a
//!      lost link never leaves half a unit.
//!   2. Bytes are accounted for in order, newlines between commands too.
//!
//! Elsewhere: `applier` has the rules by which the commands run.

use std::ops::Range;

use crate::clients::batch::{Batch, InputRemainder};
use crate::clients::client::ClientFlags;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::input::request;
use crate::clients::session::Session;
use crate::execution::applier::{Applier, Failure};
use crate::execution::batch::{Runs, ended};
use crate::execution::dispatch::error_for_log;
use crate::parts::execution::gates::Gates;
use crate::parts::persist::Persist;
use crate::process::log::MASTER_INSIDE;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::clock::Now;
use russet_command::Flags;
use russet_config::{Config, PropagationErrors};
use russet_keyspace::{DbIndex, KeyHash};
use russet_replication::change_stream::is_note;
use russet_replication::upstream::{AppliedBytes, CompletePart};
use russet_resp::{Args, Progress};

/// Whether the append only file records a command of the stream, or a note; of other commands it
/// records the length alone.
pub(super) fn is_logged(flags: Flags, args: Args<'_>) -> bool {
    // PUBLISH, REPLCONF GETACK, PING.
    const ALONE: Flags = Flags::PUBSUB
        .union(Flags::REPLIES_TO_PRIMARY)
        .union(Flags::REPORTS_DISK);
    !flags.intersects(ALONE)
        || flags.contains(Flags::REPORTS_DISK) && args.get(1).is_some_and(is_note)
}

/// Commands of the stream.
struct OfPrimary;

impl Runs for OfPrimary {
    fn run_parsed(
        engine: &mut Engine,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        bytes: Range<usize>,
    ) -> Option<InputRemainder> {
        // The bytes before are accounted for.
        let mut taken = bytes.start;
        for i in 0..batch.commands.len() {
            batch.prefetch_next(i, &engine.keyspace, session.client.db);
            let command = batch.commands[i];
            session.client.buffers.query_bytes = buf.len() - command.start;
            if engine.holds_stream(session) {
                return Some(match batch.apart {
                    Some(_) => InputRemainder::Postponed { next: command.end },
                    None => InputRemainder::Stopped { start: taken },
                });
            }
            let args = batch.args(command, buf);
            let hashes = &batch.hashes[command.first_hash..][..command.hashes];
            engine.apply(session, command.row, args, hashes);
            let row = command.row.map(|id| engine.server.table.row(id).spec);
            let whole = batch.apart.as_ref().map(|_| request(args));
            let applied = AppliedBytes {
                before: &buf[taken..command.start],
                bytes: whole.as_deref().unwrap_or(&buf[command.start..command.end]),
                is_logged: row.is_none_or(|spec| is_logged(spec.flags, args)),
            };
            engine.applied(session, &applied);
            engine.note_applied(applied.bytes.len());
            taken = command.end;
            // The large arguments belonged to the first command only.
            batch.apart = None;
            if !engine.continues(session) {
                return Some(ended(session, taken, buf));
            }
        }
        if taken < bytes.end {
            // Newlines with no complete command after them.
            engine.applied(session, &AppliedBytes::unlogged(&buf[taken..bytes.end]));
        }
        None
    }

    fn run_line(
        engine: &mut Engine,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        bytes: &[u8],
    ) -> bool {
        if engine.holds_stream(session) {
            return false;
        }
        engine.apply(session, row, args, &[]);
        engine.applied(session, &AppliedBytes::unlogged(bytes));
        true
    }
}

impl Engine {
    /// Parses and applies the stream's bytes in `buf` from `pos` on, see [`Engine::run_buffer`].
    pub(crate) fn run_stream(
        &mut self,
        session: &mut Session,
        batch: &mut Batch,
        buf: &[u8],
        pos: usize,
        progress: Progress,
    ) -> InputRemainder {
        self.run_commands::<OfPrimary>(session, batch, buf, pos, progress)
    }

    /// Whether the stream waits; if so, the link waits until the loop resumes it.
    fn holds_stream(&self, session: &mut Session) -> bool {
        let holds = holds_stream(
            &self.server.now,
            &self.server.gates,
            &self.server.persist,
            &self.server.config,
        );
        if holds {
            session.client.flags |= ClientFlags::POSTPONED;
        }
        holds
    }

    /// Applies a command of the stream, and serves the clients that waited for it.
    fn apply(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        let mut world = self.world(session);
        if let Err(failure) = Applier::Primary.apply(&mut world, row, args, hashes) {
            self.server.record_stream_failure(&failure, args);
        }
        // Readers who wait for what is safe are served once the change has a position.
        if self.server.replication.sync_writes.shown.is_none() {
            self.serve_ready();
        }
        if !self.server.messages.outbox.is_empty() {
            self.deliver_posts(None);
            self.server.turn.timing.begin();
        }
    }

    fn serve_ready(&mut self) {
        if self.keyspace.waiting.has_ready() && !self.server.scripting.is_running() {
            self.serve_ready_keys();
            self.server.turn.timing.begin();
        }
    }

    /// A command of so many bytes is part of the stream: the note of a group that it may be has its
    /// position.
    #[inline]
    pub(super) fn note_applied(&mut self, bytes: usize) {
        if let Some(note) = self.server.replication.noted.take() {
            let end = self.server.stream.offset();
            let begin = end.saturating_sub(bytes as u64);
            self.server
                .note_group(&mut self.keyspace, &note, begin, end);
        }
    }

    /// A command of the stream is done: its bytes belong to this server's stream, unless it is part
    /// of a transaction that is not.
    #[inline]
    fn applied(&mut self, session: &Session, applied: &AppliedBytes<'_>) {
        let with_marks = self.server.persist.aof.is_marked();
        let Some(upstream) = &mut self.server.replication.upstream else {
            return;
        };
        let upstream = &mut upstream.core;
        if upstream.diverged {
            return;
        }
        let in_transaction = session.client.flags.contains(ClientFlags::MULTI);
        let db = session.client.db;
        let part = upstream.unit.add(applied, in_transaction, with_marks);
        self.append_part(part, db);
    }

    /// A part of the stream is complete: it is appended to this server's own.
    #[inline]
    pub(super) fn append_part(&mut self, part: CompletePart<'_>, db: DbIndex) {
        match part {
            CompletePart::Nothing => return,
            CompletePart::Command(bytes) => {
                self.server.persist.append_stream(
                    &mut self.server.stream,
                    &self.server.now,
                    bytes,
                    bytes,
                    0,
                );
                self.server.stream.set_selected(Some(db));
            }
            CompletePart::Unit(unit) => self.server.persist.append_unit(
                &mut self.server.stream,
                &self.server.now,
                db,
                &unit,
            ),
        }
        self.server.applied_unconfirmed(&mut self.keyspace);
        if self.server.replication.sync_writes.shown.is_some() {
            self.serve_ready();
        }
    }
}

impl Server {
    /// A replica has sent a command that is answered, after `replied` pending bytes: the reply
    /// would be taken for the stream.
    #[cold]
    pub(crate) fn drop_talking_replica(
        &mut self,
        session: &mut Session,
        name: &[u8],
        replied: usize,
    ) {
        let (replica, id) = (
            self.replication.replicas.name_of(session.client.id),
            session.client.id.0,
        );
        let last = session.client.traffic.last_command;
        let row = last.or_else(|| self.table.find(name).map(|row| row.id));
        let name = match last {
            Some(id) => self.table.row(id).full_name.to_owned(),
            None => String::from_utf8_lossy(name).to_lowercase(),
        };
        let pending = session.reply.pending();
        if let Some(error) = pending.get(replied..).and_then(|r| r.strip_prefix(b"-")) {
            tracing::warn!(
                "== CRITICAL == This {MASTER_INSIDE} is sending an error to its replica: '{}' after \
                 processing the command '{name}'",
                String::from_utf8_lossy(error_for_log(self, row, error))
            );
        }
        tracing::warn!(
            "Replica generated a reply to command '{name}', disconnecting it: {replica}, client id \
             #{id}"
        );
        let detail = format!("it is a replica, and sent '{name}', which replies");
        self.turn
            .close_soon(session, Disconnection::new(EndReason::Link, detail));
    }

    /// A command of the primary has failed on this server, although it succeeded on the primary.
    #[cold]
    pub(super) fn record_stream_failure(&mut self, failure: &Failure, args: Args<'_>) {
        let upstream = self.replication.upstream.as_ref();
        if upstream.is_some_and(|upstream| upstream.core.diverged) {
            // An undo that cannot be repeated ends in a full copy, not in an error.
            return;
        }
        let line = failure.error.line();
        let error = error_for_log(self, failure.row, &line);
        let name = match failure.row {
            Some(id) => self.table.row(id).full_name.as_bytes(),
            None => args.at(0),
        };
        self.stats.unexpected_error_replies += 1;
        tracing::warn!(
            "== CRITICAL == This replica is sending an error to its {MASTER_INSIDE}: '{}' after \
             processing the command '{}'",
            String::from_utf8_lossy(error),
            String::from_utf8_lossy(name)
        );
        let panics = match self.config.propagation_error_behavior {
            PropagationErrors::Ignore => false,
            PropagationErrors::Panic | PropagationErrors::PanicOnReplicas => true,
        };
        // A writable replica may have keys of its own, which make the primary's commands fail.
        if panics && self.config.replica_read_only {
            tracing::warn!(
                "This replica panicked sending an error to its {MASTER_INSIDE} after processing a command \
                 from its replication stream"
            );
            std::process::exit(1);
        }
    }
}

/// Whether the stream waits: on a paused replica, and on a replica whose disk lags or refuses
/// writes.
pub(crate) fn holds_stream(now: &Now, gates: &Gates, persist: &Persist, config: &Config) -> bool {
    let now_ms = now.mono_ms;
    let is_paused = gates.pause().is_some_and(|pause| pause.until_ms > now_ms);
    let refuses = persist.aof.refuses_writes() || persist.saving.stops_writes(config);
    is_paused || gates.log_is_full || refuses && !config.replica_ignore_disk_write_errors
}
