//! All connected clients, by the slot of their token and by their id.
//!
//! Invariant: a session is taken out while it is served, so `iter` and `get` do not see it; `len`
//! and `is_connected` count it. O(1) but for iteration.

use russet_config::Config;
use std::collections::HashMap;

use crate::clients::client::Client;
use crate::clients::session::Session;
use russet_encodings::prefetch::prefetch;
use russet_keyspace::ClientId;
use russet_net::Slab;
use russet_resp::Reply;

/// All connected clients. A client whose command runs is taken out meanwhile.
#[derive(Default)]
pub struct Clients {
    slab: Slab<Box<Session>>,
    by_id: HashMap<ClientId, u32, ahash::RandomState>,
    last_id: u64,
    /// The number of clients with a reserved connection.
    with_priority: usize,
    /// The number of blocked clients.
    pub blocked: usize,
}

impl Clients {
    /// The next client's id.
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// Memory of the table itself, bytes.
    pub fn table_bytes(&self) -> usize {
        let by_id = self.by_id.capacity() * (size_of::<(ClientId, u32)>() + 1);
        self.slab.table_bytes() + by_id
    }

    /// Number of connected clients, the running client included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    #[cfg(feature = "testing")]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Number of clients with a reserved connection, the running client included.
    pub fn with_priority(&self) -> usize {
        self.with_priority
    }

    /// Adds a session and sets its slot and generation; returns them.
    pub fn add(&mut self, mut session: Box<Session>) -> (u32, u32) {
        let at = self.slab.reserve();
        (session.slot, session.generation) = at;
        self.by_id.insert(session.client.id, session.slot);
        self.with_priority += usize::from(session.client.has_priority);
        self.slab.put_back(session.slot, session);
        at
    }

    /// Takes a session out to run its commands; `None` if the connection is gone.
    #[inline]
    pub fn take_at(&mut self, slot: u32, generation: u32) -> Option<Box<Session>> {
        self.slab.take_at(slot, generation)
    }

    /// Whether the connection exists and its session is lent out.
    pub(crate) fn is_taken_out(&self, slot: u32, generation: u32) -> bool {
        self.slab.is_taken_out(slot, generation)
    }

    /// The session in a slot, if it is not taken out.
    pub fn at(&self, slot: u32) -> Option<&Session> {
        self.slab.at(slot).map(Box::as_ref)
    }

    /// As [`Clients::at`], to change it.
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.slab.at_mut(slot).map(Box::as_mut)
    }

    pub fn take(&mut self, id: ClientId) -> Option<Box<Session>> {
        let slot = *self.by_id.get(&id)?;
        self.slab.take(slot)
    }

    /// Number of slots: every client's slot is below it.
    pub fn slots(&self) -> u32 {
        self.slab.slots()
    }

    /// As [`Clients::take`], by slot; `None` also if the slot is free.
    pub fn take_slot(&mut self, slot: u32) -> Option<Box<Session>> {
        self.slab.take(slot)
    }

    /// Puts a taken session back.
    #[inline]
    pub fn put_back(&mut self, session: Box<Session>) {
        self.slab.put_back(session.slot, session);
    }

    /// Removes a taken session for good.
    pub fn remove(&mut self, session: &Session) {
        if self.by_id.remove(&session.client.id).is_some() {
            self.with_priority -= usize::from(session.client.has_priority);
        }
        self.slab.free(session.slot);
    }

    /// Whether there is such a client, the running client included.
    pub fn is_connected(&self, id: ClientId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub fn get(&self, id: ClientId) -> Option<&Session> {
        self.slab.at(*self.by_id.get(&id)?).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Session> {
        self.slab.at_mut(*self.by_id.get(&id)?).map(Box::as_mut)
    }

    /// All sessions that are not lent out, in no order. The iterator prefetches sessions some steps
    /// ahead, because each session is a cache miss.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slab.iter().map(|(slot, _, session)| {
            self.prefetch_after(slot);
            session.as_ref()
        })
    }

    /// Brings a session some slots after `slot`, if any, into the processor's caches.
    pub(crate) fn prefetch_after(&self, slot: u32) {
        const AHEAD: u32 = 4;
        const LINE: usize = 64;
        if let Some(session) = self.at(slot + AHEAD) {
            let begin = std::ptr::from_ref(session).addr();
            for line in (0..size_of::<Session>()).step_by(LINE) {
                prefetch(begin + line);
            }
        }
    }

    /// All clients, in no order, the `running` client as any other: it is out of the table while
    /// its command runs, and the caller lends it.
    pub fn all<'a>(
        &'a self,
        running: Option<(&'a Client, &'a Reply)>,
    ) -> impl Iterator<Item = (&'a Client, &'a Reply)> {
        let others = self.iter().map(|session| (&session.client, &session.reply));
        others.chain(running)
    }

    /// A client of [`Clients::all`].
    pub fn find<'a>(
        &'a self,
        id: ClientId,
        running: Option<(&'a Client, &'a Reply)>,
    ) -> Option<(&'a Client, &'a Reply)> {
        match running.filter(|(client, _)| client.id == id) {
            Some(found) => Some(found),
            None => self
                .get(id)
                .map(|session| (&session.client, &session.reply)),
        }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.slab.iter_mut().map(Box::as_mut)
    }

    /// Slot and generation of clients whose socket is readable or at its end. O(clients).
    pub fn readable(&self) -> Vec<(u32, u32)> {
        let sessions = || self.iter().filter_map(|s| Some((s, s.stream.as_ref()?)));
        let places: Vec<(u32, u32)> = sessions().map(|(s, _)| (s.slot, s.generation)).collect();
        let ready = {
            let streams: Vec<_> = sessions().map(|(_, stream)| stream).collect();
            russet_net::readable(&streams)
        };
        let places = places.into_iter().zip(ready);
        places
            .filter_map(|(at, ready)| ready.then_some(at))
            .collect()
    }

    /// The ids of all clients that are not taken out, oldest first.
    #[cfg(feature = "testing")]
    pub fn ids(&self) -> Vec<ClientId> {
        let mut ids: Vec<ClientId> = self.iter().map(|s| s.client.id).collect();
        ids.sort_unstable();
        ids
    }

    /// `hz`, raised with the number of clients when `dynamic-hz` says so: a turn of cron looks at
    /// `1 / hz` of them, and must not hold the loop. Redis raises it from 200 clients a turn on;
    /// here a client that is idle costs some 50 ns, and each turn more than 200 us.
    pub fn effective_hz(&self, config: &Config) -> u64 {
        const CLIENTS_PER_TURN: u64 = 2000;
        let mut hz = (config.hz as u64).clamp(1, 500);
        if config.dynamic_hz {
            while self.len() as u64 / hz > CLIENTS_PER_TURN && hz < 500 {
                hz *= 2;
            }
        }
        hz.min(500)
    }
}
