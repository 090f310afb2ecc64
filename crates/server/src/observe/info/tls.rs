//! INFO tls: the certificates in use, in Valkey's fields, and the handshakes so far.

use super::{InfoWriter, Source};

use russet_net::tls::{CertificateFacts, Materials};

pub fn tls(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("TLS");
    let server = from.server;
    let materials = server.connections.tls.materials();
    let facts = |of: fn(&Materials) -> Option<&CertificateFacts>| materials.and_then(of);
    for (kind, facts) in [
        ("server", facts(|all| Some(&all.server_facts))),
        ("client", facts(|all| all.client_facts.as_ref())),
        ("ca", facts(|all| all.authority_facts.as_ref())),
    ] {
        let serial = facts.map_or("none", |facts| &facts.serial);
        let left_s = facts.map_or(0, |facts| facts.not_after - server.now.unix_s());
        to.line(format_args!("tls_{kind}_cert_serial:{serial}"));
        to.line(format_args!("tls_{kind}_cert_expires_in_seconds:{left_s}"));
    }
    // russet's own.
    to.field("tls_handshakes", server.stats.clients.handshakes);
    to.field(
        "tls_handshakes_failed",
        server.stats.clients.failed_handshakes,
    );
}
