//! The part of the stream that can still be read: in the backlog, in the files of the append only
//! file, and how far of it survives a kill.
//!
//! Invariant: a reader, unlike a replica, cannot take back changes that it has passed on, so
//! readers get only changes that a restarted server has ([`Past::recoverable`]). O(1) except for
//! the look into files.

use crate::parts::persist::Persist;
use crate::parts::replication::Replication;
use crate::parts::replication::changes::{Changes, Reader, Source};
use russet_command::CommandError;
use russet_persistence::aof::{Feed, LogFeed};
use russet_replication::change_stream::{Context, Units};
use russet_replication::{Position, ReplOffset, Stream};
use russet_resp::write_request;

/// A reader of a file begins this far before the requested position: if the file has notes, a note
/// is within that distance.
pub(crate) const LOOK_BACK_BYTES: u64 = 128 * 1024;
/// Bytes that are taken from the source at a time.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of the stream that a command reads before others have their turn.
pub(crate) const SLICE_BYTES: u64 = 256 * 1024;

/// See the module.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    pub stream: &'a Stream,
    pub persist: &'a Persist,
    pub replication: &'a Replication,
}

impl Past<'_> {
    /// The position up to which replicas may be sent the stream: the part that the append only file
    /// promises to keep. So a primary that restarts has everything that its replicas have.
    pub(crate) fn sendable(&self) -> ReplOffset {
        let safe = self.persist.aof.log().map(|log| log.writer.safe());
        safe.map_or(self.stream.offset(), |safe| safe.min(self.stream.offset()))
    }

    /// A reader of the log for a replica at a position, if the log has the stream after it.
    pub(crate) fn log_feed(&self, from: Position) -> Option<LogFeed> {
        let log = self.persist.aof.log()?;
        let is_past = self.stream.is_past(from);
        is_past.then(|| log.feed(from.offset)).flatten()
    }

    /// The positions that a replica acknowledges to a primary whose clients wait for them: applied
    /// and given to the kernel by the log; on disk.
    pub(crate) fn acknowledgeable(&self) -> (ReplOffset, ReplOffset) {
        let offset = self.stream.offset();
        let written = self.persist.aof.log().map(|log| log.writer.written());
        let applied = written.map_or(offset, |written| written.min(offset));
        (applied, self.persist.aof.synced())
    }

    /// Appends `REPLCONF ACK <position> [FACK <position on disk>]`.
    /// Nothing, if the offset may count bytes of another past than the primary's.
    pub fn write_ack(&self, reply: &mut russet_resp::Reply) {
        let group = self.replication.quorum.as_ref();
        if group.is_some_and(|group| !group.core.may_acknowledge()) {
            return;
        }
        let offset = if self.replication.acks.is_each_turn {
            self.acknowledgeable().0
        } else {
            self.stream.offset()
        };
        let offset = offset.to_string();
        let synced = self
            .persist
            .aof
            .log()
            .map(|_| self.persist.aof.synced().to_string());
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", offset.as_bytes()];
        if let Some(synced) = &synced {
            words.extend([&b"FACK"[..], synced.as_bytes()]);
        }
        let mut line = Vec::new();
        write_request(&mut line, words.into_iter());
        reply.raw(&line);
    }

    /// The first position from which changes can be read; `None`: there is none.
    pub fn first_change(&self) -> Option<ReplOffset> {
        let in_memory = self
            .stream
            .backlog()
            .and_then(|backlog| backlog.first_place());
        let on_disk = self.persist.aof.log().and_then(|log| log.first());
        in_memory.into_iter().chain(on_disk).min()
    }

    /// The lowest position to which this server can restart if it is killed now. A write that waits
    /// for an fsync does not count, because a reader, unlike a replica, cannot take back changes
    /// that it has passed on.
    pub(crate) fn recoverable(&self) -> ReplOffset {
        let written = self.persist.aof.log().map(|log| log.writer.written());
        let sendable = self.sendable();
        written.map_or(sendable, |written| written.min(sendable))
    }

    /// The position up to which changes are given.
    pub(crate) fn changes_limit(&self, replicas: usize) -> ReplOffset {
        let sync = &self.replication.sync_writes;
        let safe = self.recoverable();
        let safe = if sync.is_on() {
            safe.min(sync.safe())
        } else {
            safe
        };
        match replicas {
            0 => safe,
            n => safe.min(self.replication.replicas.acked_by(n)),
        }
    }

    pub(crate) fn changes_reader(&self, units: Units, source: Source, from: ReplOffset) -> Reader {
        Reader::new(units, source, (self.stream.history().id, from))
    }

    pub fn changes_lost(&self, at: ReplOffset) -> CommandError {
        let first = self.first_change().unwrap_or(self.stream.offset());
        CommandError::owned(format!(
            "CHANGESLOST The changes after {at} are not kept any more; those after {first} are"
        ))
    }

    /// The offset of a position, which must be of this dataset's past.
    pub fn past_offset(&self, at: Position) -> Result<ReplOffset, CommandError> {
        if self.stream.is_past(at) {
            return Ok(at.offset);
        }
        Err(CommandError::owned(match self.stream.is_ahead(at) {
            Some(end) => format!(
                "DIVERGED This dataset has that history up to {end} only: changes after it are lost here"
            ),
            // The primary, once connected, may turn out to have that history.
            None if self.replication.is_cut_off() => {
                "TRYAGAIN This replica has no link to its primary, which may have that history"
                    .to_owned()
            }
            None => "DIVERGED This dataset has no such history".to_owned(),
        }))
    }

    /// Checks that the reader's position is in the past of this dataset: a full synchronization or
    /// a load may have replaced the dataset.
    pub fn check_changes(&self, reader: &mut Reader) -> Result<(), CommandError> {
        let (id, offset) = (reader.history, reader.next);
        self.past_offset(Position { id, offset })?;
        reader.history = self.stream.history().id;
        Ok(())
    }

    /// The reader has begun in the middle of a file without notes: only the begin of the file
    /// names the selected database, so the reader starts again there.
    pub(crate) fn begin_with_file(&self, reader: &mut Reader) -> Result<(), CommandError> {
        let log = self.persist.aof.log();
        let found = log.and_then(|log| log.feed_of_file(reader.from));
        let (begin, feed) = found.ok_or_else(|| self.changes_lost(reader.next))?;
        reader.is_from_begin = true;
        reader.units = Units::new(begin, Context::default());
        reader.source = Source::Log(Box::new(feed));
        Ok(())
    }

    /// Gives the reader more bytes. `false`: there are none yet.
    pub fn fill(&self, reader: &mut Reader, left: &mut u64) -> Result<bool, CommandError> {
        let at = reader.units.end();
        let holds = |at| {
            self.stream
                .backlog()
                .is_some_and(|backlog| backlog.holds(at))
        };
        let Source::Log(feed) = &mut reader.source else {
            if !holds(at) {
                return self.move_to_log(reader).map(|()| true);
            }
            let piece = self.stream.backlog().and_then(|b| b.read(at).next());
            let Some(piece) = piece else { return Ok(false) };
            let piece = &piece[..piece.len().min(PIECE_BYTES)];
            reader.units.push(piece);
            *left = left.saturating_sub(piece.len() as u64);
            reader.count(at, piece.len());
            return Ok(true);
        };
        match feed.peek(self.persist.aof.log(), SLICE_BYTES as usize) {
            Ok(Feed::Bytes(bytes)) => {
                let n = bytes.len().min(PIECE_BYTES);
                reader.units.push(&bytes[..n]);
                feed.advance(n);
                *left = left.saturating_sub(n as u64);
                reader.count(at, n);
                Ok(true)
            }
            Ok(Feed::Seeks) => {
                *left = 0;
                Ok(true)
            }
            Ok(Feed::Wait) if holds(at) => {
                reader.source = Source::Backlog;
                Ok(true)
            }
            Ok(Feed::Wait) => Ok(false),
            Err(why) => {
                tracing::warn!("Changes cannot be read from the append only file: {why}");
                if !holds(at) {
                    return Err(self.changes_lost(reader.next));
                }
                reader.source = Source::Backlog;
                Ok(true)
            }
        }
    }

    /// The backlog has dropped bytes that the reader has not read: the files have these bytes, or
    /// they are lost.
    pub(crate) fn move_to_log(&self, reader: &mut Reader) -> Result<(), CommandError> {
        let at = reader.units.position();
        let log = self.persist.aof.log();
        let feed = log.and_then(|log| log.feed(at));
        let feed = feed.ok_or_else(|| self.changes_lost(reader.next))?;
        reader.units = Units::new(at, reader.units.context_at_position().clone());
        reader.source = Source::Log(Box::new(feed));
        Ok(())
    }

    /// A reader from a position on.
    ///
    /// # Errors
    /// CHANGESLOST: the changes after the position are no longer kept.
    pub fn open_changes(
        &self,
        changes: &Changes,
        from: ReplOffset,
    ) -> Result<Reader, CommandError> {
        let stream = &self.stream;
        let backlog = stream.backlog();
        if from == stream.offset() && backlog.is_some() {
            let context = changes.context(stream.selected());
            let units = Units::new(from, context);
            return Ok(self.changes_reader(units, Source::Backlog, from));
        }
        if let Some(place) = backlog.and_then(|backlog| backlog.place_before(from)) {
            let context = Context {
                db: place.db,
                ..Context::default()
            };
            let units = Units::new(place.offset, context);
            return Ok(self.changes_reader(units, Source::Backlog, from));
        }
        let log = self.persist.aof.log();
        match log.and_then(|log| log.feed_before(from, LOOK_BACK_BYTES)) {
            Some((begin, feed)) => {
                let units = Units::new(begin, Context::default());
                Ok(self.changes_reader(units, Source::Log(Box::new(feed)), from))
            }
            None => Err(self.changes_lost(from)),
        }
    }
}
