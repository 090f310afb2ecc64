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

use super::client::{Client, ClientFlags};
use super::outbox::Post;
use super::pubsub::{Delivery, message};
use super::session::Session;
use super::table::Row;
use super::{Engine, Server};
use crate::config::Config;
use crate::keyspace::{Change, ChangeKind, ClientId, Keyspace};
use crate::pubsub::{Broadcast, News, PrefixList, Readers};
use crate::resp::{Args, Reply};

/// The channel on which a RESP2 connection gets another one's invalidations.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Keys evicted at once when there are too many; more, the longer that lasts.
const GIVEN_UP: usize = 100;

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
    shared_bytes: usize,
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
    fn prefix_bytes(&self) -> usize {
        self.prefixes.memory_bytes() + self.shared_bytes
    }
}

/// Which clients are notified of which keys.
#[derive(Debug, Default)]
pub struct Tracking {
    clients: HashMap<ClientId, Tracker, ahash::RandomState>,
    pub readers: Readers,
    pub broadcast: Broadcast,
    /// Bytes of `broadcast` that count as clients' memory.
    clients_bytes: usize,
    /// How many times in a row too many keys were left.
    overruns: usize,
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
    pub(super) fn write(&self, client: &Client, reply: &mut Reply) {
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

/// `tracking-table-max-keys`; 0 becomes no limit.
fn readers_max(config: &Config) -> usize {
    match config.tracking_table_max_keys {
        0 => usize::MAX,
        most => most,
    }
}

fn write_keys(reply: &mut Reply, keys: &Option<Bytes>) {
    match keys {
        Some(array) => reply.shared(array.clone()),
        None => reply.null(),
    }
}

impl Server {
    /// Starts or changes a client's tracking; `prefixes`, sorted, are added to those it has.
    pub fn track(
        &mut self,
        keyspace: &mut Keyspace,
        client: &mut Client,
        asked: Tracker,
        prefixes: &[&[u8]],
    ) {
        let was_on = self.tracking.is_on();
        let Tracking {
            clients,
            broadcast,
            clients_bytes,
            ..
        } = &mut self.tracking;
        let tracker = clients.entry(client.id).or_default();
        *tracker = Tracker {
            prefixes: std::mem::take(&mut tracker.prefixes),
            shared_bytes: tracker.shared_bytes,
            ..asked
        };
        let before = broadcast.prefix_bytes();
        for prefix in prefixes {
            broadcast.add(prefix, client.id);
        }
        let growth = broadcast.prefix_bytes() - before;
        tracker.prefixes.add(prefixes);
        tracker.shared_bytes += growth;
        *clients_bytes += growth;
        client.buffers.tracking_bytes = tracker.prefix_bytes();
        client.flags |= ClientFlags::TRACKING;
        let remembers = matches!(tracker.mode, Mode::Read | Mode::OptOut);
        client.flags.set(ClientFlags::CACHES, remembers);
        if !was_on {
            self.update_listeners(keyspace);
        }
    }

    /// Ends a client's tracking.
    pub fn end_tracking(&mut self, keyspace: &mut Keyspace, client: &mut Client) {
        let all = ClientFlags::TRACKING | ClientFlags::CACHES | ClientFlags::CACHING_SAID;
        client.flags.remove(all);
        client.buffers.tracking_bytes = 0;
        let Some(tracker) = self.tracking.clients.remove(&client.id) else {
            return;
        };
        let broadcast = &mut self.tracking.broadcast;
        tracker
            .prefixes
            .for_each(|prefix| broadcast.remove(prefix, client.id));
        self.tracking.clients_bytes -= tracker.shared_bytes;
        if !self.tracking.is_on() {
            self.tracking.readers.clear();
            self.update_listeners(keyspace);
        }
    }

    /// Ends CLIENT CACHING after the one command that it was for.
    #[cold]
    pub(super) fn end_caching(&self, client: &mut Client) {
        let is_about_clients = |name: &str| name.starts_with("client|");
        if client.flags.contains(ClientFlags::MULTI)
            || client.traffic.last_command.is_some_and(is_about_clients)
        {
            return;
        }
        client.flags.remove(ClientFlags::CACHING_SAID);
        let mode = self.tracking.of(client.id).map(|tracker| tracker.mode);
        let remembers = matches!(mode, Some(Mode::Read | Mode::OptOut));
        client.flags.set(ClientFlags::CACHES, remembers);
    }

    /// Remembers the keys of a read command for its client. O(keys).
    pub(super) fn remember_keys(&mut self, client: ClientId, row: usize, args: Args<'_>) {
        let Server {
            table, tracking, ..
        } = self;
        let row: &Row = table.row(row);
        let Ok(keys) = row.keys(args) else { return };
        for (at, _) in keys {
            tracking.readers.remember(args.at(at), client);
        }
        if tracking.readers.keys() > readers_max(&self.config) {
            self.limit_readers(Some(client));
        }
    }

    /// Evicts keys, notifying their readers, until at most `tracking-table-max-keys` are left or
    /// this call's share is used up.
    #[cold]
    pub(super) fn limit_readers(&mut self, running: Option<ClientId>) {
        let most = readers_max(&self.config);
        let effort = GIVEN_UP * (self.tracking.overruns + 1);
        for _ in 0..effort {
            if self.tracking.readers.keys() <= most {
                self.tracking.overruns = 0;
                return;
            }
            let mut told = Vec::new();
            let key = self.tracking.readers.forget_any(|client| told.push(client));
            if let Some(key) = key {
                self.tell_changed(&told, &key, running);
            }
        }
        self.tracking.overruns += 1;
    }

    /// Notifies the readers of a changed key. `running` is the client whose command changed it.
    pub(super) fn tell_trackers(&mut self, change: Change<'_>, running: Option<ClientId>) {
        let by = match change.kind {
            ChangeKind::Event => return,
            ChangeKind::Flushed | ChangeKind::Swapped => return,
            ChangeKind::Expired | ChangeKind::Evicted => None,
            ChangeKind::Written | ChangeKind::FieldsExpired => running,
        };
        let tracking = &mut self.tracking;
        if !tracking.broadcast.is_empty() {
            tracking.broadcast.note(change.key, by);
        }
        let mut told = Vec::new();
        tracking
            .readers
            .forget(change.key, |client| told.push(client));
        if !told.is_empty() {
            self.tell_changed(&told, change.key, running);
        }
    }

    fn tell_changed(&mut self, readers: &[ClientId], key: &[u8], running: Option<ClientId>) {
        let keys = message(&[key]);
        for &reader in readers {
            let Some(tracker) = self.tracking.of(reader) else {
                continue;
            };
            let own = tracker.noloop && running == Some(reader);
            if tracker.mode != Mode::Broadcast && !own {
                self.notify(reader, Some(keys.clone()));
            }
        }
    }

    /// Notifies all tracking clients that every key is invalid.
    pub(super) fn tell_all_changed(&mut self) {
        self.tracking.readers.clear();
        let mut all: Vec<ClientId> = self.tracking.clients.keys().copied().collect();
        all.sort_unstable();
        for client in all {
            self.notify(client, None);
        }
    }

    /// Notifies broadcast clients of keys changed since the last time.
    #[cold]
    pub(super) fn tell_broadcast(&mut self) {
        let mut news = Vec::new();
        let Tracking {
            clients, broadcast, ..
        } = &mut self.tracking;
        let spares = |client| clients.get(&client).is_some_and(|tracker| tracker.noloop);
        broadcast.take_news(spares, |News { client, keys }| {
            news.push((client, message(&keys)));
        });
        for (client, keys) in news {
            self.notify(client, Some(keys));
        }
    }

    /// Notifies a client, or the target of its redirection.
    fn notify(&mut self, client: ClientId, keys: Option<Bytes>) {
        let Some(tracker) = self.tracking.clients.get_mut(&client) else {
            return;
        };
        let (to, notice) = match tracker.redirect {
            None => (
                client,
                Notice::Changed {
                    keys,
                    redirected: false,
                },
            ),
            Some(other) if self.clients.is_connected(other) => (
                other,
                Notice::Changed {
                    keys,
                    redirected: true,
                },
            ),
            Some(other) => {
                tracker.is_broken = true;
                (client, Notice::RedirectionGone(other))
            }
        };
        let mut delivery = Delivery::new(
            &mut self.clients,
            &mut self.outbox,
            &mut self.turn.flush,
            false,
        );
        delivery.give(to, &Post::Notice(notice));
        let long = delivery.long;
        self.limit_long(long);
    }
}

impl Engine {
    /// CLIENT CACHING ends after the command that follows it.
    #[inline]
    pub(super) fn after_caching(&mut self, session: &mut Session) {
        if session.client.flags.contains(ClientFlags::CACHING_SAID) {
            self.server.end_caching(&mut session.client);
        }
    }
}
