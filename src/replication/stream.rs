//! The stream of effects: the bytes that replicas receive, and that the append only file stores.
//!
//!     SELECT 0   SET a 1   MULTI  SELECT 2  INCR n  DEL b  EXEC   ...
//!     ^ offset 0                                             ^ offset
//!
//! `Stream` owns the replication offset, the history's ids and the selected database. Units of
//! effects (`keyspace::effects`) are encoded once, with a SELECT where the database changes, and
//! MULTI and EXEC around several requests.
//!
//! Invariants
//!   1. The offset is the number of bytes that a replica has received since the history began.
//!      Annotations of the append only file do not count.
//!   2. Bytes that only one of the two receives count as well, so that both have one offset: the
//!      file has a [`Mark::ReplicasOnly`] with the number of bytes it lacks; a replica receives
//!      that many newlines for bytes of the file alone ([`Mark::LogOnly`]).
//!   3. Bytes are counted only while there is a listener, as in Redis: encoding them costs a
//!      write a tenth of its time. A dataset changed without a listener begins a new history with
//!      its next listener.

use super::history::{History, ReplId};
use super::marks::Mark;
use crate::keyspace::{Audience, DbIndex, Unit};
use crate::resp::write_request;

/// Bytes of the stream since its history began.
pub type ReplOffset = u64;

/// A file may claim any offset; from here on counting cannot overflow.
const OFFSET_MAX: ReplOffset = 1 << 62;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub id: ReplId,
    pub offset: ReplOffset,
}

/// See the module.
#[derive(Debug)]
pub struct Stream {
    history: History,
    offset: ReplOffset,
    selected: Option<DbIndex>,
    /// Whether changes are counted: there is a listener.
    is_counted: bool,
    /// Whether changes may have gone uncounted since the history began.
    has_gap: bool,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            history: History::fresh(),
            offset: 0,
            selected: None,
            is_counted: false,
            has_gap: false,
        }
    }
}

impl Stream {
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Bytes of the stream so far (`master_repl_offset`).
    #[inline]
    pub fn offset(&self) -> ReplOffset {
        self.offset
    }

    pub fn position(&self) -> Position {
        Position {
            id: self.history.id,
            offset: self.offset,
        }
    }

    /// The position for a snapshot taken now, and the selected database; `None` while changes are
    /// not counted.
    pub fn snapshot(&self) -> Option<(Position, Option<DbIndex>)> {
        self.is_counted.then(|| (self.position(), self.selected))
    }

    /// The database of the next request, unless it selects another.
    pub fn selected(&self) -> Option<DbIndex> {
        self.selected
    }

    /// The next request gets a SELECT, whatever its database.
    pub fn select_anew(&mut self) {
        self.selected = None;
    }

    /// Switches counting on or off, as listeners come and go.
    pub fn count(&mut self, on: bool) {
        if on && !self.is_counted && self.has_gap {
            self.begin_history();
        }
        self.has_gap |= !on;
        self.is_counted = on;
    }

    /// Begins a new history, which continues none (DEBUG CHANGE-REPL-ID).
    pub fn begin_history(&mut self) {
        self.history = History::fresh();
        self.has_gap = false;
    }

    /// The dataset was loaded, with the position at which it was saved: the stream continues there,
    /// in a history that continues the saved one.
    pub fn resume(&mut self, at: Position) {
        let offset = at.offset.min(OFFSET_MAX);
        self.history = History::after(at.id, offset);
        self.offset = offset;
        self.selected = None;
        self.has_gap = false;
    }

    /// As [`Stream::resume`] if only the offset is known.
    pub fn resume_at(&mut self, offset: ReplOffset) {
        self.begin_history();
        self.offset = offset.min(OFFSET_MAX);
        self.selected = None;
    }

    /// Appends a unit to `log` in the form of the append only file, and counts it. `with_marks`:
    /// with annotations where file and stream differ.
    #[inline]
    pub fn encode(&mut self, unit: Unit<'_>, with_marks: bool, log: &mut Vec<u8>) {
        if unit.is_for_all() {
            let before = log.len();
            self.encode_shared(unit, log);
            self.offset += (log.len() - before) as u64;
        } else {
            self.encode_split(unit, with_marks, log);
        }
    }

    fn encode_shared(&mut self, unit: Unit<'_>, out: &mut Vec<u8>) {
        let several = unit.is_several();
        for (i, (db, _, request)) in unit.requests().enumerate() {
            if several && i == 0 {
                out.extend_from_slice(MULTI);
            }
            self.select(db, out);
            out.extend_from_slice(request);
        }
        if several {
            out.extend_from_slice(EXEC);
        }
    }

    fn select(&mut self, db: DbIndex, out: &mut Vec<u8>) {
        if self.selected != Some(db) {
            write_select(db, out);
            self.selected = Some(db);
        }
    }

    /// A unit whose requests have different listeners. MULTI, SELECT and EXEC go to all.
    #[cold]
    fn encode_split(&mut self, unit: Unit<'_>, with_marks: bool, log: &mut Vec<u8>) {
        let several = unit.is_several();
        let (mut shared, mut counted) = (Vec::new(), 0);
        for (i, (db, audience, request)) in unit.requests().enumerate() {
            if several && i == 0 {
                shared.extend_from_slice(MULTI);
            }
            self.select(db, &mut shared);
            if audience == Audience::ALL {
                shared.extend_from_slice(request);
                continue;
            }
            counted += shared.len() + request.len();
            log.append(&mut shared);
            let len = request.len() as u64;
            let is_logged = audience.contains(Audience::LOG);
            if with_marks {
                let mark = match is_logged {
                    true => Mark::LogOnly(len),
                    false => Mark::ReplicasOnly(len),
                };
                mark.write(log);
            }
            if is_logged {
                log.extend_from_slice(request);
            }
        }
        if several {
            shared.extend_from_slice(EXEC);
        }
        counted += shared.len();
        log.append(&mut shared);
        self.offset += counted as u64;
    }
}

/// Appends a SELECT.
pub fn write_select(db: DbIndex, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(db.0).as_bytes();
    write_request(out, [b"SELECT", digits].into_iter());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Effects;

    fn effects(stated: &[(Audience, u32, &str)], in_unit: bool) -> Effects {
        let mut effects = Effects::default();
        effects.set_wanted(Audience::ALL);
        if in_unit {
            effects.begin_unit();
        }
        for (audience, db, line) in stated {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            effects.state_for(*audience, DbIndex(*db), words.into_iter());
        }
        effects.end_unit();
        effects
    }

    fn encoded(stream: &mut Stream, effects: &Effects) -> String {
        let mut log = Vec::new();
        for unit in effects.units() {
            stream.encode(unit, true, &mut log);
        }
        String::from_utf8(log).expect("text").replace("\r\n", " ")
    }

    #[test]
    fn bytes_are_counted_as_a_replica_receives_them() {
        let mut stream = Stream::default();
        let all = Audience::ALL;
        let text = encoded(&mut stream, &effects(&[(all, 3, "DEL a")], false));
        assert_eq!(text, "*2 $6 SELECT $1 3 *2 $3 DEL $1 a ");
        assert_eq!(stream.offset(), 23 + 20);
        let text = encoded(
            &mut stream,
            &effects(&[(all, 3, "DEL a"), (all, 0, "DEL b")], true),
        );
        let wanted = "*1 $5 MULTI *2 $3 DEL $1 a *2 $6 SELECT $1 0 *2 $3 DEL $1 b *1 $4 EXEC ";
        assert_eq!(text, wanted);
        assert_eq!(stream.offset(), 43 + 15 + 20 + 23 + 20 + 14);
        assert_eq!(stream.selected(), Some(DbIndex(0)));
    }

    #[test]
    fn what_only_one_listener_receives_counts_for_both() {
        let (mut stream, mut plain) = (Stream::default(), Stream::default());
        let (log, replicas) = (Audience::LOG, Audience::REPLICAS);
        let split = effects(
            &[
                (replicas, 0, "PUBLISH c x"),
                (log, 0, "DEL a"),
                (Audience::ALL, 0, "DEL b"),
            ],
            true,
        );
        let same = effects(
            &[
                (Audience::ALL, 0, "PUBLISH c x"),
                (Audience::ALL, 0, "DEL a"),
                (Audience::ALL, 0, "DEL b"),
            ],
            true,
        );
        let text = encoded(&mut stream, &split);
        let wanted = "*1 $5 MULTI *2 $6 SELECT $1 0 #RO:31 #LO:20 *2 $3 DEL $1 a *2 $3 DEL $1 b \
                      *1 $4 EXEC ";
        assert_eq!(text, wanted);
        encoded(&mut plain, &same);
        assert_eq!(stream.offset(), plain.offset());
    }

    #[test]
    fn a_history_ends_where_changes_went_uncounted() {
        let mut stream = Stream::default();
        stream.count(true);
        let id = stream.history().id;
        assert!(stream.snapshot().is_some());
        stream.count(false);
        assert!(stream.snapshot().is_none());
        assert_eq!(stream.history().id, id);
        stream.count(true);
        assert_ne!(stream.history().id, id);
    }

    #[test]
    fn a_loaded_dataset_goes_on_in_a_history_of_its_own() {
        let mut stream = Stream::default();
        let id = ReplId::random();
        stream.resume(Position { id, offset: 7 });
        assert_eq!(stream.offset(), 7);
        assert_ne!(stream.history().id, id);
        assert_eq!(stream.history().earlier, Some((id, 8)));
        stream.resume(Position {
            id,
            offset: u64::MAX,
        });
        assert_eq!(stream.offset(), OFFSET_MAX);
    }
}
