//! A count-min sketch: how often was an item added? Never less than it was.
//!
//!     depth rows of width counters of 1, 2, 4 or 8 bytes, little-endian, row after row: the bytes
//!     of the payload
//!     an item has one counter in each row; its estimate is the least of them
//!
//! An item that was added can be taken back. A change that does not fit into all its counters, or
//! into the sum of all changes, is refused and changes nothing, as since Redis 8.12. Older servers
//! let the sum wrap, so that a sketch of theirs may have a negative sum.
//!
//! Invariant: the block has a counter for each position of the rows, and none is above
//! [`CellSize::max`].
//! Cost: add and estimate O(depth); merge O(counters * sources).

use russet_base::memory::alloc::{copied, slice_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

use crate::block::{blank, copy_piece};
use crate::room::zeros;
use crate::rows::Rows;
use crate::{Damage, block_effort};

/// Weights whose sum is no greater make no sum of counters of up to four bytes that is beyond 63
/// bits.
const WEIGHTS_MAX: u64 = 1 << 30;

/// The bytes of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellSize {
    /// 1 byte: counts to 255.
    One,
    /// 2 bytes: counts to 65,535.
    Two,
    /// 4 bytes: counts to 2^32 - 1.
    #[default]
    Four,
    /// 8 bytes: counts to 2^63 - 1.
    Eight,
}

impl CellSize {
    /// The size of so many bytes; `None`: no counter has that.
    pub fn of_bytes(bytes: u64) -> Option<CellSize> {
        match bytes {
            1 => Some(CellSize::One),
            2 => Some(CellSize::Two),
            4 => Some(CellSize::Four),
            8 => Some(CellSize::Eight),
            _ => None,
        }
    }

    /// The number of bytes.
    pub fn bytes(self) -> usize {
        match self {
            CellSize::One => 1,
            CellSize::Two => 2,
            CellSize::Four => 4,
            CellSize::Eight => 8,
        }
    }

    /// The greatest number that a counter holds.
    pub fn max(self) -> u64 {
        match self {
            CellSize::Eight => i64::MAX as u64,
            _ => (1 << (8 * self.bytes())) - 1,
        }
    }
}

/// Calls a function whose first generic argument is the number of bytes of a counter.
macro_rules! by_cell {
    ($cell:expr, $call:ident($($argument:expr),*)) => {
        match $cell {
            CellSize::One => $call::<1>($($argument),*),
            CellSize::Two => $call::<2>($($argument),*),
            CellSize::Four => $call::<4>($($argument),*),
            CellSize::Eight => $call::<8>($($argument),*),
        }
    };
}

#[inline]
fn value<const N: usize>(cell: &[u8; N]) -> u64 {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(cell);
    u64::from_le_bytes(wide)
}

/// `value` fits into the cell.
#[inline]
fn set<const N: usize>(cell: &mut [u8; N], value: u64) {
    cell.copy_from_slice(&value.to_le_bytes()[..N]);
}

/// See the module.
pub struct CountMin {
    rows: Rows,
    cell: CellSize,
    count: i64,
    counters: Box<[u8]>,
}

impl Clone for CountMin {
    fn clone(&self) -> CountMin {
        CountMin {
            rows: self.rows,
            cell: self.cell,
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

/// A change that an item's counters, or the sum of all changes, cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// A number would become too large.
    Overflow,
    /// A number holds less than is to be taken.
    Underflow,
}

impl CountMin {
    /// Rows of counters, all 0.
    pub fn new(width: u64, depth: u64, cell: CellSize) -> Result<CountMin, CountMinError> {
        let rows = Rows::new(width, depth).ok_or(CountMinError::BadShape)?;
        let bytes = usize::try_from(rows.counters())
            .ok()
            .and_then(|counters| counters.checked_mul(cell.bytes()))
            .ok_or(CountMinError::NoRoom)?;
        Ok(CountMin {
            rows,
            cell,
            count: 0,
            counters: zeros(bytes).ok_or(CountMinError::NoRoom)?,
        })
    }

    /// Whether there can be so many counters at all.
    pub fn admits(width: u64, depth: u64) -> bool {
        Rows::new(width, depth).is_some()
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
        cell: CellSize,
        counters: Box<[u8]>,
    ) -> Result<CountMin, Damage> {
        let rows = Rows::new(width, depth).ok_or(Damage)?;
        let bytes = rows.counters().checked_mul(cell.bytes() as u64);
        if bytes != Some(counters.len() as u64) {
            return Err(Damage);
        }
        let (cells, _) = counters.as_chunks::<8>();
        let is_full = |value: &[u8; 8]| u64::from_le_bytes(*value) > cell.max();
        if cell == CellSize::Eight && cells.iter().any(is_full) {
            return Err(Damage);
        }
        Ok(CountMin {
            rows,
            cell,
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

    /// The bytes of a counter.
    pub fn cell_size(&self) -> CellSize {
        self.cell
    }

    /// The sum of all changes; negative only in a sketch of an older server.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// The counters, as a payload has them.
    pub fn counters(&self) -> &[u8] {
        &self.counters
    }

    /// Adds an item `n` times, or takes it back, if `n` is negative; returns its estimate. An error
    /// means that nothing has changed.
    #[inline]
    pub fn add(&mut self, item: &[u8], n: i64) -> Result<u64, ChangeError> {
        if n == 0 {
            return Ok(self.estimate(item));
        }
        let refusal = if n > 0 {
            ChangeError::Overflow
        } else {
            ChangeError::Underflow
        };
        let count = self.count.checked_add(n).ok_or(refusal)?;
        if n < 0 && count < 0 {
            return Err(refusal);
        }
        let (cells, max) = (&mut *self.counters, self.cell.max());
        let least = by_cell!(self.cell, change(self.rows, cells, item, n, max));
        let least = least.ok_or(refusal)?;
        self.count = count;
        Ok(least)
    }

    /// How often an item was added, at most.
    #[inline]
    pub fn estimate(&self, item: &[u8]) -> u64 {
        by_cell!(self.cell, estimate(self.rows, &self.counters, item))
    }

    /// Whether two sketches have the same rows.
    pub fn has_shape_of(&self, other: &CountMin) -> bool {
        self.rows == other.rows
    }

    /// Whether two sketches can be merged.
    pub fn is_like(&self, other: &CountMin) -> bool {
        self.has_shape_of(other) && self.cell == other.cell
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

/// Adds `n` to an item's counters; returns the least of them. `None`: a counter cannot take it, and
/// none has changed.
#[inline]
fn change<const N: usize>(
    rows: Rows,
    counters: &mut [u8],
    item: &[u8],
    n: i64,
    max: u64,
) -> Option<u64> {
    let (cells, _) = counters.as_chunks_mut::<N>();
    let (mut least, mut changed, mut is_refused) = (u64::MAX, 0, false);
    rows.each(item, |positions| {
        for position in positions {
            let cell = &mut cells[*position];
            let sum = value(cell).checked_add_signed(n).filter(|sum| *sum <= max);
            match sum {
                Some(sum) if !is_refused => {
                    set(cell, sum);
                    least = least.min(sum);
                    changed += 1;
                }
                _ => is_refused = true,
            }
        }
    });
    if !is_refused {
        return Some(least);
    }
    // An item has one counter in each row, so the first ones that were changed are these.
    let mut left: u64 = changed;
    rows.each(item, |positions| {
        for position in positions {
            if left > 0 {
                let cell = &mut cells[*position];
                set(cell, value(cell).wrapping_sub(n as u64));
                left -= 1;
            }
        }
    });
    None
}

#[inline]
fn estimate<const N: usize>(rows: Rows, counters: &[u8], item: &[u8]) -> u64 {
    let (cells, _) = counters.as_chunks::<N>();
    let mut least = u64::MAX;
    rows.each(item, |positions| {
        for position in positions {
            least = least.min(value(&cells[*position]));
        }
    });
    least
}

/// A weighted sum of sketches on its way, which are the same at each step.
pub struct WeightedMerge {
    rows: Rows,
    cell: CellSize,
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
            cell: of.cell,
            count,
            counters,
            next: 0,
            is_small: weights <= WEIGHTS_MAX && of.cell != CellSize::Eight,
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
        let bytes = self.cell.bytes();
        let all = self.counters.len() / bytes;
        let end = all.min(self.next.saturating_add(counters));
        let range = self.next * bytes..end * bytes;
        let mut sums = vec![0_i64; end - self.next];
        for (source, weight) in sources {
            let cells = &source.counters[range.clone()];
            by_cell!(
                self.cell,
                sum_cells(&mut sums, cells, *weight, self.is_small)
            )?;
        }
        let merged = &mut self.counters[range];
        by_cell!(self.cell, set_cells(merged, &sums, self.cell.max()))?;
        self.next = end;
        Ok(end == all)
    }

    /// The sum, when all counters are summed.
    pub fn finish(self) -> Result<CountMin, MergeError> {
        if self.count < 0 {
            return Err(MergeError::Overflow);
        }
        Ok(CountMin {
            rows: self.rows,
            cell: self.cell,
            count: self.count,
            counters: self.counters,
        })
    }
}

/// Adds weighted counters to sums; `is_small`: no sum overflows.
fn sum_cells<const N: usize>(
    sums: &mut [i64],
    counters: &[u8],
    weight: i64,
    is_small: bool,
) -> Result<(), MergeError> {
    let (cells, _) = counters.as_chunks::<N>();
    // No counter is above 2^63 - 1.
    let values = cells.iter().map(|cell| value(cell) as i64);
    if is_small {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value * weight;
        }
        return Ok(());
    }
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = add(*sum, value, weight)?;
    }
    Ok(())
}

fn set_cells<const N: usize>(
    counters: &mut [u8],
    sums: &[i64],
    max: u64,
) -> Result<(), MergeError> {
    let (cells, _) = counters.as_chunks_mut::<N>();
    for (cell, sum) in cells.iter_mut().zip(sums) {
        let sum = u64::try_from(*sum).ok().filter(|sum| *sum <= max);
        set(cell, sum.ok_or(MergeError::Overflow)?);
    }
    Ok(())
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
        let bytes = self.rows.counters() * self.cell.bytes() as u64;
        assert_eq!(self.counters.len() as u64, bytes);
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        take(&self.width().to_le_bytes());
        take(&self.depth().to_le_bytes());
        take(&self.count.to_le_bytes());
        if self.cell != CellSize::default() {
            take(&[self.cell.bytes() as u8]);
        }
        take(&self.counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn sketch(width: u64, depth: u64) -> CountMin {
        CountMin::new(width, depth, CellSize::Four).expect("small")
    }

    /// Redis's counters after `CMS.INITBYDIM 5 2` and `CMS.INCRBY foo 3 bar 70000`.
    #[test]
    fn counters_are_those_of_redis() {
        let mut cms = sketch(5, 2);
        assert_eq!(cms.add(b"foo", 3), Ok(3));
        assert_eq!(cms.add(b"bar", 70_000), Ok(70_000));
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

    /// A refused change left some of an item's counters changed, and was in the sum.
    #[test]
    fn a_change_that_does_not_fit_changes_nothing() {
        for (cell, max) in [
            (CellSize::One, 255),
            (CellSize::Two, 65_535),
            (CellSize::Four, i64::from(u32::MAX)),
            (CellSize::Eight, i64::MAX),
        ] {
            let mut cms = CountMin::new(2, 12, cell).expect("small");
            assert_eq!(cms.add(b"foo", 3), Ok(3));
            assert_eq!(cms.add(b"foo", max - 3), Ok(max as u64));
            let (before, count) = (cms.counters().to_vec(), cms.count());
            // Some counters of `bar` are those of `foo`, and are full.
            for (item, n) in [(b"foo", 1), (b"bar", 1), (b"foo", i64::MAX)] {
                assert_eq!(cms.add(item, n), Err(ChangeError::Overflow), "{cell:?}");
            }
            // The others are 0.
            assert_eq!(cms.add(b"bar", -1), Err(ChangeError::Underflow), "{cell:?}");
            assert_eq!((cms.counters(), cms.count()), (&*before, count));
            assert_eq!(cms.add(b"foo", -max), Ok(0));
            assert_eq!(cms.add(b"foo", -1), Err(ChangeError::Underflow));
            assert_eq!((cms.count(), cms.estimate(b"foo")), (0, 0));
            assert_eq!(cms.add(b"foo", 0), Ok(cms.estimate(b"foo")));
            cms.check_invariants();
        }
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
            let refused = CountMin::new(width, depth, CellSize::Four).err();
            assert_eq!(refused, Some(CountMinError::BadShape));
        }
    }

    /// A sketch whose array is shorter than its shape was read beyond the end of the array.
    #[test]
    fn payloads_whose_numbers_contradict_each_other_are_refused() {
        let part = |width, depth, bytes| {
            CountMin::from_parts(width, depth, 0, CellSize::Four, vec![0; bytes].into()).is_err()
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
        a.add(b"foo", 3).expect("it fits");
        b.add(b"foo", 5).expect("it fits");
        b.add(b"bar", 1).expect("it fits");
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
        // The counters are fine, but the sum of an older server has wrapped.
        let wrapped = CountMin::from_parts(50, 3, -1, CellSize::Four, vec![0; 600].into());
        let wrapped = wrapped.expect("as many counters as rows have");
        assert_eq!(a.merged(&[(&wrapped, 1)]).err(), Some(MergeError::Overflow));
    }

    #[test]
    fn sums_stay_within_their_counters() {
        for (cell, max) in [(CellSize::One, 255), (CellSize::Eight, i64::MAX)] {
            let mut a = CountMin::new(50, 3, cell).expect("small");
            a.add(b"foo", max / 2).expect("it fits");
            let sum = a.merged(&[(&a, 2)]).expect("it fits");
            assert_eq!(sum.estimate(b"foo"), (max / 2 * 2) as u64);
            assert_eq!(a.merged(&[(&a, 3)]).err(), Some(MergeError::Overflow));
            assert!(!a.is_like(&sketch(50, 3)) && a.has_shape_of(&sketch(50, 3)));
        }
    }

    /// A source that is named again counts once, with the sum of its weights.
    #[test]
    fn equal_sources_are_summed_as_one() {
        let (mut a, mut b) = (sketch(50, 3), sketch(50, 3));
        a.add(b"foo", 3).expect("it fits");
        b.add(b"foo", 5).expect("it fits");
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
            bytes in prop::sample::select(vec![2, 4, 8]),
            additions in prop::collection::vec((0u8..60, -100i64..300), 0..200),
        ) {
            let cell = CellSize::of_bytes(bytes).expect("a size");
            let mut cms = CountMin::new(width, depth, cell).expect("small");
            let mut truth = HashMap::new();
            let mut sum = 0;
            for (item, n) in additions {
                let known = truth.entry(item).or_insert(0_i64);
                // Taking back more than was added makes estimates too low.
                let n = n.max(-*known);
                let Ok(estimate) = cms.add(&[item], n) else {
                    prop_assert!(sum + n > 65_535);
                    continue;
                };
                *known += n;
                sum += n;
                prop_assert!(estimate as i64 >= *known);
            }
            for item in 0..=255 {
                let truth = truth.get(&item).copied().unwrap_or(0);
                let estimate = cms.estimate(&[item]) as i64;
                prop_assert!(estimate >= truth && estimate <= sum);
            }
            prop_assert_eq!(cms.count(), sum);
            cms.check_invariants();
        }
    }
}
