//! The links that this node has dialled: to the source of slots, or to their target.
//!
//! A link that brings a source's commands has a session, which runs them like a client without a
//! socket. Output has no limit here, because an export pauses its snapshot while much output waits
//! (`MigrationDriver::awaits_room`). A link that is given up is closed when everything is sent, or
//! at a time limit (`closes_at_ms`).
//!
//! Cost: O(1) by number; O(links), which are few, by place. Read buffer and batch are shared by all
//! links, and freed with the last link. Which link is dialled, and why:
//! `russet_cluster::migration`.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};

use super::inbox::Inbox;
use crate::clients::batch::Batch;
use crate::clients::client::{Client, ClientFlags};
use crate::clients::session::Session;
use russet_keyspace::ClientId;
use russet_net::{ConnectAttempt, Slab, Stream};

/// The stage of a link.
pub enum MigrationLinkStage {
    Connecting(Box<ConnectAttempt>),
    Open(Stream),
}

/// See the module.
pub struct OutgoingLink {
    pub number: u64,
    pub stage: MigrationLinkStage,
    out: Vec<u8>,
    sent: usize,
    /// Received bytes that have not been parsed.
    pub input: Inbox,
    /// Runs the source's commands. `None` while it does.
    pub session: Option<Box<Session>>,
    pub write_armed: bool,
    /// The link is closed once everything has been sent, or at this moment, monotonic milliseconds.
    pub closes_at_ms: Option<u64>,
    /// The socket has ended; commands received before may still run.
    pub is_over: bool,
    /// The last command is incomplete: more must be read.
    pub lacks_bytes: bool,
    /// The link's commands run; before, they were only kept.
    pub is_running: bool,
}

impl OutgoingLink {
    pub fn new(number: u64, stage: MigrationLinkStage) -> OutgoingLink {
        let mut client = Client::fake(ClientId(u64::MAX - 1));
        client.flags |= ClientFlags::SENDS_SLOTS;
        OutgoingLink {
            number,
            stage,
            out: Vec::new(),
            sent: 0,
            input: Inbox::default(),
            session: Some(Box::new(Session::new(client, None))),
            write_armed: false,
            closes_at_ms: None,
            is_over: false,
            lacks_bytes: true,
            is_running: false,
        }
    }

    pub fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Writes until the socket is full. `Ok(true)`: everything has been sent. Error: the link is
    /// lost.
    pub fn write(&mut self) -> Result<bool, ()> {
        let MigrationLinkStage::Open(stream) = &mut self.stage else {
            return Ok(self.out.is_empty());
        };
        while self.sent < self.out.len() {
            match stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(()),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(()),
            }
        }
        self.out.clear();
        self.out.shrink_to(64 * 1024);
        self.sent = 0;
        match stream.flush() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(()),
        }
    }
}

/// All of them; few.
#[derive(Default)]
pub struct Links {
    pub slab: Slab<Box<OutgoingLink>>,
    places: HashMap<u64, (u32, u32)>,
    /// Links with bytes to read or to run that no event reports.
    pub unread: Vec<u64>,
    /// The buffer that sockets are read into.
    pub buffer: Vec<u8>,
    /// Memory for commands that are parsed ahead.
    pub batch: Batch,
}

impl Links {
    pub fn add(&mut self, link: OutgoingLink) {
        let number = link.number;
        let (slot, generation) = self.slab.reserve();
        self.slab.put_back(slot, Box::new(link));
        self.places.insert(number, (slot, generation));
    }

    pub fn place(&self, number: u64) -> Option<(u32, u32)> {
        self.places.get(&number).copied()
    }

    pub fn number_at(&self, slot: u32, generation: u32) -> Option<u64> {
        let found = self
            .places
            .iter()
            .find(|(_, place)| **place == (slot, generation));
        found.map(|(number, _)| *number)
    }

    pub fn get(&self, number: u64) -> Option<&OutgoingLink> {
        let (slot, _) = self.place(number)?;
        self.slab.at(slot).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut OutgoingLink> {
        let (slot, _) = self.place(number)?;
        self.slab.at_mut(slot).map(Box::as_mut)
    }

    pub fn remove(&mut self, number: u64) {
        if let Some((slot, generation)) = self.places.remove(&number)
            && self.slab.take_at(slot, generation).is_some()
        {
            self.slab.free(slot);
        }
        if self.places.is_empty() {
            (self.buffer, self.batch) = Default::default();
        }
    }

    pub fn send(&mut self, number: u64, bytes: &[u8]) {
        if let Some(link) = self.get_mut(number) {
            link.out.extend_from_slice(bytes);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn numbers(&self) -> Vec<u64> {
        self.places.keys().copied().collect()
    }

    /// Bytes of buffers: (output, input).
    pub fn bytes(&self) -> (usize, usize) {
        let all = || self.slab.iter().map(|(_, _, link)| link);
        let output = all().map(|link| link.out.capacity()).sum();
        (output, all().map(|link| link.input.capacity()).sum())
    }
}
