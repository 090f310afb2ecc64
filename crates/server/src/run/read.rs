//! Reads from clients: a read per turn into the shared buffer, and the commands that it completes.
//!
//!     client runs, little is kept  -> shared buffer: kept bytes, then the read -> run_buffer
//!     one short command            -> after the next clients' reads (`early`)  -> run_buffer
//!     large argument, long command -> 16 KiB, or straight into the argument    -> run_input
//!     client waits (blocked)       -> kept in its `Input`, not parsed
//!
//! Invariants
//!   1. A full read, or the peer's end, sets `more_to_read`: no event will report the rest.
//!   2. The loop does not read from a held client, or from a client that must take its replies
//!      first.
//!   3. A request over `client-query-buffer-limit` ends the client; before login the limit is a
//!      few inline commands.
//!
//! Cost: commands that arrive whole are not copied; all clients share a buffer of [`READ_BYTES`].
//! Elsewhere: `clients::input` keeps partial commands, `execution::batch` parses and runs them.

use std::io::{self, ErrorKind};

use mio::event::Event;

use super::Loop;

use crate::clients::batch::{InputRemainder, OUTPUT_BUDGET};
use crate::clients::client::ClientFlags;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::output::buffers;
use crate::clients::session::Session;
use crate::execution::cross_protocol::is_tls_hello;
use crate::parts::run::turn::Turn;
use crate::state::Server;
use russet_base::text::system_text;
use russet_keyspace::ClientId;
use russet_resp::{INLINE_MAX, Progress};

/// The shared read buffer.
pub const READ_BYTES: usize = 64 * 1024;
/// Read size when a large argument or a long command is unfinished, or a large argument may begin.
/// Shorter beginnings of commands are continued in the shared buffer.
const READ_MORE_BYTES: usize = 16 * 1024;

/// The result of a read.
enum ReadOutcome {
    /// No bytes to run; whether the connection goes on.
    Nothing { keep: bool },
    /// Bytes in the client's own input.
    Own,
    /// `n` bytes in the shared buffer, after the `kept` bytes of the client's input.
    Shared { kept: usize, n: usize },
}

impl Loop {
    pub(crate) fn client_event(&mut self, slot: u32, generation: u32, event: &Event) {
        let Some(mut session) = self.engine.server.clients.take_at(slot, generation) else {
            return;
        };
        self.sleeper.gather.event(&mut session.seen_in);
        if event.is_writable() && session.write_armed {
            self.engine.server.turn.queue_flush(&mut session);
        }
        // Data and the end may share one edge: reading for the end happens in its own turn.
        session.peer_closed |= event.is_read_closed();
        if (event.is_readable() || session.peer_closed) && !session.ends {
            self.read_if_free(session, event.is_error());
        } else {
            self.engine.server.clients.put_back(session);
        }
    }

    /// Reads from a client that has sent something, unless it must wait. A client that `is_reset`
    /// will not read an answer, and ends now. A plain end may only be the end of the client's
    /// commands, which still run.
    pub(super) fn read_if_free(&mut self, mut session: Box<Session>, is_reset: bool) {
        // The client is read from when its turn comes.
        if session.client.flags.contains(ClientFlags::HELD) && !is_reset {
            session.more_to_read = true;
            return self.engine.server.clients.put_back(session);
        }
        // The client must take its replies first.
        if self.engine.server.memory.clients.holds(&session) && !is_reset {
            return self.hold(session);
        }
        self.read_in_turn(session);
    }

    /// Stops reading from the client, because clients hold too much memory, and this client does
    /// not take its replies.
    fn hold(&mut self, mut session: Box<Session>) {
        let server = &mut self.engine.server;
        session.more_to_read = true;
        server.memory.clients.hold(&mut session);
        server.clients.put_back(session);
    }

    /// Resumes held clients: all that may be read from, if clients have less memory now. O(held
    /// clients).
    pub(crate) fn resume_readers(&mut self) {
        let Server {
            memory,
            clients,
            turn,
            ..
        } = &mut self.engine.server;
        for id in memory.clients.resume(clients) {
            if let Some(session) = clients.get_mut(id) {
                queue_if_ready(session, turn);
            }
        }
    }

    /// Reads now, or, during a handshake, with the handshakes of this turn.
    fn read_in_turn(&mut self, session: Box<Session>) {
        // An I/O thread has done the work of a handshake that is its own.
        if session.is_handshaking() && session.client.io_thread == 0 {
            let server = &mut self.engine.server;
            server
                .connections
                .tls
                .handshakes
                .ready
                .push_back(session.client.id);
            server.clients.put_back(session);
            return;
        }
        self.read(session);
    }

    /// A guest's read of a client that is readable or whose end has come.
    pub(crate) fn guest_reads(&mut self, slot: u32, generation: u32) {
        match self.engine.server.clients.take_at(slot, generation) {
            Some(session) if session.ends || session.client.flags.contains(ClientFlags::HELD) => {
                self.engine.server.clients.put_back(session);
            }
            Some(session) => self.read_in_turn(session),
            None => {}
        }
    }

    /// A read, and the commands that it completes; the command of an early read runs later.
    pub fn read(&mut self, mut session: Box<Session>) {
        let mut inbuf = std::mem::take(&mut self.inbuf);
        let mut came = self.receive(&mut session, &mut inbuf);
        if let ReadOutcome::Shared { kept: 0, n } = came
            && self.try_keep_early(&session, &inbuf[..n])
        {
            self.engine.server.clients.put_back(session);
            self.inbuf = inbuf;
            return;
        }
        // The first bytes may be TLS's, which only the shared buffer is searched for.
        if !self.engine.server.turn.early.is_empty() && session.client.traffic.reads > 1 {
            if let ReadOutcome::Shared { kept, n } = came {
                session.input.give(inbuf[kept..][..n].to_vec());
                came = ReadOutcome::Own;
            }
            match self.after_early(session) {
                Some(there) => session = there,
                None => {
                    self.inbuf = inbuf;
                    return;
                }
            }
        }
        let keep = match came {
            ReadOutcome::Nothing { keep } => keep,
            ReadOutcome::Own => self.keep_read(&mut session),
            ReadOutcome::Shared { kept, n } => {
                self.run_read(&mut session, &inbuf[..kept + n], kept)
            }
        };
        self.inbuf = inbuf;
        self.settle(session, keep);
    }

    /// Reads into the shared buffer or the client's own input.
    fn receive(&mut self, session: &mut Session, inbuf: &mut [u8]) -> ReadOutcome {
        let begun = session.input.beginning();
        let direct = session.client.runs() && begun.is_some_and(|b| b.len() <= READ_MORE_BYTES);
        let is_handshaking = session.is_handshaking();
        let Some(stream) = session.stream.as_mut() else {
            return ReadOutcome::Nothing { keep: false };
        };
        let mut kept = 0;
        let result = if direct {
            let begun = begun.unwrap_or_default();
            kept = begun.len();
            inbuf[..kept].copy_from_slice(begun);
            let room = if session.expects_large {
                READ_MORE_BYTES
            } else {
                inbuf.len() - kept
            };
            stream.fill(&mut inbuf[kept..][..room])
        } else {
            session.input.read(stream, &mut inbuf[..READ_MORE_BYTES])
        };
        if is_handshaking {
            if self.continue_handshake(session, &result).is_err() {
                return ReadOutcome::Nothing { keep: false };
            }
            // A refused client's bytes that came with the end of the handshake are not read.
            if session
                .client
                .flags
                .contains(ClientFlags::CLOSE_AFTER_REPLY)
            {
                return ReadOutcome::Nothing { keep: true };
            }
        }
        match self.count_read(session, result) {
            Ok(n) if direct => ReadOutcome::Shared { kept, n },
            Ok(_) => ReadOutcome::Own,
            Err(keep) => ReadOutcome::Nothing { keep },
        }
    }

    /// Counts a read. `Err`: it brought no bytes; whether the connection goes on.
    #[inline]
    pub(super) fn count_read(
        &mut self,
        session: &mut Session,
        result: io::Result<(usize, bool)>,
    ) -> Result<usize, bool> {
        let (n, more) = match result {
            Ok((0, _)) => return Err(false),
            Ok(read) => read,
            Err(error) => return Err(self.handle_failed_read(session, error)),
        };
        session.more_to_read = more || session.peer_closed;
        let came = match session.stream.as_mut() {
            Some(stream) => stream.received_for(n),
            None => n as u64,
        };
        let server = &mut self.engine.server;
        server.stats.net_input_bytes += came;
        server.stats.reads += 1;
        session.client.traffic.bytes_in += came;
        session.client.traffic.reads += 1;
        session.client.traffic.last_active_ms = server.now.mono_ms;
        const COUNTED: ClientFlags = ClientFlags::PRIMARY.union(ClientFlags::BUDGETED);
        if session.client.flags.intersects(COUNTED) {
            if session.client.flags.contains(ClientFlags::PRIMARY) {
                server.stats.net_repl_input_bytes += came;
                server.replication.record_primary_alive(&server.now);
            }
            server
                .acl
                .charge_received(&server.now, &mut session.client, n as u64);
        }
        Ok(n)
    }

    /// A read has failed, or there was nothing to read. Whether the connection goes on.
    #[cold]
    fn handle_failed_read(&mut self, session: &mut Session, error: io::Error) -> bool {
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            // Under TLS the bytes may have held no data: the end may follow them.
            session.more_to_read = error.kind() == ErrorKind::Interrupted || session.peer_closed;
            return true;
        }
        tracing::debug!(client = session.client.id.0, "Reading from client: {error}");
        if error.kind() == ErrorKind::InvalidData {
            self.engine
                .server
                .replication
                .log_damaged_stream(&self.engine.server.stream, &error);
        }
        let detail = format!("reading: {}", system_text(&error));
        session
            .client
            .ends_by(Disconnection::new(EndReason::Broken, detail));
        false
    }

    /// Runs the commands in bytes that were read, after the `kept` bytes of the client's input.
    /// `false`: the connection is over.
    pub(super) fn run_read(&mut self, session: &mut Session, bytes: &[u8], kept: usize) -> bool {
        let is_first = session.client.traffic.reads == 1;
        if is_first && is_tls_hello(&bytes[kept..]) && !session.is_tls() {
            self.engine.server.refuse_tls(session);
            let detail = "TLS on a plain port";
            session
                .client
                .ends_by(Disconnection::new(EndReason::Protocol, detail));
            return false;
        }
        self.batch.clear();
        let (mut pos, mut progress) = (0, Progress::default());
        if kept > 0 {
            (pos, progress) = session.input.move_to(&mut self.batch);
        }
        self.engine.server.memory.spare.give_to(session);
        let rest = self
            .engine
            .run_buffer(session, &mut self.batch, bytes, pos, progress);
        let keep = self.keeps(session, &rest);
        session.input.keep(bytes, &self.batch, rest);
        session.expects_large = session.input.has_large();
        self.update_input_figures(session);
        keep
    }

    /// After a read into the client's own input. `false`: the connection is over.
    pub(super) fn keep_read(&mut self, session: &mut Session) -> bool {
        let held = session.input.bytes() + session.input.list_bytes();
        if held as u64 > self.query_buffer_limit(session) {
            self.engine
                .server
                .log_dropped(session, "it reached max query buffer length");
            self.engine.server.stats.clients.query_buffer_disconnections += 1;
            let detail = format!("{held} bytes of one request");
            session
                .client
                .ends_by(Disconnection::new(EndReason::QueryLimit, detail));
            return false;
        }
        if !session.client.runs() {
            // Kept for later: nothing is parsed until the client runs again.
            session.input.runnable = true;
            self.update_input_figures(session);
            return true;
        }
        self.run_input(session)
    }

    fn query_buffer_limit(&self, session: &Session) -> u64 {
        if self.engine.server.acl.must_authenticate(&session.client) {
            // No request allowed before login is longer.
            return (16 * INLINE_MAX) as u64;
        }
        if session.client.sends_taken() {
            return u64::MAX;
        }
        self.engine.server.config.client_query_buffer_limit
    }

    /// Continues with the client's kept input.
    fn run_input(&mut self, session: &mut Session) -> bool {
        session.input.runnable = false;
        if session.input.fills_large() {
            self.update_input_figures(session);
            return true;
        }
        self.engine.server.memory.spare.give_to(session);
        let mut input = std::mem::take(&mut session.input);
        let (pos, progress) = input.lend(&mut self.batch);
        let rest = self
            .engine
            .run_buffer(session, &mut self.batch, input.waiting(), pos, progress);
        let keep = self.keeps(session, &rest);
        input.take_back(&mut self.batch, rest);
        session.input = input;
        session.expects_large |= session.input.has_large();
        self.update_input_figures(session);
        keep
    }

    /// Updates the client's input figures.
    #[inline]
    fn update_input_figures(&mut self, session: &mut Session) {
        session.update_query_buffer();
        if session.client.buffers.query_capacity > 0 {
            let server = &mut self.engine.server;
            let buffers = buffers(&session.client, &session.reply);
            server.diagnostics.recent.note(server.now.mono_ms, buffers);
        }
    }

    /// Whether the connection continues after a batch, if only to send its replies.
    fn keeps(&self, session: &Session, rest: &InputRemainder) -> bool {
        let flags = session.client.flags;
        !matches!(rest, InputRemainder::Closed) || !flags.contains(ClientFlags::CLOSE_ASAP)
    }

    /// Serves a client from the ready list: first its kept input, then its socket.
    pub fn advance(&mut self, id: ClientId) {
        let Some(mut session) = self.engine.server.clients.take(id) else {
            return;
        };
        session.ready_queued = false;
        if session.client.flags.contains(ClientFlags::HELD) {
            return self.engine.server.clients.put_back(session);
        }
        if self.engine.server.memory.clients.holds(&session) {
            return self.hold(session);
        }
        // The client's replies leave first, as long as the socket takes them.
        if session.flush_queued && session.reply.pending_len() > OUTPUT_BUDGET {
            return self.settle(session, true);
        }
        if session.input.runnable && session.client.runs() {
            let keep = self.run_input(&mut session);
            if !keep || !session.more_to_read || session.input.runnable {
                return self.settle(session, keep);
            }
        }
        if session.more_to_read {
            self.read_in_turn(session);
        } else {
            self.settle(session, true);
        }
    }

    /// After a client's share: puts it back, closes it, or adds it to the lists.
    pub(super) fn settle(&mut self, mut session: Box<Session>, keep: bool) {
        if !keep {
            return self.end(session);
        }
        self.engine.server.enforce_output_limit(&mut session);
        if session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
            return self.close(session);
        }
        let server = &mut self.engine.server;
        let closing = session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY);
        let has_unsent = session.stream.as_ref().is_some_and(|s| s.has_unsent());
        if !session.reply.is_empty() || closing || has_unsent {
            server.turn.queue_flush(&mut session);
        }
        if !server.connections.io_threads.is_empty() {
            self.place(&mut session);
        }
        let server = &mut self.engine.server;
        server.memory.clients.count(&mut session);
        // A blocked client is read from as well: the end of its connection must be noticed.
        if server.memory.clients.holds(&session) {
            server.memory.clients.hold(&mut session);
        } else {
            queue_if_ready(&mut session, &mut server.turn);
        }
        server.clients.put_back(session);
        // Immediately: memory of several such clients must not add up over the turn.
        for id in self.engine.evict_clients() {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.close(session);
            }
        }
    }
}

/// Queues a client that has more to read or to execute.
pub(super) fn queue_if_ready(session: &mut Session, turn: &mut Turn) {
    let more = session.more_to_read || session.input.runnable && session.client.runs();
    let is_held = session.client.flags.contains(ClientFlags::HELD);
    if more && !session.ready_queued && !is_held {
        session.ready_queued = true;
        turn.ready.push(session.client.id);
    }
}
