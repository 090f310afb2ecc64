//! Short decimal digits of a double by Grisu2 (Florian Loitsch, 2010), as Redis prints them.
//!
//! Grisu2 always reads back to the same double but for five values in a thousand it finds a digit
//! more than needed. Russet must print the same digits as Redis. Why no library: those for shortest
//! digits (the standard library, `ryu`, `zmij`) give 656.9658096 where Redis prints
//! 656.9658095999999; `dtoa`, Grisu2 as well, uses other powers of ten and gives every fifth value
//! another last digit (4134662.2868755378 for 4134662.2868755376).
//!
//! Cost: integer arithmetic only, 50 to 150 ns.

use std::num::Wrapping;

/// Maximum number of digits.
pub const DIGITS_MAX: usize = 18;

/// `digits * 10^exponent`; digits are ASCII.
pub(crate) struct Decimal {
    digits: [u8; DIGITS_MAX],
    len: usize,
    pub exponent: i32,
}

impl Decimal {
    pub fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn push(&mut self, digit: u8) {
        if digit != 0 || self.len != 0 {
            self.digits[self.len] = b'0' + digit;
            self.len += 1;
        }
    }
}

/// `frac * 2^exp`.
#[derive(Clone, Copy)]
struct ExtendedFloat {
    frac: u64,
    exp: i32,
}

impl ExtendedFloat {
    /// Shifted so that the top bit is set.
    fn normalized(self) -> ExtendedFloat {
        let shift = self.frac.leading_zeros();
        ExtendedFloat {
            frac: self.frac << shift,
            exp: self.exp - shift as i32,
        }
    }

    /// The upper half of the product, rounded.
    fn times(self, other: ExtendedFloat) -> ExtendedFloat {
        let product = u128::from(self.frac) * u128::from(other.frac) + (1 << 63);
        ExtendedFloat {
            frac: (product >> 64) as u64,
            exp: self.exp + other.exp + 64,
        }
    }
}

/// The digits of `value`, which must be finite and not zero; its sign is ignored.
pub fn shortest(value: f64) -> Decimal {
    const HIDDEN: u64 = 1 << 52;
    let bits = value.to_bits();
    let (fraction, biased) = (bits & (HIDDEN - 1), (bits >> 52 & 0x7ff) as i32);
    let exact = if biased == 0 {
        ExtendedFloat {
            frac: fraction,
            exp: -1074,
        }
    } else {
        ExtendedFloat {
            frac: fraction | HIDDEN,
            exp: biased - 1075,
        }
    };
    // Halfway to the neighbours; below a power of two the neighbour is twice as near.
    let upper = ExtendedFloat {
        frac: exact.frac * 2 + 1,
        exp: exact.exp - 1,
    }
    .normalized();
    let shift = if exact.frac == HIDDEN { 2 } else { 1 };
    let lower = ((exact.frac << shift) - 1) << (exact.exp - shift - upper.exp);
    let (power, k) = cached_power(upper.exp);
    let middle = exact.normalized().times(power).frac;
    let lower = ExtendedFloat {
        frac: lower,
        exp: upper.exp,
    };
    let lower = lower.times(power).frac + 1;
    let upper = upper.times(power);
    generate(middle, lower, upper.frac - 1, upper.exp, -k)
}

/// Digits of `upper`, as few as possible above `lower`, then moved towards `middle`.
fn generate(middle: u64, lower: u64, upper: u64, exp: i32, exponent: i32) -> Decimal {
    let mut out = Decimal {
        digits: [0; DIGITS_MAX],
        len: 0,
        exponent,
    };
    let shift = -exp as u32;
    let one = 1u64 << shift;
    let distance = Wrapping(upper - middle);
    let mut delta = upper - lower;
    let (mut whole, mut part) = (upper >> shift, upper & (one - 1));
    let mut divisor = 1_000_000_000u64;
    for kappa in (0..10).rev() {
        out.push((whole / divisor) as u8);
        whole %= divisor;
        let rest = (whole << shift) + part;
        if rest <= delta {
            out.exponent += kappa;
            round_last(&mut out, delta, rest, divisor << shift, distance.0);
            return out;
        }
        divisor /= 10;
    }
    let mut unit = Wrapping(10u64);
    loop {
        part *= 10;
        delta = delta.wrapping_mul(10);
        out.exponent -= 1;
        out.push((part >> shift) as u8);
        part &= one - 1;
        if part < delta {
            round_last(&mut out, delta, part, one, (distance * unit).0);
            return out;
        }
        unit *= 10;
    }
}

/// Lowers the last digit as long as that brings the text closer to the value.
fn round_last(out: &mut Decimal, delta: u64, mut rest: u64, step: u64, distance: u64) {
    let last = out.len.saturating_sub(1);
    while rest < distance
        && delta - rest >= step
        && (rest + step < distance || distance - rest > rest + step - distance)
    {
        out.digits[last] -= 1;
        rest += step;
    }
}

/// A power of ten that scales a value with this exponent so that its integer part has at most 32
/// bits.
fn cached_power(exp: i32) -> (ExtendedFloat, i32) {
    let guess = (f64::from(-(exp + POWERS.len() as i32)) * std::f64::consts::LOG10_2) as i32;
    let mut index = (guess - FIRST_POWER) / POWER_STEP;
    loop {
        let (frac, power_exp) = POWERS[index as usize];
        match exp + power_exp + 64 {
            ..-60 => index += 1,
            -60..=-32 => {
                let power = ExtendedFloat {
                    frac,
                    exp: power_exp,
                };
                return (power, FIRST_POWER + index * POWER_STEP);
            }
            _ => index -= 1,
        }
    }
}

const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// Every eighth power of ten from 10^-348, as 64 bits and a binary exponent.
#[rustfmt::skip]
const POWERS: [(u64, i32); 87] = [
    (0xfa8fd5a0081c0288, -1220),
    (0xbaaee17fa23ebf76, -1193),
    (0x8b16fb203055ac76, -1166),
    (0xcf42894a5dce35ea, -1140),
    (0x9a6bb0aa55653b2d, -1113),
    (0xe61acf033d1a45df, -1087),
    (0xab70fe17c79ac6ca, -1060),
    (0xff77b1fcbebcdc4f, -1034),
    (0xbe5691ef416bd60c, -1007),
    (0x8dd01fad907ffc3c, -980),
    (0xd3515c2831559a83, -954),
    (0x9d71ac8fada6c9b5, -927),
    (0xea9c227723ee8bcb, -901),
    (0xaecc49914078536d, -874),
    (0x823c12795db6ce57, -847),
    (0xc21094364dfb5637, -821),
    (0x9096ea6f3848984f, -794),
    (0xd77485cb25823ac7, -768),
    (0xa086cfcd97bf97f4, -741),
    (0xef340a98172aace5, -715),
    (0xb23867fb2a35b28e, -688),
    (0x84c8d4dfd2c63f3b, -661),
    (0xc5dd44271ad3cdba, -635),
    (0x936b9fcebb25c996, -608),
    (0xdbac6c247d62a584, -582),
    (0xa3ab66580d5fdaf6, -555),
    (0xf3e2f893dec3f126, -529),
    (0xb5b5ada8aaff80b8, -502),
    (0x87625f056c7c4a8b, -475),
    (0xc9bcff6034c13053, -449),
    (0x964e858c91ba2655, -422),
    (0xdff9772470297ebd, -396),
    (0xa6dfbd9fb8e5b88f, -369),
    (0xf8a95fcf88747d94, -343),
    (0xb94470938fa89bcf, -316),
    (0x8a08f0f8bf0f156b, -289),
    (0xcdb02555653131b6, -263),
    (0x993fe2c6d07b7fac, -236),
    (0xe45c10c42a2b3b06, -210),
    (0xaa242499697392d3, -183),
    (0xfd87b5f28300ca0e, -157),
    (0xbce5086492111aeb, -130),
    (0x8cbccc096f5088cc, -103),
    (0xd1b71758e219652c, -77),
    (0x9c40000000000000, -50),
    (0xe8d4a51000000000, -24),
    (0xad78ebc5ac620000, 3),
    (0x813f3978f8940984, 30),
    (0xc097ce7bc90715b3, 56),
    (0x8f7e32ce7bea5c70, 83),
    (0xd5d238a4abe98068, 109),
    (0x9f4f2726179a2245, 136),
    (0xed63a231d4c4fb27, 162),
    (0xb0de65388cc8ada8, 189),
    (0x83c7088e1aab65db, 216),
    (0xc45d1df942711d9a, 242),
    (0x924d692ca61be758, 269),
    (0xda01ee641a708dea, 295),
    (0xa26da3999aef774a, 322),
    (0xf209787bb47d6b85, 348),
    (0xb454e4a179dd1877, 375),
    (0x865b86925b9bc5c2, 402),
    (0xc83553c5c8965d3d, 428),
    (0x952ab45cfa97a0b3, 455),
    (0xde469fbd99a05fe3, 481),
    (0xa59bc234db398c25, 508),
    (0xf6c69a72a3989f5c, 534),
    (0xb7dcbf5354e9bece, 561),
    (0x88fcf317f22241e2, 588),
    (0xcc20ce9bd35c78a5, 614),
    (0x98165af37b2153df, 641),
    (0xe2a0b5dc971f303a, 667),
    (0xa8d9d1535ce3b396, 694),
    (0xfb9b7cd9a4a7443c, 720),
    (0xbb764c4ca7a44410, 747),
    (0x8bab8eefb6409c1a, 774),
    (0xd01fef10a657842c, 800),
    (0x9b10a4e5e9913129, 827),
    (0xe7109bfba19c0c9d, 853),
    (0xac2820d9623bf429, 880),
    (0x80444b5e7aa7cf85, 907),
    (0xbf21e44003acdd2d, 933),
    (0x8e679c2f5e44ff8f, 960),
    (0xd433179d9c8cb841, 986),
    (0x9e19db92b4e31ba9, 1013),
    (0xeb96bf6ebadf77d9, 1039),
    (0xaf87023b9bf0ee6b, 1066),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn digits_read_back_to_the_same_double(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let decimal = shortest(value);
            let digits = std::str::from_utf8(decimal.digits()).unwrap();
            let text = format!("{digits}e{}", decimal.exponent);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value.abs());
        }
    }

    #[test]
    fn digits_are_those_of_redis_even_where_shorter_ones_exist() {
        assert_eq!(shortest(656.9658096).digits(), b"6569658095999999");
        assert_eq!(shortest(4134662.2868755376).digits(), b"41346622868755376");
        assert_eq!(shortest(5e-324).digits(), b"5");
        assert_eq!(shortest(f64::MAX).digits(), b"17976931348623157");
        assert_eq!(shortest(f64::MIN_POSITIVE).digits(), b"22250738585072014");
    }
}
