//! TLS for clients and links: new materials, overdue handshakes. `parts::clients::tls` keeps the
//! materials and the handshakes.

use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::session::Session;
use crate::server::parts::clients::tls::Logged;
use crate::server::state::Server;

impl Server {
    /// Applies the current configuration, or leaves everything as it was.
    pub(in crate::server) fn configure_tls(&mut self) -> Result<(), Logged> {
        let connections = &mut self.connections;
        connections.tls.configure(&self.config, self.now.mono_ms)?;
        // Links to other servers have the old materials.
        connections.migrate_links = Default::default();
        Ok(())
    }

    /// Cron's part: reads files again, ends handshakes that take too long, warns of certificates
    /// about to expire.
    pub(in crate::server) fn watch_tls(&mut self) {
        self.end_overdue_handshakes();
        self.connections.tls.watch(&self.config, &self.now);
    }

    /// Logs and counts a failed handshake.
    #[cold]
    pub(in crate::server) fn log_failed_handshake(&mut self, session: &Session, why: &str) {
        self.stats.clients.failed_handshakes += 1;
        let handshakes = &mut self.connections.tls.handshakes;
        handshakes.log_failed(session, why, self.now.mono_ms);
    }

    fn end_overdue_handshakes(&mut self) {
        let now_ms = self.now.mono_ms;
        while let Some(id) = (self.connections.tls.handshakes).next_overdue(&self.clients, now_ms) {
            if let Some(mut session) = self.clients.take(id) {
                self.log_failed_handshake(&session, "the handshake took too long");
                let detail = "the handshake took too long";
                self.turn
                    .close_soon(&mut session, Ending::new(EndReason::Refused, detail));
                self.clients.put_back(session);
            }
        }
    }
}
