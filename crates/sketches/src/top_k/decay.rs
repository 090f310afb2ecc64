//! Whether a counter loses 1 to another item: with the chance `decay ^ count`.
//!
//! The draws come from the list's own generator, so that equal lists with equal additions stay
//! equal, because replicas and logs repeat commands, not outcomes. A chance is a threshold for 64
//! random bits, computed by multiplications alone, which are the same on every machine.

/// Counts whose chances are in the table.
const TABLE: usize = 256;

/// Thresholds by count.
#[derive(Clone)]
pub(super) struct DecayThresholds {
    decay: f64,
    table: Box<[u64]>,
}

impl DecayThresholds {
    pub fn new(decay: f64) -> DecayThresholds {
        let mut chance = 1.0;
        let table = (0..TABLE).map(|_| {
            let own = chance;
            chance *= decay;
            threshold(own)
        });
        DecayThresholds {
            decay,
            table: table.collect(),
        }
    }

    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// Of so many random bits, those up to this number are a hit; 0: none is.
    #[inline]
    pub fn of(&self, count: u32) -> u64 {
        match self.table.get(count as usize) {
            Some(threshold) => *threshold,
            None => self.beyond(count),
        }
    }

    #[cold]
    fn beyond(&self, count: u32) -> u64 {
        if self.table[TABLE - 1] == 0 {
            return 0;
        }
        let (mut chance, mut power, mut left) = (1.0, self.decay, count);
        while left > 0 {
            if left & 1 == 1 {
                chance *= power;
            }
            power *= power;
            left >>= 1;
        }
        threshold(chance)
    }

    pub fn block_mut(&mut self) -> &mut Box<[u64]> {
        &mut self.table
    }

    pub fn block_len(&self) -> usize {
        self.table.len()
    }
}

fn threshold(chance: f64) -> u64 {
    (chance * 2.0_f64.powi(64)) as u64
}

/// SplitMix64: a number of state, which payloads carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generator(pub u64);

impl Generator {
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_powers_of_the_decay() {
        for decay in [1.0, 0.9, 0.5, 0.999_99, 1e-9] {
            let chances = DecayThresholds::new(decay);
            for count in [0, 1, 2, 100, 255, 256, 257, 1000, 100_000, u32::MAX] {
                let expected = decay.powi(count.min(i32::MAX as u32) as i32);
                let own = chances.of(count) as f64 / 2.0_f64.powi(64);
                assert!((own - expected).abs() < 1e-6, "{decay} ^ {count}: {own}");
            }
        }
        assert_eq!(DecayThresholds::new(1.0).of(u32::MAX), u64::MAX);
        assert_eq!(DecayThresholds::new(0.9).of(1000), 0);
    }

    #[test]
    fn numbers_of_the_generator_are_spread() {
        let mut generator = Generator(7);
        let below = (0..10_000).filter(|_| generator.next() < u64::MAX / 10);
        assert!((900..1100).contains(&below.count()));
    }
}
