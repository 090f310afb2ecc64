//! Rows as numbers: six types of elements, three metrics.
//!
//! Distances of FLOAT64 are computed in doubles, of all other types in floats, as RediSearch does;
//! sums run in eight lanes, sums of integers are exact before they are floats.

use crate::schema::{Element, Metric};

/// Lanes of a sum.
const LANES: usize = 8;

/// The number of a BFLOAT16.
fn brain(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

/// The number of a FLOAT16.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 31);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        0 => {
            let value = fraction as f32 / f32::from(1u16 << 12) / f32::from(1u16 << 12);
            if sign == 0 { value } else { -value }
        }
        31 => f32::from_bits(sign | 0xff << 23 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The nearest half; ties go to the even half.
fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Below the least normal number: steps of 2^-24.
        let steps = f32::from_bits(magnitude) * 16_777_216.0;
        return sign | steps.round_ties_even() as u16;
    }
    let rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    sign | ((rounded >> 13) - (112 << 10)) as u16
}

fn to_brain(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Appends an element.
pub(super) fn write(element: Element, number: f64, out: &mut Vec<u8>) {
    match element {
        Element::Float32 => out.extend_from_slice(&(number as f32).to_le_bytes()),
        Element::Float64 => out.extend_from_slice(&number.to_le_bytes()),
        Element::BFloat16 => out.extend_from_slice(&to_brain(number as f32).to_le_bytes()),
        Element::Float16 => out.extend_from_slice(&to_half(number as f32).to_le_bytes()),
        Element::Int8 => out.push(number as i8 as u8),
        Element::Uint8 => out.push(number as u8),
    }
}

fn floats(element: Element, row: &[u8], out: &mut Vec<f32>) {
    out.clear();
    match element {
        Element::Float32 => {
            let (words, _) = row.as_chunks();
            out.extend(words.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
        Element::BFloat16 => {
            let (words, _) = row.as_chunks();
            out.extend(words.iter().map(|bytes| brain(*bytes)));
        }
        _ => {
            let (words, _) = row.as_chunks();
            out.extend(words.iter().map(|bytes| half(u16::from_le_bytes(*bytes))));
        }
    }
}

fn doubles(row: &[u8]) -> impl Iterator<Item = f64> {
    let (words, _) = row.as_chunks();
    words.iter().map(|bytes| f64::from_le_bytes(*bytes))
}

/// Elements of a floating type as floats; returns the sum of their squares before.
pub(super) fn as_floats(element: Element, row: &[u8], out: &mut Vec<f32>) -> f64 {
    if element == Element::Float64 {
        out.clear();
        out.extend(doubles(row).map(|x| x as f32));
        return doubles(row).map(|x| x * x).sum();
    }
    floats(element, row, out);
    out.iter().map(|x| f64::from(*x) * f64::from(*x)).sum()
}

fn integers(element: Element, row: &[u8]) -> impl Iterator<Item = i32> {
    row.iter().map(move |byte| match element {
        Element::Int8 => i32::from(*byte as i8),
        _ => i32::from(*byte),
    })
}

/// Scales a row of floating elements to length 1; zeros become NaN: such a row is near to nothing
/// (`rows`).
pub(super) fn normalise(element: Element, row: &mut [u8]) {
    let mut out = Vec::with_capacity(row.len());
    match element {
        Element::Int8 | Element::Uint8 => return,
        Element::Float64 => {
            let norm = doubles(row).map(|x| x * x).sum::<f64>().sqrt();
            doubles(row).for_each(|x| write(element, x / norm, &mut out));
        }
        _ => {
            let mut all = Vec::new();
            floats(element, row, &mut all);
            let norm = all.iter().map(|x| x * x).sum::<f32>().sqrt();
            all.iter()
                .for_each(|x| write(element, f64::from(x / norm), &mut out));
        }
    }
    row.copy_from_slice(&out);
}

/// The sum of `of` over the pairs of two rows, in lanes.
#[inline]
fn sum<const N: usize>(
    a: &[u8],
    b: &[u8],
    read: impl Fn([u8; N]) -> f32,
    of: impl Fn(f32, f32) -> f32,
) -> f32 {
    let (a, _) = a.as_chunks::<N>();
    let (b, _) = b.as_chunks::<N>();
    let (chunks_a, rest_a) = a.as_chunks::<LANES>();
    let (chunks_b, rest_b) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for lane in 0..LANES {
            lanes[lane] += of(read(a[lane]), read(b[lane]));
        }
    }
    let rest: f32 = rest_a
        .iter()
        .zip(rest_b)
        .map(|(a, b)| of(read(*a), read(*b)))
        .sum();
    lanes.iter().sum::<f32>() + rest
}

#[inline]
fn of_floats<const N: usize>(
    metric: Metric,
    a: &[u8],
    b: &[u8],
    read: impl Fn([u8; N]) -> f32,
) -> f64 {
    f64::from(match metric {
        Metric::L2 => sum(a, b, read, |a, b| (a - b) * (a - b)),
        _ => 1.0 - sum(a, b, read, |a, b| a * b),
    })
}

/// The distance of two rows. O(dimensions).
#[inline]
pub(super) fn distance(element: Element, metric: Metric, a: &[u8], b: &[u8]) -> f64 {
    match element {
        Element::Float32 => of_floats(metric, a, b, f32::from_le_bytes),
        Element::BFloat16 => of_floats(metric, a, b, brain),
        Element::Float16 => of_floats(metric, a, b, |bytes| half(u16::from_le_bytes(bytes))),
        Element::Float64 => of_doubles(metric, a, b),
        Element::Int8 | Element::Uint8 => of_integers(element, metric, a, b),
    }
}

fn of_doubles(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
    let pairs = doubles(a).zip(doubles(b));
    match metric {
        Metric::L2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
        _ => 1.0 - pairs.map(|(a, b)| a * b).sum::<f64>(),
    }
}

fn of_integers(element: Element, metric: Metric, a: &[u8], b: &[u8]) -> f64 {
    let pairs = integers(element, a).zip(integers(element, b));
    if metric == Metric::L2 {
        let sum: i64 = pairs.map(|(a, b)| i64::from((a - b) * (a - b))).sum();
        return f64::from(sum as f32);
    }
    let (mut dot, mut squares_a, mut squares_b) = (0i64, 0i64, 0i64);
    for (a, b) in pairs {
        dot += i64::from(a * b);
        squares_a += i64::from(a * a);
        squares_b += i64::from(b * b);
    }
    match metric {
        Metric::Cosine => {
            let lengths = (squares_a as f64).sqrt() * (squares_b as f64).sqrt();
            f64::from(1.0 - (dot as f64 / lengths) as f32)
        }
        _ => f64::from(1.0 - dot as f32),
    }
}
