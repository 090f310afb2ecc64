//! Rows of counters: where an item's counter is in each row.
//!
//!     position in row r = MurmurHash2(item, seed r) mod width, after r rows of `width` counters
//!
//! The hashes of eight rows are computed side by side: the words of the item are the same for all
//! rows, only the seeds differ. A remainder by the width is two multiplications.
//!
//! Cost: O(rows * length of the item).

const M: u32 = 0x5bd1_e995;

/// Rows whose hashes are computed together.
pub(crate) const TOGETHER: usize = 8;

/// The shape of rows of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    width: u64,
    depth: u64,
    /// 2^64 / width, rounded up; of a width that no hash reaches nothing.
    reciprocal: u64,
}

impl Rows {
    /// `None`: no counter, or more of them than a number of 63 bits has.
    pub fn new(width: u64, depth: u64) -> Option<Rows> {
        let counters = width.checked_mul(depth)?;
        (counters > 0 && i64::try_from(counters).is_ok()).then(|| Rows {
            width,
            depth,
            reciprocal: (u64::MAX / width).wrapping_add(1),
        })
    }

    pub fn width(self) -> u64 {
        self.width
    }

    pub fn depth(self) -> u64 {
        self.depth
    }

    pub fn counters(self) -> u64 {
        self.width * self.depth
    }

    /// A hash mod the width.
    #[inline]
    fn column(self, hash: u32) -> usize {
        if self.width > u64::from(u32::MAX) {
            return hash as usize;
        }
        // Lemire's remainder: exact for numbers of 32 bits.
        let fraction = self.reciprocal.wrapping_mul(hash.into());
        ((u128::from(fraction) * u128::from(self.width)) >> 64) as usize
    }

    /// Calls `take` with the positions of an item's counters, of up to [`TOGETHER`] rows at once.
    #[inline]
    pub fn each(self, item: &[u8], mut take: impl FnMut(&[usize])) {
        let mut row = 0;
        while row < self.depth {
            let hashes = hashes(item, row as u32);
            let rows = (self.depth - row).min(TOGETHER as u64);
            let mut positions = [0; TOGETHER];
            let mut start = (row * self.width) as usize;
            for (position, hash) in positions.iter_mut().zip(hashes) {
                *position = start.wrapping_add(self.column(hash));
                start = start.wrapping_add(self.width as usize);
            }
            take(&positions[..rows as usize]);
            row += rows;
        }
    }
}

/// MurmurHash2 of an item with the seeds from `first` on.
#[inline]
fn hashes(item: &[u8], first: u32) -> [u32; TOGETHER] {
    let mut hashes = [first ^ item.len() as u32; TOGETHER];
    for (seed, hash) in hashes.iter_mut().enumerate() {
        *hash = first.wrapping_add(seed as u32) ^ item.len() as u32;
    }
    let (words, tail) = item.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        for hash in &mut hashes {
            *hash = hash.wrapping_mul(M) ^ k;
        }
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        let k = u32::from_le_bytes(last);
        for hash in &mut hashes {
            *hash = (*hash ^ k).wrapping_mul(M);
        }
    }
    for hash in &mut hashes {
        *hash ^= *hash >> 13;
        *hash = hash.wrapping_mul(M);
        *hash ^= *hash >> 15;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::murmur2;

    #[test]
    fn hashes_side_by_side_are_those_of_each_seed() {
        for length in 0..40 {
            let item: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(37)).collect();
            for first in [0, 8, 16, u32::MAX - 3] {
                for (at, hash) in hashes(&item, first).into_iter().enumerate() {
                    assert_eq!(hash, murmur2(&item, first.wrapping_add(at as u32)));
                }
            }
        }
    }

    #[test]
    fn positions_are_remainders_in_their_rows() {
        let widths = [1, 2, 3, 5, 2000, 65_536, 65_537, 0xffff_ffff, 0x1_0000_0000];
        for width in widths {
            for depth in [1, 7, 8, 9, 20] {
                let rows = Rows::new(width, depth).expect("few counters");
                let mut row = 0;
                rows.each(b"an item", |positions| {
                    for position in positions {
                        let hash = u64::from(murmur2(b"an item", row as u32));
                        assert_eq!(*position as u64, row * width + hash % width);
                        row += 1;
                    }
                });
                assert_eq!(row, depth);
            }
        }
    }

    #[test]
    fn rows_without_counters_or_with_too_many_are_refused() {
        for (width, depth) in [(0, 1), (1, 0), (1 << 62, 2), (u64::MAX, u64::MAX)] {
            assert!(Rows::new(width, depth).is_none());
        }
        assert!(Rows::new(1 << 62, 1).is_some());
    }
}
