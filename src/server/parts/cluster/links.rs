//! The links of the bus: connections with the messages that they have not sent yet.
//!
//! A message to many nodes is one allocation: each link holds a reference. A link's queue is
//! bounded by `cluster-link-sendbuf-limit`, which the driver checks; without a limit it grows until
//! the peer reads or the core gives the link up.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, IoSlice, Write};

use bytes::Bytes;

use russet_host::LinkId;
use russet_net::{Connecting, Slab, Stream};

/// Messages in one write.
const PIECES_MAX: usize = 64;
/// Room for so many messages is kept when all are sent.
const QUEUE_KEPT: usize = 4;

/// The stage of a link.
pub(in crate::server) enum BusStage {
    Connecting(Box<Connecting>),
    Open(Stream),
}

/// See the module.
pub(in crate::server) struct BusConnection {
    pub id: LinkId,
    pub stage: BusStage,
    /// Messages not sent yet; of the first one, `sent` bytes are gone.
    queue: VecDeque<Bytes>,
    sent: usize,
    /// Bytes of the queue that are still to be sent.
    unsent: usize,
    pub write_armed: bool,
}

/// A write came to its end: everything is sent, or the socket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Wrote {
    All,
    Full,
}

impl BusConnection {
    pub fn new(id: LinkId, stage: BusStage) -> BusConnection {
        BusConnection {
            id,
            stage,
            queue: VecDeque::new(),
            sent: 0,
            unsent: 0,
            write_armed: false,
        }
    }

    /// Queues a message.
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

    /// Writes as much as the socket takes. Error: the link is lost.
    pub fn send(&mut self) -> Result<Wrote, ()> {
        let BusStage::Open(stream) = &mut self.stage else {
            return Ok(Wrote::Full);
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
                Ok(0) => return Err(()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Wrote::Full),
                Err(_) => return Err(()),
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
        match stream.flush() {
            Ok(()) => Ok(Wrote::All),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Wrote::Full),
            Err(_) => Err(()),
        }
    }
}

/// All links.
#[derive(Default)]
pub(in crate::server) struct Links {
    pub slab: Slab<Box<BusConnection>>,
    /// Slot and generation.
    pub places: HashMap<LinkId, (u32, u32)>,
    /// Links with messages queued in this round.
    pub unsent: Vec<(u32, u32)>,
    /// Links with bytes to read that no event reports.
    pub unread: Vec<(u32, u32)>,
}

impl Links {
    pub fn get(&self, id: LinkId) -> Option<&BusConnection> {
        let &(slot, _) = self.places.get(&id)?;
        self.slab.at(slot).map(Box::as_ref)
    }

    /// Adds a link; returns its place.
    pub fn add(&mut self, link: BusConnection) -> (u32, u32) {
        let id = link.id;
        let (slot, generation) = self.slab.reserve();
        self.slab.put_back(slot, Box::new(link));
        self.places.insert(id, (slot, generation));
        (slot, generation)
    }

    /// Drops a link that has been taken out.
    pub fn drop_taken(&mut self, slot: u32, id: LinkId) {
        self.slab.free(slot);
        self.places.remove(&id);
    }

    /// Queues a message; those of one round leave in one write.
    pub fn queue(&mut self, id: LinkId, message: Bytes) {
        let Some(&(slot, generation)) = self.places.get(&id) else {
            return;
        };
        if let Some(link) = self.slab.at_mut(slot) {
            if link.unsent() == 0 {
                self.unsent.push((slot, generation));
            }
            link.push(message);
        }
    }

    /// Closes a link that the core gives up, after its last messages as far as the socket takes
    /// them.
    pub fn close(&mut self, id: LinkId) {
        if let Some((slot, generation)) = self.places.remove(&id)
            && let Some(mut link) = self.slab.take_at(slot, generation)
        {
            // Best effort: the peer may be gone.
            let _ = link.send();
            self.slab.free(slot);
        }
    }

    /// Bytes (allocated, used) that a link has not sent yet.
    pub fn queued(&self, id: LinkId) -> (usize, usize) {
        let link = self.get(id);
        link.map_or((0, 0), |link| (link.queue_bytes(), link.unsent()))
    }

    /// Memory of all links.
    pub fn bytes(&self) -> usize {
        let links = self.slab.iter();
        let queued: usize = links.map(|(_, _, link)| link.queue_bytes()).sum();
        queued + self.slab.len() * size_of::<BusConnection>()
    }
}
