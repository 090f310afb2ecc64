//! Limits on clients and memory: which connections are accepted, which clients are closed, and what
//! is evicted.
//!
//! Invariants
//!   1. A reply never grows past the hard limit of its class: the excess is not even written.
//!   2. One eviction is bounded in time (`maxmemory-eviction-tenacity`); the rest continues between
//!      turns, while each command evicts a few keys as well.
//!   3. Cron checks a share of the clients per turn, so that all are checked about once a second.

use crate::base::text::Printable;
use crate::base::{alloc, clock};
use crate::config::{Config, MaxmemoryPolicy, OutputBufferLimit};
use crate::keyspace::{Evicted, Eviction, EvictionOrder, Keyspace};
use crate::net::Address;
use crate::resp::Reply;
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::clients::output::{STATIC_REPLY_BYTES, listed_bytes};
use crate::server::clients::session::Session;
use crate::server::observe::client_line::client_line;
use crate::server::state::Server;

/// Pending reply bytes allowed before authentication: the errors of one turn, no more.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 256 * 1024;

/// The least number of clients that one cron turn checks; all are checked about once a second.
const CLIENTS_PER_CRON_MIN: usize = 50;

const PROTECTED_MODE: &str = "-DENIED russet is running in protected mode because protected \
mode is enabled and no password is set for the default user. In this mode connections are only \
accepted from the loopback interface. To accept others: set a password with CONFIG SET \
requirepass or in the configuration file, or disable protected mode ('CONFIG SET protected-mode \
no' from the same host, or the configuration file) once the network keeps strangers away.\r\n";

impl Server {
    /// Why a new connection is refused, as the error line for it.
    pub(in crate::server) fn refuses(&self, peer: &Address) -> Option<String> {
        if self.is_full() {
            return Some("-ERR max number of clients reached\r\n".into());
        }
        self.refuses_stranger(peer)
    }

    /// Whether no more clients are accepted.
    pub(in crate::server) fn is_full(&self) -> bool {
        self.clients.len() >= self.config.maxclients as usize
    }

    /// As [`Server::refuses`], by the peer's address.
    pub(in crate::server) fn refuses_stranger(&self, peer: &Address) -> Option<String> {
        let open = self.acl.users.default().no_password();
        if self.config.protected_mode && open && !peer.is_local() {
            return Some(PROTECTED_MODE.into());
        }
        None
    }

    /// Whether there is memory for a command that needs some; evicts if the policy allows.
    pub fn make_room(&mut self, keyspace: &mut Keyspace) -> bool {
        let limit = self.eviction_bound();
        // While clients are paused the keyspace stands still.
        if !alloc::exceeds(limit) || self.gates.pause.is_some() {
            self.stats.note_memory(true, self.now.mono_ms);
            return true;
        }
        let evicted = match eviction(&self.config) {
            Some(policy) => self.evict(keyspace, limit, policy),
            None => Evicted::Everything,
        };
        self.turn.evicting = evicted == Evicted::InPart;
        self.stats
            .note_memory(evicted == Evicted::Fits, self.now.mono_ms);
        evicted != Evicted::Everything
    }

    /// Evicts within the time limit; the rest continues between turns. Commands that come meanwhile
    /// evict a few keys each, so that writers cannot outrun eviction.
    fn evict(&mut self, keyspace: &mut Keyspace, limit: usize, policy: Eviction) -> Evicted {
        let ticks = if self.turn.evicting {
            0
        } else {
            self.cycles
                .ticks(eviction_nanos(self.config.maxmemory_eviction_tenacity))
        };
        let began = clock::cycles();
        let evicted = keyspace.evict_while(|| alloc::exceeds(limit), policy, ticks);
        let micros = self.cycles.micros(clock::cycles().wrapping_sub(began));
        self.diagnostics
            .latency
            .add_if_slow("eviction-cycle", micros / 1000);
        evicted
    }

    fn output_limit(&self, client: &Client) -> OutputBufferLimit {
        let limits = &self.config.client_output_buffer_limit;
        if client.flags.contains(ClientFlags::REPLICA) {
            limits.replica
        } else if client.flags.contains(ClientFlags::PUBSUB) {
            limits.pubsub
        } else {
            limits.normal
        }
    }

    /// Limits the client's replies to the hard limit of its class: the excess is not even written,
    /// and the client is closed ([`Server::enforce_output_limit`]).
    #[inline]
    pub(in crate::server) fn limit_output(&self, session: &mut Session) {
        self.limit_reply(&session.client, &mut session.reply);
    }

    /// The limits have changed.
    pub(in crate::server) fn limit_outputs(&mut self) {
        let mut clients = std::mem::take(&mut self.clients);
        clients
            .iter_mut()
            .for_each(|session| self.limit_output(session));
        self.clients = clients;
    }

    /// As [`Server::limit_output`], for a client whose command is running.
    pub(in crate::server) fn limit_reply(&self, client: &Client, reply: &mut Reply) {
        let limit = match self.output_limit(client).hard_bytes {
            0 => usize::MAX,
            _ if client.flags.contains(ClientFlags::FAKE) => usize::MAX,
            hard => usize::try_from(hard)
                .unwrap_or(usize::MAX)
                .saturating_add(STATIC_REPLY_BYTES),
        };
        reply.set_limit(limit);
    }

    /// Whether the client has had too much output pending, or for too long.
    fn is_over_output_limit(&self, session: &mut Session) -> bool {
        if session.reply.is_full() {
            return true;
        }
        let limit = self.output_limit(&session.client);
        let waiting = session.reply.pending_len() as u64;
        if waiting > UNAUTHENTICATED_OUTPUT_MAX && self.must_authenticate(&session.client) {
            return true;
        }
        let beyond = listed_bytes(&session.reply) as u64;
        if limit.hard_bytes > 0 && beyond >= limit.hard_bytes {
            return true;
        }
        if limit.soft_bytes > 0 && beyond >= limit.soft_bytes {
            let now = self.now.mono_ms;
            let since = *session
                .client
                .buffers
                .soft_limit_since_ms
                .get_or_insert(now);
            return now - since > limit.soft_seconds.saturating_mul(1000);
        }
        session.client.buffers.soft_limit_since_ms = None;
        false
    }

    /// Closes the client if its output is over the limit of its class.
    pub(in crate::server) fn enforce_output_limit(&mut self, session: &mut Session) {
        let closing = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        if !closing && self.is_over_output_limit(session) {
            tracing::warn!(
                "Client {} scheduled to be closed ASAP for overcoming of output buffer limits.",
                Printable(&client_line(self, &session.client, &session.reply, false))
            );
            self.stats.output_buffer_disconnections += 1;
            self.close_soon(session);
        }
    }

    /// Logs that a client was closed for what it did, with its figures.
    pub fn tell_dropped(&self, session: &Session, reason: &str) {
        let line = client_line(self, &session.client, &session.reply, false);
        let line = Printable(&line);
        tracing::warn!("Closing client ({reason}): {line}");
    }

    /// Closes a client in this turn, whatever is pending.
    pub fn close_soon(&mut self, session: &mut Session) {
        session.client.flags |= ClientFlags::CLOSE_ASAP;
        self.turn.to_close.push(session.client.id);
    }

    /// Closes idle clients and those over their soft limits; shrinks buffers.
    pub(in crate::server) fn watch_clients(&mut self) {
        let share = self.clients.len() / self.effective_hz() as usize;
        let many = share.max(CLIENTS_PER_CRON_MIN);
        let ids = self.clients.ids();
        if ids.is_empty() {
            return;
        }
        let start = (self.turn.cron_turns as usize).wrapping_mul(many) % ids.len();
        for i in 0..many.min(ids.len()) {
            let id = ids[(start + i) % ids.len()];
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            let idle_s = self
                .now
                .mono_ms
                .saturating_sub(session.client.traffic.last_active_ms)
                / 1000;
            let exempt = ClientFlags::BLOCKED
                | ClientFlags::REPLICA
                | ClientFlags::PUBSUB
                | ClientFlags::MONITOR;
            let timeout = self.config.timeout as u64;
            if timeout > 0 && idle_s > timeout && !session.client.flags.intersects(exempt) {
                tracing::debug!(
                    "Closing idle client: {}",
                    Printable(&client_line(self, &session.client, &session.reply, false))
                );
                self.close_soon(&mut session);
            } else {
                self.enforce_output_limit(&mut session);
                session.client.buffers.reply_peak = session.reply.pending_len();
                if idle_s >= 2 {
                    session.input.shrink();
                    session.note_query_buffer();
                }
            }
            self.clients.put_back(session);
        }
    }
}

/// Time limit of one eviction, for a `maxmemory-eviction-tenacity`, as in Redis: 50 microseconds
/// per step up to ten, then 15 % more for each further step, unlimited at 100.
fn eviction_nanos(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => u64::from(tenacity) * 50_000,
        11..=99 => (500_000.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// The eviction policy; `None`: nothing is evicted.
pub(in crate::server) fn eviction(config: &Config) -> Option<Eviction> {
    use EvictionOrder::{LeastFrequentlyUsed, LeastRecentlyUsed, Random, SoonestExpiry};
    let (order, volatile_only) = match config.maxmemory_policy {
        MaxmemoryPolicy::NoEviction => return None,
        MaxmemoryPolicy::VolatileLru => (LeastRecentlyUsed, true),
        MaxmemoryPolicy::VolatileLfu => (LeastFrequentlyUsed, true),
        MaxmemoryPolicy::VolatileRandom => (Random, true),
        MaxmemoryPolicy::VolatileTtl => (SoonestExpiry, true),
        MaxmemoryPolicy::AllKeysLru => (LeastRecentlyUsed, false),
        MaxmemoryPolicy::AllKeysLfu => (LeastFrequentlyUsed, false),
        MaxmemoryPolicy::AllKeysRandom => (Random, false),
    };
    Some(Eviction {
        order,
        volatile_only,
        samples: config.maxmemory_samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Testbed;

    #[test]
    fn protected_mode_lets_in_who_is_certainly_here() {
        let mut t = Testbed::new();
        let strangers = [
            Address::Unknown,
            Address::Tcp("192.0.2.1:5".parse().expect("an address")),
        ];
        let neighbours = [
            Address::Unix("/tmp/s".into()),
            Address::Tcp("127.0.0.1:5".parse().expect("an address")),
        ];
        let server = &mut t.engine.server;
        for stranger in &strangers {
            assert_eq!(server.refuses(stranger).as_deref(), Some(PROTECTED_MODE));
        }
        for neighbour in &neighbours {
            assert_eq!(server.refuses(neighbour), None);
        }
        server.config.protected_mode = false;
        assert_eq!(server.refuses(&strangers[0]), None);
    }

    #[test]
    fn tenacity_is_time() {
        let micros = [0, 1, 10, 11, 20, 99].map(|tenacity| eviction_nanos(tenacity) / 1000);
        assert_eq!(micros[..5], [0, 50, 500, 575, 2022]);
        assert_eq!(micros[5] / 1_000_000, 126);
        assert_eq!(eviction_nanos(100), u64::MAX);
    }
}
