//! Accepts clients: a bounded number per turn, from all listeners.
//!
//! The poll reports a listener once, so it stays in `waiting` until its queue was seen empty. A
//! listener that cannot be drained, because the process has no descriptor left, is `held`: it is
//! retried with cron and not before, even if more clients connect.

use crate::memory::limits::{count_refused, has_priority, is_full};
use std::io::{self, ErrorKind, Write};

use mio::net::TcpStream;

use super::Loop;

use crate::clients::client::Client;
use crate::clients::session::Session;
use russet_config::system_text;
use russet_net::tls::TlsLink;
use russet_net::{AcceptedStream, Address, LISTENERS_MAX, Role, Stream, Target};

/// The log reports at most a single failure in this time.
const REPORT_EVERY_MS: u64 = 10_000;

/// Listeners by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ListenerSet(u64);

const _: () = assert!(LISTENERS_MAX == u64::BITS as usize);

impl ListenerSet {
    fn insert(&mut self, at: usize) {
        self.0 |= 1 << at;
    }

    fn contains(self, at: usize) -> bool {
        self.0 >> at & 1 == 1
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn take_first(&mut self) -> Option<usize> {
        let first = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (first < LISTENERS_MAX).then_some(first)
    }
}

/// The listeners that must be served; see the module.
#[derive(Debug, Default)]
pub struct Acceptor {
    waiting: ListenerSet,
    held: ListenerSet,
    logged_ms: Option<u64>,
    /// Failures since the last report.
    unlogged: u64,
}

impl Acceptor {
    /// Connections are waiting at this listener.
    pub fn event(&mut self, listener: usize) {
        if !self.held.contains(listener) {
            self.waiting.insert(listener);
        }
    }

    /// Whether no listener has connections left to accept.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Retries listeners that failed.
    pub(crate) fn retry(&mut self) {
        self.waiting.0 |= std::mem::take(&mut self.held).0;
    }

    fn fail(&mut self, listener: usize, error: &io::Error, now_ms: u64) {
        self.held.insert(listener);
        if self
            .logged_ms
            .is_some_and(|reported| now_ms - reported < REPORT_EVERY_MS)
        {
            self.unlogged += 1;
            return;
        }
        self.logged_ms = Some(now_ms);
        let why = system_text(error);
        match std::mem::take(&mut self.unlogged) {
            0 => tracing::warn!("Accepting client connection: accept: {why}"),
            n => tracing::warn!("Accepting client connection: accept: {why} ({n} more of these)"),
        }
    }
}

impl Loop {
    /// Accepts clients from the sockets in `Server::listeners` (start-up, CONFIG SET port or bind).
    pub fn listen(&mut self) -> io::Result<()> {
        let listeners = &mut self.engine.server.connections.listeners;
        for old in &mut *listeners {
            old.deregister(&self.registry);
        }
        (self.acceptor.waiting, self.acceptor.held) = Default::default();
        for (i, listener) in listeners.iter_mut().enumerate() {
            let token = Target::lasting(Role::Listener, i).into();
            listener.register(&self.registry, token)?;
            // Clients may have connected before the registration: that edge was missed.
            self.acceptor.event(i);
        }
        self.listen_for_http()
    }

    pub(crate) fn accept_waiting(&mut self) {
        let config = &self.engine.server.config;
        let mut plain_left = config.max_new_connections_per_cycle;
        let mut tls_left = config.max_new_tls_connections_per_cycle;
        let mut unfinished = ListenerSet::default();
        while let Some(i) = self.acceptor.waiting.take_first() {
            while let Some(listener) = self.engine.server.connections.listeners.get(i) {
                let left = if listener.is_tls() {
                    &mut tls_left
                } else {
                    &mut plain_left
                };
                if *left == 0 {
                    unfinished.insert(i);
                    break;
                }
                *left -= 1;
                match listener.accept() {
                    Ok((AcceptedStream::Plain(stream), peer)) => self.welcome(stream, peer),
                    Ok((AcceptedStream::Tls(socket), peer)) => self.welcome_tls(socket, peer),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if is_aborted(&e) => {}
                    Err(e) => {
                        let now = self.engine.server.now.mono_ms;
                        self.acceptor.fail(i, &e, now);
                        break;
                    }
                }
            }
        }
        self.acceptor.waiting = unfinished;
    }

    /// Accepts a TLS client, which must complete its handshake first: a refusal with an error line
    /// is sent only after that.
    pub fn welcome_tls(&mut self, socket: TcpStream, peer: Address) {
        let server = &mut self.engine.server;
        if is_full(&server.config, &server.clients, &peer) {
            count_refused(&mut server.stats, &server.config, &peer);
            return;
        }
        let Some(materials) = server.connections.tls.materials() else {
            return;
        };
        match TlsLink::accepted(socket, &materials.server) {
            Ok(link) => self.take_in(Stream::Tls(Box::new(link)), peer),
            Err(error) => tracing::warn!("Accepting a client connection under TLS: {error}"),
        }
    }

    pub fn welcome(&mut self, mut stream: Stream, peer: Address) {
        let server = &mut self.engine.server;
        if let Some(refusal) = server.refuses(&peer) {
            // Best effort: a peer that does not read it is closed all the same.
            let _ = stream.write(refusal.as_bytes());
            count_refused(&mut server.stats, &server.config, &peer);
            return;
        }
        self.take_in(stream, peer);
    }

    fn take_in(&mut self, stream: Stream, peer: Address) {
        let server = &mut self.engine.server;
        stream.tune(server.config.tcp_keepalive as u64);
        let (local, fd) = (stream.local(), stream.fd());
        let id = server.clients.next_id();
        let has_priority = has_priority(&server.config, &peer);
        let mut client = Client::new(id, peer, local, fd, server.now.mono_ms);
        client.has_priority = has_priority;
        server.acl.greet(&mut client);
        server.stats.clients.connections += 1;
        let is_handshaking = stream.is_handshaking();
        if is_handshaking {
            server
                .connections
                .tls
                .handshakes
                .begin(id, server.now.mono_ms);
        } else {
            server.acl.enter_account(&mut client);
        }
        tracing::trace!(client = id.0, "Accepted {}", client.identity.peer);
        let session = Box::new(Session::new(client, Some(stream)));
        let (slot, generation) = server.clients.add(session);
        let mut session = server
            .clients
            .take_at(slot, generation)
            .expect("just added");
        if is_handshaking && server.connections.io_threads.takes_clients {
            server.connections.io_threads.adopt(&mut session);
            return server.clients.put_back(session);
        }
        let token = Target::client(slot, generation).into();
        let registered = session
            .stream
            .as_mut()
            .expect("a connection")
            .register(&self.registry, token);
        match registered {
            Ok(()) => server.clients.put_back(session),
            Err(e) => {
                tracing::warn!("Registering a client: {e}");
                self.close(session);
            }
        }
    }
}

fn is_aborted(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_each_of_its_numbers_once() {
        let mut set = ListenerSet::default();
        assert_eq!(set.take_first(), None);
        for i in [63, 0, 7, 63] {
            set.insert(i);
        }
        let taken: Vec<usize> = std::iter::from_fn(|| set.take_first()).collect();
        assert_eq!(taken, [0, 7, 63]);
        assert!(set.is_empty());
    }

    #[test]
    fn a_listener_that_failed_is_left_alone_until_it_is_tried_again() {
        let mut acceptor = Acceptor::default();
        let full = io::Error::from_raw_os_error(libc::EMFILE);
        acceptor.event(0);
        assert_eq!(acceptor.waiting.take_first(), Some(0));
        acceptor.fail(0, &full, 0);
        for _ in 0..20 {
            acceptor.event(0);
        }
        assert!(acceptor.is_idle());
        acceptor.event(1);
        assert_eq!(acceptor.waiting.take_first(), Some(1));
        acceptor.retry();
        assert_eq!(acceptor.waiting.take_first(), Some(0));
        assert!(acceptor.is_idle());
    }
}
