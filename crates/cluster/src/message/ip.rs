//! A node's address as text, as messages and nodes.conf hold it.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

/// Up to 45 bytes; empty: not known. It may be a name, if a node announces a name. No byte of it
/// can harm a line of nodes.conf or a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    len: u8,
    bytes: [u8; Ip::FIELD],
}

impl Ip {
    /// The length of an address field in messages, with the NUL at the end.
    pub(super) const FIELD: usize = 46;

    pub const UNKNOWN: Ip = Ip {
        len: 0,
        bytes: [0; Ip::FIELD],
    };

    /// `None`: too long, or of other than letters, digits and `.:-_%`.
    pub fn parse(text: &[u8]) -> Option<Ip> {
        let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b".:-_%".contains(byte);
        if text.len() >= Self::FIELD || !text.iter().all(is_valid) {
            return None;
        }
        let mut ip = Ip::UNKNOWN;
        ip.bytes[..text.len()].copy_from_slice(text);
        ip.len = u8::try_from(text.len()).ok()?;
        Some(ip)
    }

    /// Reads a field of a message: NUL ends it, and must be there.
    pub(super) fn from_field(field: &[u8; Self::FIELD]) -> Option<Ip> {
        let end = memchr::memchr(0, field)?;
        Ip::parse(&field[..end])
    }

    pub(super) fn as_field(&self) -> &[u8; Self::FIELD] {
        &self.bytes
    }

    /// The number; `None` if it is empty or a name.
    pub fn address(&self) -> Option<IpAddr> {
        std::str::from_utf8(self).ok()?.parse().ok()
    }
}

impl Default for Ip {
    fn default() -> Ip {
        Ip::UNKNOWN
    }
}

impl Deref for Ip {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Checked to be ASCII.
        f.write_str(std::str::from_utf8(self).unwrap_or_default())
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_ends_with_its_first_nul() {
        let mut field = [0; Ip::FIELD];
        field[..4].copy_from_slice(b"::1\0");
        field[4] = b'x';
        let ip = Ip::from_field(&field).expect("an address");
        assert_eq!(&ip[..], b"::1");
        assert_eq!(ip.address(), Some("::1".parse().expect("an address")));
        assert_eq!(ip.as_field()[4], 0);
        assert_eq!(Ip::from_field(&[b'1'; Ip::FIELD]), None);
    }

    #[test]
    fn what_would_harm_a_line_is_refused() {
        for wrong in [
            &b"1.2.3.4 5"[..],
            b"1,2",
            b"a@b",
            b"\n",
            b"\xff",
            &[b'1'; 46],
        ] {
            assert_eq!(Ip::parse(wrong), None);
        }
        assert_eq!(Ip::parse(b""), Some(Ip::UNKNOWN));
    }
}
