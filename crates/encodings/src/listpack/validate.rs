//! Validates bytes from outside as a listpack: after this, every offset in it is valid.

use super::entry;
use super::{COUNT_UNKNOWN, END, HEADER};

/// Why bytes are not a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListpackError {
    /// The total is not the number of bytes, or the end mark is missing.
    #[error("listpack header or end mark does not match its length")]
    Frame,
    /// The entry at this offset is damaged.
    #[error("listpack entry at byte {0} is damaged")]
    Entry(usize),
    /// The header has another number of entries.
    #[error("listpack holds {found} entries, its header says {stated}")]
    Count {
        /// The header's number.
        stated: usize,
        /// Entries up to the end mark.
        found: usize,
    },
}

/// Checks that bytes are a listpack whose entries can all be read from both sides.
pub(super) fn validate(bytes: &[u8]) -> Result<(), ListpackError> {
    let stated = bytes.get(..HEADER).ok_or(ListpackError::Frame)?;
    let total = u32::from_le_bytes([stated[0], stated[1], stated[2], stated[3]]) as usize;
    let count = u16::from_le_bytes([stated[4], stated[5]]);
    if total != bytes.len() || total <= HEADER || bytes[total - 1] != END {
        return Err(ListpackError::Frame);
    }
    let (mut offset, end, mut found) = (HEADER, total - 1, 0);
    while offset < end {
        let damaged = ListpackError::Entry(offset);
        let body = entry::body_len(&bytes[offset..end]).ok_or(damaged)?;
        let next = offset + body + entry::backlen_size(body);
        if next > end || entry::read_backlen(bytes, next) != Some(body) {
            return Err(damaged);
        }
        offset = next;
        found += 1;
    }
    if count != COUNT_UNKNOWN && usize::from(count) != found {
        return Err(ListpackError::Count {
            stated: usize::from(count),
            found,
        });
    }
    Ok(())
}
