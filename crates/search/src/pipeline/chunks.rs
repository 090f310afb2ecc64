//! A list that grows without moving its items, because moving many large items at once would be a
//! long step.
//!
//!     chunk of 1,024 | chunk of 1,024 | ... | a chunk that is not full
//!
//! Cost: O(1) for each item; the first chunk grows as any list does.

use std::ops::{Index, IndexMut};

const CHUNK: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    /// All but the last are full.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks { chunks: Vec::new() }
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        match self.chunks.split_last() {
            Some((last, full)) => full.len() * CHUNK + last.len(),
            None => 0,
        }
    }

    pub(super) fn push(&mut self, item: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(item),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![item]),
        }
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T> IntoIterator for Chunks<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        self.chunks.into_iter().flatten()
    }
}

/// The items in order.
pub(super) type IntoIter<T> = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_where_a_list_has_them() {
        let mut chunks = Chunks::default();
        for n in 0..5000 {
            assert_eq!(chunks.len(), n);
            chunks.push(n);
            assert_eq!(chunks[n / 2], n / 2);
        }
        chunks[3000] = 7;
        let expected = (0..5000).map(|n| if n == 3000 { 7 } else { n });
        assert!(chunks.into_iter().eq(expected));
    }
}
