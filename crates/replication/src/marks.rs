//! Annotation lines of the append only file about the stream: where the two differ, and the stream
//! position of a place in the file.
//!
//!     #SO:<id>:<offset>   the stream is at this position here
//!     #LO:<bytes>         the bytes that follow are for the file alone; they count
//!     #RO:<bytes>         bytes that only replicas receive are left out here; they count
//!     #NS:<bytes>         the bytes that follow are not in the stream and do not count
//!
//! Other servers skip such lines, as all that begin with `#`.

use std::io::Write;

use super::history::{Position, ReplId};
use russet_base::numbers::number::parse_digits;

/// The meaning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `#SO`: the stream is at this position here.
    Position(Position),
    /// `#LO`: so many bytes follow that are in the file alone, and count.
    LogOnly(u64),
    /// `#RO`: so many bytes that only replicas receive are left out here, and count.
    ReplicasOnly(u64),
    /// `#NS`: so many bytes follow that are not in the stream, and do not count.
    NotInStream(u64),
}

impl Mark {
    /// Appends the line, with its end.
    pub fn write(self, out: &mut Vec<u8>) {
        let written = match self {
            Mark::Position(Position { id, offset }) => write!(out, "#SO:{id}:{offset}\r\n"),
            Mark::LogOnly(len) => write!(out, "#LO:{len}\r\n"),
            Mark::ReplicasOnly(len) => write!(out, "#RO:{len}\r\n"),
            Mark::NotInStream(len) => write!(out, "#NS:{len}\r\n"),
        };
        written.expect("a vector takes all");
    }

    /// Parses a line, its end included. `None`: not an annotation; `Some(Err)`: damaged.
    pub fn parse(line: &[u8]) -> Option<Result<Mark, ()>> {
        let (kind, rest) = line.split_at_checked(4)?;
        if ![b"#SO:", b"#LO:", b"#RO:", b"#NS:"].contains(&kind.try_into().ok()?) {
            return None;
        }
        let parsed = || {
            let rest = rest.strip_suffix(b"\r\n")?;
            if kind == b"#SO:" {
                let (id, offset) = rest.split_at_checked(40)?;
                return Some(Mark::Position(Position {
                    id: ReplId::parse(id)?,
                    offset: parse_digits(offset.strip_prefix(b":")?)?,
                }));
            }
            let bytes = parse_digits(rest)?;
            Some(match kind {
                b"#LO:" => Mark::LogOnly(bytes),
                b"#RO:" => Mark::ReplicasOnly(bytes),
                _ => Mark::NotInStream(bytes),
            })
        };
        Some(parsed().ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let position = Position {
            id: ReplId::random(),
            offset: 17,
        };
        for mark in [
            Mark::Position(position),
            Mark::LogOnly(0),
            Mark::ReplicasOnly(u64::MAX),
            Mark::NotInStream(23),
        ] {
            let mut line = Vec::new();
            mark.write(&mut line);
            assert_eq!(Mark::parse(&line), Some(Ok(mark)));
        }
        assert_eq!(Mark::parse(b"#TS:5\r\n"), None);
        assert_eq!(Mark::parse(b"#S"), None);
        for line in [
            &b"#SO:5\r\n"[..],
            b"#LO:\r\n",
            b"#LO:-1\r\n",
            b"#RO:18446744073709551616\r\n",
            b"#NS:5\n",
        ] {
            assert_eq!(Mark::parse(line), Some(Err(())), "{line:?}");
        }
    }
}
