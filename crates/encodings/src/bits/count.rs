//! Counting set bits.
#![allow(unsafe_code)]

use std::ops::RangeInclusive;

/// Number of set bits. O(bytes).
fn count(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { count_avx2(bytes) };
    }
    count_portable(bytes)
}

/// Number of set bits in `range`, which must be inside the string. O(range).
pub fn count_within(bytes: &[u8], range: RangeInclusive<u64>) -> u64 {
    let (first, last) = range.into_inner();
    let within = &bytes[(first / 8) as usize..=(last / 8) as usize];
    let before = within[0] & !(0xff >> (first % 8));
    let after = within[within.len() - 1] & !(0xff << (7 - last % 8));
    count(within) - u64::from(before.count_ones() + after.count_ones())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_avx2(bytes: &[u8]) -> u64 {
    count_portable(bytes)
}

#[inline(always)]
fn count_portable(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words = words
        .iter()
        .map(|&word| u64::from(u64::from_ne_bytes(word).count_ones()));
    let in_rest = rest.iter().map(|byte| u64::from(byte.count_ones()));
    in_words.sum::<u64>() + in_rest.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bit, text};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_single_bits(
            bytes in text(),
            from in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
        ) {
            let bits = bytes.len() as u64 * 8;
            let by_bit = |range: RangeInclusive<u64>| range.filter(|&at| bit(&bytes, at)).count() as u64;
            prop_assert_eq!(count(&bytes), count_portable(&bytes));
            if bits > 0 {
                prop_assert_eq!(count(&bytes), by_bit(0..=bits - 1));
                let (a, b) = (from.index(bits as usize) as u64, to.index(bits as usize) as u64);
                let range = a.min(b)..=a.max(b);
                prop_assert_eq!(count_within(&bytes, range.clone()), by_bit(range));
            }
        }
    }

    #[test]
    fn nothing_has_no_bits() {
        assert_eq!(count(b""), 0);
        assert_eq!(count_within(b"\xff", 3..=3), 1);
    }
}
