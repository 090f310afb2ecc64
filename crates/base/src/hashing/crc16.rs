//! CRC-16/XMODEM (polynomial x^16 + x^12 + x^5 + 1, no reflection, initial value 0), which gives a
//! key its cluster slot.
//!
//! In cluster mode each command computes the checksum of its keys, so the same pass also reports
//! whether a given byte occurs: a slot looks for `{`. The text is read as big-endian blocks of
//! eight bytes. Because the initial value is 0, zero bytes in front of a text change nothing: the
//! first block takes the remainder of the length, and there is no tail.
//!
//!     carry-less multiplication   the halves of a block are folded into the next, by x^96 and
//!                                 x^64 mod P; the last is reduced by Barrett's method, two
//!                                 multiplications
//!     tables                      eight of 256 words (4 KiB), for processors without it
//!
//! Cost, on the machine of the figures in `docs/`: 3 ns for 8 bytes, 5 for 16, 8 for 32; by tables
//! 7, 13 and 19.
//!
//! The checksum is written here because the crates take twice as long or more for keys of 8 to 24
//! bytes: the first goes by single bytes, the other is made for long texts. In ns, the crates'
//! checksums without and with `memchr` for the byte (release build, 64 keys in turn, least of 400
//! rounds, AMD EPYC):
//!
//!     bytes              4          8         16         24         32         64
//!     here             4.1        3.9        5.7        7.7        9.5       19.2
//!     crc16 0.4    4.4  6.7   8.0 11.0   16.8 19.9   26.7 31.8   39.9 46.3   100  107
//!     crc-fast     22.3 23.6  22.1 24.3  14.4 16.9   20.2 23.5   16.5 16.9   20.3 24.2
#![allow(unsafe_code)]

/// The polynomial without its top bit.
const POLYNOMIAL: u16 = 0x1021;

/// CRC-16/XMODEM of a text, and whether it has the byte `mark`, which is not 0. O(length).
#[inline]
pub fn checksum(text: &[u8], mark: u8) -> (u16, bool) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the processor has the feature; all others that it names are x86-64's own.
        return unsafe { by_multiplication::checksum(text, mark) };
    }
    by_tables::checksum(text, mark)
}

/// A text as blocks of eight bytes: the first block, then the rest.
#[inline]
fn blocks(text: &[u8]) -> (u64, impl Iterator<Item = u64>) {
    let over = match text.len() % 8 {
        0 => text.len().min(8),
        over => over,
    };
    let (first, rest) = text.split_at(over);
    let rest = rest.as_chunks::<8>().0.iter();
    (
        block(text, first.len()),
        rest.map(|&b| u64::from_be_bytes(b)),
    )
}

/// The first `len` bytes of a text, at most 8, at the end of a block. Without a copy of variable
/// length: bytes that are read twice are written to the same place.
#[inline]
fn block(text: &[u8], len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    if let Some(&eight) = text.first_chunk() {
        return u64::from_be_bytes(eight) >> (64 - 8 * len);
    }
    let bits = 8 * len;
    if let (Some(&first), Some(&last)) = (text.first_chunk(), text.last_chunk()) {
        let first = u64::from(u32::from_be_bytes(first));
        return first << (bits - 32) | u64::from(u32::from_be_bytes(last));
    }
    let byte = |at: usize| u64::from(text[at]) << (bits - 8 - 8 * at);
    byte(0) | byte(len / 2) | byte(len - 1)
}

/// Not zero exactly when any of the block's bytes is `mark`.
#[inline]
fn marks_in(block: u64, mark: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let differs = block ^ (ONES * u64::from(mark));
    differs.wrapping_sub(ONES) & !differs & ONES << 7
}

#[cfg(target_arch = "x86_64")]
mod by_multiplication {
    use std::arch::x86_64::{
        _mm_clmulepi64_si128 as multiply, _mm_cvtsi64_si128 as low, _mm_cvtsi128_si64 as low_of,
        _mm_set_epi64x, _mm_srli_si128, _mm_xor_si128,
    };

    const WHOLE: u64 = 1 << 16 | super::POLYNOMIAL as u64;

    /// x^power mod P.
    const fn rest_of(power: u32) -> u64 {
        let (mut rest, mut n) = (1, 0);
        while n < power {
            rest <<= 1;
            rest ^= WHOLE * (rest >> 16);
            n += 1;
        }
        rest
    }

    /// x^80 / P without its top bit, x^64.
    const QUOTIENT: u64 = {
        let (mut rest, mut quotient, mut n) = (1u128 << 80, 0u128, 65);
        while n > 0 {
            n -= 1;
            let bit = rest >> (16 + n) & 1;
            quotient |= bit << n;
            rest ^= (WHOLE as u128 * bit) << n;
        }
        quotient as u64
    };

    /// See [`super::super::checksum`].
    #[target_feature(enable = "pclmulqdq")]
    #[inline]
    pub(super) fn checksum(text: &[u8], mark: u8) -> (u16, bool) {
        const FACTORS: [u64; 2] = [rest_of(64), rest_of(96)];
        let factors = _mm_set_epi64x(FACTORS[1] as i64, FACTORS[0] as i64);
        let (mut sum, rest) = super::blocks(text);
        let mut marks = super::marks_in(sum, mark);
        for block in rest {
            marks |= super::marks_in(block, mark);
            // Each product has 47 bits.
            let lower = multiply::<0x00>(low((sum & u64::from(u32::MAX)) as i64), factors);
            let upper = multiply::<0x10>(low((sum >> 32) as i64), factors);
            sum = block ^ low_of(_mm_xor_si128(lower, upper)) as u64;
        }
        // The remainder of sum * x^16: the quotient is the upper half of sum * (x^80 / P).
        let sum = low(sum as i64);
        let upper = _mm_srli_si128::<8>(multiply::<0x00>(sum, low(QUOTIENT as i64)));
        let quotient = _mm_xor_si128(upper, sum);
        let rest = multiply::<0x00>(quotient, low(WHOLE as i64));
        (low_of(rest) as u16, marks != 0)
    }
}

mod by_tables {
    /// `TABLES[n][byte]`: the checksum of a byte with `n` zero bytes after it.
    static TABLES: [[u16; 256]; 8] = {
        let mut tables = [[0u16; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bits) = ((byte as u16) << 8, 0);
            while bits < 64 {
                crc = (crc << 1) ^ (super::POLYNOMIAL * (crc >> 15));
                bits += 1;
                if bits % 8 == 0 {
                    tables[bits / 8 - 1][byte] = crc;
                }
            }
            byte += 1;
        }
        tables
    };

    /// See [`super::super::checksum`].
    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn checksum(text: &[u8], mark: u8) -> (u16, bool) {
        let (first, rest) = super::blocks(text);
        let mut marks = super::marks_in(first, mark);
        let mut crc = step(0, first);
        for block in rest {
            marks |= super::marks_in(block, mark);
            crc = step(crc, block);
        }
        (crc, marks != 0)
    }

    /// The checksum after eight more bytes, the first byte on top.
    #[inline]
    fn step(crc: u16, block: u64) -> u16 {
        let block = block ^ u64::from(crc) << 48;
        let of = |n: usize| TABLES[n][usize::from((block >> (8 * n)) as u8)];
        of(0) ^ of(1) ^ of(2) ^ of(3) ^ of(4) ^ of(5) ^ of(6) ^ of(7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, by the definition.
    fn plain(text: &[u8]) -> u16 {
        text.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                let carry = crc & 0x8000 != 0;
                crc << 1 ^ if carry { POLYNOMIAL } else { 0 }
            })
        })
    }

    #[test]
    fn the_checksum_is_xmodem_at_every_length() {
        assert_eq!(checksum(b"123456789", b'{').0, 0x31c3);
        let text: Vec<u8> = (0..200u32).map(|n| (n * 151 + 7) as u8).collect();
        for from in 0..9 {
            for to in from..text.len() {
                let part = &text[from..to];
                let expected = (plain(part), part.contains(&b'{'));
                assert_eq!(checksum(part, b'{'), expected);
                assert_eq!(by_tables::checksum(part, b'{'), expected);
            }
        }
    }

    #[test]
    fn the_mark_is_found_at_every_place() {
        for len in 1..40 {
            for at in 0..len {
                let mut text = vec![b'z'; len];
                text[at] = b'{';
                assert!(checksum(&text, b'{').1, "{at} of {len}");
                // Bytes that differ in one bit, or in a carry.
                for other in [b'z', b'|', 0, 0xfb, 0x7a, 0xff] {
                    text[at] = other;
                    assert!(!checksum(&text, b'{').1, "{other} at {at} of {len}");
                }
            }
        }
    }
}
