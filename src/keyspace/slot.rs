//! The slot of a key, as all nodes of a cluster compute it: CRC-16/XMODEM of the key, or of its hash
//! tag, modulo 16384.
//!
//!     hash tag    the text between the first `{` and the first `}` after it, unless it is empty

use crate::base::crc16::checksum;

/// Slots of a cluster.
pub const SLOTS: usize = 16384;

/// The slot of a key. O(length); see `base::crc16`.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    let (crc, has_brace) = checksum(key, b'{');
    let crc = match has_brace {
        true => hash_tag(key).map_or(crc, |tag| checksum(tag, b'{').0),
        false => crc,
    };
    crc % SLOTS as u16
}

/// The slot of all keys that match a glob pattern; `None`: they may be in several. That is known of a
/// pattern without special characters up to the end of its hash tag, or of one without any.
pub fn slot_of_pattern(pattern: &[u8]) -> Option<u16> {
    let special = pattern.iter().position(|byte| b"*?[\\".contains(byte));
    let plain = &pattern[..special.unwrap_or(pattern.len())];
    let is_known = special.is_none() || hash_tag(plain).is_some();
    is_known.then(|| slot_of(plain))
}

/// The text that is hashed instead of the whole key, if there is one.
#[cold]
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = &key[open + 1..];
    let len = memchr::memchr(b'}', rest)?;
    (len > 0).then(|| &rest[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> u16 {
        checksum(text, b'{').0 % 16384
    }

    #[test]
    fn slots_are_those_of_redis() {
        let known: [(&[u8], u16); 5] = [
            (b"foo", 12182),
            (b"bar", 5061),
            (b"", 0),
            (b"{user1000}.following", 3443),
            (b"user1000", 3443),
        ];
        for (key, slot) in known {
            assert_eq!(slot_of(key), slot, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn the_first_tag_counts_unless_it_is_empty() {
        let same: [(&[u8], &[u8]); 4] = [
            (b"a{tag}b", b"tag"),
            (b"{tag}{other}", b"tag"),
            (b"foo{{bar}}zap", b"{bar"),
            (b"{a}", b"a"),
        ];
        for (key, tag) in same {
            assert_eq!(slot_of(key), whole(tag), "{}", key.escape_ascii());
        }
        for key in [&b"foo{}{bar}"[..], b"foo{bar", b"foo}bar{", b"{}", b"{"] {
            assert_eq!(slot_of(key), whole(key));
        }
    }

    #[test]
    fn a_pattern_fixes_the_slot_by_its_tag_or_without_special_characters() {
        for (pattern, text) in [
            (&b"{tag}*"[..], &b"tag"[..]),
            (b"a{tag}?", b"tag"),
            (b"plain", b"plain"),
            (b"{}plain", b"{}plain"),
        ] {
            assert_eq!(slot_of_pattern(pattern), Some(whole(text)));
        }
        for pattern in [&b"*{tag}"[..], b"{t*g}", b"{}{tag}*", b"{tag*", b"a\\b"] {
            assert_eq!(slot_of_pattern(pattern), None);
        }
    }
}
