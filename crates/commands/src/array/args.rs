//! Indexes as arguments and in replies.

use russet_base::numbers::number::parse_u64_lenient;
use russet_command::CommandError;
use russet_resp::Reply;
use russet_types::array::INDEX_MAX;

const INVALID_INDEX: CommandError = CommandError::Text("ERR invalid array index");

/// Parses an index.
#[inline]
pub(super) fn index(arg: &[u8]) -> Result<u64, CommandError> {
    position(arg).and_then(|index| {
        if index <= INDEX_MAX {
            Ok(index)
        } else {
            Err(INVALID_INDEX)
        }
    })
}

/// Parses an index, or the position after the last index.
#[inline]
pub(super) fn position(arg: &[u8]) -> Result<u64, CommandError> {
    parse_u64_lenient(arg).ok_or(INVALID_INDEX)
}

/// The lower and the higher of two indexes, and whether the first is the higher.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub first: u64,
    pub last: u64,
    pub backward: bool,
}

impl Range {
    pub fn new(start: u64, end: u64) -> Range {
        Range {
            first: start.min(end),
            last: start.max(end),
            backward: start > end,
        }
    }

    /// Indexes in it.
    pub fn span(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// The rest of the range from an index on, in the range's direction.
    pub fn from(self, at: u64) -> Range {
        if self.backward {
            Range { last: at, ..self }
        } else {
            Range { first: at, ..self }
        }
    }

    pub fn parse(start: &[u8], end: &[u8]) -> Result<Range, CommandError> {
        Ok(Range::new(index(start)?, index(end)?))
    }
}

/// Parses the operand of LIMIT.
pub(super) fn limit(arg: &[u8]) -> Result<usize, CommandError> {
    match russet_base::numbers::number::parse_i64(arg) {
        None => Err(CommandError::NotAnInteger),
        Some(n) if n <= 0 => Err(CommandError::Text("ERR LIMIT must be positive")),
        Some(n) => Ok(n as usize),
    }
}

/// Writes an index or a length: an integer, or a big number beyond the range of `i64`.
#[inline]
pub(super) fn write_index(reply: &mut Reply, n: u64) {
    match i64::try_from(n) {
        Ok(n) => reply.int(n),
        Err(_) => reply.big_number(itoa::Buffer::new().format(n).as_bytes()),
    }
}
