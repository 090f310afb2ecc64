//! Closes the clients that exceed `maxmemory-clients` (`parts::memory::client_memory`).

use crate::clients::ending::{Disconnection, EndReason};
use crate::state::world::Engine;
use russet_keyspace::ClientId;

impl Engine {
    /// Ends the largest clients until the others fit. Their connections are closed at the end of
    /// the turn, or by the caller before.
    #[inline]
    pub fn evict_clients(&mut self) -> Vec<ClientId> {
        if self.server.memory.clients.is_exceeded() {
            self.evict_largest_clients()
        } else {
            Vec::new()
        }
    }

    #[cold]
    fn evict_largest_clients(&mut self) -> Vec<ClientId> {
        let server = &mut self.server;
        let (limit, is_share) = server.memory.clients.limit();
        // Idle cursors count towards the share, and end before any client.
        while is_share && server.memory.clients.is_exceeded() && server.search.cursors.end_oldest()
        {
        }
        if !server.memory.clients.is_exceeded() {
            return Vec::new();
        }
        let name = if is_share {
            format!("all clients may hold {limit} beside maxmemory")
        } else {
            "maxmemory-clients".to_owned()
        };
        let largest = server.memory.clients.largest(&server.clients);
        for &id in &largest {
            if let Some(session) = server.clients.get(id) {
                server.log_dropped(session, "evicted, for all clients hold too much memory");
            }
            let session = server.clients.get(id);
            let bytes = session.map_or(0, |session| session.client.buffers.counted.limited);
            let detail = format!("it held {bytes} bytes, {name}");
            let ending = Disconnection::new(EndReason::ClientMemory, detail);
            if server.kill_client(&mut self.keyspace, id, ending) {
                server.stats.clients.evicted_clients += 1;
            }
        }
        largest
    }
}
