//! From an element to its register: MurmurHash64A (Austin Appleby, public domain) with
//! Redis's seed.

use super::layout::{INDEX_BITS, REGISTERS};

const SEED: u64 = 0xadc8_3b19;

/// The register of an element, and the element's value for it: the number of zeros from the hash's
/// lowest bit after the index on, plus one. O(bytes).
pub(super) fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, SEED);
    // A bit above the hash ends every run.
    let run = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    (hash as usize % REGISTERS, run.trailing_zeros() as u8 + 1)
}

fn murmur64a(text: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (text.len() as u64).wrapping_mul(M);
    let (words, tail) = text.as_chunks::<8>();
    for &word in words {
        let mut word = u64::from_le_bytes(word).wrapping_mul(M);
        word ^= word >> R;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference implementation.
    #[test]
    fn hashes_are_those_of_the_reference() {
        assert_eq!(murmur64a(b"", SEED), 0xd8df_ea65_85bc_9732);
        assert_eq!(murmur64a(b"a", SEED), 0x53d2_470a_9b43_b1a7);
        assert_eq!(murmur64a(b"12345678", SEED), 0x95eb_b863_8913_2953);
        assert_eq!(
            murmur64a(b"hello world, hello", SEED),
            0x388a_ef2b_b496_58e0
        );
    }
}
