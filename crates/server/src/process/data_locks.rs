//! `dir-lock`: two servers that write the same files would lose each other's data.
//!
//! A lock is a file beside the data that names it and is locked (`flock`) while its server lives;
//! it holds the number of the process:
//!
//!     .dump.rdb.lock                      the snapshot, if save points write it
//!     .appendonlydir.appendonly.aof.lock  the append only file, if it is on
//!
//! A crash leaves the file, but not the lock. If the file system cannot lock, or the file cannot be
//! made, the server logs that and continues.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::open_locked;
use russet_config::{Config, system_text};

/// Retries of a lock whose file was removed meanwhile by a server that ended.
const TRIES: usize = 100;

/// The locks held. They end with it.
#[derive(Debug, Default)]
pub struct DataLocks {
    held: Vec<Lock>,
}

/// Another server writes the file.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is written by another server, process {pid}: the lock {} says so. Give this one another dir or file \
     name, or set dir-lock no",
    .data.display(), .lock.display()
)]
pub struct InUse {
    data: PathBuf,
    lock: PathBuf,
    pid: String,
}

#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Closing the file ends the lock.
    file: File,
}

impl Lock {
    /// Whether this path leads to the lock's file.
    fn is_at(&self, path: &Path) -> bool {
        let number = |of: fs::Metadata| (of.dev(), of.ino());
        let there = fs::symlink_metadata(path).map(number);
        there.is_ok_and(|there| {
            self.file
                .metadata()
                .map(number)
                .is_ok_and(|own| own == there)
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still locked, so that it is this server's file. A file that stays
        // does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

impl DataLocks {
    /// Holds the locks that the settings ask for, and no others. On an error the locks held before
    /// stay, with some of the new locks.
    pub fn follow(&mut self, config: &Config) -> Result<(), InUse> {
        let wanted = wanted(config);
        for (data, path) in &wanted {
            if self.held.iter().any(|lock| lock.path == *path) {
                continue;
            }
            match take(path) {
                Ok(Some(file)) => self.held.push(Lock {
                    path: path.clone(),
                    file,
                }),
                Ok(None) => match self.held.iter_mut().find(|lock| lock.is_at(path)) {
                    // The lock's folder has been renamed.
                    Some(own) => own.path.clone_from(path),
                    None => {
                        return Err(InUse {
                            data: data.clone(),
                            lock: path.clone(),
                            pid: pid_in(path),
                        });
                    }
                },
                Err(error) => {
                    let (path, why) = (path.display(), system_text(&error));
                    tracing::info!("The data is not locked, {path}: {why}");
                }
            }
        }
        let is_wanted = |lock: &Lock| wanted.iter().any(|(_, path)| *path == lock.path);
        self.held.retain(is_wanted);
        Ok(())
    }
}

/// The files or folders that the server writes by itself, each with its lock's path.
fn wanted(config: &Config) -> Vec<(PathBuf, PathBuf)> {
    let mut wanted = Vec::new();
    if !config.dir_lock || config.is_sentinel {
        return wanted;
    }
    let here = |name: &str| std::path::absolute(name).unwrap_or_else(|_| name.into());
    if !config.save.0.is_empty() {
        let name = config.dbfilename.lossy();
        wanted.push((here(&name), here(&format!(".{name}.lock"))));
    }
    if config.appendonly {
        let (folder, name) = (config.appenddirname.lossy(), config.appendfilename.lossy());
        wanted.push((here(&folder), here(&format!(".{folder}.{name}.lock"))));
    }
    wanted
}

/// Removes the file left by a crashed server of another user, which only that user may write.
/// `false`: this user may not read the file, or may not change the folder.
fn remove_stale(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW);
    match open_locked(path, &options) {
        // The lock is held while its file is removed, so that no server has it.
        Ok(Some(_held)) => Ok(fs::remove_file(path).is_ok()),
        Ok(None) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
        Err(_) => Ok(false),
    }
}

/// Takes a lock; `None`: it is held, by another process or by this process.
fn take(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o644).custom_flags(libc::O_NOFOLLOW);
    for _ in 0..TRIES {
        let opened = match open_locked(path, &options) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let is_stale = remove_stale(path)?;
                if is_stale { Ok(None) } else { Err(error) }
            }
            opened => opened,
        };
        match opened {
            Ok(Some(mut file)) => {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Some(file));
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOLCK))
}

/// The number of the process that holds a lock, as far as its file says.
fn pid_in(path: &Path) -> String {
    /// A longer text is not russet's.
    const DIGITS_MAX: u64 = 20;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(DIGITS_MAX).read_to_string(&mut text));
    match read {
        Ok(_) if text.trim().parse::<u32>().is_ok() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_lock_at_a_time_and_its_file_goes_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".dump.rdb.lock");
        // A crashed server left it.
        fs::write(&path, "1\n").expect("a file");
        let file = take(&path).expect("a file system with locks");
        let lock = Lock {
            path: path.clone(),
            file: file.expect("it is free"),
        };
        assert!(take(&path).expect("a file").is_none());
        assert_eq!(pid_in(&path), std::process::id().to_string());
        drop(lock);
        assert!(!path.exists());
        assert!(take(&path).expect("a file").is_some());
    }

    /// A server that ran as root and crashed leaves a file that no other user may write: it was
    /// reported at each start from then on, and the data was never locked again.
    #[test]
    fn a_file_that_another_user_has_left_is_no_trouble() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".dump.rdb.lock");
        std::fs::write(&path, "1\n").expect("written");
        assert!(remove_stale(&path).expect("its lock is free"));
        assert!(!path.exists());
        let held = take(&path).expect("locked").expect("free");
        let error = remove_stale(&path).expect_err("it is held");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(held);
    }
}
