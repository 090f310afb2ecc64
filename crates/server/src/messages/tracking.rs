//! CLIENT TRACKING at work: delivers the invalidations that `parts::messages::tracking` returns,
//! and listens to the journal while a client tracks keys.

use crate::clients::client::Client;
use crate::messages::pubsub::Delivery;
use crate::parts::messages::outbox::Post;
use crate::parts::messages::tracking::{Notices, Tracker};
use crate::state::Server;
use russet_keyspace::{Change, ClientId, Keyspace};
use russet_resp::Args;

impl Server {
    /// Starts or changes a client's tracking; `prefixes`, sorted, are added to the client's
    /// prefixes.
    pub fn track(
        &mut self,
        keyspace: &mut Keyspace,
        client: &mut Client,
        asked: Tracker,
        prefixes: &[&[u8]],
    ) {
        if self.messages.tracking.track(client, asked, prefixes) {
            self.update_listeners(keyspace);
        }
    }

    /// Ends a client's tracking.
    pub fn end_tracking(&mut self, keyspace: &mut Keyspace, client: &mut Client) {
        if self.messages.tracking.end(client) {
            self.update_listeners(keyspace);
        }
    }

    /// Remembers the keys of a read command for its client. O(keys).
    pub(crate) fn remember_keys(&mut self, client: ClientId, row: usize, args: Args<'_>) {
        let (row, tracking) = (self.table.row(row), &mut self.messages.tracking);
        if tracking.remember(client, row, args, &self.config) {
            self.limit_readers(Some(client));
        }
    }

    /// Evicts remembered keys if there are too many, notifying their readers.
    #[cold]
    pub(crate) fn limit_readers(&mut self, running: Option<ClientId>) {
        let tracking = &mut self.messages.tracking;
        let notices = tracking.limit(&self.config, running, &self.clients);
        self.notify(notices);
    }

    /// Notifies the readers of a changed key. `running` is the client whose command changed it.
    pub(crate) fn notify_trackers(&mut self, change: Change<'_>, running: Option<ClientId>) {
        let tracking = &mut self.messages.tracking;
        let notices = tracking.changed(change, running, &self.clients);
        self.notify(notices);
    }

    /// Notifies all tracking clients that every key is invalid.
    pub(crate) fn notify_all_changed(&mut self) {
        let notices = self.messages.tracking.all_changed(&self.clients);
        self.notify(notices);
    }

    /// Notifies broadcast clients of keys changed since the last time.
    #[cold]
    pub(crate) fn notify_broadcast(&mut self) {
        let (tracking, users) = (&mut self.messages.tracking, &self.acl.users);
        let notices = tracking.take_broadcast(&self.clients, users);
        self.notify(notices);
    }

    fn notify(&mut self, notices: Notices) {
        for (to, notice) in notices {
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
}
