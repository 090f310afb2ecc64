//! A connection: the client, its socket, what it has sent and what it will be sent.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;

use super::client::Client;
use crate::base::large::{Filled, LARGE_MIN, Large};
use crate::keyspace::ClientId;
use crate::net::Stream;
use crate::resp::{Apart, Args, Progress, Reply, Span};

/// Unused room that an idle client's buffer keeps.
const SPARE_MAX: usize = 32 * 1024;

/// Bytes that have come and are not executed yet. Empty (and without memory) for a client
/// whose commands arrive whole: those never leave the loop's shared buffer.
///
/// A large argument whose end has not come moves to a block of its own and is read straight
/// into it; `buf` goes on behind it with the end of its line. A command that did not run
/// stands in one piece again (`put_first`).
#[derive(Debug, Default)]
pub struct Input {
    pub buf: Vec<u8>,
    /// Everything before this is parsed.
    pub pos: usize,
    /// Arguments of the command that has begun.
    pub spans: Vec<Span>,
    pub progress: Progress,
    /// Large arguments of the command that has begun.
    pub apart: Option<Box<Apart>>,
    /// Whole commands may stand here: the client was stopped, not short of bytes.
    pub runnable: bool,
}

impl Input {
    /// Keeps what is left of `from`, whose incomplete last command starts at `start` and
    /// has been parsed up to `pos` into `spans` and `progress`.
    pub fn keep(&mut self, from: &[u8], start: usize, pos: usize, spans: &[Span], p: Progress) {
        self.buf.clear();
        self.buf.extend_from_slice(&from[start..pos]);
        self.pos = pos - start;
        self.spans.clear();
        self.spans.extend(spans.iter().map(|s| s.back_by(start)));
        self.progress = p;
        self.apart = None;
        self.runnable = false;
        let moved = self.set_apart(&from[pos..]);
        self.buf.extend_from_slice(&from[pos + moved..]);
    }

    /// Keeps `buf`, which begins with an incomplete command, as it is: see [`Input::keep`].
    pub fn keep_whole(
        &mut self,
        buf: Vec<u8>,
        pos: usize,
        spans: &[Span],
        p: Progress,
        apart: Option<Box<Apart>>,
    ) {
        (self.buf, self.pos, self.progress, self.apart) = (buf, pos, p, apart);
        self.spans.clear();
        self.spans.extend_from_slice(spans);
        let buf = std::mem::take(&mut self.buf);
        let moved = self.set_apart(&buf[pos..]);
        self.buf = buf;
        if moved > 0 {
            self.buf.drain(pos..pos + moved);
            self.buf.shrink_to_fit();
        }
    }

    /// Gives the argument in progress, of which `come` has come, a block of its own if it is
    /// large; how many bytes moved there.
    fn set_apart(&mut self, come: &[u8]) -> usize {
        let Some(len) = self.progress.expects().filter(|&len| len >= LARGE_MIN) else {
            return 0;
        };
        let moved = len.min(come.len());
        let large = Large::begin(len, &come[..moved]);
        self.apart.get_or_insert_default().push(large);
        self.end_large();
        moved
    }

    /// The large argument in progress may have come to its end.
    fn end_large(&mut self) {
        if let Some(span) = self.apart.as_ref().and_then(|apart| apart.last_whole()) {
            self.progress.came_apart(span);
        }
    }

    /// The large argument in progress.
    fn large(&mut self) -> Option<&mut Large> {
        let last = self.apart.as_mut()?.last_mut()?;
        (!last.is_whole()).then_some(last)
    }

    /// Whether a large argument is in progress: its bytes come next.
    pub fn fills_large(&mut self) -> bool {
        self.large().is_some()
    }

    /// One read into the large argument in progress. `behind` is room for what stands behind
    /// it, as far as that comes along; it is kept.
    pub fn fill_large(&mut self, from: &Stream, behind: &mut [u8]) -> Option<io::Result<Filled>> {
        let filled = match self.large()?.read(from.as_fd(), behind) {
            Ok(filled) => filled,
            Err(e) => return Some(Err(e)),
        };
        self.buf.extend_from_slice(&behind[..filled.behind]);
        self.end_large();
        Some(Ok(filled))
    }

    /// Puts a command that was executed in front again: it is to run as if it came now.
    pub fn put_first(&mut self, args: Args<'_>) {
        let mut first = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args.iter() {
            first.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            first.extend_from_slice(arg);
            first.extend_from_slice(b"\r\n");
        }
        first.append(&mut self.buf);
        (self.buf, self.pos) = (first, 0);
        self.spans.clear();
        self.progress = Progress::default();
        self.apart = None;
    }

    /// Gives room back that has not been needed for a while.
    pub fn shrink(&mut self) {
        if self.buf.capacity() - self.buf.len() > SPARE_MAX {
            self.buf.shrink_to_fit();
        }
        if let Some(large) = self.large() {
            large.shrink();
        }
    }

    /// Bytes that have come and are kept.
    pub fn bytes(&self) -> usize {
        self.buf.len() + self.apart.as_ref().map_or(0, |apart| apart.bytes())
    }

    /// All is executed: gives the memory back.
    pub fn reset(&mut self) {
        *self = Input::default();
    }

    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    pub client: Client,
    pub reply: Reply,
    pub input: Input,
    /// `None` for clients without a connection (tests).
    pub stream: Option<Stream>,
    pub slot: u32,
    pub generation: u32,
    /// The round of the loop's rests in which it last spoke, see `gather`.
    pub seen_in: u32,
    /// The poll tells when the socket can be written to.
    pub write_armed: bool,
    /// Stands in the list of clients to be flushed this turn.
    pub flush_queued: bool,
    /// Stands in the list of clients with more to read or execute.
    pub ready_queued: bool,
    /// The last read filled its buffer: the socket may hold more, and no event will tell.
    pub more_to_read: bool,
    /// The peer will send no more; what it has sent may not all be read.
    pub peer_closed: bool,
    /// Its last command had a large argument, so that its next one may begin one: most of a
    /// long read would have to be copied.
    pub expects_large: bool,
    /// Its share of what `maxmemory-clients` counts.
    pub counted_bytes: usize,
}

impl Session {
    pub fn new(client: Client, stream: Option<Stream>) -> Session {
        Session {
            client,
            reply: Reply::new(),
            input: Input::default(),
            stream,
            slot: 0,
            generation: 0,
            seen_in: 0,
            write_armed: false,
            flush_queued: false,
            ready_queued: false,
            more_to_read: false,
            peer_closed: false,
            expects_large: false,
            counted_bytes: 0,
        }
    }
}

impl Session {
    /// Brings the client's figures of its query buffer up to date.
    pub fn note_query_buffer(&mut self) {
        let Session { client, input, .. } = self;
        let apart = input.apart.as_ref();
        // What is parsed of a command that is not whole waits no more, but for large arguments.
        client.query_bytes = input.bytes() - input.pos;
        client.query_capacity = input.buf.capacity() + apart.map_or(0, |a| a.memory_bytes());
        client.query_growth = apart.map_or(0, |a| a.growth_bytes());
    }
}

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
}

impl Clients {
    /// The next client's number.
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
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

    /// The numbers of all clients but the running one, oldest first.
    pub fn ids(&self) -> Vec<ClientId> {
        let mut ids: Vec<ClientId> = self.iter().map(|s| s.client.id).collect();
        ids.sort_unstable();
        ids
    }
}
