//! A slice: the values of a range of indexes whose length is a power of two.
//!
//!     sparse    offset: u16 ... | slot ...      `used` of each, in order; then spare capacity
//!     dense     slot ...                        one for each offset of a window from `base` on
//!
//! All slots of a slice have the same width (`slot`). The width is chosen for the least memory
//! whenever the slice is laid out anew; a value that does not fit into a slot has a blob. So a
//! slice of values of similar length needs no allocation per value.
//!
//! Invariants
//!   1. `slots` has capacity slots of `width` bytes, sparse ones with two bytes more each.
//!   2. `used` slots have a value. In a sparse slice the used slots come first, in ascending order.
//!   3. `blob_bytes` is the total of all slots' blobs; with blobs `width` is at least `WIDTH_ANY`.
//!   4. A window lies within the slice, and its length is a power of two.
//!   5. The last of a window's values is in the slot before `end`.
//!
//! Cost: by offset O(1), O(log n) of a few values if sparse; a new layout O(capacity), which is
//! paid for by the values added, or the blobs made, since the last layout.

use super::slot::{self, SoughtValue};
use russet_base::memory::alloc::good_size;
use russet_base::memory::mover::Mover;
use russet_encodings::idmap::MapValue;
use russet_encodings::listpack::Entry;
use russet_encodings::prefetch::prefetch;

/// Slots of a new sparse slice.
const SPARSE_MIN: usize = 4;
/// Slots of the smallest window.
const WINDOW_MIN: usize = 8;
/// Bytes of an offset in a sparse slice.
const OFFSET: usize = 2;

/// How slices are laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Indexes of a slice.
    pub size: usize,
    /// The most values of a sparse slice; 0: none is sparse.
    pub(crate) sparse_max: usize,
    /// A dense slice with no more values becomes sparse.
    pub(crate) sparse_min: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slice {
    slots: Box<[u8]>,
    blob_bytes: u64,
    used: u32,
    /// Bytes of short texts' blobs made since the last layout: wider slots may be better.
    spilled: u32,
    end: u32,
    base: u16,
    width: u8,
    is_dense: bool,
}

/// A new layout.
#[derive(Clone, Copy)]
enum SliceLayout {
    Sparse { capacity: usize },
    Dense { base: usize, capacity: usize },
}

impl SliceLayout {
    fn capacity(self) -> usize {
        match self {
            SliceLayout::Sparse { capacity } | SliceLayout::Dense { capacity, .. } => capacity,
        }
    }
}

/// The most bytes of the blob of a text that needs slots of this width.
fn blob_cost(need: usize) -> usize {
    russet_encodings::blob::Blob::memory_bytes_for(need)
}

impl Slice {
    /// A slice of a single value.
    pub fn new(offset: usize, value: Entry<'_>, rules: Rules) -> Slice {
        let mut slice = Slice {
            slots: Box::default(),
            blob_bytes: 0,
            used: 0,
            spilled: 0,
            end: 0,
            base: 0,
            width: 1,
            is_dense: rules.sparse_max == 0,
        };
        slice.set(offset, value, rules);
        slice
    }

    #[inline]
    fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// Number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.used as usize
    }

    pub(crate) fn is_dense(&self) -> bool {
        self.is_dense
    }

    /// Number of slots.
    #[inline]
    pub fn capacity(&self) -> usize {
        if self.is_dense {
            self.slots.len() / self.width()
        } else {
            self.slots.len() / (self.width() + OFFSET)
        }
    }

    /// Number of slots up to the last slot with a value.
    #[inline]
    fn slots_in_use(&self) -> usize {
        if self.is_dense {
            self.end as usize
        } else {
            self.len()
        }
    }

    #[inline]
    fn first_slot(&self) -> usize {
        if self.is_dense {
            0
        } else {
            OFFSET * self.capacity()
        }
    }

    #[inline]
    fn slot(&self, at: usize) -> &[u8] {
        let start = self.first_slot() + at * self.width();
        &self.slots[start..start + self.width()]
    }

    #[inline]
    fn slot_mut(&mut self, at: usize) -> &mut [u8] {
        let start = self.first_slot() + at * self.width();
        let end = start + self.width();
        &mut self.slots[start..end]
    }

    /// The offset of a slot.
    #[inline]
    fn offset(&self, at: usize) -> usize {
        if self.is_dense {
            usize::from(self.base) + at
        } else {
            let raw = [self.slots[OFFSET * at], self.slots[OFFSET * at + 1]];
            usize::from(u16::from_le_bytes(raw))
        }
    }

    /// The slot of an offset, or where it would be.
    #[inline]
    fn find(&self, offset: usize) -> Result<usize, usize> {
        if self.is_dense {
            let at = offset.wrapping_sub(usize::from(self.base));
            // The capacity costs a division.
            return if at < self.slots_in_use() || at < self.capacity() {
                Ok(at)
            } else {
                Err(at)
            };
        }
        let (mut low, mut high) = (0, self.len());
        // Values are often added, and read, in order.
        if high > 0 && self.offset(high - 1) < offset {
            return Err(high);
        }
        while low < high {
            let middle = (low + high) / 2;
            match self.offset(middle).cmp(&offset) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Prefetches the slot of an offset, if finding it reads no other.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        let at = offset.wrapping_sub(usize::from(self.base));
        if self.is_dense && at < self.end as usize {
            prefetch(self.slots.as_ptr().addr() + at * self.width());
        }
    }

    #[inline]
    pub fn get(&self, offset: usize) -> Option<Entry<'_>> {
        slot::get(self.slot(self.find(offset).ok()?), self.width())
    }

    /// Sets a value; returns whether there was none.
    pub fn set(&mut self, offset: usize, value: Entry<'_>, rules: Rules) -> bool {
        let need = slot::need(value);
        let at = match self.find(offset) {
            Ok(at) => at,
            Err(at) => self.make_slot(offset, at, need, rules),
        };
        if !self.fits(need) {
            let form = self.form();
            let width = self
                .best_width(form.capacity(), Some(need))
                .max(self.width());
            self.lay_out(form, width);
        }
        let place = self.slot_mut(at);
        let is_new = slot::is_empty(place);
        let freed = slot::clear(place);
        let made = slot::put(place, value);
        self.blob_bytes = self.blob_bytes - freed as u64 + made as u64;
        if self.is_dense {
            self.used += u32::from(is_new);
            self.end = self.end.max(at as u32 + 1);
        }
        is_new
    }

    /// Whether a value with this need goes into a slot of the width, or should have a blob.
    #[inline]
    fn fits(&mut self, need: Option<usize>) -> bool {
        let width = self.width();
        match need {
            Some(need) if need <= width => true,
            _ if width < slot::WIDTH_ANY => false,
            None => true,
            Some(need) => {
                self.spilled = self.spilled.saturating_add(blob_cost(need) as u32);
                // Half of the cost of wider slots: earlier values may have blobs, too.
                (self.spilled as usize) < self.capacity() * (need - width) / 2
            }
        }
    }

    fn form(&self) -> SliceLayout {
        let capacity = self.capacity();
        if self.is_dense {
            SliceLayout::Dense {
                base: usize::from(self.base),
                capacity,
            }
        } else {
            SliceLayout::Sparse { capacity }
        }
    }

    /// Makes a slot for an offset that has none, which would be at `at`; returns where it is. The
    /// slot is empty; a sparse slice counts it as used.
    fn make_slot(&mut self, offset: usize, at: usize, need: Option<usize>, rules: Rules) -> usize {
        if !self.is_dense && self.len() < rules.sparse_max {
            if self.len() == self.capacity() {
                let capacity =
                    (2 * self.capacity()).clamp(SPARSE_MIN, rules.sparse_max.max(SPARSE_MIN));
                let capacity = capacity.min(rules.sparse_max).max(self.len() + 1);
                let width = self.best_width(capacity, Some(need));
                self.lay_out(SliceLayout::Sparse { capacity }, width);
            }
            self.open(at, offset);
            return at;
        }
        let (base, capacity) = self.window_with(offset, rules);
        let width = self.best_width(capacity, Some(need));
        self.lay_out(SliceLayout::Dense { base, capacity }, width);
        offset - base
    }

    /// Base and length of a window that has all values and an offset.
    fn window_with(&self, offset: usize, rules: Rules) -> (usize, usize) {
        let length = |span: usize| span.max(WINDOW_MIN).next_power_of_two().min(rules.size);
        if self.is_dense && self.capacity() > 0 {
            let base = usize::from(self.base);
            let end = base + self.capacity();
            if offset >= end {
                let length = length(offset - base + 1);
                return (base.min(rules.size - length), length);
            }
            let length = length(end - offset);
            return (end.saturating_sub(length), length);
        }
        let (mut first, mut last) = (offset, offset);
        if self.len() > 0 {
            first = first.min(self.offset(0));
            last = last.max(self.offset(self.len() - 1));
        }
        let length = length(last - first + 1);
        (first.min(rules.size - length), length)
    }

    /// Inserts an empty slot into a sparse slice that has spare capacity.
    fn open(&mut self, at: usize, offset: usize) {
        let (used, width, first) = (self.len(), self.width(), self.first_slot());
        self.slots
            .copy_within(OFFSET * at..OFFSET * used, OFFSET * (at + 1));
        self.slots[OFFSET * at..OFFSET * (at + 1)].copy_from_slice(&(offset as u16).to_le_bytes());
        let start = first + at * width;
        self.slots
            .copy_within(start..first + used * width, start + width);
        self.slots[start] = 0;
        self.used += 1;
    }

    /// The width with the least memory for all values, and a further value with this need.
    fn best_width(&self, capacity: usize, added: Option<Option<usize>>) -> usize {
        // Values by need, the needs that there are as bits, values that need a blob at any width.
        let (mut by_need, mut needs, mut long) = ([0u32; slot::WIDTH_MAX + 1], 0u64, 0);
        let mut count = |need: Option<usize>| match need {
            Some(need) => {
                by_need[need] += 1;
                needs |= 1 << (need - 1);
            }
            None => long += 1,
        };
        for at in 0..self.slots_in_use() {
            let place = self.slot(at);
            if !slot::is_empty(place) {
                count(slot::need_of(place));
            }
        }
        added.into_iter().for_each(&mut count);
        let (mut best, mut least) = (slot::WIDTH_MAX, usize::MAX);
        let mut outside = 0;
        loop {
            let needs_any = long > 0 || outside > 0;
            let least_width = if needs_any { slot::WIDTH_ANY } else { 1 };
            // The loop tries only widths that some value needs, and the least width: between two of
            // them the narrowest slot costs the least, because no further value moves out.
            let need = (u64::BITS - needs.leading_zeros()) as usize;
            let width = need.max(least_width);
            let cost = capacity * width + outside;
            if cost < least {
                (best, least) = (width, cost);
            }
            if need <= least_width {
                return best;
            }
            outside += by_need[need] as usize * blob_cost(need);
            needs &= !(1 << (need - 1));
            if need < slot::WIDTH_ANY {
                return best;
            }
        }
    }

    /// Moves all values into a new layout, which has room for them.
    fn lay_out(&mut self, form: SliceLayout, width: usize) {
        let capacity = form.capacity();
        let (is_dense, base) = match form {
            SliceLayout::Dense { base, .. } => (true, base),
            SliceLayout::Sparse { .. } => (false, 0),
        };
        let offsets = if is_dense { 0 } else { OFFSET * capacity };
        let mut slots = vec![0; offsets + capacity * width].into_boxed_slice();
        let (mut next, mut end) = (0, 0);
        let was_dense = self.is_dense;
        for at in 0..self.slots_in_use() {
            let offset = self.offset(at);
            let from = self.slot_mut(at);
            // An empty slot of a sparse slice that is about to be filled keeps its place.
            let is_empty = slot::is_empty(from);
            if is_empty && was_dense {
                continue;
            }
            let to = if is_dense {
                offset - base
            } else {
                let raw = (offset as u16).to_le_bytes();
                slots[OFFSET * next..OFFSET * (next + 1)].copy_from_slice(&raw);
                next += 1;
                next - 1
            };
            if is_empty {
                continue;
            }
            end = to + 1;
            let start = offsets + to * width;
            let (freed, made) = slot::recode(from, &mut slots[start..start + width]);
            self.blob_bytes = self.blob_bytes - freed as u64 + made as u64;
        }
        self.slots = slots;
        self.is_dense = is_dense;
        self.base = base as u16;
        self.width = width as u8;
        self.spilled = 0;
        self.end = if is_dense { end as u32 } else { 0 };
    }

    /// Removes a value; returns whether there was a value.
    pub fn remove(&mut self, offset: usize, rules: Rules) -> bool {
        let Ok(at) = self.find(offset) else {
            return false;
        };
        if slot::is_empty(self.slot(at)) {
            return false;
        }
        self.empty(at);
        self.thin_out(rules);
        true
    }

    /// Removes all values of a range of offsets; returns how many.
    pub fn remove_range(&mut self, first: usize, last: usize, rules: Rules) -> usize {
        let before = self.len();
        // From the end: a sparse slice closes the gaps.
        for at in (0..self.slots_in_use()).rev() {
            let offset = self.offset(at);
            if offset < first {
                break;
            }
            if offset <= last && !slot::is_empty(self.slot(at)) {
                self.empty(at);
            }
        }
        self.thin_out(rules);
        before - self.len()
    }

    /// Empties a slot that has a value; a sparse slice loses the slot.
    fn empty(&mut self, at: usize) {
        let freed = slot::clear(self.slot_mut(at));
        self.blob_bytes -= freed as u64;
        if !self.is_dense {
            let (used, width, first) = (self.len(), self.width(), self.first_slot());
            self.slots
                .copy_within(OFFSET * (at + 1)..OFFSET * used, OFFSET * at);
            let next = first + (at + 1) * width;
            self.slots
                .copy_within(next..first + used * width, next - width);
        }
        self.used -= 1;
        while self.is_dense && self.end > 0 && slot::is_empty(self.slot(self.end as usize - 1)) {
            self.end -= 1;
        }
    }

    /// Becomes sparse if few values are left.
    fn thin_out(&mut self, rules: Rules) {
        let few = self.len() <= rules.sparse_min && rules.sparse_max > 0;
        if self.is_dense && few && self.used > 0 {
            let capacity = self.len();
            let width = self.best_width(capacity, None);
            self.lay_out(SliceLayout::Sparse { capacity }, width);
        }
    }

    /// Calls `see` with the values of a range of offsets, in the given direction, until `see`
    /// returns false; returns whether it never did.
    #[inline]
    pub fn visit<'a>(
        &'a self,
        first: usize,
        last: usize,
        backward: bool,
        mut see: impl FnMut(usize, Entry<'a>) -> bool,
    ) -> bool {
        let width = self.width();
        let each =
            |at, slot| slot::get(slot, width).is_none_or(|value| see(self.offset(at), value));
        self.walk(first, last, backward, each)
    }

    /// [`Slice::visit`], of the values equal to `wanted` alone.
    #[inline]
    pub fn visit_equal<'a>(
        &'a self,
        first: usize,
        last: usize,
        backward: bool,
        wanted: Entry<'_>,
        mut see: impl FnMut(usize, Entry<'a>) -> bool,
    ) -> bool {
        let wanted = SoughtValue::new(wanted, self.width());
        let each = |at, slot| match wanted.find_in(slot) {
            Some(value) => see(self.offset(at), value),
            None => true,
        };
        self.walk(first, last, backward, each)
    }

    /// Calls `see` with the slots of a range of offsets, each with the bytes after it, until `see`
    /// returns false; returns whether it never did.
    #[inline]
    fn walk<'a>(
        &'a self,
        first: usize,
        last: usize,
        backward: bool,
        mut see: impl FnMut(usize, &'a [u8]) -> bool,
    ) -> bool {
        let (start, end) = if self.is_dense {
            let base = usize::from(self.base);
            let end = (last + 1).saturating_sub(base).min(self.slots_in_use());
            (first.saturating_sub(base), end)
        } else {
            let start = self.find(first).unwrap_or_else(|at| at);
            let end = self.find(last).map_or_else(|at| at, |at| at + 1);
            (start, end)
        };
        let (slots, width) = (&self.slots[self.first_slot()..], self.width());
        // A single loop for both directions: `see` is then inlined into it.
        (0..end.saturating_sub(start)).all(|step| {
            let at = if backward {
                end - 1 - step
            } else {
                start + step
            };
            see(at, &slots[at * width..])
        })
    }

    /// The offset of the last value.
    pub fn last(&self) -> Option<usize> {
        let last = self.slots_in_use().checked_sub(1)?;
        Some(self.offset(last))
    }

    /// Offers the slice's blocks.
    pub fn relocate(&mut self, mover: &mut Mover) {
        mover.slice(&mut self.slots);
        if self.blob_bytes > 0 {
            for at in 0..self.slots_in_use() {
                slot::relocate(self.slot_mut(at), mover);
            }
        }
    }

    pub fn check_invariants(&self, rules: Rules) {
        let each = self.width() + if self.is_dense { 0 } else { OFFSET };
        assert_eq!(self.slots.len(), self.capacity() * each);
        let in_use = || (0..self.slots_in_use()).map(|at| self.slot(at));
        let values = in_use().filter(|slot| !slot::is_empty(slot)).count();
        assert_eq!(values, self.len());
        assert!(values > 0, "a slice without values is removed");
        let bytes: usize = in_use().map(slot::blob_bytes).sum();
        assert_eq!(bytes as u64, self.blob_bytes);
        assert!(bytes == 0 || self.width() >= slot::WIDTH_ANY);
        if self.is_dense {
            assert!(self.capacity().is_power_of_two());
            assert!(usize::from(self.base) + self.capacity() <= rules.size);
            let (end, slots) = (self.slots_in_use(), 0..self.capacity());
            let last = slots.rev().find(|&at| !slot::is_empty(self.slot(at)));
            assert_eq!(last, end.checked_sub(1));
        } else {
            let offsets: Vec<usize> = (0..self.len()).map(|at| self.offset(at)).collect();
            assert!(offsets.is_sorted_by(|a, b| a < b));
            assert!(offsets.last() < Some(&rules.size));
        }
    }
}

impl MapValue for Slice {
    fn weight(&self) -> u64 {
        u64::from(self.used)
    }

    fn owned_bytes(&self) -> usize {
        good_size(self.slots.len()) + self.blob_bytes as usize
    }
}

impl Clone for Slice {
    fn clone(&self) -> Slice {
        let mut copy = Slice {
            slots: self.slots.clone(),
            ..*self
        };
        if copy.blob_bytes > 0 {
            for at in 0..copy.slots_in_use() {
                slot::own_copy(copy.slot_mut(at));
            }
        }
        copy
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        if self.blob_bytes > 0 {
            for at in 0..self.slots_in_use() {
                slot::clear(self.slot_mut(at));
            }
        }
    }
}
