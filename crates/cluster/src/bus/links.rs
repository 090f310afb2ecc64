//! Links: we open a link to each node, and each node opens a link to us.
//!
//! PING, MEET and all messages that a node begins leave by its own link; a PONG goes back by the
//! link of its PING.

use super::super::actions::Action;
use super::super::core::Cluster;
use super::super::membership::nodes::{Address, ME, NODES_MAX, NodeIndex};
use super::super::message::{Framer, Ip, Kind, NodeFlags, Peer};
use super::link::BusLink;
use russet_host::{LinkId, Now};

impl Cluster {
    /// Opens a link to a node.
    pub fn dial(&mut self, at: NodeIndex) {
        let now = self.ms();
        let node = &mut self.nodes[at];
        let address = node.address;
        node.dialled = Some(now);
        // The node's silence counts from now on, whether the link opens or not.
        node.pinged.get_or_insert(now);
        let id = self.links.add(BusLink {
            node: Some(at),
            is_inbound: false,
            is_open: false,
            since: now,
            peer_ip: address.ip,
            local_ip: Ip::UNKNOWN,
            is_trusted: true,
            received_at: None,
            framer: Framer::default(),
        });
        self.nodes[at].out = Some(id);
        self.out.push(Action::Dial {
            link: id,
            host: address.ip.to_vec(),
            port: address.bus_port,
        });
    }

    /// A dialled link is open; `local_ip` is our own address on it.
    pub fn opened(&mut self, now: Now, link: LinkId, local_ip: &[u8]) {
        self.begin(now);
        let Some(open) = self.links.get_mut(link) else {
            return;
        };
        open.is_open = true;
        open.since = now.monotonic_ms;
        open.local_ip = Ip::parse(local_ip).unwrap_or_default();
        if let Some(at) = open.node {
            let waiting_since = self.nodes[at].pinged;
            let meets = self.nodes[at].flags.contains(NodeFlags::MEET);
            self.greet(link, if meets { Kind::Meet } else { Kind::Ping });
            // A new link does not make the node less silent.
            if let Some(node) = self.nodes.get_mut(at)
                && waiting_since.is_some()
            {
                node.pinged = waiting_since;
            }
        }
        self.end();
    }

    /// A dialled link could not be opened.
    pub fn refused(&mut self, now: Now, link: LinkId, why: &str) {
        self.begin(now);
        if let Some(at) = self.links.get(link).and_then(|link| link.node) {
            let address = self.nodes[at].address;
            self.log(
                russet_host::Level::Debug,
                format!("No link to {}:{}: {why}", address.ip, address.bus_port),
            );
        }
        self.drop_link(link);
        self.end();
    }

    /// Another node asks for a link; returns its number. `None`: close it (the door, or too many).
    pub fn accepted(&mut self, now: Now, peer_ip: &[u8], local_ip: &[u8]) -> Option<LinkId> {
        self.begin(now);
        // A primary that loads is not to be asked for its slots' keys yet.
        let is_loading = self.own.is_loading && self.me().is_primary();
        let is_full = self.links.all.len() >= 2 * NODES_MAX;
        let peer_ip = Ip::parse(peer_ip)?;
        let is_trusted = self.is_let_in(&peer_ip);
        if is_loading || is_full || (!is_trusted && self.settings.meet_secret.is_empty()) {
            return None;
        }
        self.make_room_for_stranger();
        let link = self.links.add(BusLink {
            node: None,
            is_inbound: true,
            is_open: true,
            since: now.monotonic_ms,
            peer_ip,
            local_ip: Ip::parse(local_ip).unwrap_or_default(),
            is_trusted: is_trusted && !self.asks_for_proof(),
            received_at: None,
            framer: Framer::default(),
        });
        Some(link)
    }

    /// Bytes of a link, in any pieces.
    pub fn received(&mut self, now: Now, link: LinkId, mut bytes: &[u8]) {
        self.begin(now);
        let has_door = self.has_door();
        // A message may close its link.
        while let Some(open) = self.links.get_mut(link) {
            let node = open.node.and_then(|at| self.nodes.get(at));
            let peer = Peer {
                standing: open.standing(&self.nodes, has_door),
                is_light: node.is_some_and(|node| node.is_valkey()),
            };
            let held = open.framer.bytes();
            let next = open.framer.next(&mut bytes, peer);
            let holds = open.framer.bytes();
            if let Ok(Some(_)) = next {
                open.received_at = Some(now.monotonic_ms);
            }
            self.links.input = self.links.input + holds - held;
            match next {
                Ok(Some(message)) => self.take(link, &message),
                Ok(None) => break,
                Err(fault) => {
                    let from = self.from(link);
                    self.log_limited(format!("Bad bytes {from}: {fault}"));
                    if fault.closes_link() {
                        self.close(link);
                    }
                }
            }
        }
        self.end();
    }

    /// The other end has closed a link, or an error did; or it had more than `link_bytes_max` to
    /// send.
    pub fn closed(&mut self, now: Now, link: LinkId, by_limit: bool) {
        self.begin(now);
        if by_limit {
            self.stats.links_over_limit += 1;
            let from = self.from(link);
            self.warn(format!(
                "Closed the link {from}: more than cluster-link-sendbuf-limit waits"
            ));
        }
        self.drop_link(link);
        self.end();
    }

    /// DEBUG CLUSTERLINK KILL: closes a node's links `to` it, `from` it, or both.
    pub fn kill_links(&mut self, now: Now, id: &[u8], to: bool, from: bool) -> bool {
        self.begin(now);
        let Some(at) = self.find_text(id) else {
            return false;
        };
        let node = &self.nodes[at];
        let links = [node.out.filter(|_| to), node.inbound.filter(|_| from)];
        for link in links.into_iter().flatten() {
            self.close(link);
        }
        self.end();
        true
    }

    /// Closes a link.
    pub fn close(&mut self, link: LinkId) {
        if self.links.get(link).is_some() {
            self.drop_link(link);
            self.out.push(Action::Close(link));
        }
    }

    /// A link is gone.
    pub fn drop_link(&mut self, link: LinkId) {
        let Some(gone) = self.links.remove(link) else {
            return;
        };
        let now = self.ms();
        if let Some(node) = gone.node.and_then(|at| self.nodes.get_mut(at)) {
            if node.out == Some(link) {
                node.out = None;
                // A link that worked is made again at once.
                node.dialled = node.dialled.filter(|_| !gone.is_open);
            }
            if node.inbound == Some(link) {
                (node.inbound, node.unlinked) = (None, now);
            }
        }
    }

    /// An inbound link is of this node. A newer one closes the older.
    pub(crate) fn set_inbound(&mut self, link: LinkId, at: NodeIndex) {
        let former = self.nodes[at].inbound;
        if former == Some(link) {
            return;
        }
        if let Some(former) = former {
            self.close(former);
        }
        if let Some(open) = self.links.get_mut(link) {
            let was_strange = open.is_strange();
            let earlier = open.node.replace(at);
            self.links.strangers -= usize::from(was_strange);
            if let Some(node) = earlier.and_then(|at| self.nodes.get_mut(at)) {
                node.inbound = None;
            }
            self.nodes[at].inbound = Some(link);
        }
    }

    /// `from IP (node ID)`, for the log.
    pub fn from(&self, link: LinkId) -> String {
        let Some(open) = self.links.get(link) else {
            return "from a closed link".into();
        };
        match open.node.filter(|&at| at != ME) {
            Some(at) => format!("from {} (node {})", open.peer_ip, self.called(at)),
            None => format!("from {}", open.peer_ip),
        }
    }
}

/// An address as messages have it: `ports` are the port of clients (TLS's with `tls-cluster`), the
/// other client port, and the bus's.
pub fn address(tls_cluster: bool, ip: Ip, ports: (u16, u16, u16)) -> Address {
    let (port, tls_port) = if tls_cluster {
        (ports.1, ports.0)
    } else {
        (ports.0, ports.1)
    };
    Address {
        ip,
        port,
        tls_port,
        bus_port: ports.2,
    }
}
