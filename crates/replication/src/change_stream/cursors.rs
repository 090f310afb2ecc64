//! Cursors: how far each consumer of the change stream has read.
//!
//! They belong to the stream: a note announces each change of a cursor (`Note::Cursor`), and a
//! snapshot has all of them in its aux fields ([`Cursors::AUX`]). So replicas and a server that
//! starts again have them.

use std::collections::BTreeMap;

use super::Note;
use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;

/// Consumers of a server, and bytes of a name.
const CURSORS_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 256;

/// The position of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// All changes up to here are acknowledged.
    pub offset: ReplOffset,
    /// The offset is of another stream, which this stream does not continue: its changes are gone.
    pub is_lost: bool,
}

/// Why a cursor was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorError {
    /// There is a cursor of this name.
    Exists,
    /// There are as many cursors as a server can have.
    TooMany,
    /// The name is empty, too long, or has control characters.
    BadName,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    all: BTreeMap<Box<[u8]>, Cursor>,
    /// The lowest offset of all.
    lowest: Option<ReplOffset>,
}

impl Cursors {
    /// The aux field of a snapshot that has one cursor: `<offset> <name>`, with a minus sign if it
    /// is lost.
    pub const AUX: &str = "russet-cursor";

    /// Whether there is no consumer.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Number of consumers.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Cursor)> {
        self.all.iter().map(|(name, cursor)| (&**name, *cursor))
    }

    /// The cursor of this name; `None`: there is none.
    pub fn get(&self, name: &[u8]) -> Option<Cursor> {
        self.all.get(name).copied()
    }

    /// The lowest offset of the consumers that are not lost.
    pub fn lowest(&self) -> Option<ReplOffset> {
        self.lowest
    }

    /// Whether a consumer may be created.
    pub fn admits(&self, name: &[u8]) -> Result<(), CursorError> {
        let is_named = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        match () {
            () if !is_named || name.iter().any(u8::is_ascii_control) => Err(CursorError::BadName),
            () if self.all.contains_key(name) => Err(CursorError::Exists),
            () if self.all.len() >= CURSORS_MAX => Err(CursorError::TooMany),
            () => Ok(()),
        }
    }

    /// Applies a note.
    pub fn apply(&mut self, note: Note<'_>) {
        match note {
            Note::Cursor { offset, name } => {
                // The primary has checked it; a file may come from anywhere.
                if self.all.contains_key(name) || self.admits(name).is_ok() {
                    let is_lost = false;
                    self.all.insert(name.into(), Cursor { offset, is_lost });
                }
            }
            Note::NoCursor { name } => {
                self.all.remove(name);
            }
            Note::By { .. } | Note::Unknown => return,
        }
        self.find_lowest();
    }

    fn find_lowest(&mut self) {
        let kept = self.all.values().filter(|cursor| !cursor.is_lost);
        self.lowest = kept.map(|cursor| cursor.offset).min();
    }

    /// The stream begins anew, or continues at `end`: cursors beyond that are not of it.
    pub fn lose_after(&mut self, end: ReplOffset) {
        for cursor in self.all.values_mut() {
            cursor.is_lost |= cursor.offset > end;
        }
        self.find_lowest();
    }

    /// The stream begins anew: no cursor is of it.
    pub fn lose_all(&mut self) {
        self.all
            .values_mut()
            .for_each(|cursor| cursor.is_lost = true);
        self.lowest = None;
    }

    /// Values of the aux fields that hold all of them.
    pub fn aux(&self) -> impl Iterator<Item = Vec<u8>> {
        let text = |(name, cursor): (&[u8], Cursor)| {
            let lost = if cursor.is_lost { "-" } else { "" };
            [format!("{lost}{} ", cursor.offset).as_bytes(), name].concat()
        };
        self.iter().map(text)
    }

    /// Takes the value of an aux field; a damaged cursor counts for nothing.
    pub fn take_aux(&mut self, value: &[u8]) {
        let Some(space) = memchr::memchr(b' ', value) else {
            return;
        };
        let (offset, name) = (&value[..space], &value[space + 1..]);
        let lost = offset.strip_prefix(b"-");
        if let Some(offset) = parse_digits(lost.unwrap_or(offset)) {
            self.apply(Note::Cursor { offset, name });
            if let Some(cursor) = self.all.get_mut(name) {
                cursor.is_lost = lost.is_some();
                self.find_lowest();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_all_cursors() {
        let mut cursors = Cursors::default();
        for (offset, name) in [(7, &b"a b"[..]), (3, b"c"), (9, b"d")] {
            cursors.apply(Note::Cursor { offset, name });
        }
        cursors.apply(Note::NoCursor { name: b"d" });
        assert_eq!(cursors.lowest(), Some(3));
        cursors.lose_after(6);
        assert!(cursors.get(b"a b").is_some_and(|cursor| cursor.is_lost));
        let mut loaded = Cursors::default();
        cursors.aux().for_each(|value| loaded.take_aux(&value));
        assert_eq!(loaded, cursors);
        for damaged in [&b""[..], b"x y", b"5", b"5 ", b"5 \n"] {
            loaded.take_aux(damaged);
        }
        assert_eq!(loaded, cursors);
    }

    #[test]
    fn names_and_their_number_are_bounded() {
        let mut cursors = Cursors::default();
        for i in 0..CURSORS_MAX {
            let name = i.to_string();
            cursors.apply(Note::Cursor {
                offset: 1,
                name: name.as_bytes(),
            });
        }
        assert_eq!(cursors.admits(b"another"), Err(CursorError::TooMany));
        assert_eq!(cursors.admits(b"1"), Err(CursorError::Exists));
        assert_eq!(cursors.admits(b""), Err(CursorError::BadName));
        assert_eq!(cursors.admits(&[b'x'; 257]), Err(CursorError::BadName));
    }
}
