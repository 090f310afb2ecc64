//! Finding the first set or clear bit.
#![allow(unsafe_code)]

use std::ops::RangeInclusive;

/// Bytes tested together.
const BLOCK: usize = 64;

/// The position of the first bit of this value. O(bytes before it).
fn find(bytes: &[u8], bit: bool) -> Option<u64> {
    let other = other_byte(bit);
    let skipped = skip(bytes, other);
    let rest = &bytes[skipped..];
    let at = rest.iter().position(|&byte| byte != other)?;
    let within = (rest[at] ^ other).leading_zeros();
    Some((skipped + at) as u64 * 8 + u64::from(within))
}

/// The first in `range`, which must be inside the string. O(bits of the range before it).
pub fn find_within(bytes: &[u8], bit: bool, range: RangeInclusive<u64>) -> Option<u64> {
    let (first, last) = range.into_inner();
    let (from, to) = ((first / 8) as usize, (last / 8) as usize);
    let head = (bytes[from] ^ other_byte(bit)) & (0xff >> (first % 8));
    let at = if head != 0 {
        from as u64 * 8 + u64::from(head.leading_zeros())
    } else {
        (from as u64 + 1) * 8 + find(&bytes[from + 1..=to], bit)?
    };
    (at <= last).then_some(at)
}

/// A byte without a bit of this value.
fn other_byte(bit: bool) -> u8 {
    if bit { 0 } else { 0xff }
}

/// Number of bytes in whole blocks at the start that all equal `byte`.
fn skip(bytes: &[u8], byte: u8) -> usize {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { skip_avx2(bytes, byte) };
    }
    skip_portable(bytes, byte)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn skip_avx2(bytes: &[u8], byte: u8) -> usize {
    skip_portable(bytes, byte)
}

#[inline(always)]
fn skip_portable(bytes: &[u8], byte: u8) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_all = |block: &&[u8; BLOCK]| block.iter().fold(0, |seen, &b| seen | (b ^ byte)) == 0;
    blocks.iter().take_while(is_all).count() * BLOCK
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bit, text};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_bit_is_found(
            bytes in text(),
            value in any::<bool>(),
            from in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
        ) {
            let bits = bytes.len() as u64 * 8;
            let first = |mut range: RangeInclusive<u64>| range.find(|&at| bit(&bytes, at) == value);
            prop_assert_eq!(skip(&bytes, 0), skip_portable(&bytes, 0));
            if bits == 0 {
                prop_assert_eq!(find(&bytes, value), None);
            } else {
                prop_assert_eq!(find(&bytes, value), first(0..=bits - 1));
                let (a, b) = (from.index(bits as usize) as u64, to.index(bits as usize) as u64);
                let range = a.min(b)..=a.max(b);
                prop_assert_eq!(find_within(&bytes, value, range.clone()), first(range));
            }
        }
    }
}
