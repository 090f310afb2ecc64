//! Parses IDs and bounds of ranges.

use russet_command::{CommandError, up_to_nul};
use russet_types::stream::StreamId;

pub(super) const BAD_ID: CommandError =
    CommandError::Text("ERR Invalid stream ID specified as stream command argument");

/// Parses an ID; a missing sequence number counts as 0.
#[inline]
pub(super) fn strict(arg: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(arg, 0, true).ok_or(BAD_ID)
}

/// Parses a bound of a range: an ID, `-`, `+`, or `(` and an ID that is excluded.
fn bound(arg: &[u8], seq: u64) -> Result<(StreamId, bool), CommandError> {
    match arg {
        [b'(', id @ ..] if !id.is_empty() => {
            let id = StreamId::parse(id, seq, true).ok_or(BAD_ID)?;
            Ok((id, true))
        }
        id => Ok((StreamId::parse(id, seq, false).ok_or(BAD_ID)?, false)),
    }
}

/// The first ID of a range.
pub(super) fn start(arg: &[u8]) -> Result<StreamId, CommandError> {
    const NOTHING: CommandError = CommandError::Text("ERR invalid start ID for the interval");
    match bound(arg, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or(NOTHING),
    }
}

/// The last ID of a range.
pub(super) fn end(arg: &[u8]) -> Result<StreamId, CommandError> {
    const NOTHING: CommandError = CommandError::Text("ERR invalid end ID for the interval");
    match bound(arg, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.prev().ok_or(NOTHING),
    }
}

/// An error that names two words, each up to the word's first NUL byte.
pub(super) fn naming(parts: [&[u8]; 5]) -> CommandError {
    let [before, first, between, second, after] = parts;
    let line = [before, up_to_nul(first), between, up_to_nul(second), after];
    CommandError::Bytes(line.concat())
}

/// The error for a missing key or group.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    naming([
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
    ])
}

/// The error for a missing group of an existing stream.
pub(super) fn no_group_of(key: &[u8], group: &[u8]) -> CommandError {
    naming([
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ])
}
