//! Readers of the change stream (`CHANGES READ`), and the last note in the stream.
//!
//! A reader takes units from the backlog, or from the files of the append only file if these reach
//! further back, and keeps its position between two commands of its client: a client that continues
//! to read pays for nothing twice. Changes that a command has found wait here until they are enough
//! for a reply, or until the stream has no more.

use russet_replication::Stream;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use russet_keyspace::{ClientId, DbIndex};
use russet_persistence::aof::LogFeed;
use russet_replication::change_stream::{Context, Note, Unit, Units};
use russet_replication::{ReplId, ReplOffset};

/// Precision of the times in the stream, milliseconds.
const PRECISION_MS: u64 = 100;
/// A note is repeated after so many bytes: readers begin at notes.
const NOTE_BYTES: u64 = 64 * 1024;
/// Readers that are kept for the next command of their clients.
const IDLE_MAX: usize = 64;
const IDLE_MS: u64 = 60_000;

/// The source of a reader's bytes.
pub enum Source {
    Backlog,
    Log(Box<LogFeed>),
}

/// A change that a reader has found for its client.
pub struct MatchedChange {
    /// The position of the stream after the change's unit.
    pub end: ReplOffset,
    pub unix_ms: Option<u64>,
    pub db: Option<DbIndex>,
    pub user: Option<Arc<[u8]>>,
    /// The request, in [`Reader::bytes`].
    pub request: Range<usize>,
    /// The change's keys that match the request, in [`Reader::bytes`].
    pub keys: Vec<Range<usize>>,
}

/// A client's place in the stream.
pub struct Reader {
    pub units: Units,
    pub source: Source,
    /// The history in which the client has read.
    pub history: ReplId,
    /// Units that end here or before have been read.
    pub from: ReplOffset,
    /// Up to here the client has everything that it asked for.
    pub next: ReplOffset,
    pub found: Vec<MatchedChange>,
    pub bytes: Vec<u8>,
    /// Bytes of the stream that the command has read after `from`.
    pub scanned: u64,
    /// The reader has begun at the begin of a file.
    pub is_from_begin: bool,
    is_waiting: bool,
    used_ms: u64,
}

impl Reader {
    pub fn new(units: Units, source: Source, (history, from): (ReplId, ReplOffset)) -> Reader {
        Reader {
            units,
            source,
            history,
            from,
            next: from,
            found: Vec::new(),
            bytes: Vec::new(),
            scanned: 0,
            is_from_begin: false,
            is_waiting: false,
            used_ms: 0,
        }
    }

    /// Whether the database of a change is unknown only because the reader has begun in the middle
    /// of a file.
    pub fn lacks_database(&self, unit: &Unit<'_>) -> bool {
        let is_unknown = unit.changes.iter().any(|change| change.db.is_none());
        is_unknown && !self.is_from_begin && matches!(self.source, Source::Log(_))
    }

    /// Whether the command has something to answer.
    pub fn has_progress(&self) -> bool {
        self.next > self.from
    }

    /// Counts bytes that were read from a position on.
    pub fn count(&mut self, at: ReplOffset, bytes: usize) {
        // Bytes read before the reader's position do not count.
        if at >= self.from {
            self.scanned += bytes as u64;
        }
    }

    /// Takes one change of a unit.
    pub fn take(
        &mut self,
        unit: &Unit<'_>,
        db: Option<DbIndex>,
        (request, keys): (&[u8], Vec<Range<usize>>),
    ) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(request);
        let moved = |key: Range<usize>| key.start + begin..key.end + begin;
        self.found.push(MatchedChange {
            end: unit.end,
            unix_ms: unit.context.unix_ms,
            db,
            user: unit.context.user.clone(),
            request: begin..self.bytes.len(),
            keys: keys.into_iter().map(moved).collect(),
        });
    }

    /// The client has the changes found so far: the next command continues from here.
    fn answered(&mut self) {
        self.found.clear();
        self.bytes = Vec::new();
        (self.from, self.scanned) = (self.next, 0);
    }
}

/// The content of the last note.
#[derive(Default)]
struct LastNote {
    context: Context,
    /// The position after the note.
    at: ReplOffset,
}

/// See the module.
#[derive(Default)]
pub struct Changes {
    said: Option<LastNote>,
    /// See [`Changes::repeat_note`].
    is_stale: bool,
    readers: HashMap<ClientId, Reader>,
    /// Clients whose commands wait or have more to read.
    waiting: Vec<WaitingReader>,
    /// How many waiting clients get only changes that replicas have acknowledged.
    waiting_for_replicas: usize,
    /// The lowest position that any waiting client has still to read; clients with more to read do
    /// not count.
    lowest_waiting: Option<ReplOffset>,
    /// The limit and the history with which the waiting clients were served last.
    served_at: Option<(ReplOffset, ReplId)>,
    /// The position after the last unit of this server.
    wrote_to: ReplOffset,
}

/// A client whose command waits or has more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingReader {
    pub client: ClientId,
    /// The client has read up to here; `None`: there is more to read.
    pub limit: Option<ReplOffset>,
    /// The client gets only changes that so many replicas have acknowledged.
    pub replicas: usize,
    /// The history in which the client has read.
    pub history: ReplId,
}

impl Changes {
    /// Whether the next unit, of this time, user and position, needs no note before it.
    #[inline]
    pub(crate) fn is_said(&self, unix_ms: u64, user: &[u8], at: ReplOffset) -> bool {
        !self.is_stale
            && self.said.as_ref().is_some_and(|said| {
                let before = said.context.unix_ms.unwrap_or(0);
                unix_ms.abs_diff(before) < PRECISION_MS
                    && at.checked_sub(said.at).is_some_and(|n| n < NOTE_BYTES)
                    && said.context.user.as_deref() == Some(user)
            })
    }

    /// A note is in the stream, before the position `at`.
    pub(crate) fn received(&mut self, note: Note<'_>, at: ReplOffset) {
        match note {
            Note::By { unix_ms, user, .. } => {
                let said = self.said.get_or_insert_default();
                (said.context.unix_ms, said.at) = (Some(unix_ms), at);
                if said.context.user.as_deref() != Some(user) {
                    said.context.user = Some(user.into());
                }
                self.is_stale = false;
            }
            Note::Unknown => self.said = None,
            Note::Cursor { .. } | Note::NoCursor { .. } => {}
        }
    }

    /// Whether readers of the stream attribute the next units to the last note.
    #[inline]
    pub fn has_said(&self) -> bool {
        self.said.is_some()
    }

    /// Units of this server are in the stream, before the position `at`. Returns whether a client
    /// waits for replicas to acknowledge them.
    pub(crate) fn wrote(&mut self, at: ReplOffset) -> bool {
        self.wrote_to = at;
        self.waiting_for_replicas > 0
    }

    /// The position after the last unit of this server.
    pub(crate) fn wrote_to(&self) -> ReplOffset {
        self.wrote_to
    }

    /// The next unit needs a note in any case: readers of memory begin anew.
    pub(crate) fn repeat_note(&mut self) {
        self.is_stale = true;
    }

    /// The context (database, user, time) of the next change of the stream.
    pub fn context(&self, db: Option<DbIndex>) -> Context {
        let said = self.said.as_ref().map(|said| said.context.clone());
        Context {
            db,
            ..said.unwrap_or_default()
        }
    }

    /// Takes the client's reader out, if the client's command was answered and the reader is at
    /// this position.
    pub fn reader_at(&mut self, client: ClientId, from: ReplOffset) -> Option<Reader> {
        let reader = self.reader_of(client)?;
        // A command that ended without an answer may have passed over changes that the next wants.
        let is_settled = reader.next == from && reader.found.is_empty();
        (is_settled && reader.from == from).then_some(reader)
    }

    /// Takes the reader of a command that continues.
    pub fn reader_of(&mut self, client: ClientId) -> Option<Reader> {
        let mut reader = self.readers.remove(&client)?;
        reader.is_waiting = false;
        Some(reader)
    }

    /// Keeps the reader of a client's command, which continues later.
    pub(crate) fn continue_later(&mut self, waiting: WaitingReader, mut reader: Reader) {
        reader.units.shrink();
        reader.is_waiting = true;
        self.readers.insert(waiting.client, reader);
        self.waiting_for_replicas += usize::from(waiting.replicas > 0);
        self.lowest_waiting = self.lowest_waiting.into_iter().chain(waiting.limit).min();
        self.waiting.push(waiting);
        self.served_at = None;
    }

    /// The command is answered; its reader is kept for the client's next command.
    pub fn keep(&mut self, client: ClientId, mut reader: Reader, now_ms: u64) {
        reader.answered();
        reader.units.shrink();
        reader.used_ms = now_ms;
        if self.readers.len() < IDLE_MAX {
            self.readers.insert(client, reader);
        }
    }

    /// The client is gone, or its command has failed.
    pub fn drop_reader(&mut self, client: ClientId) {
        if !self.readers.is_empty() && self.readers.remove(&client).is_some() {
            // The client may have been waiting: `lowest_waiting` has to be found anew.
            self.served_at = None;
        }
    }

    /// The client does not wait any more. If it was answered, its reader is kept for its next
    /// command.
    pub(crate) fn drop_unserved(&mut self, client: ClientId) {
        if (self.readers.get(&client)).is_some_and(|reader| reader.is_waiting) {
            self.drop_reader(client);
        }
    }

    /// Drops the readers that no command has used for a while.
    pub(crate) fn drop_idle(&mut self, now_ms: u64) {
        let is_used = |reader: &Reader| now_ms.saturating_sub(reader.used_ms) < IDLE_MS;
        self.readers
            .retain(|_, reader| reader.is_waiting || is_used(reader));
    }

    /// Clients whose commands wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a command can continue at once.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.limit.is_none())
    }

    /// Whether there may be more for any waiting client, now that the limit and the history are
    /// these.
    pub(crate) fn may_have_news(&self, now: (ReplOffset, ReplId)) -> bool {
        self.waiting_for_replicas > 0 || self.served_at != Some(now) || self.has_work()
    }

    /// Takes the clients that wait, to serve them; clients that have to wait longer register again.
    pub(crate) fn take_waiting(&mut self) -> Vec<WaitingReader> {
        self.waiting_for_replicas = 0;
        std::mem::take(&mut self.waiting)
    }

    /// These wait as before, and are the first to be served next; the others have been served with
    /// this limit and history.
    pub(crate) fn wait_again(&mut self, mut first: Vec<WaitingReader>, now: (ReplOffset, ReplId)) {
        let for_replicas = first.iter().filter(|waiting| waiting.replicas > 0);
        self.waiting_for_replicas += for_replicas.count();
        first.append(&mut self.waiting);
        self.waiting = first;
        self.served_at = Some(now);
        let limits = self.waiting.iter().filter_map(|waiting| waiting.limit);
        self.lowest_waiting = limits.min();
    }

    /// The first position that a client which waits has still to read.
    pub(crate) fn lowest_waiting(&self) -> Option<ReplOffset> {
        self.lowest_waiting
    }

    /// The change stream is off: commands that wait are to run again, and no place is kept.
    pub(crate) fn end_all(&mut self) {
        self.readers.retain(|_, reader| reader.is_waiting);
        for waiting in &mut self.waiting {
            waiting.limit = None;
        }
    }

    /// Memory of the readers, bytes, approximately.
    pub fn memory_bytes(&self) -> usize {
        let bytes = |reader: &Reader| reader.units.memory_bytes() + reader.bytes.capacity();
        self.readers.values().map(bytes).sum()
    }

    /// A note has been received from the primary's stream, or from a file.
    pub fn receive_note(&mut self, stream: &mut Stream, message: &[u8]) {
        if let Some(note) = Note::parse(message) {
            self.received(note, stream.offset());
            stream.cursors.apply(note);
        }
    }
}
