//! Bits in 64-bit words, from the least significant bit on.
//!
//!     word 0: bit 0 .. 63 | word 1: bit 64 .. 127 | ...
//!
//! A field may begin at any bit, with the field's least significant bit first, and may cross a
//! word's end.

/// The 64 bits from a position on; zeros beyond the words.
#[inline]
pub(crate) fn peek(words: &[u64], at: usize) -> u64 {
    let (word, shift) = (at / 64, at % 64);
    match words.get(word..word + 2) {
        // Two shifts, because a shift by 64 is none.
        Some(&[low, high]) => low >> shift | (high << 1) << (63 - shift),
        _ => peek_last(words, word) >> shift,
    }
}

#[cold]
fn peek_last(words: &[u64], word: usize) -> u64 {
    words.get(word).copied().unwrap_or(0)
}

/// Bits that a glance shows at least.
pub(crate) const GLANCE: u32 = 57;

/// The bytes of words, the lowest first.
#[inline]
pub(crate) fn bytes_of(words: &[u64]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "bytes are the words' own") };
    bytemuck::cast_slice(words)
}

/// [`GLANCE`] bits from a position on, or some more, by a single read: a little less than `peek`,
/// in less time. Zeros beyond the bytes.
#[inline]
pub(crate) fn glance(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at / 8..at / 8 + 8) {
        Some(eight) => u64::from_le_bytes(eight.try_into().expect("eight bytes")) >> (at % 8),
        None => glance_last(bytes.get(at / 8..).unwrap_or_default()) >> (at % 8),
    }
}

#[cold]
fn glance_last(rest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(eight)
}

/// Appends the lowest `n` bits, at most 64, to words of which `at` bits are in use. Bits above them
/// in `bits` must be zero.
#[inline]
pub(crate) fn push(words: &mut Vec<u64>, at: &mut u32, bits: u64, n: u32) {
    let shift = *at % 64;
    if shift == 0 {
        if n > 0 {
            words.push(bits);
        }
    } else {
        let last = words.last_mut().expect("some of its bits are in use");
        *last |= bits << shift;
        if shift + n > 64 {
            words.push(bits >> (64 - shift));
        }
    }
    *at += n;
}

/// The lowest `n` bits, at most 64.
#[inline]
pub(crate) fn mask(n: u32) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_shows_what_a_look_does() {
        let words = [0x0123_4567_89ab_cdef, u64::MAX, 0x8000_0000_0000_0001];
        for at in 0..300 {
            let seen = glance(bytes_of(&words), at);
            assert_eq!(seen & mask(GLANCE), peek(&words, at) & mask(GLANCE), "{at}");
        }
    }
}
