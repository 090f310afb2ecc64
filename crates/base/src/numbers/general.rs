//! Doubles as C's `%g` prints them, as Redis's modules do.

/// A finite number as `%.Ng` of C has it, with N `digits`, of which there is one at least: without
/// zeros at the end of a fraction, with an exponent if it is below -4 or has all digits.
pub fn general(n: f64, digits: i32) -> String {
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

#[cfg(test)]
mod tests {
    use super::general;

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
}
