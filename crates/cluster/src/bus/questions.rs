//! Questions of commands to the other shards, and the answers, on the links of the bus: a command
//! that reads keys of all shards has one answer from any node.
//!
//! They are messages between modules, which nodes of other makers read and drop; so only clusters
//! of russet's nodes answer. A question goes to the primary of each other shard by the link that is
//! open, or not at all. Members alone are asked and answered, and each message shows by a token
//! that it is its sender's (`membership::members`):
//!
//!     own token for the receiver, 16 bytes | the receiver's for the sender | content
//!     kind 1: a question   2: an answer   3: the receiver of a question, or of a list, gives its
//!     token (kind of that message | its first 8 bytes)   4: a list of members (id, bus port u16,
//!     length u8, ip) ...
//!
//! The content of the first two, their bounds and their deadlines are the server's.
//!
//! Cost: O(slots) to find the shards; a message is copied once.

use std::collections::{BTreeMap, BTreeSet};

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::membership::tokens::{Members, Token, Trust};
use super::super::message::{Body, Kind, Marks, Message, NodeFlags, NodeId, Vendor};
use russet_host::LinkId;

/// The number of these messages among modules'.
const MODULE: u64 = u64::from_be_bytes(*b"russet-1");
const QUESTION: u8 = 1;
const ANSWER: u8 = 2;
/// A question, or a list, was not read, because it had not the receiver's token: here it is.
const TOKEN: u8 = 3;
/// A list of members.
const VOUCHES: u8 = 4;

/// A shard cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardError {
    /// A slot has no node.
    Slot,
    /// A shard's primary has failed, or no link to it is open.
    Shard,
}

/// A shard: the node to be asked, and its slots as ranges (first, last), in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The primary, or this node.
    pub node: NodeId,
    /// All slots of the shard.
    pub slots: Vec<(u16, u16)>,
}

impl Cluster {
    /// All shards with slots, by their nodes' ids. `answers`: this node answers for its shard even
    /// if it is a replica. O(slots).
    ///
    /// # Errors
    ///
    /// Where a slot has no node, or a shard cannot be asked.
    pub fn shards(&self, answers: bool) -> Result<Vec<Shard>, ShardError> {
        let mine = self.me().primary.unwrap_or(ME);
        let mut shards: BTreeMap<NodeIndex, Vec<(u16, u16)>> = BTreeMap::new();
        for (first, last, owner) in self.owners.runs() {
            let owner = owner.ok_or(ShardError::Slot)?;
            shards.entry(owner).or_default().push((first, last));
        }
        let shards = shards.into_iter().map(|(at, slots)| {
            let node = if at == ME || at == mine && answers {
                self.me().id
            } else if self.answers_questions(at) {
                self.nodes[at].id
            } else {
                return Err(ShardError::Shard);
            };
            Ok(Shard { node, slots })
        });
        let mut shards: Vec<Shard> = shards.collect::<Result<_, _>>()?;
        shards.sort_by_key(|shard| shard.node);
        Ok(shards)
    }

    /// The slots of this node, or of its primary if it is a replica, as ranges. O(slots).
    pub fn slots_of_mine(&self) -> Vec<(u16, u16)> {
        let mine = Some(self.me().primary.unwrap_or(ME));
        let runs = self.owners.runs().filter(|(_, _, owner)| *owner == mine);
        runs.map(|(first, last, _)| (first, last)).collect()
    }

    /// The other primaries that can be asked, with slots or without.
    pub fn other_primaries(&self) -> Vec<NodeId> {
        let others = self.nodes.others().into_iter();
        let primaries = others.filter(|&at| {
            let node = &self.nodes[at];
            node.is_primary() && self.answers_questions(at)
        });
        primaries.map(|at| self.nodes[at].id).collect()
    }

    /// Whether a node can be asked.
    pub(crate) fn answers_questions(&self, at: NodeIndex) -> bool {
        let node = &self.nodes[at];
        let is_open = node.out.is_some_and(|link| {
            let link = self.links.get(link);
            link.is_some_and(|link| link.is_open)
        });
        is_open && !node.flags.contains(NodeFlags::FAIL) && self.is_member(at)
    }

    /// The primaries of the other shards with slots.
    pub fn other_shards(&self) -> Result<Vec<NodeId>, ShardError> {
        let mine = self.me().primary.unwrap_or(ME);
        let mut shards = BTreeSet::new();
        for (_, _, owner) in self.owners.runs() {
            shards.insert(owner.ok_or(ShardError::Slot)?);
        }
        shards.remove(&mine);
        let ids = shards.into_iter().map(|at| {
            if self.answers_questions(at) {
                Ok(self.nodes[at].id)
            } else {
                Err(ShardError::Shard)
            }
        });
        ids.collect()
    }

    /// Sends a question, or an answer, to a member. `false`: it is none, or no link to it is open.
    pub fn ask(&mut self, node: NodeId, is_answer: bool, payload: &[u8]) -> bool {
        let Some(at) = self.nodes.find(&node) else {
            return false;
        };
        let kind = if is_answer { ANSWER } else { QUESTION };
        self.is_member(at) && self.send_to_member(at, kind, payload)
    }

    /// Sends a list of members (`membership::members`).
    pub(crate) fn send_vouches(&mut self, to: NodeIndex, list: &[u8]) {
        self.send_to_member(to, VOUCHES, list);
    }

    fn send_to_member(&mut self, at: NodeIndex, kind: u8, payload: &[u8]) -> bool {
        let node = &self.nodes[at];
        let Some(link) = node.out else {
            return false;
        };
        if !self.links.get(link).is_some_and(|link| link.is_open) {
            return false;
        }
        let own = self.members.token_for(&node.id);
        let payload = [&own, &node.token, payload].concat();
        let message = Message {
            kind: Kind::Module,
            header: Some(self.header(Marks::empty())),
            body: Body::Module {
                module: MODULE,
                kind,
                payload: &payload,
            },
        };
        let bytes = message.encode(Vendor::Unknown);
        self.send(link, Kind::Module, bytes);
        true
    }

    /// Takes a message between modules.
    pub(super) fn take_question(
        &mut self,
        link: LinkId,
        from: NodeIndex,
        (module, kind): (u64, u8),
        payload: &[u8],
    ) {
        if module != MODULE || !(QUESTION..=VOUCHES).contains(&kind) {
            return;
        }
        let Some((tokens, content)) = payload.split_first_chunk::<{ 2 * Members::TOKEN }>() else {
            return;
        };
        let (tokens, _) = tokens.as_chunks::<{ Members::TOKEN }>();
        let [its, ours] = tokens else {
            return;
        };
        let id = self.nodes[from].id;
        let is_genuine = self.members.is_token_for(&id, ours);
        if is_genuine && self.nodes[from].trust == Trust::Moved {
            self.welcome_back(link, from);
        }
        if !self.is_member(from) {
            return;
        }
        if !is_genuine {
            if kind != TOKEN && kind != ANSWER {
                self.send_token(from, its, kind, content);
            }
            return;
        }
        if self.nodes[from].token != *its {
            self.nodes[from].token = *its;
            self.save_soon();
        }
        match kind {
            VOUCHES => self.receive_vouches(from, content),
            TOKEN => self.receive_token(from, content),
            _ => self.out.push(Order::Question {
                from: id,
                is_answer: kind == ANSWER,
                payload: content.to_vec(),
            }),
        }
    }

    /// A node that has moved shows its token by a link from its new address.
    fn welcome_back(&mut self, link: LinkId, at: NodeIndex) {
        let peer_ip = self.links.get(link).map(|link| link.peer_ip);
        if peer_ip == Some(self.nodes[at].address.ip) {
            self.trust(at, "it has shown its token from its new address");
        }
    }

    /// Gives a member the token that a message of this member lacked. The token goes by our link,
    /// which leads to the member's address, no matter which node sent the message. `its`: the token
    /// that the message carried.
    fn send_token(&mut self, to: NodeIndex, its: &Token, kind: u8, content: &[u8]) {
        let mut refused = vec![kind];
        refused.extend(content.first_chunk::<8>().into_iter().flatten());
        let known = std::mem::replace(&mut self.nodes[to].token, *its);
        self.send_to_member(to, TOKEN, &refused);
        // The token may belong to a stranger.
        self.nodes[to].token = known;
    }

    /// A member has refused a message without its token, which came with this message: again.
    fn receive_token(&mut self, from: NodeIndex, refused: &[u8]) {
        match refused.split_first() {
            Some((&VOUCHES, _)) => self.vouch_again(from),
            Some((&QUESTION, number)) => {
                if let Ok(number) = number.try_into() {
                    let node = self.nodes[from].id;
                    let number = u64::from_be_bytes(number);
                    self.out.push(Order::AskAgain { node, number });
                }
            }
            _ => {}
        }
    }
}
