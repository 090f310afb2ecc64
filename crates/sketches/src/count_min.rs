//! A count-min sketch: how often was an item added? Never less than it was.
//!
//!     depth rows of width counters, u32 little-endian, row after row: the bytes of the payload
//!     an item has one counter in each row; its estimate is the least of them
//!
//! Counters stay at 2^32 - 1 when they reach it; the sum of all additions wraps, as in Redis.
//!
//! Invariant: the block has a counter for each position of the rows.
//! Cost: add and estimate O(depth); merge O(counters * sources).

use russet_base::memory::alloc::{copied, slice_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

use crate::block::{blank, copy_piece};
use crate::room::zeros;
use crate::rows::Rows;
use crate::{Damage, block_effort};

/// Bytes of a counter.
const COUNTER: usize = 4;
/// Weights whose sum is no greater make no sum of counters that is beyond 63 bits.
const WEIGHTS_MAX: u64 = 1 << 30;

/// See the module.
pub struct CountMin {
    rows: Rows,
    count: i64,
    counters: Box<[u8]>,
}

impl Clone for CountMin {
    fn clone(&self) -> CountMin {
        CountMin {
            rows: self.rows,
            count: self.count,
            counters: copied(&self.counters),
        }
    }
}

/// A sketch that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountMinError {
    /// No counter, or too many of them.
    BadShape,
    /// There is no memory for so many.
    NoRoom,
}

impl CountMin {
    /// Rows of counters, all 0.
    pub fn new(width: u64, depth: u64) -> Result<CountMin, CountMinError> {
        let rows = Rows::new(width, depth).ok_or(CountMinError::BadShape)?;
        let bytes = usize::try_from(rows.counters())
            .ok()
            .and_then(|counters| counters.checked_mul(COUNTER))
            .ok_or(CountMinError::NoRoom)?;
        Ok(CountMin {
            rows,
            count: 0,
            counters: zeros(bytes).ok_or(CountMinError::NoRoom)?,
        })
    }

    /// The width and depth for estimates that are too high by at most `error` of all additions,
    /// but for a share of `probability` of the items. The depth is computed in single precision,
    /// as in Redis. Numbers that are too large are as large as can be.
    pub fn shape_for(error: f64, probability: f64) -> (u64, u64) {
        let width = (2.0 / error).ceil();
        let depth = ((probability as f32).log10() / 0.5_f32.log10()).ceil();
        (width as u64, depth as u64)
    }

    /// A sketch of a payload's fields.
    pub fn from_parts(
        width: u64,
        depth: u64,
        count: i64,
        counters: Box<[u8]>,
    ) -> Result<CountMin, Damage> {
        let rows = Rows::new(width, depth).ok_or(Damage)?;
        if rows.counters().checked_mul(COUNTER as u64) != Some(counters.len() as u64) {
            return Err(Damage);
        }
        Ok(CountMin {
            rows,
            count,
            counters,
        })
    }

    /// Counters of a row.
    pub fn width(&self) -> u64 {
        self.rows.width()
    }

    /// Rows.
    pub fn depth(&self) -> u64 {
        self.rows.depth()
    }

    /// The sum of all additions; it wraps.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// The counters, as a payload has them.
    pub fn counters(&self) -> &[u8] {
        &self.counters
    }

    /// Adds an item `n` times; returns its estimate, `u32::MAX` if that cannot grow.
    #[inline]
    pub fn add(&mut self, item: &[u8], n: u64) -> u32 {
        let by = u32::try_from(n).unwrap_or(u32::MAX);
        let (counters, _) = self.counters.as_chunks_mut::<COUNTER>();
        let mut least = u32::MAX;
        self.rows.each(item, |positions| {
            for position in positions {
                let counter = &mut counters[*position];
                let sum = u32::from_le_bytes(*counter).saturating_add(by);
                *counter = sum.to_le_bytes();
                least = least.min(sum);
            }
        });
        self.count = self.count.wrapping_add(n as i64);
        least
    }

    /// How often an item was added, at most.
    #[inline]
    pub fn estimate(&self, item: &[u8]) -> u32 {
        let (counters, _) = self.counters.as_chunks::<COUNTER>();
        let mut least = u32::MAX;
        self.rows.each(item, |positions| {
            for position in positions {
                least = least.min(u32::from_le_bytes(counters[*position]));
            }
        });
        least
    }

    /// Whether two sketches can be merged.
    pub fn is_like(&self, other: &CountMin) -> bool {
        self.rows == other.rows
    }

    /// The weighted sum of sketches like `self`, which may be among them.
    ///
    /// # Panics
    /// If a source is not like `self`.
    pub fn merged(&self, sources: &[(&CountMin, i64)]) -> Result<CountMin, MergeError> {
        const AT_ONCE: usize = 1 << 12;
        let mut merging = WeightedMerge::new(self, sources)?;
        while !merging.step(sources, AT_ONCE)? {}
        merging.finish()
    }
}

/// A weighted sum of sketches on its way, which are the same at each step.
pub struct WeightedMerge {
    rows: Rows,
    count: i64,
    counters: Box<[u8]>,
    /// The next counter.
    next: usize,
    /// No sum of counters is too large to be counted.
    is_small: bool,
}

fn add(sum: i64, value: i64, weight: i64) -> Result<i64, MergeError> {
    let weighted = value.checked_mul(weight).ok_or(MergeError::Overflow)?;
    sum.checked_add(weighted).ok_or(MergeError::Overflow)
}

impl WeightedMerge {
    /// The sum of no counter yet, of sketches like `of`.
    ///
    /// # Panics
    /// If a source is not like `of`.
    pub fn new(of: &CountMin, sources: &[(&CountMin, i64)]) -> Result<WeightedMerge, MergeError> {
        let counters = zeros(of.counters.len()).ok_or(MergeError::NoRoom)?;
        let (mut count, mut weights) = (0, 0_u64);
        for (source, weight) in sources {
            assert!(of.is_like(source), "sketches of one shape");
            count = add(count, source.count, *weight)?;
            weights = weights.saturating_add(weight.unsigned_abs());
        }
        Ok(WeightedMerge {
            rows: of.rows,
            count,
            counters,
            next: 0,
            is_small: weights <= WEIGHTS_MAX,
        })
    }

    /// Whether sources of the same name may be given to [`WeightedMerge::step`] as a single source,
    /// with the sum of their weights: then no order of the additions is another's.
    pub fn sums_weights(&self) -> bool {
        self.is_small
    }

    /// Sums up to so many further counters; `true`: all are summed.
    pub fn step(
        &mut self,
        sources: &[(&CountMin, i64)],
        counters: usize,
    ) -> Result<bool, MergeError> {
        let (merged, _) = self.counters.as_chunks_mut::<COUNTER>();
        let end = merged.len().min(self.next.saturating_add(counters));
        let range = self.next..end;
        let mut sums = vec![0_i64; range.len()];
        for (source, weight) in sources {
            let (counters, _) = source.counters.as_chunks::<COUNTER>();
            let values = counters[range.clone()]
                .iter()
                .map(|c| u32::from_le_bytes(*c));
            if self.is_small {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += i64::from(value) * *weight;
                }
                continue;
            }
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = add(*sum, value.into(), *weight)?;
            }
        }
        for (counter, sum) in merged[range].iter_mut().zip(sums) {
            let sum = u32::try_from(sum).map_err(|_| MergeError::Overflow)?;
            *counter = sum.to_le_bytes();
        }
        self.next = end;
        Ok(end == merged.len())
    }

    /// The sum, when all counters are summed.
    pub fn finish(self) -> Result<CountMin, MergeError> {
        if self.count < 0 {
            return Err(MergeError::Overflow);
        }
        Ok(CountMin {
            rows: self.rows,
            count: self.count,
            counters: self.counters,
        })
    }
}

/// Sketches that cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// A sum is negative, or too large.
    Overflow,
    /// There is no memory for the sums.
    NoRoom,
}

impl Content for CountMin {
    fn memory_bytes(&self) -> usize {
        slice_bytes(self.counters.len())
    }

    fn free_effort(&self) -> usize {
        block_effort(self.counters.len())
    }

    fn begin_copy(&self) -> CountMin {
        CountMin {
            counters: blank(&self.counters),
            ..*self
        }
    }

    fn copy_piece(&self, to: &mut CountMin, at: u64) -> Option<u64> {
        let counters = (&*self.counters, &mut *to.counters);
        copy_piece(std::iter::once(counters), at)
    }

    fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        mover.slice(&mut self.counters);
        None
    }

    fn check_invariants(&self) {
        let bytes = self.rows.counters() * COUNTER as u64;
        assert_eq!(self.counters.len() as u64, bytes);
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        take(&self.width().to_le_bytes());
        take(&self.depth().to_le_bytes());
        take(&self.count.to_le_bytes());
        take(&self.counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn sketch(width: u64, depth: u64) -> CountMin {
        CountMin::new(width, depth).expect("small")
    }

    /// Redis's counters after `CMS.INITBYDIM 5 2` and `CMS.INCRBY foo 3 bar 70000`.
    #[test]
    fn counters_are_those_of_redis() {
        let mut cms = sketch(5, 2);
        assert_eq!(cms.add(b"foo", 3), 3);
        assert_eq!(cms.add(b"bar", 70_000), 70_000);
        let counters: Vec<u32> = cms
            .counters()
            .as_chunks()
            .0
            .iter()
            .map(|c| u32::from_le_bytes(*c))
            .collect();
        assert_eq!(counters, [0, 70_000, 0, 3, 0, 0, 3, 0, 70_000, 0]);
        assert_eq!(cms.count(), 70_003);
    }

    #[test]
    fn a_full_counter_stays_full() {
        let mut cms = sketch(5, 2);
        cms.add(b"foo", 3);
        assert_eq!(cms.add(b"foo", u64::from(u32::MAX) - 3), u32::MAX);
        assert_eq!(cms.add(b"foo", 1), u32::MAX);
        assert_eq!(cms.count(), 1 << 32);
        assert_eq!(cms.add(b"foo", i64::MAX as u64), u32::MAX);
        assert_eq!(cms.count(), i64::MIN + (1 << 32) - 1);
        assert_eq!(cms.estimate(b"foo"), u32::MAX);
    }

    #[test]
    fn shapes_are_those_of_redis() {
        let known = [
            ((0.001, 0.01), (2000, 7)),
            ((0.5, 0.5), (4, 1)),
            ((0.1, 0.9), (20, 1)),
        ];
        for ((error, probability), shape) in known {
            assert_eq!(CountMin::shape_for(error, probability), shape);
        }
        for (error, probability) in [(1e-300, 0.5), (0.001, 1e-300)] {
            let (width, depth) = CountMin::shape_for(error, probability);
            let refused = CountMin::new(width, depth).err();
            assert_eq!(refused, Some(CountMinError::BadShape));
        }
    }

    /// A sketch whose array is shorter than its shape was read beyond the end of the array.
    #[test]
    fn payloads_whose_numbers_contradict_each_other_are_refused() {
        let part = |width, depth, bytes| {
            CountMin::from_parts(width, depth, 0, vec![0; bytes].into()).is_err()
        };
        assert!(!part(5, 2, 40));
        assert!(part(5, 2, 36) && part(5, 2, 44) && part(5, 2, 0) && part(5, 2, 39));
        assert!(part(0, 0, 0) && part(0, 2, 0) && part(5, 0, 0));
        // 2^62 * 4 counters wrap to 0 bytes.
        assert!(part(1 << 62, 4, 0) && part(1 << 62, 1, 0) && part(u64::MAX, u64::MAX, 4));
    }

    #[test]
    fn a_merge_is_a_weighted_sum_or_nothing() {
        let (mut a, mut b) = (sketch(50, 3), sketch(50, 3));
        a.add(b"foo", 3);
        b.add(b"foo", 5);
        b.add(b"bar", 1);
        let sum = a.merged(&[(&a, 2), (&b, 3)]).expect("small numbers");
        assert_eq!((sum.estimate(b"foo"), sum.estimate(b"bar")), (21, 3));
        assert_eq!(sum.count(), 24);
        let rest = a.merged(&[(&b, 1), (&a, -1)]).expect("no negative counter");
        assert_eq!(rest.estimate(b"foo"), 2);
        for sources in [
            [(&a, -1), (&a, 0)],
            [(&a, i64::MAX), (&a, 1)],
            [(&a, 1 << 31), (&a, 0)],
        ] {
            let refused = a.merged(&sources).err();
            assert_eq!(refused, Some(MergeError::Overflow));
        }
        // The counters are fine, the sum has wrapped.
        for _ in 0..2 {
            a.add(b"baz", i64::MAX as u64);
        }
        a.add(b"baz", 1 << 40);
        assert!(a.count() > 0);
        a.add(b"baz", i64::MAX as u64);
        assert_eq!(a.merged(&[(&a, 1)]).err(), Some(MergeError::Overflow));
    }

    /// A source that is named again counts once, with the sum of its weights.
    #[test]
    fn equal_sources_are_summed_as_one() {
        let (mut a, mut b) = (sketch(50, 3), sketch(50, 3));
        a.add(b"foo", 3);
        b.add(b"foo", 5);
        let named = [(&a, 2), (&b, 1), (&a, 3)];
        let mut merging = WeightedMerge::new(&a, &named).expect("small numbers");
        assert!(merging.sums_weights());
        while !merging
            .step(&[(&a, 5), (&b, 1)], 11)
            .expect("small numbers")
        {}
        let sum = merging.finish().expect("small numbers");
        assert_eq!((sum.estimate(b"foo"), sum.count()), (20, 20));
        let large = WeightedMerge::new(&a, &[(&a, 1 << 31), (&a, -(1 << 31))]);
        assert!(!large.expect("the counts are small").sums_weights());
    }

    proptest! {
        #[test]
        fn an_estimate_is_never_below_the_truth(
            width in 1u64..40,
            depth in 1u64..12,
            additions in prop::collection::vec((0u8..60, 0u64..1000), 0..200),
        ) {
            let mut cms = sketch(width, depth);
            let mut truth = HashMap::new();
            let mut sum = 0;
            for (item, n) in additions {
                let estimate = cms.add(&[item], n);
                *truth.entry(item).or_insert(0) += n;
                sum += n;
                prop_assert!(u64::from(estimate) >= truth[&item]);
            }
            for item in 0..=255 {
                let truth = truth.get(&item).copied().unwrap_or(0);
                let estimate = u64::from(cms.estimate(&[item]));
                prop_assert!(estimate >= truth && estimate <= sum);
            }
            prop_assert_eq!(cms.count() as u64, sum);
            cms.check_invariants();
        }
    }
}
