//! The stream of effects: the bytes that replicas receive, and that the append only file stores.
//!
//!     SELECT 0   SET a 1   MULTI  SELECT 2  INCR n  DEL b  EXEC   ...
//!     ^ offset 0                                             ^ offset
//!
//! `Stream` owns the replication offset, the history's ids and the selected database. Units of
//! effects (`keyspace::listeners::effects`) are encoded once, with a SELECT if the database
//! changes, and with MULTI and EXEC around several requests.
//!
//! Invariants
//!   1. The offset is the number of bytes that a replica has received since the history began.
//!      Annotations of the append only file do not count.
//!   2. Bytes that only the log or only replicas receive count as well, so that both have one
//!      offset: the file has a [`Mark::ReplicasOnly`] with the number of bytes that the file lacks;
//!      for bytes of the file alone ([`Mark::LogOnly`]) a replica receives as many newlines.
//!   3. Bytes are counted only while there is a listener, as in Redis, because encoding them costs
//!      a write a tenth of its time. A dataset that was changed without a listener begins a new
//!      history with the next listener.

use super::backlog::Backlog;
use super::change_stream::Cursors;
use super::history::{History, Position, ReplId, ReplOffset};
use super::marks::Mark;
use super::quorum::{Lineage, QuorumNote};
use russet_keyspace::{Audience, DbIndex, Unit};
use russet_resp::write_request;

/// A file may claim any offset; from here on counting cannot overflow.
const OFFSET_MAX: ReplOffset = 1 << 62;

/// Histories before the last two that are known.
const ANCESTORS_MAX: usize = 64;

/// Capacity kept for the next unit; more than that is released.
const SCRATCH_KEPT: usize = 64 * 1024;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// See the module.
#[derive(Debug)]
pub struct Stream {
    history: History,
    /// Histories before `history`'s, each with its last offset: the log names them.
    ancestors: Vec<(ReplId, ReplOffset)>,
    offset: ReplOffset,
    /// The database that readers of the stream have selected at `offset`.
    selected: Option<DbIndex>,
    /// The next request selects its database, whatever readers have selected.
    selects_anew: bool,
    /// Whether changes are counted: there is a listener.
    is_counted: bool,
    /// Whether changes may have gone uncounted since the history began.
    has_gap: bool,
    /// The stream is a primary's: local changes are not part of it.
    is_followed: bool,
    /// The last bytes, for replicas; there is one once a replica has come, and on a replica.
    backlog: Option<Backlog>,
    /// Reused memory for a unit that no log takes.
    scratch: Vec<u8>,
    /// The cursors of the consumers of the stream.
    pub cursors: Cursors,
    /// The facts of a group's notes in the stream; `None`: it has had no leader of a group.
    pub lineage: Option<Box<Lineage>>,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            history: History::fresh(),
            ancestors: Vec::new(),
            offset: 0,
            selected: None,
            selects_anew: false,
            is_counted: false,
            has_gap: false,
            is_followed: false,
            backlog: None,
            scratch: Vec::new(),
            cursors: Cursors::default(),
            lineage: None,
        }
    }
}

impl Stream {
    /// The id, and the history that it continues.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Bytes of the stream so far (`master_repl_offset`).
    #[inline]
    pub fn offset(&self) -> ReplOffset {
        self.offset
    }

    /// The history's id with its offset: the position of the next byte.
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

    /// The database of the next request, unless it selects another; `None`: the request selects a
    /// database.
    pub fn selected(&self) -> Option<DbIndex> {
        self.selected.filter(|_| !self.selects_anew)
    }

    /// The next request gets a SELECT, whatever its database; unless the stream is a primary's,
    /// which alone adds to it.
    pub fn select_anew(&mut self) {
        self.selects_anew = !self.is_followed;
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
        self.cursors.lose_all();
        self.history = History::fresh();
        self.ancestors = Vec::new();
        self.has_gap = false;
    }

    // --- the backlog ---

    /// The backlog; `None`: there is none.
    pub fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }

    /// The backlog, to change it; `None`: there is none.
    pub fn backlog_mut(&mut self) -> Option<&mut Backlog> {
        self.backlog.as_mut()
    }

    /// Begins a backlog of `size` bytes, if there is none.
    pub fn keep_backlog(&mut self, size: u64) {
        let at = self.offset;
        self.backlog.get_or_insert_with(|| Backlog::new(size, at));
        self.record_position();
    }

    /// The stream is between two units here: readers of units may begin
    /// ([`Backlog::record_position`]).
    #[inline]
    pub fn record_position(&mut self) {
        let db = self.selected();
        if let Some(backlog) = &mut self.backlog {
            backlog.record_position(db);
        }
    }

    /// Frees the backlog: no replica can continue from before.
    pub fn drop_backlog(&mut self) {
        self.backlog = None;
    }

    /// Whether a replica at a position of a history can continue from there: the position belongs
    /// to our past, and the backlog has the bytes after it.
    pub fn continues(&self, from: Position) -> bool {
        self.is_past(from) && self.backlog.as_ref().is_some_and(|b| b.holds(from.offset))
    }

    /// Whether a position is in this dataset's past.
    pub fn is_past(&self, at: Position) -> bool {
        let is_own = at.id == self.history.id && at.offset <= self.offset;
        let earlier = self.history.earlier;
        // `second_repl_offset` is the first byte's number that is no longer shared.
        let is_earlier = earlier.is_some_and(|(id, end)| at.id == id && at.offset < end);
        let is_of = |&(id, last): &(ReplId, ReplOffset)| at.id == id && at.offset <= last;
        is_own || is_earlier || self.ancestors.iter().any(is_of)
    }

    /// See [`Stream::add_ancestors`].
    pub fn ancestors(&self) -> &[(ReplId, ReplOffset)] {
        &self.ancestors
    }

    /// The dataset's history before the loaded history, oldest first: ids with their last offsets.
    pub fn add_ancestors(&mut self, ids: &[(ReplId, ReplOffset)]) {
        // Bytes before an end of counting have no known positions.
        let uncounted = ids.iter().rposition(|&(id, _)| id == ReplId::NONE);
        let known = &ids[uncounted.map_or(0, |at| at + 1)..];
        let past = known.iter().filter(|&&(_, last)| last <= self.offset);
        self.ancestors = past.copied().collect();
    }

    /// The history before the current history is about to be that before it.
    fn remember_earlier(&mut self) {
        if let Some((id, end)) = self.history.earlier {
            self.ancestors.push((id, end.saturating_sub(1)));
            let surplus = self.ancestors.len().saturating_sub(ANCESTORS_MAX);
            self.ancestors.drain(..surplus);
        }
    }

    /// The end of our part of a history, if a position of it is beyond that.
    pub fn is_ahead(&self, at: Position) -> Option<ReplOffset> {
        if self.is_past(at) {
            return None;
        }
        let earlier = self.history.earlier.filter(|(id, _)| *id == at.id);
        let ancestor = self.ancestors.iter().find(|(id, _)| *id == at.id);
        match (earlier, ancestor) {
            (Some((_, end)), _) => Some(end.saturating_sub(1)),
            (None, Some(&(_, last))) => Some(last),
            (None, None) => (at.id == self.history.id).then_some(self.offset),
        }
    }

    // --- roles ---

    /// This server follows a primary from a full synchronization on: its stream is the primary's.
    pub fn follow(&mut self, at: Position, selected: Option<DbIndex>) {
        self.history = History {
            id: at.id,
            earlier: None,
        };
        self.ancestors = Vec::new();
        self.offset = at.offset.min(OFFSET_MAX);
        (self.selected, self.selects_anew) = (selected, false);
        self.has_gap = false;
        if let Some(backlog) = &mut self.backlog {
            *backlog = Backlog::new(backlog.size(), self.offset);
        }
        self.record_position();
    }

    /// The primary continues our history under another id (+CONTINUE with an id). Returns whether
    /// the id differs from ours.
    pub fn follow_as(&mut self, id: ReplId) -> bool {
        let changes = id != self.history.id;
        if changes {
            self.remember_earlier();
            let end = self.offset.saturating_add(1);
            self.history = History {
                id,
                earlier: Some((self.history.id, end)),
            };
        }
        changes
    }

    /// Whether the stream is a primary's.
    pub fn set_followed(&mut self, on: bool) {
        (self.is_followed, self.selects_anew) = (on, !on);
    }

    /// Whether the stream is a primary's, which alone adds to it.
    pub fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// Whether the dataset's place in a history is known, so that a primary may continue it.
    pub fn is_known(&self) -> bool {
        self.is_counted && !self.has_gap
    }

    /// Readers of the stream have this database selected. A primary's next request needs no SELECT.
    pub fn set_selected(&mut self, db: Option<DbIndex>) {
        self.selected = db;
    }

    /// The replica becomes a primary: a new history, which continues the one so far up to here.
    pub fn promote(&mut self) {
        self.remember_earlier();
        self.history = History::after(self.history.id, self.offset);
    }

    /// The dataset was loaded, with the position at which it was saved: the stream continues there,
    /// in a history that continues the saved history.
    pub fn resume(&mut self, at: Position) {
        let offset = at.offset.min(OFFSET_MAX);
        self.history = History::after(at.id, offset);
        self.ancestors = Vec::new();
        self.offset = offset;
        (self.selected, self.selects_anew) = (None, true);
        self.has_gap = false;
        self.backlog = None;
    }

    /// A replica comes back: it is in its primary's history again, not in its own.
    pub fn resume_following(&mut self) {
        if let Some((id, end)) = self.history.earlier
            && end == self.offset + 1
        {
            self.history = History { id, earlier: None };
        }
    }

    /// As [`Stream::resume`] if only the offset is known.
    pub fn resume_at(&mut self, offset: ReplOffset) {
        self.begin_history();
        self.offset = offset.min(OFFSET_MAX);
        (self.selected, self.selects_anew) = (None, true);
    }

    /// Appends a unit to `log` in the form of the append only file, and counts it. `with_marks`:
    /// with annotations where file and stream differ.
    #[inline]
    pub fn encode(&mut self, unit: Unit<'_>, with_marks: bool, log: &mut Vec<u8>) {
        if self.is_followed {
            self.encode_local(unit, with_marks, log);
        } else if unit.is_for_both() {
            let before = log.len();
            self.encode_shared(unit, log);
            self.count_bytes(&log[before..]);
        } else {
            self.encode_split(unit, with_marks, log);
        }
    }

    /// As [`Stream::encode`], for replicas alone.
    #[inline]
    pub fn encode_for_replicas(&mut self, unit: Unit<'_>) {
        if !self.is_followed && unit.is_for_both() {
            return self.each_part(unit, Stream::count_bytes);
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        self.encode(unit, false, &mut bytes);
        bytes.clear();
        bytes.shrink_to(SCRATCH_KEPT);
        self.scratch = bytes;
    }

    /// Appends bytes that are encoded already: a request for replicas alone (PING, GETACK), or
    /// bytes of the primary.
    pub fn append(&mut self, bytes: &[u8]) {
        self.count_bytes(bytes);
    }

    #[inline]
    fn count_bytes(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        if let Some(backlog) = &mut self.backlog {
            backlog.push(bytes);
        }
    }

    /// A note of a group is in the stream, from `begin` to `end`.
    pub fn note_group(&mut self, note: &QuorumNote, begin: ReplOffset, end: ReplOffset) {
        // The first note of a group is of its members.
        if matches!(note, QuorumNote::Members(_) | QuorumNote::Term { .. }) {
            self.lineage.get_or_insert_default();
        }
        if let Some(lineage) = &mut self.lineage {
            lineage.note(note, begin, end);
        }
    }

    /// A change that a client of a replica made: it is for the log alone, and no part of the
    /// stream.
    #[cold]
    fn encode_local(&mut self, unit: Unit<'_>, with_marks: bool, log: &mut Vec<u8>) {
        let (mut local, selected) = (Vec::new(), self.selected.take());
        self.encode_shared(unit, &mut local);
        (self.selected, self.selects_anew) = (selected, false);
        if let Some(db) = selected {
            // The stream's next bytes follow, and the stream has this database selected.
            write_select(db, &mut local);
        }
        if with_marks {
            Mark::NotInStream(local.len() as u64).write(log);
        }
        log.append(&mut local);
    }

    fn encode_shared(&mut self, unit: Unit<'_>, out: &mut Vec<u8>) {
        self.each_part(unit, |_, part| out.extend_from_slice(part));
    }

    /// The parts of a unit in the stream's form, in order: MULTI, SELECTs, requests, EXEC.
    #[inline]
    fn each_part(&mut self, unit: Unit<'_>, mut take: impl FnMut(&mut Stream, &[u8])) {
        let several = unit.is_several();
        if several {
            take(self, MULTI);
        }
        for request in unit.requests() {
            if self.selected() != Some(request.db) {
                let mut select = Vec::new();
                self.select(request.db, &mut select);
                take(self, &select);
            }
            take(self, request.bytes);
        }
        if several {
            take(self, EXEC);
        }
    }

    fn select(&mut self, db: DbIndex, out: &mut Vec<u8>) {
        if self.selected() != Some(db) {
            write_select(db, out);
            (self.selected, self.selects_anew) = (Some(db), false);
        }
    }

    /// A unit whose requests have different listeners. MULTI, SELECT and EXEC go to all.
    #[cold]
    fn encode_split(&mut self, unit: Unit<'_>, with_marks: bool, log: &mut Vec<u8>) {
        let several = unit.is_several();
        let mut shared = Vec::new();
        for (i, request) in unit.requests().enumerate() {
            let (db, audience, request) = (request.db, request.audience, request.bytes);
            if several && i == 0 {
                shared.extend_from_slice(MULTI);
            }
            self.select(db, &mut shared);
            if audience.contains(Audience::BOTH) {
                shared.extend_from_slice(request);
                continue;
            }
            self.count_bytes(&shared);
            log.append(&mut shared);
            let len = request.len() as u64;
            let is_logged = audience.contains(Audience::LOG);
            if is_logged {
                self.count_bytes(&vec![b'\n'; request.len()])
            } else {
                self.count_bytes(request)
            }
            if with_marks {
                let mark = if is_logged {
                    Mark::LogOnly(len)
                } else {
                    Mark::ReplicasOnly(len)
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
        self.count_bytes(&shared);
        log.append(&mut shared);
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
    use russet_keyspace::Effects;

    fn effects(stated: &[(Audience, u32, &str)], in_unit: bool) -> Effects {
        let mut effects = Effects::default();
        effects.set_wanted(Audience::ALL);
        if in_unit {
            effects.begin_unit();
        }
        for (audience, db, line) in stated {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            effects.record_for(*audience, DbIndex(*db), words.into_iter());
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
    fn positions_of_all_known_histories_are_past_up_to_their_ends() {
        let ids: Vec<ReplId> = (0..4).map(|_| ReplId::random()).collect();
        let mut stream = Stream::default();
        let at = |id, offset| Position { id, offset };
        stream.resume(at(ids[3], 100));
        stream.add_ancestors(&[(ids[0], 10), (ReplId::NONE, 20), (ids[1], 50), (ids[2], 70)]);
        for (id, offset, end) in [
            (ids[0], 5, None),
            (ids[1], 50, Some(50)),
            (ids[2], 70, Some(70)),
            (ids[3], 100, Some(100)),
        ] {
            assert_eq!(stream.is_past(at(id, offset)), end.is_some());
            assert!(!stream.is_past(at(id, offset + 1)));
            assert_eq!(stream.is_ahead(at(id, offset + 1)), end);
        }
        stream.begin_history();
        assert!(!stream.is_past(at(ids[1], 50)));
    }

    #[test]
    fn positions_stay_past_over_many_failovers() {
        let mut stream = Stream::default();
        stream.append(b"0123456789");
        let first = stream.history().id;
        for _ in 0..3 {
            stream.promote();
            stream.append(b"0123456789");
            stream.follow_as(ReplId::random());
            stream.append(b"0123456789");
        }
        let at = |offset| Position { id: first, offset };
        assert!(stream.is_past(at(10)) && !stream.is_past(at(11)));
        assert_eq!(stream.is_ahead(at(11)), Some(10));
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
