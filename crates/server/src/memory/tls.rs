//! TLS for clients and links: new materials, overdue handshakes. `parts::clients::tls` keeps the
//! materials and the handshakes.

use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::figures::stats::Stats;
use crate::parts::clients::tls::TlsSetupError;
use crate::parts::run::turn::Turn;
use crate::state::Connections;
use crate::state::Server;
use russet_base::clock::Now;
use russet_config::Config;

impl Server {
    /// Cron's part: reads files again, ends handshakes that take too long, warns of certificates
    /// about to expire.
    pub fn watch_tls(&mut self) {
        let (stats, clients, turn) = (&mut self.stats, &mut self.clients, &mut self.turn);
        let connections = &mut self.connections;
        connections.end_overdue_handshakes(stats, clients, turn, &self.now);
        connections.tls.watch(&self.config, &self.now);
    }
}

impl Connections {
    /// Applies the current configuration, or leaves everything as it was.
    pub(crate) fn configure_tls(
        &mut self,
        config: &Config,
        now: &Now,
    ) -> Result<(), TlsSetupError> {
        let connections = self;
        connections.tls.configure(config, now.mono_ms)?;
        // Links to other servers have the old materials.
        connections.migrate_links = Default::default();
        Ok(())
    }

    /// Logs and counts a failed handshake.
    #[cold]
    pub(crate) fn log_failed_handshake(
        &mut self,
        stats: &mut Stats,
        now: &Now,
        session: &Session,
        why: &str,
    ) {
        stats.clients.failed_handshakes += 1;
        let handshakes = &mut self.tls.handshakes;
        handshakes.log_failed(session, why, now.mono_ms);
    }

    pub(crate) fn end_overdue_handshakes(
        &mut self,
        stats: &mut Stats,
        clients: &mut Clients,
        turn: &mut Turn,
        now: &Now,
    ) {
        let now_ms = now.mono_ms;
        while let Some(id) = (self.tls.handshakes).next_overdue(clients, now_ms) {
            if let Some(mut session) = clients.take(id) {
                self.log_failed_handshake(stats, now, &session, "the handshake took too long");
                let detail = "the handshake took too long";
                turn.close_soon(&mut session, Disconnection::new(EndReason::Refused, detail));
                clients.put_back(session);
            }
        }
    }
}
