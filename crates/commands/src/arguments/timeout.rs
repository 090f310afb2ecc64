//! Timeout arguments of blocking commands.

use russet_base::numbers::long_double::LongDouble;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;

/// Seconds, with a fraction, as milliseconds rounded up; 0: for ever. `now_ms` is Unix time: the
/// end of the wait must fit in 64 bits.
pub(crate) fn seconds(arg: &[u8], now_ms: i64) -> Result<u64, CommandError> {
    let timeout = LongDouble::parse(arg).ok_or(CommandError::BadTimeout)?;
    let ms = timeout
        .thousandfold()
        .ok_or(CommandError::TimeoutOutOfRange)?;
    if ms < 0 {
        return Err(CommandError::NegativeTimeout);
    }
    if ms > i64::MAX - now_ms {
        return Err(CommandError::TimeoutOutOfRange);
    }
    Ok(ms as u64)
}

/// Milliseconds, a whole number; 0: for ever. `now_ms` as above.
pub(crate) fn millis(arg: &[u8], now_ms: i64) -> Result<u64, CommandError> {
    let ms = parse_i64(arg).ok_or(CommandError::BadTimeoutMs)?;
    if ms < 0 {
        return Err(CommandError::NegativeTimeout);
    }
    if ms.checked_add(now_ms).is_none() {
        return Err(CommandError::TimeoutOutOfRange);
    }
    Ok(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_round_up_to_milliseconds() {
        let at = |text: &str| seconds(text.as_bytes(), 1_000_000_000);
        assert_eq!(at("0"), Ok(0));
        assert_eq!(at("1.1"), Ok(1100));
        assert_eq!(at("0.001"), Ok(1));
        assert_eq!(at("0.0001"), Ok(1));
        assert_eq!(at("0x1p-1"), Ok(500));
        assert_eq!(at("-0.0001"), Ok(0));
        assert_eq!(at("1e15"), Ok(1_000_000_000_000_000_000));
        for (text, error) in [
            ("", CommandError::BadTimeout),
            ("nan", CommandError::BadTimeout),
            (" 1", CommandError::BadTimeout),
            ("-1", CommandError::NegativeTimeout),
            ("-inf", CommandError::NegativeTimeout),
            ("-1e300", CommandError::NegativeTimeout),
            ("inf", CommandError::TimeoutOutOfRange),
            ("1e30", CommandError::TimeoutOutOfRange),
            ("9223372036854775.807", CommandError::TimeoutOutOfRange),
        ] {
            assert_eq!(at(text), Err(error), "{text}");
        }
    }
}
