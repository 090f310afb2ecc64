//! Dense registers: 6 bits each, from the lowest bit of the first byte on.
//!
//!     byte      0         1         2
//!     bits   11000000  22221111  33333322
//!
//! Eight registers are six bytes, which are spread to eight and gathered again by shifts of
//! one 64-bit word.

use super::{Histogram, REGISTERS};

/// Bytes of all registers.
pub(super) const BYTES: usize = REGISTERS * 6 / 8;
/// Registers of one word, and the bytes that they take.
const WORD: usize = 8;
const WORD_BYTES: usize = 6;

/// Six bits of a 16-bit piece that begins at the register's byte, and where they stand in it.
fn place(index: usize) -> (usize, u32) {
    (index * 6 / 8, (index * 6 % 8) as u32)
}

fn piece(registers: &[u8], at: usize) -> u16 {
    // The last register ends its byte.
    let next = registers.get(at + 1).copied().unwrap_or(0);
    u16::from_le_bytes([registers[at], next])
}

/// Raises a register to `value`; whether it was lower. O(1).
pub(super) fn raise(registers: &mut [u8], index: usize, value: u8) -> bool {
    let (at, shift) = place(index);
    let piece = piece(registers, at);
    if (piece >> shift & 0x3f) as u8 >= value {
        return false;
    }
    let [low, high] = (piece & !(0x3f << shift) | u16::from(value) << shift).to_le_bytes();
    registers[at] = low;
    if let Some(next) = registers.get_mut(at + 1) {
        *next = high;
    }
    true
}

/// Eight registers of six bytes as eight bytes.
#[inline]
fn spread(packed: &[u8; WORD_BYTES]) -> [u8; WORD] {
    let [a, b, c, d, e, f] = *packed;
    let mut x = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    x = x & 0x0000_0000_00ff_ffff | (x & 0x0000_ffff_ff00_0000) << 8;
    x = x & 0x0000_0fff_0000_0fff | (x & 0x00ff_f000_00ff_f000) << 4;
    x = x & 0x003f_003f_003f_003f | (x & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    x.to_le_bytes()
}

/// Eight bytes as eight registers of six bytes.
#[inline]
fn gather(values: [u8; WORD]) -> [u8; WORD_BYTES] {
    let mut x = u64::from_le_bytes(values) & 0x3f3f_3f3f_3f3f_3f3f;
    x = x & 0x003f_003f_003f_003f | (x & 0x3f00_3f00_3f00_3f00) >> 2;
    x = x & 0x0000_0fff_0000_0fff | (x & 0x0fff_0000_0fff_0000) >> 4;
    x = x & 0x0000_0000_00ff_ffff | (x & 0x00ff_ffff_0000_0000) >> 8;
    let [a, b, c, d, e, f, _, _] = x.to_le_bytes();
    [a, b, c, d, e, f]
}

/// Raises each of `values` to the register's. O(registers).
pub(super) fn merge_into(values: &mut [u8; REGISTERS], registers: &[u8]) {
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
pub(super) fn pack(registers: &mut [u8], values: &[u8; REGISTERS]) {
    let (values, _) = values.as_chunks::<WORD>();
    let (packed, _) = registers.as_chunks_mut::<WORD_BYTES>();
    for (packed, values) in packed.iter_mut().zip(values) {
        *packed = gather(*values);
    }
}

/// O(registers).
pub(super) fn histogram(registers: &[u8]) -> Histogram {
    let (packed, _) = registers.as_chunks::<WORD_BYTES>();
    histogram_of(packed.iter().map(spread))
}

/// The histogram of values that come eight at a time.
pub(super) fn histogram_of(words: impl Iterator<Item = [u8; WORD]>) -> Histogram {
    // Neighbours are counted apart: a counter need not wait for the one before it.
    let mut counts = [[0u32; 64]; WORD];
    for word in words {
        for (counts, value) in counts.iter_mut().zip(word) {
            counts[usize::from(value & 0x3f)] += 1;
        }
    }
    std::array::from_fn(|value| counts.iter().map(|counts| counts[value]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn registers_are_packed_and_raised(
            steps in prop::collection::vec((0..REGISTERS, 0u8..64), 1..400),
        ) {
            let mut values = [0; REGISTERS];
            let mut registers = vec![0; BYTES];
            for (index, value) in steps.into_iter().chain([(REGISTERS - 1, 63)]) {
                prop_assert_eq!(raise(&mut registers, index, value), value > values[index]);
                values[index] = values[index].max(value);
            }
            let mut packed = vec![0xff; BYTES];
            pack(&mut packed, &values);
            prop_assert_eq!(&packed, &registers);
            let mut merged = [1; REGISTERS];
            merge_into(&mut merged, &registers);
            prop_assert!(merged.iter().zip(values).all(|(&m, v)| m == v.max(1)));
            let mut counted = [0; 64];
            values.iter().for_each(|&value| counted[usize::from(value)] += 1);
            prop_assert_eq!(histogram(&registers), counted);
        }
    }
}
