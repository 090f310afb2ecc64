//! Members: the nodes whose questions are answered, and that are asked (`bus::questions`).
//!
//! The bus lets any node in, and gossip, claims and addresses can be invented. So a known node is a
//! stranger until any of these facts shows that it belongs here:
//!
//!   1. an operator of this node has named it: CLUSTER MEET, REPLICATE, SETSLOT, MIGRATESLOTS; or
//!      this node hands slots over to it, or has accepted it as its replica;
//!   2. it claims a slot that has never had an owner here, while this node has no key: a cluster is
//!      being made, and there is nothing to ask for yet;
//!   3. nodes.conf has it as an owner of slots or as the replica of an owner, and not as a
//!      stranger;
//!   4. it has proven `cluster-meet-secret`;
//!   5. a member vouches for it, at the address where this node knows it.
//!
//! A claim with a newer epoch, a vote, a role, gossip and an age show nothing.
//!
//! **Tokens.** A message does not show its sender: a stranger may write any id into a header. Each
//! node has a token for each other node, which only that node gets, by the link that this node has
//! opened to its address:
//!
//!     a question, an answer, a vouch:  own token for the receiver | the receiver's token for us
//!
//! A message with another second token is not read; its sender is sent the right token by the link
//! to its own address, and sends the message again. A member whose address changes is a stranger
//! until it shows its token from there, because a node that claims an id can also claim to have
//! moved.
//!
//! Invariants
//!   1. No token leaves for a node that is not a member, and no message of such a node is read, but
//!      for a message with the token that the node got when it was a member.
//!   2. The key of the tokens, and the tokens of other nodes, are in nodes.conf: a node that comes
//!      back elsewhere is known by them.
//!
//! Cost: a hash for each message between members; a message with all members each [`VOUCH_MS`].

use super::super::core::Cluster;
use super::super::message::{Ip, NodeId};
use super::nodes::{ClusterNode, ME, NodeIndex};
use super::tokens::{Token, Trust};

/// Milliseconds between two lists of all members, each to the next member in turn.
const VOUCH_MS: i64 = 10_000;
/// Milliseconds between two lists of new members, which go to all.
const NEWS_MS: i64 = 500;
/// Why a node is a member that a command of this node has named.
pub(crate) const NAMED: &str = "an operator has named it here";
/// Members of a list.
const VOUCHED_MAX: usize = super::nodes::NODES_MAX;

impl Cluster {
    /// A node is a member from now on; see the module for the reasons.
    pub(crate) fn trust(&mut self, at: NodeIndex, why: &str) {
        let node = &mut self.nodes[at];
        if at == ME || node.trust == Trust::Member || node.is_handshake() {
            return;
        }
        node.trust = Trust::Member;
        let id = node.id;
        self.members.news.push(id);
        let called = self.called(at);
        self.note(format!("Node {called} is a member: {why}"));
        self.changed.routes = true;
        self.save_soon();
    }

    /// As [`Cluster::trust`], of the node with this id, if it is known.
    pub fn trust_node(&mut self, now: russet_host::Now, id: &[u8], why: &str) {
        self.begin(now);
        if let Some(at) = self.find_text(id) {
            self.trust(at, why);
        }
        self.end();
    }

    /// A node says that it is elsewhere.
    pub(crate) fn doubt(&mut self, at: NodeIndex) {
        let node = &mut self.nodes[at];
        if node.trust == Trust::Member {
            node.trust = Trust::Moved;
            let called = self.called(at);
            self.log_limited(format!(
                "Node {called} is not asked or answered until it shows that it has moved"
            ));
        }
    }

    /// A claim of slots that had no owner: at the making of a cluster it shows a member.
    pub(crate) fn trust_first_owner(&mut self, at: NodeIndex) {
        if self.own.is_empty {
            self.trust(at, "it is the first owner of slots");
        }
    }

    pub(crate) fn is_member(&self, at: NodeIndex) -> bool {
        self.nodes[at].trust == Trust::Member
    }

    /// The nodes that nodes.conf names as strangers, although it has their slots.
    pub(crate) fn strange_owners(&self) -> Vec<NodeId> {
        let others = self.nodes.others().into_iter().map(|at| &self.nodes[at]);
        let strangers = others.filter(|node| node.trust != Trust::Member);
        let strangers = strangers.filter(|node| !node.is_handshake() && self.has_part(node));
        strangers.map(|node| node.id).collect()
    }

    /// The tokens that others have given this node.
    pub(crate) fn received_tokens(&self) -> Vec<(NodeId, Token)> {
        let others = self.nodes.others().into_iter().map(|at| &self.nodes[at]);
        let known = others.filter(|node| node.token != Token::default());
        known.map(|node| (node.id, node.token)).collect()
    }

    /// The members of nodes.conf, whose nodes and slots have been restored.
    pub(crate) fn restore_members(&mut self, tokens: &[(NodeId, Token)], strangers: &[NodeId]) {
        for (id, token) in tokens {
            if let Some(at) = self.nodes.find(id) {
                self.nodes[at].token = *token;
            }
        }
        for at in self.nodes.others() {
            let node = &self.nodes[at];
            if self.has_part(node) {
                // A stranger may have been a member that moved: it has a token, then.
                let is_stranger = strangers.contains(&node.id);
                self.nodes[at].trust = if is_stranger {
                    Trust::Moved
                } else {
                    Trust::Member
                };
            }
        }
    }

    /// Whether a node has slots, or its primary has some.
    pub(crate) fn has_part(&self, node: &ClusterNode) -> bool {
        let primary = node.primary.map_or(node, |at| &self.nodes[at]);
        !primary.slots.is_empty()
    }

    /// Sends lists of members that are due. Each tick; O(nodes) if a list is due.
    pub(crate) fn tend_members(&mut self) {
        let now = self.ms();
        if !self.members.news.is_empty() && now - self.members.news_ms >= NEWS_MS {
            self.members.news_ms = now;
            self.announce_news();
        }
        if now - self.members.list_ms < VOUCH_MS {
            return;
        }
        self.members.list_ms = now;
        self.members.turn = self.members.turn.wrapping_add(1);
        let members = self.all_members();
        if let Some(&to) = members.get(self.members.turn % members.len().max(1)) {
            self.vouch(to, &members);
        }
    }

    /// The new members are announced to all, and all to them.
    fn announce_news(&mut self) {
        let news = std::mem::take(&mut self.members.news);
        let news = news.iter().filter_map(|id| self.nodes.find(id));
        let news: Vec<NodeIndex> = news.filter(|&at| self.is_member(at)).collect();
        let members = self.all_members();
        for &to in &members {
            let is_new = news.contains(&to);
            self.vouch(to, if is_new { &members } else { &news });
        }
        // A link that is not open yet: again.
        let unreached = news.iter().filter(|&&at| !self.answers_questions(at));
        let unreached: Vec<NodeId> = unreached.map(|&at| self.nodes[at].id).collect();
        self.members.news.extend(unreached);
    }

    fn all_members(&self) -> Vec<NodeIndex> {
        let others = self.nodes.others().into_iter();
        others.filter(|&at| self.is_member(at)).collect()
    }

    fn vouch(&mut self, to: NodeIndex, members: &[NodeIndex]) {
        let members = members.iter().filter(|&&at| at != to);
        let mut payload = Vec::new();
        for &at in members.take(VOUCHED_MAX) {
            let node = &self.nodes[at];
            let ip = &node.address.ip;
            payload.extend_from_slice(node.id.as_bytes());
            payload.extend_from_slice(&node.address.bus_port.to_be_bytes());
            payload.push(ip.len() as u8);
            payload.extend_from_slice(ip);
        }
        self.send_vouches(to, &payload);
    }

    /// As after [`Cluster::tend_members`], to a node that could not read its list.
    pub(crate) fn vouch_again(&mut self, to: NodeIndex) {
        let members = self.all_members();
        self.vouch(to, &members);
    }

    /// A member vouches for others.
    pub(crate) fn receive_vouches(&mut self, by: NodeIndex, mut payload: &[u8]) {
        let called = self.called(by);
        let why = format!("node {called} vouches for it");
        while let Some((id, bus_port, ip)) = read_vouch(&mut payload) {
            let Some(at) = self.nodes.find(&id) else {
                continue;
            };
            let address = &self.nodes[at].address;
            let is_there = address.bus_port == bus_port && address.ip == ip && !ip.is_empty();
            if is_there {
                self.trust(at, &why);
            }
        }
    }
}

/// A member of a list.
fn read_vouch(from: &mut &[u8]) -> Option<(NodeId, u16, Ip)> {
    let (id, rest) = from.split_at_checked(NodeId::LEN)?;
    let (port, rest) = rest.split_first_chunk()?;
    let (&len, rest) = rest.split_first()?;
    let (ip, rest) = rest.split_at_checked(len.into())?;
    *from = rest;
    Some((
        NodeId::parse(id)?,
        u16::from_be_bytes(*port),
        Ip::parse(ip)?,
    ))
}
