//! TLS handshakes: a bounded share of every turn.
//!
//! The cost of a step is known only afterwards, so the share is checked after each step: a turn
//! takes at least one step, and with 2,048-bit RSA keys at most one step. Other clients wait no
//! longer than that for handshakes, however many arrive at once.
//!
//! With I/O threads (`io_threads.rs`) the I/O threads do the work, each with a share of its own
//! rounds. The end or failure of a handshake is handled here in both cases.

use std::io::ErrorKind;

use super::Loop;

use crate::clients::client::Client;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::figures::stats::Stats;
use crate::memory::limits::refuses_stranger;
use crate::parts::clients::tls::Handshakes;
use crate::parts::users::Acl;
use russet_base::clock;
use russet_config::Config;
use russet_net::Stream;

/// A turn's share.
const SHARE_NANOS: u64 = 200_000;

impl Loop {
    pub fn handshakes(&mut self) -> &mut Handshakes {
        &mut self.engine.server.connections.tls.handshakes
    }

    /// Continues handshakes whose peers have sent something.
    pub(crate) fn shake_hands(&mut self) {
        if self.handshakes().ready.is_empty() {
            return;
        }
        let began = clock::cycles();
        let share = self.engine.server.cycles.ticks(SHARE_NANOS);
        while let Some(id) = self.handshakes().ready.pop_front() {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.read(session);
            }
            if clock::cycles().wrapping_sub(began) >= share {
                break;
            }
        }
    }

    /// After a read during a handshake. `Err`: the connection is over.
    #[cold]
    pub(crate) fn continue_handshake(
        &mut self,
        session: &mut Session,
        read: &std::io::Result<(usize, bool)>,
    ) -> Result<(), ()> {
        let server = &mut self.engine.server;
        let stream = session.stream.as_ref().ok_or(())?;
        if !stream.is_handshaking() {
            server.stats.clients.handshakes += 1;
            let admitted = admit(&mut server.acl, &mut server.stats, &server.config, session);
            if let Some(handoff) = session.stream.as_mut().and_then(Stream::handoff) {
                handoff.forget_certificate();
            }
            return admitted;
        }
        match read {
            Ok(_) => {
                server.connections.log_failed_handshake(
                    &mut server.stats,
                    &server.now,
                    session,
                    "the peer has gone during the handshake",
                );
                Err(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(())
            }
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::InvalidData => error.to_string(),
                    _ => russet_config::system_text(error),
                };
                server.connections.log_failed_handshake(
                    &mut server.stats,
                    &server.now,
                    session,
                    &why,
                );
                session
                    .client
                    .ends_by(Disconnection::new(EndReason::Refused, why));
                Err(())
            }
        }
    }
}

/// The handshake is complete: logs the client in by its certificate, or refuses it.
fn admit(
    acl: &mut Acl,
    stats: &mut Stats,
    config: &Config,
    session: &mut Session,
) -> Result<(), ()> {
    if let Some(refusal) = refuses_stranger(acl, config, &session.client.identity.peer) {
        session.reply.raw(refusal.as_bytes());
        turn_away(stats, &mut session.client, "protected mode");
        return Ok(());
    }
    let Session { client, stream, .. } = session;
    let certificate = stream.as_ref().and_then(Stream::peer_certificate);
    let logged_in = certificate.map_or(Ok(true), |certificate| {
        acl.log_in_by_certificate(client, &certificate, config)
    });
    let welcomed = logged_in.and_then(|known| {
        stats.denied_certificates += u64::from(!known);
        acl.welcomes(client).map_or(Ok(()), Err)
    });
    if let Err(refusal) = welcomed {
        session.reply.error(&refusal);
        turn_away(stats, &mut session.client, "its user's clients budget");
    }
    Ok(())
}

/// Refuses a client: sends it the reason, and closes it.
fn turn_away(stats: &mut Stats, client: &mut Client, detail: &'static str) {
    client.close_after_reply(Disconnection::new(EndReason::Refused, detail));
    stats.clients.rejected_connections += 1;
}
