//! Memory that does not count towards `maxmemory`: the server can free it without a loss for any
//! client, or it has a bound of its own. Keys are never evicted, and writes never refused, because
//! of it.
//!
//! The bound of used memory is `maxmemory` plus all of this memory (`parts::memory::memory_limit`).
//! A command compares used memory with the bound as of the last measurement; only if used memory
//! exceeds that bound, everything is measured anew (`memory::memory_limit`). The opening of
//! `russet_keyspace` has a list of all owners of memory.
//!
//! Cost: O(1), but for the owners that take a walk ([`walked`]); these owners are measured at most
//! once a turn, and only while the others do not suffice. Within a client's batch their figures do
//! not change, except for messages to other nodes.

use crate::state::Server;
use russet_keyspace::Keyspace;

/// Bytes by owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotCounted {
    /// The append only file's buffer, and effects on their way to it and to replicas.
    pub log: usize,
    /// Bytes that snapshots have yet to write or send, and old values that they have yet to save.
    pub snapshots: usize,
    /// Bytes that the backlog holds beyond its size, for replicas.
    pub backlog: usize,
    /// Clients: replies, query buffers, transactions, subscriptions; replicas' links; bytes at I/O
    /// threads.
    pub clients: usize,
    /// The states that scripts run in.
    pub scripts: usize,
    /// See [`walked`].
    pub others: usize,
}

impl NotCounted {
    /// All owners except those that need a walk. `clients`: their bytes.
    pub fn measure(server: &Server, keyspace: &Keyspace, clients: usize) -> NotCounted {
        let persist = &server.persist;
        let log = persist.aof.log().map_or(0, |log| log.writer.memory_bytes());
        let snapshots = &persist.snapshots;
        let early = if snapshots.in_progress() {
            keyspace.early_bytes()
        } else {
            0
        };
        let upstream = server.replication.upstream.as_ref();
        let held = upstream.map_or(0, |upstream| upstream.core.held.memory_bytes());
        let backlog = server.stream.backlog();
        let scripting = &server.scripting;
        NotCounted {
            log: log + keyspace.unreported_bytes(),
            snapshots: snapshots.waiting_bytes() + early + held,
            backlog: backlog.map_or(0, |backlog| backlog.excess_bytes()),
            clients: clients + server.connections.io_threads.memory_bytes(),
            scripts: scripting.scripts.vm_allocated() + scripting.libraries.vm_allocated(),
            others: 0,
        }
    }

    /// Adds the owners that take a walk.
    pub(crate) fn with_walked(self, server: &Server) -> NotCounted {
        NotCounted {
            others: walked(server),
            ..self
        }
    }

    pub fn total(&self) -> usize {
        self.lines().iter().map(|(_, bytes)| bytes).sum()
    }

    /// The owners and their bytes.
    pub fn lines(&self) -> [(&'static str, usize); 6] {
        [
            ("log", self.log),
            ("snapshots", self.snapshots),
            ("backlog", self.backlog),
            ("clients", self.clients),
            ("scripts", self.scripts),
            ("others", self.others),
        ]
    }
}

/// Links of the cluster's bus and of slots on their way, readers of the change stream, command
/// logs, connections of the console and of metrics. O(all of these).
pub(crate) fn walked(server: &Server) -> usize {
    let (slots_out, slots_in) = server
        .migrations
        .as_ref()
        .map_or((0, 0), |it| it.memory_bytes());
    let connections = &server.connections;
    server.cluster.as_ref().map_or(0, |it| it.link_bytes())
        + slots_out
        + slots_in
        + server.changes.memory_bytes()
        + server.diagnostics.command_logs.memory_bytes()
        + connections.scrapes.memory_bytes()
        + connections.console.pool.memory_bytes()
}
