//! An intset: a sorted array of integers of equal width, byte for byte Redis's format.
//!
//!     width: u32le (2, 4 or 8) | length: u32le | integer (width bytes, little endian) ...
//!
//! Invariants
//!   1. The integers ascend strictly.
//!   2. The width is that of the widest integer ever added; it never narrows.
//!
//! The handle is a pointer; header and width give the allocation's length. Cost: contains, get
//! O(log n), O(1); add, remove O(n) by moving the tail. When a set leaves this encoding:
//! `types::set`.
#![allow(unsafe_code)]

use crate::thin::ThinPointer;
use russet_base::memory::alloc;
use std::fmt;
use std::ptr::NonNull;

const HEADER: usize = 8;

/// Why bytes are not an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntsetError {
    /// The width is none of 2, 4 and 8, the set is empty, or the bytes are more or fewer.
    #[error("intset header does not match its length")]
    Frame,
    /// The integer at this index is not above the integer before it.
    #[error("intset is not in ascending order at index {0}")]
    Order(usize),
}

/// See the module.
pub struct Intset(NonNull<u8>);

// SAFETY: an intset owns its block alone.
unsafe impl Send for Intset {}
// SAFETY: shared access only reads.
unsafe impl Sync for Intset {}

fn width_for(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn read(bytes: &[u8], width: usize, index: usize) -> i64 {
    let at = HEADER + index * width;
    let raw = &bytes[at..at + width];
    match width {
        2 => i64::from(i16::from_le_bytes(raw.try_into().expect("two bytes"))),
        4 => i64::from(i32::from_le_bytes(raw.try_into().expect("four bytes"))),
        _ => i64::from_le_bytes(raw.try_into().expect("eight bytes")),
    }
}

impl Intset {
    /// An empty set, of width 2.
    pub fn new() -> Self {
        Self::empty(2, 0)
    }

    /// An intset of `len` integers of `width` bytes, all zero.
    fn empty(width: usize, len: usize) -> Self {
        let total = HEADER + width * len;
        let block = alloc::block(total);
        // SAFETY: the block holds `total` bytes.
        unsafe { block.as_ptr().write_bytes(0, total) };
        // SAFETY: the header is within the block.
        unsafe {
            block
                .cast::<[u32; 2]>()
                .as_ptr()
                .write([width as u32, len as u32].map(u32::to_le))
        };
        Intset(block)
    }

    /// A copy of `bytes` after checking width, length and order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IntsetError> {
        let head = bytes.get(..HEADER).ok_or(IntsetError::Frame)?;
        let width = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if !matches!(width, 2 | 4 | 8) || len == 0 || bytes.len() != HEADER + width * len {
            return Err(IntsetError::Frame);
        }
        for i in 1..len {
            if read(bytes, width, i - 1) >= read(bytes, width, i) {
                return Err(IntsetError::Order(i));
            }
        }
        let mut set = Self::empty(width, len);
        set.bytes_mut().copy_from_slice(bytes);
        Ok(set)
    }

    #[inline]
    fn header(&self) -> (usize, usize) {
        // SAFETY: the block starts with two aligned u32.
        let [width, len] = unsafe { self.0.cast::<[u32; 2]>().as_ptr().read() };
        (u32::from_le(width) as usize, u32::from_le(len) as usize)
    }

    fn total(&self) -> usize {
        let (width, len) = self.header();
        HEADER + width * len
    }

    /// The whole serialised form.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `total` initialised bytes belong to this intset.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.total()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_bytes`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr(), self.total()) }
    }

    /// Number of integers. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.header().1
    }

    /// Whether there is no integer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integer at `index` in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        let (width, len) = self.header();
        (index < len).then(|| read(self.as_bytes(), width, index))
    }

    /// The least integer; `None` if there is none.
    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    /// The greatest integer; `None` if there is none.
    pub fn max(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// `Ok(index)` of the value, or `Err(index)` where it would be inserted.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (width, len) = self.header();
        let bytes = self.as_bytes();
        if len == 0 || value > read(bytes, width, len - 1) {
            return Err(len);
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            match read(bytes, width, middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Whether the integer is there. O(log n).
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds `value`; false if it was there.
    pub fn add(&mut self, value: i64) -> bool {
        if width_for(value) > self.header().0 {
            self.widen_with(value);
            return true;
        }
        let Err(index) = self.search(value) else {
            return false;
        };
        let (width, len) = self.header();
        self.resize(width, len + 1);
        let at = HEADER + index * width;
        let bytes = self.bytes_mut();
        let end = bytes.len();
        bytes.copy_within(at..end - width, at + width);
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        true
    }

    /// Adds a value too wide for the current width, which is below or above all others.
    fn widen_with(&mut self, value: i64) {
        let (width, len) = (width_for(value), self.len());
        let mut wide = Self::empty(width, len + 1);
        let shift = usize::from(value < 0);
        for (i, old) in self.iter().enumerate() {
            wide.write(i + shift, old);
        }
        wide.write(if value < 0 { 0 } else { len }, value);
        *self = wide;
    }

    fn write(&mut self, index: usize, value: i64) {
        let width = self.header().0;
        let at = HEADER + index * width;
        self.bytes_mut()[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    /// Removes `value`; false if it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else {
            return false;
        };
        self.remove_at(index);
        true
    }

    /// Removes and returns the integer at `index`.
    pub fn remove_at(&mut self, index: usize) -> Option<i64> {
        let value = self.get(index)?;
        let (width, len) = self.header();
        let at = HEADER + index * width;
        self.bytes_mut().copy_within(at + width.., at);
        self.resize(width, len - 1);
        Some(value)
    }

    fn resize(&mut self, width: usize, len: usize) {
        let (old, new) = (self.total(), HEADER + width * len);
        let stated = u32::try_from(len).expect("an intset has fewer than 2^32 integers");
        // SAFETY: the block was made for `old` bytes.
        self.0 = unsafe { alloc::resize(self.0, old, new) };
        if new > old {
            // SAFETY: the block now holds `new` bytes.
            unsafe { self.0.as_ptr().add(old).write_bytes(0, new - old) };
        }
        // SAFETY: the header is within the block.
        unsafe {
            self.0
                .cast::<[u32; 2]>()
                .as_ptr()
                .write([(width as u32).to_le(), stated.to_le()])
        };
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let (bytes, (width, len)) = (self.as_bytes(), self.header());
        assert!(matches!(width, 2 | 4 | 8) && bytes.len() == HEADER + width * len);
        assert!(self.iter().is_sorted_by(|a, b| a < b));
    }

    /// The integers in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
        let (width, len) = self.header();
        let bytes = self.as_bytes();
        (0..len).map(move |i| read(bytes, width, i))
    }

    /// A uniformly random integer; `draw(n)` returns a uniformly random number below `n`.
    pub fn random(&self, draw: impl FnOnce(usize) -> usize) -> Option<i64> {
        let len = self.len();
        (len > 0).then(|| self.get(draw(len))).flatten()
    }
}

impl ThinPointer for Intset {
    #[inline]
    fn block(&self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn block_bytes(&self) -> usize {
        self.total()
    }

    #[inline]
    unsafe fn of(block: NonNull<u8>) -> Self {
        Intset(block)
    }
}

impl Drop for Intset {
    fn drop(&mut self) {
        // SAFETY: the block was made for `total` bytes and is owned here.
        unsafe { alloc::free(self.0, self.total()) };
    }
}

impl Clone for Intset {
    fn clone(&self) -> Self {
        let (width, len) = self.header();
        let mut copy = Self::empty(width, len);
        copy.bytes_mut().copy_from_slice(self.as_bytes());
        copy
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn bytes_are_those_of_redis() {
        let mut set = Intset::new();
        for value in [1, -2, 300] {
            assert!(set.add(value));
        }
        assert_eq!(
            set.as_bytes(),
            [2, 0, 0, 0, 3, 0, 0, 0, 0xFE, 0xFF, 1, 0, 0x2C, 1]
        );
        assert!(!set.add(300));
        assert!(set.remove(1));
        assert_eq!(
            set.as_bytes(),
            [2, 0, 0, 0, 2, 0, 0, 0, 0xFE, 0xFF, 0x2C, 1]
        );
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let descending = [2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 4, 0];
        assert_eq!(
            Intset::from_bytes(&descending).map(|_| ()),
            Err(IntsetError::Order(1))
        );
        for bytes in [
            &descending[..11],
            &descending[..4],
            &[3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3][..],
        ] {
            assert_eq!(
                Intset::from_bytes(bytes).map(|_| ()),
                Err(IntsetError::Frame)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_like_a_btree_set(ops in prop::collection::vec(
            (prop::bool::weighted(0.7), prop_oneof![-20i64..20, -70_000i64..70_000, any::<i64>()]), 0..80)
        ) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (add, value) in ops {
                if add {
                    prop_assert_eq!(set.add(value), model.insert(value));
                } else {
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert!(set.contains(value) == model.contains(&value));
                prop_assert_eq!(set.len(), model.len());
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!((set.min(), set.max()), (model.first().copied(), model.last().copied()));
            if !model.is_empty() {
                let copy = Intset::from_bytes(set.as_bytes()).expect("valid");
                prop_assert!(copy.iter().eq(model.into_iter()));
            }
        }
    }
}
