//! The list of a top-k: a heap of `k` places, the least count at its root.
//!
//!     fingerprints, counts, numbers     u32 each, in the heap's order
//!     items                             by number - 1; a place with number 0 is empty
//!
//! The arrays are zeros at first, which take no memory until they are written. A search compares
//! many fingerprints at once. Places are exchanged in Redis's order, because the layout is in
//! payloads, and decides which of several items with the least count is pushed out.
//!
//! Cost: search O(k), of which only a line of fingerprints for sixteen places is read; a change
//! O(log k).

use russet_base::memory::alloc::{slice_bytes, vec_bytes, zeros};
use russet_base::memory::mover::Mover;

/// Places whose fingerprints are compared together.
const TOGETHER: usize = 16;

/// Numbers of 32 bits.
#[derive(Clone)]
struct Column(Box<[u8]>);

impl Column {
    fn new(len: usize) -> Option<Column> {
        zeros(len.checked_mul(4)?).map(Column)
    }

    #[inline]
    fn all(&self) -> &[[u8; 4]] {
        self.0.as_chunks().0
    }

    #[inline]
    fn get(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.all()[at])
    }

    #[inline]
    fn set(&mut self, at: usize, n: u32) {
        self.0.as_chunks_mut().0[at] = n.to_le_bytes();
    }

    #[inline]
    fn swap(&mut self, a: usize, b: usize) {
        self.0.as_chunks_mut::<4>().0.swap(a, b);
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Heap {
    fingerprints: Column,
    counts: Column,
    numbers: Column,
    items: Vec<Box<[u8]>>,
    /// Bytes of the items in the allocator.
    item_bytes: usize,
}

/// A place of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub fingerprint: u32,
    pub count: u32,
    pub item: Option<&'a [u8]>,
}

impl Heap {
    /// `None`: there is no memory for so many places.
    /// Bytes of a heap of so many places, without their items.
    pub fn bytes_of(places: usize) -> usize {
        places.saturating_mul(3 * 4)
    }

    pub fn new(k: usize) -> Option<Heap> {
        Some(Heap {
            fingerprints: Column::new(k)?,
            counts: Column::new(k)?,
            numbers: Column::new(k)?,
            items: Vec::new(),
            item_bytes: 0,
        })
    }

    pub fn len(&self) -> usize {
        self.counts.all().len()
    }

    /// Items, which may be fewer than places.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The least count.
    #[inline]
    pub fn least(&self) -> u32 {
        self.counts.get(0)
    }

    #[inline]
    fn item(&self, at: usize) -> Option<&[u8]> {
        let number = self.numbers.get(at) as usize;
        self.items.get(number.wrapping_sub(1)).map(|item| &**item)
    }

    pub fn places(&self) -> impl Iterator<Item = Place<'_>> {
        (0..self.len()).map(|at| Place {
            fingerprint: self.fingerprints.get(at),
            count: self.counts.get(at),
            item: self.item(at),
        })
    }

    /// The place of an item, the last place if there are several.
    #[inline]
    pub fn find(&self, fingerprint: u32, item: &[u8]) -> Option<usize> {
        let own = fingerprint.to_le_bytes();
        let all = self.fingerprints.all();
        let mut end = all.len();
        while end > 0 {
            let start = end.saturating_sub(TOGETHER);
            let any = match all[start..end].as_array::<TOGETHER>() {
                Some(some) => some.iter().fold(false, |any, other| any | (*other == own)),
                None => all[start..end].contains(&own),
            };
            if any {
                let mut places = (start..end).rev();
                let found = places.find(|at| all[*at] == own && self.item(*at) == Some(item));
                if found.is_some() {
                    return found;
                }
            }
            end = start;
        }
        None
    }

    /// Sets the count of a place, which then sinks to where it belongs.
    pub fn set_count(&mut self, at: usize, count: u32) {
        self.counts.set(at, count);
        self.sink(at);
    }

    /// Puts an item at the root in place of the item there, which is returned.
    pub fn replace_root(&mut self, fingerprint: u32, count: u32, item: &[u8]) -> Option<Box<[u8]>> {
        let mut old = None;
        match self.numbers.get(0) as usize {
            0 => self.fill(0, fingerprint, count, Some(item)),
            number => {
                self.item_bytes += slice_bytes(item.len());
                let item = std::mem::replace(&mut self.items[number - 1], item.into());
                self.item_bytes -= slice_bytes(item.len());
                old = Some(item);
                self.fingerprints.set(0, fingerprint);
                self.counts.set(0, count);
            }
        }
        self.sink(0);
        old
    }

    /// Fills an empty place as it is in a payload, wherever the count belongs.
    pub fn fill(&mut self, at: usize, fingerprint: u32, count: u32, item: Option<&[u8]>) {
        debug_assert!(self.item(at).is_none());
        self.fingerprints.set(at, fingerprint);
        self.counts.set(at, count);
        if let Some(item) = item {
            self.items.push(item.into());
            self.item_bytes += slice_bytes(item.len());
            // There are at most as many as places, whose number has 32 bits.
            self.numbers.set(at, self.items.len() as u32);
        }
    }

    /// A place sinks below those with a smaller or an equal count.
    fn sink(&mut self, mut at: usize) {
        let count = self.counts.get(at);
        let Some(mut child) = self.lesser_child(at) else {
            return;
        };
        // Below the first place only smaller ones pass.
        if self.counts.get(child) > count {
            return;
        }
        loop {
            self.exchange(at, child);
            at = child;
            match self.lesser_child(at) {
                Some(next) if self.counts.get(next) < count => child = next,
                _ => return,
            }
        }
    }

    fn lesser_child(&self, at: usize) -> Option<usize> {
        let left = 2 * at + 1;
        let right = left + 1;
        if left >= self.len() {
            return None;
        }
        let is_right = right < self.len() && self.counts.get(left) > self.counts.get(right);
        Some(if is_right { right } else { left })
    }

    fn exchange(&mut self, a: usize, b: usize) {
        self.fingerprints.swap(a, b);
        self.counts.swap(a, b);
        self.numbers.swap(a, b);
    }

    /// Removes up to `n` items; true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let keep = self.items.len().saturating_sub(n);
        self.items.truncate(keep);
        keep == 0
    }

    pub fn memory_bytes(&self) -> usize {
        let columns = [&self.fingerprints, &self.counts, &self.numbers];
        let columns = columns.iter().map(|column| slice_bytes(column.0.len()));
        columns.sum::<usize>() + vec_bytes(&self.items) + self.item_bytes
    }

    pub fn relocate(&mut self, mover: &mut Mover) {
        mover.slice(&mut self.fingerprints.0);
        mover.slice(&mut self.counts.0);
        mover.slice(&mut self.numbers.0);
        mover.vec(&mut self.items);
    }

    /// Offers up to `n` items from a position on; the position after them, if there are more.
    pub fn relocate_items(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        let next = at.saturating_add(n.max(1) as u64);
        let (from, to) = (at as usize, (next as usize).min(self.items.len()));
        let items = self.items.get_mut(from..to).unwrap_or_default();
        items.iter_mut().for_each(|item| mover.slice(item));
        (to < self.items.len()).then_some(next)
    }

    pub fn check_invariants(&self) {
        let bytes: usize = self.items.iter().map(|item| slice_bytes(item.len())).sum();
        assert_eq!(bytes, self.item_bytes);
        let mut numbers: Vec<_> = (0..self.len()).map(|at| self.numbers.get(at)).collect();
        numbers.retain(|number| *number > 0);
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1..=self.items.len() as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(counts: &[u32]) -> Heap {
        let mut heap = Heap::new(counts.len()).expect("small");
        for (at, count) in counts.iter().enumerate() {
            let item: Box<[u8]> = at.to_string().into_bytes().into();
            heap.fill(at, at as u32, *count, Some(&item));
        }
        heap
    }

    #[test]
    fn an_item_is_found_among_others_with_its_fingerprint() {
        let one = heap(&[1; 50]);
        for at in 0..50 {
            let item = at.to_string().into_bytes();
            assert_eq!(one.find(at, &item), Some(at as usize));
            assert_eq!(one.find(at, b"other"), None);
        }
        one.check_invariants();
        let mut other = Heap::new(50).expect("small");
        for (at, item) in [(3, b"same"), (7, b"this"), (40, b"last")] {
            other.fill(at, 7, 1, Some(item));
        }
        other.fill(41, 7, 1, None);
        assert_eq!(other.find(7, b"same"), Some(3));
        assert_eq!(other.find(7, b"this"), Some(7));
        assert_eq!(other.find(7, b"none"), None);
        other.fill(49, 7, 1, Some(b"this"));
        assert_eq!(other.find(7, b"this"), Some(49));
        other.check_invariants();
    }

    #[test]
    fn a_place_sinks_past_an_equal_child_once() {
        let counts = |heap: &Heap| heap.places().map(|place| place.count).collect::<Vec<_>>();
        let mut one = heap(&[1, 1, 1, 1, 1]);
        one.set_count(0, 1);
        // The left child first, and not further: its children are not smaller.
        let items: Vec<_> = one.places().map(|place| place.fingerprint).collect();
        assert_eq!(items, [1, 0, 2, 3, 4]);
        let mut other = heap(&[1, 3, 2, 9, 9, 4]);
        other.set_count(0, 5);
        assert_eq!(counts(&other), [2, 3, 4, 9, 9, 5]);
        other.set_count(0, 1);
        assert_eq!(counts(&other), [1, 3, 4, 9, 9, 5]);
    }
}
