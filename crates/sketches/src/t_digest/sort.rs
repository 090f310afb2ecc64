//! Nodes in the order of their means.
//!
//! The order of nodes with equal means and different weights decides what is merged, and is not
//! defined: Redis 7 leaves it to its quicksort, whose pivot is the middle node. Without such nodes
//! any order by mean is Redis's, and the unmerged means are sorted alone and merged with the rest.
//! With such nodes Redis's quicksort is run, which is quadratic if very many means are equal:
//! beyond [`STEPS_EACH`] steps a node the stable order is used.

use super::Nodes;

/// Steps of the quicksort for each node, at most.
const STEPS_EACH: usize = 400;

/// Sorts nodes of which the first `merged` are in order.
pub(super) fn sort(nodes: &mut Nodes, merged: usize) {
    let Some((sorted, is_certain)) = by_merging(nodes, merged) else {
        return;
    };
    if is_certain || !by_quicksort(nodes) {
        *nodes = sorted;
    }
}

/// The stable order, and whether no other order is Redis's. `None`: the nodes are in it already.
fn by_merging(nodes: &Nodes, merged: usize) -> Option<(Nodes, bool)> {
    let len = nodes.len();
    let (old_means, new_means) = nodes.means.split_at(merged);
    let (old_weights, new_weights) = nodes.weights.split_at(merged);
    let is_sorted = old_means.is_sorted();
    let mut order = Nodes {
        means: Vec::with_capacity(len),
        weights: Vec::with_capacity(len),
    };
    if is_sorted && new_weights.iter().all(|weight| *weight == 1) {
        // Integers are sorted in two thirds of the time.
        let mut added: Vec<i64> = new_means.iter().map(|mean| ordered(*mean)).collect();
        added.sort_unstable();
        let mut old = old_means.iter().zip(old_weights).peekable();
        for mean in added.into_iter().map(float) {
            while let Some((mean, weight)) = old.next_if(|(old, _)| **old <= mean) {
                order.push(*mean, *weight);
            }
            order.push(mean, 1);
        }
        old.for_each(|(mean, weight)| order.push(*mean, *weight));
    } else {
        let mut all: Vec<_> = nodes.means.iter().zip(&nodes.weights).collect();
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        all.iter()
            .for_each(|(mean, weight)| order.push(**mean, **weight));
    }
    let means = order.means.windows(2);
    let ties = means
        .zip(order.weights.windows(2))
        .filter(|(means, weights)| {
            let is_one_node = means[0].to_bits() == means[1].to_bits() && weights[0] == weights[1];
            means[0] == means[1] && !is_one_node
        });
    let is_certain = ties.count() == 0;
    Some((order, is_certain))
}

/// A float as an integer in the order of `f64::total_cmp`.
#[inline]
fn ordered(value: f64) -> i64 {
    flipped(value.to_bits() as i64)
}

/// The float of such an integer.
#[inline]
fn float(ordered: i64) -> f64 {
    f64::from_bits(flipped(ordered) as u64)
}

/// Turns all bits but the sign around, if that is set. Twice: as it was.
#[inline]
fn flipped(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// Sorts as Redis 7 does; false, and the nodes in no order, if it takes too long.
fn by_quicksort(nodes: &mut Nodes) -> bool {
    let mut steps = STEPS_EACH * nodes.len();
    let mut open = vec![(0, nodes.len())];
    while let Some((start, end)) = open.pop() {
        let len = end - start;
        if len < 2 {
            continue;
        }
        if len == 2 {
            if nodes.means[start] > nodes.means[start + 1] {
                exchange(nodes, start, start + 1);
            }
            continue;
        }
        let Some(left) = steps.checked_sub(len) else {
            return false;
        };
        steps = left;
        let pivot = partition(nodes, start, end);
        open.push((start, pivot));
        open.push((pivot + 1, end));
    }
    true
}

/// Moves smaller means before the pivot, the middle node; returns where it is.
fn partition(nodes: &mut Nodes, start: usize, end: usize) -> usize {
    let last = end - 1;
    exchange(nodes, start.midpoint(last), last);
    let pivot = nodes.means[last];
    let mut at = start;
    for other in start..last {
        if nodes.means[other] < pivot {
            exchange(nodes, at, other);
            at += 1;
        }
    }
    exchange(nodes, at, last);
    at
}

fn exchange(nodes: &mut Nodes, a: usize, b: usize) {
    nodes.means.swap(a, b);
    nodes.weights.swap(a, b);
}
