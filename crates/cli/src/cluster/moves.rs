//! Which slots move: a reshard's table and a rebalance by weights. No I/O.

use std::collections::BTreeSet;

use super::node::SLOTS;

/// The moves of a reshard: each a place in `sources` and a slot.
///
/// Each source gives in proportion to its slots: the largest first and rounded up, the others
/// rounded down, until there are `count`.
pub(super) fn reshard_table(sources: &[&BTreeSet<u16>], count: usize) -> Vec<(usize, u16)> {
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(sources[at].len()));
    let all: usize = sources.iter().map(|slots| slots.len()).sum();
    let mut table = Vec::new();
    for (rank, &at) in order.iter().enumerate() {
        let share = count as f64 / all.max(1) as f64 * sources[at].len() as f64;
        let share = if rank == 0 {
            share.ceil()
        } else {
            share.floor()
        };
        let left = count - table.len();
        let given = sources[at].iter().take((share as usize).min(left));
        table.extend(given.map(|&slot| (at, slot)));
    }
    table
}

/// A primary in a rebalance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WeightedPrimary {
    pub(super) slots: usize,
    pub(super) weight: f64,
}

/// A rebalance.
#[derive(Debug, PartialEq)]
pub(super) struct Rebalance {
    /// Each: from, to (places in the list of primaries), slots.
    pub(super) moves: Vec<(usize, usize, usize)>,
    /// Slots above (positive) or below each primary's share, before.
    pub(super) balances: Vec<i64>,
}

/// The moves that give each primary slots by its weight; `None` if every primary is within
/// `threshold` percent of its share already.
pub(super) fn rebalance(primaries: &[WeightedPrimary], threshold: f64) -> Option<Rebalance> {
    let total: f64 = primaries.iter().map(|primary| primary.weight).sum();
    let mut balances = Vec::new();
    let mut is_needed = false;
    for primary in primaries {
        let share = (f64::from(SLOTS) / total * primary.weight) as i64;
        balances.push(primary.slots as i64 - share);
        is_needed |= if primary.slots > 0 {
            let off = (100.0 - 100.0 * share as f64 / primary.slots as f64).abs();
            off > threshold
        } else {
            share > 1
        };
    }
    if !is_needed {
        return None;
    }
    // Shares are rounded down, so slots are left: they go to the primaries that lack slots.
    let mut left: i64 = balances.iter().sum();
    while left > 0 {
        let before = left;
        for balance in balances.iter_mut().filter(|balance| **balance <= 0) {
            if left > 0 {
                *balance -= 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    let mut order: Vec<usize> = (0..balances.len()).collect();
    order.sort_by_key(|&at| balances[at]);
    let mut open = balances.clone();
    let (mut to, mut from) = (0, order.len().saturating_sub(1));
    let mut moves = Vec::new();
    while to < from {
        let (target, source) = (order[to], order[from]);
        let count = open[target].abs().min(open[source].abs());
        if count > 0 {
            moves.push((source, target, count as usize));
        }
        open[target] += count;
        open[source] -= count;
        if open[target] == 0 {
            to += 1;
        }
        if open[source] == 0 {
            from = from.saturating_sub(1);
        }
    }
    Some(Rebalance { moves, balances })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_give_by_their_size() {
        let (small, large): (BTreeSet<u16>, BTreeSet<u16>) =
            ((3..5461).collect(), (10923..16384).collect());
        let table = reshard_table(&[&small, &large], 3);
        assert_eq!(table, [(1, 10923), (1, 10924), (0, 3)]);
        assert_eq!(reshard_table(&[&small], 2), [(0, 3), (0, 4)]);
        let few: BTreeSet<u16> = [1, 2].into();
        assert_eq!(reshard_table(&[&few], 10).len(), 2);
        assert!(reshard_table(&[&BTreeSet::new()], 5).is_empty());
    }

    fn by(list: &[(usize, f64)]) -> Vec<WeightedPrimary> {
        list.iter()
            .map(|&(slots, weight)| WeightedPrimary { slots, weight })
            .collect()
    }

    #[test]
    fn equal_primaries_stay() {
        let even = by(&[(5457, 1.0), (5468, 1.0), (5459, 1.0)]);
        assert_eq!(rebalance(&even, 2.0), None);
        assert!(rebalance(&even, 0.01).is_some());
    }

    #[test]
    fn an_empty_primary_gets_its_share() {
        let nodes = by(&[(5461, 1.0), (5462, 1.0), (5461, 1.0), (0, 1.0)]);
        let made = rebalance(&nodes, 2.0).expect("needed");
        let to_new: usize = made.moves.iter().filter(|m| m.1 == 3).map(|m| m.2).sum();
        assert_eq!(to_new, 4096);
        assert_eq!(made.moves.len(), 3);
    }

    #[test]
    fn a_weight_moves_slots_and_zero_empties() {
        let nodes = by(&[(5457, 1.05), (5468, 1.0), (5459, 1.0)]);
        let made = rebalance(&nodes, 2.0).expect("needed");
        assert_eq!(made.moves, [(1, 0, 97), (2, 0, 88)]);
        let nodes = by(&[(5461, 0.0), (5462, 1.0), (5461, 1.0)]);
        let made = rebalance(&nodes, 2.0).expect("needed");
        let left: usize = made.moves.iter().filter(|m| m.0 == 0).map(|m| m.2).sum();
        assert_eq!(left, 5461);
    }
}
