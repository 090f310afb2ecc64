//! A zipmap, the encoding of small hashes before Redis 2.6: read from old files, never written.
//!
//!     count, 254 and more: unknown | (length name | length free value unused ...) ... | 0xFF
//!     length: 1 byte up to 253, or 254 and u32le; free: number of unused bytes after the value
//!
//! A length in the longer form that fits the shorter form is damage: readers that skip an entry by
//! the length's shortest form would continue in the middle of it.

/// Why bytes are not a zipmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("zipmap entry at byte {0} is damaged")]
pub struct ZipmapError(pub usize);

/// A name and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

const END: u8 = 0xFF;
const WIDE: u8 = 254;

/// Parses and checks all pairs of a zipmap.
pub fn parse(bytes: &[u8]) -> Result<Vec<Pair<'_>>, ZipmapError> {
    let mut pairs = Vec::new();
    let mut at = 1;
    loop {
        let damaged = ZipmapError(at);
        match bytes.get(at) {
            None => return Err(damaged),
            Some(&END) => break,
            Some(_) => {}
        }
        let (pair, next) = pair(bytes, at).ok_or(damaged)?;
        pairs.push(pair);
        at = next;
    }
    let stated = bytes[0];
    let counted = stated >= WIDE || usize::from(stated) == pairs.len();
    if counted && at + 1 == bytes.len() {
        Ok(pairs)
    } else {
        Err(ZipmapError(at))
    }
}

/// The pair at `at`, and the position of the next pair.
fn pair(bytes: &[u8], at: usize) -> Option<(Pair<'_>, usize)> {
    let (len, at) = length(bytes, at)?;
    let name = bytes.get(at..at.checked_add(len)?)?;
    let (len, at) = length(bytes, at + len)?;
    let free = usize::from(*bytes.get(at)?);
    let value = bytes.get(at + 1..(at + 1).checked_add(len)?)?;
    let next = at + 1 + len + free;
    (next < bytes.len()).then_some(((name, value), next))
}

fn length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match *bytes.get(at)? {
        END => None,
        WIDE => {
            let wide = bytes.get(at + 1..at + 5)?.try_into().ok()?;
            let len = u32::from_le_bytes(wide);
            (len >= u32::from(WIDE)).then_some((len as usize, at + 5))
        }
        short => Some((usize::from(short), at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"\x02\x03foo\x03\x01bar-\x01k\x02\x00hi\xff";

    #[test]
    fn pairs_are_read_past_unused_bytes() {
        let pairs = parse(SAMPLE).expect("whole");
        assert_eq!(pairs, [(&b"foo"[..], &b"bar"[..]), (b"k", b"hi")]);
        assert_eq!(parse(b"\0\xff"), Ok(vec![]));
    }

    /// Redis and Valkey reject them; some versions wrote beyond a buffer.
    #[test]
    fn lengths_have_one_form() {
        let map = |value: &[u8], len: &[u8]| [b"\x01\x03foo", len, b"\0", value, b"\xff"].concat();
        let long = [b'v'; 254];
        let bytes = map(&long, b"\xfe\xfe\0\0\0");
        assert_eq!(parse(&bytes), Ok(vec![(&b"foo"[..], &long[..])]));
        assert!(parse(&map(&long[..253], b"\xfe\xfd\0\0\0")).is_err());
        assert!(parse(&map(b"bar", b"\xfe\x03\0\0\0")).is_err());
        assert!(parse(b"\x01\xfe\x03\0\0\0foo\x03\0bar\xff").is_err());
    }

    #[test]
    fn damaged_bytes_are_refused_or_still_whole() {
        for cut in 0..SAMPLE.len() {
            assert!(parse(&SAMPLE[..cut]).is_err());
        }
        for at in 0..SAMPLE.len() {
            for value in 0..=255 {
                let mut bytes = SAMPLE.to_vec();
                bytes[at] = value;
                let _ = parse(&bytes);
            }
        }
    }
}
