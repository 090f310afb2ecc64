//! Messages to clients, whoever they are: they wait here until the command that caused them
//! has answered, and leave in order. A client that is in the middle of a command of its own
//! (it lets blocked clients be served, say) has its messages when that command is over.

use bytes::Bytes;

use super::client::{Client, ClientFlags};
use super::session::Session;
use super::tracking::Notice;
use super::{Engine, Server};
use crate::keyspace::ClientId;
use crate::resp::Reply;

/// What one client is told.
#[derive(Clone, Debug)]
pub enum Post {
    /// A message in the form of the protocol it speaks, shared with all who get it.
    Message(Bytes),
    /// One that is an array in RESP2, in which form it is, and a push in RESP3. It is heard
    /// whatever CLIENT REPLY says.
    Push(Bytes),
    /// Something that it has read has changed.
    Notice(Notice),
    /// A key that it watches was touched.
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

    /// Puts what was taken away before what has come since.
    pub(super) fn put_before(&mut self, mut earlier: Outbox) {
        earlier.posts.append(&mut self.posts);
        *self = earlier;
    }

    /// How much there is; what comes later can be taken back.
    pub(super) fn mark(&self) -> usize {
        self.posts.len()
    }

    /// Takes back what has come since `mark`.
    pub(super) fn take_back(&mut self, mark: usize) {
        self.posts.truncate(mark);
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }
}

impl Server {
    /// Leaves something for a client; it is dropped with the client.
    pub fn post(&mut self, to: ClientId, post: Post) {
        self.outbox.add(to, post);
    }

    /// Delivers to a client whose command has not run yet what is there for it.
    #[cold]
    pub(super) fn deliver_early(&mut self, client: &Client, reply: &mut Reply) {
        let is_its = |(to, _): &mut (ClientId, Post)| *to == client.id;
        for (_, post) in self.outbox.posts.extract_if(.., is_its) {
            hear(client, reply, &post);
        }
    }
}

impl Engine {
    /// Delivers what is in the outbox. `running` is the client whose command has just been
    /// answered and who is out of the list of clients.
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

/// Writes what is to be told behind what waits to be sent.
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
