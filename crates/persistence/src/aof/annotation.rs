//! Annotations: lines between commands that begin with `#`. Redis from 7.0 on and Valkey skip them;
//! their check tools accept files with them.
//!
//!     #TS:1700000000                         the next commands were executed at this Unix second
//!     #CK:0:1700000000:-                     checksums begin after this line
//!     #CK:5312:1700000001:0123456789abcdef   offset of this line, Unix second, CRC-64
//!     #FA:1700000000123                      the next flush set its data aside at this Unix
//!                                            millisecond
//!     #FK:2                                  of the data set aside, only that of the last two
//!                                            flushes is kept
//!
//! Lines about the replication stream (`replication::Mark`) are annotations, too.
//!
//! The CRC-64 covers all bytes since the last `#CK` line, and this line up to the colon before the
//! CRC: so offset and time are covered, too. The offset must be the line's own, which distinguishes
//! a real line found by searching from bytes that merely look like a line.

use std::io::Write;

use russet_base::hashing::crc64;
use russet_base::numbers::number::parse_digits;
use russet_replication::Mark;

/// Redis does not read longer lines.
pub const LINE_MAX: usize = 1024;

const TIME: &[u8] = b"#TS:";
const CHECKSUM: &[u8] = b"#CK:";

/// A parsed annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Annotation {
    /// The commands after this line were executed at this Unix second.
    Time(i64),
    Checksum(Checksum),
    Stream(Mark),
    Aside(AsideLine),
    /// Unknown here: another program's.
    Foreign,
    /// The line begins like russet's lines but is malformed.
    Damaged,
}

/// A `#CK` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The line's offset in its file.
    pub offset: u64,
    pub unix_s: i64,
    /// `None`: checksums begin after this line.
    pub crc: Option<u64>,
    /// Bytes of the line that its own checksum covers.
    pub covered: usize,
}

/// A line about data set aside by flushes (`flush-grace`): a replay does the same as the server
/// did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsideLine {
    /// The next command, transaction or script with a flush set its data aside at this Unix
    /// millisecond.
    SetAside(i64),
    /// The data of all flushes was freed, except for that of the last so many before this line.
    Kept(u64),
}

impl AsideLine {
    /// Appends the line, with its end.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let written = match self {
            AsideLine::SetAside(at_ms) => write!(out, "#FA:{at_ms}\r\n"),
            AsideLine::Kept(flushes) => write!(out, "#FK:{flushes}\r\n"),
        };
        written.expect("a vector takes all");
    }

    /// Parses a line, its end included. `None`: not such a line; `Some(None)`: a damaged line.
    fn parse(line: &[u8]) -> Option<Option<AsideLine>> {
        let (kind, rest) = line.split_at_checked(4)?;
        let n = || parse_digits(rest.strip_suffix(b"\r\n")?);
        match kind {
            b"#FA:" => Some(n().and_then(|n| Some(AsideLine::SetAside(i64::try_from(n).ok()?)))),
            b"#FK:" => Some(n().map(AsideLine::Kept)),
            _ => None,
        }
    }
}

impl Annotation {
    /// Parses a line, including its line end.
    pub fn parse(line: &[u8]) -> Annotation {
        let parsed = if let Some(rest) = line.strip_prefix(TIME) {
            // Redis ends the line with `\r\n`; others may with `\n` alone.
            let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
            let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
            parse_digits(rest).map(|n| Annotation::Time(n as i64))
        } else if line.starts_with(CHECKSUM) {
            checksum(line).map(Annotation::Checksum)
        } else if let Some(line) = AsideLine::parse(line) {
            line.map(Annotation::Aside)
        } else {
            match Mark::parse(line) {
                Some(mark) => mark.ok().map(Annotation::Stream),
                None => Some(Annotation::Foreign),
            }
        };
        parsed.unwrap_or(Annotation::Damaged)
    }
}

fn checksum(line: &[u8]) -> Option<Checksum> {
    let body = line.strip_suffix(b"\r\n")?;
    let mut words = body[CHECKSUM.len()..].split(|&b| b == b':');
    let (offset, time, crc) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some(Checksum {
        offset: parse_digits(offset)?,
        unix_s: i64::try_from(parse_digits(time)?).ok()?,
        crc: match crc {
            b"-" => None,
            _ => Some(parse_hex(crc)?),
        },
        covered: body.len() - crc.len(),
    })
}

/// Sixteen lowercase digits, so that every checksum has one spelling.
fn parse_hex(text: &[u8]) -> Option<u64> {
    let plain = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if text.len() != 16 || !text.iter().all(plain) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Appends a `#TS` line.
pub fn write_time(out: &mut Vec<u8>, unix_s: i64) {
    write!(out, "#TS:{unix_s}\r\n").expect("a vector takes all");
}

/// Length of the `#TS` line that `bytes` begin with; 0 without such a line.
pub(crate) fn leading_time(bytes: &[u8]) -> usize {
    if bytes.starts_with(TIME) {
        memchr::memchr(b'\n', bytes).map_or(0, |end| end + 1)
    } else {
        0
    }
}

/// Appends the line after which checksums begin, at `offset` of its file.
pub(crate) fn write_begin(out: &mut Vec<u8>, offset: u64, unix_s: i64) {
    write!(out, "#CK:{offset}:{unix_s}:-\r\n").expect("a vector takes all");
}

/// Appends the checksum of `out` and of the bytes before it (`crc`), as the line at `offset`.
pub(crate) fn write_checksum(out: &mut Vec<u8>, crc: u64, offset: u64, unix_s: i64) {
    write!(out, "#CK:{offset}:{unix_s}:").expect("a vector takes all");
    let crc = crc64::update(crc, out);
    write!(out, "{crc:016x}\r\n").expect("a vector takes all");
}

/// Length of the line that [`write_checksum`] appends.
pub(crate) fn checksum_len(offset: u64, unix_s: i64) -> usize {
    let mut digits = itoa::Buffer::new();
    let offset = digits.format(offset).len();
    CHECKSUM.len() + offset + 1 + digits.format(unix_s).len() + 1 + 16 + 2
}

/// Whether `bytes`, which begin at `offset` of their file, contain a valid checksum line.
pub(crate) fn holds_checksum(bytes: &[u8], offset: u64) -> bool {
    memchr::memmem::find_iter(bytes, CHECKSUM).any(|at| {
        let rest = &bytes[at..];
        let line = rest.iter().take(LINE_MAX).position(|&b| b == b'\n');
        let line = line.map(|end| &rest[..=end]);
        let stands = offset + at as u64;
        matches!(
            line.map(Annotation::parse),
            Some(Annotation::Checksum(Checksum { offset, .. })) if offset == stands
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let mut out = b"*1\r\n$4\r\nPING\r\n".to_vec();
        let at = out.len();
        write_checksum(&mut out, 0, at as u64, 1_700_000_000);
        let line = &out[at..];
        let Annotation::Checksum(read) = Annotation::parse(line) else {
            panic!("{line:?}");
        };
        assert_eq!(line.len(), checksum_len(at as u64, 1_700_000_000));
        assert_eq!((read.offset, read.unix_s), (at as u64, 1_700_000_000));
        let covered = crc64::update(0, &out[..at + read.covered]);
        assert_eq!(read.crc, Some(covered));
        assert!(holds_checksum(&out, 0) && !holds_checksum(&out, 1));
        assert!(!holds_checksum(&out[..out.len() - 1], 0));

        let mut begin = Vec::new();
        write_begin(&mut begin, 0, 5);
        assert_eq!(begin, b"#CK:0:5:-\r\n");
        let mut time = Vec::new();
        write_time(&mut time, 5);
        assert_eq!(Annotation::parse(&time), Annotation::Time(5));
        for line in [AsideLine::SetAside(1_700_000_000_123), AsideLine::Kept(0)] {
            let mut out = Vec::new();
            line.write(&mut out);
            assert_eq!(Annotation::parse(&out), Annotation::Aside(line));
        }
    }

    #[test]
    fn a_damaged_line_is_not_taken_for_a_foreign_one() {
        assert_eq!(Annotation::parse(b"# hello\n"), Annotation::Foreign);
        for line in [
            &b"#TS:x\r\n"[..],
            b"#TS:\r\n",
            b"#CK:0:5:-\n",
            b"#CK:0:5:--\r\n",
            b"#CK:0:5:0123456789ABCDEF\r\n",
            b"#CK:0:5:0123456789abcde\r\n",
            b"#CK:+1:5:-\r\n",
            b"#CK:1:5\r\n",
            b"#CK:1:5:-:-\r\n",
            b"#FA:-5\r\n",
            b"#FA:99999999999999999999\r\n",
            b"#FK:1\n",
        ] {
            assert_eq!(Annotation::parse(line), Annotation::Damaged, "{line:?}");
        }
    }
}
