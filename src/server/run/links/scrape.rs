//! Scrapes and probes: HTTP on `metrics-port`, a role of its own beside clients.
//!
//! They are few, short and not clients: they run no command, are not counted among the clients, and
//! need not wait for the end of a turn, because an answer acknowledges nothing. Their bounds:
//! [`SCRAPES_MAX`] at a time, [`REQUEST_BYTES_MAX`] of request, one answer, and [`LIMIT_MS`] in
//! total. One more takes the place of the request that has been incomplete for longest, or of the
//! answer that has not been taken for longest. `observe::metrics` makes the answers.

use std::io::{self, ErrorKind, Write};

use mio::event::Event;

use crate::server::observe::metrics;
use crate::server::observe::metrics::Answer;
use crate::server::observe::metrics::http::REQUEST_BYTES_MAX;
use crate::server::parts::observe::scrapes::{Scrape, Scrapes};
use crate::server::run::Loop;
use russet_net::{Accepted, Address, Role, Stream, Target, readable};

/// Connections at a time.
const SCRAPES_MAX: usize = 32;
/// Time limit from accepting the connection to the end of the answer.
const LIMIT_MS: u64 = 10_000;
/// Connections accepted per event; the rest wait for cron.
const ACCEPTS_MAX: usize = 64;

/// Whether a connection continues.
#[derive(PartialEq, Eq)]
enum Exchange {
    Continues,
    Ended,
}

impl Loop {
    fn scrapes(&mut self) -> &mut Scrapes {
        &mut self.engine.server.connections.scrapes
    }

    /// Accepts scrapes from the sockets in `Metrics::listeners` (start-up, CONFIG SET).
    pub(in crate::server) fn listen_for_scrapes(&mut self) -> io::Result<()> {
        let metrics = &mut self.engine.server.diagnostics.metrics;
        for (i, listener) in metrics.listeners.iter_mut().enumerate() {
            listener.deregister(&self.registry);
            listener.register(
                &self.registry,
                Target::lasting(Role::MetricsListener, i).into(),
            )?;
        }
        // A connection may have arrived before the registration.
        self.scrapes().waiting = true;
        Ok(())
    }

    pub(in crate::server) fn accept_scrapes(&mut self) {
        self.scrapes().waiting = false;
        let mut left = ACCEPTS_MAX;
        for i in 0..self.engine.server.diagnostics.metrics.listeners.len() {
            loop {
                if left == 0 {
                    self.scrapes().waiting = true;
                    return;
                }
                left -= 1;
                match self.engine.server.diagnostics.metrics.listeners[i].accept() {
                    Ok((Accepted::Plain(stream), peer)) => self.welcome_scrape(stream, &peer),
                    // These sockets are never under TLS.
                    Ok((Accepted::Tls(_), _)) => {}
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                    // Perhaps no descriptor is left: cron tries again.
                    Err(e) => {
                        tracing::debug!("Accepting a scrape: {e}");
                        self.scrapes().waiting = true;
                        break;
                    }
                }
            }
        }
    }

    fn welcome_scrape(&mut self, mut stream: Stream, peer: &Address) {
        let may_scrape = self.engine.server.may_scrape(peer);
        if may_scrape && self.scrapes().slab.len() >= SCRAPES_MAX {
            self.end_longest_waiting();
        }
        let server = &mut self.engine.server;
        let scrapes = &mut server.connections.scrapes.slab;
        let refusal = match scrapes.len() {
            _ if !may_scrape => metrics::forbidden(),
            SCRAPES_MAX.. => metrics::too_many(),
            _ => {
                let (slot, generation) = scrapes.reserve();
                let token = Target::scrape(slot, generation).into();
                if let Err(e) = stream.register(&self.registry, token) {
                    tracing::warn!("Registering a scrape: {e}");
                    scrapes.free(slot);
                    return;
                }
                let scrape = Box::new(Scrape {
                    stream,
                    request: Vec::new(),
                    answer: Vec::new(),
                    sent: 0,
                    write_armed: false,
                    due_ms: server.now.mono_ms + LIMIT_MS,
                });
                scrapes.put_back(slot, scrape);
                // Its request is usually there: once read, later connections cannot take its place.
                self.drive_scrape(slot, generation, true);
                return;
            }
        };
        server.diagnostics.metrics.figures.refused += 1;
        // Best effort: a peer that does not read it is closed all the same.
        let _ = stream.write(&refusal);
    }

    /// Makes room for another connection, so that those that send half a request, or take no
    /// answer, keep no health check out.
    fn end_longest_waiting(&mut self) {
        let scrapes = self.scrapes().slab.iter();
        let longest = scrapes
            .min_by_key(|(_, _, scrape)| (!scrape.answer.is_empty(), scrape.due_ms))
            .map(|(slot, ..)| slot);
        if let Some(slot) = longest {
            self.end_late_scrape(slot);
        }
    }

    /// Closes a connection whose request took too long, with that as the answer if there was
    /// none yet.
    fn end_late_scrape(&mut self, slot: u32) {
        let Some(mut scrape) = self.scrapes().slab.take(slot) else {
            return;
        };
        if scrape.answer.is_empty() {
            self.engine.server.diagnostics.metrics.figures.refused += 1;
            // Best effort: a peer that does not read it is closed all the same.
            let _ = scrape.stream.write(&metrics::timed_out());
        }
        scrape.stream.deregister(&self.registry);
        self.scrapes().slab.free(slot);
    }

    pub(in crate::server) fn scrape_event(&mut self, slot: u32, generation: u32, event: &Event) {
        self.drive_scrape(slot, generation, event.is_readable());
    }

    /// Asks the kernel which connections are readable, and serves those and unfinished answers.
    /// O(scrapes).
    pub(in crate::server) fn serve_scrapes(&mut self) {
        let scrapes = &self.engine.server.connections.scrapes.slab;
        let all: Vec<(u32, u32, &Box<Scrape>)> = scrapes.iter().collect();
        let streams: Vec<&Stream> = all.iter().map(|(_, _, scrape)| &scrape.stream).collect();
        let ready = readable(&streams);
        let ready: Vec<(u32, u32, bool)> = all
            .iter()
            .zip(ready)
            .map(|(&(slot, generation, _), ready)| (slot, generation, ready))
            .collect();
        for (slot, generation, ready) in ready {
            self.drive_scrape(slot, generation, ready);
        }
    }

    /// Reads if it is readable, and writes pending bytes of the answer.
    fn drive_scrape(&mut self, slot: u32, generation: u32, is_readable: bool) {
        let Some(mut scrape) = self.scrapes().slab.take_at(slot, generation) else {
            return;
        };
        let mut goes = Exchange::Continues;
        if is_readable && scrape.answer.is_empty() {
            goes = self.read_scrape(&mut scrape);
        }
        if goes == Exchange::Continues && !scrape.answer.is_empty() {
            let token = Target::scrape(slot, generation);
            goes = self.write_scrape(&mut scrape, token);
        }
        match goes {
            Exchange::Continues => self.scrapes().slab.put_back(slot, scrape),
            Exchange::Ended => {
                scrape.stream.deregister(&self.registry);
                self.scrapes().slab.free(slot);
            }
        }
    }

    /// Reads until the socket is empty or the request whole.
    fn read_scrape(&mut self, scrape: &mut Scrape) -> Exchange {
        let mut bytes = [0; 2048];
        loop {
            match scrape.stream.fill(&mut bytes) {
                Ok((0, _)) => return Exchange::Ended,
                Ok((n, _)) => {
                    scrape.request.extend_from_slice(&bytes[..n]);
                    // Bytes beyond the limit are not kept.
                    scrape.request.truncate(REQUEST_BYTES_MAX);
                    if let Answer::Send(answer) = self.engine.answer_scrape(&scrape.request) {
                        scrape.answer = answer;
                        scrape.request = Vec::new();
                        return Exchange::Continues;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Exchange::Continues,
                Err(_) => return Exchange::Ended,
            }
        }
    }

    /// Writes as much as the socket takes.
    fn write_scrape(&mut self, scrape: &mut Scrape, token: Target) -> Exchange {
        while scrape.sent < scrape.answer.len() {
            match scrape.stream.write(&scrape.answer[scrape.sent..]) {
                Ok(0) => return Exchange::Ended,
                Ok(n) => scrape.sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if scrape.write_armed {
                        return Exchange::Continues;
                    }
                    scrape.write_armed = true;
                    let armed = scrape.stream.want_write(&self.registry, token.into(), true);
                    return armed.map_or(Exchange::Ended, |()| Exchange::Continues);
                }
                Err(_) => return Exchange::Ended,
            }
        }
        Exchange::Ended
    }

    /// Called by cron: closes connections whose time is up, accepts those that could not be.
    pub(in crate::server) fn tend_scrapes(&mut self) {
        let now_ms = self.engine.server.now.mono_ms;
        let due: Vec<u32> = self
            .scrapes()
            .slab
            .iter()
            .filter_map(|(slot, _, scrape)| (scrape.due_ms <= now_ms).then_some(slot))
            .collect();
        for slot in due {
            self.end_late_scrape(slot);
        }
        if self.scrapes().waiting {
            self.accept_scrapes();
        }
    }
}
