//! The sources of INFO's sections, and totals over all clients, which are taken once.

use std::cell::OnceCell;

use crate::clients::client::{Client, ClientFlags};
use crate::clients::output::buffers;
use crate::figures::recent::Buffers;
use crate::figures::stats::CommandStats;
use crate::state::Server;
use crate::state::call::Row;
use russet_base::memory::alloc;
use russet_keyspace::Keyspace;
use russet_resp::Reply;

/// The sources of the sections.
pub struct Source<'a> {
    pub keyspace: &'a Keyspace,
    pub server: &'a Server,
    /// The asking client and its reply: while the command runs, the client is not in the server's
    /// list.
    pub asking: Option<(&'a Client, &'a Reply)>,
    /// `used_memory`, before the text is built.
    pub used: usize,
    clients: OnceCell<ClientTotals>,
}

/// A client is active for this long after its last traffic.
const ACTIVE_MS: u64 = 1000;

/// Totals over all clients.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientTotals {
    pub(super) memory: usize,
    /// The sum of `Client::own_bytes`.
    pub(super) own: usize,
    pub(super) largest: Buffers,
    pub(super) replicas: usize,
    pub(super) pubsub: usize,
    pub(super) watching: usize,
    pub(super) postponed: usize,
    /// The number of clients that sent or received anything within the last second.
    pub(super) active: usize,
    /// Output that is not copied: see `Reply::referenced_bytes`.
    pub(super) shared: usize,
    pub(super) unshared: usize,
}

impl<'a> Source<'a> {
    pub fn new(
        keyspace: &'a Keyspace,
        server: &'a Server,
        asking: Option<(&'a Client, &'a Reply)>,
    ) -> Source<'a> {
        Source {
            keyspace,
            server,
            asking,
            used: alloc::used_memory(),
            clients: OnceCell::new(),
        }
    }

    /// Commands that were called or refused, with their counters.
    pub(crate) fn commands_used(&self) -> impl Iterator<Item = (&'a Row, &'a CommandStats)> {
        let rows = self.server.table.rows().iter();
        let all = rows.zip(&self.server.diagnostics.command_stats);
        all.filter(|(_, stats)| stats.calls > 0 || stats.failed > 0 || stats.rejected > 0)
    }

    /// Totals over every connected client, the asking client included: one pass for all sections.
    pub(super) fn client_totals(&self) -> &ClientTotals {
        self.clients.get_or_init(|| {
            let mut totals = ClientTotals::default();
            for (client, reply) in self.server.clients.all(self.asking) {
                let has = |flag| usize::from(client.flags.contains(flag));
                totals.memory += client.memory_bytes(reply);
                totals.own += client.own_bytes(reply);
                totals.largest = totals.largest.max(buffers(client, reply));
                totals.replicas += has(ClientFlags::REPLICA);
                totals.pubsub += has(ClientFlags::PUBSUB);
                totals.postponed += has(ClientFlags::POSTPONED);
                totals.watching += usize::from(!client.watched.is_empty());
                let silent_ms = self
                    .server
                    .now
                    .mono_ms
                    .saturating_sub(client.traffic.last_active_ms);
                totals.active += usize::from(silent_ms < ACTIVE_MS);
                let (shared, unshared) = reply.referenced_bytes();
                totals.shared += shared;
                totals.unshared += unshared;
            }
            totals
        })
    }
}
