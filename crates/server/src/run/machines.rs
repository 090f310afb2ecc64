//! The machines without I/O: the link to the primary, Sentinel, a cluster's node, the place in a
//! group, slots that move. A list, in the order in which they are served: events, urgency, due
//! times, guest service and cron are loops over it.
//!
//! The meaning of a machine's actions is decided beside it (`server::sentinel`, `server::cluster`,
//! `server::migration`, `server::replication`). The host joins events, links and timers of
//! Sentinel, Cluster and the group (`russet_host::Driver`); the other two machines serve their
//! links themselves (docs/decisions.md says why).

use super::upstream::UpstreamHost;
use crate::cluster::ClusterHost;
use crate::migration::MigrationHost;
use crate::replication::quorum::QuorumHost;
use crate::run::Loop;
use crate::sentinel::SentinelHost;
use russet_host::LoopDriver;
use russet_net::Target;

impl Loop {
    /// Calls each machine that this server may have, in the order of their turn.
    pub(crate) fn each_machine(&mut self, mut call: impl FnMut(&mut dyn LoopDriver)) {
        call(&mut UpstreamHost(self));
        let (server, keyspace) = (&mut self.engine.server, &mut self.engine.keyspace);
        call(&mut SentinelHost(server));
        call(&mut ClusterHost { server, keyspace });
        let (server, keyspace) = (&mut self.engine.server, &mut self.engine.keyspace);
        call(&mut QuorumHost { server, keyspace });
        call(&mut MigrationHost(&mut self.engine));
    }

    /// A link of a machine has had an event.
    pub(crate) fn machine_event(&mut self, token: Target) {
        self.each_machine(|machine| machine.serve_event(token));
    }

    /// The machines' work in each turn.
    pub(crate) fn drive_machines(&mut self) {
        self.each_machine(|machine| machine.turn());
    }

    /// Whether a machine has work that waits for no event.
    pub(crate) fn machines_are_urgent(&mut self) -> bool {
        let mut is_urgent = false;
        self.each_machine(|machine| is_urgent |= machine.is_urgent());
        is_urgent
    }

    /// When the next machine is due, monotonic milliseconds.
    pub(crate) fn machines_due_ms(&mut self) -> Option<i64> {
        let mut due_ms = None;
        self.each_machine(|machine| due_ms = due_ms.into_iter().chain(machine.due_ms()).min());
        due_ms
    }
}
