//! Passwords, stored as their SHA-256.

use std::hint::black_box;

use sha2::{Digest as _, Sha256};

/// A password's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a password in plain text.
    pub fn of(password: &[u8]) -> Hash {
        Hash(Sha256::digest(password).into())
    }

    /// Parses 64 hexadecimal digits, lowercase only.
    pub fn parse(text: &[u8]) -> Option<Hash> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        if text.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Hash(hash))
    }

    /// As 64 hexadecimal digits.
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compares in constant time, wherever the first difference is.
    pub fn is(&self, other: &Hash) -> bool {
        let pairs = self.0.iter().zip(other.0);
        let differing = pairs.fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        differing == 0
    }
}

/// The rule that gives a user this password, as ACL LIST shows it: `#` and the hash.
pub fn password_rule(password: &[u8]) -> Vec<u8> {
    format!("#{}", Hash::of(password).text()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_and_written_alike() {
        let hash = Hash::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash.text(), text);
        assert_eq!(Hash::parse(text.as_bytes()), Some(hash));
        assert!(hash.is(&hash) && !hash.is(&Hash::of(b"x")));
        assert_eq!(Hash::parse(text.to_uppercase().as_bytes()), None);
        assert_eq!(Hash::parse(&text.as_bytes()[1..]), None);
    }
}
