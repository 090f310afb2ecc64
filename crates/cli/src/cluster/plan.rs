//! A new cluster on paper: which nodes are primaries, with which slots, and whose replicas the
//! others are. No I/O.
//!
//!     hosts in turn -> the first nodes are primaries -> slots in equal parts
//!                   -> the others are replicas, on another host than their primary if they can be
//!
//! A plan's score counts replicas that share a host: 10,000 for each that shares it with its
//! primary, 1 for each that shares it with another replica of the same primary.

use std::collections::HashMap;

use super::node::SLOTS;

/// Swaps that are tried, for each node, against shared hosts.
const SWAPS_PER_NODE: usize = 500;

/// A score from which a replica shares the host of its primary.
pub(super) const WITH_PRIMARY: usize = 10_000;

/// Indexes are places in the list of nodes that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CreationPlan {
    /// Each primary with its first and last slot.
    pub(super) primaries: Vec<(usize, u16, u16)>,
    /// Each replica with its primary, in the order in which they were assigned.
    pub(super) replicas: Vec<(usize, usize)>,
    /// Replicas before this place of `replicas` are those asked for; the others were left over.
    pub(super) asked: usize,
}

/// A plan for nodes on these hosts; `None` if there are fewer than three primaries.
pub(super) fn plan(hosts: &[&str], replicas: usize) -> Option<CreationPlan> {
    let count = hosts.len() / (replicas + 1);
    if count < 3 {
        return None;
    }
    let mut order = in_turn(hosts);
    let mut free = order.split_off(count);
    let primaries: Vec<(usize, u16, u16)> = order
        .iter()
        .zip(equal_parts(count))
        .map(|(&node, (first, last))| (node, first, last))
        .collect();
    // The first free node may well be on the first primary's host.
    if !free.is_empty() {
        free.rotate_left(1);
    }
    let mut assigned = Vec::new();
    let mut give = |primary: usize, free: &mut Vec<usize>| {
        if free.is_empty() {
            return;
        }
        let apart = free
            .iter()
            .position(|&node| hosts[node] != hosts[primary])
            .unwrap_or(0);
        assigned.push((free.remove(apart), primary));
    };
    for &primary in &order {
        for _ in 0..replicas {
            give(primary, &mut free);
        }
    }
    let asked = count * replicas;
    while !free.is_empty() {
        for &primary in &order {
            give(primary, &mut free);
        }
    }
    Some(CreationPlan {
        primaries,
        replicas: assigned,
        asked,
    })
}

/// All nodes, one of each host after the other.
fn in_turn(hosts: &[&str]) -> Vec<usize> {
    let mut by_host: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, &host) in hosts.iter().enumerate() {
        match by_host.iter_mut().find(|(known, _)| *known == host) {
            Some((_, nodes)) => nodes.push(at),
            None => by_host.push((host, vec![at])),
        }
    }
    let rounds = by_host.iter().map(|(_, nodes)| nodes.len()).max();
    (0..rounds.unwrap_or(0))
        .flat_map(|round| {
            by_host
                .iter()
                .filter_map(move |(_, nodes)| nodes.get(round).copied())
        })
        .collect()
}

/// The slots of each of `count` primaries.
fn equal_parts(count: usize) -> impl Iterator<Item = (u16, u16)> {
    let each = f64::from(SLOTS) / count as f64;
    let mut first = 0;
    (0..count).map(move |at| {
        let end = (at as f64 * each + each - 1.0).round() as u16;
        let last = if at + 1 == count { SLOTS - 1 } else { end };
        let part = (first, last.clamp(first, SLOTS - 1));
        first = part.1.saturating_add(1);
        part
    })
}

/// The score of a plan, and the places in `replicas` of the replicas that share a host.
pub(super) fn shared_hosts(plan: &CreationPlan, hosts: &[&str]) -> (usize, Vec<usize>) {
    let mut groups: HashMap<(&str, usize), Vec<usize>> = HashMap::new();
    for (at, &(replica, primary)) in plan.replicas.iter().enumerate() {
        groups
            .entry((hosts[replica], primary))
            .or_default()
            .push(at);
    }
    let (mut score, mut sharing) = (0, Vec::new());
    for ((host, primary), replicas) in groups {
        if hosts[primary] == host {
            score += WITH_PRIMARY * replicas.len();
        } else if replicas.len() > 1 {
            score += replicas.len();
        } else {
            continue;
        }
        sharing.extend(replicas);
    }
    sharing.sort_unstable();
    (score, sharing)
}

/// Swaps primaries between replicas while that lowers the score. Returns the score that is left.
///
/// A swap that changes nothing is kept for a while, because two swaps may be needed for a gain. The
/// order of the swaps depends on nothing but the plan, and the best plan wins.
pub(super) fn spread(plan: &mut CreationPlan, hosts: &[&str]) -> usize {
    let (mut score, mut sharing) = shared_hosts(plan, hosts);
    let (mut best, mut best_score) = (plan.clone(), score);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut throw = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % sides as u64) as usize
    };
    for _ in 0..SWAPS_PER_NODE * hosts.len() {
        if sharing.is_empty() || plan.replicas.len() < 2 {
            break;
        }
        let one = sharing[throw(sharing.len())];
        let other = (one + 1 + throw(plan.replicas.len() - 1)) % plan.replicas.len();
        let before = (plan.replicas[one].1, plan.replicas[other].1);
        (plan.replicas[one].1, plan.replicas[other].1) = (before.1, before.0);
        let swapped = shared_hosts(plan, hosts);
        if swapped.0 > score {
            (plan.replicas[one].1, plan.replicas[other].1) = before;
            continue;
        }
        (score, sharing) = swapped;
        if score < best_score {
            (best, best_score) = (plan.clone(), score);
        }
    }
    *plan = best;
    best_score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_equal_parts() {
        let parts: Vec<_> = equal_parts(3).collect();
        assert_eq!(parts, [(0, 5460), (5461, 10922), (10923, 16383)]);
        let four: Vec<_> = equal_parts(4).collect();
        assert_eq!(four[3], (12288, 16383));
        for count in [3, 5, 7, 100, 1000, 16384] {
            let parts: Vec<_> = equal_parts(count).collect();
            assert_eq!((parts[0].0, parts[count - 1].1), (0, SLOTS - 1));
            for pair in parts.windows(2) {
                assert_eq!(pair[0].1 + 1, pair[1].0, "{count}");
            }
        }
    }

    #[test]
    fn one_host_gives_its_nodes_in_order() {
        let made = plan(&["h"; 6], 1).expect("a plan");
        assert_eq!(made.replicas, [(4, 0), (5, 1), (3, 2)]);
        let mut spread_out = made.clone();
        assert_eq!(spread(&mut spread_out, &["h"; 6]), 3 * WITH_PRIMARY);
        assert_eq!(spread_out, made);
    }

    #[test]
    fn replicas_are_on_other_hosts() {
        let hosts = ["a", "a", "b", "b", "c", "c"];
        let mut made = plan(&hosts, 1).expect("a plan");
        let primaries: Vec<&str> = made.primaries.iter().map(|part| hosts[part.0]).collect();
        assert_eq!(primaries, ["a", "b", "c"]);
        assert_eq!(spread(&mut made, &hosts), 0);
    }

    #[test]
    fn swaps_part_replicas_of_one_host() {
        let hosts = ["a", "b", "c", "a", "b", "c"];
        let mut made = CreationPlan {
            primaries: vec![(0, 0, 1), (1, 2, 3), (2, 4, 5)],
            replicas: vec![(3, 0), (4, 1), (5, 2)],
            asked: 3,
        };
        assert_eq!(shared_hosts(&made, &hosts).0, 3 * WITH_PRIMARY);
        assert_eq!(spread(&mut made, &hosts), 0);
        let mut primaries: Vec<usize> = made.replicas.iter().map(|pair| pair.1).collect();
        primaries.sort_unstable();
        assert_eq!(primaries, [0, 1, 2]);
    }

    #[test]
    fn nodes_that_are_left_over_are_replicas_too() {
        let made = plan(&["h"; 8], 1).expect("a plan");
        assert_eq!((made.primaries.len(), made.replicas.len()), (4, 4));
        let made = plan(&["h"; 7], 1).expect("a plan");
        assert_eq!(
            (made.primaries.len(), made.replicas.len(), made.asked),
            (3, 4, 3)
        );
        assert_eq!(plan(&["h"; 5], 1), None);
    }
}
