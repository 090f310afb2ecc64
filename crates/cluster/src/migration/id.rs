//! The names of nodes and of migrations: 40 lowercase letters and digits.

use std::fmt;

/// The length of a name.
pub(crate) const NAME_LEN: usize = 40;

/// A node's id, or the name of a migration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; NAME_LEN]);

impl Name {
    /// Bytes of a name: 40.
    pub const LEN: usize = NAME_LEN;

    /// `None` unless these are 40 of `[0-9a-z]`.
    pub fn parse(text: &[u8]) -> Option<Name> {
        let name: [u8; NAME_LEN] = text.try_into().ok()?;
        let is_usual = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        name.iter().all(is_usual).then_some(Name(name))
    }

    /// The name as it is sent, all of `[0-9a-z]`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters and digits")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_forty_letters_and_digits() {
        assert!(Name::parse(&[b'a'; 40]).is_some());
        assert!(Name::parse(&[b'z'; 40]).is_some());
        for bad in [&[b'a'; 39][..], &[b'a'; 41], &[b'A'; 40], &[0xff; 40], b""] {
            assert_eq!(Name::parse(bad), None);
        }
    }
}
