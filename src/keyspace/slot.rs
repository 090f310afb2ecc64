//! The slot of a key, as all nodes of a cluster compute it: CRC-16/XMODEM of the key, or of its hash
//! tag, modulo 16384.
//!
//!     hash tag    the text between the first `{` and the first `}` after it, unless it is empty
//!
//! It is computed on the way of each command in cluster mode, so the checksum takes eight bytes a step
//! from eight tables (4 KiB), and the same pass looks for `{`. The initial value is zero, so zero bytes
//! in front of a text change nothing: the first step takes what is left over by the others, and there
//! is no tail.
//!
//! Cost: 2 to 5 ns for keys of up to 32 bytes without a hash tag.

/// Slots of a cluster.
pub const SLOTS: usize = 16384;

/// The polynomial x^16 + x^12 + x^5 + 1.
const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[n][byte]`: the checksum of a byte with `n` zero bytes after it.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut n = 0;
        while n < 64 {
            crc = crc << 1 ^ if crc & 0x8000 != 0 { POLYNOMIAL } else { 0 };
            n += 1;
            if n % 8 == 0 {
                tables[n / 8 - 1][byte] = crc;
            }
        }
        byte += 1;
    }
    tables
}

/// The slot of a key.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    let (crc, has_brace) = checksum(key);
    let crc = match has_brace {
        true => hash_tag(key).map_or(crc, |tag| checksum(tag).0),
        false => crc,
    };
    crc % SLOTS as u16
}

/// The slot of all keys that match a glob pattern; `None`: they may be in several. That is known of a
/// pattern without special characters up to the end of its hash tag, or of one without any.
pub fn slot_of_pattern(pattern: &[u8]) -> Option<u16> {
    let fixed = pattern.iter().position(|byte| b"*?[\\".contains(byte));
    let fixed = &pattern[..fixed.unwrap_or(pattern.len())];
    let is_known = fixed.len() == pattern.len() || hash_tag(fixed).is_some();
    is_known.then(|| slot_of(fixed))
}

/// The text that is hashed instead of the whole key, if there is one.
#[cold]
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = &key[open + 1..];
    let len = memchr::memchr(b'}', rest)?;
    (len > 0).then(|| &rest[..len])
}

/// CRC-16/XMODEM of a text, and whether it has a `{`.
#[inline]
fn checksum(text: &[u8]) -> (u16, bool) {
    let (first, rest) = text.split_at(text.len() % 8);
    let mut block = head(text, first.len());
    let mut braces = braces_in(block);
    let mut crc = step(0, block);
    for eight in rest.as_chunks::<8>().0 {
        block = u64::from_be_bytes(*eight);
        braces |= braces_in(block);
        crc = step(crc, block);
    }
    (crc, braces != 0)
}

/// The first `len` bytes of a text, fewer than 8, at the end of a block. Without a copy of variable
/// length: bytes read twice are written to the same place.
#[inline]
fn head(text: &[u8], len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    if let Some(eight) = text.first_chunk::<8>() {
        return u64::from_be_bytes(*eight) >> (64 - 8 * len);
    }
    let bits = 8 * (len as u32);
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let first = u64::from(u32::from_be_bytes(*first));
        return first << (bits - 32) | u64::from(u32::from_be_bytes(*last));
    }
    let byte = |at: usize| u64::from(text[at]);
    byte(0) << (bits - 8) | byte(len / 2) << (bits - 8 - 8 * (len as u32 / 2)) | byte(len - 1)
}

/// The checksum after eight more bytes, the first one on top.
#[inline]
fn step(crc: u16, block: u64) -> u16 {
    let block = block ^ u64::from(crc) << 48;
    let of = |n: usize| TABLES[n][(block >> (8 * n)) as u8 as usize];
    (of(0) ^ of(1)) ^ (of(2) ^ of(3)) ^ ((of(4) ^ of(5)) ^ (of(6) ^ of(7)))
}

/// Not zero exactly when one of the bytes is `{`.
#[inline]
fn braces_in(block: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let differs = block ^ ONES * b'{' as u64;
    differs.wrapping_sub(ONES) & !differs & ONES << 7
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, by the definition.
    fn plain(text: &[u8]) -> u16 {
        text.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                let carry = crc & 0x8000 != 0;
                crc << 1 ^ if carry { POLYNOMIAL } else { 0 }
            })
        })
    }

    #[test]
    fn the_checksum_is_xmodem_at_every_length() {
        assert_eq!(checksum(b"123456789").0, 0x31c3);
        let text: Vec<u8> = (0..200u32).map(|n| (n * 151 + 7) as u8).collect();
        for from in 0..9 {
            for to in from..text.len() {
                let part = &text[from..to];
                assert_eq!(checksum(part), (plain(part), part.contains(&b'{')));
            }
        }
    }

    #[test]
    fn one_brace_is_found_at_every_place() {
        for len in 1..40 {
            for at in 0..len {
                let mut text = vec![b'z'; len];
                text[at] = b'{';
                assert!(checksum(&text).1, "{at} of {len}");
                // Its neighbours in the order of bytes.
                for other in [b'z', b'|', 0, 0xfb, 0x7c, 0x7a] {
                    text[at] = other;
                    assert!(!checksum(&text).1, "{other} at {at} of {len}");
                }
            }
        }
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
            assert_eq!(slot_of(key), plain(tag) % 16384, "{}", key.escape_ascii());
        }
        for whole in [&b"foo{}{bar}"[..], b"foo{bar", b"foo}bar{", b"{}", b"{"] {
            assert_eq!(slot_of(whole), plain(whole) % 16384);
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
            assert_eq!(slot_of_pattern(pattern), Some(plain(text) % 16384));
        }
        for pattern in [&b"*{tag}"[..], b"{t*g}", b"{}{tag}*", b"{tag*", b"a\\b"] {
            assert_eq!(slot_of_pattern(pattern), None);
        }
    }
}
