//! Messages to clients: they wait here until the command that caused them has replied, and are then
//! delivered in order. A client in the middle of its own command (which serves blocked clients,
//! say) gets its messages after that command.
//!
//! Invariant: a message is never inside a command's reply. O(messages) to deliver.

use bytes::Bytes;

use super::client::{Client, ClientFlags};
use super::session::Session;
use super::tracking::Notice;
use super::{Engine, Server};
use crate::keyspace::ClientId;
use crate::resp::Reply;

/// One item for a client.
#[derive(Clone, Debug)]
pub enum Post {
    /// A message encoded for the client's protocol, shared by all receivers.
    Message(Bytes),
    /// An array in RESP2, the form it has here, and a push in RESP3. Sent whatever CLIENT REPLY
    /// says.
    Push(Bytes),
    /// An invalidation: a key that it has read has changed.
    Notice(Notice),
    /// A watched key was touched.
    Touched,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    posts: Vec<(ClientId, Post)>,
}

impl Outbox {
    pub(super) fn add(&mut self, to: ClientId, post: Post) {
        self.posts.push((to, post));
    }

    /// Puts messages taken earlier before those posted since.
    pub(super) fn put_before(&mut self, mut earlier: Outbox) {
        earlier.posts.append(&mut self.posts);
        *self = earlier;
    }

    /// The current length; later messages can be taken back.
    pub(super) fn mark(&self) -> usize {
        self.posts.len()
    }

    /// Drops the messages posted since `mark`.
    pub(super) fn take_back(&mut self, mark: usize) {
        self.posts.truncate(mark);
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }
}

impl Server {
    /// Posts an item for a client; it is dropped with the client.
    pub fn post(&mut self, to: ClientId, post: Post) {
        self.outbox.add(to, post);
    }

    /// Delivers the items of a client before its command runs.
    #[cold]
    pub(super) fn deliver_early(&mut self, client: &Client, reply: &mut Reply) {
        let is_its = |(to, _): &mut (ClientId, Post)| *to == client.id;
        for (_, post) in self.outbox.posts.extract_if(.., is_its) {
            hear(client, reply, &post);
        }
    }
}

impl Engine {
    /// Delivers the outbox. `running` is the client that has just been answered, which is out of
    /// the list of clients.
    #[cold]
    pub(super) fn deliver_posts(&mut self, mut running: Option<&mut Session>) {
        let Engine { keyspace, server } = self;
        let mut kept = Vec::new();
        for (to, post) in std::mem::take(&mut server.outbox.posts) {
            if let Some(session) = running.as_deref_mut().filter(|s| s.client.id == to) {
                receive(session, post, keyspace);
            } else if let Some(mut session) = server.clients.take(to) {
                receive(&mut session, post, keyspace);
                server.enforce_output_limit(&mut session);
                server.put_back(session);
            } else if server.clients.is_connected(to) {
                kept.push((to, post));
            }
        }
        kept.append(&mut server.outbox.posts);
        server.outbox.posts = kept;
    }
}

fn receive(session: &mut Session, post: Post, keyspace: &mut crate::keyspace::Keyspace) {
    match post {
        Post::Touched => session.client.lose_watches(&mut keyspace.watchers),
        post => hear(&session.client, &mut session.reply, &post),
    }
}

/// Writes an item after the pending replies.
#[inline]
pub(super) fn hear(client: &Client, reply: &mut Reply, post: &Post) {
    let gone = ClientFlags::CLOSE_ASAP | ClientFlags::CLOSE_AFTER_REPLY;
    if client.flags.intersects(gone) {
        return;
    }
    match post {
        Post::Message(_) if client.flags.intersects(ClientFlags::UNHEARD) => {}
        Post::Message(bytes) => reply.shared(bytes.clone()),
        Post::Push(bytes) => reply.pushed(bytes),
        Post::Notice(notice) => notice.write(client, reply),
        Post::Touched => {}
    }
}
