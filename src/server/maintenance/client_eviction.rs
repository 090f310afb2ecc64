//! `maxmemory-clients`: the clients that hold the most memory are closed until the rest fits.
//!
//! While there is a limit every session's memory is added up as it changes: after its commands,
//! after others have sent it much, and after its output is flushed; cron recounts all of them.
//! Without a limit nothing is counted.

use crate::config::{Config, MemoryOrPercent};
use crate::keyspace::ClientId;
use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// The smallest limit: a smaller setting would shut out every client, and CONFIG SET with it.
const LIMIT_MIN: usize = 128 * 1024;

fn held(session: &Session) -> usize {
    session.client.memory_bytes(&session.reply)
}

/// Zero means no limit: none is set, or a percentage of a `maxmemory` that is not set.
fn limit_bytes(config: &Config, maxmemory: u64) -> usize {
    let is_share_of_nothing =
        matches!(config.maxmemory_clients, MemoryOrPercent::Percent(_)) && maxmemory == 0;
    if config.maxmemory_clients == MemoryOrPercent::Bytes(0) || is_share_of_nothing {
        return 0;
    }
    let limit = config.maxmemory_clients.of(maxmemory);
    usize::try_from(limit).unwrap_or(usize::MAX).max(LIMIT_MIN)
}

/// Clients that the limit may close.
fn is_candidate(session: &Session) -> bool {
    let exempt = ClientFlags::NO_EVICT | ClientFlags::REPLICA | ClientFlags::CLOSE_ASAP;
    !session.client.flags.intersects(exempt)
}

impl Server {
    /// Takes the limit from the configuration and recounts.
    pub(in crate::server) fn set_client_memory_limit(&mut self) {
        self.memory.clients.limit = limit_bytes(&self.config, self.maxmemory());
        self.recount_client_memory();
    }

    /// Adds up the memory of every client.
    pub(in crate::server) fn recount_client_memory(&mut self) {
        if self.memory.clients.limit == 0 {
            return;
        }
        let mut total = 0;
        for session in self.clients.iter_mut() {
            session.counted_bytes = held(session);
            total += session.counted_bytes;
        }
        self.memory.clients.total = total;
    }

    /// A session's memory may have changed.
    #[inline]
    pub(in crate::server) fn count_client_memory(&mut self, session: &mut Session) {
        if self.memory.clients.limit == 0 {
            return;
        }
        let bytes = held(session);
        let total = &mut self.memory.clients.total;
        *total = (*total + bytes).saturating_sub(session.counted_bytes);
        session.counted_bytes = bytes;
    }

    /// The session is over.
    pub(in crate::server) fn uncount_client_memory(&mut self, session: &Session) {
        let total = &mut self.memory.clients.total;
        *total = total.saturating_sub(session.counted_bytes);
    }
}

impl Engine {
    /// Closes the largest clients until the others fit.
    #[inline]
    pub(in crate::server) fn evict_clients(&mut self) {
        let memory = &self.server.memory.clients;
        if memory.limit > 0 && memory.total > memory.limit {
            self.evict_largest_clients();
        }
    }

    #[cold]
    fn evict_largest_clients(&mut self) {
        let server = &mut self.server;
        let mut sizes: Vec<(usize, ClientId)> = server
            .clients
            .iter()
            .filter(|s| is_candidate(s))
            .map(|s| (s.counted_bytes, s.client.id))
            .collect();
        sizes.sort_unstable();
        // Clients already being closed in this turn no longer count.
        let mut left: usize = server
            .clients
            .iter()
            .filter(|s| !s.client.flags.contains(ClientFlags::CLOSE_ASAP))
            .map(|s| s.counted_bytes)
            .sum();
        while left > server.memory.clients.limit
            && let Some((bytes, id)) = sizes.pop()
        {
            if let Some(session) = server.clients.get(id) {
                server.tell_dropped(session, "evicted, for all clients hold too much memory");
            }
            if server.kill_client(&mut self.keyspace, id) {
                server.stats.evicted_clients += 1;
            }
            left = left.saturating_sub(bytes);
        }
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
            assert_eq!(t.engine.server.stats.evicted_clients, 0);
            assert_eq!(t.engine.server.memory.clients.limit, super::LIMIT_MIN);
        }
        assert_eq!(t.run("CONFIG SET maxmemory 0"), "+OK\r\n");
        assert_eq!(t.engine.server.memory.clients.limit, 0);
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
        assert_eq!(t.engine.server.stats.evicted_clients, 1);
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
