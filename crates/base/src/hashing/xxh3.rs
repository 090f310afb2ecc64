//! XXH3 of 128 bits.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Inputs up to this length are hashed from a copy on the stack: the state of a hash in parts is
/// half a kilobyte.
const COPIED_MAX: usize = 240;

/// The hash of parts as of a single text. O(bytes).
pub fn hash_128(parts: &[&[u8]]) -> u128 {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    if len > COPIED_MAX {
        let mut state = Xxh3::new();
        parts.iter().for_each(|part| state.update(part));
        return state.digest128();
    }
    let (mut copy, mut at) = ([0; COPIED_MAX], 0);
    for part in parts {
        copy[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    xxh3_128(&copy[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hash_as_the_whole() {
        for len in [0, 1, 16, 17, 200, 240, 241, 1000] {
            let text: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let (some, rest) = text.split_at(len / 3);
            assert_eq!(hash_128(&[some, b"", rest]), xxh3_128(&text));
        }
    }
}
