//! The memory of all clients: its size, and the clients that a limit closes.
//!
//! While there is a limit every session's memory is added up as it changes: after its commands,
//! after other clients have sent it much, and after its output is flushed; cron counts each session
//! anew about once a second. Without a limit nothing is counted.
//!
//! The limit is `maxmemory-clients`. If that is 0 but `maxmemory` is set, it is a share of memory
//! beside `maxmemory` ([`bound_beside`]), because clients' memory does not count towards
//! `maxmemory` (`observe::not_counted`). From half of that share on, the loop does not read from
//! clients whose replies wait ([`ClientMemory::holds_readers`]).
//!
//! Invariants
//!   1. The totals are the sums of the sessions' `ClientBuffers::counted`, but for sessions that
//!      were taken out of the table when the limit was set.
//!   2. The limit concerns no links of nodes (replicas, the primary, slots): they have limits of
//!      their own, and must not close others.
//!
//! Cost: O(1) per session counted; a recount and the choice of clients are O(clients).

use crate::clients::client::{Client, ClientFlags, CountedBytes};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::parts::memory::memory_limit::MemoryLimit;
use russet_base::memory::alloc;
use russet_config::{Config, MemoryOrPercent};
use russet_keyspace::ClientId;
use russet_resp::Reply;

/// The smallest limit: a smaller setting would shut out every client, and CONFIG SET with it.
const LIMIT_MIN: usize = 128 * 1024;

/// Clients' share beside `maxmemory`: this part of it, but at least so many bytes.
const SHARE: u64 = 4;
const SHARE_MIN: u64 = 32 << 20;

/// Bytes of clients' buffers that count towards `maxmemory`: the few bytes that any server always
/// has. Because they count, used memory stays at the limit, as clients expect, while connections
/// are few and idle.
const FEW_BYTES: usize = 64 * 1024;

/// Replies of fewer bytes never keep a client from being read.
const HELD_MIN: usize = 64 * 1024;

/// Seconds for which a client that the loop does not read from may take none of its replies.
pub const HELD_MAX_S: u64 = 60;

/// See the module.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// Bytes; 0: no limit, and nothing is counted.
    limit: usize,
    /// The limit is the share beside `maxmemory`, not a setting.
    is_share: bool,
    /// Bytes of the clients that the limit concerns.
    limited: usize,
    /// Bytes of all clients.
    own: usize,
    /// Clients that wait until their replies are taken, each once (`Session::held_queued`), and
    /// some that have ended since.
    held_readers: Vec<ClientId>,
}

impl ClientMemory {
    /// Takes the limit from the configuration and recounts.
    pub fn set_limit(&mut self, config: &Config, limit: &MemoryLimit, clients: &mut Clients) {
        self.limit = limit_bytes(config, limit.maxmemory());
        self.is_share = self.limit == 0 && limit.maxmemory() > 0;
        if self.is_share {
            self.limit = bound_beside(limit);
        }
        self.recount(clients);
    }

    /// Adds up the memory of every client.
    fn recount(&mut self, clients: &mut Clients) {
        if self.limit == 0 {
            return;
        }
        (self.limited, self.own) = (0, 0);
        for session in clients.iter_mut() {
            session.client.buffers.counted = CountedBytes::default();
            self.count(session);
        }
    }

    /// A session's memory may have changed.
    #[inline]
    pub fn count(&mut self, session: &mut Session) {
        if self.limit == 0 {
            return;
        }
        let now = counted(&session.client, &session.reply);
        let before = std::mem::replace(&mut session.client.buffers.counted, now);
        self.limited = (self.limited + now.limited).saturating_sub(before.limited);
        self.own = (self.own + now.own).saturating_sub(before.own);
    }

    /// Removes an ended session from the totals.
    pub(crate) fn uncount(&mut self, session: &mut Session) {
        let before = std::mem::take(&mut session.client.buffers.counted);
        self.limited = self.limited.saturating_sub(before.limited);
        self.own = self.own.saturating_sub(before.own);
    }

    /// Whether clients must be closed ([`ClientMemory::largest`]).
    #[inline]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.limit > 0 && self.held() > self.limit
    }

    /// The bytes that the limit is compared with. For the setting a message counts for each client
    /// that it waits for, as in Redis; for the share, which bounds real memory, it counts once.
    #[inline]
    fn held(&self) -> usize {
        if self.is_share {
            self.own + alloc::bytes_for_replies()
        } else {
            self.limited
        }
    }

    /// The limit, bytes, and whether it is the share beside `maxmemory`.
    pub fn limit(&self) -> (usize, bool) {
        (self.limit, self.is_share)
    }

    /// Whether clients hold so much memory that the loop does not read from clients whose replies
    /// wait.
    #[inline]
    pub(crate) fn holds_readers(&self) -> bool {
        self.is_share && self.held() > self.limit / 2
    }

    /// Whether the loop does not read from this client until it takes its replies, because many of
    /// them wait and all clients together hold much memory.
    #[inline]
    pub fn holds(&self, session: &Session) -> bool {
        self.holds_readers() && session.reply.pending_len() > HELD_MIN && is_candidate(session)
    }

    /// The client waits until its replies are taken. O(1).
    pub fn hold(&mut self, session: &mut Session) {
        if !std::mem::replace(&mut session.held_queued, true) {
            self.held_readers.push(session.client.id);
        }
    }

    /// Takes the waiting clients that need not wait any more. O(clients that wait).
    pub fn resume(&mut self, clients: &mut Clients) -> Vec<ClientId> {
        let mut free = Vec::new();
        for id in std::mem::take(&mut self.held_readers) {
            let Some(session) = clients.get_mut(id) else {
                continue;
            };
            if self.holds(session) {
                self.held_readers.push(id);
            } else {
                session.held_queued = false;
                free.push(id);
            }
        }
        free
    }

    /// Bytes of clients that do not count towards `maxmemory`. `running`: the client whose command
    /// asks, with its replies, which have grown since it was counted. O(1).
    pub fn not_counted(&self, running: Option<(&Client, &Reply)>) -> usize {
        let grown = running.map_or(0, |(client, reply)| {
            client
                .own_bytes(reply)
                .saturating_sub(client.buffers.counted.own)
        });
        not_counted_of(self.own + grown)
    }

    /// The largest clients that the limit may close, largest first: without them the others fit,
    /// if that is possible.
    pub(crate) fn largest(&self, clients: &Clients) -> Vec<ClientId> {
        let candidates = clients.iter().filter(|session| is_candidate(session));
        let limited = |session: &Session| session.client.buffers.counted.limited;
        let mut sizes: Vec<(usize, ClientId)> = candidates
            .map(|session| (limited(session), session.client.id))
            .collect();
        sizes.sort_unstable();
        // Clients already being closed in this turn no longer count.
        let closing = clients
            .iter()
            .filter(|session| session.client.flags.contains(ClientFlags::CLOSE_ASAP));
        let mut left = self.held().saturating_sub(closing.map(limited).sum());
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

/// Bytes that do not count towards `maxmemory`, of clients that have so many of their own.
pub(crate) fn not_counted_of(own: usize) -> usize {
    (own + alloc::bytes_for_replies()).saturating_sub(FEW_BYTES)
}

fn counted(client: &Client, reply: &Reply) -> CountedBytes {
    let limited = if client.flags.intersects(LINKS) {
        0
    } else {
        client.memory_bytes(reply)
    };
    let own = client.own_bytes(reply);
    CountedBytes { limited, own }
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

/// The share of all clients without `maxmemory-clients`: half of the reserve that `maxmemory auto`
/// leaves; beside a fixed `maxmemory` a quarter of it, and at least [`SHARE_MIN`].
fn bound_beside(limit: &MemoryLimit) -> usize {
    let maxmemory = limit.maxmemory();
    let bytes = match limit.found() {
        Some((memory, _)) => memory.saturating_sub(maxmemory) / 2,
        None => (maxmemory / SHARE).max(SHARE_MIN),
    };
    usize::try_from(bytes).unwrap_or(usize::MAX).max(LIMIT_MIN)
}

/// Links of nodes.
const LINKS: ClientFlags = ClientFlags::REPLICA
    .union(ClientFlags::PRIMARY)
    .union(ClientFlags::INTERNAL)
    .union(ClientFlags::SENDS_SLOTS);

/// Clients that the limit may close.
fn is_candidate(session: &Session) -> bool {
    let exempt = LINKS | ClientFlags::NO_EVICT | ClientFlags::CLOSE_ASAP;
    !session.client.flags.intersects(exempt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_config::MaxMemory;

    #[test]
    fn a_tiny_limit_becomes_the_smallest_and_a_share_of_nothing_none() {
        let mut memory = ClientMemory::default();
        let mut config = Config::default();
        let mut limit_of = |setting, maxmemory| {
            config.maxmemory_clients = setting;
            config.maxmemory = MaxMemory::Bytes(maxmemory);
            let mut limit = MemoryLimit::default();
            let _ = limit.update(&config);
            memory.set_limit(&config, &limit, &mut Clients::default());
            memory.limit
        };
        assert_eq!(limit_of(MemoryOrPercent::Bytes(1), 0), LIMIT_MIN);
        assert_eq!(limit_of(MemoryOrPercent::Percent(1), 1 << 20), LIMIT_MIN);
        assert_eq!(limit_of(MemoryOrPercent::Percent(1), 0), 0);
        assert_eq!(limit_of(MemoryOrPercent::Bytes(0), 0), 0);
        let share = SHARE_MIN as usize;
        assert_eq!(limit_of(MemoryOrPercent::Bytes(0), 1 << 20), share);
        assert_eq!(limit_of(MemoryOrPercent::Bytes(0), 1 << 30), 1 << 28);
    }
}
