//! Messages to clients: they wait here until the command that caused them has replied, and are then
//! delivered in order. A client in the middle of its own command (for example a client whose
//! command serves blocked clients) gets its messages after that command.
//!
//! Invariant: a message is never inside a command's reply. O(messages) to deliver.

use bytes::Bytes;

use crate::clients::client::{Client, ClientFlags};
use crate::parts::messages::message::Notice;
use russet_keyspace::ClientId;
use russet_resp::Reply;

/// A message for a client.
#[derive(Clone, Debug)]
pub enum Post {
    /// A message encoded for the client's protocol, shared by all receivers.
    Message(Bytes),
    /// An array in RESP2, as stored here, and a push in RESP3. CLIENT REPLY does not suppress it.
    Push(Bytes),
    /// An invalidation: a key that it has read has changed.
    Notice(Notice),
    /// A watched key was touched.
    Touched,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(crate) posts: Vec<(ClientId, Post)>,
    /// Keyspace events are among the posts, and wait for replicas as readers of the keys do
    /// (`min-sync-replicas`).
    pub(crate) has_events: bool,
}

impl Outbox {
    pub fn add(&mut self, to: ClientId, post: Post) {
        self.posts.push((to, post));
    }

    /// Puts messages taken earlier before messages posted since.
    pub(crate) fn put_before(&mut self, mut earlier: Outbox) {
        earlier.posts.append(&mut self.posts);
        earlier.has_events |= self.has_events;
        *self = earlier;
    }

    /// The current length; later messages can be taken back.
    pub fn mark(&self) -> usize {
        self.posts.len()
    }

    /// Drops the messages posted since `mark`.
    pub(crate) fn take_back(&mut self, mark: usize) {
        self.posts.truncate(mark);
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }
}

/// Clients that get nothing more.
pub(crate) const GONE: ClientFlags = ClientFlags::CLOSE_ASAP.union(ClientFlags::CLOSE_AFTER_REPLY);

/// Writes an item after the pending replies.
#[inline]
pub(crate) fn write_post(client: &Client, reply: &mut Reply, post: &Post) {
    if client.flags.intersects(GONE) {
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
