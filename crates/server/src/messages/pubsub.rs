//! Publishing: a message is encoded once and delivered to every subscriber, at once except to the
//! client whose command runs, which gets it after its reply (`outbox`).
//!
//! Order, as in Redis: subscribers of the channel, then subscribers of patterns. Messages are sent
//! even after CLIENT REPLY OFF.

use bytes::Bytes;

use crate::clients::client::{Client, ClientFlags};
use crate::clients::output::STATIC_REPLY_BYTES;
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::parts::clients::output_limits;
use crate::parts::messages::Messages;
use crate::parts::messages::message::message;
use crate::parts::messages::outbox::{GONE, Outbox, Post, write_post};
use crate::state::Server;
use crate::state::world::World;
use russet_config::KeyspaceEvents;
use russet_keyspace::{Change, ChangeKind, Class, ClientId, DbIndex, Journal, Keyspace, subkeys};
use russet_net::Stream;
use russet_pubsub::{Kind, Subscriptions};
use russet_resp::Reply;

/// Delivers messages to clients.
pub struct Delivery<'a> {
    clients: &'a mut Clients,
    outbox: &'a mut Outbox,
    flush: &'a mut Vec<ClientId>,
    /// All messages are held in the outbox.
    held: bool,
    /// Clients with so many pending bytes that their limits must be checked.
    pub long: Vec<ClientId>,
}

impl<'a> Delivery<'a> {
    pub fn new(
        clients: &'a mut Clients,
        outbox: &'a mut Outbox,
        flush: &'a mut Vec<ClientId>,
        held: bool,
    ) -> Delivery<'a> {
        Delivery {
            clients,
            outbox,
            flush,
            held,
            long: Vec::new(),
        }
    }

    fn give_all(&mut self, receivers: &[ClientId], message: Bytes) {
        let post = Post::Push(message);
        for &id in receivers {
            self.give(id, &post);
        }
    }

    /// Delivers an item to a client, at once unless the client is being served.
    #[inline]
    pub(crate) fn give(&mut self, id: ClientId, post: &Post) {
        let session = if self.held {
            None
        } else {
            self.clients.get_mut(id)
        };
        let Some(session) = session else {
            return self.outbox.add(id, post.clone());
        };
        if hand_over(session, post) {
            // The message is short, and nothing waits before it.
        } else {
            write_post(&session.client, &mut session.reply, post);
        }
        if session.reply.pending_len() > STATIC_REPLY_BYTES || session.reply.is_full() {
            self.long.push(id);
        }
        if !session.flush_queued {
            session.flush_queued = true;
            self.flush.push(id);
        }
    }
}

/// Gives a message straight to the I/O thread that has the client's socket, without a reply buffer
/// in between. `false`: it goes the usual way, as after a reply that waits.
#[inline]
fn hand_over(session: &mut Session, post: &Post) -> bool {
    let (Some(Stream::Handoff(handoff)), Post::Push(message)) = (&mut session.stream, post) else {
        return false;
    };
    let reply = &session.reply;
    let is_next = reply.is_empty() && !reply.is_full() && !session.client.flags.intersects(GONE);
    is_next && handoff.push_message(reply.push_kind(message), &message[1..])
}

impl Server {
    /// Sends a message to all subscribers of a channel; returns how many. O(receivers + patterns
    /// with a matching prefix).
    pub fn publish(&mut self, kind: Kind, channel: &[u8], text: &[u8]) -> usize {
        // An event that must wait gets its position after the unit.
        let has_position = !self.messages.outbox.has_events;
        let held = self.scripting.holds_news() || !has_position;
        let Server {
            clients,
            messages,
            turn,
            ..
        } = self;
        let Messages { pubsub, outbox, .. } = messages;
        let mut delivery = Delivery::new(clients, outbox, &mut turn.flush, held);
        let subscribers = pubsub.subscribers(kind, channel);
        let mut receivers = subscribers.len();
        if !subscribers.is_empty() {
            let word: &[u8] = match kind {
                Kind::Shard => b"smessage",
                Kind::Channel | Kind::Pattern => b"message",
            };
            delivery.give_all(subscribers, message(&[word, channel, text]));
        }
        if kind == Kind::Channel {
            pubsub.matching(channel, |pattern, subscribers| {
                receivers += subscribers.len();
                let message = message(&[b"pmessage", pattern, channel, text]);
                delivery.give_all(subscribers, message);
            });
        }
        let long = delivery.long;
        self.limit_long(long);
        receivers
    }

    /// Closes the clients whose output is over the limit, and counts the pending output of the
    /// other clients.
    pub(crate) fn limit_long(&mut self, long: Vec<ClientId>) {
        for id in long {
            if let Some(mut session) = self.clients.take(id) {
                self.enforce_output_limit(&mut session);
                self.memory.clients.count(&mut session);
                self.clients.put_back(session);
            }
        }
    }

    /// Notifies the journal's changes to clients that track keys, and to subscribers of the events
    /// that `notify-keyspace-events` selects. `running` is the client that made the changes.
    pub(crate) fn notify_journal(&mut self, journal: &Journal, running: Option<ClientId>) {
        let wanted = self.config.notify_keyspace_events;
        let (tracks, publishes) = (
            self.messages.tracking.is_on(),
            !self.messages.pubsub.is_empty(),
        );
        let classes = if publishes {
            wanted.classes()
        } else {
            Class::empty()
        };
        let (mut channel, mut all_changed) = (Vec::new(), false);
        for change in journal.changes() {
            if tracks {
                self.notify_trackers(change, running);
                let is_whole = matches!(change.kind, ChangeKind::Flushed | ChangeKind::Swapped);
                if is_whole && !std::mem::replace(&mut all_changed, true) {
                    self.notify_all_changed();
                }
            }
            if classes.intersects(change.class) && !change.event.is_empty() {
                self.publish_event(change, wanted, &mut channel);
            }
        }
    }

    /// Publishes an event on its channels; `channel` is a buffer for their names.
    fn publish_event(&mut self, change: Change<'_>, wanted: KeyspaceEvents, channel: &mut Vec<u8>) {
        self.messages.outbox.has_events = self.replication.sync_writes.is_on();
        let DbIndex(db) = change.db;
        let mut digits = itoa::Buffer::new();
        let db = digits.format(db).as_bytes();
        let (key, event) = (change.key, change.event.as_bytes());
        for (class, kind, name, text) in [
            (Class::KEYSPACE, &b"__keyspace@"[..], key, event),
            (Class::KEYEVENT, b"__keyevent@", event, key),
        ] {
            if wanted.channels().contains(class) {
                channel.clear();
                for part in [kind, db, b"__:", name] {
                    channel.extend_from_slice(part);
                }
                self.publish(Kind::Channel, channel, text);
            }
        }
        if wanted.with_subkeys() && !change.subkeys.is_empty() {
            self.publish_subkeys(change, wanted, db);
        }
    }

    /// Publishes an event with the fields that it touched: named by key, by event, by key and field
    /// (a message per field), by event and key.
    #[cold]
    fn publish_subkeys(&mut self, change: Change<'_>, wanted: KeyspaceEvents, db: &[u8]) {
        let (key, event, list) = (change.key, change.event.as_bytes(), change.subkeys);
        let wants = |class| wanted.channels().contains(class);
        let mut say = |channel: &[&[u8]], text: &[&[u8]]| {
            self.publish(Kind::Channel, &channel.concat(), &text.concat());
        };
        if wants(Class::SUBKEYSPACE) {
            say(&[b"__subkeyspace@", db, b"__:", key], &[event, b"|", list]);
        }
        if wants(Class::SUBKEYEVENT) {
            let len = key.len().to_string();
            say(
                &[b"__subkeyevent@", db, b"__:", event],
                &[len.as_bytes(), b":", key, b"|", list],
            );
        }
        // A line feed separates key and field: with a line feed in the key the name would be
        // ambiguous.
        if wants(Class::SUBKEYSPACE_ITEM) && !key.contains(&b'\n') {
            for field in subkeys(list) {
                say(
                    &[b"__subkeyspaceitem@", db, b"__:", key, b"\n", field],
                    &[event],
                );
            }
        }
        if wants(Class::SUBKEYSPACE_EVENT) {
            say(
                &[b"__subkeyspaceevent@", db, b"__:", event, b"|", key],
                &[list],
            );
        }
    }

    /// The listeners of changes have changed: subscriptions, tracking, `notify-keyspace-events`.
    pub fn update_listeners(&mut self, keyspace: &mut Keyspace) {
        let wanted = self.config.notify_keyspace_events;
        let mut wanted_classes = if self.messages.pubsub.is_empty() {
            Class::empty()
        } else {
            wanted.classes()
        };
        if self.debug.recorder.is_some() {
            wanted_classes = Class::all();
        }
        let all_changes = self.messages.tracking.is_on() || self.search.listens();
        keyspace.journal.listen(wanted_classes, all_changes);
        keyspace.journal.keep_subkeys(wanted.with_subkeys());
    }
}

impl World<'_> {
    /// Subscribes the client.
    pub fn subscribe(&mut self, kind: Kind, name: &[u8]) {
        let client = &mut *self.client;
        let was_empty = self.server.messages.pubsub.is_empty();
        let its = client.subscriptions.get_or_insert_default();
        self.server
            .messages
            .pubsub
            .subscribe(kind, name, client.id, its);
        let count = its.count_of(kind);
        if !client.flags.contains(ClientFlags::PUBSUB) {
            client.flags |= ClientFlags::PUBSUB;
            output_limits::limit(client, self.reply, &self.server.config);
        }
        if was_empty {
            self.server.update_listeners(self.keyspace);
        }
        let word = match kind {
            Kind::Channel => "subscribe",
            Kind::Pattern => "psubscribe",
            Kind::Shard => "ssubscribe",
        };
        self.confirm_subscription(word, Some(name), count);
    }

    /// Unsubscribes the client; without names from all of the kind.
    pub fn unsubscribe<'a>(&mut self, kind: Kind, names: impl ExactSizeIterator<Item = &'a [u8]>) {
        let word = match kind {
            Kind::Channel => "unsubscribe",
            Kind::Pattern => "punsubscribe",
            Kind::Shard => "sunsubscribe",
        };
        if names.len() > 0 {
            for name in names {
                self.unsubscribe_one(kind, name, word);
            }
        } else {
            let its = self.client.subscriptions.as_deref();
            let all = its.map(|its| its.of(kind).iter().cloned().collect::<Vec<_>>());
            let all = all.unwrap_or_default();
            for name in &all {
                self.unsubscribe_one(kind, name, word);
            }
            if all.is_empty() {
                let its = self.client.subscriptions.as_deref();
                let count = its.map_or(0, |its| its.count_of(kind));
                self.confirm_subscription(word, None, count);
            }
        }
        end_subscriptions(self.client);
        output_limits::limit(self.client, self.reply, &self.server.config);
        if self.server.messages.pubsub.is_empty() {
            self.server.update_listeners(self.keyspace);
        }
    }

    fn unsubscribe_one(&mut self, kind: Kind, name: &[u8], word: &str) {
        let mut count = 0;
        let id = self.client.id;
        if let Some(its) = self.client.subscriptions.as_deref_mut() {
            self.server.messages.pubsub.unsubscribe(kind, name, id, its);
            count = its.count_of(kind);
        }
        self.confirm_subscription(word, Some(name), count);
    }

    /// A confirmation: sent as messages are, even after CLIENT REPLY OFF.
    fn confirm_subscription(&mut self, word: &str, name: Option<&[u8]>, count: usize) {
        let write = |reply: &mut Reply| {
            reply.push(3);
            reply.bulk(word.as_bytes());
            match name {
                Some(name) => reply.bulk(name),
                None => reply.null(),
            }
            reply.int(count as i64);
        };
        if !self.client.flags.intersects(ClientFlags::UNHEARD) {
            return write(self.reply);
        }
        let mut apart = Reply::new();
        apart.set_resp3(self.reply.resp3());
        write(&mut apart);
        let message = russet_resp::message(apart.pending());
        self.server.post(self.client.id, Post::Push(message));
    }
}

impl Server {
    /// Removes a client from all channels, without a message.
    pub fn unsubscribe_all(&mut self, keyspace: &mut Keyspace, client: &mut Client) {
        if let Some(mut its) = client.subscriptions.take() {
            self.messages.pubsub.forget(client.id, &mut its);
            end_subscriptions(client);
            if self.messages.pubsub.is_empty() {
                self.update_listeners(keyspace);
            }
        }
    }
}

/// A client without subscriptions is an ordinary client again.
fn end_subscriptions(client: &mut Client) {
    let has_some = |its: &Subscriptions| !its.is_empty();
    if client.subscriptions.as_deref().is_some_and(has_some) {
        return;
    }
    client.subscriptions = None;
    client.flags.remove(ClientFlags::PUBSUB);
}
