//! The name of a node, or of a shard.

use std::fmt;

use russet_host::Random;

/// 40 bytes of `[0-9a-z]`; real nodes make hexadecimal ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; Self::LEN]);

impl NodeId {
    /// Bytes of an id.
    pub const LEN: usize = 40;

    /// `None` unless the bytes are an id.
    pub fn parse(bytes: &[u8]) -> Option<NodeId> {
        let id: [u8; Self::LEN] = bytes.try_into().ok()?;
        let is_valid = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        id.iter().all(is_valid).then_some(NodeId(id))
    }

    /// The first 160 bits of these 192, in hexadecimal.
    pub fn of_random(words: [u64; 3]) -> NodeId {
        let text = format!("{:016x}{:016x}{:08x}", words[0], words[1], words[2] >> 32);
        NodeId::parse(text.as_bytes()).expect("40 hexadecimal digits")
    }

    /// The next of a seed's numbers.
    pub(crate) fn drawn(random: &mut Random) -> NodeId {
        NodeId::of_random([random.next_u64(), random.next_u64(), random.next_u64()])
    }

    /// The same id with zeros in the place of its first digits.
    pub(crate) fn with_zeros(mut self, digits: usize) -> NodeId {
        self.0[..digits].fill(b'0');
        self
    }

    /// The id as it is sent.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Checked to be ASCII.
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forty_lowercase_letters_and_digits_are_an_id() {
        assert!(NodeId::parse(&[b'z'; 40]).is_some());
        for wrong in [
            &[b'a'; 39][..],
            &[b'a'; 41],
            &[b'A'; 40],
            &[0; 40],
            &[b' '; 40],
        ] {
            assert_eq!(NodeId::parse(wrong), None);
        }
    }

    #[test]
    fn random_ids_use_all_their_bits() {
        let id = NodeId::of_random([1, u64::MAX, 0x8000_0000_0000_0000]);
        assert_eq!(id.to_string(), "0000000000000001ffffffffffffffff80000000");
    }
}
