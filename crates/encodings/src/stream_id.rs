//! IDs of stream entries: 128 bits, ordered, shown as `ms-seq`.
//!
//!     files    16 bytes, the most significant first: their order as bytes is that of the IDs
//!     text     two decimal numbers without a sign; at most 41 bytes
//!
//! Texts from clients are read as leniently as Redis does: bytes after a NUL are ignored, and a
//! missing `seq` is the caller's. [`GivenId`] also has `ms-*`. All is O(length of text); nothing is
//! allocated. Which ID an entry gets is decided by `types::stream`.

use russet_base::numbers::number::parse_u64_lenient;

/// Longer texts are invalid, whatever their content.
const TEXT_MAX: usize = 127;
/// Two numbers of 20 digits and the dash between them.
const SHOWN_MAX: usize = 41;

/// The time at which an entry was added, Unix milliseconds, and a sequence number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds.
    pub ms: u64,
    /// Distinguishes the entries of a millisecond.
    pub seq: u64,
}

/// An ID given by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenId {
    /// `ms-seq`, or `ms` with the caller's `seq`.
    Whole(StreamId),
    /// `ms-*`: the stream chooses the sequence number.
    Time(u64),
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId::new(0, 0);
    /// The greatest ID: both parts are `u64::MAX`.
    pub const MAX: StreamId = StreamId::new(u64::MAX, u64::MAX);

    /// The ID `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// Whether it is `0-0`.
    pub fn is_zero(self) -> bool {
        self == StreamId::MIN
    }

    /// The next ID; `None` after the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| StreamId::new(ms, 0)),
        }
    }

    /// The previous ID; `None` before `0-0`.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| StreamId::new(ms, u64::MAX)),
        }
    }

    /// Most significant byte first, as in files.
    pub fn to_bytes(self) -> [u8; 16] {
        self.to_u128().to_be_bytes()
    }

    /// `ms` in the upper half, `seq` in the lower half: ordered as the IDs.
    pub fn to_u128(self) -> u128 {
        (u128::from(self.ms) << 64) | u128::from(self.seq)
    }

    /// The inverse of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let both = u128::from_be_bytes(bytes);
        StreamId::new((both >> 64) as u64, both as u64)
    }

    /// Parses an ID: `ms-seq`, `ms` (with `seq` for the rest), and unless `strict` the bounds `-`
    /// and `+`.
    #[inline]
    pub fn parse(text: &[u8], seq: u64, strict: bool) -> Option<StreamId> {
        match GivenId::parse_any(text, seq, strict, false)? {
            GivenId::Whole(id) => Some(id),
            GivenId::Time(_) => None,
        }
    }

    /// The ID's text.
    #[inline]
    pub fn text(self) -> IdText {
        let mut text = IdText {
            bytes: [0; SHOWN_MAX],
            len: 0,
        };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(self.seq).as_bytes());
        text
    }
}

impl GivenId {
    /// As a strict [`StreamId::parse`], or `ms-*`.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<GivenId> {
        GivenId::parse_any(text, 0, true, true)
    }

    fn parse_any(text: &[u8], seq: u64, strict: bool, may_choose: bool) -> Option<GivenId> {
        if text.len() > TEXT_MAX {
            return None;
        }
        // As in C, a NUL byte ends it.
        let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        match text {
            b"-" | b"+" if strict => return None,
            b"-" => return Some(GivenId::Whole(StreamId::MIN)),
            b"+" => return Some(GivenId::Whole(StreamId::MAX)),
            _ => {}
        }
        let Some(dash) = memchr::memchr(b'-', text) else {
            let ms = parse_u64_lenient(text)?;
            return Some(GivenId::Whole(StreamId::new(ms, seq)));
        };
        let ms = parse_u64_lenient(&text[..dash])?;
        match &text[dash + 1..] {
            b"*" if may_choose => Some(GivenId::Time(ms)),
            seq => {
                let seq = parse_u64_lenient(seq)?;
                Some(GivenId::Whole(StreamId::new(ms, seq)))
            }
        }
    }
}

/// The text of an ID, on the stack.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; SHOWN_MAX],
    len: usize,
}

impl IdText {
    #[inline]
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    /// The text, `ms-seq`, in ASCII.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_redis_reads_them() {
        let id = |text: &str| StreamId::parse(text.as_bytes(), 7, false);
        assert_eq!(id("5-3"), Some(StreamId::new(5, 3)));
        assert_eq!(id("5"), Some(StreamId::new(5, 7)));
        assert_eq!(id("-"), Some(StreamId::MIN));
        assert_eq!(id("+"), Some(StreamId::MAX));
        assert_eq!(
            id("18446744073709551615-18446744073709551615"),
            Some(StreamId::MAX)
        );
        assert_eq!(id("5-3\0junk"), Some(StreamId::new(5, 3)));
        for bad in [
            "",
            "a",
            "5-",
            "-5",
            "5-3-1",
            "5-*",
            "*",
            "18446744073709551616",
            "1 ",
            "--1",
        ] {
            assert_eq!(id(bad), None, "{bad}");
        }
        assert_eq!(id(&"0".repeat(128)), None);
        assert_eq!(StreamId::parse(b"-", 0, true), None);
        assert_eq!(StreamId::parse(b"+", 0, true), None);
        assert_eq!(GivenId::parse(b"9-*"), Some(GivenId::Time(9)));
        assert_eq!(GivenId::parse(b"9-**"), None);
    }

    #[test]
    fn neighbours_carry_over_the_time() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).prev(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.prev()), (None, None));
        assert_eq!(StreamId::MAX.text().as_bytes().len(), SHOWN_MAX);
        assert_eq!(StreamId::new(12, 0).text().as_bytes(), b"12-0");
        let id = StreamId::new(258, 3);
        assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
        assert_eq!(id.to_bytes()[6..8], [1, 2]);
    }
}
