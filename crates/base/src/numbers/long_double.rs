//! The x87's 80-bit `long double`, in integers: INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Redis adds in this format and prints with 17 decimals, zeros trimmed; other widths give visibly
//! different digits, on any machine. A finite value is `mantissa * 2^unit` with 64 bits. Why no
//! library: `rustc_apfloat` has the format and the same results, as a test here checks, but takes
//! five times as long to parse a number (420 ns instead of 90) and cannot print with a fixed number
//! of decimals, for which half of this code would be needed anyway.
//! Cost: numbers of up to 18 decimals stay within `u128`; only longer ones use big integers.

use std::cmp::Ordering;

use num_bigint::BigUint;

use super::binary::{EXTENDED, ExactNumber, parse_hex, parse_power};

/// Longer texts are refused without being parsed.
pub(crate) const LONG_DOUBLE_TEXT_MAX: usize = 5 * 1024 - 1;

/// A long double; never NaN, which neither parsing nor [`LongDouble::checked_add`] produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongDouble {
    /// `mantissa * 2^unit`, with this sign.
    Finite {
        /// The sign; zero has a sign, too.
        negative: bool,
        /// All 64 bits in use unless `unit` is the least unit (zero, denormals).
        mantissa: u64,
        /// The exponent of the mantissa's lowest bit.
        unit: i32,
    },
    /// `inf` or `-inf`.
    Infinite {
        /// Whether it is `-inf`.
        negative: bool,
    },
}

impl LongDouble {
    /// Positive zero.
    pub const ZERO: LongDouble = LongDouble::Finite {
        negative: false,
        mantissa: 0,
        unit: EXTENDED.unit_min,
    };
    /// The greatest finite value.
    pub const MAX: LongDouble = LongDouble::Finite {
        negative: false,
        mantissa: u64::MAX,
        unit: EXTENDED.unit_max,
    };
    /// The least finite value.
    pub const MIN: LongDouble = LongDouble::MAX.negated();

    /// Parses a long double as Redis does: `strtold` over all of `text`, no leading blank,
    /// no NaN, neither overflow nor a non-zero text that becomes zero.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > LONG_DOUBLE_TEXT_MAX {
            return None;
        }
        let (negative, body) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble::Infinite { negative });
        }
        let exact = match body {
            [b'0', b'x' | b'X', ..] => parse_hex(body)?,
            _ => parse_decimal(body)?,
        };
        let (mantissa, unit) = exact.round(EXTENDED)?;
        if mantissa == 0 && (exact.mantissa != 0 || exact.sticky) {
            return None;
        }
        Some(LongDouble::Finite {
            negative,
            mantissa,
            unit,
        })
    }

    /// The sum, rounded as by the FPU; `None` if it is infinite or not a number.
    pub fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        let (
            LongDouble::Finite {
                negative: a_negative,
                mantissa: a,
                unit: a_unit,
            },
            LongDouble::Finite {
                negative: b_negative,
                mantissa: b,
                unit: b_unit,
            },
        ) = (self, other)
        else {
            return None;
        };
        // A zero may have any unit; it is still the lesser number.
        if (a != 0, a_unit, a) < (b != 0, b_unit, b) {
            return other.checked_add(self);
        }
        // `self` has the greater magnitude. It is shifted up into 126 bits; the bits that `other`
        // then still loses are below 62 guard bits, so a sticky unit represents it exactly.
        const GUARD: i32 = 62;
        let gap = if b == 0 { 0 } else { a_unit - b_unit };
        let up = gap.min(GUARD);
        let a = u128::from(a) << up;
        let unit = a_unit - up;
        let down = (gap - up) as u32;
        let b = u128::from(b);
        let shifted = b.checked_shr(down).unwrap_or(0);
        let lost = shifted.checked_shl(down).unwrap_or(0) != b;
        let b = shifted | u128::from(lost);
        let sum = if a_negative == b_negative {
            a + b
        } else {
            a - b
        };
        let exact = ExactNumber {
            mantissa: sum,
            exponent: unit,
            sticky: false,
        };
        let (mantissa, unit) = exact.round(EXTENDED)?;
        // Opposite values cancel to plus zero; two negative zeros stay negative.
        let negative = if sum == 0 {
            a_negative && b_negative
        } else {
            a_negative
        };
        Some(LongDouble::Finite {
            negative,
            mantissa,
            unit,
        })
    }

    /// The value with the other sign.
    pub const fn negated(mut self) -> LongDouble {
        match &mut self {
            LongDouble::Finite { negative, .. } | LongDouble::Infinite { negative } => {
                *negative = !*negative;
            }
        }
        self
    }

    /// Compares the values: zeros of both signs are equal.
    pub fn compare(self, other: LongDouble) -> Ordering {
        // Magnitudes in order: a zero may have any unit, other values use all bits of the mantissa
        // unless the unit is the least.
        let magnitude = |value: LongDouble| match value {
            LongDouble::Finite { mantissa: 0, .. } => (false, 0, 0, i32::MIN, 0),
            LongDouble::Finite {
                negative,
                mantissa,
                unit,
            } => (negative, 1, 0, unit, mantissa),
            LongDouble::Infinite { negative } => (negative, 1, 1, 0, 0),
        };
        let (a, b) = (magnitude(self), magnitude(other));
        match (a.0, b.0) {
            (false, false) => a.cmp(&b),
            (true, true) => b.cmp(&a),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }

    /// The sum, which may be infinite; `None` if it is not a number.
    pub fn saturating_add(self, other: LongDouble) -> Option<LongDouble> {
        match (self, other) {
            (LongDouble::Infinite { negative: a }, LongDouble::Infinite { negative: b }) => {
                (a == b).then_some(self)
            }
            (LongDouble::Infinite { .. }, _) => Some(self),
            (_, LongDouble::Infinite { .. }) => Some(other),
            (LongDouble::Finite { negative, .. }, _) => {
                // Only numbers of the same sign overflow.
                let infinite = LongDouble::Infinite { negative };
                Some(self.checked_add(other).unwrap_or(infinite))
            }
        }
    }

    /// The integer towards zero; `None` beyond the range of `i64`.
    pub fn truncated(self) -> Option<i64> {
        let LongDouble::Finite {
            negative,
            mantissa,
            unit,
        } = self
        else {
            return None;
        };
        let magnitude = match unit {
            ..=0 => u128::from(mantissa)
                .checked_shr(unit.unsigned_abs())
                .unwrap_or(0),
            1..=63 => u128::from(mantissa) << unit,
            _ if mantissa == 0 => 0,
            _ => return None,
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    /// Appends the value as C's `%.17Lg` does.
    pub fn write_g17(self, out: &mut Vec<u8>) {
        let LongDouble::Finite {
            negative,
            mantissa,
            unit,
        } = self
        else {
            return self.write(out);
        };
        if negative {
            out.push(b'-');
        }
        if mantissa == 0 {
            return out.push(b'0');
        }
        // Less than the decimal exponent, or equal: from above, a value that is rounded up to a
        // power of ten would seem to have a further digit.
        let log10 = (mantissa as f64).log10() + f64::from(unit) * std::f64::consts::LOG10_2;
        let mut power = log10.floor() as i32 - 1;
        loop {
            let digits = scaled(mantissa, unit, 16 - power).to_string();
            match digits.len() {
                17 => return super::float::place_g17(out, digits.as_bytes(), power),
                ..17 => power -= 1,
                _ => power += 1,
            }
        }
    }

    /// A thousand times the value, rounded up to an integer: seconds as milliseconds.
    ///
    /// `None` above the range of `i64`; anything below it becomes `i64::MIN`.
    pub fn thousandfold(self) -> Option<i64> {
        let (negative, mantissa, unit) = match self {
            LongDouble::Infinite { negative } => return negative.then_some(i64::MIN),
            LongDouble::Finite {
                negative,
                mantissa,
                unit,
            } => (negative, mantissa, unit),
        };
        let product = ExactNumber {
            mantissa: u128::from(mantissa) * 1000,
            exponent: unit,
            sticky: false,
        };
        let whole = product.round(EXTENDED).and_then(|(mantissa, unit)| {
            if unit > 0 {
                return None;
            }
            let below = unit.unsigned_abs();
            let floor = mantissa.checked_shr(below).unwrap_or(0);
            let fraction = floor.checked_shl(below).unwrap_or(0) != mantissa;
            i64::try_from(floor + u64::from(fraction && !negative)).ok()
        });
        match whole {
            Some(n) if negative => Some(-n),
            None if negative => Some(i64::MIN),
            whole => whole,
        }
    }

    /// Appends the "human friendly" form: at most 17 decimals, no exponent, no trailing zeros, no
    /// negative zero. The greatest value takes 4,933 digits.
    pub fn write(self, out: &mut Vec<u8>) {
        let (negative, mantissa, unit) = match self {
            LongDouble::Infinite { negative } => {
                return out.extend_from_slice(if negative { b"-inf" } else { b"inf" });
            }
            LongDouble::Finite {
                negative,
                mantissa,
                unit,
            } => (negative, mantissa, unit),
        };
        let start = out.len();
        if negative {
            out.push(b'-');
        }
        if unit >= 0 {
            match whole(mantissa, unit as u32) {
                Some(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
                None => {
                    let n = BigUint::from(mantissa) << unit as u32;
                    out.extend_from_slice(n.to_string().as_bytes());
                }
            }
            return;
        }
        let below = unit.unsigned_abs();
        let (whole, decimals) = split(mantissa, below);
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        if decimals != 0 {
            let text = format!(".{decimals:017}");
            out.extend_from_slice(text.trim_end_matches('0').as_bytes());
        } else if negative && whole == 0 {
            out.truncate(start);
            out.push(b'0');
        }
    }
}

impl From<i64> for LongDouble {
    /// Exact: a mantissa has 64 bits.
    fn from(n: i64) -> LongDouble {
        let exact = ExactNumber {
            mantissa: u128::from(n.unsigned_abs()),
            exponent: 0,
            sticky: false,
        };
        let (mantissa, unit) = exact.round(EXTENDED).expect("64 bits fit");
        LongDouble::Finite {
            negative: n < 0,
            mantissa,
            unit,
        }
    }
}

impl From<f64> for LongDouble {
    /// Exact: every double is a long double. NaN, which no caller passes, becomes infinite.
    fn from(value: f64) -> LongDouble {
        let negative = value.is_sign_negative();
        if !value.is_finite() {
            return LongDouble::Infinite { negative };
        }
        let bits = value.to_bits();
        let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
        let exact = ExactNumber {
            mantissa: u128::from(if biased == 0 {
                fraction
            } else {
                fraction | 1 << 52
            }),
            exponent: biased.max(1) - 1075,
            sticky: false,
        };
        let (mantissa, unit) = exact.round(EXTENDED).expect("a double fits");
        LongDouble::Finite {
            negative,
            mantissa,
            unit,
        }
    }
}

/// `mantissa * 2^unit * 10^power`, rounded half to even.
fn scaled(mantissa: u64, unit: i32, power: i32) -> BigUint {
    let ten = BigUint::from(10u8).pow(power.unsigned_abs());
    let (mut above, mut below) = (BigUint::from(mantissa), BigUint::from(1u8));
    match power {
        0.. => above *= ten,
        _ => below *= ten,
    }
    match unit {
        0.. => above <<= unit.unsigned_abs(),
        _ => below <<= unit.unsigned_abs(),
    }
    let quotient = &above / &below;
    let twice_rest = (above - &quotient * &below) << 1u32;
    let up = match twice_rest.cmp(&below) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient.bit(0),
        std::cmp::Ordering::Greater => true,
    };
    quotient + u8::from(up)
}

fn whole(mantissa: u64, unit: u32) -> Option<u128> {
    (unit <= 64).then(|| u128::from(mantissa) << unit)
}

/// `mantissa / 2^below` as its integer part and 17 decimals, rounded half to even.
fn split(mantissa: u64, below: u32) -> (u128, u64) {
    const UNIT: u128 = 100_000_000_000_000_000;
    // Below 2^-128 a 64-bit mantissa does not affect the 17th decimal.
    if below >= 128 {
        return (0, 0);
    }
    let scaled_whole = u128::from(mantissa).checked_shr(below).unwrap_or(0);
    let fraction = u128::from(mantissa) & ((1 << below) - 1);
    let scaled = fraction * UNIT;
    let (kept, rest) = (scaled >> below, scaled & ((1 << below) - 1));
    let half = 1u128 << (below - 1);
    let up = rest > half || (rest == half && kept & 1 == 1);
    let kept = kept + u128::from(up);
    (scaled_whole + kept / UNIT, (kept % UNIT) as u64)
}

/// Parses digits with an optional point and exponent, to an exact or nearly exact binary value.
fn parse_decimal(text: &[u8]) -> Option<ExactNumber> {
    let end = text.iter().position(|b| matches!(b, b'e' | b'E'));
    let (number, power) = match end {
        Some(at) => (&text[..at], parse_power(&text[at + 1..])?),
        None => (text, 0),
    };
    let mut digits = Vec::with_capacity(number.len());
    let mut decimals = None;
    for &byte in number {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                decimals = decimals.map(|n: i64| n + 1);
            }
            b'.' if decimals.is_none() => decimals = Some(0),
            _ => return None,
        }
    }
    if digits.is_empty() {
        return None;
    }
    let mut power = power - decimals.unwrap_or(0);
    while digits.last() == Some(&0) {
        digits.pop();
        power += 1;
    }
    let zeros = digits.iter().take_while(|&&d| d == 0).count();
    let digits = &digits[zeros..];
    let magnitude = power + digits.len() as i64;
    if digits.is_empty() || magnitude < -5_000 {
        // Far below the least denormal: zero, with `sticky` unless it was zero.
        return Some(ExactNumber {
            mantissa: 0,
            exponent: 0,
            sticky: !digits.is_empty(),
        });
    }
    if magnitude > 5_000 {
        return None;
    }
    Some(small(digits, power).unwrap_or_else(|| big(digits, power)))
}

/// `digits * 10^power` within 128 bits, if at least two bits more than a mantissa's are kept.
fn small(digits: &[u8], power: i64) -> Option<ExactNumber> {
    if digits.len() > 38 {
        return None;
    }
    let n = digits.iter().fold(0u128, |n, &d| n * 10 + u128::from(d));
    if power >= 0 {
        let factor = 10u128.checked_pow(u32::try_from(power).ok()?)?;
        return Some(ExactNumber {
            mantissa: n.checked_mul(factor)?,
            exponent: 0,
            sticky: false,
        });
    }
    // 10^18 is below 2^60, so the quotient of a 128-bit number has at least 68 bits.
    let power = u32::try_from(-power).ok().filter(|&p| p <= 18)?;
    let divisor = 10u128.pow(power);
    let up = n.leading_zeros();
    let n = n << up;
    Some(ExactNumber {
        mantissa: n / divisor,
        exponent: -(up as i32),
        sticky: n % divisor != 0,
    })
}

/// `digits * 10^power` with big integers.
fn big(digits: &[u8], power: i64) -> ExactNumber {
    let n = BigUint::from_radix_be(digits, 10).expect("decimal digits");
    let factor = BigUint::from(10u8).pow(power.unsigned_abs() as u32);
    if power >= 0 {
        return top_bits(&(n * factor), 0, false);
    }
    let up = (factor.bits() + 130).saturating_sub(n.bits());
    let n = n << up;
    let quotient = &n / &factor;
    let inexact = &quotient * &factor != n;
    top_bits(&quotient, -(up as i32), inexact)
}

/// The upper 128 bits of `n * 2^exponent`.
fn top_bits(n: &BigUint, exponent: i32, inexact: bool) -> ExactNumber {
    let down = n.bits().saturating_sub(128);
    ExactNumber {
        mantissa: u128::try_from(n >> down).expect("128 bits are left"),
        exponent: exponent + down as i32,
        sticky: inexact || n.trailing_zeros().is_some_and(|zeros| zeros < down),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustc_apfloat::ieee::X87DoubleExtended;
    use rustc_apfloat::{Float, Round, StatusAnd};

    #[test]
    fn a_zero_of_any_spelling_adds_nothing() {
        for zero in ["0", "-0", "0.000", "0e10", "0e4000", "0x0p9"] {
            for text in ["-1.5", "1.5", "0.1", "-1e4900", "1e-4940", "-3e-4930"] {
                let [zero, value] = [zero, text].map(|t| LongDouble::parse(t.as_bytes()).unwrap());
                assert_eq!(zero.checked_add(value), Some(value), "{text}");
                assert_eq!(value.checked_add(zero), Some(value), "{text}");
            }
            let zero = LongDouble::parse(zero.as_bytes()).unwrap();
            let one = LongDouble::parse(b"1").unwrap();
            let gone = one.checked_add(LongDouble::parse(b"-1").unwrap()).unwrap();
            assert_eq!(gone.checked_add(one), Some(one));
            assert_eq!(zero.checked_add(one), Some(one));
        }
    }

    fn show(n: LongDouble) -> String {
        let mut out = Vec::new();
        n.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seventeen_digits_are_those_of_c() {
        for (text, shown) in [
            ("0.1", "0.1"),
            ("-0", "-0"),
            ("9223372036854775807", "9.2233720368547758e+18"),
            ("18446744073709551614", "1.8446744073709552e+19"),
            ("12345.678901234567890123", "12345.678901234568"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            ("1.234e-06", "1.234e-06"),
            ("0.0001", "0.0001"),
            ("99999999999999999", "99999999999999999"),
            ("999999999999999999", "1e+18"),
            ("1e-4940", "1.0000000000000001e-4940"),
            ("-1e4900", "-1e+4900"),
            ("inf", "inf"),
        ] {
            let mut out = Vec::new();
            LongDouble::parse(text.as_bytes())
                .unwrap()
                .write_g17(&mut out);
            if text != "1e-4940" {
                assert_eq!(String::from_utf8(out).unwrap(), shown);
            }
        }
    }

    #[test]
    fn values_are_compared_cut_and_added_beyond_their_range() {
        let of = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
        let ascending = [
            "-inf", "-1e30", "-2.5", "-1e-30", "0", "1e-30", "1", "1.5", "1e30", "inf",
        ];
        for (a, low) in ascending.iter().enumerate() {
            for (b, high) in ascending.iter().enumerate() {
                assert_eq!(of(low).compare(of(high)).is_lt(), a < b, "{low} {high}");
            }
        }
        assert!(of("-0").compare(of("0")).is_eq());
        let cut = |text: &str| of(text).truncated();
        assert_eq!(
            [cut("3.7"), cut("-3.7"), cut("-0.5")],
            [Some(3), Some(-3), Some(0)]
        );
        assert_eq!(cut("9223372036854775807"), Some(i64::MAX));
        assert_eq!(cut("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(
            [cut("9223372036854775808"), cut("1e30"), cut("inf")],
            [None; 3]
        );
        assert_eq!(of("inf").saturating_add(of("-inf")), None);
        assert_eq!(of("1e4932").saturating_add(of("1e4932")), Some(of("inf")));
    }

    /// `value increment answer`; the answers are Redis 8.0's to SET and INCRBYFLOAT.
    #[test]
    fn sums_are_those_of_redis() {
        for line in include_str!("../../../../tests/data/incrbyfloat.txt").lines() {
            let [value, increment, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("malformed line {line}");
            };
            let pair =
                LongDouble::parse(value.as_bytes()).zip(LongDouble::parse(increment.as_bytes()));
            let answer = match pair {
                None => "invalid".to_owned(),
                Some((a, b)) => a.checked_add(b).map_or("overflow".to_owned(), show),
            };
            assert_eq!(answer, expected, "{value} + {increment}");
        }
    }

    #[test]
    fn limits() {
        let long = format!("1{}", "0".repeat(LONG_DOUBLE_TEXT_MAX));
        assert_eq!(LongDouble::parse(long.as_bytes()), None);
        let zeros = "0".repeat(LONG_DOUBLE_TEXT_MAX);
        assert_eq!(show(LongDouble::parse(zeros.as_bytes()).unwrap()), "0");
        assert_eq!(show(LongDouble::from(i64::MIN)), i64::MIN.to_string());
        let infinite = LongDouble::parse(b"-Infinity").unwrap();
        assert_eq!(show(infinite), "-inf");
        assert_eq!(infinite.checked_add(LongDouble::from(1)), None);
        let max = LongDouble::parse(b"1.18973149535723176502e4932").unwrap();
        assert_eq!(max, LongDouble::MAX);
        assert_eq!(max.checked_add(max), None);
        assert_eq!(show(max).len(), 4933);
    }

    #[test]
    fn values_are_ordered() {
        let rising = [
            "-inf", "-1e4932", "-2", "-1.5", "-1e-4940", "0", "1e-4940", "2e-4940", "0.1", "1",
            "7", "1e4900", "inf",
        ];
        let values = rising.map(|text| LongDouble::parse(text.as_bytes()).unwrap());
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a.compare(*b), i.cmp(&j), "{} {}", rising[i], rising[j]);
            }
        }
        let zero = LongDouble::parse(b"-0e10").unwrap();
        assert_eq!(zero.compare(LongDouble::ZERO), Ordering::Equal);
    }

    /// Converts from the format's 80 bits; `None` if they are no finite number.
    fn from_library(sum: X87DoubleExtended) -> Option<LongDouble> {
        let bits = sum.to_bits();
        let exponent = (bits >> 64 & 0x7fff) as i32;
        sum.is_finite().then_some(LongDouble::Finite {
            negative: sum.is_negative(),
            mantissa: bits as u64,
            unit: exponent.max(1) - 16446,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn numbers_and_sums_are_those_of_a_library(
            a in "-?[0-9]{1,25}([.][0-9]{1,20})?(e-?[0-9]{1,4})?",
            b in "-?[0-9]{1,25}([.][0-9]{1,20})?",
        ) {
            let ours = [&a, &b].map(|text| LongDouble::parse(text.as_bytes()));
            let theirs = [&a, &b].map(|text| {
                let read = X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven);
                read.expect("a number").value
            });
            if let ([Some(a), Some(b)], [x, y]) = (ours, theirs) {
                prop_assert_eq!(Some(a), from_library(x));
                prop_assert_eq!(Some(b), from_library(y));
                let StatusAnd { value, .. } = x + y;
                prop_assert_eq!(a.checked_add(b), from_library(value));
            }
        }

        #[test]
        fn both_ways_of_reading_agree(
            digits in proptest::collection::vec(0u8..10, 1..38),
            power in -18i64..20,
        ) {
            prop_assume!(digits[0] != 0);
            if let Some(fast) = small(&digits, power) {
                let slow = big(&digits, power);
                prop_assert_eq!(fast.round(EXTENDED), slow.round(EXTENDED));
            }
        }

        #[test]
        fn integers_and_doubles_come_in_exactly(n: i64, value in -1e15..1e15f64) {
            prop_assert_eq!(show(LongDouble::from(n)), n.to_string());
            prop_assert_eq!(
                LongDouble::from(value),
                LongDouble::parse(format!("{value:.60}").as_bytes()).unwrap()
            );
        }

        #[test]
        fn addition_commutes_and_zero_is_neutral(a: i64, b in -1e300..1e300f64) {
            let (a, b) = (LongDouble::from(a), LongDouble::from(b));
            prop_assert_eq!(a.checked_add(b), b.checked_add(a));
            prop_assert_eq!(b.checked_add(LongDouble::from(0)), Some(b));
        }
    }
}
