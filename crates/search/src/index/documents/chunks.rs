//! Values by number, in chunks: growth moves no value, as the growth of a single large array would.
//!
//! Invariant: all chunks but the last have [`CHUNK`] values. Cost: a look more than in an array.

use std::ops::{Index, IndexMut};

const CHUNK: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    all: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks {
            all: vec![Vec::new()],
        }
    }
}

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        let last = self.all.last().map_or(0, Vec::len);
        (self.all.len() - 1) * CHUNK + last
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.all.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.all.push(chunk);
            }
        }
    }

    /// Values that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.all.iter().map(Vec::capacity).sum()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        let at = at as usize;
        &self.all[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        let at = at as usize;
        &mut self.all[at / CHUNK][at % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_numbers() {
        let mut chunks = Chunks::default();
        let all = 2 * CHUNK as u32 + 1;
        for value in 0..all {
            assert_eq!(chunks.len(), value as usize);
            chunks.push(value);
        }
        chunks[CHUNK as u32] += 1;
        let expected = |at: u32| at + u32::from(at == CHUNK as u32);
        assert!((0..all).all(|at| chunks[at] == expected(at)));
        assert_eq!(chunks.capacity(), 3 * CHUNK);
    }
}
