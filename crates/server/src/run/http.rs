//! Connections that speak HTTP: pages on `console-port`, scrapes and probes on `metrics-port`.
//!
//! This file accepts, reads, writes and ends the connections; `console` decides what a page does,
//! `observe::metrics` answers a scrape. A scrape runs no command, so its answer acknowledges
//! nothing and leaves at once. Bounds: `Port::connections_max`, the bytes of a request
//! (`console::http`, `observe::metrics::http`), and the time limits below, each for a step; a
//! scrape has [`HEAD_MS`] in total. A connection beyond the limit takes the place of a connection
//! that only waits (`Connection::waits_for_peer`).

use crate::console::answer::is_safe_for_console;
use std::io::{self, ErrorKind, Write};

use crate::observe::metrics::http as scrapes;
use crate::parts::console::Task;
use crate::parts::http::{AddressRefusal, Connection, Pool, Port};
use crate::run::Loop;
use russet_console::http::{Answer, Method};
use russet_console::wire::{self as http, Status};
use russet_net::tls::TlsLink;
use russet_net::{AcceptedStream, Address, Stream, readable};

/// Connections accepted per event; the rest wait for cron.
const ACCEPTS_MAX: usize = 64;
/// Time limit from the first byte of a request to the end of its head.
const HEAD_MS: u64 = 10_000;
/// Time limit between requests.
const IDLE_MS: u64 = 30_000;
/// Time limit for the rest of a refused request to arrive.
const DRAIN_MS: u64 = 2000;
/// Time limit for a call to run, and for the peer to take more of the answer.
pub(super) const CALL_MS: u64 = 60_000;
/// Bytes of a read.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// A buffer that is kept between requests.
pub(super) const BUFFER_BYTES_KEPT: usize = 64 * 1024;

/// Whether a connection continues.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    Continues,
    Ended,
}

/// The result of a read.
pub(super) enum Read {
    /// Nothing more is there.
    Nothing,
    Some,
    Over,
}

impl Loop {
    fn pool(&mut self, port: Port) -> &mut Pool {
        let connections = &mut self.engine.server.connections;
        match port {
            Port::Console => &mut connections.console.pool,
            Port::Metrics => &mut connections.scrapes,
        }
    }

    /// Accepts connections from the sockets of both ports (start-up, CONFIG SET).
    pub(crate) fn listen_for_http(&mut self) -> io::Result<()> {
        for port in Port::ALL {
            let mut listeners = std::mem::take(&mut self.pool(port).listeners);
            let registered = listeners
                .iter_mut()
                .enumerate()
                .try_for_each(|(i, listener)| {
                    listener.deregister(&self.registry);
                    listener.register(&self.registry, port.listener(i).into())
                });
            self.pool(port).listeners = listeners;
            registered?;
            // A connection may have arrived before the registration.
            self.pool(port).waiting = true;
        }
        Ok(())
    }

    pub(crate) fn accept_http(&mut self, port: Port) {
        self.pool(port).waiting = false;
        let mut left = ACCEPTS_MAX;
        for i in 0..self.pool(port).listeners.len() {
            loop {
                if left == 0 {
                    self.pool(port).waiting = true;
                    return;
                }
                left -= 1;
                match self.pool(port).listeners[i].accept() {
                    Ok((AcceptedStream::Plain(stream), peer)) => {
                        self.welcome_page(port, stream, peer)
                    }
                    Ok((AcceptedStream::Tls(socket), peer)) => {
                        let tls = &self.engine.server.connections.tls;
                        let Some(materials) = tls.materials() else {
                            continue;
                        };
                        match TlsLink::accepted(socket, &materials.server) {
                            Ok(link) => self.welcome_page(port, Stream::Tls(Box::new(link)), peer),
                            Err(e) => tracing::debug!("Accepting HTTP ({port:?}): {e}"),
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                    // Perhaps no descriptor is left: cron tries again.
                    Err(e) => {
                        tracing::debug!("Accepting HTTP ({port:?}): {e}");
                        self.pool(port).waiting = true;
                        break;
                    }
                }
            }
        }
    }

    fn welcome_page(&mut self, port: Port, mut stream: Stream, peer: Address) {
        const FULL: &str = "there are 64 connections already";
        let is_tls = stream.tls().is_some();
        let server = &self.engine.server;
        let is_allowed = port.admits(&server.config, &peer);
        let is_safe = port == Port::Metrics || is_safe_for_console(&server.config, &peer, is_tls);
        let max = port.connections_max();
        if is_allowed && is_safe && self.pool(port).slab.len() >= max {
            self.end_longest_waiting(port);
        }
        let refused = if !is_allowed {
            Some(AddressRefusal::Foreign)
        } else {
            (!is_safe).then_some(AddressRefusal::Open)
        };
        if let Some(refused) = refused
            && (port == Port::Metrics || is_tls || !self.has_room_to_refuse())
        {
            let text = refused.of("").line();
            return self.refuse_page(port, &mut stream, http::FORBIDDEN, text);
        }
        if self.pool(port).slab.len() >= max {
            return self.refuse_page(port, &mut stream, http::UNAVAILABLE, FULL);
        }
        stream.tune(self.engine.server.config.tcp_keepalive as u64);
        let due_ms = self.engine.server.now.mono_ms + HEAD_MS;
        let place = self.pool(port).slab.reserve();
        if let Err(e) = stream.register(&self.registry, port.connection(place).into()) {
            tracing::warn!("Registering HTTP ({port:?}): {e}");
            self.pool(port).slab.free(place.0);
            return;
        }
        let mut connection = Box::new(Connection::new(port, stream, peer, due_ms));
        connection.refused = refused;
        self.pool(port).slab.put_back(place.0, connection);
        // The request may be there already: once it is read, later connections cannot take this
        // connection's place.
        self.drive_page(port, place);
    }

    /// Whether a further request may be read only to be refused. Such requests are few, and make no
    /// other connection end.
    fn has_room_to_refuse(&mut self) -> bool {
        let pool = self.pool(Port::Console);
        let refused = pool.slab.iter().filter(|(_, _, c)| c.refused.is_some());
        refused.count() < AddressRefusal::CONNECTIONS_MAX
    }

    /// Best effort: a peer that does not read it is closed all the same.
    fn refuse_page(&mut self, port: Port, stream: &mut Stream, status: Status, text: &str) {
        let answer = match port {
            Port::Console => Answer::error(status, text).bytes(false, Method::Get),
            Port::Metrics => scrapes::refuse(status),
        };
        let figures = &mut self.engine.server.diagnostics.metrics.figures;
        figures.refused += u64::from(port == Port::Metrics);
        if !stream.is_handshaking() {
            let _ = stream.write(&answer);
        }
    }

    fn end_longest_waiting(&mut self, port: Port) {
        let pool = self.pool(port);
        if let Some(place) = pool.longest_waiting()
            && let Some(mut c) = pool.slab.take_at(place.0, place.1)
        {
            if port == Port::Metrics {
                self.answer_late(&mut c);
            }
            self.put_page_back(c, place, Exchange::Ended);
        }
    }

    pub(crate) fn http_event(&mut self, port: Port, place: (u32, u32)) {
        // A socket that was full may take more now.
        self.consoles().is_urgent |= port == Port::Console;
        self.drive_page(port, place);
    }

    /// A round of the guest of a busy script: asks the kernel which connections are readable.
    pub(crate) fn serve_http(&mut self, port: Port) {
        self.accept_http(port);
        if port == Port::Console {
            self.pack_one();
        }
        let all: Vec<_> = self.pool(port).slab.iter().collect();
        let streams: Vec<&Stream> = all.iter().map(|(_, _, c)| &c.stream).collect();
        let ready = readable(&streams);
        let is_busy = |c: &Connection| !matches!(c.task, Task::Read);
        let places = all.iter().zip(ready);
        let places = places.filter(|((_, _, c), ready)| *ready || is_busy(c));
        let places: Vec<(u32, u32)> = places.map(|((slot, gen_, _), _)| (*slot, *gen_)).collect();
        for place in places {
            self.drive_page(port, place);
        }
        self.tend_http(port);
    }

    pub(super) fn drive_page(&mut self, port: Port, place: (u32, u32)) {
        let Some(mut c) = self.pool(port).slab.take_at(place.0, place.1) else {
            return;
        };
        let mut goes = self.continue_page(&mut c, place);
        if port == Port::Metrics && goes == Exchange::Continues {
            goes = self.flush_page(&mut c, place);
        }
        self.put_page_back(c, place, goes);
    }

    pub(super) fn put_page_back(
        &mut self,
        mut c: Box<Connection>,
        place: (u32, u32),
        goes: Exchange,
    ) {
        if goes == Exchange::Continues {
            return self.pool(c.port).slab.put_back(place.0, c);
        }
        if let Task::Stream(feed) = &c.task {
            self.engine.close_stream(feed, place);
        }
        c.stream.deregister(&self.registry);
        self.pool(c.port).slab.free(place.0);
    }

    /// Reads more of a request. `None`: the connection has something to do now.
    pub(super) fn read_more(&mut self, c: &mut Connection) -> Option<Exchange> {
        let had_none = c.input.is_empty();
        match self.read_page(c) {
            Read::Some => {
                if had_none {
                    c.extend(self.engine.server.now.mono_ms + HEAD_MS);
                }
                None
            }
            Read::Nothing => Some(Exchange::Continues),
            Read::Over => Some(Exchange::Ended),
        }
    }

    pub(super) fn read_page(&mut self, c: &mut Connection) -> Read {
        let mut bytes = [0; READ_BYTES];
        loop {
            match c.stream.fill(&mut bytes) {
                Ok((0, _)) => return Read::Over,
                Ok((n, _)) => {
                    c.input.extend_from_slice(&bytes[..n]);
                    return Read::Some;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    // Parts of a handshake may wait to be sent.
                    self.consoles().is_urgent |= c.stream.has_unsent();
                    return Read::Nothing;
                }
                Err(_) => return Read::Over,
            }
        }
    }

    /// Sends pending bytes, as many as the socket takes. No answer leaves before the writes that it
    /// acknowledges are in the log.
    pub(super) fn flush_page(&mut self, c: &mut Connection, place: (u32, u32)) -> Exchange {
        let server = &mut self.engine.server;
        if c.unsent() > 0
            && let Some(id) = c.acknowledges
        {
            // While a command of the session runs, its last write is not known.
            let is_taken = server.clients.get(id).is_none() && server.clients.is_connected(id);
            if is_taken || server.holds_answer(id) {
                return Exchange::Continues;
            }
            c.acknowledges = None;
        }
        let token = c.port.connection(place);
        while c.unsent() > 0 || c.stream.has_unsent() {
            let wrote = match c.unsent() {
                0 => c.stream.flush().map(|()| usize::MAX),
                _ => c.stream.write(&c.output[c.sent..]),
            };
            match wrote {
                Ok(0) => return Exchange::Ended,
                Ok(usize::MAX) => {}
                Ok(n) => {
                    c.sent += n;
                    c.extend(c.due_ms.max(self.engine.server.now.mono_ms + CALL_MS));
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if c.write_armed {
                        return Exchange::Continues;
                    }
                    c.write_armed = true;
                    let armed = c.stream.want_write(&self.registry, token.into(), true);
                    return armed.map_or(Exchange::Ended, |()| Exchange::Continues);
                }
                Err(_) => return Exchange::Ended,
            }
        }
        if c.write_armed {
            c.write_armed = false;
            if c.stream
                .want_write(&self.registry, token.into(), false)
                .is_err()
            {
                return Exchange::Ended;
            }
        }
        if c.sent > 0 {
            c.output.clear();
            c.output.shrink_to(BUFFER_BYTES_KEPT);
            c.sent = 0;
            c.was_answered = true;
            match c.task {
                Task::Read => c.due_ms = self.engine.server.now.mono_ms + IDLE_MS,
                Task::Drain { .. } => c.due_ms = self.engine.server.now.mono_ms + DRAIN_MS,
                _ => {}
            }
        }
        match c.task {
            Task::Close => Exchange::Ended,
            _ => Exchange::Continues,
        }
    }

    /// Called by cron: deadlines, and connections that could not be accepted; of the console also a
    /// row of the history and the ends of sessions.
    pub(crate) fn tend_http(&mut self, port: Port) {
        let engine = &mut self.engine;
        let has_row = port == Port::Console && engine.server.sample_history(&engine.keyspace);
        if self.pool(port).waiting {
            self.accept_http(port);
        }
        if port == Port::Console {
            self.end_sessions();
        }
        for place in self.pool(port).places() {
            if let Some(mut c) = self.pool(port).slab.take_at(place.0, place.1) {
                let goes = self.tend_page(&mut c, place, has_row);
                self.put_page_back(c, place, goes);
                self.drive_page(port, place);
            }
        }
    }

    fn tend_page(&mut self, c: &mut Connection, place: (u32, u32), has_row: bool) -> Exchange {
        if let Task::Stream(_) = c.task {
            return self.tend_stream(c, place, has_row);
        }
        let waits = matches!(c.task, Task::LogIn { .. });
        if c.due_ms > self.engine.server.now.mono_ms || waits {
            return Exchange::Continues;
        }
        self.answer_late(c);
        Exchange::Ended
    }

    /// Answers a request that took too long. A page that has sent no byte of a request asked for
    /// nothing.
    fn answer_late(&mut self, c: &mut Connection) {
        if !matches!(c.task, Task::Read) || c.unsent() > 0 {
            return;
        }
        if c.port == Port::Metrics || !c.input.is_empty() {
            self.refuse_page(c.port, &mut c.stream, http::TIMED_OUT, http::TIMED_OUT.1);
        }
    }
}
