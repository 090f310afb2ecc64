//! The stream of the primary that this server follows: its commands are applied, and its bytes
//! become this server's stream.
//!
//!     bytes -> batch -> World::run (Origin::Primary) -> the same bytes: backlog, log
//!
//! The commands bypass the gates, their replies are discarded, and expired keys count as live until
//! the primary removes them. Effects are not recorded: the primary's own bytes are what
//! sub-replicas and the append only file get, so all of them have one offset. The offset moves
//! after a command, and after EXEC for those of a transaction, so a link that is lost never leaves
//! half a unit.

use crate::command::Flags;
use crate::config::PropagationErrors;
use crate::keyspace::{Audience, DbIndex, Expiring, KeyHash};
use crate::replication::change_stream::is_note;
use crate::resp::Args;
use crate::server::clients::client::ClientFlags;
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::execution::dispatch::{error_for_log, resolve};
use crate::server::origin::Origin;
use crate::server::parts::replication::upstream::Unit;
use crate::server::process::log::MASTER_INSIDE;
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// Bytes of the stream that have been applied.
pub(super) struct Applied<'a> {
    /// Newlines before and after the command: the primary sends them in place of bytes that only
    /// its log has.
    before: &'a [u8],
    after: &'a [u8],
    /// The command.
    bytes: &'a [u8],
    /// The log takes the command; otherwise only its length.
    is_logged: bool,
}

impl<'a> Applied<'a> {
    /// `bytes`: a command, and newlines that follow it. `apart`: the command, if it is not in one
    /// piece.
    pub fn new(
        before: &'a [u8],
        bytes: &'a [u8],
        apart: Option<&'a [u8]>,
        is_logged: bool,
    ) -> Applied<'a> {
        let mut end = bytes.len();
        while bytes[..end].ends_with(b"\n\n") {
            end -= 1;
        }
        let (command, after) = bytes.split_at(end);
        Applied {
            before,
            after,
            bytes: apart.unwrap_or(command),
            is_logged,
        }
    }

    /// Bytes that the log has no use for.
    pub fn unlogged(bytes: &'a [u8]) -> Applied<'a> {
        Applied {
            before: bytes,
            after: &[],
            bytes: &[],
            is_logged: false,
        }
    }
}

/// Whether the append only file records a command of the stream, or a note; of other commands it
/// records the length alone.
pub(super) fn is_logged(flags: Flags, args: Args<'_>) -> bool {
    // PUBLISH, REPLCONF GETACK, PING.
    const ALONE: Flags = Flags::PUBSUB
        .union(Flags::REPLIES_TO_PRIMARY)
        .union(Flags::REPORTS_DISK);
    !flags.intersects(ALONE) || args.is(0, "PING") && args.get(1).is_some_and(is_note)
}

impl Engine {
    /// Applies one command of the stream.
    pub(super) fn apply(
        &mut self,
        session: &mut Session,
        row: Option<usize>,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        let mark = session.reply.mark();
        let id = match resolve(&self.server, row, args) {
            Ok(id) => id,
            Err(error) => {
                let line = error.line();
                let reported = error_for_log(&self.server, None, &line).to_vec();
                self.server.note_stream_error(&reported, &args[0]);
                return;
            }
        };
        let row = self.server.table.row(id);
        let (flags, name) = (row.spec.flags, row.full_name);
        session.client.traffic.last_command = Some(name);
        let client = &mut session.client;
        if client.flags.contains(ClientFlags::MULTI) && !flags.contains(Flags::NOT_QUEUED) {
            client.queue(id, args);
            return;
        }
        let usual = self.keyspace.set_expiring(Expiring::Replay);
        self.keyspace.effects.set_wanted(Audience::empty());
        let outcome = self.run_unit(session, Origin::Primary, id, args, hashes);
        self.keyspace.effects.set_wanted(self.server.audience());
        self.keyspace.set_expiring(usual);
        let upstream = self.server.replication.upstream.as_ref();
        // An undo that cannot be repeated ends in a full copy, not in an error.
        let is_left = upstream.is_some_and(|upstream| upstream.diverged);
        if outcome.failed && !is_left {
            let error = session.reply.last_error_line();
            let error = error_for_log(&self.server, Some(id), error).to_vec();
            self.server.note_stream_error(&error, name.as_bytes());
        }
        let keeps_reply = flags.contains(Flags::REPLIES_TO_PRIMARY);
        if !keeps_reply {
            session.reply.truncate(mark);
        }
        if self.keyspace.waiting.has_ready() && !self.server.scripting.is_running() {
            self.serve_ready_keys();
            self.server.begin_commands();
        }
        if !self.server.messages.outbox.is_empty() {
            self.deliver_posts(None);
            self.server.begin_commands();
        }
    }

    /// A command of the stream is done: its bytes belong to this server's stream, unless it is part
    /// of a transaction that is not.
    #[inline]
    pub(super) fn applied(&mut self, session: &Session, applied: &Applied<'_>) {
        let with_marks = self.server.persist.aof.is_marked();
        let Some(upstream) = &mut self.server.replication.upstream else {
            return;
        };
        if upstream.diverged {
            return;
        }
        let in_transaction = session.client.flags.contains(ClientFlags::MULTI);
        if in_transaction || !upstream.unit.is_empty() {
            let unit = &mut upstream.unit;
            unit.leave_out(applied.before);
            unit.add(applied.bytes, with_marks);
            unit.leave_out(applied.after);
            if !in_transaction {
                let unit = std::mem::take(&mut upstream.unit);
                self.server.append_unit(session.client.db, &unit);
            }
            return;
        }
        let bytes = applied.bytes;
        if applied.is_logged && applied.before.is_empty() && applied.after.is_empty() {
            self.server.append_stream(bytes, bytes, 0);
            self.server.stream.set_selected(Some(session.client.db));
        } else {
            let mut unit = Unit::default();
            unit.leave_out(applied.before);
            if applied.is_logged {
                unit.add(bytes, with_marks)
            } else {
                unit.leave_out(bytes)
            }
            unit.leave_out(applied.after);
            self.server.append_unit(session.client.db, &unit);
        }
    }
}

impl Server {
    /// Whether the stream waits: on a paused replica, and on one whose disk refuses its writes or
    /// lags.
    pub(in crate::server) fn holds_stream(&self) -> bool {
        let now_ms = self.now.mono_ms;
        let is_paused = self
            .gates
            .pause()
            .is_some_and(|pause| pause.until_ms > now_ms);
        let refuses =
            self.persist.aof.refuses_writes() || self.persist.saving.stops_writes(&self.config);
        is_paused
            || self.gates.log_is_full
            || refuses && !self.config.replica_ignore_disk_write_errors
    }

    /// A replica has sent a command that is answered, after `replied` pending bytes: the reply
    /// would be taken for the stream.
    #[cold]
    pub(super) fn drop_talking_replica(
        &mut self,
        session: &mut Session,
        name: &[u8],
        replied: usize,
    ) {
        let (replica, id) = (self.replica_name(&session.client), session.client.id.0);
        let name = match session.client.traffic.last_command {
            Some(name) => name.to_owned(),
            None => String::from_utf8_lossy(name).to_lowercase(),
        };
        let row = self.table.find_full(name.as_bytes()).map(|row| row.id);
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
        self.close_soon(session, Ending::new(EndReason::Link, detail));
    }

    /// Appends bytes to this server's stream; the log takes `logged` in their place, which lacks
    /// `left_out` bytes at its end.
    #[inline]
    pub(in crate::server) fn append_stream(&mut self, bytes: &[u8], logged: &[u8], left_out: u64) {
        let before = (self.stream.position(), self.stream.selected());
        self.stream.note_place();
        self.stream.append(bytes);
        let after = self.stream.offset();
        let aof = &mut self.persist.aof;
        aof.take_stream(logged, left_out, (before, after), &self.now);
    }

    /// Appends a part of the primary's stream. `db`: the database selected after it.
    fn append_unit(&mut self, db: DbIndex, unit: &Unit) {
        self.append_stream(&unit.bytes, &unit.logged, unit.left_out);
        self.stream.set_selected(Some(db));
    }

    /// A command of the primary has failed here, although it succeeded there.
    #[cold]
    pub(super) fn note_stream_error(&mut self, error: &[u8], name: &[u8]) {
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
        // A writable replica may have keys of its own, with which its primary's commands fail.
        if panics && self.config.replica_read_only {
            tracing::warn!(
                "This replica panicked sending an error to its {MASTER_INSIDE} after processing a command \
                 from its replication stream"
            );
            std::process::exit(1);
        }
    }
}
