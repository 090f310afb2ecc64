//! Thirty-two dense registers at a time, for processors with AVX2.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{HEADER_BYTES, REGISTERS, dense};

/// Registers of one step, and the bytes that they take.
const STEP: usize = 32;
const STEP_BYTES: usize = STEP * 6 / 8;
/// A step's bytes are read from so many before them on: each half of the vector then holds
/// those that become its registers.
const BEFORE: usize = 4;

/// As `dense::merge_into`, of a whole dense HyperLogLog.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn merge_into(values: &mut [u8; REGISTERS], hll: &[u8]) {
    // Three bytes each become a word of four, whose registers are then moved to its bytes.
    let spread = _mm256_setr_epi8(
        4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1, //
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
    );
    let register = |at: u32| _mm256_set1_epi32(0x3f << (8 * at));
    let steps = values.as_chunks_mut::<STEP>().0.iter_mut();
    let mut at = HEADER_BYTES - BEFORE;
    for values in steps {
        let Some(packed) = hll[at..].first_chunk::<STEP>() else {
            break;
        };
        // SAFETY: 32 bytes are borrowed.
        let packed = unsafe { _mm256_loadu_si256(packed.as_ptr().cast()) };
        let words = _mm256_shuffle_epi8(packed, spread);
        let even = _mm256_or_si256(
            _mm256_and_si256(words, register(0)),
            _mm256_and_si256(_mm256_slli_epi32::<4>(words), register(2)),
        );
        let odd = _mm256_or_si256(
            _mm256_and_si256(_mm256_slli_epi32::<2>(words), register(1)),
            _mm256_and_si256(_mm256_slli_epi32::<6>(words), register(3)),
        );
        let other = _mm256_or_si256(even, odd);
        let place = values.as_mut_ptr().cast();
        // SAFETY: 32 bytes are borrowed, mutably.
        let value = unsafe { _mm256_loadu_si256(place) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(place, _mm256_max_epu8(value, other)) };
        at += STEP_BYTES;
    }
    // The last step's vector would end behind the last register.
    let done = (at + BEFORE - HEADER_BYTES) / STEP_BYTES * STEP;
    dense::raise_packed(&mut values[done..], &hll[at + BEFORE..]);
}

/// As `dense::histogram_of`.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn histogram_of(values: &[u8; REGISTERS]) -> super::Histogram {
    dense::count_values(values)
}
