//! The set of files: its place, the rules of writing, opening, switching on and off, sealing for a
//! backup, and the end.
//!
//! Invariant: the file counts ([`AofState::On`]) only while its manifest names a whole set.
//! Switched on at run time, it waits for its first base, and until then no manifest names the file
//! that is written.

use super::{Aof, AofState, time};

use russet_base::clock::Now;
use russet_base::hashing::crc64;
use russet_config::{AppendFsync, Config, system_text};
use russet_keyspace::Keyspace;
use russet_persistence::aof::{
    BaseForm, Log, Manifest, Names, OpenError, Owner, Retain, Rules, SealedSet, SyncPolicy,
};
use russet_persistence::rdb;
use russet_replication::{ReplOffset, Stream};
use russet_types::Type;

pub(super) const OFF: &str = "the append only file is off";

impl Aof {
    /// The names that the settings give.
    pub fn names(config: &Config) -> Names {
        // An absolute path: the working folder may change later.
        let here = std::env::current_dir().unwrap_or_default();
        Names {
            dir: here.join(config.appenddirname.path()),
            basename: config.appendfilename.lossy().into_owned(),
        }
    }

    /// The names of the set that is being written, even if the server has changed its folder
    /// since; without a file the names that the settings give.
    pub(crate) fn current_names(&self, config: &Config) -> Names {
        match &self.log {
            Some(log) => log.names.clone(),
            None => Aof::names(config),
        }
    }

    /// The manifest of a set that is about to begin, or to be begun anew. An error if it was lost.
    pub(super) fn manifest_for_base(config: &Config, names: &Names) -> Result<Manifest, OpenError> {
        let manifest = names.read_manifest()?;
        match names.unlisted(&manifest, Some(config.dbfilename.path())) {
            Some(strays) => Err(OpenError::NoManifest(Box::new(strays))),
            None => Ok(manifest),
        }
    }

    /// The form of a base.
    ///
    /// A graph of vectors is a snapshot whatever the setting: no commands except RESTORE make the
    /// same graph again, and RESTORE's payload may exceed the limit of a bulk string.
    pub(crate) fn base_form(config: &Config, keyspace: &Keyspace) -> BaseForm {
        let has_graphs = config.rdb_version == 0 && keyspace.any_of(Type::VectorSet);
        if config.aof_use_rdb_preamble || has_graphs {
            BaseForm::Rdb
        } else {
            BaseForm::Commands
        }
    }

    /// The writer's rules, from the settings.
    fn rules(&self, config: &Config) -> Rules {
        Rules {
            policy: match config.appendfsync {
                AppendFsync::Always => SyncPolicy::Always,
                AppendFsync::EverySec => SyncPolicy::EverySec,
                AppendFsync::No => SyncPolicy::No,
            },
            checksums: config.aof_checksum,
            timestamps: config.aof_timestamp_enabled,
            no_sync: config.no_appendfsync_on_rewrite && self.rewrites.in_progress(),
        }
    }

    /// Settings have changed, or a rewrite has begun or ended.
    pub(crate) fn apply_settings(&mut self, config: &Config) {
        let rules = self.rules(config);
        for log in self.log.iter_mut().chain(&mut self.next) {
            log.set_rules(rules);
            log.retain = retain(config, self.unread);
        }
    }

    /// Consumers of the change stream have read on.
    pub(crate) fn follow_cursors(&mut self, config: &Config, stream: &Stream) {
        let unread = unread(config, stream);
        if self.unread != unread {
            self.unread = unread;
            self.apply_settings(config);
        }
    }

    /// Removes files that rewrites have replaced, unless they are to be kept.
    pub(crate) fn apply_history(&mut self, config: &Config) {
        if !config.aof_disable_auto_gc
            && let Some(log) = &mut self.log
        {
            log.remove_history();
        }
    }

    /// A set that nothing has been written to yet. `offset`: where the stream of effects continues.
    pub(super) fn new_log(
        &self,
        config: &Config,
        (names, manifest): (Names, Manifest),
        offset: ReplOffset,
    ) -> Log {
        let (disk, wake) = (self.disk.clone(), self.wake.clone());
        let mut log = Log::new(names, manifest, disk, wake, offset);
        log.set_rules(self.rules(config));
        log.retain = retain(config, self.unread);
        log
    }

    /// The set is loaded, or there is none yet: effects are appended to it from now on.
    pub fn open(
        &mut self,
        config: &Config,
        now: &Now,
        stream: &Stream,
        (names, manifest): (Names, Manifest),
    ) -> Result<(), OpenError> {
        // Opening removes files that are not to be kept.
        self.unread = unread(config, stream);
        let mut log = self.new_log(config, (names, manifest), stream.offset());
        let (form, empty) = empty_base(config, now);
        log.open_or_wait(form, empty, stream.offset())?;
        self.log = Some(Box::new(log));
        self.state = AofState::On;
        Ok(())
    }

    /// CONFIG SET appendonly yes: effects are recorded from now on, in a file that counts once a
    /// rewrite has made its first base.
    pub(crate) fn switch_on(&mut self, config: &Config, stream: &Stream) -> Result<(), String> {
        let names = Aof::names(config);
        let manifest = Aof::manifest_for_base(config, &names).map_err(reason_for_log)?;
        let mut log = self.new_log(config, (names, manifest), stream.offset());
        log.begin_incr(true, stream.offset(), "background rewrite")
            .map_err(reason_for_log)?;
        self.log = Some(Box::new(log));
        self.state = AofState::WaitsForBase;
        Ok(())
    }

    /// CONFIG SET appendonly no. Held replies are safe afterwards, and no client waits for the disk
    /// any more: both are the caller's to resume.
    pub(crate) fn switch_off(&mut self, now: &Now, stream: &Stream) {
        if let Some(mut log) = self.log.take() {
            log.close(time(now), stream.offset());
        }
        self.state = AofState::Off;
        self.incomplete = false;
        self.awaiting.clear();
    }

    /// Whether a shutdown would lose a file that is being switched on.
    pub(crate) fn writes_first_base(&self) -> bool {
        self.state == AofState::WaitsForBase
    }

    /// Begins to force the file to disk while it is still written. `false`: it is on disk already.
    pub(crate) fn begin_ahead(&mut self, owner: Owner) -> Result<bool, String> {
        let log = self.log.as_mut().ok_or(OFF)?;
        log.begin_ahead(owner).map_err(|error| error.to_string())
    }

    /// Begins another incremental file for the next effects ([`Log::begin_next`]), without a wait
    /// for the disk except with `always`.
    pub(crate) fn begin_next_incr(
        &mut self,
        owner: Owner,
        why: &str,
        now: &Now,
        stream: &Stream,
    ) -> Result<(), String> {
        let log = self.log.as_mut().ok_or(OFF)?;
        log.flush(time(now), false);
        if let Some(trouble) = log.writer.trouble() {
            return Err(system_text(trouble.error()));
        }
        let begun = log.begin_next(owner, stream.offset(), why);
        begun.map_err(|error| error.to_string())
    }

    /// The set for a backup to link: none of its files is removed until [`Aof::unseal`].
    pub fn seal(&mut self) -> Option<SealedSet> {
        Some(self.log.as_mut()?.sealed())
    }

    pub(crate) fn unseal(&mut self) {
        if let Some(log) = &mut self.log {
            log.unlink();
        }
    }

    /// The file of the base, if any.
    pub(crate) fn base_path(&self) -> Option<std::path::PathBuf> {
        let log = self.log.as_ref()?;
        let base = log.manifest.base.as_ref()?;
        Some(log.names.path(&base.name))
    }

    /// The last bytes before the process ends. `false`: they are not safe.
    pub fn finish(&mut self, now: &Now, stream: &Stream) -> bool {
        let Some(log) = &mut self.log else {
            return true;
        };
        log.finish(time(now), stream.offset()).is_ok()
    }
}

/// The reason why a set cannot be begun, for the log, and a client's error.
fn reason_for_log(error: OpenError) -> String {
    for line in error.to_string().lines() {
        tracing::warn!("{line}");
    }
    "Unable to turn on AOF. Check server logs.".to_owned()
}

/// The position up to which all consumers of the change stream have read, if any holds files.
fn unread(config: &Config, stream: &Stream) -> Option<ReplOffset> {
    let lowest = stream.cursors.lowest();
    lowest.filter(|_| config.changes_retain > 0)
}

fn retain(config: &Config, unread: Option<ReplOffset>) -> Retain {
    Retain {
        bytes: config.repl_log_retain,
        seconds: config.repl_log_retain_seconds,
        unread,
        unread_bytes: config.changes_retain,
    }
}

/// The content of an empty base.
fn empty_base(config: &Config, now: &Now) -> (BaseForm, Vec<u8>) {
    if !config.aof_use_rdb_preamble {
        return (BaseForm::Commands, Vec::new());
    }
    let version = match config.rdb_version {
        0 => rdb::VERSION_USUAL,
        asked => asked,
    };
    let mut writer = rdb::RdbWriter::new(version, false);
    writer.magic();
    let time = now.unix_s().to_string();
    writer.aux("ctime", time.as_bytes());
    writer.aux("aof-base", b"1");
    writer.end();
    let mut bytes = writer.take(Vec::new());
    let crc = crc64::update(0, &bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    (BaseForm::Rdb, bytes)
}
