//! The HyperLogLog commands. `encodings::hyperloglog` defines the string format.
//!
//! A HyperLogLog is a string, which any string command may change. So each command checks the
//! header first (WRONGTYPE with a special text), and a sparse HyperLogLog may turn out damaged
//! later (INVALIDOBJ).
//!
//! A change of registers invalidates the count that PFCOUNT caches in the header. The handlers
//! write a value of the same length in place.

mod add;
mod count;
mod debug;

use russet_command::CommandError;
use russet_encodings::hyperloglog::{Damage, RegisterForm, form};
use russet_keyspace::{NewValue, Place, Str};
use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::PFADD,
    count::PFCOUNT,
    count::PFMERGE,
    debug::PFDEBUG,
    debug::PFSELFTEST,
];

const NOT_ONE: CommandError =
    CommandError::Text("WRONGTYPE Key is not a valid HyperLogLog string value.");

/// The refusal of a damaged HyperLogLog.
fn damaged(_: Damage) -> CommandError {
    CommandError::Text("INVALIDOBJ Corrupted HLL object detected")
}

/// The bytes and form of a string whose header marks it as a HyperLogLog. Must not be called for a
/// packed string ([`Place::unpack`]).
fn check(text: Str<'_>) -> Result<(&[u8], RegisterForm), CommandError> {
    match text {
        Str::Int(_) => Err(NOT_ONE),
        Str::Bytes(text) => Ok((text, form(text).ok_or(NOT_ONE)?)),
        Str::Packed(_) => unreachable!("the caller unpacks"),
    }
}

/// Stores another HyperLogLog in a key, in place if the length is the same. Must not be called for
/// a packed string.
fn store(place: Place<'_, '_, '_>, hll: &[u8]) {
    match place.string() {
        Ok(Some(Str::Bytes(old))) if old.len() == hll.len() => {
            place.grow(hll.len()).copy_from_slice(hll);
        }
        _ => {
            let value = NewValue::Bytes {
                text: hll,
                modified: true,
            };
            place.modify_string(value);
        }
    }
}
