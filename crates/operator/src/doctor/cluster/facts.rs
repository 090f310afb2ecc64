//! A cluster as its nodes describe it: their replies, taken apart.

use std::collections::BTreeMap;

use super::view::View;
use crate::doctor::group::facts::{Address, Fault, Fields};
use russet_base::finding::Finding;

/// How far a server's clock is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) ahead_us: i64,
    /// The reply took so long: the figure may be wrong by it.
    pub(super) within_us: i64,
}

/// The replies of a node.
pub(super) struct NodeReplies {
    pub(super) view: View,
    /// `cluster_state` of CLUSTER INFO; empty if it may not be asked.
    pub(super) state: String,
    /// The findings about its cluster, or the replies to judge it by.
    pub(super) verdict: Vec<Finding>,
    pub(super) info: Fields,
    /// The node's directives that begin with `cluster-`; without directives that may not be read.
    pub(super) config: Fields,
    pub(super) clock: Option<Clock>,
}

/// A cluster as its nodes describe it.
pub(super) struct Cluster {
    /// The node that was named: it has answered.
    pub(super) first: Address,
    pub(super) nodes: BTreeMap<Address, Result<NodeReplies, Fault>>,
    /// Why not all nodes were asked.
    pub(super) left_out: Option<String>,
}

impl Cluster {
    /// The nodes that have answered.
    pub(super) fn said(&self) -> impl Iterator<Item = (&Address, &NodeReplies)> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|(at, said)| said.as_ref().ok().map(|said| (at, said)))
    }

    /// The view of the node that was named.
    pub(super) fn first(&self) -> Option<&View> {
        match self.nodes.get(&self.first) {
            Some(Ok(said)) => Some(&said.view),
            _ => None,
        }
    }
}
