//! A machine's links, by their numbers.
//!
//! Invariants
//!   1. An event of an older generation of a slot finds no link.
//!   2. A link with messages is in `unsent`, or its socket is armed, or it is not open yet.
//!   3. A link with bytes to read that no event reports is in `unread`.
//!
//! Cost: O(1) a link; O(links) for `above`, `readable`, `bytes`.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use bytes::Bytes;
use mio::Registry;

use super::door::Door;
use super::link::{Link, LinkStage, Step};
use super::machine::LinkId;
use super::names::Lookups;
use russet_base::wake::Wake;
use russet_net::{ConnectAttempt, Destination, Listener, Role, Slab, Stream, Target};

/// See the module.
#[derive(Debug)]
pub struct Links {
    role: Role,
    slab: Slab<Box<Link>>,
    /// The slots.
    places: HashMap<LinkId, u32>,
    /// Links with messages queued in this turn.
    unsent: Vec<LinkId>,
    /// Links with bytes to read, or to connect, that no event reports.
    unread: Vec<LinkId>,
    pub(super) door: Door,
    pub(super) lookups: Lookups,
}

impl Links {
    /// `role`: of their tokens in the poll.
    pub fn new(role: Role) -> Links {
        Links {
            role,
            slab: Slab::default(),
            places: HashMap::new(),
            unsent: Vec::new(),
            unread: Vec::new(),
            door: Door::default(),
            lookups: Lookups::default(),
        }
    }

    /// Accepts connections from these sockets, from now on.
    pub fn listen(&mut self, listeners: Vec<Listener>) {
        self.door.listeners = listeners;
    }

    /// Registers the sockets that are listened on; `role`: of their tokens.
    pub fn register(&mut self, registry: &Registry, role: Role) -> io::Result<()> {
        self.door.register(registry, role)
    }

    /// The link that an event of the poll is about.
    pub(super) fn find(&self, token: Target) -> Option<LinkId> {
        let link = self.slab.at(token.slot)?;
        (link.token == token).then_some(link.id)
    }

    fn get(&self, id: LinkId) -> Option<&Link> {
        self.slab.at(*self.places.get(&id)?).map(Box::as_ref)
    }

    fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.slab.at_mut(*self.places.get(&id)?).map(Box::as_mut)
    }

    fn add(
        &mut self,
        id: LinkId,
        stage: impl FnOnce(Target) -> io::Result<LinkStage>,
    ) -> io::Result<()> {
        let (slot, generation) = self.slab.reserve();
        let token = Target {
            role: self.role,
            slot,
            generation,
        };
        let stage = stage(token).inspect_err(|_| self.slab.free(slot))?;
        self.slab
            .put_back(slot, Box::new(Link::new(id, token, stage)));
        self.places.insert(id, slot);
        Ok(())
    }

    /// Begins to open a link; its first address is tried when it is served.
    pub(super) fn dial(&mut self, id: LinkId, to: Destination, wake: Wake) -> io::Result<()> {
        self.add(id, |_| {
            let connecting = ConnectAttempt::begin(to, wake)?;
            Ok(LinkStage::Connecting(Box::new(connecting)))
        })?;
        self.unread.push(id);
        Ok(())
    }

    /// Adds a connection that the other end has opened.
    pub(super) fn accept(
        &mut self,
        id: LinkId,
        mut stream: Stream,
        registry: Option<&Registry>,
    ) -> io::Result<()> {
        self.add(id, |token| {
            let registry = registry.ok_or(ErrorKind::NotConnected)?;
            stream.register(registry, token.into())?;
            Ok(LinkStage::Open(stream))
        })
    }

    /// Queues a message.
    pub fn queue(&mut self, id: LinkId, message: Bytes) {
        let Some(link) = self.get_mut(id) else {
            return;
        };
        let is_first = link.unsent() == 0;
        link.push(message);
        if is_first {
            self.unsent.push(id);
        }
    }

    /// Closes a link after its last messages, as far as the socket takes them.
    pub fn close(&mut self, id: LinkId) {
        if let Some(link) = self.get_mut(id) {
            // Best effort: the peer may be gone.
            let _ = link.write();
        }
        self.remove(id);
    }

    fn remove(&mut self, id: LinkId) {
        if let Some(slot) = self.places.remove(&id) {
            self.slab.free(slot);
        }
    }

    /// Continues a link that has had an event, or may have more to read. A link that is refused or
    /// closed is gone.
    pub(super) fn step(
        &mut self,
        id: LinkId,
        registry: Option<&Registry>,
        buffer: &mut [u8],
    ) -> Step {
        let Some(link) = self.get_mut(id) else {
            return Step::Wait;
        };
        let step = link.step(registry, buffer);
        match step {
            Step::Opened { .. } => {
                let waits = link.unsent() > 0;
                self.unread.push(id);
                self.unsent.extend(waits.then_some(id));
            }
            Step::Refused(_) | Step::Closed => self.remove(id),
            Step::Wait | Step::Received { .. } => {}
        }
        step
    }

    /// Sends the messages of this turn, the messages of a link in one write. Returns the links that
    /// were lost, and are gone.
    pub(super) fn flush(&mut self, registry: Option<&Registry>) -> Vec<LinkId> {
        let mut lost = Vec::new();
        for id in std::mem::take(&mut self.unsent) {
            if let Some(link) = self.get_mut(id)
                && link.send(registry).is_err()
            {
                self.remove(id);
                lost.push(id);
            }
        }
        lost
    }

    /// A link may have more to be read.
    pub(super) fn read_later(&mut self, id: LinkId) {
        self.unread.push(id);
    }

    /// The links that may have more to be read than events report.
    pub(super) fn take_unread(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.unread)
    }

    /// Whether there is something to do that no event reports.
    pub(super) fn is_urgent(&self) -> bool {
        self.door.has_waiting || !self.unread.is_empty() || !self.unsent.is_empty()
    }

    /// The number of links.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Finds out by asking the kernel what may have something to be read: for a loop without a
    /// poll.
    pub(super) fn ask_all(&mut self) {
        let open = self
            .slab
            .iter()
            .filter_map(|(_, _, link)| match &link.stage {
                LinkStage::Open(stream) => Some((link.id, stream)),
                LinkStage::Connecting(_) => None,
            });
        let (ids, streams): (Vec<_>, Vec<&Stream>) = open.unzip();
        let found = ids.into_iter().zip(russet_net::readable(&streams));
        let readable = found.filter_map(|(id, ready)| ready.then_some(id));
        self.unread.extend(readable);
        self.door.has_waiting = true;
    }

    /// Links that have more to send than this, in bytes of memory.
    pub(super) fn above(&self, limit: u64) -> Vec<LinkId> {
        let links = self.slab.iter().map(|(_, _, link)| link);
        let long = links.filter(|link| link.queue_bytes() as u64 > limit);
        long.map(|link| link.id).collect()
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
        queued + self.slab.len() * size_of::<Link>()
    }
}
