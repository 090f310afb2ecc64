//! IDs and bounds of ranges among the arguments.

use crate::command::{CommandError, up_to_nul};
use crate::types::stream::StreamId;

pub(super) const BAD_ID: CommandError =
    CommandError::Text("ERR Invalid stream ID specified as stream command argument");

/// An ID; without its number, that is 0.
#[inline]
pub(super) fn strict(arg: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(arg, 0, true).ok_or(BAD_ID)
}

/// A bound of a range: an ID, `-`, `+`, or an ID behind `(` that does not belong to it.
fn bound(arg: &[u8], seq: u64) -> Result<(StreamId, bool), CommandError> {
    match arg {
        [b'(', id @ ..] if !id.is_empty() => {
            let id = StreamId::parse(id, seq, true).ok_or(BAD_ID)?;
            Ok((id, true))
        }
        id => Ok((StreamId::parse(id, seq, false).ok_or(BAD_ID)?, false)),
    }
}

/// Where a range begins.
pub(super) fn start(arg: &[u8]) -> Result<StreamId, CommandError> {
    const NOTHING: CommandError = CommandError::Text("ERR invalid start ID for the interval");
    match bound(arg, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or(NOTHING),
    }
}

/// Where a range ends.
pub(super) fn end(arg: &[u8]) -> Result<StreamId, CommandError> {
    const NOTHING: CommandError = CommandError::Text("ERR invalid end ID for the interval");
    match bound(arg, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.prev().ok_or(NOTHING),
    }
}

/// A refusal that names two words, each as far as C would print it.
pub(super) fn naming(parts: [&[u8]; 5]) -> CommandError {
    let [before, first, between, second, after] = parts;
    let line = [before, up_to_nul(first), between, up_to_nul(second), after];
    CommandError::Bytes(line.concat())
}

/// There is no such key, or it has no such group.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    naming([
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
    ])
}

/// There is no such group, for who asks for one of a stream.
pub(super) fn no_group_of(key: &[u8], group: &[u8]) -> CommandError {
    naming([
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ])
}
