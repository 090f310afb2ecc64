//! Notes in the stream: PINGs whose message has a meaning for russet.
//!
//!     russet:by <Unix ms> <database|-> <user>   time, database and user of the next changes
//!     russet:unknown                            time and user of the next changes are unknown
//!     russet:cursor <offset> <name>             a consumer has read up to this offset
//!     russet:nocursor <name>                    there is no such consumer any more
//!
//! The notes of a group of servers are beside these ([`QuorumNote`](crate::quorum::QuorumNote)).

use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;
use russet_keyspace::DbIndex;

const PREFIX: &[u8] = b"russet:";

/// The content of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// Time, database and user of the changes that follow.
    By {
        /// Unix milliseconds.
        unix_ms: u64,
        /// The database that the stream has selected; `None`: the next request selects a database.
        db: Option<DbIndex>,
        /// Empty: no user's, as expiries are.
        user: &'a [u8],
    },
    /// Time and user of the next changes are unknown.
    Unknown,
    /// A consumer has read up to an offset.
    Cursor {
        /// All changes up to here are acknowledged.
        offset: ReplOffset,
        /// The consumer's name.
        name: &'a [u8],
    },
    /// A consumer has been removed.
    NoCursor {
        /// The consumer's name.
        name: &'a [u8],
    },
}

/// Whether the message of a PING is a note, perhaps of a later version.
pub fn is_note(message: &[u8]) -> bool {
    message.starts_with(PREFIX)
}

impl<'a> Note<'a> {
    /// Reads the message of a PING. `None`: it is no note that this version knows.
    pub fn parse(message: &'a [u8]) -> Option<Note<'a>> {
        let rest = message.strip_prefix(PREFIX)?;
        let (word, rest) = split(rest)?;
        match word {
            b"by" => {
                let (at, rest) = split(rest)?;
                let (db, user) = split(rest)?;
                let db = match db {
                    b"-" => None,
                    digits => Some(DbIndex(parse_digits(digits)?.try_into().ok()?)),
                };
                let unix_ms = parse_digits(at)?;
                Some(Note::By { unix_ms, db, user })
            }
            b"cursor" => {
                let (offset, name) = split(rest)?;
                let offset = parse_digits(offset)?;
                Some(Note::Cursor { offset, name })
            }
            b"unknown" => Some(Note::Unknown),
            b"nocursor" => Some(Note::NoCursor { name: rest }),
            _ => None,
        }
    }

    /// The message.
    pub fn text(self) -> Vec<u8> {
        let (head, tail) = match self {
            Note::By { unix_ms, db, user } => {
                let db = db.map_or_else(|| "-".to_owned(), |db| db.0.to_string());
                (format!("by {unix_ms} {db} "), user)
            }
            Note::Cursor { offset, name } => (format!("cursor {offset} "), name),
            Note::NoCursor { name } => ("nocursor ".to_owned(), name),
            Note::Unknown => ("unknown ".to_owned(), &b""[..]),
        };
        [PREFIX, head.as_bytes(), tail].concat()
    }
}

/// The bytes before and after the first space.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let by = |db, user| Note::By {
            unix_ms: 1_764_000_000_123,
            db,
            user,
        };
        for note in [
            by(Some(DbIndex(3)), b"app"),
            by(None, b""),
            Note::Unknown,
            Note::Cursor {
                offset: 7,
                name: b"mirror \xff",
            },
            Note::NoCursor { name: b"mirror" },
        ] {
            let text = note.text();
            assert!(is_note(&text));
            assert_eq!(Note::parse(&text), Some(note));
        }
        for other in ["", "hello", "russet:", "russet:by x 0 u", "russet:later 1"] {
            assert_eq!(Note::parse(other.as_bytes()), None, "{other}");
        }
    }
}
