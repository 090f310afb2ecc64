//! `maxmemory-clients`: the memory of all clients together, and which of them the limit closes.
//!
//! While there is a limit every session's memory is added up as it changes: after its commands,
//! after others have sent it much, and after its output is flushed; cron recounts all of them.
//! Without a limit nothing is counted.
//!
//! Invariant: `total` is the sum of `Session::counted_bytes`, but for sessions that were taken out
//! of the table during a recount.
//!
//! Cost: O(1) per session counted; a recount and the choice of clients are O(clients).

use crate::config::{Config, MemoryOrPercent};
use crate::keyspace::ClientId;
use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use crate::server::clients::table::Clients;

/// The smallest limit: a smaller setting would shut out every client, and CONFIG SET with it.
const LIMIT_MIN: usize = 128 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// Bytes; 0: no limit, and nothing is counted.
    limit: usize,
    total: usize,
}

impl ClientMemory {
    /// Takes the limit from the configuration and recounts. `maxmemory`: the effective one.
    pub(in crate::server) fn set_limit(
        &mut self,
        config: &Config,
        maxmemory: u64,
        clients: &mut Clients,
    ) {
        self.limit = limit_bytes(config, maxmemory);
        self.recount(clients);
    }

    /// Adds up the memory of every client.
    pub(in crate::server) fn recount(&mut self, clients: &mut Clients) {
        if self.limit == 0 {
            return;
        }
        let mut total = 0;
        for session in clients.iter_mut() {
            session.counted_bytes = held(session);
            total += session.counted_bytes;
        }
        self.total = total;
    }

    /// A session's memory may have changed.
    #[inline]
    pub(in crate::server) fn count(&mut self, session: &mut Session) {
        if self.limit == 0 {
            return;
        }
        let bytes = held(session);
        self.total = (self.total + bytes).saturating_sub(session.counted_bytes);
        session.counted_bytes = bytes;
    }

    /// The session is over.
    pub(in crate::server) fn uncount(&mut self, session: &Session) {
        self.total = self.total.saturating_sub(session.counted_bytes);
    }

    /// Whether clients must be closed ([`ClientMemory::largest`]).
    #[inline]
    pub(in crate::server) fn is_exceeded(&self) -> bool {
        self.limit > 0 && self.total > self.limit
    }

    /// The largest clients that the limit may close, largest first: without them the others fit,
    /// if that is possible.
    pub(in crate::server) fn largest(&self, clients: &Clients) -> Vec<ClientId> {
        let candidates = clients.iter().filter(|session| is_candidate(session));
        let mut sizes: Vec<(usize, ClientId)> = candidates
            .map(|session| (session.counted_bytes, session.client.id))
            .collect();
        sizes.sort_unstable();
        // Clients already being closed in this turn no longer count.
        let mut left: usize = clients
            .iter()
            .filter(|session| !session.client.flags.contains(ClientFlags::CLOSE_ASAP))
            .map(|session| session.counted_bytes)
            .sum();
        let mut largest = Vec::new();
        while left > self.limit
            && let Some((bytes, id)) = sizes.pop()
        {
            largest.push(id);
            left = left.saturating_sub(bytes);
        }
        largest
    }
}

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
    let exempt = ClientFlags::NO_EVICT
        | ClientFlags::REPLICA
        | ClientFlags::PRIMARY
        | ClientFlags::CLOSE_ASAP;
    !session.client.flags.intersects(exempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiny_limit_becomes_the_smallest_and_a_share_of_nothing_none() {
        let mut memory = ClientMemory::default();
        let mut config = Config::default();
        let mut limit_of = |setting, maxmemory| {
            config.maxmemory_clients = setting;
            memory.set_limit(&config, maxmemory, &mut Clients::default());
            memory.limit
        };
        assert_eq!(limit_of(MemoryOrPercent::Bytes(1), 0), LIMIT_MIN);
        assert_eq!(limit_of(MemoryOrPercent::Percent(1), 1 << 20), LIMIT_MIN);
        assert_eq!(limit_of(MemoryOrPercent::Percent(1), 0), 0);
        assert_eq!(limit_of(MemoryOrPercent::Bytes(0), 1 << 20), 0);
    }
}
