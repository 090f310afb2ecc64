//! Clients whose sockets are I/O threads' (`net::io_thread`).
//!
//!     place     a client's turn is over: its socket goes to an I/O thread; a new replica's socket
//!               comes back
//!     batch     each report is served as an event of the poll: the client is read from, or flushed
//!     flush     the written bytes go into the I/O thread's tasks
//!     post      tasks leave with the replies of the turn, and in between
//!
//! Pauses, limits, holding, and the order of replies and log are the same as for other clients,
//! because the session never leaves the loop. A report of a client that has gone finds no session.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Loop;
use super::read::queue_if_ready;

use crate::clients::batch::COMMANDS_MAX;
use crate::clients::client::ClientFlags;
use crate::clients::session::Session;
use crate::process::processors;
use crate::state::Server;
use russet_net::io_thread::scaling::Advice;
use russet_net::io_thread::{ConnectionId, IoThread, Report};
use russet_net::{Stream, Target};

/// Batches of each I/O thread in a turn, so that the first answers leave soon.
const BATCHES_MAX: usize = 4;
/// Clients that were active within this time are active at once.
const ACTIVE_MS: u64 = 100;
/// Keys whose table, entries and short values are in the processor's caches.
const CACHED_KEYS: usize = 1 << 16;

impl Loop {
    /// I/O threads that there may be: one fewer than `io-threads`, and than there are processors,
    /// as threads that wait for each other's processor cost more than they help.
    fn io_threads_max(&self) -> usize {
        let config = &self.engine.server.config;
        let wanted = config.io_threads as usize - 1;
        if config.io_threads_always_active || wanted == 0 {
            return wanted;
        }
        wanted.min(processors().saturating_sub(1).max(1))
    }

    fn start_io_thread(&mut self) -> bool {
        let server = &mut self.engine.server;
        let rest_us = server.config.event_coalesce_usec;
        let io_threads = &mut server.connections.io_threads;
        let started = io_threads.start(&self.registry, rest_us);
        if let Err(error) = &started {
            tracing::warn!("Starting a thread for connections: {error}");
        }
        io_threads.takes_clients = !io_threads.is_empty();
        started.is_ok()
    }

    /// Starts the I/O threads that are always active.
    pub fn start_io_threads(&mut self) {
        if self.engine.server.config.io_threads_always_active {
            while self.engine.server.connections.io_threads.len() < self.io_threads_max()
                && self.start_io_thread()
            {}
        }
    }

    /// A tick: starts or ends I/O threads by how busy they and the loop are, and evens out their
    /// connections.
    pub(crate) fn tend_io_threads(&mut self) {
        let most = self.io_threads_max();
        let server = &mut self.engine.server;
        let is_alone = server.connections.io_threads.is_empty();
        self.sleeper.gather.set_threaded(!is_alone);
        if most == 0 && is_alone {
            return;
        }
        let rest_us = server.config.event_coalesce_usec;
        for io_thread in server.connections.io_threads.iter() {
            io_thread
                .figures()
                .rest_us
                .store(rest_us, Ordering::Relaxed);
        }
        let now_ms = server.now.mono_ms;
        let is_active = |session: &Session| {
            now_ms.saturating_sub(session.client.traffic.last_active_ms) < ACTIVE_MS
        };
        let io_threads = &mut server.connections.io_threads;
        io_threads.measure(now_ms * 1000, server.stats.turn_us);
        if io_threads.retires() {
            return io_threads.retire(&mut server.clients);
        }
        io_threads.even_out(&mut server.clients, is_active);
        if server.config.io_threads_always_active && io_threads.len() <= most {
            return self.start_io_threads();
        }
        let active = || server.clients.iter().filter(|session| is_active(session));
        match io_threads.advise(most, |n| active().take(n).count() == n) {
            Advice::Keep => {}
            Advice::More => _ = self.start_io_thread(),
            Advice::Fewer => io_threads.retire(&mut server.clients),
        }
    }

    /// A client's turn is over, and there are I/O threads: collects the replies, and moves the
    /// client's socket if it should be with an I/O thread, or with the loop. A replica's socket
    /// stays with the loop, because the loop sends blocks shared with the backlog, while an I/O
    /// thread would need copies.
    #[inline]
    pub(super) fn place(&mut self, session: &mut Session) {
        let io_threads = &mut self.engine.server.connections.io_threads;
        io_threads.collect(session);
        if session.client.io_thread == 0 {
            if io_threads.takes_clients {
                self.hand_over(session);
            }
        } else if session.client.flags.contains(ClientFlags::REPLICA) {
            io_threads.recall(session);
        }
    }

    /// Gives a client's socket to an I/O thread, if the socket may move.
    #[cold]
    fn hand_over(&mut self, session: &mut Session) {
        const STAYS: ClientFlags = ClientFlags::REPLICA
            .union(ClientFlags::PRIMARY)
            .union(ClientFlags::DEBUGS)
            .union(ClientFlags::CLOSE_ASAP)
            .union(ClientFlags::CLOSE_AFTER_REPLY);
        let Some(stream) = &mut session.stream else {
            return;
        };
        let is_movable = match stream {
            Stream::Tcp(_) | Stream::Unix(_) => true,
            Stream::Tls(link) => !link.has_unsent(),
            Stream::Unpacking(_) | Stream::Handoff(_) => false,
        };
        if !is_movable || session.write_armed || session.client.flags.intersects(STAYS) {
            return;
        }
        stream.deregister(&self.registry);
        self.engine.server.connections.io_threads.adopt(session);
        session.more_to_read = false;
    }

    /// A socket has come back: it stays, or goes to another I/O thread with its next turn.
    fn take_back(&mut self, id: ConnectionId, mut socket: Stream) {
        let server = &mut self.engine.server;
        let Some(mut session) = server.clients.take_at(id.slot, id.generation) else {
            // Closed in the meantime.
            return;
        };
        let token = Target::client(id.slot, id.generation).into();
        let registered = socket.register(&self.registry, token);
        let io_threads = &mut server.connections.io_threads;
        io_threads.returned(&mut session, socket);
        if registered.is_err() {
            return self.close(session);
        }
        server.turn.queue_flush(&mut session);
        queue_if_ready(&mut session, &mut server.turn);
        server.clients.put_back(session);
    }

    /// As [`Loop::take_back`]; one in the middle of a command gets it later.
    fn serve_recalled(&mut self, id: ConnectionId, socket: Stream) {
        let server = &mut self.engine.server;
        if server.clients.is_taken_out(id.slot, id.generation) {
            server.connections.io_threads.defer_socket(id, socket);
        } else {
            self.take_back(id, socket);
        }
    }

    /// Serves the requests that I/O threads have read, a share for each I/O thread. Returns whether
    /// there was anything.
    ///
    /// The guest of a busy script begins with the rest of what the loop was serving: the command
    /// that ends the script may be there.
    pub(crate) fn serve_io_threads(&mut self) -> bool {
        let is_guest = self.poll.is_none();
        if is_guest {
            self.serve_rest();
        }
        let mut has_served = !is_guest && self.serve_late();
        for at in 0..self.engine.server.connections.io_threads.len() {
            for _ in 0..BATCHES_MAX {
                if !self.engine.server.connections.io_threads.begin(at) {
                    break;
                }
                has_served = true;
                self.serve_batch();
                if !is_guest {
                    self.serve_late();
                }
            }
        }
        has_served
    }

    /// Serves the reports that came for clients in the middle of a command, when no client is in
    /// the middle of a command any more. Whether there was anything.
    #[inline]
    fn serve_late(&mut self) -> bool {
        let mut has_served = false;
        while self.engine.server.connections.io_threads.begin_deferred() {
            has_served = true;
            self.serve_batch();
        }
        has_served
    }

    /// Serves all of a batch. What concerns a client in the middle of a command, beside which
    /// others are served, is kept until that has ended.
    fn serve_batch(&mut self) {
        let io_threads = &mut self.engine.server.connections.io_threads;
        let Some(block) = io_threads.served().map(|(block, _)| block.clone()) else {
            return;
        };
        for at in 0.. {
            if at % COMMANDS_MAX == 0 {
                self.prefetch_ahead(at);
            }
            let io_threads = &mut self.engine.server.connections.io_threads;
            let Some(mut report) = io_threads.next_report() else {
                break;
            };
            if !self.serve_report(&block, &mut report) {
                (self.engine.server.connections.io_threads).defer(report);
            }
        }
        drop(block);
        while let Some((id, socket)) =
            (self.engine.server.connections.io_threads).next_recalled(|_| true)
        {
            self.serve_recalled(id, socket);
        }
        let server = &mut self.engine.server;
        server.connections.io_threads.end(&mut server.clients);
    }

    /// A guest: serves the rest of the batch that the loop was serving when the script began,
    /// except for clients in the middle of a command. The loop ends the batch.
    fn serve_rest(&mut self) {
        let Server {
            connections,
            clients,
            ..
        } = &mut self.engine.server;
        let io_threads = &mut connections.io_threads;
        let Some(block) = io_threads.served().map(|(block, _)| block.clone()) else {
            return;
        };
        let is_free = |id: ConnectionId| !clients.is_taken_out(id.slot, id.generation);
        let reports = io_threads.take_reports(is_free);
        let recalled: Vec<_> = std::iter::from_fn(|| io_threads.next_recalled(is_free)).collect();
        for mut report in reports {
            self.serve_report(&block, &mut report);
        }
        for (id, socket) in recalled {
            self.take_back(id, socket);
        }
    }

    /// Prefetches the keys of the first command of each of the next reports, from `from` on, if the
    /// keys are too many for the caches: otherwise each lookup in sequence would wait for memory by
    /// itself.
    fn prefetch_ahead(&mut self, from: usize) {
        let server = &self.engine.server;
        let Some((block, reports)) = server.connections.io_threads.served() else {
            return;
        };
        let reports = &reports[from..];
        let reports = &reports[..reports.len().min(COMMANDS_MAX)];
        let db_of = |report: &Report| {
            let session = server.clients.at(report.id.slot)?;
            (session.generation == report.id.generation).then_some(session.client.db)
        };
        let Some(db) = reports.iter().find_map(db_of) else {
            return;
        };
        let keyspace = &self.engine.keyspace;
        if reports.len() < 2 || keyspace.database(db).len() < CACHED_KEYS {
            return;
        }
        for report in reports {
            if db_of(report) == Some(db) {
                let request = &block[report.start as usize..][..report.len as usize];
                self.batch
                    .hash_first_request(keyspace, &server.table, db, request);
            }
        }
        self.batch.prefetch_all(keyspace, db);
    }

    /// `false`: its client is in the middle of a command.
    fn serve_report(&mut self, block: &Bytes, report: &mut Report) -> bool {
        let server = &mut self.engine.server;
        let id = report.id;
        let Some(mut session) = server.clients.take_at(id.slot, id.generation) else {
            return !server.clients.is_taken_out(id.slot, id.generation);
        };
        let may_run = report.is_bytes_alone() && self.runs_from_block(&session);
        let server = &mut self.engine.server;
        let Some(handoff) = session.stream.as_mut().and_then(Stream::handoff) else {
            server.clients.put_back(session);
            return true;
        };
        let runs = may_run && !handoff.has_unread();
        let has_room = if runs {
            handoff.sent(report.sent as usize)
        } else {
            IoThread::deliver(block, report, handoff)
        };
        let has_unread = runs || handoff.has_unread();
        session.client.buffers.count_handoff(handoff);
        if has_room && session.write_armed {
            server.turn.queue_flush(&mut session);
        }
        // A killed client is closed before the loop sleeps: the end of its socket is no news.
        let is_over = session.ends || session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        if !has_unread || is_over {
            server.memory.clients.count(&mut session);
            server.clients.put_back(session);
            return true;
        }
        self.sleeper.gather.event(&mut session.seen_in);
        if !runs {
            self.read_if_free(session, false);
            return true;
        }
        let bytes = &block[report.start as usize..][..report.len as usize];
        let keep = match self.count_read(&mut session, Ok((bytes.len(), false))) {
            Ok(_) => self.run_read(&mut session, bytes, 0),
            Err(keep) => keep,
        };
        self.settle(session, keep);
        true
    }

    /// Whether the bytes read of a client can be run in place: no earlier input precedes them, and
    /// the client need not wait.
    #[inline]
    fn runs_from_block(&self, session: &Session) -> bool {
        session.client.runs()
            && session.input.is_empty()
            && !session.expects_large
            && !session.client.flags.contains(ClientFlags::HELD)
            && !self.engine.server.memory.clients.holds(session)
    }

    /// Sends all tasks to the I/O threads.
    #[inline]
    pub fn post_io_threads(&mut self) {
        let io_threads = &mut self.engine.server.connections.io_threads;
        if !io_threads.is_empty() {
            io_threads.post();
        }
    }
}
