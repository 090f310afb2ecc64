//! The rows' common parts: flags, keys, categories, errors, timestamps, values.
//!
//! A value is a number as JSON has it; most have few digits, and the parser reads them by one
//! division.

use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;

pub(super) const READS: Flags = Flags::READONLY.union(Flags::MODULE);
pub(super) const WRITES: Flags = Flags::WRITE.union(Flags::MODULE);
pub(super) const GROWS: Flags = WRITES.union(Flags::DENYOOM);

pub(super) const READ_KEY: &[KeySpec] = &[KeySpec::one(1, Access::READ)];
pub(super) const WRITTEN_KEY: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];

/// Commands of a module are in the categories that they name alone.
pub(super) const READING: Category = Category::TIMESERIES.union(Category::READ);
pub(super) const WRITING: Category = Category::TIMESERIES.union(Category::WRITE);

/// No series is at the key.
pub(super) const MISSING: CommandError = CommandError::Text("ERR TSDB: the key does not exist");
/// Another type is at the key: the error of most commands, and the error of commands that add.
pub(super) const WRONG_TYPE: CommandError =
    CommandError::Text("ERR WRONGTYPE Operation against a key holding the wrong kind of value");
pub(super) const NOT_A_SERIES: CommandError =
    CommandError::Text("ERR TSDB: the key is not a TSDB key");
pub(super) const TOO_OLD: CommandError =
    CommandError::Text("ERR TSDB: Timestamp is older than retention");
pub(super) const BLOCKED: CommandError = CommandError::Text(
    "ERR TSDB: Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK mode, \
     or either current or new value is NaN and DUPLICATE_POLICY is MAX/MIN/SUM",
);
const BAD_TIME: CommandError = CommandError::Text("ERR TSDB: invalid timestamp");
const NEGATIVE_TIME: CommandError =
    CommandError::Text("ERR TSDB: invalid timestamp, must be a nonnegative integer");
const BAD_VALUE: CommandError = CommandError::Text("ERR TSDB: invalid value");

/// The index of a word at or after `from`, in any case.
pub(super) fn find(args: Args<'_>, from: usize, word: &str) -> Option<usize> {
    (from..args.len()).find(|at| args.is(*at, word))
}

/// A timestamp, or `*` for the time of this turn.
pub(super) fn timestamp(text: &[u8], now_ms: i64) -> Result<u64, CommandError> {
    if text == b"*" {
        return Ok(now_ms.max(0) as u64);
    }
    let n = parse_i64(text).ok_or(BAD_TIME)?;
    u64::try_from(n).map_err(|_| NEGATIVE_TIME)
}

/// A sample's value: a number as JSON has it, or `nan`. Before 8.2 there could be anything after
/// the number: so there may be in a command that was taken before.
pub(super) fn value(text: &[u8], was_taken: bool) -> Result<f64, CommandError> {
    if let Some(value) = short_number(text) {
        return Ok(value);
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Ok(f64::NAN);
    }
    let number = number_within(text).ok_or(BAD_VALUE)?;
    if number.len() < text.len() && !was_taken {
        return Err(BAD_VALUE);
    }
    let number = std::str::from_utf8(number).expect("digits and signs");
    let value: f64 = number.parse().map_err(|_| BAD_VALUE)?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(BAD_VALUE)
    }
}

/// A number as JSON has it, of at most 15 digits and without an exponent: the double that is
/// nearest to it is the quotient of two doubles that are exact.
fn short_number(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (is_negative, number) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if number.len() >= POWERS.len() {
        return None;
    }
    let (mut n, mut point) = (0_u64, None);
    for (at, byte) in number.iter().enumerate() {
        match byte {
            b'0'..=b'9' => n = n * 10 + u64::from(byte - b'0'),
            b'.' if at > 0 && point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let whole = point.unwrap_or(number.len());
    let decimals = number.len().saturating_sub(whole + 1);
    if whole == 0 || point.is_some() && decimals == 0 || whole > 1 && number[0] == b'0' {
        return None;
    }
    let size = n as f64 / POWERS[decimals];
    Some(if is_negative { -size } else { size })
}

/// The number as JSON has it with which a text begins.
fn number_within(text: &[u8]) -> Option<&[u8]> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let start = usize::from(text.first() == Some(&b'-'));
    let mut end = digits(start);
    let has_zero = text.get(start) == Some(&b'0');
    if end == start || has_zero && end > start + 1 {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        let after = digits(end + 1);
        if after == end + 1 {
            return None;
        }
        end = after;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after == end + 1 + sign {
            return None;
        }
        end = after;
    }
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_as_json_has_them() {
        let known: [(&[u8], Option<f64>); 19] = [
            (b"0", Some(0.0)),
            (b"-12.50", Some(-12.5)),
            (b"0.001", Some(0.001)),
            (b"123456789012345", Some(123456789012345.0)),
            (b"1234567890123.45", Some(1234567890123.45)),
            (b"00.5", None),
            (b"", None),
            (b"12abc", Some(12.0)),
            (b"0x10", Some(0.0)),
            (b"-0", Some(-0.0)),
            (b"1e5x", Some(1e5)),
            (b"1.5.5", Some(1.5)),
            (b"1e", None),
            (b"1.", None),
            (b".5", None),
            (b"01", None),
            (b"-", None),
            (b"1e400", None),
            (b"inf", None),
        ];
        for (text, expected) in known {
            let got = value(text, true).ok();
            assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits));
            // A further byte after a number makes the text no number.
            let more = [text, b","].concat();
            assert_eq!(value(&more, false).ok(), None);
            if text.iter().all(|byte| b"-.0123456789".contains(byte)) && text != b"1.5.5" {
                assert_eq!(value(text, false).ok(), expected);
            }
        }
        for text in [
            &b"1,5"[..],
            b"12:30",
            b"1x",
            b"0x10",
            b"1 ",
            b"1_000",
            b"1e5x",
        ] {
            assert_eq!(value(text, false), Err(BAD_VALUE));
        }
    }
}
