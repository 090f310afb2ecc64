//! Merges the rows of all shards in a single order.
//!
//! Equal rows come in the order of their shards, and within a shard as it has them: so the order is
//! the same whichever node is asked, and whichever part LIMIT asks for. Cost: each of the rows that
//! are kept is compared with the next row of each shard.

use std::cmp::Ordering;

use ahash::{HashSet, HashSetExt};

use super::super::order_of;
use super::{Answer, ShardRow};
use crate::expression::Value;

/// The order of the rows of FT.SEARCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The best score first.
    Score,
    /// The value of SORTBY; rows without a value come last.
    Key { is_descending: bool },
}

impl Order {
    fn compare(self, a: &ShardRow, b: &ShardRow) -> Ordering {
        let Order::Key { is_descending } = self else {
            return b.score.total_cmp(&a.score);
        };
        compare_keys(a.sort_key.as_ref(), b.sort_key.as_ref(), is_descending)
    }
}

fn compare_keys(a: Option<&Value>, b: Option<&Value>, is_descending: bool) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if is_descending => order_of(b, a),
        (Some(a), Some(b)) => order_of(a, b),
    }
}

/// Keeps the rows of the `k` smallest distances of all shards, in their order, and of equal
/// distances the rows of the first shards.
pub fn keep_nearest(answers: &mut [Answer], k: usize) {
    let rows = answers.iter().enumerate().flat_map(|(shard, answer)| {
        let rows = answer.rows.iter().enumerate();
        rows.map(move |(at, row)| (row.distance, shard, at))
    });
    let mut all: Vec<(f64, usize, usize)> = rows.collect();
    if all.len() <= k {
        return;
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let kept: HashSet<(usize, usize)> = all[..k].iter().map(|its| (its.1, its.2)).collect();
    for (shard, answer) in answers.iter_mut().enumerate() {
        let mut at = 0;
        answer.rows.retain(|_| {
            at += 1;
            kept.contains(&(shard, at - 1))
        });
    }
}

/// The rows of all answers from `offset` on, `count` at most, each with the number of the answer. A
/// key that two shards have, because it moves between them, counts once.
pub fn merge(
    answers: &mut [Answer],
    order: Order,
    offset: usize,
    count: usize,
) -> Vec<(usize, ShardRow)> {
    let rows = answers
        .iter_mut()
        .map(|answer| std::mem::take(&mut answer.rows));
    let mut lists: Vec<_> = rows.map(|rows| rows.into_iter().peekable()).collect();
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let (mut merged, mut skipped) = (Vec::new(), 0);
    while merged.len() < count {
        let mut best: Option<(usize, &ShardRow)> = None;
        for (at, list) in lists.iter_mut().enumerate() {
            let Some(row) = list.peek() else {
                continue;
            };
            let is_first = best.is_none_or(|(_, its)| order.compare(row, its) == Ordering::Less);
            if is_first {
                best = Some((at, row));
            }
        }
        let Some((at, _)) = best else {
            break;
        };
        let Some(row) = lists[at].next() else {
            break;
        };
        if !seen.insert(row.key.clone()) {
            continue;
        }
        if skipped < offset {
            skipped += 1;
        } else {
            merged.push((at, row));
        }
    }
    merged
}
