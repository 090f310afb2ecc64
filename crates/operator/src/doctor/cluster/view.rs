//! CLUSTER NODES: one node's table of nodes, for comparisons with the tables of others.

use std::collections::BTreeMap;

use russet_cluster::{NodeFlags, NodesConf, SavedNode};

use crate::doctor::group::facts::Address;

/// Nodes of one view, at most.
pub(super) const NODES_MAX: usize = 2000;
const SLOTS: usize = 16_384;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeLine {
    pub id: String,
    /// `None`: its address is not known.
    pub at: Option<Address>,
    pub flags: NodeFlags,
    pub epoch: u64,
    /// First and last.
    pub slots: Vec<(u16, u16)>,
}

impl NodeLine {
    /// A primary with slots.
    pub fn is_voter(&self) -> bool {
        self.flags.contains(NodeFlags::PRIMARY) && !self.slots.is_empty()
    }

    pub fn is_failing(&self) -> bool {
        self.flags.intersects(NodeFlags::FAIL | NodeFlags::PFAIL)
    }

    /// `10.0.0.1:7001 (29273d88)`.
    pub fn called(&self) -> String {
        let id = short(&self.id);
        match &self.at {
            Some(at) => format!("{at} ({id})"),
            None => format!("{id} without an address"),
        }
    }
}

impl From<&SavedNode> for NodeLine {
    fn from(line: &SavedNode) -> NodeLine {
        let is_known = line.port > 0 && !line.ip.is_empty();
        NodeLine {
            id: line.id.to_string(),
            at: is_known.then(|| Address {
                host: line.ip.to_string(),
                port: line.port,
            }),
            flags: line.flags,
            epoch: line.config_epoch,
            slots: line.slots.clone(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The id of the node that has this view.
    pub me: String,
    /// By id; handshakes are left out.
    pub nodes: BTreeMap<String, NodeLine>,
}

impl View {
    pub fn of(saved: &NodesConf) -> View {
        let lines = saved.nodes.iter().map(NodeLine::from);
        let nodes: BTreeMap<String, NodeLine> = lines
            .take(NODES_MAX)
            .map(|line| (line.id.clone(), line))
            .collect();
        let me = saved
            .nodes
            .iter()
            .find(|line| line.flags.contains(NodeFlags::MYSELF));
        View {
            me: me.map_or_else(String::new, |me| me.id.to_string()),
            nodes,
        }
    }

    /// The owner of each slot: an index of the owners, 0 for none.
    pub fn owners(&self) -> (Vec<&NodeLine>, Vec<u16>) {
        let (mut owners, mut of) = (Vec::new(), vec![0; SLOTS]);
        for node in self.nodes.values().filter(|node| !node.slots.is_empty()) {
            owners.push(node);
            for &(first, last) in &node.slots {
                of[usize::from(first)..=usize::from(last)].fill(owners.len() as u16);
            }
        }
        (owners, of)
    }
}

/// A node's id, shortened as users know it.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
