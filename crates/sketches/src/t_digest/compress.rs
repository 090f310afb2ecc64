//! Compression: neighbours become a single node if the size limit allows it.
//!
//!     z = weight * compression / (2 pi N ln N)     of the node that two would make
//!     they become one if z <= q (1 - q) at both its ends, q the share of the values before
//!
//! so that nodes are small at both ends, where the first and the last are always of one value. The
//! operations on floats, and their order, are Redis's: payloads are equal to the last bit.

use std::f64::consts::PI;

use super::{Nodes, sort};

/// Compresses nodes of which the first `merged` are in order; `weight` is the sum of all. A single
/// value stays as it is.
pub(super) fn compress(nodes: &mut Nodes, merged: usize, weight: i64, compression: f64) {
    sort::sort(nodes, merged);
    let total = weight as f64;
    if total <= 1.0 {
        return;
    }
    let normalizer = compression / (2.0 * PI * total * total.ln());
    let (means, weights) = (&mut nodes.means[..], &mut nodes.weights[..]);
    let mut last = 0;
    let mut before = 0.0;
    // The bound at the node's beginning, which is the same for all that join it.
    let mut at_start = bound(before / total);
    let (mut mean, mut own) = (means[0], weights[0]);
    for at in 1..means.len() {
        let (next_mean, next_weight) = (means[at], weights[at]);
        let joint = own as f64 + next_weight as f64;
        let z = joint * normalizer;
        if z <= at_start && z <= bound((before + joint) / total) {
            own += next_weight;
            mean = joint_mean(mean, next_mean, next_weight as f64, own as f64);
        } else {
            before += own as f64;
            at_start = bound(before / total);
            (means[last], weights[last]) = (mean, own);
            last += 1;
            (mean, own) = (next_mean, next_weight);
        }
    }
    (means[last], weights[last]) = (mean, own);
    nodes.means.truncate(last + 1);
    nodes.weights.truncate(last + 1);
}

/// The greatest `z` of a node at a share of the values.
#[inline]
fn bound(q: f64) -> f64 {
    q * (1.0 - q)
}

/// The mean of a node that takes in the next; `weight` is that of both.
#[inline]
fn joint_mean(mean: f64, next: f64, next_weight: f64, weight: f64) -> f64 {
    let joint = mean + (next - mean) * next_weight / weight;
    if joint.is_finite() {
        joint
    } else {
        // Redis's is infinite if the difference of two means is infinite.
        let share = next_weight / weight;
        mean * (1.0 - share) + next * share
    }
}
