//! Questions of commands to the other shards, and the answers, on the links of the bus: a command
//! that reads keys of all shards has one answer from any node.
//!
//! They are messages between modules, which nodes of other makers read and drop; so only clusters
//! of russet's nodes answer. A question goes to the primary of each other shard by the link that is
//! open, or not at all. Their content, their bounds and their deadlines are the server's.
//!
//! Cost: O(slots) to find the shards; a message is copied once.

use std::collections::{BTreeMap, BTreeSet};

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::{Body, Kind, Marks, Message, NodeFlags, NodeId, Vendor};

/// The number of these messages among modules'.
const MODULE: u64 = u64::from_be_bytes(*b"russet-1");
const QUESTION: u8 = 1;
const ANSWER: u8 = 2;

/// A shard cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
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
    pub fn shards(&self, answers: bool) -> Result<Vec<Shard>, Unanswered> {
        let mine = self.me().primary.unwrap_or(ME);
        let mut shards: BTreeMap<NodeIndex, Vec<(u16, u16)>> = BTreeMap::new();
        for (first, last, owner) in self.owners.runs() {
            let owner = owner.ok_or(Unanswered::Slot)?;
            shards.entry(owner).or_default().push((first, last));
        }
        let shards = shards.into_iter().map(|(at, slots)| {
            let node = if at == ME || at == mine && answers {
                self.me().id
            } else if self.answers_questions(at) {
                self.nodes[at].id
            } else {
                return Err(Unanswered::Shard);
            };
            Ok(Shard { node, slots })
        });
        let mut shards: Vec<Shard> = shards.collect::<Result<_, _>>()?;
        shards.sort_by_key(|shard| shard.node);
        Ok(shards)
    }

    /// The slots of this node, of a replica those of its primary, as ranges. O(slots).
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
    fn answers_questions(&self, at: NodeIndex) -> bool {
        let node = &self.nodes[at];
        let is_open = node.out.is_some_and(|link| {
            let link = self.links.get(link);
            link.is_some_and(|link| link.is_open)
        });
        is_open && !node.flags.contains(NodeFlags::FAIL)
    }

    /// The primaries of the other shards with slots.
    pub fn other_shards(&self) -> Result<Vec<NodeId>, Unanswered> {
        let mine = self.me().primary.unwrap_or(ME);
        let mut shards = BTreeSet::new();
        for (_, _, owner) in self.owners.runs() {
            shards.insert(owner.ok_or(Unanswered::Slot)?);
        }
        shards.remove(&mine);
        let ids = shards.into_iter().map(|at| {
            if self.answers_questions(at) {
                Ok(self.nodes[at].id)
            } else {
                Err(Unanswered::Shard)
            }
        });
        ids.collect()
    }

    /// Sends a question, or an answer. `false`: no link to the node is open.
    pub fn ask(&mut self, node: NodeId, is_answer: bool, payload: &[u8]) -> bool {
        let Some(at) = self.nodes.find(&node) else {
            return false;
        };
        let Some(link) = self.nodes[at].out else {
            return false;
        };
        if !self.links.get(link).is_some_and(|link| link.is_open) {
            return false;
        }
        let kind = if is_answer { ANSWER } else { QUESTION };
        let message = Message {
            kind: Kind::Module,
            header: Some(self.header(Marks::empty())),
            body: Body::Module {
                module: MODULE,
                kind,
                payload,
            },
        };
        let bytes = message.encode(Vendor::Unknown);
        self.send(link, Kind::Module, bytes);
        true
    }

    /// Takes a message between modules.
    pub(super) fn take_question(
        &mut self,
        from: NodeIndex,
        (module, kind): (u64, u8),
        payload: &[u8],
    ) {
        if module == MODULE && [QUESTION, ANSWER].contains(&kind) {
            let from = self.nodes[from].id;
            self.out.push(Order::Question {
                from,
                is_answer: kind == ANSWER,
                payload: payload.to_vec(),
            });
        }
    }
}
