//! Redis's way to back up: BACKUP START makes a new base of the append only file, SEAL closes the
//! files written since. Both are links in the folder `backupdirname` itself; sets made by BACKUP
//! CREATE are folders inside it.
//!
//!     idle -> pending -> snapshotting -> incrementing -> sealing -> sealed -> idle (CLEANUP)
//!                  \------------\-------------\------------\-> failed -> idle (CLEANUP), or START
//!
//! While the base is linked and the rest is not, the append only file is not rewritten: base and
//! manifest belong together. `persist::backup` does the work; this module has the session's state
//! and files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use russet_base::clock::Now;
use russet_base::threads;
use russet_command::CommandError;
use russet_config::{Config, system_text};

/// The stage of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionState {
    #[default]
    Idle,
    /// Another snapshot, or a transaction, has to end first.
    Pending,
    /// The base is being made.
    Snapshotting,
    /// The base is in the folder; writes go to the file that SEAL will link.
    Incrementing,
    /// The rest is being linked.
    Sealing,
    Sealed,
    Failed,
}

impl SessionState {
    /// Redis's name: it has no state for the moment of sealing.
    pub fn name(self) -> &'static str {
        match self {
            SessionState::Idle => "idle",
            SessionState::Pending => "pending",
            SessionState::Snapshotting => "snapshotting",
            SessionState::Incrementing | SessionState::Sealing => "incrementing",
            SessionState::Sealed => "sealed",
            SessionState::Failed => "failed",
        }
    }

    /// Whether the session is between START and its end.
    pub fn is_active(self) -> bool {
        !matches!(
            self,
            SessionState::Idle | SessionState::Sealed | SessionState::Failed
        )
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Session {
    pub state: SessionState,
    /// Why the session failed.
    pub error: String,
    /// Unix seconds; 0: not yet.
    pub started_s: i64,
    pub ended_s: i64,
    /// The append only file was off: it is switched off again at the end.
    pub(crate) switched_on: bool,
    /// Rewrites done, and failed in a row, when this session's rewrite began.
    pub rewrites: (u64, u64),
}

impl Session {
    /// Whether the session has to be checked in every turn.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(
            self.state,
            SessionState::Pending | SessionState::Snapshotting
        )
    }

    /// Whether the append only file must keep its base.
    pub(crate) fn keeps_base(&self) -> bool {
        matches!(
            self.state,
            SessionState::Incrementing | SessionState::Sealing
        )
    }

    /// START. An error: a session is under way or sealed, or the folder has files.
    pub fn start(&mut self, config: &Config) -> Result<(), CommandError> {
        if self.state == SessionState::Sealed {
            return Err(CommandError::Text(
                "ERR A sealed backup exists, CLEANUP it first",
            ));
        }
        if self.state.is_active() {
            return Err(CommandError::Text(
                "ERR A backup is already in progress, ABORT it first",
            ));
        }
        let folder = Folder::of(config);
        if !folder.files().is_empty() {
            let name = config.backupdirname.lossy();
            let text = format!("ERR Backup directory {name} is not empty, CLEANUP it first");
            return Err(CommandError::owned(text));
        }
        *self = Session {
            state: SessionState::Pending,
            ..Session::default()
        };
        tracing::info!("Backup started");
        Ok(())
    }

    /// The session's rewrite begins; `rewrites`: rewrites done, and failed in a row.
    pub(crate) fn record_begin(&mut self, rewrites: (u64, u64), now: &Now) {
        self.state = SessionState::Snapshotting;
        self.started_s = now.unix_s();
        self.rewrites = rewrites;
    }

    /// Whether the session's base is made and not linked yet; `done`: rewrites done.
    pub(crate) fn awaits_link(&self, done: u64) -> bool {
        self.state == SessionState::Snapshotting && done > self.rewrites.0
    }

    /// The session's folder has all files.
    pub(crate) fn record_sealed(&mut self, now: &Now) {
        self.state = SessionState::Sealed;
        self.ended_s = now.unix_s();
        tracing::info!("Backup sealed");
    }

    /// The session has failed, or was aborted: removes its files.
    pub(crate) fn record_failure(&mut self, config: &Config, why: &str) {
        tracing::warn!("Backup failed: {why}");
        self.state = SessionState::Failed;
        why.clone_into(&mut self.error);
        Folder::of(config).clear();
    }

    /// CLEANUP: removes the files, and the folder if it has no sets.
    pub fn clean_up(&mut self, config: &Config) -> Result<(), CommandError> {
        if self.state.is_active() {
            return Err(CommandError::Text("ERR Backup is in progress"));
        }
        *self = Session::default();
        let folder = Folder::of(config);
        folder.clear();
        // The folder stays if it has sets; or it never existed.
        let _ = fs::remove_dir(&folder.0);
        Ok(())
    }

    /// Whether a sealed backup has outlived `backup-sealed-ttl`.
    pub(crate) fn is_outdated(&self, config: &Config, now: &Now) -> bool {
        let ttl = i64::try_from(config.backup_sealed_ttl).unwrap_or(i64::MAX);
        self.state == SessionState::Sealed && ttl > 0 && now.unix_s() - self.ended_s >= ttl
    }

    /// LIST: the paths of the files so far, as bytes; manifest last.
    pub fn files(&self, config: &Config) -> Vec<PathBuf> {
        match self.state {
            SessionState::Incrementing | SessionState::Sealing | SessionState::Sealed => {
                Folder::of(config).files()
            }
            _ => Vec::new(),
        }
    }
}

/// The folder of the files.
pub struct Folder(PathBuf);

impl Folder {
    pub fn of(config: &Config) -> Folder {
        let here = std::env::current_dir().unwrap_or_default();
        Folder(here.join(config.backupdirname.path()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The files of the folder, without subfolders: by kind (base, incremental files, manifest),
    /// then by name.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
        let mut files: Vec<PathBuf> = entries.filter(is_file).map(|entry| entry.path()).collect();
        let order = |path: &PathBuf| {
            let name = path.to_string_lossy();
            (name.ends_with(".manifest"), name.contains(".incr."))
        };
        files.sort_by(|a, b| (order(a), a).cmp(&(order(b), b)));
        files
    }

    /// Links a file into the folder, which is made if it is missing. A file that is there already
    /// is replaced.
    pub fn link(&self, from: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let to = self.0.join(from.file_name().unwrap_or(from.as_os_str()));
        match fs::remove_file(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::hard_link(from, to)
    }

    /// Removes the files: they have left the folder when this returns, and a thread frees them.
    fn clear(&self) {
        let files = self.files();
        if files.is_empty() {
            return;
        }
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let unique = russet_base::clock::cycles();
        let dropped = self.0.with_file_name(format!(".dropped-{name}-{unique}"));
        // Without the folder the files stay, with a log line each.
        let _ = fs::create_dir(&dropped);
        for file in files {
            let to = dropped.join(file.file_name().unwrap_or_default());
            if let Err(error) = fs::rename(&file, to) {
                let why = system_text(&error);
                tracing::warn!("Cannot remove {}: {why}", file.display());
            }
        }
        let remove = move || {
            // Best effort: the next session removes the rest.
            let _ = fs::remove_dir_all(&dropped);
        };
        if let Err(error) = threads::start("drop", remove) {
            tracing::warn!("Cannot remove a backup's files: {}", system_text(&error));
        }
    }
}
