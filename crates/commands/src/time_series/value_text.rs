//! Values as Redis's time series reply them in RESP2: the shortest digits that read back to the
//! same double, without an exponent if the digits reach to the point, or if the value is an integer
//! below 2^52; else as `5E-1` and `1.25E20`. Other doubles that Redis prints have the digits of
//! Grisu2, which prints a digit too many five times in a thousand: `russet_base::numbers::float`.
//!
//! Cost: 10 ns for integers and for up to three decimals, else about 40.

use russet_base::numbers::float::as_integer;
use russet_base::numbers::number::parse_i64;

/// Bytes of a text at most: a sign, 17 digits, a point and `E-324` need less.
pub(super) const TEXT_MAX: usize = 32;

/// Decimals are tried as a whole number of thousandths.
const SCALE: u64 = 1000;
/// No other decimal of fewer than 16 digits reads back to the same double.
const EXACT: f64 = 1e15;
/// Integers below this are printed without an exponent.
const INTEGERS: f64 = (1_u64 << 52) as f64;

/// The text written so far.
struct Text<'r> {
    room: &'r mut [u8; TEXT_MAX],
    len: usize,
}

impl Text<'_> {
    #[inline]
    fn push(&mut self, byte: u8) {
        self.room[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.room[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Writes a value; see the module. Returns the length of the text.
#[inline]
pub(super) fn write_value(room: &mut [u8; TEXT_MAX], value: f64) -> usize {
    let size = value.abs();
    let mut text = Text { room, len: 0 };
    if (1.0..EXACT / SCALE as f64).contains(&size) {
        let scaled = (size * SCALE as f64 + 0.5) as i64 as u64;
        // The division rounds as reading the decimal does: both numbers are exact.
        if scaled as f64 / SCALE as f64 == size {
            if value < 0.0 {
                text.push(b'-');
            }
            add_thousandths(&mut text, scaled);
            return text.len;
        }
    }
    add_any(&mut text, value);
    text.len
}

/// Adds a number of thousandths that is 1 or more.
#[inline]
fn add_thousandths(text: &mut Text<'_>, scaled: u64) {
    let (whole, part) = (scaled / SCALE, (scaled % SCALE) as u32);
    let digit = |n: u32| b'0' + (n % 10) as u8;
    match whole {
        0..10 => text.push(b'0' + whole as u8),
        10..100 => text.add(&[b'0' + (whole / 10) as u8, digit(whole as u32)]),
        _ => text.add(itoa::Buffer::new().format(whole).as_bytes()),
    }
    let decimals = [
        b'.',
        b'0' + (part / 100) as u8,
        digit(part / 10),
        digit(part),
    ];
    match part {
        0 => {}
        _ if part.is_multiple_of(100) => text.add(&decimals[..2]),
        _ if part.is_multiple_of(10) => text.add(&decimals[..3]),
        _ => text.add(&decimals),
    }
}

#[inline(never)]
fn add_any(text: &mut Text<'_>, value: f64) {
    if value.is_nan() {
        return text.add(b"NaN");
    }
    let size = value.abs();
    if value.is_sign_negative() {
        text.push(b'-');
    }
    if value.is_infinite() {
        return text.add(b"Infinity");
    }
    if let Some(integer) = as_integer(size).filter(|_| size < INTEGERS) {
        return text.add(itoa::Buffer::new().format(integer).as_bytes());
    }
    let mut buffer = ryu::Buffer::new();
    let digits = buffer.format_finite(size).as_bytes();
    if (1.0..EXACT).contains(&size) {
        // The value is no integer, and ryu has no exponent here.
        return text.add(digits);
    }
    add_scientific(text, digits);
}

/// Adds a size as ryu writes it: `0.001`, `1.25e-7`, `1e16`.
fn add_scientific(text: &mut Text<'_>, shortest: &[u8]) {
    // The digits without zeros around them, and the power of the first.
    let (number, power) = match shortest.iter().position(|byte| *byte == b'e') {
        Some(at) => {
            let power = parse_i64(&shortest[at + 1..]);
            (&shortest[..at], power.expect("a power of ten"))
        }
        None => (shortest, 0),
    };
    let point = number.iter().position(|byte| *byte == b'.');
    let point = point.unwrap_or(number.len());
    let is_digit = |byte: &u8| matches!(byte, b'1'..=b'9');
    let first = number.iter().position(is_digit);
    let first = first.expect("it is not zero");
    let last = number.iter().rposition(is_digit);
    let used = &number[first..=last.expect("it is not zero")];
    let exponent = if first < point {
        power + (point - 1 - first) as i64
    } else {
        power - (first - point) as i64
    };
    let mut room = [0; TEXT_MAX];
    let mut digits = Text {
        room: &mut room,
        len: 0,
    };
    for byte in used.iter().filter(|byte| **byte != b'.') {
        digits.push(*byte);
    }
    let len = digits.len;
    place(text, &room[..len], exponent);
}

/// Adds digits of which the first is worth so many powers of ten.
fn place(text: &mut Text<'_>, digits: &[u8], exponent: i64) {
    if exponent >= 0 && exponent < digits.len() as i64 {
        let (whole, part) = digits.split_at(exponent as usize + 1);
        text.add(whole);
        if !part.is_empty() {
            text.push(b'.');
            text.add(part);
        }
        return;
    }
    text.push(digits[0]);
    if digits.len() > 1 {
        text.push(b'.');
        text.add(&digits[1..]);
    }
    text.push(b'E');
    text.add(itoa::Buffer::new().format(exponent).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut room = [0; TEXT_MAX];
        let len = write_value(&mut room, value);
        String::from_utf8(room[..len].to_vec()).expect("ASCII")
    }

    /// Replies of Redis Stack 7.4.
    #[test]
    fn values_print_as_redis_prints_them() {
        for (value, expected) in [
            (0.5, "5E-1"),
            (0.1, "1E-1"),
            (1.2345e-4, "1.2345E-4"),
            (12.5, "12.5"),
            (1e16, "1E16"),
            (1e15, "1000000000000000"),
            (1234567890123456.0, "1234567890123456"),
            (4503599627370490.0, "4503599627370490"),
            (4503599627370500.0, "4.5035996273705E15"),
            (7763471996165800.0, "7.7634719961658E15"),
            (2251799813685250.5, "2251799813685250.5"),
            (1.2345678901234568e17, "1.2345678901234568E17"),
            (12345678901234568.0, "12345678901234568"),
            (-0.75, "-7.5E-1"),
            (-0.0, "-0"),
            (0.0, "0"),
            (-3.0, "-3"),
            (-50.12, "-50.12"),
            (656.9658096, "656.9658096"),
            (1.001, "1.001"),
            (999999999999.999, "999999999999.999"),
            (1e300, "1E300"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    proptest! {
        #[test]
        fn values_read_back(value: f64, n in -2_000_000_000_i64..2_000_000_000, decimals in 0..8) {
            prop_assume!(value.is_finite());
            for value in [value, n as f64 / 10_f64.powi(decimals), n as f64] {
                let shown = text(value);
                prop_assert_eq!(shown.parse::<f64>().expect("a number").to_bits(), value.to_bits());
                // As many digits as the standard library finds, which are the fewest; of two such
                // texts that are equally near, either may be chosen.
                let digits = |text: &str| {
                    let text = text.split(['e', 'E']).next().expect("one").to_owned();
                    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                    digits.trim_matches('0').len()
                };
                prop_assert_eq!(digits(&shown), digits(&format!("{value:e}")));
            }
        }
    }
}
