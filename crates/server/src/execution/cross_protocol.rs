//! Rejects other protocols, recognized by their first bytes.
//!
//! HTTP: a web page can make a browser send a request with commands in its body. The first line of
//! a POST and the `Host:` header, which every request has, precede the body; the server closes a
//! connection that sends either, before it runs any further command.

use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::parts::observe::Diagnostics;
use crate::parts::run::turn::Turn;
use crate::state::Server;
use russet_base::clock::Now;

/// The log reports at most a single request in this time.
const REPORT_EVERY_MS: u64 = 60_000;

/// Whether an unknown command's name is a word that lines of an HTTP request begin with.
pub(crate) fn is_http(name: &[u8]) -> bool {
    [&b"post"[..], b"host:"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether a connection begins with a TLS handshake record.
#[inline]
pub(crate) fn is_tls_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, 0..=4, ..])
}

impl Server {
    /// A TLS client on a plain port: it would wait for a reply for ever.
    #[cold]
    pub(crate) fn refuse_tls(&mut self, session: &Session) {
        self.connections.log_failed_handshake(
            &mut self.stats,
            &self.now,
            session,
            "the client speaks TLS, but this port does not",
        );
    }
}

/// Closes an HTTP client, without a reply.
#[cold]
pub(crate) fn refuse_http(
    turn: &mut Turn,
    diagnostics: &mut Diagnostics,
    now: &Now,
    session: &mut Session,
) {
    let now = now.mono_ms;
    if diagnostics
        .http_reported_ms
        .is_none_or(|reported| now - reported > REPORT_EVERY_MS)
    {
        diagnostics.http_reported_ms = Some(now);
        tracing::warn!(
            "Possible SECURITY ATTACK detected: {} sends an HTTP request (POST or a Host: \
             header), as a web page does that wants a browser to send commands here. \
             Connection aborted.",
            session.client.identity.peer
        );
    }
    let detail = "an HTTP request";
    turn.close_soon(session, Disconnection::new(EndReason::Protocol, detail));
}
