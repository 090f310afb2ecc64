//! The hashes of items: MurmurHash64A and MurmurHash2, as Redis's module `bf` has them.
//!
//! Filters travel between servers as their bits, so the hashes are part of the format. Both read
//! little-endian words, whatever the machine. O(length of the item).

const M64: u64 = 0xc6a4_a793_5bd1_e995;
const M32: u32 = 0x5bd1_e995;

/// MurmurHash64A: of Bloom and cuckoo filters.
#[inline]
pub fn murmur64a(item: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (item.len() as u64).wrapping_mul(M64);
    let (words, tail) = item.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M64);
        k ^= k >> 47;
        hash = (hash ^ k.wrapping_mul(M64)).wrapping_mul(M64);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M64);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(M64);
    hash ^ hash >> 47
}

/// MurmurHash2: of count-min sketches, top-k lists, and the Bloom filters of old files.
#[inline]
pub fn murmur2(item: &[u8], seed: u32) -> u32 {
    let mut hash = seed ^ item.len() as u32;
    let (words, tail) = item.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M32);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M32) ^ k.wrapping_mul(M32);
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M32);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M32);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of a Bloom filter's first hash.
    const BLOOM: u64 = M64;
    /// The seed of a top-k list's fingerprints.
    const TOP_K: u32 = 1919;

    #[test]
    fn hashes_are_those_of_redis() {
        let known: [(&[u8], u64, u64, u32, u32); 6] = [
            (b"", 0, 0x1ab1_1ea5_a7b2_c56e, 0, 0x4a85_66e0),
            (
                b"a",
                0x0717_17d2_d36b_6b11,
                0x4292_cee2_27b9_150a,
                0x9268_5f5e,
                0xf23c_f517,
            ),
            (
                b"foo",
                0xcdde_3835_8fd2_5b01,
                0x822b_4f99_b121_f10d,
                0x8fea_6375,
                0x4064_c400,
            ),
            (
                b"foobar",
                0xd49f_4617_20d7_a196,
                0x4cce_c138_562a_81e3,
                0x6715_a92e,
                0x2216_1da0,
            ),
            (
                b"0123456789abcdef",
                0x93a9_2d1a_91a2_4bc7,
                0x7339_7e4f_b095_abef,
                0xcf9a_f71a,
                0x44f2_fb3e,
            ),
            (
                b"The quick brown fox jumps over the lazy dog",
                0x5589_ca33_042a_861b,
                0xc7a6_16a2_8f4a_74d6,
                0x2127_29d0,
                0xbc85_4605,
            ),
        ];
        for (item, plain, bloom, row, top_k) in known {
            assert_eq!(murmur64a(item, 0), plain);
            assert_eq!(murmur64a(item, BLOOM), bloom);
            assert_eq!(murmur2(item, 0), row);
            assert_eq!(murmur2(item, TOP_K), top_k);
        }
    }
}
