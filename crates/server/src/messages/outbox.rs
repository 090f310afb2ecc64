//! Delivers the messages of the outbox (`parts::messages::outbox`).

use crate::clients::client::Client;
use crate::clients::session::Session;
use crate::parts::messages::outbox::{Outbox, Post, write_post};
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::ClientId;
use russet_resp::Reply;

fn receive(session: &mut Session, post: Post, keyspace: &mut russet_keyspace::Keyspace) {
    match post {
        Post::Touched => session.client.lose_watches(&mut keyspace.watchers),
        post => write_post(&session.client, &mut session.reply, &post),
    }
}

impl Server {
    /// Posts an item for a client; it is dropped with the client.
    pub fn post(&mut self, to: ClientId, post: Post) {
        self.messages.outbox.add(to, post);
    }
}

impl Engine {
    /// Delivers the outbox. `running` is the client that has just been answered, which is out of
    /// the list of clients.
    #[cold]
    pub(crate) fn deliver_posts(&mut self, mut running: Option<&mut Session>) {
        let Engine {
            keyspace, server, ..
        } = self;
        let mut kept = Vec::new();
        let has_events = std::mem::take(&mut server.messages.outbox.has_events);
        let written = server.replication.sync_writes.written();
        let needs = if has_events { written } else { 0 };
        for (to, post) in std::mem::take(&mut server.messages.outbox.posts) {
            if let Some(session) = running.as_deref_mut().filter(|s| s.client.id == to) {
                session.client.needs = session.client.needs.max(needs);
                receive(session, post, keyspace);
            } else if let Some(mut session) = server.clients.take(to) {
                session.client.needs = session.client.needs.max(needs);
                receive(&mut session, post, keyspace);
                server.enforce_output_limit(&mut session);
                // The next command of this batch may ask for the memory that does not count towards
                // `maxmemory`.
                server.memory.clients.count(&mut session);
                server.put_back(session);
            } else if server.clients.is_connected(to) {
                kept.push((to, post));
            }
        }
        server.messages.outbox.has_events |= has_events && !kept.is_empty();
        kept.append(&mut server.messages.outbox.posts);
        server.messages.outbox.posts = kept;
    }
}

impl Outbox {
    /// Delivers the items of a client before its command runs.
    #[cold]
    pub(crate) fn deliver_early(&mut self, client: &Client, reply: &mut Reply) {
        let is_its = |(to, _): &mut (ClientId, Post)| *to == client.id;
        for (_, post) in self.posts.extract_if(.., is_its) {
            write_post(client, reply, &post);
        }
    }
}
