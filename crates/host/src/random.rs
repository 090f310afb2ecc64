//! Random numbers that a seed decides, for machines and for their simulations.

/// A sequence of numbers from its seed (SplitMix64): each seed is good, 0 too. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from 0 to below `limit`; 0 if that leaves none.
    pub fn below(&mut self, limit: i64) -> i64 {
        (self.next_u64() % limit.max(1) as u64) as i64
    }

    /// One of so many places, of which there is at least one.
    pub fn place(&mut self, count: usize) -> usize {
        self.below(count as i64) as usize
    }
}
