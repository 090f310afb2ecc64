//! Connections in their TLS handshake: the queue, the time limit, and the log of failures.
//!
//! A step of a handshake costs up to a millisecond (a signature), a thousand times a command's
//! cost. So clients whose handshake can continue wait in a queue, and a turn serves only as many of
//! them as its share of time allows (`run/handshake.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::clients::session::Session;
use crate::clients::table::Clients;
use russet_keyspace::ClientId;

/// Time limit of a handshake.
const LIMIT: Duration = Duration::from_secs(60);
/// Failures logged in this time; the rest is only counted.
const REPORTED_MAX: u32 = 20;
const REPORT_EVERY_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// Clients whose handshake has data to read; a client may be in the queue more than once.
    pub ready: VecDeque<ClientId>,
    /// Handshakes begun and perhaps not ended, oldest first, with their deadlines.
    begun: VecDeque<(u64, ClientId)>,
    logged: u32,
    unlogged: u64,
    reported_since_ms: u64,
}

impl Handshakes {
    pub fn begin(&mut self, id: ClientId, now_ms: u64) {
        self.begun
            .push_back((now_ms + LIMIT.as_millis() as u64, id));
    }

    /// The next client whose handshake exceeded the limit; each client is returned once.
    pub(crate) fn next_overdue(&mut self, clients: &Clients, now_ms: u64) -> Option<ClientId> {
        while let Some(&(until_ms, id)) = self.begun.front() {
            let continues = clients.get(id).is_some_and(Session::is_handshaking);
            if continues && until_ms > now_ms {
                return None;
            }
            self.begun.pop_front();
            if continues {
                return Some(id);
            }
        }
        None
    }

    /// Logs why a handshake failed.
    pub(crate) fn log_failed(&mut self, session: &Session, why: &str, now_ms: u64) {
        let Some(unlogged) = self.may_log(now_ms) else {
            return;
        };
        let identity = &session.client.identity;
        let (peer, local) = (&identity.peer, &identity.local);
        let more = match unlogged {
            0 => String::new(),
            n => format!(" ({n} more of these)"),
        };
        tracing::warn!(
            "Error accepting a client connection: {why} (addr={peer} laddr={local}){more}"
        );
    }

    /// Whether another failure may be logged; `Some` has the number not logged before.
    fn may_log(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.reported_since_ms) >= REPORT_EVERY_MS {
            (self.logged, self.reported_since_ms) = (0, now_ms);
        }
        if self.logged >= REPORTED_MAX {
            self.unlogged += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.unlogged))
    }
}
