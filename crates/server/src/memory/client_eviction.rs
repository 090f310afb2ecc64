//! Closes the clients that exceed `maxmemory-clients` (`parts::memory::client_memory`).

use crate::server::clients::ending::{EndReason, Ending};
use crate::server::state::world::Engine;
use russet_keyspace::ClientId;

impl Engine {
    /// Ends the largest clients until the others fit. Their connections are closed at the end of
    /// the turn, or by the caller before.
    #[inline]
    pub(in crate::server) fn evict_clients(&mut self) -> Vec<ClientId> {
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
            let ending = Ending::new(EndReason::ClientMemory, detail);
            if server.kill_client(&mut self.keyspace, id, ending) {
                server.stats.clients.evicted_clients += 1;
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn a_tiny_limit_still_lets_clients_take_it_back() {
        let mut t = Testbed::new();
        let client = t.connect();
        for limit in ["1", "1%"] {
            assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
            let set = format!("CONFIG SET maxmemory-clients {limit}");
            assert_eq!(t.run_as(client, &set), "+OK\r\n");
            t.engine.evict_clients();
            assert_eq!(t.engine.server.stats.clients.evicted_clients, 0);
        }
    }

    #[test]
    fn the_largest_client_goes_unless_it_is_exempt() {
        let mut t = Testbed::new();
        let (big, exempt) = (t.connect(), t.connect());
        for client in [big, exempt] {
            t.run_as(client, "MULTI");
            t.run_as(client, &format!("SET a {}", "x".repeat(100_000)));
        }
        let session = t.engine.server.clients.get_mut(exempt).expect("connected");
        session.client.flags |= crate::server::ClientFlags::NO_EVICT;
        assert_eq!(t.run("CONFIG SET maxmemory-clients 150k"), "+OK\r\n");
        t.engine.evict_clients();
        assert_eq!(t.engine.server.stats.clients.evicted_clients, 1);
        let flags = |id| {
            t.engine
                .server
                .clients
                .get(id)
                .expect("still there")
                .client
                .flags
        };
        assert!(flags(big).contains(crate::server::ClientFlags::CLOSE_ASAP));
        assert!(!flags(exempt).contains(crate::server::ClientFlags::CLOSE_ASAP));
    }
}
