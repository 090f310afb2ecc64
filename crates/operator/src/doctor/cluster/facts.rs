//! A cluster as its nodes describe it: their replies, taken apart.

use std::collections::BTreeMap;

use super::view::View;
use crate::doctor::group::facts::{Address, Clock, Fault, Fields};

/// The replies of one node.
pub(super) struct Said {
    pub(super) view: View,
    /// CLUSTER INFO.
    pub(super) state: Fields,
    pub(super) info: Fields,
    /// Its directives that begin with `cluster-`; without those that may not be read.
    pub(super) config: Fields,
    pub(super) clock: Option<Clock>,
}

/// A cluster as its nodes describe it.
pub(super) struct Cluster {
    /// The node that was named: it has answered.
    pub(super) first: Address,
    pub(super) nodes: BTreeMap<Address, Result<Said, Fault>>,
    /// Why not all nodes were asked.
    pub(super) left_out: Option<String>,
}

impl Cluster {
    /// The nodes that have answered.
    pub(super) fn said(&self) -> impl Iterator<Item = (&Address, &Said)> {
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

/// The first of a list, and how many more there are.
pub(super) fn some(words: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = words[..words.len().min(SHOWN)].join(", ");
    match words.len() {
        n if n > SHOWN => format!("{shown} and {} more", n - SHOWN),
        _ => shown,
    }
}
