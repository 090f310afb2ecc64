//! The hashes of items: MurmurHash64A and MurmurHash2, as Redis's module `bf` has them.
//!
//! Filters travel between servers as their bits, so the hashes are part of the format. Both
//! functions read little-endian words, whatever the machine. O(length of the item).

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
        let last = match item.last_chunk::<8>() {
            // The bytes of the tail are the upper ones.
            Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * tail.len()),
            None => short(tail),
        };
        hash = (hash ^ last).wrapping_mul(M64);
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
        let last = match item.last_chunk::<4>() {
            Some(last) => u32::from_le_bytes(*last) >> (32 - 8 * tail.len()),
            None => short(tail) as u32,
        };
        hash = (hash ^ last).wrapping_mul(M32);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M32);
    hash ^ hash >> 15
}

/// Up to seven bytes as a number, little-endian. Two reads that overlap are quicker than a copy of
/// so many bytes.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last));
        return u64::from(u32::from_le_bytes(*first)) | last << (8 * (len - 4));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        let last = u64::from(u16::from_le_bytes(*last));
        return u64::from(u16::from_le_bytes(*first)) | last << (8 * (len - 2));
    }
    bytes.first().copied().unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_numbers() {
        for len in 0..8 {
            let bytes: Vec<u8> = (0..len).map(|at| 0x81 + at).collect();
            let number = bytes
                .iter()
                .rev()
                .fold(0, |n, byte| n << 8 | u64::from(*byte));
            assert_eq!(short(&bytes), number, "{len}");
        }
    }

    /// The ends of texts of any length, as an implementation that copies them reads them.
    #[test]
    fn ends_of_texts_are_read_as_copies_of_them() {
        let text: Vec<u8> = (0..40u8).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
        for item in (0..40).map(|len| &text[..len]) {
            let (words, tail) = item.as_chunks::<8>();
            let mut hash = 7 ^ (item.len() as u64).wrapping_mul(M64);
            let mut last = [0; 8];
            last[..tail.len()].copy_from_slice(tail);
            for word in words {
                let mut k = u64::from_le_bytes(*word).wrapping_mul(M64);
                k ^= k >> 47;
                hash = (hash ^ k.wrapping_mul(M64)).wrapping_mul(M64);
            }
            if !tail.is_empty() {
                hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M64);
            }
            hash = (hash ^ hash >> 47).wrapping_mul(M64);
            assert_eq!(murmur64a(item, 7), hash ^ hash >> 47);
        }
    }

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
