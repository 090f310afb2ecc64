//! The bitmap commands: strings as arrays of bits.
//!
//! This module reads offsets, units and options; `encodings::bits` works on the bits.

mod bit;
mod combine;
mod count;
mod field;
mod range;

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    bit::SETBIT,
    bit::GETBIT,
    count::BITCOUNT,
    count::BITPOS,
    combine::BITOP,
    field::BITFIELD,
    field::BITFIELD_RO,
];

const BAD_OFFSET: CommandError =
    CommandError::Text("ERR bit offset is not an integer or out of range");

/// A bit offset within a string of at most `max_bytes`.
fn parse_offset(text: &[u8], max_bytes: u64) -> Result<u64, CommandError> {
    check_offset(parse_i64(text), max_bytes)
}

fn check_offset(offset: Option<i64>, max_bytes: u64) -> Result<u64, CommandError> {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < max_bytes)
        .ok_or(BAD_OFFSET)
}
