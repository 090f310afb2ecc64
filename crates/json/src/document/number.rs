//! Floats as text, and the narrow types of float arrays.
//!
//! Text is ryu's: `1.0`, `1e16`, `1e-6`. A float of a narrow type has the shortest text that is
//! read back as the same value of that type.

use super::text::TextOutput;
use russet_base::numbers::Decimal;

/// The type of a float array whose creator asked for a type (`FPHA`). Values are rounded to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fpha {
    /// IEEE 754 half precision.
    Fp16,
    /// The upper half of a single.
    Bf16,
    /// Single precision.
    Fp32,
    /// Double precision: nothing is rounded.
    Fp64,
}

/// A binary format of 16 bits.
struct HalfFormat {
    /// Bits of the significand, the implied bit included.
    precision: i32,
    /// The greatest exponent.
    bias: i32,
}

const FP16: HalfFormat = HalfFormat {
    precision: 11,
    bias: 15,
};

const BF16: HalfFormat = HalfFormat {
    precision: 8,
    bias: 127,
};

impl HalfFormat {
    /// The nearest value of the format, ties to even; `None`: it is out of range.
    fn round(&self, value: f64) -> Option<f64> {
        let exponent = ((value.to_bits() >> 52 & 0x7FF) as i32 - 1023).max(1 - self.bias);
        let unit = power_of_two(exponent - (self.precision - 1));
        let rounded = (value / unit).round_ties_even() * unit;
        let max = (2.0 - power_of_two(1 - self.precision)) * power_of_two(self.bias);
        (rounded.abs() <= max).then_some(rounded)
    }

    /// The bits of a value of the format.
    fn bits(&self, value: f64) -> u16 {
        let mantissa_bits = self.precision - 1;
        let exponent = (value.to_bits() >> 52 & 0x7FF) as i32 - 1023;
        let magnitude = if exponent > -self.bias {
            let mantissa = (value.to_bits() & ((1 << 52) - 1)) >> (52 - mantissa_bits);
            ((exponent + self.bias) as u64) << mantissa_bits | mantissa
        } else {
            (value.abs() / power_of_two(1 - self.bias - mantissa_bits)) as u64
        };
        magnitude as u16 | u16::from(value.is_sign_negative()) << 15
    }

    /// The value that has these bits; not finite if they are of no number.
    fn value(&self, bits: u16) -> f64 {
        let mantissa_bits = self.precision - 1;
        let mantissa = f64::from(bits & ((1 << mantissa_bits) - 1));
        let exponent = i32::from((bits & 0x7FFF) >> mantissa_bits);
        let scale = power_of_two(exponent.max(1) - self.bias - mantissa_bits);
        let magnitude = if exponent > 2 * self.bias {
            f64::INFINITY
        } else if exponent == 0 {
            mantissa * scale
        } else {
            (mantissa + power_of_two(mantissa_bits)) * scale
        };
        if bits >> 15 == 1 {
            -magnitude
        } else {
            magnitude
        }
    }
}

/// Of an exponent in the range of normal floats.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

impl Fpha {
    /// The nearest value of the type; `None`: it is out of range.
    pub(super) fn round(self, value: f64) -> Option<f64> {
        match self {
            Fpha::Fp16 => FP16.round(value),
            Fpha::Bf16 => BF16.round(value),
            Fpha::Fp32 => Some(f64::from(value as f32)).filter(|rounded| rounded.is_finite()),
            Fpha::Fp64 => Some(value),
        }
    }

    /// Bytes of a value.
    pub(super) fn width(self) -> usize {
        match self {
            Fpha::Fp16 | Fpha::Bf16 => 2,
            Fpha::Fp32 => 4,
            Fpha::Fp64 => 8,
        }
    }

    /// The bits of a value of the type.
    pub(super) fn bits(self, value: f64) -> u64 {
        match self {
            Fpha::Fp16 => FP16.bits(value).into(),
            Fpha::Bf16 => BF16.bits(value).into(),
            Fpha::Fp32 => (value as f32).to_bits().into(),
            Fpha::Fp64 => value.to_bits(),
        }
    }

    /// The value with these bits; not finite if they are of no number.
    pub(super) fn value(self, bits: u64) -> f64 {
        match self {
            Fpha::Fp16 => FP16.value(bits as u16),
            Fpha::Bf16 => BF16.value(bits as u16),
            Fpha::Fp32 => f64::from(f32::from_bits(bits as u32)),
            Fpha::Fp64 => f64::from_bits(bits),
        }
    }

    /// Appends the text of a value of the type.
    pub(super) fn write(self, value: f64, out: &mut impl TextOutput) {
        match self {
            Fpha::Fp16 | Fpha::Bf16 => write_float(self.shortest(value), out),
            Fpha::Fp32 => {
                let mut digits = ryu::Buffer::new();
                out.put(digits.format_finite(value as f32).as_bytes());
            }
            Fpha::Fp64 => write_float(value, out),
        }
    }

    /// The float of fewest digits that is rounded to `value`.
    fn shortest(self, value: f64) -> f64 {
        let candidates = (0..5).map(|digits| format!("{value:.digits$e}"));
        let mut candidates = candidates.map(|text| text.parse().expect("a float's own text"));
        candidates
            .find(|candidate| self.round(*candidate) == Some(value))
            .unwrap_or(value)
    }
}

/// Appends the text of an integer over a power of ten.
#[inline]
pub(super) fn write_decimal(integer: i64, scale: usize, out: &mut impl TextOutput) {
    const POWERS: [u64; 9] = [
        1,
        10,
        100,
        1000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
    ];
    let magnitude = integer.unsigned_abs();
    // Up to 15 digits are the shortest of their float. Small ones have an exponent.
    let is_small = scale > 5 && magnitude < POWERS[scale - 5] && magnitude > 0;
    if magnitude >= 1_000_000_000_000_000 || is_small {
        return write_float(integer as f64 / POWERS[scale] as f64, out);
    }
    // A place at least.
    let (mut digits, mut places) = match scale {
        0 => (magnitude * 10, 1),
        _ => (magnitude, scale),
    };
    while places > 1 && digits.is_multiple_of(10) {
        digits /= 10;
        places -= 1;
    }
    out.put(Decimal::new(integer < 0, digits, places).as_bytes());
}

/// Appends a float's text. It must be finite.
pub(super) fn write_float(value: f64, out: &mut impl TextOutput) {
    let mut digits = ryu::Buffer::new();
    out.put(digits.format_finite(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Fpha, value: f64) -> Option<String> {
        let mut out = Vec::new();
        kind.write(kind.round(value)?, &mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn narrow_floats_print_the_shortest_text_of_their_type() {
        let cases = [
            (Fpha::Fp16, 0.1, Some("0.1")),
            (Fpha::Fp16, 4e3, Some("4000.0")),
            (Fpha::Fp16, 65504.0, Some("65500.0")),
            (Fpha::Fp16, 65519.9, Some("65500.0")),
            (Fpha::Fp16, 65520.0, None),
            (Fpha::Fp16, -0.0, Some("-0.0")),
            (Fpha::Fp16, 6e-8, Some("6e-8")),
            (Fpha::Fp16, 1e-9, Some("0.0")),
            (Fpha::Bf16, 0.1, Some("0.1")),
            (Fpha::Bf16, 3.4e38, None),
            (Fpha::Bf16, 1e38, Some("1e38")),
            (Fpha::Fp32, 0.3, Some("0.3")),
            (Fpha::Fp32, 3.5e38, None),
            (Fpha::Fp64, 0.30000000000000004, Some("0.30000000000000004")),
        ];
        for (kind, value, wanted) in cases {
            assert_eq!(text(kind, value).as_deref(), wanted, "{kind:?} {value}");
        }
    }

    #[test]
    fn decimals_have_the_text_of_their_float() {
        let integers = [
            0,
            1,
            -1,
            5,
            10,
            99,
            -100,
            1234,
            999_999,
            123_456_789,
            100_000_000,
        ];
        let large = [
            999_999_999_999_999,
            -1_000_000_000_000_000,
            2_199_999_999_999_999,
        ];
        for integer in integers.into_iter().chain(large) {
            for scale in 0..9 {
                let (mut decimal, mut float) = (Vec::new(), Vec::new());
                write_decimal(integer, scale, &mut decimal);
                write_float(integer as f64 / 10f64.powi(scale as i32), &mut float);
                assert_eq!(decimal, float, "{integer} over 10 to the power of {scale}");
            }
        }
    }

    #[test]
    fn every_half_is_its_own_bits() {
        for kind in [Fpha::Fp16, Fpha::Bf16] {
            for bits in 0..=u16::MAX {
                let value = kind.value(bits.into());
                if value.is_finite() {
                    assert_eq!(kind.bits(value), u64::from(bits));
                    assert_eq!(kind.round(value), Some(value));
                }
            }
        }
    }
}
