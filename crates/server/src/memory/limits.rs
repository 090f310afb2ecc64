//! Limits on clients: which connections are accepted, and which clients are closed.
//!
//! Invariant: cron checks a share of the clients per turn, so that all are checked about once a
//! second.
//!
//! Limits on output: `parts::clients::output_limits`; on the memory of all clients:
//! `parts::memory::client_memory`.

use crate::clients::client::ClientFlags;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::figures::stats::Stats;
use crate::observe::client_line::client_line;
use crate::parts::clients::output_limits;
use crate::parts::memory::client_memory::HELD_MAX_S;
use crate::parts::users::Acl;
use crate::state::Server;
use russet_base::text::Printable;
use russet_config::Config;
use russet_net::Address;

/// The least number of clients that a cron turn checks; all are checked about once a second.
const CLIENTS_PER_CRON_MIN: u64 = 50;

pub const PROTECTED_MODE: &str = "-DENIED russet is running in protected mode because protected \
mode is enabled and no password is set for the default user. In this mode connections are only \
accepted from the loopback interface. To accept others: set a password with CONFIG SET \
requirepass or in the configuration file, or disable protected mode ('CONFIG SET protected-mode \
no' from the same host, or the configuration file) once the network keeps strangers away.\r\n";

impl Server {
    /// Closes the client if its output is over the limit of the client's class.
    pub(crate) fn enforce_output_limit(&mut self, session: &mut Session) {
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
    pub(crate) fn log_overcome(&self, session: &Session) {
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

    /// Closes idle clients and clients over their soft limits, shrinks buffers, and counts memory
    /// again. Walks all clients once a second. It prefetches sessions some steps ahead, because
    /// each session is several cache misses.
    pub fn watch_clients(&mut self) {
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
                let ending = Disconnection::new(EndReason::ClientMemory, detail);
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
                    .close_soon(&mut session, Disconnection::new(EndReason::Idle, detail));
            } else {
                self.enforce_output_limit(&mut session);
                session.client.buffers.reply_peak = session.reply.pending_len();
                if idle_s >= 2 {
                    session.input.shrink();
                    session.update_query_buffer();
                }
                self.memory.clients.count(&mut session);
            }
            self.clients.put_back(session);
        }
    }

    /// Why a new connection is refused, as the error line for it.
    pub fn refuses(&mut self, peer: &Address) -> Option<String> {
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
pub(crate) fn has_priority(config: &Config, peer: &Address) -> bool {
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
pub fn is_full(config: &Config, clients: &Clients, peer: &Address) -> bool {
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
pub(crate) fn count_refused(stats: &mut Stats, config: &Config, peer: &Address) {
    let has_priority = has_priority(config, peer);
    let stats = &mut stats.clients;
    stats.rejected_connections += 1;
    stats.rejected_priority_connections += u64::from(has_priority);
}

/// As [`Server::refuses`], by the peer's address.
pub(crate) fn refuses_stranger(acl: &Acl, config: &Config, peer: &Address) -> Option<String> {
    let open = acl.users.default().no_password();
    if config.protected_mode && open && !peer.is_local() {
        return Some(PROTECTED_MODE.into());
    }
    None
}
