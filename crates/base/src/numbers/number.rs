//! Integers as text, by Redis's rules: strict parsing, plain decimal output.
//!
//! A stored string counts as an integer only if printing the integer gives the same bytes back, so
//! `+1`, `01`, `-0` and ` 1` are text. Cost: a pass over at most 20 bytes.

/// The longest decimal `i64` or `u64`, sign included.
pub(crate) const INTEGER_TEXT_MAX: usize = 20;

/// The integer whose canonical form is `text`; `None` for everything else.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    if text.len() > INTEGER_TEXT_MAX {
        return None;
    }
    match text {
        [b'0'] => Some(0),
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(magnitude(digits)?),
        digits => i64::try_from(magnitude(digits)?).ok(),
    }
}

/// Parses an unsigned number as Redis does in a SCAN cursor or a stream ID: a canonical
/// integer that is not negative, else the result of C's `strtoull` if it consumes all of the bytes.
///
/// So leading blanks, zeros and a sign are accepted, and a minus beyond the range of `i64` wraps.
/// A NUL byte ends the text.
pub fn parse_u64_lenient(text: &[u8]) -> Option<u64> {
    // Most are digits alone, with leading zeros or without.
    if let Some(n) = parse_digits(text) {
        return Some(n);
    }
    let text = match memchr::memchr(0, text) {
        Some(end) => &text[..end],
        None => text,
    };
    if let Some(n) = parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let blanks = text.iter().take_while(|&&b| is_c_space(b)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let n = parse_digits(digits)?;
    Some(if negative { n.wrapping_neg() } else { n })
}

/// Parses one or more decimal digits; leading zeros are accepted, a sign is not.
#[inline]
pub fn parse_digits(text: &[u8]) -> Option<u64> {
    let mut digits = text.iter().map(|byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then_some(u64::from(digit))
    });
    match text.len() {
        0 => None,
        // Up to 19 digits cannot overflow.
        1..=19 => digits.try_fold(0, |n, digit| Some(10 * n + digit?)),
        _ => digits.try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(digit?)),
    }
}

/// C's `isspace` in the C locale.
#[inline]
pub const fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends `n` in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends `n` in decimal.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Digits only, the first of them not zero.
#[inline]
fn magnitude(digits: &[u8]) -> Option<u64> {
    if !(b'1'..=b'9').contains(digits.first()?) {
        return None;
    }
    if digits.len() <= 8 {
        return few_digits(digits);
    }
    many_digits(digits)
}

/// Up to nineteen digits, which cannot overflow.
#[inline]
fn few_digits(digits: &[u8]) -> Option<u64> {
    let mut n = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n * 10 + u64::from(digit);
    }
    Some(n)
}

/// Nine digits or more, of which eight are read at a time.
#[inline(never)]
fn many_digits(digits: &[u8]) -> Option<u64> {
    let (eights, rest) = digits.as_chunks();
    let mut n = 0u64;
    for eight in eights {
        n = n
            .checked_mul(100_000_000)?
            .checked_add(eight_digits(*eight)?)?;
    }
    // Seven at most.
    let power = 10u64.pow(rest.len() as u32);
    n.checked_mul(power)?.checked_add(few_digits(rest)?)
}

/// The number of eight digits, by their sums of two, four and eight.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let text = u64::from_le_bytes(text);
    // '0' to '9' have the high half 3, also when 6 is added.
    let are_digits = text & HIGH == ZEROS && text.wrapping_add(ZEROS / 8) & HIGH == ZEROS;
    let twos = |n: u64| (n.wrapping_mul(10).wrapping_add(n >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = |n: u64| (n.wrapping_mul(100).wrapping_add(n >> 16)) & 0x0000_ffff_0000_ffff;
    let eights = |n: u64| (n.wrapping_mul(10_000).wrapping_add(n >> 32)) & 0xffff_ffff;
    are_digits.then(|| eights(fours(twos(text - ZEROS))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_spelling_is_an_integer() {
        for text in [
            "", "-", "+1", "01", "-01", "-0", "00", " 1", "1 ", "1.0", "1e3", "0x1", "--1", "1-",
            "1\0", "٣",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"0"), Some(0));
        assert_eq!(parse_i64(b"-1"), Some(-1));
        assert_eq!(parse_i64(b"10"), Some(10));
    }

    #[test]
    fn the_range_ends_exactly() {
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_i64(b"18446744073709551615"), None);
        assert_eq!(parse_i64(b"100000000000000000000"), None);
    }

    #[test]
    fn cursors_are_read_as_strtoull_reads_them() {
        assert_eq!(parse_u64_lenient(b"0"), Some(0));
        assert_eq!(parse_u64_lenient(b"-1"), None);
        assert_eq!(parse_u64_lenient(b"-0"), Some(0));
        assert_eq!(parse_u64_lenient(b"-01"), Some(u64::MAX));
        assert_eq!(parse_u64_lenient(b" \t+0017"), Some(17));
        assert_eq!(parse_u64_lenient(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64_lenient(b"18446744073709551616"), None);
        for text in ["", " ", "+", "-", "1 ", "+-1", "0x1", "a"] {
            assert_eq!(parse_u64_lenient(text.as_bytes()), None, "{text:?}");
        }
        let zeros = "0".repeat(30);
        assert_eq!(parse_u64_lenient(format!("{zeros}17").as_bytes()), Some(17));
        assert_eq!(parse_u64_lenient(b"17\09"), Some(17), "a NUL ends it");
    }

    #[test]
    fn digits_are_read_up_to_the_greatest_number() {
        for (text, n) in [
            ("0", 0),
            ("007", 7),
            ("9999999999999999999", 9_999_999_999_999_999_999),
            ("18446744073709551615", u64::MAX),
            ("00018446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_digits(text.as_bytes()), Some(n));
        }
        for text in [
            "",
            "-1",
            "+1",
            " 1",
            "1a",
            "18446744073709551616",
            "1\0",
            "999999999999999999999",
        ] {
            assert_eq!(parse_digits(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(n: i64) {
            let mut text = Vec::new();
            write_i64(&mut text, n);
            prop_assert_eq!(parse_i64(&text), Some(n));
        }

        #[test]
        fn agrees_with_the_standard_parser(
            text in prop_oneof!["-?[0-9]{0,21}", "-?[0-9]{0,9}[ -~][0-9]{0,9}", "[+-:]{8,19}"],
        ) {
            let canonical = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), canonical);
        }
    }
}
