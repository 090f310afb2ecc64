//! Container elements and their numeric arguments: parsing and replies.

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Reply;
use russet_types::Entry;

/// Writes an element as a bulk string.
#[inline(always)]
pub(crate) fn write(reply: &mut Reply, entry: Entry<'_>) {
    match entry {
        Entry::Str(text) => reply.bulk(text),
        Entry::Int(value) => reply.bulk_int(value),
    }
}

/// Parses an index: any 64-bit integer.
#[inline]
pub(crate) fn index(arg: &[u8]) -> Result<i64, CommandError> {
    parse_i64(arg).ok_or(CommandError::NotAnInteger)
}

/// Parses an integer of at least `least`; anything else is the error `otherwise`.
#[inline]
pub(crate) fn at_least(
    arg: &[u8],
    least: i64,
    otherwise: CommandError,
) -> Result<usize, CommandError> {
    match parse_i64(arg) {
        Some(n) if n >= least => Ok(n as usize),
        _ => Err(otherwise),
    }
}

/// Parses a count whose sign is a direction: the count's negation must not overflow.
pub(crate) fn signed_count(arg: &[u8]) -> Result<i64, CommandError> {
    match parse_i64(arg) {
        None => Err(CommandError::NotAnInteger),
        Some(i64::MIN) => Err(CommandError::CountTooLow),
        Some(n) => Ok(n),
    }
}

/// The part of `len` elements between two inclusive indexes, negative indexes counted from the end:
/// the start and length of the part. `None`: empty.
#[inline]
pub(crate) fn span(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    let from_end = |index: i64| {
        if index < 0 {
            index.saturating_add(len)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
    (start <= end).then(|| (start as usize, (end - start + 1) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_stays_within_its_elements() {
        assert_eq!(span(0, -1, 5), Some((0, 5)));
        assert_eq!(span(-2, 100, 5), Some((3, 2)));
        assert_eq!(span(-100, 0, 5), Some((0, 1)));
        assert_eq!(span(5, 9, 5), None);
        assert_eq!(span(3, 2, 5), None);
        assert_eq!(span(0, -6, 5), None);
        assert_eq!(span(i64::MIN, i64::MAX, 5), Some((0, 5)));
        assert_eq!(span(0, 0, 0), None);
    }
}
