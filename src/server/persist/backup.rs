//! Backups at work (`parts::backups`): BACKUP CREATE, LIST, DROP, and the stages of the one in
//! progress.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::threads;
use crate::command::CommandError;
use crate::config::system_text;
use crate::keyspace::{ClientId, Keyspace};
use crate::persistence::aof::{Changed, Names, Owner};
use crate::persistence::errand::Errand;
use crate::server::clients::blocked::Until;
use crate::server::parts::aof::AofState;
use crate::server::parts::backups::{Pending, Set, Stage};
use crate::server::parts::snapshot::End;
use crate::server::state::Server;

/// The set is whole: gives it its name.
fn end_folder(part: &Path, root: &Path, name: &str) -> io::Result<PathBuf> {
    File::open(part)?.sync_all()?;
    let path = root.join(name);
    fs::rename(part, &path)?;
    File::open(root)?.sync_all()?;
    Ok(path)
}

/// Makes an empty folder for a new set, replacing one left by a crash.
fn begin_folder(root: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let part = root.join(format!("{name}.{PART}"));
    match fs::remove_dir_all(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::create_dir(&part)?;
    Ok(part)
}

/// Longer names are refused.
const NAME_MAX: usize = 128;
const PART: &str = "part";

/// Bytes of a set's files, and whether it contains a folder.
fn weigh(path: &Path) -> (u64, bool) {
    let (mut bytes, mut has_folder) = (0, false);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(data) if data.is_dir() => {
                has_folder = true;
                bytes += weigh(&entry.path()).0;
            }
            Ok(data) => bytes += data.len(),
            Err(_) => {}
        }
    }
    (bytes, has_folder)
}

/// Makes a set: `fill` puts its files into the folder. On failure the folder is removed.
fn make_set(
    root: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let told = |error: io::Error| system_text(&error);
    let part = begin_folder(root, name).map_err(told)?;
    let made = fill(&part).and_then(|()| end_folder(&part, root, name).map_err(told));
    if made.is_err() {
        // The first error is the one to report; BACKUP DROP removes the rest.
        let _ = fs::remove_dir_all(&part);
    }
    made
}

fn failed(name: &str, why: &str) -> CommandError {
    tracing::warn!("Backup {name} failed: {why}");
    CommandError::owned(format!("ERR The backup failed: {why}"))
}

/// Checks that a name can be a backup's folder.
fn check_name(name: &[u8]) -> Result<String, CommandError> {
    let plain = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_good = (1..=NAME_MAX).contains(&name.len())
        && name.iter().all(plain)
        && name[0] != b'.'
        && !name.ends_with(b".part");
    let text = String::from_utf8(name.to_vec()).ok();
    text.filter(|_| is_good).ok_or(CommandError::Text(
        "ERR A backup's name is of letters, digits, '-', '_' and '.', and does not begin with \
         '.' or end with '.part'",
    ))
}

impl Server {
    /// The folder of the backup that has ended, for the client that waited for it.
    pub fn backup_made(&self) -> Result<String, CommandError> {
        let pending = self.persist.backups.pending.as_ref();
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

    /// The folder of all backups.
    fn backup_root(&self) -> PathBuf {
        let here = std::env::current_dir().unwrap_or_default();
        here.join(self.config.backupdirname.path())
    }

    /// BACKUP CREATE. The default name is the time. `client` blocks until the set is made.
    pub fn begin_backup(
        &mut self,
        keyspace: &mut Keyspace,
        name: Option<&[u8]>,
        client: ClientId,
    ) -> Result<(), CommandError> {
        let root = self.backup_root();
        let name = match name {
            Some(name) => check_name(name)?,
            None => self.name_by_time(&root),
        };
        if self.persist.backups.pending.is_some() {
            return Err(CommandError::Text("ERR A backup is being made already"));
        }
        if root.join(&name).exists() {
            return Err(CommandError::Text("ERR A backup of this name exists"));
        }
        match self.persist.aof.state {
            AofState::On if !self.persist.aof.refuses_writes() => {
                self.persist.backups.pending = Some(Pending {
                    name: name.clone(),
                    client,
                    stage: Stage::Turn,
                    ended: None,
                });
                self.take_turn().map_err(|why| {
                    self.persist.backups.pending = None;
                    failed(&name, &why)
                })
            }
            AofState::Off => {
                if self.persist.saving.in_progress() || self.is_rewriting() {
                    return Err(CommandError::Text(
                        "ERR A snapshot is being saved: try again when it is done",
                    ));
                }
                let begun = self.save_in_background(keyspace);
                begun.map_err(|why| failed(&name, &why))?;
                self.persist.backups.pending = Some(Pending {
                    name,
                    client,
                    stage: Stage::Snapshot,
                    ended: None,
                });
                Ok(())
            }
            _ => Err(CommandError::Text(
                "ERR The append only file is not whole: try again when it has been rewritten",
            )),
        }
    }

    fn name_by_time(&self, root: &Path) -> String {
        let time = jiff::Timestamp::from_second(self.now.unix_s()).unwrap_or_default();
        let name = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let is_free = |name: &String| !root.join(name).exists();
        let more = (2..).map(|n: u32| format!("{name}-{n}"));
        std::iter::once(name.clone())
            .chain(more)
            .find(is_free)
            .unwrap_or(name)
    }

    /// Begins to seal the append only file if nothing else changes it just now.
    fn take_turn(&mut self) -> Result<(), String> {
        let Some(Pending { stage, .. }) = &mut self.persist.backups.pending else {
            return Ok(());
        };
        if !matches!(stage, Stage::Turn) || self.persist.aof.is_changing() {
            return Ok(());
        }
        *stage = Stage::Sealing;
        match self.begin_ahead(Owner::Backup)? {
            true => Ok(()),
            false => self.begin_next_incr(Owner::Backup, "backup"),
        }
    }

    /// The change of the append only file that a backup waited for has ended.
    pub(in crate::server) fn backup_changed(
        &mut self,
        keyspace: &mut Keyspace,
        ended: Result<Changed, String>,
    ) {
        let went_on = ended.and_then(|changed| match changed {
            Changed::Ahead => self.begin_next_incr(Owner::Backup, "backup"),
            Changed::Next => self.link_sealed(),
            Changed::Base => Ok(()),
        });
        if let Err(why) = went_on {
            self.end_backup(keyspace, Err(why));
        }
    }

    /// The files are sealed: begins to link them.
    fn link_sealed(&mut self) -> Result<(), String> {
        let to = self.aof_names();
        let inside = PathBuf::from(self.config.appenddirname.path());
        let disk = self.persist.aof.disk().clone();
        let (root, wake) = (self.backup_root(), self.persist.aof.wake());
        let Some(pending) = &mut self.persist.backups.pending else {
            return Ok(());
        };
        let name = pending.name.clone();
        let sealed = self
            .persist
            .aof
            .seal()
            .ok_or("the append only file is off")?;
        let links = Errand::start("backup", wake, move || {
            make_set(&root, &name, |part| {
                let to = Names {
                    dir: part.join(inside),
                    ..to
                };
                sealed.link(&disk, &to).map_err(|error| error.to_string())
            })
        });
        match links {
            Ok(links) => pending.stage = Stage::Links(links),
            Err(error) => {
                self.persist.aof.unseal();
                return Err(system_text(&error));
            }
        }
        Ok(())
    }

    /// The snapshot for a backup has ended; on success it is in the file `name`.
    pub(in crate::server) fn backup_saved(
        &mut self,
        keyspace: &mut Keyspace,
        name: &Path,
        end: &End,
    ) {
        let (root, wake) = (self.backup_root(), self.persist.snapshots.wake());
        let Some(pending) = &mut self.persist.backups.pending else {
            return;
        };
        if !matches!(pending.stage, Stage::Snapshot) {
            return;
        }
        if *end != End::Done {
            return self.end_backup(keyspace, Err(end.why().to_owned()));
        }
        let snapshot = name.to_owned();
        let name = pending.name.clone();
        let links = Errand::start("backup", Some(wake), move || {
            make_set(&root, &name, |part| {
                let file = snapshot.file_name().unwrap_or(snapshot.as_os_str());
                let linked = fs::hard_link(&snapshot, part.join(file));
                linked.map_err(|error| system_text(&error))
            })
        });
        match links {
            Ok(links) => pending.stage = Stage::Links(links),
            Err(error) => self.end_backup(keyspace, Err(system_text(&error))),
        }
    }

    /// Whether a backup is in progress and must be checked.
    pub(in crate::server) fn is_backing_up(&self) -> bool {
        self.persist.backups.pending.is_some()
    }

    /// Advances the backup as far as possible without waiting.
    pub(in crate::server) fn go_on_with_backup(&mut self, keyspace: &mut Keyspace) {
        if self.persist.aof.state != AofState::On
            && let Some(pending) = &self.persist.backups.pending
            && matches!(pending.stage, Stage::Turn | Stage::Sealing)
        {
            let why = "the append only file was switched off".to_owned();
            return self.end_backup(keyspace, Err(why));
        }
        let is_sealing = |pending: &Pending| matches!(pending.stage, Stage::Sealing);
        if self
            .persist
            .backups
            .pending
            .as_ref()
            .is_some_and(is_sealing)
            && !self.persist.aof.is_changing()
        {
            // A shutdown that was cancelled has ended the change.
            return self.end_backup(keyspace, Err("it was interrupted".to_owned()));
        }
        if let Err(why) = self.take_turn() {
            return self.end_backup(keyspace, Err(why));
        }
        let stage = self
            .persist
            .backups
            .pending
            .as_ref()
            .map(|pending| &pending.stage);
        let Some(Stage::Links(links)) = stage else {
            return;
        };
        if let Some(ended) = links.take() {
            self.persist.aof.unseal();
            self.end_backup(keyspace, ended);
        }
    }

    /// The backup has its folder, or has failed: resumes its client.
    fn end_backup(&mut self, keyspace: &mut Keyspace, ended: Result<PathBuf, String>) {
        let Some(pending) = &mut self.persist.backups.pending else {
            return;
        };
        match &ended {
            Ok(path) => tracing::info!("Backup {} made", path.display()),
            Err(why) => tracing::warn!("Backup {} failed: {why}", pending.name),
        }
        let client = pending.client;
        pending.ended = Some(ended);
        // It may be gone, or be waiting for something else by now.
        let blocked = self.clients.get(client).map(|s| &s.client.blocked);
        let until = blocked.and_then(|b| Some(&b.as_ref()?.until));
        if matches!(until, Some(Until::Backup)) {
            self.unblock_client(keyspace, client, None);
        }
        self.persist.backups.pending = None;
    }

    /// BACKUP LIST: the sets on disk, by name.
    pub fn list_backups(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        let Ok(entries) = fs::read_dir(self.backup_root()) else {
            return sets;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = entry.path();
            let data = match entry.metadata() {
                Ok(data) if data.is_dir() && !name.starts_with('.') => data,
                _ => continue,
            };
            let (bytes, has_folder) = weigh(&path);
            let kind = match path.extension().is_some_and(|e| e == PART) {
                true => "unfinished",
                false if has_folder => "aof",
                false => "rdb",
            };
            let created = data.modified().ok();
            let since = created.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            sets.push(Set {
                name,
                kind,
                bytes,
                created_s: since.map_or(0, |since| since.as_secs() as i64),
            });
        }
        sets.sort_by(|a, b| a.name.cmp(&b.name));
        sets
    }

    /// BACKUP DROP. The name is free at once; a thread removes the files. A set left unfinished by
    /// an earlier process is dropped by the name that BACKUP LIST shows.
    pub fn drop_backup(&mut self, name: &[u8]) -> Result<(), CommandError> {
        let whole = name.strip_suffix(b".part").unwrap_or(name);
        let is_whole = whole.len() == name.len();
        let mut name = check_name(whole)?;
        if self
            .persist
            .backups
            .pending
            .as_ref()
            .is_some_and(|p| p.name == name)
        {
            return Err(CommandError::Text("ERR The backup is still being made"));
        }
        if !is_whole {
            name = format!("{name}.{PART}");
        }
        let root = self.backup_root();
        let dropped = root.join(format!(".dropped-{name}"));
        match fs::rename(root.join(&name), &dropped) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(CommandError::Text("ERR No such backup"));
            }
            Err(e) => {
                let text = format!("ERR Cannot drop the backup {name}: {}", system_text(&e));
                return Err(CommandError::owned(text));
            }
        }
        tracing::info!("Backup {name} dropped");
        let remove = move || {
            if let Err(error) = fs::remove_dir_all(&dropped) {
                let (path, why) = (dropped.display(), system_text(&error));
                tracing::warn!("Cannot remove {path}: {why}");
            }
        };
        if let Err(error) = threads::start("drop", remove) {
            tracing::warn!("Cannot remove the files of {name}: {}", system_text(&error));
        }
        Ok(())
    }
}
