//! CLIENT TRACKING at work (`parts::tracking`): remembers what clients read, and notifies them.

use bytes::Bytes;

use crate::config::Config;
use crate::keyspace::{Change, ChangeKind, ClientId, Keyspace};
use crate::pubsub::News;
use crate::resp::Args;
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::clients::session::Session;
use crate::server::messages::pubsub::{Delivery, message};
use crate::server::parts::outbox::Post;
use crate::server::parts::tracking::{Mode, Notice, Tracker, Tracking};
use crate::server::state::Server;
use crate::server::state::call::Row;
use crate::server::state::world::Engine;

/// `tracking-table-max-keys`; 0 becomes no limit.
fn readers_max(config: &Config) -> usize {
    match config.tracking_table_max_keys {
        0 => usize::MAX,
        most => most,
    }
}

/// Keys evicted at once when there are too many; more, the longer that lasts.
const GIVEN_UP: usize = 100;

impl Server {
    /// Starts or changes a client's tracking; `prefixes`, sorted, are added to those it has.
    pub fn track(
        &mut self,
        keyspace: &mut Keyspace,
        client: &mut Client,
        asked: Tracker,
        prefixes: &[&[u8]],
    ) {
        let was_on = self.messages.tracking.is_on();
        let Tracking {
            clients,
            broadcast,
            clients_bytes,
            ..
        } = &mut self.messages.tracking;
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
        let Some(tracker) = self.messages.tracking.clients.remove(&client.id) else {
            return;
        };
        let broadcast = &mut self.messages.tracking.broadcast;
        tracker
            .prefixes
            .for_each(|prefix| broadcast.remove(prefix, client.id));
        self.messages.tracking.clients_bytes -= tracker.shared_bytes;
        if !self.messages.tracking.is_on() {
            self.messages.tracking.readers.clear();
            self.update_listeners(keyspace);
        }
    }

    /// Ends CLIENT CACHING after the one command that it was for.
    #[cold]
    pub(in crate::server) fn end_caching(&self, client: &mut Client) {
        let is_about_clients = |name: &str| name.starts_with("client|");
        if client.flags.contains(ClientFlags::MULTI)
            || client.traffic.last_command.is_some_and(is_about_clients)
        {
            return;
        }
        client.flags.remove(ClientFlags::CACHING_SAID);
        let mode = self
            .messages
            .tracking
            .of(client.id)
            .map(|tracker| tracker.mode);
        let remembers = matches!(mode, Some(Mode::Read | Mode::OptOut));
        client.flags.set(ClientFlags::CACHES, remembers);
    }

    /// Remembers the keys of a read command for its client. O(keys).
    pub(in crate::server) fn remember_keys(
        &mut self,
        client: ClientId,
        row: usize,
        args: Args<'_>,
    ) {
        let tracking = &mut self.messages.tracking;
        let row: &Row = self.table.row(row);
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
    pub(in crate::server) fn limit_readers(&mut self, running: Option<ClientId>) {
        let most = readers_max(&self.config);
        let effort = GIVEN_UP * (self.messages.tracking.overruns + 1);
        for _ in 0..effort {
            if self.messages.tracking.readers.keys() <= most {
                self.messages.tracking.overruns = 0;
                return;
            }
            let mut told = Vec::new();
            let key = self
                .messages
                .tracking
                .readers
                .forget_any(|client| told.push(client));
            if let Some(key) = key {
                self.tell_changed(&told, &key, running);
            }
        }
        self.messages.tracking.overruns += 1;
    }

    /// Notifies the readers of a changed key. `running` is the client whose command changed it.
    pub(in crate::server) fn tell_trackers(
        &mut self,
        change: Change<'_>,
        running: Option<ClientId>,
    ) {
        let by = match change.kind {
            ChangeKind::Event => return,
            ChangeKind::Flushed | ChangeKind::Swapped => return,
            ChangeKind::Expired | ChangeKind::Evicted => None,
            ChangeKind::Written | ChangeKind::FieldsExpired => running,
        };
        let tracking = &mut self.messages.tracking;
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
            let Some(tracker) = self.messages.tracking.of(reader) else {
                continue;
            };
            let own = tracker.noloop && running == Some(reader);
            if tracker.mode != Mode::Broadcast && !own {
                self.notify(reader, Some(keys.clone()));
            }
        }
    }

    /// Notifies all tracking clients that every key is invalid.
    pub(in crate::server) fn tell_all_changed(&mut self) {
        self.messages.tracking.readers.clear();
        let mut all: Vec<ClientId> = self.messages.tracking.clients.keys().copied().collect();
        all.sort_unstable();
        for client in all {
            self.notify(client, None);
        }
    }

    /// Notifies broadcast clients of keys changed since the last time.
    #[cold]
    pub(in crate::server) fn tell_broadcast(&mut self) {
        let mut news = Vec::new();
        let Tracking {
            clients, broadcast, ..
        } = &mut self.messages.tracking;
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
        let Some(tracker) = self.messages.tracking.clients.get_mut(&client) else {
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
            &mut self.messages.outbox,
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
    pub(in crate::server) fn after_caching(&mut self, session: &mut Session) {
        if session.client.flags.contains(ClientFlags::CACHING_SAID) {
            self.server.end_caching(&mut session.client);
        }
    }
}
