//! A heap of the places of items that are elsewhere: it has four bytes for each item, however
//! large, so that growth is no long step.
//!
//! Cost: O(log n) comparisons a step.

use std::cmp::Ordering;

/// The places, the greatest thing's first.
#[derive(Debug, Default)]
pub(super) struct PlaceHeap(Vec<u32>);

impl PlaceHeap {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of the greatest.
    #[inline]
    pub(super) fn top(&self) -> Option<usize> {
        self.0.first().map(|place| *place as usize)
    }

    pub(super) fn push(&mut self, place: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let mut at = self.0.len();
        self.0.push(place as u32);
        while at > 0 {
            let above = (at - 1) / 2;
            if self.compare(at, above, &compare).is_le() {
                break;
            }
            self.0.swap(at, above);
            at = above;
        }
    }

    /// The thing at the top is another, or gone down: the greatest comes to the top.
    pub(super) fn sink_top(&mut self, compare: impl Fn(usize, usize) -> Ordering) {
        let mut at = 0;
        loop {
            let below = 2 * at + 1;
            if below >= self.0.len() {
                return;
            }
            let right = below + 1;
            let is_right = right < self.0.len() && self.compare(right, below, &compare).is_gt();
            let greater = if is_right { right } else { below };
            if self.compare(greater, at, &compare).is_le() {
                return;
            }
            self.0.swap(at, greater);
            at = greater;
        }
    }

    /// Takes the place of the greatest.
    pub(super) fn pop(&mut self, compare: impl Fn(usize, usize) -> Ordering) -> Option<usize> {
        let last = self.0.len().checked_sub(1)?;
        self.0.swap(0, last);
        let place = self.0.pop()?;
        self.sink_top(compare);
        Some(place as usize)
    }

    fn compare(&self, a: usize, b: usize, compare: impl Fn(usize, usize) -> Ordering) -> Ordering {
        compare(self.0[a] as usize, self.0[b] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn things_come_greatest_first(mut things in prop::collection::vec(0..50u8, 0..200)) {
            let mut heap = PlaceHeap::default();
            for at in 0..things.len() {
                heap.push(at, |a, b| things[a].cmp(&things[b]));
            }
            if let Some(top) = heap.top() {
                things[top] = 20;
                heap.sink_top(|a, b| things[a].cmp(&things[b]));
            }
            let popped = std::iter::from_fn(|| heap.pop(|a, b| things[a].cmp(&things[b])));
            let popped: Vec<u8> = popped.map(|at| things[at]).collect();
            things.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert_eq!(popped, things);
        }
    }
}
