//! Sets on disk: their names, how a folder is filled and gets its name, BACKUP LIST and DROP.
//!
//!     NAME.part       being filled; left by a crash, it is replaced by the next set of that name
//!     NAME            whole: the folder was synced before the rename, its parent after it
//!     .dropped-NAME   dropped: a thread removes the files
//!
//! The names that clients give are checked before they become paths ([`check_name`]). Cost: disk
//! I/O; a set is made on a thread, BACKUP LIST reads the folders in the loop. The files of a set:
//! `backups`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use russet_base::clock::Now;
use russet_base::threads;
use russet_command::CommandError;
use russet_config::{Config, system_text};

/// Longer names are refused.
const NAME_MAX: usize = 128;
/// The end of an unfinished set's name, after a dot.
const PART: &str = "part";

/// A set on disk.
pub struct Set {
    pub name: String,
    /// `aof`, `rdb` or, while in progress, `unfinished`.
    pub kind: &'static str,
    pub bytes: u64,
    /// Unix seconds.
    pub created_s: i64,
}

/// The folder of all sets.
pub(super) struct Sets {
    root: PathBuf,
}

impl Sets {
    pub fn of(config: &Config) -> Sets {
        let here = std::env::current_dir().unwrap_or_default();
        let root = here.join(config.backupdirname.path());
        Sets { root }
    }

    pub fn has(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    /// A name made of the time, which no set has.
    pub fn name_by_time(&self, now: &Now) -> String {
        let time = jiff::Timestamp::from_second(now.unix_s()).unwrap_or_default();
        let name = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let more = (2..).map(|n: u32| format!("{name}-{n}"));
        std::iter::once(name.clone())
            .chain(more)
            .find(|name| !self.has(name))
            .unwrap_or(name)
    }

    /// Makes a set: `fill` puts its files into the folder. On failure the folder is removed.
    pub fn make(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let reported = |error: io::Error| system_text(&error);
        let part = begin_folder(&self.root, name).map_err(reported)?;
        let made = fill(&part).and_then(|()| end_folder(&part, &self.root, name).map_err(reported));
        if made.is_err() {
            // Only the first error is reported; BACKUP DROP removes the rest.
            let _ = fs::remove_dir_all(&part);
        }
        made
    }

    /// The sets, by name. O(files).
    pub fn list(&self) -> Vec<Set> {
        let mut sets = Vec::new();
        let Ok(entries) = fs::read_dir(&self.root) else {
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

    /// Removes a set: its name is free at once, a thread removes the files.
    pub fn remove(&self, name: &str) -> Result<(), CommandError> {
        let dropped = self.root.join(format!(".dropped-{name}"));
        match fs::rename(self.root.join(name), &dropped) {
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
        let remove_files = move || {
            if let Err(error) = fs::remove_dir_all(&dropped) {
                let (path, why) = (dropped.display(), system_text(&error));
                tracing::warn!("Cannot remove {path}: {why}");
            }
        };
        if let Err(error) = threads::start("drop", remove_files) {
            tracing::warn!("Cannot remove the files of {name}: {}", system_text(&error));
        }
        Ok(())
    }
}

/// Checks that a name can be a backup's folder.
pub(super) fn check_name(name: &[u8]) -> Result<String, CommandError> {
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

/// The name of a set that BACKUP LIST shows as `name`: without the suffix of an unfinished set, and
/// whether it has that suffix.
pub(super) fn whole_name(name: &[u8]) -> (&[u8], bool) {
    let whole = name.strip_suffix(b".part").unwrap_or(name);
    (whole, whole.len() != name.len())
}

/// The name of the folder of an unfinished set.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}.{PART}")
}

/// The set is whole: gives it its name.
fn end_folder(part: &Path, root: &Path, name: &str) -> io::Result<PathBuf> {
    File::open(part)?.sync_all()?;
    let path = root.join(name);
    fs::rename(part, &path)?;
    File::open(root)?.sync_all()?;
    Ok(path)
}

/// Makes an empty folder for a new set, replacing a folder left by a crash.
fn begin_folder(root: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let part = root.join(unfinished(name));
    match fs::remove_dir_all(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::create_dir(&part)?;
    Ok(part)
}

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
