//! Data of modules: which module it belongs to, and what may be ignored.
//!
//!     value      id, fields, 0
//!     metadata   n (class: u32le, fields, 0)      of the next key
//!     field      1, 2: length | 3: f32 | 4: f64 | 5: string

use super::fault::Fault;
use super::input::Input;

/// What kinds of fields module data has.
pub mod field {
    pub const END: u64 = 0;
    pub const SIGNED: u64 = 1;
    pub const UNSIGNED: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

/// The alphabet of module names: nine letters of six bits each, above ten bits of version.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name of the module whose data follows.
pub fn name(input: &mut Input<'_>) -> Result<String, Fault> {
    let id = input.length()?;
    let letter = |at: u32| char::from(LETTERS[(id >> (10 + 6 * at) & 63) as usize]);
    Ok((0..9).rev().map(letter).collect())
}

/// Letters of a class of metadata: four letters of six bits each, above five bits of version and
/// three of flags.
const CLASS_LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
/// The flag of metadata that may be ignored where its class is not known.
const IGNORABLE: u32 = 1;

/// Passes over a key's metadata, if all of it may be ignored.
pub fn skip_metadata(input: &mut Input<'_>) -> Result<(), Fault> {
    for _ in 0..input.count(5)? {
        let class = u32::from_le_bytes(input.array()?);
        if class & IGNORABLE == 0 {
            let letter = |at: u32| char::from(CLASS_LETTERS[(class >> (8 + 6 * at) & 63) as usize]);
            return Err(Fault::Metadata((0..4).rev().map(letter).collect()));
        }
        skip_fields(input)?;
    }
    Ok(())
}

fn skip_fields(input: &mut Input<'_>) -> Result<(), Fault> {
    loop {
        match input.length()? {
            field::END => return Ok(()),
            field::SIGNED | field::UNSIGNED => _ = input.length()?,
            field::FLOAT => _ = input.array::<4>()?,
            field::DOUBLE => _ = input.array::<8>()?,
            field::STRING => _ = input.string()?,
            _ => return Err(Fault::damaged("a field of module data is of unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_its_number() {
        let id = b"ReJSON-RL".iter().fold(0, |id: u64, letter| {
            let at = LETTERS.iter().position(|l| l == letter).expect("a letter");
            id << 6 | at as u64
        });
        let mut bytes = vec![0x81];
        bytes.extend_from_slice(&(id << 10 | 3).to_be_bytes());
        let named = name(&mut Input::of_bytes(&bytes)).expect("a number");
        assert_eq!(named, "ReJSON-RL");
    }
}
