//! Connections that are still agreeing on their keys: whose turn is next, who has taken too
//! long, and what the log is told of those that fail.
//!
//! A step of a handshake costs up to a millisecond (a signature), a thousand times what a
//! command does. So the clients whose sockets have something for theirs stand in a queue, and
//! a turn takes only so many of them as its share of time allows (`run/handshake.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::keyspace::ClientId;
use crate::server::Server;
use crate::server::session::Session;

/// A peer has so long to agree on keys.
const LIMIT: Duration = Duration::from_secs(60);
/// The log tells of so many failures in a time; what is more is counted.
const TOLD_MAX: u32 = 20;
const TOLD_EVERY_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::server) struct Handshakes {
    /// Clients with something to be read for theirs; one may stand here more than once.
    pub(in crate::server) ready: VecDeque<ClientId>,
    /// All that have begun and perhaps not ended, oldest first: until when they must.
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

    /// Whether the log may be told of another failure; of how many it was not.
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
    /// Tells the log why a connection did not come about.
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

    /// Closes those who have had their time.
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
