//! A node's address as a client sees it.

use super::super::membership::nodes::ClusterNode;

/// The connection that a reply is for: it decides which address of a node the reply has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewer {
    /// Over TLS: ports in replies are TLS's.
    pub is_tls: bool,
    /// The address family of the client's connection, for Valkey's client addresses.
    pub is_ipv6: bool,
    /// RESP3: the reply has maps where RESP2 has arrays.
    pub is_resp3: bool,
}

impl ClusterNode {
    /// The address for clients: Valkey's nodes may have an address for each family.
    pub(crate) fn client_ip(&self, viewer: Viewer) -> &[u8] {
        let special = if viewer.is_ipv6 {
            &self.names.client_ipv6
        } else {
            &self.names.client_ipv4
        };
        if special.is_empty() {
            &self.address.ip
        } else {
            special
        }
    }

    pub(crate) fn client_port(&self, viewer: Viewer) -> u16 {
        let (special, port) = if viewer.is_tls {
            (self.names.client_tls_port, self.address.tls_port)
        } else {
            (self.names.client_port, self.address.port)
        };
        if special == 0 { port } else { special }
    }
}
