//! Rounding exact binary values to a float format, and parsing C's hex floats.
//!
//! A value is `mantissa * 2^exponent`; `sticky` means that something smaller than a unit of the
//! mantissa was cut off. Rounding is to nearest, ties to even, as the FPU does it; denormals need
//! no special case because the unit cannot go below the least unit.

/// A float format: how many bits, the least unit and the greatest unit (powers of two).
#[derive(Clone, Copy)]
pub struct Format {
    pub precision: u32,
    pub(crate) unit_min: i32,
    pub(crate) unit_max: i32,
}

/// IEEE double.
pub const DOUBLE: Format = Format {
    precision: 53,
    unit_min: -1074,
    unit_max: 971,
};

/// The x87's 80-bit extended format.
pub(crate) const EXTENDED: Format = Format {
    precision: 64,
    unit_min: -16445,
    unit_max: 16320,
};

/// A non-negative value; with `sticky`, `mantissa` has its top bit set or nearly so, so that the
/// lost part is far below the rounding position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactNumber {
    pub mantissa: u128,
    pub exponent: i32,
    pub(crate) sticky: bool,
}

impl ExactNumber {
    /// The nearest `(mantissa, unit)` of `format`; `None` on overflow. The mantissa has all
    /// of the format's bits unless the unit is the least.
    pub fn round(self, format: Format) -> Option<(u64, i32)> {
        if self.mantissa == 0 {
            return Some((0, format.unit_min));
        }
        let bits = (128 - self.mantissa.leading_zeros()) as i32;
        let drop = (bits - format.precision as i32).max(format.unit_min - self.exponent);
        let unit = self.exponent + drop;
        let rounded = if drop <= 0 {
            (self.mantissa << -drop) as u64
        } else if drop > 128 {
            0
        } else {
            let kept = self.mantissa.checked_shr(drop as u32).unwrap_or(0) as u64;
            let half = 1u128 << (drop - 1);
            let above_half = self.mantissa & (half - 1) != 0 || self.sticky;
            let up = self.mantissa & half != 0 && (above_half || kept & 1 == 1);
            match kept.checked_add(u64::from(up)) {
                Some(n) if u64::BITS - n.leading_zeros() <= format.precision => n,
                // Rounding up carried all ones into the next power of two.
                _ => {
                    let top = 1 << (format.precision - 1);
                    return (unit < format.unit_max).then_some((top, unit + 1));
                }
            }
        };
        (unit <= format.unit_max).then_some((rounded, unit))
    }
}

/// Parses `0x1.8p3` (sign already removed); `None` unless all of `text` is a single number.
pub fn parse_hex(text: &[u8]) -> Option<ExactNumber> {
    let [b'0', b'x' | b'X', body @ ..] = text else {
        return None;
    };
    let (mut mantissa, mut exponent, mut sticky) = (0u128, 0i64, false);
    let (mut digits, mut at, mut in_fraction) = (0usize, 0usize, false);
    while let Some(&byte) = body.get(at) {
        if byte == b'.' && !in_fraction {
            in_fraction = true;
        } else if let Some(digit) = (byte as char).to_digit(16) {
            digits += 1;
            if mantissa >> 124 == 0 {
                mantissa = mantissa << 4 | u128::from(digit);
                exponent -= if in_fraction { 4 } else { 0 };
            } else {
                sticky |= digit != 0;
                exponent += if in_fraction { 0 } else { 4 };
            }
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    match &body[at..] {
        [] => {}
        [b'p' | b'P', power @ ..] => exponent = exponent.saturating_add(parse_power(power)?),
        _ => return None,
    }
    Some(ExactNumber {
        mantissa,
        exponent: exponent.clamp(-1_000_000, 1_000_000) as i32,
        sticky,
    })
}

/// A decimal exponent with an optional sign, saturating far outside every format's range.
pub(crate) fn parse_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0i64, |n, &b| {
        (n * 10 + i64::from(b - b'0')).min(1_000_000_000_000)
    });
    Some(if negative { -n } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(mantissa: u128, exponent: i32) -> ExactNumber {
        ExactNumber {
            mantissa,
            exponent,
            sticky: false,
        }
    }

    #[test]
    fn ties_go_to_even_and_lost_bits_break_them() {
        let tie = exact((1 << 53) + 1, 0);
        assert_eq!(tie.round(DOUBLE), Some((1 << 52, 1)));
        let above = ExactNumber {
            sticky: true,
            ..exact(((1 << 53) + 1) << 60, 0)
        };
        assert_eq!(above.round(DOUBLE), Some(((1 << 52) + 1, 61)));
        assert_eq!(exact((1 << 54) - 1, 0).round(DOUBLE), Some((1 << 52, 2)));
    }

    #[test]
    fn denormals_and_overflow() {
        assert_eq!(exact(1, -1074).round(DOUBLE), Some((1, -1074)));
        assert_eq!(exact(1, -1075).round(DOUBLE), Some((0, -1074)));
        assert_eq!(exact(3, -1076).round(DOUBLE), Some((1, -1074)));
        assert_eq!(exact(u128::MAX, -1202).round(DOUBLE), Some((1, -1074)));
        assert_eq!(exact(1, -900_000).round(DOUBLE), Some((0, -1074)));
        assert_eq!(exact(1, 1023).round(DOUBLE), Some((1 << 52, 971)));
        assert_eq!(exact(1, 1024).round(DOUBLE), None);
        assert_eq!(exact((1 << 54) - 1, 970).round(DOUBLE), None);
        assert_eq!(
            exact(u128::from(u64::MAX), 16320).round(EXTENDED),
            Some((u64::MAX, 16320))
        );
        assert_eq!(
            exact(u128::from(u64::MAX) * 2 + 1, 16319).round(EXTENDED),
            None
        );
    }

    #[test]
    fn hex_floats_are_whole_or_refused() {
        assert_eq!(parse_hex(b"0x10"), Some(exact(16, 0)));
        assert_eq!(parse_hex(b"0X.8p1"), Some(exact(8, -3)));
        assert_eq!(parse_hex(b"0x1.p-2"), Some(exact(1, -2)));
        for text in ["0x", "0x.", "0xg", "0x1p", "0x1p+", "0x1.2.3", "1", "0x1 "] {
            assert_eq!(parse_hex(text.as_bytes()), None, "{text}");
        }
        let long = parse_hex(b"0x100000000000000000000000000000000000001").unwrap();
        assert!(long.sticky && long.exponent == 28);
    }
}
