//! How this server dials others: the address it comes from, and the options of its sockets.
//!
//! The links of all machines and the link to the primary use it.

use std::sync::Arc;

use russet_config::Config;
use russet_net::{Destination, SocketSettings};
use rustls::ClientConfig;

/// A machine's way to another server, from the address that is configured for that.
pub fn destination(
    config: &Config,
    host: &[u8],
    port: u16,
    tls: Option<Arc<ClientConfig>>,
) -> Destination {
    Destination {
        host: String::from_utf8_lossy(host).into_owned(),
        port,
        source: config.bind_source_addr.lossy().parse().ok(),
        socket: link_socket(config),
        tls,
    }
}

/// How sockets of links to other servers are made.
pub(crate) fn link_socket(config: &Config) -> SocketSettings {
    SocketSettings {
        mark: config.socket_mark_id,
        multipath: config.repl_mptcp,
    }
}
