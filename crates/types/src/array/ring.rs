//! Insertion at the cursor: ARINSERT, ARRING, ARLASTITEMS.

use super::Array;
use crate::{Entry, Limits};

impl Array {
    /// The position inserted last; without a cursor, the last position. The array has values.
    fn newest(&self) -> u64 {
        self.next().checked_sub(1).unwrap_or(self.end() - 1)
    }

    /// Writes a value at the cursor, which has an index left; returns the index.
    pub fn insert(&mut self, text: &[u8], limits: &Limits) -> u64 {
        let index = self.next();
        self.set(index, text, limits);
        self.set_next(index + 1);
        index
    }

    /// Whether a ring of this size has its values elsewhere.
    pub fn moves_for(&self, size: u64) -> bool {
        let (end, next) = (self.end(), self.next());
        let has_wrapped = next != 0 && next < end;
        end != 0 && (size < end || (size > end && has_wrapped))
    }

    /// Must be called before [`Array::ring_insert`] with this size, at least 1: brings the newest
    /// values to the front if the ring gets shorter, or longer after it has wrapped. O(values)
    /// then.
    pub fn resize_ring(&mut self, size: u64, limits: &Limits) {
        if !self.moves_for(size) {
            return;
        }
        let end = self.end();
        let newest = self.newest() % end;
        let at = |back: u64| {
            if newest >= back {
                newest - back
            } else {
                newest + (end - back)
            }
        };
        let most = size.min(end);
        let kept = (0..most).find(|&back| self.get(at(back)).is_none());
        let kept = kept.unwrap_or(most);
        let mut ring = Array::new(limits);
        ring.0.size_log2 = self.0.size_log2;
        for index in 0..kept {
            if let Some(value) = self.get(at(kept - 1 - index)) {
                ring.set_entry(index, value, limits);
            }
        }
        ring.set_next(kept);
        *self = ring;
    }

    /// Writes a value at the cursor in a ring of this size; returns the index.
    pub fn ring_insert(&mut self, text: &[u8], size: u64, limits: &Limits) -> u64 {
        let index = self.next() % size;
        self.set(index, text, limits);
        self.set_next(index + 1);
        index
    }

    /// Calls `see` with up to `n` positions before the cursor, in the order of their insertion or
    /// in the opposite order; missing values are `None`.
    pub fn last_items<'a>(
        &'a self,
        n: u64,
        newest_first: bool,
        mut see: impl FnMut(Option<Entry<'a>>),
    ) {
        let (end, n) = (self.end(), n.min(self.count()));
        if n == 0 {
            return;
        }
        let newest = self.newest();
        for i in 0..n {
            let back = if newest_first { i } else { n - 1 - i };
            let index = if newest >= back {
                newest - back
            } else {
                newest + (end - back)
            };
            see(self.get(index));
        }
    }
}
