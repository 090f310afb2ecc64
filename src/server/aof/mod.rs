//! The append only file of a running server: when it is written, and what an error means.
//!
//!     turn's commands -> effects -> Writer's buffer -> before replies leave: one write
//!                                                       (and fsync, with `always`)
//!
//! A write is acknowledged when it is safe under the policy: with `always` on disk, otherwise
//! handed to the kernel; while an fsync is under way, that may be up to two seconds later. While
//! writing fails, the reply is held back ([`Server::withholds`]), new writes are refused with the
//! cause, and the file is retried until it succeeds.
//!
//! The set of files changes off the loop (`persistence::aof::change`): each turn checks whether the
//! change that a rewrite or a backup waits for has ended ([`Engine::look_at_changes`]).
//!
//! A failed fsync is final for its file. The unsynced bytes go to a new file if the buffer still
//! has them (`always`); otherwise only a rewrite from the keyspace makes the set whole.
//!
//! Cost: one write per turn, whatever the number of commands. `loader` replays the set at start,
//! `rewrite` compacts it.

mod loader;
mod rewrite;

pub(super) use loader::AofLoader;

use super::blocking::Until;
use super::load_steps::{LoadFailed, Loader};
use super::{Engine, Server};
use crate::base::clock::Now;
use crate::base::crc64;
use crate::command::CommandError;
use crate::config::{AppendFsync, system_text};
use crate::keyspace::{Audience, ClientId, Effects, Keyspace};
use crate::persistence::aof::{
    BaseForm, Disk, Log, Manifest, Names, Owner, Rules, Sealed, SyncPolicy, Time, Trouble, Wake,
};
use crate::persistence::rdb;
use crate::replication::{ReplOffset, Stream};
use rewrite::Rewrites;

/// Delay of the next try after a failure.
const RETRY_MS: u64 = 100;
/// Bytes written to the file between two checks of the free space.
const ROOM_LOOK_BYTES: u64 = 256 * 1024;

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
    pub state: AofState,
    log: Option<Box<Log>>,
    /// The set that a rewrite builds in another folder, because the server has moved there or the
    /// file is off. It receives effects since the rewrite began, in parallel with `log`, and
    /// replaces `log` when it is whole.
    next: Option<Box<Log>>,
    disk: Disk,
    wake: Option<Wake>,
    pub rewrites: Rewrites,
    /// The file has lost, or may have lost, data that only the keyspace has.
    incomplete: bool,
    /// Length of the file at the last check of the free space.
    looked_at_bytes: u64,
    retry_ms: u64,
    /// Delay before each write (DEBUG AOF-FLUSH-SLEEP), microseconds.
    pub flush_sleep_us: u64,
    /// Clients whose replies are held until their writes are safe.
    held: Vec<ClientId>,
    /// Clients in WAITAOF, with the offset that must be on disk for them.
    awaiting: Vec<(ReplOffset, ClientId)>,
}

fn time(now: &Now) -> Time {
    Time {
        mono_ms: now.mono_ms,
        unix_s: now.unix_s(),
    }
}

impl Aof {
    /// How helper threads wake the loop.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// From the next file on, calls fail as `disk` plans.
    #[cfg(test)]
    pub fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(super) fn wake(&self) -> Option<Wake> {
        self.wake.clone()
    }

    /// The set for a backup to link: none of its files is removed until [`Aof::unseal`].
    pub(super) fn seal(&mut self) -> Option<Sealed> {
        Some(self.log.as_mut()?.sealed())
    }

    pub(super) fn unseal(&mut self) {
        if let Some(log) = &mut self.log {
            log.unlink();
        }
    }

    fn new_log(&self, names: Names, manifest: Manifest, offset: ReplOffset) -> Log {
        let (disk, wake) = (self.disk.clone(), self.wake.clone());
        Log::new(names, manifest, disk, wake, offset)
    }

    pub fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// Takes complete units of effects.
    #[inline]
    pub(super) fn take_effects(&mut self, effects: &Effects, stream: &mut Stream, now: &Now) {
        let Some(log) = &mut self.log else { return };
        let time = time(now);
        let begins = |log: &Log| log.writer.begins();
        if begins(log) || self.next.as_deref().is_some_and(begins) {
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
        if log.writer.path().is_none() {
            log.writer.skip();
        }
    }

    /// Whether enough was written to check the free space again.
    fn has_written_much(&mut self) -> bool {
        let bytes = self.log.as_ref().map_or(0, |log| log.current_bytes());
        let is_much = bytes >= self.looked_at_bytes + ROOM_LOOK_BYTES;
        if is_much || bytes < self.looked_at_bytes {
            self.looked_at_bytes = bytes;
        }
        is_much
    }

    /// Whether the set of files is being changed.
    pub(super) fn is_changing(&self) -> bool {
        let is_changing = |log: &Option<Box<Log>>| log.as_ref().is_some_and(|l| l.is_changing());
        is_changing(&self.log) || is_changing(&self.next)
    }

    /// The offset up to which effects are on disk for certain; 0 while the set of files is not
    /// whole.
    pub fn synced(&self) -> ReplOffset {
        match (&self.log, self.state) {
            (Some(log), AofState::On) if !self.incomplete => log.writer.synced(),
            _ => 0,
        }
    }

    /// Why writes are refused.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.log.as_ref()?.writer.trouble()
    }

    /// Whether writes are refused.
    pub(super) fn refuses_writes(&self) -> bool {
        self.incomplete || self.trouble().is_some()
    }

    /// `aof_last_write_status`.
    pub fn is_sound(&self) -> bool {
        !self.refuses_writes()
    }
}

impl Server {
    pub(super) fn aof_names(&self) -> Names {
        // An absolute path: the working folder may change later.
        let here = std::env::current_dir().unwrap_or_default();
        Names {
            dir: here.join(self.config.appenddirname.path()),
            basename: self.config.appendfilename.lossy().into_owned(),
        }
    }

    /// The content of an empty base.
    fn empty_base(&self) -> (BaseForm, Vec<u8>) {
        if !self.config.aof_use_rdb_preamble {
            return (BaseForm::Commands, Vec::new());
        }
        let version = match self.config.rdb_version {
            0 => rdb::VERSION_USUAL,
            asked => asked,
        };
        let mut writer = rdb::Writer::new(version, false);
        writer.magic();
        let time = self.now.unix_s().to_string();
        writer.aux("ctime", time.as_bytes());
        writer.aux("aof-base", b"1");
        writer.end();
        let mut bytes = writer.take(Vec::new());
        let crc = crc64::update(0, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (BaseForm::Rdb, bytes)
    }

    /// The writer's rules, from the configuration.
    fn aof_rules(&self) -> Rules {
        let config = &self.config;
        Rules {
            policy: match config.appendfsync {
                AppendFsync::Always => SyncPolicy::Always,
                AppendFsync::EverySec => SyncPolicy::EverySec,
                AppendFsync::No => SyncPolicy::No,
            },
            checksums: config.aof_checksum,
            timestamps: config.aof_timestamp_enabled,
            no_sync: config.no_appendfsync_on_rewrite && self.aof.rewrites.in_progress(),
        }
    }

    pub(super) fn apply_aof_config(&mut self) {
        let rules = self.aof_rules();
        for log in self.aof.log.iter_mut().chain(&mut self.aof.next) {
            log.writer.rules = rules;
        }
    }

    /// The listeners of effects have changed.
    pub(super) fn update_effects(&mut self, keyspace: &mut Keyspace) {
        let has_log = self.aof.log.is_some();
        self.stream.count(has_log);
        let is_wanted = has_log || self.debug.recorder.is_some();
        let mut wanted = Audience::empty();
        wanted.set(Audience::LOG, is_wanted);
        keyspace.effects.set_wanted(wanted);
    }

    /// The append only file is loaded: effects are appended to it from now on.
    pub(super) fn open_aof(
        &mut self,
        keyspace: &mut Keyspace,
        names: Names,
        manifest: Manifest,
    ) -> Result<(), LoadFailed> {
        let mut log = self.aof.new_log(names, manifest, self.stream.offset());
        log.writer.rules = self.aof_rules();
        let (form, empty) = self.empty_base();
        log.open_at_start(form, &empty, self.stream.offset())
            .map_err(|error| {
                tracing::warn!("{error}");
                LoadFailed
            })?;
        self.aof.log = Some(Box::new(log));
        self.aof.state = AofState::On;
        self.update_effects(keyspace);
        Ok(())
    }

    /// The error for a write while the file cannot be written.
    pub(super) fn aof_refusal(&self) -> Option<CommandError> {
        let why = self.aof_trouble_text()?;
        let path = self.aof.log.as_ref().and_then(|log| log.writer.path());
        let path = path.map_or_else(String::new, |path| format!(" ({})", path.display()));
        Some(CommandError::owned(format!(
            "MISCONF Errors writing to the AOF file: {why}{path}"
        )))
    }

    /// Why writes are refused, if they are.
    pub(super) fn aof_trouble_text(&self) -> Option<String> {
        if !self.aof.refuses_writes() {
            return None;
        }
        Some(match self.aof.trouble() {
            Some(trouble) => system_text(trouble.error()),
            None => "an fsync failed, and the file is not rewritten yet".to_owned(),
        })
    }

    /// Whether a client's reply must wait until its writes are safe; if so, registers the client.
    #[inline]
    pub(super) fn withholds(&mut self, wrote_to: ReplOffset, id: ClientId) -> bool {
        let Some(log) = &self.aof.log else {
            return false;
        };
        let withheld = wrote_to > log.writer.safe();
        if withheld {
            self.aof.held.push(id);
        }
        withheld
    }

    /// A client waits until the file is on disk up to `offset`.
    pub(super) fn await_synced(&mut self, offset: ReplOffset, id: ClientId) {
        self.aof.awaiting.push((offset, id));
    }

    /// Writes the turn's effects, and collects the results of earlier writes. `now`: without
    /// deferring anything.
    fn flush_aof(&mut self, now: bool) {
        let at = time(&self.now);
        let Some(log) = &mut self.aof.log else { return };
        let had_trouble = log.writer.trouble().is_some();
        if had_trouble && !now && at.mono_ms < self.aof.retry_ms {
            return;
        }
        if self.aof.flush_sleep_us > 0 && log.writer.buffer_bytes() > 0 {
            std::thread::sleep(std::time::Duration::from_micros(self.aof.flush_sleep_us));
        }
        log.writer.flush(at, now);
        if matches!(log.writer.trouble(), Some(Trouble::Sync(_))) {
            self.leave_unsynced_file(at);
        }
        if let Some(next) = &mut self.aof.next {
            next.writer.flush(at, now);
            // `log` has everything: this set is started again.
            self.aof.rewrites.restarts |= next.writer.trouble().is_some();
        }
        let has_trouble = self.aof.trouble().is_some();
        if has_trouble {
            self.aof.retry_ms = at.mono_ms + RETRY_MS;
        }
        if has_trouble || had_trouble {
            self.update_interest();
        }
    }

    /// An fsync failed: the file is written no more. Bytes that it may lack go to the next file.
    fn leave_unsynced_file(&mut self, at: Time) {
        let Some(log) = &mut self.aof.log else { return };
        if log.is_changing() {
            // Retried when that change has ended.
            return;
        }
        if log.is_unlisted() {
            // No base is complete: the next base will have everything.
            self.aof.rewrites.restarts = true;
            return;
        }
        let all_kept = log.writer.take_back_unsynced();
        if let Err(error) = log.begin_incr(false, self.stream.offset(), "a failed fsync") {
            tracing::warn!("{error}");
            return;
        }
        if all_kept {
            log.writer.flush(at, true);
        } else {
            tracing::warn!(
                "The AOF may lack what was done since the last fsync that succeeded: writes are \
                 refused until it has been rewritten."
            );
            self.aof.incomplete = true;
            self.schedule_rewrite(true);
        }
    }

    /// Sends the held replies of clients whose writes are safe by now.
    fn release_held(&mut self) {
        if self.aof.held.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.aof.held) {
            if let Some(session) = self.clients.take(id) {
                self.put_back(session);
            }
        }
    }

    /// Begins to force the file to disk while it is still written. `false`: it is on disk already.
    pub(super) fn begin_ahead(&mut self, owner: Owner) -> Result<bool, String> {
        let Some(log) = &mut self.aof.log else {
            return Err("the append only file is off".to_owned());
        };
        log.begin_ahead(owner).map_err(|error| error.to_string())
    }

    /// Begins another incremental file for what follows ([`Log::begin_next`]).
    pub(super) fn begin_next_incr(&mut self, owner: Owner, why: &str) -> Result<(), String> {
        let (at, offset) = (time(&self.now), self.stream.offset());
        let Some(log) = &mut self.aof.log else {
            return Err("the append only file is off".to_owned());
        };
        log.writer.flush(at, true);
        if let Some(trouble) = log.writer.trouble() {
            return Err(system_text(trouble.error()));
        }
        let begun = log.begin_next(owner, offset, why);
        begun.map_err(|error| error.to_string())
    }

    /// The last bytes before the process ends. `false`: they are not safe.
    pub(super) fn finish_aof(&mut self) -> bool {
        let at = time(&self.now);
        let Some(log) = &mut self.aof.log else {
            return true;
        };
        log.finish(at, self.stream.offset()).is_ok()
    }
}

impl Engine {
    /// Before replies leave: everything they acknowledge is written, and on disk if the policy
    /// promises that.
    #[inline]
    pub(super) fn write_aof(&mut self) {
        if self.server.aof.is_changing() || self.server.is_backing_up() {
            self.look_at_changes();
        }
        if let Some(log) = &self.server.aof.log
            && (!log.writer.is_idle() || log.writer.trouble().is_some())
        {
            self.write_aof_now();
        }
    }

    /// Continues what waited for a change of the set of files.
    #[cold]
    fn look_at_changes(&mut self) {
        let aof = &mut self.server.aof;
        let take = |log: &mut Option<Box<Log>>| log.as_mut()?.take_change();
        let ended = take(&mut aof.log).or_else(|| take(&mut aof.next));
        match ended {
            Some((Owner::Rewrite, ended)) => self.rewrite_changed(ended),
            Some((Owner::Backup, ended)) => {
                let Engine { keyspace, server } = self;
                server.backup_changed(keyspace, ended);
            }
            None => {}
        }
        let Engine { keyspace, server } = self;
        server.go_on_with_backup(keyspace);
        server.install_base();
        server.release_held();
        self.serve_synced();
    }

    fn write_aof_now(&mut self) {
        self.server.flush_aof(false);
        self.server.release_held();
        self.serve_synced();
        if self.server.aof.has_written_much() {
            self.look_at_rewrites();
        }
    }

    /// Resumes clients in WAITAOF whose writes are on disk.
    pub(super) fn serve_synced(&mut self) {
        if let Some(log) = &mut self.server.aof.log {
            log.writer.take_synced();
        }
        if self.server.aof.awaiting.is_empty() {
            return;
        }
        let synced = self.server.aof.synced();
        let awaiting = std::mem::take(&mut self.server.aof.awaiting);
        // One whose wait has ended otherwise may wait for something else by now.
        let waits = |clients: &super::Clients, offset, id| {
            let blocked = clients.get(id).and_then(|s| s.client.blocked.as_ref());
            matches!(blocked.map(|b| &b.until), Some(Until::Synced { offset: o }) if *o == Some(offset))
        };
        for (offset, id) in awaiting {
            if !waits(&self.server.clients, offset, id) {
                continue;
            }
            match offset <= synced {
                true => self.end_wait(id),
                false => self.server.aof.awaiting.push((offset, id)),
            }
        }
    }

    /// Prepares to load the append only file, or begins an empty one.
    pub(super) fn begin_loading_aof(&mut self) -> Result<(), LoadFailed> {
        let Engine { keyspace, server } = self;
        match AofLoader::prepare(server.aof_names(), server.aof.disk())? {
            (Some(loader), bytes) => {
                server.begin_loading(keyspace, bytes);
                server.loading.loader = Some(Loader::Aof(Box::new(loader)));
            }
            (None, _) => {
                let names = server.aof_names();
                server.open_aof(keyspace, names, Manifest::default())?;
            }
        }
        Ok(())
    }
}

impl Server {
    /// DEBUG LOADAOF: empties the keyspace and loads it from the append only file.
    pub fn reload_aof(&mut self, keyspace: &mut Keyspace) -> Result<(), LoadFailed> {
        if self.aof.state != AofState::Off {
            self.flush_aof(true);
        }
        // The set that is being written, even if the server has changed its folder since.
        let names = match &self.aof.log {
            Some(log) => log.names.clone(),
            None => self.aof_names(),
        };
        let (loader, bytes) = AofLoader::prepare(names, self.aof.disk())?;
        for at in 0..keyspace.databases() {
            keyspace.flush(crate::keyspace::DbIndex(at as u32), false);
        }
        let Some(loader) = loader else { return Ok(()) };
        self.begin_loading(keyspace, bytes);
        super::load_steps::reload_now(keyspace, self, loader)
    }
}

#[cfg(test)]
mod tests;
