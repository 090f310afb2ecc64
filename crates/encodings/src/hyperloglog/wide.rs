//! Thirty-two dense registers at a time, for processors with AVX2.
//!
//! Each function returns exactly what its namesake in `dense` does without AVX2. The caller has to
//! check that the processor has AVX2 and POPCNT. The last 32 registers are left to `dense`: because
//! a vector loaded there would end after the value.
//!
//! Cost: a step is 32 registers, 24 bytes, of which each half of a vector has 12. A merge keeps the
//! maxima of four steps in processor registers while it reads the sources.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::hint::black_box;

use super::dense;
use super::layout::{DENSE_BYTES, HEADER_BYTES, Histogram, PACKED_BYTES, REGISTERS};

/// Registers per step, and their packed bytes.
const STEP: usize = 32;
const STEP_BYTES: usize = STEP * 6 / 8;
/// A step's bytes are loaded from this many bytes earlier: each half of the vector then holds the
/// bytes of its own registers.
const BEFORE: usize = 4;
/// The vector of the step after these would end after the last register.
const STEPS: usize = REGISTERS / STEP - 1;

/// As `dense::merge_into`.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn merge_into(values: &mut [u8; REGISTERS], sources: &[&[u8; DENSE_BYTES]]) {
    /// Steps whose values stay in processor registers while the sources are read.
    const TOGETHER: usize = 4;
    let (steps, _) = values.as_chunks_mut::<STEP>();
    let (blocks, rest) = steps[..STEPS].as_chunks_mut::<TOGETHER>();
    let mut at = HEADER_BYTES;
    for block in blocks {
        merge_steps(block, sources, at);
        at += TOGETHER * STEP_BYTES;
    }
    for step in rest {
        merge_steps(std::array::from_mut(step), sources, at);
        at += STEP_BYTES;
    }
    for source in sources {
        dense::raise_packed(&mut values[STEPS * STEP..], &source[at..]);
    }
}

/// Raises each of `values` to the registers that begin at byte `at` of the sources.
///
/// Four registers a, b, c, d are three bytes, which become two words of 16 bits:
///
///     bit    15       8 7       0      15       8 7       0
///            ....bbbbbb bbaaaaaa       ddddddcc ccccbbbb
///
/// Two multiplications move each register to the top of a byte of its own: a and c of a vector, b
/// and d of another. The bits below a register in its byte do not change which of two registers is
/// greater, so the maximum is taken before these bits are cut off.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn merge_steps<const N: usize>(
    values: &mut [[u8; STEP]; N],
    sources: &[&[u8; DENSE_BYTES]],
    at: usize,
) {
    let words = _mm256_setr_epi8(
        4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11, 12, 13, 14, 14, 15, //
        0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11,
    );
    let pair = |low: i32, high: i32| _mm256_set1_epi32(high << 16 | low);
    // Hidden from the compiler, which turns a known factor into two shifts and a blend.
    let up_a_c = black_box(pair(1 << 2, 1 << 6));
    let up_b_d = black_box(pair(1 << 4, 1));
    let mut tops = [(_mm256_setzero_si256(), _mm256_setzero_si256()); N];
    for source in sources {
        let bytes = &source[at - BEFORE..][..(N - 1) * STEP_BYTES + STEP];
        for (step, (a_c, b_d)) in tops.iter_mut().enumerate() {
            let packed: &[u8; STEP] = bytes[step * STEP_BYTES..].first_chunk().expect("a step");
            // SAFETY: 32 bytes are borrowed.
            let packed = unsafe { _mm256_loadu_si256(packed.as_ptr().cast()) };
            let packed = _mm256_shuffle_epi8(packed, words);
            *a_c = _mm256_max_epu8(*a_c, _mm256_mullo_epi16(packed, up_a_c));
            *b_d = _mm256_max_epu8(*b_d, _mm256_mullo_epi16(packed, up_b_d));
        }
    }
    for (values, (a_c, b_d)) in values.iter_mut().zip(tops) {
        let a = _mm256_and_si256(_mm256_srli_epi32::<2>(a_c), pair(0x3f, 0));
        let c = _mm256_and_si256(_mm256_srli_epi32::<10>(a_c), pair(0, 0x3f));
        let b_d = _mm256_and_si256(_mm256_srli_epi32::<2>(b_d), pair(0x3f00, 0x3f00));
        let other = _mm256_or_si256(_mm256_or_si256(a, c), b_d);
        let place = values.as_mut_ptr().cast();
        // SAFETY: 32 bytes are borrowed, mutably.
        let value = unsafe { _mm256_loadu_si256(place) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(place, _mm256_max_epu8(value, other)) };
    }
}

/// As `dense::pack`.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn pack(registers: &mut [u8; PACKED_BYTES], values: &[u8; REGISTERS]) {
    // The lower three bytes of each four, moved to the beginning of each half.
    let gather = _mm256_setr_epi8(
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
    );
    let (steps, _) = values.as_chunks::<STEP>();
    for (step, values) in steps[..STEPS].iter().enumerate() {
        // SAFETY: 32 bytes are borrowed.
        let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
        // Two registers are combined in a word of 16 bits, and two of those in a word of 32.
        let twelve_bits = _mm256_maddubs_epi16(values, _mm256_set1_epi16(0x4001));
        let words = _mm256_madd_epi16(twelve_bits, _mm256_set1_epi32(0x1000_0001));
        let packed = _mm256_shuffle_epi8(words, gather);
        let low: &mut [u8; 16] = registers[step * STEP_BYTES..]
            .first_chunk_mut()
            .expect("a step before the last");
        // SAFETY: 16 bytes are borrowed, mutably.
        unsafe { _mm_storeu_si128(low.as_mut_ptr().cast(), _mm256_castsi256_si128(packed)) };
        // The second half overwrites the four excess bytes of the first, and the next step those of
        // this step.
        let high: &mut [u8; 16] = registers[step * STEP_BYTES + STEP_BYTES / 2..]
            .first_chunk_mut()
            .expect("a step before the last");
        let packed = _mm256_extracti128_si256::<1>(packed);
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(high.as_mut_ptr().cast(), packed) };
    }
    let (last, values) = (
        &mut registers[STEPS * STEP_BYTES..],
        &values[STEPS * STEP..],
    );
    dense::pack_words(last, values);
}

/// As `dense::histogram_of`, for values below 64. Passes over all registers once for each
/// [`AT_ONCE`] values from the lowest to the highest, because they are close together.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn histogram_of(values: &[u8; REGISTERS]) -> Histogram {
    /// Values counted in a pass; their counts stay in processor registers.
    const AT_ONCE: usize = 8;
    /// Steps counted in the bytes of a vector.
    const STEPS_MAX: usize = 128;
    let (steps, _) = values.as_chunks::<STEP>();
    // SAFETY: 32 bytes are borrowed.
    let load = |step: &[u8; STEP]| unsafe { _mm256_loadu_si256(step.as_ptr().cast()) };
    let (mut low, mut high) = (_mm256_set1_epi8(-1), _mm256_setzero_si256());
    for step in steps {
        low = _mm256_min_epu8(low, load(step));
        high = _mm256_max_epu8(high, load(step));
    }
    let bytes = |vector: __m256i| {
        let mut bytes = [0u8; STEP];
        // SAFETY: 32 bytes are borrowed, mutably.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) };
        bytes
    };
    let lowest = usize::from(bytes(low).into_iter().min().unwrap_or(0));
    let highest = usize::from(bytes(high).into_iter().max().unwrap_or(0));
    let mut histogram = [0; 64];
    for first in (lowest..=highest).step_by(AT_ONCE) {
        let wanted: [__m256i; AT_ONCE] =
            std::array::from_fn(|at| _mm256_set1_epi8((first + at) as i8));
        for steps in steps.chunks(STEPS_MAX) {
            let mut counts = [_mm256_setzero_si256(); AT_ONCE];
            for step in steps {
                let values = load(step);
                for (count, wanted) in counts.iter_mut().zip(wanted) {
                    // Equal bytes are all ones, which is -1.
                    *count = _mm256_sub_epi8(*count, _mm256_cmpeq_epi8(values, wanted));
                }
            }
            for (total, count) in histogram[first..].iter_mut().zip(counts) {
                *total += bytes(count)
                    .iter()
                    .map(|&count| u32::from(count))
                    .sum::<u32>();
            }
        }
    }
    histogram
}
