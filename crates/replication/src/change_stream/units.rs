//! Takes the stream apart: bytes in, units out, each with its database, time and user.
//!
//! A unit is a request, or all requests between MULTI and EXEC; a reader gets all of it or nothing.
//! Requests that change nothing (PING, REPLCONF, PUBLISH) are passed over.
//!
//! Cost: each byte is read once or twice, however the stream is cut into pieces; a unit is held in
//! memory.

use std::ops::Range;
use std::sync::Arc;

use super::Note;
use crate::ReplOffset;
use crate::requests::{NoRequest, Request, first_request};
use russet_keyspace::DbIndex;

/// Bytes that are already taken stay at the front of the buffer up to here.
const TAKEN_MAX: usize = 256 * 1024;

/// Database, time and user of the changes that follow, as far as the stream has named them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `None`: the next request selects a database.
    pub db: Option<DbIndex>,
    /// Unix milliseconds; `None`: unknown.
    pub unix_ms: Option<u64>,
    /// Empty: no user's, as expiries are. `None`: unknown.
    pub user: Option<Arc<[u8]>>,
}

impl Context {
    /// Takes over the content of a note.
    fn take(&mut self, note: Note<'_>) {
        let (unix_ms, db, user) = match note {
            Note::By { unix_ms, db, user } => (unix_ms, db, user),
            Note::Unknown => {
                (self.unix_ms, self.user) = (None, None);
                return;
            }
            Note::Cursor { .. } | Note::NoCursor { .. } => return,
        };
        (self.db, self.unix_ms) = (db, Some(unix_ms));
        if self.user.as_deref() != Some(user) {
            self.user = Some(user.into());
        }
    }
}

/// A change of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub db: Option<DbIndex>,
    /// The bytes in [`Unit::bytes`]: a request.
    pub place: Range<usize>,
}

/// Changes that were made together.
#[derive(Debug)]
pub struct Unit<'a> {
    /// The position of the stream after it.
    pub end: ReplOffset,
    /// The time and user, and the database that is selected after it.
    pub context: &'a Context,
    /// The changes, in their order.
    pub changes: &'a [Change],
    /// All of its bytes in the stream.
    pub bytes: &'a [u8],
}

/// The bytes are no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedStream;

/// See the module.
#[derive(Debug)]
pub struct Units {
    /// Bytes from the position `begin` on.
    bytes: Vec<u8>,
    begin: ReplOffset,
    /// The bytes before it are taken: the open unit begins here.
    taken: usize,
    /// The bytes before it are parsed: whole requests.
    parsed: usize,
    /// No request ends before there are so many bytes.
    wanted: usize,
    context: Context,
    /// The changes of the open unit, or of the unit that was given last.
    changes: Vec<Change>,
    /// The context where the open transaction begins.
    before: Option<Context>,
}

impl Units {
    /// From a position between two units on.
    pub fn new(begin: ReplOffset, context: Context) -> Units {
        Units {
            bytes: Vec::new(),
            begin,
            taken: 0,
            parsed: 0,
            wanted: 0,
            context,
            changes: Vec::new(),
            before: None,
        }
    }

    /// The position up to which units have been given, or passed over.
    pub fn position(&self) -> ReplOffset {
        self.begin + self.taken as u64
    }

    /// The position of the byte that is wanted next.
    pub fn end(&self) -> ReplOffset {
        self.begin + self.bytes.len() as u64
    }

    /// The context at [`Units::position`].
    pub fn context_at_position(&self) -> &Context {
        self.before.as_ref().unwrap_or(&self.context)
    }

    /// Memory, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() || self.taken > TAKEN_MAX {
            self.drop_taken();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives back the memory of a long unit that has been taken.
    pub fn shrink(&mut self) {
        self.drop_taken();
        self.bytes.shrink_to(TAKEN_MAX);
    }

    fn drop_taken(&mut self) {
        self.bytes.drain(..self.taken);
        self.begin += self.taken as u64;
        self.parsed -= self.taken;
        self.wanted = self.wanted.saturating_sub(self.taken);
        for change in &mut self.changes {
            // The places of a unit that was given are not read any more.
            let place = &mut change.place;
            *place = place.start.saturating_sub(self.taken)..place.end.saturating_sub(self.taken);
        }
        self.taken = 0;
    }

    /// The next unit that ends at `limit` at the latest and has changes; `None`: its end has not
    /// come, or is beyond `limit`.
    pub fn next(&mut self, limit: ReplOffset) -> Result<Option<Unit<'_>>, DamagedStream> {
        if self.before.is_none() {
            self.changes.clear();
        }
        while self.bytes.len() >= self.wanted {
            let request = match first_request(&self.bytes[self.parsed..]) {
                Ok(request) => request,
                Err(NoRequest::Short) => {
                    // Looked at again when there is twice as much: linear in the bytes.
                    let open = self.bytes.len() - self.parsed;
                    self.wanted = match open {
                        0..4096 => 0,
                        _ => self.bytes.len() + open,
                    };
                    break;
                }
                Err(NoRequest::Invalid) => return Err(DamagedStream),
            };
            let end = self.parsed + request.len;
            let ends_at = self.begin + end as u64;
            if ends_at > limit {
                break;
            }
            let place = self.parsed + request.fill..end;
            let is_change = match kind(&request) {
                Kind::Select(db) => {
                    self.context.db = Some(db);
                    false
                }
                Kind::Note(note) => {
                    self.context.take(note);
                    false
                }
                Kind::Begin => {
                    self.before = Some(self.context.clone());
                    false
                }
                Kind::End => {
                    self.before = None;
                    false
                }
                Kind::Nothing => false,
                Kind::Change => true,
            };
            if is_change {
                let db = self.context.db;
                self.changes.push(Change { db, place });
            }
            self.parsed = end;
            if self.before.is_some() {
                continue;
            }
            self.taken = end;
            if !self.changes.is_empty() {
                return Ok(Some(Unit {
                    end: ends_at,
                    context: &self.context,
                    changes: &self.changes,
                    bytes: &self.bytes,
                }));
            }
        }
        Ok(None)
    }

    /// No more bytes come for now: a request that may be whole is parsed.
    pub fn settle(&mut self) {
        self.wanted = 0;
    }
}

enum Kind<'a> {
    Select(DbIndex),
    Note(Note<'a>),
    Begin,
    End,
    Nothing,
    Change,
}

fn kind<'a>(request: &Request<'a>) -> Kind<'a> {
    const NOTHING: [&[u8]; 4] = [b"PING", b"REPLCONF", b"PUBLISH", b"SPUBLISH"];
    if let Some(db) = request.selects() {
        return Kind::Select(DbIndex(db));
    }
    if request.is(b"PING") {
        let note = request.words.get(1).and_then(|text| Note::parse(text));
        return note.map_or(Kind::Nothing, Kind::Note);
    }
    match () {
        () if request.words.is_empty() => Kind::Nothing,
        () if request.is(b"MULTI") => Kind::Begin,
        () if request.is(b"EXEC") => Kind::End,
        () if NOTHING.iter().any(|name| request.is(name)) => Kind::Nothing,
        () => Kind::Change,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use russet_resp::write_request;

    fn stream(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match line.strip_prefix("note ") {
                Some(user) => {
                    let note = Note::By {
                        unix_ms: 5,
                        db: Some(DbIndex(3)),
                        user: user.as_bytes(),
                    };
                    write_request(&mut bytes, [&b"PING"[..], &note.text()].into_iter());
                }
                None => {
                    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                    write_request(&mut bytes, words.into_iter());
                }
            }
        }
        bytes
    }

    /// The changes of each unit, with its end.
    fn read(units: &mut Units, limit: ReplOffset) -> Vec<(ReplOffset, String)> {
        let mut found = Vec::new();
        while let Some(unit) = units.next(limit).expect("a stream") {
            let user = unit.context.user.as_deref().map(String::from_utf8_lossy);
            let mut text = format!("{}:", user.unwrap_or_default());
            for change in unit.changes {
                let request = first_request(&unit.bytes[change.place.clone()]).expect("whole");
                let words: Vec<_> = request
                    .words
                    .iter()
                    .map(|word| String::from_utf8_lossy(word))
                    .collect();
                let db = change
                    .db
                    .map_or_else(|| "?".to_owned(), |db| db.0.to_string());
                text += &format!(" {db}/{}", words.join(" "));
            }
            found.push((unit.end, text));
        }
        found
    }

    const LINES: [&str; 12] = [
        "SET a 1",
        "PING",
        "note app",
        "SET b 2",
        "MULTI",
        "DEL a",
        "SELECT 0",
        "DEL b",
        "EXEC",
        "PUBLISH x y",
        "note ",
        "DEL c",
    ];

    fn all() -> Vec<(ReplOffset, String)> {
        let end = |n: usize| 100 + stream(&LINES[..n]).len() as u64;
        vec![
            (end(1), ": ?/SET a 1".to_owned()),
            (end(4), "app: 3/SET b 2".to_owned()),
            (end(9), "app: 3/DEL a 0/DEL b".to_owned()),
            (end(12), ": 3/DEL c".to_owned()),
        ]
    }

    #[test]
    fn a_unit_beyond_the_limit_waits() {
        let bytes = stream(&LINES);
        let mut units = Units::new(100, Context::default());
        units.push(&bytes);
        let all = all();
        assert_eq!(read(&mut units, all[2].0 - 1), all[..2]);
        assert!(units.position() < all[2].0);
        assert_eq!(read(&mut units, u64::MAX), all[2..]);
        assert_eq!(units.position(), 100 + bytes.len() as u64);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let mut units = Units::new(0, Context::default());
        units.push(b"+OK\r\n");
        assert_eq!(units.next(u64::MAX).err(), Some(DamagedStream));
    }

    proptest! {
        #[test]
        fn units_are_the_same_however_the_stream_is_cut(
            cuts in prop::collection::vec(1usize..60, 1..20),
            filler in 0usize..9000,
        ) {
            let bytes = [vec![b'\n'; filler], stream(&LINES)].concat();
            let mut units = Units::new(100, Context::default());
            let (mut at, mut cuts, mut found) = (0, cuts.iter().cycle(), Vec::new());
            while at < bytes.len() {
                let n = (*cuts.next().expect("endless")).min(bytes.len() - at);
                units.push(&bytes[at..at + n]);
                at += n;
                found.extend(read(&mut units, u64::MAX));
            }
            units.settle();
            found.extend(read(&mut units, u64::MAX));
            let moved = all().into_iter().map(|(end, text)| (end + filler as u64, text));
            prop_assert_eq!(found, moved.collect::<Vec<_>>());
        }
    }
}
