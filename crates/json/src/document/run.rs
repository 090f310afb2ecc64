//! Runs: arrays of numbers, all of the same type and width.
//!
//!     type     numbers
//!     00 s w   integers
//!     01 s w   floats: integers over 10 to the power of `s`
//!     10 s w   both: as floats, but a whole number is an integer
//!     11 t     floats of 16, 32 or 64 bits
//!
//! `s` has three bits, and `w`, the width in bytes minus 1, has three. An array becomes a run if
//! every number read back has the same bits (and text), and if the run is shorter.

use super::bytes::{integer, integer_width};
use super::number::Fpha;
use crate::view::Number;

/// Powers of ten, by exponent.
pub(super) static POWERS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
const SCALE_MAX: usize = 7;

/// A type of numbers, as the byte that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberType(u8);

const INTEGERS: u8 = 0b00;
const DECIMALS: u8 = 0b01;
const BOTH: u8 = 0b10;
const FLOATS: u8 = 0b11;

const FP16: u8 = FLOATS << 6;
const BF16: u8 = FLOATS << 6 | 1;
const FP32: u8 = FLOATS << 6 | 2;
const SINGLE: u8 = FLOATS << 6 | 3;
const DOUBLE: u8 = FLOATS << 6 | 4;

/// The integer that a float is over a power of ten, if that gives its bits again.
#[inline]
pub(super) fn mantissa(value: f64, scale: usize) -> Option<i64> {
    // Adding 1.5 * 2^52 rounds a small float to an integer. Such an integer is exact as a float, so
    // that the quotient is rounded once; integers have no negative zero.
    const ROUNDS: f64 = 6_755_399_441_055_744.0;
    let product = value * POWERS[scale];
    if product.abs() >= 2.2e15 || !product.is_finite() {
        return None;
    }
    let mantissa = ((product + ROUNDS) - ROUNDS) as i64;
    let quotient = mantissa as f64 / POWERS[scale];
    (quotient.to_bits() == value.to_bits()).then_some(mantissa)
}

impl NumberType {
    /// The type that a byte names.
    #[inline]
    pub const fn of(byte: u8) -> NumberType {
        NumberType(byte)
    }

    /// Whether a byte names a type of numbers; for checks.
    pub fn is_valid(byte: u8) -> bool {
        match byte >> 6 {
            INTEGERS => byte < 8,
            FLOATS => byte <= DOUBLE,
            _ => true,
        }
    }

    /// The byte that names it.
    #[inline]
    pub fn byte(self) -> u8 {
        self.0
    }

    fn scaled(kind: u8, scale: usize, width: usize) -> NumberType {
        NumberType(kind << 6 | (scale as u8) << 3 | (width as u8 - 1))
    }

    /// The type of typed arrays; `None`: doubles need none.
    pub fn typed(fpha: Fpha) -> Option<NumberType> {
        match fpha {
            Fpha::Fp16 => Some(NumberType(FP16)),
            Fpha::Bf16 => Some(NumberType(BF16)),
            Fpha::Fp32 => Some(NumberType(FP32)),
            Fpha::Fp64 => None,
        }
    }

    /// The type that a creator requested.
    #[inline]
    pub fn fpha(self) -> Option<Fpha> {
        match self.0 {
            FP16 => Some(Fpha::Fp16),
            BF16 => Some(Fpha::Bf16),
            FP32 => Some(Fpha::Fp32),
            _ => None,
        }
    }

    #[inline]
    fn kind(self) -> u8 {
        self.0 >> 6
    }

    #[inline]
    fn scale(self) -> usize {
        usize::from(self.0 >> 3 & 7)
    }

    /// Bytes of a number.
    #[inline]
    pub fn width(self) -> usize {
        match self.0 {
            FP16 | BF16 => 2,
            FP32 | SINGLE => 4,
            DOUBLE => 8,
            _ => usize::from(self.0 & 7) + 1,
        }
    }

    /// The number at an offset.
    #[inline]
    pub fn read(self, bytes: &[u8], at: usize) -> Number {
        let value = integer(bytes, at, self.width());
        match self.kind() {
            INTEGERS => Number::Signed(value),
            DECIMALS => Number::Float(value as f64 / POWERS[self.scale()]),
            BOTH => {
                let power = POWERS[self.scale()];
                if value % power as i64 == 0 {
                    Number::Signed(value / power as i64)
                } else {
                    Number::Float(value as f64 / power)
                }
            }
            _ => Number::Float(match self.0 {
                FP16 => Fpha::Fp16.value(value as u64),
                BF16 => Fpha::Bf16.value(value as u64),
                FP32 | SINGLE => f64::from(f32::from_bits(value as u32)),
                _ => f64::from_bits(value as u64),
            }),
        }
    }

    /// The integer and the scale of the number at an offset, if it is a float kept as such.
    #[inline]
    pub fn decimal(self, bytes: &[u8], at: usize) -> Option<(i64, usize)> {
        let value = integer(bytes, at, self.width());
        let is_float = match self.kind() {
            DECIMALS => true,
            BOTH => value % POWERS[self.scale()] as i64 != 0,
            _ => false,
        };
        is_float.then(|| (value, self.scale()))
    }

    /// A number's bytes, the first [`NumberType::width`] of these; `None`: the type does not have
    /// it. A type that a creator requested takes the nearest number.
    #[inline]
    pub fn bytes(self, number: Number) -> Option<[u8; 8]> {
        let value = match (self.kind(), number) {
            (INTEGERS, Number::Signed(value)) => value,
            (DECIMALS, Number::Float(value)) => mantissa(value, self.scale())?,
            (BOTH, Number::Float(value)) => {
                let mantissa = mantissa(value, self.scale())?;
                (mantissa % POWERS[self.scale()] as i64 != 0).then_some(mantissa)?
            }
            (BOTH, Number::Signed(value)) => value.checked_mul(POWERS[self.scale()] as i64)?,
            (FLOATS, number) => return self.float_bytes(number),
            _ => return None,
        };
        (integer_width(value) <= self.width()).then(|| value.to_le_bytes())
    }

    fn float_bytes(self, number: Number) -> Option<[u8; 8]> {
        if let Some(fpha) = self.fpha() {
            let value = fpha.round(number.as_f64())?;
            return Some(fpha.bits(value).to_le_bytes());
        }
        let Number::Float(value) = number else {
            return None;
        };
        if self.0 == DOUBLE {
            return Some(value.to_le_bytes());
        }
        let is_exact = f64::from(value as f32).to_bits() == value.to_bits();
        is_exact.then(|| u64::from((value as f32).to_bits()).to_le_bytes())
    }

    /// The narrowest type that has all these numbers, if they are shorter so.
    pub fn shorter(numbers: impl Iterator<Item = Number> + Clone) -> Option<NumberType> {
        let (run, alone) = NumberType::choose(numbers.clone())?;
        (1 + numbers.count() * run.width() < alone).then_some(run)
    }

    /// The narrowest type that has all these numbers, and about the bytes of them as values;
    /// `None`: none has, or there is no number.
    fn choose(numbers: impl Iterator<Item = Number> + Clone) -> Option<(NumberType, usize)> {
        let (mut integers, mut floats) = (false, false);
        let (mut scale, mut is_decimal) = (0, true);
        for number in numbers.clone() {
            match number {
                Number::Signed(_) => integers = true,
                Number::Unsigned(_) => return None,
                Number::Float(value) => {
                    floats = true;
                    while is_decimal && mantissa(value, scale).is_none() {
                        scale += 1;
                        is_decimal = scale <= SCALE_MAX;
                    }
                }
            }
            if integers && !is_decimal {
                return None;
            }
        }
        if !integers && !floats {
            return None;
        }
        if !is_decimal {
            let mut all = numbers.clone();
            let single = all.all(|number| NumberType(SINGLE).bytes(number).is_some());
            let run = NumberType(if single { SINGLE } else { DOUBLE });
            return Some((run, numbers.count() * (1 + run.width())));
        }
        let kind = match (integers, floats) {
            (true, true) => BOTH,
            (false, _) => DECIMALS,
            (true, false) => INTEGERS,
        };
        let fits = NumberType::scaled(kind, scale, 8);
        let (mut width, mut alone) = (1, 0);
        for number in numbers {
            let bytes = fits.bytes(number)?;
            let own = integer_width(i64::from_le_bytes(bytes));
            width = width.max(own);
            alone += match number {
                Number::Signed(0..=63) => 1,
                Number::Signed(64..=8191) => 2,
                _ => 1 + own,
            };
        }
        Some((NumberType::scaled(kind, scale, width), alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Float, Signed, Unsigned};

    fn chosen(numbers: &[Number]) -> Option<(u8, usize)> {
        let (run, _) = NumberType::choose(numbers.iter().copied())?;
        for number in numbers {
            let bytes = run.bytes(*number).unwrap();
            let mut bytes = bytes[..run.width()].to_vec();
            bytes.push(0xEE);
            let back = run.read(&bytes, 0);
            assert_eq!(format!("{back:?}"), format!("{number:?}"));
        }
        Some((run.kind(), run.width()))
    }

    #[test]
    fn the_narrowest_type_is_chosen() {
        type Case<'n> = (&'n [Number], Option<(u8, usize)>);
        let cases: &[Case<'_>] = &[
            (&[], None),
            (&[Signed(1), Signed(-128)], Some((0, 1))),
            (&[Signed(128)], Some((0, 2))),
            (&[Signed(i64::MIN), Signed(i64::MAX)], Some((0, 8))),
            (&[Signed(1), Unsigned(u64::MAX)], None),
            (&[Float(12.34), Float(99.99)], Some((DECIMALS, 2))),
            (&[Float(1.0), Float(-0.5)], Some((DECIMALS, 1))),
            (&[Float(-0.0)], Some((FLOATS, 4))),
            (&[Float(1e300), Float(0.1)], Some((FLOATS, 8))),
            (&[Float(1e22f32.into())], Some((FLOATS, 4))),
            (&[Signed(1), Float(2.5)], Some((BOTH, 1))),
            (&[Signed(1), Float(2.0)], None),
            (&[Signed(i64::MAX), Float(2.5)], None),
            (&[Signed(1), Float(1e300)], None),
            (&[Float(0.1 + 0.2)], Some((FLOATS, 8))),
            (&[Float(52.520008), Float(13.404954)], Some((DECIMALS, 4))),
        ];
        for (numbers, wanted) in cases {
            assert_eq!(chosen(numbers), *wanted, "{numbers:?}");
        }
    }

    #[test]
    fn a_type_that_was_asked_for_rounds() {
        let run = NumberType::typed(Fpha::Fp16).unwrap();
        let bytes = run.bytes(Float(0.1)).unwrap();
        assert!(matches!(run.read(&bytes, 0), Float(0.0999755859375)));
        assert!(run.bytes(Signed(70_000)).is_none());
    }
}
