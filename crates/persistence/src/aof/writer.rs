//! The current incremental file: one buffer and one write per turn.
//!
//!     appended   up to where effects were appended      (a client's mark is this figure)
//!     written    up to where they are in the file
//!     synced     up to where they are certainly on disk
//!
//! All three are replication offsets; the file is longer because it has annotations.
//!
//! The loop writes itself as long as writes are quick. After a slow write, and during an fsync,
//! because a write may have to wait for the fsync, a thread writes instead ([`WriteThread`]): one
//! buffer at a time, with everything that was appended meanwhile. Bytes on their way are not
//! acknowledged. Once [`WAITING_MAX`] bytes wait for their turn, clients that write wait
//! ([`LogWriter::is_full`]); other clients do not. With `always` the loop waits for the disk at
//! each turn with writes.
//!
//! Another file begins with a cut ([`LogWriter::hold`]): bytes appended before the cut go to the
//! current file, by the thread if the loop would have to wait; bytes appended after the cut stay in
//! the buffer until the next file is open.
//!
//!     current file | on its way | rest of a cut | buffer
//!
//! Invariants
//!   1. `synced <= written <= appended`; the bytes on their way, the rest of a cut and the buffer
//!      hold the stream from `written` on, or, with `always`, the buffer from `synced` on.
//!   2. Before a write the file is `length` bytes long: the rest of a failed write is cut off
//!      first, and while that fails nothing is written. One write at a time is under way.
//!   3. A failed fsync is final for its file, because the kernel may have dropped the pages that it
//!      could not write, and then reports success for the next fsync. Nothing more is written to
//!      that file.
//!
//! The server decides what an error means: see [`Trouble`].

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::annotation::{self, AsideLine};
use super::chain::FilePlace;
use super::disk::Disk;
use super::hand::{CompletedWrite, Piece, WriteThread};
use super::sync::Syncer;
use russet_base::wake::Wake;
use russet_base::{hashing::crc64, memory::alloc};
use russet_config::system_text;
use russet_keyspace::{DbIndex, Unit};
use russet_replication::{Mark, Position, ReplId, ReplOffset, Stream, write_select};

/// Capacity kept for the next turn; more than that is released.
const BUFFER_KEPT: usize = 1 << 20;
/// Bytes that may wait for their turn while other bytes are on their way: together twice as many.
/// More bytes would only wait longer; fewer would let the disk rest between two writes.
pub const WAITING_MAX: usize = 2 << 20;
/// A thread writes for so long after the last slow write; at each relapse for twice as long.
const SLOW_MIN_MS: u64 = 10_000;
const SLOW_MAX_MS: u64 = 600_000;
/// An fsync that writes meet for this long is logged.
const LONG_SYNC_MS: u64 = 2000;
const SYNC_EVERY_MS: u64 = 1000;
/// The interval at which a lasting trouble is logged.
const REPORT_EVERY_MS: u64 = 30_000;
/// Bytes between two places of a file at which readers of the stream can begin.
pub(super) const PLACE_BYTES: u64 = 4 << 20;

/// When bytes are forced to disk (`appendfsync`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// `always`: before a write is acknowledged.
    Always,
    /// `everysec`: a second later at most, if the disk keeps up.
    #[default]
    EverySec,
    /// `no`: when the system does it.
    No,
}

/// The writer's settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// `appendfsync`.
    pub policy: SyncPolicy,
    /// `aof-checksum`: checksum lines, and lines with the stream's position.
    pub checksums: bool,
    /// `aof-timestamp-enabled`.
    pub timestamps: bool,
    /// A rewrite is under way and `no-appendfsync-on-rewrite` is set.
    pub no_sync: bool,
}

/// The turn's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    /// Milliseconds of the monotonic clock.
    pub mono_ms: u64,
    /// Seconds since 1970.
    pub unix_s: i64,
}

/// The trouble with the file.
#[derive(Debug)]
pub enum Trouble {
    /// A write failed, for example because the disk is full. The same bytes are tried again.
    Write(io::Error),
    /// An fsync failed: the file must not be written to any more.
    Sync(io::Error),
}

impl Trouble {
    /// The system's error.
    pub fn error(&self) -> &io::Error {
        match self {
            Trouble::Write(error) | Trouble::Sync(error) => error,
        }
    }
}

/// The current file.
#[derive(Debug)]
struct OpenFile {
    file: Arc<File>,
    path: PathBuf,
    /// The valid bytes.
    length: u64,
    /// Bytes certainly on disk, as of the last time that all were.
    synced_length: u64,
    /// A failed write may have left bytes after `length`.
    torn: bool,
    /// The checksum of the bytes since the last checksum line; `None` before the first.
    crc: Option<u64>,
    /// Places at which readers of the stream can begin, in order.
    places: Vec<FilePlace>,
}

/// A buffer on its way to the file.
#[derive(Clone, Copy, Debug)]
struct WriteInFlight {
    /// The bytes without the checksum line.
    effects: usize,
    /// The bytes of its head that were in the buffer: a line with the time.
    head_time: usize,
    /// Memory of the buffer.
    memory: usize,
    has_checksum: bool,
    /// The stream's offset at its end.
    upto: ReplOffset,
    /// The database that the stream had selected before its first byte.
    selected_first: Option<DbIndex>,
}

/// The bytes that a cut leaves to be written to the current file.
#[derive(Debug)]
struct CutRemainder {
    bytes: Vec<u8>,
    /// The database that the stream had selected before its first byte.
    selected_first: Option<DbIndex>,
}

/// See the module.
pub struct LogWriter {
    disk: Disk,
    syncer: Syncer,
    hand: WriteThread,
    flight: Option<WriteInFlight>,
    /// Until when, and for how long at a time, a thread writes.
    slow_until_ms: u64,
    slow_ms: u64,
    /// Each write takes so much longer (DEBUG AOF-FLUSH-SLEEP).
    pub delay: Duration,
    open: Option<OpenFile>,
    buffer: Vec<u8>,
    /// An empty buffer.
    spare: Vec<u8>,
    /// Bytes of the buffer that are written but, with `always`, not synced.
    unsynced: usize,
    /// The buffer holds all bytes that are not synced.
    keeps_unsynced: bool,
    /// The database that the stream had selected before the buffer's first byte.
    selected_first: Option<DbIndex>,
    /// The next request of the file must be readable without the requests before it: it selects the
    /// database, and a line gives the position.
    begins: bool,
    /// The history that the stream belongs to.
    id: Option<ReplId>,
    /// The last line with a position holds: all bytes since are counted.
    is_marked: bool,
    /// The second of the last `#TS` line.
    reported_s: i64,
    /// Lines about data set aside by flushes, for the place before the next unit.
    aside_lines: Vec<u8>,
    pub rules: Rules,
    appended: ReplOffset,
    written: ReplOffset,
    synced: ReplOffset,
    /// When the last fsync was requested.
    synced_ms: u64,
    /// When writes first met the fsync under way; far in the future once that was logged.
    met_sync_ms: Option<u64>,
    /// Times that writes have met an fsync for long.
    pub delayed_syncs: u64,
    trouble: Option<Trouble>,
    /// When the trouble was last logged, and the time of the last try.
    reported_ms: u64,
    tried_ms: u64,
    /// The offset at which the next file begins, while it is not open yet: appended bytes are held
    /// back.
    held_from: Option<ReplOffset>,
    /// The bytes to write after the write on its way, before the next file.
    rest: Option<CutRemainder>,
    /// Another component's fsync of the file is running.
    pub(super) is_synced_elsewhere: bool,
}

/// Appends a SELECT that is not in the stream: the begin of a file.
fn write_unstreamed_select(db: DbIndex, with_mark: bool, out: &mut Vec<u8>) {
    let mut select = Vec::new();
    write_select(db, &mut select);
    if with_mark {
        Mark::NotInStream(select.len() as u64).write(out);
    }
    out.append(&mut select);
}

impl LogWriter {
    /// `offset`: where the stream continues.
    pub fn new(disk: Disk, wake: Option<Wake>, offset: ReplOffset) -> LogWriter {
        LogWriter {
            syncer: Syncer::new(disk.clone(), wake.clone()),
            hand: WriteThread::new(disk.clone(), wake),
            flight: None,
            slow_until_ms: 0,
            slow_ms: SLOW_MIN_MS / 2,
            delay: Duration::ZERO,
            disk,
            open: None,
            buffer: Vec::new(),
            spare: Vec::new(),
            unsynced: 0,
            keeps_unsynced: false,
            selected_first: None,
            begins: true,
            id: None,
            is_marked: false,
            reported_s: 0,
            aside_lines: Vec::new(),
            rules: Rules::default(),
            appended: offset,
            written: offset,
            synced: offset,
            synced_ms: 0,
            met_sync_ms: None,
            delayed_syncs: 0,
            trouble: None,
            reported_ms: 0,
            tried_ms: 0,
            held_from: None,
            rest: None,
            is_synced_elsewhere: false,
        }
    }

    // --- figures ---

    pub fn appended(&self) -> ReplOffset {
        self.appended
    }

    pub fn synced(&self) -> ReplOffset {
        self.synced
    }

    /// The offset up to which writes may be acknowledged.
    #[inline]
    pub fn safe(&self) -> ReplOffset {
        match self.rules.policy {
            SyncPolicy::Always if !self.rules.no_sync => self.synced,
            // Bytes given to the kernel outlive the process.
            _ if self.trouble.is_none() && self.held_from.is_none() && self.flight.is_none() => {
                self.appended
            }
            _ => self.written,
        }
    }

    /// Whether a helper thread makes an fsync.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_syncing(&self) -> bool {
        self.syncer.in_progress()
    }

    /// The offset up to which effects are in the file.
    pub fn written(&self) -> ReplOffset {
        self.written
    }

    /// The file, and the stream offset up to which it is written.
    pub(crate) fn written_file(&self) -> Option<(Arc<File>, ReplOffset)> {
        let open = self.open.as_ref()?;
        Some((Arc::clone(&open.file), self.written))
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.length)
    }

    /// Bytes that are not written yet, or, with `always`, not on disk.
    pub fn buffer_bytes(&self) -> usize {
        self.waiting_bytes() + self.flight.map_or(0, |flight| flight.effects)
    }

    /// Bytes that wait for their turn.
    fn waiting_bytes(&self) -> usize {
        self.buffer.len() + self.rest.as_ref().map_or(0, |rest| rest.bytes.len())
    }

    /// Whether so much waits for the disk that writers have to wait.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.waiting_bytes() >= WAITING_MAX && self.is_lagging()
    }

    /// Whether bytes appended now have to wait for the disk. While writing fails writes are refused
    /// instead.
    fn is_lagging(&self) -> bool {
        let waits = self.flight.is_some() || self.held_from.is_some() || self.sync_in_progress();
        self.trouble.is_none() && (waits || self.tried_ms < self.slow_until_ms)
    }

    /// Memory of the bytes that wait to be written. O(1).
    pub fn memory_bytes(&self) -> usize {
        let on_its_way = self.flight.map_or(0, |flight| flight.memory);
        let rest = self.rest.as_ref();
        let buffers = alloc::vec_bytes(&self.buffer) + alloc::vec_bytes(&self.spare);
        let buffers = buffers + rest.map_or(0, |rest| alloc::vec_bytes(&rest.bytes));
        buffers + on_its_way + alloc::vec_bytes(&self.aside_lines)
    }

    pub fn sync_in_progress(&self) -> bool {
        self.syncer.in_progress() || self.is_synced_elsewhere
    }

    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Sets the rules. Without annotations positions are unknown: a line in the file records that.
    pub fn set_rules(&mut self, rules: Rules) {
        if rules.checksums != self.rules.checksums {
            self.id = None;
        }
        if !rules.checksums && self.is_marked {
            self.end_marks(self.appended);
        }
        self.rules = rules;
    }

    /// Positions are unknown from here on.
    #[cold]
    fn end_marks(&mut self, offset: ReplOffset) {
        let id = ReplId::NONE;
        Mark::Position(Position { id, offset }).write(&mut self.buffer);
        self.is_marked = false;
    }

    /// The files before this file have positions.
    pub(super) fn set_marked(&mut self) {
        self.is_marked = true;
    }

    /// Places of the current file at which readers of the stream can begin.
    pub(super) fn places(&self) -> &[FilePlace] {
        self.open.as_ref().map_or(&[], |open| &open.places)
    }

    pub fn path(&self) -> Option<&PathBuf> {
        self.open.as_ref().map(|open| &open.path)
    }

    /// Whether there is nothing to write or to force to disk.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.buffer.is_empty()
            && self.synced == self.written
            && self.written == self.appended
            && self.flight.is_none()
    }

    // --- what is written ---

    /// Whether the next unit must select its database: [`Stream::select_anew`] before it.
    #[inline]
    pub fn begins(&self) -> bool {
        self.begins
    }

    /// Appends a unit of effects; returns the position of its bytes in
    /// [`LogWriter::appended_bytes`].
    #[inline]
    pub fn append(&mut self, unit: Unit<'_>, stream: &mut Stream, time: Time) -> usize {
        self.begin_append(stream.position(), stream.selected(), time);
        let from = self.buffer.len();
        stream.encode(unit, self.rules.checksums, &mut self.buffer);
        self.appended = stream.offset();
        from
    }

    /// Appends bytes that another writer has encoded, from `before` up to `after`.
    pub fn append_bytes(
        &mut self,
        bytes: &[u8],
        (before, after): (Position, ReplOffset),
        time: Time,
    ) {
        self.begin_append(before, None, time);
        self.buffer.extend_from_slice(bytes);
        self.appended = after;
    }

    /// Appends bytes of the stream as they are, from a position with its selected database up to
    /// `after`; `left_out` of the bytes between are for replicas alone.
    pub fn append_stream(
        &mut self,
        (bytes, left_out): (&[u8], u64),
        (before, selected): (Position, Option<DbIndex>),
        after: ReplOffset,
        time: Time,
    ) {
        let begins = self.begins;
        self.begin_append(before, selected, time);
        if begins && let Some(db) = selected {
            write_unstreamed_select(db, self.rules.checksums, &mut self.buffer);
        }
        self.buffer.extend_from_slice(bytes);
        if left_out > 0 && self.rules.checksums {
            Mark::ReplicasOnly(left_out).write(&mut self.buffer);
        }
        self.appended = after;
    }

    /// The bytes appended from a position on ([`LogWriter::append`]).
    pub fn appended_bytes(&self, from: usize) -> &[u8] {
        &self.buffer[from..]
    }

    #[inline]
    fn begin_append(&mut self, at: Position, selected: Option<DbIndex>, time: Time) {
        if self.buffer.is_empty() {
            self.selected_first = selected;
        }
        if self.rules.timestamps && time.unix_s > self.reported_s {
            annotation::write_time(&mut self.buffer, time.unix_s);
            self.reported_s = time.unix_s;
        }
        if self.begins || self.id != Some(at.id) {
            if self.rules.checksums {
                Mark::Position(at).write(&mut self.buffer);
                self.is_marked = true;
            } else if self.is_marked {
                self.end_marks(at.offset);
            }
            (self.begins, self.id) = (false, Some(at.id));
        }
        if !self.aside_lines.is_empty() {
            self.buffer.append(&mut self.aside_lines);
        }
    }

    /// Writes a line before the next unit, or bytes of the stream.
    pub fn add_aside_line(&mut self, line: AsideLine) {
        line.write(&mut self.aside_lines);
    }

    /// Writes to this file from now on, after its `length` bytes. Everything for the file before
    /// must have been written to it.
    pub fn open(&mut self, file: File, path: PathBuf, length: u64) {
        self.settle();
        assert!(self.rest.is_none(), "everything before has been written");
        let open = OpenFile {
            file: Arc::new(file),
            path,
            length,
            synced_length: length,
            torn: false,
            crc: None,
            places: Vec::new(),
        };
        if let Some(old) = self.open.replace(open) {
            self.syncer.close(old.file);
        }
        if length > 0 {
            self.record_position();
        }
        self.begins = self.buffer.is_empty();
        if !self.buffer.is_empty() {
            self.begin_waiting();
        }
        self.reported_s = 0;
        if matches!(self.trouble, Some(Trouble::Sync(_))) {
            self.trouble = None;
        }
    }

    /// Everything written ends here: readers of the stream can begin.
    fn record_position(&mut self) {
        let offset = self.written;
        if let Some(open) = &mut self.open {
            let last = open.places.last().map_or(0, |place| place.at);
            if open.places.is_empty() || open.length - last >= PLACE_BYTES {
                let at = open.length;
                open.places.push(FilePlace { offset, at });
            }
        }
    }

    /// Makes the buffer begin a file: readers start there with database 0 and no position.
    fn begin_waiting(&mut self) {
        let mut lines = Vec::new();
        if let Some(db) = self.selected_first.take() {
            write_unstreamed_select(db, self.rules.checksums, &mut lines);
        }
        let at = annotation::leading_time(&self.buffer);
        let is_reported = self.buffer[at..].starts_with(b"#SO:");
        if let (Some(id), false, true) = (self.id, is_reported, self.rules.checksums) {
            let offset = self.written;
            Mark::Position(Position { id, offset }).write(&mut lines);
        }
        self.buffer.splice(at..at, lines);
    }

    /// Closes the file; unwritten bytes are dropped.
    pub fn close(&mut self) {
        self.settle();
        if let Some(old) = self.open.take() {
            self.syncer.close(old.file);
        }
        (self.buffer, self.aside_lines) = (Vec::new(), Vec::new());
        (self.unsynced, self.trouble) = (0, None);
        (self.selected_first, self.begins) = (None, true);
        (self.held_from, self.rest) = (None, None);
        (self.written, self.synced) = (self.appended, self.appended);
        self.met_sync_ms = None;
    }

    /// Holds back everything from here on for the next file: it stays in the buffer, and is not
    /// acknowledged. Waiting bytes belong to the current file, and go there with the next flushes.
    pub fn hold(&mut self) {
        assert!(self.unsynced == 0, "what was not synced is not held back");
        self.held_from = Some(self.appended);
        self.begins = true;
        if self.buffer.is_empty() {
            return self.finish_rest();
        }
        self.rest = Some(CutRemainder {
            bytes: std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare)),
            selected_first: self.selected_first.take(),
        });
    }

    /// Whether everything for the file before the next file has been written.
    pub(crate) fn has_written_rest(&self) -> bool {
        self.flight.is_none() && self.rest.is_none()
    }

    /// At the end of the rest of a cut.
    fn finish_rest(&mut self) {
        if let Some(from) = self.held_from
            && self.has_written_rest()
        {
            // The last bytes may be for replicas alone.
            self.written = from;
        }
    }

    /// Resumes writing, to the previous file unless another file has been opened.
    pub fn release(&mut self) {
        self.held_from = None;
        self.join_rest();
    }

    /// There is no cut: its rest is in front of the buffer again.
    fn join_rest(&mut self) {
        if let Some(mut rest) = self.rest.take() {
            rest.bytes.append(&mut self.buffer);
            (self.buffer, self.selected_first) = (rest.bytes, rest.selected_first);
        }
    }

    /// The file's bytes up to `upto` of the stream are on disk.
    pub(crate) fn record_synced(&mut self, upto: ReplOffset) {
        self.synced = self.synced.max(upto);
    }

    /// Everything written is on disk.
    pub(crate) fn record_all_synced(&mut self) {
        self.synced = self.written;
    }

    /// There is no file to write to.
    pub(super) fn record_write_failure(&mut self, error: io::Error) {
        self.note(Trouble::Write(error));
    }

    /// Writing is possible again.
    pub(super) fn record_writable(&mut self) {
        if self.trouble.take().is_some() {
            tracing::warn!("AOF write error looks solved. The server can write again.");
        }
    }

    /// An fsync of the file has failed.
    pub(crate) fn record_sync_failure(&mut self, error: io::Error) {
        self.note(Trouble::Sync(error));
    }

    /// Drops everything appended so far, which is kept elsewhere: none of it is written.
    pub fn skip(&mut self) {
        self.settle();
        self.clear();
        (self.rest, self.keeps_unsynced) = (None, false);
        (self.written, self.synced) = (self.appended, self.appended);
        (self.trouble, self.met_sync_ms) = (None, None);
    }

    /// The file has been renamed.
    pub fn renamed(&mut self, path: PathBuf) {
        if let Some(open) = &mut self.open {
            open.path = path;
        }
    }

    /// Removes a file off the loop.
    pub fn remove(&mut self, path: PathBuf) {
        self.syncer.remove(path);
    }

    /// Writes the turn's bytes, or hands them to the thread, and forces written bytes to disk
    /// according to the policy. `now`: everything is written at the end.
    pub fn flush(&mut self, time: Time, now: bool) {
        self.tried_ms = time.mono_ms;
        self.take_synced();
        let waits = now || self.must_sync();
        if !self.land(waits) {
            return self.sync(time);
        }
        let is_given_up = matches!(self.trouble, Some(Trouble::Sync(_)));
        if self.open.is_none() || is_given_up {
            return;
        }
        if self.held_from.is_some() {
            self.write_rest(time);
            if waits {
                self.settle();
            }
            return;
        }
        if self.buffer.len() > self.unsynced {
            let written = if !waits && self.check_lag(time) {
                self.launch(time)
            } else {
                self.write(time)
            };
            if let Err(error) = written {
                self.note(Trouble::Write(error));
                return;
            }
            if self.flight.is_none() {
                self.record_writable();
            }
        } else if self.written < self.appended {
            // Bytes of the stream for replicas alone, without annotations: the file lacks them.
            if self.synced == self.written {
                self.synced = self.appended;
            }
            self.written = self.appended;
        }
        self.sync(time);
    }

    /// Hands the rest of a cut to the thread.
    fn write_rest(&mut self, time: Time) {
        let Some(rest) = self.rest.take() else { return };
        let held = std::mem::replace(&mut self.buffer, rest.bytes);
        let held_first = std::mem::replace(&mut self.selected_first, rest.selected_first);
        let launched = self.launch(time);
        let bytes = std::mem::replace(&mut self.buffer, held);
        let selected_first = std::mem::replace(&mut self.selected_first, held_first);
        if let Err(error) = launched {
            self.put_back(bytes, selected_first);
            self.note(Trouble::Write(error));
        }
    }

    /// Bytes that could not be written wait again, before all others.
    fn put_back(&mut self, mut bytes: Vec<u8>, selected_first: Option<DbIndex>) {
        if let Some(rest) = self.rest.take() {
            bytes.extend_from_slice(&rest.bytes);
        }
        if self.held_from.is_some() {
            self.rest = Some(CutRemainder {
                bytes,
                selected_first,
            });
            return;
        }
        bytes.append(&mut self.buffer);
        (self.buffer, self.selected_first) = (bytes, selected_first);
    }

    /// Whether written bytes must be on disk before they are acknowledged.
    fn must_sync(&self) -> bool {
        self.rules.policy == SyncPolicy::Always && !self.rules.no_sync
    }

    /// Whether the loop should not write because it would have to wait for the disk. Counts
    /// and logs an fsync that takes too long.
    fn check_lag(&mut self, time: Time) -> bool {
        let is_slow = time.mono_ms < self.slow_until_ms;
        if !self.sync_in_progress() {
            self.met_sync_ms = None;
            return is_slow;
        }
        if self.rules.policy != SyncPolicy::EverySec {
            return is_slow;
        }
        let since = *self.met_sync_ms.get_or_insert(time.mono_ms);
        if time.mono_ms.saturating_sub(since) >= LONG_SYNC_MS {
            self.met_sync_ms = Some(u64::MAX);
            self.delayed_syncs += 1;
            tracing::info!(
                "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer \
                 without waiting for fsync to complete, this may slow down Redis."
            );
        }
        true
    }

    /// Takes the write on its way; `waits`: until it has ended. `false`: it is under way.
    fn land(&mut self, waits: bool) -> bool {
        if self.flight.is_none() {
            return true;
        }
        let done = if waits {
            Some(self.hand.wait())
        } else {
            self.hand.take()
        };
        let Some(done) = done else { return false };
        self.landed(done);
        true
    }

    /// Waits for the write on its way, if any.
    pub fn settle(&mut self) {
        self.land(true);
    }

    /// A write on its way has ended.
    fn landed(&mut self, done: CompletedWrite) {
        let flight = self.flight.take().expect("it was under way");
        self.record_pace(done.is_slow);
        let open = self.open.as_mut().expect("settled before it is closed");
        let mut bytes = done.bytes;
        if let Err(error) = done.result {
            open.torn = done.is_torn;
            bytes.truncate(flight.effects);
            bytes.splice(..0, done.head[..flight.head_time].iter().copied());
            self.put_back(bytes, flight.selected_first);
            return self.note(Trouble::Write(error));
        }
        open.count(flight.has_checksum, &done.head, &bytes);
        self.written = flight.upto;
        self.finish_rest();
        self.record_position();
        bytes.clear();
        bytes.shrink_to(BUFFER_KEPT);
        self.spare = bytes;
        if matches!(self.trouble, Some(Trouble::Write(_))) {
            self.record_writable();
        }
    }

    /// From a slow write on a thread writes for a while.
    fn record_pace(&mut self, is_slow: bool) {
        if !is_slow || !self.hand.wakes() {
            return;
        }
        if self.tried_ms >= self.slow_until_ms {
            self.slow_ms = (self.slow_ms * 2).min(SLOW_MAX_MS);
        }
        self.slow_until_ms = self.tried_ms + self.slow_ms;
    }

    /// From now on the thread writes.
    #[cfg(any(test, feature = "testing"))]
    pub fn write_behind(&mut self) {
        self.slow_until_ms = u64::MAX;
    }

    /// Makes the file ready for the buffer: without the rest of a failed write.
    fn prepare(&mut self) -> io::Result<()> {
        let open = self.open.as_mut().expect("looked at by the caller");
        if open.torn {
            self.disk.truncate(&open.file, open.length)?;
            open.torn = false;
        }
        assert!(
            self.unsynced == 0,
            "what was not synced is not written behind"
        );
        Ok(())
    }

    /// Takes the begin of a file from the buffer: a leading line with the time, if any, then the
    /// line at which checksums begin. Returns these bytes and the length of the line with the time.
    /// Empty in the midst of a file.
    fn take_head(&mut self, time: Time) -> (Vec<u8>, usize) {
        let open = self.open.as_ref().expect("looked at by the caller");
        if !self.rules.checksums || open.crc.is_some() {
            return (Vec::new(), 0);
        }
        // A file with times has a time in its first line.
        let at = annotation::leading_time(&self.buffer);
        let mut head: Vec<u8> = self.buffer.drain(..at).collect();
        annotation::write_begin(&mut head, open.length + at as u64, time.unix_s);
        (head, at)
    }

    /// The buffer with its checksum line, to be written at the end of the file.
    fn take_piece(&mut self, time: Time) -> (Piece, WriteInFlight) {
        let (head, head_time) = self.take_head(time);
        let mut bytes = std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare));
        let open = self.open.as_ref().expect("looked at by the caller");
        let mut flight = WriteInFlight {
            effects: bytes.len(),
            head_time,
            memory: 0,
            has_checksum: self.rules.checksums,
            upto: self.held_from.unwrap_or(self.appended),
            selected_first: self.selected_first,
        };
        if flight.has_checksum {
            let crc = open.crc.unwrap_or(0);
            let offset = open.length + (head.len() + flight.effects) as u64;
            annotation::write_checksum(&mut bytes, crc, offset, time.unix_s);
        }
        flight.memory = alloc::vec_bytes(&bytes);
        let piece = Piece {
            file: Arc::clone(&open.file),
            length: open.length,
            head,
            bytes,
            delay: self.delay,
        };
        (piece, flight)
    }

    /// Hands the buffer to the thread.
    fn launch(&mut self, time: Time) -> io::Result<()> {
        self.prepare()?;
        let (piece, flight) = self.take_piece(time);
        self.flight = Some(flight);
        if let Some(done) = self.hand.write(piece) {
            self.landed(done);
        }
        Ok(())
    }

    /// Writes the buffer.
    fn write(&mut self, time: Time) -> io::Result<()> {
        self.prepare()?;
        let all_synced = self.synced == self.written;
        let (piece, flight) = self.take_piece(time);
        let done = piece.write(&self.disk);
        self.record_pace(done.is_slow);
        let open = self.open.as_mut().expect("looked at by the caller");
        open.torn = done.is_torn;
        if done.result.is_ok() {
            open.count(flight.has_checksum, &done.head, &done.bytes);
        }
        self.spare = std::mem::replace(&mut self.buffer, done.bytes);
        self.buffer.truncate(flight.effects);
        if let Err(error) = done.result {
            let head_time = done.head[..flight.head_time].iter().copied();
            self.buffer.splice(..0, head_time);
            return Err(error);
        }
        self.written = self.appended;
        self.record_position();
        // Annotations alone need no fsync: no write is acknowledged for them.
        if self.written > self.synced && self.must_sync() {
            self.unsynced = flight.effects;
            self.keeps_unsynced = all_synced;
        } else {
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        self.unsynced = 0;
    }

    fn sync(&mut self, time: Time) {
        if self.synced == self.written || self.rules.no_sync || self.trouble.is_some() {
            return;
        }
        let Some(open) = &self.open else { return };
        match self.rules.policy {
            SyncPolicy::Always => match self.disk.sync(&open.file) {
                Ok(()) => {
                    self.all_synced();
                    self.synced_ms = time.mono_ms;
                }
                Err(error) => self.note(Trouble::Sync(error)),
            },
            SyncPolicy::EverySec => {
                let due = time.mono_ms.saturating_sub(self.synced_ms) >= SYNC_EVERY_MS;
                if due && !self.sync_in_progress() {
                    self.syncer.sync(&open.file, self.written);
                    self.synced_ms = time.mono_ms;
                }
            }
            SyncPolicy::No => {}
        }
    }

    fn all_synced(&mut self) {
        self.clear();
        self.keeps_unsynced = false;
        self.synced = self.written;
        if let Some(open) = &mut self.open {
            open.synced_length = open.length;
        }
    }

    /// Takes the result of a completed fsync; returns whether an fsync had completed.
    pub fn take_synced(&mut self) -> bool {
        let Some(done) = self.syncer.take_task() else {
            return false;
        };
        match done.result {
            Ok(()) => self.synced = self.synced.max(done.upto),
            Err(error) => self.note(Trouble::Sync(error)),
        }
        true
    }

    /// Writes everything and forces it to disk, at once: before the end or another file.
    pub fn finish(&mut self, time: Time) -> io::Result<()> {
        self.flush(time, true);
        if let Some(trouble) = &self.trouble {
            return Err(copy(trouble.error()));
        }
        let Some(open) = &self.open else {
            return Ok(());
        };
        if self.synced < self.written {
            if let Err(error) = self.disk.sync(&open.file) {
                let reported = copy(&error);
                self.note(Trouble::Sync(error));
                return Err(reported);
            }
            self.all_synced();
        }
        Ok(())
    }

    fn note(&mut self, trouble: Trouble) {
        let same = matches!(
            (&self.trouble, &trouble),
            (Some(Trouble::Write(_)), Trouble::Write(_)) | (Some(Trouble::Sync(_)), _)
        );
        let is_reported = self.tried_ms.saturating_sub(self.reported_ms) < REPORT_EVERY_MS;
        if !(same && is_reported) {
            self.reported_ms = self.tried_ms;
            let path = self
                .path()
                .map_or_else(String::new, |p| p.display().to_string());
            match &trouble {
                Trouble::Write(e) => {
                    tracing::warn!("Error writing to the AOF file {path}: {}", system_text(e));
                }
                Trouble::Sync(e) => {
                    tracing::warn!("Fail to fsync the AOF file {path}: {}", system_text(e));
                }
            }
        }
        if !matches!(self.trouble, Some(Trouble::Sync(_))) {
            self.trouble = Some(trouble);
        }
    }

    /// After a failed fsync: cuts off the file's unsynced bytes, if the buffer still has them so
    /// that another file can take them. `false`: bytes may be lost, which only the keyspace has.
    pub fn take_back_unsynced(&mut self) -> bool {
        if !self.keeps_unsynced {
            return false;
        }
        let Some(open) = &mut self.open else {
            return false;
        };
        if self.disk.truncate(&open.file, open.synced_length).is_err() {
            return false;
        }
        open.length = open.synced_length;
        open.places.retain(|place| place.at <= open.synced_length);
        self.written = self.synced;
        self.unsynced = 0;
        true
    }
}

impl OpenFile {
    /// Bytes have been written, the last of which may be a checksum line.
    fn count(&mut self, has_checksum: bool, head: &[u8], bytes: &[u8]) {
        self.length += (head.len() + bytes.len()) as u64;
        match (has_checksum, &mut self.crc) {
            (true, crc) => *crc = Some(0),
            // A later line covers these bytes as well.
            (false, Some(crc)) => *crc = crc64::update(*crc, bytes),
            (false, None) => {}
        }
    }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
