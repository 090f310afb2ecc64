//! Doubles as text: scores, distances, timeouts, by Redis's rules.
//!
//! Input: as C's `strtod`, but no leading blank, nothing after the number, no NaN, and no value
//! that overflows or underflows to zero. Output: integers plainly, else the digits of `grisu`, with
//! an exponent only if Redis writes an exponent.

use std::io::Write;

use super::binary::{DOUBLE, parse_hex};
use super::{grisu, number};

/// Parses a double as commands accept it (scores, increments, timeouts): decimal or hexadecimal.
///
/// `inf`, `+infinity` and `-Inf` are numbers. `None` for an empty text, NaN, `1e999`
/// and `1e-999` (a non-zero text that would become infinite or zero).
pub fn parse_double(text: &[u8]) -> Option<f64> {
    match scan_decimal(text) {
        Some(ScannedFloat { value, lost: false }) => Some(value),
        Some(_) => None,
        None => hex(text),
    }
}

/// Parses a double as [`parse_double`], but a text that overflows is infinite, and a text that
/// underflows is zero, as for C's `strtod`.
pub fn parse_wide(text: &[u8]) -> Option<f64> {
    match scan_decimal(text) {
        Some(scanned) => Some(scanned.value),
        None => hex(text),
    }
}

/// An end of a score range (ZRANGEBYSCORE, ZCOUNT ...): the score, and whether a leading `(`
/// excludes it.
///
/// Looser than [`parse_double`]: `1e999` is infinity, an empty text is zero, and a NUL byte
/// ends the text. Stricter: no hexadecimal.
pub fn parse_score_bound(text: &[u8]) -> Option<(f64, bool)> {
    let (exclusive, text) = match text {
        [b'(', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let text = match memchr::memchr(0, text) {
        Some(end) => &text[..end],
        None => text,
    };
    if text.is_empty() {
        return Some((0.0, exclusive));
    }
    Some((scan_decimal(text)?.value, exclusive))
}

/// Appends `value` as in Redis's replies in RESP2 and RESP3: `3`, `0.1`, `1e+30`, `-inf`.
pub fn write_double(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        return out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    }
    if let Some(integer) = as_integer(value) {
        return number::write_i64(out, integer);
    }
    write_shortest(out, value);
}

/// Appends `value` with the fewest digits that distinguish it from its neighbours, as in Redis's
/// signatures of sorted sets: like [`write_double`], but integers of many zeros have an exponent,
/// too: `1e+15`.
pub fn write_shortest(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        return write_double(out, value);
    }
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    let decimal = grisu::shortest(value);
    place_point(out, decimal.digits(), decimal.exponent, value < 0.0);
}

/// Appends `value` with four decimals, as Redis writes distances: ties round to the even digit, and
/// a value that does not fit in 64 bits becomes their minimum.
pub fn write_fixed4(out: &mut Vec<u8>, value: f64) {
    let scaled = (value * 1e4).round_ties_even();
    let units = if scaled.abs() < 9.3e18 && scaled < 9_223_372_036_854_775_808.0 {
        scaled as i64
    } else {
        i64::MIN
    };
    if units < 0 {
        out.push(b'-');
    }
    let units = units.unsigned_abs();
    number::write_u64(out, units / 10_000);
    out.push(b'.');
    let mut fraction = units % 10_000;
    let mut digits = [b'0'; 4];
    for digit in digits.iter_mut().rev() {
        *digit += (fraction % 10) as u8;
        fraction /= 10;
    }
    out.extend_from_slice(&digits);
}

/// `value` as an integer, if Redis stores it as an integer in a listpack: up to 2^62. Negative zero
/// counts as 0, so a small sorted set loses its sign.
#[inline]
pub fn as_integer(value: f64) -> Option<i64> {
    const LIMIT: f64 = (1u64 << 62) as f64;
    if !(-LIMIT..=LIMIT).contains(&value) {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// Appends `value` as C's `%.17g` does: enough digits for every double, zeros trimmed.
pub fn write_g17(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return write_double(out, value);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    // Integers of up to 17 digits need no exponent.
    if value < 1e17
        && let Some(integer) = as_integer(value)
    {
        return number::write_i64(out, integer);
    }
    // A digit, the point, sixteen digits, `e` and an exponent of up to four characters.
    let mut text = [0; 23];
    let mut room = &mut text[..];
    write!(room, "{value:.16e}").expect("23 bytes are enough");
    let len = 23 - room.len();
    text.copy_within(..1, 1);
    let (digits, power) = (&text[1..18], &text[19..len]);
    let power = number::parse_i64(power).expect("LowerExp writes a decimal exponent") as i32;
    place_g17(out, digits, power);
}

/// Appends the 17 digits of a number from 10^power on as C's `%.17g` does.
pub(crate) fn place_g17(out: &mut Vec<u8>, digits: &[u8], power: i32) {
    let used = digits
        .iter()
        .rposition(|&b| b != b'0')
        .map_or(1, |at| at + 1);
    let digits = &digits[..used];
    if !(-4..17).contains(&power) {
        out.push(digits[0]);
        if used > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if power < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", power.unsigned_abs()).expect("a Vec takes all");
    } else if power < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-power - 1) as usize, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = power as usize + 1;
        out.extend_from_slice(&digits[..used.min(whole)]);
        out.resize(out.len() + whole.saturating_sub(used), b'0');
        if used > whole {
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
}

struct ScannedFloat {
    value: f64,
    /// The value is zero or infinite, but the text is not.
    lost: bool,
}

/// Digits of [`short_decimal`]: both they and a power of ten of as many are doubles.
const SHORT_DIGITS: usize = 15;
const POWERS_OF_TEN: [f64; SHORT_DIGITS] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
];

/// The value of a text of up to [`SHORT_DIGITS`] digits with a point between two of them or none,
/// as nearly all scores are. A division of two exact doubles, which rounds correctly. `None`: to be
/// parsed in full.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if body.len() > SHORT_DIGITS || !body.last()?.is_ascii_digit() {
        return None;
    }
    let (mut mantissa, mut decimals) = (0u64, None);
    for (at, &byte) in body.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = 10 * mantissa + u64::from(digit);
        } else if byte == b'.' && at > 0 && decimals.is_none() {
            decimals = Some(body.len() - at - 1);
        } else {
            return None;
        }
    }
    let value = mantissa as f64 / POWERS_OF_TEN[decimals.unwrap_or(0)];
    Some(if negative { -value } else { value })
}

/// Parses a decimal number or infinity; all of `text` must be consumed.
#[inline]
fn scan_decimal(text: &[u8]) -> Option<ScannedFloat> {
    match short_decimal(text) {
        Some(value) => Some(ScannedFloat { value, lost: false }),
        None => scan_any_decimal(text),
    }
}

/// As [`scan_decimal`], for any text.
#[inline(never)]
fn scan_any_decimal(text: &[u8]) -> Option<ScannedFloat> {
    let (negative, body) = split_sign(text);
    if !matches!(body.first()?, b'0'..=b'9' | b'.') {
        return infinity(text).map(|value| ScannedFloat { value, lost: false });
    }
    let mut digits = 0;
    let mut nonzero = false;
    let mut point = false;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                nonzero |= byte != b'0';
            }
            b'.' if !point => point = true,
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if let [b'e' | b'E', power @ ..] = &body[at..] {
        super::binary::parse_power(power)?;
    } else if at != body.len() {
        return None;
    }
    // Only checked ASCII bytes here; the standard parser rounds correctly.
    let value: f64 = std::str::from_utf8(body).ok()?.parse().ok()?;
    let lost = value.is_infinite() || (value == 0.0 && nonzero);
    let value = if negative { -value } else { value };
    Some(ScannedFloat { value, lost })
}

/// `inf` or `infinity` with a sign, letters in any case. A plus after the minus is accepted too.
fn infinity(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let word = rest.strip_prefix(b"+").unwrap_or(rest);
    let known = word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity");
    let value = if negative {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    };
    known.then_some(value)
}

fn hex(text: &[u8]) -> Option<f64> {
    let (negative, body) = split_sign(text);
    let exact = parse_hex(body)?;
    let (mantissa, unit) = exact.round(DOUBLE)?;
    if mantissa == 0 && exact.mantissa != 0 {
        return None;
    }
    // Assembled from parts: a multiplication could round a second time.
    let bits = match mantissa >> 52 {
        0 => mantissa,
        _ => mantissa & ((1 << 52) - 1) | ((unit + 1075) as u64) << 52,
    };
    let value = f64::from_bits(bits);
    Some(if negative { -value } else { value })
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Writes `digits * 10^exponent`: plain if short, else with an exponent.
fn place_point(out: &mut Vec<u8>, digits: &[u8], exponent: i32, negative: bool) {
    let len = digits.len() as i32;
    let magnitude = (exponent + len - 1).abs();
    if exponent >= 0 && magnitude < len + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + exponent as usize, b'0');
    } else if exponent < 0 && (exponent > -7 || magnitude < 4) {
        let whole = len + exponent;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + -whole as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            out.extend_from_slice(&digits[..whole as usize]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole as usize..]);
        }
    } else {
        let digits = &digits[..digits.len().min(18 - usize::from(negative))];
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let below_one = exponent + (digits.len() as i32) < 1;
        out.extend_from_slice(if below_one { b"e-" } else { b"e+" });
        number::write_u64(out, magnitude as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_points_are_redis_s() {
        for (value, text) in [
            (0.0, "0.0000"),
            (-0.0, "0.0000"),
            (0.00003125, "0.0000"),
            (0.00028125, "0.0003"),
            (2.00003125, "2.0000"),
            (0.125, "0.1250"),
            (6.064_295_159_839_17e-5, "0.0001"),
            (-0.01, "-0.0100"),
            (166274.15156960033, "166274.1516"),
            (20015086.796, "20015086.7960"),
            (1e300, "-922337203685477.5808"),
            (f64::NAN, "-922337203685477.5808"),
        ] {
            let mut out = Vec::new();
            write_fixed4(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
    use proptest::prelude::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Actual replies of Redis 8.0 to ZADD and ZSCORE; the listpack in between stores -0 as 0.
    #[test]
    fn scores_print_as_redis_prints_them() {
        for line in include_str!("../../../../tests/data/scores.txt").lines() {
            let (given, expected) = line.split_once(' ').unwrap();
            let answer = match parse_double(given.as_bytes()) {
                Some(value) => text(|out| write_double(out, value + 0.0)),
                None => "refused".to_owned(),
            };
            assert_eq!(answer, expected, "score {given}");
        }
    }

    #[test]
    fn refused_scores() {
        let refused: [&[u8]; 18] = [
            b"", b" 1", b"1 ", b"\t1", b"nan", b"-nan", b"nan(1)", b".", b"-", b"+", b"-.", b"1e",
            b"e5", b"0x", b"infinit", b"1\0", b"++1", b"-+1",
        ];
        for given in refused {
            assert_eq!(
                parse_double(given),
                None,
                "{:?}",
                String::from_utf8_lossy(given)
            );
        }
    }

    #[test]
    fn accepted_oddities() {
        assert_eq!(parse_double(b"-+inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_double(b"InFiNiTy"), Some(f64::INFINITY));
        assert_eq!(parse_double(b"+.5"), Some(0.5));
        assert_eq!(parse_double(b"5."), Some(5.0));
        assert_eq!(parse_double(b"0e99999"), Some(0.0));
        assert_eq!(parse_double(b"4.9e-324"), Some(5e-324));
        assert_eq!(parse_double(b"+0x10"), Some(16.0));
        assert_eq!(parse_double(b"-0x1p-1074"), Some(-5e-324));
    }

    #[test]
    fn bounds_are_looser_and_stricter_than_scores() {
        assert_eq!(parse_score_bound(b"(1.5"), Some((1.5, true)));
        assert_eq!(parse_score_bound(b"1e999"), Some((f64::INFINITY, false)));
        assert_eq!(parse_score_bound(b"-inf"), Some((f64::NEG_INFINITY, false)));
        assert_eq!(parse_score_bound(b""), Some((0.0, false)));
        assert_eq!(parse_score_bound(b"("), Some((0.0, true)));
        assert_eq!(parse_score_bound(b"1\0junk"), Some((1.0, false)));
        for given in ["0x1", "nan", "((1", " 1", "1 ", "foo"] {
            assert_eq!(parse_score_bound(given.as_bytes()), None, "{given}");
        }
    }

    #[test]
    fn seventeen_digits_as_printf() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.10000000000000001"),
            (1.0 + 1.0 / 131072.0, "1.0000076293945312"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123456789.5, "123456789.5"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e300, "1.0000000000000001e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(text(|out| write_g17(out, value)), expected);
        }
    }

    proptest! {
        #[test]
        fn every_double_reads_back(value: f64) {
            prop_assume!(!value.is_nan());
            let shown = text(|out| write_double(out, value));
            prop_assert!(shown.len() <= 32);
            prop_assert_eq!(parse_double(shown.as_bytes()), Some(value));
            let shown = text(|out| write_g17(out, value));
            prop_assert_eq!(parse_double(shown.as_bytes()), Some(value));
        }

        #[test]
        fn short_decimals_are_rounded_as_by_the_standard_parser(
            decimal in "-?[0-9]{1,16}(\\.[0-9]{1,15})?",
        ) {
            let expected = decimal.parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(parse_double(decimal.as_bytes()).map(f64::to_bits), expected);
        }
    }
}
