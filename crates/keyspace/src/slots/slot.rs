//! The slot of a key, as all nodes of a cluster compute it: CRC-16/XMODEM of the key, or of its
//! hash tag, modulo 16384.
//!
//!     hash tag    the text between the first `{` and the first `}` after it, unless it is empty

use std::ops::Range;

use russet_base::hashing::crc16::checksum;

/// Slots of a cluster.
pub const SLOTS: usize = 16384;

/// The slot of a key. O(length); see `base::hashing::crc16`.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    SlotMemo::default().slot_of(key)
}

/// The slot of all keys that match a glob pattern; `None`: they may be in several. That is known of
/// a pattern without special characters up to the end of its hash tag, or of a pattern without a
/// hash tag.
pub fn slot_of_pattern(pattern: &[u8]) -> Option<u16> {
    let special = pattern.iter().position(|byte| b"*?[\\".contains(byte));
    let plain = &pattern[..special.unwrap_or(pattern.len())];
    let is_known = special.is_none() || hash_tag(plain).is_some();
    is_known.then(|| slot_of(plain))
}

/// The slots of keys that often have the hash tag of the key before, like those of a command: a
/// repeated tag is compared, not hashed.
#[derive(Default)]
pub struct SlotMemo<'k> {
    /// A key up to the end of its hash tag. Every key that begins with it has that tag. Empty: none
    /// yet.
    tagged: &'k [u8],
    slot: u16,
}

impl<'k> SlotMemo<'k> {
    /// As [`slot_of`].
    #[inline]
    pub fn slot_of(&mut self, key: &'k [u8]) -> u16 {
        if !self.tagged.is_empty() && key.starts_with(self.tagged) {
            return self.slot;
        }
        let (crc, has_brace) = checksum(key, b'{');
        let whole = crc % SLOTS as u16;
        if has_brace {
            self.note(key).unwrap_or(whole)
        } else {
            whole
        }
    }

    /// The slot of the key's tag, if it has a tag, which is kept.
    fn note(&mut self, key: &'k [u8]) -> Option<u16> {
        let tag = hash_tag(key)?;
        self.tagged = &key[..=tag.end];
        self.slot = checksum(&key[tag], b'{').0 % SLOTS as u16;
        Some(self.slot)
    }
}

/// Where the text is that is hashed instead of the whole key, if there is such a text. A brace
/// follows it.
fn hash_tag(key: &[u8]) -> Option<Range<usize>> {
    let start = find(b'{', key)? + 1;
    let len = find(b'}', &key[start..])?;
    (len > 0).then_some(start..start + len)
}

/// The first place of a byte. Most keys are short, with a tag near the beginning, so a call of
/// memchr would cost more than it saves.
#[inline]
fn find(byte: u8, text: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    let near = &text[..text.len().min(SHORT)];
    let found = near.iter().position(|at| *at == byte);
    found.or_else(|| memchr::memchr(byte, &text[near.len()..]).map(|at| at + near.len()))
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
    fn a_tag_that_comes_again_has_its_slot() {
        let long = [&[b'x'; 40][..], b"{tag}", &[b'y'; 40]].concat();
        let keys: [&[u8]; 13] = [
            b"{tag}1",
            b"{tag}2",
            b"{tag}",
            b"{ta",
            b"{tag",
            b"plain",
            b"{tag}3",
            b"{}{tag}",
            b"{tag}{}",
            b"{tags}1",
            b"a{tags}1",
            b"{tags}2",
            &long,
        ];
        let mut memo = SlotMemo::default();
        for key in keys.iter().chain(&keys) {
            assert_eq!(memo.slot_of(key), slot_of(key), "{}", key.escape_ascii());
        }
        assert_eq!(memo.slot_of(&long), whole(b"tag"));
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
