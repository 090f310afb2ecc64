//! Clients whose sockets are couriers' (`net::io_thread`).
//!
//!     place     a client's turn is over: its socket goes to a courier; a new replica's comes back
//!     parcel    each report is served as an event of the poll: the client is read from, or flushed
//!     flush     what was written goes into the courier's orders
//!     post      orders leave with the replies of the turn, and in between
//!
//! Pauses, limits, held clients and the order of replies and log are those of all clients: the
//! session has never left. A report of a client that has gone finds no session.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Loop;
use super::read::go_on_soon;

use crate::server::clients::batch::COMMANDS_MAX;
use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use crate::server::state::Server;
use russet_net::io_thread::scaling::Advice;
use russet_net::io_thread::{Courier, Place, Report};
use russet_net::{Stream, Target};

/// Parcels of each courier in a turn, so that the first answers leave soon.
const PARCELS_MAX: usize = 4;
/// Clients that were active within this time are active at once.
const ACTIVE_MS: u64 = 100;
/// Keys whose table, entries and short values are in the processor's caches.
const CACHED_KEYS: usize = 1 << 16;

/// Processors of this process at its start: each look reads files of its control group.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl Loop {
    /// Couriers that there may be: one fewer than `io-threads`, and than there are processors, as
    /// threads that wait for each other's processor cost more than they help.
    fn couriers_max(&self) -> usize {
        let config = &self.engine.server.config;
        let wanted = config.io_threads as usize - 1;
        if config.io_threads_always_active || wanted == 0 {
            return wanted;
        }
        wanted.min(processors().saturating_sub(1).max(1))
    }

    fn start_courier(&mut self) -> bool {
        let server = &mut self.engine.server;
        let rest_us = server.config.event_coalesce_usec;
        let couriers = &mut server.connections.couriers;
        let started = couriers.start(&self.registry, rest_us);
        if let Err(error) = &started {
            tracing::warn!("Starting a thread for connections: {error}");
        }
        couriers.takes_clients = !couriers.is_empty();
        started.is_ok()
    }

    /// Starts the couriers that are always active.
    pub(in crate::server) fn start_couriers(&mut self) {
        if self.engine.server.config.io_threads_always_active {
            while self.engine.server.connections.couriers.len() < self.couriers_max()
                && self.start_courier()
            {}
        }
    }

    /// A tick: starts or ends couriers by how busy they and the loop are, and evens out their
    /// connections.
    pub(in crate::server) fn tend_couriers(&mut self) {
        let most = self.couriers_max();
        let server = &mut self.engine.server;
        let is_alone = server.connections.couriers.is_empty();
        self.sleeper.gather.set_threaded(!is_alone);
        if most == 0 && is_alone {
            return;
        }
        let rest_us = server.config.event_coalesce_usec;
        for courier in server.connections.couriers.iter() {
            courier.figures().rest_us.store(rest_us, Ordering::Relaxed);
        }
        let now_ms = server.now.mono_ms;
        let is_active = |session: &Session| {
            now_ms.saturating_sub(session.client.traffic.last_active_ms) < ACTIVE_MS
        };
        let couriers = &mut server.connections.couriers;
        couriers.measure(now_ms * 1000, server.stats.turn_us);
        if couriers.retires() {
            return couriers.retire(&mut server.clients);
        }
        couriers.even_out(&mut server.clients, is_active);
        if server.config.io_threads_always_active && couriers.len() <= most {
            return self.start_couriers();
        }
        let active = || server.clients.iter().filter(|session| is_active(session));
        match couriers.advise(most, |n| active().take(n).count() == n) {
            Advice::Keep => {}
            Advice::More => _ = self.start_courier(),
            Advice::Fewer => couriers.retire(&mut server.clients),
        }
    }

    /// A client's turn is over, and there are couriers: takes along what was written, and moves its
    /// socket if it is on the wrong side. A replica's is the loop's: it is sent blocks that are
    /// shared with the backlog, of which a courier would have copies.
    #[inline]
    pub(super) fn place(&mut self, session: &mut Session) {
        let couriers = &mut self.engine.server.connections.couriers;
        couriers.collect(session);
        if session.client.courier == 0 {
            if couriers.takes_clients {
                self.hand_over(session);
            }
        } else if session.client.flags.contains(ClientFlags::REPLICA) {
            couriers.recall(session);
        }
    }

    /// Gives a client's socket to a courier, where it may go.
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
            Stream::Unpacking(_) | Stream::Carried(_) => false,
        };
        if !is_movable || session.write_armed || session.client.flags.intersects(STAYS) {
            return;
        }
        stream.deregister(&self.registry);
        self.engine.server.connections.couriers.adopt(session);
        session.more_to_read = false;
    }

    /// A socket has come back: it stays, or goes to another courier with its next turn.
    fn take_back(&mut self, place: Place, mut socket: Stream) {
        let server = &mut self.engine.server;
        let Some(mut session) = server.clients.take_at(place.slot, place.generation) else {
            // Closed in the meantime.
            return;
        };
        let token = Target::client(place.slot, place.generation).into();
        let registered = socket.register(&self.registry, token);
        let couriers = &mut server.connections.couriers;
        couriers.returned(&mut session, socket);
        if registered.is_err() {
            return self.close(session);
        }
        server.turn.queue_flush(&mut session);
        go_on_soon(&mut session, &mut server.turn);
        server.clients.put_back(session);
    }

    /// As [`Loop::take_back`]; one in the middle of a command gets it later.
    fn serve_recalled(&mut self, place: Place, socket: Stream) {
        let server = &mut self.engine.server;
        if server.clients.is_taken_out(place.slot, place.generation) {
            server.connections.couriers.keep_late_socket(place, socket);
        } else {
            self.take_back(place, socket);
        }
    }

    /// Serves what couriers have read, each a share. Whether there was anything.
    ///
    /// The guest of a busy script begins with the rest of what the loop was serving: the command
    /// that ends the script may be there.
    pub(in crate::server) fn serve_couriers(&mut self) -> bool {
        let is_guest = self.poll.is_none();
        if is_guest {
            self.serve_rest();
        }
        let mut has_served = !is_guest && self.serve_late();
        for at in 0..self.engine.server.connections.couriers.len() {
            for _ in 0..PARCELS_MAX {
                if !self.engine.server.connections.couriers.begin(at) {
                    break;
                }
                has_served = true;
                self.serve_parcel();
                if !is_guest {
                    self.serve_late();
                }
            }
        }
        has_served
    }

    /// Serves what came for clients in the middle of a command, of which there are none now.
    /// Whether there was anything.
    #[inline]
    fn serve_late(&mut self) -> bool {
        let mut has_served = false;
        while self.engine.server.connections.couriers.begin_late() {
            has_served = true;
            self.serve_parcel();
        }
        has_served
    }

    /// Serves all of a parcel. What concerns a client in the middle of a command, beside which
    /// others are served, is kept until that has ended.
    fn serve_parcel(&mut self) {
        let couriers = &mut self.engine.server.connections.couriers;
        let Some(block) = couriers.served().map(|(block, _)| block.clone()) else {
            return;
        };
        for at in 0.. {
            if at % COMMANDS_MAX == 0 {
                self.look_ahead(at);
            }
            let couriers = &mut self.engine.server.connections.couriers;
            let Some(mut report) = couriers.next_report() else {
                break;
            };
            if !self.serve_report(&block, &mut report) {
                (self.engine.server.connections.couriers).keep_late(report);
            }
        }
        drop(block);
        while let Some((place, socket)) =
            (self.engine.server.connections.couriers).next_recalled(|_| true)
        {
            self.serve_recalled(place, socket);
        }
        let server = &mut self.engine.server;
        server.connections.couriers.end(&mut server.clients);
    }

    /// A guest: serves the rest of the parcel that the loop was serving when the script began, but
    /// for clients in the middle of a command. The loop ends it.
    fn serve_rest(&mut self) {
        let Server {
            connections,
            clients,
            ..
        } = &mut self.engine.server;
        let couriers = &mut connections.couriers;
        let Some(block) = couriers.served().map(|(block, _)| block.clone()) else {
            return;
        };
        let is_free = |place: Place| !clients.is_taken_out(place.slot, place.generation);
        let reports = couriers.take_reports(is_free);
        let recalled: Vec<_> = std::iter::from_fn(|| couriers.next_recalled(is_free)).collect();
        for mut report in reports {
            self.serve_report(&block, &mut report);
        }
        for (place, socket) in recalled {
            self.take_back(place, socket);
        }
    }

    /// Prefetches the keys of the first command of each of the next reports, from this one on,
    /// where the keys are too many for the caches: one after the other, each lookup would wait for
    /// memory by itself.
    fn look_ahead(&mut self, from: usize) {
        let server = &self.engine.server;
        let Some((block, reports)) = server.connections.couriers.served() else {
            return;
        };
        let reports = &reports[from..];
        let reports = &reports[..reports.len().min(COMMANDS_MAX)];
        let db_of = |report: &Report| {
            let session = server.clients.at(report.place.slot)?;
            (session.generation == report.place.generation).then_some(session.client.db)
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
                self.batch.look_at(keyspace, &server.table, db, request);
            }
        }
        self.batch.prefetch_all(keyspace, db);
    }

    /// `false`: its client is in the middle of a command.
    fn serve_report(&mut self, block: &Bytes, report: &mut Report) -> bool {
        let server = &mut self.engine.server;
        let place = report.place;
        let Some(mut session) = server.clients.take_at(place.slot, place.generation) else {
            return !server.clients.is_taken_out(place.slot, place.generation);
        };
        let may_run = report.is_bytes_alone() && self.runs_from_block(&session);
        let server = &mut self.engine.server;
        let Some(carried) = session.stream.as_mut().and_then(Stream::carried) else {
            server.clients.put_back(session);
            return true;
        };
        let runs = may_run && !carried.has_unread();
        let has_room = if runs {
            carried.sent(report.sent as usize)
        } else {
            Courier::deliver(block, report, carried)
        };
        let has_unread = runs || carried.has_unread();
        session.client.buffers.carried(carried);
        if has_room && session.write_armed {
            server.turn.queue_flush(&mut session);
        }
        // A killed one is closed before the loop sleeps: the end of its socket is no news.
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
        let keep = match self.note_read(&mut session, Ok((bytes.len(), false))) {
            Ok(_) => self.run_read(&mut session, bytes, 0),
            Err(keep) => keep,
        };
        self.settle(session, keep);
        true
    }

    /// Whether what was read of a client can be run where it lies: nothing precedes it, and it need
    /// not wait.
    #[inline]
    fn runs_from_block(&self, session: &Session) -> bool {
        session.client.runs()
            && session.input.is_empty()
            && !session.expects_large
            && !session.client.flags.contains(ClientFlags::HELD)
            && !self.engine.server.memory.clients.holds(session)
    }

    /// Sends all orders to the couriers.
    #[inline]
    pub(in crate::server) fn post_couriers(&mut self) {
        let couriers = &mut self.engine.server.connections.couriers;
        if !couriers.is_empty() {
            couriers.post();
        }
    }
}
