//! A t-digest: quantiles of many values, most exact at both ends.
//!
//!     nodes: merged ones in order, then unmerged ones as they were added
//!     node = mean and weight (the values that it stands for)
//!
//!     payload: compression, min, max, capacity, merged, unmerged, compressions, their weights,
//!              means, weights                              of the merged nodes
//!
//! Values are added as nodes of weight 1. When the nodes reach the capacity (6 * compression + 10)
//! they are compressed: all become merged nodes, neighbours in the same node if the size limit
//! allows it (`compress`). Questions (`summary`) and payloads need merged nodes alone. Redis
//! compresses the digest for questions, so that a read changes the result of later additions, on a
//! primary and not on its replicas. Here questions read a compressed copy, which is kept until the
//! next change, so that only commands that replicas repeat change a digest.
//!
//! Invariants
//!   1. There are as many means as weights, `merged` of them merged, fewer than the capacity.
//!   2. Means are finite, weights positive; `merged_weight` and `unmerged_weight` are their sums.
//!   3. The copy, if any, is of these nodes.
//!
//! Cost: add O(1) amortised, a compression O(n log n); memory grows with the nodes.

mod compress;
mod sort;
mod summary;

use russet_base::memory::alloc::{boxed_bytes, vec_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

pub use self::summary::Summary;
use crate::{Damage, block_effort, room};

/// The compression if none is given.
pub const COMPRESSION_USUAL: i64 = 100;
/// The greatest compression: nodes are counted in 31 bits.
pub const COMPRESSION_MAX: i64 = (i32::MAX as i64 - 10) / 6;

/// Means and weights of nodes.
#[derive(Clone, Default)]
struct Nodes {
    means: Vec<f64>,
    weights: Vec<i64>,
}

impl Nodes {
    fn len(&self) -> usize {
        self.means.len()
    }

    #[inline]
    fn push(&mut self, mean: f64, weight: i64) {
        self.means.push(mean);
        self.weights.push(weight);
    }

    fn memory_bytes(&self) -> usize {
        vec_bytes(&self.means) + vec_bytes(&self.weights)
    }

    fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.means);
        mover.vec(&mut self.weights);
    }
}

/// See the module.
pub struct TDigest {
    compression: f64,
    min: f64,
    max: f64,
    nodes: Nodes,
    merged: usize,
    merged_weight: i64,
    unmerged_weight: i64,
    compressions: i64,
    /// All nodes merged, for questions; dropped by a change.
    copy: Option<Box<Nodes>>,
}

impl Clone for TDigest {
    fn clone(&self) -> TDigest {
        TDigest {
            nodes: self.nodes.clone(),
            copy: None,
            ..*self
        }
    }
}

/// The values are too many to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The numbers of a digest beside its nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Merged nodes.
    pub merged_nodes: usize,
    /// Unmerged nodes.
    pub unmerged_nodes: usize,
    /// Values that merged nodes represent.
    pub merged_weight: i64,
    /// Values that unmerged nodes represent.
    pub unmerged_weight: i64,
    /// Compressions since it was made or reset.
    pub compressions: i64,
}

impl TDigest {
    /// An empty digest.
    ///
    /// # Panics
    /// If the compression is not in 1..=[`COMPRESSION_MAX`].
    pub fn new(compression: i64) -> TDigest {
        assert!((1..=COMPRESSION_MAX).contains(&compression));
        TDigest {
            compression: compression as f64,
            min: f64::MAX,
            max: -f64::MAX,
            nodes: Nodes::default(),
            merged: 0,
            merged_weight: 0,
            unmerged_weight: 0,
            compressions: 0,
            copy: None,
        }
    }

    /// Whether a digest of this compression may have all its nodes.
    pub fn admits(compression: i64) -> bool {
        const NODE_BYTES: u64 = 16;
        let nodes = u64::try_from(compression).ok();
        let nodes = nodes.and_then(|n| n.checked_mul(6)?.checked_add(10));
        nodes
            .and_then(|nodes| nodes.checked_mul(NODE_BYTES))
            .is_some_and(room::admits)
    }

    /// Makes it empty.
    pub fn reset(&mut self) {
        *self = TDigest::new(self.compression());
    }

    /// The compression with which the digest was created.
    pub fn compression(&self) -> i64 {
        self.compression as i64
    }

    /// Nodes that it can have, and a further node.
    pub fn capacity(&self) -> usize {
        6 * self.compression() as usize + 10
    }

    /// Numbers of nodes and compressions.
    pub fn figures(&self) -> Figures {
        Figures {
            merged_nodes: self.merged,
            unmerged_nodes: self.nodes.len() - self.merged,
            merged_weight: self.merged_weight,
            unmerged_weight: self.unmerged_weight,
            compressions: self.compressions,
        }
    }

    /// Values added.
    pub fn observations(&self) -> i64 {
        self.merged_weight + self.unmerged_weight
    }

    /// The least value; `None` if there is none.
    pub fn min(&self) -> Option<f64> {
        (self.observations() > 0).then_some(self.min)
    }

    /// The greatest value; `None` if there is none.
    pub fn max(&self) -> Option<f64> {
        (self.observations() > 0).then_some(self.max)
    }

    /// Adds a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) -> Result<(), Overflow> {
        self.add_node(value, 1)
    }

    fn add_node(&mut self, mean: f64, weight: i64) -> Result<(), Overflow> {
        self.copy = None;
        if self.nodes.len() >= self.capacity() - 1 {
            self.compress();
        }
        let unmerged = self.unmerged_weight.checked_add(weight).ok_or(Overflow)?;
        unmerged.checked_add(self.merged_weight).ok_or(Overflow)?;
        self.unmerged_weight = unmerged;
        self.min = self.min.min(mean);
        self.max = self.max.max(mean);
        self.nodes.push(mean, weight);
        Ok(())
    }

    /// Adds the nodes of another digest, compressed; this digest is compressed before.
    pub fn merge(&mut self, from: &TDigest) -> Result<(), Overflow> {
        self.compress();
        let of_copy;
        let nodes = match from.merged_nodes() {
            Some(nodes) => nodes,
            None => {
                of_copy = from.compressed_nodes();
                &of_copy
            }
        };
        for (mean, weight) in nodes.means.iter().zip(&nodes.weights) {
            self.add_node(*mean, *weight)?;
        }
        Ok(())
    }

    /// Merges all nodes.
    fn compress(&mut self) {
        if self.merged == self.nodes.len() {
            return;
        }
        self.copy = None;
        let weight = self.observations();
        compress::compress(&mut self.nodes, self.merged, weight, self.compression);
        self.merged = self.nodes.len();
        self.merged_weight = weight;
        self.unmerged_weight = 0;
        self.compressions += 1;
    }

    /// The nodes, if all of them are merged, here or in the copy.
    fn merged_nodes(&self) -> Option<&Nodes> {
        if self.merged == self.nodes.len() {
            return Some(&self.nodes);
        }
        self.copy.as_deref()
    }

    fn compressed_nodes(&self) -> Nodes {
        let mut nodes = self.nodes.clone();
        compress::compress(
            &mut nodes,
            self.merged,
            self.observations(),
            self.compression,
        );
        nodes
    }

    /// Whether [`TDigest::summary`] would have to compress a copy first.
    #[inline]
    pub fn wants_copy(&self) -> bool {
        self.merged_nodes().is_none()
    }

    /// Compresses a copy of the nodes and keeps it until the next change; compressing is no change.
    pub fn keep_copy(&mut self) {
        if self.wants_copy() {
            let mut nodes = self.compressed_nodes();
            nodes.means.shrink_to_fit();
            nodes.weights.shrink_to_fit();
            self.copy = Some(Box::new(nodes));
        }
    }

    /// For questions about the values; `None`: a copy has to be kept first.
    #[inline]
    pub fn summary(&self) -> Option<Summary<'_>> {
        let nodes = self.merged_nodes()?;
        Some(Summary::of(
            &nodes.means,
            &nodes.weights,
            self.observations(),
            (self.min, self.max),
        ))
    }

    /// The fields of a payload.
    pub fn parts(&self) -> Parts {
        let nodes = match self.merged_nodes() {
            Some(nodes) => nodes.clone(),
            None => self.compressed_nodes(),
        };
        let is_change = self.merged < self.nodes.len();
        Parts {
            compression: self.compression,
            min: self.min,
            max: self.max,
            capacity: self.capacity() as u64,
            compressions: (self.compressions + i64::from(is_change)) as u64,
            weight: self.observations() as f64,
            unmerged: 0,
            unmerged_weight: 0.0,
            means: nodes.means,
            weights: nodes
                .weights
                .into_iter()
                .map(|weight| weight as f64)
                .collect(),
        }
    }
}

/// The fields of a payload, as they come; `merged` is the length of the lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// See [`TDigest::compression`].
    pub compression: f64,
    /// The least value, or the greatest number if there is none.
    pub min: f64,
    /// The greatest value, or the least number.
    pub max: f64,
    /// Room for nodes; follows from the compression.
    pub capacity: u64,
    /// See [`Figures::compressions`].
    pub compressions: u64,
    /// The sum of the weights.
    pub weight: f64,
    /// Nodes that are not in the payload: of a single value, which Redis 7 does not compress.
    pub unmerged: u64,
    /// The sum of their weights.
    pub unmerged_weight: f64,
    /// The means of nodes, in order.
    pub means: Vec<f64>,
    /// The weights of the nodes, which are integers.
    pub weights: Vec<f64>,
}

/// Sums of weights that differ by this share are equal: those above 2^53 are not exact.
const SUM_ERROR: f64 = 1e-9;

impl Parts {
    /// The nodes of a digest with this compression and capacity, at most; checked before its
    /// nodes are read.
    pub fn nodes_max(compression: f64, capacity: u64) -> Result<u64, Damage> {
        let is_one =
            compression.fract() == 0.0 && (1.0..=COMPRESSION_MAX as f64).contains(&compression);
        if is_one && capacity == 6 * compression as u64 + 10 {
            Ok(capacity)
        } else {
            Err(Damage)
        }
    }

    /// The digest; its numbers must fit together.
    pub fn into_digest(self) -> Result<TDigest, Damage> {
        let nodes_max = Parts::nodes_max(self.compression, self.capacity)?;
        let nodes = self.means.len();
        if nodes as u64 > nodes_max || self.weights.len() != nodes {
            return Err(Damage);
        }
        let mut digest = TDigest::new(self.compression as i64);
        digest.compressions = i64::try_from(self.compressions).map_err(|_| Damage)?;
        // A value that Redis 7 has left out: it is both the least and the greatest.
        if nodes == 0 && self.unmerged == 1 && self.unmerged_weight == 1.0 {
            let is_value = self.min.is_finite() && self.min == self.max;
            is_value.then_some(()).ok_or(Damage)?;
            digest.add(self.min).map_err(|_| Damage)?;
            return Ok(digest);
        }
        if self.unmerged != 0 || self.unmerged_weight != 0.0 {
            return Err(Damage);
        }
        if nodes == 0 {
            return if self.weight == 0.0 {
                Ok(digest)
            } else {
                Err(Damage)
            };
        }
        let is_range = self.min.is_finite() && self.max.is_finite() && self.min <= self.max;
        if !is_range || !self.means.iter().all(|mean| mean.is_finite()) {
            return Err(Damage);
        }
        let mut sum = 0_i64;
        let mut weights = Vec::with_capacity(nodes);
        for weight in self.weights {
            if !(weight >= 1.0 && weight < 2.0_f64.powi(63)) || weight.fract() != 0.0 {
                return Err(Damage);
            }
            sum = sum.checked_add(weight as i64).ok_or(Damage)?;
            weights.push(weight as i64);
        }
        let error = (sum as f64 - self.weight).abs();
        if error.is_nan() || error > sum as f64 * SUM_ERROR {
            return Err(Damage);
        }
        digest.min = self.min;
        digest.max = self.max;
        digest.nodes = Nodes {
            means: self.means,
            weights,
        };
        digest.merged = nodes;
        digest.merged_weight = sum;
        Ok(digest)
    }
}

impl Content for TDigest {
    fn memory_bytes(&self) -> usize {
        let of_copy = |copy: &Nodes| boxed_bytes::<Nodes>() + copy.memory_bytes();
        self.nodes.memory_bytes() + self.copy.as_deref().map_or(0, of_copy)
    }

    fn free_effort(&self) -> usize {
        block_effort(self.nodes.memory_bytes())
    }

    fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        self.nodes.relocate(mover);
        if let Some(copy) = &mut self.copy {
            mover.boxed(copy);
            copy.relocate(mover);
        }
        None
    }

    fn check_invariants(&self) {
        let nodes = &self.nodes;
        assert!(nodes.weights.len() == nodes.len() && self.merged <= nodes.len());
        assert!(nodes.len() <= self.capacity());
        assert!(nodes.means.iter().all(|mean| mean.is_finite()));
        assert!(nodes.weights.iter().all(|weight| *weight > 0));
        let sum = |weights: &[i64]| {
            weights
                .iter()
                .map(|weight| i128::from(*weight))
                .sum::<i128>()
        };
        assert_eq!(
            sum(&nodes.weights[..self.merged]),
            self.merged_weight.into()
        );
        assert_eq!(
            sum(&nodes.weights[self.merged..]),
            self.unmerged_weight.into()
        );
        if let Some(copy) = &self.copy {
            assert_eq!(sum(&copy.weights), self.observations().into());
        }
    }

    /// Signs what a payload holds: a digest whose nodes are not merged yet and the digest that was
    /// restored from it are the same value.
    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        let parts = self.parts();
        for number in [parts.compression, parts.min, parts.max] {
            take(&number.to_bits().to_le_bytes());
        }
        take(&parts.compressions.to_le_bytes());
        for (mean, weight) in parts.means.iter().zip(&parts.weights) {
            take(&mean.to_bits().to_le_bytes());
            take(&weight.to_bits().to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
