//! A primary, as all Sentinels that watch it see it: what the checks of a group read.
//!
//! Invariants
//!   1. `views` has at least one Sentinel, and only Sentinels that answered.
//!   2. `primary` is the address in the view with the highest config epoch, the first of such
//!      views.
//!   3. `replicas` are those of any Sentinel and of the primary's INFO, without the primary itself.
//!
//! Cost: built once per primary, O(Sentinels * replicas); a row is found by scanning the views.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use super::asking::replica_lines;
use super::facts::{
    Address, DataNodeReplies, Fault, Fields, Group, Sentinel, View, has_flag, number, text,
};

/// See the module.
pub(super) struct Watch<'g> {
    pub group: &'g Group,
    pub name: &'g str,
    /// The Sentinels that answered and watch it; not empty.
    pub views: Vec<(&'g Sentinel, &'g View)>,
    /// By the view with the highest epoch.
    pub primary: Address,
    /// With each Sentinel's row about it; none if only the primary knows it.
    pub replicas: BTreeMap<Address, Vec<(&'g Address, &'g Fields)>>,
}

impl<'g> Watch<'g> {
    /// `None` if no Sentinel has the primary's address.
    pub fn new(group: &'g Group, name: &'g str) -> Option<Watch<'g>> {
        let view = |sentinel: &'g Sentinel| {
            let view = sentinel.said.as_ref().ok()?.views.get(name)?;
            Some((sentinel, view))
        };
        let views: Vec<_> = group.sentinels.iter().filter_map(view).collect();
        // The first of equal candidates.
        let newest = views.iter().rev().max_by_key(|(_, view)| epoch(view))?;
        let primary = newest.1.address()?;
        let mut replicas: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (sentinel, view) in &views {
            for row in &view.replicas {
                if let Some(at) = Address::of(row, "ip", "port") {
                    replicas.entry(at).or_default().push((&sentinel.at, row));
                }
            }
        }
        if let Some(Ok(node)) = group.nodes.get(&primary) {
            for (at, _) in replica_lines(&node.info) {
                replicas.entry(at).or_default();
            }
        }
        replicas.remove(&primary);
        Some(Watch {
            group,
            name,
            views,
            primary,
            replicas,
        })
    }

    /// The ids of all Sentinels that any of them counts for this primary.
    pub fn known(&self) -> BTreeSet<&'g str> {
        let own = self.views.iter().map(|(sentinel, _)| sentinel.id.as_str());
        let peers = self.views.iter().flat_map(|(_, view)| &view.peers);
        own.chain(peers.map(|peer| text(peer, "runid"))).collect()
    }

    /// The Sentinel of an id, if it was asked.
    pub fn sentinel(&self, id: &str) -> Option<&'g Sentinel> {
        self.group
            .sentinels
            .iter()
            .find(|sentinel| sentinel.id == id)
    }

    /// The highest quorum that any of its Sentinels has.
    pub fn quorum(&self) -> usize {
        let quorum = |view: &View| number(&view.primary, "quorum").unwrap_or(0);
        let highest = self.views.iter().map(|(_, view)| quorum(view)).max();
        usize::try_from(highest.unwrap_or(0)).unwrap_or(0)
    }

    /// The addresses of the primary and all replicas.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.primary).chain(self.replicas.keys())
    }

    pub fn node(&self, at: &Address) -> Result<&'g DataNodeReplies, Option<&'g Fault>> {
        match self.group.nodes.get(at) {
            Some(Ok(node)) => Ok(node),
            Some(Err(fault)) => Err(Some(fault)),
            None => Err(None),
        }
    }

    /// The data nodes that answered.
    pub fn nodes(&self) -> impl Iterator<Item = (&Address, &'g DataNodeReplies)> {
        self.addresses()
            .filter_map(|at| Some((at, self.node(at).ok()?)))
    }

    /// Each Sentinel's row about a data node, the primary or a replica.
    pub fn rows(&self, at: &Address) -> Vec<(&'g Address, &'g Fields)> {
        if *at != self.primary {
            return self.replicas.get(at).cloned().unwrap_or_default();
        }
        let same = self
            .views
            .iter()
            .filter(|(_, view)| view.address().as_ref() == Some(at));
        same.map(|(sentinel, view)| (&sentinel.at, &view.primary))
            .collect()
    }

    /// The Sentinels that hold a data node for down.
    pub(crate) fn down_by(&self, at: &Address) -> Vec<&'g Address> {
        let rows = self.rows(at).into_iter();
        rows.filter(|(_, row)| is_down(row))
            .map(|(sentinel, _)| sentinel)
            .collect()
    }
}

/// Subjectively or objectively down: for longer than `down-after-milliseconds`.
pub(super) fn is_down(row: &Fields) -> bool {
    has_flag(row, "s_down") || has_flag(row, "o_down")
}

fn epoch(view: &View) -> i64 {
    number(&view.primary, "config-epoch").unwrap_or(0)
}

impl Display for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, primary) = (self.name, &self.primary);
        let (replicas, sentinels) = (self.replicas.len(), self.known().len());
        let s = |n: usize| if n == 1 { "" } else { "s" };
        write!(
            f,
            "{name}: primary {primary}, {replicas} replica{}, {sentinels} Sentinel{}, quorum {}",
            s(replicas),
            s(sentinels),
            self.quorum()
        )
    }
}
