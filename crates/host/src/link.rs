//! A link: a socket with the messages that have not left yet.
//!
//! Messages are shared: a message to many links is one allocation. A link's queue has no bound of
//! its own; the driver closes a link that has too much to send ([`super::Links::above`]).
//!
//! Cost: one vectored write for up to [`PIECES_MAX`] messages.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::Bytes;
use mio::Registry;

use super::machine::LinkId;
use russet_net::{Address, ConnectAttempt, Stream, Target};

/// Messages in a single write.
const PIECES_MAX: usize = 64;
/// Room for so many messages is kept when all are sent.
const QUEUE_KEPT: usize = 4;

/// The stage of a link.
#[derive(Debug)]
pub(super) enum LinkStage {
    Connecting(Box<ConnectAttempt>),
    Open(Stream),
}

/// A link with its queue.
#[derive(Debug)]
pub(super) struct Link {
    pub id: LinkId,
    pub token: Target,
    pub stage: LinkStage,
    /// Messages not sent yet; of the first message, `sent` bytes are gone.
    queue: VecDeque<Bytes>,
    sent: usize,
    /// Bytes of the queue that are still to be sent.
    unsent: usize,
    /// The poll reports when the socket takes more.
    pub is_armed: bool,
}

/// The link is lost.
pub(super) struct LostLink;

/// The outcome of a step on a link; see [`super::Links::step`].
#[derive(Debug)]
pub enum Step {
    /// The link waits for an event.
    Wait,
    /// It is open. Bytes that have arrived meanwhile cause no further event.
    Opened {
        /// The address of our end, as text; empty if the system does not report it.
        local_ip: Vec<u8>,
    },
    /// Bytes are in the buffer.
    Received {
        /// The number of bytes.
        bytes: usize,
        /// There may be more that no event reports.
        more: bool,
    },
    /// The link could not be opened, for this reason.
    Refused(String),
    /// The other end has closed it, or an error has.
    Closed,
}

impl Link {
    pub fn new(id: LinkId, token: Target, stage: LinkStage) -> Link {
        Link {
            id,
            token,
            stage,
            queue: VecDeque::new(),
            sent: 0,
            unsent: 0,
            is_armed: false,
        }
    }

    pub fn push(&mut self, message: Bytes) {
        self.unsent += message.len();
        self.queue.push_back(message);
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Memory of waiting messages. Messages that links share are counted by each of them, as in
    /// Redis.
    pub fn queue_bytes(&self) -> usize {
        self.unsent + self.sent + self.queue.capacity() * size_of::<Bytes>()
    }

    /// Writes as much as the socket takes; a full socket is armed.
    pub fn send(&mut self, registry: Option<&Registry>) -> Result<(), LostLink> {
        let is_full = match self.write() {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => return Err(LostLink),
        };
        if is_full != self.is_armed
            && let LinkStage::Open(stream) = &mut self.stage
            && let Some(registry) = registry
        {
            let armed = stream.want_write(registry, self.token.into(), is_full);
            armed.map_err(|_| LostLink)?;
            self.is_armed = is_full;
        }
        Ok(())
    }

    /// Writes everything. `WouldBlock`: the socket is full.
    pub fn write(&mut self) -> io::Result<()> {
        let LinkStage::Open(stream) = &mut self.stage else {
            return Ok(());
        };
        while self.unsent > 0 {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let mut count = 0;
            for (piece, message) in pieces.iter_mut().zip(&self.queue) {
                let from = if count == 0 { self.sent } else { 0 };
                *piece = IoSlice::new(&message[from..]);
                count += 1;
            }
            let n = match stream.write_vectored(&pieces[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                written => written?,
            };
            self.unsent -= n;
            self.sent += n;
            while let Some(first) = self.queue.front()
                && self.sent >= first.len()
            {
                self.sent -= first.len();
                self.queue.pop_front();
            }
        }
        if self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
        stream.flush()
    }

    /// A step after an event: continues to connect, sends what the socket takes now, or reads
    /// once.
    pub fn step(&mut self, registry: Option<&Registry>, buffer: &mut [u8]) -> Step {
        if let LinkStage::Connecting(connecting) = &mut self.stage {
            let Some(registry) = registry else {
                return Step::Refused("there is no poll".to_owned());
            };
            return match connecting.advance(registry, self.token.into()) {
                Ok(Some(stream)) => {
                    stream.tune(0);
                    let local_ip = ip(&stream.local());
                    self.stage = LinkStage::Open(stream);
                    Step::Opened { local_ip }
                }
                Ok(None) => Step::Wait,
                Err(error) => Step::Refused(russet_base::text::system_text(&error)),
            };
        }
        // The messages of this turn wait for the turn's end; TLS may have bytes to send by itself.
        if (self.is_armed || self.unsent == 0) && self.send(registry).is_err() {
            return Step::Closed;
        }
        let LinkStage::Open(stream) = &mut self.stage else {
            return Step::Wait;
        };
        loop {
            return match stream.fill(buffer) {
                Ok((bytes @ 1.., more)) => Step::Received { bytes, more },
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Wait,
                Ok((0, _)) | Err(_) => Step::Closed,
            };
        }
    }
}

/// An address without its port, as machines know it.
pub(super) fn ip(address: &Address) -> Vec<u8> {
    match address {
        Address::Tcp(address) => address.ip().to_canonical().to_string().into_bytes(),
        Address::Unix(_) | Address::Unknown => Vec::new(),
    }
}
