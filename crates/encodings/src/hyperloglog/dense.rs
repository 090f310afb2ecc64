//! Dense registers: 6 bits each, from the lowest bit of the first byte on.
//!
//!     byte      0         1         2
//!     bits   11000000  22221111  33333322
//!
//! Eight registers are six bytes, which are unpacked to eight bytes and packed again by shifts of a
//! 64-bit word. Processors with AVX2 do 32 at a time (`wide`).
#![allow(unsafe_code)]

use super::layout::{DENSE_BYTES, HEADER_BYTES, Histogram, PACKED_BYTES, REGISTERS};
#[cfg(target_arch = "x86_64")]
use super::wide;
#[cfg(target_arch = "x86_64")]
use crate::bits::has_avx2;

/// Registers per word, and their packed bytes.
const WORD: usize = 8;
const WORD_BYTES: usize = 6;

/// The byte at which a register's 16-bit piece begins, and the register's shift in it.
fn place(index: usize) -> (usize, u32) {
    (index * 6 / 8, (index * 6 % 8) as u32)
}

fn piece(registers: &[u8], at: usize) -> u16 {
    // The last register ends with its byte.
    let next = registers.get(at + 1).copied().unwrap_or(0);
    u16::from_le_bytes([registers[at], next])
}

/// Whether a register is lower than `value`. O(1).
#[inline]
pub(super) fn is_lower(registers: &[u8], index: usize, value: u8) -> bool {
    let (at, shift) = place(index);
    ((piece(registers, at) >> shift & 0x3f) as u8) < value
}

/// Raises a register to `value`; returns whether it was lower. O(1).
pub(super) fn raise(registers: &mut [u8], index: usize, value: u8) -> bool {
    let (at, shift) = place(index);
    let piece = piece(registers, at);
    if !is_lower(registers, index, value) {
        return false;
    }
    let [low, high] = (piece & !(0x3f << shift) | u16::from(value) << shift).to_le_bytes();
    registers[at] = low;
    if let Some(next) = registers.get_mut(at + 1) {
        *next = high;
    }
    true
}

/// Unpacks eight registers from six bytes to eight.
#[inline]
fn spread(packed: &[u8; WORD_BYTES]) -> [u8; WORD] {
    let [a, b, c, d, e, f] = *packed;
    let mut x = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    x = x & 0x0000_0000_00ff_ffff | (x & 0x0000_ffff_ff00_0000) << 8;
    x = x & 0x0000_0fff_0000_0fff | (x & 0x00ff_f000_00ff_f000) << 4;
    x = x & 0x003f_003f_003f_003f | (x & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    x.to_le_bytes()
}

/// Packs eight registers into six bytes.
#[inline]
fn gather(values: [u8; WORD]) -> [u8; WORD_BYTES] {
    let mut x = u64::from_le_bytes(values) & 0x3f3f_3f3f_3f3f_3f3f;
    x = x & 0x003f_003f_003f_003f | (x & 0x3f00_3f00_3f00_3f00) >> 2;
    x = x & 0x0000_0fff_0000_0fff | (x & 0x0fff_0000_0fff_0000) >> 4;
    x = x & 0x0000_0000_00ff_ffff | (x & 0x00ff_ffff_0000_0000) >> 8;
    let [a, b, c, d, e, f, _, _] = x.to_le_bytes();
    [a, b, c, d, e, f]
}

/// Raises each of `values` to the registers of complete dense HyperLogLogs. O(registers) a source.
pub(super) fn merge_into(values: &mut [u8; REGISTERS], sources: &[&[u8; DENSE_BYTES]]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { wide::merge_into(values, sources) };
    }
    for source in sources {
        raise_packed(values, &source[HEADER_BYTES..]);
    }
}

/// Raises each of `values`, whose number is a multiple of eight, to the packed register.
pub(super) fn raise_packed(values: &mut [u8], registers: &[u8]) {
    let (values, _) = values.as_chunks_mut::<WORD>();
    let (packed, _) = registers.as_chunks::<WORD_BYTES>();
    for (values, packed) in values.iter_mut().zip(packed) {
        let other = spread(packed);
        for (value, other) in values.iter_mut().zip(other) {
            *value = (*value).max(other);
        }
    }
}

/// Writes all registers. O(registers).
pub(super) fn pack(registers: &mut [u8; PACKED_BYTES], values: &[u8; REGISTERS]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { wide::pack(registers, values) };
    }
    pack_words(registers, values);
}

/// Writes registers, whose number is a multiple of eight.
pub(super) fn pack_words(registers: &mut [u8], values: &[u8]) {
    let (values, _) = values.as_chunks::<WORD>();
    let (packed, _) = registers.as_chunks_mut::<WORD_BYTES>();
    for (packed, values) in packed.iter_mut().zip(values) {
        *packed = gather(*values);
    }
}

/// Number of registers with each value. O(registers).
pub(super) fn histogram_of(values: &[u8; REGISTERS]) -> Histogram {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { wide::histogram_of(values) };
    }
    count_values(values)
}

/// Passes over all registers once for each four values, until all are counted: the values are close
/// together, and vectors compare fast.
fn count_values(values: &[u8; REGISTERS]) -> Histogram {
    /// As wide as a vector.
    const LANES: usize = 32;
    /// Rows counted in the bytes of a vector.
    const ROWS: usize = 128;
    let (rows, _) = values.as_chunks::<LANES>();
    let (mut histogram, mut left) = ([0; 64], REGISTERS as u32);
    for (value, counts) in (0u8..).step_by(4).zip(histogram.as_chunks_mut::<4>().0) {
        for rows in rows.as_chunks::<ROWS>().0 {
            let mut lanes = [[0u8; LANES]; 4];
            for row in rows {
                for (value, lanes) in (value..).zip(&mut lanes) {
                    for (lane, register) in lanes.iter_mut().zip(row) {
                        *lane += u8::from(*register == value);
                    }
                }
            }
            for (count, lanes) in counts.iter_mut().zip(&lanes) {
                *count += lanes.iter().map(|&lane| u32::from(lane)).sum::<u32>();
            }
        }
        left -= counts.iter().sum::<u32>();
        if left == 0 {
            break;
        }
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn registers_are_packed_and_raised(
            steps in prop_oneof![
                prop::collection::vec((0..REGISTERS, 0u8..64), 1..400),
                prop::collection::vec((0..REGISTERS, 0u8..20), 9000..9001),
            ],
        ) {
            let mut values = [0; REGISTERS];
            let mut registers = [0; PACKED_BYTES];
            for (index, value) in steps.into_iter().chain([(REGISTERS - 1, 63)]) {
                prop_assert_eq!(raise(&mut registers, index, value), value > values[index]);
                values[index] = values[index].max(value);
            }
            let (mut packed, mut portably) = ([0xff; PACKED_BYTES], [0xff; PACKED_BYTES]);
            pack(&mut packed, &values);
            pack_words(&mut portably, &values);
            prop_assert_eq!(packed, registers);
            prop_assert_eq!(portably, registers);
            let mut counted = [0; 64];
            values.iter().for_each(|&value| counted[usize::from(value)] += 1);
            prop_assert_eq!(histogram_of(&values), counted);
            prop_assert_eq!(count_values(&values), counted);
        }

        /// Merging several sources of arbitrary bytes at once equals merging them in turn.
        #[test]
        fn registers_are_raised_to_the_highest(
            sources in prop::collection::vec(
                prop::collection::vec(any::<u8>(), DENSE_BYTES..DENSE_BYTES + 1), 0..4),
            value in 0u8..64,
        ) {
            let sources = sources.iter().filter_map(|source| source.first_chunk());
            let sources: Vec<&[u8; DENSE_BYTES]> = sources.collect();
            let (mut merged, mut portably) = ([value; REGISTERS], [value; REGISTERS]);
            merge_into(&mut merged, &sources);
            for source in &sources {
                raise_packed(&mut portably, &source[HEADER_BYTES..]);
            }
            prop_assert_eq!(merged, portably);
            for (index, &raised) in merged.iter().enumerate() {
                let (at, shift) = place(index);
                let of = |source: &&[u8; DENSE_BYTES]| {
                    (piece(&source[HEADER_BYTES..], at) >> shift & 0x3f) as u8
                };
                let highest = sources.iter().map(of).max().unwrap_or(0);
                prop_assert_eq!(raised, highest.max(value));
            }
        }
    }
}
