//! CLIENT TRACKING: clients that cache the keys they read get invalidation messages.
//!
//!     a reader runs     its keys are remembered with the client  [`TrackingTable::remember`]
//!     a key changes     the journal's line finds those clients   [`TrackingTable::changed`]
//!     BCAST             keys are gathered by prefix, sent once   [`TrackingTable::take_broadcast`]
//!                       before the loop sleeps
//!
//! A client in RESP3 gets a push `invalidate`; for a RESP2 client another connection, subscribed to
//! the channel `__redis__:invalidate`, gets the message. Methods return the messages, in order;
//! they are delivered by `messages::tracking`. A client that runs a command gets its own after its
//! reply.
//!
//! Invariants
//!   1. A remembered key is forgotten once its readers are notified: one message per read.
//!   2. The number of remembered keys is bounded by `tracking-table-max-keys`; beyond it keys are
//!      evicted, and their readers are notified as if they had changed.
//!   3. The memory of a client's prefixes is counted for that client (`maxmemory-clients`).
//!   4. `ClientFlags::TRACKING` is set for exactly the clients in the table; `CACHES` for those
//!      whose next read is remembered.
//!
//! Cost: a read and a change are O(1) for each key and reader; BCAST is O(prefixes that match).

use std::collections::HashMap;

use bytes::Bytes;

use crate::clients::client::{Client, ClientFlags};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::parts::messages::message::{Notice, message};
use crate::parts::messages::outbox::GONE;
use russet_acl::Users;
use russet_command::table::Row;
use russet_config::Config;
use russet_keyspace::{Change, ChangeKind, ClientId};
use russet_pubsub::{Broadcast, News, PrefixList, Readers};
use russet_resp::Args;

/// Keys evicted at once when there are too many; more, the longer that lasts.
const GIVE_UP_BATCH: usize = 100;

/// Messages with their receivers, in order.
pub type Notices = Vec<(ClientId, Notice)>;

/// The keys that a client is notified of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All keys that the client has read.
    #[default]
    Read,
    /// Keys read immediately after CLIENT CACHING YES.
    OptIn,
    /// All keys that the client has read, except immediately after CLIENT CACHING NO.
    OptOut,
    /// All keys that begin with any of the client's prefixes.
    Broadcast,
}

/// How a client is notified.
#[derive(Debug, Default)]
pub struct Tracker {
    pub mode: Mode,
    /// The client is not notified of its own changes.
    pub noloop: bool,
    /// Another connection is notified in its place.
    pub redirect: Option<ClientId>,
    /// That connection is gone.
    pub is_broken: bool,
    /// The prefixes of [`Mode::Broadcast`]; the empty prefix matches every key.
    pub prefixes: PrefixList,
    /// Bytes that the client's prefixes have added to the shared tree: a shared prefix counts for
    /// the first client.
    shared_bytes: usize,
}

impl Tracker {
    /// A tracker without prefixes.
    pub fn new(mode: Mode, noloop: bool, redirect: Option<ClientId>) -> Tracker {
        Tracker {
            mode,
            noloop,
            redirect,
            ..Tracker::default()
        }
    }

    /// Memory of the client's prefixes, in the client's list and in the shared tree, bytes.
    fn prefix_bytes(&self) -> usize {
        self.prefixes.memory_bytes() + self.shared_bytes
    }
}

type Trackers = HashMap<ClientId, Tracker, ahash::RandomState>;

/// Which clients are notified of which keys.
#[derive(Debug, Default)]
pub struct TrackingTable {
    trackers: Trackers,
    readers: Readers,
    broadcast: Broadcast,
    /// Bytes of `broadcast` that count as clients' memory.
    clients_bytes: usize,
    /// How many times in a row too many keys were left.
    overruns: usize,
}

impl TrackingTable {
    /// Whether any client tracks keys.
    pub fn is_on(&self) -> bool {
        !self.trackers.is_empty()
    }

    /// Memory of remembered keys and their readers, and of prefixes as far as not counted for
    /// clients, bytes.
    pub fn memory_bytes(&self) -> usize {
        let trackers = self.trackers.capacity() * (size_of::<(ClientId, Tracker)>() + 1);
        let broadcast = self.broadcast.memory_bytes();
        self.readers.memory_bytes() + trackers + broadcast.saturating_sub(self.clients_bytes)
    }

    /// The number of tracking clients.
    pub fn clients(&self) -> usize {
        self.trackers.len()
    }

    /// A client's tracking, if it is on.
    pub fn of(&self, client: ClientId) -> Option<&Tracker> {
        self.trackers.get(&client)
    }

    /// The remembered keys.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// The prefixes of broadcast clients.
    pub fn broadcast(&self) -> &Broadcast {
        &self.broadcast
    }

    // --- start and end ---

    /// Starts or changes a client's tracking; `prefixes`, sorted, are added to the client's
    /// prefixes. `true`: this client is the first in the table.
    #[must_use]
    pub fn track(&mut self, client: &mut Client, asked: Tracker, prefixes: &[&[u8]]) -> bool {
        let is_first = !self.is_on();
        let tracker = self.trackers.entry(client.id).or_default();
        *tracker = Tracker {
            prefixes: std::mem::take(&mut tracker.prefixes),
            shared_bytes: tracker.shared_bytes,
            ..asked
        };
        let before = self.broadcast.prefix_bytes();
        for prefix in prefixes {
            self.broadcast.add(prefix, client.id);
        }
        let growth = self.broadcast.prefix_bytes() - before;
        tracker.prefixes.add(prefixes);
        tracker.shared_bytes += growth;
        self.clients_bytes += growth;
        client.buffers.tracking_bytes = tracker.prefix_bytes();
        client.flags |= ClientFlags::TRACKING;
        let remembers = matches!(tracker.mode, Mode::Read | Mode::OptOut);
        client.flags.set(ClientFlags::CACHES, remembers);
        is_first
    }

    /// Ends a client's tracking. `true`: it was the last client.
    #[must_use]
    pub fn end(&mut self, client: &mut Client) -> bool {
        let all = ClientFlags::TRACKING | ClientFlags::CACHES | ClientFlags::CACHING_SAID;
        client.flags.remove(all);
        client.buffers.tracking_bytes = 0;
        let Some(tracker) = self.trackers.remove(&client.id) else {
            return false;
        };
        tracker
            .prefixes
            .for_each(|prefix| self.broadcast.remove(prefix, client.id));
        self.clients_bytes -= tracker.shared_bytes;
        if self.is_on() {
            return false;
        }
        self.readers.clear();
        true
    }

    /// CLIENT CACHING ends after the command that follows it, or the transaction.
    #[cold]
    pub(crate) fn end_caching(&self, client: &mut Client) {
        if client.flags.contains(ClientFlags::MULTI) {
            return;
        }
        client.flags.remove(ClientFlags::CACHING_SAID);
        let mode = self.of(client.id).map(|tracker| tracker.mode);
        let remembers = matches!(mode, Some(Mode::Read | Mode::OptOut));
        client.flags.set(ClientFlags::CACHES, remembers);
    }

    // --- keys ---

    /// Remembers the keys of a read command for its client. O(keys). `true`: there are too many
    /// keys now ([`TrackingTable::limit`]).
    #[must_use]
    pub(crate) fn remember<H>(
        &mut self,
        client: ClientId,
        row: &Row<H>,
        args: Args<'_>,
        config: &Config,
    ) -> bool {
        let Ok(keys) = row.keys(args) else {
            return false;
        };
        for (at, _) in keys {
            self.readers.remember(args.at(at), client);
        }
        self.readers.keys() > keys_max(config)
    }

    /// Evicts keys until at most `tracking-table-max-keys` are left or this call's share is used
    /// up. `running` is the client whose command runs.
    #[must_use]
    pub fn limit(
        &mut self,
        config: &Config,
        running: Option<ClientId>,
        clients: &Clients,
    ) -> Notices {
        let keys_max = keys_max(config);
        let mut notices = Notices::new();
        for _ in 0..GIVE_UP_BATCH * (self.overruns + 1) {
            if self.readers.keys() <= keys_max {
                self.overruns = 0;
                return notices;
            }
            let mut readers = Vec::new();
            let key = self.readers.forget_any(|client| readers.push(client));
            if let Some(key) = key {
                let mut news = KeyNews::new(&mut self.trackers, &key, running);
                for reader in readers {
                    news.notify(reader, clients, &mut notices);
                }
            }
        }
        self.overruns += 1;
        notices
    }

    /// A key has changed. `running` is the client whose command changed it.
    #[must_use]
    pub fn changed(
        &mut self,
        change: Change<'_>,
        running: Option<ClientId>,
        clients: &Clients,
    ) -> Notices {
        let mut notices = Notices::new();
        let by = match change.kind {
            ChangeKind::Event | ChangeKind::Flushed | ChangeKind::Swapped => return notices,
            ChangeKind::Expired | ChangeKind::Evicted => None,
            ChangeKind::Written | ChangeKind::FieldsExpired => running,
        };
        if !self.broadcast.is_empty() {
            self.broadcast.note(change.key, by);
        }
        let mut news = KeyNews::new(&mut self.trackers, change.key, running);
        self.readers.forget(change.key, |reader| {
            news.notify(reader, clients, &mut notices);
        });
        notices
    }

    /// Every key is invalid.
    #[must_use]
    pub(crate) fn all_changed(&mut self, clients: &Clients) -> Notices {
        self.readers.clear();
        let mut all: Vec<ClientId> = self.trackers.keys().copied().collect();
        all.sort_unstable();
        let trackers = &mut self.trackers;
        let notices = all.into_iter();
        notices
            .filter_map(|client| notice(trackers, client, None, clients))
            .collect()
    }

    /// Broadcast clients' keys that have changed since the last time, without keys that a client's
    /// user may not read now.
    #[must_use]
    pub(crate) fn take_broadcast(&mut self, clients: &Clients, users: &Users) -> Notices {
        let mut news = Vec::new();
        let trackers = &mut self.trackers;
        let spares = |client| trackers.get(&client).is_some_and(|tracker| tracker.noloop);
        let may_see = |client, key: &[u8]| {
            let session = clients.get(client);
            session.is_some_and(|session| users.get(session.client.user).may_see(key))
        };
        let tell = |News { client, keys }: News<'_>| news.push((client, message(&keys)));
        self.broadcast.take_news(spares, may_see, tell);
        let notices = news.into_iter();
        notices
            .filter_map(|(client, keys)| notice(trackers, client, Some(keys), clients))
            .collect()
    }
}

/// `tracking-table-max-keys`; 0 becomes no limit.
fn keys_max(config: &Config) -> usize {
    match config.tracking_table_max_keys {
        0 => usize::MAX,
        most => most,
    }
}

/// The message about one key, encoded for its first reader.
struct KeyNews<'a> {
    trackers: &'a mut Trackers,
    key: &'a [u8],
    encoded: Option<Bytes>,
    running: Option<ClientId>,
}

impl<'a> KeyNews<'a> {
    fn new(trackers: &'a mut Trackers, key: &'a [u8], running: Option<ClientId>) -> KeyNews<'a> {
        KeyNews {
            trackers,
            key,
            encoded: None,
            running,
        }
    }

    /// Adds the message for a reader that still tracks the keys it reads.
    fn notify(&mut self, reader: ClientId, clients: &Clients, to: &mut Notices) {
        let Some(tracker) = self.trackers.get(&reader) else {
            return;
        };
        let own = tracker.noloop && self.running == Some(reader);
        if tracker.mode != Mode::Broadcast && !own {
            let keys = self.encoded.get_or_insert_with(|| message(&[self.key]));
            to.extend(notice(self.trackers, reader, Some(keys.clone()), clients));
        }
    }
}

/// Whether a client exists and gets messages. A client that has sent QUIT gets none, though an I/O
/// thread may still have to write the client's last reply.
fn is_reached(id: ClientId, clients: &Clients) -> bool {
    let ends = |session: &Session| session.client.flags.intersects(GONE);
    clients.is_connected(id) && !clients.get(id).is_some_and(ends)
}

/// The message for a client, to it or to the target of its redirection.
fn notice(
    trackers: &mut Trackers,
    client: ClientId,
    keys: Option<Bytes>,
    clients: &Clients,
) -> Option<(ClientId, Notice)> {
    let tracker = trackers.get_mut(&client)?;
    let redirected = tracker.redirect.is_some();
    Some(match tracker.redirect {
        None => (client, Notice::Changed { keys, redirected }),
        Some(other) if is_reached(other, clients) => (other, Notice::Changed { keys, redirected }),
        Some(other) => {
            tracker.is_broken = true;
            (client, Notice::RedirectionGone(other))
        }
    })
}
