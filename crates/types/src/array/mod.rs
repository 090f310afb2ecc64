//! An array: values by index, 0 to 2^64 - 2, of which any may be missing.
//!
//!     index = number of a slice | offset within it
//!     slices    by number, only those that have values (`slices`, `slice`)
//!     count, end = highest index + 1, next = where ARINSERT writes
//!
//! Invariants
//!   1. `count` is the number of values in all slices, and no slice is empty.
//!   2. `end` is 0 if there are no values.
//!   3. The length of a slice is the length that was configured when the array was created.
//!
//! Cost: by index two binary searches over the slices, none in an array of a single slice; a range
//! by the slices in it and their slots, whatever its length.
#![allow(unsafe_code)]

mod info;
mod ring;
mod slice;
mod slices;
mod slot;
#[cfg(test)]
mod tests;

use super::{Container, Encoding, Entry, Limits, MemoryUsage, Relocate, Signature, Type, boxed};
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use slice::{Rules, Slice};
use slices::Slices;

/// The greatest index.
pub const INDEX_MAX: u64 = u64::MAX - 1;

/// Missing values in a row that are signed singly, as Redis does with any number of them.
const SIGNED_HOLES_MAX: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct Array(Box<Body>);

/// Where an array's values are: for prefetching.
#[derive(Clone, Copy)]
pub struct Slots<'a>(&'a Body);

impl<'a> Slots<'a> {
    /// # Safety
    /// The word is that of an array, which is not changed during `'a`.
    #[inline]
    pub unsafe fn of(word: u64) -> Slots<'a> {
        // SAFETY: the caller guarantees it.
        Slots(unsafe { boxed::borrow(word) })
    }

    /// Number of values.
    #[inline]
    pub fn len(self) -> usize {
        self.0.count as usize
    }

    /// Prefetches the slot of an index.
    #[inline]
    pub fn prefetch(self, index: u64) {
        let (number, offset) = self.0.split(index);
        if let Some(slice) = self.0.slices.get(number) {
            slice.prefetch(offset);
        }
    }
}

#[derive(Debug)]
struct Body {
    slices: Slices,
    count: u64,
    end: u64,
    /// Where ARINSERT writes; 0: nothing was inserted, the greatest number: no index is left.
    next: u64,
    /// The highest number of a slice so far: for ARINFO alone.
    top: u64,
    /// The length of a slice is a power of two.
    size_log2: u8,
}

impl Body {
    /// The number of the slice of an index, and the offset in it.
    #[inline]
    fn split(&self, index: u64) -> (u64, usize) {
        let bits = self.size_log2;
        (index >> bits, (index & ((1 << bits) - 1)) as usize)
    }
}

impl Clone for Body {
    fn clone(&self) -> Body {
        let last = self.slices.floor(u64::MAX);
        Body {
            // A copy's directory is as long as it must be.
            top: last.map_or(0, |(number, _)| number),
            slices: self.slices.clone(),
            ..*self
        }
    }
}

impl Array {
    /// An array without values. The array's slices have the configured size, as a power of two of
    /// at least 256.
    pub fn new(limits: &Limits) -> Array {
        let size = limits.array_slice_size.max(256).next_power_of_two();
        Array(Box::new(Body {
            slices: Slices::None,
            count: 0,
            end: 0,
            next: 0,
            top: 0,
            size_log2: size.trailing_zeros() as u8,
        }))
    }

    #[inline]
    fn rules(&self, limits: &Limits) -> Rules {
        Rules {
            size: 1 << self.0.size_log2,
            sparse_max: limits.array_sparse_kmax,
            sparse_min: limits.array_sparse_kmin,
        }
    }

    #[inline]
    fn index(&self, number: u64, offset: usize) -> u64 {
        number << self.0.size_log2 | offset as u64
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// The highest index, plus 1; 0 without values.
    pub fn end(&self) -> u64 {
        self.0.end
    }

    /// Where the next insertion writes; 0 if there was none, `u64::MAX`: no index is left.
    pub fn next(&self) -> u64 {
        self.0.next
    }

    /// Sets the index that the next insertion writes; `u64::MAX`: none is left.
    pub fn set_next(&mut self, next: u64) {
        self.0.next = next;
    }

    /// The value at an index; `None`: there is none.
    #[inline]
    pub fn get(&self, index: u64) -> Option<Entry<'_>> {
        let (number, offset) = self.0.split(index);
        self.0.slices.get(number)?.get(offset)
    }

    /// Sets the value at an index, at most [`INDEX_MAX`]; returns whether there was none.
    #[inline]
    pub fn set(&mut self, index: u64, text: &[u8], limits: &Limits) -> bool {
        self.set_entry(index, Entry::parse(text), limits)
    }

    fn set_entry(&mut self, index: u64, value: Entry<'_>, limits: &Limits) -> bool {
        let rules = self.rules(limits);
        let (number, offset) = self.0.split(index);
        let body = &mut *self.0;
        let set = |slice: &mut Slice| slice.set(offset, value, rules);
        let is_new = body.slices.update(number, set).unwrap_or_else(|| {
            let slice = Slice::new(offset, value, rules);
            body.slices.insert(number, slice);
            body.top = body.top.max(number);
            true
        });
        body.count += u64::from(is_new);
        body.end = body.end.max(index + 1);
        is_new
    }

    /// Removes the value at an index; returns whether there was a value.
    pub fn remove(&mut self, index: u64, limits: &Limits) -> bool {
        let rules = self.rules(limits);
        let (number, offset) = self.0.split(index);
        let body = &mut *self.0;
        let remove = |slice: &mut Slice| (slice.remove(offset, rules), slice.len());
        let (removed, left) = body.slices.update(number, remove).unwrap_or((false, 1));
        if left == 0 {
            body.slices.remove(number);
        }
        body.count -= u64::from(removed);
        if removed && index + 1 == body.end {
            self.find_end();
        }
        removed
    }

    /// Removes all values from `first` to `last`; returns how many there were. O(slots of the
    /// slices in the range).
    pub fn remove_range(&mut self, first: u64, last: u64, limits: &Limits) -> u64 {
        let rules = self.rules(limits);
        let (first_number, first_offset) = self.0.split(first);
        let (last_number, last_offset) = self.0.split(last);
        let before = self.0.count;
        let mut from = first_number;
        while let Some((number, slice)) = self.0.slices.ceil(from)
            && number <= last_number
        {
            let low = if number == first_number {
                first_offset
            } else {
                0
            };
            let high = if number == last_number {
                last_offset
            } else {
                rules.size - 1
            };
            let all = slice.len();
            let body = &mut *self.0;
            let removed = if low == 0 && high == rules.size - 1 {
                all
            } else {
                let remove = |slice: &mut Slice| slice.remove_range(low, high, rules);
                body.slices.update(number, remove).unwrap_or(0)
            };
            if removed == all {
                body.slices.remove(number);
            }
            body.count -= removed as u64;
            from = number + 1;
        }
        if self.0.count < before && self.0.end > first && self.0.end - 1 <= last {
            self.find_end();
        }
        before - self.0.count
    }

    /// Computes the end anew after the last value was removed.
    fn find_end(&mut self) {
        let last = self.0.slices.floor(u64::MAX);
        let last = last.and_then(|(number, slice)| Some(self.index(number, slice.last()?)));
        self.0.end = last.map_or(0, |last| last + 1);
    }

    /// Calls `see` with the values from `first` to `last`, in the direction given, until it returns
    /// false.
    pub fn visit<'a>(
        &'a self,
        first: u64,
        last: u64,
        backward: bool,
        mut see: impl FnMut(u64, Entry<'a>) -> bool,
    ) {
        self.walk(first, last, backward, |number, slice, low, high| {
            let each = |offset, value| see(self.index(number, offset), value);
            slice.visit(low, high, backward, each)
        });
    }

    /// [`Array::visit`], of the values equal to `wanted` alone.
    pub fn visit_equal<'a>(
        &'a self,
        first: u64,
        last: u64,
        backward: bool,
        wanted: Entry<'_>,
        mut see: impl FnMut(u64, Entry<'a>) -> bool,
    ) {
        self.walk(first, last, backward, |number, slice, low, high| {
            let each = |offset, value| see(self.index(number, offset), value);
            slice.visit_equal(low, high, backward, wanted, each)
        });
    }

    /// Calls `see` with the slices of a range, and the range's offsets in each, until it returns
    /// false.
    fn walk<'a>(
        &'a self,
        first: u64,
        last: u64,
        backward: bool,
        mut see: impl FnMut(u64, &'a Slice, usize, usize) -> bool,
    ) {
        let (first_number, first_offset) = self.0.split(first);
        let (last_number, last_offset) = self.0.split(last);
        let slices = &self.0.slices;
        let mut at = if backward {
            slices.floor(last_number)
        } else {
            slices.ceil(first_number)
        };
        while let Some((number, slice)) = at
            && (first_number..=last_number).contains(&number)
        {
            let low = if number == first_number {
                first_offset
            } else {
                0
            };
            let high = if number == last_number {
                last_offset
            } else {
                (1 << self.0.size_log2) - 1
            };
            if !see(number, slice, low, high) {
                return;
            }
            at = if backward {
                number
                    .checked_sub(1)
                    .and_then(|number| slices.floor(number))
            } else {
                slices.ceil(number + 1)
            };
        }
    }
}

impl MemoryUsage for Array {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<Body>() + self.0.slices.memory_bytes()
    }
}

impl Relocate for Array {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        // A slice may have thousands of blocks, or a single block.
        let slices = &mut self.0.slices;
        let mut next = slices.relocate(mover, at);
        for _ in 1..n / 1024 {
            next = slices.relocate(mover, next?);
        }
        next
    }
}

impl Container for Array {
    const TYPE: Type = Type::Array;
    const NAME: &str = "array";
    const NUMBER: u32 = 7;

    fn into_word(self) -> (Encoding, u64) {
        (Encoding::SlicedArray, boxed::into_word(self.0))
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::SlicedArray);
        // SAFETY: the caller guarantees it.
        Array(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::SlicedArray
    }

    fn len(&self) -> usize {
        self.0.count as usize
    }

    fn check_invariants(&self) {
        let body = &*self.0;
        body.slices.check_invariants();
        let rules = Rules {
            size: 1 << body.size_log2,
            sparse_max: 0,
            sparse_min: 0,
        };
        let (mut count, mut end) = (0, 0);
        for (number, slice) in body.slices.iter() {
            slice.check_invariants(rules);
            count += slice.len() as u64;
            let last = slice.last().expect("a slice has values");
            end = self.index(number, last) + 1;
            assert!(number <= body.top);
        }
        assert_eq!((count, end), (body.count, body.end));
    }

    /// Redis signs each position up to the last value; a long run of missing values is signed here
    /// by its length.
    fn sign(&self, signature: &mut Signature) {
        let mut at = 0;
        self.visit(0, INDEX_MAX, false, |index, value| {
            match index - at {
                holes @ ..=SIGNED_HOLES_MAX => {
                    (0..holes).for_each(|_| signature.follow(b"(null)"));
                }
                holes => signature.follow(holes.to_string().as_bytes()),
            }
            signature.follow_entry(value);
            at = index + 1;
            true
        });
    }

    fn free_effort(&self) -> usize {
        self.0.slices.len()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.slices.free_step(n)
    }
}
