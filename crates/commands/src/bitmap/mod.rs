//! The bitmap commands: strings, and native bitmaps, as arrays of bits.
//!
//! Both give the same replies, whichever a key holds; `native` decides when a key gets a native
//! bitmap.
//!
//! This module reads offsets, units and options; `encodings::bits` works on the bits.

mod bit;
mod combine;
mod count;
mod field;
mod native;
mod positions;
mod range;
#[cfg(test)]
mod twins;

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_server::Spec;
use russet_types::bitmap::BYTES_MAX;

pub(super) static SPECS: &[Spec] = &[
    bit::SETBIT,
    bit::GETBIT,
    count::BITCOUNT,
    count::BITPOS,
    combine::BITOP,
    field::BITFIELD,
    field::BITFIELD_RO,
    positions::BITRANGEINTARRAY,
    native::BITCONVERT,
    combine::BITROAROP,
];

const BAD_OFFSET: CommandError =
    CommandError::Text("ERR bit offset is not an integer or out of range");

/// A bit offset within a string of at most `max_bytes`.
fn parse_offset(text: &[u8], max_bytes: u64) -> Result<u64, CommandError> {
    check_offset(parse_i64(text), max_bytes)
}

/// The bytes up to the end of a native bitmap that a write reaches.
fn check_end(bytes: u64) -> Result<u64, CommandError> {
    if bytes <= BYTES_MAX {
        Ok(bytes)
    } else {
        Err(BAD_OFFSET)
    }
}

fn check_offset(offset: Option<i64>, max_bytes: u64) -> Result<u64, CommandError> {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < max_bytes)
        .ok_or(BAD_OFFSET)
}
