//! The links of a Sentinel: events of its connections. `server::sentinel` serves them.

use crate::server::run::Loop;

impl Loop {
    pub(in crate::server) fn sentinel_event(&mut self, slot: u32, generation: u32) {
        let server = &mut self.engine.server;
        server.with_sentinel(|driver, server| driver.serve(server, slot, generation));
    }

    /// A Sentinel's work in each turn: connections with more to read, and due work.
    pub(in crate::server) fn drive_sentinel(&mut self) {
        let server = &mut self.engine.server;
        let Some(driver) = &mut server.sentinel else {
            return;
        };
        for (slot, generation) in std::mem::take(&mut driver.links.unread) {
            server.with_sentinel(|driver, server| driver.serve(server, slot, generation));
        }
        server.tend_sentinel();
    }
}
