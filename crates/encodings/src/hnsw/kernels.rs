//! The sums that make a distance, by the widest instructions that this processor has.
//!
//! Each kernel takes two vectors as bytes, as the store holds them (little-endian, any alignment),
//! of the same length; a longer vector is read only as far as the shorter. The form is chosen once
//! ([`Kernels::get`]): AVX-512 (with VNNI and VPOPCNTDQ), AVX2 with FMA, NEON, or plain Rust, which
//! is also the oracle of the others' tests.
//!
//! The integer sums are exact in every form, and cannot overflow: 65536 dimensions of
//! 255 * 128 are less than 2^31. Sums of floats differ in their last bits, by their order.
//!
//! The only place of this index with `unsafe`: SIMD loads, and calls of kernels that detection has
//! allowed.
#![allow(unsafe_code)]

use std::sync::OnceLock;

/// Sum of products of f32.
type DotF32 = unsafe fn(&[u8], &[u8]) -> f32;
/// Sum of the squares of differences of f32.
type SquaresF32 = unsafe fn(&[u8], &[u8]) -> f32;
/// Sum of products of i8.
type DotI8 = unsafe fn(&[u8], &[u8]) -> i32;
/// Number of bits that differ; lengths are multiples of 8 bytes.
type Hamming = unsafe fn(&[u8], &[u8]) -> u32;

/// As above, of a vector and each of several, into as many places.
type ManyKernel<T> = unsafe fn(&[u8], &[&[u8]], &mut [T]);

/// A form of each sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernels {
    /// Invariant of all: this processor has the features they need.
    dot_f32: DotF32,
    squares_f32: SquaresF32,
    dot_i8: DotI8,
    hamming: Hamming,
    dots_f32: ManyKernel<f32>,
    dots_i8: ManyKernel<i32>,
    hammings: ManyKernel<u32>,
    #[cfg(test)]
    name: &'static str,
}

const SCALAR: Kernels = Kernels {
    dot_f32: scalar::dot_f32,
    squares_f32: scalar::squares_f32,
    dot_i8: scalar::dot_i8,
    hamming: scalar::hamming,
    dots_f32: scalar::dots_f32,
    dots_i8: scalar::dots_i8,
    hammings: scalar::hammings,
    #[cfg(test)]
    name: "scalar",
};

impl Kernels {
    /// Returns the fastest form that this processor runs.
    pub(super) fn get() -> Kernels {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        *CHOSEN.get_or_init(|| Kernels::available()[0])
    }

    /// Returns every form that this processor runs, the fastest first.
    fn available() -> Vec<Kernels> {
        let mut forms = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f")
                && has!("avx512bw")
                && has!("avx512vl")
                && has!("avx512vnni")
                && has!("avx512vpopcntdq")
            {
                forms.push(avx512::KERNELS);
            }
            if has!("avx2") && has!("fma") && has!("popcnt") {
                forms.push(avx2::KERNELS);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            forms.push(neon::KERNELS);
        }
        forms.push(SCALAR);
        forms
    }

    /// Returns the sum of products of two vectors of f32.
    #[inline(always)]
    pub(super) fn dot_f32(&self, a: &[u8], b: &[u8]) -> f32 {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.dot_f32)(a, b) }
    }

    /// Returns the sum of the squares of the differences of two vectors of f32.
    #[inline(always)]
    pub(super) fn squares_f32(&self, a: &[u8], b: &[u8]) -> f32 {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.squares_f32)(a, b) }
    }

    /// Returns the sum of products of two vectors of i8.
    #[inline(always)]
    pub(super) fn dot_i8(&self, a: &[u8], b: &[u8]) -> i32 {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.dot_i8)(a, b) }
    }

    /// Returns the number of bits in which two vectors differ.
    #[inline(always)]
    pub(super) fn hamming(&self, a: &[u8], b: &[u8]) -> u32 {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.hamming)(a, b) }
    }

    /// [`Kernels::dot_f32`] of `a` and each of `others`; the rest of `sums` stays. To the last bit
    /// the same.
    #[inline(always)]
    pub(super) fn dots_f32(&self, a: &[u8], others: &[&[u8]], sums: &mut [f32]) {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.dots_f32)(a, others, sums) }
    }

    /// [`Kernels::dot_i8`] of `a` and each of `others`, which are no shorter; the rest of `sums`
    /// stays.
    #[inline(always)]
    pub(super) fn dots_i8(&self, a: &[u8], others: &[&[u8]], sums: &mut [i32]) {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.dots_i8)(a, others, sums) }
    }

    /// [`Kernels::hamming`] of `a` and each of `others`; the rest of `sums` stays.
    #[inline(always)]
    pub(super) fn hammings(&self, a: &[u8], others: &[&[u8]], sums: &mut [u32]) {
        // SAFETY: the processor has the features (the field's invariant).
        unsafe { (self.hammings)(a, others, sums) }
    }
}

/// A sum of a vector and each of several, by the form for two, which is inlined.
macro_rules! many {
    ($many:ident, $one:ident, $sum:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        pub(super) fn $many(a: &[u8], others: &[&[u8]], sums: &mut [$sum]) {
            for (sum, b) in sums.iter_mut().zip(others) {
                *sum = $one(a, b);
            }
        }
    };
}

mod scalar {
    /// Lanes summed apart, so that the compiler may use the vector registers of the target.
    const LANES: usize = 8;

    many!(dots_f32, dot_f32, f32);
    many!(dots_i8, dot_i8, i32);
    many!(hammings, hamming, u32);

    fn float(bytes: &[u8]) -> f32 {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    pub(super) fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        let mut pairs = a.chunks_exact(4).zip(b.chunks_exact(4));
        loop {
            for sum in &mut sums {
                let Some((x, y)) = pairs.next() else {
                    return sums.iter().sum();
                };
                *sum += float(x) * float(y);
            }
        }
    }

    pub(super) fn squares_f32(a: &[u8], b: &[u8]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        let mut pairs = a.chunks_exact(4).zip(b.chunks_exact(4));
        loop {
            for sum in &mut sums {
                let Some((x, y)) = pairs.next() else {
                    return sums.iter().sum();
                };
                let difference = float(x) - float(y);
                *sum += difference * difference;
            }
        }
    }

    pub(super) fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
        a.iter()
            .zip(b)
            .map(|(&x, &y)| i32::from(x.cast_signed()) * i32::from(y.cast_signed()))
            .sum()
    }

    pub(super) fn hamming(a: &[u8], b: &[u8]) -> u32 {
        a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones()).sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    pub(super) const KERNELS: super::Kernels = super::Kernels {
        dot_f32,
        squares_f32,
        dot_i8,
        hamming,
        dots_f32,
        dots_i8,
        hammings,
        #[cfg(test)]
        name: "avx512",
    };

    many!(dots_f32, dot_f32, f32, "avx512f,avx512bw,avx512vl");
    many!(
        hammings,
        hamming,
        u32,
        "avx512f,avx512bw,avx512vl,avx512vpopcntdq"
    );

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
        sum_f32::<false>(a, b)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn squares_f32(a: &[u8], b: &[u8]) -> f32 {
        sum_f32::<true>(a, b)
    }

    /// The sum of products, or `OF_SQUARES` of differences.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn sum_f32<const OF_SQUARES: bool>(a: &[u8], b: &[u8]) -> f32 {
        let floats = a.len().min(b.len()) / 4;
        let (a, b) = (a.as_ptr().cast::<f32>(), b.as_ptr().cast::<f32>());
        let (mut even, mut odd) = (_mm512_setzero_ps(), _mm512_setzero_ps());
        let mut at = 0;
        while at + 32 <= floats {
            // SAFETY: 32 floats from `at` are within both slices; unaligned loads.
            let [x, y, u, v] = unsafe {
                [
                    _mm512_loadu_ps(a.add(at)),
                    _mm512_loadu_ps(b.add(at)),
                    _mm512_loadu_ps(a.add(at + 16)),
                    _mm512_loadu_ps(b.add(at + 16)),
                ]
            };
            even = added::<OF_SQUARES>(even, x, y);
            odd = added::<OF_SQUARES>(odd, u, v);
            at += 32;
        }
        while at < floats {
            let mask = lanes(floats - at);
            // SAFETY: the mask keeps the load to the floats left in both slices.
            let [x, y] = unsafe {
                [
                    _mm512_maskz_loadu_ps(mask, a.add(at)),
                    _mm512_maskz_loadu_ps(mask, b.add(at)),
                ]
            };
            even = added::<OF_SQUARES>(even, x, y);
            at += 16;
        }
        _mm512_reduce_add_ps(_mm512_add_ps(even, odd))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn added<const OF_SQUARES: bool>(sum: __m512, x: __m512, y: __m512) -> __m512 {
        if OF_SQUARES {
            let difference = _mm512_sub_ps(x, y);
            _mm512_fmadd_ps(difference, difference, sum)
        } else {
            _mm512_fmadd_ps(x, y, sum)
        }
    }

    /// Returns a mask of the first `left` of 16 lanes.
    fn lanes(left: usize) -> u16 {
        if left >= 16 { !0 } else { (1 << left) - 1 }
    }

    /// VNNI multiplies unsigned by signed bytes: `x + 128` takes the place of `x` (its sign bit
    /// flipped), and 128 times the sum of `y` is taken off again.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
        let bytes = a.len().min(b.len());
        let (a, b) = (a.as_ptr().cast::<i8>(), b.as_ptr().cast::<i8>());
        let flip = _mm512_set1_epi8(i8::MIN);
        let (mut sum, mut surplus) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let mut at = 0;
        while at + 64 <= bytes {
            // SAFETY: 64 bytes from `at` are within both slices; unaligned loads.
            let [x, y] = unsafe { [_mm512_loadu_epi8(a.add(at)), _mm512_loadu_epi8(b.add(at))] };
            sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, flip), y);
            surplus = _mm512_dpbusd_epi32(surplus, flip, y);
            at += 64;
        }
        if at < bytes {
            let mask = !0_u64 >> (64 - (bytes - at));
            // SAFETY: the mask keeps the load to the bytes left in both slices.
            let [x, y] = unsafe {
                [
                    _mm512_maskz_loadu_epi8(mask, a.add(at)),
                    _mm512_maskz_loadu_epi8(mask, b.add(at)),
                ]
            };
            sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, flip), y);
            surplus = _mm512_dpbusd_epi32(surplus, flip, y);
        }
        _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, surplus))
    }

    /// Four vectors at a time: their sums do not wait for each other, and the same correction is
    /// subtracted from all, 128 times the sum of `a`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn dots_i8(a: &[u8], others: &[&[u8]], sums: &mut [i32]) {
        const LANES: usize = 4;
        let bytes = a.len();
        let surplus = sum_i8(a) * 128;
        let flip = _mm512_set1_epi8(i8::MIN);
        let (fours, rest) = others.as_chunks::<LANES>();
        let (four_sums, rest_sums) = sums[..others.len()].as_chunks_mut::<LANES>();
        for (four, out) in fours.iter().zip(four_sums) {
            assert!(four.iter().all(|b| b.len() >= bytes));
            let mut sum = [_mm512_setzero_si512(); LANES];
            for at in (0..bytes).step_by(64) {
                let mask = !0_u64 >> (64 - (bytes - at).min(64));
                // SAFETY: the mask keeps the load to the bytes of `a` from `at` on.
                let y = unsafe { _mm512_maskz_loadu_epi8(mask, a.as_ptr().add(at).cast()) };
                for (sum, b) in sum.iter_mut().zip(four) {
                    // SAFETY: `b` is no shorter than `a`, so that the mask serves for both.
                    let x = unsafe { _mm512_maskz_loadu_epi8(mask, b.as_ptr().add(at).cast()) };
                    *sum = _mm512_dpbusd_epi32(*sum, _mm512_xor_si512(x, flip), y);
                }
            }
            for (out, sum) in out.iter_mut().zip(sum) {
                *out = _mm512_reduce_add_epi32(sum) - surplus;
            }
        }
        for (out, b) in rest_sums.iter_mut().zip(rest) {
            *out = dot_i8(a, b);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn sum_i8(a: &[u8]) -> i32 {
        let ones = _mm512_set1_epi8(1);
        let mut sum = _mm512_setzero_si512();
        for at in (0..a.len()).step_by(64) {
            let mask = !0_u64 >> (64 - (a.len() - at).min(64));
            // SAFETY: the mask keeps the load to the bytes left.
            let x = unsafe { _mm512_maskz_loadu_epi8(mask, a.as_ptr().add(at).cast()) };
            sum = _mm512_dpbusd_epi32(sum, ones, x);
        }
        _mm512_reduce_add_epi32(sum)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
    fn hamming(a: &[u8], b: &[u8]) -> u32 {
        let words = a.len().min(b.len()) / 8;
        let (a, b) = (a.as_ptr().cast::<i64>(), b.as_ptr().cast::<i64>());
        let mut sum = _mm512_setzero_si512();
        let mut at = 0;
        while at < words {
            let left = words - at;
            let mask = if left >= 8 { !0 } else { (1_u8 << left) - 1 };
            // SAFETY: the mask keeps the load to the words left in both slices.
            let [x, y] = unsafe {
                [
                    _mm512_maskz_loadu_epi64(mask, a.add(at)),
                    _mm512_maskz_loadu_epi64(mask, b.add(at)),
                ]
            };
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            at += 8;
        }
        _mm512_reduce_add_epi64(sum) as u32
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    pub(super) const KERNELS: super::Kernels = super::Kernels {
        dot_f32,
        squares_f32,
        dot_i8,
        hamming,
        dots_f32,
        dots_i8,
        hammings,
        #[cfg(test)]
        name: "avx2",
    };

    many!(dots_f32, dot_f32, f32, "avx2,fma");
    many!(dots_i8, dot_i8, i32, "avx2");
    many!(hammings, hamming, u32, "popcnt");

    #[target_feature(enable = "avx2,fma")]
    fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
        let (sum, whole) = sum_f32::<false>(a, b);
        sum + super::scalar::dot_f32(&a[whole..], &b[whole..])
    }

    #[target_feature(enable = "avx2,fma")]
    fn squares_f32(a: &[u8], b: &[u8]) -> f32 {
        let (sum, whole) = sum_f32::<true>(a, b);
        sum + super::scalar::squares_f32(&a[whole..], &b[whole..])
    }

    /// The sum of products, or `OF_SQUARES` of differences, of as many bytes as fill registers;
    /// their number, which neither slice is shorter than.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum_f32<const OF_SQUARES: bool>(a: &[u8], b: &[u8]) -> (f32, usize) {
        let whole = a.len().min(b.len()) / 32 * 32;
        let pairs = whole / 64 * 64;
        let (mut even, mut odd) = (_mm256_setzero_ps(), _mm256_setzero_ps());
        for at in (0..pairs).step_by(64) {
            // SAFETY: 64 bytes from `at` are within both slices; unaligned loads.
            let [x, y, u, v] = unsafe {
                [
                    _mm256_loadu_ps(a.as_ptr().add(at).cast()),
                    _mm256_loadu_ps(b.as_ptr().add(at).cast()),
                    _mm256_loadu_ps(a.as_ptr().add(at + 32).cast()),
                    _mm256_loadu_ps(b.as_ptr().add(at + 32).cast()),
                ]
            };
            even = added::<OF_SQUARES>(even, x, y);
            odd = added::<OF_SQUARES>(odd, u, v);
        }
        if pairs < whole {
            // SAFETY: 32 bytes from `pairs` are within both slices; unaligned loads.
            let [x, y] = unsafe {
                [
                    _mm256_loadu_ps(a.as_ptr().add(pairs).cast()),
                    _mm256_loadu_ps(b.as_ptr().add(pairs).cast()),
                ]
            };
            even = added::<OF_SQUARES>(even, x, y);
        }
        let sum = _mm256_add_ps(even, odd);
        let half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
        let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
        let one = _mm_add_ss(quarter, _mm_movehdup_ps(quarter));
        (_mm_cvtss_f32(one), whole)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn added<const OF_SQUARES: bool>(sum: __m256, x: __m256, y: __m256) -> __m256 {
        if OF_SQUARES {
            let difference = _mm256_sub_ps(x, y);
            _mm256_fmadd_ps(difference, difference, sum)
        } else {
            _mm256_fmadd_ps(x, y, sum)
        }
    }

    #[target_feature(enable = "avx2")]
    fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
        let length = a.len().min(b.len());
        let (a, b) = (&a[..length], &b[..length]);
        let whole = length / 16 * 16;
        let mut sum = _mm256_setzero_si256();
        for at in (0..whole).step_by(16) {
            // SAFETY: 16 bytes from `at` are within both slices; unaligned loads.
            let [x, y] = unsafe {
                [
                    _mm_loadu_si128(a.as_ptr().add(at).cast()),
                    _mm_loadu_si128(b.as_ptr().add(at).cast()),
                ]
            };
            // Two products of i8 fit i32 with room to spare.
            let pairs = _mm256_madd_epi16(_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y));
            sum = _mm256_add_epi32(sum, pairs);
        }
        let half = _mm_add_epi32(
            _mm256_castsi256_si128(sum),
            _mm256_extracti128_si256::<1>(sum),
        );
        let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let one = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        _mm_cvtsi128_si32(one) + super::scalar::dot_i8(&a[whole..], &b[whole..])
    }

    #[target_feature(enable = "popcnt")]
    fn hamming(a: &[u8], b: &[u8]) -> u32 {
        let (a, _) = a.as_chunks::<8>();
        let (b, _) = b.as_chunks::<8>();
        a.iter()
            .zip(b)
            .map(|(x, y)| (u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y)).count_ones())
            .sum()
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    pub(super) const KERNELS: super::Kernels = super::Kernels {
        dot_f32,
        squares_f32,
        dot_i8,
        hamming,
        dots_f32,
        dots_i8,
        hammings,
        #[cfg(test)]
        name: "neon",
    };

    many!(dots_f32, dot_f32, f32, "neon");
    many!(dots_i8, dot_i8, i32, "neon");
    many!(hammings, hamming, u32, "neon");

    #[target_feature(enable = "neon")]
    fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
        let (sum, whole) = sum_f32::<false>(a, b);
        sum + super::scalar::dot_f32(&a[whole..], &b[whole..])
    }

    #[target_feature(enable = "neon")]
    fn squares_f32(a: &[u8], b: &[u8]) -> f32 {
        let (sum, whole) = sum_f32::<true>(a, b);
        sum + super::scalar::squares_f32(&a[whole..], &b[whole..])
    }

    /// The sum of products, or `OF_SQUARES` of differences, of as many bytes as fill registers;
    /// their number, which neither slice is shorter than.
    #[inline]
    #[target_feature(enable = "neon")]
    fn sum_f32<const OF_SQUARES: bool>(a: &[u8], b: &[u8]) -> (f32, usize) {
        let whole = a.len().min(b.len()) / 32 * 32;
        let (mut even, mut odd) = (vdupq_n_f32(0.0), vdupq_n_f32(0.0));
        for at in (0..whole).step_by(32) {
            // SAFETY: 32 bytes from `at` are within both slices; loads of bytes need no alignment.
            let [x, y, u, v] = unsafe {
                [
                    vld1q_u8(a.as_ptr().add(at)),
                    vld1q_u8(b.as_ptr().add(at)),
                    vld1q_u8(a.as_ptr().add(at + 16)),
                    vld1q_u8(b.as_ptr().add(at + 16)),
                ]
            };
            even = added::<OF_SQUARES>(even, x, y);
            odd = added::<OF_SQUARES>(odd, u, v);
        }
        (vaddvq_f32(vaddq_f32(even, odd)), whole)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn added<const OF_SQUARES: bool>(
        sum: float32x4_t,
        x: uint8x16_t,
        y: uint8x16_t,
    ) -> float32x4_t {
        let (x, y) = (vreinterpretq_f32_u8(x), vreinterpretq_f32_u8(y));
        if OF_SQUARES {
            let difference = vsubq_f32(x, y);
            vfmaq_f32(sum, difference, difference)
        } else {
            vfmaq_f32(sum, x, y)
        }
    }

    #[target_feature(enable = "neon")]
    fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
        let length = a.len().min(b.len());
        let (a, b) = (&a[..length], &b[..length]);
        let whole = length / 16 * 16;
        let mut sum = vdupq_n_s32(0);
        for at in (0..whole).step_by(16) {
            // SAFETY: 16 bytes from `at` are within both slices; loads of bytes need no alignment.
            let [x, y] = unsafe {
                [
                    vld1q_s8(a.as_ptr().add(at).cast()),
                    vld1q_s8(b.as_ptr().add(at).cast()),
                ]
            };
            // A product of two i8 fits i16, and is widened before it is added to another.
            sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
            sum = vpadalq_s16(sum, vmull_high_s8(x, y));
        }
        vaddvq_s32(sum) + super::scalar::dot_i8(&a[whole..], &b[whole..])
    }

    #[target_feature(enable = "neon")]
    fn hamming(a: &[u8], b: &[u8]) -> u32 {
        let length = a.len().min(b.len());
        let (a, b) = (&a[..length], &b[..length]);
        let whole = length / 16 * 16;
        let mut sum = vdupq_n_u32(0);
        for at in (0..whole).step_by(16) {
            // SAFETY: 16 bytes from `at` are within both slices; loads of bytes need no alignment.
            let [x, y] = unsafe { [vld1q_u8(a.as_ptr().add(at)), vld1q_u8(b.as_ptr().add(at))] };
            let ones = vcntq_u8(veorq_u8(x, y));
            sum = vpadalq_u16(sum, vpaddlq_u8(ones));
        }
        vaddvq_u32(sum) + super::scalar::hamming(&a[whole..], &b[whole..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    const LENGTH_MAX: usize = 1100;

    #[test]
    fn every_form_gives_what_the_scalar_form_gives() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut a = vec![0; LENGTH_MAX * 8 + 8];
        let mut b = a.clone();
        for form in Kernels::available() {
            let name = form.name;
            for length in 0..=LENGTH_MAX {
                // Starts at odd addresses too: the store promises no alignment.
                let start = length % 8;
                rng.fill_bytes(&mut a[start..start + length]);
                rng.fill_bytes(&mut b[start..start + length]);
                let (x, y) = (&a[start..start + length], &b[start..start + length]);
                assert_eq!(
                    form.dot_i8(x, y),
                    scalar::dot_i8(x, y),
                    "{name} i8 {length}"
                );
                let (x, y) = (&x[..length / 8 * 8], &y[..length / 8 * 8]);
                assert_eq!(
                    form.hamming(x, y),
                    scalar::hamming(x, y),
                    "{name} bits {length}"
                );
            }
        }
    }

    #[test]
    fn many_sums_at_once_are_those_of_each() {
        let mut rng = SmallRng::seed_from_u64(3);
        for form in Kernels::available() {
            for (length, count) in [(0, 3), (8, 4), (64, 5), (72, 9), (128, 32), (776, 7)] {
                let vectors: Vec<Vec<u8>> = (0..=count)
                    .map(|_| {
                        // A record may be longer than the compared part.
                        let mut vector = vec![0x80; length + 4];
                        rng.fill_bytes(&mut vector[..length / 2]);
                        vector
                    })
                    .collect();
                let others: Vec<&[u8]> = vectors[1..].iter().map(Vec::as_slice).collect();
                let a = &vectors[0][..length];
                let mut sums = vec![7; count + 1];
                form.dots_i8(a, &others, &mut sums);
                let one_by_one = others.iter().map(|b| form.dot_i8(a, &b[..length]));
                assert!(one_by_one.chain([7]).eq(sums), "{} {length}", form.name);
                let mut sums = vec![7; count + 1];
                form.hammings(a, &others, &mut sums);
                let one_by_one = others.iter().map(|b| form.hamming(a, b));
                assert!(one_by_one.chain([7]).eq(sums), "{} {length}", form.name);
                let mut sums = vec![7.0; count + 1];
                form.dots_f32(a, &others, &mut sums);
                let bits = |x: f32| x.to_bits();
                let one_by_one = others.iter().map(|b| form.dot_f32(a, b));
                let same = one_by_one
                    .chain([7.0])
                    .map(bits)
                    .eq(sums.into_iter().map(bits));
                assert!(same, "{} {length}", form.name);
            }
        }
    }

    #[test]
    fn extreme_bytes_do_not_overflow() {
        for (x, y) in [(0x80, 0x80), (0x7F, 0x80), (0x80, 0x7F), (0x81, 0x7F)] {
            let (a, b) = (vec![x; 65536], vec![y; 65536]);
            let expected = 65536 * i32::from(x as i8) * i32::from(y as i8);
            for form in Kernels::available() {
                assert_eq!(form.dot_i8(&a, &b), expected, "{} {x:x} {y:x}", form.name);
                let mut sums = [0; 4];
                form.dots_i8(&a, &[&b[..]; 4], &mut sums);
                assert_eq!(sums, [expected; 4], "{} {x:x} {y:x}", form.name);
            }
        }
    }

    #[test]
    fn sums_of_floats_agree_but_for_rounding() {
        let mut rng = SmallRng::seed_from_u64(2);
        let floats = |rng: &mut SmallRng, n| -> Vec<f32> {
            (0..n)
                .map(|_| rng.next_u32() as f32 / (1u64 << 31) as f32 - 1.0)
                .collect()
        };
        for form in Kernels::available() {
            for n in 0..=LENGTH_MAX {
                let (x, y) = (floats(&mut rng, n), floats(&mut rng, n));
                let exact: f64 = x
                    .iter()
                    .zip(&y)
                    .map(|(&x, &y)| f64::from(x) * f64::from(y))
                    .sum();
                let bytes = |v: &[f32]| -> Vec<u8> {
                    std::iter::once(0)
                        .chain(v.iter().flat_map(|x| x.to_le_bytes()))
                        .collect()
                };
                let got = form.dot_f32(&bytes(&x)[1..], &bytes(&y)[1..]);
                let error = (f64::from(got) - exact).abs();
                assert!(error < 1e-4, "{} f32 {n}: {got} {exact}", form.name);
                let pairs = x.iter().zip(&y);
                let exact: f64 = pairs.map(|(&x, &y)| f64::from(x - y).powi(2)).sum();
                let got = form.squares_f32(&bytes(&x)[1..], &bytes(&y)[1..]);
                let error = (f64::from(got) - exact).abs();
                assert!(
                    error < 1e-6 * exact.max(1.0),
                    "{} {n}: {got} {exact}",
                    form.name
                );
            }
        }
    }

    #[test]
    fn the_longer_vector_is_read_as_far_as_the_shorter() {
        let (long, short) = (vec![1; 256], vec![1; 40]);
        for form in Kernels::available() {
            assert_eq!(form.dot_i8(&long, &short), 40, "{}", form.name);
            assert_eq!(form.hamming(&short, &long), 0, "{}", form.name);
            assert_eq!(form.dot_f32(&long, &short), form.dot_f32(&short, &short));
            assert_eq!(form.squares_f32(&long, &short), 0.0);
        }
    }
}
