//! A vector as an index stores and compares it: normalized, then quantized.
//!
//!     F32      dim floats, little endian
//!     Q8       dim signed bytes | range: f32, the number for which 127 stands
//!     Binary   a bit for each number: set if it is above 0
//!
//! The norm is summed in Redis's order, so that stored numbers agree to the last bit. The norm is
//! not in the record: it is needed only to restore the vector. Distances are those of directions, 0
//! to 2; `kernels` computes the sums for the processor at hand. Cost: O(dim) each.

use super::kernels::Kernels;
use super::parameters::{Parameters, Quantization};

/// A vector prepared for an index of some [`Parameters`], to be searched for or inserted.
///
/// `record` has the store's form: the vector's bytes, then for Q8 its range.
#[derive(Clone, Debug)]
pub struct Query {
    parameters: Parameters,
    record: Box<[u8]>,
    l2: f32,
}

impl Query {
    /// Prepares `vector`: `parameters.dim` finite numbers.
    ///
    /// A vector of zeros keeps an l2 norm of 1, as in Redis; such a vector is at distance 1 from
    /// everything (in binary form, at the distance of its bits, all clear).
    pub fn new(parameters: &Parameters, vector: &[f32]) -> Query {
        assert_eq!(
            vector.len(),
            parameters.dim as usize,
            "a vector of another dimension"
        );
        let mut unit = vector.to_vec();
        let l2 = normalize(&mut unit);
        let mut record = vec![0; parameters.record_bytes()].into_boxed_slice();
        match parameters.quantization {
            Quantization::F32 => {
                for (bytes, x) in record.chunks_exact_mut(4).zip(&unit) {
                    bytes.copy_from_slice(&x.to_le_bytes());
                }
            }
            Quantization::Q8 => {
                let (vector, tail) = record.split_at_mut(unit.len());
                let range = quantize(&unit, vector);
                tail[..4].copy_from_slice(&range.to_le_bytes());
            }
            Quantization::Binary => {
                for (at, &x) in unit.iter().enumerate() {
                    record[at / 8] |= u8::from(x > 0.0) << (at % 8);
                }
            }
        }
        Query {
            parameters: *parameters,
            record,
            l2,
        }
    }

    /// Takes a vector in its stored form: [`Parameters::vector_bytes`] bytes with the l2 norm and,
    /// for Q8, the range (else not kept).
    pub(crate) fn from_stored(
        parameters: &Parameters,
        vector: &[u8],
        l2: f32,
        range: f32,
    ) -> Query {
        assert_eq!(
            vector.len(),
            parameters.vector_bytes(),
            "a vector of another size"
        );
        let mut record = vec![0; parameters.record_bytes()].into_boxed_slice();
        fill_record(parameters, &mut record, vector, range);
        Query {
            parameters: *parameters,
            record,
            l2,
        }
    }

    /// Returns the stored form of the vector.
    pub fn vector(&self) -> StoredVector<'_> {
        StoredVector::new(&self.parameters, &self.record, self.l2)
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }
}

/// Writes a vector and its range as the store keeps them.
pub(super) fn fill_record(parameters: &Parameters, record: &mut [u8], vector: &[u8], range: f32) {
    record[..vector.len()].copy_from_slice(vector);
    if parameters.quantization == Quantization::Q8 {
        record[vector.len()..vector.len() + 4].copy_from_slice(&range.to_le_bytes());
    }
}

/// A vector as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredVector<'a> {
    /// F32: little-endian floats; Q8: signed bytes; Binary: bits, the lowest first, to a
    /// multiple of 64.
    pub bytes: &'a [u8],
    /// The norm before the vector was normalized; 1 if it was zero.
    pub l2: f32,
    /// Q8: the number that 127 stands for. Else 0.
    pub range: f32,
}

impl<'a> StoredVector<'a> {
    pub(super) fn new(parameters: &Parameters, record: &'a [u8], l2: f32) -> StoredVector<'a> {
        StoredVector {
            bytes: &record[..parameters.vector_bytes()],
            l2,
            range: match parameters.quantization {
                Quantization::Q8 => range_of(record, parameters.vector_bytes()),
                Quantization::F32 | Quantization::Binary => 0.0,
            },
        }
    }

    /// Returns the vector as it was given, as near as the quantization allows: dequantized, and
    /// multiplied by the norm. Binary: 1 and -1.
    pub fn restore(&self, parameters: &Parameters) -> Vec<f32> {
        match parameters.quantization {
            Quantization::F32 => {
                let (floats, _) = self.bytes.as_chunks::<4>();
                floats
                    .iter()
                    .map(|&x| f32::from_le_bytes(x) * self.l2)
                    .collect()
            }
            Quantization::Q8 => {
                let number = |&x: &u8| f32::from(x.cast_signed()) * self.range / 127.0 * self.l2;
                self.bytes.iter().map(number).collect()
            }
            Quantization::Binary => (0..parameters.dim as usize)
                .map(|at| {
                    if self.bytes[at / 8] >> (at % 8) & 1 == 1 {
                        1.0
                    } else {
                        -1.0
                    }
                })
                .collect(),
        }
    }
}

/// Divides `vector` by its norm and returns the norm; if the norm is 0, returns 1 and changes
/// nothing.
///
/// Sums in groups of four as Redis does, that stored numbers agree to the last bit.
fn normalize(vector: &mut [f32]) -> f32 {
    let (fours, rest) = vector.as_chunks::<4>();
    let mut squares = 0.0_f32;
    for [a, b, c, d] in fours {
        squares += a * a + b * b + c * c + d * d;
    }
    for x in rest {
        squares += x * x;
    }
    if squares == 0.0 {
        return 1.0;
    }
    let l2 = squares.sqrt();
    for x in vector {
        *x /= l2;
    }
    l2
}

/// Writes `unit` as signed bytes, of which 127 stands for the greatest absolute value, and returns
/// the greatest absolute value.
pub fn quantize(unit: &[f32], bytes: &mut [u8]) -> f32 {
    let range = unit.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if range == 0.0 {
        bytes.fill(0);
        return 0.0;
    }
    let scale = 127.0 / range;
    for (byte, x) in bytes.iter_mut().zip(unit) {
        *byte = ((x * scale).round() as i8).cast_unsigned();
    }
    range
}

/// Returns the range that stands after a Q8 vector of `dim` bytes.
#[inline(always)]
fn range_of(record: &[u8], dim: usize) -> f32 {
    match record[dim..].first_chunk::<4>() {
        Some(&bytes) => f32::from_le_bytes(bytes),
        None => 0.0,
    }
}

/// The distance for a sum of products of two unit vectors.
#[inline(always)]
fn of_dot(sum: f32) -> f32 {
    not_nan(1.0 - sum)
}

/// The distance for a sum of products of two Q8 vectors, with their ranges.
#[inline(always)]
fn of_q8(sum: i32, (range_a, range_b): (f32, f32)) -> f32 {
    if range_a == 0.0 || range_b == 0.0 {
        return 1.0;
    }
    let scale = (range_a / 127.0) * (range_b / 127.0);
    not_nan((1.0 - sum as f32 * scale).clamp(0.0, 2.0))
}

#[inline(always)]
fn not_nan(distance: f32) -> f32 {
    if distance.is_nan() { 2.0 } else { distance }
}

/// Records that are compared with a single query at once, at most.
pub const BATCH: usize = 16;

/// How two records are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    quantization: Quantization,
    dim: usize,
    kernels: Kernels,
}

impl Metric {
    pub(super) fn new(parameters: &Parameters) -> Metric {
        Metric {
            quantization: parameters.quantization,
            dim: parameters.dim as usize,
            kernels: Kernels::get(),
        }
    }

    /// Returns 1 - cosine: 0 (same direction) to 2 (opposite), never NaN.
    ///
    /// F32 may leave that range by rounding errors, as Redis's does; numbers that only a
    /// damaged file can have count as opposite.
    #[inline]
    pub(super) fn distance(&self, a: &[u8], b: &[u8]) -> f32 {
        match self.quantization {
            Quantization::F32 => of_dot(self.kernels.dot_f32(a, b)),
            Quantization::Q8 => {
                let ranges = (range_of(a, self.dim), range_of(b, self.dim));
                of_q8(self.kernels.dot_i8(&a[..self.dim], &b[..self.dim]), ranges)
            }
            Quantization::Binary => self.of_bits(self.kernels.hamming(a, b)),
        }
    }

    /// Writes the distance of `a` from each of `others`, at most [`BATCH`], and returns them: the
    /// same as [`Metric::distance`], for less.
    #[inline]
    pub(super) fn distances<'d>(
        &self,
        a: &[u8],
        others: &[&[u8]],
        distances: &'d mut [f32; BATCH],
    ) -> &'d [f32] {
        let distances = &mut distances[..others.len()];
        match self.quantization {
            Quantization::F32 => {
                self.kernels.dots_f32(a, others, distances);
                for distance in distances.iter_mut() {
                    *distance = of_dot(*distance);
                }
            }
            Quantization::Q8 => {
                let mut sums = [0; BATCH];
                self.kernels.dots_i8(&a[..self.dim], others, &mut sums);
                let range = range_of(a, self.dim);
                for ((distance, b), sum) in distances.iter_mut().zip(others).zip(sums) {
                    *distance = of_q8(sum, (range, range_of(b, self.dim)));
                }
            }
            Quantization::Binary => {
                let mut sums = [0; BATCH];
                self.kernels.hammings(a, others, &mut sums);
                for (distance, sum) in distances.iter_mut().zip(sums) {
                    *distance = self.of_bits(sum);
                }
            }
        }
        distances
    }

    #[inline(always)]
    fn of_bits(&self, different: u32) -> f32 {
        different as f32 * 2.0 / self.dim as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(dim: u32, quantization: Quantization) -> Parameters {
        Parameters {
            dim,
            quantization,
            m: 16,
        }
    }

    #[test]
    fn a_vector_is_normalized_and_its_norm_kept() {
        let p = parameters(3, Quantization::F32);
        let query = Query::new(&p, &[3.0, 0.0, 4.0]);
        assert_eq!(query.l2, 5.0);
        assert_eq!(query.vector().restore(&p), [3.0, 0.0, 4.0]);
    }

    #[test]
    fn q8_maps_the_greatest_number_to_127() {
        let p = parameters(3, Quantization::Q8);
        let query = Query::new(&p, &[3.0, 0.0, -4.0]);
        let stored = query.vector();
        assert_eq!(stored.bytes, [95, 0, 0x81]);
        assert_eq!(stored.range, 0.8);
        assert_eq!(query.vector().restore(&p)[2], -4.0);
    }

    #[test]
    fn binary_keeps_signs_and_pads_to_64_bits() {
        let p = parameters(70, Quantization::Binary);
        let mut vector = vec![-1.0; 70];
        vector[0] = 1.0;
        vector[65] = 0.5;
        vector[66] = 0.0;
        let query = Query::new(&p, &vector);
        let expected = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(query.vector().bytes, expected);
        assert_eq!(query.vector().restore(&p)[65..67], [1.0, -1.0]);
    }

    #[test]
    fn a_zero_vector_is_at_distance_1_from_everything() {
        for quantization in [Quantization::F32, Quantization::Q8] {
            let p = parameters(5, quantization);
            let zero = Query::new(&p, &[0.0; 5]);
            let one = Query::new(&p, &[1.0; 5]);
            assert_eq!(zero.l2, 1.0);
            let metric = Metric::new(&p);
            for other in [&zero, &one] {
                assert_eq!(metric.distance(zero.record(), other.record()), 1.0);
            }
        }
    }

    #[test]
    fn distances_run_from_0_to_2() {
        for quantization in [Quantization::F32, Quantization::Q8, Quantization::Binary] {
            let p = parameters(100, quantization);
            let vector: Vec<f32> = (0..100).map(|x| x as f32 - 49.5).collect();
            let opposite: Vec<f32> = vector.iter().map(|x| -x).collect();
            let (a, b) = (Query::new(&p, &vector), Query::new(&p, &opposite));
            let metric = Metric::new(&p);
            assert!(metric.distance(a.record(), a.record()) < 0.001);
            assert!((metric.distance(a.record(), b.record()) - 2.0).abs() < 0.001);
        }
    }

    #[test]
    fn numbers_of_a_damaged_file_give_no_nan() {
        let p = parameters(2, Quantization::F32);
        let nan: Vec<u8> = [f32::NAN, 1.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let damaged = Query::from_stored(&p, &nan, 1.0, 0.0);
        assert_eq!(
            Metric::new(&p).distance(damaged.record(), damaged.record()),
            2.0
        );
        let p = parameters(2, Quantization::Q8);
        let damaged = Query::from_stored(&p, &[0, 0], 1.0, f32::INFINITY);
        assert_eq!(
            Metric::new(&p).distance(damaged.record(), damaged.record()),
            2.0
        );
    }
}
