//! The door of the bus, which has no authentication of its own.
//!
//! `cluster-bus-allow` names networks; `cluster-meet-secret` is known to the cluster's nodes. With
//! the first alone, links from elsewhere are refused. With the second, a link must show once that
//! its node may speak: a greeting has a proof of the secret (`message::Proof`), the address is in a
//! named network, or it is the address of the known node that the message names. Real Redis and
//! Valkey nodes have no proofs: they come in by address.

use super::super::core::Cluster;
use super::super::membership::nodes::NodeIndex;
use super::super::message::{Header, Ip, Proof};
use russet_host::LinkId;

impl Cluster {
    /// Whether the address is in a named network, or no network is named.
    pub fn is_let_in(&self, ip: &Ip) -> bool {
        let allowed = &self.settings.bus_allow;
        allowed.is_empty()
            || ip.address().is_some_and(|ip| {
                let ip = ip.to_canonical();
                allowed
                    .iter()
                    .any(|(network, bits)| is_in(ip, *network, *bits))
            })
    }

    /// Whether the operator has restricted the nodes that may speak.
    pub(crate) fn has_door(&self) -> bool {
        !self.settings.bus_allow.is_empty() || !self.settings.meet_secret.is_empty()
    }

    /// Whether no address is trusted by itself: there is a secret, and no network is named.
    pub(crate) fn asks_for_proof(&self) -> bool {
        !self.settings.meet_secret.is_empty() && self.settings.bus_allow.is_empty()
    }

    /// Whether a greeting proves that its sender knows the secret, if any.
    pub(crate) fn has_proven(&self, header: &Header<'_>, proof: Option<&Proof>) -> bool {
        let secret = &self.settings.meet_secret;
        let knows = |proof: &Proof| proof.is_valid(secret, header.sender, self.now.wall_ms);
        !secret.is_empty() && proof.is_some_and(knows)
    }

    /// Whether a message of this link is to be read at all.
    pub(crate) fn may_speak(
        &mut self,
        link: LinkId,
        header: &Header<'_>,
        sender: Option<NodeIndex>,
        proof: Option<&Proof>,
    ) -> bool {
        let Some(open) = self.links.get_mut(link) else {
            return false;
        };
        if !open.is_trusted {
            let secret = &self.settings.meet_secret;
            let wall_ms = self.now.wall_ms;
            let knows = |proof: &Proof| proof.is_valid(secret, header.sender, wall_ms);
            let known = sender.and_then(|at| self.nodes.get(at));
            let is_at_home = known.is_some_and(|node| node.address.ip == open.peer_ip);
            open.is_trusted = secret.is_empty() || is_at_home || proof.is_some_and(knows);
        }
        open.is_trusted
    }
}

fn is_in(ip: std::net::IpAddr, network: std::net::IpAddr, bits: u8) -> bool {
    use std::net::IpAddr::{V4, V6};
    let (ip, network, width) = match (ip, network.to_canonical()) {
        (V4(ip), V4(network)) => (ip.to_bits().into(), network.to_bits().into(), 32),
        (V6(ip), V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let differing: u128 = ip ^ network;
    let ignored = u32::saturating_sub(width, bits.into());
    differing.checked_shr(ignored).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn a_network_is_its_first_bits() {
        let ip = |text: &str| text.parse().expect("an address");
        assert!(is_in(ip("10.1.2.3"), ip("10.1.0.0"), 16));
        assert!(!is_in(ip("10.2.2.3"), ip("10.1.0.0"), 16));
        assert!(is_in(ip("10.2.2.3"), ip("0.0.0.0"), 0));
        assert!(is_in(ip("10.2.2.3"), ip("10.2.2.3"), 32));
        assert!(!is_in(ip("10.2.2.2"), ip("10.2.2.3"), 32));
        assert!(is_in(ip("fd00::1"), ip("fd00::"), 8));
        assert!(is_in(ip("::1"), ip("::"), 0));
        assert!(!is_in(ip("10.2.2.3"), ip("::"), 0));
    }
}
