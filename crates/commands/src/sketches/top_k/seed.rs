//! The seed of a list, in the effect of RESERVE: digits of the decay that no double keeps.
//!
//!     TOPK.RESERVE key k width depth 9.000...00018446744073709551615e-1
//!                                      80 digits, then 20 of the seed
//!
//! Any server reads the decay as the double that it was: the digits before the zeros are enough for
//! that, and no number of so few digits is as near to the middle of two doubles. russet also reads
//! the seed.

/// Digits after the point before the seed's digits, and the seed's digits.
const FRACTION_DIGITS: usize = 80;
const SEED_DIGITS: usize = 20;

/// A decay with a seed after it.
pub(super) fn after(decay: f64, seed: u64) -> String {
    let text = format!("{decay:e}");
    let (mantissa, exponent) = text.split_once('e').expect("there is always one");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    format!("{whole}.{fraction:0<FRACTION_DIGITS$}{seed:0SEED_DIGITS$}e{exponent}")
}

/// The seed after a decay, if the text has a seed.
pub(super) fn within(decay: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(decay).ok()?;
    let (mantissa, _) = text.split_once('e')?;
    let (_, fraction) = mantissa.split_once('.')?;
    let is_one = fraction.len() == FRACTION_DIGITS + SEED_DIGITS;
    let digits = is_one.then(|| fraction.get(FRACTION_DIGITS..))??;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_base::numbers::float::parse_double;

    #[test]
    fn a_decay_stays_what_it_is() {
        let mut decays = vec![
            1.0,
            0.9,
            0.1,
            1.0 / 3.0,
            f64::MIN_POSITIVE,
            5e-324,
            1.0 - f64::EPSILON,
        ];
        decays.extend(
            (1..2000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 2)),
        );
        for decay in decays
            .into_iter()
            .filter(|decay| *decay > 0.0 && *decay <= 1.0)
        {
            for seed in [0, 7, u64::MAX] {
                let text = after(decay, seed);
                assert_eq!(parse_double(text.as_bytes()), Some(decay), "{text}");
                assert_eq!(within(text.as_bytes()), Some(seed));
            }
        }
    }

    #[test]
    fn other_decays_have_no_seed() {
        for text in [
            "0.9",
            "9e-1",
            "0.90000000000000000000000000000000000000000000001",
            "",
            "e",
            "1",
        ] {
            assert_eq!(within(text.as_bytes()), None);
        }
        let long = format!("0.{}e0", "9".repeat(FRACTION_DIGITS + SEED_DIGITS));
        assert_eq!(within(long.as_bytes()), None, "more than 64 bits");
    }
}
