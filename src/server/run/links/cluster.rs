//! The bus of a cluster: events of its sockets and links. `server::cluster` serves them.

use std::io;

use crate::server::run::Loop;
use russet_net::{Role, Target};

impl Loop {
    /// Accepts nodes from the sockets of the bus, from now on.
    pub fn listen_on_bus(&mut self) -> io::Result<()> {
        let Some(driver) = &mut self.engine.server.cluster else {
            return Ok(());
        };
        for (i, listener) in driver.listeners.iter_mut().enumerate() {
            let token = Target::lasting(Role::ClusterListener, i);
            listener.register(&self.registry, token.into())?;
        }
        // A connection may have arrived before the registration.
        driver.has_waiting = true;
        Ok(())
    }

    pub(in crate::server) fn bus_is_asked(&mut self) {
        if let Some(driver) = &mut self.engine.server.cluster {
            driver.has_waiting = true;
        }
    }

    pub(in crate::server) fn bus_event(&mut self, slot: u32, generation: u32) {
        let engine = &mut self.engine;
        let server = &mut engine.server;
        server.serve_link(&mut engine.keyspace, slot, generation);
    }

    /// A node's work in each turn: accepts connections, reads links with more to read, runs the
    /// core's tick and deferred actions.
    pub(in crate::server) fn drive_cluster(&mut self) {
        if self.engine.server.cluster.is_none() {
            return;
        }
        self.drive_bus();
        let engine = &mut self.engine;
        engine.server.resume_cluster(&mut engine.keyspace);
        engine.after_cluster();
    }

    /// A round of the guest: asks the links, because no poll reports them.
    pub(in crate::server) fn serve_bus(&mut self) {
        let Some(driver) = &mut self.engine.server.cluster else {
            return;
        };
        driver.has_waiting = true;
        let readable = driver.readable();
        driver.links.unread.extend(readable);
        self.drive_bus();
    }

    /// Called by cron: retries connections that could not be accepted.
    pub(in crate::server) fn tend_bus(&mut self) {
        if let Some(driver) = &mut self.engine.server.cluster {
            driver.has_waiting |= std::mem::take(&mut driver.retries_accept);
        }
    }

    fn drive_bus(&mut self) {
        let engine = &mut self.engine;
        let (keyspace, server) = (&mut engine.keyspace, &mut engine.server);
        let Some(driver) = &mut server.cluster else {
            return;
        };
        let unread = std::mem::take(&mut driver.links.unread);
        if driver.has_waiting {
            server.accept_on_bus(keyspace);
        }
        for (slot, generation) in unread {
            server.serve_link(keyspace, slot, generation);
        }
        server.tick_cluster(keyspace);
        server.flush_bus(keyspace);
    }
}
