//! The append only file at work (`parts::aof`): the write before replies leave, what an error means
//! for clients, the changes of its set of files.

pub mod loader;
pub mod rewrite;

pub(in crate::server) use loader::AofLoader;

use crate::base::crc64;
use crate::command::CommandError;
use crate::config::{AppendFsync, system_text};
use crate::keyspace::{Audience, ClientId, Keyspace};
use crate::persistence::aof::{
    BaseForm, Log, Manifest, Names, Owner, Rules, SyncPolicy, Time, Trouble,
};
use crate::persistence::rdb;
use crate::replication::ReplOffset;
use crate::server::clients::blocked::Until;
use crate::server::parts::aof::{AofState, time};
use crate::server::parts::loading::LoadFailed;
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// Delay of the next try after a failure.
const RETRY_MS: u64 = 100;

impl Server {
    pub(in crate::server) fn aof_names(&self) -> Names {
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
            no_sync: config.no_appendfsync_on_rewrite && self.persist.aof.rewrites.in_progress(),
        }
    }

    pub(in crate::server) fn apply_aof_config(&mut self) {
        let rules = self.aof_rules();
        for log in self
            .persist
            .aof
            .log
            .iter_mut()
            .chain(&mut self.persist.aof.next)
        {
            log.writer.rules = rules;
        }
    }

    /// The listeners of effects have changed.
    pub(in crate::server) fn update_effects(&mut self, keyspace: &mut Keyspace) {
        let has_log = self.persist.aof.log.is_some();
        self.stream.count(has_log);
        let is_wanted = has_log || self.debug.recorder.is_some();
        let mut wanted = Audience::empty();
        wanted.set(Audience::LOG, is_wanted);
        keyspace.effects.set_wanted(wanted);
    }

    /// The append only file is loaded: effects are appended to it from now on.
    pub(in crate::server) fn open_aof(
        &mut self,
        keyspace: &mut Keyspace,
        names: Names,
        manifest: Manifest,
    ) -> Result<(), LoadFailed> {
        let mut log = self
            .persist
            .aof
            .new_log(names, manifest, self.stream.offset());
        log.writer.rules = self.aof_rules();
        let (form, empty) = self.empty_base();
        log.open_at_start(form, &empty, self.stream.offset())
            .map_err(|error| {
                tracing::warn!("{error}");
                LoadFailed
            })?;
        self.persist.aof.log = Some(Box::new(log));
        self.persist.aof.state = AofState::On;
        self.update_effects(keyspace);
        Ok(())
    }

    /// The error for a write while the file cannot be written.
    pub(in crate::server) fn aof_refusal(&self) -> Option<CommandError> {
        let why = self.aof_trouble_text()?;
        let path = self
            .persist
            .aof
            .log
            .as_ref()
            .and_then(|log| log.writer.path());
        let path = path.map_or_else(String::new, |path| format!(" ({})", path.display()));
        Some(CommandError::owned(format!(
            "MISCONF Errors writing to the AOF file: {why}{path}"
        )))
    }

    /// Why writes are refused, if they are.
    pub(in crate::server) fn aof_trouble_text(&self) -> Option<String> {
        if !self.persist.aof.refuses_writes() {
            return None;
        }
        Some(match self.persist.aof.trouble() {
            Some(trouble) => system_text(trouble.error()),
            None => "an fsync failed, and the file is not rewritten yet".to_owned(),
        })
    }

    /// Whether a client's reply must wait until its writes are safe; if so, registers the client.
    #[inline]
    pub(in crate::server) fn withholds(&mut self, wrote_to: ReplOffset, id: ClientId) -> bool {
        let Some(log) = &self.persist.aof.log else {
            return false;
        };
        let withheld = wrote_to > log.writer.safe();
        if withheld {
            self.persist.aof.held.push(id);
        }
        withheld
    }

    /// A client waits until the file is on disk up to `offset`.
    pub(in crate::server) fn await_synced(&mut self, offset: ReplOffset, id: ClientId) {
        self.persist.aof.awaiting.push((offset, id));
    }

    /// Writes the turn's effects, and collects the results of earlier writes. `now`: without
    /// deferring anything.
    fn flush_aof(&mut self, now: bool) {
        let at = time(&self.now);
        let Some(log) = &mut self.persist.aof.log else {
            return;
        };
        let had_trouble = log.writer.trouble().is_some();
        if had_trouble && !now && at.mono_ms < self.persist.aof.retry_ms {
            return;
        }
        if self.persist.aof.flush_sleep_us > 0 && log.writer.buffer_bytes() > 0 {
            std::thread::sleep(std::time::Duration::from_micros(
                self.persist.aof.flush_sleep_us,
            ));
        }
        log.writer.flush(at, now);
        if matches!(log.writer.trouble(), Some(Trouble::Sync(_))) {
            self.leave_unsynced_file(at);
        }
        if let Some(next) = &mut self.persist.aof.next {
            next.writer.flush(at, now);
            // `log` has everything: this set is started again.
            self.persist.aof.rewrites.restarts |= next.writer.trouble().is_some();
        }
        let has_trouble = self.persist.aof.trouble().is_some();
        if has_trouble {
            self.persist.aof.retry_ms = at.mono_ms + RETRY_MS;
        }
        if has_trouble || had_trouble {
            self.update_interest();
        }
    }

    /// An fsync failed: the file is written no more. Bytes that it may lack go to the next file.
    fn leave_unsynced_file(&mut self, at: Time) {
        let Some(log) = &mut self.persist.aof.log else {
            return;
        };
        if log.is_changing() {
            // Retried when that change has ended.
            return;
        }
        if log.is_unlisted() {
            // No base is complete: the next base will have everything.
            self.persist.aof.rewrites.restarts = true;
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
            self.persist.aof.incomplete = true;
            self.schedule_rewrite(true);
        }
    }

    /// Sends the held replies of clients whose writes are safe by now.
    fn release_held(&mut self) {
        if self.persist.aof.held.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.persist.aof.held) {
            if let Some(session) = self.clients.take(id) {
                self.put_back(session);
            }
        }
    }

    /// Begins to force the file to disk while it is still written. `false`: it is on disk already.
    pub(in crate::server) fn begin_ahead(&mut self, owner: Owner) -> Result<bool, String> {
        let Some(log) = &mut self.persist.aof.log else {
            return Err("the append only file is off".to_owned());
        };
        log.begin_ahead(owner).map_err(|error| error.to_string())
    }

    /// Begins another incremental file for what follows ([`Log::begin_next`]).
    pub(in crate::server) fn begin_next_incr(
        &mut self,
        owner: Owner,
        why: &str,
    ) -> Result<(), String> {
        let (at, offset) = (time(&self.now), self.stream.offset());
        let Some(log) = &mut self.persist.aof.log else {
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
    pub(in crate::server) fn finish_aof(&mut self) -> bool {
        let at = time(&self.now);
        let Some(log) = &mut self.persist.aof.log else {
            return true;
        };
        log.finish(at, self.stream.offset()).is_ok()
    }
}

impl Engine {
    /// Before replies leave: everything they acknowledge is written, and on disk if the policy
    /// promises that.
    #[inline]
    pub(in crate::server) fn write_aof(&mut self) {
        if self.server.persist.aof.is_changing() || self.server.is_backing_up() {
            self.look_at_changes();
        }
        if let Some(log) = &self.server.persist.aof.log
            && (!log.writer.is_idle() || log.writer.trouble().is_some())
        {
            self.write_aof_now();
        }
    }

    /// Continues what waited for a change of the set of files.
    #[cold]
    fn look_at_changes(&mut self) {
        let aof = &mut self.server.persist.aof;
        let take = |log: &mut Option<Box<Log>>| log.as_mut()?.take_change();
        let ended = take(&mut aof.log).or_else(|| take(&mut aof.next));
        match ended {
            Some((Owner::Rewrite, ended)) => self.rewrite_changed(ended),
            Some((Owner::Backup, ended)) => {
                let Engine {
                    keyspace, server, ..
                } = self;
                server.backup_changed(keyspace, ended);
            }
            None => {}
        }
        let Engine {
            keyspace, server, ..
        } = self;
        server.go_on_with_backup(keyspace);
        server.install_base();
        server.release_held();
        self.serve_synced();
    }

    fn write_aof_now(&mut self) {
        self.server.flush_aof(false);
        self.server.release_held();
        self.serve_synced();
        if self.server.persist.aof.has_written_much() {
            self.look_at_rewrites();
        }
    }

    /// Resumes clients in WAITAOF whose writes are on disk.
    pub(in crate::server) fn serve_synced(&mut self) {
        if let Some(log) = &mut self.server.persist.aof.log {
            log.writer.take_synced();
        }
        if self.server.persist.aof.awaiting.is_empty() {
            return;
        }
        let synced = self.server.persist.aof.synced();
        let awaiting = std::mem::take(&mut self.server.persist.aof.awaiting);
        // One whose wait has ended otherwise may wait for something else by now.
        let waits = |clients: &crate::server::Clients, offset, id| {
            let blocked = clients.get(id).and_then(|s| s.client.blocked.as_ref());
            matches!(blocked.map(|b| &b.until), Some(Until::Synced { offset: o }) if *o == Some(offset))
        };
        for (offset, id) in awaiting {
            if !waits(&self.server.clients, offset, id) {
                continue;
            }
            match offset <= synced {
                true => self.end_wait(id),
                false => self.server.persist.aof.awaiting.push((offset, id)),
            }
        }
    }

    /// Prepares to load the append only file, or begins an empty one.
    pub(in crate::server) fn begin_loading_aof(&mut self) -> Result<(), LoadFailed> {
        let Engine {
            keyspace, server, ..
        } = self;
        match AofLoader::prepare(server.aof_names(), server.persist.aof.disk())? {
            (Some(loader), bytes) => {
                server.begin_loading(keyspace, bytes);
                self.loader = Some(Box::new(loader));
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
        if self.persist.aof.state != AofState::Off {
            self.flush_aof(true);
        }
        // The set that is being written, even if the server has changed its folder since.
        let names = match &self.persist.aof.log {
            Some(log) => log.names.clone(),
            None => self.aof_names(),
        };
        let (loader, bytes) = AofLoader::prepare(names, self.persist.aof.disk())?;
        for at in 0..keyspace.databases() {
            keyspace.flush(crate::keyspace::DbIndex(at as u32), false);
        }
        let Some(loader) = loader else { return Ok(()) };
        self.begin_loading(keyspace, bytes);
        crate::server::persist::load_steps::reload_now(keyspace, self, loader)
    }
}

#[cfg(test)]
mod tests;
