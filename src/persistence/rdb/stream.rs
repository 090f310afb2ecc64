//! Streams, as far as a reader must know them that has no such type: their shape.
//!
//!     n (16 bytes: an ID | listpack) ...          nodes
//!     length | last ID                            and from the second form on:
//!     first ID | greatest deleted ID | added
//!     n groups: name | last ID | [entries read]
//!         n pending: 16 bytes: an ID | delivered: ms | deliveries
//!         n consumers: name | seen: ms | [active: ms]  n pending: 16 bytes: an ID

use super::fault::Fault;
use super::format::kind;
use super::input::Input;
use crate::encodings::listpack::Listpack;

/// Reads past a stream, checking what can be.
pub fn skip(input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
    for _ in 0..input.count(2)? {
        if input.blob()?.len() != 16 {
            return Err(Fault::Stream);
        }
        if Listpack::from_bytes(input.blob()?)?.is_empty() {
            return Err(Fault::Stream);
        }
    }
    let numbers = if kind == kind::STREAM_LISTPACKS { 3 } else { 8 };
    for _ in 0..numbers {
        input.length()?;
    }
    for _ in 0..input.count(1)? {
        group(input, kind)?;
    }
    Ok(())
}

fn group(input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
    input.string()?;
    let numbers = if kind == kind::STREAM_LISTPACKS { 2 } else { 3 };
    for _ in 0..numbers {
        input.length()?;
    }
    for _ in 0..input.count(16 + 8 + 1)? {
        input.array::<16>()?;
        input.millis()?;
        input.length()?;
    }
    for _ in 0..input.count(1)? {
        input.string()?;
        input.millis()?;
        if kind == kind::STREAM_LISTPACKS_3 {
            input.millis()?;
        }
        for _ in 0..input.count(16)? {
            input.array::<16>()?;
        }
    }
    Ok(())
}
