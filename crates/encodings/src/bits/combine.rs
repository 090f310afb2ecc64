//! Strings combined bit by bit. The shorter ones count as if zeros followed.
//!
//! The result is made in pieces of 4 KiB, each from all sources before the next piece is begun: a
//! piece stays in the L1 cache while it is worked on, however many sources there are, and memory is
//! read and written once.
#![allow(unsafe_code)]

/// Bytes of a piece.
const PIECE: usize = 4096;

/// How the bits of several strings are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// In all of them.
    And,
    /// In any of them.
    Or,
    /// In an odd number of them.
    Xor,
    /// The complement of a single string.
    Not,
    /// In the first, and in none of the others.
    Diff,
    /// In any of the others, and not in the first.
    Diff1,
    /// In the first, and in any of the others.
    AndOr,
    /// In exactly one string.
    One,
}

/// Combines strings (at least one); passes the result, which is as long as the longest of them, to
/// `emit` piece by piece. O(bytes of all strings).
pub fn combine(operation: Operation, sources: &[&[u8]], mut emit: impl FnMut(&[u8])) {
    let len = sources.iter().map(|text| text.len()).max().unwrap_or(0);
    let mut piece = [0; PIECE];
    for at in (0..len).step_by(PIECE) {
        let piece = &mut piece[..PIECE.min(len - at)];
        fill(operation, sources, at, piece);
        emit(piece);
    }
}

/// Writes the result's bytes from `at` on, at most a piece.
fn fill(operation: Operation, sources: &[&[u8]], at: usize, into: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        // SAFETY: the processor has these features.
        return unsafe { fill_avx2(operation, sources, at, into) };
    }
    fill_portable(operation, sources, at, into);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn fill_avx2(operation: Operation, sources: &[&[u8]], at: usize, into: &mut [u8]) {
    fill_portable(operation, sources, at, into);
}

#[inline(always)]
fn fill_portable(operation: Operation, sources: &[&[u8]], at: usize, into: &mut [u8]) {
    let (first, others) = sources.split_first().expect("at least one source");
    let len = into.len();
    let first = part(first, at, len);
    let others = others.iter().map(|text| part(text, at, len));
    match operation {
        Operation::And => {
            copy(into, first);
            for other in others {
                and(into, other);
            }
        }
        Operation::Or => {
            copy(into, first);
            for other in others {
                fold(into, other, |a, b| a | b);
            }
        }
        Operation::Xor => {
            copy(into, first);
            for other in others {
                fold(into, other, |a, b| a ^ b);
            }
        }
        Operation::Not => {
            copy(into, first);
            into.iter_mut().for_each(|byte| *byte = !*byte);
        }
        Operation::Diff => {
            copy(into, first);
            for other in others {
                fold(into, other, |a, b| a & !b);
            }
        }
        Operation::Diff1 => {
            into.fill(0);
            for other in others {
                fold(into, other, |a, b| a | b);
            }
            fold(into, first, |a, b| a & !b);
        }
        Operation::AndOr => {
            into.fill(0);
            for other in others {
                fold(into, other, |a, b| a | b);
            }
            and(into, first);
        }
        Operation::One => {
            // In an odd number of strings, but not in two.
            let mut twice = [0; PIECE];
            let twice = &mut twice[..into.len()];
            copy(into, first);
            for other in others {
                for ((odd, twice), &b) in into.iter_mut().zip(&mut *twice).zip(other) {
                    *twice |= *odd & b;
                    *odd ^= b;
                }
            }
            fold(into, twice, |a, b| a & !b);
        }
    }
}

/// The part of a string within the `len` bytes from `at` on.
#[inline(always)]
fn part(text: &[u8], at: usize, len: usize) -> &[u8] {
    let rest = text.get(at..).unwrap_or_default();
    &rest[..rest.len().min(len)]
}

/// Copies the text, then fills with zeros.
#[inline(always)]
fn copy(into: &mut [u8], text: &[u8]) {
    let (head, tail) = into.split_at_mut(text.len());
    head.copy_from_slice(text);
    tail.fill(0);
}

#[inline(always)]
fn fold(into: &mut [u8], text: &[u8], f: impl Fn(u8, u8) -> u8) {
    for (byte, &other) in into.iter_mut().zip(text) {
        *byte = f(*byte, other);
    }
}

#[inline(always)]
fn and(into: &mut [u8], text: &[u8]) {
    fold(into, text, |a, b| a & b);
    into[text.len()..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use proptest::prelude::*;

    const ALL: [Operation; 8] = [
        Operation::And,
        Operation::Or,
        Operation::Xor,
        Operation::Not,
        Operation::Diff,
        Operation::Diff1,
        Operation::AndOr,
        Operation::One,
    ];

    /// A byte of the result, from a byte of each source, bit by bit.
    fn by_bit(operation: Operation, bytes: &[u8]) -> u8 {
        (0..8).fold(0, |result, bit| {
            let first = bytes[0] >> bit & 1 == 1;
            let others = bytes[1..].iter().filter(|&b| b >> bit & 1 == 1).count();
            let all = others + usize::from(first);
            let is_set = match operation {
                Operation::And => all == bytes.len(),
                Operation::Or => all > 0,
                Operation::Xor => all % 2 == 1,
                Operation::Not => !first,
                Operation::Diff => first && others == 0,
                Operation::Diff1 => !first && others > 0,
                Operation::AndOr => first && others > 0,
                Operation::One => all == 1,
            };
            result | u8::from(is_set) << bit
        })
    }

    proptest! {
        #[test]
        fn every_operation_is_that_of_single_bits(
            sources in prop::collection::vec(text(), 1..5),
            repeated in prop_oneof![Just(1usize), Just(17)],
            operation in prop::sample::select(ALL.to_vec()),
        ) {
            let mut sources: Vec<Vec<u8>> = sources.iter().map(|text| text.repeat(repeated)).collect();
            if operation == Operation::Not {
                sources.truncate(1);
            }
            let len = sources.iter().map(Vec::len).max().unwrap();
            let expected: Vec<u8> = (0..len)
                .map(|at| {
                    let bytes = sources.iter().map(|text| *text.get(at).unwrap_or(&0));
                    by_bit(operation, &bytes.collect::<Vec<_>>())
                })
                .collect();
            let sources: Vec<&[u8]> = sources.iter().map(|text| &text[..]).collect();
            let mut result = Vec::new();
            combine(operation, &sources, |piece| result.extend_from_slice(piece));
            prop_assert_eq!(&result, &expected);
            let len = len.min(PIECE);
            let mut piece = vec![0xaa; len];
            fill_portable(operation, &sources, 0, &mut piece);
            prop_assert_eq!(&piece[..], &expected[..len]);
        }
    }
}
