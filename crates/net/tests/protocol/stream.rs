//! Sockets in memory: edges are announced to the poll in which they are registered, and the state
//! when they are registered, as epoll does. They take few bytes, so that writes fail often.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::RawFd;

use mio::Token;
use rustls::pki_types::CertificateDer;
use shuttle::sync::{Arc, Mutex};

use crate::io_thread::Handoff;
use crate::outside::{Event, Registry};

/// Bytes that a socket takes which the peer has not read.
const ROOM: usize = 5;

#[derive(Debug, Default)]
struct State {
    incoming: VecDeque<u8>,
    has_ended: bool,
    outgoing: VecDeque<u8>,
    /// This side has closed it.
    is_closed: bool,
    registered: Option<(Registry, usize, bool)>,
    /// Where the peer polls: it gets an event whenever something has changed.
    peer: Registry,
}

impl State {
    /// Announces what is the case.
    fn announce(&self) {
        if let Some((registry, token, wants_write)) = &self.registered {
            let event = Event {
                token: *token,
                readable: !self.incoming.is_empty() || self.has_ended,
                writable: *wants_write && self.outgoing.len() < ROOM,
                closed: self.has_ended,
            };
            if event.readable || event.writable {
                registry.announce(event);
            }
        }
    }

    fn announce_to_peer(&self) {
        let readable = true;
        self.peer.announce(Event {
            readable,
            ..Event::default()
        });
    }
}

/// A side of a connection; the server's closes it when it is dropped.
#[derive(Debug)]
pub struct Socket(Arc<Mutex<State>>);

impl Drop for Socket {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.lock() {
            state.is_closed = true;
            state.announce_to_peer();
        }
    }
}

/// The other side.
pub struct Peer(Arc<Mutex<State>>);

impl Peer {
    /// Both sides of a connection; `news` is where the peer polls.
    pub fn connect(news: &Registry) -> (Peer, Stream) {
        let state = Arc::new(Mutex::new(State {
            peer: news.clone(),
            ..State::default()
        }));
        (Peer(Arc::clone(&state)), Stream::Socket(Socket(state)))
    }

    pub fn write(&self, bytes: &[u8]) {
        let mut state = self.0.lock().expect("a lock");
        state.incoming.extend(bytes);
        state.announce();
    }

    /// All that has come, and whether the server has closed the connection.
    pub fn read(&self) -> (Vec<u8>, bool) {
        let mut state = self.0.lock().expect("a lock");
        let was_full = state.outgoing.len() == ROOM;
        let all = state.outgoing.drain(..).collect();
        if was_full {
            state.announce();
        }
        (all, state.is_closed)
    }

    pub fn end(&self) {
        let mut state = self.0.lock().expect("a lock");
        state.has_ended = true;
        state.announce();
    }
}

#[derive(Debug)]
pub enum Stream {
    Socket(Socket),
    Handoff(Box<Handoff>),
}

/// No connection here is of this kind.
pub struct Tls;

impl Tls {
    pub fn peer_der(&self) -> Option<&CertificateDer<'static>> {
        None
    }
}

impl Stream {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        match self {
            Stream::Socket(socket) => work(&mut socket.0.lock().expect("a lock")),
            Stream::Handoff(_) => panic!("its io_thread has the socket"),
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.want_write(registry, token, false)
    }

    pub fn want_write(&mut self, registry: &Registry, token: Token, on: bool) -> io::Result<()> {
        self.with(|state| {
            state.registered = Some((registry.clone(), token.0, on));
            state.announce();
        });
        Ok(())
    }

    pub fn deregister(&mut self, registry: &Registry) {
        self.with(|state| {
            if let Some((_, token, _)) = state.registered.take() {
                registry.forget(token);
            }
        });
    }

    pub fn handoff(&mut self) -> Option<&mut Handoff> {
        match self {
            Stream::Handoff(handoff) => Some(handoff),
            Stream::Socket(_) => None,
        }
    }

    pub fn tls(&self) -> Option<&Tls> {
        None
    }

    pub fn is_handshaking(&self) -> bool {
        false
    }

    pub fn has_unsent(&self) -> bool {
        false
    }

    pub fn shut_down(&self) {
        self.with(|state| {
            state.has_ended = true;
            state.announce();
        });
    }

    pub fn fd(&self) -> RawFd {
        0
    }

    pub fn fill(&mut self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        if let Stream::Handoff(handoff) = self {
            return handoff.fill(into);
        }
        self.with(|state| {
            let n = state.incoming.len().min(into.len());
            if n == 0 && !state.has_ended {
                return Err(ErrorKind::WouldBlock.into());
            }
            into[..n]
                .iter_mut()
                .zip(state.incoming.drain(..n))
                .for_each(|(to, from)| *to = from);
            Ok((n, false))
        })
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Stream::Handoff(handoff) = self {
            return handoff.write(bytes);
        }
        self.with(|state| {
            let n = bytes.len().min(ROOM - state.outgoing.len());
            if n == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            state.outgoing.extend(&bytes[..n]);
            state.announce_to_peer();
            Ok(n)
        })
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        self.write(&all)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
