//! Rows or documents with their distances, in order of these.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row or a document, with a distance. Of equal distances the lower number comes first; a
/// distance that is no number comes after all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Near {
    pub(crate) distance: f64,
    /// Or the row.
    pub(crate) document: u32,
}

impl Near {
    #[inline]
    pub(crate) fn new(document: u32, distance: f64) -> Near {
        // The NaN of 0 / 0 has a sign, which would put it before all others.
        let distance = if distance.is_nan() {
            f64::NAN
        } else {
            distance
        };
        Near { distance, document }
    }
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Near) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Near) -> Ordering {
        let by_distance = self.distance.total_cmp(&other.distance);
        by_distance.then(self.document.cmp(&other.document))
    }
}

/// Room is made for so many at first.
const ROOM: usize = 128;

/// The nearest so far: the farthest of them is on top.
#[derive(Debug)]
pub(crate) struct Nearest {
    most: usize,
    heap: BinaryHeap<Near>,
}

impl Nearest {
    /// Keeps `most` at most.
    pub(crate) fn new(most: usize) -> Nearest {
        Nearest {
            most,
            heap: BinaryHeap::with_capacity(most.min(ROOM)),
        }
    }

    pub(crate) fn put(&mut self, near: Near) {
        if self.heap.len() < self.most {
            self.heap.push(near);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && near < *farthest
        {
            *farthest = near;
        }
    }

    /// All of them, in no order.
    pub(crate) fn into_list(self) -> Vec<Near> {
        self.heap.into_vec()
    }
}
