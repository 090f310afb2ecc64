//! A link's state, and all links by their numbers (`links`).

use std::collections::BTreeMap;

use super::super::membership::nodes::{NodeIndex, Nodes};
use super::super::message::{Framer, Ip, SenderStatus};
use russet_host::LinkId;

/// See `links`. Times are monotonic milliseconds.
#[derive(Debug)]
pub(crate) struct BusLink {
    /// An inbound link has none until a known node has sent a greeting by it.
    pub node: Option<NodeIndex>,
    pub(crate) is_inbound: bool,
    pub is_open: bool,
    pub since: i64,
    /// The address at the other end, and ours.
    pub(crate) peer_ip: Ip,
    pub local_ip: Ip,
    /// The sender was let in by address or has proved that it knows the secret; see `door`.
    pub(crate) is_trusted: bool,
    /// When the last message came completely.
    pub received_at: Option<i64>,
    pub(super) framer: Framer,
}

impl BusLink {
    /// Bytes held of a message that has not come completely.
    pub fn bytes(&self) -> usize {
        self.framer.bytes()
    }

    /// How far the other end has shown which node it is; `has_door`: see `door`.
    pub fn standing(&self, nodes: &Nodes, has_door: bool) -> SenderStatus {
        let node = self.node.and_then(|at| nodes.get(at));
        let Some(node) = node.filter(|node| !node.is_handshake()) else {
            return SenderStatus::Stranger;
        };
        let is_at_home = !self.peer_ip.is_empty() && self.peer_ip == node.answered;
        if !self.is_inbound || is_at_home || has_door && self.is_trusted {
            SenderStatus::Proven
        } else {
            SenderStatus::Claimed
        }
    }

    /// No known node has greeted by it.
    pub(crate) fn is_strange(&self) -> bool {
        self.is_inbound && self.node.is_none()
    }
}

#[derive(Debug, Default)]
pub struct Links {
    pub(super) all: BTreeMap<LinkId, BusLink>,
    last: u64,
    pub(super) strangers: usize,
    /// Bytes held of messages that have not come completely.
    pub(super) input: usize,
}

impl Links {
    pub fn get(&self, link: LinkId) -> Option<&BusLink> {
        self.all.get(&link)
    }

    pub fn get_mut(&mut self, link: LinkId) -> Option<&mut BusLink> {
        self.all.get_mut(&link)
    }

    /// The open links, in the order of their age.
    pub fn iter(&self) -> impl Iterator<Item = (LinkId, &BusLink)> {
        let open = self.all.iter().filter(|(_, link)| link.is_open);
        open.map(|(id, link)| (*id, link))
    }

    /// The number of links of nodes that are not known.
    pub fn strangers(&self) -> usize {
        self.strangers
    }

    pub(crate) fn input_bytes(&self) -> usize {
        self.input
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<BusLink> {
        let gone = self.all.remove(&link)?;
        self.strangers -= usize::from(gone.is_strange());
        self.input -= gone.bytes();
        Some(gone)
    }

    pub(super) fn add(&mut self, link: BusLink) -> LinkId {
        self.strangers += usize::from(link.is_strange());
        self.last += 1;
        let id = LinkId(self.last);
        self.all.insert(id, link);
        id
    }
}
