//! Connections in their TLS handshake: the queue, the time limit, and the log of failures.
//!
//! A step of a handshake costs up to a millisecond (a signature), a thousand times a command's
//! cost. So clients whose handshake can continue wait in a queue, and a turn serves only as many of
//! them as its share of time allows (`run/handshake.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::keyspace::ClientId;
use crate::server::Server;
use crate::server::session::Session;

/// Time limit of a handshake.
const LIMIT: Duration = Duration::from_secs(60);
/// Failures logged in this time; the rest is only counted.
const TOLD_MAX: u32 = 20;
const TOLD_EVERY_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::server) struct Handshakes {
    /// Clients whose handshake has data to read; one may be in the queue more than once.
    pub(in crate::server) ready: VecDeque<ClientId>,
    /// Handshakes begun and perhaps not ended, oldest first, with their deadlines.
    begun: VecDeque<(u64, ClientId)>,
    told: u32,
    untold: u64,
    told_since_ms: u64,
}

impl Handshakes {
    pub(in crate::server) fn begin(&mut self, id: ClientId, now_ms: u64) {
        self.begun
            .push_back((now_ms + LIMIT.as_millis() as u64, id));
    }

    /// Whether another failure may be logged; `Some` has the number not logged before.
    fn may_tell(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.told_since_ms) >= TOLD_EVERY_MS {
            (self.told, self.told_since_ms) = (0, now_ms);
        }
        if self.told >= TOLD_MAX {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

impl Server {
    /// Logs why a handshake failed.
    #[cold]
    pub(in crate::server) fn tell_failed_handshake(&mut self, session: &Session, why: &str) {
        self.stats.failed_handshakes += 1;
        let Some(untold) = self.tls.handshakes.may_tell(self.now.mono_ms) else {
            return;
        };
        let (peer, local) = (
            &session.client.identity.peer,
            &session.client.identity.local,
        );
        let more = match untold {
            0 => String::new(),
            n => format!(" ({n} more of these)"),
        };
        tracing::warn!(
            "Error accepting a client connection: {why} (addr={peer} laddr={local}){more}"
        );
    }

    /// Closes connections whose handshake exceeded the limit.
    pub(super) fn end_overdue_handshakes(&mut self) {
        while let Some(&(until_ms, id)) = self.tls.handshakes.begun.front() {
            let session = self.clients.take(id);
            let goes_on = |session: &Session| {
                let stream = session.stream.as_ref();
                stream.is_some_and(|stream| stream.is_handshaking())
            };
            match session {
                Some(session) if !goes_on(&session) => self.clients.put_back(session),
                Some(session) if until_ms > self.now.mono_ms => {
                    self.clients.put_back(session);
                    return;
                }
                Some(mut session) => {
                    self.tell_failed_handshake(&session, "the handshake took too long");
                    self.close_soon(&mut session);
                    self.clients.put_back(session);
                }
                None => {}
            }
            self.tls.handshakes.begun.pop_front();
        }
    }
}
