//! The append only file of a running server: when it is written, and the consequences of an error.
//!
//!     turn's commands -> effects -> Writer's buffer -> before replies leave: one write
//!                                                       (and fsync, with `always`)
//!
//! A write is acknowledged when it is safe under the policy: with `always` on disk, otherwise
//! handed to the kernel. Cost: one write per turn, whatever the number of commands; without a file
//! one test per turn.
//!
//! `persistence/aof` handles files; `Aof` (`server/parts/persist/aof`) decides when, and returns
//! the consequences for clients, gates and snapshots to `server/persist/aof`. `Aof::take_effects`
//! has the `Stream` encode complete units of effects into the `Writer`'s buffer; before replies
//! leave, `Engine::write_aof` writes the turn's bytes with one write, followed by a checksum line
//! (`annotation.rs`), and with `always` forces them to disk: one fsync for all clients of the turn.
//! `Client::wrote_to` is the stream's offset after a client's last write: the reply waits while
//! that offset is not safe under the policy (`clients::waiting_replies`), and so does WAITAOF.
//! Every file system call goes through `Disk`, where tests make it fail.
//!
//! The loop writes itself as long as writes are quick. After a write that took longer than 2 ms and
//! 1 us for 100 bytes, for ten seconds or more, and during an fsync of `everysec`, a thread writes
//! (`Hand`, `LogWriter::launch`): the whole buffer moves to the thread, bytes appended meanwhile go
//! to another buffer, and the thread wakes the loop when the buffer has been written. The loop
//! takes the result with the next flush. `written` advances then, and held replies leave. Once 2
//! MiB wait beside the bytes on their way (`LogWriter::is_full`), `Gates::log_is_full` postpones
//! commands that write, as CLIENT PAUSE WRITE does, and the primary's stream. A rewrite or a backup
//! begins another file with a cut (`LogWriter::hold`): the thread writes the waiting bytes to the
//! current file, later bytes stay in the buffer for the next file, and the base is made from the
//! keyspace at the cut. Closing the file needs the file at rest at once, so it waits for the write
//! on its way (`LogWriter::settle`) and gives the cut up.
//!
//! Errors: a failed write is cut off and retried until it succeeds. Meanwhile the server refuses
//! writes with the cause ([`Aof::refusal`]), and replies wait. After 5 s ([`Aof::is_overdue`]) it
//! closes the connections whose replies wait (`Server::give_up_replies`), because neither an error
//! nor a reply would be true: the writes are in memory, and may or may not reach the file. If there
//! is no space at start, the file is opened once there is (`Log::open_or_wait`). A failed fsync is
//! final for its file: with `always` the buffer still has the unsynced bytes, which go to the next
//! incremental file; otherwise only a rewrite from the keyspace makes the set whole
//! ([`FlushOutcome::rewrites`]), and the server refuses writes until then.
//!
//! No new set is begun in a folder that has a set's files with data but no manifest (`stray.rs`).
//!
//! The set of files changes off the loop, one change at a time (`persistence/aof/change.rs`): the
//! current file is forced to disk while it is still written; then, from the cut on, the bytes
//! written since, while new effects wait in the buffer, unacknowledged; then the next file is
//! listed. A new base is installed the same way.
//!
//! A backup (`Backups`; `server/persist/backup.rs` runs it) begins a new incremental file, so that
//! all previous files no longer grow, and a thread links them into the backup's own folder
//! (`Log::sealed`). `russet restore` (`persistence/aof/restore.rs`) copies a set up to the last
//! unit that was complete at a given moment.
//!
//! A rewrite (`Rewrites`, `parts/persist/aof/rewrites.rs`) asks the driver of snapshots for a base,
//! of commands or in RDB's form; effects recorded meanwhile go to a new incremental file, and the
//! manifest is replaced at the end. A base that is whole while a backup changes the set waits for
//! the end of that change.
//!
//! BACKUP START and SEAL, Redis's two steps, have a state of their own
//! (`parts/persist/backups/session.rs`): START begins a rewrite and links its base, SEAL seals as
//! above and links the rest. While the base is linked and the rest is not, no rewrite begins.
//! `server/persist/preload.rs` loads such a folder at start (`preload-file`).
//!
//! A scrub (`persistence/aof/scrub.rs`; `parts/persist/aof/scrubs.rs` has its times) reads the set
//! again on a thread of its own, at a pace and without holding values, up to the bytes that were
//! whole when it began. If the manifest lists other files by the time it finds a fault, or the
//! folder has another name, it begins again instead of reporting it, later each time.
//!
//! Loading is resumable (`server/persist/load_steps.rs`): a slice per turn, and clients get
//! -LOADING. A file that is compressed as a whole is decompressed while it is read
//! (`persistence/rdb/file.rs`). `AofLoader` parses and prefetches as a client's batch does and runs
//! commands through `World::run` as `Origin::Loading`: no gates, no effects, no events. The
//! keyspace is in replay mode meanwhile: its clock is before all expiries, because the commands
//! were recorded under their own clock.

pub mod rewrites;
pub mod scrubs;
pub mod set;

use std::path::PathBuf;
use std::time::Duration;

use rewrites::Rewrites;
use scrubs::Scrubs;

use russet_base::clock::Now;
use russet_base::wake::Wake;
use russet_command::CommandError;
use russet_config::system_text;
use russet_keyspace::{ClientId, DbIndex, Effects};
use russet_persistence::aof::{AsideLine, CompletedChange, Disk, Log, Owner, Time, Trouble};
use russet_replication::{Position, ReplOffset, Stream};

/// Bytes written to the file between two checks of the free space.
const ROOM_LOOK_BYTES: u64 = 256 * 1024;
/// Delay of the next try after a failed write.
const RETRY_MS: u64 = 100;
/// How often the log reports a trouble that lasts.
const LOG_EVERY_MS: u64 = 30_000;
/// How long clients wait for replies while writing fails. Longer than a rewrite or the removal of a
/// file takes to make room, shorter than usual timeouts of clients.
const HELD_MAX_MS: u64 = 5000;

/// WAITAOF's error while there is no append only file.
pub const NO_AOF: CommandError = CommandError::Text(
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
);

/// Whether there is an append only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AofState {
    #[default]
    Off,
    On,
    /// Switched on; counts once its first base is complete.
    WaitsForBase,
}

/// See the module.
#[derive(Default)]
pub struct Aof {
    state: AofState,
    log: Option<Box<Log>>,
    /// The set that a rewrite builds in another folder, because the server has moved there or the
    /// file is off. It receives effects since the rewrite began, in parallel with `log`, and
    /// replaces `log` when it is whole.
    next: Option<Box<Log>>,
    disk: Disk,
    wake: Option<Wake>,
    pub rewrites: Rewrites,
    pub scrubs: Scrubs,
    /// The file has lost, or may have lost, data that only the keyspace has.
    incomplete: bool,
    /// Length of the file at the last check of the free space.
    looked_at_bytes: u64,
    /// No other try to write before this time.
    retry_ms: u64,
    /// When it was last logged that no file follows the file whose fsync failed, monotonic
    /// milliseconds.
    logged_ms: Option<u64>,
    /// Since when writing fails.
    failing_since_ms: Option<u64>,
    /// Delay before each write (DEBUG AOF-FLUSH-SLEEP), microseconds.
    pub flush_sleep_us: u64,
    /// The flush of the unit that comes next has set its data aside at this Unix millisecond.
    pub(crate) flushed_aside_ms: Option<i64>,
    /// The offset up to which all consumers of the change stream have read.
    unread: Option<ReplOffset>,
    /// Clients in WAITAOF, with the offset that must be on disk for them.
    awaiting: Vec<(ReplOffset, ClientId)>,
    /// The set that the start found and did not load, because the file is off.
    pub(crate) unloaded: Option<UnloadedSet>,
}

/// An append only file with data that the start did not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnloadedSet {
    pub(crate) dir: PathBuf,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// The consequences of a write of the file.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushOutcome {
    /// Writing failed, now or before: whether writes are refused may have changed.
    pub gates: bool,
    /// Data is lost: only a rewrite makes the set whole.
    pub rewrites: bool,
}

fn time(now: &Now) -> Time {
    Time {
        mono_ms: now.mono_ms,
        unix_s: now.unix_s(),
    }
}

/// Writes the position at the begin of a file. A file of a primary's stream needs the selected
/// database: the primary does not select it again when this server restarts. A file of the change
/// stream needs the history: readers that have everything reconnect, too.
fn begin_followed(log: &mut Log, stream: &Stream) {
    let is_noted = log.retain.unread_bytes > 0;
    let writer = &mut log.writer;
    if (stream.is_followed() || is_noted) && writer.begins() && writer.path().is_some() {
        log.lacks_note = true;
        let before = (stream.position(), stream.selected());
        writer.append_stream((&[], 0), before, stream.offset(), Time::default());
    }
}

impl Aof {
    /// Begins a file that has nothing yet, if the stream is a primary's.
    pub(crate) fn begin_followed(&mut self, stream: &Stream) {
        if let Some(log) = &mut self.log {
            begin_followed(log, stream);
        }
    }

    /// How helper threads wake the loop.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// From the next file on, calls fail as `disk` plans.
    #[cfg(feature = "testing")]
    pub fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    /// From now on the thread writes, as after a slow write.
    #[cfg(feature = "testing")]
    pub fn write_behind(&mut self) {
        if let Some(log) = &mut self.log {
            log.writer.write_behind();
        }
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn state(&self) -> AofState {
        self.state
    }

    pub fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// The files cannot be read as the stream: no replica is served from them any more.
    pub(crate) fn forget_chain(&mut self) {
        if let Some(log) = &mut self.log {
            log.forget_chain();
        }
    }

    /// Records a line about flushes in the log, before the next unit, or bytes of the stream.
    pub(crate) fn record_aside_line(&mut self, line: AsideLine) {
        let logs = self.log.iter_mut().chain(&mut self.next);
        logs.for_each(|log| log.writer.add_aside_line(line));
    }

    /// The unit that comes next may have a flush.
    #[inline]
    fn record_flushed_aside(&mut self) {
        if let Some(at_ms) = self.flushed_aside_ms.take() {
            self.record_aside_line(AsideLine::SetAside(at_ms));
        }
    }

    /// The last undo of a flush in the stream is before this position: the manifest remembers it.
    pub(crate) fn record_undone(&mut self, at: Option<ReplOffset>) {
        let logs = self.log.iter_mut().chain(&mut self.next);
        logs.for_each(|log| log.manifest.undone = at);
    }

    /// Whether the next bytes are the first of a file.
    pub(crate) fn begins(&self) -> bool {
        let begins = |log: &Log| log.writer.begins() || log.lacks_note;
        self.log.as_deref().is_some_and(begins) || self.next.as_deref().is_some_and(begins)
    }

    /// A note is in the file.
    pub(crate) fn has_noted(&mut self) {
        let logs = self.log.iter_mut().chain(&mut self.next);
        logs.for_each(|log| log.lacks_note = false);
    }

    /// Whether the log has lines with positions.
    pub(crate) fn is_marked(&self) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| log.writer.rules.checksums)
    }

    /// Takes complete units of effects.
    #[inline]
    pub fn take_effects(&mut self, effects: &Effects, stream: &mut Stream, now: &Now) {
        self.record_flushed_aside();
        let begins = self.begins();
        let Some(log) = &mut self.log else {
            effects
                .units()
                .for_each(|unit| stream.encode_for_replicas(unit));
            return;
        };
        let time = time(now);
        if begins {
            stream.select_anew();
        }
        for unit in effects.units() {
            let before = self.next.is_some().then(|| stream.position());
            let from = log.writer.append(unit, stream, time);
            if let (Some(next), Some(before)) = (&mut self.next, before) {
                let bytes = log.writer.appended_bytes(from);
                next.writer
                    .append_bytes(bytes, (before, stream.offset()), time);
            }
        }
        // Between two tries to make a first base no file is open.
        if log.writer.path().is_none() && !log.waits_for_space() {
            log.writer.skip();
        }
    }

    /// Takes bytes of the stream that are encoded already, from a position with its selected
    /// database to another. `left_out`: bytes between the two that only replicas receive.
    #[inline]
    pub(crate) fn take_stream(
        &mut self,
        bytes: &[u8],
        left_out: u64,
        ((before, selected), after): ((Position, Option<DbIndex>), ReplOffset),
        now: &Now,
    ) {
        self.record_flushed_aside();
        let Some(log) = &mut self.log else { return };
        let time = time(now);
        for log in [Some(&mut *log), self.next.as_mut()].into_iter().flatten() {
            let writer = &mut log.writer;
            writer.append_stream((bytes, left_out), (before, selected), after, time);
        }
        if log.writer.path().is_none() && !log.waits_for_space() {
            log.writer.skip();
        }
    }

    /// Whether so much waits for a disk that lags that writers have to wait.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.writer.is_full())
    }

    /// Whether there is something to write, or a failed write to retry.
    #[inline]
    pub(crate) fn must_flush(&self) -> bool {
        let log = self.log.as_ref();
        log.is_some_and(|log| !log.writer.is_idle() || log.writer.trouble().is_some())
    }

    /// Writes the turn's effects, and collects the results of earlier writes. `all`: without
    /// deferring anything.
    pub fn flush(&mut self, now: &Now, stream: &Stream, all: bool) -> FlushOutcome {
        let at = time(now);
        let Some(log) = &mut self.log else {
            return FlushOutcome::default();
        };
        begin_followed(log, stream);
        let had_trouble = log.writer.trouble().is_some();
        if had_trouble && !all && at.mono_ms < self.retry_ms {
            return FlushOutcome::default();
        }
        log.writer.delay = Duration::from_micros(self.flush_sleep_us);
        log.flush(at, all);
        let is_unsynced = matches!(log.writer.trouble(), Some(Trouble::Sync(_)));
        let loses_data = is_unsynced && self.leave_unsynced_file(at, stream);
        if let Some(next) = &mut self.next {
            next.flush(at, all);
            if next.writer.trouble().is_some() {
                // `log` has everything: this set is started again.
                self.rewrites.restart();
            }
        }
        let has_trouble = self.trouble().is_some();
        if has_trouble {
            self.retry_ms = at.mono_ms + RETRY_MS;
            self.failing_since_ms.get_or_insert(at.mono_ms);
        } else {
            self.failing_since_ms = None;
        }
        FlushOutcome {
            gates: has_trouble || had_trouble || loses_data,
            rewrites: loses_data,
        }
    }

    /// An fsync failed: stops writing the file. Bytes that the file may lack go to the next file.
    /// Returns whether the log has lost data that only the keyspace has now.
    fn leave_unsynced_file(&mut self, at: Time, stream: &Stream) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        if log.is_changing() {
            // Retried when that change has ended.
            return false;
        }
        if log.is_unlisted() {
            // No base is complete: the next base will have everything.
            self.rewrites.restart();
            return false;
        }
        log.writer.settle();
        let all_kept = log.writer.take_back_unsynced();
        if !all_kept {
            log.forget_chain();
        }
        if let Err(error) = log.begin_incr(false, stream.offset(), "a failed fsync") {
            // The server tries again soon.
            let is_logged = |last: u64| at.mono_ms.saturating_sub(last) < LOG_EVERY_MS;
            if !self.logged_ms.is_some_and(is_logged) {
                self.logged_ms = Some(at.mono_ms);
                tracing::warn!("{error}");
            }
            return false;
        }
        self.logged_ms = None;
        if all_kept {
            log.flush(at, true);
        } else {
            tracing::warn!(
                "The AOF may lack what was done since the last fsync that succeeded: writes are \
                 refused until it has been rewritten."
            );
            self.incomplete = true;
        }
        !all_kept
    }

    /// Whether enough was written to check the free space again.
    pub(crate) fn take_room_check(&mut self) -> bool {
        let bytes = self.log.as_ref().map_or(0, |log| log.current_bytes());
        let is_much = bytes >= self.looked_at_bytes + ROOM_LOOK_BYTES;
        if is_much || bytes < self.looked_at_bytes {
            self.looked_at_bytes = bytes;
        }
        is_much
    }

    /// Whether writing has failed for as long as replies may wait for it: their connections are to
    /// be ended.
    pub(crate) fn is_overdue(&self, now: &Now) -> bool {
        let is_over = |since: u64| now.mono_ms.saturating_sub(since) >= HELD_MAX_MS;
        self.failing_since_ms.is_some_and(is_over)
    }

    /// A client waits until the file is on disk up to `offset`.
    pub(crate) fn await_synced(&mut self, offset: ReplOffset, id: ClientId) {
        self.awaiting.push((offset, id));
    }

    /// Takes the clients that wait for the disk, with their offsets; clients that must wait longer
    /// register again.
    pub(crate) fn take_awaiting(&mut self) -> Vec<(ReplOffset, ClientId)> {
        std::mem::take(&mut self.awaiting)
    }

    /// Collects the result of an fsync on another thread.
    pub(crate) fn collect_fsync(&mut self) {
        if let Some(log) = &mut self.log {
            log.writer.take_synced();
        }
    }

    /// The offset up to which effects are on disk for certain; 0 while the set of files is not
    /// whole.
    pub fn synced(&self) -> ReplOffset {
        match (&self.log, self.state) {
            (Some(log), AofState::On) if !self.incomplete => log.writer.synced(),
            _ => 0,
        }
    }

    /// Whether the files have the whole data, with what was given to the log.
    pub(crate) fn has_whole_set(&self) -> bool {
        self.state == AofState::On && !self.incomplete
    }

    /// Whether the set of files is being changed.
    #[inline]
    pub fn is_changing(&self) -> bool {
        let is_changing = |log: &Option<Box<Log>>| log.as_ref().is_some_and(|l| l.is_changing());
        is_changing(&self.log) || is_changing(&self.next)
    }

    /// The change of the set that has ended since the last call.
    pub(crate) fn take_change(&mut self) -> Option<(Owner, Result<CompletedChange, String>)> {
        let take = |log: &mut Option<Box<Log>>| log.as_mut()?.take_change();
        take(&mut self.log).or_else(|| take(&mut self.next))
    }

    fn trouble(&self) -> Option<&Trouble> {
        self.log.as_ref()?.writer.trouble()
    }

    /// The file was switched on at the start, but there was no space for the base: writes are
    /// refused until a rewrite has made the base.
    pub(crate) fn await_base(&mut self) {
        self.incomplete = true;
    }

    /// Whether effects are lost, so that a rewrite must make the set whole.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Whether writes are refused.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.incomplete || self.trouble().is_some()
    }

    /// `aof_last_write_status`.
    pub fn is_sound(&self) -> bool {
        !self.refuses_writes()
    }

    /// Why writes are refused, if they are.
    pub(crate) fn trouble_text(&self) -> Option<String> {
        if !self.refuses_writes() {
            return None;
        }
        Some(match self.trouble() {
            Some(trouble) => system_text(trouble.error()),
            None if self.state == AofState::WaitsForBase => {
                "there is no space for its base".to_owned()
            }
            None => "an fsync failed, and the file is not rewritten yet".to_owned(),
        })
    }

    /// The error for a write while the file cannot be written.
    pub fn refusal(&self) -> Option<CommandError> {
        let why = self.trouble_text()?;
        let path = self.log.as_ref().and_then(|log| log.writer.path());
        let path = path.map_or_else(String::new, |path| format!(" ({})", path.display()));
        Some(CommandError::owned(format!(
            "MISCONF Errors writing to the AOF file: {why}{path}"
        )))
    }
}
