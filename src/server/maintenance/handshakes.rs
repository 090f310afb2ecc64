//! TLS handshakes that fail or take too long.

use crate::server::clients::session::Session;
use crate::server::state::Server;

impl Server {
    /// Logs why a handshake failed.
    #[cold]
    pub(in crate::server) fn tell_failed_handshake(&mut self, session: &Session, why: &str) {
        self.stats.failed_handshakes += 1;
        let Some(untold) = self.connections.tls.handshakes.may_tell(self.now.mono_ms) else {
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
    pub(in crate::server) fn end_overdue_handshakes(&mut self) {
        while let Some(&(until_ms, id)) = self.connections.tls.handshakes.begun.front() {
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
            self.connections.tls.handshakes.begun.pop_front();
        }
    }
}
