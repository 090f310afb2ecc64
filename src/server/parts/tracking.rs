//! CLIENT TRACKING: clients that cache what they read get invalidation messages.
//!
//!     a reader runs          its keys are remembered with the client        `World::run`
//!     a key changes          the journal's line finds those clients         `tell_news`
//!     BCAST                  keys are gathered by prefix, and sent once     before the loop sleeps
//!
//! A client in RESP3 gets a push `invalidate`; for one in RESP2 another connection, subscribed to
//! [`CHANNEL`], gets it. A client that runs a command gets it after its reply.
//!
//! Invariants
//!   1. A remembered key is forgotten once its readers are notified: one message per read.
//!   2. The number of remembered keys is bounded by `tracking-table-max-keys`; beyond it keys are
//!      evicted, and their readers are notified as if they had changed.
//!   3. The memory of a client's prefixes is counted for that client (`maxmemory-clients`).

use std::collections::HashMap;

use bytes::Bytes;

use crate::keyspace::ClientId;
use crate::pubsub::{Broadcast, PrefixList, Readers};
use crate::resp::Reply;
use crate::server::clients::client::{Client, ClientFlags};

/// The channel on which a RESP2 connection gets another one's invalidations.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// The keys that a client is notified of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All that it has read.
    #[default]
    Read,
    /// Those read immediately after CLIENT CACHING YES.
    OptIn,
    /// All that it has read, except immediately after CLIENT CACHING NO.
    OptOut,
    /// All that begin with one of its prefixes.
    Broadcast,
}

/// How one client is notified.
#[derive(Debug, Default)]
pub struct Tracker {
    pub mode: Mode,
    /// Not of its own changes.
    pub noloop: bool,
    /// Another connection is notified in its place.
    pub redirect: Option<ClientId>,
    /// That connection is gone.
    pub is_broken: bool,
    /// For [`Mode::Broadcast`]; the empty prefix matches every key.
    pub prefixes: PrefixList,
    /// Bytes that its prefixes have added to the shared tree: a shared prefix counts for the first
    /// client.
    pub(in crate::server) shared_bytes: usize,
}

impl Tracker {
    /// Without prefixes yet.
    pub fn new(mode: Mode, noloop: bool, redirect: Option<ClientId>) -> Tracker {
        Tracker {
            mode,
            noloop,
            redirect,
            ..Tracker::default()
        }
    }

    /// Memory of its prefixes, in its own list and in the shared tree, bytes.
    pub(in crate::server) fn prefix_bytes(&self) -> usize {
        self.prefixes.memory_bytes() + self.shared_bytes
    }
}

/// Which clients are notified of which keys.
#[derive(Debug, Default)]
pub struct Tracking {
    pub(in crate::server) clients: HashMap<ClientId, Tracker, ahash::RandomState>,
    pub readers: Readers,
    pub broadcast: Broadcast,
    /// Bytes of `broadcast` that count as clients' memory.
    pub(in crate::server) clients_bytes: usize,
    /// How many times in a row too many keys were left.
    pub(in crate::server) overruns: usize,
}

impl Tracking {
    /// Whether any client tracks keys.
    pub fn is_on(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Memory of remembered keys and their readers, and of prefixes as far as not counted for
    /// clients, bytes.
    pub fn memory_bytes(&self) -> usize {
        let clients = self.clients.capacity() * (size_of::<(ClientId, Tracker)>() + 1);
        let broadcast = self.broadcast.memory_bytes();
        self.readers.memory_bytes() + clients + broadcast.saturating_sub(self.clients_bytes)
    }

    /// The number of tracking clients.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// A client's tracking, if it is on.
    pub fn of(&self, client: ClientId) -> Option<&Tracker> {
        self.clients.get(&client)
    }
}

/// An invalidation message.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Keys have changed: an array in its wire form; `None`: all keys.
    Changed {
        keys: Option<Bytes>,
        /// It is for another client, by redirection.
        redirected: bool,
    },
    /// The target of the redirection is gone.
    RedirectionGone(ClientId),
}

impl Notice {
    /// Writes it in the client's protocol; in RESP2 there may be no form for it.
    pub(in crate::server) fn write(&self, client: &Client, reply: &mut Reply) {
        match self {
            Notice::Changed { keys, .. } if reply.resp3() => {
                reply.push(2);
                reply.bulk(b"invalidate");
                write_keys(reply, keys);
            }
            Notice::Changed { keys, redirected } => {
                if *redirected && client.flags.contains(ClientFlags::PUBSUB) {
                    reply.array(3);
                    reply.bulk(b"message");
                    reply.bulk(CHANNEL);
                    write_keys(reply, keys);
                }
            }
            Notice::RedirectionGone(id) => {
                if reply.resp3() {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.int(id.0 as i64);
                }
            }
        }
    }
}

fn write_keys(reply: &mut Reply, keys: &Option<Bytes>) {
    match keys {
        Some(array) => reply.shared(array.clone()),
        None => reply.null(),
    }
}
