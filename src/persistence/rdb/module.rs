//! Module data: which module it belongs to.

use super::fault::Fault;
use super::input::Input;

/// The alphabet of module names: nine letters of six bits each, above ten bits of version.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name of the module whose data follows.
pub fn name(input: &mut Input<'_>) -> Result<String, Fault> {
    let id = input.length()?;
    let letter = |at: u32| char::from(LETTERS[(id >> (10 + 6 * at) & 63) as usize]);
    Ok((0..9).rev().map(letter).collect())
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
