//! Backups while the server runs: sealed sets of files, each in a folder of its own.
//!
//!     dir/backups/NAME/appendonlydir/...     append only file: hard links, made at once
//!     dir/backups/NAME/dump.rdb              without it: a snapshot saved for the backup
//!
//! A folder gets its name when it is whole; an unfinished folder is called `NAME.part` and is
//! removed on failure. A thread does the disk I/O; only the client that asked blocks. A server
//! starts on a set as it is (`--dir dir/backups/NAME`): it writes to new files, so it changes
//! neither the set nor its source.
//!
//! [`session`] is Redis's way, BACKUP START and SEAL, which seals in the same way.
//!
//! Invariant: at most one backup is in progress (`Backups::pending`).
//!
//! Cost: O(files) for links; without the append only file O(all data), for the snapshot.
//! `persist::backup` coordinates it with the append only file, the snapshot and the client.

mod session;
mod sets;

pub use session::{Session, SessionState};
pub use sets::Set;

pub(crate) use session::Folder;

use std::fs;
use std::path::{Path, PathBuf};

use sets::Sets;

use russet_base::clock::Now;
use russet_base::wake::Wake;
use russet_command::CommandError;
use russet_config::{Config, system_text};
use russet_keyspace::ClientId;
use russet_persistence::aof::{Disk, Names, SealedSet};
use russet_persistence::errand::Errand;

/// See the module.
#[derive(Debug, Default)]
pub struct Backups {
    /// The backup in progress.
    pending: Option<PendingBackup>,
    pub session: Session,
}

#[derive(Debug)]
struct PendingBackup {
    /// Empty: the session is being sealed.
    name: String,
    client: ClientId,
    stage: BackupStage,
    /// How the backup ended.
    ended: Option<Result<PathBuf, String>>,
}

/// The event that a backup waits for.
#[derive(Debug)]
enum BackupStage {
    /// The end of another change of the append only file.
    Turn,
    /// The backup's own change of the set, after which the existing files no longer grow.
    Sealing,
    Snapshot,
    /// The links in the backup's folder.
    Links(Errand<Result<PathBuf, String>>),
}

/// How a backup gets its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By links to the append only file's, once they no longer grow.
    Files,
    /// By a link to the dump file, once the save that has begun ends.
    Snapshot,
}

impl Backups {
    /// Whether a backup is in progress and must be checked.
    #[inline]
    pub fn in_progress(&self) -> bool {
        self.pending.is_some() || self.session.is_waiting()
    }

    /// Whether the session is being sealed.
    pub(crate) fn seals_session(&self) -> bool {
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| pending.name.is_empty())
    }

    /// BACKUP SEAL: begins to seal the session; `client` waits for it.
    pub(crate) fn begin_seal(&mut self, client: ClientId) -> Result<(), CommandError> {
        if self.session.state != SessionState::Incrementing {
            return Err(CommandError::Text(
                "ERR No backup ready to seal (must be in the incrementing state)",
            ));
        }
        if self.pending.is_some() {
            return Err(CommandError::Text("ERR A backup is being made already"));
        }
        self.session.state = SessionState::Sealing;
        self.begin(String::new(), client, Way::Files);
        Ok(())
    }

    /// The name of a new backup, by default the time. An error: it cannot be made, because of its
    /// name or another backup.
    pub(crate) fn new_name(
        &self,
        config: &Config,
        now: &Now,
        name: Option<&[u8]>,
    ) -> Result<String, CommandError> {
        let sets = Sets::of(config);
        let name = match name {
            Some(name) => sets::check_name(name)?,
            None => sets.name_by_time(now),
        };
        if self.pending.is_some() {
            return Err(CommandError::Text("ERR A backup is being made already"));
        }
        if sets.has(&name) {
            return Err(CommandError::Text("ERR A backup of this name exists"));
        }
        Ok(name)
    }

    /// Begins a backup, which `client` waits for.
    pub fn begin(&mut self, name: String, client: ClientId, way: Way) {
        self.pending = Some(PendingBackup {
            name,
            client,
            stage: match way {
                Way::Files => BackupStage::Turn,
                Way::Snapshot => BackupStage::Snapshot,
            },
            ended: None,
        });
    }

    /// Takes the backup's turn to change the append only file. `false`: no backup waits for its
    /// turn.
    pub(crate) fn take_turn(&mut self) -> bool {
        match &mut self.pending {
            Some(pending) if matches!(pending.stage, BackupStage::Turn) => {
                pending.stage = BackupStage::Sealing;
                true
            }
            _ => false,
        }
    }

    /// Why the backup cannot continue, if so. `is_on`: the append only file is on; `is_changing`:
    /// its set is being changed.
    pub(crate) fn interruption(&self, is_on: bool, is_changing: bool) -> Option<&'static str> {
        match self.pending.as_ref()?.stage {
            BackupStage::Turn | BackupStage::Sealing if !is_on => {
                Some("the append only file was switched off")
            }
            // A shutdown that was cancelled has ended the change.
            BackupStage::Sealing if !is_changing => Some("it was interrupted"),
            _ => None,
        }
    }

    /// Begins to link the sealed files of the append only file, whose names are `names`.
    pub(crate) fn link_files(
        &mut self,
        config: &Config,
        sealed: SealedSet,
        names: Names,
        disk: Disk,
        wake: Wake,
    ) -> Result<(), String> {
        if self.seals_session() {
            let to = Names {
                dir: Folder::of(config).path().to_owned(),
                ..names
            };
            let links = Errand::start("backup", Some(wake), move || {
                let linked = sealed.link_closed(&disk, &to);
                linked.map_err(|error| error.to_string()).map(|()| to.dir)
            });
            if let Some(pending) = &mut self.pending {
                pending.stage = BackupStage::Links(links.map_err(|error| system_text(&error))?);
            }
            return Ok(());
        }
        let inside = PathBuf::from(config.appenddirname.path());
        self.link(config, wake, move |part| {
            let to = Names {
                dir: part.join(inside),
                ..names
            };
            sealed.link(&disk, &to).map_err(|error| error.to_string())
        })
    }

    /// Whether a backup waits for the end of a save.
    pub(crate) fn awaits_snapshot(&self) -> bool {
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| matches!(pending.stage, BackupStage::Snapshot))
    }

    /// Begins to link the dump file `snapshot`.
    pub(crate) fn link_snapshot(
        &mut self,
        config: &Config,
        snapshot: PathBuf,
        wake: Wake,
    ) -> Result<(), String> {
        self.link(config, wake, move |part| {
            let file = snapshot.file_name().unwrap_or(snapshot.as_os_str());
            let linked = fs::hard_link(&snapshot, part.join(file));
            linked.map_err(|error| system_text(&error))
        })
    }

    /// Has a thread make the set: `fill` puts its files into the folder.
    fn link(
        &mut self,
        config: &Config,
        wake: Wake,
        fill: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        let (sets, name) = (Sets::of(config), pending.name.clone());
        let links = Errand::start("backup", Some(wake), move || sets.make(&name, fill));
        pending.stage = BackupStage::Links(links.map_err(|error| system_text(&error))?);
        Ok(())
    }

    /// How the thread's work has ended, once.
    pub(crate) fn take_links(&self) -> Option<Result<PathBuf, String>> {
        match &self.pending.as_ref()?.stage {
            BackupStage::Links(links) => links.take(),
            _ => None,
        }
    }

    /// The backup has its folder, or has failed. Returns the client that waits: it may ask for the
    /// result ([`Backups::made`]) until [`Backups::forget`].
    pub(crate) fn record_end(&mut self, ended: Result<PathBuf, String>) -> Option<ClientId> {
        let pending = self.pending.as_mut()?;
        match &ended {
            Ok(path) => tracing::info!("Backup {} made", path.display()),
            Err(why) => tracing::warn!("Backup {} failed: {why}", pending.name),
        }
        pending.ended = Some(ended);
        Some(pending.client)
    }

    pub fn forget(&mut self) {
        self.pending = None;
    }

    /// The folder of the backup that has ended, for the client that waited for it.
    pub fn made(&self) -> Result<String, CommandError> {
        let pending = self.pending.as_ref();
        match pending.and_then(|pending| pending.ended.as_ref()) {
            Some(Ok(path)) => Ok(path.to_string_lossy().into_owned()),
            Some(Err(why)) => {
                let text = format!("ERR The backup failed: {why}");
                Err(CommandError::owned(text))
            }
            None => Err(CommandError::Text(
                "ERR The backup is still being made: see BACKUP LIST",
            )),
        }
    }

    /// BACKUP LIST: the sets on disk, by name. O(files).
    pub fn list(config: &Config) -> Vec<Set> {
        Sets::of(config).list()
    }

    /// BACKUP DROP. The name is free at once; a thread removes the files. A set left unfinished by
    /// an earlier process is dropped by the name that BACKUP LIST shows.
    pub fn drop_set(&self, config: &Config, name: &[u8]) -> Result<(), CommandError> {
        let (whole, is_unfinished) = sets::whole_name(name);
        let name = sets::check_name(whole)?;
        let pending = self.pending.as_ref();
        if pending.is_some_and(|pending| pending.name == name) {
            return Err(CommandError::Text("ERR The backup is still being made"));
        }
        let sets = Sets::of(config);
        if is_unfinished {
            sets.remove(&sets::unfinished(&name))
        } else {
            sets.remove(&name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_of_files_ends_if_they_are_given_up() {
        let mut backups = Backups::default();
        assert!(!backups.take_turn() && backups.interruption(false, false).is_none());
        backups.begin("a".to_owned(), ClientId(1), Way::Files);
        // Until its turn it waits for another change.
        assert!(backups.interruption(true, false).is_none());
        assert!(backups.interruption(false, true).is_some());
        assert!(backups.take_turn() && !backups.take_turn());
        assert!(backups.interruption(true, true).is_none());
        assert!(backups.interruption(true, false).is_some());
        assert_eq!(backups.record_end(Err("x".to_owned())), Some(ClientId(1)));
        assert!(backups.made().is_err());
        backups.forget();
        backups.begin("b".to_owned(), ClientId(1), Way::Snapshot);
        assert!(backups.awaits_snapshot() && backups.interruption(false, false).is_none());
    }
}
