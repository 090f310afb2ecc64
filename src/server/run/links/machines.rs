//! The machines without I/O: Sentinel, a cluster's node. One list, in the order of their turn.
//!
//! The meaning of a machine's actions is decided beside it (`server::sentinel`, `server::cluster`);
//! how events, links and timers meet is the host's (`russet_host::Driver`).

use std::io;

use crate::server::cluster::ClusterHost;
use crate::server::run::Loop;
use crate::server::sentinel::SentinelHost;
use russet_host::Hosted;
use russet_net::{Role, Target};

impl Loop {
    /// Calls each machine that this server may have, in the order of their turn.
    pub(in crate::server) fn each_machine(&mut self, mut call: impl FnMut(&mut dyn Hosted)) {
        let (server, keyspace) = (&mut self.engine.server, &mut self.engine.keyspace);
        call(&mut SentinelHost(server));
        call(&mut ClusterHost { server, keyspace });
    }

    /// A link of a machine has had an event.
    pub(in crate::server) fn machine_event(&mut self, token: Target) {
        self.each_machine(|machine| machine.serve_event(token));
    }

    /// The machines' work in each turn.
    pub(in crate::server) fn drive_machines(&mut self) {
        self.each_machine(|machine| machine.turn());
        self.engine.after_cluster();
    }

    /// Accepts nodes from the sockets of the bus, from now on.
    pub fn listen_on_bus(&mut self) -> io::Result<()> {
        match &mut self.engine.server.cluster {
            Some(driver) => driver.links.register(&self.registry, Role::ClusterListener),
            None => Ok(()),
        }
    }

    /// Whether a machine has work that waits for no event.
    pub(in crate::server) fn machines_are_urgent(&mut self) -> bool {
        let mut is_urgent = false;
        self.each_machine(|machine| is_urgent |= machine.is_urgent());
        is_urgent
    }

    /// When the next machine is due, monotonic milliseconds.
    pub(in crate::server) fn machines_due_ms(&mut self) -> Option<i64> {
        let mut due_ms = None;
        self.each_machine(|machine| due_ms = due_ms.into_iter().chain(machine.due_ms()).min());
        due_ms
    }
}
