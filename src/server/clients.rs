//! All connected clients, by their place in the poll's tokens and by their number.

use std::collections::HashMap;

use super::session::Session;
use crate::base::alloc;
use crate::keyspace::ClientId;

#[derive(Default)]
struct Place {
    generation: u32,
    session: Option<Box<Session>>,
}

/// All connected clients. The one whose command runs is taken out meanwhile.
#[derive(Default)]
pub struct Clients {
    places: Vec<Place>,
    free: Vec<u32>,
    by_id: HashMap<ClientId, u32, ahash::RandomState>,
    last_id: u64,
    /// How many of them are blocked.
    pub blocked: usize,
}

impl Clients {
    /// The next client's number.
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// Bytes of the table itself.
    pub fn table_bytes(&self) -> usize {
        let by_id = self.by_id.capacity() * (size_of::<(ClientId, u32)>() + 1);
        alloc::vec_bytes(&self.places) + alloc::vec_bytes(&self.free) + by_id
    }

    /// Number of connected clients, the running one included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Makes a place for a session; tells it where it is.
    pub fn add(&mut self, mut session: Box<Session>) -> (u32, u32) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        (session.slot, session.generation) = (slot, place.generation);
        self.by_id.insert(session.client.id, slot);
        let at = (slot, place.generation);
        place.session = Some(session);
        at
    }

    /// Takes a session out to run its commands; `None` when the connection is gone.
    #[inline]
    pub fn take_at(&mut self, slot: u32, generation: u32) -> Option<Box<Session>> {
        let place = self.places.get_mut(slot as usize)?;
        if place.generation != generation {
            return None;
        }
        place.session.take()
    }

    pub fn take(&mut self, id: ClientId) -> Option<Box<Session>> {
        let slot = *self.by_id.get(&id)?;
        self.places[slot as usize].session.take()
    }

    /// Puts a taken session back.
    #[inline]
    pub fn put_back(&mut self, session: Box<Session>) {
        let slot = session.slot as usize;
        self.places[slot].session = Some(session);
    }

    /// Forgets a taken session for good.
    pub fn remove(&mut self, session: &Session) {
        self.by_id.remove(&session.client.id);
        self.free.push(session.slot);
        // Events that are still on their way carry the old generation.
        let place = &mut self.places[session.slot as usize];
        place.generation = place.generation.wrapping_add(1);
    }

    /// Whether there is such a client, the running one included.
    pub fn is_connected(&self, id: ClientId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub fn get(&self, id: ClientId) -> Option<&Session> {
        self.places[*self.by_id.get(&id)? as usize]
            .session
            .as_deref()
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Session> {
        self.places[*self.by_id.get(&id)? as usize]
            .session
            .as_deref_mut()
    }

    /// Every session but the running one, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.places.iter().filter_map(|p| p.session.as_deref())
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.places
            .iter_mut()
            .filter_map(|p| p.session.as_deref_mut())
    }

    /// Those whose socket has something to read, or has ended. O(clients).
    pub fn readable(&self) -> Vec<(u32, u32)> {
        let sessions = || self.iter().filter_map(|s| Some((s, s.stream.as_ref()?)));
        let places: Vec<(u32, u32)> = sessions().map(|(s, _)| (s.slot, s.generation)).collect();
        let ready = {
            let streams: Vec<_> = sessions().map(|(_, stream)| stream).collect();
            crate::net::readable(&streams)
        };
        let places = places.into_iter().zip(ready);
        places
            .filter_map(|(at, ready)| ready.then_some(at))
            .collect()
    }

    /// The numbers of all clients but the running one, oldest first.
    pub fn ids(&self) -> Vec<ClientId> {
        let mut ids: Vec<ClientId> = self.iter().map(|s| s.client.id).collect();
        ids.sort_unstable();
        ids
    }
}
