//! Doubles as C's `%g` prints them, as Redis's modules do.
//!
//! Common numbers are rounded in integers, exactly: a double is a whole number times a power of
//! two, so that its digits before and after a place are a product and a shift of 128 bits. All
//! others go by the formatting of the standard library, which gives the same digits (a property
//! test) at ten times the cost.

use super::decimal::Decimal;

/// Digits that the quick way prints, at most: with them, products stay below 2^124.
const QUICK_DIGITS: i32 = 17;

/// A finite number as `%.Ng` of C has it, with N `digits`, of which there is at least one: without
/// zeros at the end of a fraction, with an exponent if it is below -4 or has all digits.
pub fn general(n: f64, digits: i32) -> String {
    quick(n, digits).unwrap_or_else(|| formatted(n, digits))
}

/// Any number by the standard library.
fn formatted(n: f64, digits: i32) -> String {
    let scientific = format!("{n:.*e}", (digits - 1) as usize);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..digits).contains(&exponent) {
        return trimmed(&format!("{n:.*}", (digits - 1 - exponent) as usize)).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// A number that is printed without an exponent. `None`: it is another, or has more digits.
fn quick(n: f64, digits: i32) -> Option<String> {
    let bits = n.to_bits();
    let log2 = (bits >> 52 & 0x7ff) as i32 - 1023;
    // At or one below the power of ten: a guess that is too high could round to a power of ten.
    let guess = (log2 * 1233) >> 12;
    if !(1..=QUICK_DIGITS).contains(&digits) || !(-5..digits).contains(&guess) {
        return None;
    }
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    let most = 10u64.pow(digits as u32);
    let mut exponent = guess;
    let mut rounded = round(mantissa, log2 - 52, digits - 1 - exponent);
    if rounded >= most {
        exponent += 1;
        if exponent == digits {
            return None;
        }
        rounded = round(mantissa, log2 - 52, digits - 1 - exponent);
        if rounded == most {
            // 9.99... became the next power.
            exponent += 1;
            rounded /= 10;
        }
    }
    if !(-4..digits).contains(&exponent) {
        return None;
    }
    let mut decimals = (digits - 1 - exponent) as usize;
    while decimals > 0 && rounded.is_multiple_of(10) {
        rounded /= 10;
        decimals -= 1;
    }
    let text = Decimal::new(n.is_sign_negative(), rounded, decimals);
    str::from_utf8(text.as_bytes()).ok().map(str::to_owned)
}

/// `mantissa * 2^power_of_2 * 10^power_of_10` to the nearest whole number; ties go to the even
/// number. The second power is 0 to 21, the product below 2^64.
fn round(mantissa: u64, power_of_2: i32, power_of_10: i32) -> u64 {
    let product = u128::from(mantissa) * 10u128.pow(power_of_10 as u32);
    if power_of_2 >= 0 {
        return (product << power_of_2) as u64;
    }
    let (whole, half) = (product >> -power_of_2, 1 << (-power_of_2 - 1));
    let rest = product & ((half << 1) - 1);
    let is_up = rest > half || rest == half && whole & 1 == 1;
    whole as u64 + u64::from(is_up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_those_of_c() {
        let of_six = [
            (0.005, "0.005"),
            (0.0025, "0.0025"),
            (0.000_1, "0.0001"),
            (0.000_05, "5e-05"),
            (1.0 / 3.0, "0.333333"),
            (1e-10, "1e-10"),
            (-0.25, "-0.25"),
            (0.0, "0"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.23457e+06"),
            (999_999.5, "1e+06"),
        ];
        for (n, text) in of_six {
            assert_eq!(general(n, 6), text);
        }
        assert_eq!(general(0.1, 17), "0.10000000000000001");
    }

    /// Numbers near each other's edges: of any bits, of few digits, and ties.
    fn numbers() -> impl Strategy<Value = f64> {
        let decimal = (any::<i64>(), 0..19u32, 0..20i32);
        let decimal = decimal
            .prop_map(|(whole, cut, power)| (whole / 10i64.pow(cut)) as f64 / 10f64.powi(power));
        let tie = (-1_000_000..1_000_000i32, 0..24i32);
        let tie = tie.prop_map(|(whole, power)| f64::from(whole) / 2f64.powi(power));
        let near = (-6..19i32, -4..5i64).prop_map(|(power, steps)| {
            let bits = 10f64.powi(power).to_bits();
            f64::from_bits(bits.wrapping_add_signed(steps))
        });
        let float = any::<u32>().prop_map(|bits| f64::from(f32::from_bits(bits)));
        let size = (any::<u64>(), 1000..1090u64)
            .prop_map(|(bits, exponent)| f64::from_bits(bits & !(0x7ff << 52) | exponent << 52));
        let all = prop_oneof![any::<f64>(), decimal, tie, near, float, size];
        all.prop_filter("finite", |n| n.is_finite())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn the_quick_way_prints_the_same_digits(n in numbers(), digits in 1..20i32) {
            if let Some(text) = quick(n, digits) {
                prop_assert_eq!(text, formatted(n, digits));
            }
        }
    }

    #[test]
    fn common_numbers_go_the_quick_way() {
        for n in [
            34.590_469_360_4,
            -0.000_1,
            123_456_789.25,
            0.1,
            1e9,
            99_999_999.5,
        ] {
            assert_eq!(quick(n, 12), Some(formatted(n, 12)), "{n}");
        }
    }
}
