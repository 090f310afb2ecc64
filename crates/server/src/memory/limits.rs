//! Limits on clients: which connections are accepted, and which clients are closed.
//!
//! Invariant: cron checks a share of the clients per turn, so that all are checked about once a
//! second.
//!
//! Limits on output: `parts::clients::output_limits`; on the memory of all clients:
//! `parts::memory::client_memory`.

use crate::server::clients::client::ClientFlags;
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::clients::table::Clients;
use crate::server::figures::stats::Stats;
use crate::server::observe::client_line::client_line;
use crate::server::parts::clients::output_limits;
use crate::server::parts::memory::client_memory::HELD_MAX_S;
use crate::server::parts::users::Acl;
use crate::server::state::Server;
use russet_base::text::Printable;
use russet_config::Config;
use russet_net::Address;

/// The least number of clients that a cron turn checks; all are checked about once a second.
const CLIENTS_PER_CRON_MIN: u64 = 50;

const PROTECTED_MODE: &str = "-DENIED russet is running in protected mode because protected \
mode is enabled and no password is set for the default user. In this mode connections are only \
accepted from the loopback interface. To accept others: set a password with CONFIG SET \
requirepass or in the configuration file, or disable protected mode ('CONFIG SET protected-mode \
no' from the same host, or the configuration file) once the network keeps strangers away.\r\n";

impl Server {
    /// Closes the client if its output is over the limit of the client's class.
    pub(in crate::server) fn enforce_output_limit(&mut self, session: &mut Session) {
        let closing = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        if closing {
            return;
        }
        let must_authenticate = self.acl.must_authenticate(&session.client);
        let (config, mono_ms) = (&self.config, self.now.mono_ms);
        if output_limits::is_exceeded(session, must_authenticate, config, mono_ms) {
            self.log_overcome(session);
            self.stats.clients.output_buffer_disconnections += 1;
            let ending = output_limits::ending(session, must_authenticate, &self.config);
            self.turn.close_soon(session, ending);
        }
    }

    /// Logs that a client is closed because its output is over a limit.
    pub(in crate::server) fn log_overcome(&self, session: &Session) {
        tracing::warn!(
            "Client {} scheduled to be closed ASAP for overcoming of output buffer limits.",
            Printable(&client_line(self, &session.client, &session.reply, None))
        );
    }

    /// Logs, with the client's figures, that the server closed a client through the client's own
    /// fault.
    pub fn log_dropped(&self, session: &Session, reason: &str) {
        let line = client_line(self, &session.client, &session.reply, None);
        let line = Printable(&line);
        tracing::warn!("Closing client ({reason}): {line}");
    }

    /// Closes idle clients and clients over their soft limits; shrinks buffers; counts memory anew.
    /// Walks all clients once a second. Sessions are prefetched some steps ahead, because each is
    /// several cache misses of its own.
    pub(in crate::server) fn watch_clients(&mut self) {
        let slots = u64::from(self.clients.slots());
        if slots == 0 {
            return;
        }
        let many = (slots / self.clients.effective_hz(&self.config)).max(CLIENTS_PER_CRON_MIN);
        let start = self.turn.cron_turns.wrapping_mul(many) % slots;
        for i in 0..many.min(slots) {
            let slot = (start + i) % slots;
            self.clients.prefetch_after(slot as u32);
            let Some(mut session) = self.clients.take_slot(slot as u32) else {
                continue;
            };
            let idle_s = self
                .now
                .mono_ms
                .saturating_sub(session.client.traffic.last_active_ms)
                / 1000;
            let exempt = ClientFlags::BLOCKED
                | ClientFlags::HELD
                | ClientFlags::INTERNAL
                | ClientFlags::SENDS_SLOTS
                | ClientFlags::REPLICA
                | ClientFlags::PRIMARY
                | ClientFlags::PUBSUB
                | ClientFlags::MONITOR;
            if idle_s > HELD_MAX_S && self.memory.clients.holds(&session) {
                let detail =
                    format!("{idle_s} s without taking its replies, and clients hold much");
                let ending = Ending::new(EndReason::ClientMemory, detail);
                self.turn.close_soon(&mut session, ending);
                self.stats.clients.evicted_clients += 1;
                self.clients.put_back(session);
                continue;
            }
            let timeout = self.config.timeout as u64;
            let is_exempt =
                session.client.flags.intersects(exempt) || session.client.console.is_some();
            if timeout > 0 && idle_s > timeout && !is_exempt {
                tracing::debug!(
                    "Closing idle client: {}",
                    Printable(&client_line(self, &session.client, &session.reply, None))
                );
                let detail = format!("{idle_s} s without a command, timeout {timeout}");
                self.turn
                    .close_soon(&mut session, Ending::new(EndReason::Idle, detail));
            } else {
                self.enforce_output_limit(&mut session);
                session.client.buffers.reply_peak = session.reply.pending_len();
                if idle_s >= 2 {
                    session.input.shrink();
                    session.note_query_buffer();
                }
                self.memory.clients.count(&mut session);
            }
            self.clients.put_back(session);
        }
    }

    /// Why a new connection is refused, as the error line for it.
    pub(in crate::server) fn refuses(&mut self, peer: &Address) -> Option<String> {
        if is_full(&self.config, &self.clients, peer) {
            return Some("-ERR max number of clients reached\r\n".into());
        }
        if let Some(refusal) = self.acl.refuses_newcomer() {
            return Some(format!("-{refusal}\r\n"));
        }
        refuses_stranger(&self.acl, &self.config, peer)
    }
}

/// Whether a client from there may have a reserved connection.
pub(in crate::server) fn has_priority(config: &Config, peer: &Address) -> bool {
    match peer {
        Address::Tcp(peer) => {
            let address = peer.ip().to_canonical();
            config.priority_subnets.contains(address)
        }
        Address::Unix(_) | Address::Unknown => false,
    }
}

/// Whether no more clients are accepted from there: `maxclients` are connected, or only connections
/// reserved for other networks are left (`maxclients-reserved`).
pub(in crate::server) fn is_full(config: &Config, clients: &Clients, peer: &Address) -> bool {
    let (config, clients) = (config, clients);
    let max = config.maxclients as usize;
    if clients.len() >= max {
        return true;
    }
    let reserved = config.maxclients_reserved as usize;
    if reserved == 0 || config.priority_subnets.is_empty() || has_priority(config, peer) {
        return false;
    }
    clients.len() - clients.with_priority() >= max.saturating_sub(reserved)
}

/// Counts a connection that is refused.
pub(in crate::server) fn count_refused(stats: &mut Stats, config: &Config, peer: &Address) {
    let has_priority = has_priority(config, peer);
    let stats = &mut stats.clients;
    stats.rejected_connections += 1;
    stats.rejected_priority_connections += u64::from(has_priority);
}

/// As [`Server::refuses`], by the peer's address.
pub(in crate::server) fn refuses_stranger(
    acl: &Acl,
    config: &Config,
    peer: &Address,
) -> Option<String> {
    let open = acl.users.default().no_password();
    if config.protected_mode && open && !peer.is_local() {
        return Some(PROTECTED_MODE.into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Testbed;

    #[test]
    fn protected_mode_accepts_clients_of_this_machine() {
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

    /// A migration's link may be silent for as long as its own timeouts allow.
    #[test]
    fn idle_clients_are_closed_and_links_of_migrations_are_not() {
        let mut t = Testbed::new();
        let flags = [
            ClientFlags::empty(),
            ClientFlags::SENDS_SLOTS,
            ClientFlags::INTERNAL,
        ];
        let ids = flags.map(|flag| {
            let id = t.connect();
            let server = &mut t.engine.server;
            let mut session = server.clients.take(id).expect("connected");
            session.client.flags |= flag;
            session.client.traffic.last_active_ms = server.now.mono_ms;
            server.clients.put_back(session);
            id
        });
        let server = &mut t.engine.server;
        server.config.timeout = 10;
        server.now.mono_ms += 10_999;
        server.watch_clients();
        assert!(!server.turn.to_close.contains(&ids[0]), "not yet");
        server.now.mono_ms += 1;
        server.watch_clients();
        let closed = ids.map(|id| server.turn.to_close.contains(&id));
        assert_eq!(closed, [true, false, false]);
    }

    #[test]
    fn a_client_that_is_not_read_and_reads_nothing_is_closed() {
        let mut t = Testbed::new();
        let (reader, idle) = (t.connect(), t.connect());
        assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
        let server = &mut t.engine.server;
        for (id, bytes) in [(reader, 20 << 20), (idle, 1000)] {
            let mut session = server.clients.take(id).expect("connected");
            session.client.traffic.last_active_ms = server.now.mono_ms;
            session.reply.raw(&vec![b'x'; bytes]);
            server.memory.clients.count(&mut session);
            server.clients.put_back(session);
        }
        let holds = |server: &Server, id| {
            let session = server.clients.get(id).expect("connected");
            server.memory.clients.holds(session)
        };
        assert!(holds(server, reader) && !holds(server, idle));
        server.now.mono_ms += HELD_MAX_S * 1000 + 999;
        server.watch_clients();
        assert_eq!(server.turn.to_close, []);
        server.now.mono_ms += 1;
        server.watch_clients();
        assert_eq!(server.turn.to_close, [reader]);
        // A limit that is set closes clients, and holds none.
        assert_eq!(t.run("CONFIG SET maxmemory-clients 30mb"), "+OK\r\n");
        assert!(!holds(&t.engine.server, reader));
    }
}
