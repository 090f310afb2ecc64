//! The keyed hash of keys, fields and members.
//!
//! The process draws its seeds at random at first use, so that a client cannot choose keys with
//! equal hashes. All 64 bits are usable: the hash table takes the high ones for its directory and
//! the low ones for its tags.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use ahash::RandomState;

/// Seeds of a hash function. Equal seeds give equal hashes, but only within the same build.
#[derive(Clone, Debug)]
pub struct HashKeys(RandomState);

impl HashKeys {
    /// Seeds from the system's random source.
    pub fn random() -> HashKeys {
        HashKeys::from_seeds(rand::random())
    }

    /// Fixed seeds, for reproducible tests.
    pub fn from_seeds(seeds: [u64; 4]) -> HashKeys {
        let [a, b, c, d] = seeds;
        HashKeys(RandomState::with_seeds(a, b, c, d))
    }

    /// Hash of a byte string, which may be empty.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

/// The process's own seeds, shared by all its tables. Unit tests use fixed seeds, so that failures
/// are reproducible.
#[inline]
pub fn keys() -> &'static HashKeys {
    static KEYS: OnceLock<HashKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        if cfg!(test) {
            HashKeys::from_seeds([1, 2, 3, 4])
        } else {
            HashKeys::random()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Greatest deviation of any of the 64 bits from one half, over similar keys.
    fn worst_bias(key: impl Fn(u32) -> Vec<u8>) -> f64 {
        const COUNT: u32 = 100_000;
        let keys = HashKeys::from_seeds([1, 2, 3, 4]);
        let mut ones = [0u32; 64];
        for n in 0..COUNT {
            let hash = keys.hash(&key(n));
            (0..64).for_each(|bit| ones[bit] += (hash >> bit & 1) as u32);
        }
        let bias = |&ones: &u32| (f64::from(ones) / f64::from(COUNT) - 0.5).abs();
        ones.iter().map(bias).fold(0.0, f64::max)
    }

    /// Chi-squared of `buckets` counts, in standard deviations from the expected value.
    fn unevenness(index: impl Fn(u64) -> usize, buckets: usize) -> f64 {
        let keys = HashKeys::from_seeds([5, 6, 7, 8]);
        let mut counts = vec![0f64; buckets];
        let total = buckets * 100;
        for n in 0..total {
            counts[index(keys.hash(format!("key:{n:012}").as_bytes()))] += 1.0;
        }
        let chi2: f64 = counts
            .iter()
            .map(|count| (count - 100.0).powi(2) / 100.0)
            .sum();
        let freedom = (buckets - 1) as f64;
        (chi2 - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn every_bit_is_even_for_counting_keys() {
        assert!(worst_bias(|n| format!("key:{n:012}").into_bytes()) < 0.01);
        assert!(worst_bias(|n| n.to_string().into_bytes()) < 0.01);
        assert!(worst_bias(|n| n.to_le_bytes().to_vec()) < 0.01);
        assert!(
            worst_bias(|n| vec![0; n as usize % 5000]) < 0.3,
            "few keys, but not stuck"
        );
    }

    #[test]
    fn directory_bits_and_tag_bits_fill_evenly() {
        let high = unevenness(|hash| (hash >> 52) as usize, 4096);
        let low = unevenness(|hash| (hash & 4095) as usize, 4096);
        assert!(high.abs() < 4.0, "high bits: {high}");
        assert!(low.abs() < 4.0, "low bits: {low}");
    }

    #[test]
    fn one_flipped_bit_of_a_key_changes_half_the_hash() {
        let keys = HashKeys::from_seeds([9, 10, 11, 12]);
        for len in [1usize, 4, 8, 16, 20, 40, 100] {
            let mut flips = 0;
            let mut trials = 0;
            for n in 0..200u8 {
                let key = vec![n; len];
                for bit in 0..len * 8 {
                    let mut other = key.clone();
                    other[bit / 8] ^= 1 << (bit % 8);
                    flips += (keys.hash(&key) ^ keys.hash(&other)).count_ones();
                    trials += 64;
                }
            }
            let share = f64::from(flips) / f64::from(trials);
            assert!((share - 0.5).abs() < 0.02, "{len} bytes: {share}");
        }
    }

    #[test]
    fn length_counts_and_seeds_matter() {
        let keys = HashKeys::from_seeds([1, 2, 3, 4]);
        assert_ne!(keys.hash(b""), keys.hash(b"\0"));
        assert_ne!(keys.hash(&[0; 8]), keys.hash(&[0; 9]));
        assert_ne!(
            keys.hash(b"key"),
            HashKeys::from_seeds([1, 2, 3, 5]).hash(b"key")
        );
        assert_eq!(
            keys.hash(b"key"),
            HashKeys::from_seeds([1, 2, 3, 4]).hash(b"key")
        );
        assert!(std::ptr::eq(super::keys(), super::keys()));
    }
}
