//! A ziplist, the predecessor of the listpack: read from old files, never written.
//!
//!     total: u32le | last entry: u32le | count: u16le | entry ... | 0xFF
//!     entry = length of the previous entry, 1 byte or 0xFE and u32le | header | data
//!
//!     00llllll                 string of up to 63 bytes
//!     01llllll l               string of up to 16383 bytes, high bits first
//!     10______ l l l l         longer string, u32be length
//!     0xC0 / D0 / E0 / F0 / FE integer of 16 / 32 / 64 / 24 / 8 bits, little endian
//!     1111vvvv                 integer v - 1, v from 1 to 13
//!
//! Invariant: a [`Ziplist::parse`] result is complete, so that reading it cannot fail.

use super::listpack::Entry;

const HEADER: usize = 10;
const END: u8 = 0xFF;
const COUNT_UNKNOWN: u16 = u16::MAX;
const WIDE: u8 = 0xFE;

/// Why bytes are not a ziplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZiplistError {
    /// A length, the place of the last entry, or the end mark does not match the bytes.
    #[error("ziplist header or end mark does not match its length")]
    Frame,
    /// The entry at this offset is damaged.
    #[error("ziplist entry at byte {0} is damaged")]
    Entry(usize),
    /// The header has another number of entries.
    #[error("ziplist holds {found} entries, its header says {stated}")]
    Count {
        /// The header's number.
        stated: usize,
        /// Entries up to the end mark.
        found: usize,
    },
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Ziplist<'a> {
    bytes: &'a [u8],
}

impl<'a> Ziplist<'a> {
    /// Parses a ziplist, checking every entry.
    pub fn parse(bytes: &'a [u8]) -> Result<Ziplist<'a>, ZiplistError> {
        let head = bytes.get(..HEADER).ok_or(ZiplistError::Frame)?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (total, last) = (word(0) as usize, word(4) as usize);
        let stated = u16::from_le_bytes([head[8], head[9]]);
        if total != bytes.len() || total <= HEADER || bytes[total - 1] != END {
            return Err(ZiplistError::Frame);
        }
        let (mut at, mut before, mut len) = (HEADER, 0, 0);
        let mut tail = HEADER;
        while at < total - 1 {
            let damaged = ZiplistError::Entry(at);
            let (_, back, size) = entry(&bytes[at..total - 1]).ok_or(damaged)?;
            if back != before {
                return Err(damaged);
            }
            (tail, before) = (at, size);
            at += size;
            len += 1;
        }
        if tail != last {
            return Err(ZiplistError::Frame);
        }
        if stated != COUNT_UNKNOWN && usize::from(stated) != len {
            return Err(ZiplistError::Count {
                stated: usize::from(stated),
                found: len,
            });
        }
        Ok(Ziplist { bytes })
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> {
        let mut rest = &self.bytes[HEADER..self.bytes.len() - 1];
        std::iter::from_fn(move || {
            let (value, _, size) = entry(rest)?;
            rest = &rest[size..];
            Some(value)
        })
    }
}

/// The entry that starts `bytes`: the value, the length of the previous entry as this entry has it,
/// and the length of the entry.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, usize, usize)> {
    let (back, head) = match *bytes.first()? {
        WIDE => (
            u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
            5,
        ),
        END => return None,
        short => (usize::from(short), 1),
    };
    let body = bytes.get(head..)?;
    let first = *body.first()?;
    let string = |skip: usize, len: usize| {
        let text = body.get(skip..skip.checked_add(len)?)?;
        Some((Entry::Str(text), back, head + skip + len))
    };
    let integer = |width: usize| {
        let raw = body.get(1..1 + width)?;
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(raw);
        let value = i64::from_le_bytes(wide) >> (64 - 8 * width);
        Some((Entry::Int(value), back, head + 1 + width))
    };
    match first {
        0x00..=0x3F => string(1, usize::from(first)),
        0x40..=0x7F => string(
            2,
            usize::from(first & 0x3F) << 8 | usize::from(*body.get(1)?),
        ),
        0x80..=0xBF => string(
            5,
            u32::from_be_bytes(body.get(1..5)?.try_into().ok()?) as usize,
        ),
        0xC0 => integer(2),
        0xD0 => integer(4),
        0xE0 => integer(8),
        0xF0 => integer(3),
        0xFE => integer(1),
        0xF1..=0xFD => Some((Entry::Int(i64::from(first - 0xF1)), back, head + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ziplist of entries, each a header and data.
    pub fn build(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::new();
        let (mut before, mut last) = (0usize, HEADER);
        for entry in entries {
            last = HEADER + body.len();
            let start = body.len();
            if before < 254 {
                body.push(before as u8);
            } else {
                body.push(WIDE);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
            body.extend_from_slice(entry);
            before = body.len() - start;
        }
        let total = (HEADER + body.len() + 1) as u32;
        let mut all = total.to_le_bytes().to_vec();
        all.extend_from_slice(&(last as u32).to_le_bytes());
        all.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        all.extend_from_slice(&body);
        all.push(END);
        all
    }

    fn sample() -> Vec<u8> {
        build(&[
            [&[5], &b"hello"[..]].concat(),
            [&[0x41, 0x2C], &[b'x'; 300][..]].concat(),
            vec![0xF1],
            vec![0xFD],
            vec![0xFE, 0x80],
            vec![0xC0, 0x34, 0x12],
            vec![0xF0, 0xFF, 0xFF, 0xFF],
            vec![0xD0, 0, 0, 0, 0x80],
            [&[0xE0], &i64::MIN.to_le_bytes()[..]].concat(),
            vec![0x80, 0, 0, 0, 1, b'y'],
        ])
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let bytes = sample();
        let list = Ziplist::parse(&bytes).expect("whole");
        let long = [b'x'; 300];
        let expected = [
            Entry::Str(b"hello"),
            Entry::Str(&long),
            Entry::Int(0),
            Entry::Int(12),
            Entry::Int(-128),
            Entry::Int(0x1234),
            Entry::Int(-1),
            Entry::Int(i64::from(i32::MIN)),
            Entry::Int(i64::MIN),
            Entry::Str(b"y"),
        ];
        assert!(list.iter().eq(expected));
        let empty = build(&[]);
        assert_eq!(Ziplist::parse(&empty).expect("whole").iter().count(), 0);
    }

    #[test]
    fn damaged_bytes_are_refused_or_still_whole() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            assert!(Ziplist::parse(&bytes[..cut]).is_err());
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                if let Ok(list) = Ziplist::parse(&bytes) {
                    assert!(list.iter().count() < 11);
                }
            }
        }
    }
}
