//! Slots of which nodes name different owners. How slots are, each node says itself (`verdicts`).

use std::collections::BTreeMap;

use super::facts::Cluster;
use super::view::{NodeLine, View};
use crate::doctor::report::list;
use russet_base::finding::Finding;
use russet_base::numbers::ranges;

/// Nodes that name another owner of a slot than the first node does.
pub(super) fn look(cluster: &Cluster, found: &mut Vec<Finding>) {
    let Some(first) = cluster.first() else {
        return;
    };
    let (owners, of) = first.owners();
    for (at, said) in cluster.said() {
        if said.view.me == first.me {
            continue;
        }
        let (its_owners, its) = said.view.owners();
        let id = |owners: &[&NodeLine], n: u16| {
            let owner = usize::from(n).checked_sub(1).map(|n| owners[n]);
            owner.map(|node| node.id.clone())
        };
        let mut differing: BTreeMap<(Option<String>, Option<String>), Vec<u16>> = BTreeMap::new();
        for (slot, (a, b)) in (0u16..).zip(of.iter().zip(&its)) {
            let (a, b) = (id(&owners, *a), id(&its_owners, *b));
            if a != b {
                differing.entry((a, b)).or_default().push(slot);
            }
        }
        for ((a, b), slots) in differing {
            let text = format!(
                "{at} says that the slots {} belong to {}; {} says {}",
                list(texts(slots)),
                owner(&said.view, b.as_deref()),
                cluster.first,
                owner(first, a.as_deref()),
            );
            let mend = "wait for two node timeouts; if it persists, redis-cli --cluster fix, and \
                        check whether \
                        the two reach each other on the bus";
            found.push(Finding::warning("views", text, mend));
        }
    }
}

/// Ranges of slots as `7` and `0-99`.
fn texts(slots: Vec<u16>) -> Vec<String> {
    let text = |(first, last)| {
        if first == last {
            format!("{first}")
        } else {
            format!("{first}-{last}")
        }
    };
    ranges(slots).into_iter().map(text).collect()
}

/// `10.0.0.1:7001 (29273d88) with epoch 5`.
fn owner(view: &View, id: Option<&str>) -> String {
    match id.and_then(|id| view.nodes.get(id)) {
        Some(node) => format!("{} with epoch {}", node.called(), node.epoch),
        None => "nobody".to_owned(),
    }
}
