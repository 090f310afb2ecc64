//! Numbers as C writes and reads them, for the libraries of scripts.
//!
//! `write_g` is `%.{digits}g` of a finite number: no zeros at the end, and an exponent below 10^-4
//! and from 10^digits on. `parse_c` is `strtod`: it takes the longest number at the start of the
//! text and ignores the rest; hexadecimal, infinity and NaN are numbers, too. Neither depends on
//! the locale.
//! Cost: O(digits); whole numbers below 10^9 need no formatter. Redis's own rules: `base::numbers`.

/// Appends a finite number as C's `%.{digits}g` does.
pub(crate) fn write_g(out: &mut Vec<u8>, n: f64, digits: usize) {
    use std::io::Write;
    // Whole numbers with fewer digits need no formatter.
    if n.abs() < 1e9 && n.fract() == 0.0 && digits >= 9 && !(n == 0.0 && n.is_sign_negative()) {
        let mut buffer = itoa::Buffer::new();
        return out.extend_from_slice(buffer.format(n as i64).as_bytes());
    }
    let mut text = [0u8; 64];
    let mut rest = &mut text[..];
    let _ = write!(rest, "{:.*e}", digits - 1, n);
    let left = rest.len();
    let text = &text[..64 - left];
    let e = memchr::memrchr(b'e', text).expect("an exponent");
    let exponent = std::str::from_utf8(&text[e + 1..]).expect("digits");
    let exponent: i32 = exponent.parse().expect("a number");
    let (sign, mantissa) = match text[0] {
        b'-' => (true, &text[1..e]),
        _ => (false, &text[..e]),
    };
    if sign {
        out.push(b'-');
    }
    let mut all = [0u8; 32];
    let mut count = 0;
    for &b in mantissa.iter().filter(|b| **b != b'.') {
        all[count] = b;
        count += 1;
    }
    while count > 1 && all[count - 1] == b'0' {
        count -= 1;
    }
    let all = &all[..count];
    if exponent < -4 || exponent >= digits as i32 {
        out.push(all[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&all[1..]);
        }
        let _ = write!(
            out,
            "e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(all);
    } else {
        let whole = exponent as usize + 1;
        if count <= whole {
            out.extend_from_slice(all);
            out.resize(out.len() + whole - count, b'0');
        } else {
            out.extend_from_slice(&all[..whole]);
            out.push(b'.');
            out.extend_from_slice(&all[whole..]);
        }
    }
}

/// Parses the number at the start of a text as C's `strtod` does (decimal, hexadecimal, infinity
/// or NaN), and returns its length.
pub(crate) fn parse_c(text: &[u8]) -> Option<(f64, usize)> {
    let (sign, skipped) = match text.first()? {
        b'-' => (-1.0, 1),
        b'+' => (1.0, 1),
        _ => (1.0, 0),
    };
    let rest = &text[skipped..];
    let digits = |from: usize| {
        rest[from.min(rest.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    for word in [&b"infinity"[..], b"inf", b"nan"] {
        if rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word) {
            let n = if word == b"nan" {
                f64::NAN
            } else {
                f64::INFINITY
            };
            return Some((sign * n, skipped + word.len()));
        }
    }
    if rest.len() > 2 && rest[0] == b'0' && rest[1] | 0x20 == b'x' && rest[2].is_ascii_hexdigit() {
        let hex = rest[2..].iter().take_while(|b| b.is_ascii_hexdigit());
        let (mut n, mut len) = (0.0, 2);
        for digit in hex {
            n = n * 16.0 + f64::from((*digit as char).to_digit(16).expect("a digit"));
            len += 1;
        }
        if rest.get(len) == Some(&b'.') {
            let places = rest[len + 1..].iter().take_while(|b| b.is_ascii_hexdigit());
            let mut worth = 1.0 / 16.0;
            for digit in places {
                n += worth * f64::from((*digit as char).to_digit(16).expect("a digit"));
                worth /= 16.0;
                len += 1;
            }
            len += 1;
        }
        if matches!(rest.get(len), Some(b'p' | b'P')) {
            let signed = usize::from(matches!(rest.get(len + 1), Some(b'-' | b'+')));
            let exponent = digits(len + 1 + signed);
            if exponent > 0 {
                let text = &rest[len + 1..len + 1 + signed + exponent];
                let text = std::str::from_utf8(text).expect("digits");
                n *= 2.0f64.powi(text.parse().unwrap_or(i32::MAX));
                len += 1 + signed + exponent;
            }
        }
        return Some((sign * n, skipped + len));
    }
    let whole = digits(0);
    if whole > 0 && whole <= 15 && !matches!(rest.get(whole), Some(b'.' | b'e' | b'E')) {
        let n = rest[..whole]
            .iter()
            .fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        return Some((sign * n as f64, skipped + whole));
    }
    let mut len = whole;
    let mut places = 0;
    if rest.get(len) == Some(&b'.') {
        places = digits(len + 1);
        len += 1 + places;
    }
    if whole + places == 0 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(rest.get(len + 1), Some(b'-' | b'+')));
        let exponent = digits(len + 1 + signed);
        if exponent > 0 {
            len += 1 + signed + exponent;
        }
    }
    let n: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((sign * n, skipped + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_so_many_digits() {
        let cases = [
            (0.1, 14, "0.1"),
            (-0.0, 14, "-0"),
            (1e15, 14, "1e+15"),
            (9007199254740992.0, 14, "9.007199254741e+15"),
            (123456789012.0, 14, "123456789012"),
            (1.0 / 3.0, 3, "0.333"),
            (0.0001, 14, "0.0001"),
            (0.00001234, 14, "1.234e-05"),
            (-1234.5678, 14, "-1234.5678"),
            (1e100, 14, "1e+100"),
            (123456.0, 3, "1.23e+05"),
        ];
        for (n, digits, wanted) in cases {
            let mut out = Vec::new();
            write_g(&mut out, n, digits);
            assert_eq!(String::from_utf8_lossy(&out), wanted);
        }
    }

    #[test]
    fn c_reads_more_than_json() {
        let read = |text: &str| parse_c(text.as_bytes());
        assert_eq!(read("12,"), Some((12.0, 2)));
        assert_eq!(read("-1.5e3]"), Some((-1500.0, 6)));
        assert_eq!(read("0x1F"), Some((31.0, 4)));
        assert_eq!(read("0x1p4"), Some((16.0, 5)));
        assert_eq!(read("0x1.8p-1"), Some((0.75, 8)));
        assert_eq!(read("1e"), Some((1.0, 1)));
        assert_eq!(read("-"), None);
        assert_eq!(read(".5"), Some((0.5, 2)));
        assert_eq!(read("-inf"), Some((f64::NEG_INFINITY, 4)));
        assert!(read("nan").is_some_and(|(n, len)| n.is_nan() && len == 3));
        assert_eq!(
            read("12345678901234567890"),
            Some((12345678901234567890.0, 20))
        );
    }
}
